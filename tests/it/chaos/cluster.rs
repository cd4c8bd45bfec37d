//! A Postgres server of this test alone, since it falls and comes back, or a standby does in its place.

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::time::sleep;

use super::process::{Process, mortal};
use crate::support::proxy::{Proxy, Server};

/// Longer than a server takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// What root becomes: Postgres refuses to run as root. Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// Where the one is to be found that is no standby, below the folder of both.
const SERVING: &str = "serving";

/// A server, and now and then its standby, each in a folder of its own.
pub struct Cluster {
    /// Ends before its folder goes.
    process: Process,
    bin: PathBuf,
    folder: TempDir,
    n_servers: u32,
}

impl Cluster {
    /// Needs the programs to make one with, also where `tests/run` was given a server.
    pub async fn new() -> Self {
        let bin = bin().expect("no initdb here: workers cannot be tried");
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let first = make_folder(folder.path(), 0);
        let mut initdb = as_owner(Command::new(bin.join("initdb")), &first);
        initdb.args(["-D", "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8"]);
        succeed(initdb.args(["--no-locale", "--no-sync"]));
        let process = start(&bin, &first);
        let cluster = Self { process, bin, folder, n_servers: 1 };
        cluster.serve(&first);
        cluster.until_it_answers().await;
        cluster
    }

    pub fn url(&self) -> String {
        url(&self.folder.path().join(SERVING))
    }

    /// A way to it that makes the weather, and its URL for `--database-url`.
    pub fn behind_a_proxy(&self) -> (Proxy, String) {
        let proxy = Proxy::before(Server::Unix(self.folder.path().join(SERVING).join(".s.PGSQL.5432")));
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
        self.process = start(&self.bin, &self.folder.path().join(SERVING));
        self.until_it_answers().await;
    }

    /// A standby is made, hears nothing of what is committed within `unheard`, and takes over.
    pub async fn fails_over(&mut self, unheard: Duration) {
        let standby = make_folder(self.folder.path(), self.n_servers);
        self.n_servers += 1;
        let mut backup = as_owner(Command::new(self.bin.join("pg_basebackup")), &standby);
        backup.args(["-D", "data", "-R", "-c", "fast", "--no-sync", "-d", &self.url()]);
        succeed(&mut backup);
        let process = start(&self.bin, &standby);
        let mut conn = self.connect().await;
        let sender = "SELECT pid FROM pg_stat_replication WHERE state = 'streaming'";
        let began = Instant::now();
        let sender: i32 = loop {
            if let Some(pid) = sqlx::query_scalar(sender).fetch_optional(&mut conn).await.unwrap() {
                break pid;
            }
            assert!(began.elapsed() < LONG, "the standby does not follow");
            sleep(Duration::from_millis(50)).await;
        };
        let sender = Pid::from_raw(sender).expect("a process");
        kill_process(sender, Signal::STOP).unwrap();
        sleep(unheard).await;
        self.process.send(Signal::QUIT);
        // One that is stopped hears no other signal, and says nothing any more.
        kill_process(sender, Signal::KILL).unwrap();
        self.process.until_it_ended(LONG);
        self.process = process;
        let mut promote = as_owner(Command::new(self.bin.join("pg_ctl")), &standby);
        succeed(promote.args(["promote", "-D", "data", "-w", "-t", &LONG.as_secs().to_string()]));
        self.serve(&standby);
        self.until_it_answers().await;
    }

    /// From now on this one is who answers.
    fn serve(&self, server: &Path) {
        let (link, new) = (self.folder.path().join(SERVING), self.folder.path().join("new"));
        std::os::unix::fs::symlink(server, &new).unwrap();
        std::fs::rename(new, link).unwrap();
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

fn url(sockets: &Path) -> String {
    format!("postgres://postgres@localhost/postgres?host={}", sockets.display())
}

fn make_folder(parent: &Path, n: u32) -> PathBuf {
    let folder = parent.join(n.to_string());
    std::fs::create_dir(&folder).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    folder
}

fn succeed(command: &mut Command) {
    let made = command.output().unwrap();
    assert!(made.status.success(), "{command:?}: {}", String::from_utf8_lossy(&made.stderr));
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
    newest_first.chain(std::env::split_paths(&in_path)).find(|bin| {
        ["initdb", "postgres", "pg_basebackup", "pg_ctl"].iter().all(|program| bin.join(program).is_file())
    })
}
