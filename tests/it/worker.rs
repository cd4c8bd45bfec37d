//! `mutirao worker`, as a process: it drains, waits, shares, stops.

use std::time::Duration;

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::{Instant, sleep};

use crate::support::postgres::Database;
use crate::support::proxy::Weather;
use crate::support::site::{Site, Started};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Between two looks at what another process does.
const LOOK: Duration = Duration::from_millis(20);

/// A spreadsheet.
fn rows(n_rows: u32) -> String {
    let rows = (1..=n_rows).map(|n| format!("{n};Sem sinal;Maria;37999998888\n"));
    ["id_cliente_servico;descricao;nome;telefone\n".to_owned()].into_iter().chain(rows).collect()
}

struct Outbox {
    database: Database,
    conn: PgConnection,
}

impl Outbox {
    async fn new() -> Self {
        let database = Database::fresh().await;
        let conn = database.connect().await;
        Self { database, conn }
    }

    async fn insert(&mut self, services: std::ops::RangeInclusive<i64>) {
        let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, abrir_os)
                   SELECT n::text, 'Sem sinal', 'Maria', '37999998888', 'não' FROM generate_series($1, $2) n";
        let insert = sqlx::query(sql).bind(services.start()).bind(services.end());
        insert.execute(&mut self.conn).await.unwrap();
    }

    async fn count(&mut self, what: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {what}")))
            .fetch_one(&mut self.conn)
            .await
            .unwrap()
    }

    /// Waits until so many rows are in this state.
    async fn until(&mut self, state: &str, n_rows: i64) {
        let began = Instant::now();
        while self.count(&format!("mutirao.outbox WHERE state = '{state}'")).await != n_rows {
            assert!(began.elapsed() < LONG, "{n_rows} rows are not `{state}`");
            sleep(LOOK).await;
        }
    }

    /// Starts a worker and waits until it works.
    fn worker(&self, site: &Site, args: &[&str]) -> Started {
        let url = self.database.url();
        let args = [&["worker", "--database-url", &url][..], args].concat();
        site.start_until(&args, "working for")
    }
}

#[tokio::test]
async fn it_drains_wakes_and_leaves_cleanly() {
    let (site, mut outbox) = (Site::new("latency=20ms"), Outbox::new().await);
    outbox.insert(1..=30).await;
    // So seldom that only being woken explains it.
    let worker = outbox.worker(&site, &["--rate", "unlimited", "--poll", "10m"]);
    outbox.until("opened", 30).await;
    outbox.insert(31..=33).await;
    outbox.until("opened", 33).await;

    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

#[tokio::test]
async fn a_stop_leaves_nothing_in_flight() {
    let (site, mut outbox) = (Site::new("latency=50ms"), Outbox::new().await);
    outbox.insert(1..=2000).await;
    let worker = outbox.worker(&site, &["--rate", "200/s"]);
    let began = Instant::now();
    while outbox.count("mutirao.outbox WHERE state = 'opened'").await < 20 {
        assert!(began.elapsed() < LONG);
        sleep(LOOK).await;
    }
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
    assert_eq!(outbox.count("mutirao.outbox WHERE state = 'in_flight'").await, 0);
    assert_eq!(outbox.count("mutirao.outbox WHERE doubt_since IS NOT NULL AND state <> 'opened'").await, 0);
    assert_eq!(outbox.count("mutirao.worker").await, 0, "it has left");
    let n_opened = outbox.count("mutirao.outbox WHERE state = 'opened'").await;
    assert_eq!(site.audit().tickets as i64, n_opened);
}

/// Seen: it ended by `kill -9` only.
#[tokio::test]
async fn a_database_that_hangs_holds_up_no_stop() {
    let (site, mut outbox) = (Site::new("latency=20ms"), Outbox::new().await);
    let (way, url) = outbox.database.behind_a_proxy();
    outbox.insert(1..=2000).await;
    let args = ["worker", "--database-url", &url, "--rate", "50/s", "--grace", "2s"];
    let args = [&args[..], &["--timeout", "1s", "--connect-timeout", "500ms"]].concat();
    let worker = site.start_until(&args, "working for");
    let began = Instant::now();
    while outbox.count("mutirao.outbox WHERE state = 'opened'").await < 20 {
        assert!(began.elapsed() < LONG);
        sleep(LOOK).await;
    }
    way.set(Weather::Hangs);
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

#[tokio::test]
async fn workers_share_rows_and_open_none_twice() {
    let (site, mut outbox) = (Site::new("latency=20ms"), Outbox::new().await);
    outbox.insert(1..=300).await;
    let workers = [(); 3].map(|()| outbox.worker(&site, &["--rate", "100/s"]));
    outbox.until("opened", 300).await;
    for worker in workers {
        assert_eq!(worker.end_by(Signal::TERM), Some(0));
    }
    let audit = site.audit();
    assert_eq!((audit.tickets, audit.duplicates.len()), (300, 0));
    assert_eq!(audit.requests.get("post"), Some(&300), "nothing was asked twice");
}

#[tokio::test]
async fn a_person_pauses_and_resumes_all() {
    let (site, mut outbox) = (Site::new(""), Outbox::new().await);
    let url = outbox.database.url();
    site.run(&["pause", "--reason", "maintenance", "--database-url", &url]).expect(0);
    let args = ["worker", "--rate", "unlimited", "--database-url", &url];
    let worker = site.start_until(&args, "stopped (maintenance)");
    outbox.insert(1..=5).await;
    // It has been woken since, and has asked whether it may go on.
    // The server shows how a statement begins: how `share.sql` does.
    let shared = "pg_stat_activity WHERE application_name = 'mutirao' AND query LIKE '-- $1 this worker%'
                     AND (SELECT max(created_at) FROM mutirao.outbox) < query_start";
    let began = Instant::now();
    while outbox.count(shared).await == 0 {
        assert!(began.elapsed() < LONG);
        sleep(LOOK).await;
    }
    let status = site.run(&["status", "--database-url", &url]).expect(0);
    assert!(status.stdout.contains("maintenance"), "{}", status.stdout);
    assert_eq!(site.audit().tickets, 0);
    site.run(&["resume", "--database-url", &url]).expect(0);
    outbox.until("opened", 5).await;
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

/// Seen: `reconcile` did not come back within a minute, and did not say why.
#[tokio::test]
async fn reconcile_waits_for_nobody_and_says_why() {
    let (site, mut outbox) = (Site::new("latency=20ms"), Outbox::new().await);
    let url = outbox.database.url();
    outbox.insert(1..=1).await;
    let doubt = "UPDATE mutirao.outbox SET state = 'in_doubt', sent_at = now(), doubt_since = now()";
    sqlx::raw_sql(doubt).execute(&mut outbox.conn).await.unwrap();
    site.run(&["pause", "--reason", "maintenance", "--database-url", &url]).expect(0);
    let ended = site.run(&["reconcile", "--database-url", &url]).expect(6);
    assert!(ended.stderr.contains("all workers of this outbox are stopped: maintenance"), "{}", ended.stderr);
    assert!(ended.stderr.contains("mutirao resume"), "{}", ended.stderr);

    // What another worker has in flight comes back to that one.
    site.run(&["resume", "--database-url", &url]).expect(0);
    let held = "INSERT INTO mutirao.worker (name, lease_until, timeout_s) VALUES ('another', now() + interval '1 h', 60);
                UPDATE mutirao.outbox SET state = 'in_flight', claimed_at = now(), worker = (SELECT id FROM mutirao.worker WHERE name = 'another')";
    sqlx::raw_sql(held).execute(&mut outbox.conn).await.unwrap();
    let ended = site.run(&["reconcile", "--database-url", &url]).expect(7);
    assert!(ended.stderr.contains("1 worker is at work"), "{}", ended.stderr);
}

#[tokio::test]
async fn until_empty_ends_as_an_import_does() {
    let (site, mut outbox) = (Site::new(""), Outbox::new().await);
    let url = outbox.database.url();
    let run = || site.run(&["worker", "--until-empty", "--rate", "unlimited", "--database-url", &url]);
    run().expect(0);
    outbox.insert(1..=10).await;
    run().expect(0);
    outbox.until("opened", 10).await;
    outbox.insert(11..=12).await;
    sqlx::raw_sql("UPDATE mutirao.outbox SET telefone = '1' WHERE service = 12")
        .execute(&mut outbox.conn)
        .await
        .unwrap();
    run().expect(3);
    outbox.insert(13..=13).await;
    let denied = site
        .command(&["worker", "--until-empty", "--database-url", &url])
        .env("HUBSOFT_TOKEN", "wrong")
        .output()
        .unwrap();
    assert_eq!(denied.status.code(), Some(4), "{}", String::from_utf8_lossy(&denied.stderr));
    assert_eq!(outbox.count("mutirao.outbox WHERE state = 'pending'").await, 1);
}

/// Seen: it ended with 0, as if the outbox were empty.
#[tokio::test]
async fn until_empty_and_stopped_ends_as_an_import_does() {
    let (site, mut outbox) = (Site::new("latency=20ms"), Outbox::new().await);
    outbox.insert(1..=2000).await;
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 143), (Signal::INT, 130)] {
        let worker = outbox.worker(&site, &["--until-empty", "--rate", "20/s"]);
        assert_eq!(worker.end_by(signal), Some(code));
    }
    assert!(0 < outbox.count("mutirao.outbox WHERE state = 'pending'").await);
}

/// Seen: for ten seconds it said some forty times that the outbox could not be written, and could again.
#[tokio::test]
async fn a_lease_that_is_gone_is_renewed_by_the_next_claim() {
    let (site, mut outbox) = (Site::new(""), Outbox::new().await);
    outbox.insert(1..=1).await;
    let worker = outbox.worker(&site, &["--rate", "unlimited"]);
    outbox.until("opened", 1).await;
    sqlx::raw_sql("DELETE FROM mutirao.worker").execute(&mut outbox.conn).await.unwrap();
    outbox.insert(2..=3).await;
    outbox.until("opened", 3).await;
    worker.send(Signal::TERM);
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.matches("the outbox cannot be written").count() <= 1, "{said}");
    assert_eq!(site.audit().tickets, 3);
}

/// Seen: its hint was to give a flag that it does not have.
#[tokio::test]
async fn another_host_is_refused_by_what_helps_here() {
    let (site, outbox) = (Site::new(""), Outbox::new().await);
    let url = outbox.database.url();
    site.run_at(&url, &["worker", "--until-empty"]).expect(0);
    for command in [&["worker"][..], &["reconcile"]] {
        let ended = Site::new("").run_at(&url, command).expect(2);
        let said = &ended.stderr;
        assert!(said.contains("this outbox belongs to") && !said.contains("-o DIR"), "{said}");
        assert!(said.contains("HUBSOFT_URL") && said.contains("--database-url"), "{said}");
    }
}

/// Seen: it waited for a HubSoft that it had nothing to ask.
#[tokio::test]
async fn reconcile_of_nothing_asks_nobody() {
    let (site, mut outbox) = (Site::new(""), Outbox::new().await);
    let open = "UPDATE mutirao.pace SET breaker = 'open', breaker_at = clock_timestamp() + interval '30 s'";
    sqlx::raw_sql(open).execute(&mut outbox.conn).await.unwrap();
    let mut command = site.command(&["reconcile"]);
    command.env("DATABASE_URL", outbox.database.url()).env("HUBSOFT_URL", "http://127.0.0.1:1");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_poll_that_would_never_rest_is_refused() {
    let site = Site::new("");
    for poll in ["0s", "49ms"] {
        let ended = site.run_at("sqlite:box.db", &["worker", "--until-empty", "--poll", poll]).expect(2);
        assert!(
            ended.stderr.contains("--poll <TIME>': too short; allowed is 50ms or more"),
            "{}",
            ended.stderr
        );
    }
    site.run_at("sqlite:box.db", &["worker", "--until-empty", "--poll", "50ms"]).expect(0);
}

#[tokio::test]
async fn a_lote_that_is_refused_halts_and_resumes() {
    let (site, mut outbox) = (Site::new("services_max=100"), Outbox::new().await);
    let url = outbox.database.url();
    outbox.insert(1..=10).await;
    outbox.insert(1001..=1100).await;
    sqlx::raw_sql("UPDATE mutirao.outbox SET lote = 'errado' WHERE 1000 < service")
        .execute(&mut outbox.conn)
        .await
        .unwrap();
    let args =
        ["worker", "--until-empty", "--rate", "unlimited", "--concurrency", "1", "--database-url", &url];
    let ended = site.run(&args).expect(6);
    assert!(ended.stderr.contains("`errado` is halted"), "{}", ended.stderr);
    assert_eq!(outbox.count("mutirao.outbox WHERE state = 'opened'").await, 10, "the other lote went on");
    let n_left = outbox.count("mutirao.outbox WHERE state = 'pending'").await;
    assert!((70..=80).contains(&n_left), "{n_left} rows are left");
    // It stays halted, and a timer that starts this again and again reports no success.
    let ended = site.run(&args).expect(6);
    let said = format!("`errado` is halted, {n_left} rows wait");
    assert!(
        ended.stderr.contains(&said) && ended.stderr.contains("mutirao resume errado"),
        "{}",
        ended.stderr
    );
    assert_eq!(outbox.count("mutirao.outbox WHERE state = 'pending'").await, n_left);
    site.run(&["resume", "errado", "--database-url", &url]).expect(0);
    site.run(&args).expect(6);
    assert!(outbox.count("mutirao.outbox WHERE state = 'pending'").await < n_left);
}

#[tokio::test]
async fn a_worker_opens_what_an_import_left_in_its_file() {
    let site = Site::new("");
    site.write("queda.csv", rows(9));
    site.run(&["import", "queda.csv", "--sample", "2", "--rate", "unlimited"]).expect(0);
    let url = "sqlite:queda.mutirao/outbox.db";
    site.run(&["worker", "--until-empty", "--rate", "unlimited", "--database-url", url]).expect(0);
    assert_eq!(site.audit().tickets, 9);
    site.run(&["pause", "--database-url", url]).expect(2);
    let worker = site.start_until(&["worker", "--database-url", url], "working for");
    site.run(&["worker", "--database-url", url]).expect(9);
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

#[tokio::test]
async fn what_an_import_holds_is_not_taken_for_nothing() {
    let (site, outbox) = (Site::new(""), Outbox::new().await);
    let url = outbox.database.url();
    site.write("queda.csv", rows(30));
    // The others wait for a look at these two.
    site.run_at(&url, &["import", "queda.csv", "--batch", "queda", "--sample", "2"]).expect(0);
    // Meant for the rows of others.
    site.run_at(&url, &["retry"]).expect(0);
    let ended = site.run_at(&url, &["worker", "--until-empty"]).expect(6);
    assert!(ended.stderr.contains("`queda` is halted, 28 rows wait"), "{}", ended.stderr);
    assert_eq!(site.audit().tickets, 2);
}

#[tokio::test]
async fn a_lote_that_was_halted_in_a_file_is_seen_and_resumes() {
    let site = Site::new("services_max=100");
    site.write("errado.csv", rows(40).replace(";Sem", "0000;Sem"));
    let url = "sqlite:box.db";
    site.run_at(url, &["enqueue", "errado.csv", "--batch", "errado"]).expect(0);
    let work = ["worker", "--until-empty", "--rate", "unlimited", "--concurrency", "1"];
    site.run_at(url, &work).expect(6);
    for seen in [site.run_at(url, &["status"]).expect(0).stdout, site.run_at(url, &work).expect(6).stderr] {
        assert!(seen.contains("`errado` is halted") && seen.contains("mutirao resume errado"), "{seen}");
    }
    let n_posts = || site.audit().requests["post"];
    let before = n_posts();
    site.run_at(url, &["resume", "errado"]).expect(0);
    assert!(!site.run_at(url, &["status"]).expect(0).stdout.contains("halted"));
    site.run_at(url, &work);
    assert!(before < n_posts(), "it goes on");
    assert!(site.run_at(url, &["resume"]).expect(2).stderr.contains("mutirao resume LOTE"));
}

#[tokio::test]
async fn rows_of_a_worker_that_died_are_looked_up_and_opened_once() {
    let (site, mut outbox) = (Site::new("latency=300ms"), Outbox::new().await);
    let dead = outbox.worker(&site, &["--rate", "unlimited", "--concurrency", "8"]);
    // By which HubSoft can be seen to show tickets, whether or not one of the others has come to it.
    outbox.insert(1..=1).await;
    outbox.until("opened", 1).await;
    outbox.insert(2..=9).await;
    outbox.until("in_flight", 8).await;
    dead.end_by(Signal::KILL);
    // As if its lease had run out; and so that the test need not wait for renewals.
    sqlx::raw_sql("UPDATE mutirao.worker SET lease_until = clock_timestamp()")
        .execute(&mut outbox.conn)
        .await
        .unwrap();
    let worker = outbox.worker(&site, &["--rate", "unlimited", "--settle-delay", "1s"]);
    sqlx::raw_sql("UPDATE mutirao.worker SET n_renewals = 100").execute(&mut outbox.conn).await.unwrap();
    outbox.until("opened", 9).await;
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
    let audit = site.audit();
    assert_eq!((audit.tickets, audit.duplicates.len()), (9, 0));
}
