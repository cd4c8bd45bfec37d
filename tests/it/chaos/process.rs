//! A process that outlives neither its owner nor the tests.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub struct Process(Child);

impl Process {
    pub fn start(mut command: Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// To one that has not ended.
    pub fn send(&mut self, signal: Signal) {
        if self.ended().is_none() {
            kill_process(Pid::from_child(&self.0), signal).unwrap();
        }
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Returns its exit code.
    #[track_caller]
    pub fn until_it_ended(&mut self, bound: Duration) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status.code();
            }
            assert!(began.elapsed() < bound, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that gets `signal` should the thread that starts it be gone: killed tests drop nothing.
pub fn mortal(signal: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal, "--"]).arg(program);
    command
}
