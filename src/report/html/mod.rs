//! `report.html`: what happened, on one page that opens from an e-mail and prints.
//!
//! It has no scripts, loads nothing, and says nothing of people unless that was asked for. Its size is
//! bounded, however many rows there are.

mod page;
mod plot;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::account::Account;
use super::csv_out::{publish, temporary};
use super::{ReportError, Run};
use crate::delivery::State;

/// Rows that are named at most.
pub const NEEDY_MAX: usize = 500;

/// What `report.html` tells.
pub struct Report<'a> {
    pub account: &'a Account,
    /// `None`: nothing was sent.
    pub course: Option<&'a Course>,
    /// The first rows that need a person, at most [`NEEDY_MAX`].
    pub needy: &'a [Needy],
    /// How many need one in all.
    pub n_needy: u64,
    /// The last run, if anything is known of it.
    pub run: Option<&'a Run>,
    pub people: People,
}

/// What is told of people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum People {
    /// Nothing: neither names, nor what HubSoft said, in which a name may stand.
    #[default]
    Hidden,
    /// Both.
    Shown,
}

/// How rows were settled over time.
#[derive(Clone, Debug)]
pub struct Course {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Of a span, which is at least a second.
    pub length: Duration,
    /// In order; none twice, and none behind `to`.
    pub spans: Vec<Span>,
}

/// What was settled in a span.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// From 0, at the beginning of the course.
    pub at: u64,
    pub n_opened: u64,
    pub n_refused: u64,
}

/// A row that needs a person.
#[derive(Clone, Debug)]
pub struct Needy {
    pub line: u64,
    pub referencia: String,
    pub state: State,
    pub code: String,
    /// May have words of HubSoft.
    pub message: String,
    /// Whose ticket it is, where that is to be shown.
    pub nome: Option<String>,
}

/// Writes `report.html`.
pub fn write_report(path: &Path, report: &Report<'_>) -> Result<(), ReportError> {
    let write = || {
        let mut file = BufWriter::new(temporary(path)?);
        page::write(&mut file, report)?;
        file.flush()?;
        file.into_inner().map_err(|error| error.into_error())
    };
    publish(write().map_err(ReportError::io(path))?, path)
}
