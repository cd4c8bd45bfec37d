//! An outbox in memory, which keeps to the words of the port and can be told to fail.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::identity::{BatchKey, Marker};
use mutirao::delivery::settle::{After, Found, Write, verbatim};
use mutirao::delivery::{
    Attempt, Backlog, Change, Claim, ClaimRequest, Claimed, Doubt, End, OpenedTicket, Outbox, OutboxError,
    Refused, RowId, Settle, Settled, State, THOUSANDTHS, Token, WAIT_MAX,
};
use mutirao::ticket::{Problem, Ticket};
use tokio::sync::Notify;

use super::board::Board;

/// The one user of HubSoft.
pub const TESTER: &str = "tester";

/// A row, and what became of it.
#[derive(Clone)]
pub struct Row {
    pub ticket: Ticket,
    /// What validation will find at the claim; none: it is valid.
    problems: Vec<Problem>,
    priority: i64,
    pub lote: Arc<str>,
    /// Who claimed it last; 0 where there is but one.
    pub worker: u64,
    pub marker: Marker,
    pub state: State,
    pub token: Token,
    pub attempts: u32,
    pub sent_at: Option<Timestamp>,
    /// Whether the claim that holds it was the first to set `sent_at`.
    first_claim: bool,
    pub available_at: Timestamp,
    pub doubt: Option<Doubt>,
    pub opening: Option<OpenedTicket>,
    pub error_code: Option<String>,
    pub warning: Option<String>,
    pub history: Vec<Attempt>,
    /// It was claimed, and that was not taken back.
    is_claimed: bool,
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
#[derive(Default)]
pub struct Shelf {
    pub rows: BTreeMap<i64, Row>,
    pub halted: BTreeSet<Arc<str>>,
    pub sights: Vec<(String, Sight)>,
    pub board: Board,
}

#[derive(Default)]
pub struct MemoryOutbox {
    shelf: RefCell<Shelf>,
    /// A row came, and somebody says so.
    pub inserted: Notify,
    /// Decides about each call; the first duration is waited before the commit, the second after.
    weather: RefCell<Option<Weather>>,
    /// What its markers are made with, if it is not the only outbox of a test.
    key: Cell<Option<&'static str>>,
    forgets_doubts: Cell<bool>,
    overstates_sights: Cell<bool>,
    skips_recovery: Cell<bool>,
    /// What time it was at the last claim.
    heard: Cell<Timestamp>,
    pub n_claims: Cell<u64>,
    pub n_settles: Cell<u64>,
    pub n_shares: Cell<u64>,
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
        let row = self.insert(ticket, now, None);
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
        let row = Row {
            ticket,
            problems,
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
            warning: None,
            history: Vec::new(),
            is_claimed: false,
        };
        rows.insert(id, row);
        self.inserted.notify_waiters();
        RowId(id)
    }

    /// The user of the tests has seen a ticket of ours with so long a text.
    pub fn see(&self, text_len: usize, seen_at: Timestamp) {
        saw(&mut self.shelf.borrow_mut(), TESTER, Sight { text_len, seen_at });
    }

    pub fn set_weather(&self, weather: impl FnMut() -> (Trouble, Duration, Duration) + 'static) {
        *self.weather.borrow_mut() = Some(Box::new(weather));
    }

    /// From now on it breaks the promise: what is in doubt is given out to be posted.
    pub fn forget_doubts(&self) {
        self.forgets_doubts.set(true);
    }

    /// An outbox with a key of its own.
    pub fn keyed(key: &'static str) -> Self {
        Self { key: Cell::new(Some(key)), ..Self::default() }
    }

    /// From now on it breaks the promise: any ticket that was seen stands for texts of any length.
    pub fn overstate_sights(&self) {
        self.overstates_sights.set(true);
    }

    /// From now on it breaks the promise: the same slots go to all workers.
    pub fn give_slots_twice(&self) {
        self.shelf.borrow_mut().board.gives_twice = true;
    }

    /// From now on it breaks the promise: what a predecessor left in flight stays so.
    pub fn skip_recovery(&self) {
        self.skips_recovery.set(true);
    }

    pub fn write_state_of(&self, row: RowId, state: State) {
        self.shelf.borrow_mut().rows.get_mut(&row.0).expect("it is a row").state = state;
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

    /// Whether somebody has claimed the row and not settled it.
    pub fn is_held(&self, marker: Marker) -> bool {
        let rows = &self.shelf.borrow().rows;
        rows.values().any(|row| row.marker == marker && row.state == State::InFlight)
    }

    /// Rows of the service that are live, but for `but`.
    pub fn others_live(&self, service: i64, but: Marker) -> Vec<i64> {
        let rows = &self.shelf.borrow().rows;
        let others = rows.iter().filter(|(_, row)| row.marker != but);
        others.filter(|(_, row)| service_of(row) == service && is_live(row)).map(|(id, _)| *id).collect()
    }

    /// One call: waits, does its work or not, waits.
    pub async fn commit<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> Result<T, OutboxError> {
        let planned = self.weather.borrow_mut().as_mut().map(|weather| weather());
        let (trouble, before, after) = planned.unwrap_or((Trouble::None, Duration::ZERO, Duration::ZERO));
        if before > Duration::ZERO {
            tokio::time::sleep(before).await;
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
        match trouble {
            Trouble::After => Err(OutboxError::Unavailable("the answer was lost".into())),
            _ => Ok(done),
        }
    }
}

impl Outbox for MemoryOutbox {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        self.n_claims.set(self.n_claims.get() + 1);
        self.heard.set(want.now);
        self.commit(|shelf| claim(shelf, want, 0)).await
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        self.n_settles.set(self.n_settles.get() + 1);
        let forgets = self.forgets_doubts.get();
        self.commit(|shelf| {
            let became = settles.iter().map(|it| settle(&mut shelf.rows, it, 0, self.heard.get())).collect();
            if forgets {
                shelf.rows.values_mut().for_each(|row| row.doubt = None);
            }
            became
        })
        .await
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        let skips = self.skips_recovery.get();
        self.commit(|shelf| if skips { 0 } else { recover(&mut shelf.rows, now, |_| true) }).await
    }

    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.commit(|shelf| look_again(&mut shelf.rows, now)).await
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
        if self.overstates_sights.get() {
            let any = self.commit(|shelf| specimen(shelf, 0, nth)).await?;
            return Ok(any.map(|it| Specimen { text_len: 10_000, ..it }));
        }
        self.commit(|shelf| specimen(shelf, text_len, nth)).await
    }

    async fn halt(&self, lote: &str, _: &str) -> Result<(), OutboxError> {
        self.commit(|shelf| shelf.halted.extend([Arc::from(lote)])).await
    }
}

fn service_of(row: &Row) -> i64 {
    row.ticket.id_cliente_servico.get()
}

fn is_live(row: &Row) -> bool {
    row.state.is_live()
}

fn waits(row: &Row) -> bool {
    row.state.waits()
}

pub fn claim(shelf: &mut Shelf, want: ClaimRequest, worker: u64) -> Claimed {
    let Shelf { rows, halted, .. } = shelf;
    let mut live = Live::new();
    for (id, row) in rows.iter().filter(|(_, row)| is_live(row)) {
        live.entry(service_of(row)).or_default().insert(*id);
    }
    let mut candidates: Vec<_> = rows.iter().filter(|(_, row)| waits(row)).collect();
    // Doubts first, then by due time.
    candidates.sort_by_key(|(id, row)| (row.doubt.is_none(), row.priority, row.available_at, **id));
    let n_doubts = candidates.partition_point(|(_, row)| row.doubt.is_some());
    match want.end {
        End::Front => {}
        End::Back => candidates[n_doubts..].reverse(),
        End::Between(thousandths) => {
            let n_due = candidates[n_doubts..].iter().filter(|(_, row)| row.available_at <= want.now).count();
            let n_passed = n_due * usize::from(thousandths) / (usize::from(THOUSANDTHS) + 1);
            candidates[n_doubts..].rotate_left(n_passed);
        }
    }
    let candidates: Vec<i64> = candidates.into_iter().map(|(id, _)| *id).collect();

    let mut claimed = Claimed::default();
    let (mut posts, mut look_ups) = (want.posts, want.look_ups);
    for id in candidates {
        let row = rows.get_mut(&id).expect("it was just seen");
        let service = service_of(row);
        if is_blocked(&live, halted, id, row) {
            claimed.backlog.pending = true;
            continue;
        }
        let left = if row.doubt.is_some() { &mut look_ups } else { &mut posts };
        if want.now < row.available_at || *left == 0 {
            claimed.backlog.pending = true;
            let due = Some(row.available_at);
            claimed.backlog.next_due = claimed.backlog.next_due.min(due).or(due);
            continue;
        }
        if !row.problems.is_empty() {
            row.state = State::Invalid;
            let problems = row.problems.clone();
            claimed.refused.push(Refused {
                row: RowId(id),
                line: id as u64 + 1,
                lote: row.lote.clone(),
                referencia: id.to_string().into(),
                problems,
            });
            continue;
        }
        *left -= 1;
        live.entry(service).or_default().insert(id);
        row.state = State::InFlight;
        row.token.0 += 1;
        row.worker = worker;
        row.is_claimed = true;
        row.first_claim = row.sent_at.is_none();
        let sent_at = *row.sent_at.get_or_insert(want.now);
        claimed.claims.push(Claim {
            row: RowId(id),
            token: row.token,
            line: id as u64 + 1,
            ticket: row.ticket.clone(),
            lote: row.lote.clone(),
            referencia: id.to_string().into(),
            marker: row.marker,
            attempts: row.attempts,
            sent_at,
            doubt: row.doubt.clone(),
            warning: row.warning.clone(),
            is_outdated: false,
        });
    }
    claimed.backlog = backlog(rows, &live, halted, claimed.backlog);
    claimed
}

/// What was passed over because a row claimed later in the same call is of its service is blocked.
fn backlog(rows: &BTreeMap<i64, Row>, live: &Live, halted: &BTreeSet<Arc<str>>, seen: Backlog) -> Backlog {
    let pending = rows.iter().filter(|(_, row)| waits(row));
    let free = pending.filter(|(id, row)| !is_blocked(live, halted, **id, row));
    Backlog { next_due: free.map(|(_, row)| row.available_at).min(), ..seen }
}

/// The live rows of each service.
type Live = BTreeMap<i64, BTreeSet<i64>>;

fn is_blocked(live: &Live, halted: &BTreeSet<Arc<str>>, id: i64, row: &Row) -> bool {
    let is_halted = row.doubt.is_none() && halted.contains(&row.lote);
    is_halted || live.get(&service_of(row)).is_some_and(|ids| ids.iter().any(|other| *other != id))
}

pub fn settle(rows: &mut BTreeMap<i64, Row>, settle: &Settle, worker: u64, now: Timestamp) -> Settled {
    let owner = settle.ticket().and_then(|ticket| {
        let has_it = |row: &Row| row.opening.as_ref().is_some_and(|it| it.id_atendimento == ticket);
        let mut others = rows.iter().filter(|(id, row)| **id != settle.row.0 && row.state == State::Opened);
        others.find(|(_, row)| has_it(row)).map(|(id, _)| RowId(*id))
    });
    let Some(row) = rows.get_mut(&settle.row.0) else { return Settled::Stale };
    let found = Found {
        state: row.state,
        token: row.token,
        is_own: row.worker == worker,
        is_claimed: row.is_claimed,
        available_at: row.available_at,
        attempts: row.attempts,
        doubt_since: row.doubt.as_ref().map(|it| it.since),
        protocolo: row.opening.as_ref().map(|it| it.protocolo.clone()),
        id_atendimento: row.opening.as_ref().map(|it| it.id_atendimento),
        warning: row.warning.clone(),
        owner,
    };
    let (to_write, settled) = found.meet(settle, verbatim);
    if to_write != Write::Nothing {
        row.history.extend(settle.attempt.clone());
    }
    match to_write {
        Write::Nothing => {}
        Write::Change => change(row, &settle.change),
        Write::Ticket { state, opening, attempts, warning, fault } => {
            row.state = state;
            row.opening = Some(opening.clone());
            row.attempts = attempts.unwrap_or(row.attempts);
            row.warning = warning.map(str::to_owned).or(row.warning.take());
            row.error_code = fault.map(|it| it.code);
            row.doubt = None;
        }
        Write::Beside { id_atendimento, warning } => {
            if let (Some(opening), Some(it)) = (&mut row.opening, id_atendimento) {
                opening.id_atendimento = it;
            }
            row.warning = warning.or(row.warning.take());
        }
        Write::Doubt => {
            (row.state, row.token, row.worker) = (State::InDoubt, settle.token, worker);
            row.doubt = Some(Doubt::since(now));
            row.sent_at.get_or_insert(now);
            row.error_code = None;
        }
    }
    settled
}

/// As its living owner has it.
fn change(row: &mut Row, change: &Change) {
    let claimed_with = row.doubt.take();
    row.state = change.state(claimed_with.as_ref());
    if *change == Change::Release {
        row.doubt = claimed_with;
        row.is_claimed = false;
        if row.first_claim {
            row.sent_at = None;
        }
        return;
    }
    let After { available_at, attempts, doubt, code, opening, .. } = After::of(change);
    // A look-up that was of no use leaves what is known of the post.
    if claimed_with.is_none() || row.state != State::InDoubt {
        row.error_code = code.map(str::to_owned);
    }
    row.available_at = available_at.unwrap_or(row.available_at);
    row.attempts = attempts.unwrap_or(row.attempts);
    row.doubt = doubt.cloned();
    row.opening = opening.cloned();
}

/// As the port has it, for the rows of `whose`.
pub fn recover(rows: &mut BTreeMap<i64, Row>, now: Timestamp, whose: impl Fn(u64) -> bool) -> u64 {
    take_in(rows, now, |worker| whose(worker).then_some(now))
}

/// As the port has it.
pub fn look_again(rows: &mut BTreeMap<i64, Row>, now: Timestamp) {
    for row in rows.values_mut().filter(|row| row.state == State::Unconfirmed) {
        if let Some(doubt) = &mut row.doubt {
            doubt.answered = 0;
            doubt.precaution = false;
        }
        make_due(row, now);
    }
}

/// As the port has it.
pub fn pull_in(rows: &mut BTreeMap<i64, Row>, now: Timestamp) {
    for row in rows.values_mut().filter(|row| waits(row) && now + WAIT_MAX < row.available_at) {
        row.available_at = now;
    }
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
    let opened = |row: &&Row| row.state == State::Opened && text_len <= len(row);
    let mut opened: Vec<_> = shelf.rows.values().filter(opened).collect();
    opened.sort_by_key(|it| std::cmp::Reverse(it.opening.as_ref().map(|it| it.id_atendimento)));
    let row = opened.get(nth as usize)?;
    Some(Specimen { service: row.ticket.id_cliente_servico, marker: row.marker, text_len: len(row) })
}

/// What is in flight becomes a doubt, if its worker is dead: since when that says.
pub fn take_in(
    rows: &mut BTreeMap<i64, Row>,
    now: Timestamp,
    dead_since: impl Fn(u64) -> Option<Timestamp>,
) -> u64 {
    let mut n_rows = 0;
    for row in rows.values_mut().filter(|row| row.state == State::InFlight) {
        let Some(since) = dead_since(row.worker) else { continue };
        n_rows += 1;
        row.doubt.get_or_insert(Doubt::since(since));
        make_due(row, now);
    }
    n_rows
}

fn make_due(row: &mut Row, now: Timestamp) {
    row.state = row.doubt.as_ref().map_or(State::Pending, Doubt::state);
    row.available_at = now;
}
