//! The connection and its one transaction.
//!
//! Not sqlx's own: SQLite itself rolls back when the disk is full or fails, sqlx then counts one
//! transaction too many, and every later one is refused; but an outbox must work again once there is
//! space. Nor can a rollback be awaited where a future is dropped. So what was left open is closed by
//! whoever comes next.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};

use super::error::Trouble;
use crate::delivery::OutboxError;
use crate::delivery::identity::BatchKey;

/// In front of a transaction's first statement.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE; ";

/// Behind a transaction's last statement.
pub(super) const COMMIT: &str = "; COMMIT";

pub(super) struct Session {
    conn: SqliteConnection,
    /// A transaction was begun, and nobody saw its commit.
    is_open: bool,
    /// By their ids, as far as a claim has met them.
    batches: HashMap<i64, Batch>,
}

/// What never changes of a batch.
pub(super) struct Batch {
    pub(super) name: Arc<str>,
    pub(super) key: BatchKey,
}

/// A transaction. Dropped without [`Tx::commit`]: nothing of it is kept.
pub(super) struct Tx<'a>(&'a mut Session);

impl Session {
    pub(super) fn new(conn: SqliteConnection) -> Self {
        Self { conn, is_open: false, batches: HashMap::new() }
    }

    /// The connection, outside of any transaction.
    pub(super) async fn idle(&mut self) -> &mut SqliteConnection {
        if std::mem::take(&mut self.is_open) {
            // Fails if SQLite has rolled back already, or if the commit went through after all. A
            // transaction that is still there shows at the next `BEGIN`.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.conn).await;
        }
        &mut self.conn
    }

    pub(super) async fn begin(&mut self) -> Result<Tx<'_>, OutboxError> {
        let mut tx = self.begin_with_first().await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *tx).await.trouble()?;
        Ok(tx)
    }

    /// A transaction that begins with its first statement, which is to start with [`BEGIN`]: one way
    /// to SQLite's thread and back instead of two (measured: a fortieth of a ticket's CPU).
    pub(super) async fn begin_with_first(&mut self) -> Tx<'_> {
        self.idle().await;
        self.is_open = true;
        Tx(self)
    }

    /// For a guard of the connection alone, once it is idle.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }

    pub(super) async fn close(mut self) -> Result<(), OutboxError> {
        self.idle().await;
        self.conn.close().await.trouble()
    }
}

impl Tx<'_> {
    /// Durable on return. After an error, nobody knows; a settle may be repeated.
    pub(super) async fn commit(self) -> Result<(), OutboxError> {
        sqlx::query("COMMIT").execute(&mut self.0.conn).await.trouble()?;
        self.committed();
        Ok(())
    }

    /// Its last statement ended with [`COMMIT`], and that went through.
    pub(super) fn committed(self) {
        self.0.is_open = false;
    }

    /// These batches, read once: in every row of a claim, their names and keys would be written and read
    /// anew.
    pub(super) async fn batches(
        &mut self,
        ids: impl Iterator<Item = i64>,
    ) -> Result<&HashMap<i64, Batch>, OutboxError> {
        for id in ids {
            if !self.0.batches.contains_key(&id) {
                let asked = sqlx::query_as("SELECT name, key FROM batch WHERE id = ?1").bind(id);
                let (name, key): (String, String) = asked.fetch_one(&mut self.0.conn).await.trouble()?;
                self.0.batches.insert(id, Batch { name: name.into(), key: BatchKey(key) });
            }
        }
        Ok(&self.0.batches)
    }

    /// Undoes everything so far, and goes on with a fresh transaction.
    pub(super) async fn restart(&mut self) -> Result<(), OutboxError> {
        self.0.begin().await.map(drop)
    }
}

impl Deref for Tx<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0.conn
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0.conn
    }
}
