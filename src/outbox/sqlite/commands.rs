//! What a person does to rows and batches, outside of a run.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::SqliteOutbox;
use super::candidate::live;
use super::error::{Trouble, json};
use crate::delivery::{AttemptKind, Fault, OutboxError, RowId, State};
use crate::outbox::commands::{ON_ITS_WAY_MAX, Resolved, doubt_after, named, protocolos, started_over};
use crate::outbox::doubts::retried;
use crate::outbox::names::{CANCELLED, OPENED, kind_name};
use crate::outbox::stored::count;
use crate::outbox::which::{to_retry, unsent};
use crate::outbox::{BatchId, BindError, Cancelled, HaltId, ImportId, ResolveError, Word};

impl SqliteOutbox {
    /// Binds the outbox to the host that is about to be sent to, unless it is bound to another.
    /// `host` is normalised, with its port on loopback; `sandbox` is one whose tickets are not real.
    pub async fn bind_host(&self, host: &str) -> Result<(), BindError> {
        let sql = "INSERT INTO meta (key, value) VALUES ('host', ?1)
                       ON CONFLICT DO UPDATE SET value = value RETURNING value";
        let mut conn = self.conn().await;
        let bound: String =
            sqlx::query_scalar(sql).bind(host.to_owned()).fetch_one(&mut *conn).await.trouble()?;
        if bound == host { Ok(()) } else { Err(BindError::OtherHost { bound, asked: host.to_owned() }) }
    }

    /// Notes that a run of the batch is complete, and what it came to (`summary.json`).
    pub async fn finish_run(&self, batch: BatchId, now: Timestamp, summary: &str) -> Result<(), OutboxError> {
        let sql = "UPDATE batch SET finished_at = ?2, summary = ?3 WHERE id = ?1";
        sqlx::query(sql)
            .bind(batch.0)
            .bind(now.as_millisecond())
            .bind(summary.to_owned())
            .execute(&mut *self.conn().await)
            .await
            .trouble()
            .map(drop)
    }

    /// Lets workers post the rows of an import: lifts the halts `told` that a person heard of, but none that
    /// keeps back rows of others.
    pub async fn release(
        &self,
        batch: BatchId,
        import: ImportId,
        told: &[HaltId],
    ) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE batch AS b SET halted_at = NULL, halt_reason = NULL, halt_cause = NULL
              WHERE b.id = ?1 AND EXISTS (SELECT 1 FROM json_each(?3) t WHERE t.value = CAST(b.halted_at AS TEXT))
                AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.batch = ?1 AND {} AND NOT o.gone AND o.import <> ?2)",
            unsent("o")
        );
        let told: Vec<&str> =
            told.iter().filter(|halt| halt.batch == batch.0).map(|halt| &*halt.at).collect();
        let released = sqlx::query(AssertSqlSafe(sql)).bind(batch.0).bind(import.0).bind(json(&told));
        released.execute(&mut *self.conn().await).await.trouble().map(drop)
    }

    /// Workers may post the rows of `lote` again. Returns whether it was halted.
    pub async fn resume_lote(&self, lote: &str) -> Result<bool, OutboxError> {
        let sql = "UPDATE batch SET halted_at = NULL, halt_reason = NULL, halt_cause = NULL
                    WHERE name = ?1 AND halted_at IS NOT NULL";
        let resumed =
            sqlx::query(sql).bind(lote.to_owned()).execute(&mut *self.conn().await).await.trouble()?;
        Ok(0 < resumed.rows_affected())
    }

    /// Withdraws what was certainly not sent. Rows that the batch's file no longer has too.
    pub async fn cancel(&self, batch: BatchId, now: Timestamp) -> Result<Cancelled, OutboxError> {
        let mut session = self.session().await;
        let mut tx = session.begin().await?;
        let sql = format!(
            "UPDATE outbox AS o SET state = {CANCELLED}, finished_at = ?2 WHERE o.batch = ?1 AND {}",
            unsent("o")
        );
        let cancel = sqlx::query(AssertSqlSafe(sql)).bind(batch.0).bind(now.as_millisecond());
        let cancelled = cancel.execute(&mut *tx).await.trouble()?;
        let sql = format!("SELECT count(*) FROM outbox l WHERE l.batch = ?1 AND {}", live("l"));
        let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(batch.0);
        let n_left: i64 = asked.fetch_one(&mut *tx).await.trouble()?;
        tx.commit().await?;
        Ok(Cancelled { n_cancelled: cancelled.rows_affected(), n_left: count(n_left) })
    }

    /// Makes finished rows in `states` pending again; returns how many. One that was ever sent is looked up
    /// first, an `unconfirmed` one is only looked up. `None`: every batch.
    ///
    /// States that are not finished, `opened`, and rows that were purged are left alone. The batch goes on if
    /// it was halted; with `None`, none does.
    pub async fn retry(
        &self,
        batch: Option<BatchId>,
        states: &[State],
        now: Timestamp,
    ) -> Result<u64, OutboxError> {
        let mut session = self.session().await;
        let mut tx = session.begin().await?;
        let sql = format!(
            "UPDATE outbox AS o
                SET {}, {}, ids_os = NULL, numeros_os = NULL
              WHERE {} AND (?2 IS NULL OR o.batch = ?2)",
            retried("o", "?1"),
            started_over("o", "?1"),
            to_retry("o", states)
        );
        let retried = sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millisecond())
            .bind(batch.map(|batch| batch.0))
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
        let mut session = self.session().await;
        let mut tx = session.begin().await?;
        let sql = format!(
            "SELECT o.protocolo, o.id FROM json_each(?1) v
               JOIN outbox o ON o.protocolo = v.value AND o.state = {OPENED} LIMIT 1"
        );
        let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(json(&protocolos));
        let taken: Option<(String, i64)> = asked.fetch_optional(&mut *tx).await.trouble()?;
        if let Some((protocolo, owner)) = taken {
            return Err(ResolveError::OtherRows { protocolo, owner: RowId(owner) });
        }
        for word in words {
            let row = word.row;
            let sql = format!(
                "SELECT state, coalesce(?3 < doubt_since AND doubt_since <= ?4, false),
                        (SELECT t.id FROM outbox t WHERE t.id_atendimento = ?2 AND t.state = {OPENED})
                   FROM outbox WHERE id = ?1"
            );
            let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(row.0).bind(named(word));
            let ahead_max = now.checked_add(ON_ITS_WAY_MAX).unwrap_or(now);
            let asked = asked.bind(now.as_millisecond()).bind(ahead_max.as_millisecond());
            let found = asked.fetch_optional(&mut *tx).await.trouble()?;
            let to = Resolved::by(word, found)?;
            let sql = format!(
                "UPDATE outbox
                    SET state = ?2, protocolo = ?3, id_atendimento = ?4, error_code = ?5, error_message = ?6,
                        ids_os = NULL, numeros_os = NULL, finished_at = ?7, {}
                  WHERE id = ?1",
                doubt_after(word, "outbox", "?7")
            );
            sqlx::query(AssertSqlSafe(sql))
                .bind(row.0)
                .bind(to.state)
                .bind(to.protocolo.map(str::to_owned))
                .bind(to.id_atendimento)
                .bind(to.fault.as_ref().map(Fault::code))
                .bind(to.fault.as_ref().map(crate::text::fault))
                .bind(now.as_millisecond())
                .execute(&mut *tx)
                .await
                .trouble()?;
            let sql = "INSERT INTO attempt (row, at, kind, verdict, latency_ms, note) VALUES (?1, ?2, ?3, ?4, 0, ?5)";
            sqlx::query(sql)
                .bind(row.0)
                .bind(now.as_millisecond())
                .bind(kind_name(AttemptKind::Word))
                .bind(to.state)
                .bind(word.note.to_owned())
                .execute(&mut *tx)
                .await
                .trouble()?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// All rows of a batch came in under its name: nobody else puts rows into this outbox.
async fn resume(conn: &mut SqliteConnection, batch: BatchId) -> Result<(), OutboxError> {
    let sql = "UPDATE batch SET halted_at = NULL, halt_reason = NULL, halt_cause = NULL WHERE id = ?1";
    sqlx::query(sql).bind(batch.0).execute(conn).await.trouble().map(drop)
}
