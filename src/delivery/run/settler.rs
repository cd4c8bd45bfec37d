//! Writes outcomes in batches, one commit at a time, and keeps them until they are stored.

use std::time::Duration;

use tokio::time::Instant;

use super::engine::Engine;
use super::state::{Fails, Reason, Work};
use crate::delivery::{Api, Change, Clock, Outbox, OutboxError, Settle, Settled, Watch};

/// How long an outcome waits for others to be stored with it.
const BATCH_WAIT: Duration = Duration::from_millis(25);

/// So many outcomes wait no longer.
const BATCH_FULL: usize = 256;

/// The most that go into one commit.
const BATCH_MAX: usize = 512;
const _: () = assert!(BATCH_FULL <= BATCH_MAX);

/// Between two tries to store the outcomes of rows that somebody holds.
const STUCK_WAIT: Duration = Duration::from_secs(2);

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    /// A sender's outcome goes to the settler; the sender goes on.
    pub(super) fn hand(&self, settle: Settle) {
        let mut state = self.state.borrow_mut();
        state.outgoing.push_back(settle);
        let n_waiting = state.outgoing.len();
        if n_waiting == 1 || BATCH_FULL <= n_waiting || n_waiting == state.n_live {
            self.handed.notify_one();
        }
    }

    /// Ends when the run is ending and everything is stored, or when the outbox is given up.
    pub(super) async fn settler(&self) {
        while self.work_to_store().await {
            self.fill_batch().await;
            let batch: Vec<Settle> = {
                let mut state = self.state.borrow_mut();
                let n_batch = state.outgoing.len().min(BATCH_MAX);
                state.outgoing.drain(..n_batch).collect()
            };
            if !self.store(&batch).await {
                return;
            }
        }
    }

    /// Waits for an outcome. `false`: there will be none.
    async fn work_to_store(&self) -> bool {
        loop {
            let handed = self.handed.notified();
            {
                let state = self.state.borrow();
                if !state.outgoing.is_empty() {
                    return true;
                }
                if state.is_ending() && !state.claiming && state.n_live == 0 {
                    return false;
                }
            }
            handed.await;
        }
    }

    /// Waits until the batch is worth a commit. Whoever else is live may add to it soon.
    async fn fill_batch(&self) {
        let deadline = Instant::now() + BATCH_WAIT;
        loop {
            let handed = self.handed.notified();
            {
                let state = self.state.borrow();
                let n_waiting = state.outgoing.len();
                if BATCH_FULL <= n_waiting || n_waiting == state.n_live || state.is_ending() {
                    return;
                }
            }
            // Dropping either loses nothing.
            tokio::select! {
                biased;
                () = handed => {}
                () = tokio::time::sleep_until(deadline) => return,
            }
        }
    }

    /// Tries until the batch is stored. `false`: the outbox is given up, and the rows stay as they
    /// are there: in flight, to be looked up by the next run.
    async fn store(&self, batch: &[Settle]) -> bool {
        let mut failing_since = None;
        let mut n_tries = 0;
        loop {
            match self.outbox.settle(batch).await {
                Ok(became) => {
                    self.outbox_works(Fails::Settles);
                    self.stored(batch, &became);
                    return true;
                }
                Err(error) => {
                    n_tries += 1;
                    if !self.settle_failed(Fails::Settles, &error, &mut failing_since) {
                        return false;
                    }
                    tokio::time::sleep(self.outbox_wait(n_tries)).await;
                }
            }
        }
    }

    /// `false`: the outbox is given up.
    fn settle_failed(&self, what: Fails, error: &OutboxError, since: &mut Option<Duration>) -> bool {
        let began = *since.get_or_insert(self.now());
        self.outbox_fails(what, error);
        let halt = self.outbox_failed(error, began);
        let is_given_up = halt.is_some();
        if let Some(halt) = halt {
            self.end(Reason::Halted(halt));
        }
        !is_given_up
    }

    fn stored(&self, batch: &[Settle], became: &[Settled]) {
        debug_assert_eq!(batch.len(), became.len(), "a settle has an answer");
        let settled = || batch.iter().zip(became).filter(|(_, became)| **became != Settled::Locked);
        {
            let mut state = self.state.borrow_mut();
            state.n_live -= settled().count();
            state.n_changes += 1;
            for (settle, became) in settled() {
                state.stats.settled(settle, *became);
            }
            let locked = batch.iter().zip(became).filter(|(_, became)| **became == Settled::Locked);
            state.stuck.extend(locked.map(|(settle, _)| settle.clone()));
            // A row that went back, or that others waited behind, may be claimed now.
            let comes_back =
                settled().any(|(settle, _)| matches!(settle.change, Change::Release | Change::Later { .. }));
            if comes_back || state.pending || state.n_live == 0 {
                state.work = Work::Maybe;
            }
        }
        for (settle, became) in settled() {
            self.watch.settled(settle, *became);
        }
        self.changed.notify_waiters();
        self.stuck.notify_one();
    }

    /// Tries again to store what is stuck, beside the settler: rows that somebody holds keep no others
    /// waiting. Ends when the outbox is given up.
    pub(super) async fn unsticker(&self) {
        let mut failing_since = None;
        loop {
            while self.state.borrow().stuck.is_empty() {
                self.stuck.notified().await;
            }
            tokio::time::sleep(STUCK_WAIT).await;
            let batch: Vec<Settle> = {
                let mut state = self.state.borrow_mut();
                let n_batch = state.stuck.len().min(BATCH_MAX);
                state.stuck.drain(..n_batch).collect()
            };
            // Dropped in the middle, these are as good as unsettled: they are looked up.
            match self.outbox.settle(&batch).await {
                Ok(became) => {
                    failing_since = None;
                    self.outbox_works(Fails::StuckSettles);
                    self.stored(&batch, &became);
                    // The settler waits for the last of a run.
                    self.handed.notify_one();
                }
                Err(error) => {
                    self.state.borrow_mut().stuck.extend(batch);
                    if !self.settle_failed(Fails::StuckSettles, &error, &mut failing_since) {
                        return;
                    }
                }
            }
        }
    }
}
