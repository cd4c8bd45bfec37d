//! What a person does to rows and batches, outside of a run.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::PgOutbox;
use super::candidate::live;
use super::error::Trouble;
use super::read::ReadFilter;
use super::session::Access;
use super::values::text;
use crate::delivery::{AttemptKind, Fault, OutboxError, RowId, State};
use crate::outbox::causes::HELD;
use crate::outbox::commands::{ON_ITS_WAY_MAX, Resolved, doubt_after, named, protocolos, started_over};
use crate::outbox::doubts::retried;
use crate::outbox::names::{CANCELLED, OPENED, kind_name};
use crate::outbox::stored::count;
use crate::outbox::which::{to_retry, unsent};
use crate::outbox::{BatchId, BindError, Cancelled, ResolveError, Scope, Word};

/// Of `o`: of the batch. `$1` its number, `$2` its name; NULL is every batch.
pub(super) const OF_BATCH: &str = "($2::text IS NULL OR o.batch = $1::bigint AND o.record IS NOT NULL
    OR o.batch IS NULL AND o.lote = $2)";

/// `$3` as a time, but not later than the database's: by that workers see what is due.
const NOW: &str = "least(timestamptz 'epoch' + $3::bigint * interval '1 millisecond', now())";

impl PgOutbox {
    /// Binds the outbox to the host that is about to be sent to, unless it is bound to another.
    /// `host` is normalised, with its port on loopback; `sandbox` is one whose tickets are not real.
    pub async fn bind_host(&self, host: &str) -> Result<(), BindError> {
        let mut tx = self.tx(Access::Shared).await?;
        let sql = "INSERT INTO mutirao.meta AS m (key, value) VALUES ('host', $1)
                       ON CONFLICT (key) DO UPDATE SET value = m.value RETURNING value";
        let bound: String =
            sqlx::query_scalar(sql).bind(host).persistent(false).fetch_one(&mut *tx).await.trouble()?;
        tx.commit().await?;
        if bound == host { Ok(()) } else { Err(BindError::OtherHost { bound, asked: host.to_owned() }) }
    }

    /// Notes that a run of the batch is complete, and what it came to (`summary.json`).
    pub async fn finish_run(&self, batch: BatchId, now: Timestamp, summary: &str) -> Result<(), OutboxError> {
        let mut tx = self.tx(Access::Shared).await?;
        let sql = "UPDATE mutirao.batch
                      SET finished_at = timestamptz 'epoch' + $2::bigint * interval '1 millisecond', summary = $3
                    WHERE id = $1";
        sqlx::query(sql)
            .bind(batch.0)
            .bind(now.as_millisecond())
            .bind(summary)
            .persistent(false)
            .execute(&mut *tx)
            .await
            .trouble()?;
        tx.commit().await
    }

    /// Lets the rows of a batch be posted that was halted, or held by its import.
    pub async fn release(&self, batch: BatchId) -> Result<(), OutboxError> {
        let mut tx = self.tx(Access::Shared).await?;
        release(&mut tx, batch).await?;
        tx.commit().await
    }

    /// Withdraws `rows` of a batch, as far as they were certainly not sent, and lets the others go that its
    /// import held. What was halted stays so.
    pub async fn take_back(&self, batch: BatchId, rows: &[RowId], now: Timestamp) -> Result<(), OutboxError> {
        let mut tx = self.tx(Access::Shared).await?;
        let sql = format!(
            "UPDATE mutirao.outbox AS o SET state = {CANCELLED}, finished_at = {NOW}
              WHERE o.id = ANY($1) AND o.batch = $2 AND {}",
            unsent("o")
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
            .bind(batch.0)
            .bind(now.as_millisecond())
            .persistent(false)
            .execute(&mut *tx)
            .await
            .trouble()?;
        let sql = "UPDATE mutirao.batch SET halted_at = NULL, halt_reason = NULL, halt_cause = NULL
                    WHERE id = $1 AND halt_cause = $2::jsonb";
        sqlx::query(sql).bind(batch.0).bind(HELD).persistent(false).execute(&mut *tx).await.trouble()?;
        tx.commit().await
    }

    /// Withdraws what was certainly not sent. Rows that the batch's file no longer has too.
    pub async fn cancel(&self, batch: BatchId, now: Timestamp) -> Result<Cancelled, OutboxError> {
        let mut tx = self.tx(Access::Shared).await?;
        let filter = ReadFilter::of(Scope::Batch(batch), &mut tx).await?;
        let sql = format!(
            "UPDATE mutirao.outbox AS o SET state = {CANCELLED}, finished_at = {NOW} WHERE {OF_BATCH} AND {}",
            unsent("o")
        );
        let cancelled = sqlx::query(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(&filter.lote)
            .bind(now.as_millisecond())
            .persistent(false)
            .execute(&mut *tx)
            .await
            .trouble()?;
        let sql = format!("SELECT count(*) FROM mutirao.outbox o WHERE {OF_BATCH} AND {}", live("o"));
        let n_left: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(&filter.lote)
            .persistent(false)
            .fetch_one(&mut *tx)
            .await
            .trouble()?;
        tx.commit().await?;
        Ok(Cancelled { n_cancelled: cancelled.rows_affected(), n_left: count(n_left) })
    }

    /// Makes finished rows in `states` pending again, and lets the batch go on if it was halted; returns
    /// how many. One that was ever sent is looked up first, an `unconfirmed` one is only looked up.
    /// `None`: every batch, and none that was halted goes on. An import may hold it for a person's word.
    ///
    /// States that are not finished, `opened`, and rows that were purged are left alone.
    pub async fn retry(
        &self,
        batch: Option<BatchId>,
        states: &[State],
        now: Timestamp,
    ) -> Result<u64, OutboxError> {
        let mut tx = self.tx(Access::Shared).await?;
        let filter = ReadFilter::of(batch.map_or(Scope::All, Scope::Batch), &mut tx).await?;
        let sql = format!(
            "UPDATE mutirao.outbox AS o
                SET {}, {}, ids_ordem_servico = NULL, numeros_ordem_servico = NULL
              WHERE {} AND {OF_BATCH}",
            retried("o", NOW),
            started_over("o", NOW),
            to_retry("o", states)
        );
        let retried = sqlx::query(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(&filter.lote)
            .bind(now.as_millisecond())
            .persistent(false)
            .execute(&mut *tx)
            .await
            .trouble()?;
        if let Some(batch) = batch {
            release(&mut tx, batch).await?;
        }
        tx.commit().await?;
        Ok(retried.rows_affected())
    }

    /// Settles rows by a person's word: all of them, or none.
    pub async fn resolve(&self, words: &[Word<'_>], now: Timestamp) -> Result<(), ResolveError> {
        let protocolos = protocolos(words)?;
        let mut tx = self.tx(Access::Shared).await?;
        let sql = format!(
            "SELECT protocolo, id FROM mutirao.outbox WHERE protocolo = ANY($1) AND state = {OPENED} LIMIT 1"
        );
        let taken: Option<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(protocolos)
            .persistent(false)
            .fetch_optional(&mut *tx)
            .await
            .trouble()?;
        if let Some((protocolo, owner)) = taken {
            return Err(ResolveError::OtherRows { protocolo, owner: RowId(owner) });
        }
        for word in words {
            resolve(&mut tx, word, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

async fn resolve(tx: &mut PgConnection, word: &Word<'_>, now: Timestamp) -> Result<(), ResolveError> {
    let row = word.row;
    let sql = format!(
        "SELECT o.state, coalesce(clock_timestamp() < o.doubt_since AND o.doubt_since <= clock_timestamp() + $3, false),
                (SELECT t.id FROM mutirao.outbox t WHERE t.id_atendimento = $2 AND t.state = {OPENED})
           FROM mutirao.outbox o WHERE o.id = $1 FOR UPDATE OF o"
    );
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(row.0).bind(named(word));
    let asked = asked.bind(ON_ITS_WAY_MAX).persistent(false);
    let found = asked.fetch_optional(&mut *tx).await.trouble()?;
    let to = Resolved::by(word, found)?;
    let sql = format!(
        "UPDATE mutirao.outbox o
            SET state = $1, protocolo = $2, id_atendimento = $4, error_code = $5, error_message = $7,
                ids_ordem_servico = NULL, numeros_ordem_servico = NULL, finished_at = {NOW}, {}
          WHERE id = $6",
        doubt_after(word, "o", NOW)
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(to.state)
        .bind(to.protocolo)
        .bind(now.as_millisecond())
        .bind(to.id_atendimento)
        .bind(to.fault.as_ref().map(Fault::code))
        .bind(row.0)
        .bind(to.fault.as_ref().map(crate::text::fault))
        .persistent(false)
        .execute(&mut *tx)
        .await
        .trouble()?;
    let sql = format!(
        "INSERT INTO mutirao.attempt (row_id, at, kind, verdict, latency_ms, note)
         VALUES ($1, {NOW}, $5, $2, 0, $4)"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(row.0)
        .bind(to.state)
        .bind(now.as_millisecond())
        .bind(text(word.note))
        .bind(kind_name(AttemptKind::Word))
        .persistent(false)
        .execute(tx)
        .await
        .trouble()?;
    Ok(())
}

async fn release(conn: &mut PgConnection, batch: BatchId) -> Result<(), OutboxError> {
    // Rows of the batch may have come in under another name.
    let sql = "UPDATE mutirao.batch b SET halted_at = NULL, halt_reason = NULL, halt_cause = NULL
                WHERE halted_at IS NOT NULL
                  AND (id = $1
                       OR EXISTS (SELECT FROM mutirao.outbox o
                                   WHERE o.batch = $1 AND o.record IS NOT NULL AND o.lote = b.name))";
    sqlx::query(sql).bind(batch.0).persistent(false).execute(conn).await.trouble().map(drop)
}
