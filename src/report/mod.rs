//! What a person gets back: results, errors, problems, and a summary.
//!
//! Everything is streamed, in input order, into a temporary name that is renamed at the end, so that
//! a file under its own name is always whole.

mod csv_out;
mod problems;
mod summary;
mod text_out;
mod xlsx_out;

use std::io;
use std::path::{Path, PathBuf};

/// What is read back is what was written: one list for both.
pub use crate::intake::RESULT_COLUMNS;
pub use csv_out::ResultsCsv;
pub use problems::{PROBLEM_COLUMNS, ProblemLine, ProblemsCsv};
pub use summary::{ApiSummary, Counts, Latency, PaceSummary, Pause, SourceSummary, Summary, write_summary};
pub use text_out::{CsvStyle, Guard, OutputEncoding};
pub use xlsx_out::{ROWS_MAX as XLSX_ROWS_MAX, ResultsXlsx, is_shielded};

/// One row as it is reported.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The input's own cells; a short record is filled up with blanks.
    pub cells: &'a [std::borrow::Cow<'a, str>],
    /// The values of [`RESULT_COLUMNS`], in their order.
    pub result: [&'a str; RESULT_COLUMNS.len()],
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("cannot write `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("cannot write `{}`", path.display())]
    Workbook { path: PathBuf, source: Box<rust_xlsxwriter::XlsxError> },
}

impl ReportError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Whether no space was left: the run stops as by a guard, and can go on.
    pub fn is_disk_full(&self) -> bool {
        let source = match self {
            Self::Io { source, .. } => source,
            Self::Workbook { source, .. } => match &**source {
                rust_xlsxwriter::XlsxError::IoError(source) => source,
                _ => return false,
            },
        };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}
