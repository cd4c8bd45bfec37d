//! Writes outcomes in batches, one commit at a time, and keeps them until they are stored.

use std::time::Duration;

use super::messages::{Action, Told, settled};
use super::queue::Work;
use super::state::{Engine, Reason};
use super::storage::Kind;
use super::times::Now;
use crate::delivery::{Change, OutboxError, Settle, Settled};

/// How long an outcome waits for others to be stored with it.
const BATCH_WAIT: Duration = Duration::from_millis(25);

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
        let call = self.storage.call(Kind::Settles);
        if call.is_running() {
            return;
        }
        if let Some(until) = call.rests_until(now.run) {
            return self.wake_at(Some(until));
        }
        // The same again: it may have been written, and its answer lost.
        if let Some(batch) = self.storage.untaken.take() {
            return self.settle(now, Kind::Settles, batch);
        }
        let n_waiting = self.storage.outgoing.len();
        if n_waiting == 0 {
            return;
        }
        let until = *self.storage.fill_until.get_or_insert(now.run + BATCH_WAIT);
        let is_full = BATCH_FULL <= n_waiting || n_waiting == self.queue.n_live || self.is_ending();
        if !is_full && now.run < until {
            return self.wake_at(Some(until));
        }
        self.storage.fill_until = None;
        let batch = self.storage.outgoing.drain(..n_waiting.min(BATCH_MAX)).collect();
        self.settle(now, Kind::Settles, batch);
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
