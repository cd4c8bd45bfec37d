//! What helps where an outbox was not opened.

use std::borrow::Cow;

use crate::outbox::OpenError;

/// What the person who ran the command can do next.
pub fn of_file(error: &OpenError) -> Cow<'_, str> {
    match error {
        OpenError::Locked { .. } => tr!("wait for it to end, or stop it"),
        OpenError::NetworkFileSystem { .. } => {
            tr!(
                "neither locks nor logs can be trusted there: work in a local folder (`-o DIR`), or use Postgres (`--database-url`)"
            )
        }
        OpenError::Newer { .. } => tr!("update mutirao on this machine"),
        OpenError::Older { .. } => {
            tr!(
                "an import of its file brings it up to date; to look at it alone, use the version that wrote it"
            )
        }
        OpenError::NotOurs { .. } => tr!("give the path of an `outbox.db` that mutirao made"),
        OpenError::Others(found) => found.hint().into(),
        OpenError::Additions { .. } => {
            tr!(
                "it would run under your name: find out who put it there, and go on from a copy of the outbox that is older; with --verify-first, since that copy does not know of later tickets"
            )
        }
        OpenError::Damaged { .. } => tr!("nothing was sent; keep its folder as it is"),
        OpenError::Missing { .. } => tr!("an import makes one beside its file"),
        OpenError::Io { .. } | OpenError::Outbox { .. } => {
            tr!(
                "check the path, its permissions, and the space that is left; where you may not write, take the whole folder with you (`cp -a`) and give the copy with -o DIR: it knows what was opened"
            )
        }
    }
}
