//! What a command says to an outbox, and what it hears back.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::stored::{count, time};
use crate::delivery::code::BatchCode;
use crate::delivery::identity::{ContentKey, Marker};
use crate::delivery::{AttemptKind, Doubt, OutboxError, Rate, RowId, State};
use crate::ticket::{Field, Id, Problem, RawTicket};

/// What a process says of itself when it becomes one of those that deliver.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Its ceiling; the lowest of all rules.
    pub rate: Rate,
    /// How long the others wait for a sign of life. See [`LEASE`](super::LEASE).
    pub lease: Duration,
    /// How long it waits for an answer: for so long after its lease a post of its own may be under way.
    pub timeout: Duration,
}

/// A batch by its number within the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

/// One import by its number within the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImportId(pub i64);

/// A file that is about to be imported.
#[derive(Clone, Debug)]
pub struct NewSource<'a> {
    /// The batch, unless the file turns out to be a correction of another.
    pub batch: &'a str,
    /// Its code: the batch is made with it, and one of this name that has another is somebody else's
    /// ([`MergeError::Taken`]). `None`: whichever batch has the name.
    pub code: Option<BatchCode>,
    pub file_name: &'a str,
    pub encoding: &'a str,
    pub delimiter: &'a str,
    /// The input's own columns, in its order; our result columns are not among them.
    pub headers: &'a [String],
    /// Fields that the file says nothing of: a correction leaves them as they are.
    pub lacks: &'a [Field],
    /// Objects of which the file has some keys as columns of their own, and those keys: a correction leaves
    /// the others as they are.
    pub keys: &'a [(Field, Vec<String>)],
    /// The results that this import is to write; `None`: it writes none.
    pub results: Option<&'a ResultsInfo>,
}

/// One line of a file, read and validated.
#[derive(Clone, Debug)]
pub struct NewRow<'a> {
    /// The physical line at which the record starts, the header being 1.
    pub line: u64,
    /// As many as there are headers, or fewer.
    pub cells: Vec<Cow<'a, str>>,
    pub fields: RawTicket<'a>,
    pub content_key: ContentKey,
    /// The batch whose row it is, where we wrote that.
    pub code: Option<BatchCode>,
    /// Who the row says it is.
    pub referencia: Option<Cow<'a, str>>,
    /// `None`: it has none that is valid.
    pub service: Option<Id>,
    /// [`Ticket::repeat_key`](crate::ticket::Ticket::repeat_key); two rows that share it are repeats.
    pub repeat_key: Option<[u8; 16]>,
    /// Not empty: the row is invalid.
    pub problems: Vec<Problem>,
    /// What a person should know of a valid row.
    pub warning: Option<String>,
}

/// How the rows of a file become rows of the outbox.
#[derive(Clone, Copy, Debug)]
pub struct MergeOptions<'a> {
    pub now: Timestamp,
    /// Of the file's bytes, in hexadecimal; known once the file was read.
    pub sha256: &'a str,
    /// [`Content`](crate::delivery::identity::Content) of its rows; known then too.
    pub content: &'a str,
    pub repeats: Repeats,
    pub first_post: FirstPost,
    pub withdrawn: Withdrawn,
}

/// What becomes of a row that `cancel` withdrew, when its line comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// It stays `cancelled`: nobody asked for it.
    Stay,
    /// A person asked for it.
    Reopen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// The second of two equal rows is `skipped`.
    Skip,
    /// `--allow-repeats`.
    Allow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstPost {
    AtOnce,
    /// `--verify-first`: a look-up comes first; a ticket like it, at most 48 h old, makes it `skipped`.
    VerifyFirst,
}

/// What a file was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeKind {
    /// The batch's file: rows that it no longer has are gone.
    Whole,
    /// Rows that this outbox wrote out earlier: updated in place, the batch's other rows stay.
    Correction,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    pub kind: MergeKind,
    /// The batch that the rows belong to; for a correction, that of the rows.
    pub batch: BatchId,
    pub batch_name: String,
    pub import: ImportId,
    pub counts: MergeCounts,
}

impl Merged {
    /// The rows of the imported file: for delivery, counts and the exit code.
    pub fn scope(&self) -> Scope {
        Scope::Import { batch: self.batch, import: self.import }
    }

    /// The rows of the batch's file: for the results.
    pub fn results(&self) -> Scope {
        Scope::Batch(self.batch)
    }
}

/// Rows of the imported file; each is in exactly one of these, `foreign` and what is gone aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeCounts {
    pub n_rows: u64,
    /// Unknown until now, to be opened.
    pub new: u64,
    /// Known, certainly without a ticket, and changed: to be opened with the new fields.
    pub updated: u64,
    /// Known, unchanged, but to be opened again (it was cancelled, or the rules were changed).
    pub revived: u64,
    /// Known and left as it is.
    pub unchanged: u64,
    pub invalid: u64,
    /// Skipped: the same row stands earlier in the file, or was opened in this batch.
    pub repeats: u64,
    /// A part of `new`: carries another outbox's identity, and is looked up first.
    pub foreign: u64,
    /// Rows of the batch that its file had until now, and has no longer.
    pub gone: u64,
    /// A part of `gone`: had yet to be opened, and is `cancelled` (code `gone`).
    pub withdrawn: u64,
    /// A part of `unchanged`: the file says something else of them now, and they were sent, or may have been.
    pub outdated: u64,
}

/// How many rows there are, and how many of them are new, updated, revived, invalid, repeats, foreign and
/// outdated.
pub(super) type Counted = (i64, i64, i64, i64, i64, i64, i64, i64);

impl MergeCounts {
    pub(super) fn of(
        (n_rows, new, updated, revived, invalid, repeats, foreign, outdated): Counted,
        (gone, withdrawn): (i64, i64),
    ) -> Self {
        Self {
            n_rows: count(n_rows),
            new: count(new),
            updated: count(updated),
            revived: count(revived),
            unchanged: count(n_rows - new - updated - revived - invalid - repeats),
            invalid: count(invalid),
            repeats: count(repeats),
            foreign: count(foreign),
            gone: count(gone),
            withdrawn: count(withdrawn),
            outdated: count(outdated),
        }
    }
}

/// What an import would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    pub merged: Merged,
    /// Of the rows of the file, as they would be.
    pub counts: Counts,
}

/// Why a file was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("another process imports batch `{batch}`")]
    Busy { batch: String },
    #[error("another file's batch is called `{batch}`")]
    Taken { batch: String },
    #[error("the file has rows of {n_batches} batches of this outbox")]
    SeveralBatches { n_batches: u64 },
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// Which rows are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every row that a batch's current file has, or was not settled when its line was gone from it.
    All,
    /// The same of one batch.
    Batch(BatchId),
    /// The same of one imported file.
    Import { batch: BatchId, import: ImportId },
}

/// What is known of a batch before a file is merged into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    pub id: BatchId,
    pub name: String,
    /// `None`: a lote that only programs wrote to, and that nobody has spoken of yet.
    pub code: Option<BatchCode>,
    pub created_at: Timestamp,
    /// When its last complete run ended.
    pub finished_at: Option<Timestamp>,
    /// When rows were last put into it, first sent, or a run of all of it ended. What is looked up, resolved
    /// or cancelled weeks later makes it no batch of today.
    pub active_at: Timestamp,
    /// What was handed to `finish_run`.
    pub summary: Option<String>,
    pub counts: Counts,
    /// Its last whole file.
    pub source: SourceInfo,
    /// Where an import has written its results last; `None`: none has.
    pub results: Option<ResultsInfo>,
}

/// The results that an import wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsInfo {
    /// Absolute, on the machine of that import.
    pub folder: PathBuf,
    /// Cells that a spreadsheet would run as a formula are guarded.
    pub excel_safe: bool,
}

impl ResultsInfo {
    pub(super) fn stored((folder, excel_safe): (String, bool)) -> Self {
        Self { folder: folder.into(), excel_safe }
    }

    /// A name that is no text is not found again.
    pub(super) fn folder_text(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }
}

/// The file whose order and columns the results have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    pub import: ImportId,
    pub file_name: String,
    pub sha256: String,
    /// Of its cells: the same after a spreadsheet saved it again.
    pub content: String,
    pub encoding: String,
    pub delimiter: String,
    pub headers: Vec<String>,
    pub n_rows: u64,
    pub imported_at: Timestamp,
}

/// The batch of a file, by what can be known of it without reading its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBatch {
    pub name: String,
    /// As [`SourceInfo`] has it.
    pub content: String,
    pub imported_at: Timestamp,
}

impl FileBatch {
    pub(super) fn stored((name, content, imported_at): (String, String, i64)) -> Self {
        Self { name, content, imported_at: time(imported_at) }
    }
}

/// Rows by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub pending: u64,
    pub in_flight: u64,
    pub in_doubt: u64,
    pub opened: u64,
    /// A part of `opened`: a service order was asked for and is missing.
    pub opened_without_os: u64,
    pub invalid: u64,
    pub rejected: u64,
    pub failed: u64,
    pub unconfirmed: u64,
    pub conflict: u64,
    pub skipped: u64,
    pub cancelled: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        State::ALL.into_iter().map(|state| self.count(state)).sum()
    }

    pub fn count(&self, state: State) -> u64 {
        match state {
            State::Pending => self.pending,
            State::InFlight => self.in_flight,
            State::InDoubt => self.in_doubt,
            State::Opened => self.opened,
            State::Invalid => self.invalid,
            State::Rejected => self.rejected,
            State::Failed => self.failed,
            State::Unconfirmed => self.unconfirmed,
            State::Conflict => self.conflict,
            State::Skipped => self.skipped,
            State::Cancelled => self.cancelled,
        }
    }

    /// Rows that go on by themselves.
    pub fn left(&self) -> u64 {
        self.pending + self.in_flight + self.in_doubt
    }
}

/// Counts, and what waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub counts: Counts,
    /// `pending` or `in_doubt`, and due; blocked rows included.
    pub due_now: u64,
    /// Since when the row that waits longest has been due, as well as it is known.
    pub oldest_pending: Option<Timestamp>,
    /// When the first of the rows in doubt is looked up, if somebody works.
    pub next_look_up: Option<Timestamp>,
    /// Since when the row that is `unconfirmed` longest is in doubt.
    pub oldest_unconfirmed: Option<Timestamp>,
}

/// Who works on a shared outbox, and what holds them back.
#[derive(Clone, Debug, PartialEq)]
pub struct Crew {
    /// Workers that are alive.
    pub n_workers: u64,
    /// The lowest of their ceilings, which rules. Requests a second; `None`: unlimited.
    pub rate_per_s: Option<f64>,
    /// A person, or a guard, stopped all workers, for this reason.
    pub stopped: Option<String>,
    /// HubSoft asked for a pause: until when, and why.
    pub paused: Option<(Timestamp, String)>,
    pub is_breaker_closed: bool,
}

/// A batch of which nothing is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halted {
    pub lote: String,
    pub reason: String,
    /// Rows that would be posted if it were not.
    pub n_waiting: u64,
}

/// One row, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow<'a> {
    pub row: RowId,
    pub line: u64,
    pub lote: Cow<'a, str>,
    /// Of the batch that `lote` names, if that has one yet.
    pub code: Option<BatchCode>,
    pub referencia: Cow<'a, str>,
    pub state: State,
    pub cells: Vec<Cow<'a, str>>,
    pub protocolo: Option<Cow<'a, str>>,
    pub id_atendimento: Option<i64>,
    pub ids_ordem_servico: Vec<i64>,
    pub numeros_ordem_servico: Vec<Cow<'a, str>>,
    pub attempts: u32,
    pub error_code: Option<Cow<'a, str>>,
    pub error_message: Option<Cow<'a, str>>,
    pub warning: Option<Cow<'a, str>>,
    /// Its file no longer has it. It stands behind the rows of the file, while it may have a ticket.
    pub is_gone: bool,
    /// A correction changed it since its file came.
    pub is_corrected: bool,
}

/// Where a page ended: give it back to get the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub(super) i64);

/// All problems of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblems {
    pub row: RowId,
    pub line: u64,
    pub problems: Vec<Problem>,
}

/// A row by what a person knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowName<'a> {
    Id(RowId),
    /// `BATCH:LINE`.
    Line {
        batch: &'a str,
        line: u64,
    },
    /// `LOTE:REFERENCIA`.
    Reference {
        lote: &'a str,
        referencia: &'a str,
    },
}

/// One row, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct RowDetails {
    pub report: ReportRow<'static>,
    pub batch: String,
    /// What its ticket carries, once one was sent; `None`: nobody has spoken of its lote yet.
    pub marker: Option<Marker>,
    pub fields: RawTicket<'static>,
    pub problems: Vec<Problem>,
    pub sent_at: Option<Timestamp>,
    pub available_at: Timestamp,
    pub doubt: Option<Doubt>,
    pub finished_at: Option<Timestamp>,
    /// When what it said of people was taken from it.
    pub purged_at: Option<Timestamp>,
    /// Oldest first.
    pub history: Vec<StoredAttempt>,
}

/// One entry of a row's history, as it is stored: an [`Attempt`](crate::delivery::Attempt), or a person's
/// word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAttempt {
    pub at: Timestamp,
    pub kind: AttemptKind,
    pub verdict: String,
    pub http_status: Option<u16>,
    pub latency: Duration,
    /// In words.
    pub note: String,
}

/// What `cancel` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    pub n_cancelled: u64,
    /// In flight, in doubt or unconfirmed: they may have been sent.
    pub n_left: u64,
}

/// A person's word on a row that may have a ticket: `in_doubt`, `unconfirmed` or in `conflict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    pub row: RowId,
    pub says: Resolution<'a>,
    /// Who says so, and how far it was checked: for the history.
    pub note: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// `id_atendimento` is `None` if nobody looked it up.
    Opened {
        protocolo: &'a str,
        id_atendimento: Option<i64>,
    },
    NotOpened,
}

/// Rows that are looked at, or purged, at a time: others wait for no longer than that takes.
pub(super) const PURGE_STEP: i64 = 1000;

/// Why a row was not resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("there is no row {}", row.0)]
    Unknown { row: RowId },
    #[error("row {} is `{}`; a person's word is for rows that are `in_doubt`, `unconfirmed` or in `conflict`", row.0, super::state_name(*state))]
    NotUnsettled { row: RowId, state: State },
    #[error("protocolo `{protocolo}` is that of row {} already", owner.0)]
    OtherRows { protocolo: String, owner: RowId },
    #[error("ticket {id_atendimento} belongs to row {} already", owner.0)]
    Taken { id_atendimento: i64, owner: RowId },
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// Why an outbox may not be used with a host.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("this outbox belongs to `{bound}`, not to `{asked}`")]
    OtherHost { bound: String, asked: String },
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}
