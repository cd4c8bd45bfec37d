//! A Postgres server of this test alone, since it falls and comes back.

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::time::sleep;

use super::process::{Process, mortal};
use crate::support::proxy::{Proxy, Server};

/// Longer than a server takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// What root becomes: Postgres refuses to run as root. Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

pub struct Cluster {
    /// Ends before its folder goes.
    process: Process,
    bin: PathBuf,
    folder: TempDir,
}

impl Cluster {
    /// `None`: there are no programs to make one with, as can be where `tests/run` was given a server.
    pub async fn new() -> Option<Self> {
        let bin = bin()?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut initdb = as_owner(Command::new(bin.join("initdb")), folder.path());
        initdb.args(["-D", "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8"]);
        let made = initdb.args(["--no-locale", "--no-sync"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let process = start(&bin, folder.path());
        let cluster = Self { process, bin, folder };
        cluster.until_it_answers().await;
        Some(cluster)
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.path().display())
    }

    /// A way to it that makes the weather, and its URL for `--database-url`.
    pub fn behind_a_proxy(&self) -> (Proxy, String) {
        let proxy = Proxy::before(Server::Unix(self.folder.path().join(".s.PGSQL.5432")));
        let url = format!("postgres://postgres@{}/postgres?sslmode=disable", proxy.address);
        (proxy, url)
    }

    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// As `pg_ctl restart -m immediate` does: nothing is written any more, and the log is replayed.
    pub async fn falls_and_comes_back(&mut self) {
        self.process.send(Signal::QUIT);
        self.process.until_it_ended(LONG);
        self.process = start(&self.bin, self.folder.path());
        self.until_it_answers().await;
    }

    async fn until_it_answers(&self) {
        let began = Instant::now();
        loop {
            match PgConnection::connect(&self.url()).await {
                Ok(conn) => return conn.close().await.unwrap(),
                Err(error) => assert!(began.elapsed() < LONG, "Postgres does not answer: {error}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Cluster {
    /// Its own processes end with it; killed, it could not tell them.
    fn drop(&mut self) {
        self.process.send(Signal::QUIT);
        let began = Instant::now();
        while self.process.ended().is_none() && began.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn start(bin: &Path, folder: &Path) -> Process {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = as_owner(mortal("QUIT", &bin.join("postgres")), folder);
    command.args(["-D", "data", "-c", "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off"]);
    command.arg("-k").arg(folder).stdout(log.try_clone().unwrap()).stderr(log);
    Process::start(command)
}

fn as_owner(mut command: Command, folder: &Path) -> Command {
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    command.stdin(Stdio::null()).current_dir(folder);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Where the programs of the newest version are, as `tests/run` looks for them.
fn bin() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = match std::fs::read_dir("/usr/lib/postgresql") {
        Ok(versions) => versions
            .filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok())
            .map(|version: u32| (version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))))
            .collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("/usr/lib/postgresql: {error}"),
    };
    found.sort();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let newest_first = found.into_iter().rev().map(|(_, bin)| bin);
    newest_first
        .chain(std::env::split_paths(&in_path))
        .find(|bin| ["initdb", "postgres"].iter().all(|program| bin.join(program).is_file()))
}
