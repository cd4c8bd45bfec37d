//! `summary.json`, and what `--json` prints at the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ReportError;
use super::csv_out::{publish, temporary};
use crate::printable;

/// Largest `summary.json` that is read. Bytes: a hundred times what a long day of pauses makes.
const LEN_MAX: u64 = 4 << 20;

/// A contract: names and meanings change only with `version`.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub version: u32,
    pub batch: String,
    /// Where the tickets are: a host, or `sandbox` if nothing of it is real. `None`: nothing was sent.
    pub host: Option<String>,
    pub source: SourceSummary,
    pub counts: Counts,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub elapsed_s: f64,
    pub api: ApiSummary,
    pub pace: PaceSummary,
    pub exit_code: u8,
}

#[derive(Debug, Serialize)]
pub struct SourceSummary {
    pub file: String,
    /// Lower-case hexadecimal.
    pub sha256: String,
    pub encoding: String,
    pub delimiter: String,
    pub rows: u64,
}

/// Of the current file's rows. What is in flight when a run has ended is in doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub total: u64,
    pub opened: u64,
    /// A part of `opened`: a service order was asked for and is missing.
    pub opened_without_os: u64,
    pub invalid: u64,
    pub rejected: u64,
    pub failed: u64,
    pub in_doubt: u64,
    pub unconfirmed: u64,
    pub conflict: u64,
    pub skipped: u64,
    pub cancelled: u64,
    pub pending: u64,
    /// A part of `opened`: by an earlier run. `None`: no run is told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_before: Option<u64>,
}

/// Of this run.
#[derive(Debug, Default, Serialize)]
pub struct ApiSummary {
    pub posts: u64,
    pub lookups: u64,
    pub logins: u64,
    /// Answers by HTTP status; `none` counts requests without one.
    pub by_status: BTreeMap<String, u64>,
    pub latency_ms: Latency,
}

/// Milliseconds.
#[derive(Debug, Default, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// Of this run. Rates are requests a second.
#[derive(Debug, Default, Serialize)]
pub struct PaceSummary {
    /// `None`: unlimited.
    pub target_per_s: Option<f64>,
    pub mean_per_s: f64,
    pub peak_in_1s: u64,
    pub pauses: Vec<Pause>,
}

#[derive(Debug, Serialize)]
pub struct Pause {
    pub at: Timestamp,
    pub seconds: f64,
    pub reason: String,
}

/// Writes `summary.json`.
pub fn write_summary(path: &Path, summary: &Summary) -> Result<(), ReportError> {
    let write = || {
        let mut file = temporary(path)?;
        let text = serde_json::to_string_pretty(summary)?;
        file.write_all(printable::json(&text).as_bytes())?;
        file.write_all(b"\n")?;
        Ok(file)
    };
    publish(write().map_err(ReportError::io(path))?, path)
}

/// Whose results lie in `folder`, as its `summary.json` has it.
pub fn batch_of_summary(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Whose {
        batch: String,
    }
    let file = File::open(folder.join("summary.json")).ok()?;
    let whose: Whose = serde_json::from_reader(file.take(LEN_MAX)).ok()?;
    Some(whose.batch)
}
