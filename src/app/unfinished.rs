//! The import that a browser ordered and a person said yes to, until it ends: a program that was cut off goes
//! on with it when it starts again.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::place::Outboxes;
use super::staging::hexadecimal;
use crate::temporary;

/// So long after it was begun it goes on by itself; later a person is to say so. Source: an outage is over by
/// then, or somebody else has seen to it.
const GOES_ON_FOR: SignedDuration = SignedDuration::from_hours(12);

/// Of what is kept: a form has 64 KiB at most, which JSON may make longer. Bytes.
const LEN_MAX: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
pub struct Unfinished {
    /// The sheet, as the kept ones are called.
    pub sheet: String,
    /// How it is read, and where it goes.
    pub form: Vec<(String, String)>,
    /// Of who ordered it: a tag.
    pub language: String,
    /// Tickets that a person said yes to.
    pub n_tickets: u64,
    pub begun_at: Timestamp,
}

impl Unfinished {
    /// Whether it goes on without a word; not by a clock that was set back.
    pub fn goes_on(&self, now: Timestamp) -> bool {
        let since = now.duration_since(self.begun_at);
        !since.is_negative() && since <= GOES_ON_FOR
    }
}

/// Where it is kept: below the state folder, one for each place that a page is of.
pub struct Kept(PathBuf);

impl Kept {
    pub fn of(state_folder: &Path, outboxes: &Outboxes) -> Self {
        // The URL may have a password.
        let place = Sha256::new().chain_update(outboxes.here.as_os_str().as_encoded_bytes());
        let place = place.chain_update([0]).chain_update(outboxes.url.as_deref().unwrap_or_default());
        Self(state_folder.join(format!("page-{}.json", hexadecimal(place.finalize().into()))))
    }

    /// What is there; nothing where it cannot be read.
    pub fn read(&self) -> Option<Unfinished> {
        let mut json = String::new();
        File::open(&self.0).ok()?.take(LEN_MAX).read_to_string(&mut json).ok()?;
        serde_json::from_str(&json).ok()
    }

    pub fn write(&self, unfinished: &Unfinished) -> Result<(), Fault> {
        let folder = self.0.parent().unwrap_or(Path::new(""));
        let write = || {
            temporary::make_folder(folder)?;
            let mut file = temporary::file_in(folder)?;
            file.write_all(serde_json::to_string(unfinished)?.as_bytes())?;
            temporary::publish(file, &self.0)
        };
        write().map_err(|error| Fault::Folder { folder: folder.to_owned(), error, has_outbox: false })
    }

    pub fn forget(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_by_itself_for_half_a_day() {
        let begun_at = Timestamp::from_second(1_800_000_000).unwrap();
        let (sheet, language) = (String::new(), String::new());
        let unfinished = Unfinished { sheet, form: Vec::new(), language, n_tickets: 1, begun_at };
        for (after_s, expected) in [(0, true), (43_200, true), (43_201, false), (-1, false)] {
            let now = begun_at + SignedDuration::from_secs(after_s);
            assert_eq!(unfinished.goes_on(now), expected, "{after_s}");
        }
    }
}
