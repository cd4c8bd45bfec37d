//! A person stops all workers, and lets them and halted lotes go on.

use sqlx::AssertSqlSafe;

use super::PgOutbox;
use super::commands::{is_held, is_only_held};
use super::error::Trouble;
use super::session::{Access, in_time};
use super::values::{owned_text, text};
use crate::delivery::{Halt, OutboxError};
use crate::outbox::causes::{self, AND_HELD};

impl PgOutbox {
    /// All workers stop, within about two seconds. A reason that stands already is replaced.
    pub async fn pause(&self, reason: &str) -> Result<(), OutboxError> {
        let sql =
            "UPDATE mutirao.pace SET paused_at = coalesce(paused_at, clock_timestamp()), pause_reason = $1,
                    pause_cause = NULL";
        let done = in_time(async {
            let mut tx = self.tx(Access::Shared).await?;
            sqlx::query(sql).bind(text(reason)).execute(&mut *tx).await.trouble()?;
            tx.commit().await
        })
        .await;
        self.explained(done).await
    }

    /// All workers go on, within about two seconds. Lotes that were halted stay so.
    pub async fn resume(&self) -> Result<(), OutboxError> {
        let sql = "UPDATE mutirao.pace SET paused_at = NULL, pause_reason = NULL, pause_cause = NULL";
        let done = in_time(async {
            let mut tx = self.tx(Access::Shared).await?;
            sqlx::query(sql).execute(&mut *tx).await.trouble()?;
            tx.commit().await
        })
        .await;
        self.explained(done).await
    }

    /// Rows of `lote` may be posted again. Returns whether it was halted.
    pub async fn resume_lote(&self, lote: &str) -> Result<bool, OutboxError> {
        let sql = "UPDATE mutirao.batch SET halted_at = NULL, halt_reason = NULL, halt_cause = NULL
                    WHERE name = $1 AND halted_at IS NOT NULL";
        in_time(async {
            let mut tx = self.tx(Access::Shared).await?;
            let resumed = sqlx::query(sql).bind(text(lote)).execute(&mut *tx).await.trouble()?;
            tx.commit().await?;
            Ok(0 < resumed.rows_affected())
        })
        .await
    }

    /// See [`Outbox::halt`](crate::delivery::Outbox::halt). The first reason stands; that an import holds the
    /// lote is none, and comes to stand behind it. One that an import passes is told already.
    pub async fn halt(&self, lote: &str, reason: &Halt) -> Result<(), OutboxError> {
        let sql = format!(
            "INSERT INTO mutirao.batch AS b (name, halted_at, halt_reason, halt_cause)
                       VALUES ($1, clock_timestamp(), $2, $3::jsonb)
                       ON CONFLICT (name) DO UPDATE
                       SET halted_at = excluded.halted_at, halt_reason = excluded.halt_reason, passed_by = '{{}}',
                           halt_cause = CASE WHEN b.halted_at IS NOT NULL AND {held}
                                             THEN excluded.halt_cause || '{AND_HELD}' ELSE excluded.halt_cause END
                       WHERE b.halted_at IS NULL OR b.passed_by <> '{{}}' OR {only_held}",
            held = is_held("b"),
            only_held = is_only_held("b")
        );
        in_time(async {
            let mut tx = self.tx(Access::Shared).await?;
            let halt =
                sqlx::query(AssertSqlSafe(sql)).bind(text(lote)).bind(owned_text(crate::text::halt(reason)));
            halt.bind(causes::of_halt(reason, text)).execute(&mut *tx).await.trouble()?;
            tx.commit().await
        })
        .await
    }
}
