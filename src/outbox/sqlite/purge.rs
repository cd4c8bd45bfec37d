//! Taking personal data from rows that are done with.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::error::{Trouble, json};
use super::{SqliteOutbox, clock};
use crate::delivery::{OutboxError, State};
use crate::outbox::BatchId;
use crate::outbox::commands::PURGE_STEP;
use crate::outbox::names::{INVALID, any_of};
use crate::ticket::Field;

impl SqliteOutbox {
    /// Takes what finished rows say of people, if they finished before `before`; returns how many.
    ///
    /// What tells a row, its ticket and its content apart stays: a reference that comes again is
    /// still known, and counts hold. A wall clock that was set ahead makes no row older than it is.
    pub async fn purge(
        &self,
        batch: Option<BatchId>,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, OutboxError> {
        let done_with = any_of(&State::DONE_WITH);
        let due = format!(
            "SELECT id FROM outbox
              WHERE ?1 < id AND purged_at IS NULL AND finished_at < ?2 AND state IN {done_with}
                AND (?3 IS NULL OR batch = ?3)
              ORDER BY id LIMIT ?4"
        );
        let kept = Field::STORED.map(|field| match field.is_personal() {
            true => "NULL".to_owned(),
            false => format!("fields ->> {}", field.place()),
        });
        // Of an invalid row no field is kept, because anything may have been put anywhere by mistake.
        let fields = format!(
            "UPDATE record
                SET cells = '[]', whole = NULL, customer = NULL, problems = iif(problems IS NULL, NULL, '[]'),
                    service = iif(problems IS NULL, service, NULL),
                    fields = iif(problems IS NULL, json_array({}), '[]')
              WHERE id IN (SELECT record FROM outbox WHERE id IN (SELECT value FROM json_each(?1)))",
            kept.join(", ")
        );
        let rows = format!(
            "UPDATE outbox
                SET error_message = NULL, purged_at = ?2, service = iif(state = {INVALID}, NULL, service)
              WHERE id IN (SELECT value FROM json_each(?1))"
        );
        let mut session = self.session().await;
        let before_ms = before.as_millisecond() - clock::ahead_ms(session.idle().await).await?;
        // What is overwritten is gone from the file's free space too.
        sqlx::query("PRAGMA secure_delete = ON").execute(session.idle().await).await.trouble()?;
        let (mut n_purged, mut last) = (0, i64::MIN);
        loop {
            let mut tx = session.begin().await?;
            let ids: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(due.clone()))
                .bind(last)
                .bind(before_ms)
                .bind(batch.map(|batch| batch.0))
                .bind(PURGE_STEP)
                .fetch_all(&mut *tx)
                .await
                .trouble()?;
            let Some(id) = ids.last() else {
                // Who had things done is somebody, too.
                let sql = "DELETE FROM act WHERE at < ?1
                              AND (?2 IS NULL OR batch = (SELECT name FROM batch WHERE id = ?2))";
                let gone = sqlx::query(sql).bind(before_ms).bind(batch.map(|batch| batch.0));
                gone.execute(&mut *tx).await.trouble()?;
                tx.commit().await?;
                return Ok(n_purged);
            };
            last = *id;
            n_purged += ids.len() as u64;
            for sql in [
                &fields,
                "UPDATE attempt SET note = '' WHERE row IN (SELECT value FROM json_each(?1))",
                &rows,
            ] {
                let purge = sqlx::query(AssertSqlSafe(sql.to_owned())).bind(json(&ids));
                let purge = if sql.contains("?2") { purge.bind(now.as_millisecond()) } else { purge };
                purge.execute(&mut *tx).await.trouble()?;
            }
            tx.commit().await?;
        }
    }
}
