//! An outbox in memory, which keeps to the words of the port and can be told to fail.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::identity::{BatchKey, Marker};
use mutirao::delivery::settle::LastClaim;
use mutirao::delivery::{
    Attempt, CLAIM_AGE_MAX, ClaimRequest, Claimed, Doubt, GONE, Halt, OpenedTicket, Outbox, OutboxError,
    RowId, Settle, Settled, State, Token, Warning,
};
use mutirao::ticket::{Problem, Ticket};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::board::{Board, Doubles};
use super::breach::Breach;
use super::memory_claims::{claim, posts_are_left};
use super::memory_settles::{look_again, pull_in, recover, settle};

/// How long a call waits for an outbox that does not answer.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The one user of HubSoft.
pub const TESTER: &str = "tester";

/// A row, and what became of it.
#[derive(Clone)]
pub struct Row {
    pub ticket: Ticket,
    /// What validation will find at the claim; none: it is valid.
    pub(super) problems: Vec<Problem>,
    pub(super) priority: i64,
    pub lote: Arc<str>,
    /// Who claimed it last; 0 where there is but one.
    pub worker: u64,
    pub marker: Marker,
    pub state: State,
    pub token: Token,
    pub attempts: u32,
    pub sent_at: Option<Timestamp>,
    /// Whether the claim that holds it was the first to set `sent_at`.
    pub first_claim: bool,
    pub available_at: Timestamp,
    pub doubt: Option<Doubt>,
    pub opening: Option<OpenedTicket>,
    pub error_code: Option<String>,
    pub warnings: Vec<Warning>,
    pub history: Vec<Attempt>,
    /// It was claimed, and that was not taken back.
    pub is_claimed: bool,
    /// Its file no longer has it.
    pub is_gone: bool,
    /// It was once to be looked for before its post.
    pub was_precaution: bool,
    /// A person withdrew it.
    pub is_withdrawn: bool,
    pub is_purged: bool,
    /// Its file says something else of it than was sent.
    pub is_outdated: bool,
    /// The doubt of the claim that left it opened, or in conflict.
    pub kept_doubt: Option<Doubt>,
    /// What its claim to post leaves if somebody writes over its state.
    pub claim_doubt: Option<Doubt>,
    /// That was done while it was in flight: what was claimed may be posted yet.
    is_written_over: bool,
    /// A person made it live, and no post of its service was claimed since: what was claimed before goes yet.
    pub(super) is_revived: bool,
}

impl Row {
    /// For that worker.
    pub fn last_claim(&self, worker: u64) -> LastClaim {
        LastClaim { state: self.state, token: self.token, is_own: self.worker == worker }
    }

    /// Whether nothing is known of that claim of that worker.
    pub(super) fn lacks_claim(&self, token: Token, worker: u64, breach: Breach) -> bool {
        let is_kept = match breach {
            Breach::KeepEarlierClaims => self.state.is_live(),
            Breach::KeepWhatWasDone => !self.state.is_live() && self.state != State::Pending,
            _ => false,
        };
        !is_kept && self.last_claim(worker).lacks_claim(token)
    }

    /// What is gone from its file is not to be opened any more, once it is certain that nothing was.
    pub(super) fn withdraw_if_gone(&mut self, breach: Breach) {
        let is_unsent = self.doubt.as_ref().is_none_or(|it| it.precaution);
        let is_free = self.state == State::Pending && is_unsent
            || breach == Breach::WithdrawDoubts && self.state == State::InDoubt;
        if self.is_gone && is_free {
            self.state = State::Cancelled;
            self.error_code = Some(GONE.to_owned());
        }
    }

    /// Nothing was known of the claim of that worker.
    pub fn doubt_lost_claim(&mut self, token: Token, worker: u64, now: Timestamp, since: Timestamp) {
        (self.state, self.token, self.worker) = (State::InDoubt, token, worker);
        self.doubt = Some(Doubt::since(since));
        self.claim_doubt = None;
        self.sent_at.get_or_insert(now);
        self.error_code = None;
    }

    /// Beside the ticket that it has, or is said to have.
    pub fn keep_doubt(&mut self, now: Timestamp) {
        let of_claim = self.doubt.take().or(self.claim_doubt.take()).unwrap_or_else(|| Doubt::since(now));
        self.kept_doubt = Some(Doubt { precaution: false, ..of_claim });
    }

    /// Somebody writes `pending` into its state, and nothing else, but that what was finished is due. Returns
    /// whether it was something else.
    pub fn write_pending(&mut self, now: Timestamp) -> bool {
        if self.state == State::Pending || self.is_purged || self.is_gone {
            return false;
        }
        let was_live = self.is_live();
        if !self.state.is_live() {
            self.available_at = now;
        }
        self.is_written_over |= self.state == State::InFlight;
        let left = match self.state {
            State::InFlight => self.claim_doubt.clone(),
            State::Opened | State::Conflict => self.kept_doubt.take(),
            _ => None,
        };
        self.doubt = self.doubt.take().or(left);
        self.state = State::Pending;
        self.is_revived |= !was_live && self.is_live();
        true
    }

    /// Possibly sent and unsettled. A precaution is not among them: its predecessors are known to have left
    /// nothing.
    pub(super) fn is_live(&self) -> bool {
        let is_said = self.state == State::Pending && self.doubt.as_ref().is_some_and(|it| !it.precaution);
        self.state.is_live() || is_said
    }
}

/// What goes wrong in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// Nothing was done.
    Before,
    /// It was done, and the answer was lost.
    After,
    Full,
}

type Weather = Box<dyn FnMut() -> (Trouble, Duration, Duration)>;

/// All that is stored.
#[derive(Clone, Default)]
pub struct Shelf {
    /// Who stores it: another one after each failover.
    pub server: u64,
    pub rows: BTreeMap<i64, Row>,
    pub halted: BTreeSet<Arc<str>>,
    pub sights: Vec<(String, Sight)>,
    pub board: Board,
    pub breach: Breach,
}

#[derive(Default)]
pub struct MemoryOutbox {
    shelf: RefCell<Shelf>,
    /// Nobody answers.
    is_down: Cell<bool>,
    n_unanswered: Cell<u64>,
    /// What was lost with the last server, and when.
    lost: RefCell<Option<(Instant, Shelf)>>,
    /// A row came, and somebody says so.
    pub inserted: Notify,
    /// Decides about each call; the first duration is waited before the commit, the second after.
    weather: RefCell<Option<Weather>>,
    /// What its markers are made with, if it is not the only outbox of a test.
    key: Cell<Option<&'static str>>,
    /// What time it was at the last claim.
    heard: Cell<Timestamp>,
    pub n_claims: Cell<u64>,
    pub n_settles: Cell<u64>,
    pub n_shares: Cell<u64>,
}

/// What is stored there, and what time it was.
impl Clone for MemoryOutbox {
    fn clone(&self) -> Self {
        Self { shelf: self.shelf.clone(), heard: self.heard.clone(), ..Self::default() }
    }
}

impl MemoryOutbox {
    pub fn with(tickets: impl IntoIterator<Item = Ticket>, now: Timestamp) -> Self {
        let outbox = Self::default();
        for ticket in tickets {
            outbox.insert(ticket, now, None);
        }
        outbox
    }

    pub fn insert(&self, ticket: Ticket, now: Timestamp, doubt: Option<Doubt>) -> RowId {
        self.insert_as(ticket, Vec::new(), 0, now, doubt)
    }

    /// A row of another lote.
    pub fn insert_in(&self, lote: &str, ticket: Ticket, now: Timestamp) -> RowId {
        self.insert_into(lote, ticket, now, None)
    }

    /// The same, in doubt.
    pub fn insert_into(&self, lote: &str, ticket: Ticket, now: Timestamp, doubt: Option<Doubt>) -> RowId {
        let row = self.insert(ticket, now, doubt);
        if let Some(stored) = self.shelf.borrow_mut().rows.get_mut(&row.0) {
            stored.lote = lote.into();
        }
        row
    }

    /// With what validation will find, and a priority: lower numbers come first.
    pub fn insert_as(
        &self,
        ticket: Ticket,
        problems: Vec<Problem>,
        priority: i64,
        now: Timestamp,
        doubt: Option<Doubt>,
    ) -> RowId {
        let rows = &mut self.shelf.borrow_mut().rows;
        let id = rows.len() as i64 + 1;
        let was_precaution = doubt.as_ref().is_some_and(|it| it.precaution);
        let row = Row {
            ticket,
            problems,
            was_precaution,
            is_withdrawn: false,
            is_purged: false,
            is_outdated: false,
            kept_doubt: None,
            claim_doubt: None,
            is_written_over: false,
            is_revived: false,
            priority,
            lote: "queda".into(),
            worker: 0,
            marker: match self.key.get() {
                Some(key) => Marker::new(&BatchKey(key.to_owned()), &id.to_string()),
                None => super::world::marker(id),
            },
            state: State::Pending,
            token: Token(0),
            attempts: 0,
            sent_at: None,
            first_claim: false,
            available_at: now,
            doubt,
            opening: None,
            error_code: None,
            warnings: Vec::new(),
            history: Vec::new(),
            is_claimed: false,
            is_gone: false,
        };
        rows.insert(id, row);
        self.inserted.notify_waiters();
        RowId(id)
    }

    /// The user of the tests has seen a ticket of ours with so long a text.
    pub fn see(&self, text_len: usize, seen_at: Timestamp) {
        self.see_as(TESTER, text_len, seen_at);
    }

    /// `who` has.
    pub fn see_as(&self, who: &str, text_len: usize, seen_at: Timestamp) {
        saw(&mut self.shelf.borrow_mut(), who, Sight { text_len, seen_at });
    }

    pub fn set_weather(&self, weather: impl FnMut() -> (Trouble, Duration, Duration) + 'static) {
        *self.weather.borrow_mut() = Some(Box::new(weather));
    }

    /// From now on it breaks the promise.
    pub fn breach(&self, breach: Breach) {
        self.shelf.borrow_mut().breach = breach;
    }

    /// An outbox with a key of its own.
    pub fn keyed(key: &'static str) -> Self {
        Self { key: Cell::new(Some(key)), ..Self::default() }
    }

    /// From now on it breaks the promise: slots that somebody has go to another.
    pub fn give_slots_twice(&self, when: Doubles) {
        self.shelf.borrow_mut().board.doubles = when;
    }

    pub fn write_state_of(&self, row: RowId, state: State) {
        self.shelf.borrow_mut().rows.get_mut(&row.0).expect("it is a row").state = state;
    }

    /// The file of the row came again without its line, if anybody answered.
    pub fn lose_line(&self, row: RowId) {
        if self.is_down.get() {
            return;
        }
        let mut shelf = self.shelf.borrow_mut();
        let breach = shelf.breach;
        let row = shelf.rows.get_mut(&row.0).expect("it is a row");
        row.is_gone = true;
        row.withdraw_if_gone(breach);
    }

    /// What somebody does in no time.
    pub fn at_once<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(&mut self.shelf.borrow_mut())
    }

    pub fn is_down(&self) -> bool {
        self.is_down.get()
    }

    pub fn n_rows(&self) -> i64 {
        self.shelf.borrow().rows.len() as i64
    }

    pub fn row(&self, id: i64) -> Row {
        self.shelf.borrow().rows[&id].clone()
    }

    pub fn rows(&self) -> Vec<(i64, Row)> {
        self.shelf.borrow().rows.iter().map(|(id, row)| (*id, row.clone())).collect()
    }

    pub fn count(&self, state: State) -> usize {
        self.shelf.borrow().rows.values().filter(|row| row.state == state).count()
    }

    /// What a standby has at this moment.
    pub fn standby(&self) -> Shelf {
        self.shelf.borrow().clone()
    }

    /// `standby` takes over, and all connections are lost.
    pub fn fail_over(&self, standby: Shelf) {
        let server = self.server() + 1;
        let lost = self.shelf.replace(Shelf { server, ..standby });
        self.lost.replace(Some((Instant::now(), lost)));
    }

    /// From now on nobody answers.
    pub fn go_down(&self) {
        self.is_down.set(true);
    }

    pub fn come_up(&self) {
        self.is_down.set(false);
    }

    pub fn server(&self) -> u64 {
        self.shelf.borrow().server
    }

    /// Asks what is stored where the row's last claim is: after a failover, what was lost may be sent yet.
    /// The standby may have an older claim in flight, beside rows that had been settled since; nobody claims
    /// there before the lost claim was said again, and then the next has a higher token. `None`: it is not
    /// claimed.
    pub fn where_claimed<T>(&self, code: &str, ask: impl FnOnce(&Shelf) -> T) -> Option<T> {
        // A post goes on whatever is written over the row meanwhile.
        let is_claimed = |row: &&Row| row.state == State::InFlight || row.is_written_over;
        let claim_in = |it: &Shelf| {
            let row = it.rows.values().find(|row| row.marker.as_str() == code);
            row.filter(is_claimed).map(|row| row.token)
        };
        let (shelf, lost) = (self.shelf.borrow(), self.lost.borrow());
        let lost = lost.as_ref().filter(|(at, _)| at.elapsed() <= CLAIM_AGE_MAX).map(|(_, lost)| lost);
        let claims = [lost, Some(&*shelf)].into_iter().flatten().filter_map(|it| Some((claim_in(it)?, it)));
        claims.max_by_key(|(token, _)| *token).map(|(_, it)| ask(it))
    }

    /// One call: waits, does its work or not, waits.
    pub async fn commit<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> Result<T, OutboxError> {
        let planned = self.weather.borrow_mut().as_mut().map(|weather| weather());
        let server = self.server();
        let (trouble, before, after) = planned.unwrap_or((Trouble::None, Duration::ZERO, Duration::ZERO));
        if before > Duration::ZERO {
            tokio::time::sleep(before).await;
        }
        if self.is_down.get() || self.server() != server {
            return Err(self.no_answer().await);
        }
        match trouble {
            Trouble::Before => return Err(OutboxError::Unavailable("not begun".into())),
            Trouble::Full => return Err(OutboxError::Full("no space".into())),
            Trouble::None | Trouble::After => {}
        }
        let done = work(&mut self.shelf.borrow_mut());
        if after > Duration::ZERO {
            tokio::time::sleep(after).await;
        }
        if self.is_down.get() || self.server() != server {
            return Err(self.no_answer().await);
        }
        match trouble {
            Trouble::After => Err(OutboxError::Unavailable("the answer was lost".into())),
            _ => Ok(done),
        }
    }
}

impl MemoryOutbox {
    /// Some hear at once that nobody is there any more, others wait for as long as anybody does.
    async fn no_answer(&self) -> OutboxError {
        self.n_unanswered.set(self.n_unanswered.get() + 1);
        if self.n_unanswered.get().is_multiple_of(2) {
            tokio::time::sleep(ANSWER_MAX).await;
        }
        OutboxError::Unavailable("no connection".into())
    }

    /// Each of its calls is one commit.
    pub fn n_commits(&self) -> u64 {
        self.n_claims.get() + self.n_settles.get()
    }

    fn claim_of(shelf: &mut Shelf, want: ClaimRequest) -> Claimed {
        let mut claimed = claim(shelf, want, 0);
        let is_restless = shelf.breach == Breach::BeRestless;
        if let Some(due) = claimed.backlog.next_due.as_mut().filter(|_| is_restless) {
            *due = want.now;
        }
        claimed
    }

    fn settle_in(&self, shelf: &mut Shelf, settles: &[Settle]) -> Vec<Settled> {
        let became = settles.iter().map(|it| settle(shelf, it, 0, self.heard.get())).collect();
        shelf.break_promise(settles);
        became
    }
}

impl Outbox for MemoryOutbox {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        self.n_claims.set(self.n_claims.get() + 1);
        self.heard.set(want.now);
        self.commit(|shelf| Self::claim_of(shelf, want)).await
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        self.n_settles.set(self.n_settles.get() + 1);
        self.commit(|shelf| self.settle_in(shelf, settles)).await
    }

    async fn settle_and_claim(
        &self,
        settles: &[Settle],
        want: ClaimRequest,
    ) -> Result<(Vec<Settled>, Claimed), OutboxError> {
        self.n_claims.set(self.n_claims.get() + 1);
        self.commit(|shelf| {
            let became = self.settle_in(shelf, settles);
            self.heard.set(want.now);
            (became, Self::claim_of(shelf, want))
        })
        .await
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        self.commit(|shelf| match shelf.breach {
            Breach::SkipRecovery => 0,
            _ => recover(shelf, now, |_| true),
        })
        .await
    }

    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.commit(|shelf| look_again(shelf, now)).await
    }

    async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.commit(|shelf| pull_in(&mut shelf.rows, now)).await
    }

    async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError> {
        self.commit(|shelf| sights(shelf, who)).await
    }

    async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError> {
        self.commit(|shelf| saw(shelf, who, sight)).await
    }

    async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError> {
        if self.shelf.borrow().breach == Breach::OverstateSights {
            let any = self.commit(|shelf| specimen(shelf, 0, nth)).await?;
            return Ok(any.map(|it| Specimen { text_len: 10_000, ..it }));
        }
        self.commit(|shelf| specimen(shelf, text_len, nth)).await
    }

    async fn posts_are_left(&self) -> Result<bool, OutboxError> {
        self.commit(posts_are_left).await
    }

    async fn halt(&self, lote: &str, _: &Halt) -> Result<(), OutboxError> {
        self.commit(|shelf| shelf.halted.extend([Arc::from(lote)])).await
    }
}

impl Shelf {
    /// Rows of the service that were live when `but` was claimed to be posted, and are. Where something was
    /// written over that, others may have been claimed to be looked up; posts still wait for it.
    pub fn others_live(&self, service: i64, but: &str) -> Vec<i64> {
        if self.rows.values().any(|row| row.marker.as_str() == but && row.is_written_over) {
            return Vec::new();
        }
        let others = self.rows.iter().filter(|(_, row)| row.marker.as_str() != but);
        let is_beside = |row: &Row| service_of(row) == service && row.is_live() && !row.is_revived;
        others.filter(|(_, row)| is_beside(row)).map(|(id, _)| *id).collect()
    }

    /// After these settles.
    fn break_promise(&mut self, settles: &[Settle]) {
        match self.breach {
            Breach::ForgetDoubts => self.rows.values_mut().for_each(forget_doubt),
            Breach::PutOff => {
                for settle in settles {
                    if let Some(row) = self.rows.get_mut(&settle.row.0).filter(|row| waits(row)) {
                        row.available_at += Duration::from_secs(19 * 60);
                    }
                }
            }
            Breach::Hurry => {
                for settle in settles {
                    if let Some(row) = self.rows.get_mut(&settle.row.0).filter(|row| waits(row)) {
                        row.available_at = Timestamp::MIN;
                    }
                }
            }
            Breach::CountTwice => {
                for settle in settles {
                    if let Some(row) = self.rows.get_mut(&settle.row.0) {
                        row.attempts *= 2;
                    }
                }
            }
            Breach::DoubleAbsences => {
                for doubt in self.rows.values_mut().filter_map(|row| row.doubt.as_mut()) {
                    doubt.last_absence.get_or_insert(Timestamp::UNIX_EPOCH);
                }
            }
            _ => {}
        }
    }
}

pub(super) fn service_of(row: &Row) -> i64 {
    row.ticket.id_cliente_servico.get()
}

fn forget_doubt(row: &mut Row) {
    if row.doubt.take().is_some() && row.state == State::InDoubt {
        row.state = State::Pending;
    }
}

pub(super) fn waits(row: &Row) -> bool {
    row.state.waits()
}

/// As the port has it.
pub fn sights(shelf: &Shelf, who: &str) -> Vec<Sight> {
    let mut found: Vec<_> = shelf.sights.iter().filter(|it| it.0 == who).map(|it| it.1).collect();
    found.sort_by_key(|it| std::cmp::Reverse(it.text_len));
    found
}

/// As the port has it.
pub fn saw(shelf: &mut Shelf, who: &str, sight: Sight) {
    shelf.sights.retain(|it| it.0 != who || sight.text_len < it.1.text_len);
    shelf.sights.push((who.to_owned(), sight));
}

/// As the port has it.
pub fn specimen(shelf: &Shelf, text_len: usize, nth: u32) -> Option<Specimen> {
    let len = |row: &Row| row.ticket.descricao.as_str().chars().count();
    let opened = |row: &&Row| row.state == State::Opened && !row.is_purged && text_len <= len(row);
    let mut opened: Vec<_> = shelf.rows.values().filter(opened).collect();
    opened.sort_by_key(|it| std::cmp::Reverse(it.opening.as_ref().map(|it| it.id_atendimento)));
    let row = opened.get(nth as usize)?;
    Some(Specimen { service: row.ticket.id_cliente_servico, marker: row.marker, text_len: len(row) })
}
