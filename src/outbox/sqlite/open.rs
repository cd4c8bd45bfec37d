//! Opening an outbox: whose it is, where it lies, and whether it is one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteLockingMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use super::clock;
use super::damage::{LONG_LOOK_MAX, LOOK_MAX, damage};
use super::error::is_forbidden;
use super::lock::{FileLock, holder};
use super::open_error::{OpenError, refused};
use super::strict::{refuse_additions, refuse_others};
use crate::platform::network_file_system;
use crate::temporary;

/// In order; `PRAGMA user_version` counts those that were applied. Never edited once released.
const MIGRATIONS: [&str; 1] = [include_str!("../../../migrations/sqlite/0001_outbox.sql")];

/// `PRAGMA application_id`: "mtro" in ASCII, so that another program's file is not taken for ours.
const APPLICATION_ID: i64 = 0x6d74_726f;

/// How long a reader and the owner wait for each other; only ends of transactions are exclusive.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes. At a pace each commit writes every page that its few tickets touched: at 20/s 8.4 KiB a ticket, and
/// 12.6 with pages twice as large, which flat out take no less CPU.
const PAGE_LEN: u32 = 8 << 10;

/// The log is written back after so many pages: 16 MiB, so that a small import does not leave a log many
/// times its size (49 MB of 3,000 rows, at four times as many). Rows near each other are settled near each
/// other in time, so a page that was written to many times is written back once.
const WAL_PAGES: u32 = 2_000;

/// Page cache. KiB. Enough for the indices that a claim touches at a million rows.
const CACHE_KIB: i64 = 8 * 1024;

/// What the write-ahead log may grow to during a run, and is cut back to after a big transaction. Bytes.
pub const LOG_LEN_MAX: u64 = PAGE_LEN as u64 * WAL_PAGES as u64;

pub(super) async fn for_writing(path: &Path) -> Result<(SqliteConnection, FileLock), OpenError> {
    let path = &absolute(path)?;
    let failed = |source| OpenError::Io { path: path.clone(), source };
    let directory = path.parent().unwrap_or(path);
    if let Some(kind) = network_file_system(directory).map_err(failed)? {
        return Err(OpenError::NetworkFileSystem { path: path.clone(), kind });
    }
    refuse_others(path)?;
    let lock = FileLock::take(path).map_err(failed)?;
    let lock = lock.ok_or_else(|| OpenError::Locked {
        path: path.clone(),
        pid: holder(path).map(|holder| holder.pid),
    })?;
    if !path.try_exists().map_err(failed)? {
        make(path, directory).await?;
    }
    // What came into being meanwhile, in a folder where others may make files.
    refuse_others(path)?;

    let is_odd = lock.was_left || std::fs::metadata(wal_of(path)).is_ok_and(|wal| 0 < wal.len());
    let broken = |error| refused(path, error);
    let mut conn = to_write(path).connect().await.map_err(broken)?;
    let n_applied = applied(&mut conn, path).await?;
    let patience = if is_odd { LONG_LOOK_MAX } else { LOOK_MAX };
    if let Some(found) = damage(&mut conn, patience).await.map_err(broken)? {
        return Err(OpenError::Damaged { path: path.clone(), found });
    }
    // Not before it is known to be ours: it is written into the file.
    sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut conn).await.map_err(broken)?;
    migrate(&mut conn, n_applied).await.map_err(broken)?;
    clock::note(&mut conn).await.map_err(|source| OpenError::Outbox { path: path.clone(), source })?;
    Ok((conn, lock))
}

pub(super) async fn for_reading(path: &Path) -> Result<SqliteConnection, OpenError> {
    let path = &absolute(path)?;
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(OpenError::Missing { path: path.clone() }),
        Err(source) => return Err(OpenError::Io { path: path.clone(), source }),
    }
    refuse_others(path)?;
    let broken = |error| refused(path, error);
    // A connection that could write tidies up the log behind itself; one that cannot leaves it.
    let mut conn = match options(path).pragma("query_only", "ON").connect().await {
        Err(error) if is_forbidden(&error) => {
            options(path).read_only(true).connect().await.map_err(broken)?
        }
        opened => opened.map_err(broken)?,
    };
    let known = MIGRATIONS.len() as i64;
    match applied(&mut conn, path).await? {
        found if found < known => Err(OpenError::Older { path: path.clone(), found, known }),
        _ => Ok(conn),
    }
}

/// SQLite would read `file:...` and `:memory:` as more than a path.
fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

/// Makes an outbox that only its owner reads, whatever the umask; SQLite gives the `-wal` and `-shm` beside
/// it the same mode. It has its name once its tables are in it: one that is found empty was not left so by
/// us.
async fn make(path: &Path, directory: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    let broken = |error| refused(path, error);
    let file = temporary::file_in(directory).map_err(failed)?;
    let mut conn = to_write(file.path()).connect().await.map_err(broken)?;
    migrate(&mut conn, 0).await.map_err(broken)?;
    conn.close().await.map_err(broken)?;
    temporary::publish(file, path).map_err(failed)
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn to_write(path: &Path) -> SqliteConnectOptions {
    options(path).synchronous(SqliteSynchronous::Full).pragma("journal_size_limit", LOG_LEN_MAX.to_string())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .locking_mode(SqliteLockingMode::Normal) // EXCLUSIVE would keep `status` out.
        .busy_timeout(BUSY_TIMEOUT)
        .page_size(PAGE_LEN)
        // Nothing that is referred to is ever deleted, and SQLite would look for it, and for what refers to a
        // row that is new, row by row (measured: a third of what reading a file in takes).
        .foreign_keys(false)
        .pragma("cache_size", (-CACHE_KIB).to_string())
        .pragma("trusted_schema", "OFF")
        .pragma("wal_autocheckpoint", WAL_PAGES.to_string())
        .disable_statement_logging() // Statements carry personal data.
}

/// The number of migrations that were applied.
async fn applied(conn: &mut SqliteConnection, path: &Path) -> Result<i64, OpenError> {
    let sql = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
                 FROM pragma_application_id, pragma_user_version";
    let (application, found, n_objects): (i64, i64, i64) =
        sqlx::query_as(sql).fetch_one(&mut *conn).await.map_err(|error| refused(path, error))?;
    let known = MIGRATIONS.len() as i64;
    match (application, found, n_objects) {
        (0, 0, 0) => {
            Err(OpenError::Damaged { path: path.to_owned(), found: tr!("it is empty").into_owned() })
        }
        (APPLICATION_ID, found, _) if known < found => {
            Err(OpenError::Newer { path: path.to_owned(), found, known })
        }
        (APPLICATION_ID, found, _) => {
            let made_by = MIGRATIONS.iter().take(usize::try_from(found).unwrap_or_default());
            refuse_additions(conn, made_by.copied(), path).await?;
            Ok(found)
        }
        _ => Err(OpenError::NotOurs { path: path.to_owned() }),
    }
}

/// Applies what is missing, each migration in a transaction of its own.
async fn migrate(conn: &mut SqliteConnection, n_applied: i64) -> Result<(), sqlx::Error> {
    for (at, migration) in (1..).zip(MIGRATIONS).filter(|(at, _)| n_applied < *at) {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(migration).execute(&mut *tx).await?;
        let sql = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {at}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    Ok(())
}
