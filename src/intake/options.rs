//! What a person may say about a file.

use std::rc::Rc;
use std::str::FromStr;

use super::bytes::Hashing;
use super::delimiter::Delimiter;
use super::encoding::Encoding;
use super::header::{self, Map, Set};
use super::remembered::{self, Remembered};
use super::services::{Customers, Services};
use super::words::{BadOption, IntakeError};
use super::workbook::SheetName;
use crate::ticket::{Ddd, is_blank};

/// What a person said about a file. By default everything is recognised.
#[derive(Clone, Debug, Default)]
pub struct IntakeOptions {
    pub encoding: Option<Encoding>,
    pub delimiter: Option<Delimiter>,
    /// Of a workbook; the best one is found otherwise.
    pub sheet: Option<SheetChoice>,
    /// The line that names the columns; it is found otherwise.
    pub header_row: Option<u64>,
    pub map: Vec<Map>,
    /// What was said of other files' columns; holds for those with the same names, if `map` says nothing.
    pub remembered: Vec<Remembered>,
    pub set: Vec<Set>,
    /// Put in front of phones that lack an area code.
    pub default_ddd: Option<Ddd>,
    pub hashing: Hashing,
    pub hidden: Hidden,
    pub customers: Customers,
    /// What is known of customers.
    pub services: Option<Rc<Services>>,
}

impl IntakeOptions {
    /// What a person maps, or what was said of a file that this one may be like.
    pub(super) fn maps_that_may_be(&self) -> impl Iterator<Item = &Map> {
        let known = self.remembered.iter().filter(|_| self.map.is_empty());
        self.map.iter().chain(known.flat_map(|known| &known.maps))
    }

    /// What is said of the columns of a file with these names.
    pub(super) fn maps_of(&self, names: &[String]) -> &[Map] {
        if self.map.is_empty() { remembered::of_names(&self.remembered, names) } else { &self.map }
    }
}

/// The sheet of a workbook that is meant: its name, or its number among those that are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetChoice(String); // Invariant: not blank.

impl SheetChoice {
    /// Which of `sheets` it is. A name goes before a number, and the very name before one that is spelt
    /// otherwise.
    pub(super) fn find(&self, sheets: &[SheetName], hidden: &[String]) -> Result<usize, IntakeError> {
        let by_name = |is_name: &dyn Fn(&str) -> bool| sheets.iter().position(|sheet| is_name(&sheet.name));
        let normal = header::normal(&self.0);
        let is_spelt_so = |name: &str| !normal.is_empty() && header::normal(name) == normal;
        if let Some(at) = by_name(&|name| name == self.0).or_else(|| by_name(&is_spelt_so)) {
            return Ok(at);
        }
        if let Some(sheet) = hidden.iter().find(|name| **name == self.0 || is_spelt_so(name)) {
            return Err(IntakeError::HiddenSheet { sheet: sheet.clone() });
        }
        let number = self.0.trim().parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        number.filter(|at| *at < sheets.len()).ok_or_else(|| IntakeError::NoSuchSheet {
            wanted: self.0.clone(),
            found: sheets.iter().map(|sheet| sheet.name.clone()).collect(),
        })
    }
}

impl FromStr for SheetChoice {
    type Err = BadOption;

    fn from_str(text: &str) -> Result<Self, BadOption> {
        if is_blank(text) { Err(BadOption::Sheet) } else { Ok(Self(text.to_owned())) }
    }
}

/// What becomes of rows of a workbook that are hidden, by a filter or by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hidden {
    /// They are rows like others.
    #[default]
    Open,
    Skip,
}

impl FromStr for Hidden {
    type Err = BadOption;

    fn from_str(text: &str) -> Result<Self, BadOption> {
        match text {
            "open" => Ok(Self::Open),
            "skip" => Ok(Self::Skip),
            _ => Err(BadOption::Hidden),
        }
    }
}
