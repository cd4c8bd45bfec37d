//! The embedded outbox: one SQLite file, held by one process, read by others at any time.
//!
//! sqlx runs SQLite on a thread of its own, and every statement and every fetched row crosses over.
//! So nothing here is done row by row: lists go in as one JSON text (or one `VALUES`), and come back
//! as one.

mod acts;
mod alike;
mod candidate;
mod claim;
mod clock;
mod commands;
mod course;
mod damage;
mod doubt;
mod error;
mod lock;
mod merge;
mod open;
mod open_error;
mod opened;
mod proof;
mod purge;
mod read;
mod reasons;
mod salvage;
mod session;
mod settle;
mod sight;
mod staging;
mod strict;
mod withdraw;
mod work_queue;
mod write;

use std::path::Path;

use sqlx::SqliteConnection;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::delivery::OutboxError;

pub use error::is_of_damage;
pub use lock::{Going, Holder, holder};
pub use merge::Uncommitted;
pub use open::LOG_LEN_MAX;
pub use open_error::{FILE_NAME, OpenError};
pub use salvage::{Lost, salvage};
pub use staging::Staging;
pub use work_queue::WorkQueue;

use super::stored::time;
use error::Trouble;
use lock::FileLock;
use session::Session;

/// An outbox that this process owns.
pub struct SqliteOutbox {
    reader: Reader,
    /// Released after the connection is gone: fields are dropped in order.
    lock: FileLock,
}

/// An outbox to look at, whoever owns it. One connection, one statement at a time.
pub struct Reader {
    session: Mutex<Session>,
}

impl SqliteOutbox {
    /// Takes the outbox at `path`, making it if it is missing (mode 0600). The directory must exist.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let (conn, lock) = open::for_writing(path).await?;
        Ok(Self { reader: Reader { session: Mutex::new(Session::new(conn)) }, lock })
    }

    /// Tells whoever looks on what this process does just now. Nothing rests on it.
    pub fn say(&self, doing: &str, going: &Going) {
        let _ = self.lock.say(doing, going);
    }

    /// What can be read from it.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Moves everything into the one file and empties the log: what it took of the disk is free again.
    pub async fn tidy(&self) -> Result<(), OutboxError> {
        empty_log(&mut *self.session().await).await
    }

    /// Moves everything into the one file and lets go of it: no `-wal` is left behind.
    pub async fn close(self) -> Result<(), OutboxError> {
        let mut session = self.reader.session.into_inner();
        let emptied = empty_log(&mut session).await;
        session.close().await?;
        emptied
    }

    async fn conn(&self) -> MappedMutexGuard<'_, SqliteConnection> {
        self.reader.conn().await
    }

    async fn session(&self) -> MutexGuard<'_, Session> {
        self.reader.session.lock().await
    }
}

async fn empty_log(session: &mut Session) -> Result<(), OutboxError> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(session.idle().await).await.trouble().map(drop)
}

impl Reader {
    /// Opens the outbox at `path` to look at it, also while its owner writes.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { session: Mutex::new(Session::new(open::for_reading(path).await?)) })
    }

    /// What is wrong with its pages, in SQLite's words. `None`: nothing, as far as a second look shows.
    pub async fn damage(&self) -> Result<Option<String>, OutboxError> {
        damage::damage(&mut *self.conn().await, damage::LONG_LOOK_MAX).await.trouble()
    }

    pub async fn close(self) -> Result<(), OutboxError> {
        self.session.into_inner().close().await
    }

    async fn conn(&self) -> MappedMutexGuard<'_, SqliteConnection> {
        let mut session = self.session.lock().await;
        session.idle().await;
        MutexGuard::map(session, Session::connection)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use jiff::Timestamp;

    use super::*;
    use crate::delivery::identity::ContentKey;
    use crate::delivery::{Change, ClaimRequest, End, Outbox, Settle, Settled};
    use crate::outbox::{FirstPost, MergeError, MergeOptions, NewRow, NewSource, Repeats, Scope, Withdrawn};
    use crate::ticket::{Field, Id, RawTicket};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    async fn import(outbox: &mut SqliteOutbox, lines: std::ops::Range<i64>) -> Result<(), MergeError> {
        let source = NewSource {
            batch: "b",
            code: None,
            file_name: "",
            encoding: "",
            delimiter: "",
            headers: &[],
            lacks: &[],
            keys: &[],
            results: None,
        };
        let mut staging = outbox.begin(&source).await?;
        for line in lines {
            let service = line.to_string();
            let text = "sem sinal ".repeat(50);
            let fields = RawTicket::from([
                (Field::IdClienteServico, service.as_str()),
                (Field::Descricao, text.as_str()),
                (Field::Nome, "Maria"),
                (Field::Telefone, "37999998888"),
            ]);
            let row = NewRow {
                line: line.unsigned_abs(),
                cells: Vec::<Cow<'_, str>>::new(),
                content_key: ContentKey::new(&service, "", ""),
                code: None,
                referencia: None,
                service: Id::new(line),
                customer: None,
                repeat_key: None,
                problems: Vec::new(),
                warning: None,
                fields,
            };
            staging.push(&[row]).await?;
        }
        let (repeats, first_post) = (Repeats::Allow, FirstPost::AtOnce);
        let withdrawn = Withdrawn::Stay;
        let options = MergeOptions { now: NOW, sha256: "", content: "", repeats, first_post, withdrawn };
        let (merged, _) = staging.merge(&options).await?;
        merged.commit().await.map_err(MergeError::Outbox)
    }

    async fn pragma(outbox: &SqliteOutbox, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut *outbox.conn().await).await.expect("it is a pragma");
    }

    /// A claim that is only on its way to the disk when its row is posted is forgotten by a power cut.
    #[tokio::test]
    async fn commits_wait_for_the_disk() {
        let dir = tempfile::tempdir().expect("there is room for a folder");
        let outbox = SqliteOutbox::open(&dir.path().join("outbox.db")).await.expect("it opens");
        let asked = sqlx::query_scalar("PRAGMA synchronous");
        let synchronous: i64 = asked.fetch_one(&mut *outbox.conn().await).await.expect("it is a pragma");
        assert!(2 <= synchronous, "FULL or EXTRA: in WAL mode a lower one waits only at checkpoints");
    }

    /// Answers that were received must be storable once there is space again.
    #[tokio::test]
    async fn an_outbox_that_was_full_works_on() {
        let dir = tempfile::tempdir().expect("there is room for a folder");
        let mut outbox = SqliteOutbox::open(&dir.path().join("outbox.db")).await.expect("it opens");
        import(&mut outbox, 1..9).await.expect("there is space");
        let want = ClaimRequest { now: NOW, posts: 9, look_ups: 0, end: End::Front };
        let claims = outbox.queue(Scope::All).claim(want).await.expect("there is space").claims;
        pragma(&outbox, "PRAGMA max_page_count = 1").await; // As many as there are.
        for _ in 0..2 {
            let error = import(&mut outbox, 1..5000).await.expect_err("there is no space");
            assert!(matches!(error, MergeError::Outbox(OutboxError::Full(_))), "{error:?}");
        }
        pragma(&outbox, "PRAGMA max_page_count = 4294967294").await;
        let settles = claims.iter().map(|claim| Settle {
            label: Default::default(),
            row: claim.row,
            token: claim.token,
            change: Change::Release,
            attempt: None,
        });
        let settles: Vec<Settle> = settles.collect();
        let settled = outbox.queue(Scope::All).settle(&settles).await.expect("there is space");
        assert_eq!(settled, [Settled::Written; 8]);
        assert_eq!(outbox.reader().counts(Scope::All).await.expect("it reads").pending, 8);
    }
}
