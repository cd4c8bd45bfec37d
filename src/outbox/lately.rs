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
    /// Whose they are, each until it is settled itself: of a row whose post is under way, and which was put
    /// in doubt by what was said again, there is another claim by now.
    live: HashMap<(RowId, Token), i64, foldhash::fast::RandomState>,
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
        let live = claims.iter().map(|claim| ((claim.row, claim.token), worker));
        self.memory().live.extend(live);
    }

    pub fn settled(&self, worker: i64, settles: &[Settle], became: &[Settled]) {
        let mut memory = self.memory();
        let at = Instant::now();
        for (settle, _) in settles.iter().zip(became).filter(|(_, became)| **became != Settled::Locked) {
            if !memory.held.is_empty() {
                memory.held.remove(&settle.row);
            }
            memory.live.remove(&(settle.row, settle.token));
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

    /// Whether it was made, and is not settled.
    pub fn holds(&self, row: RowId, token: Token) -> bool {
        self.memory().live.contains_key(&(row, token))
    }

    /// What it holds, the last claim of each row, and what it has settled, to be said again: the server hears
    /// it as if it were done now, and what it hears now the next standby may lack. Of claims of a row under
    /// one token only the last counts: what became of an earlier one, of which a database knew nothing that
    /// gave the token again, would end the later. But proof is proof.
    pub fn all(&self) -> (Vec<(RowId, ClaimedBy)>, Vec<Said>) {
        let mut memory = self.memory();
        let at = Instant::now();
        memory.settled.iter_mut().for_each(|said| said.at = at);
        let claim = |row: RowId, by: ClaimedBy| (row.0, by.token.0, by.worker);
        let mut later = HashSet::new();
        let mut last: HashMap<RowId, ClaimedBy> = HashMap::new();
        for (&(row, token), &worker) in &memory.live {
            let by = ClaimedBy { token, worker };
            later.insert(claim(row, by));
            let known = last.entry(row).or_insert(by);
            if known.token < token {
                *known = by;
            }
        }
        let live = Vec::from_iter(last);
        let is_last = |said: &&Said| {
            let is_last = later.insert(claim(said.settle.row, said.by));
            is_last || said.settle.ticket().is_some()
        };
        let mut settled = Vec::from_iter(memory.settled.iter().rev().filter(is_last).cloned());
        settled.reverse();
        (live, settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Change, Fault};

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
        tokio::time::advance(2 * REMEMBERED).await;
        settle(3);
        lately.forget_old();
        assert_eq!(rows(), [3]);
    }

    /// Seen: a database failed over, was told again what it had lost, and failed over once more without that.
    /// By then it was older than ten minutes, and was not said any more.
    #[tokio::test(start_paused = true)]
    async fn what_was_said_again_is_remembered_as_new() {
        let lately = Lately::default();
        let (label, attempt) = Default::default();
        let settle = Settle { row: RowId(1), label, token: Token(1), change: Change::Release, attempt };
        lately.settled(1, &[settle], &[Settled::Written]);
        tokio::time::advance(2 * REMEMBERED).await;
        assert_eq!(lately.all().1.len(), 1);
        lately.forget_old();
        assert_eq!(lately.all().1.len(), 1);
        tokio::time::advance(2 * REMEMBERED).await;
        lately.forget_old();
        assert_eq!(lately.all().1.len(), 0);
    }

    /// Seen: a database failed over, lacked a claim that was taken back, and gave its token again. At the
    /// next failover the old release was said again, and took back the claim whose row was being posted.
    #[test]
    fn what_became_of_an_earlier_claim_under_the_same_token_is_not_said_again() {
        let lately = Lately::default();
        let settle = |row, token, change| {
            let (label, attempt) = Default::default();
            let settle = Settle { row: RowId(row), label, token: Token(token), change, attempt };
            lately.settled(1, &[settle], &[Settled::Written]);
        };
        let failed = || Change::Failed { attempts: 1, fault: Fault::NoTicket };
        settle(7, 3, Change::Release);
        settle(7, 4, Change::Release);
        settle(8, 3, Change::Release);
        settle(7, 3, failed());
        let said = || {
            let (_, settled) = lately.all();
            Vec::from_iter(settled.into_iter().map(|said| (said.by.token.0, said.settle.change)))
        };
        assert_eq!(said(), [(4, Change::Release), (3, Change::Release), (3, failed())]);
        lately.memory().live.extend([((RowId(7), Token(3)), 1), ((RowId(8), Token(3)), 1)]);
        assert_eq!(said(), [(4, Change::Release)]);
    }

    /// Seen: a database failed over, was told of a row whose post was under way, and the row was claimed once
    /// more and let go. At the next failover nobody said that it was being posted, and it was posted again.
    #[test]
    fn a_claim_lives_until_it_is_settled_itself_whatever_becomes_of_a_later_one() {
        let lately = Lately::default();
        let (row, worker) = (RowId(7), 1);
        let settle = |token| {
            let (label, attempt) = Default::default();
            let settle = Settle { row, label, token: Token(token), change: Change::Release, attempt };
            lately.settled(worker, &[settle], &[Settled::Written]);
        };
        let live = || lately.all().0;
        lately.memory().live.extend([((row, Token(1)), worker), ((row, Token(2)), worker)]);
        assert_eq!(live(), [(row, ClaimedBy { token: Token(2), worker })], "a row is put in doubt once");
        settle(2);
        assert_eq!(live(), [(row, ClaimedBy { token: Token(1), worker })]);
        settle(1);
        assert_eq!(live(), []);
    }
}
