//! What the benches share: servers in other processes, and what a process used.

#![allow(dead_code, reason = "each bench uses a part")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub mod cluster;

use mutirao::sandbox::{RunningSandbox, Sandbox};
use rustix::process::{Pid, WaitId, WaitIdOptions};

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

/// What the kernel says of a process that has ended.
pub struct Account {
    pub cpu_s: f64,
    /// Bytes that it had the disk write.
    pub written_bytes: u64,
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

/// How far arrivals are from where they would be if each came in its time, at so many a second and without a
/// stop: the median and the 99th percentile, in seconds.
pub fn off_schedule_s(arrivals: &[Instant], per_s: f64) -> [f64; 2] {
    let percentile = |of: &mut Vec<f64>, share: f64| {
        of.sort_by(f64::total_cmp);
        of[((of.len() - 1) as f64 * share) as usize]
    };
    let late = |(n, at): (usize, &Instant)| (*at - arrivals[0]).as_secs_f64() - n as f64 / per_s;
    let mut late: Vec<f64> = arrivals.iter().enumerate().map(late).collect();
    let usual = percentile(&mut late, 0.5);
    let mut off: Vec<f64> = late.iter().map(|late| (late - usual).abs()).collect();
    [0.5, 0.99].map(|share| percentile(&mut off, share))
}

/// A clean spreadsheet of a row for each of these services; made once.
pub fn spreadsheet(folder: &Path, services: Range<u64>) -> PathBuf {
    let path = folder.join(format!("rows-{}-{}.csv", services.start, services.end));
    if !path.exists() {
        let mut out = BufWriter::new(File::create(&path).expect("the input is created"));
        writeln!(out, "id_cliente_servico;id_tipo_atendimento;descricao;nome;telefone;email;abrir_os")
            .expect("written");
        for (n, service) in services.enumerate() {
            writeln!(
                out,
                "{service};7;Sem conexão desde a queda de fibra na rota {};Cliente {service};(37) 99911-{:04};cliente{service}@example.com.br;não",
                n % 97,
                n % 10_000
            )
            .expect("written");
        }
        out.flush().expect("written");
    }
    path
}

/// As `import` sends it for a row of [`spreadsheet`].
const BODY: &str = r#"{"id_cliente_servico":123456,"id_tipo_atendimento":7,"descricao":"Sem conexão desde a queda de fibra na rota 12 [ref 0123456789AB]","nome":"Cliente 123456","telefone":"37999110001","email":"cliente123456@example.com.br","abrir_os":false}"#;

/// An import of this file, told that it may.
pub fn import_command(server: &Server, file: &Path, output: &Path) -> Command {
    let mut command = Command::new(MUTIRAO);
    command.arg("import").arg(file).args(["--yes", "-q", "-o"]).arg(output);
    command.env("HUBSOFT_URL", &server.url).env("HUBSOFT_TOKEN", &server.token);
    // Of this import alone: another round may have had the same rows, and by chance the same port.
    command.env("XDG_STATE_HOME", output.with_extension("state"));
    command
}

/// `oha` with so many requests of the same body.
pub fn oha(server: &Server, folder: &Path, n_requests: u64) -> Command {
    let body = folder.join("body.json");
    fs::write(&body, BODY).expect("the body is written");
    let mut command = Command::new("oha");
    command.args(["-n", &n_requests.to_string(), "--no-tui", "-m", "POST", "-T", "application/json"]);
    command.arg("-H").arg(format!("Authorization: Bearer {}", server.token)).arg("-D").arg(&body);
    command.arg(format!("{}/api/v1/integracao/atendimento", server.url));
    command
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

/// Waits for the end of a process.
pub fn account(mut child: Child) -> Account {
    // Its account is there until somebody has waited for it.
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    rustix::process::waitid(WaitId::Pid(Pid::from_child(&child)), ended).expect("it is ours");
    let pid = child.id().to_string();
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
    let account = Account { cpu_s: cpu_s_of(&pid, 13), written_bytes: written.unwrap_or_default() };
    let code = child.wait().expect("it has ended");
    if !code.success() {
        println!("!! it ended with {code}");
    }
    account
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
    let pid = Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
    child.wait().expect("it ends").code()
}
