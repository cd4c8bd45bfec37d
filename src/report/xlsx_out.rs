//! `results.xlsx`: the same for people, behind a sheet that says what became of the batch.
//!
//! Every cell of a row is text, so that a spreadsheet cannot round a protocolo of 20 digits; text cells are
//! never run as formulas.

use std::cell::Cell;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{IgnoreError, Workbook, XlsxError};

use super::account::Account;
use super::csv_out::{publish, temporary};
use super::looks::{self, Widths};
use super::sheet_rows::SheetRows;
use super::{Line, RESULT_COLUMNS, ReportError, summary_sheet};
use crate::intake::headings;
use crate::language::{Language, said};
use crate::text;

/// Rows a sheet takes, the header not counted; a sheet of Excel ends at 1,048,576.
pub const ROWS_MAX: u32 = 1_000_000;

/// Columns a sheet takes.
pub const COLUMNS_MAX: usize = 16_384;

/// Characters a cell takes (Excel's limit).
const CELL_CHARS_MAX: usize = 32_767;

/// Our columns by their places in [`RESULT_COLUMNS`], in the order in which a person wants to read them.
/// From [`FOLDED_FROM`] on they are for programs and for the way back in.
const OURS: [usize; RESULT_COLUMNS.len()] = [0, STATE, 4, 10, 11, 5, 7, 6, 8, 9, 1, 2];

/// The place of the state in [`RESULT_COLUMNS`].
const STATE: usize = 3;

/// Of two lines. Points.
const HEADER_HEIGHT: f64 = 30.0;

/// The first of our columns that are folded in: a click opens them.
const FOLDED_FROM: u16 = 7;

/// Where the state stands in a row.
const STATE_COLUMN: u16 = 1;

/// Columns that stay in sight: line, state, protocolo.
const FROZEN_COLUMNS: u16 = 3;

/// Places of the sheets: the summary is what a reader sees first.
const SUMMARY_SHEET: usize = 0;
const ROWS_SHEET: usize = 1;

/// Where the workbook keeps the sheet of rows.
const ROWS_PART: &str = "xl/worksheets/sheet2.xml";

/// A workbook that is being written, row by row to a temporary file: its size costs no memory.
pub struct ResultsXlsx {
    path: PathBuf,
    /// All but the rows.
    workbook: Workbook,
    rows: SheetRows,
    n_own: usize,
    widths: Widths,
    /// Which of [`OURS`] say anything.
    is_said: [bool; OURS.len()],
}

impl ResultsXlsx {
    /// Starts `path` with the header.
    pub fn create(path: &Path, headers: &[String]) -> Result<Self, ReportError> {
        let n_columns = headers.len() + OURS.len();
        if COLUMNS_MAX < n_columns {
            return Err(ReportError::TooWide { path: path.to_owned(), n_columns });
        }
        let mut widths = Widths::new(n_columns);
        let start = || {
            let mut workbook = Workbook::new();
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                // Beside the results, as all that is written.
                workbook.set_tempdir(folder)?;
            }
            workbook.add_worksheet().set_name(tr!("Summary"))?;
            // Its formats are numbered at once: that of text first, for its rows.
            let sheet = workbook.add_worksheet_with_constant_memory()?;
            sheet.set_name(tr!("Rows"))?;
            sheet.set_freeze_panes(1, FROZEN_COLUMNS)?.set_row_height(0, HEADER_HEIGHT)?;
            let (heading, text) = (looks::heading(), looks::text_format());
            let ours = headings(Language::now());
            let names = OURS.iter().map(|at| ours[*at].as_ref()).chain(headers.iter().map(String::as_str));
            for (column, name) in (0..).zip(names) {
                sheet.set_column_format(column, &text)?;
                sheet.write_string_with_format(0, column, name, &heading)?;
                widths.see_heading(usize::from(column), name);
            }
            Ok(workbook)
        };
        let workbook = shielded(path, start)?;
        let is_said = [false; OURS.len()];
        let rows = SheetRows::create(path, n_columns)?;
        Ok(Self { path: path.to_owned(), workbook, rows, n_own: headers.len(), widths, is_said })
    }

    /// Writes a row; beyond [`ROWS_MAX`] rows it does nothing.
    pub fn push(&mut self, line: &Line<'_>) -> Result<(), ReportError> {
        if self.rows.n_rows() == ROWS_MAX {
            return Ok(());
        }
        let results = line.results();
        let state = said(text::state(line.state));
        let ours = OURS.iter().map(|at| if *at == STATE { state.as_ref() } else { results[*at].as_ref() });
        let own = (0..self.n_own).map(|at| line.cells.get(at).map_or("", |cell| cell.as_ref()));
        let cells = ours.chain(own).map(shortened).enumerate().filter(|(_, text)| !text.is_empty());
        let Self { rows, widths, is_said, .. } = self;
        let is_seen = widths.sees_row();
        rows.push(cells.inspect(|(column, text)| {
            if let Some(is_said) = is_said.get_mut(*column) {
                *is_said = true;
            }
            if is_seen {
                widths.see(*column, text);
            }
        }))
    }

    /// Writes the summary, and gives the file its name, once it is on disk.
    pub fn finish(mut self, account: &Account) -> Result<(), ReportError> {
        let last_column = u16::try_from(self.n_own + OURS.len() - 1).unwrap_or(u16::MAX);
        let file = temporary(&self.path).map_err(ReportError::io(&self.path))?;
        let n_rows = self.rows.n_rows();
        let workbook = shielded(&self.path, || {
            let sheet = self.workbook.worksheet_from_index(ROWS_SHEET)?;
            if 0 < n_rows {
                sheet.write_blank(n_rows, last_column, &looks::text_format())?;
            }
            sheet.autofilter(0, 0, n_rows, last_column)?;
            self.widths.set(sheet)?;
            for (column, _) in (0..FOLDED_FROM).zip(self.is_said).filter(|(_, is_said)| !is_said) {
                sheet.set_column_hidden(column)?;
            }
            sheet.group_columns_collapsed(FOLDED_FROM, OURS.len() as u16 - 1)?;
            looks::paint_states(sheet, STATE_COLUMN, n_rows)?;
            looks::for_print(sheet, &account.batch)?;
            // That a number stands there as text is meant so.
            sheet.ignore_error_range(0, 0, n_rows, last_column, IgnoreError::NumberStoredAsText)?;
            summary_sheet::write(self.workbook.worksheet_from_index(SUMMARY_SHEET)?, account)?;
            self.workbook.save_to_buffer()
        })?;
        self.rows.put_into(workbook, ROWS_PART, file.as_file())?;
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
pub(super) fn shielded<T>(
    path: &Path,
    call: impl FnOnce() -> Result<T, XlsxError>,
) -> Result<T, ReportError> {
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
pub(super) fn shortened(text: &str) -> &str {
    if text.len() <= CELL_CHARS_MAX { text } else { &text[..text.floor_char_boundary(CELL_CHARS_MAX)] }
}
