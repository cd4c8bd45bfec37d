//! What can be seen of an outbox, by whoever asks.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::super::{
    Act, BatchInfo, Counts, Course, Crew, Cursor, FileBatch, Halted, Health, ImportId, Imports, Page,
    PgOutbox, Reasons, RowDetails, RowName, RowProblems, Scope, Status, postgres, sqlite,
};
use crate::delivery::OutboxError;
use crate::ticket::code::BatchCode;

/// Longest wait for an answer to a question, which may be about millions of rows.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(60);

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

impl ReadOnlyOutbox {
    /// What is wrong with the pages of a file, if anything.
    pub async fn damage(&self) -> Result<Option<String>, OutboxError> {
        match self {
            Self::Sqlite(reader) => reader.damage().await,
            Self::Postgres(_) => Ok(None),
        }
    }

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

    /// How the rows of `scope` were settled over time. `None`: none was sent.
    pub async fn course(self, scope: Scope) -> Result<Option<Course>, OutboxError> {
        answered(async { each!(self, reader => reader.course(scope).await) }).await
    }

    /// Why rows of `scope` were not opened.
    pub async fn reasons(self, scope: Scope) -> Result<Reasons, OutboxError> {
        answered(async { each!(self, reader => reader.reasons(scope).await) }).await
    }

    pub async fn batch_name(self, code: BatchCode) -> Result<Option<String>, OutboxError> {
        answered(async { each!(self, reader => reader.batch_name(code).await) }).await
    }

    /// What is known of a batch; `None` if it has no rows.
    pub async fn batch_info(self, name: &str) -> Result<Option<BatchInfo>, OutboxError> {
        answered(async { each!(self, reader => reader.batch_info(name).await) }).await
    }

    /// The latest file that was imported into a batch, as far as there is one, and when.
    pub async fn last_import(self, batch: &str) -> Result<Option<(ImportId, Timestamp)>, OutboxError> {
        answered(async { each!(self, reader => reader.last_import(batch).await) }).await
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

    /// The names of at most `n` batches, of what came in last first.
    pub async fn latest_batches(self, n: usize) -> Result<Vec<String>, OutboxError> {
        answered(async { each!(self, reader => reader.latest_batches(n).await) }).await
    }

    /// One row, whole; `None` if there is none of that name.
    pub async fn row(self, name: RowName<'_>) -> Result<Option<RowDetails>, OutboxError> {
        answered(async { each!(self, reader => reader.row(name).await) }).await
    }

    /// The host that the outbox is bound to, once something was sent.
    pub async fn host(self) -> Result<Option<String>, OutboxError> {
        answered(async { each!(self, reader => reader.host().await) }).await
    }

    /// What persons had done with a batch, or with all of the outbox: at most `n`, the latest first.
    pub async fn acts(self, batch: &str, n: usize) -> Result<Vec<Act>, OutboxError> {
        answered(async { each!(self, reader => reader.acts(batch, n).await) }).await
    }

    /// The last import of each of these batches, as far as it is kept.
    pub async fn latest_imports(self, batches: &[String]) -> Result<Imports, OutboxError> {
        answered(async { each!(self, reader => reader.latest_imports(batches).await) }).await
    }

    /// The batches of which workers post nothing, by name.
    pub async fn halted(self) -> Result<Vec<Halted>, OutboxError> {
        answered(async { each!(self, reader => reader.halted().await) }).await
    }

    /// What keeps back rows of that batch.
    pub async fn halts_of(self, batch: &str) -> Result<Vec<Halted>, OutboxError> {
        answered(async { each!(self, reader => reader.halts_of(batch).await) }).await
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
