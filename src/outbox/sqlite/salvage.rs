//! What can still be read of a damaged outbox, put into a new one.
//!
//! A table is copied in ranges of its ids; a range that cannot be read is halved, down to the single rows
//! that are lost. What SQLite cannot know to be wrong (a digit within a text) is copied as it stands.

use std::path::Path;

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::{Trouble, classify, is_damage, is_refused};
use super::{OpenError, SqliteOutbox};
use crate::delivery::OutboxError;

/// In the order in which they refer to each other.
const TABLES: [&str; 5] = ["batch", "source", "record", "outbox", "attempt"];

/// Ids beyond the last one that was read, where nothing says how many there are.
const BEYOND: i64 = 1 << 10;

/// As many lines are named.
const LINES_MAX: i64 = 20;

/// What was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Rows of the files that are not there any more.
    pub n_rows: u64,
    /// The lines of the first of them, as far as they are known.
    pub lines: Vec<u64>,
    /// Rows of which only what became of them is there, not what the file said.
    pub n_blank: u64,
}

/// Copies what can be read of `damaged` into a new outbox at `fresh`, and says what is lost. Nobody else may
/// use `damaged`: SQLite takes its log in.
pub async fn salvage(damaged: &Path, fresh: &Path) -> Result<Lost, OpenError> {
    let outbox = SqliteOutbox::open(fresh).await?;
    let copied = copy(&mut *outbox.conn().await, damaged).await;
    let lost = copied.map_err(|source| OpenError::Outbox { path: damaged.to_owned(), source })?;
    outbox.close().await.map_err(|source| OpenError::Outbox { path: fresh.to_owned(), source })?;
    Ok(lost)
}

async fn copy(conn: &mut SqliteConnection, damaged: &Path) -> Result<Lost, OutboxError> {
    sqlx::query("ATTACH ?1 AS damaged")
        .bind(damaged.to_string_lossy().into_owned())
        .execute(&mut *conn)
        .await
        .trouble()?;
    let _ =
        sqlx::query("INSERT OR REPLACE INTO main.meta SELECT * FROM damaged.meta").execute(&mut *conn).await;
    for table in TABLES {
        let last = last_id(conn, table).await?;
        let mut ranges = vec![(1, last)];
        while let Some((from, to)) = ranges.pop() {
            let sql = format!(
                "INSERT OR IGNORE INTO main.{table}
                 SELECT * FROM damaged.{table} NOT INDEXED WHERE id BETWEEN ?1 AND ?2"
            );
            let copied = sqlx::query(AssertSqlSafe(sql)).bind(from).bind(to).execute(&mut *conn).await;
            match copied {
                Ok(_) => {}
                Err(error) if !is_damage(&error) && !is_refused(&error) => return Err(classify(error)),
                Err(_) if from == to => {}
                Err(_) => {
                    let middle = from + (to - from) / 2;
                    ranges.extend([(from, middle), (middle + 1, to)]);
                }
            }
        }
    }
    sqlx::query("DETACH damaged").execute(&mut *conn).await.trouble()?;
    lost(conn).await
}

/// The last id of a table; where that cannot be read, one that is not before it.
async fn last_id(conn: &mut SqliteConnection, table: &str) -> Result<i64, OutboxError> {
    let sql = format!("SELECT coalesce(max(id), 0) FROM damaged.{table} NOT INDEXED");
    match sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *conn).await {
        Ok(last) => return Ok(last),
        Err(error) if is_damage(&error) => {}
        Err(error) => return Err(classify(error)),
    }
    // Records come by files, and rows by records.
    let sql = "SELECT max(coalesce((SELECT sum(n_rows) FROM main.source), 0),
                      coalesce((SELECT max(id) FROM main.record), 0)) + ?1";
    sqlx::query_scalar(sql).bind(BEYOND).fetch_one(conn).await.trouble()
}

/// Gives rows whose record is lost a blank one, and counts.
async fn lost(conn: &mut SqliteConnection) -> Result<Lost, OutboxError> {
    let sql = "INSERT INTO record (id, source, line, content_key, fields, cells)
               SELECT o.record, b.source, o.line, '', '[]', '[]' FROM outbox o JOIN batch b ON b.id = o.batch
                WHERE b.source IS NOT NULL AND NOT EXISTS (SELECT 1 FROM record r WHERE r.id = o.record)";
    let n_blank = sqlx::query(sql).execute(&mut *conn).await.trouble()?.rows_affected();
    let sql = "SELECT coalesce(sum(max(0, s.n_rows - (SELECT count(*) FROM outbox o
                                                       WHERE o.batch = b.id AND o.gone = 0))), 0)
                 FROM batch b JOIN source s ON s.id = b.source";
    let n_rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut *conn).await.trouble()?;
    let sql = "SELECT r.line FROM batch b JOIN record r ON r.source = b.source
                WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.record = r.id) ORDER BY r.line LIMIT ?1";
    let lines: Vec<i64> = sqlx::query_scalar(sql).bind(LINES_MAX).fetch_all(&mut *conn).await.trouble()?;
    let lines = if n_rows == 0 { Vec::new() } else { lines };
    Ok(Lost {
        n_rows: n_rows.unsigned_abs(),
        lines: lines.into_iter().map(i64::unsigned_abs).collect(),
        n_blank,
    })
}
