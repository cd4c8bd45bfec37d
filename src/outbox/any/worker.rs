//! A process that delivers from an outbox, and the rows that it is to deliver.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;

use super::super::sqlite::{self, SqliteOutbox};
use super::super::{Scope, postgres};
use crate::delivery::coordination::{ShareRequest, SharedState};
use crate::delivery::eyes::{Sight, Specimen};
use crate::delivery::{ClaimRequest, Claimed, Halt, Outbox, OutboxError, Rate, Settle, Settled};

/// How long a worker may be silent before the others take over its rows. A claim needs three quarters
/// of a minute of it, and renewals need room: no lease may be shorter.
pub const LEASE: Duration = Duration::from_secs(60);

/// What a process says of itself when it becomes one of those that deliver.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Its ceiling; the lowest of all rules.
    pub rate: Rate,
    /// How long the others wait for a sign of life. See [`LEASE`].
    pub lease: Duration,
    /// How long it waits for an answer: for so long after its lease a post of its own may be under way.
    pub timeout: Duration,
}

/// A process that delivers from an outbox.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum AnyWorker<'a> {
    Sqlite(&'a SqliteOutbox),
    Postgres(postgres::Worker),
}

/// The rows of a scope, to be delivered.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum AnyWorkQueue<'a> {
    Sqlite(sqlite::WorkQueue<'a>),
    Postgres(postgres::WorkQueue<'a>),
}

impl AnyWorker<'_> {
    pub fn queue(&self, scope: Scope) -> AnyWorkQueue<'_> {
        match self {
            Self::Sqlite(worker) => AnyWorkQueue::Sqlite(worker.queue(scope)),
            Self::Postgres(worker) => AnyWorkQueue::Postgres(worker.queue(scope)),
        }
    }

    /// The rows of `scope`, only to be looked up (`reconcile`).
    pub fn reconciling(&self, scope: Scope) -> AnyWorkQueue<'_> {
        match self {
            Self::Sqlite(worker) => AnyWorkQueue::Sqlite(worker.reconciling(scope)),
            Self::Postgres(worker) => AnyWorkQueue::Postgres(worker.reconciling(scope)),
        }
    }

    /// The first `n` pending rows of `scope` in the order of their file (`--sample`).
    pub async fn sample(&self, scope: Scope, n: u64) -> Result<AnyWorkQueue<'_>, OutboxError> {
        Ok(match self {
            Self::Sqlite(worker) => AnyWorkQueue::Sqlite(worker.sample(scope, n).await?),
            Self::Postgres(worker) => AnyWorkQueue::Postgres(worker.sample(scope, n).await?),
        })
    }

    /// Keeps the lease, and takes in what dead workers left, as long as it is polled; `rescued` hears of
    /// how many rows that were.
    pub async fn heartbeat(&self, rescued: impl Fn(u64)) -> Infallible {
        match self {
            Self::Sqlite(_) => std::future::pending().await,
            Self::Postgres(worker) => worker.heartbeat(rescued).await,
        }
    }

    /// Leaves, after a clean stop.
    pub async fn retire(self) -> Result<(), OutboxError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(worker) => worker.retire().await,
        }
    }
}

impl Outbox for AnyWorkQueue<'_> {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        each!(self, queue => queue.claim(want).await)
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        each!(self, queue => queue.settle(settles).await)
    }

    async fn settle_and_claim(
        &self,
        settles: &[Settle],
        want: ClaimRequest,
    ) -> Result<(Vec<Settled>, Claimed), OutboxError> {
        each!(self, queue => queue.settle_and_claim(settles, want).await)
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        each!(self, queue => queue.recover(now).await)
    }

    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError> {
        each!(self, queue => queue.look_again(now).await)
    }

    async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError> {
        each!(self, queue => queue.pull_in(now).await)
    }

    async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError> {
        each!(self, queue => queue.sights(who).await)
    }

    async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError> {
        each!(self, queue => queue.saw(who, sight).await)
    }

    async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError> {
        each!(self, queue => queue.specimen(text_len, nth).await)
    }

    async fn posts_are_left(&self) -> Result<bool, OutboxError> {
        each!(self, queue => queue.posts_are_left().await)
    }

    async fn halt(&self, lote: &str, reason: &Halt) -> Result<(), OutboxError> {
        each!(self, queue => queue.halt(lote, reason).await)
    }

    async fn share(&self, report: &ShareRequest) -> Result<Option<SharedState>, OutboxError> {
        each!(self, queue => queue.share(report).await)
    }

    async fn woken(&self, poll: Duration) {
        each!(self, queue => queue.woken(poll).await);
    }
}
