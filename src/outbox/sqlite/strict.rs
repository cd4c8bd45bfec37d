//! What is not used, although it is called an outbox: what another user owns or may change, and a database
//! with more in it than we made. A trigger or a view in it would run under our name, and a row that it
//! changed would be sent.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::lock;
use super::merge::IDENTITY_INDEX;
use super::open_error::{OpenError, refused};
use crate::ownership::{Asked, look};

/// Looks at the outbox at `path`, what stands beside it, and its folder.
pub(super) fn refuse_others(path: &Path) -> Result<(), OpenError> {
    let beside = ["-wal", "-shm", "-journal"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    });
    let files =
        [path.to_owned(), lock::path_of(path)].into_iter().chain(beside).map(|path| (path, Asked::File));
    let folder = path.parent().unwrap_or(path).to_owned();
    for (path, asked) in std::iter::once((folder, Asked::Folder)).chain(files) {
        match look(&path, asked) {
            Ok(judged) => judged?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenError::Io { path, source }),
        }
    }
    Ok(())
}

/// Looks at what the database is made of, before anything of it is used: what these migrations made.
pub(super) async fn refuse_additions(
    conn: &mut SqliteConnection,
    made_by: impl Iterator<Item = &'static str>,
    path: &Path,
) -> Result<(), OpenError> {
    let failed = |error| refused(path, error);
    let mut made = SqliteConnectOptions::new().in_memory(true).connect().await.map_err(failed)?;
    for migration in made_by {
        sqlx::raw_sql(migration).execute(&mut made).await.map_err(failed)?;
    }
    sqlx::raw_sql(IDENTITY_INDEX).execute(&mut made).await.map_err(failed)?;
    let known: BTreeSet<_> = objects(&mut made).await.map_err(failed)?.into_iter().collect();
    made.close().await.map_err(failed)?;
    match objects(conn).await.map_err(failed)?.into_iter().find(|object| !known.contains(object)) {
        Some((kind, name, _)) => Err(OpenError::Additions { path: path.to_owned(), kind, name }),
        None => Ok(()),
    }
}

/// Kind, name and definition. Those of SQLite's own making have no definition; its statistics are only
/// numbers.
async fn objects(conn: &mut SqliteConnection) -> Result<Vec<(String, String, String)>, sqlx::Error> {
    let sql = "SELECT type, name, sql FROM sqlite_schema
                WHERE sql IS NOT NULL AND name NOT IN ('sqlite_stat1', 'sqlite_stat4', 'sqlite_sequence')";
    sqlx::query_as(sql).fetch_all(conn).await
}
