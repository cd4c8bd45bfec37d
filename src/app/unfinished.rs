//! Imports that a browser ordered and a person said yes to, until they end: a program that was cut off goes
//! on with them when it starts again.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::note;
use super::place::{Outboxes, Place};
use super::staging::{ReadIn, hexadecimal};
use crate::outbox::{AnyOutbox, Deed, ImportId};
use crate::registry::{Lines, REMEMBERED_FOR, RegistryError, UserName};
use crate::{platform, temporary};

/// So long after it was agreed to, or went on last, it goes on by itself; later a person is to say so.
/// Source: an outage is over by then, or somebody else has seen to it.
const GOES_ON_FOR: SignedDuration = SignedDuration::from_hours(12);

/// That are kept; of one more, the one that went on the longest ago is forgotten. A form has 64 KiB at most,
/// which JSON may make six times as long: all of them can be read back.
const KEPT_MAX: usize = 8;

/// An import of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The sheet, as the kept ones are called.
    pub sheet: String,
    /// As a person calls it.
    pub name: String,
    /// Who ordered it. `None`: who brought the key of the page.
    #[serde(default)]
    pub by: Option<UserName>,
    /// The work folder of its batch, and what that is called. `None`: a setting names the outbox.
    pub folder: Option<String>,
    #[serde(default)]
    pub lote: String,
    /// How it is read, and where it goes.
    pub form: Vec<(String, String)>,
    /// Of who ordered it: a tag.
    pub language: String,
    pub agreed: Agreed,
    /// When it was known to go on, it was agreed to then, or later; or when it was paused.
    pub went_on_at: Timestamp,
    /// Who paused it: it waits for a person. `None`: nobody has.
    #[serde(default)]
    pub paused_by: Option<String>,
}

/// Why an import that was cut off does not go on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// It went on so long ago.
    Late(Duration),
    /// By the clock of now it went on later than now: that was set.
    ClockSet,
}

/// What a person said yes to. It holds for the very batch, which is of one outbox and into which nobody
/// imported since; and for the very tickets, opened in the very way: what else a sheet comes to in another
/// folder, with other settings, read in another way or by another version is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    pub what: BatchContent,
    pub n_tickets: u64,
}

/// Rows of a batch, and how they are opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchContent {
    /// The code of the batch.
    pub batch: String,
    /// Its latest import. Another one since, from a terminal or another page, has its own way and end.
    pub import: i64,
    /// When: of the very same file it has the same number.
    pub imported_at: Timestamp,
    /// What the cells of the rows come to.
    pub content: String,
    /// What the tickets come to that they are read as ([`ReadIn::tickets`]), in hexadecimal: settings,
    /// columns that were said, services that were found and another version make others of the same cells.
    pub tickets: String,
    pub terms: Terms,
}

/// Of what says how rows are opened, that which decides about which of them are, where, and how fast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Of the HubSoft.
    pub binding: String,
    pub skip_if_open: bool,
    pub verify_first: bool,
    pub allow_repeats: bool,
    /// It was told how long that takes, and what HubSoft bears.
    pub rate: String,
}

/// What was read in, after `import`. `None`: its batch is not in the outbox for good, or has no code.
pub async fn batch_content(
    outbox: &AnyOutbox,
    read: &ReadIn,
    (import, imported_at): (ImportId, Timestamp),
    terms: &Terms,
) -> Result<Option<BatchContent>, Fault> {
    let info = outbox.reader().batch_info(&read.merged.batch_name).await?;
    Ok(info.and_then(|info| info.code).map(|code| BatchContent {
        batch: code.to_string(),
        import: import.0,
        imported_at,
        content: read.content.to_string(),
        tickets: format!("{:032x}", read.tickets),
        terms: terms.clone(),
    }))
}

impl Agreed {
    /// Whether `n_tickets` of `what` were agreed to.
    pub fn covers(&self, what: Option<&BatchContent>, n_tickets: u64) -> bool {
        what == Some(&self.what) && n_tickets <= self.n_tickets
    }
}

impl Unfinished {
    /// Why it does not go on without a word.
    pub fn lapse(&self, now: Timestamp) -> Option<Lapse> {
        let since = now.duration_since(self.went_on_at);
        match Duration::try_from(since) {
            Err(_) => Some(Lapse::ClockSet),
            Ok(long) if GOES_ON_FOR < since => Some(Lapse::Late(long)),
            Ok(_) => None,
        }
    }

    /// The code of its batch: what makes it another one.
    pub fn batch(&self) -> &str {
        &self.agreed.what.batch
    }
}

/// Keeps with the batch that a person does not want an import to go on. Where that fails, it is logged, and
/// no more: by then nobody goes on with it.
pub async fn note_dismissal(place: &Place) {
    let noted = async {
        let outbox = place.outbox.open().await?;
        note::act(&outbox, place.batch.as_deref(), place.by(), Deed::Dismiss, 0).await;
        outbox.close().await?;
        Ok::<_, Fault>(())
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, "who did not want an import to go on is not kept");
    }
}

/// Where they are kept: below the state folder, those of each place that a page is of. Held by one process at
/// a time: two would go on with the same.
pub struct Kept {
    lines: Lines<Unfinished>,
    /// Held as long as it is open.
    _lock: File,
}

impl Kept {
    /// `None`: another page of the same place holds it, or there is no place for it.
    pub fn of(state_folder: &Path, outboxes: &Outboxes) -> Option<Self> {
        let here = outboxes.here.join(".").canonicalize().ok()?;
        // The URL may have a password.
        let place = Sha256::new().chain_update(here.as_os_str().as_encoded_bytes());
        let place = place.chain_update([0]).chain_update(outboxes.url.as_deref().unwrap_or_default());
        let name = format!("page-{}", hexadecimal(place.finalize().into()));
        temporary::make_folder(state_folder).ok()?;
        let lock = platform::lock(&state_folder.join(format!("{name}.held"))).ok()??;
        let (file, turn) = (format!("{name}.jsonl"), format!("{name}.lock"));
        Some(Self { lines: Lines::new(Some(state_folder.to_owned()), file, turn), _lock: lock })
    }

    /// All of them, and what is wrong with the rest.
    pub fn all(&self) -> (Vec<Unfinished>, Option<RegistryError>) {
        self.lines.read().unwrap_or_else(|error| (Vec::new(), Some(error)))
    }

    /// Keeps it in place of what is kept of its batch, unless a person has stopped it by then.
    pub fn write(
        &self,
        unfinished: &Unfinished,
        is_stopped: impl FnOnce() -> bool,
    ) -> Result<(), RegistryError> {
        self.lines.change(|all| {
            if is_stopped() {
                return;
            }
            let oldest = unfinished.went_on_at.checked_sub(REMEMBERED_FOR).unwrap_or(Timestamp::MIN);
            all.retain(|other| other.batch() != unfinished.batch() && oldest < other.went_on_at);
            all.sort_by_key(|other| other.went_on_at);
            all.drain(..all.len().saturating_sub(KEPT_MAX - 1));
            all.push(unfinished.clone());
        })
    }

    /// Those of which `is_it` is true wait for a person from `now` on.
    pub fn pause(
        &self,
        is_it: impl Fn(&Unfinished) -> bool,
        who: &str,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        self.lines.change(|all| {
            for unfinished in all.iter_mut().filter(|unfinished| is_it(unfinished)) {
                unfinished.paused_by = Some(who.to_owned());
                unfinished.went_on_at = now;
            }
        })
    }

    /// Nobody goes on with those of which `is_over` is true, nor with what cannot be read.
    pub fn forget(&self, is_over: impl Fn(&Unfinished) -> bool) -> Result<(), RegistryError> {
        let (all, error) = self.all();
        if error.is_none() && !all.iter().any(&is_over) {
            return Ok(());
        }
        self.lines.change(|all| all.retain(|unfinished| !is_over(unfinished)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Way;

    fn unfinished(batch: &str, at: i64) -> Unfinished {
        let what = BatchContent { batch: batch.to_owned(), ..what() };
        let (sheet, name) = ("s".to_owned(), "queda.csv".to_owned());
        let (agreed, went_on_at) = (Agreed { what, n_tickets: 10 }, Timestamp::from_second(at).unwrap());
        Unfinished {
            sheet,
            name,
            by: None,
            folder: None,
            lote: String::new(),
            form: Vec::new(),
            language: String::new(),
            agreed,
            went_on_at,
            paused_by: None,
        }
    }

    fn what() -> BatchContent {
        let (skip_if_open, verify_first, allow_repeats) = (false, false, false);
        let (binding, rate) = ("erp.example.com".to_owned(), "10/s".to_owned());
        let terms = Terms { binding, skip_if_open, verify_first, allow_repeats, rate };
        let [batch, content, tickets] = ["BBBBBBBB", "c", "t"].map(str::to_owned);
        BatchContent { batch, import: 7, imported_at: Timestamp::UNIX_EPOCH, content, tickets, terms }
    }

    #[test]
    fn it_goes_on_by_itself_for_half_a_day_and_then_it_is_told_how_long_it_was() {
        let late = |after_s| Some(Lapse::Late(Duration::from_secs(after_s)));
        for (after_s, expected) in [
            (0, None),
            (43_200, None),
            (43_201, late(43_201)),
            (400_000, late(400_000)),
            (-1, Some(Lapse::ClockSet)),
        ] {
            let now = Timestamp::from_second(1_800_000_000 + after_s).unwrap();
            assert_eq!(unfinished("B", 1_800_000_000).lapse(now), expected, "{after_s}");
        }
    }

    #[test]
    fn what_was_agreed_to_is_those_tickets_of_that_import_in_that_way_and_no_more_of_them() {
        let Unfinished { agreed, .. } = unfinished("BBBBBBBB", 0);
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
            (other(&|what| what.imported_at = Timestamp::MAX), 3, false),
            (other(&|what| what.content = text()), 3, false),
            (other(&|what| what.tickets = text()), 3, false),
            (other(&|what| what.terms.binding = text()), 3, false),
            (other(&|what| what.terms.skip_if_open = true), 3, false),
            (other(&|what| what.terms.verify_first = true), 3, false),
            (other(&|what| what.terms.allow_repeats = true), 3, false),
            (other(&|what| what.terms.rate = text()), 3, false),
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
        let at = |here: &Path| Outboxes {
            url: None,
            here: here.to_owned(),
            user: String::new(),
            way: Way::Terminal,
        };
        let kept = Kept::of(state.path(), &at(&here)).unwrap();
        kept.write(&unfinished("B", 0), || true).unwrap();
        assert!(kept.all().0.is_empty(), "it was stopped");
        kept.write(&unfinished("B", 0), || false).unwrap();
        assert!(Kept::of(state.path(), &at(&here)).is_none(), "another page");
        assert!(Kept::of(state.path(), &at(&there)).unwrap().all().0.is_empty(), "another folder");
        drop(kept);
        assert_eq!(Kept::of(state.path(), &at(&here)).unwrap().all().0, [unfinished("B", 0)]);
    }

    /// What is paused counts from then on, and is no other one's.
    #[test]
    fn what_a_person_paused_waits_for_one() {
        let state = tempfile::tempdir().unwrap();
        let kept = kept(state.path());
        for batch in ["A", "B"] {
            kept.write(&unfinished(batch, 1), || false).unwrap();
        }
        let now = Timestamp::from_second(50_000).unwrap();
        kept.pause(|kept| kept.batch() == "A", "ana", now).unwrap();
        let all = kept.all().0;
        let waits: Vec<_> = all.iter().map(|kept| (kept.batch(), kept.paused_by.as_deref())).collect();
        assert_eq!(waits, [("A", Some("ana")), ("B", None)]);
        assert!(all[0].lapse(now).is_none() && all[1].lapse(now).is_some());
    }

    fn kept(state: &Path) -> Kept {
        let here = Outboxes { url: None, here: state.to_owned(), user: String::new(), way: Way::Terminal };
        Kept::of(state, &here).unwrap()
    }

    /// Seen: a rehearsal of the same sheet, and whatever else was imported from the page, took its place.
    #[test]
    fn what_is_kept_of_one_batch_is_not_another_ones_to_write_over_or_forget() {
        let state = tempfile::tempdir().unwrap();
        let kept = kept(state.path());
        let batches = || kept.all().0.iter().map(|kept| kept.batch().to_owned()).collect::<Vec<_>>();
        for (batch, at) in [("A", 1), ("B", 2), ("A", 3)] {
            kept.write(&unfinished(batch, at), || false).unwrap();
        }
        assert_eq!(batches(), ["B", "A"]);
        kept.forget(|kept| kept.batch() == "A").unwrap();
        kept.forget(|kept| kept.batch() == "A").unwrap();
        assert_eq!(batches(), ["B"]);
        // So many, and for so long.
        for n in 0..KEPT_MAX as i64 {
            kept.write(&unfinished(&n.to_string(), 10 + n), || false).unwrap();
        }
        assert_eq!(batches(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
        let later = 14 + REMEMBERED_FOR.as_secs();
        kept.write(&unfinished("C", later), || false).unwrap();
        assert_eq!(batches(), ["5", "6", "7", "C"]);
    }

    #[test]
    fn what_others_could_have_written_and_what_is_damaged_is_told_and_gone_on_with_by_nobody() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt;

        let state = tempfile::tempdir().unwrap();
        let kept = kept(state.path());
        kept.write(&unfinished("A", 1), || false).unwrap();
        let entries = fs::read_dir(state.path()).unwrap().map(|entry| entry.unwrap().path());
        let file = entries
            .into_iter()
            .find(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .unwrap();
        let is_ours = || match kept.all() {
            (all, None) => all.len() == 1,
            (all, Some(error)) => {
                assert!(all.is_empty() && matches!(error, RegistryError::NotOurs(_)), "{error}");
                false
            }
        };
        for (path, right, wrong) in [(&*file, 0o600, 0o622), (state.path(), 0o700, 0o777)] {
            fs::set_permissions(path, Permissions::from_mode(wrong)).unwrap();
            assert!(!is_ours(), "{path:?}");
            fs::set_permissions(path, Permissions::from_mode(right)).unwrap();
            assert!(is_ours(), "{path:?}");
        }
        let whole = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{whole}{{}}\n")).unwrap();
        let (all, error) = kept.all();
        assert!(all.len() == 1 && matches!(error, Some(RegistryError::Damaged { line: 2, .. })), "{error:?}");
        kept.forget(|_| false).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), whole, "until a person has seen it");
    }
}
