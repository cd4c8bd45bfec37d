//! The shared outbox: a schema in a Postgres database, filled by any program's `INSERT` and drained
//! by any number of workers.
//!
//! Claims of all workers stand in line behind one lock, so that two rows of one service are never
//! live together, and are of many rows each. A worker holds rows only while its [`Worker`] lease
//! lasts. Postgres 14 and later; nothing but [`Listener`] needs a session of its own.

mod candidate;
mod claim;
mod commands;
mod connect;
mod desk;
mod error;
mod health;
mod keeper;
mod lease;
mod listen;
mod merge;
mod opened;
mod others;
mod proof;
mod purge;
mod read;
mod schema;
mod session;
mod settle;
mod share;
mod staging;
mod stop;
mod values;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, Postgres};

use crate::delivery::OutboxError;

pub use connect::OpenError;
pub use desk::Desk;
pub use health::Health;
pub use lease::Worker;
pub use listen::{Listener, Woken};
pub use schema::{Migrated, WakeUp, check, migrate, script};
pub use staging::Staging;

use error::Trouble;
use session::{Access, Tx, in_time};

/// An outbox that others use too. To be cloned: clones share their connections.
#[derive(Clone)]
pub struct PgOutbox {
    pool: PgPool,
    options: PgConnectOptions,
    /// What makes the markers of producers' rows this outbox's own.
    outbox_id: String,
}

impl PgOutbox {
    /// Opens the outbox at `url`, which must be there and of this program's version.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = connect::options(url)?;
        let mut conn = connect::connection(&options).await?;
        schema::checked(&mut conn).await?;
        let sql = "SELECT value FROM mutirao.meta WHERE key = 'outbox_id'";
        let outbox_id =
            in_time(async { sqlx::query_scalar(sql).fetch_one(&mut conn).await.trouble() }).await?;
        Ok(Self { pool: connect::pool(options.clone()), options, outbox_id })
    }

    /// Lets go of its connections; those of its clones too.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn tx(&self, access: Access) -> Result<Tx, OutboxError> {
        Tx::begin(&self.pool, access).await
    }

    /// A connection for statements that need no transaction.
    async fn conn(&self) -> Result<PoolConnection<Postgres>, OutboxError> {
        self.pool.acquire().await.trouble()
    }
}
