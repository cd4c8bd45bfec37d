//! The form of the results: that of the input.

use super::sheet::ColumnNames;
use crate::intake::Encoding;
use crate::outbox::{BatchInfo, SourceInfo};
use crate::report::{self, CsvStyle, Guard, OutputEncoding, People};

/// Rows read from the outbox at a time.
pub(super) const PAGE_ROWS: usize = 1000;

/// How results are written, and of what.
pub struct Form<'a> {
    pub batch: &'a BatchInfo,
    /// The file's names of the fields, where they are known.
    pub columns: &'a ColumnNames,
    pub guard: Guard,
    /// Who runs the command.
    pub user: &'a str,
    pub people: People,
}

impl Form<'_> {
    pub(super) fn source(&self) -> &SourceInfo {
        &self.batch.source
    }

    /// What the file calls a field.
    pub(super) fn column<'s>(&'s self, field: &'s str) -> &'s str {
        self.columns.get(field).map_or(field, String::as_str)
    }

    /// The letter of a column in the results. Blank: they have none of that name.
    pub(super) fn letter(&self, column: &str) -> String {
        self.source().headers.iter().position(|name| name == column).map_or_else(String::new, report::letters)
    }

    pub(super) fn style(&self) -> CsvStyle {
        let encoding = match self.source().encoding.parse() {
            Ok(Encoding::Utf8) => OutputEncoding::Utf8,
            Ok(Encoding::Utf16Le) => OutputEncoding::Utf16Le,
            Ok(Encoding::Utf16Be) => OutputEncoding::Utf16Be,
            Ok(Encoding::Web(page)) => OutputEncoding::Web(page),
            Ok(Encoding::Dos(page)) => OutputEncoding::Dos(page),
            // What Excel reads right.
            Ok(Encoding::Utf8Bom) | Err(_) => OutputEncoding::Utf8WithBom,
        };
        let delimiter = *self.source().delimiter.as_bytes().first().unwrap_or(&b';');
        CsvStyle { delimiter, encoding, guard: self.guard }
    }
}
