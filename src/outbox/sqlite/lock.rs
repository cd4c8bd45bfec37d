//! One process owns an outbox.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::platform;

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
            let Some(file) = platform::lock(&path)? else { return Ok(None) };
            // The holder before us removes the file; we may have locked what has no name any more.
            if platform::is_named(&file, &path)? {
                let lock = Self { path, file, was_left };
                lock.say("", &Going::default())?;
                return Ok(Some(lock));
            }
        }
    }
}

impl FileLock {
    /// Tells whoever looks on what its holder does.
    pub(super) fn say(&self, doing: &str, going: &Going) -> io::Result<()> {
        let going = serde_json::to_string(going)?;
        let text = format!("{}\n{doing}\n{going}\n", std::process::id());
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)
    }
}

pub(super) fn path_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-lock");
    PathBuf::from(path)
}

/// The process that says that it holds the lock, as long as it lives.
pub fn holder(database: &Path) -> Option<Holder> {
    let file = platform::open_lock(&path_of(database)).ok()?;
    let mut said = String::new();
    file.take(SAID_MAX).read_to_string(&mut said).ok()?;
    let (pid, rest) = said.split_once('\n')?;
    let pid: u32 = pid.parse().ok()?;
    let (doing, going) = rest.split_once('\n').unwrap_or((rest, ""));
    let doing = doing.trim().to_owned();
    platform::lives(pid)?.then(|| Holder {
        pid,
        doing,
        going: serde_json::from_str(going).unwrap_or_default(),
    })
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // While it is still locked. Left behind, it does no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

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
