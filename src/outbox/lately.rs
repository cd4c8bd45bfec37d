//! What a worker of a shared outbox did lately. It says so again to a database that began anew: a standby
//! that took over may lack the last commits, and then a row that was opened waits for its post again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::{Claim, RowId, Settle, Settled, Token};

/// How much is remembered, and for how long of a server that answers: far more than a standby lags behind.
pub const SETTLES_MAX: usize = 4096;
pub const REMEMBERED: Duration = Duration::from_secs(600);

/// Claims that are not settled, and what became of others lately.
#[derive(Default)]
pub struct Lately(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    live: HashMap<RowId, ClaimedBy, foldhash::fast::RandomState>,
    settled: VecDeque<Said>,
    /// Whose outcome could not be written, as was said already.
    held: HashSet<RowId>,
}

/// By what a claim is known: a database that lost its last commits gives tokens again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedBy {
    pub token: Token,
    /// Who the worker was then: it is another one after it was taken for dead.
    pub worker: i64,
}

/// What became of a row.
#[derive(Clone)]
pub struct Said {
    at: Instant,
    pub by: ClaimedBy,
    pub settle: Settle,
}

impl Lately {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn claimed(&self, worker: i64, claims: &[Claim]) {
        let live = claims.iter().map(|claim| (claim.row, ClaimedBy { token: claim.token, worker }));
        self.memory().live.extend(live);
    }

    pub fn settled(&self, worker: i64, settles: &[Settle], became: &[Settled]) {
        let mut memory = self.memory();
        let at = Instant::now();
        for (settle, _) in settles.iter().zip(became).filter(|(_, became)| **became != Settled::Locked) {
            if !memory.held.is_empty() {
                memory.held.remove(&settle.row);
            }
            if memory.live.get(&settle.row).is_some_and(|by| by.token == settle.token) {
                memory.live.remove(&settle.row);
            }
            let by = ClaimedBy { token: settle.token, worker };
            memory.settled.push_back(Said { at, by, settle: settle.clone() });
        }
        while SETTLES_MAX < memory.settled.len() {
            memory.settled.pop_front();
        }
    }

    /// The server answers, and has heard of all this: no standby lags so far behind that it lacks what is
    /// old. However long an outage takes, nothing of what was before is old until then.
    pub fn forget_old(&self) {
        let mut memory = self.memory();
        while memory.settled.front().is_some_and(|said| REMEMBERED <= said.at.elapsed()) {
            memory.settled.pop_front();
        }
    }

    /// Whether it is the first time that the outcome of this row could not be written.
    pub fn is_newly_held(&self, row: RowId) -> bool {
        self.memory().held.insert(row)
    }

    /// The run holds no row any more.
    pub fn recovered(&self) {
        let mut memory = self.memory();
        memory.live.clear();
        memory.held.clear();
    }

    /// What it holds, and what it has settled.
    pub fn all(&self) -> (Vec<(RowId, ClaimedBy)>, Vec<Said>) {
        let memory = self.memory();
        let live = memory.live.iter().map(|(row, by)| (*row, *by)).collect();
        (live, Vec::from_iter(memory.settled.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Change;

    /// Seen: after an outage of more than ten minutes the first outcome that was stored took the place of all
    /// before it, and nothing was said again.
    #[tokio::test(start_paused = true)]
    async fn what_was_done_before_an_outage_is_remembered_until_the_server_has_heard_of_it() {
        let lately = Lately::default();
        let settle = |row| {
            let settle = Settle {
                label: Default::default(),
                row: RowId(row),
                token: Token(1),
                change: Change::Release,
                attempt: None,
            };
            lately.settled(1, &[settle], &[Settled::Written]);
        };
        let rows = || Vec::from_iter(lately.all().1.iter().map(|said| said.settle.row.0));
        settle(1);
        tokio::time::advance(2 * REMEMBERED).await;
        settle(2);
        assert_eq!(rows(), [1, 2]);
        lately.forget_old();
        assert_eq!(rows(), [2]);
    }
}
