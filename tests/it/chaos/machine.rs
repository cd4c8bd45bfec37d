//! The machine that the processes run on: what its clock says, and whether its disk is full.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::support::shim::compile;

pub struct Machine {
    folder: TempDir,
    shim: PathBuf,
    clock: File,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shim = compile("chaos/shim.c", folder.path());
        let clock = File::create(folder.path().join("clock")).unwrap();
        let machine = Self { folder, shim, clock };
        machine.set_clock(0);
        machine
    }

    /// The command runs there.
    pub fn takes(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.shim).env("CHAOS_CLOCK", self.folder.path().join("clock"));
        command.env("CHAOS_FULL", self.full());
    }

    /// So far ahead of the others' clocks.
    pub fn set_clock(&self, seconds: i64) {
        let ahead = seconds * Duration::from_secs(1).as_nanos() as i64;
        self.clock.write_all_at(&ahead.to_ne_bytes(), 0).unwrap();
    }

    pub fn set_disk(&self, is_full: bool) {
        if is_full {
            File::create(self.full()).unwrap();
        } else {
            std::fs::remove_file(self.full()).unwrap();
        }
    }

    fn full(&self) -> PathBuf {
        self.folder.path().join("full")
    }
}

#[test]
fn a_machine_has_the_clock_and_the_disk_that_it_is_given() {
    let machine = Machine::new();
    let file = machine.folder.path().join("file");
    let date = || {
        let mut command = Command::new("sh");
        command.arg("-c").arg("date +%s; echo all >\"$1\"").arg("sh").arg(&file);
        machine.takes(&mut command);
        let told = command.output().unwrap();
        let time: i64 = String::from_utf8(told.stdout).unwrap().trim().parse().unwrap();
        (Timestamp::from_second(time).unwrap(), std::fs::read_to_string(&file).unwrap_or_default())
    };
    let before = Timestamp::now();
    machine.set_clock(-7_200);
    machine.set_disk(true);
    let (told, written) = date();
    let after = Timestamp::now();
    let ahead = SignedDuration::from_hours(-2);
    assert!((before + ahead).as_second() <= told.as_second() && told <= after + ahead, "{told}");
    assert_eq!(written, "");
    machine.set_disk(false);
    assert_eq!(date().1, "all\n");
}
