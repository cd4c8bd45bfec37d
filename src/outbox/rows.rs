//! Rows, as they are shown.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::identity::Marker;
use crate::delivery::{AttemptKind, Doubt, RowId, State};
use crate::ticket::code::BatchCode;
use crate::ticket::{Problem, RawTicket};

/// One row, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow<'a> {
    pub row: RowId,
    /// A page that ended with it would end here.
    pub place: Cursor,
    pub line: u64,
    pub lote: Cow<'a, str>,
    /// Of the batch that `lote` names, if that has one yet.
    pub code: Option<BatchCode>,
    pub referencia: Cow<'a, str>,
    pub state: State,
    pub cells: Vec<Cow<'a, str>>,
    pub protocolo: Option<Cow<'a, str>>,
    pub id_atendimento: Option<i64>,
    pub ids_ordem_servico: Vec<i64>,
    pub numeros_ordem_servico: Vec<Cow<'a, str>>,
    pub attempts: u32,
    pub error_code: Option<Cow<'a, str>>,
    pub error_message: Option<Cow<'a, str>>,
    pub warning: Option<Cow<'a, str>>,
    /// Its file no longer has it. It stands behind the rows of the file, while it may have a ticket.
    pub is_gone: bool,
    /// A correction changed it since its file came.
    pub is_corrected: bool,
}

/// Where a page ended: give it back to get the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub(super) i64);

impl Cursor {
    /// Where a page ended, as somebody kept it ([`Self::number`]).
    pub fn of_number(number: i64) -> Self {
        Self(number)
    }

    pub fn number(self) -> i64 {
        self.0
    }
}

/// What is wrong with one row that needs a person: all problems that we found, or what HubSoft said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblems {
    pub line: u64,
    pub state: State,
    /// Values as they stand in the row.
    pub problems: Vec<Problem>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
}

/// A row by what a person knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowName<'a> {
    Id(RowId),
    /// `BATCH:LINE`.
    Line {
        batch: &'a str,
        line: u64,
    },
    /// `LOTE:REFERENCIA`.
    Reference {
        lote: &'a str,
        referencia: &'a str,
    },
}

/// One row, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct RowDetails {
    pub report: ReportRow<'static>,
    pub batch: String,
    /// What its ticket carries, once one was sent; `None`: nobody has spoken of its lote yet.
    pub marker: Option<Marker>,
    pub fields: RawTicket<'static>,
    pub problems: Vec<Problem>,
    pub sent_at: Option<Timestamp>,
    pub available_at: Timestamp,
    pub doubt: Option<Doubt>,
    pub finished_at: Option<Timestamp>,
    /// When what it said of people was taken from it.
    pub purged_at: Option<Timestamp>,
    /// Oldest first.
    pub history: Vec<StoredAttempt>,
}

/// One entry of a row's history, as it is stored: an [`Attempt`](crate::delivery::Attempt), or a person's
/// word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAttempt {
    pub at: Timestamp,
    pub kind: AttemptKind,
    pub verdict: String,
    pub http_status: Option<u16>,
    pub latency: Duration,
    /// In words.
    pub note: String,
}
