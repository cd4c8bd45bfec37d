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

impl OpenError {
    /// What the person who ran the command can do next.
    pub fn hint(&self) -> &str {
        match self {
            Self::Locked { .. } => "wait for it to end, or stop it",
            Self::NetworkFileSystem { .. } => {
                "neither locks nor logs can be trusted there: work in a local folder (`-o DIR`), or use Postgres (`--database-url`)"
            }
            Self::Newer { .. } => "update mutirao on this machine",
            Self::Older { .. } => {
                "an import of its file brings it up to date; to look at it alone, use the version that wrote it"
            }
            Self::NotOurs { .. } => "give the path of an `outbox.db` that mutirao made",
            Self::Others(found) => found.hint(),
            Self::Additions { .. } => {
                "it would run under your name: find out who put it there, and go on from a copy of the outbox that is older; with --verify-first, since that copy does not know of later tickets"
            }
            Self::Missing { .. } => "an import makes one beside its file",
            Self::Io { .. } | Self::Outbox { .. } => {
                "check the path, its permissions, and the space that is left; where you may not write, take the whole \
                 folder with you (`cp -a`) and give the copy with -o DIR: it knows what was opened"
            }
        }
    }
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
