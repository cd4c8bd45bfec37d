//! What a run of the real binary did to its disk, said and sent, in one order; `shim.c` writes it down.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::shim::compile;
use crate::support::site::{Ended, Site};

/// A run, step by step.
pub struct Record {
    /// What the disk is a copy of.
    pub root: PathBuf,
    /// The files that were there before, by their names.
    pub before: Vec<(String, Vec<u8>)>,
    pub steps: Vec<Step>,
}

/// One thing that a run did. Where it can be cut off: between any two of them.
#[derive(Clone)]
pub enum Step {
    Write {
        inode: u64,
        at: usize,
        data: Vec<u8>,
    },
    Cut {
        inode: u64,
        len: usize,
    },
    /// What was written before this is on disk once it has ended.
    SyncBegins {
        op: u64,
        inode: u64,
        path: PathBuf,
    },
    SyncEnds {
        op: u64,
    },
    Opened {
        inode: u64,
        path: PathBuf,
        is_emptied: bool,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    Unlinked {
        path: PathBuf,
    },
    Made {
        path: PathBuf,
    },
    /// Its first byte leaves now.
    Sent {
        data: Vec<u8>,
    },
    Received {
        socket: u64,
        data: Vec<u8>,
    },
    Said(Vec<u8>),
}

impl Record {
    /// The step by which the first ticket leaves.
    pub fn first_post(&self) -> usize {
        self.steps.iter().position(Step::is_post).expect("something is posted")
    }
}

impl Step {
    /// A ticket leaves.
    pub fn is_post(&self) -> bool {
        matches!(self, Self::Sent { data } if marker_in(data).is_some())
    }
}

/// The marker that a ticket carries which is sent with these bytes.
pub fn marker_in(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    Some(text.split_once("[ref ")?.1.get(..12)?.to_owned())
}

/// What the shim logs of a call, as its `struct head`.
struct Entry<'a> {
    op: u64,
    inode: u64,
    number: i64,
    kind: u32,
    path: &'a [u8],
    to: &'a [u8],
    data: &'a [u8],
}

const HEAD_LEN: usize = 40;
const O_TRUNC: i64 = 0o1000;

/// Whether this machine has what it takes.
pub fn is_possible() -> bool {
    cfg!(target_os = "linux") && cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
}

/// Runs the command and writes down what it does.
pub fn record(site: &Site, command: Command) -> (Ended, Record) {
    let tools = tempfile::tempdir().unwrap();
    let (shim, log) = (compile("power/shim.c", tools.path()), tools.path().join("log"));
    let root = site.path("").canonicalize().unwrap();
    let files = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap());
    let before = files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()));
    let before = before.collect();
    let mut command = command;
    command.env("LD_PRELOAD", &shim).env("POWER_LOG", &log).env("POWER_FOLDER", &root);
    let ended = command.output().unwrap().into();
    let steps = steps(&fs::read(&log).expect("it was logged"), &root);
    (ended, Record { root, before, steps })
}

fn steps(log: &[u8], root: &Path) -> Vec<Step> {
    let entries = entries(log);
    const DONE: u32 = 0;
    let done = entries.iter().filter(|entry| entry.kind == DONE);
    let gave: HashMap<u64, i64> = done.map(|entry| (entry.op, entry.number)).collect();
    let path = |bytes: &[u8]| root.join(str::from_utf8(bytes).expect("names are UTF-8"));
    let mut syncs = HashMap::new();
    let mut steps = Vec::new();
    for entry in entries {
        let Entry { op, inode, number, .. } = entry;
        if entry.kind == DONE {
            steps.extend(syncs.remove(&op));
            continue;
        }
        // A process that was ended amid a call did not see what it gave.
        let gave = gave.get(&op).copied().unwrap_or(i64::MAX);
        // Files without a name are gone anyway; a call that failed changed nothing.
        if gave < 0 || entry.path.ends_with(b" (deleted)") {
            continue;
        }
        let data =
            || entry.data[..usize::try_from(gave).unwrap_or(usize::MAX).min(entry.data.len())].to_vec();
        let at = usize::try_from(number).unwrap_or_default();
        steps.push(match entry.kind {
            1 => Step::Write { inode, at, data: data() },
            2 => Step::Cut { inode, len: at },
            3 => {
                syncs.insert(op, Step::SyncEnds { op });
                Step::SyncBegins { op, inode, path: path(entry.path) }
            }
            4 => Step::Opened { inode, path: path(entry.path), is_emptied: number & O_TRUNC != 0 },
            5 => Step::Renamed { from: path(entry.path), to: path(entry.to) },
            6 => Step::Unlinked { path: path(entry.path) },
            7 => Step::Made { path: path(entry.path) },
            8 => Step::Sent { data: data() },
            9 => Step::Received { socket: inode, data: entry.data.to_vec() },
            10 => Step::Said(data()),
            // What is changed in memory is not seen here: only what nobody needs after a power cut.
            11 => {
                let name = String::from_utf8_lossy(entry.path);
                assert!(name.ends_with("-shm"), "`{name}` is written to by way of memory");
                continue;
            }
            kind => panic!("call {number} (kind {kind}) of {:?} is not understood", path(entry.path)),
        });
    }
    steps
}

fn entries(mut log: &[u8]) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    while !log.is_empty() {
        let u64_at = |at: usize| u64::from_ne_bytes(log[at..at + 8].try_into().unwrap());
        let u32_at = |at: usize| u32::from_ne_bytes(log[at..at + 4].try_into().unwrap());
        let (op, inode, number, kind) = (u64_at(0), u64_at(8), u64_at(16).cast_signed(), u32_at(24));
        let lens = [28, 32, 36].map(|at| u32_at(at) as usize);
        let mut rest = &log[HEAD_LEN..];
        let [path, to, data] = lens.map(|len| {
            let (part, behind) = rest.split_at(len);
            rest = behind;
            part
        });
        entries.push(Entry { op, inode, number, kind, path, to, data });
        log = rest;
    }
    entries
}
