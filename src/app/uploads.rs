//! Sheets that a browser brought: each in a folder of its own below the state folder, for this user alone.
//! They are kept as long as an import is known again, so that it can go on; `purge` takes them earlier.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::fault::Fault;
use super::staging::hexadecimal;
use crate::registry::REMEMBERED_FOR;
use crate::{platform, temporary};

/// Below the state folder.
const FOLDER: &str = "sheets";

/// Longest sheet that is taken. Bytes. Source: the most that is read of an `.xls`, and far above a million
/// rows of text.
pub const LEN_MAX: usize = 256 << 20;

/// Sheets that are kept; of one more, the oldest goes.
const KEPT_MAX: usize = 200;

/// What all that are kept have together; before it is more, the oldest go. Bytes. Source: eight of the
/// longest, and thousands of those that people have.
const ALL_LEN_MAX: u64 = 2 << 30;

/// Longest name of a sheet. Bytes. Source: half of what a file system takes, since names of work folders are
/// made of it.
const NAME_LEN_MAX: usize = 120;

#[derive(Clone)]
pub struct Uploads {
    folder: PathBuf,
    all_len_max: u64,
    /// Whoever makes room there, or takes it: one after the other.
    turn: Arc<Mutex<()>>,
}

/// Sheets that are kept and came later, and how long they are together with the one in question.
struct Newer {
    n: usize,
    len: u64,
}

/// A sheet that is being received; gone when dropped.
pub struct Upload {
    uploads: Uploads,
    owner: Option<String>,
    folder: TempDir,
    file: File,
    digest: Sha256,
    pub len: usize,
}

impl Uploads {
    pub fn at(state_folder: &Path) -> Self {
        Self { folder: state_folder.join(FOLDER), all_len_max: ALL_LEN_MAX, turn: Arc::default() }
    }

    /// Begins to receive a sheet of this name. `owner`: who may find it, by a name that can stand in a path.
    pub fn begin(&self, owner: Option<&str>, name: &str) -> Result<Upload, Fault> {
        let begin = || {
            temporary::make_folder(&self.folder)?;
            temporary::sweep(&self.folder);
            let folder = temporary::folder_in(&self.folder)?;
            let name = named(name);
            let path = folder.path().join(&name);
            let file = platform::private(File::options().write(true).create_new(true)).open(path)?;
            // Another name is another batch.
            let digest = Sha256::new_with_prefix(name).chain_update([0]);
            Ok(Upload {
                uploads: self.clone(),
                owner: owner.map(str::to_owned),
                folder,
                file,
                digest,
                len: 0,
            })
        };
        begin().map_err(|error| self.fault(error))
    }

    /// The sheet that [`Upload::finish`] called `id`, if it is there still and is this owner's.
    pub fn find(&self, owner: Option<&str>, id: &str) -> Option<PathBuf> {
        let folder = owned(owner, Some(id).filter(|id| is_id(id))?);
        let mut entries = fs::read_dir(self.folder.join(folder)).ok()?;
        Some(entries.next()?.ok()?.path())
    }

    /// As if somebody else made room there.
    #[cfg(test)]
    pub fn held(&self) -> std::sync::MutexGuard<'_, ()> {
        self.turn.lock().unwrap()
    }

    /// Removes those that came before.
    pub fn forget_before(&self, before: Timestamp) -> Result<(), Fault> {
        self.forget(|_, came| came <= before).map_err(|error| self.fault(error))
    }

    /// Removes those of which `is_over` is true: by those that are newer, and when it came.
    fn forget(&self, is_over: impl Fn(&Newer, Timestamp) -> bool) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut kept = Vec::new();
        for entry in entries {
            let entry = entry?;
            // What is being received stays.
            if !entry.file_name().to_str().is_some_and(is_owned) {
                continue;
            }
            let came = entry.metadata()?.modified()?;
            kept.push((Timestamp::try_from(came).unwrap_or(Timestamp::MIN), entry.path()));
        }
        kept.sort_by(|one, other| other.cmp(one));
        let mut newer = Newer { n: 0, len: 0 };
        for (came, path) in kept {
            let len = len_in(&path)?;
            newer.len += len;
            match is_over(&newer, came) {
                true => {
                    fs::remove_dir_all(path)?;
                    newer.len -= len;
                }
                false => newer.n += 1,
            }
        }
        Ok(())
    }

    fn fault(&self, error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Fault::FolderFull { folder: self.folder.clone() }
            }
            _ => Fault::Folder { folder: self.folder.clone(), error, has_outbox: false },
        }
    }
}

impl Upload {
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.digest.update(bytes);
        self.len += bytes.len();
        self.file.write_all(bytes).map_err(|error| self.uploads.fault(error))
    }

    /// Keeps it, and waits for the disk. Returns what it is called from now on: the same sheet once more is
    /// the same one.
    pub fn finish(self) -> Result<String, Fault> {
        let Self { uploads, owner, folder, file, digest, len } = self;
        let id = hexadecimal(digest.finalize().into());
        let to = uploads.folder.join(owned(owner.as_deref(), &id));
        let keep = || {
            // It is on the disk before its name is: a power cut leaves all of a sheet, or none.
            file.sync_all()?;
            // Windows renames no folder in which a file is open.
            drop(file);
            platform::sync_folder(folder.path())?;
            let _turn = uploads.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let oldest = Timestamp::now().checked_sub(REMEMBERED_FOR).unwrap_or(Timestamp::MIN);
            let room = uploads.all_len_max.saturating_sub(len as u64);
            uploads.forget(|newer, came| KEPT_MAX <= newer.n + 1 || room < newer.len || came < oldest)?;
            // What came earlier makes room: it is as old as it is, and somebody may have changed it.
            let earlier = temporary::folder_in(&uploads.folder)?;
            match fs::rename(&to, earlier.path().join("earlier")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
            fs::rename(folder.path(), &to)?;
            platform::sync_folder(&uploads.folder)
        };
        keep().map_err(|error| uploads.fault(error))?;
        Ok(id)
    }
}

/// What the folder of a sheet is called.
fn owned(owner: Option<&str>, id: &str) -> String {
    owner.map_or_else(|| id.to_owned(), |owner| format!("{owner}.{id}"))
}

/// Whether the folder of a sheet is called so, whoever owns it.
fn is_owned(name: &str) -> bool {
    is_id(name.rsplit_once('.').map_or(name, |(_, id)| id))
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Of the files in a folder. Bytes.
fn len_in(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// What no name of a file has on Windows, where the first of them names another stream of the same file; nor
/// is one called like a device there, whatever stands behind the first point.
const NOT_IN_NAMES: [char; 7] = [':', '?', '*', '<', '>', '|', '"'];
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let is_numbered = |device: &str| {
        let number = stem.strip_prefix(device).and_then(|rest| {
            let mut rest = rest.chars();
            rest.next().filter(|_| rest.next().is_none())
        });
        number.is_some_and(|number| number.is_ascii_digit() || matches!(number, '¹' | '²' | '³'))
    };
    DEVICES.contains(&&*stem) || NUMBERED_DEVICES.iter().any(|device| is_numbered(device))
}

/// What a browser calls a file, as a name that a file may have anywhere: the last part of its path, without
/// what cannot be seen.
fn named(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut kept = String::new();
    for char in last.trim().trim_start_matches(['.', '-']).chars().filter(|char| !char.is_control()) {
        if NAME_LEN_MAX < kept.len() + char.len_utf8() {
            break;
        }
        kept.push(if NOT_IN_NAMES.contains(&char) { '_' } else { char });
    }
    // Windows leaves these out.
    kept.truncate(kept.trim_end_matches(['.', ' ']).len());
    match &*kept {
        "" => "planilha".to_owned(),
        name if is_device(name) => format!("_{name}"),
        _ => kept,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn receive(uploads: &Uploads, name: &str, content: &[u8]) -> String {
        let mut upload = uploads.begin(None, name).unwrap();
        content.chunks(3).for_each(|chunk| upload.push(chunk).unwrap());
        assert_eq!(upload.len, content.len());
        upload.finish().unwrap()
    }

    #[test]
    fn a_sheet_is_kept_for_its_owner_alone_until_it_is_purged() {
        let state = tempfile::tempdir().unwrap();
        let uploads = Uploads::at(state.path());
        uploads.forget_before(Timestamp::MAX).unwrap();
        let id = receive(&uploads, "queda.csv", b"a;b\n1;2\n");
        assert_eq!(receive(&uploads, "queda.csv", b"a;b\n1;2\n"), id);
        assert_ne!(receive(&uploads, "outra.csv", b"a;b\n1;2\n"), id);
        let mut of_ana = uploads.begin(Some("ana"), "queda.csv").unwrap();
        of_ana.push(b"a;b\n1;2\n").unwrap();
        assert_eq!(of_ana.finish().unwrap(), id);
        let path = uploads.find(None, &id).unwrap();
        let hers = uploads.find(Some("ana"), &id).unwrap();
        assert!(hers != path && uploads.find(Some("bia"), &id).is_none());
        assert!(path.ends_with("queda.csv") && fs::read(&path).unwrap() == b"a;b\n1;2\n");
        for (path, mode) in [(path.parent().unwrap(), 0o700), (&uploads.folder, 0o700), (&path, 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
        // Brought once more it is whole, whatever became of it here.
        fs::write(&path, b"a;b\n").unwrap();
        assert_eq!(receive(&uploads, "queda.csv", b"a;b\n1;2\n"), id);
        assert_eq!(fs::read(&path).unwrap(), b"a;b\n1;2\n");
        // What was broken off is gone; so are ids that are none.
        drop(uploads.begin(None, "x.csv"));
        assert_eq!(fs::read_dir(&uploads.folder).unwrap().count(), 3);
        for none in ["", "..", "../../etc", &id[1..], &id.to_uppercase(), &"0".repeat(64)] {
            assert_eq!(uploads.find(None, none), None, "{none}");
        }
        uploads.forget_before(Timestamp::MIN).unwrap();
        assert!(uploads.find(None, &id).is_some());
        uploads.forget_before(Timestamp::MAX).unwrap();
        assert_eq!((uploads.find(None, &id), fs::read_dir(&uploads.folder).unwrap().count()), (None, 0));
    }

    #[test]
    fn the_oldest_makes_room_for_what_would_be_too_much() {
        let state = tempfile::tempdir().unwrap();
        let uploads = Uploads { all_len_max: 10, ..Uploads::at(state.path()) };
        let ids = ["a", "b", "c", "d"].map(|name| {
            let id = receive(&uploads, name, b"1234");
            // So that each is older than the next, whatever the clock of files shows.
            let folder = uploads.folder.join(&id);
            let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
            let at = at + std::time::Duration::from_secs(name.as_bytes()[0].into());
            File::open(folder).unwrap().set_modified(at).unwrap();
            id
        });
        let is_there = |id: &String| uploads.find(None, id).is_some();
        assert_eq!(ids.each_ref().map(is_there), [false, false, true, true]);
        let long = receive(&uploads, "e", b"123456789");
        assert!(is_there(&long) && !ids.iter().any(is_there));
    }

    #[test]
    fn a_name_is_one_that_a_file_may_have() {
        for (name, expected) in [
            ("queda.csv", "queda.csv"),
            ("C:\\fakepath\\Queda São João.xlsx", "Queda São João.xlsx"),
            ("../../etc/passwd", "passwd"),
            (".mutirao-1-x.csv", "mutirao-1-x.csv"),
            ("a\0b\n.csv", "ab.csv"),
            ("-", "planilha"),
            ("..", "planilha"),
            ("", "planilha"),
            // As far as Windows has no such names.
            ("<b>: a|b? \"*\".csv", "_b__ a_b_ ___.csv"),
            ("queda.csv:x", "queda.csv_x"),
            ("queda. . ", "queda"),
            ("CON", "_CON"),
            ("nul.queda.csv", "_nul.queda.csv"),
            ("Com1 .csv", "_Com1 .csv"),
            ("LPT².xlsx", "_LPT².xlsx"),
            ("com.csv", "com.csv"),
            ("com10.csv", "com10.csv"),
            ("console.csv", "console.csv"),
        ] {
            assert_eq!(named(name), expected, "{name:?}");
        }
        assert_eq!(named(&"ã".repeat(200)), "ã".repeat(60));
    }
}
