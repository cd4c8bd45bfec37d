//! A worker that the database does not let work is not ready, and says why.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::roles::Roles;
use crate::service::{answering, get, until_ready_is};
use crate::support::postgres::Database;
use crate::support::site::Site;

const LONG: Duration = Duration::from_secs(60);

/// What it says once it is not ready for a reason with `text`.
fn until_it_says(at: SocketAddr, text: &str) -> String {
    let began = Instant::now();
    loop {
        let found = get(at, "/readyz");
        match &found {
            Some((503, why)) if why.contains(text) => return why.clone(),
            _ => assert!(began.elapsed() < LONG, "/readyz is {found:?}, without `{text}`"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn worker(site: &Site, url: &str) -> Command {
    let mut command = site.command(&["worker", "--rate", "unlimited"]);
    command.env("DATABASE_URL", url);
    command
}

async fn execute(conn: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.unwrap();
}

/// Seen: alive, ready, idle, silent.
#[tokio::test]
async fn a_worker_that_lacks_a_right_is_not_ready_and_says_which_grant_mends_it() {
    let site = Site::new("");
    let mut it = Roles::new(&site).await;
    it.grant().await;
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    it.grant().await;
    let (worker, at) = answering(worker(&site, &it.url("worker")));
    until_ready_is(at, 200);
    let role = it.name("worker");
    for (right, table) in [
        ("SELECT", "outbox"),
        ("UPDATE", "batch"),
        ("UPDATE", "pace"),
        ("INSERT", "attempt"),
        ("DELETE", "sight"),
    ] {
        execute(&mut it.admin, format!("REVOKE {right} ON mutirao.{table} FROM {role}")).await;
        let grant = format!("GRANT {right} ON mutirao.{table} TO {role}");
        let said = until_it_says(at, &format!("run `{grant}`"));
        assert!(said.contains(&format!("the role {role} may not {right} mutirao.{table}")), "{said}");
        execute(&mut it.admin, grant).await;
        until_ready_is(at, 200);
    }
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
    it.drop_roles().await;
}

/// Seen: an internal error, by its exit code.
#[tokio::test]
async fn a_run_that_loses_a_right_in_its_midst_is_denied_and_says_which_grant_mends_it() {
    let site = Site::new("latency=500ms");
    let mut it = Roles::new(&site).await;
    it.grant().await;
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    it.grant().await;
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
               VALUES ('11001', 'Sem sinal', 'Ana', '37999112201')";
    execute(&mut it.admin, sql.to_owned()).await;
    let mut command = worker(&site, &it.url("worker"));
    command.arg("--until-empty");
    let worker = Site::start(command, "working for");
    let began = Instant::now();
    let sql = "SELECT state = 'in_flight' FROM mutirao.outbox";
    while !sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut it.admin).await.unwrap() {
        assert!(began.elapsed() < LONG, "it claims nothing");
    }
    let role = it.name("worker");
    execute(&mut it.admin, format!("REVOKE UPDATE ON mutirao.outbox FROM {role}")).await;
    let (code, said) = worker.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(&format!("GRANT UPDATE ON mutirao.outbox TO {role}")), "{said}");
    it.drop_roles().await;
}

/// Nobody asks it whether it is ready.
#[tokio::test]
async fn a_worker_that_lacks_a_right_at_its_start_says_so_and_goes_on_when_it_has_it() {
    let site = Site::new("");
    let mut it = Roles::new(&site).await;
    it.grant().await;
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    it.grant().await;
    let role = it.name("worker");
    execute(&mut it.admin, format!("REVOKE UPDATE ON mutirao.pace FROM {role}")).await;
    let grant = format!("GRANT UPDATE ON mutirao.pace TO {role}");
    let worker = Site::start(worker(&site, &it.url("worker")), &grant);
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
               VALUES ('11001', 'Sem sinal', 'Ana', '37999112201')";
    execute(&mut it.admin, format!("{sql}; {grant}")).await;
    let began = Instant::now();
    while site.audit().tickets == 0 {
        assert!(began.elapsed() < LONG, "it opens nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
    it.drop_roles().await;
}

/// Seen: a worker without `--metrics-listen` and without work said nothing of what it may not write, and of a
/// locked table late.
#[tokio::test]
async fn an_idle_worker_that_nobody_asks_says_what_keeps_it_from_its_work() {
    let site = Site::new("");
    let mut it = Roles::new(&site).await;
    it.grant().await;
    site.run_at(&it.url("owner"), &["migrate"]).expect(0);
    it.grant().await;
    let role = it.name("worker");
    let mut worker = Site::start(worker(&site, &it.url("worker")), "working for");
    // Nothing that an idle run asks of the database needs it.
    execute(&mut it.admin, format!("REVOKE INSERT ON mutirao.attempt FROM {role}")).await;
    let grant = format!("GRANT INSERT ON mutirao.attempt TO {role}");
    worker.until_it_says(&format!("run `{grant}`"));
    execute(&mut it.admin, grant).await;
    worker.until_it_says("again");
    let mut tx = it.admin.begin().await.unwrap();
    execute(&mut tx, "LOCK TABLE mutirao.outbox".to_owned()).await;
    worker.until_it_says("another session holds a lock");
    tx.rollback().await.unwrap();
    worker.until_it_says("again");
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
    it.drop_roles().await;
}

#[tokio::test]
async fn a_database_that_takes_no_writes_or_has_a_table_locked_lets_no_worker_be_ready() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (worker, at) = answering(worker(&site, &database.url()));
    until_ready_is(at, 200);
    let mut conn = database.connect().await;
    for table in ["outbox", "pace"] {
        let mut tx = conn.begin().await.unwrap();
        execute(&mut tx, format!("LOCK TABLE mutirao.{table}")).await;
        until_it_says(at, "another session holds a lock");
        tx.rollback().await.unwrap();
        until_ready_is(at, 200);
    }
    let set = |value: &str| {
        format!(
            "ALTER DATABASE {} SET default_transaction_read_only = {value};
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND application_name = 'mutirao'",
            database.name()
        )
    };
    execute(&mut conn, set("on")).await;
    until_it_says(at, "takes no writes");
    execute(&mut conn, set("off")).await;
    until_ready_is(at, 200);
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}
