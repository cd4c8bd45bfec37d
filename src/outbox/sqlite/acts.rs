//! What persons had done.

use jiff::Timestamp;

use super::error::Trouble;
use super::{Reader, SqliteOutbox};
use crate::delivery::OutboxError;
use crate::outbox::acts::{ACTS_MAX, ActColumns, ImportColumns, Imports, imports};
use crate::outbox::{Act, By, Deed};

impl SqliteOutbox {
    /// Keeps that a person had this done with a batch; without one, with all of the outbox.
    pub async fn note_act(
        &self,
        batch: Option<&str>,
        by: By<'_>,
        deed: Deed,
        n_rows: u64,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let mut session = self.session().await;
        let mut tx = session.begin().await?;
        let sql = "INSERT INTO act (batch, at, who, way, deed, n_rows) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        sqlx::query(sql)
            .bind(batch.map(str::to_owned))
            .bind(now.as_millisecond())
            .bind(by.who.to_owned())
            .bind(by.way.name())
            .bind(deed.name())
            .bind(i64::try_from(n_rows).unwrap_or(i64::MAX))
            .execute(&mut *tx)
            .await
            .trouble()?;
        let sql = "DELETE FROM act WHERE batch IS ?1
                      AND id <= (SELECT id FROM act WHERE batch IS ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        sqlx::query(sql).bind(batch.map(str::to_owned)).bind(ACTS_MAX).execute(&mut *tx).await.trouble()?;
        tx.commit().await
    }
}

impl Reader {
    /// What persons had done with a batch, or with all of the outbox: at most `n`, the latest first.
    pub async fn acts(&self, batch: &str, n: usize) -> Result<Vec<Act>, OutboxError> {
        let sql = "SELECT at, who, way, deed, n_rows FROM act WHERE batch IS NULL OR batch = ?1
                    ORDER BY id DESC LIMIT ?2";
        let found: Vec<ActColumns> = sqlx::query_as(sql)
            .bind(batch.to_owned())
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.conn().await)
            .await
            .trouble()?;
        Ok(found.into_iter().filter_map(Act::stored).collect())
    }

    /// The last import of each of these batches, as far as it is kept.
    pub async fn latest_imports(&self, batches: &[String]) -> Result<Imports, OutboxError> {
        let sql = "SELECT batch, at, who, way, deed, n_rows FROM act
                    WHERE id IN (SELECT max(id) FROM act
                                  WHERE batch IN (SELECT value FROM json_each(?1)) AND deed = ?2
                                  GROUP BY batch)";
        let found: Vec<ImportColumns> = sqlx::query_as(sql)
            .bind(serde_json::json!(batches).to_string())
            .bind(Deed::Import.name())
            .fetch_all(&mut *self.conn().await)
            .await
            .trouble()?;
        Ok(imports(found))
    }
}
