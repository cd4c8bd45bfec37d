//! A PostgreSQL server of the bench's own: durable, with the settings that Debian ships, on a socket in
//! a folder that goes with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub struct Cluster {
    folder: TempDir,
    bin: PathBuf,
    /// As root, the user to whom it belongs: Postgres refuses to run as root.
    owner: Option<&'static str>,
}

impl Cluster {
    pub fn start() -> Self {
        let bin = newest_bin().expect("PostgreSQL is installed: `tests/run` installs it");
        let folder = tempfile::tempdir().expect("a folder for the server");
        let owner = rustix::process::geteuid().is_root().then_some("nobody");
        let cluster = Self { folder, bin, owner };
        if let Some(owner) = owner {
            done(Command::new("chown").arg(owner).arg(cluster.path()));
            done(Command::new("chmod").arg("711").arg(cluster.path()));
        }
        done(cluster.tool("initdb").args([
            "-D",
            "data",
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
        ]));
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nshared_preload_libraries = \
             'pg_stat_statements'\n",
            cluster.path().display()
        );
        let conf = cluster.path().join("data/postgresql.conf");
        let mut text = fs::read_to_string(&conf).expect("initdb wrote it");
        text += &settings;
        fs::write(&conf, text).expect("it can be written");
        cluster.control(&["start", "-w", "-l", "log"]);
        cluster
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.path().display())
    }

    pub fn socket(&self) -> PathBuf {
        self.path().join(".s.PGSQL.5432")
    }

    /// As if its power was cut, and came back.
    pub fn restart(&self) {
        self.control(&["restart", "-w", "-m", "immediate", "-l", "log"]);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn control(&self, args: &[&str]) {
        done(self.tool("pg_ctl").args(["-D", "data"]).args(args));
    }

    fn tool(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = match self.owner {
            Some(owner) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={owner}"), "--regid=nogroup", "--clear-groups"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(self.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.tool("pg_ctl").args(["-D", "data", "stop", "-m", "immediate"]).status();
    }
}

/// Puts so many rows into an outbox there.
pub fn insert(first: i64, last: i64) -> String {
    format!(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, id_tipo_atendimento, email,
                                     abrir_os)
         SELECT n::text, 'Sem conexão desde a queda de fibra na rota 12', 'Cliente ' || n, '37999110001', '7',
                'cliente' || n || '@example.com.br', 'não'
           FROM generate_series({first}, {last}) n"
    )
}

fn newest_bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |it: &PathBuf| it.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().map(|it| it.path()).max_by_key(version)?;
    Some(newest.join("bin"))
}

fn done(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?} ended with {status}");
}
