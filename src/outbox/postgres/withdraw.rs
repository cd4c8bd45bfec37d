//! Rows that their file no longer has, once nothing of theirs is in doubt.

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{Trouble, all_of};
use super::written::{WrittenRow, n_written, returning};
use crate::delivery::OutboxError;
use crate::outbox::merges::{is_to_withdraw, is_withdrawn, withdrawn};

/// Withdraws those of `rows` that were just made pending, and are gone from their file. Fails if one does not
/// stand so then.
pub(super) async fn withdraw(conn: &mut PgConnection, rows: &[i64]) -> Result<(), OutboxError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql =
        format!("SELECT o.id FROM mutirao.outbox o WHERE o.id = ANY($1) AND ({}) IS TRUE", is_to_withdraw());
    let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(rows);
    let gone: Vec<i64> = asked.fetch_all(&mut *conn).await.trouble()?;
    if gone.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE mutirao.outbox o SET {} WHERE o.id = ANY($1)
         {}",
        withdrawn("clock_timestamp()"),
        returning(&is_withdrawn())
    );
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(&gone);
    let done: Vec<WrittenRow> = asked.fetch_all(&mut *conn).await.trouble()?;
    all_of(gone.len(), n_written(conn, &done).await?)
}
