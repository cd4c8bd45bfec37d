//! Batches and their files, as an outbox knows them, and which of their rows are meant.

use std::path::PathBuf;

use jiff::Timestamp;

use super::Counts;
use super::stored::time;
use crate::ticket::code::BatchCode;

/// A batch by its number within the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

/// One import by its number within the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImportId(pub i64);

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

/// What is known of a batch without counting its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedBatch {
    /// Of its last whole file.
    pub n_rows: Option<u64>,
    /// When its last complete run ended, and what was handed to `finish_run` then.
    pub finished_at: Option<Timestamp>,
    pub summary: Option<String>,
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
