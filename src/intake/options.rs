//! What a person may say about a file.

use std::str::FromStr;

use super::bytes::Hashing;
use super::delimiter::Delimiter;
use super::encoding::Encoding;
use super::header::{Map, Set};
use super::words::BadOption;
use crate::ticket::Ddd;

/// What a person said about a file. By default everything is recognised.
#[derive(Clone, Debug, Default)]
pub struct IntakeOptions {
    pub encoding: Option<Encoding>,
    pub delimiter: Option<Delimiter>,
    pub map: Vec<Map>,
    pub set: Vec<Set>,
    /// Put in front of phones that lack an area code.
    pub default_ddd: Option<Ddd>,
    pub hashing: Hashing,
    pub hidden: Hidden,
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
