//! How rows were settled over time.

use sqlx::AssertSqlSafe;

use super::super::PgOutbox;
use super::super::error::Trouble;
use super::filter::{ReadFilter, in_scope};
use super::ms;
use crate::delivery::OutboxError;
use crate::outbox::course::{Ends, Frame, SpanColumns, counted};
use crate::outbox::{Course, Scope};

impl PgOutbox {
    /// How the rows of `scope` were settled over time. `None`: none was sent.
    pub async fn course(&self, scope: Scope) -> Result<Option<Course>, OutboxError> {
        let mut conn = self.conn().await?;
        let filter = ReadFilter::of(scope, &mut conn).await?;
        let in_scope = in_scope();
        let sql = format!(
            "SELECT {}, {}, {} FROM mutirao.outbox o WHERE {in_scope} AND o.sent_at IS NOT NULL",
            ms("min(o.sent_at)"),
            ms("max(o.sent_at)"),
            ms("max(o.finished_at)"),
        );
        let ends: Ends = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(&filter.lote)
            .bind(filter.import)
            .persistent(false)
            .fetch_one(&mut *conn)
            .await
            .trouble()?;
        let Some(frame) = Frame::of(ends) else { return Ok(None) };
        let sql = format!(
            "SELECT (o.settled - $4) / $6, {}
               FROM (SELECT o.state, {} AS settled FROM mutirao.outbox o
                      WHERE {in_scope} AND o.sent_at IS NOT NULL AND o.finished_at IS NOT NULL) AS o
              WHERE o.settled BETWEEN $4 AND $5 GROUP BY 1 ORDER BY 1",
            counted(),
            ms("o.finished_at"),
        );
        let spans: Vec<SpanColumns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(&filter.lote)
            .bind(filter.import)
            .bind(frame.from)
            .bind(frame.to)
            .bind(frame.length)
            .persistent(false)
            .fetch_all(&mut *conn)
            .await
            .trouble()?;
        Ok(Some(frame.course(spans)))
    }
}
