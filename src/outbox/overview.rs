//! How a shared outbox stands now: what waits, who works, and what was settled in the last day. What is done
//! with for longer is not counted, however many rows that are.

use jiff::Timestamp;

use super::{Course, Status};

#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Of the rows that are not done with.
    pub waiting: Status,
    /// Those that are alive, the oldest first.
    pub workers: Vec<Worker>,
    /// In each hour of the last 24.
    pub day: Course,
    /// Settled in the last minute, of rows that were sent.
    pub n_last_minute: u64,
}

/// A process that opens tickets.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// What it is, and process and machine.
    pub name: String,
    pub since: Timestamp,
    /// Its ceiling. Requests a second; `None`: unlimited.
    pub rate_per_s: Option<f64>,
}

/// What is searched for in all rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// A service, a protocolo, a reference, an id.
    pub text: String,
    /// Whether a part of a protocolo is meant too.
    pub is_part: bool,
    /// Words of a name, without case and accents; none: no name is meant.
    pub words: Vec<String>,
}
