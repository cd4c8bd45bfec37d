//! The shared outbox: a schema in a Postgres database, filled by any program's `INSERT` and drained
//! by any number of workers.
//!
//! Claims of all workers stand in line behind one lock, so that two rows of one service are never live
//! together, and are of many rows each. A worker holds rows only while its [`Worker`] lease lasts. Postgres
//! 14 and later; nothing but [`listen::Listener`] and prepared statements needs a session of its own. So a
//! pooler may stand before the server that gives a session to every transaction: then the URL says
//! `statement-cache-capacity=0`, nothing prepared outlives its transaction, and every statement is in one.
//!
//! What becomes of a row is decided by [`crate::delivery`], and which rows are meant, what a doubt is and
//! what a merge makes of them by the rules beside this room, in words that SQLite's statements have too. What
//! is here differs by necessity: that others work on the same rows (leases, the line of claims, fences, rows
//! that are parked, the pace that all share), that they may lock a row or put a trigger on it (what is
//! refused is set aside piece by piece, what was written is read again), that a server may come back without
//! its last commits (what was done lately is said again), and that a role may lack a right. A number reaches
//! a statement as a parameter, or from its constant where the planner is to see it.

mod acts;
mod candidate;
mod claim;
mod columns;
mod commands;
mod connect;
mod distance;
mod due;
mod error;
mod fence;
mod health;
mod heartbeat;
mod keys;
mod lately;
mod lease;
mod listen;
mod merge;
mod opened;
mod others;
mod parking;
mod pause;
mod piecewise;
mod proof;
mod purge;
mod read;
mod ready;
mod rights;
mod schema;
mod session;
mod settle;
mod share;
mod sight;
mod size;
mod staging;
mod values;
mod walk;
mod withdraw;
mod work_queue;
mod write;
mod written;

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, SqlSafeStr, Transaction};
use tokio::time::Instant;

use crate::delivery::OutboxError;

pub use connect::{OpenError, has_password, unknown_parameters};
pub use health::{Health, Ping};
pub use lease::Worker;
#[cfg(feature = "inside")]
pub use lease::{RENEWALS, RENEWALS_BEFORE_RESCUE};
pub use merge::Uncommitted;
pub use schema::{Migrated, ROLES, WakeUp, check, migrate, script};
pub use staging::Staging;
pub use work_queue::WorkQueue;
#[cfg(feature = "inside")]
pub use {listen::Woken, parking::Tidied};

use distance::Distance;
use error::Trouble;
use ready::Ready;
use session::{Access, Tx, in_time, looking};

/// Longest wait for connections to end in order.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// An outbox that others use too. To be cloned: clones share their connections.
#[derive(Clone)]
pub struct PgOutbox {
    ready: Ready,
    /// Behind a pooler, whose sessions are nobody's.
    is_pooled: bool,
    /// Where inserts are heard of; `None`: nowhere.
    listen: Option<PgConnectOptions>,
    distance: Distance,
    /// How long a statement may take that looks. `None`: as long as it takes.
    looks_for: Option<Duration>,
}

impl PgOutbox {
    /// Opens the outbox at `url`, which must be there and of this program's version.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = connect::options(url)?;
        let mut conn = connect::connection(&options).await?;
        let mut conn = in_time(async { conn.begin().await.trouble() }).await?;
        schema::checked(&mut conn).await?;
        let is_pooled = connect::is_pooled(url);
        let ready = Ready::new(connect::pool(options.clone()));
        let listen = (!is_pooled).then_some(options);
        Ok(Self { ready, is_pooled, listen, distance: Distance::default(), looks_for: None })
    }

    /// The same for who only looks: the server ends a statement that takes longer than this. It does not
    /// notice by itself that nobody waits any more.
    pub fn looking_for(self, at_most: Duration) -> Self {
        Self { looks_for: Some(at_most), ..self }
    }

    /// Hears of inserts at `url`: the same database, past the pooler.
    pub fn listen_at(&mut self, url: &str) -> Result<(), OpenError> {
        self.listen = Some(connect::options(url)?);
        Ok(())
    }

    /// Lets go of its connections; those of its clones too. One on which the database owes an answer is
    /// waited for, but not for as long as TCP believes in it.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_MAX, self.ready.close()).await;
    }

    async fn tx(&self, access: Access) -> Result<Tx, OutboxError> {
        Tx::begin(&self.ready, access, self.is_pooled).await
    }

    /// To look. In a transaction, because a statement is prepared and run in two messages, and a pooler
    /// may give each to another session.
    async fn conn(&self) -> Result<Transaction<'static, Postgres>, OutboxError> {
        let conn = self.ready.take_to_look().await?;
        // One message, without preparing.
        let begin = AssertSqlSafe(looking(self.looks_for, self.is_pooled)).into_sql_str();
        Transaction::begin(conn, Some(begin)).await.trouble()
    }

    /// How far the database is.
    fn distance(&self) -> &Distance {
        &self.distance
    }

    /// One statement by itself, that has little to do and need not be durable.
    async fn alone<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, OutboxError>,
    ) -> Result<T, OutboxError> {
        let statement = async |conn: &mut PgConnection| {
            let sent = Instant::now();
            let done = statement(conn).await?;
            self.distance.answered(sent);
            Ok(done)
        };
        if self.is_pooled {
            return in_time(async {
                let mut tx = self.tx(Access::Shared).await?;
                let done = statement(&mut tx).await?;
                tx.commit().await?;
                Ok(done)
            })
            .await;
        }
        let mut conn = self.ready.take().await?;
        let done = in_time(statement(&mut conn)).await;
        match done {
            Ok(_) => self.ready.keep(conn),
            // Nobody knows what is still on its way there.
            Err(_) => drop(conn.detach()),
        }
        done
    }
}
