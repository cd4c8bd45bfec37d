//! How rows were settled over time.

use sqlx::AssertSqlSafe;

use super::Reader;
use super::error::Trouble;
use super::read::in_scope;
use crate::delivery::OutboxError;
use crate::outbox::course::{Ends, Frame, SpanColumns, counted};
use crate::outbox::filter::Filter;
use crate::outbox::{Course, Scope};

impl Reader {
    /// How the rows of `scope` were settled over time. `None`: none was sent.
    pub async fn course(&self, scope: Scope) -> Result<Option<Course>, OutboxError> {
        let (filter, in_scope, mut conn) = (Filter::of(scope), in_scope(), self.conn().await);
        let sql = format!(
            "SELECT min(o.sent_at), max(o.sent_at), max(o.finished_at)
               FROM outbox o WHERE {in_scope} AND o.sent_at IS NOT NULL"
        );
        let ends: Ends = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(filter.import)
            .fetch_one(&mut *conn)
            .await
            .trouble()?;
        let Some(frame) = Frame::of(ends) else { return Ok(None) };
        let sql = format!(
            "SELECT (o.finished_at - ?3) / ?5, {} FROM outbox o
              WHERE {in_scope} AND o.sent_at IS NOT NULL AND o.finished_at BETWEEN ?3 AND ?4
              GROUP BY 1 ORDER BY 1",
            counted()
        );
        let spans: Vec<SpanColumns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(filter.import)
            .bind(frame.from)
            .bind(frame.to)
            .bind(frame.length)
            .fetch_all(&mut *conn)
            .await
            .trouble()?;
        Ok(Some(frame.course(spans)))
    }
}
