//! One outbox for the commands, whichever driver holds it.

macro_rules! each {
    ($of:expr, $driver:ident => $call:expr) => {
        match $of {
            Self::Sqlite($driver) => $call,
            Self::Postgres($driver) => $call,
        }
    };
}

/// The same of what writes: a role that may not do it hears what it lacks.
macro_rules! each_explained {
    ($of:expr, $driver:ident => $call:expr) => {
        match $of {
            Self::Sqlite($driver) => $call,
            Self::Postgres($driver) => {
                let done = $call;
                $driver.explained(done).await
            }
        }
    };
}

mod address;
mod reader;
mod worker;

use jiff::Timestamp;

pub use address::{Address, OpenFault};
pub use reader::{AnyReader, Ping, ReadOnlyOutbox};
pub use worker::{AnyWorker, LEASE, Terms};

use super::sqlite::{self, Going, SqliteOutbox};
use super::{
    BatchId, BindError, By, Cancelled, Deed, HaltId, Halted, ImportId, MergeError, MergeOptions, NewRow,
    NewSource, PgOutbox, Rehearsal, ResolveError, Word, postgres,
};
use crate::delivery::{Halt, OutboxError, State};
use crate::platform;
use crate::ticket::code::BatchCode;

/// An outbox to write to.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum AnyOutbox {
    Sqlite(SqliteOutbox),
    Postgres(PgOutbox),
}

/// A file that is being read in.
pub enum AnyStaging<'a> {
    Sqlite(sqlite::Staging<'a>),
    Postgres(postgres::Staging),
}

/// A merge that nobody sees yet. Dropped: nothing happened.
pub enum AnyUncommitted<'a> {
    Sqlite(sqlite::Uncommitted<'a>),
    Postgres(postgres::Uncommitted),
}

impl AnyOutbox {
    pub fn reader(&self) -> AnyReader<'_> {
        match self {
            Self::Sqlite(outbox) => AnyReader::Sqlite(outbox.reader()),
            Self::Postgres(outbox) => AnyReader::Postgres(outbox),
        }
    }

    /// Tells whoever looks at a file what this process does just now; in a database the workers' pace is
    /// there to see.
    pub fn say(&self, doing: &str, going: &Going) {
        match self {
            Self::Sqlite(outbox) => outbox.say(doing, going),
            Self::Postgres(_) => {}
        }
    }

    /// Hears of inserts at `url` and not where it was opened: a pooler passes no notifications on. Of a file
    /// nobody else inserts.
    pub fn listen_at(&mut self, url: &str) -> Result<(), OpenFault> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(outbox) => Ok(outbox.listen_at(url)?),
        }
    }

    /// Starts to read a file in.
    pub async fn begin(&mut self, source: &NewSource<'_>) -> Result<AnyStaging<'_>, MergeError> {
        Ok(match self {
            Self::Sqlite(outbox) => AnyStaging::Sqlite(outbox.begin(source).await?),
            Self::Postgres(outbox) => AnyStaging::Postgres(outbox.begin(source).await?),
        })
    }

    /// Makes this process one of those that deliver from the outbox.
    /// `what`, the machine and the process are its name, for people.
    pub async fn register(&self, what: &str, terms: Terms) -> Result<AnyWorker<'_>, OutboxError> {
        Ok(match self {
            Self::Sqlite(outbox) => AnyWorker::Sqlite(outbox),
            Self::Postgres(outbox) => {
                let name = format!("{what} {}@{}", std::process::id(), platform::host_name());
                AnyWorker::Postgres(outbox.register(&name, terms).await?)
            }
        })
    }

    /// Binds the outbox to the host that is about to be sent to, unless it is bound to another.
    pub async fn bind_host(&self, host: &str) -> Result<(), BindError> {
        each_explained!(self, outbox => outbox.bind_host(host).await)
    }

    /// Lets workers post the rows of an import: lifts the halts `told` that a person heard of, and a hold,
    /// but none that keeps back rows of others.
    pub async fn release(
        &self,
        batch: BatchId,
        import: ImportId,
        told: &[HaltId],
    ) -> Result<(), OutboxError> {
        each_explained!(self, outbox => outbox.release(batch, import, told).await)
    }

    /// Workers may post the rows of `lote` again. Returns whether it was halted.
    pub async fn resume_lote(&self, lote: &str) -> Result<bool, OutboxError> {
        each_explained!(self, outbox => outbox.resume_lote(lote).await)
    }

    /// Keeps other workers from posting the rows of a batch whose import has gone wrong as a whole.
    pub async fn halt(&self, batch: &str, reason: &Halt) -> Result<(), OutboxError> {
        match self {
            Self::Sqlite(_) => Ok(()), // Nobody else delivers from it.
            Self::Postgres(outbox) => outbox.halt(batch, reason).await,
        }
    }

    /// Notes that a run of the batch is complete, and what it came to (`summary.json`).
    pub async fn finish_run(&self, batch: BatchId, now: Timestamp, summary: &str) -> Result<(), OutboxError> {
        each_explained!(self, outbox => outbox.finish_run(batch, now, summary).await)
    }

    /// Withdraws what was certainly not sent.
    pub async fn cancel(&self, batch: BatchId, now: Timestamp) -> Result<Cancelled, OutboxError> {
        each_explained!(self, outbox => outbox.cancel(batch, now).await)
    }

    /// Makes finished rows in `states` pending again; returns how many.
    pub async fn retry(
        &self,
        batch: Option<BatchId>,
        states: &[State],
        now: Timestamp,
    ) -> Result<u64, OutboxError> {
        each_explained!(self, outbox => outbox.retry(batch, states, now).await)
    }

    /// Takes what finished rows say of people, if they finished before `before`; returns how many. In
    /// steps: what was taken before an error stays taken.
    pub async fn purge(
        &self,
        batch: Option<BatchId>,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, OutboxError> {
        each_explained!(self, outbox => outbox.purge(batch, before, now).await)
    }

    /// Settles rows by a person's word: all of them, or none.
    pub async fn resolve(&self, words: &[Word<'_>], now: Timestamp) -> Result<(), ResolveError> {
        each_explained!(self, outbox => outbox.resolve(words, now).await)
    }

    /// Keeps that a person had this done with a batch; without one, with all of the outbox.
    pub async fn note_act(
        &self,
        batch: Option<&str>,
        by: By<'_>,
        deed: Deed,
        n_rows: u64,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        each_explained!(self, outbox => outbox.note_act(batch, by, deed, n_rows, now).await)
    }

    /// Gives back what a file's log takes of the disk; tried, since a disk that is full may be in its way.
    pub async fn tidy(&self) {
        if let Self::Sqlite(outbox) = self {
            let _ = outbox.tidy().await;
        }
    }

    pub async fn close(self) -> Result<(), OutboxError> {
        match self {
            Self::Sqlite(outbox) => outbox.close().await,
            Self::Postgres(outbox) => {
                outbox.close().await;
                Ok(())
            }
        }
    }
}

impl<'a> AnyStaging<'a> {
    /// Lets nobody else post the rows before [`AnyOutbox::release`], if no halt does so already. Of a file
    /// nobody else does.
    pub fn hold(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(staging) => staging.hold(),
        }
    }

    /// Takes in lines, in the order of the file.
    pub async fn push(&mut self, rows: &[NewRow<'_>]) -> Result<(), OutboxError> {
        each!(self, staging => staging.push(rows).await)
    }

    /// Makes rows of the lines, which nobody sees before they are committed.
    pub async fn merge(
        self,
        options: &MergeOptions<'_>,
    ) -> Result<(AnyUncommitted<'a>, Rehearsal), MergeError> {
        Ok(match self {
            Self::Sqlite(staging) => {
                let (merge, rehearsal) = staging.merge(options).await?;
                (AnyUncommitted::Sqlite(merge), rehearsal)
            }
            Self::Postgres(staging) => {
                let (merge, rehearsal) = staging.merge(options).await?;
                (AnyUncommitted::Postgres(merge), rehearsal)
            }
        })
    }

    /// Tells what [`Self::merge`] would do.
    pub async fn rehearse(self, options: &MergeOptions<'_>) -> Result<Rehearsal, MergeError> {
        Ok(match self {
            Self::Sqlite(staging) => staging.rehearse(options).await?,
            Self::Postgres(staging) => staging.rehearse(options).await?,
        })
    }
}

impl AnyUncommitted<'_> {
    /// What others have imported of the same rows by now. From here on no other import is committed that
    /// asks the same: of two at once, one is told of the other. Into a file nobody else imports.
    pub async fn imports_of(
        &mut self,
        content: &str,
        since: Timestamp,
    ) -> Result<Vec<(String, Option<BatchCode>, Timestamp)>, MergeError> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Postgres(merge) => merge.imports_of(content, since).await,
        }
    }

    /// What keeps back rows of that batch by now, if somebody else may have halted it.
    pub async fn halts_of(&mut self, batch: &str) -> Result<Vec<Halted>, OutboxError> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Postgres(merge) => merge.halts_of(batch).await,
        }
    }

    pub async fn commit(self) -> Result<(), OutboxError> {
        each!(self, merge => merge.commit().await)
    }

    pub async fn undo(self) -> Result<(), OutboxError> {
        match self {
            Self::Sqlite(_) => Ok(()), // It is undone where it is dropped.
            Self::Postgres(merge) => merge.undo().await,
        }
    }
}
