//! Why an outbox was not opened, and what can be done.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{classify, in_words, is_damage, is_not_a_database};
use crate::delivery::OutboxError;
use crate::{ownership, printable};

/// What outboxes are called in the work folders of imports.
pub const FILE_NAME: &str = "outbox.db";

/// Why an outbox was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{}", locked(path, *pid))]
    Locked { path: PathBuf, pid: Option<u32> },
    #[error(
        "{}", tr!("`%{path}` lies on a network file system (%{kind})", path = path.display(), kind = kind)
    )]
    NetworkFileSystem { path: PathBuf, kind: &'static str },
    #[error(
        "{}",
        tr!(
            "`%{path}` was written by a newer version (schema %{found}; this one knows %{known})",
            path = path.display(), found = found, known = known
        )
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "{}",
        tr!(
            "`%{path}` was written by an older version (schema %{found}; this one reads %{known})",
            path = path.display(), found = found, known = known
        )
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("{}", tr!("`%{path}` is not an outbox", path = path.display()))]
    NotOurs { path: PathBuf },
    #[error(transparent)]
    Others(#[from] ownership::NotOurs),
    #[error(
        "{}",
        tr!(
            "`%{path}` has a %{kind} `%{name}` that mutirao did not make",
            path = path.display(), kind = kind, name = printable::name(name)
        )
    )]
    Additions { path: PathBuf, kind: String, name: String },
    /// What SQLite says of it.
    #[error("{}", tr!("`%{path}` is damaged (%{found})", path = path.display(), found = found))]
    Damaged { path: PathBuf, found: String },
    #[error("{}", tr!("there is no outbox at `%{path}`", path = path.display()))]
    Missing { path: PathBuf },
    #[error("{}", tr!("cannot open `%{path}`", path = path.display()))]
    Io { path: PathBuf, source: io::Error },
    #[error("{}", tr!("cannot open `%{path}`", path = path.display()))]
    Outbox { path: PathBuf, source: OutboxError },
}

/// Says which process, where that is known.
fn locked(path: &Path, pid: Option<u32>) -> Cow<'static, str> {
    match pid {
        Some(pid) => {
            tr!("another process (pid %{pid}) works on `%{path}`", pid = pid, path = path.display())
        }
        None => tr!("another process works on `%{path}`", path = path.display()),
    }
}

pub(super) fn refused(path: &Path, error: sqlx::Error) -> OpenError {
    let is_called_ours = path.file_name().is_some_and(|name| name == FILE_NAME);
    let path = path.to_owned();
    if is_not_a_database(&error) && !is_called_ours {
        OpenError::NotOurs { path }
    } else if is_damage(&error) {
        OpenError::Damaged { path, found: in_words(&error) }
    } else {
        OpenError::Outbox { path, source: classify(error) }
    }
}
