//! Rows that their file no longer has, once nothing of theirs is in doubt.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::{Trouble, json};
use crate::delivery::OutboxError;
use crate::outbox::merges::{is_to_withdraw, withdrawn};

/// Withdraws those of `rows` that were just made pending, and are gone from their file.
pub(super) async fn withdraw(conn: &mut SqliteConnection, rows: &[i64], now: i64) -> Result<(), OutboxError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE outbox AS o SET {} WHERE o.id IN (SELECT value FROM json_each(?1)) AND {}",
        withdrawn("?2"),
        is_to_withdraw()
    );
    let asked = sqlx::query(AssertSqlSafe(sql)).bind(json(&rows)).bind(now);
    asked.execute(conn).await.trouble().map(drop)
}
