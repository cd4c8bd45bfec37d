//! Rows that cannot go are taken out of the way of claims: those of a halted lote, and those behind a live
//! row of their service. A million of them in front would be read by every claim of everybody.
//!
//! A parked row is only put aside: nothing rests on it. One that can go is put back, by whoever looks first:
//! the household of each worker every few seconds, and a claim that found too little.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::candidate::{NOT_HALTED, live};
use super::error::{Trouble, all_of, n_true};
use super::lease::Worker;
use super::piecewise::piecewise;
use super::session::{Access, in_time};
use super::walk::Walk;
use crate::delivery::OutboxError;
use crate::outbox::filter::Filter;
use crate::outbox::names::PENDING;
use crate::outbox::which::to_post;

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
fn waits() -> String {
    format!("{} AND NOT o.gone", to_post("o"))
}

/// Of `o`: why it cannot go. A row whose id is no plain number is behind nobody.
fn why() -> String {
    format!(
        "CASE WHEN NOT {NOT_HALTED} THEN 'halted'
              WHEN EXISTS (SELECT FROM mutirao.outbox l
                                                        WHERE l.service = o.service AND {} OFFSET 0) THEN 'blocked' END",
        live("l")
    )
}

/// The first rows of the queue that are due, and why they cannot go. Others wait for their time, however
/// many, and hide none.
fn front(n: usize, but: &str) -> String {
    let (why, waits) = (why(), waits());
    format!(
        "(SELECT o.id, {why} AS why FROM mutirao.outbox o WHERE {waits} AND o.parked IS NULL AND o.available_at <= now() {but}
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
    /// So many were parked or put back; there may be more.
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
        let waits = waits();
        let asked = format!(
            "SELECT (SELECT count(why) FROM {} f) >= {WORTH} OR EXISTS (SELECT FROM mutirao.outbox o WHERE {waits} AND o.parked = 'halted')
                 OR EXISTS (SELECT FROM mutirao.outbox o WHERE {waits} AND o.parked = 'blocked')",
            front(2 * WORTH, &self.passed_over().but_these())
        );
        let asked = sqlx::query_scalar(AssertSqlSafe(asked));
        let is_worth: bool = self.outbox().alone(async |conn| asked.fetch_one(conn).await.trouble()).await?;
        if !is_worth {
            return Ok(Tidied::Nothing);
        }
        in_time(async {
            let mut tx = self.outbox().tx(Access::Shared).await?;
            // What is lost in a crash is done again.
            tx.execute("SET LOCAL synchronous_commit = off").await.trouble()?;
            let n_parked = park(self, &mut tx).await?;
            let back = self.put_back(&mut tx, None, Stride::HOUSEHOLD).await?;
            tx.commit().await?;
            Ok(match n_parked + back.n_rows {
                0 if back.is_round => Tidied::Waits,
                n_rows => Tidied::Moved(n_rows),
            })
        })
        .await
    }
}

async fn park(worker: &Worker, conn: &mut PgConnection) -> Result<u64, OutboxError> {
    // `IS TRUE` hides the condition from the planner, which would read all of the queue for each row.
    let waits = waits();
    let sql = format!(
        "WITH front AS MATERIALIZED {},
              waiting AS MATERIALIZED (SELECT id, why FROM front WHERE why IS NOT NULL)
         SELECT o.id, w.why FROM waiting w JOIN mutirao.outbox o ON o.id = w.id
          WHERE ({waits} AND o.parked IS NULL) IS TRUE AND {WORTH} <= (SELECT count(*) FROM waiting)
            FOR UPDATE OF o SKIP LOCKED",
        front(STEP, &worker.passed_over().but_these())
    );
    let waiting: Vec<(i64, String)> =
        sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut *conn).await.trouble()?;
    let sql = "UPDATE mutirao.outbox o SET parked = v.why FROM unnest($1::bigint[], $2::text[]) v(id, why) WHERE o.id = v.id
               RETURNING (o.parked = v.why) IS TRUE";
    let refused = piecewise(conn, &waiting, async |conn, waiting| {
        let (ids, why): (Vec<i64>, Vec<&str>) = waiting.iter().map(|(id, why)| (*id, &**why)).unzip();
        let asked = sqlx::query_scalar(sql).bind(ids).bind(why);
        let parked: Vec<bool> = asked.fetch_all(conn).await.trouble()?;
        all_of(waiting.len(), n_true(&parked))
    })
    .await?;
    let n_parked = waiting.len() - refused.len();
    worker.passed_over().add(refused.into_iter().map(|((id, _), why)| (id, why)).collect());
    Ok(n_parked as u64)
}

/// How much one step of putting back does.
#[derive(Clone, Copy)]
pub(super) struct Stride {
    /// Lotes, and services, whose turn is looked into.
    walk: usize,
    /// Rows that are put back of each kind.
    rows: usize,
}

impl Stride {
    /// Nobody waits for it.
    const HOUSEHOLD: Self = Self { walk: STEP, rows: STEP };
    /// All other claims wait for it.
    pub(super) const CLAIM: Self = Self { walk: 500, rows: 500 };
}

/// What a step of putting back came to.
pub(super) struct Back {
    pub(super) n_rows: u64,
    /// It came to the last lote and the last service.
    is_round: bool,
}

impl Worker {
    /// Puts back what can go: of each lote that is not halted so many rows, and of all imports that pass a
    /// halt, that of `asked` among them; of each service that nothing is live of, the first. A row that
    /// somebody holds is left for the next time.
    pub(super) async fn put_back(
        &self,
        conn: &mut PgConnection,
        asked: Option<Filter>,
        stride: Stride,
    ) -> Result<Back, OutboxError> {
        let filter = asked.filter(|asked| asked.is_past_halts);
        let Walk { lote, service } = std::mem::take(&mut *self.walk());
        let found = sqlx::query_as(AssertSqlSafe(put_back_sql(stride, &self.passed_over().but_these())))
            .bind(filter.and_then(|filter| filter.import))
            .bind(filter.map(|filter| filter.last_record.unwrap_or(i64::MAX)))
            .bind(lote.0)
            .bind(lote.1)
            .bind(service);
        let (ids, lote, batch, service): (Vec<i64>, Option<String>, Option<i64>, Option<i64>) =
            found.fetch_one(&mut *conn).await.trouble()?;
        let is_round = lote.is_none() && service.is_none();
        // Whichever comes to its end first begins again.
        let start = Walk::default();
        *self.walk() =
            Walk { lote: lote.zip(batch).unwrap_or(start.lote), service: service.unwrap_or(start.service) };
        let n_rows = match &ids[..] {
            [] => 0,
            ids => {
                let sql =
                    "UPDATE mutirao.outbox SET parked = NULL WHERE id = ANY($1) RETURNING parked IS NULL";
                let refused = piecewise(conn, ids, async |conn, ids| {
                    let asked = sqlx::query_scalar(sql).bind(ids);
                    let done: Vec<bool> = asked.fetch_all(conn).await.trouble()?;
                    all_of(ids.len(), n_true(&done))
                })
                .await?;
                let n_rows = ids.len() - refused.len();
                self.passed_over().add(refused);
                n_rows as u64
            }
        };
        Ok(Back { n_rows, is_round })
    }
}

fn put_back_sql(Stride { walk, rows }: Stride, but: &str) -> String {
    format!(
        include_str!("put_back.sql"),
        waits = waits(),
        live = live("l"),
        not_halted = NOT_HALTED,
        pending = PENDING,
        walk = walk,
        rows = rows,
        but = but,
    )
}
