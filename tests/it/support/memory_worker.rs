//! One of several workers on an outbox in memory: what it claims is its own, for as long as its lease
//! lasts.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::coordination::{ShareRequest, SharedState};
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::{
    Backlog, ClaimRequest, Claimed, Clock, Outbox, OutboxError, Rate, Settle, Settled, State,
};
use tokio::time::sleep;

use super::board::Seat;
use super::memory_outbox::{
    MemoryOutbox, Shelf, claim, look_again, pull_in, recover, saw, settle, sights, specimen, take_in,
};
use super::world::VirtualClock;

/// How long a lease lasts, how often it is renewed, and what of it must be left for a claim.
const LEASE: Duration = Duration::from_secs(60);
const RENEWED_EVERY: Duration = Duration::from_secs(10);
const CLAIM_COVER: Duration = Duration::from_secs(45);

/// How long a call waits for an outbox that does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

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
    /// Whether it looks up only, as `reconcile` does.
    pub only_looks: bool,
}

impl MemoryWorker {
    /// Renews the lease and takes in what the dead have left, for ever.
    pub async fn heartbeat(&self) {
        loop {
            let renewed = self.commit(|shelf| {
                let now = self.clock.now();
                // A clock that was set back makes no lease longer.
                for seat in shelf.board.seats.values_mut() {
                    seat.lease_until = seat.lease_until.min(now + LEASE);
                }
                let seat = shelf.board.seats.entry(self.id).or_insert(Seat {
                    rate: self.rate,
                    lease_until: now,
                    n_renewals: 0,
                });
                // One that was taken for dead registers anew.
                let was_dead = seat.lease_until < now;
                seat.n_renewals = if was_dead { 0 } else { seat.n_renewals + 1 };
                seat.lease_until = now + LEASE;
                if 2 < seat.n_renewals {
                    // It may only be cut off from here, and wait for an answer yet.
                    let dead_since = |worker| match shelf.board.seats.get(&worker) {
                        Some(seat) if seat.lease_until < now => {
                            Some(now.max(seat.lease_until + self.timeout))
                        }
                        Some(_) => None,
                        None => Some(now),
                    };
                    take_in(&mut shelf.rows, now, dead_since);
                    shelf.board.seats.retain(|_, it| now <= it.lease_until);
                }
            });
            let wait = if renewed.await.is_ok() { RENEWED_EVERY } else { Duration::from_secs(1) };
            sleep(wait).await;
        }
    }

    /// After a clean stop.
    pub async fn retire(&self) {
        let _ = self.commit(|shelf| shelf.board.seats.remove(&self.id)).await;
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
        self.commit(|shelf| {
            let lease = shelf.board.seats.get(&self.id).map(|it| it.lease_until);
            if lease.is_none_or(|it| it < self.clock.now() + CLAIM_COVER) {
                let backlog = Backlog { pending: true, next_due: Some(self.clock.now()), elsewhere: true };
                return Claimed { backlog, ..Claimed::default() };
            }
            let mut claimed = match self.only_looks {
                true => claim_look_ups(shelf, want, self.id),
                false => claim(shelf, want, self.id),
            };
            claimed.backlog.elsewhere =
                shelf.rows.values().any(|it| it.state == State::InFlight && it.worker != self.id);
            claimed
        })
        .await
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        self.commit(|shelf| {
            let now = self.clock.now();
            settles.iter().map(|it| settle(&mut shelf.rows, it, self.id, now)).collect()
        })
        .await
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        self.commit(|shelf| recover(&mut shelf.rows, now, |worker| worker == self.id)).await
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
        self.commit(|shelf| specimen(shelf, text_len, nth)).await
    }

    async fn halt(&self, lote: &str, _: &str) -> Result<(), OutboxError> {
        self.commit(|shelf| shelf.halted.extend([Arc::from(lote)])).await
    }

    async fn share(&self, report: &ShareRequest) -> Result<Option<SharedState>, OutboxError> {
        self.outbox.n_shares.set(self.outbox.n_shares.get() + 1);
        self.commit(|shelf| Some(shelf.board.share(self.clock.now(), self.id, self.rate, report))).await
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
