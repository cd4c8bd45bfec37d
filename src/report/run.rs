//! How the last run went, as `summary.json` has it: for reports that are written later.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use super::SUMMARY;
use super::summary::{ApiSummary, PaceSummary, Summary, read};

/// A run, as far as it is known.
#[derive(Debug, Deserialize)]
pub struct Run {
    batch: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    #[serde(default)]
    pub api: ApiSummary,
    #[serde(default)]
    pub pace: PaceSummary,
    /// By their keys in a settings file.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl Run {
    pub fn of_summary(summary: &Summary) -> Option<Self> {
        Self::of_json(&serde_json::to_string(summary).ok()?, &summary.batch)
    }

    /// The run of `batch` that a summary tells of. `None`: it is not one of ours, or another batch's.
    pub fn of_json(json: &str, batch: &str) -> Option<Self> {
        serde_json::from_str(json).ok().filter(|run: &Self| run.batch == batch)
    }

    /// The run of `batch` whose `summary.json` lies in `folder`.
    pub fn in_folder(folder: &Path, batch: &str) -> Option<Self> {
        let run: Self = read(File::open(folder.join(SUMMARY)).ok()?).ok()?;
        Some(run).filter(|run| run.batch == batch)
    }
}
