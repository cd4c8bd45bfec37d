//! What an import says to an outbox, and what it hears back.

use std::borrow::Cow;

use jiff::Timestamp;

use super::stored::count;
use super::{BatchId, Counts, ImportId, ResultsInfo, Scope};
use crate::delivery::OutboxError;
use crate::delivery::identity::ContentKey;
use crate::ticket::code::BatchCode;
use crate::ticket::{Field, Id, Problem, RawTicket};

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
    /// Whose service was to be found, where it names a customer in place of a service.
    pub customer: Option<ContentKey>,
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
    /// When; a file that comes again as it was is the same import, of another time.
    pub at: Timestamp,
    pub counts: MergeCounts,
    /// Rows that are not of the file, and wait behind a halt of its batch: whoever lifts it sets them free
    /// too.
    pub n_beside: u64,
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

/// How many rows there are, and how many of them are new, updated, revived, invalid, repeats, foreign and
/// outdated.
pub(super) type Counted = (i64, i64, i64, i64, i64, i64, i64, i64);

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

/// What an import does, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    pub merged: Merged,
    /// Of the rows of the file, before any of them is opened.
    pub counts: Counts,
}

/// Why a file was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("{}", tr!("another process imports batch `%{batch}`", batch = batch))]
    Busy { batch: String },
    #[error("{}", tr!("another file's batch is called `%{batch}`", batch = batch))]
    Taken { batch: String },
    #[error("{}", tr!("the file has rows of %{n_batches} batches of this outbox", n_batches = n_batches))]
    SeveralBatches { n_batches: u64 },
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}
