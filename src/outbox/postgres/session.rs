//! One transaction, on a connection of the pool.
//!
//! Nothing outlives it: it takes the settings it needs for itself alone, so that a pooler may stand
//! before the server. A transaction that was not committed takes its connection with it, because
//! nobody knows what is still on its way there; the server undoes what it finds open.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool, Postgres};

use super::PgOutbox;
use super::error::{Late, Trouble, unavailable};
use crate::delivery::OutboxError;

/// Longest wait for what the database does at once. A connection that a firewall forgot must not hold
/// a worker for as long as TCP believes in it.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The key under which all claims of one database stand in line ("mutirao" in ASCII).
const CLAIM_KEY: i64 = 0x006d_7574_6972_616f;

/// Commits wait for the disk, whatever the server's default. Statements are planned once, and by
/// their indices: a plan made while the table was small must not become a scan of what it has grown
/// to. Another's lock is not waited for long, and a worker that stops in the middle is thrown out, so
/// that the others can claim.
const SETTINGS: &str = "
    set_config('synchronous_commit',
               CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('enable_sort', 'off', true), set_config('jit', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true),
    set_config('lock_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '10s', true)";

/// What others may do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anything.
    Shared,
    /// Anything but claim. What was claimed before is seen by the next statement.
    Claiming,
}

/// A transaction. Dropped without [`Tx::commit`]: nothing of it is kept.
pub(super) struct Tx {
    /// `None`: committed.
    conn: Option<PoolConnection<Postgres>>,
    access: Access,
    is_pooled: bool,
}

impl Tx {
    pub(super) async fn begin(pool: &PgPool, access: Access, is_pooled: bool) -> Result<Self, OutboxError> {
        let mut tx = Self { conn: Some(pool.acquire().await.trouble()?), access, is_pooled };
        tx.start().await?;
        Ok(tx)
    }

    async fn start(&mut self) -> Result<(), OutboxError> {
        let lock = match self.access {
            Access::Shared => String::new(),
            Access::Claiming => format!(", pg_advisory_xact_lock({CLAIM_KEY})"),
        };
        // A pooler's session may know our statements' names from somebody else, with other statements.
        let forget = if self.is_pooled { "DEALLOCATE ALL; " } else { "" };
        // One message, without preparing. In a statement before the others, so that they see what
        // was committed while this waited.
        let sql = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {forget}SELECT {SETTINGS}{lock}");
        self.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.trouble().map(drop)
    }

    /// Durable on return. After an error, nobody knows; a settle may be repeated.
    pub(super) async fn commit(mut self) -> Result<(), OutboxError> {
        self.execute("COMMIT").await.trouble()?;
        self.conn = None;
        Ok(())
    }

    /// Undoes everything so far, and goes on with a fresh transaction.
    pub(super) async fn restart(&mut self) -> Result<(), OutboxError> {
        self.execute("ROLLBACK").await.trouble()?;
        self.start().await
    }
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.conn.as_ref().expect("`commit` takes the transaction with it")
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.conn.as_mut().expect("`commit` takes the transaction with it")
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            drop(conn.detach());
        }
    }
}

/// `work`, if it is done in time.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, OutboxError>>) -> Result<T, OutboxError> {
    match tokio::time::timeout(ANSWER_MAX, work).await {
        Ok(done) => done,
        Err(_) => Err(unavailable(Late(ANSWER_MAX))),
    }
}

/// One statement by itself, that need not be durable.
pub(super) async fn alone<T>(
    outbox: &PgOutbox,
    statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, OutboxError>,
) -> Result<T, OutboxError> {
    if outbox.is_pooled {
        return in_time(async {
            let mut tx = outbox.tx(Access::Shared).await?;
            let done = statement(&mut tx).await?;
            tx.commit().await?;
            Ok(done)
        })
        .await;
    }
    let mut conn = outbox.pool.acquire().await.trouble()?;
    let done = in_time(statement(&mut conn)).await;
    if done.is_err() {
        // Nobody knows what is still on its way there.
        drop(conn.detach());
    }
    done
}
