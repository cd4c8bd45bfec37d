//! What a worker did lately, said again to a server that began anew: a standby that took over may lack the
//! last commits, and then a row that was opened waits for its post again.
//!
//! Nobody claims before every living worker has done so. A server is known by when it was started, so that a
//! mere restart costs a question, too.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use super::error::{LeaseOver, Trouble, left_as_it_was, unavailable};
use super::lease::Worker;
use super::session::{Access, in_time};
use super::settle::settle;
use crate::delivery::{CLAIM_AGE_MAX, Claim, OutboxError, RowId, Settle, Settled, State};
use crate::outbox::doubts::of_lost_claim;
use crate::outbox::names::{IN_FLIGHT, OPENED, any_of};

/// How much is remembered: far more than a standby lags behind.
const SETTLES_MAX: usize = 4096;
pub(super) const REMEMBERED: Duration = Duration::from_secs(600);

/// The server is another than it was, or has forgotten.
#[derive(Debug, thiserror::Error)]
#[error("the database began anew, and {n_silent} workers have not said yet what they did last")]
struct BegunAnew {
    n_silent: i64,
}

/// Claims that are not settled, and what became of others lately.
#[derive(Default)]
pub(super) struct Lately(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    /// Their token, and the worker that this one was when it claimed them.
    live: HashMap<RowId, (i64, i64), foldhash::fast::RandomState>,
    settled: VecDeque<Said>,
    /// Whose outcome could not be written, as was said already.
    held: HashSet<RowId>,
}

/// What became of a row.
#[derive(Clone)]
struct Said {
    at: Instant,
    worker: i64,
    settle: Settle,
}

impl Lately {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn claimed(&self, worker: i64, claims: &[Claim]) {
        self.memory().live.extend(claims.iter().map(|it| (it.row, (it.token.0, worker))));
    }

    pub(super) fn settled(&self, worker: i64, settles: &[Settle], became: &[Settled]) {
        let mut memory = self.memory();
        let at = Instant::now();
        for (settle, _) in settles.iter().zip(became).filter(|it| *it.1 != Settled::Locked) {
            if !memory.held.is_empty() {
                memory.held.remove(&settle.row);
            }
            if memory.live.get(&settle.row).is_some_and(|it| it.0 == settle.token.0) {
                memory.live.remove(&settle.row);
            }
            memory.settled.push_back(Said { at, worker, settle: settle.clone() });
        }
        let is_old = |it: &Said| REMEMBERED <= at - it.at;
        while SETTLES_MAX < memory.settled.len() || memory.settled.front().is_some_and(is_old) {
            memory.settled.pop_front();
        }
    }

    /// Whether it is the first time that the outcome of this row could not be written.
    pub(super) fn is_newly_held(&self, row: RowId) -> bool {
        self.memory().held.insert(row)
    }

    /// The run holds no row any more.
    pub(super) fn recovered(&self) {
        let mut memory = self.memory();
        memory.live.clear();
        memory.held.clear();
    }
}

impl Worker {
    /// Why a claim marked nothing.
    pub(super) async fn why_unmarked(&self, conn: &mut PgConnection) -> Result<OutboxError, OutboxError> {
        let sql = "SELECT count(*) FILTER (WHERE server_started IS DISTINCT FROM pg_postmaster_start_time()
                                             AND clock_timestamp() < lease_until),
                          count(*) FILTER (WHERE id = $1 AND clock_timestamp() + $2 < lease_until)
                     FROM mutirao.worker";
        let asked = sqlx::query_as(sql).bind(self.id()).bind(CLAIM_AGE_MAX);
        let (n_silent, n_leases): (i64, i64) = asked.fetch_one(conn).await.trouble()?;
        Ok(match (n_silent, n_leases) {
            (0, 0) => unavailable(LeaseOver),
            (0, _) => left_as_it_was(),
            _ => unavailable(BegunAnew { n_silent }),
        })
    }

    /// Says again what it did lately, of what the server does not know, if the server began anew.
    pub(super) async fn say_again(&self) -> Result<(), OutboxError> {
        let sql = "SELECT EXISTS (SELECT FROM mutirao.worker
                                   WHERE id = $1 AND server_started IS DISTINCT FROM pg_postmaster_start_time())";
        let is_new: bool = in_time(async {
            sqlx::query_scalar(sql)
                .bind(self.id())
                .fetch_one(&mut *self.outbox().conn().await?)
                .await
                .trouble()
        })
        .await?;
        if is_new { self.say_all_again().await } else { Ok(()) }
    }

    pub(super) async fn say_all_again(&self) -> Result<(), OutboxError> {
        let (live, settled) = {
            let memory = self.lately().memory();
            let live: Vec<(i64, i64, i64)> =
                memory.live.iter().map(|(row, (token, worker))| (row.0, *token, *worker)).collect();
            (live, Vec::from_iter(memory.settled.iter().cloned()))
        };
        in_time(async {
            let mut tx = self.outbox().tx(Access::Shared).await?;
            self.keys().say_again(&mut tx).await?;
            tx.commit().await
        })
        .await?;
        let forgotten = in_time(self.put_in_doubt(live)).await?;
        let unknown = in_time(self.unknown(settled)).await?;
        for settles in unknown.chunks(SETTLES_MAX / 16) {
            let became = in_time(settle(self, settles)).await?;
            // Nobody may claim such a row before; it is said again.
            if became.contains(&Settled::Locked) {
                return Err(unavailable(BegunAnew { n_silent: 1 }));
            }
        }
        let n_lost = forgotten + unknown.len() as u64;
        if 0 < n_lost {
            tracing::error!("the database began anew without its last commits: {n_lost} rows were set right");
        }
        in_time(async {
            let mut tx = self.outbox().tx(Access::Shared).await?;
            let sql = "UPDATE mutirao.worker SET server_started = pg_postmaster_start_time() WHERE id = $1";
            sqlx::query(sql).bind(self.id()).execute(&mut *tx).await.trouble()?;
            tx.commit().await
        })
        .await
    }

    /// Rows that this worker holds, of which the server knows no claim: they may be sent at this moment.
    /// Whatever they were before: pending again, by a word that is forgotten, too; or claimed earlier, by a
    /// worker that has not said yet how that ended.
    async fn put_in_doubt(&self, live: Vec<(i64, i64, i64)>) -> Result<u64, OutboxError> {
        let mut tx = self.outbox().tx(Access::Claiming).await?;
        let sql = format!(
            "UPDATE mutirao.outbox o
                      SET {}, token = v.token, worker = v.worker,
                          sent_at = coalesce(o.sent_at, clock_timestamp())
                     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) v(id, token, worker)
                    WHERE o.id = v.id AND (o.state <> {OPENED}) IS TRUE
                      AND (o.token < v.token OR o.token = v.token AND o.worker IS DISTINCT FROM v.worker
                                            AND (o.state NOT IN {}) IS TRUE)",
            of_lost_claim("clock_timestamp() + make_interval(secs => $4)"),
            any_of(&State::LIVE)
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(live.iter().map(|it| it.0).collect::<Vec<_>>())
            .bind(live.iter().map(|it| it.1).collect::<Vec<_>>())
            .bind(live.iter().map(|it| it.2).collect::<Vec<_>>())
            .bind((CLAIM_AGE_MAX + self.timeout()).as_secs_f64())
            .execute(&mut *tx)
            .await
            .trouble()?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// Those settles of which the server knows nothing: it has the row in flight, or not even claimed.
    async fn unknown(&self, settled: Vec<Said>) -> Result<Vec<Settle>, OutboxError> {
        let sql = format!(
            "SELECT v.id, v.token FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) v(id, token, worker)
               JOIN mutirao.outbox o ON o.id = v.id
              WHERE o.token < v.token
                 OR o.token = v.token AND (o.worker IS DISTINCT FROM v.worker OR o.state = {IN_FLIGHT})"
        );
        let unknown: Vec<(i64, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(settled.iter().map(|it| it.settle.row.0).collect::<Vec<_>>())
            .bind(settled.iter().map(|it| it.settle.token.0).collect::<Vec<_>>())
            .bind(settled.iter().map(|it| it.worker).collect::<Vec<_>>())
            .persistent(false)
            .fetch_all(&mut *self.outbox().conn().await?)
            .await
            .trouble()?;
        let unknown: HashSet<(i64, i64)> = unknown.into_iter().collect();
        let is_unknown = |it: &Settle| unknown.contains(&(it.row.0, it.token.0));
        Ok(settled.into_iter().map(|it| it.settle).filter(is_unknown).collect())
    }
}
