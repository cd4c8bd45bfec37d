//! What persons had done.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::PgOutbox;
use super::error::Trouble;
use super::read::ms;
use super::session::{Access, in_time};
use super::values::{Time, text};
use crate::delivery::OutboxError;
use crate::outbox::acts::{ACTS_MAX, ActColumns, ImportColumns, Imports, imports};
use crate::outbox::{Act, By, Deed};

impl PgOutbox {
    /// Keeps that a person had this done with a lote; without one, with all of the outbox.
    pub async fn note_act(
        &self,
        batch: Option<&str>,
        by: By<'_>,
        deed: Deed,
        n_rows: u64,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        in_time(async {
            let mut tx = self.tx(Access::Shared).await?;
            let sql =
                "INSERT INTO mutirao.act (batch, at, who, way, deed, n_rows) VALUES ($1, $2, $3, $4, $5, $6)";
            sqlx::query(sql)
                .bind(batch.map(text))
                .bind(Time(now))
                .bind(text(by.who))
                .bind(by.way.name())
                .bind(deed.name())
                .bind(i64::try_from(n_rows).unwrap_or(i64::MAX))
                .persistent(false)
                .execute(&mut *tx)
                .await
                .trouble()?;
            let sql = "DELETE FROM mutirao.act WHERE batch IS NOT DISTINCT FROM $1
                          AND id <= (SELECT id FROM mutirao.act WHERE batch IS NOT DISTINCT FROM $1
                                      ORDER BY id DESC LIMIT 1 OFFSET $2)";
            sqlx::query(sql)
                .bind(batch.map(text))
                .bind(ACTS_MAX)
                .persistent(false)
                .execute(&mut *tx)
                .await
                .trouble()?;
            tx.commit().await
        })
        .await
    }

    /// What persons had done with a lote, or with all of the outbox: at most `n`, the latest first.
    pub async fn acts(&self, batch: &str, n: usize) -> Result<Vec<Act>, OutboxError> {
        let sql = format!(
            "SELECT {}, who, way, deed, n_rows FROM mutirao.act WHERE batch IS NULL OR batch = $1
              ORDER BY id DESC LIMIT $2",
            ms("at")
        );
        let found: Vec<ActColumns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(text(batch))
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .persistent(false)
            .fetch_all(&mut *self.conn().await?)
            .await
            .trouble()?;
        Ok(found.into_iter().filter_map(Act::stored).collect())
    }

    /// The last import of each of these lotes, as far as it is kept.
    pub async fn latest_imports(&self, batches: &[String]) -> Result<Imports, OutboxError> {
        let sql = format!(
            "SELECT batch, {}, who, way, deed, n_rows FROM mutirao.act
              WHERE id IN (SELECT max(id) FROM mutirao.act WHERE batch = ANY($1) AND deed = $2
                            GROUP BY batch)",
            ms("at")
        );
        let found: Vec<ImportColumns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(batches)
            .bind(Deed::Import.name())
            .persistent(false)
            .fetch_all(&mut *self.conn().await?)
            .await
            .trouble()?;
        Ok(imports(found))
    }
}
