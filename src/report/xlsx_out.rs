//! `results.xlsx`: the same for people. Every cell is text, so that a spreadsheet cannot round a
//! protocolo of 20 digits; text cells are never run as formulas.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{Format, Workbook, XlsxError};

use super::csv_out::{publish, temporary};
use super::{Line, RESULT_COLUMNS, ReportError};

/// Rows a sheet takes, the header not counted; a sheet of Excel ends at 1,048,576.
pub const ROWS_MAX: u32 = 1_000_000;

/// Columns a sheet takes.
pub const COLUMNS_MAX: usize = 16_384;

/// Characters a cell takes (Excel's limit).
const CELL_CHARS_MAX: usize = 32_767;

/// A workbook that is being written, row by row to a temporary file: its size costs no memory.
pub struct ResultsXlsx {
    path: PathBuf,
    workbook: Workbook,
    n_own: usize,
    n_rows: u32,
}

impl ResultsXlsx {
    /// Starts `path` with the header.
    pub fn create(path: &Path, headers: &[String]) -> Result<Self, ReportError> {
        let n_columns = headers.len() + RESULT_COLUMNS.len();
        if COLUMNS_MAX < n_columns {
            return Err(ReportError::TooWide { path: path.to_owned(), n_columns });
        }
        let start = || {
            let mut workbook = Workbook::new();
            // Level 6 took an eighth of the CPU time of a whole import.
            workbook.set_zip_compression_level(1);
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                // Beside the results and not in /tmp: a sheet of a million rows is large, and private.
                workbook.set_tempdir(folder)?;
            }
            let sheet = workbook.add_worksheet_with_constant_memory()?;
            sheet.set_name("results")?;
            sheet.set_freeze_panes(1, 0)?;
            let bold = Format::new().set_bold();
            let names = headers.iter().map(String::as_str).chain(RESULT_COLUMNS);
            for (column, name) in (0..).zip(names) {
                sheet.set_column_width(column, 18)?;
                sheet.write_string_with_format(0, column, name, &bold)?;
            }
            Ok(workbook)
        };
        let workbook = shielded(path, start)?;
        Ok(Self { path: path.to_owned(), workbook, n_own: headers.len(), n_rows: 0 })
    }

    /// Writes a row; beyond [`ROWS_MAX`] rows it does nothing.
    pub fn push(&mut self, line: &Line<'_>) -> Result<(), ReportError> {
        if self.n_rows == ROWS_MAX {
            return Ok(());
        }
        self.n_rows += 1;
        let row = self.n_rows;
        let n_own = self.n_own;
        let sheet =
            self.workbook.worksheet_from_index(0).map_err(|source| workbook_error(&self.path, source))?;
        shielded(&self.path, || {
            let own = (0..n_own).map(|at| Cow::Borrowed(line.cells.get(at).map_or("", |cell| cell.as_ref())));
            for (column, text) in (0..).zip(own.chain(line.results())) {
                if !text.is_empty() {
                    sheet.write_string(row, column, shortened(&text))?;
                }
            }
            Ok(())
        })
    }

    /// Gives the file its name, once it is on disk.
    pub fn finish(mut self) -> Result<(), ReportError> {
        let last_column = u16::try_from(self.n_own + RESULT_COLUMNS.len() - 1).unwrap_or(u16::MAX);
        let file = temporary(&self.path).map_err(ReportError::io(&self.path))?;
        shielded(&self.path, || {
            self.workbook.worksheet_from_index(0)?.autofilter(0, 0, self.n_rows, last_column)?;
            self.workbook.save_to_writer(file.as_file())
        })?;
        publish(file, &self.path)
    }
}

thread_local! {
    static SHIELDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread is about to be turned into an error: nothing to report.
pub fn is_shielded() -> bool {
    SHIELDED.get()
}

/// Calls the workbook writer, which panics where it cannot write its temporary file, and makes an
/// error of that.
fn shielded<T>(path: &Path, call: impl FnOnce() -> Result<T, XlsxError>) -> Result<T, ReportError> {
    SHIELDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    SHIELDED.set(false);
    match result {
        Ok(result) => result.map_err(|source| workbook_error(path, source)),
        Err(_) => Err(ReportError::io(path)(why_not_written(path))),
    }
}

/// The panic does not say why; the next write does.
fn why_not_written(path: &Path) -> io::Error {
    let probe = temporary(path).and_then(|mut file| {
        file.write_all(&[0; 64 * 1024])?;
        file.as_file().sync_all()
    });
    probe.err().unwrap_or_else(|| io::Error::other("the workbook could not be written"))
}

fn workbook_error(path: &Path, source: XlsxError) -> ReportError {
    ReportError::Workbook { path: path.to_owned(), source: Box::new(source) }
}

/// `text` cut to what a cell takes. Excel counts UTF-16 units; a text of so many bytes surely fits.
fn shortened(text: &str) -> &str {
    if text.len() <= CELL_CHARS_MAX { text } else { &text[..text.floor_char_boundary(CELL_CHARS_MAX)] }
}
