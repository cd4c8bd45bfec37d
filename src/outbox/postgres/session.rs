//! One transaction, on a connection of ours.
//!
//! Nothing outlives it: it takes the settings it needs for itself alone, so that a pooler may stand
//! before the server. A transaction that was not committed takes its connection with it, because
//! nobody knows what is still on its way there; the server undoes what it finds open.

use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Postgres};

use super::connect::{LOCK_WAIT, SEARCH_PATH};
use super::error::{Late, Trouble, unavailable};
use super::ready::Ready;
use crate::delivery::OutboxError;

/// Longest wait for what the database does at once. A connection that a firewall forgot must not hold
/// a worker for as long as TCP believes in it.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);

/// All claims stand in line behind the lock of a table without rows: only who may write to it can take it,
/// where an advisory lock is anybody's who can log in.
fn in_line(then: &str) -> String {
    format!("; LOCK TABLE mutirao.turn IN SHARE UPDATE EXCLUSIVE MODE; SET LOCAL lock_timeout = '{then}'")
}

/// The line may be long where there are many workers. And what nobody waits for any more ([`ANSWER_MAX`])
/// ends, because the others stand behind it.
fn claiming(longest: &str) -> String {
    format!(
        ", pg_catalog.set_config('lock_timeout', '{longest}', true),
         pg_catalog.set_config('statement_timeout', '{}s', true)",
        ANSWER_MAX.as_secs()
    )
}

/// A row that somebody holds is not waited for: all outcomes stand behind a settle.
const SETTLING: &str = ", pg_catalog.set_config('lock_timeout', '500ms', true)";

/// Commits wait for the disk, whatever the server's default. Statements are planned once, and by their
/// indices: a plan made while the table was small must not become a scan of what it has grown to, nor a
/// program for Postgres' compiler. Another's lock is not waited for long, and a worker that stops in the
/// middle is thrown out, so that the others can claim.
///
/// Written so that nobody else's functions and operators can be meant.
static PINS: LazyLock<String> = LazyLock::new(|| {
    let set = |(name, value): (&str, &str)| format!("pg_catalog.set_config('{name}', '{value}', true)");
    let durable = "pg_catalog.set_config('synchronous_commit',
        CASE WHEN pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'remote_apply'
             THEN 'remote_apply' ELSE 'on' END, true)";
    let all = SETTINGS.into_iter().chain([("search_path", SEARCH_PATH)]).map(set);
    std::iter::once(durable.to_owned()).chain(all).collect::<Vec<_>>().join(", ")
});

const SETTINGS: [(&str, &str); 13] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_sort", "off"),
    ("enable_nestloop", "on"),
    ("enable_indexscan", "on"),
    ("enable_indexonlyscan", "on"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("lock_timeout", LOCK_WAIT),
    ("idle_in_transaction_session_timeout", "10s"),
];

/// Begins a transaction of whoever only looks or reads a file in, with what matters of [`SETTINGS`] where a
/// pooler stands between.
pub(super) fn looking(at_most: Option<Duration>, is_pooled: bool) -> String {
    let pins = format!(
        "; SET LOCAL search_path = {SEARCH_PATH}; SET LOCAL jit = off; SET LOCAL lock_timeout = '{LOCK_WAIT}'"
    );
    let ends = at_most.map(|time| format!("; SET LOCAL statement_timeout = '{}ms'", time.as_millis()));
    format!("BEGIN{}{}", if is_pooled { &pins } else { "" }, ends.unwrap_or_default())
}

/// What others may do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anything.
    Shared,
    /// Anything but claim. What was claimed before is seen by the next statement.
    Claiming,
    /// The same, for a claim that carries outcomes: neither the line nor a row is waited for long.
    Carrying,
    /// Anything. A row that somebody holds is not waited for: all outcomes stand behind this one.
    Settling,
}

/// A transaction. Dropped without [`Tx::commit`]: nothing of it is kept.
pub(super) struct Tx {
    /// `None`: committed.
    conn: Option<PoolConnection<Postgres>>,
    ready: Ready,
    access: Access,
    is_pooled: bool,
}

impl Tx {
    pub(super) async fn begin(ready: &Ready, access: Access, is_pooled: bool) -> Result<Self, OutboxError> {
        let mut tx = Self { conn: Some(ready.take().await?), ready: ready.clone(), access, is_pooled };
        tx.start().await?;
        Ok(tx)
    }

    async fn start(&mut self) -> Result<(), OutboxError> {
        let (setting, then) = match self.access {
            Access::Shared => (String::new(), String::new()),
            Access::Claiming => (claiming("20s"), in_line(LOCK_WAIT)),
            Access::Carrying => (claiming("500ms"), in_line("100ms")),
            Access::Settling => (SETTLING.to_owned(), String::new()),
        };
        // A pooler's session may know our statements' names from somebody else, with other statements.
        let forget = if self.is_pooled { "DEALLOCATE ALL; " } else { "" };
        // One message, without preparing. In a statement before the others, so that they see what
        // was committed while this waited.
        let sql = format!("BEGIN ISOLATION LEVEL READ COMMITTED; {forget}SELECT {}{setting}{then}", *PINS);
        self.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.trouble().map(drop)
    }

    /// Durable on return. After an error, nobody knows; a settle may be repeated.
    pub(super) async fn commit(mut self) -> Result<(), OutboxError> {
        self.execute("COMMIT").await.trouble()?;
        if let Some(conn) = self.conn.take() {
            self.ready.keep(conn);
        }
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
