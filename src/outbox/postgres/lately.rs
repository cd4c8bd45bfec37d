//! What a worker did [lately](crate::outbox::lately::Lately), said again to a server that began anew.
//!
//! Nobody claims before every worker has done so that lives, or may have lived until the server began. A
//! server is known by when it was started, so that a mere restart costs a question, too.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{LeaseOver, Trouble, all_of, left_as_it_was, unavailable, unreadable};
use super::lease::{Known, RENEWALS_BEFORE_RESCUE, Worker, take_in};
use super::piecewise::piecewise;
use super::session::{Access, in_time};
use super::settle::{held_back, settle_each};
use super::values::Time;
use super::written::{WrittenRow, n_written, returning};
use crate::delivery::settle::LastClaim;
use crate::delivery::{CLAIM_AGE_MAX, OutboxError, RowId, Settle, Settled, State, Token};
use crate::outbox::doubts::{is_of_lost_claim, of_lost_claim};
use crate::outbox::lately::{ClaimedBy, SETTLES_MAX, Said};
use crate::outbox::names::{IN_FLIGHT, state_of};

/// The server is another than it was, or has forgotten.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}",
    tr!(
        "the database began anew, and %{n_silent} %{n_silent|worker has|workers have} not said yet what they did last",
        n_silent = n_silent
    )
)]
struct BegunAnew {
    n_silent: i64,
}

/// Of `s`: a worker that has not said yet what it did last, for which the one of that parameter waits: as
/// long as its lease lasts, and at least until all have had the time to come back.
pub(super) fn is_silent(me: usize) -> String {
    format!(
        "s.server_started <> pg_postmaster_start_time()
         AND (clock_timestamp() < s.lease_until
              OR (SELECT n_renewals FROM mutirao.worker WHERE id = ${me}) < {RENEWALS_BEFORE_RESCUE})"
    )
}

impl Worker {
    /// Why a claim marked nothing.
    pub(super) async fn why_unmarked(&self, conn: &mut PgConnection) -> Result<OutboxError, OutboxError> {
        let sql = format!(
            "SELECT count(*) FILTER (WHERE {}),
                    count(*) FILTER (WHERE s.id = $1 AND clock_timestamp() + $2 < s.lease_until)
               FROM mutirao.worker s",
            is_silent(1)
        );
        let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(self.id()).bind(CLAIM_AGE_MAX);
        let (n_silent, n_leases): (i64, i64) = asked.fetch_one(conn).await.trouble()?;
        Ok(match (n_silent, n_leases) {
            (0, 0) => unavailable(LeaseOver),
            (0, _) => left_as_it_was(),
            _ => unavailable(BegunAnew { n_silent }),
        })
    }

    /// Says again what it did lately, of what the server does not know, if the server began anew. To one that
    /// forgot this worker it says nothing before it has registered.
    pub(super) async fn say_again(&self) -> Result<Known, OutboxError> {
        let has_told = in_time(async { self.has_told(&mut *self.outbox().conn().await?).await }).await?;
        match has_told {
            None => return Ok(Known::Forgotten),
            Some(true) => {}
            // In a box: it is seldom, and large, and would make every claim as large.
            Some(false) => Box::pin(self.say_all_again()).await?,
        }
        Ok(Known::Told)
    }

    /// The others wait for it as long as its lease lasts, however many calls it takes and each may.
    async fn say_all_again(&self) -> Result<(), OutboxError> {
        // Dropping either loses nothing: it is said again, and the lease renewed again.
        tokio::select! {
            said = self.say_each_again() => said,
            never = self.keep_prolonging() => match never {},
        }
    }

    async fn say_each_again(&self) -> Result<(), OutboxError> {
        let (live, settled) = self.lately().all();
        in_time(async {
            let mut tx = self.outbox().tx(Access::Shared).await?;
            self.keys().say_again(&mut tx).await?;
            tx.commit().await
        })
        .await?;
        let forgotten = in_time(self.put_in_doubt(live)).await?;
        let unknown = in_time(self.unknown(settled)).await?;
        for settles in unknown.chunks(SETTLES_MAX / 16) {
            in_time(self.settle_again(settles)).await?;
        }
        // That rows were pulled in may be lost as well, and what is said again has the times of then. Nobody
        // has to remember it: what waits for too long by this clock was stamped before that was set back.
        self.pull_in_now().await?;
        let n_lost = forgotten + unknown.len() as u64;
        if 0 < n_lost {
            tracing::error!("the database began anew without its last commits: {n_lost} rows were set right");
        }
        in_time(async {
            // Behind the lock: nothing is claimed meanwhile.
            let mut tx = self.outbox().tx(Access::Claiming).await?;
            if self.is_untold(&mut tx).await? {
                self.take_in_unknown(&mut tx).await?;
            }
            let sql = "UPDATE mutirao.worker SET server_started = pg_postmaster_start_time() WHERE id = $1";
            sqlx::query(sql).bind(self.id()).execute(&mut *tx).await.trouble()?;
            tx.commit().await
        })
        .await
    }

    /// Says so to a server that has not been told all meanwhile, by another call: what was claimed since may
    /// have the token of a claim that was lost, and would be ended by what became of that.
    async fn settle_again(&self, settles: &[Settle]) -> Result<(), OutboxError> {
        // Behind the lock: nothing is claimed meanwhile.
        let mut tx = self.outbox().tx(Access::Claiming).await?;
        if self.is_untold(&mut tx).await? && settle_each(self, tx, settles).await?.contains(&Settled::Locked)
        {
            return Err(not_all_said());
        }
        Ok(())
    }

    /// Whether the server knows this worker, and has not heard yet what it did.
    async fn is_untold(&self, conn: &mut PgConnection) -> Result<bool, OutboxError> {
        Ok(self.has_told(conn).await? == Some(false))
    }

    /// Whether the server has heard what this worker did; `None`: it does not even know the worker.
    async fn has_told(&self, conn: &mut PgConnection) -> Result<Option<bool>, OutboxError> {
        let sql = "SELECT server_started IS NOT DISTINCT FROM pg_postmaster_start_time() FROM mutirao.worker
                    WHERE id = $1";
        sqlx::query_scalar(sql).bind(self.id()).fetch_optional(conn).await.trouble()
    }

    /// Takes in what the server has in flight of this worker, and the worker knows nothing of: a claim whose
    /// answer was lost, and which the server knows again since it forgot that it was taken in.
    async fn take_in_unknown(&self, tx: &mut PgConnection) -> Result<(), OutboxError> {
        let sql = format!(
            "SELECT id, token, clock_timestamp() + make_interval(secs => $2) FROM mutirao.outbox
              WHERE state = {IN_FLIGHT} AND worker = $1 ORDER BY id FOR UPDATE"
        );
        let in_flight: Vec<(i64, i64, Time)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(self.id())
            .bind(self.lost_for().as_secs_f64())
            .fetch_all(&mut *tx)
            .await
            .trouble()?;
        let is_unknown =
            |(row, token, _): &&(i64, i64, Time)| !self.lately().holds(RowId(*row), Token(*token));
        let unknown: Vec<_> = in_flight.iter().filter(is_unknown).collect();
        let Some((_, _, Time(since))) = unknown.first() else { return Ok(()) };
        let rows: Vec<_> = unknown.iter().map(|(row, ..)| *row).collect();
        tracing::warn!("the database began anew: {} rows that it had in flight were taken in", rows.len());
        let refused =
            piecewise(tx, &rows, async |conn, rows| take_in(conn, rows, Some(*since)).await).await?;
        self.passed_over().add(refused);
        Ok(())
    }

    /// As long from now on something may be sent, and waited for, under a claim of which the server knew
    /// nothing.
    fn lost_for(&self) -> Duration {
        CLAIM_AGE_MAX + self.timeout()
    }

    /// Rows that this worker holds, of which the server knows no claim: they may be sent at this moment.
    async fn put_in_doubt(&self, live: Vec<(RowId, ClaimedBy)>) -> Result<u64, OutboxError> {
        let mut tx = self.outbox().tx(Access::Claiming).await?;
        let last = last_claims(&mut tx, live.iter().map(|(row, _)| *row), "ORDER BY id FOR UPDATE").await?;
        let is_lost = |(row, by): &(RowId, ClaimedBy)| {
            last.of(*row, *by).is_some_and(|last| last.lacks_claim(by.token))
        };
        let lost: Vec<_> = live.into_iter().filter(is_lost).collect();
        let doubt = async |conn: &mut PgConnection, rows: &[_]| doubt(conn, rows, self.lost_for()).await;
        let refused = piecewise(&mut tx, &lost, doubt).await?;
        tx.commit().await?;
        if refused.is_empty() {
            return Ok(lost.len() as u64);
        }
        for ((row, _), why) in refused {
            held_back(self, row, &why);
        }
        Err(not_all_said())
    }

    /// Those settles of which the server knows nothing.
    async fn unknown(&self, settled: Vec<Said>) -> Result<Vec<Settle>, OutboxError> {
        let mut conn = self.outbox().conn().await?;
        let last = last_claims(&mut conn, settled.iter().map(|said| said.settle.row), "").await?;
        let is_unknown = |said: &Said| {
            last.of(said.settle.row, said.by).is_some_and(|last| last.lacks_settle(&said.settle))
        };
        Ok(settled.into_iter().filter(is_unknown).map(|said| said.settle).collect())
    }
}

/// Of something that stands in the way of all claims until it is said.
fn not_all_said() -> OutboxError {
    unavailable(BegunAnew { n_silent: 1 })
}

/// Puts rows in doubt from when nobody waits any more for what was sent under those claims.
async fn doubt(
    conn: &mut PgConnection,
    lost: &[(RowId, ClaimedBy)],
    lost_for: Duration,
) -> Result<(), OutboxError> {
    let sql = format!(
        "UPDATE mutirao.outbox o
            SET {}, token = v.token, worker = v.worker, sent_at = coalesce(o.sent_at, clock_timestamp())
           FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) v(id, token, worker) WHERE o.id = v.id
         {}",
        of_lost_claim("clock_timestamp() + make_interval(secs => $4)"),
        returning(&format!("{} AND o.token = v.token AND o.worker = v.worker", is_of_lost_claim("o")))
    );
    let done: Vec<WrittenRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(lost.iter().map(|(row, _)| row.0).collect::<Vec<_>>())
        .bind(lost.iter().map(|(_, by)| by.token.0).collect::<Vec<_>>())
        .bind(lost.iter().map(|(_, by)| by.worker).collect::<Vec<_>>())
        .bind(lost_for.as_secs_f64())
        .fetch_all(&mut *conn)
        .await
        .trouble()?;
    all_of(lost.len(), n_written(conn, &done).await?)
}

/// The last claims of rows that the server knows: state, token and worker.
struct LastClaims(HashMap<i64, (State, i64, Option<i64>)>);

impl LastClaims {
    /// As it concerns who claimed the row, too.
    fn of(&self, row: RowId, by: ClaimedBy) -> Option<LastClaim> {
        let (state, token, worker) = *self.0.get(&row.0)?;
        Some(LastClaim { state, token: Token(token), is_own: worker == Some(by.worker) })
    }
}

/// `then` is the end of the statement.
async fn last_claims(
    conn: &mut PgConnection,
    rows: impl Iterator<Item = RowId>,
    then: &str,
) -> Result<LastClaims, OutboxError> {
    let sql = format!("SELECT id, state, token, worker FROM mutirao.outbox WHERE id = ANY($1) {then}");
    let found: Vec<(i64, String, i64, Option<i64>)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(rows.map(|row| row.0).collect::<Vec<_>>())
        .persistent(false)
        .fetch_all(conn)
        .await
        .trouble()?;
    let known = found.into_iter().map(|(id, state, token, worker)| {
        let state = state_of(&state).ok_or_else(|| unreadable("outbox.state"))?;
        Ok((id, (state, token, worker)))
    });
    known.collect::<Result<_, OutboxError>>().map(LastClaims)
}
