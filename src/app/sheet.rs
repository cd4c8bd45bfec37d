//! The spreadsheet that was named, opened as often as it has to be read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use jiff::Timestamp;

use super::fault::Fault;
use crate::intake::{
    ColumnDoubt, Customers, Format, Hashing, Intake, IntakeOptions, Map, Remembered, Services, Source,
};
use crate::registry::{ColumnMemory, Mapping, RegistryError};
use crate::settings::Reading;
use crate::ticket::{CustomerKey, Field, is_without_ddd};

/// Whether FILE is standard input, `-` or by its names: it has no folder for results beside it, and is read
/// once.
pub fn is_stdin(file: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| file.as_os_str() == *name)
}

/// FILE, for people.
pub fn name_of(file: &Path) -> String {
    if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() }
}

/// A spreadsheet, and how it is read.
pub struct Sheet {
    pub file: PathBuf,
    pub reading: Reading,
    remembered: Vec<Remembered>,
    source: Source,
    /// Which services were found for its customers.
    pub services: Option<Rc<Services>>,
}

impl Sheet {
    /// One that is read once.
    pub fn once(file: PathBuf, reading: Reading) -> Self {
        let source = if is_stdin(&file) { Source::Stdin } else { Source::Path(file.clone()) };
        Self { file, reading, remembered: Vec::new(), source, services: None }
    }

    /// A copy, kept elsewhere, of what a person calls `file`: its work folder is beside that.
    pub fn copied(file: PathBuf, copy: PathBuf, reading: Reading) -> Self {
        Self { file, reading, remembered: Vec::new(), source: Source::Path(copy), services: None }
    }

    /// One that is read several times, one after the other: of standard input a copy is kept.
    pub fn kept(file: PathBuf, reading: Reading) -> Result<Self, Fault> {
        let once = Self::once(file, reading);
        Ok(Self { source: once.source.kept()?, ..once })
    }

    /// Opens it and reads its header.
    pub fn open(&self, hashing: Hashing) -> Result<Intake, Fault> {
        let reading = &self.reading;
        let options = IntakeOptions {
            encoding: reading.encoding,
            delimiter: reading.delimiter,
            sheet: reading.sheet.clone(),
            header_row: reading.header_row,
            map: reading.map.clone(),
            remembered: self.remembered.clone(),
            set: reading.set.clone(),
            default_ddd: reading.default_ddd,
            hashing,
            hidden: reading.hidden.unwrap_or_default(),
            customers: if reading.find_service { Customers::Asked } else { Customers::Ignored },
            services: self.services.clone(),
        };
        Ok(Intake::open(&self.source, &options)?)
    }

    /// `intake`, of which nothing was read yet; opened again if a copy of standard input was read meanwhile.
    pub fn unread(&self, intake: Intake, hashing: Hashing) -> Result<Intake, Fault> {
        if !self.is_stdin() {
            return Ok(intake);
        }
        drop(intake);
        self.open(hashing)
    }

    /// Holds for its columns what was said of a file with the same names, if nothing is said of them now.
    /// Returns what is wrong with the memory.
    pub fn recall(&mut self, memory: &ColumnMemory) -> Option<RegistryError> {
        if !self.reading.map.is_empty() {
            return None;
        }
        let (mappings, error) = memory.all();
        // What another version of this program knew of fields is passed over whole.
        let maps_of = |mapping: &Mapping| {
            let map = |(column, field): &(String, String)| {
                Some(Map { column: column.clone(), target: field.parse().ok()? })
            };
            mapping.map.iter().map(map).collect::<Option<Vec<_>>>()
        };
        let remembered = mappings.iter().filter_map(|mapping| {
            Some(Remembered { headers: mapping.headers.clone(), maps: maps_of(mapping)? })
        });
        self.remembered = remembered.collect();
        error
    }

    /// Remembers what is said of the columns of `intake`, which is the sheet opened.
    pub fn remember(&self, intake: &Intake, memory: &ColumnMemory) -> Result<(), RegistryError> {
        if self.reading.map.is_empty() {
            return Ok(());
        }
        let pair = |map: &Map| (map.column.clone(), map.target.to_string());
        memory.remember(&Mapping {
            at: Timestamp::now(),
            headers: intake.headers_key(),
            map: self.reading.map.iter().map(pair).collect(),
        })
    }

    pub fn is_stdin(&self) -> bool {
        is_stdin(&self.file)
    }

    /// Rows that nobody sees in it, if it was not said what becomes of them: to be asked, and to be opened
    /// again once [`Self::reading`] says it.
    pub fn n_hidden(&self, intake: &Intake) -> u64 {
        match intake.summary().format {
            Format::Workbook { n_hidden, .. } if self.reading.hidden.is_none() => n_hidden,
            _ => 0,
        }
    }

    /// Rows whose phone lacks its area code, if it was not said which one is put in front. All rows are read:
    /// for who is about to ask a person.
    pub fn n_without_ddd(&self) -> Result<u64, Fault> {
        if self.reading.default_ddd.is_some() {
            return Ok(0);
        }
        let mut intake = self.open(Hashing::Off)?;
        let mut n_rows = 0;
        while let Some(row) = intake.next_row()? {
            if let Err(problems) = row.parse(&row.raw()) {
                n_rows += u64::from(problems.iter().any(is_without_ddd));
            }
        }
        Ok(n_rows)
    }

    /// What is not sure of the columns. The rows are read only if their header leaves it open.
    pub fn doubts(&self) -> Result<Vec<ColumnDoubt>, Fault> {
        let mut intake = self.open(Hashing::Off)?;
        let mut doubts = intake.summary().doubts.clone();
        if let Some(mut guess) = intake.guessed_service() {
            while let Some(row) = intake.next_row()? {
                if let Ok(parsed) = row.parse(&row.raw()) {
                    guess.add(&parsed.ticket);
                }
            }
            doubts.extend(guess.finish());
        }
        Ok(doubts)
    }
}

/// The file's own names of the fields, for `problems.csv`.
pub type ColumnNames = HashMap<String, String>;

/// The columns that fields are read from, as the file calls them.
pub fn column_names(intake: &Intake) -> ColumnNames {
    let named = |name: &'static str| Some((name.to_owned(), intake.column_of(name)?.to_owned()));
    let names = Field::ALL.map(Field::name).into_iter().chain(CustomerKey::ALL.map(CustomerKey::name));
    names.filter_map(named).collect()
}
