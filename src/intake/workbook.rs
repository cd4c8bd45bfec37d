//! Workbooks: the first sheet with rows becomes records of text.
//!
//! A workbook cannot be read in constant memory. Its texts are kept end to end in one string, and only
//! cells that hold something are kept at all, so that a sheet with one cell in its last corner is small.

use std::fs::File;
use std::io::{BufReader, Seek};

use calamine::{Data, DataRef, ExcelDateTime, Ods, Reader as _, SheetType, SheetVisible, Xlsx};

use super::records::{Place, Record, Span};
use super::words::{self, IntakeError};

/// One sheet, as text.
#[derive(Default)]
pub(super) struct Sheet {
    pub name: String,
    /// The other visible sheets.
    pub others: Vec<String>,
    text: String,
    cells: Vec<Cell>,
    /// The first cell of the next row.
    next: usize,
    line: u64,
    spans: Vec<Span>,
}

struct Cell {
    row: u32,
    column: u32,
    start: u32,
    end: u32,
}

/// The largest integer up to which a spreadsheet's number is exact in all its digits.
const EXACT_MAX: f64 = 1e15;

impl Sheet {
    pub(super) fn open(file: &mut File) -> Result<Self, IntakeError> {
        let broken = |reason: String| IntakeError::Workbook { reason };
        let again = |file: &mut File| {
            file.rewind().map_err(IntakeError::Read)?;
            file.try_clone().map(BufReader::new).map_err(IntakeError::Read)
        };
        match Xlsx::new(again(file)?) {
            Ok(workbook) => Self::of_xlsx(workbook),
            Err(of_xlsx) => match Ods::new(again(file)?) {
                Ok(workbook) => Self::of_ods(workbook),
                Err(_) => Err(broken(of_xlsx.to_string())),
            },
        }
    }

    fn of_xlsx(mut workbook: Xlsx<BufReader<File>>) -> Result<Self, IntakeError> {
        let broken = |error: calamine::XlsxError| IntakeError::Workbook { reason: error.to_string() };
        let names = visible(workbook.sheets_metadata());
        for name in &names {
            let mut sheet = Self::named(name, &names);
            let mut reader = workbook.worksheet_cells_reader(name).map_err(broken)?;
            while let Some(cell) = reader.next_cell().map_err(broken)? {
                sheet.push(cell.get_position(), |text| match cell.get_value() {
                    DataRef::Empty => {}
                    DataRef::SharedString(it) => text.push_str(it),
                    DataRef::String(it) | DataRef::DateTimeIso(it) | DataRef::DurationIso(it) => {
                        text.push_str(it);
                    }
                    DataRef::Int(it) => text.push_str(&it.to_string()),
                    DataRef::Float(it) => text.push_str(&number(*it)),
                    DataRef::Bool(it) => text.push_str(&it.to_string()),
                    DataRef::DateTime(it) => text.push_str(&date(it)),
                    DataRef::Error(it) => text.push_str(&it.to_string()),
                })?;
            }
            if !sheet.cells.is_empty() {
                return Ok(sheet);
            }
        }
        Err(IntakeError::Workbook { reason: words::NO_SHEET.to_owned() })
    }

    fn of_ods(mut workbook: Ods<BufReader<File>>) -> Result<Self, IntakeError> {
        let names = visible(workbook.sheets_metadata());
        for name in &names {
            let mut sheet = Self::named(name, &names);
            let range = workbook.worksheet_range(name);
            let range = range.map_err(|it| IntakeError::Workbook { reason: it.to_string() })?;
            let (first_row, first_column) = range.start().unwrap_or_default();
            for (row, column, data) in range.used_cells() {
                // A sheet's rows and columns fit 32 bits: the file format says so.
                let at = |first: u32, n: usize| first.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
                sheet.push((at(first_row, row), at(first_column, column)), |text| match data {
                    Data::Empty => {}
                    Data::String(it) | Data::DateTimeIso(it) | Data::DurationIso(it) => text.push_str(it),
                    Data::Int(it) => text.push_str(&it.to_string()),
                    Data::Float(it) => text.push_str(&number(*it)),
                    Data::Bool(it) => text.push_str(&it.to_string()),
                    Data::DateTime(it) => text.push_str(&date(it)),
                    Data::Error(it) => text.push_str(&it.to_string()),
                })?;
            }
            if !sheet.cells.is_empty() {
                return Ok(sheet);
            }
        }
        Err(IntakeError::Workbook { reason: words::NO_SHEET.to_owned() })
    }

    fn named(name: &str, names: &[String]) -> Self {
        let others = names.iter().filter(|it| *it != name).cloned().collect();
        Self { name: name.to_owned(), others, ..Self::default() }
    }

    fn push(
        &mut self,
        (row, column): (u32, u32),
        write: impl FnOnce(&mut String),
    ) -> Result<(), IntakeError> {
        let broken = |reason: &str| IntakeError::Workbook { reason: reason.to_owned() };
        let start = self.text.len();
        write(&mut self.text);
        if self.text.len() == start {
            return Ok(());
        }
        if self.cells.last().is_some_and(|it| row < it.row) {
            return Err(broken(words::SHEET_UNORDERED));
        }
        let narrow = |at: usize| u32::try_from(at).map_err(|_| broken(words::SHEET_TOO_LARGE));
        let (start, end) = (narrow(start)?, narrow(self.text.len())?);
        self.cells.push(Cell { row, column, start, end });
        Ok(())
    }

    /// Goes to the next row that is not blank. `false`: there is none.
    pub(super) fn advance(&mut self) -> bool {
        let Some(first) = self.cells.get(self.next) else { return false };
        self.line = u64::from(first.row) + 1;
        self.spans.clear();
        while let Some(cell) = self.cells.get(self.next).filter(|it| it.row == first.row) {
            let at = cell.column as usize;
            if self.spans.len() <= at {
                self.spans.resize(at + 1, Span { start: 0, end: 0, place: Place::Text });
            }
            self.spans[at] = Span { start: cell.start, end: cell.end, place: Place::Text };
            self.next += 1;
        }
        true
    }

    pub(super) fn record(&self) -> Record<'_> {
        Record { line: self.line, text: &self.text, unescaped: "", spans: &self.spans, stray: None }
    }
}

fn visible(sheets: &[calamine::Sheet]) -> Vec<String> {
    let shown =
        sheets.iter().filter(|it| it.typ == SheetType::WorkSheet && it.visible == SheetVisible::Visible);
    shown.map(|it| it.name.clone()).collect()
}

/// An integer as its digits. One that is too long for a spreadsheet's number has lost some of them,
/// and stays in scientific notation, which validation refuses.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < EXACT_MAX {
        format!("{value:.0}")
    } else if EXACT_MAX <= value.abs() {
        format!("{value:E}").replacen('E', "E+", 1)
    } else {
        value.to_string()
    }
}

fn date(value: &ExcelDateTime) -> String {
    if value.is_duration() {
        return number(value.as_f64());
    }
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) {
        date
    } else {
        format!("{date} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn a_number_becomes_the_text_that_a_person_sees_or_none_that_could_pass_for_it() {
        for (value, expected) in [
            (11000.0, "11000"),
            (37_999_112_233.0, "37999112233"),
            (-1.0, "-1"),
            (0.0, "0"),
            (1.5, "1.5"),
            (999_999_999_999_999.0, "999999999999999"),
            (20_241_126_103_000_123_456.0, "2.0241126103000125E+19"),
            (1e15, "1E+15"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn a_date_is_written_in_iso_8601() {
        let text = |value| date(&ExcelDateTime::new(value, ExcelDateTimeType::DateTime, false));
        assert_eq!(text(45943.0), "2025-10-13");
        assert_eq!(text(45943.5), "2025-10-13 12:00:00");
    }
}
