//! `problems.csv`: one line per problem of a row, and one for what HubSoft said of it.

use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::csv_out::{publish, temporary};
use super::text_out::Transcoder;
use super::{CsvStyle, Guard, ReportError};
use crate::printable::{self, LINE_CHARS_MAX};

/// A contract.
const PROBLEM_COLUMNS: [&str; 7] = ["line", "column", "field", "value", "code", "message", "hint"];

/// The values of [`PROBLEM_COLUMNS`], in their order.
pub type ProblemLine<'a> = [&'a str; PROBLEM_COLUMNS.len()];

/// A problems file that is being written. Nothing stands under its name before [`Self::finish`].
pub struct ProblemsCsv {
    path: PathBuf,
    writer: csv::Writer<Transcoder<NamedTempFile>>,
}

impl ProblemsCsv {
    /// Starts `path` with the header.
    pub fn create(path: &Path, style: &CsvStyle) -> Result<Self, ReportError> {
        let writer = temporary(path).and_then(|file| style.writer(file)).map_err(ReportError::io(path))?;
        let mut this = Self { path: path.to_owned(), writer };
        this.push(&PROBLEM_COLUMNS)?;
        Ok(this)
    }

    pub fn push(&mut self, problem: &ProblemLine<'_>) -> Result<(), ReportError> {
        let shown = problem.map(|cell| printable::line(cell, LINE_CHARS_MAX));
        self.writer
            .write_record(shown.iter().map(|cell| Guard::ExcelSafe.apply(cell).into_owned()))
            .map_err(|error| ReportError::csv(&self.path, error))
    }

    /// Gives the file its name, once it is on disk.
    pub fn finish(self) -> Result<(), ReportError> {
        let path = self.path;
        let file = self.writer.into_inner().map_err(|error| ReportError::io(&path)(error.into_error()))?;
        publish(file.into_inner(), &path)
    }
}
