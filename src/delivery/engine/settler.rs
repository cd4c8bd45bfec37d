//! Writes outcomes in batches, one commit at a time, and keeps them until they are stored. At a pace they
//! ride with the next claim: a commit costs the same with both.

use std::time::Duration;

use super::feeder::Ride;
use super::messages::{Action, Told, settled};
use super::queue::Work;
use super::state::{Engine, Reason};
use super::storage::Kind;
use super::times::Now;
use crate::delivery::{Change, OutboxError, Settle, Settled};

/// How long an outcome waits for others to be stored with it.
const BATCH_WAIT: Duration = Duration::from_millis(25);

/// The same at a pace, while no slot is lost by it: for the next claim, or for more of them. What waits is
/// looked up after a crash.
const RIDE_WAIT: Duration = Duration::from_millis(500);

/// So many outcomes wait no longer.
const BATCH_FULL: usize = 256;

/// The most that go into one commit.
const BATCH_MAX: usize = 512;
const _: () = assert!(BATCH_FULL <= BATCH_MAX);

/// Between two tries to store the outcomes of rows that somebody holds.
const STUCK_WAIT: Duration = Duration::from_secs(2);

impl Engine<'_> {
    /// Stores what waits, once it is worth a commit: whoever else is live may add to it soon.
    pub(super) fn store(&mut self, now: &Now) {
        if self.storage.is_settling() {
            return;
        }
        if let Some(until) = self.storage.call(Kind::Settles).rests_until(now.run) {
            return self.wake_at(Some(until));
        }
        // The same again: it may have been written, and its answer lost.
        if let Some(batch) = self.storage.untaken.take() {
            return self.settle(now, Kind::Settles, batch);
        }
        if self.storage.outgoing.is_empty() {
            return;
        }
        let since = *self.storage.waits_since.get_or_insert(now.run);
        let until = self.waits_until(now, since);
        if now.run < until {
            return self.wake_at(Some(until));
        }
        let batch = self.take_outgoing();
        self.settle(now, Kind::Settles, batch);
    }

    /// When the outcomes that wait since then have waited for long enough.
    fn waits_until(&self, now: &Now, since: Duration) -> Duration {
        let n_waiting = self.storage.outgoing.len();
        if BATCH_FULL <= n_waiting || self.is_ending() {
            return now.run;
        }
        let is_steady = self.health.breaker.is_closed() && !self.rows_are_barred(now);
        let ride = if is_steady { self.next_ride(now) } else { Ride::None };
        match ride {
            Ride::At(at) if at <= since + RIDE_WAIT => since + RIDE_WAIT,
            // Nobody is left to wait for.
            _ if n_waiting == self.queue.n_live => now.run,
            Ride::At(_) | Ride::Later => since + RIDE_WAIT,
            Ride::None => since + BATCH_WAIT,
        }
    }

    /// What a claim is to carry: nothing that was tried before, because the claim might fail with it.
    pub(super) fn riders(&mut self, now: &Now) -> Vec<Settle> {
        let call = self.storage.call(Kind::Settles);
        let is_free = !self.storage.is_settling() && call.rests_until(now.run).is_none();
        let rides = is_free && self.storage.untaken.is_none() && self.slots.pace.slot().is_some();
        if rides { self.take_outgoing() } else { Vec::new() }
    }

    fn take_outgoing(&mut self) -> Vec<Settle> {
        self.storage.waits_since = None;
        let n_batch = self.storage.outgoing.len().min(BATCH_MAX);
        self.storage.outgoing.drain(..n_batch).collect()
    }

    /// Tries again to store what is stuck, beside the others: rows that somebody holds keep none waiting.
    pub(super) fn unstick(&mut self, now: &Now) {
        if self.storage.stuck.is_empty() || self.storage.call(Kind::StuckSettles).is_running() {
            return;
        }
        let until = *self.storage.stuck_until.get_or_insert(now.run + STUCK_WAIT);
        if now.run < until {
            return self.wake_at(Some(until));
        }
        self.storage.stuck_until = None;
        let n_batch = self.storage.stuck.len().min(BATCH_MAX);
        let batch = self.storage.stuck.drain(..n_batch).collect();
        self.settle(now, Kind::StuckSettles, batch);
    }

    fn settle(&mut self, now: &Now, kind: Kind, batch: Vec<Settle>) {
        self.storage.call_mut(kind).begin(now.run);
        self.does(Action::Settle(kind, batch));
    }

    /// A batch was stored, or not: then it is kept. Where the outbox is given up, its rows stay as they are
    /// there: in flight, to be looked up by the next run.
    pub(super) fn batch_settled(
        &mut self,
        now: &Now,
        kind: Kind,
        batch: Vec<Settle>,
        done: Result<Vec<Settled>, OutboxError>,
    ) {
        match done {
            Ok(became) => {
                self.outbox_works(now, kind);
                self.stored(batch, became);
            }
            Err(error) => {
                match kind {
                    Kind::StuckSettles => self.storage.stuck.extend(batch),
                    _ => self.storage.untaken = Some(batch),
                }
                let since = self.outbox_fails(now, kind, &error);
                if let Some(halt) = self.outbox_failed(now, &error, since) {
                    self.end(now, Reason::Halted(halt));
                    self.is_over = true;
                }
            }
        }
    }

    /// A claim came back with what it carried: stored, or to be stored without it.
    pub(super) fn carried(&mut self, batch: Vec<Settle>, became: Option<Vec<Settled>>) {
        if batch.is_empty() {
            return;
        }
        match became {
            Some(became) => self.stored(batch, became),
            None => self.storage.untaken = Some(batch),
        }
    }

    fn stored(&mut self, batch: Vec<Settle>, became: Vec<Settled>) {
        debug_assert_eq!(batch.len(), became.len(), "a settle has an answer");
        self.queue.n_changes += 1;
        let (mut n_settled, mut comes_back) = (0, false);
        for (settle, became) in settled(&batch, &became) {
            n_settled += 1;
            comes_back |= matches!(settle.change, Change::Release | Change::Later { .. });
            self.stats.settled(settle, became);
        }
        self.queue.n_live -= n_settled;
        if n_settled < batch.len() {
            let locked = batch.iter().zip(&became).filter(|(_, became)| **became == Settled::Locked);
            self.storage.stuck.extend(locked.map(|(settle, _)| settle.clone()));
        }
        // A row that went back, or that others waited behind, may be claimed now.
        if comes_back || self.queue.pending || self.queue.n_live == 0 {
            self.queue.work = Work::Maybe;
        }
        self.tell(Told::Settled(batch, became));
    }
}
