//! Spreadsheets in: whatever a person saved becomes a stream of rows.
//!
//! [`Intake::open`] recognises encoding, delimiter, sheet and columns; [`Intake::next_row`] gives row after
//! row, in constant memory (but for the texts that an `.xlsx` shares among its cells). A file that cannot be
//! used is an [`IntakeError`]; what is wrong with one row is in that [`Row`].

mod asides;
mod beginning;
mod bytes;
mod chosen;
mod code_page;
mod columns;
mod customer_rows;
mod delimiter;
mod doubts;
mod encoding;
#[cfg(feature = "inside")]
pub(crate) mod fuzz;
mod header;
mod headings;
mod input;
mod limits;
mod options;
mod ours;
mod page_signs;
mod reader;
mod records;
mod remembered;
mod repeats;
mod roles;
mod row;
mod services;
mod summary;
mod survey;
pub mod template;
mod web_page;
mod words;
mod workbook;

use std::fs::File;
use std::io::Seek;
use std::rc::Rc;

pub use asides::Asides;
pub use bytes::{Hashing, Source};
pub use code_page::CodePage;
pub use delimiter::Delimiter;
pub use doubts::{ColumnDoubt, GuessedService};
pub use encoding::Encoding;
pub use header::{Map, RESULT_COLUMNS, Set, Target};
#[cfg(test)]
pub(crate) use headings::HEADINGS;
pub use headings::headings;
pub use options::{Hidden, IntakeOptions, SheetChoice};
pub use ours::Ours;
pub use remembered::Remembered;
pub use repeats::{Repeat, Repeats};
pub use row::Row;
pub use services::{Customers, Found, Services};
pub use summary::{Format, Summary};
pub use words::{Blame, IntakeError};
#[cfg(test)]
pub(crate) use words::{EXAMPLE, KEY, REFERENCIA, TABLE as WORDS, names};

use columns::{Columns, Width};
use input::{Input, Opened};

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
    services: Option<Rc<Services>>,
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
        let Opened { mut input, format, header, wrapping } = Input::open(&mut file, options)?;
        if let Some(line) = input.record().stray {
            return Err(IntakeError::StrayQuoteInHeader { line });
        }
        let width = if matches!(input, Input::Text(_)) { Width::Text } else { Width::Workbook };
        let hidden_sheets = match &format {
            Format::Text { .. } => Vec::new(),
            Format::Workbook { hidden_sheets, .. } => hidden_sheets.clone(),
        };
        let maps = options.maps_of(&header.names);
        let columns = Columns::new(header.names.clone(), width, maps, &options.set, options.customers);
        let columns = columns.map_err(|error| error.beside_hidden(&hidden_sheets))?;
        if let Input::Text(reader) = &mut input {
            reader.expect(columns.shape());
        }
        let summary = Summary::of(format, wrapping, &header, &columns, maps, options);
        let default_ddd = options.default_ddd;
        let (ours, asides) = (Ours::default(), Asides::default());
        let services = options.services.clone();
        let mut intake =
            Self { input, columns, summary, default_ddd, is_first: true, n_rows: 0, ours, asides, services };
        if !intake.advance()? {
            let is_ours = intake.columns.is_result;
            let error = if is_ours { IntakeError::NothingToCorrect } else { IntakeError::NoRows };
            return Err(error.beside_hidden(&hidden_sheets));
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

    /// What this file's columns are called, as one key: of another file with the same names, it is the same.
    pub fn headers_key(&self) -> String {
        remembered::key(&self.columns.names)
    }

    /// Fields that no column and no setting says anything of.
    pub fn lacks(&self) -> Vec<Field> {
        let columns = &self.columns;
        let is_said = |field: &Field| {
            columns.said.contains(field)
                || columns.params.iter().any(|param| param.object == *field)
                || *field == Field::IdClienteServico && !columns.customers.is_empty()
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
        let services = self.services.as_deref();
        Ok(Some(Row { line: record.line, record, columns, default_ddd, delimiter, services }))
    }

    /// What was read.
    pub fn finish(self) -> Finish {
        Finish { n_rows: self.n_rows, sha256: self.input.sha256() }
    }

    /// Goes to the next record that is a row.
    fn advance(&mut self) -> Result<bool, IntakeError> {
        let mut n_blank = 0;
        while self.input.advance()? {
            let record = self.input.record();
            // Most rows begin with a number: they are neither blank nor an explanation, and count nothing.
            let first = record.cell(0).as_bytes();
            let begins_with_number = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
            if !begins_with_number {
                if record.cells().all(is_blank) {
                    // An empty line is no row of anything.
                    n_blank += u64::from(1 < record.len());
                    continue;
                }
                if template::explains(record) {
                    continue;
                }
            }
            if self.summary.hidden == Hidden::Skip && self.input.is_hidden() {
                continue;
            }
            if !begins_with_number
                && record.stray.is_none()
                && let Some(aside) = self.columns.aside(record)
            {
                self.asides.add(aside, record.line);
                continue;
            }
            if self.columns.has_note(record) {
                self.asides.add_note(record.line);
                // Nothing of it is in a column.
                if self.columns.is_beside(record) {
                    continue;
                }
            }
            return Ok(true);
        }
        self.asides.n_blank += n_blank;
        Ok(false)
    }
}
