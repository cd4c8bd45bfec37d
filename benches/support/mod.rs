//! What the benches share: servers in other processes, and what a process used.

#![allow(dead_code, reason = "each bench uses a part")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub mod cluster;

use mutirao::sandbox::{RunningSandbox, Sandbox};

pub const MUTIRAO: &str = env!("CARGO_BIN_EXE_mutirao");

/// Clock ticks a second in `/proc/*/stat`: fixed at 100 on Linux for user space (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// What a process used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub cpu_s: f64,
    pub peak_mib: f64,
    pub wall_s: f64,
}

/// A HubSoft on loopback.
pub struct Server {
    pub url: String,
    pub token: String,
    place: Place,
}

/// Never in the process that is measured.
enum Place {
    Here(RunningSandbox),
    Elsewhere(Child),
}

impl Server {
    /// In a process of its own, without a limit unless `with` has one.
    pub fn start(with: &str) -> Self {
        let mut child = Command::new(MUTIRAO)
            .args(["sandbox", "--json", "--with", &format!("rate=0,logins=0,burst=0,{with}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the sandbox says where it is");
        let told: serde_json::Value = serde_json::from_str(&line).expect("one line of JSON");
        let text = |key: &str| told[key].as_str().expect("the sandbox tells it").to_owned();
        Self { url: text("url"), token: text("token"), place: Place::Elsewhere(child) }
    }

    /// In the process of the bench, which then knows when requests came.
    pub fn here(with: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let sandbox = Sandbox::start(with.parse().expect("options"), listener).expect("the sandbox starts");
        Self { url: sandbox.url(), token: sandbox.sandbox().issue_token(), place: Place::Here(sandbox) }
    }

    pub fn sandbox(&self) -> &RunningSandbox {
        let Place::Here(sandbox) = &self.place else { panic!("it is in another process") };
        sandbox
    }

    pub fn arrivals(&self) -> Vec<Instant> {
        self.sandbox().sandbox().arrivals()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Place::Elsewhere(child) = &mut self.place {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How requests lie in time.
pub struct Spacing {
    pub mean_per_s: f64,
    pub peak_in_1s: usize,
    /// In seconds, the shortest first.
    gaps: Vec<f64>,
}

impl Spacing {
    pub fn of(arrivals: &[Instant]) -> Self {
        let mut gaps: Vec<f64> = arrivals.windows(2).map(|it| (it[1] - it[0]).as_secs_f64()).collect();
        let mean_per_s = gaps.len() as f64 / gaps.iter().sum::<f64>();
        gaps.sort_by(f64::total_cmp);
        let second = Duration::from_secs(1);
        let peak_in_1s = (0..arrivals.len())
            .map(|from| arrivals[from..].partition_point(|at| *at - arrivals[from] < second))
            .max()
            .unwrap_or(0);
        Self { mean_per_s, peak_in_1s, gaps }
    }

    /// The share of the gaps that are so many seconds or more.
    pub fn share_of_gaps(&self, least: f64) -> f64 {
        let n_shorter = self.gaps.partition_point(|it| *it < least);
        1.0 - n_shorter as f64 / self.gaps.len() as f64
    }

    pub fn shortest_s(&self) -> f64 {
        self.gaps.first().copied().unwrap_or(f64::NAN)
    }
}

pub fn summary(command: &mut Command) -> serde_json::Value {
    let output = command.stderr(Stdio::inherit()).output().expect("mutirao starts");
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

/// Runs a command to its end and tells what it used.
pub fn run(command: &mut Command) -> Usage {
    let (before, start) = (children_cpu_s(), Instant::now());
    let mut child = command.stdout(Stdio::null()).spawn().expect("the command starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let now =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
        peak_kib = peak_kib.max(now.unwrap_or(0_u64));
        if let Some(code) = child.try_wait().expect("the command can be waited for") {
            break code;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if !code.success() {
        println!("!! it ended with {code}");
    }
    Usage {
        cpu_s: children_cpu_s() - before,
        peak_mib: peak_kib as f64 / 1024.0,
        wall_s: start.elapsed().as_secs_f64(),
    }
}

/// CPU of the children that were waited for.
pub fn children_cpu_s() -> f64 {
    cpu_s_of("self", 15)
}

/// Two neighbouring fields of `/proc/PID/stat`, numbered from 0: user and system time.
pub fn cpu_s_of(pid: &str, field: usize) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    // The name in the second field may hold blanks; everything is counted from behind it.
    let rest = stat.rsplit_once(") ").expect("a name in brackets").1;
    let ticks =
        |at: usize| rest.split(' ').nth(at - 2).and_then(|it| it.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(field) + ticks(field + 1)) / TICKS_PER_S
}

/// Ends a process by SIGTERM and waits for it.
pub fn ended(child: &mut Child) -> Option<i32> {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
    child.wait().expect("it ends").code()
}
