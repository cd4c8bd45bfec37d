//! `problems.xlsx`: what is wrong, for those who correct it in a spreadsheet program. The first sheet has the
//! reasons with their counts, the second a line for each problem.
//!
//! Every cell but a count is text: text cells are never run as formulas.

use std::path::{Path, PathBuf};

use rust_xlsxwriter::{Format, FormatAlign, IgnoreError, Workbook, Worksheet, XlsxError};

use super::csv_out::{publish, temporary};
use super::looks::{self, Widths, colours, paint_states, text_format, wrapped};
use super::xlsx_out::{ROWS_MAX, shielded, shortened};
use super::{Account, ProblemLine, ReportError};
use crate::delivery::State;
use crate::language::said;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::text;

const REASONS_SHEET: usize = 0;
const PROBLEMS_SHEET: usize = 1;

/// Where the state stands in a line of the second sheet, and what is long enough to be wrapped.
const STATE_COLUMN: u16 = 4;
const WRAPPED: [u16; 3] = [3, 5, 6];

/// Of the second sheet, widest columns. Characters.
const WRAPPED_WIDTH: f64 = 45.0;

/// Of the first sheet, the columns. Characters.
const REASON_WIDTHS: [f64; 6] = [9.0, 16.0, 22.0, 60.0, 18.0, 60.0];

/// The highest row that a sheet takes. Points.
const HIGHEST: f64 = 409.0;

/// A workbook that is being written, row by row to a temporary file.
pub struct ProblemsXlsx {
    path: PathBuf,
    workbook: Workbook,
    n_rows: u32,
    widths: Widths,
    /// Of the row that was written last. Points.
    height: f64,
    text: Format,
    wrapped: Format,
}

impl ProblemsXlsx {
    pub fn create(path: &Path) -> Result<Self, ReportError> {
        let names = [
            tr!("Line"),
            tr!("Column letter"),
            tr!("Column"),
            tr!("Value"),
            tr!("State"),
            tr!("What is wrong"),
            tr!("What to do"),
            tr!("Code"),
        ];
        let mut widths = Widths::new(names.len());
        let workbook = shielded(path, || {
            let mut workbook = Workbook::new();
            workbook.set_zip_compression_level(1);
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                workbook.set_tempdir(folder)?;
            }
            workbook.add_worksheet().set_name(tr!("Reasons"))?;
            let sheet = workbook.add_worksheet_with_constant_memory()?;
            sheet.set_name(tr!("Problems"))?;
            sheet.set_freeze_panes(1, 0)?;
            let (text, wrapped) = (text_format().set_align(FormatAlign::Top), wrapped());
            for (column, name) in (0..).zip(&names) {
                sheet.set_column_format(column, if WRAPPED.contains(&column) { &wrapped } else { &text })?;
                sheet.write_string_with_format(0, column, name.as_ref(), &looks::heading())?;
                widths.see(usize::from(column), name);
            }
            Ok(workbook)
        })?;
        let text = text_format().set_align(FormatAlign::Top);
        Ok(Self { path: path.to_owned(), workbook, n_rows: 0, widths, height: 0.0, text, wrapped: wrapped() })
    }

    /// Writes a problem, which is in the column of this letter; beyond [`ROWS_MAX`] it does nothing.
    pub fn push(&mut self, problem: &ProblemLine<'_>, letter: &str, state: State) -> Result<(), ReportError> {
        if self.n_rows == ROWS_MAX {
            return Ok(());
        }
        self.n_rows += 1;
        let [line, column, _, value, code, message, hint] = *problem;
        let state = said(text::state(state));
        let cells = [line, letter, &text::field(column), value, &state, message, hint, code];
        let Self { path, workbook, n_rows, widths, height, text, wrapped } = self;
        let is_seen = widths.sees_row();
        shielded(path, || {
            let sheet = workbook.worksheet_from_index(PROBLEMS_SHEET)?;
            let long = WRAPPED.map(|column| looks::height(cells[usize::from(column)], WRAPPED_WIDTH));
            // Once it is sure that a row follows: the writer repeats the last one if that has a height.
            if 1 < *n_rows {
                sheet.set_row_height(*n_rows - 1, *height)?;
            }
            *height = long.into_iter().fold(0.0, f64::max).min(HIGHEST);
            for (column, cell) in (0..).zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                let cell = printable::line(cell, LINE_CHARS_MAX);
                let format: &Format = if WRAPPED.contains(&column) { wrapped } else { text };
                sheet.write_string_with_format(*n_rows, column, shortened(&cell), format)?;
                if is_seen {
                    widths.see(usize::from(column), &cell);
                }
            }
            Ok(())
        })
    }

    /// Writes the reasons, with what the file calls a field (`column`), and gives the file its name, once it
    /// is on disk.
    pub fn finish(mut self, account: &Account, column: impl Fn(&str) -> String) -> Result<(), ReportError> {
        let file = temporary(&self.path).map_err(ReportError::io(&self.path))?;
        shielded(&self.path, || {
            let sheet = self.workbook.worksheet_from_index(PROBLEMS_SHEET)?;
            let last_column = 7;
            sheet.autofilter(0, 0, self.n_rows, last_column)?;
            self.widths.set(sheet)?;
            for column in WRAPPED {
                sheet.set_column_width(column, WRAPPED_WIDTH)?;
            }
            paint_states(sheet, STATE_COLUMN, self.n_rows)?;
            looks::for_print(sheet, &account.batch)?;
            sheet.ignore_error_range(0, 0, self.n_rows, last_column, IgnoreError::NumberStoredAsText)?;
            write_reasons(self.workbook.worksheet_from_index(REASONS_SHEET)?, account, column)?;
            self.workbook.save_to_writer(file.as_file())
        })?;
        publish(file, &self.path)
    }
}

/// Of the rows of the second sheet.
fn write_reasons(
    sheet: &mut Worksheet,
    account: &Account,
    column: impl Fn(&str) -> String,
) -> Result<(), XlsxError> {
    let names = [
        tr!("Rows"),
        tr!("State"),
        tr!("Column"),
        tr!("What is wrong"),
        tr!("First lines"),
        tr!("What to do"),
    ];
    for (at, (name, width)) in (0..).zip(names.iter().zip(REASON_WIDTHS)) {
        sheet.set_column_width(at, width)?;
        sheet.write_string_with_format(0, at, name.as_ref(), &looks::heading())?;
    }
    sheet.set_freeze_panes(1, 0)?;
    looks::for_print(sheet, &account.batch)?;
    let number = looks::number();
    let reasons = account.reasons.iter().filter(|reason| State::NEEDS_A_PERSON.contains(&reason.state));
    for (row, reason) in (1..).zip(reasons) {
        let mut painted = wrapped();
        if let Some((background, letters)) = colours(reason.state) {
            painted = painted.set_background_color(background).set_font_color(letters);
        }
        sheet.write_number_with_format(row, 0, reason.n_rows as f64, &number)?;
        sheet.write_string_with_format(row, 1, said(text::state(reason.state)), &painted)?;
        let column = reason.field.as_deref().map(&column).unwrap_or_default();
        let words = reason.message.as_deref().unwrap_or(&reason.code);
        let column = text::field(&column);
        let (lines, to_do) = (reason.where_it_stands(), text::to_do(reason.state));
        let mut height: f64 = 0.0;
        for (at, cell) in (2..).zip([&*column, words, &lines, &to_do]) {
            let cell = printable::line(cell, LINE_CHARS_MAX);
            height = height.max(looks::height(&cell, REASON_WIDTHS[usize::from(at)]));
            sheet.write_string_with_format(row, at, shortened(&cell), &wrapped())?;
        }
        sheet.set_row_height(row, height.min(HIGHEST))?;
    }
    Ok(())
}
