//! One process owns an outbox; and a file system where that can be trusted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock, statfs};
use serde::{Deserialize, Serialize};

/// Held while the outbox is ours; the system lets go of it when the process dies.
///
/// A file of its own, because SQLite loses its locks when any other handle on its file is closed.
pub(super) struct FileLock {
    path: PathBuf,
    file: File,
    /// Its last holder did not give it back: it was killed, or lost its power.
    pub(super) was_left: bool,
}

/// What is read of a lock file at most. Bytes.
const SAID_MAX: u64 = 4096;

/// Who holds a lock, as it says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    pub pid: u32,
    /// What it does just now. Blank: it has not said.
    pub doing: String,
    pub going: Going,
}

/// How a run goes just now, for programs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Going {
    /// Of late; `None`: that cannot be told yet.
    pub rows_per_s: Option<f64>,
    /// Requests that may wait for an answer at once.
    pub at_once: Option<usize>,
    /// The code of why it goes no faster.
    pub held_back_by: Option<String>,
    /// When it will be through, about.
    pub ends_at: Option<Timestamp>,
}

impl FileLock {
    /// `None`: another process holds it. See [`holder`].
    pub(super) fn take(database: &Path) -> io::Result<Option<Self>> {
        let path = path_of(database);
        loop {
            let was_left = path.symlink_metadata().is_ok();
            // Neither through a link nor, for ever, at a pipe that nobody reads.
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .custom_flags(flags.cast_signed())
                .open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // The holder before us removes the file; we may have locked what has no name any more.
            match std::fs::metadata(&path) {
                Ok(named) if named.ino() == file.metadata()?.ino() => {
                    let lock = Self { path, file, was_left };
                    lock.say("", &Going::default())?;
                    return Ok(Some(lock));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl FileLock {
    /// Tells whoever looks on what its holder does.
    pub(super) fn say(&self, doing: &str, going: &Going) -> io::Result<()> {
        let going = serde_json::to_string(going)?;
        let text = format!("{}\n{doing}\n{going}\n", std::process::id());
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }
}

pub(super) fn path_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-lock");
    PathBuf::from(path)
}

/// The process that says that it holds the lock, as long as it lives.
pub fn holder(database: &Path) -> Option<Holder> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path_of(database)).ok()?;
    let mut said = String::new();
    file.take(SAID_MAX).read_to_string(&mut said).ok()?;
    let (pid, rest) = said.split_once('\n')?;
    let pid: u32 = pid.parse().ok()?;
    let (doing, going) = rest.split_once('\n').unwrap_or((rest, ""));
    let doing = doing.trim().to_owned();
    lives(pid)?.then(|| Holder { pid, doing, going: serde_json::from_str(going).unwrap_or_default() })
}

/// `None`: it is no number of a process.
fn lives(pid: u32) -> Option<bool> {
    let asked = rustix::process::test_kill_process(rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?);
    // One that has ended keeps its number until somebody has asked how.
    let has_ended = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
    };
    // Another user's cannot be asked, but is there.
    Some(matches!(asked, Ok(()) | Err(rustix::io::Errno::PERM)) && !has_ended())
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // While it is still locked. Left behind, it does no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The name of the network file system that `directory` is on, if it is on one: neither locks nor
/// write-ahead logs can be trusted there.
pub(super) fn network_file_system(directory: &Path) -> io::Result<Option<&'static str>> {
    let kind = statfs(directory)?.f_type as u64 & 0xffff_ffff;
    Ok(NETWORK_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name))
}

/// Source: linux/magic.h and the file systems' own. FUSE is among them because sshfs, s3fs and
/// their like cannot be told apart; 9p, because virtual machines share folders through it.
const NETWORK_FILE_SYSTEMS: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x564c, "NCP"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
];

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    use super::*;

    /// Seen: `status` said that it works, for as long as nobody had asked how it ended.
    #[test]
    fn a_process_that_has_ended_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("outbox.db");
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        std::fs::write(path_of(&database), format!("{}\nopening\n", child.id())).unwrap();
        assert_eq!(holder(&database).map(|holder| holder.pid), Some(child.id()));
        drop(child.stdin.take());
        let unasked = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), unasked).unwrap();
        assert_eq!(holder(&database), None);
        assert!(child.wait().unwrap().success());
    }
}
