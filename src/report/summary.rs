//! `summary.json`, and what `--json` prints at the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::csv_out::{publish, temporary};
use super::{ReportError, SUMMARY};
use crate::printable;

/// Largest `summary.json` that is read. Bytes: a hundred times what a long day of pauses makes.
const LEN_MAX: u64 = 4 << 20;

/// A contract: names and meanings change only with `version`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub version: u32,
    pub batch: String,
    /// Where the tickets are: a host, or `sandbox` if nothing of it is real. `None`: nothing was sent.
    pub host: Option<String>,
    pub source: SourceSummary,
    pub counts: Counts,
    pub reasons: Vec<ReasonSummary>,
    pub reasons_others: u64,
    /// Of `--find-service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customers: Option<CustomersSummary>,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub elapsed_s: f64,
    pub api: ApiSummary,
    pub pace: PaceSummary,
    /// How the run went, by the keys of a settings file.
    pub settings: BTreeMap<&'static str, String>,
    pub exit_code: u8,
}

#[derive(Clone, Debug, Serialize)]
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
    /// A part of `opened`: another ticket is open for the service, of another type.
    pub opened_beside: u64,
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

/// Customers whose services were to be found; each is one of `found` to `refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CustomersSummary {
    pub total: u64,
    /// They were looked up now; the others are known from an earlier call.
    pub asked: u64,
    pub from_earlier: u64,
    pub found: u64,
    /// They have several active services, or none.
    pub several: u64,
    pub none: u64,
    /// HubSoft has no such customer.
    pub unknown: u64,
    /// HubSoft did not show them, or not readably.
    pub refused: u64,
}

/// Why rows were not opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonSummary {
    pub state: &'static str,
    pub code: Option<String>,
    pub field: Option<String>,
    /// HubSoft's own words, where it has some.
    pub message: Option<String>,
    pub n_rows: u64,
    /// The first of them.
    pub examples: Vec<ExampleSummary>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExampleSummary {
    pub line: u64,
    pub referencia: String,
}

/// Of this run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ApiSummary {
    pub posts: u64,
    pub lookups: u64,
    pub logins: u64,
    /// Answers by HTTP status; `none` counts requests without one.
    pub by_status: BTreeMap<String, u64>,
    pub latency_ms: Latency,
}

/// Milliseconds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Latency {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// Of this run. Rates are requests a second.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct PaceSummary {
    /// `None`: unlimited.
    pub target_per_s: Option<f64>,
    pub mean_per_s: f64,
    pub peak_in_1s: u64,
    pub pauses: Vec<Pause>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Pause {
    pub at: Timestamp,
    pub seconds: f64,
    pub reason: String,
}

impl Summary {
    /// The same without what HubSoft said of rows: that may be about a person.
    pub fn without_words(mut self) -> Self {
        self.reasons.iter_mut().for_each(|reason| reason.message = None);
        self
    }
}

/// Writes `summary.json`.
pub fn write_summary(path: &Path, summary: &Summary) -> Result<(), ReportError> {
    publish(written(path, summary).map_err(ReportError::io(path))?, path)
}

fn written(path: &Path, summary: &impl Serialize) -> io::Result<NamedTempFile> {
    let mut file = temporary(path)?;
    let text = serde_json::to_string_pretty(summary)?;
    file.write_all(printable::json(&text).as_bytes())?;
    file.write_all(b"\n")?;
    Ok(file)
}

/// Takes from the `summary.json` in `folder`, if there is one, what HubSoft said of rows.
pub fn forget_words(folder: &Path) -> Result<(), ReportError> {
    let path = folder.join(SUMMARY);
    let Some(mut summary) = File::open(&path).ok().and_then(|file| read::<Value>(file).ok()) else {
        return Ok(());
    };
    let reasons = summary.get_mut("reasons").and_then(Value::as_array_mut);
    for message in reasons.into_iter().flatten().filter_map(|reason| reason.get_mut("message")) {
        *message = Value::Null;
    }
    publish(written(&path, &summary).map_err(ReportError::io(&path))?, &path)
}

pub(super) fn read<T: DeserializeOwned>(file: File) -> serde_json::Result<T> {
    serde_json::from_reader(file.take(LEN_MAX))
}

/// Whose results lie in `folder`, as its `summary.json` has it.
pub fn batch_of_summary(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Whose {
        batch: String,
    }
    let whose: Whose = read(File::open(folder.join(SUMMARY)).ok()?).ok()?;
    Some(whose.batch)
}
