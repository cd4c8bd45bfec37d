//! One of several workers on an outbox in memory: what it claims is its own, for as long as its lease
//! lasts.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::coordination::{ShareRequest, SharedState};
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::{
    Backlog, CLAIM_AGE_MAX, ClaimRequest, Claimed, Clock, Halt, Outbox, OutboxError, Rate, RowId, Settle,
    Settled, State,
};
use mutirao::outbox::postgres::{RENEWALS, RENEWALS_BEFORE_RESCUE};
use mutirao::outbox::{LEASE, Lately, Said};
use tokio::time::sleep;

use super::board::Seat;
use super::breach::Breach;
use super::memory_claims::{claim, posts_are_left};
use super::memory_outbox::{ANSWER_MAX, MemoryOutbox, Row, Shelf, saw, sights, specimen};
use super::memory_settles::{look_again, pull_in, recover, settle, take_in};
use super::replay::tell;
use super::world::VirtualClock;

/// How often a lease is renewed.
const RENEWED_EVERY: Duration = Duration::from_secs(LEASE.as_secs() / RENEWALS as u64);

pub struct MemoryWorker {
    pub outbox: Rc<MemoryOutbox>,
    pub clock: VirtualClock,
    /// Of this life: a worker that starts again is another one.
    pub id: u64,
    pub rate: Rate,
    /// How long it waits for an answer of HubSoft.
    pub timeout: Duration,
    /// Between these times it cannot reach the outbox; HubSoft it can.
    pub cut: Option<(Duration, Duration)>,
    /// Between these times it stands still.
    pub still: Option<(Duration, Duration)>,
    /// Whether it looks up only, as `reconcile` does.
    pub only_looks: bool,
    lately: Lately,
    /// Something failed since it last asked whether the server is still the same.
    doubts_server: Cell<bool>,
    /// The server that it has told all.
    told: Cell<u64>,
}

impl MemoryWorker {
    pub fn new(
        outbox: &Rc<MemoryOutbox>,
        clock: VirtualClock,
        id: u64,
        rate: Rate,
        timeout: Duration,
    ) -> Self {
        Self {
            outbox: Rc::clone(outbox),
            clock,
            id,
            rate,
            timeout,
            cut: None,
            still: None,
            only_looks: false,
            lately: Lately::default(),
            doubts_server: Cell::default(),
            told: Cell::new(outbox.server()),
        }
    }

    /// Renews the lease and takes in what the dead have left, for ever.
    pub async fn heartbeat<T>(&self) -> T {
        loop {
            let wait = if self.renew().await.is_ok() { RENEWED_EVERY } else { Duration::from_secs(1) };
            sleep(wait).await;
        }
    }

    async fn renew(&self) -> Result<(), OutboxError> {
        if self.prolong().await? {
            self.say_all_again().await?;
        }
        self.rescue().await
    }

    /// Makes the lease last from now on. Returns whether the server has not heard yet what this worker did.
    async fn prolong(&self) -> Result<bool, OutboxError> {
        self.commit(|shelf| {
            let (now, server) = (self.clock.now(), shelf.server);
            // A clock that was set back makes no lease longer.
            let kept = shelf.breach == Breach::KeepLeases;
            for seat in shelf.board.seats.values_mut().filter(|_| !kept) {
                seat.lease_until = seat.lease_until.min(now + LEASE);
            }
            let known = shelf.board.seats.get(&self.id).copied();
            let (rate, lease_until) = (self.rate, now + LEASE);
            // One that was taken for dead registers anew.
            let n_renewals = match known {
                Some(it) if now <= it.lease_until && it.server == server => {
                    // One that is tried again says nothing of how long it waits.
                    it.n_renewals + i32::from(it.lease_until + RENEWED_EVERY <= lease_until)
                }
                _ => {
                    self.tell(|| format!("renews as one who came anew (known: {})", known.is_some()));
                    0
                }
            };
            // It may be the server that forgot it.
            let forgotten = match shelf.breach {
                Breach::ForgetTheForgotten => server,
                _ => self.told.get(),
            };
            let told = known.map_or(forgotten, |it| it.server);
            shelf.board.seats.insert(self.id, Seat { rate, lease_until, n_renewals, server: told });
            self.is_new(shelf)
        })
        .await
    }

    /// Takes in what dead workers left in flight.
    async fn rescue(&self) -> Result<(), OutboxError> {
        self.commit(|shelf| {
            let now = self.clock.now();
            let (seats, breach) = (&mut shelf.board.seats, shelf.breach);
            let may = |it: &Seat| RENEWALS_BEFORE_RESCUE <= it.n_renewals && now < it.lease_until;
            if !seats.get(&self.id).is_some_and(may) {
                return;
            }
            // It may only be cut off from here, and wait for an answer yet.
            let dead_since = |_: i64, row: &Row| match seats.get(&row.worker) {
                Some(seat) if seat.lease_until < now => Some(now.max(seat.lease_until + self.timeout)),
                Some(_) if breach == Breach::RescueTheLiving && row.worker != self.id => Some(now),
                Some(_) => None,
                None => Some(now),
            };
            for (id, row) in shelf.rows.iter().filter(|(_, row)| row.state == State::InFlight) {
                if let Some(since) = dead_since(*id, row) {
                    let token = row.token.0;
                    self.tell(|| format!("takes in {id}/{token} of {}, in doubt since {since}", row.worker));
                }
            }
            take_in(&mut shelf.rows, breach, now, dead_since);
            for (id, seat) in seats.iter().filter(|(_, it)| it.lease_until < now) {
                self.tell(|| format!("buries {id}, who last told {} of {}", seat.server, shelf.server));
            }
            seats.retain(|_, it| now <= it.lease_until);
        })
        .await
    }

    /// Whether the server that answers now has heard all that this worker did.
    pub fn has_told(&self) -> bool {
        self.told.get() == self.outbox.server()
    }

    async fn settle_doubts_of_server(&self) -> Result<(), OutboxError> {
        if self.doubts_server.get() {
            let is_forgotten = self.commit(|shelf| !shelf.board.seats.contains_key(&self.id)).await?;
            if is_forgotten && self.outbox.at_once(|it| it.breach) != Breach::ForgetWhatWasNotHeard {
                return Ok(());
            }
            self.say_again().await?;
            self.doubts_server.set(false);
        }
        self.lately.forget_old();
        Ok(())
    }

    /// Says again what it did lately, of what the server does not know, if the server began anew.
    async fn say_again(&self) -> Result<(), OutboxError> {
        if self.commit(|shelf| self.is_new(shelf)).await? { self.say_all_again().await } else { Ok(()) }
    }

    /// Whether the server is one that knows this worker, but has not heard yet what it did.
    fn is_new(&self, shelf: &Shelf) -> bool {
        let Some(seat) = shelf.board.seats.get(&self.id) else { return false };
        if seat.server == shelf.server {
            self.told.set(seat.server);
        }
        seat.server != shelf.server
    }

    /// The others wait for it as long as its lease lasts, however long it takes.
    async fn say_all_again(&self) -> Result<(), OutboxError> {
        let keep_prolonging = async {
            loop {
                let _ = self.prolong().await;
                sleep(RENEWED_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            said = self.say_each_again() => said,
            never = keep_prolonging => never,
        }
    }

    async fn say_each_again(&self) -> Result<(), OutboxError> {
        let breach = self.outbox.at_once(|it| it.breach);
        let (live, settled) = match breach {
            Breach::SayNothing => Default::default(),
            _ => self.lately.all(),
        };
        let since = CLAIM_AGE_MAX + self.timeout;
        self.commit(|shelf| {
            let now = self.clock.now();
            for (id, by) in live {
                let row = shelf.rows.get_mut(&id.0);
                if let Some(row) = row.filter(|it| it.lacks_claim(by.token, self.id, breach)) {
                    self.tell(|| format!("says again that it claimed {}/{}", id.0, by.token.0));
                    row.doubt_lost_claim(by.token, self.id, now, now + since);
                }
            }
        })
        .await?;
        let unknown = self.commit(|shelf| {
            let last = |it: &Said| shelf.rows.get(&it.settle.row.0).map(|row| row.last_claim(self.id));
            let is_unknown = |it: &Said| last(it).is_some_and(|last| last.lacks_settle(&it.settle));
            Vec::from_iter(settled.into_iter().filter(is_unknown).map(|it| it.settle))
        });
        let unknown = unknown.await?;
        // Who has told all, in another call, may have claimed meanwhile, by tokens that were lost.
        self.commit(|shelf| {
            if self.is_new(shelf) {
                self.settle_on(shelf, &unknown);
            }
        })
        .await?;
        self.commit(|shelf| {
            // The server may have forgotten that this was done.
            pull_in(&mut shelf.rows, self.clock.now());
        })
        .await?;
        self.commit(|shelf| {
            let now = self.clock.now();
            let may = self.is_new(shelf);
            let is_unknown =
                |id: i64, row: &Row| may && row.worker == self.id && !self.lately.holds(RowId(id), row.token);
            let n_rows = take_in(&mut shelf.rows, breach, now + since, |id, row| {
                is_unknown(id, row).then_some(now + since)
            });
            self.tell(|| format!("takes in {n_rows} rows of which it knows nothing"));
            if let Some(seat) = shelf.board.seats.get_mut(&self.id) {
                seat.server = shelf.server;
            }
            self.tell(|| format!("has told {} all", shelf.server));
            self.told.set(shelf.server);
        })
        .await
    }

    fn settle_on(&self, shelf: &mut Shelf, settles: &[Settle]) -> Vec<Settled> {
        let now = self.clock.now();
        let became: Vec<_> = settles.iter().map(|it| settle(shelf, it, self.id, now)).collect();
        for (it, became) in settles.iter().zip(&became) {
            let (row, token) = (it.row.0, it.token.0);
            self.tell(|| {
                format!("settles {row}/{token} {:?}: {became:?}, {:?}", it.change, shelf.rows[&row].state)
            });
        }
        became
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        tell(self.clock, || format!("worker {} {}", self.id, what()));
    }

    /// Whether somebody has yet to say what the server may have forgotten: who lives, or may have lived until
    /// it began.
    fn waits_for_others(&self, shelf: &Shelf) -> bool {
        let (now, seats) = (self.clock.now(), &shelf.board.seats);
        let has_waited = seats.get(&self.id).is_some_and(|it| RENEWALS_BEFORE_RESCUE <= it.n_renewals);
        if shelf.breach == Breach::WaitForNobody {
            return false;
        }
        let is_silent = |it: &Seat| it.server != shelf.server && (!has_waited || now < it.lease_until);
        seats.values().any(is_silent)
    }

    fn worker(&self) -> i64 {
        i64::try_from(self.id).expect("there are few")
    }

    /// After a clean stop.
    pub async fn retire(&self) -> Result<(), OutboxError> {
        self.tell(|| "leaves".to_owned());
        // What it did last nobody else could say to a server that forgot it.
        if self.prolong().await? {
            self.say_all_again().await?;
        }
        self.commit(|shelf| shelf.board.seats.remove(&self.id)).await.map(drop)
    }

    async fn commit<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> Result<T, OutboxError> {
        if !self.is_cut_off() {
            let done = self.outbox.commit(work).await;
            if !self.is_cut_off() {
                return done;
            }
        }
        sleep(ANSWER_MAX).await;
        Err(OutboxError::Unavailable("no answer".into()))
    }

    fn is_cut_off(&self) -> bool {
        self.cut.is_some_and(|(from, to)| (from..to).contains(&self.clock.elapsed()))
    }
}

impl Outbox for MemoryWorker {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        self.outbox.n_claims.set(self.outbox.n_claims.get() + 1);
        self.settle_doubts_of_server().await?;
        let is_lease_over = Cell::new(false);
        let claimed = self.commit(|shelf| {
            if self.waits_for_others(shelf) {
                return Err(OutboxError::Unavailable("it began anew".into()));
            }
            let lease = shelf.board.seats.get(&self.id).map(|it| it.lease_until);
            if lease.is_none_or(|it| it < self.clock.now() + CLAIM_AGE_MAX) {
                is_lease_over.set(true);
                return Err(OutboxError::Unavailable("its lease is over".into()));
            }
            let mut claimed = match self.only_looks {
                true => claim_look_ups(shelf, want, self.id),
                false => claim(shelf, want, self.id),
            };
            claimed.backlog.elsewhere =
                shelf.rows.values().any(|it| it.state == State::InFlight && it.worker != self.id);
            Ok(claimed)
        });
        let claimed = claimed.await.flatten();
        self.tell(|| match &claimed {
            Ok(it) => format!("asks for rows, gets {}: {:?}", it.claims.len(), it.backlog),
            Err(error) => format!("asks for rows: {error}"),
        });
        match &claimed {
            Ok(claimed) => {
                for claim in &claimed.claims {
                    let (row, token, doubt) = (claim.row.0, claim.token.0, &claim.doubt);
                    self.tell(|| format!("claims {row}/{token} {:?}, {doubt:?}", claim.marker));
                }
                self.lately.claimed(self.worker(), &claimed.claims);
            }
            Err(_) => {
                self.doubts_server.set(true);
                // The heartbeat is seconds away, and until then every claim would fail as this one did.
                if is_lease_over.get() {
                    self.renew().await?;
                }
            }
        }
        claimed
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        let settled = self.commit(|shelf| self.settle_on(shelf, settles)).await;
        let breach = self.outbox.at_once(|it| it.breach);
        match &settled {
            Err(_) if breach == Breach::LoseOutcomes => return Ok(vec![Settled::Written; settles.len()]),
            // As if each were of another, so that none takes the place of one before.
            Ok(became) if breach == Breach::SayOldClaims => {
                let moment = i64::try_from(self.clock.elapsed().as_nanos()).expect("it is not that old");
                self.lately.settled(-moment, settles, became);
            }
            Ok(became) => self.lately.settled(self.worker(), settles, became),
            Err(_) => self.doubts_server.set(true),
        }
        settled
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        let recovered = self.commit(|shelf| recover(shelf, now, |row| row.worker == self.id)).await?;
        self.lately.recovered();
        Ok(recovered)
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
        self.commit(|shelf| specimen(shelf, text_len, nth)).await
    }

    async fn posts_are_left(&self) -> Result<bool, OutboxError> {
        Ok(!self.only_looks && self.commit(posts_are_left).await?)
    }

    async fn halt(&self, lote: &str, _: &Halt) -> Result<(), OutboxError> {
        self.commit(|shelf| shelf.halted.extend([Arc::from(lote)])).await
    }

    async fn share(&self, report: &ShareRequest) -> Result<Option<SharedState>, OutboxError> {
        self.outbox.n_shares.set(self.outbox.n_shares.get() + 1);
        let shared =
            self.commit(|shelf| shelf.board.share(self.clock.now(), self.id, self.rate, report)).await;
        match &shared {
            // An idle worker claims nothing, and the others wait for what it has to say.
            Ok(_) => self.settle_doubts_of_server().await?,
            Err(_) => self.doubts_server.set(true),
        }
        shared.map(Some)
    }

    async fn woken(&self, poll: Duration) {
        tokio::select! {
            () = self.outbox.inserted.notified() => {}
            () = sleep(poll) => {}
        }
    }
}

/// What is to be posted is out of scope.
fn claim_look_ups(shelf: &mut Shelf, want: ClaimRequest, worker: u64) -> Claimed {
    let claimed = claim(shelf, ClaimRequest { posts: 0, ..want }, worker);
    let waits = |state| matches!(state, State::Pending | State::InDoubt);
    let in_doubt = shelf.rows.values().filter(|it| it.doubt.is_some() && waits(it.state));
    let next_due = in_doubt.map(|it| it.available_at).min();
    Claimed { backlog: Backlog { pending: next_due.is_some(), next_due, ..claimed.backlog }, ..claimed }
}
