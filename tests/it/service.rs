//! A worker as a service: what systemd hears, what Prometheus reads, what the samples say.

mod log;
mod readiness;
mod samples;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::postgres::Database;
use crate::support::site::{Site, Started};

const LONG: Duration = Duration::from_secs(60);

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
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < LONG, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A worker that answers whoever asks, and where.
pub fn answering(mut command: Command) -> (Started, SocketAddr) {
    command.args(["--metrics-listen", "127.0.0.1:0"]);
    let worker = Site::start(command, "answering");
    let at = worker.said.trim().rsplit(' ').next().and_then(|it| it.parse().ok());
    let at = at.unwrap_or_else(|| panic!("it says where: {}", worker.said));
    (worker, at)
}

/// Status and body of a GET; `None` if nobody answers.
pub fn get(at: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: mutirao\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Looks until `/readyz` has this status.
#[track_caller]
pub fn until_ready_is(at: SocketAddr, status: u16) -> Duration {
    let began = Instant::now();
    loop {
        let found = get(at, "/readyz");
        if found.as_ref().is_some_and(|it| it.0 == status) {
            return began.elapsed();
        }
        assert!(began.elapsed() < LONG, "/readyz is {found:?}, not {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What systemd would hear of a command.
struct Systemd(UnixDatagram);

impl Systemd {
    fn listens_to(site: &Site, command: &mut Command) -> Self {
        let path = site.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        command.env("NOTIFY_SOCKET", path);
        Self(socket)
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 1024];
        let n = self.0.recv(&mut buffer).expect("systemd hears something in time");
        String::from_utf8_lossy(&buffer[..n]).trim().to_owned()
    }

    fn hear_until(&self, text: &str) {
        while self.hear() != text {}
    }
}

#[tokio::test]
async fn systemd_hears_of_the_start_the_work_and_the_stop() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let url = database.url();
    let mut command = site.command(&["worker", "--database-url", &url]);
    let systemd = Systemd::listens_to(&site, command.env("WATCHDOG_USEC", "2000000"));
    let mut worker = Running::start(command);
    assert_eq!(systemd.hear(), "READY=1");
    let mut heard = BTreeSet::new();
    let mut fed = Vec::new();
    // The worker is idle, and still its loop feeds the watchdog.
    while fed.len() < 8 || !heard.iter().any(|it: &String| it.starts_with("STATUS=0 opened")) {
        let text = systemd.hear();
        if text == "WATCHDOG=1" {
            fed.push(Instant::now());
        }
        heard.insert(text);
    }
    let longest = fed.windows(2).skip(2).map(|it| it[1] - it[0]).max().unwrap();
    assert!(longest < Duration::from_secs(1), "half the interval, but it was {longest:?}");
    assert_eq!(worker.end(), Some(0));
    systemd.hear_until("STOPPING=1");
}

#[test]
fn a_worker_that_waits_for_its_first_database_stops_cleanly() {
    // One refuses, the other takes connections and says nothing.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    for database in ["127.0.0.1:1", &hangs.local_addr().unwrap().to_string()] {
        let site = Site::new("");
        let url = format!("postgres://mutirao@{database}/mutirao");
        let mut command = site.command(&["worker", "--database-url", &url]);
        let systemd = Systemd::listens_to(&site, &mut command);
        let mut worker = Running::start(command);
        systemd.hear_until("STATUS=waiting for the database");
        assert_eq!(worker.end(), Some(0));
        systemd.hear_until("STOPPING=1");
    }
}

#[test]
fn an_address_that_is_taken_is_no_fault_of_the_settings() {
    let (site, taken) = (Site::new(""), TcpListener::bind("127.0.0.1:0").unwrap());
    let listen_at = |at: &str| {
        site.run(&[
            "worker",
            "--database-url",
            "postgres://mutirao@127.0.0.1/mutirao",
            "--metrics-listen",
            at,
        ])
    };
    listen_at(&taken.local_addr().unwrap().to_string()).expect(9);
    listen_at("192.0.2.1:9464").expect(2); // Nobody's (RFC 5737), so not this machine's.
    // For these systemd does not start it again.
    assert!(sample("mutirao.service").contains("\nRestartPreventExitStatus=2 4\n"));
}
