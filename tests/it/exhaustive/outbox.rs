//! A worker's calls of a shared outbox, each as what it does to what is stored: as
//! [`MemoryWorker`](crate::support::memory_worker::MemoryWorker) has it, without the waits between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::{
    CLAIM_AGE_MAX, ClaimRequest, Claimed, OutboxError, Rate, RowId, Settle, Settled, State, Token,
};
use mutirao::outbox::LEASE;
use mutirao::outbox::postgres::{RENEWALS, RENEWALS_BEFORE_RESCUE};

use super::Sabotage;
use crate::support::board::Seat;
use crate::support::memory_claims::claim;
use crate::support::memory_outbox::Shelf;
use crate::support::memory_settles::{recover, settle, take_in};

/// How often a lease is renewed.
pub const RENEWED_EVERY: Duration = Duration::from_secs(LEASE.as_secs() / RENEWALS as u64);

/// How long a worker waits for HubSoft's answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What a worker knows beside its engine.
#[derive(Clone, Default)]
pub struct Connection {
    /// Of this life: who starts again is another one.
    pub id: u64,
    /// Alone it has the outbox for itself, and has no lease.
    pub is_alone: bool,
    /// Something failed since it last asked whether the server is still the same.
    pub doubts_server: bool,
    /// The server that it has told all.
    pub told: u64,
    /// Claims that are not settled, and what became of others lately.
    pub live: BTreeMap<i64, Token>,
    pub settled: Vec<Settle>,
}

impl Connection {
    pub fn new(id: u64, is_alone: bool, shelf: &Shelf) -> Self {
        Self { id, is_alone, told: shelf.server, ..Self::default() }
    }

    pub fn claim(
        &mut self,
        shelf: &mut Shelf,
        want: ClaimRequest,
        now: Timestamp,
        sabotage: Sabotage,
    ) -> Result<Claimed, OutboxError> {
        if !self.is_alone {
            self.settle_doubts_of_server(shelf, now, sabotage);
            if self.waits_for_others(shelf, now) {
                return Err(OutboxError::Unavailable("it began anew".into()));
            }
            let lease = shelf.board.seats.get(&self.id).map(|seat| seat.lease_until);
            if lease.is_none_or(|until| until < now + CLAIM_AGE_MAX) {
                self.renew(shelf, now, sabotage);
                return Err(OutboxError::Unavailable("its lease is over".into()));
            }
        }
        let mut claimed = claim(shelf, want, self.id);
        let is_of_others = |worker| worker != self.id;
        let mut in_flight = shelf.rows.values().filter(|row| row.state == State::InFlight);
        claimed.backlog.elsewhere = in_flight.any(|row| is_of_others(row.worker));
        Ok(claimed)
    }

    /// The answer to a claim has come.
    pub fn has_claimed(&mut self, claimed: &Claimed) {
        self.live.extend(claimed.claims.iter().map(|claim| (claim.row.0, claim.token)));
    }

    pub fn settle(
        &self,
        shelf: &mut Shelf,
        settles: &[Settle],
        now: Timestamp,
        sabotage: Sabotage,
    ) -> Vec<Settled> {
        let became = |each: &Settle| {
            if sabotage == Sabotage::NoFence
                && let Some(row) = shelf.rows.get_mut(&each.row.0)
            {
                // Whoever claimed it, and however often: it is as if it were the one who settles.
                (row.worker, row.token, row.state) = (self.id, each.token, State::InFlight);
            }
            settle(shelf, each, self.id, now)
        };
        let became = settles.iter().map(became).collect();
        for row in shelf.rows.values_mut() {
            if matches!(sabotage, Sabotage::BelieveAtOnce | Sabotage::BelieveOnce)
                && let Some(doubt) = &mut row.doubt
            {
                doubt.last_absence.get_or_insert(Timestamp::UNIX_EPOCH);
            }
        }
        became
    }

    /// The answer to a settle has come.
    pub fn has_settled(&mut self, settles: &[Settle]) {
        for settle in settles {
            if self.live.get(&settle.row.0) == Some(&settle.token) {
                self.live.remove(&settle.row.0);
            }
            self.settled.push(settle.clone());
        }
    }

    pub fn recover(&mut self, shelf: &mut Shelf, now: Timestamp, sabotage: Sabotage) -> u64 {
        if sabotage == Sabotage::SkipRecovery {
            return 0;
        }
        let (is_alone, id) = (self.is_alone, self.id);
        let n_rows = recover(shelf, now, |row| is_alone || row.worker == id);
        forget_doubts(shelf, sabotage);
        n_rows
    }

    /// Renews the lease, and takes in what the dead have left. Returns whether rows have changed.
    pub fn renew(&mut self, shelf: &mut Shelf, now: Timestamp, sabotage: Sabotage) -> bool {
        let is_new = self.prolong(shelf, now);
        if is_new {
            self.say_all_again(shelf, now, sabotage);
        }
        0 < self.rescue(shelf, now, sabotage) || is_new
    }

    /// Returns whether the server has not heard yet what this worker did.
    fn prolong(&mut self, shelf: &mut Shelf, now: Timestamp) -> bool {
        let lease_until = now + LEASE;
        let known = shelf.board.seats.get(&self.id).copied();
        let n_renewals = match known {
            Some(seat) if now <= seat.lease_until && seat.server == shelf.server => {
                let is_due = seat.lease_until + RENEWED_EVERY <= lease_until;
                (seat.n_renewals + i32::from(is_due)).min(RENEWALS_BEFORE_RESCUE)
            }
            _ => 0,
        };
        let server = known.map_or(self.told, |seat| seat.server);
        shelf.board.seats.insert(self.id, Seat { rate: Rate::Unlimited, lease_until, n_renewals, server });
        self.is_new(shelf)
    }

    fn rescue(&mut self, shelf: &mut Shelf, now: Timestamp, sabotage: Sabotage) -> u64 {
        let seats = shelf.board.seats.clone();
        let may = |seat: &Seat| RENEWALS_BEFORE_RESCUE <= seat.n_renewals && now < seat.lease_until;
        if !seats.get(&self.id).is_some_and(may) {
            return 0;
        }
        let n_rows = take_in(&mut shelf.rows, shelf.breach, now, |_, row| match seats.get(&row.worker) {
            // It may only be cut off from here, and wait for an answer yet.
            Some(seat) if seat.lease_until < now => Some(now.max(seat.lease_until + TIMEOUT)),
            Some(_) => None,
            None => Some(now),
        });
        forget_doubts(shelf, sabotage);
        shelf.board.seats.retain(|_, seat| now <= seat.lease_until);
        n_rows
    }

    /// What a call of the engine's comes with.
    pub fn settle_doubts_of_server(&mut self, shelf: &mut Shelf, now: Timestamp, sabotage: Sabotage) {
        if std::mem::take(&mut self.doubts_server) && self.is_new(shelf) {
            self.say_all_again(shelf, now, sabotage);
        }
    }

    /// Whether the server is one that knows this worker, but has not heard yet what it did.
    fn is_new(&mut self, shelf: &Shelf) -> bool {
        let Some(seat) = shelf.board.seats.get(&self.id) else { return false };
        if seat.server == shelf.server {
            self.told = seat.server;
        }
        seat.server != shelf.server
    }

    /// Whether the server that answers now has heard all that this worker did.
    pub fn has_told(&self, shelf: &Shelf) -> bool {
        self.told == shelf.server
    }

    fn say_all_again(&mut self, shelf: &mut Shelf, now: Timestamp, sabotage: Sabotage) {
        let (live, settled) = match sabotage {
            Sabotage::SayNothing => Default::default(),
            _ => (self.live.clone(), self.last_settled()),
        };
        for (id, token) in live {
            let row = shelf.rows.get_mut(&id);
            if let Some(row) = row.filter(|row| row.last_claim(self.id).lacks_claim(token)) {
                row.doubt_lost_claim(token, self.id, now, now + CLAIM_AGE_MAX + TIMEOUT);
            }
        }
        let is_unknown = |settle: &Settle| {
            let row = shelf.rows.get(&settle.row.0);
            row.is_some_and(|row| row.last_claim(self.id).lacks_settle(settle))
        };
        let unknown: Vec<_> = settled.into_iter().filter(is_unknown).collect();
        self.settle(shelf, &unknown, now, sabotage);
        let since = now + CLAIM_AGE_MAX + TIMEOUT;
        take_in(&mut shelf.rows, shelf.breach, since, |id, row| {
            let is_unknown = row.worker == self.id && self.live.get(&id) != Some(&row.token);
            is_unknown.then_some(since)
        });
        if let Some(seat) = shelf.board.seats.get_mut(&self.id) {
            seat.server = shelf.server;
        }
        self.told = shelf.server;
    }

    /// Of claims of a row under one token only the last counts; but proof is proof.
    fn last_settled(&self) -> Vec<Settle> {
        let mut later: BTreeSet<(RowId, Token)> =
            self.live.iter().map(|(row, token)| (RowId(*row), *token)).collect();
        let is_last = |settle: &&Settle| {
            let is_last = later.insert((settle.row, settle.token));
            is_last || settle.ticket().is_some()
        };
        let mut last: Vec<_> = self.settled.iter().rev().filter(is_last).cloned().collect();
        last.reverse();
        last
    }

    /// Whether somebody has yet to say what the server may have forgotten.
    fn waits_for_others(&self, shelf: &Shelf, now: Timestamp) -> bool {
        let seats = &shelf.board.seats;
        let has_waited = seats.get(&self.id).is_some_and(|seat| RENEWALS_BEFORE_RESCUE <= seat.n_renewals);
        let is_silent = |seat: &Seat| seat.server != shelf.server && (!has_waited || now < seat.lease_until);
        seats.values().any(is_silent)
    }
}

/// What was taken in from the dead is to be posted at once.
fn forget_doubts(shelf: &mut Shelf, sabotage: Sabotage) {
    if sabotage == Sabotage::ForgetDoubts {
        for row in shelf.rows.values_mut().filter(|row| row.state == State::InDoubt) {
            (row.state, row.doubt) = (State::Pending, None);
        }
    }
}
