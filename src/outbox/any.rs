//! One outbox for the commands, whichever driver holds it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::sqlite::{self, SqliteOutbox};
use super::{
    BatchId, BatchInfo, BindError, Cancelled, Counts, Crew, Cursor, FileBatch, Halted, Health, MergeError,
    MergeOptions, Merged, NewRow, NewSource, Page, PgOutbox, Rehearsal, ResolveError, RowDetails, RowName,
    RowProblems, Scope, Status, Terms, Word, postgres,
};
use crate::delivery::code::BatchCode;
use crate::delivery::coordination::{ShareRequest, SharedState};
use crate::delivery::eyes::{Sight, Specimen};
use crate::delivery::{ClaimRequest, Claimed, Halt, Outbox, OutboxError, Settle, Settled, State};

/// How long a worker may be silent before the others take over its rows. A claim needs three quarters
/// of a minute of it, and renewals need room: no lease may be shorter.
pub const LEASE: Duration = Duration::from_secs(60);

/// Longest wait for an answer to a question, which may be about millions of rows.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Why an outbox was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    #[error(transparent)]
    File(#[from] sqlite::OpenError),
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

/// Where an outbox is. Its `Debug` shows no password.
#[derive(Clone, Debug)]
pub enum Address {
    File(PathBuf),
    /// A URL.
    Postgres(SecretString),
}

impl Address {
    /// The address in `sqlite:path`, `postgres://…` or `postgresql://…`.
    pub fn of_url(url: &str) -> Option<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(url.to_owned().into()));
        }
        let path = url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        (!path.is_empty()).then(|| Self::File(PathBuf::from(path)))
    }

    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The folder that a file lies in.
    pub fn folder(&self) -> Option<&Path> {
        let folder = self.file()?.parent()?;
        Some(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    }

    /// The process that works on a file, where that is known.
    pub fn holder(&self) -> Option<sqlite::Holder> {
        sqlite::holder(self.file()?)
    }

    /// Parameters of its URL that mean nothing.
    pub fn unknown_parameters(&self) -> Vec<&str> {
        match self {
            Self::File(_) => Vec::new(),
            Self::Postgres(url) => postgres::unknown_parameters(url.expose_secret()).collect(),
        }
    }

    /// Opens it to write to it. Of a file, everybody else is kept away.
    pub async fn open(&self) -> Result<AnyOutbox, OpenFault> {
        Ok(match self {
            Self::File(path) => AnyOutbox::Sqlite(SqliteOutbox::open(path).await?),
            Self::Postgres(url) => AnyOutbox::Postgres(PgOutbox::open(url.expose_secret()).await?),
        })
    }

    /// Opens it to look at it, whoever works on it.
    pub async fn look(&self) -> Result<ReadOnlyOutbox, OpenFault> {
        Ok(match self {
            Self::File(path) => ReadOnlyOutbox::Sqlite(sqlite::Reader::open(path).await?),
            Self::Postgres(url) => ReadOnlyOutbox::Postgres(PgOutbox::open(url.expose_secret()).await?),
        })
    }

    /// A way to ask it whether it answers.
    pub async fn ping(&self) -> Result<Ping, OpenFault> {
        Ok(match self {
            Self::File(path) => Ping::Sqlite(sqlite::Reader::open(path).await?),
            Self::Postgres(url) => Ping::Postgres(postgres::Ping::open(url.expose_secret()).await?),
        })
    }
}

/// For people.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(_) => f.write_str("the database"),
        }
    }
}

/// An outbox to write to.
pub enum AnyOutbox {
    Sqlite(SqliteOutbox),
    Postgres(PgOutbox),
}

/// An outbox to look at.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum ReadOnlyOutbox {
    Sqlite(sqlite::Reader),
    Postgres(PgOutbox),
}

/// A way to ask an outbox whether it answers.
pub enum Ping {
    Sqlite(sqlite::Reader),
    Postgres(postgres::Ping),
}

impl Ping {
    pub async fn ask(&mut self) -> Result<(), OutboxError> {
        match self {
            Self::Sqlite(file) => file.host().await.map(drop),
            Self::Postgres(ping) => ping.ask().await,
        }
    }
}

/// What can be seen of an outbox.
#[derive(Clone, Copy)]
pub enum AnyReader<'a> {
    Sqlite(&'a sqlite::Reader),
    Postgres(&'a PgOutbox),
}

/// A file that is being read in.
pub enum AnyStaging<'a> {
    Sqlite(sqlite::Staging<'a>),
    Postgres(postgres::Staging),
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

impl AnyOutbox {
    pub fn reader(&self) -> AnyReader<'_> {
        match self {
            Self::Sqlite(outbox) => AnyReader::Sqlite(outbox.reader()),
            Self::Postgres(outbox) => AnyReader::Postgres(outbox),
        }
    }

    /// Tells whoever looks at a file what this process does just now; in a database the workers' pace is
    /// there to see.
    pub fn say(&self, doing: &str) {
        match self {
            Self::Sqlite(outbox) => outbox.say(doing),
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
                let machine = rustix::system::uname();
                let name = format!("{what} {}@{}", std::process::id(), machine.nodename().to_string_lossy());
                AnyWorker::Postgres(outbox.register(&name, terms).await?)
            }
        })
    }

    /// Binds the outbox to the host that is about to be sent to, unless it is bound to another.
    pub async fn bind_host(&self, host: &str) -> Result<(), BindError> {
        each_explained!(self, outbox => outbox.bind_host(host).await)
    }

    /// Lets workers post the rows of a batch that was halted, or that its import held back.
    pub async fn release(&self, batch: BatchId) -> Result<(), OutboxError> {
        each_explained!(self, outbox => outbox.release(batch).await)
    }

    /// Workers may post the rows of `lote` again. Returns whether it was halted.
    pub async fn resume_lote(&self, lote: &str) -> Result<bool, OutboxError> {
        each_explained!(self, outbox => outbox.resume_lote(lote).await)
    }

    /// Keeps other workers from posting the rows of a batch whose import has gone wrong as a whole.
    pub async fn halt(&self, batch: &str, reason: &str) -> Result<(), OutboxError> {
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

impl ReadOnlyOutbox {
    pub fn reader(&self) -> AnyReader<'_> {
        match self {
            Self::Sqlite(reader) => AnyReader::Sqlite(reader),
            Self::Postgres(reader) => AnyReader::Postgres(reader),
        }
    }

    pub async fn close(self) -> Result<(), OutboxError> {
        match self {
            Self::Sqlite(reader) => reader.close().await,
            Self::Postgres(outbox) => {
                outbox.close().await;
                Ok(())
            }
        }
    }
}

impl AnyReader<'_> {
    /// The rows of `scope` in input order, at most `n` of them, after the one where `after` stands.
    pub async fn rows_page(self, scope: Scope, after: Cursor, n: usize) -> Result<Page, OutboxError> {
        answered(async { each!(self, reader => reader.rows_page(scope, after, n).await) }).await
    }

    /// The invalid rows of `scope` with all their problems, in input order.
    pub async fn problems_page(
        self,
        scope: Scope,
        after: Cursor,
        n: usize,
    ) -> Result<(Vec<RowProblems>, Option<Cursor>), OutboxError> {
        answered(async { each!(self, reader => reader.problems_page(scope, after, n).await) }).await
    }

    /// The rows of `scope` by state.
    pub async fn counts(self, scope: Scope) -> Result<Counts, OutboxError> {
        answered(async { each!(self, reader => reader.counts(scope).await) }).await
    }

    /// Counts, and what waits.
    pub async fn status(self, scope: Scope, now: Timestamp) -> Result<Status, OutboxError> {
        answered(async { each!(self, reader => reader.status(scope, now).await) }).await
    }

    pub async fn batch_name(self, code: BatchCode) -> Result<Option<String>, OutboxError> {
        answered(async { each!(self, reader => reader.batch_name(code).await) }).await
    }

    /// What is known of a batch; `None` if it has no rows.
    pub async fn batch_info(self, name: &str) -> Result<Option<BatchInfo>, OutboxError> {
        answered(async { each!(self, reader => reader.batch_info(name).await) }).await
    }

    /// Whole files with these rows that were imported since `since`: what tells their batch from all others,
    /// and when.
    pub async fn imports_of(
        self,
        content: &str,
        since: Timestamp,
    ) -> Result<Vec<(String, Option<BatchCode>, Timestamp)>, OutboxError> {
        answered(async { each!(self, reader => reader.imports_of(content, since).await) }).await
    }

    pub async fn batches_of_files(self, prefix: &str) -> Result<Vec<FileBatch>, OutboxError> {
        answered(async { each!(self, reader => reader.batches_of_files(prefix).await) }).await
    }

    /// Where imports wrote results of batches of which rows were purged at `at`; of at most `n` folders.
    pub async fn folders_of_purged(self, at: Timestamp, n: usize) -> Result<Vec<String>, OutboxError> {
        answered(async { each!(self, reader => reader.folders_of_purged(at, n).await) }).await
    }

    /// The names of at most `n` batches that have rows.
    pub async fn batch_names(self, n: usize) -> Result<Vec<String>, OutboxError> {
        answered(async { each!(self, reader => reader.batch_names(n).await) }).await
    }

    /// One row, whole; `None` if there is none of that name.
    pub async fn row(self, name: RowName<'_>) -> Result<Option<RowDetails>, OutboxError> {
        answered(async { each!(self, reader => reader.row(name).await) }).await
    }

    /// The host that the outbox is bound to, once something was sent.
    pub async fn host(self) -> Result<Option<String>, OutboxError> {
        answered(async { each!(self, reader => reader.host().await) }).await
    }

    /// The batches of which workers post nothing, by name.
    pub async fn halted(self) -> Result<Vec<Halted>, OutboxError> {
        answered(async { each!(self, reader => reader.halted().await) }).await
    }

    /// How the server keeps what it was told; `None` if it is a file.
    pub async fn health(self) -> Result<Option<Health>, OutboxError> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(outbox) => answered(outbox.health()).await.map(Some),
        }
    }

    /// Who works on it; `None` if it is a file, which one process owns.
    pub async fn crew(self) -> Result<Option<Crew>, OutboxError> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(outbox) => answered(outbox.crew()).await.map(Some),
        }
    }
}

/// What was asked for, unless no answer comes: a command that was told to stop must end where a database
/// hangs.
async fn answered<T>(asked: impl Future<Output = Result<T, OutboxError>>) -> Result<T, OutboxError> {
    match timeout(ANSWER_MAX, asked).await {
        Ok(answer) => answer,
        Err(late) => Err(OutboxError::Unavailable(late.into())),
    }
}

impl AnyStaging<'_> {
    /// Lets nobody else post the rows before [`AnyOutbox::release`].
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

    /// Makes rows of the lines, and commits.
    pub async fn merge(self, options: &MergeOptions<'_>) -> Result<Merged, MergeError> {
        Ok(match self {
            Self::Sqlite(staging) => staging.merge(options).await?,
            Self::Postgres(staging) => staging.merge(options).await?,
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

impl Outbox for AnyWorkQueue<'_> {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        each!(self, queue => queue.claim(want).await)
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        each!(self, queue => queue.settle(settles).await)
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
