//! Rows that cannot go are taken out of the way of claims: those of a halted lote, and those behind a live row of
//! their service. A million of them in front would be read by every claim of everybody.
//!
//! A parked row is only put aside: nothing rests on it. One that can go is put back, by whoever looks first: the
//! household of each worker every few seconds, and a claim that found too little.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::candidate::{IN_BATCH, LIVE, NOT_HALTED};
use super::error::Trouble;
use super::lease::Worker;
use super::session::{Access, alone, in_time};
use crate::delivery::OutboxError;
use crate::outbox::range::Range;

/// So many rows are seen in one step.
const STEP: usize = 4000;

/// Fewer that cannot go are not worth a write: waiting costs none.
const WORTH: usize = 100;

/// Between two looks while there is nothing to do, and between two steps.
const EVERY: Duration = Duration::from_secs(5);
const BREATH: Duration = Duration::from_millis(50);

/// An idle worker looks so many times as seldom: for what another one parked that is gone.
const IDLE: u32 = 6;

/// Of `o`: waits to be posted, but for what is in its way. The indices of parked rows have it word for word.
const WAITS: &str = "o.state = 'pending' AND o.doubt_since IS NULL AND NOT o.gone";

/// Of `o`: the same, of a row that is looked up by its id. `IS TRUE` hides it from the planner, which would read all of
/// the queue for each row.
const STILL_WAITS: &str =
    "((o.state = 'pending' AND o.doubt_since IS NULL AND NOT o.gone AND o.parked IS NULL) IS TRUE)";

/// Of `o`: why it cannot go. A row whose id is no plain number is behind nobody.
fn why() -> String {
    format!(
        "CASE WHEN NOT {NOT_HALTED} THEN 'halted'
              WHEN o.available_at <= now() AND EXISTS (SELECT FROM mutirao.outbox l
                                                        WHERE l.service = o.service AND {LIVE} OFFSET 0) THEN 'blocked' END"
    )
}

/// The first rows of the queue, and why they cannot go.
fn front(n: usize) -> String {
    let why = why();
    format!(
        "(SELECT o.id, {why} AS why FROM mutirao.outbox o WHERE {WAITS} AND o.parked IS NULL
           ORDER BY o.prioridade, o.available_at, o.id LIMIT {n})"
    )
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tidied {
    /// No row is parked, and none needs to be.
    Nothing,
    /// Rows are parked, and none of them can go.
    Waits,
    /// So many were parked or put back.
    Moved(u64),
}

impl Worker {
    /// Parks and puts back, for ever.
    pub(super) async fn keep_order(&self) -> Infallible {
        let mut n_idle = 0;
        loop {
            n_idle = if self.has_claimed() { 0 } else { n_idle + 1 };
            let tidied = match n_idle % IDLE {
                // An error: the run meets it as well, and says so.
                0 => self.tidy().await.unwrap_or(Tidied::Nothing),
                _ => Tidied::Nothing,
            };
            if tidied != Tidied::Nothing {
                n_idle = IDLE - 1;
            }
            let moves = matches!(tidied, Tidied::Moved(_));
            tokio::time::sleep(if moves { BREATH } else { EVERY }).await;
        }
    }

    /// One step.
    pub async fn tidy(&self) -> Result<Tidied, OutboxError> {
        let asked = format!(
            "SELECT (SELECT count(why) FROM {} f) >= {WORTH} OR EXISTS (SELECT FROM mutirao.outbox o WHERE {WAITS} AND o.parked = 'halted')
                 OR EXISTS (SELECT FROM mutirao.outbox o WHERE {WAITS} AND o.parked = 'blocked')",
            front(2 * WORTH)
        );
        let asked = sqlx::query_scalar(AssertSqlSafe(asked));
        let is_worth: bool = alone(self.outbox(), async |conn| asked.fetch_one(conn).await.trouble()).await?;
        if !is_worth {
            return Ok(Tidied::Nothing);
        }
        in_time(async {
            let mut tx = self.outbox().tx(Access::Shared).await?;
            // What is lost in a crash is done again.
            tx.execute("SET LOCAL synchronous_commit = off").await.trouble()?;
            let n_parked = park(&mut tx).await?;
            let n_back = put_back(&mut tx, None).await?;
            tx.commit().await?;
            let n_moved = n_parked + n_back;
            Ok(if n_moved == 0 { Tidied::Waits } else { Tidied::Moved(n_moved) })
        })
        .await
    }
}

async fn park(conn: &mut PgConnection) -> Result<u64, OutboxError> {
    let sql = format!(
        "WITH front AS MATERIALIZED {},
              waiting AS MATERIALIZED (SELECT id, why FROM front WHERE why IS NOT NULL),
              ours AS MATERIALIZED (
                  SELECT o.id, w.why FROM waiting w JOIN mutirao.outbox o ON o.id = w.id
                   WHERE {STILL_WAITS} AND {WORTH} <= (SELECT count(*) FROM waiting)
                     FOR UPDATE OF o SKIP LOCKED)
         UPDATE mutirao.outbox o SET parked = v.why FROM ours v WHERE o.id = v.id",
        front(STEP)
    );
    Ok(sqlx::query(AssertSqlSafe(sql)).execute(conn).await.trouble()?.rows_affected())
}

/// Puts back what can go: of each lote that is not halted so many rows, of each service that nothing is live of, the
/// first. For a `sample`, also its rows of a batch that is held.
pub(super) async fn put_back(conn: &mut PgConnection, sample: Option<Range>) -> Result<u64, OutboxError> {
    let range = sample.filter(|it| it.last_record.is_some());
    // From one lote, or service, to the next, and not from row to row.
    let sql = format!(
        "WITH RECURSIVE lotes AS (
             (SELECT o.lote, coalesce(o.batch, 0) AS batch FROM mutirao.outbox o WHERE {WAITS} AND o.parked = 'halted'
               ORDER BY o.lote, coalesce(o.batch, 0) LIMIT 1)
             UNION ALL
             SELECT n.lote, n.batch FROM lotes p CROSS JOIN LATERAL (
                 SELECT o.lote, coalesce(o.batch, 0) AS batch FROM mutirao.outbox o
                  WHERE {WAITS} AND o.parked = 'halted' AND (o.lote, coalesce(o.batch, 0)) > (p.lote, p.batch)
                  ORDER BY o.lote, coalesce(o.batch, 0) LIMIT 1) n),
         services AS (
             (SELECT o.service, o.id FROM mutirao.outbox o WHERE {WAITS} AND o.parked = 'blocked'
               ORDER BY o.service, o.prioridade, o.available_at, o.id LIMIT 1)
             UNION ALL
             SELECT n.service, n.id FROM services p CROSS JOIN LATERAL (
                 SELECT o.service, o.id FROM mutirao.outbox o
                  WHERE {WAITS} AND o.parked = 'blocked' AND o.service > p.service
                  ORDER BY o.service, o.prioridade, o.available_at, o.id LIMIT 1) n),
         back AS (
             (SELECT r.id FROM lotes h CROSS JOIN LATERAL (
                 SELECT o.id, o.lote, o.batch FROM mutirao.outbox o
                  WHERE {WAITS} AND o.parked = 'halted' AND o.lote = h.lote AND coalesce(o.batch, 0) = h.batch
                    AND ({NOT_HALTED} OR o.record <= $2 AND {IN_BATCH})
                  ORDER BY o.prioridade, o.available_at, o.id LIMIT {STEP}) r
               WHERE NOT EXISTS (SELECT FROM mutirao.batch b
                                  WHERE b.halted_at IS NOT NULL AND (b.name = h.lote OR b.id = h.batch)) OR $2 IS NOT NULL
               LIMIT {STEP})
             UNION ALL
             (SELECT s.id FROM services s
               WHERE NOT EXISTS (SELECT FROM mutirao.outbox l WHERE l.service = s.service AND {LIVE} OFFSET 0)
               LIMIT {STEP}))
         UPDATE mutirao.outbox SET parked = NULL WHERE id IN (SELECT id FROM back)"
    );
    let back = sqlx::query(AssertSqlSafe(sql))
        .bind(range.and_then(|it| it.batch))
        .bind(range.and_then(|it| it.last_record));
    Ok(back.execute(conn).await.trouble()?.rows_affected())
}
