//! Temporary files and folders: one kind of name for all, so that what a process left that died amid its work
//! is found. They hold customers' data, and nobody knows them any more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, PersistError, TempDir};

use crate::platform;

/// What their names begin with; the process that made them follows.
const PREFIX: &str = ".mutirao-";

fn prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

#[expect(clippy::disallowed_methods, reason = "here they are named")]
fn ours<'a>() -> tempfile::Builder<'a, 'a> {
    tempfile::Builder::new()
}

/// The current one has a name of its own.
pub fn named(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// A file in `folder`, mode 0600; removed when dropped.
pub fn file_in(folder: &Path) -> io::Result<NamedTempFile> {
    ours().prefix(&prefix()).suffix(".tmp").tempfile_in(named(folder))
}

/// A folder in `folder`, mode 0700; removed when dropped.
pub fn folder_in(folder: &Path) -> io::Result<TempDir> {
    let prefix = prefix();
    let mut builder = ours();
    platform::private_folder(builder.prefix(&prefix), named(folder))
}

/// Gives `file` its own name: a reader, or a power cut, meets the old one or the new one, whole.
pub fn publish(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_name(path)
}

/// The last number that [`publish_or_beside`] gives. Source: nobody has so many open.
const BESIDE_MAX: u32 = 99;

/// The same where a person may keep the old one open, and Windows does not let go of it: then the new one
/// stands beside, as `results-2.csv` or with the next number that nothing has. Returns that path.
pub fn publish_or_beside(file: NamedTempFile, path: &Path) -> io::Result<Option<PathBuf>> {
    file.as_file().sync_all()?;
    let PersistError { error, mut file } = match file.persist(path) {
        Ok(_) => return sync_name(path).map(|()| None),
        Err(refused) => refused,
    };
    let part = |of: Option<&std::ffi::OsStr>| of.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, extension) = (part(path.file_stem()), part(path.extension()));
    for n in 2..=BESIDE_MAX {
        let beside = path.with_file_name(format!("{stem}-{n}.{extension}"));
        file = match file.persist_noclobber(&beside) {
            Ok(_) => return sync_name(&beside).map(|()| Some(beside)),
            Err(PersistError { error, file }) if error.kind() == io::ErrorKind::AlreadyExists => file,
            // It was not about the name.
            Err(_) => break,
        };
    }
    Err(error)
}

/// Whether [`publish_or_beside`] gives this name to what should be called `of`.
pub fn is_beside(name: &str, of: &str) -> bool {
    let number = of.rsplit_once('.').and_then(|(stem, extension)| {
        name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(extension)?.strip_suffix('.')
    });
    number
        .and_then(|number| number.parse().ok())
        .is_some_and(|n: u32| (2..=BESIDE_MAX).contains(&n) && number == Some(n.to_string().as_str()))
}

/// The same, of a name that nothing has yet: what has it stays, and that is an error.
pub fn publish_new(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    sync_name(path)
}

fn sync_name(path: &Path) -> io::Result<()> {
    platform::sync_folder(named(path.parent().unwrap_or(path)))
}

/// Makes `folder` if it is missing, and those that it lies in, mode 0700, and puts its name on disk: what is
/// synced within a folder whose name is not is gone after a power cut.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !named(folder).is_dir();
    let missing: Vec<&Path> = folder.ancestors().skip(1).take_while(is_missing).collect();
    platform::make_folder(folder)?;
    for made in missing.into_iter().rev().chain([folder]) {
        match sync_name(made) {
            // Who made it, and may only pass through what it lies in, cannot do more.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Removes from `folder` what dead processes of ours left there. What cannot be removed stays: the run is
/// worth more.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(named(folder)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(maker) = name.to_str().and_then(maker_of) else { continue };
        if platform::lives(maker) != Some(false) {
            continue;
        }
        debug_assert_ne!(maker, std::process::id(), "we live");
        // Of the name itself: a link is not followed.
        let Ok(found) = fs::symlink_metadata(entry.path()) else { continue };
        if platform::rights(&found).is_some_and(|rights| rights.owner != rights.ours) {
            continue;
        }
        let _ = match found.is_dir() {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
    }
}

fn maker_of(name: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

/// Such a file, of a process that is no more.
#[cfg(test)]
pub fn of_a_dead_process(folder: &Path) -> std::path::PathBuf {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let path = folder.join(format!("{PREFIX}{}-a.tmp", child.id()));
    fs::write(&path, "Ana").unwrap();
    path
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Seen: a dry run's copy of an outbox lay in a folder that others could look into.
    #[test]
    fn nobody_else_looks_into_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, inner) = (file_in(folder.path()).unwrap(), folder_in(folder.path()).unwrap());
        for (path, mode) in [(file.path(), 0o600), (inner.path(), 0o700)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
    }

    #[test]
    fn what_stands_beside_is_known_by_its_name() {
        for (name, expected) in [
            ("results-2.csv", true),
            ("results-99.csv", true),
            ("results.csv", false),
            ("results-1.csv", false),
            ("results-02.csv", false),
            ("results-+2.csv", false),
            ("results-100.csv", false),
            ("results-2.xlsx", false),
            ("results-2", false),
            ("results-2csv", false),
            ("results-final.csv", false),
        ] {
            assert_eq!(is_beside(name, "results.csv"), expected, "{name}");
        }
    }

    #[test]
    fn what_dead_processes_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = of_a_dead_process(folder.path()).with_extension("scratch");
        fs::create_dir(&scratch).unwrap();
        fs::write(scratch.join("outbox.db"), "Ana").unwrap();
        let of_ours = file_in(folder.path()).unwrap();
        let alive = of_ours.path().file_name().unwrap().to_str().unwrap();
        for name in [".mutirao-notes", ".other", "results.csv"] {
            fs::write(folder.path().join(name), "Ana").unwrap();
        }
        sweep(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected = [alive, ".mutirao-notes", ".other", "results.csv"];
        expected.sort();
        assert_eq!(left, expected);
    }
}
