//! Temporary files of a process that died amid its work. They hold customers' data, and nobody knows them any more.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Pid, geteuid, test_kill_process};

/// What the names of our temporary files and folders begin with; the process that made them follows.
const PREFIX: &str = ".mutirao-";

/// For [`tempfile::Builder::prefix`].
pub fn temporary_prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// Removes from `folder` what dead processes of ours left there. What cannot be removed stays: the run is worth more.
pub fn sweep(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(maker) = name.to_str().and_then(maker_of).filter(|it| is_dead(*it)) else { continue };
        debug_assert_ne!(maker.as_raw_nonzero().get().cast_unsigned(), std::process::id(), "we live");
        // Of the name itself: a link is not followed.
        let Ok(found) = fs::symlink_metadata(entry.path()) else { continue };
        if found.uid() != geteuid().as_raw() {
            continue;
        }
        let _ = match found.is_dir() {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
    }
}

fn maker_of(name: &str) -> Option<Pid> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    Pid::from_raw(pid.parse().ok()?)
}

fn is_dead(pid: Pid) -> bool {
    test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_processes_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let dead = |rest: &str| format!("{PREFIX}{dead}-{rest}");
        let alive = format!("{}x.tmp", temporary_prefix());
        for name in [&dead("a.tmp"), &alive, ".mutirao-notes", ".other", "results.csv"] {
            fs::write(folder.path().join(name), "Ana").unwrap();
        }
        fs::create_dir(folder.path().join(dead("scratch"))).unwrap();
        fs::write(folder.path().join(dead("scratch")).join("outbox.db"), "Ana").unwrap();
        sweep(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected = [alive.as_str(), ".mutirao-notes", ".other", "results.csv"];
        expected.sort();
        assert_eq!(left, expected);
    }
}
