//! What this user imported lately, and where to: so that the same rows under another name or in another
//! folder are recognised before they are opened a second time.
//!
//! One small file in the user's state folder. It says when, where (host, folder, batch) and a hash of the
//! content; nothing of customers. Whatever is wrong with it is told and blocks nothing: it is a net, the
//! outbox is the promise. Beside it stands what this user said of columns ([`ColumnMemory`]), and who may log
//! in to the page ([`Users`]).

mod columns;
mod kept;
mod users;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use columns::{ColumnMemory, Mapping};
pub use kept::{Lines, RegistryError};
pub use users::{PASSWORD_LEN_MAX, Password, Role, User, UserName, Users};

/// How long content counts as imported lately.
pub const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

const FILE: &str = "imports.jsonl";
const LOCK: &str = "imports.lock";

/// One import that sent something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Timestamp,
    pub host: String,
    /// A hash of what the rows ask for, in whatever order they stand.
    pub content: String,
    /// Which batch it was, whatever it is called.
    pub batch: String,
    /// Where its results are.
    pub folder: String,
}

impl Entry {
    fn is_same_import(&self, other: &Self) -> bool {
        (&self.host, &self.content, &self.batch) == (&other.host, &other.content, &other.batch)
    }
}

/// What became of an import that was to be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Noted {
    /// It stands there now, and did not before.
    New,
    /// It stood there already.
    Before,
    /// It was not noted: these have the same content, and nobody was told of them.
    Untold(Vec<Entry>),
}

#[derive(Clone)]
pub struct Registry(Lines<Entry>);

impl Registry {
    /// In `folder`, which may not be there yet.
    pub fn at(folder: Option<PathBuf>) -> Self {
        Self(Lines::new(folder, FILE, LOCK))
    }

    /// Imports of `content` to `host` within [`REMEMBERED_FOR`], by either way that the clock may have been
    /// set. What is wrong with the registry comes beside what could be read.
    pub fn find(&self, host: &str, content: &str, now: Timestamp) -> (Vec<Entry>, Option<RegistryError>) {
        let (mut entries, error) = match self.0.read() {
            Ok(read) => read,
            Err(error) => return (Vec::new(), Some(error)),
        };
        entries.retain(|entry| entry.host == host && entry.content == content && is_lately(now, entry.at));
        (entries, error)
    }

    /// Notes an import that is about to send; under the lock, so that of two at the same time one is told of
    /// the other.
    pub fn add(&self, entry: &Entry, is_told: impl Fn(&Entry) -> bool) -> Result<Noted, RegistryError> {
        self.0.change(|entries| {
            let n_before = entries.len();
            entries.retain(|other| !other.is_same_import(entry));
            let is_new = entries.len() == n_before;
            let is_untold = |other: &&Entry| {
                (&other.host, &other.content) == (&entry.host, &entry.content)
                    && is_lately(entry.at, other.at)
                    && !is_told(other)
            };
            let untold: Vec<_> = entries.iter().filter(is_untold).cloned().collect();
            if is_new && !untold.is_empty() {
                return Noted::Untold(untold);
            }
            // The newest that is known may be older than a clock that was set: nothing is dropped by that
            // alone.
            if let Some(newest) = entries.iter().map(|entry| entry.at).max() {
                let today = newest.min(entry.at);
                entries.retain(|other| today.duration_since(other.at) <= REMEMBERED_FOR);
            }
            entries.push(entry.clone());
            if is_new { Noted::New } else { Noted::Before }
        })
    }

    /// Takes back what [`Self::add`] noted: nothing was sent.
    pub fn remove(&self, entry: &Entry) -> Result<(), RegistryError> {
        self.0.change(|entries| entries.retain(|other| !other.is_same_import(entry)))
    }
}

fn is_lately(now: Timestamp, at: Timestamp) -> bool {
    now.duration_since(at).abs() <= REMEMBERED_FOR
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::temporary;

    fn at(hours: i64) -> Timestamp {
        Timestamp::constant(1_795_000_000, 0) + SignedDuration::from_hours(hours)
    }

    fn entry(content: &str, batch: &str, hours: i64) -> Entry {
        let text = str::to_owned;
        Entry {
            at: at(hours),
            host: text("erp"),
            content: text(content),
            batch: text(batch),
            folder: text("/x"),
        }
    }

    /// What others imported was told.
    fn add(registry: &Registry, entry: &Entry) -> Noted {
        registry.add(entry, |_| true).unwrap()
    }

    fn batches(registry: &Registry, hours: i64) -> Vec<String> {
        let (found, error) = registry.find("erp", "c", at(hours));
        assert!(error.is_none(), "{error:?}");
        found.into_iter().map(|entry| entry.batch).collect()
    }

    #[test]
    fn content_is_recognised_for_a_week_whichever_way_the_clock_was_set() {
        let here = tempfile::tempdir().unwrap();
        let registry = Registry::at(Some(here.path().join("state/mutirao")));
        assert_eq!(batches(&registry, 0), [] as [&str; 0]);
        assert_eq!(add(&registry, &entry("c", "a", 0)), Noted::New);
        assert_eq!(add(&registry, &entry("c", "a", 1)), Noted::Before);
        assert_eq!(add(&registry, &entry("other", "b", 1)), Noted::New);
        assert_eq!(registry.find("elsewhere", "c", at(1)).0, []);
        for (hours, n) in [(1, 1), (1 + 7 * 24, 1), (2 + 7 * 24, 0), (1 - 7 * 24, 1), (-7 * 24, 0)] {
            assert_eq!(batches(&registry, hours).len(), n, "{hours} hours");
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = here.path().join("state/mutirao");
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));

        // One run with a clock a year ahead forgets nothing.
        assert_eq!(add(&registry, &entry("c", "ahead", 365 * 24)), Noted::New);
        assert_eq!(batches(&registry, 2), ["a"]);
        // What is older than a week goes.
        assert_eq!(add(&registry, &entry("c", "later", 300)), Noted::New);
        assert_eq!(batches(&registry, 2), ["ahead"; 0]);
        registry.remove(&entry("c", "later", 0)).unwrap();
        assert_eq!(batches(&registry, 300), [] as [&str; 0]);
    }

    #[test]
    fn what_is_wrong_with_it_is_told_and_the_rest_is_read() {
        let here = tempfile::tempdir().unwrap();
        let registry = Registry::at(Some(here.path().to_owned()));
        let path = here.path().join(FILE);
        assert_eq!(add(&registry, &entry("c", "a", 0)), Noted::New);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [b"\xFF{}\n", whole.as_slice(), b"{\"at\":"].concat()).unwrap();
        let (found, error) = registry.find("erp", "c", at(0));
        assert!(matches!(error, Some(RegistryError::Damaged { line: 3, .. })), "{error:?}");
        assert_eq!(found.len(), 1);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(registry.find("erp", "c", at(0)).1, Some(RegistryError::NotOurs(_))));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(registry.find("erp", "c", at(0)).1, Some(RegistryError::NotOurs(_))));
        assert!(registry.add(&entry("c", "a", 0), |_| true).is_err());
        assert!(matches!(Registry::at(None).find("", "", at(0)).1, Some(RegistryError::NoFolder)));
        fs::write(here.path().join("file"), "").unwrap();
        let below_a_file = Registry::at(Some(here.path().join("file")));
        assert!(below_a_file.add(&entry("c", "a", 0), |_| true).is_err());
    }

    #[test]
    fn what_a_process_left_that_died_while_it_wrote_is_swept() {
        let here = tempfile::tempdir().unwrap();
        let left = temporary::of_a_dead_process(here.path());
        let registry = Registry::at(Some(here.path().to_owned()));
        assert_eq!(add(&registry, &entry("c", "a", 0)), Noted::New);
        assert!(!left.exists());
    }

    #[test]
    fn imports_at_the_same_time_are_all_remembered() {
        let here = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let registry = Registry::at(Some(here.path().to_owned()));
                scope.spawn(move || add(&registry, &entry("c", &n.to_string(), 0)));
            }
        });
        assert_eq!(batches(&Registry::at(Some(here.path().to_owned())), 0).len(), 8);
    }

    /// `queda.csv` and `queda (1).csv` in two terminals: both had looked before either was noted.
    #[test]
    fn of_two_imports_of_one_content_at_the_same_time_one_is_told_of_the_other() {
        let here = tempfile::tempdir().unwrap();
        let registry = Registry::at(Some(here.path().to_owned()));
        let (one, other) = (entry("c", "one", 0), entry("c", "other", 0));
        let nothing_told = |_: &Entry| false;
        assert_eq!(registry.add(&one, nothing_told).unwrap(), Noted::New);
        assert_eq!(registry.add(&other, nothing_told).unwrap(), Noted::Untold(vec![one.clone()]));
        assert_eq!(batches(&registry, 0), ["one"]);
        // Told of it, the second goes on; so does the first, which was there before.
        assert_eq!(registry.add(&other, |entry| entry.batch == "one").unwrap(), Noted::New);
        assert_eq!(registry.add(&one, nothing_told).unwrap(), Noted::Before);
        // A week later, elsewhere, or with other rows it is no news.
        for unlike in [
            entry("c", "third", 8 * 24),
            entry("d", "third", 0),
            Entry { host: "x".into(), ..entry("c", "third", 0) },
        ] {
            assert_eq!(registry.add(&unlike, nothing_told).unwrap(), Noted::New, "{unlike:?}");
        }
    }
}
