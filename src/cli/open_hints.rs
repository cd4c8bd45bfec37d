//! What helps where an outbox was not opened.

use crate::outbox::OpenError;

/// What the person who ran the command can do next.
pub fn of_file(error: &OpenError) -> &str {
    match error {
        OpenError::Locked { .. } => "wait for it to end, or stop it",
        OpenError::NetworkFileSystem { .. } => {
            "neither locks nor logs can be trusted there: work in a local folder (`-o DIR`), or use Postgres (`--database-url`)"
        }
        OpenError::Newer { .. } => "update mutirao on this machine",
        OpenError::Older { .. } => {
            "an import of its file brings it up to date; to look at it alone, use the version that wrote it"
        }
        OpenError::NotOurs { .. } => "give the path of an `outbox.db` that mutirao made",
        OpenError::Others(found) => found.hint(),
        OpenError::Additions { .. } => {
            "it would run under your name: find out who put it there, and go on from a copy of the outbox that is older; with --verify-first, since that copy does not know of later tickets"
        }
        OpenError::Missing { .. } => "an import makes one beside its file",
        OpenError::Io { .. } | OpenError::Outbox { .. } => {
            "check the path, its permissions, and the space that is left; where you may not write, take the whole \
             folder with you (`cp -a`) and give the copy with -o DIR: it knows what was opened"
        }
    }
}
