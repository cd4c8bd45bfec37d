//! Why an outbox was not opened, and what can be done.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{classify, is_not_a_database};
use crate::delivery::OutboxError;
use crate::{ownership, printable};

/// Why an outbox was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process{} works on `{}`", in_words(*pid), path.display())]
    Locked { path: PathBuf, pid: Option<u32> },
    #[error("`{}` lies on a network file system ({kind})", path.display())]
    NetworkFileSystem { path: PathBuf, kind: &'static str },
    #[error("`{}` was written by a newer version (schema {found}; this one knows {known})", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("`{}` was written by an older version (schema {found}; this one reads {known})", path.display())]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("`{}` is not an outbox", path.display())]
    NotOurs { path: PathBuf },
    #[error(transparent)]
    Others(#[from] ownership::NotOurs),
    #[error("`{}` has a {kind} `{}` that mutirao did not make", path.display(), printable::name(name))]
    Additions { path: PathBuf, kind: String, name: String },
    #[error("there is no outbox at `{}`", path.display())]
    Missing { path: PathBuf },
    #[error("cannot open `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("cannot open `{}`", path.display())]
    Outbox { path: PathBuf, source: OutboxError },
}

/// Which process, where that is known.
fn in_words(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

pub(super) fn refused(path: &Path, error: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    if is_not_a_database(&error) {
        OpenError::NotOurs { path }
    } else {
        OpenError::Outbox { path, source: classify(error) }
    }
}
