//! What a person does to rows and batches, outside of a run.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::PgOutbox;
use super::candidate::live;
use super::error::Trouble;
use super::read::ReadFilter;
use super::session::Access;
use super::values::text;
use crate::delivery::{AttemptKind, Fault, HaltReason, OutboxError, RowId, State};
use crate::outbox::causes::{AND_HELD, HELD};
use crate::outbox::commands::{ON_ITS_WAY_MAX, Resolved, doubt_after, named, protocolos, started_over};
use crate::outbox::doubts::retried;
use crate::outbox::names::{CANCELLED, OPENED, kind_name};
use crate::outbox::stored::count;
use crate::outbox::which::{to_retry, unsent};
use crate::outbox::{BatchId, BindError, Cancelled, HaltId, ImportId, ResolveError, Scope, Word};

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

    /// Lets workers post the rows of an import: lifts the halts `told` that a person heard of, and a hold;
    /// where these keep back rows of others, they stay, and let the import pass. One that nobody was told of
    /// lets nothing pass.
    pub async fn release(
        &self,
        batch: BatchId,
        import: ImportId,
        told: &[HaltId],
    ) -> Result<(), OutboxError> {
        let mut tx = self.tx(Access::Shared).await?;
        // What another import adds meanwhile is seen by what follows: that is another statement.
        let sql = format!("SELECT FROM mutirao.batch b WHERE {MEETS} ORDER BY b.id FOR UPDATE");
        let locking = sqlx::query(AssertSqlSafe(sql)).bind(batch.0).persistent(false);
        locking.execute(&mut *tx).await.trouble()?;
        let waits = unsent("o");
        let others = |of| {
            format!(
                "SELECT FROM mutirao.outbox o WHERE {of} AND {waits} AND NOT o.gone AND o.import IS DISTINCT FROM $2"
            )
        };
        let is_told = format!(
            "({} OR EXISTS (SELECT FROM unnest($3::bigint[], $4::text[]) t(id, at)
                             WHERE t.id = b.id AND t.at::timestamptz = b.halted_at))",
            is_only_held("b")
        );
        let lift = format!(
            "UPDATE mutirao.batch b SET halted_at = NULL, halt_reason = NULL, halt_cause = NULL
              WHERE {MEETS} AND {is_told} AND NOT EXISTS ({}) AND NOT EXISTS ({})",
            others("o.batch = b.id AND o.record IS NOT NULL"),
            others("o.lote = b.name")
        );
        let pass = format!(
            "UPDATE mutirao.batch b SET passed_by = array_append(array_remove(b.passed_by, $2), $2)
              WHERE {MEETS} AND NOT EXISTS (SELECT FROM mutirao.batch b WHERE {MEETS} AND NOT {is_told})"
        );
        for sql in [lift, pass] {
            sqlx::query(AssertSqlSafe(sql))
                .bind(batch.0)
                .bind(import.0)
                .bind(told.iter().map(|halt| halt.batch).collect::<Vec<_>>())
                .bind(told.iter().map(|halt| &*halt.at).collect::<Vec<_>>())
                .persistent(false)
                .execute(&mut *tx)
                .await
                .trouble()?;
        }
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

    /// Makes finished rows in `states` pending again, and lets the batch go on if it was halted, but not
    /// where its import holds it; returns how many. One that was ever sent is looked up first, an
    /// `unconfirmed` one is only looked up. `None`: every batch, and none that was halted goes on.
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
            resume(&mut tx, batch).await?;
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

/// Lets a batch go on that was halted. What its import holds for a person's word stays held.
async fn resume(conn: &mut PgConnection, batch: BatchId) -> Result<(), OutboxError> {
    let held = is_held("b");
    let sql = format!(
        "UPDATE mutirao.batch b
            SET halted_at = CASE WHEN {held} THEN b.halted_at END, halt_reason = CASE WHEN {held} THEN $2 END,
                halt_cause = CASE WHEN {held} THEN '{HELD}'::jsonb END
          WHERE {MEETS}"
    );
    let resumed = sqlx::query(AssertSqlSafe(sql)).bind(batch.0);
    let resumed = resumed.bind(crate::text::halt_reason(&HaltReason::Held)).persistent(false);
    resumed.execute(conn).await.trouble().map(drop)
}

/// Of `b`: halted, so that rows of the batch `$1` meet it. They may have come in under another name.
const MEETS: &str = "b.halted_at IS NOT NULL
    AND (b.id = $1 OR EXISTS (SELECT FROM mutirao.outbox o
                               WHERE o.batch = $1 AND o.record IS NOT NULL AND o.lote = b.name))";

/// Of a halted `batch`: its import holds it for a person's word, whatever else is wrong with it.
pub(super) fn is_held(batch: &str) -> String {
    format!("({} OR coalesce({batch}.halt_cause @> '{AND_HELD}', false))", is_only_held(batch))
}

/// Of a halted `batch`: its import holds it for a person's word, and nothing else is wrong with it.
pub(super) fn is_only_held(batch: &str) -> String {
    format!("coalesce({batch}.halt_cause @> '{HELD}', false)")
}
