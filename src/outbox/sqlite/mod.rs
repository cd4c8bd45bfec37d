//! The embedded outbox: one SQLite file, held by one process, read by others at any time.
//!
//! sqlx runs SQLite on a thread of its own, and every statement and every fetched row crosses over.
//! So nothing here is done row by row: lists go in as one JSON text (or one `VALUES`), and come back
//! as one.

mod claim;
mod commands;
mod desk;
mod error;
mod lock;
mod merge;
mod open;
mod opened;
mod proof;
mod read;
mod settle;
mod staging;

use std::path::Path;

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::delivery::OutboxError;

pub use desk::Desk;
pub use open::OpenError;
pub use read::Page;
pub use staging::Staging;

use error::Trouble;
use lock::FileLock;

/// An outbox that this process owns.
pub struct SqliteOutbox {
    reader: Reader,
    /// Released after the connection is gone: fields are dropped in order.
    _lock: FileLock,
}

/// An outbox to look at, whoever owns it. One connection, one statement at a time.
pub struct Reader {
    conn: Mutex<SqliteConnection>,
}

impl SqliteOutbox {
    /// Takes the outbox at `path`, making it if it is missing (mode 0600). The directory must exist.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let (conn, lock) = open::for_writing(path).await?;
        Ok(Self { reader: Reader { conn: Mutex::new(conn) }, _lock: lock })
    }

    /// What can be read from it.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Moves everything into the one file and lets go of it: no `-wal` is left behind.
    pub async fn close(self) -> Result<(), OutboxError> {
        let mut conn = self.reader.conn.into_inner();
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut conn).await;
        conn.close().await.trouble()?;
        emptied.trouble().map(drop)
    }

    async fn conn(&self) -> MutexGuard<'_, SqliteConnection> {
        self.reader.conn.lock().await
    }
}

impl Reader {
    /// Opens the outbox at `path` to look at it, also while its owner writes.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { conn: Mutex::new(open::for_reading(path).await?) })
    }

    pub async fn close(self) -> Result<(), OutboxError> {
        self.conn.into_inner().close().await.trouble()
    }
}

/// A stored time. Times that no clock shows are clamped, not refused: they come from our own columns.
fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
