//! What is told: docs/json.md has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

/// What happened to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is through.
    Finished,
    /// It was told to stop.
    Stopped,
    /// It stopped by itself before its end, or a batch of it did.
    Halted,
    /// It could not begin, or not go on.
    Failed,
    /// It stands still for long, and goes on by itself once that is over.
    Paused,
}

impl Event {
    /// As JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Halted => "halted",
            Self::Failed => "failed",
            Self::Paused => "paused",
        }
    }
}

/// Rows by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub opened: u64,
    pub invalid: u64,
    pub rejected: u64,
    pub failed: u64,
    pub skipped: u64,
    pub unconfirmed: u64,
    pub conflict: u64,
    /// `None`: not counted, as the run goes on or is a worker's.
    pub in_doubt: Option<u64>,
    pub pending: Option<u64>,
}

/// One notice.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    pub version: u32,
    pub event: Event,
    pub at: Timestamp,
    /// `None`: of all batches of an outbox.
    pub batch: Option<String>,
    pub host: Option<String>,
    /// Why it halted or stands still: a code.
    pub reason: Option<&'static str>,
    pub counts: Counts,
    /// Codes of rows that were not opened, by how many.
    pub refusals: BTreeMap<String, u64>,
    /// Of the process; `None`: it goes on.
    pub exit_code: Option<u8>,
}

impl Message {
    /// That this happened now.
    pub fn now(event: Event) -> Self {
        Self {
            version: 1,
            event,
            at: Timestamp::now(),
            batch: None,
            host: None,
            reason: None,
            counts: Counts::default(),
            refusals: BTreeMap::new(),
            exit_code: None,
        }
    }

    pub(super) fn json(&self) -> String {
        // Of numbers and texts JSON can always be made.
        serde_json::to_string(self).unwrap_or_default()
    }
}
