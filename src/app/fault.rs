//! Why a use case could not go on. What a person can do next, and how a process ends, is for who called it.

use std::io;
use std::path::PathBuf;

use crate::delivery::OutboxError;
use crate::outbox::{BindError, OpenFault};
use crate::report::ReportError;

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Open(#[from] OpenFault),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Report(#[from] ReportError),

    #[error("the database URL is not one that this version can use")]
    NoAddress,
    #[error("there is no outbox for `{typed}` here")]
    NoOutbox { typed: String },
    #[error("there is no .mutirao folder here")]
    NoWorkFolder,
    #[error("several outboxes are here: {}", listed(folders))]
    SeveralOutboxes { folders: Vec<PathBuf> },
    /// It cannot be the name of one.
    #[error("`{typed}` names no row")]
    NoRowName { typed: String },

    #[error("no space is left in the folder `{}`", folder.display())]
    FolderFull { folder: PathBuf },
    #[error("cannot write to the folder `{}`: {error}", folder.display())]
    Folder {
        folder: PathBuf,
        error: io::Error,
        /// Another folder does not know what was opened.
        has_outbox: bool,
    },
}

fn listed(folders: &[PathBuf]) -> String {
    folders.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl Fault {
    /// No space was left.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Outbox(error) => matches!(error, OutboxError::Full(_)),
            Self::Report(error) => error.is_disk_full(),
            _ => false,
        }
    }
}
