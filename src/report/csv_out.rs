//! `results.csv` and `errors.csv`: the input's own columns, then ours.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::text_out::Transcoder;
use super::{CsvStyle, Guard, Line, RESULT_COLUMNS, ReportError};
use crate::temporary;

/// A results file that is being written. Nothing stands under its name before [`Self::finish`].
pub struct ResultsCsv {
    path: PathBuf,
    writer: csv::Writer<Transcoder<NamedTempFile>>,
    n_own: usize,
    guard: Guard,
}

impl ResultsCsv {
    /// Starts `path` with the header.
    pub fn create(path: &Path, headers: &[String], style: &CsvStyle) -> Result<Self, ReportError> {
        let writer = temporary(path).and_then(|file| style.writer(file)).map_err(ReportError::io(path))?;
        let mut this = Self { path: path.to_owned(), writer, n_own: headers.len(), guard: style.guard };
        let own = headers.iter().map(|header| Cow::Borrowed(header.as_str()));
        this.record(own, RESULT_COLUMNS.into_iter().map(Cow::Borrowed))?;
        Ok(this)
    }

    pub fn push(&mut self, line: &Line<'_>) -> Result<(), ReportError> {
        let own = (0..self.n_own).map(|at| Cow::Borrowed(line.cells.get(at).map_or("", |cell| cell)));
        self.record(own, line.results().into_iter())
    }

    /// Gives the file its name, once it is on disk.
    pub fn finish(self) -> Result<(), ReportError> {
        let path = self.path;
        let file = self.writer.into_inner().map_err(|error| ReportError::io(&path)(error.into_error()))?;
        publish(file.into_inner(), &path)
    }

    fn record<'a>(
        &mut self,
        inputs: impl Iterator<Item = Cow<'a, str>>,
        ours: impl Iterator<Item = Cow<'a, str>>,
    ) -> Result<(), ReportError> {
        let guard = self.guard;
        let write = |writer: &mut csv::Writer<_>| {
            let guarded = inputs.map(|cell| (guard, cell)).chain(ours.map(|cell| (Guard::ExcelSafe, cell)));
            for (guard, cell) in guarded {
                writer.write_field(guard.apply(&cell).as_ref())?;
            }
            writer.write_record(None::<&[u8]>)
        };
        write(&mut self.writer).map_err(|error| ReportError::csv(&self.path, error))
    }
}

/// A temporary file beside `path`, mode 0600.
pub(super) fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    temporary::file_in(path.parent().unwrap_or(path))
}

/// Syncs and renames. What cannot be replaced stays, and the new file stands beside it: an error, too.
pub(super) fn publish(file: NamedTempFile, path: &Path) -> Result<(), ReportError> {
    match temporary::publish_or_beside(file, path).map_err(ReportError::io(path))? {
        None => Ok(()),
        Some(beside) => Err(ReportError::Held { path: path.to_owned(), beside }),
    }
}
