//! A doubt as it stands in its row's columns.

use serde::{Deserialize, Serialize};

use super::time;
use crate::delivery::Doubt;

/// In the order in which a claim reads them; a settle writes each by its name.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct DoubtColumns {
    since: i64,
    hubsoft_at: Option<i64>,
    precaution: u8,
    absences: u32,
    last_absence: Option<i64>,
    answered: u32,
}

impl From<&Doubt> for DoubtColumns {
    fn from(doubt: &Doubt) -> Self {
        Self {
            since: doubt.since.as_millisecond(),
            hubsoft_at: doubt.hubsoft_at.map(|at| at.as_millisecond()),
            precaution: u8::from(doubt.precaution),
            absences: doubt.absences,
            last_absence: doubt.last_absence.map(|at| at.as_millisecond()),
            answered: doubt.answered,
        }
    }
}

impl From<DoubtColumns> for Doubt {
    fn from(columns: DoubtColumns) -> Self {
        Self {
            since: time(columns.since),
            hubsoft_at: columns.hubsoft_at.map(time),
            precaution: columns.precaution != 0,
            absences: columns.absences,
            last_absence: columns.last_absence.map(time),
            answered: columns.answered,
        }
    }
}
