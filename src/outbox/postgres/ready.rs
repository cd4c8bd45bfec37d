//! Connections that are used again at once.
//!
//! A pool first asks of each that comes back whether it still answers, and gives out the one that has waited
//! longest: so one worker had four, each of which planned all statements for itself and was asked once more
//! after every commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::time::Instant;

use super::error::Trouble;
use crate::delivery::OutboxError;

/// So many are kept at most: a claim and a settle may go on at once.
const KEPT_MAX: usize = 2;

/// One that was not used for so long may have been forgotten on its way, by a firewall.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Clones share their connections.
#[derive(Clone)]
pub(super) struct Ready(Arc<Connections>);

struct Connections {
    pool: PgPool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// And since when. The last is the next to be used.
    connections: Vec<(PoolConnection<Postgres>, Instant)>,
    /// Those who wait for the pool, which has none to give while all are in use or kept.
    n_waiting: usize,
}

impl Ready {
    pub(super) fn new(pool: PgPool) -> Self {
        Self(Arc::new(Connections { pool, kept: Mutex::default() }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that was used last; or one of the pool, which it makes if it must.
    pub(super) async fn take(&self) -> Result<PoolConnection<Postgres>, OutboxError> {
        let _waits = {
            let mut kept = self.kept();
            while let Some((connection, since)) = kept.connections.pop() {
                if since.elapsed() < KEPT_FOR {
                    return Ok(connection);
                }
                drop(connection.detach());
            }
            kept.n_waiting += 1;
            Waits(self)
        };
        self.0.pool.acquire().await.trouble()
    }

    /// The same for a mere look, which goes back to the pool: rather one that is there already than the one
    /// that claims and settles use.
    pub(super) async fn take_to_look(&self) -> Result<PoolConnection<Postgres>, OutboxError> {
        match self.0.pool.try_acquire() {
            Some(connection) => Ok(connection),
            None => self.take().await,
        }
    }

    /// What was asked there has been answered, and nothing is left open.
    pub(super) fn keep(&self, connection: PoolConnection<Postgres>) {
        let mut kept = self.kept();
        if kept.n_waiting == 0 && kept.connections.len() < KEPT_MAX && !self.0.pool.is_closed() {
            kept.connections.push((connection, Instant::now()));
        }
    }

    /// Lets go of all of them.
    pub(super) async fn close(&self) {
        self.kept().connections.clear();
        self.0.pool.close().await;
    }
}

struct Waits<'a>(&'a Ready);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.kept().n_waiting -= 1;
    }
}

/// A pool wants a runtime to take one back.
impl Drop for Kept {
    fn drop(&mut self) {
        self.connections.drain(..).for_each(|(connection, _)| drop(connection.detach()));
    }
}
