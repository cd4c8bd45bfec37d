//! Spreadsheets in: whatever a person saved becomes a stream of rows.
//!
//! [`Intake::open`] recognises encoding, delimiter, sheet and columns; [`Intake::next_row`] gives row after
//! row, in constant memory (but for the texts that an `.xlsx` shares among its cells). A file that cannot be
//! used is an [`IntakeError`]; what is wrong with one row is in that [`Row`].

mod bytes;
mod code_page;
mod columns;
mod delimiter;
mod doubts;
mod encoding;
mod header;
mod input;
mod limits;
mod options;
mod ours;
mod reader;
mod records;
mod repeats;
mod roles;
mod row;
mod summary;
mod survey;
pub mod template;
mod words;
mod workbook;

use std::fs::File;
use std::io::Seek;

pub use bytes::{Hashing, Source};
pub use code_page::CodePage;
pub use delimiter::Delimiter;
pub use doubts::{ColumnDoubt, GuessedService};
pub use encoding::Encoding;
#[cfg(feature = "inside")]
pub use header::Target;
pub use header::{Map, RESULT_COLUMNS, Set};
pub use options::{Hidden, IntakeOptions};
pub use ours::Ours;
pub use repeats::{Repeat, Repeats};
pub use row::Row;
pub use summary::{Format, Summary};
pub use words::{Blame, IntakeError};

use columns::{Columns, Width};
use input::Input;

use crate::ticket::{Ddd, Field, Kind, is_blank};

/// A spreadsheet being read.
pub struct Intake {
    input: Input,
    columns: Columns,
    summary: Summary,
    default_ddd: Option<Ddd>,
    /// The first record is read by `open`, to tell a file without rows.
    is_first: bool,
    n_rows: u64,
    ours: Ours,
    asides: Asides,
}

/// What stands in a sheet and is no row: passed over, and told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asides {
    /// Rows such as `Total: 800`, and the line of the first.
    n_totals: u64,
    first_total: u64,
    /// Rows that have something in a column without a name, and the line of the first.
    n_notes: u64,
    first_note: u64,
}

impl Asides {
    /// One line a fact, for people.
    pub fn lines(self) -> Vec<String> {
        words::asides(self.n_totals, self.first_total, self.n_notes, self.first_note)
    }
}

/// What was read, once all rows were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    pub n_rows: u64,
    /// Of the bytes that were read: of the whole file if every row was asked for. `None` if not wanted.
    pub sha256: Option<[u8; 32]>,
}

impl Intake {
    /// Opens a file, recognises what it is, and reads its header.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no spreadsheet, has no rows, or lacks a column that every
    /// ticket needs.
    pub fn open(source: &Source, options: &IntakeOptions) -> Result<Self, IntakeError> {
        let file = bytes::open(source)?;
        let mut again = file.try_clone().map_err(IntakeError::Read)?;
        let mut intake = Self::begin(file, options)?;
        if intake.columns.tell_rows() {
            let ours = Ours::of(&mut intake)?;
            again.rewind().map_err(IntakeError::Read)?;
            intake = Self { ours, ..Self::begin(again, options)? };
        }
        Ok(intake)
    }

    fn begin(mut file: File, options: &IntakeOptions) -> Result<Self, IntakeError> {
        let (mut input, format, n_above) = Input::open(&mut file, options)?;
        let header_line = input.record().line;
        if let Some(line) = input.record().stray {
            return Err(IntakeError::StrayQuoteInHeader { line });
        }
        let names =
            input.record().cells().map(|name| name.trim_start_matches('\u{FEFF}').to_owned()).collect();
        let width = if matches!(input, Input::Text(_)) { Width::Text } else { Width::Workbook };
        let hidden_sheets = match &format {
            Format::Text { .. } => Vec::new(),
            Format::Workbook { hidden_sheets, .. } => hidden_sheets.clone(),
        };
        let columns = Columns::new(names, width, &options.map, &options.set);
        let columns = columns.map_err(|error| error.beside_hidden(&hidden_sheets))?;
        if let Input::Text(reader) = &mut input {
            reader.expect(columns.shape());
        }
        let summary = Summary::of(format, (header_line, n_above), &columns, options);
        let default_ddd = options.default_ddd;
        let (ours, asides) = (Ours::default(), Asides::default());
        let mut intake =
            Self { input, columns, summary, default_ddd, is_first: true, n_rows: 0, ours, asides };
        if !intake.advance()? {
            return Err(IntakeError::NoRows.beside_hidden(&hidden_sheets));
        }
        Ok(intake)
    }

    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The headers of the input's own columns, in order.
    pub fn headers(&self) -> &[String] {
        &self.columns.own_names
    }

    /// Fields that no column and no setting says anything of.
    pub fn lacks(&self) -> Vec<Field> {
        let columns = &self.columns;
        let is_said = |field: &Field| {
            columns.said.contains(field) || columns.params.iter().any(|param| param.object == *field)
        };
        Field::ALL.into_iter().filter(|field| !is_said(field)).collect()
    }

    /// Objects that are made of the columns and settings of their keys alone, and those keys.
    pub fn keys(&self) -> Vec<(Field, Vec<String>)> {
        let columns = &self.columns;
        let keys_of = |object: Field| {
            let params = columns.params.iter().filter(|param| param.object == object);
            (object, params.map(|param| param.key.clone()).collect::<Vec<_>>())
        };
        let is_whole = |field: &Field| columns.fields[*field] != (None, None);
        let objects = Field::ALL.into_iter().filter(|field| field.kind() == Kind::Object);
        objects.filter(|field| !is_whole(field)).map(keys_of).filter(|(_, keys)| !keys.is_empty()).collect()
    }

    /// What rows of ours the file has. Known before the first row is given.
    pub fn ours(&self) -> &Ours {
        &self.ours
    }

    /// Watches the column of the service's id, if it was taken for that by a name that may mean something
    /// else.
    pub fn guessed_service(&self) -> Option<GuessedService> {
        self.columns.guessed_service().map(|name| GuessedService::new(name.to_owned()))
    }

    /// What was passed over so far.
    pub fn asides(&self) -> Asides {
        self.asides
    }

    /// The column that a [`Problem::field`](crate::ticket::Problem::field) was read from, as the file
    /// calls it.
    pub fn column_of(&self, field: &str) -> Option<&str> {
        self.columns.column_of(field)
    }

    /// The next row that is not blank.
    ///
    /// # Errors
    ///
    /// If the rest of the file cannot be read. The rows before it stand.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, IntakeError> {
        if !std::mem::take(&mut self.is_first) && !self.advance()? {
            return Ok(None);
        }
        self.n_rows += 1;
        let delimiter = match self.summary.format {
            Format::Text { delimiter, .. } => char::from(delimiter),
            Format::Workbook { .. } => ';',
        };
        let record = self.input.record();
        let (columns, default_ddd) = (&self.columns, self.default_ddd);
        Ok(Some(Row { line: record.line, record, columns, default_ddd, delimiter }))
    }

    /// What was read.
    pub fn finish(self) -> Finish {
        Finish { n_rows: self.n_rows, sha256: self.input.sha256() }
    }

    /// Goes to the next record that is a row.
    fn advance(&mut self) -> Result<bool, IntakeError> {
        while self.input.advance()? {
            let record = self.input.record();
            // Most rows begin with a number: they are neither blank nor an explanation, and count nothing.
            let begins_with_number = matches!(record.cell(0).as_bytes(), [b'0'..=b'9', ..]);
            if !begins_with_number && (record.cells().all(is_blank) || template::explains(record)) {
                continue;
            }
            if self.summary.hidden == Hidden::Skip && self.input.is_hidden() {
                continue;
            }
            if !begins_with_number && self.columns.is_total(record) {
                self.asides.n_totals += 1;
                if self.asides.n_totals == 1 {
                    self.asides.first_total = record.line;
                }
                continue;
            }
            if self.columns.has_note(record) {
                self.asides.n_notes += 1;
                if self.asides.n_notes == 1 {
                    self.asides.first_note = record.line;
                }
                // Nothing of it is in a column.
                if self.columns.is_beside(record) {
                    continue;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }
}
