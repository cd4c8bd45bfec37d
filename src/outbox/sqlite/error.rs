//! What a fault of SQLite means to the engine.

use std::io;

use crate::delivery::OutboxError;

pub(super) use crate::outbox::stored::{json, stored, unreadable};

/// Primary result codes, <https://www.sqlite.org/rescode.html>.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NOMEM: i32 = 7;
const READONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const NOTADB: i32 = 26;

/// Turns a library's fault into ours.
pub(super) trait Trouble<T> {
    fn trouble(self) -> Result<T, OutboxError>;
}

impl<T> Trouble<T> for Result<T, sqlx::Error> {
    fn trouble(self) -> Result<T, OutboxError> {
        self.map_err(classify)
    }
}

pub(super) fn classify(error: sqlx::Error) -> OutboxError {
    match &error {
        sqlx::Error::Database(_) => match code_of(&error) {
            Some(FULL) => OutboxError::Full(error.into()),
            // SQLite makes FULL of ENOSPC; what is left of IOERR may pass (a disk that was pulled out).
            Some(BUSY | LOCKED | NOMEM | INTERRUPT | IOERR | CANTOPEN | PROTOCOL) => {
                OutboxError::Unavailable(error.into())
            }
            Some(CORRUPT | NOTADB) => OutboxError::Broken(Damaged(in_words(&error)).into()),
            // A constraint: trying again shows the same.
            _ => OutboxError::Broken(error.into()),
        },
        sqlx::Error::Io(fault) => match fault.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OutboxError::Full(error.into()),
            _ => OutboxError::Unavailable(error.into()),
        },
        _ => OutboxError::Broken(error.into()),
    }
}

/// The file is damaged, so far that SQLite sees it.
#[derive(Debug, thiserror::Error)]
#[error("{}", tr!("the outbox is damaged (%{found})", found = .0))]
struct Damaged(String);

/// Whether an outbox cannot be used because its file is damaged.
pub fn is_of_damage(error: &OutboxError) -> bool {
    matches!(error, OutboxError::Broken(cause) if cause.is::<Damaged>())
}

pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(code_of(error), Some(CORRUPT | NOTADB))
}

/// SQLite's own words, without the library's around them.
pub(super) fn in_words(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
}

pub(super) fn is_interrupted(error: &sqlx::Error) -> bool {
    code_of(error) == Some(INTERRUPT)
}

/// Whether a table does not take a value.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    matches!(code_of(error), Some(CONSTRAINT | MISMATCH))
}

/// Whether a connection that wants to write was turned away for lack of permission.
pub(super) fn is_forbidden(error: &sqlx::Error) -> bool {
    matches!(code_of(error), Some(READONLY | CANTOPEN))
}

pub(super) fn is_not_a_database(error: &sqlx::Error) -> bool {
    code_of(error) == Some(NOTADB)
}

/// The primary code: the low byte of the extended one.
fn code_of(error: &sqlx::Error) -> Option<i32> {
    Some(error.as_database_error()?.code()?.parse::<i32>().ok()? & 0xff)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, SqliteConnection};

    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_from_a_lock_and_from_damage() {
        let file = tempfile::NamedTempFile::new().expect("there is room for a file");
        let options = SqliteConnectOptions::new().filename(file.path()).busy_timeout(Duration::ZERO);
        let mut one = options.connect().await.expect("it connects");
        let mut other = options.connect().await.expect("it connects");
        let full = "CREATE TABLE t (x); PRAGMA max_page_count = 2; INSERT INTO t VALUES (zeroblob(99999))";
        assert!(matches!(fault(&mut one, full).await, OutboxError::Full(_)));
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut one).await.expect("it locks");
        assert!(matches!(fault(&mut other, "DELETE FROM t").await, OutboxError::Unavailable(_)));
        assert!(matches!(fault(&mut other, "DELETE FROM missing").await, OutboxError::Broken(_)));
    }

    async fn fault(conn: &mut SqliteConnection, sql: &'static str) -> OutboxError {
        classify(sqlx::raw_sql(sql).execute(conn).await.expect_err("it fails"))
    }
}
