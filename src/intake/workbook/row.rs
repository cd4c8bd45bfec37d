//! One row of a sheet, as text, within bounds.

use super::super::limits::RECORD_LEN_MAX;
use super::super::records::{CELLS_MAX, Place, Record, Span};
use super::words::Fault;

/// Rows of a sheet, in Excel and in LibreOffice.
const ROWS_MAX: u64 = 1_048_576;

/// Text of all rows that are given, repeated ones each time. Bytes.
const GIVEN_MAX: u64 = 1024 * 1024 * 1024;

/// Places of all rows up to their last cell, blank ones too.
const PLACES_MAX: u64 = 1 << 28;

/// The current row.
#[derive(Default)]
pub(super) struct Row {
    /// From 1.
    pub line: u64,
    pub is_hidden: bool,
    text: String,
    spans: Vec<Span>,
    /// The lengths of all cells, the repeated ones each time.
    cells_len: usize,
    n_given: u64,
    n_places: u64,
}

impl Row {
    /// Begins the row at `line`.
    pub(super) fn begin(&mut self, line: u64, is_hidden: bool) {
        (self.line, self.is_hidden) = (line, is_hidden);
        self.text.clear();
        self.spans.clear();
        self.cells_len = 0;
    }

    pub(super) fn is_blank(&self) -> bool {
        self.spans.is_empty()
    }

    /// Puts a text into `n_cells` cells from `column` on, which counts from 0.
    pub(super) fn put(&mut self, column: usize, n_cells: usize, text: &str) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        let end = column.checked_add(n_cells).filter(|end| *end <= CELLS_MAX).ok_or(Fault::Place)?;
        self.cells_len = self.cells_len.saturating_add(text.len().saturating_mul(n_cells));
        if RECORD_LEN_MAX < self.cells_len {
            return Err(Fault::RowTooLong(RECORD_LEN_MAX));
        }
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX); // Bounded by the line above.
        let start = narrow(self.text.len());
        self.text.push_str(text);
        let span = Span { start, end: narrow(self.text.len()), place: Place::Text };
        if self.spans.len() < end {
            self.n_places += (end - self.spans.len()) as u64;
            if PLACES_MAX < self.n_places {
                return Err(Fault::TooWide(PLACES_MAX));
            }
            self.spans.resize(end, Span { start: 0, end: 0, place: Place::Text });
        }
        self.spans[column..end].fill(span);
        Ok(())
    }

    /// The row is whole, and stands there once more.
    pub(super) fn give(&mut self) -> Result<(), Fault> {
        if ROWS_MAX < self.line {
            return Err(Fault::Place);
        }
        self.n_given += self.cells_len as u64;
        if GIVEN_MAX < self.n_given { Err(Fault::TooLarge(GIVEN_MAX)) } else { Ok(()) }
    }

    pub(super) fn record(&self) -> Record<'_> {
        Record { line: self.line, text: &self.text, unescaped: "", spans: &self.spans, stray: None }
    }
}
