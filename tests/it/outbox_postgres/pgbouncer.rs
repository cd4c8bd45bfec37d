//! Through PgBouncer, which gives a session to every transaction and takes it away again.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mutirao::outbox::PgOutbox;
use mutirao::outbox::postgres::Ping;
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, PgConnection};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::support::postgres::Database;
use crate::support::site::Site;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Part of its socket's name.
const PORT: u16 = 6432;

/// What root becomes: PgBouncer refuses to run as root. Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// One before the server of the tests; it goes with this value.
struct PgBouncer {
    process: Child,
    /// Of its socket, so that no port has to be free.
    folder: TempDir,
}

impl PgBouncer {
    fn before(database: &Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let socket_folder = folder.path().display();
        // Every transaction has another session than the last one, if there is another.
        let settings = format!(
            "[databases]\n{}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {socket_folder}\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nserver_round_robin = 1\n\
             ignore_startup_parameters = extra_float_digits\n",
            database.as_pgbouncer_has_it(),
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new("pgbouncer");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .arg(&file)
            .env("PATH", format!("{path}:/usr/sbin"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let process = command.spawn().expect("pgbouncer is installed: `tests/run` does it");
        let it = Self { process, folder };
        let began = std::time::Instant::now();
        while UnixStream::connect(it.folder.path().join(format!(".s.PGSQL.{PORT}"))).is_err() {
            assert!(began.elapsed() < LONG, "pgbouncer does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        it
    }

    fn url(&self, database: &Database) -> String {
        format!("{}&statement-cache-capacity=0", self.plain_url(database))
    }

    /// One that does not say that there is a pooler.
    fn plain_url(&self, database: &Database) -> String {
        format!("postgres://x@localhost:{PORT}/{}?host={}", database.name(), self.folder.path().display())
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn insert(conn: &mut PgConnection, services: std::ops::RangeInclusive<i64>) {
    let sql = format!(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
         SELECT n::text, 'Sem sinal', 'Maria', '37999998888' FROM generate_series({}, {}) n",
        services.start(),
        services.end(),
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.unwrap();
}

async fn until_opened(conn: &mut PgConnection, n_rows: i64) {
    let began = Instant::now();
    let sql = "SELECT count(*) FROM mutirao.outbox WHERE state = 'opened'";
    while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *conn).await.unwrap() != n_rows {
        assert!(began.elapsed() < LONG, "{n_rows} rows are not opened");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn workers_and_commands_go_through_it_and_open_all_once() {
    let (site, database) = (Site::new("latency=5ms"), Database::fresh().await);
    let bouncer = PgBouncer::before(&database);
    let url = bouncer.url(&database);
    insert(&mut database.connect().await, 1..=300).await;
    let work = || site.run_at(&url, &["worker", "--until-empty", "--rate", "unlimited"]);
    std::thread::scope(|all| {
        for ended in [(); 3].map(|()| all.spawn(work)) {
            ended.join().unwrap().expect(0);
        }
    });
    assert_eq!((site.audit().tickets, site.audit().duplicates.len()), (300, 0));

    site.write("queda.csv", "id_cliente_servico;descricao;nome;telefone\n901;Sem sinal;Ana;37999112201\n");
    site.run_at(&url, &["import", "queda.csv", "--rate", "unlimited"]).expect(0);
    site.run_at(&url, &["status"]).expect(0);
    site.run_at(&url, &["export", "queda", "-o", "out"]).expect(0);
    site.run_at(&url, &["migrate", "--check"]).expect(0);
    assert_eq!(site.audit().tickets, 301);
}

#[tokio::test]
async fn inserts_wake_a_worker_past_it() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let bouncer = PgBouncer::before(&database);
    // So seldom that only being woken explains it.
    let mut command = site.command(&["worker", "--rate", "unlimited", "--poll", "10m"]);
    command.env("DATABASE_URL", bouncer.url(&database)).env("MUTIRAO_LISTEN_URL", database.url());
    let worker = Site::start(command, "working for");
    let mut conn = database.connect().await;
    insert(&mut conn, 1..=3).await;
    until_opened(&mut conn, 3).await;
    insert(&mut conn, 4..=6).await;
    until_opened(&mut conn, 6).await;
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

#[tokio::test]
async fn without_a_way_past_it_nobody_believes_to_listen() {
    let database = Database::fresh().await;
    let bouncer = PgBouncer::before(&database);
    let mut listener = PgOutbox::open(&bouncer.url(&database)).await.unwrap().listen();
    assert!(timeout(Duration::from_secs(1), listener.woken()).await.is_err());
}

/// Its URL does not say that it is there.
#[tokio::test]
async fn who_does_not_know_of_it_is_told_what_to_do() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let bouncer = PgBouncer::before(&database);
    insert(&mut database.connect().await, 1..=100).await;
    let ended =
        site.run_at(&bouncer.plain_url(&database), &["worker", "--until-empty", "--rate", "unlimited"]);
    // Since 1.21 it can be set up to know of prepared statements: then it works.
    if ended.code != Some(0) {
        assert!(
            ended.stderr.contains("add `statement-cache-capacity=0` to the database URL"),
            "{}",
            ended.stderr
        );
    }
}

/// Seen: the parts of a look reached several sessions, since it was no transaction.
#[tokio::test]
async fn a_look_at_what_a_worker_needs_goes_through_it() {
    let database = Database::fresh().await;
    let bouncer = PgBouncer::before(&database);
    let url = bouncer.url(&database);
    let open = || async { Ping::open(&url).await.unwrap() };
    let (mut first, mut second, mut third) = (open().await, open().await, open().await);
    for _ in 0..30 {
        let (a, b, c) = tokio::join!(first.ask(), second.ask(), third.ask());
        a.and(b).and(c).unwrap();
    }
}
