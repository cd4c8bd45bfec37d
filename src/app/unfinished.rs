//! The import that a browser ordered and a person said yes to, until it ends: a program that was cut off goes
//! on with it when it starts again.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::place::Outboxes;
use super::staging::{ReadIn, hexadecimal};
use crate::outbox::{AnyOutbox, ImportId};
use crate::registry::UserName;
use crate::{platform, temporary};

/// So long after it was begun it goes on by itself; later a person is to say so. Source: an outage is over by
/// then, or somebody else has seen to it.
const GOES_ON_FOR: SignedDuration = SignedDuration::from_hours(12);

/// Of what is kept: a form has 64 KiB at most, which JSON may make longer. Bytes.
const LEN_MAX: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
pub struct Unfinished {
    /// The sheet, as the kept ones are called.
    pub sheet: String,
    /// Who ordered it. `None`: who brought the key of the page.
    #[serde(default)]
    pub by: Option<UserName>,
    /// How it is read, and where it goes.
    pub form: Vec<(String, String)>,
    /// Of who ordered it: a tag.
    pub language: String,
    pub agreed: Agreed,
}

/// What a person said yes to. It holds for the very batch, which is of one outbox and into which nobody
/// imported since; and for the very tickets, opened in the very way: what else a sheet comes to in another
/// folder, with other settings, read in another way or by another version is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    pub what: BatchContent,
    pub n_tickets: u64,
    /// When they said so.
    pub at: Timestamp,
}

/// Rows of a batch, and how they are opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchContent {
    /// The code of the batch.
    pub batch: String,
    /// Its latest import. Another one since, from a terminal or another page, has its own way and end.
    pub import: i64,
    /// What the cells of the rows come to.
    pub content: String,
    /// What the tickets come to that they are read as ([`ReadIn::tickets`]), in hexadecimal: settings,
    /// columns that were said, services that were found and another version make others of the same cells.
    pub tickets: String,
    pub terms: Terms,
}

/// Of what says how rows are opened, that which decides about which of them are, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Of the HubSoft.
    pub binding: String,
    pub skip_if_open: bool,
    pub verify_first: bool,
    pub allow_repeats: bool,
}

/// What was read in, after `import`. `None`: its batch is not in the outbox for good, or has no code.
pub async fn batch_content(
    outbox: &AnyOutbox,
    read: &ReadIn,
    import: ImportId,
    terms: &Terms,
) -> Result<Option<BatchContent>, Fault> {
    let info = outbox.reader().batch_info(&read.merged.batch_name).await?;
    Ok(info.and_then(|info| info.code).map(|code| BatchContent {
        batch: code.to_string(),
        import: import.0,
        content: read.content.to_string(),
        tickets: format!("{:032x}", read.tickets),
        terms: terms.clone(),
    }))
}

impl Agreed {
    /// Whether it goes on without a word; not by a clock that was set back.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let since = now.duration_since(self.at);
        !since.is_negative() && since <= GOES_ON_FOR
    }

    /// Whether `n_tickets` of `what` were agreed to.
    pub fn covers(&self, what: Option<&BatchContent>, n_tickets: u64) -> bool {
        what == Some(&self.what) && n_tickets <= self.n_tickets
    }
}

impl Unfinished {
    /// Whether it goes on without a word.
    pub fn goes_on(&self, now: Timestamp) -> bool {
        self.agreed.is_fresh(now)
    }
}

/// Where it is kept: below the state folder, one for each place that a page is of. Held by one process at a
/// time: two would go on with the same.
pub struct Kept {
    path: PathBuf,
    /// Held as long as it is open.
    _lock: File,
    /// One thing after the other: what a person stopped is not to be written once more.
    turn: Mutex<()>,
}

impl Kept {
    /// `None`: another page of the same place holds it, or there is no place for it.
    pub fn of(state_folder: &Path, outboxes: &Outboxes) -> Option<Self> {
        let here = outboxes.here.join(".").canonicalize().ok()?;
        // The URL may have a password.
        let place = Sha256::new().chain_update(here.as_os_str().as_encoded_bytes());
        let place = place.chain_update([0]).chain_update(outboxes.url.as_deref().unwrap_or_default());
        let path = state_folder.join(format!("page-{}.json", hexadecimal(place.finalize().into())));
        temporary::make_folder(state_folder).ok()?;
        let lock = platform::lock(&path.with_extension("json-lock")).ok()??;
        Some(Self { path, _lock: lock, turn: Mutex::new(()) })
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there; nothing where it cannot be read.
    pub fn read(&self) -> Option<Unfinished> {
        let mut json = String::new();
        File::open(&self.path).ok()?.take(LEN_MAX).read_to_string(&mut json).ok()?;
        serde_json::from_str(&json).ok()
    }

    /// Unless a person has stopped it by then.
    pub fn write(&self, unfinished: &Unfinished, is_stopped: impl FnOnce() -> bool) -> Result<(), Fault> {
        let _turn = self.turn();
        if is_stopped() {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let write = || {
            let mut file = temporary::file_in(folder)?;
            file.write_all(serde_json::to_string(unfinished)?.as_bytes())?;
            temporary::publish(file, &self.path)
        };
        write().map_err(|error| Fault::Folder { folder: folder.to_owned(), error, has_outbox: false })
    }

    /// Nobody goes on with the import of `sheet`.
    pub fn forget(&self, sheet: &str) -> Result<(), Fault> {
        let _turn = self.turn();
        if self.read().is_some_and(|unfinished| unfinished.sheet != sheet) {
            return Ok(());
        }
        let folder = || self.path.parent().unwrap_or(Path::new("")).to_owned();
        let forgotten = temporary::unpublish(&self.path);
        forgotten.map_err(|error| Fault::Folder { folder: folder(), error, has_outbox: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(at: Timestamp) -> Agreed {
        Agreed { what: what(), n_tickets: 10, at }
    }

    fn what() -> BatchContent {
        let (skip_if_open, verify_first, allow_repeats) = (false, false, false);
        let binding = "erp.example.com".to_owned();
        let terms = Terms { binding, skip_if_open, verify_first, allow_repeats };
        let [batch, content, tickets] = ["BBBBBBBB", "c", "t"].map(str::to_owned);
        BatchContent { batch, import: 7, content, tickets, terms }
    }

    #[test]
    fn it_goes_on_by_itself_for_half_a_day() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        for (after_s, expected) in [(0, true), (43_200, true), (43_201, false), (-1, false)] {
            let now = at + SignedDuration::from_secs(after_s);
            assert_eq!(agreed(at).is_fresh(now), expected, "{after_s}");
        }
    }

    #[test]
    fn what_was_agreed_to_is_those_tickets_of_that_import_in_that_way_and_no_more_of_them() {
        let agreed = agreed(Timestamp::UNIX_EPOCH);
        let other = |change: &dyn Fn(&mut BatchContent)| {
            let mut what = what();
            change(&mut what);
            Some(what)
        };
        let text = || "x".to_owned();
        for (what, n_tickets, expected) in [
            (Some(what()), 10, true),
            (Some(what()), 3, true),
            (Some(what()), 11, false),
            (other(&|what| what.batch = text()), 3, false),
            (other(&|what| what.import = 8), 3, false),
            (other(&|what| what.content = text()), 3, false),
            (other(&|what| what.tickets = text()), 3, false),
            (other(&|what| what.terms.binding = text()), 3, false),
            (other(&|what| what.terms.skip_if_open = true), 3, false),
            (other(&|what| what.terms.verify_first = true), 3, false),
            (other(&|what| what.terms.allow_repeats = true), 3, false),
            (None, 3, false),
        ] {
            assert_eq!(agreed.covers(what.as_ref(), n_tickets), expected, "{what:?}, {n_tickets}");
        }
    }

    /// Seen: what was begun in one folder went on in another, and a second page deleted what the first kept.
    #[test]
    fn each_folder_has_its_own_and_one_page_holds_it() {
        let state = tempfile::tempdir().unwrap();
        let [here, there] = ["a", "b"].map(|name| state.path().join(name));
        for folder in [&here, &there] {
            std::fs::create_dir(folder).unwrap();
        }
        let at = |here: &Path| Outboxes { url: None, here: here.to_owned(), user: String::new() };
        let kept = Kept::of(state.path(), &at(&here)).unwrap();
        let (sheet, language) = ("s".to_owned(), String::new());
        let agreed = agreed(Timestamp::UNIX_EPOCH);
        let unfinished = Unfinished { sheet, by: None, form: Vec::new(), language, agreed };
        kept.write(&unfinished, || true).unwrap();
        assert!(kept.read().is_none(), "it was stopped");
        kept.write(&unfinished, || false).unwrap();
        assert!(Kept::of(state.path(), &at(&here)).is_none(), "another page");
        assert!(Kept::of(state.path(), &at(&there)).unwrap().read().is_none(), "another folder");
        kept.forget("another").unwrap();
        assert!(kept.read().is_some());
        kept.forget("s").unwrap();
        kept.forget("s").unwrap();
        assert!(kept.read().is_none());
        drop(kept);
        assert!(Kept::of(state.path(), &at(&here)).is_some());
    }
}
