//! Why a use case could not go on. What a person can do next, and how a process ends, is for who called it.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::services::Stopped;
use crate::delivery::{Halt, OutboxError, RowId};
use crate::hubsoft::{BaseUrlFault, SetupError};
use crate::intake::IntakeError;
use crate::language::os_error;
use crate::outbox::{BindError, MergeError, OpenFault, ResolveError, RowDetails, postgres};
use crate::printable;
use crate::report::ReportError;
use crate::sandbox::BookFault;
use crate::settings::SettingsError;

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A sandbox in this process did not start.
    #[error(transparent)]
    Sandbox(io::Error),
    #[error(transparent)]
    SandboxUrl(BaseUrlFault),
    #[error(transparent)]
    Books(#[from] BookFault),
    #[error(transparent)]
    Open(#[from] OpenFault),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The run stopped itself, or would at its first request.
    #[error("{}", crate::text::halt(.0))]
    Halted(Halt),
    #[error(transparent)]
    LookUps(Stopped),
    #[error("{}", tr!("the database URL is not one that this version can use"))]
    NoAddress,
    #[error("{}", tr!("an outbox in a file needs no migration"))]
    NeedsNoMigration,
    /// Which a person stops and starts.
    #[error("{}", tr!("an outbox in a file has one worker at most"))]
    OneWorker,
    #[error("{}", tr!("there is no outbox for `%{typed}` here", typed = typed))]
    NoOutbox { typed: String },
    #[error("{}", tr!("there is no .mutirao folder here"))]
    NoWorkFolder,
    #[error("{}", tr!("several outboxes are here: %{folders}", folders = listed(folders)))]
    SeveralOutboxes { folders: Vec<PathBuf> },
    /// In one of them may be a batch of that name (`--batch`), to which its folder leads.
    #[error(
        "{}",
        tr!(
            "no outbox here is called `%{typed}`: there are %{folders}",
            typed = typed, folders = listed(folders)
        )
    )]
    NoneCalledSo { typed: String, folders: Vec<PathBuf> },
    /// It cannot be the name of one.
    #[error("{}", tr!("`%{typed}` names no row", typed = typed))]
    NoRowName { typed: String },

    #[error("{}", tr!("there is no batch `%{typed}` in %{outbox}", typed = typed, outbox = outbox))]
    NoBatch { outbox: String, typed: String, names: Vec<String> },
    #[error("{}", tr!("%{outbox} has several batches of `%{base}`", outbox = outbox, base = base))]
    SeveralBatchesOf { outbox: String, base: String, names: Vec<String> },
    #[error("{}", tr!("%{outbox} has several batches", outbox = outbox))]
    SeveralBatches { outbox: String, names: Vec<String> },
    #[error("{}", tr!("%{outbox} is empty", outbox = outbox))]
    EmptyOutbox { outbox: String },

    #[error("{}", tr!("there is no row `%{typed}` in %{outbox}", typed = typed, outbox = outbox))]
    NoRow { outbox: String, typed: String },
    /// A name with colons that is one row's before one of them, and another's before another.
    #[error("{}", tr!("`%{typed}` names several rows: %{rows}", typed = typed, rows = with_lotes(rows)))]
    SeveralRows { typed: String, rows: Vec<RowCalled> },
    /// A number that is one row's line and another's reference.
    #[error(
        "{}",
        tr!(
            "`%{typed}` names two rows: line %{line} has the reference `%{referencia}`, and that of line %{other_line} is `%{other}`",
            typed = typed,
            line = rows[0].line,
            referencia = rows[0].referencia,
            other_line = rows[1].line,
            other = rows[1].referencia
        )
    )]
    TwoRows { typed: String, rows: Box<[RowCalled; 2]> },

    #[error(
        "{}",
        tr!(
            "the outbox `%{outbox}` belongs to `%{bound}`, not to `%{asked}`; nothing was sent",
            outbox = outbox, bound = bound, asked = asked
        )
    )]
    OtherHost { outbox: String, bound: String, asked: String },
    #[error("{what}")]
    StdinNeeds { what: Cow<'static, str> },
    /// Who waits for it has no more time.
    #[error(
        "{}",
        tr!(
            "reading the spreadsheet takes too long here, and was given up after %{n} %{n|row|rows}: split it, or import it from a terminal",
            n = n_rows
        )
    )]
    GivenUp { n_rows: u64 },
    /// A question was left open: a defect.
    #[error("{}", tr!("nobody said which batch the file belongs to"))]
    Unanswered,
    #[error("{}", tr!("%{n_invalid} %{n_invalid|row is|rows are} invalid: none was taken in", n_invalid = n_invalid))]
    NotAllValid { n_invalid: u64, file: PathBuf },
    #[error("{}", tr!("`%{file}` was changed meanwhile; nothing was sent", file = file))]
    Changed { file: String },
    #[error("{}", tr!("batch `%{batch}` was halted meanwhile; nothing was sent", batch = batch))]
    Halting { batch: String },
    #[error("{}", tr!("the batch is gone"))]
    BatchGone,
    #[error("{}", tr!("%{host} cannot be reached: %{why}", host = host, why = why))]
    Unreachable { host: String, why: String },
    /// The copy of an outbox that a dry run works on.
    #[error(transparent)]
    Scratch(io::Error),
    #[error("{}", tr!("`%{typed}` is in another outbox than `%{first}`", typed = typed, first = first))]
    OtherOutbox { typed: String, first: String },
    #[error("{}", tr!("`%{typed}` is no protocolo", typed = typed))]
    NoProtocolo { typed: String },
    #[error(transparent)]
    OtherService(OtherService),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("{}", tr!("%{host} cannot be reached", host = host))]
    HubSoftAway { host: String },

    #[error(
        "{}",
        tr!(
            "`%{path}` is nothing that this program wrote, and results would be written over it",
            path = path.display()
        )
    )]
    OthersFile { path: PathBuf },
    #[error("{}", tr!("no space is left in the folder `%{folder}`", folder = folder.display()))]
    FolderFull { folder: PathBuf },
    #[error(
        "{}",
        tr!(
            "cannot write to the folder `%{folder}`: %{error}",
            folder = folder.display(), error = os_error(&error.to_string())
        )
    )]
    Folder {
        folder: PathBuf,
        error: io::Error,
        /// Another folder does not know what was opened.
        has_outbox: bool,
    },
    #[error(
        "{}",
        tr!(
            "`%{folder}` has %{free_mib} MiB free, and the outbox and the results may take %{needed_mib} MiB more; nothing was sent",
            folder = folder.display(), free_mib = free_mib, needed_mib = needed_mib
        )
    )]
    NoRoom { folder: PathBuf, free_mib: u64, needed_mib: u64 },
}

fn listed(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[derive(Debug, thiserror::Error)]
#[error(
    "{}", tr!("the ticket is of service %{found}, the row of service %{asked}", found = found, asked = asked)
)]
pub struct OtherService {
    pub found: i64,
    pub asked: i64,
}

/// One of the rows that a name may mean.
#[derive(Debug)]
pub struct RowCalled {
    pub row: RowId,
    pub line: u64,
    pub lote: String,
    pub referencia: String,
    /// What means it alone.
    pub name: String,
}

impl RowCalled {
    pub(super) fn of(details: &RowDetails) -> Self {
        let report = &details.report;
        Self {
            row: report.row,
            line: report.line,
            lote: report.lote.clone().into_owned(),
            referencia: report.referencia.clone().into_owned(),
            name: report.row.0.to_string(),
        }
    }
}

fn with_lotes(rows: &[RowCalled]) -> String {
    let named = |row: &RowCalled| {
        tr!(
            "`%{referencia}` of `%{lote}`",
            referencia = printable::name(&row.referencia),
            lote = printable::name(&row.lote)
        )
    };
    rows.iter().map(named).collect::<Vec<_>>().join(", ")
}

impl Fault {
    /// The database does not answer; it may yet.
    pub fn is_database_away(&self) -> bool {
        matches!(
            self,
            Self::Open(OpenFault::Postgres(postgres::OpenError::Unreachable(_)))
                | Self::Outbox(OutboxError::Unavailable(_))
                | Self::Bind(BindError::Outbox(OutboxError::Unavailable(_)))
        )
    }

    /// What was typed means no batch, or more than one.
    pub(super) fn is_of_a_batch_name(&self) -> bool {
        use Fault::{EmptyOutbox, NoBatch, SeveralBatches, SeveralBatchesOf};
        matches!(self, NoBatch { .. } | SeveralBatches { .. } | SeveralBatchesOf { .. } | EmptyOutbox { .. })
    }

    /// No space was left.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Outbox(error) => matches!(error, OutboxError::Full(_)),
            Self::Report(error) => error.is_disk_full(),
            _ => false,
        }
    }

    /// Where a file stands instead, whose name another one keeps.
    pub fn beside(&self) -> Option<&Path> {
        match self {
            Self::Report(ReportError::Held { beside, .. }) => Some(beside),
            _ => None,
        }
    }
}
