//! One row, whole.

use sqlx::{AssertSqlSafe, PgConnection};

use super::super::PgOutbox;
use super::super::error::Trouble;
use super::ms;
use super::pages::{ROW_HEAD, place, raw_ticket};
use crate::delivery::OutboxError;
use crate::outbox::doubts::is_shown;
use crate::outbox::stored::{self, DetailsColumns};
use crate::outbox::{RowDetails, RowName};

impl PgOutbox {
    /// One row, whole; `None` if there is none of that name.
    pub async fn row(&self, name: RowName<'_>) -> Result<Option<RowDetails>, OutboxError> {
        let mut conn = self.conn().await?;
        let id = match name {
            RowName::Id(id) => Some(id.0),
            RowName::Line { batch, line } => {
                // Lines of other files may have the number too: rows that are gone, rows that came
                // with a correction. The batch's own file comes first.
                let sql = "SELECT o.id
                             FROM mutirao.batch b JOIN mutirao.outbox o ON o.batch = b.id
                                  JOIN mutirao.record r ON r.id = o.record
                            WHERE b.name = $1 AND o.line = $2 AND o.record IS NOT NULL
                            ORDER BY o.gone, r.source IS DISTINCT FROM b.source, o.id LIMIT 1";
                sqlx::query_scalar(sql)
                    .bind(batch)
                    .bind(i64::try_from(line).unwrap_or(i64::MAX))
                    .persistent(false)
                    .fetch_optional(&mut *conn)
                    .await
                    .trouble()?
            }
            RowName::Reference { lote, referencia } => {
                let sql = "SELECT id FROM mutirao.outbox WHERE lote = $1 AND referencia = $2 ORDER BY gone, id LIMIT 1";
                sqlx::query_scalar(sql)
                    .bind(lote)
                    .bind(referencia)
                    .persistent(false)
                    .fetch_optional(&mut *conn)
                    .await
                    .trouble()?
            }
        };
        match id {
            Some(id) => details(&mut conn, id).await,
            None => Ok(None),
        }
    }
}

async fn details(conn: &mut PgConnection, id: i64) -> Result<Option<RowDetails>, OutboxError> {
    let sql = format!(
        include_str!("row.sql"),
        head = ROW_HEAD,
        raw_ticket = raw_ticket(),
        place = place(),
        sent_at = ms("o.sent_at"),
        available_at = ms("o.available_at"),
        since = ms(&format!("(CASE WHEN {} THEN o.doubt_since END)", is_shown("o"))),
        since_at_hubsoft = ms("o.doubt_hubsoft_at"),
        absent_at = ms("o.last_absence"),
        finished_at = ms("o.finished_at"),
        purged_at = ms("o.purged_at"),
    );
    let found: Option<DetailsColumns> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .persistent(false)
        .fetch_optional(&mut *conn)
        .await
        .trouble()?;
    let Some(found) = found else { return Ok(None) };
    let sql = format!(
        "SELECT {}, kind, verdict, http_status::bigint, latency_ms, note
           FROM mutirao.attempt WHERE row_id = $1 ORDER BY id",
        ms("at")
    );
    let history =
        sqlx::query_as(AssertSqlSafe(sql)).bind(id).persistent(false).fetch_all(conn).await.trouble()?;
    stored::details(found, history).map(Some)
}
