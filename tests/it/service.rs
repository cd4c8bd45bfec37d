//! A worker as a service: what systemd hears, what Prometheus reads, what the samples say.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mutirao::sandbox::Sandbox;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::postgres::Database;
use crate::support::site::{Site, Started};

const LONG: Duration = Duration::from_secs(60);

/// Readiness follows within so long; one second more for a busy machine.
const SOON: Duration = Duration::from_secs(6);

fn sample(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)).unwrap()
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn end(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

/// A worker that answers whoever asks, and where.
fn answering(site: &Site, database: &Database, hubsoft: Option<SocketAddr>) -> (Started, SocketAddr) {
    let url = database.url();
    let mut command = site.command(&["worker", "--database-url", &url, "--metrics-listen", "127.0.0.1:0"]);
    if let Some(hubsoft) = hubsoft {
        command.env("HUBSOFT_URL", format!("http://{hubsoft}"));
    }
    let worker = Site::start(command, "answering");
    let at = worker.said.trim().rsplit(' ').next().and_then(|it| it.parse().ok());
    let at = at.unwrap_or_else(|| panic!("it says where: {}", worker.said));
    (worker, at)
}

/// Status and body of a GET; `None` if nobody answers.
fn get(at: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: mutirao\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[track_caller]
fn until_ready_is(at: SocketAddr, status: u16, within: Duration) {
    let began = Instant::now();
    loop {
        let found = get(at, "/readyz");
        if found.as_ref().is_some_and(|it| it.0 == status) {
            return;
        }
        assert!(began.elapsed() < within, "/readyz is {found:?}, not {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn systemd_hears_of_the_start_the_work_and_the_stop() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let socket = UnixDatagram::bind(site.path("notify")).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let url = database.url();
    let mut command = site.command(&["worker", "--database-url", &url]);
    command.env("NOTIFY_SOCKET", site.path("notify")).env("WATCHDOG_USEC", "2000000");
    let mut worker = Running::start(command);
    let hear = || {
        let mut buffer = [0; 1024];
        let n = socket.recv(&mut buffer).expect("systemd hears something in time");
        String::from_utf8_lossy(&buffer[..n]).trim().to_owned()
    };
    assert_eq!(hear(), "READY=1");
    let mut heard = BTreeSet::new();
    let mut fed = Vec::new();
    // The worker is idle, and still its loop feeds the watchdog.
    while fed.len() < 8 || !heard.iter().any(|it: &String| it.starts_with("STATUS=0 opened")) {
        let text = hear();
        if text == "WATCHDOG=1" {
            fed.push(Instant::now());
        }
        heard.insert(text);
    }
    let longest = fed.windows(2).skip(2).map(|it| it[1] - it[0]).max().unwrap();
    assert!(longest < Duration::from_secs(1), "half the interval, but it was {longest:?}");
    assert_eq!(worker.end(), Some(0));
    while hear() != "STOPPING=1" {}
}

#[tokio::test]
async fn readiness_follows_hubsoft_also_when_idle() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let start = |listener| Sandbox::start("".parse().unwrap(), listener).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hubsoft = listener.local_addr().unwrap();
    let sandbox = start(listener);
    let (worker, at) = answering(&site, &database, Some(hubsoft));
    until_ready_is(at, 200, LONG);
    assert_eq!(get(at, "/livez").unwrap().0, 200);
    sandbox.stop();
    until_ready_is(at, 503, SOON);
    let sandbox = start(TcpListener::bind(hubsoft).unwrap());
    until_ready_is(at, 200, SOON);
    drop(sandbox);
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

#[tokio::test]
async fn every_metric_of_the_samples_is_told() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (worker, at) = answering(&site, &database, None);
    until_ready_is(at, 200, LONG);
    let told = names(&get(at, "/metrics").unwrap().1);
    for file in ["alerts.yml", "grafana-dashboard.json"] {
        for word in sample(file).split(|it: char| !it.is_ascii_alphanumeric() && it != '_') {
            if word.starts_with("mutirao_") {
                assert!(told.contains(word), "{file} uses `{word}`; told are {told:?}");
            }
        }
    }
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

/// The names of the samples of a text in Prometheus's format, every line of which must be right.
fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            assert!(comment.starts_with("HELP mutirao_") || comment.starts_with("TYPE mutirao_"), "{line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value == "+Inf" || value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(labels.ends_with('}') && labels.matches('"').count() % 2 == 0, "{line}");
        names.insert(name.to_owned());
    }
    names
}

#[test]
fn the_units_are_right_and_shut_in() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let units = ["mutirao.service", "mutirao-drain.service", "mutirao-drain.timer"];
    let paths = units.map(|name| {
        let path = folder.path().join(name);
        let text = sample(name).replace("/usr/local/bin/mutirao", env!("CARGO_BIN_EXE_mutirao"));
        std::fs::write(&path, text.replace("Documentation=man:mutirao(1)\n", "")).unwrap();
        path
    });
    let analyze = |args: &[&str], paths: &[std::path::PathBuf]| {
        let output = Command::new("systemd-analyze").args(args).args(paths).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    };
    analyze(&["verify", "--man=no"], &paths);
    analyze(&["security", "--offline=true", "--threshold=20"], &paths[..2]);
}
