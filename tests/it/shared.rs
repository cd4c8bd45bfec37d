//! Whole commands on an outbox that is not the spreadsheet's own: a database, or a file.

use std::collections::HashMap;
use std::fmt::Write;

use jiff::Timestamp;
use mutirao::delivery::{ClaimRequest, End, Outbox};
use mutirao::outbox::Scope;
use mutirao::outbox::postgres::PgOutbox;
use mutirao::ticket::code::BatchCode;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::outbox_postgres::bench::register;
use crate::support::postgres::Database;
use crate::support::site::Site;

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone;abrir_os\n";

fn rows(n_rows: u32) -> String {
    let mut text = HEADER.to_owned();
    for n in 1..=n_rows {
        writeln!(text, "{};Sem conexão na rua {n};Cliente {n};(37) 99911-{n:04};não", 11_000 + n).unwrap();
    }
    text
}

/// An outbox that programs reach by its URL, and through SQL.
pub enum Shared {
    File(String),
    Server(Box<Database>),
}

impl Shared {
    pub fn file(site: &Site) -> Self {
        Self::File(site.path("box.db").display().to_string())
    }

    pub fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{path}"),
            Self::Server(database) => database.url(),
        }
    }

    pub async fn sql(&self, sql: &str) {
        match self {
            Self::File(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql.replace("mutirao.", ""))).execute(&mut conn).await.unwrap();
            }
            Self::Server(database) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database.connect().await).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn an_import_gives_the_same_results_wherever_its_outbox_is() {
    let problems = include_str!("../../samples/problemas.csv");
    let own = Site::new("");
    own.write("problemas.csv", problems);
    own.run(&["import", "problemas.csv", "--rate", "unlimited", "--yes"]).expect(3);
    let at_server = Site::new("");
    at_server.write("problemas.csv", problems);
    let database = Database::fresh().await;
    let import = ["import", "problemas.csv", "--rate", "unlimited", "--yes"];
    at_server.run_at(&database.url(), &import).expect(3);
    assert!(!at_server.path("problemas.mutirao/outbox.db").exists(), "the rows are in the database");

    let told = |site: &Site, file: &str| {
        let mut table = site.table(&format!("problemas.mutirao/{file}"));
        for row in &mut table {
            // Each HubSoft counts for itself, and each batch has a code of its own, and a name where it
            // shares the outbox.
            for name in ["lote", "referencia"] {
                if let Some(cell) = row.get_mut(name) {
                    *cell = BatchCode::of_cell(cell).expect("it is ours").1.into_owned();
                }
            }
            row.retain(|name, _| !["protocolo", "id_atendimento", "lote"].contains(&&**name));
        }
        table
    };
    for file in ["results.csv", "errors.csv", "problems.csv"] {
        let (own, shared): (Vec<HashMap<_, _>>, _) = (told(&own, file), told(&at_server, file));
        assert_eq!(own.len(), shared.len(), "{file}");
        for (own, shared) in own.iter().zip(&shared) {
            assert_eq!(own, shared, "{file}");
        }
    }
    // Rows over time are counted by each driver.
    for site in [&own, &at_server] {
        let page = site.read("problemas.mutirao/report.html");
        assert!(page.contains("<svg ") && page.contains(r#"<rect class="opened""#), "{page}");
    }
    let audits = [&own, &at_server].map(|site| (site.audit().tickets, site.audit().duplicates.len()));
    assert_eq!(audits[0], audits[1]);

    // The same command goes on, and opens nothing twice.
    at_server.run_at(&database.url(), &import).expect(3);
    assert_eq!(at_server.audit().tickets, audits[0].0);
}

/// A worker opens at once what is enqueued: a customer's number was taken for the service's without a word.
#[test]
fn what_is_enqueued_with_a_doubtful_column_is_asked_about_first() {
    let site = Site::new("");
    let url = Shared::file(&site).url();
    let table = "codigo cliente;nome;telefone;descricao\n300;Ana;37999112201;a\n";
    site.write("queda.csv", table);
    let args = ["enqueue", "queda.csv", "--map", "codigo cliente=id_cliente_servico"];
    let asked = site.run_at(&url, &args).expect(2);
    assert!(asked.stderr.contains("those are different numbers: is that right?"), "{}", asked.stderr);
    site.run_at(&url, &[&args[..], &["--yes"]].concat()).expect(0);
}

#[tokio::test]
async fn what_is_enqueued_can_be_seen_withdrawn_and_wanted_again() {
    let site = Site::new("");
    for shared in [Shared::file(&site), Shared::Server(Database::fresh().await.into())] {
        check_commands(&site, &shared).await;
    }
    assert_eq!(site.audit().tickets, 0, "nothing was sent");
}

async fn check_commands(site: &Site, shared: &Shared) {
    let run = |args: &[&str]| site.run_at(&shared.url(), args);
    site.write("queda.csv", rows(4));
    run(&["enqueue", "queda.csv"]).expect(0);
    site.write("errada.csv", rows(3).replace("Cliente 2", ""));
    assert_eq!(run(&["enqueue", "errada.csv", "--json"]).expect(3).json()["invalid"], 1);
    run(&["enqueue", "errada.csv", "--batch", "toda", "--strict", "--again"]).expect(5);
    run(&["status", "toda"]).expect(2);

    let counts =
        |batch: &str| run(&["status", batch, "--json"]).expect(0).json()["batches"][0]["counts"].clone();
    assert_eq!((&counts("queda")["pending"], &counts("queda.csv")["total"]), (&4.into(), &4.into()));
    assert!(run(&["show", "queda:3"]).expect(0).stdout.contains("rua 2"));
    run(&["show", "queda:99"]).expect(2);
    run(&["export", "queda", "-o", "out"]).expect(0);
    let results = site.table("out/results.csv");
    assert_eq!(results.iter().map(|it| it["line"].as_str()).collect::<Vec<_>>(), ["2", "3", "4", "5"]);
    assert!(site.table("out/errors.csv").is_empty(), "they only wait");

    run(&["cancel", "queda"]).expect(0);
    assert_eq!(counts("queda")["cancelled"], 4);
    assert_eq!(run(&["retry", "queda", "--state", "cancelled", "--json"]).expect(0).json()["rows"], 4);
    assert_eq!(counts("queda")["pending"], 4);
    assert_eq!(counts("errada")["invalid"], 1, "another batch is left alone");

    run(&["resolve", "queda:2", "--opened", "20261124000000123456"]).expect(2);
    let time = match shared {
        Shared::File(_) => "1",
        Shared::Server(_) => "now()",
    };
    let sql =
        format!("UPDATE mutirao.outbox SET state = 'unconfirmed', doubt_since = {time}, sent_at = {time}");
    shared.sql(&format!("{sql} WHERE line IN (2, 3) AND state = 'pending'")).await;
    let unchecked = run(&["resolve", "queda:2", "--opened", "20261124000000123456"]).expect(2);
    assert!(unchecked.stderr.contains("--yes"), "HubSoft knows no such ticket: {}", unchecked.stderr);
    run(&["resolve", "queda:2", "--opened", "20261124000000123456", "--yes"]).expect(0);
    run(&["resolve", "queda:3", "--not-opened"]).expect(0);
    assert_eq!((&counts("queda")["opened"], &counts("queda")["failed"]), (&1.into(), &1.into()));
    assert!(run(&["show", "queda:2"]).expect(0).stdout.contains("20261124000000123456"));
}

#[tokio::test]
async fn status_tells_what_hubsoft_bears_of_the_rate_of_all_and_of_requests_at_a_time() {
    let site = Site::new("");
    let shared = Shared::Server(Database::fresh().await.into());
    let status = |args: &[&str]| site.run_at(&shared.url(), &[&["status"], args].concat()).expect(0);
    let sql = "INSERT INTO mutirao.worker (name, lease_until, rate, timeout_s) VALUES ('a', now() + interval '1 h', 10, 30);
               UPDATE mutirao.pace SET lowered_at = now(), lowered_by = 1, lowered_pause = '1 h', lowered_rate = 4";
    shared.sql(sql).await;
    assert_eq!(status(&["--json"]).json()["workers"]["lowered_per_s"], 4.0);
    assert!(status(&["--json"]).json()["workers"]["at_once"].is_null(), "it has not told yet");
    let told = "1 worker, 10/s together at most\n  4/s for now: HubSoft refused a faster pace\n";
    assert!(status(&[]).stdout.contains(told), "{}", status(&[]).stdout);
    shared.sql("UPDATE mutirao.pace SET lowered_at = NULL").await;
    assert!(status(&["--json"]).json()["workers"]["lowered_per_s"].is_null());
    let sql = "UPDATE mutirao.worker SET at_once = 5;
               INSERT INTO mutirao.worker (name, lease_until, rate, timeout_s, at_once)
               VALUES ('b', now() + interval '1 h', 10, 30, 3), ('gone', now() - interval '1 h', 10, 30, 8)";
    shared.sql(sql).await;
    assert_eq!(status(&["--json"]).json()["workers"]["at_once"], 8);
    let told = "2 workers, 10/s together at most; 8 requests at a time at most\n";
    assert!(status(&[]).stdout.contains(told), "{}", status(&[]).stdout);
}

#[tokio::test]
async fn a_row_of_a_program_can_be_seen_and_mended_through_a_file() {
    let site = Site::new("");
    let shared = Shared::Server(Database::fresh().await.into());
    let run = |args: &[&str]| site.run_at(&shared.url(), args);
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, parametros, lote)
               VALUES ('11001', 'Sem sinal', 'Ana', '37999112201', '{\"a\": [1]}', 'noite'),
                      ('11002', 'Sem sinal; luz', 'Bia', '12', NULL, 'noite');
               UPDATE mutirao.outbox SET state = 'invalid' WHERE telefone = '12';
               -- As the worker does that finds it invalid.
               INSERT INTO mutirao.batch (name) VALUES ('noite')";
    shared.sql(sql).await;
    assert!(run(&["show", "1"]).expect(0).stdout.contains("Sem sinal"));
    let status = run(&["status", "--json"]).expect(0).json();
    assert_eq!((&status["outbox"]["counts"]["total"], &status["workers"]["alive"]), (&2.into(), &0.into()));
    run(&["export", "noite", "-o", "out"]).expect(0);
    let results = site.table("out/results.csv");
    assert_eq!((&*results[0]["parametros"], &*results[1]["descricao"]), ("{\"a\": [1]}", "Sem sinal; luz"));
    let problems = site.table("out/problems.csv");
    assert_eq!((problems.len(), &*problems[0]["field"]), (1, "telefone"));

    let errors = site.read("out/errors.csv").replace(";12;", ";37999112202;");
    site.write("errors.csv", errors);
    let mended = run(&["enqueue", "errors.csv", "--json"]).expect(0).json();
    assert_eq!(
        (&mended["batch"], &mended["updated"], &mended["new"]),
        (&"noite".into(), &1.into(), &0.into())
    );
    let Shared::Server(database) = &shared else { unreachable!() };
    let sql = "SELECT count(*) FROM mutirao.outbox WHERE state = 'pending' AND record IS NULL";
    let n_rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut database.connect().await).await.unwrap();
    assert_eq!(n_rows, 2, "they keep the marker of a producer's row");

    run(&["cancel", "noite"]).expect(0);
    shared
        .sql(
            "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone) VALUES ('','','','')",
        )
        .await;
    let ambiguous = run(&["export", "-o", "out"]).expect(2);
    assert!(ambiguous.stderr.contains("default, noite"), "{}", ambiguous.stderr);
}

/// Seen: `there is no batch zabbix:host1`.
#[tokio::test]
async fn a_row_is_found_whatever_colons_its_name_has() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    let rows = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, referencia)
                SELECT '11000', concat(lote, ' and ', referencia), 'Ana', '37999112201', lote, referencia
                  FROM (VALUES ('zabbix', 'host1:4711'), ('a:b', 'c'), ('a:b', 'x:y:z'), ('p', 'q:r'), ('p:q', 'r'))
                       it(lote, referencia)";
    sqlx::raw_sql(rows).execute(&mut conn).await.unwrap();
    for (row, found) in [
        ("zabbix:host1:4711", "zabbix and host1:4711"),
        ("a:b:c", "a:b and c"),
        ("a:b:x:y:z", "a:b and x:y:z"),
    ] {
        assert!(site.run_at(&url, &["show", row]).expect(0).stdout.contains(found), "{row}");
    }
    let said = site.run_at(&url, &["show", "p:q:r"]).expect(2).stderr;
    assert!(said.contains("`p:q:r` names several rows") && said.contains("`4`, `5`"), "{said}");
    let said = site.run_at(&url, &["show", "zabbix:host2:4711"]).expect(2).stderr;
    assert!(said.contains("there is no row `zabbix:host2:4711`"), "{said}");
    let said = site.run_at(&url, &["show", "none:host2:4711"]).expect(2).stderr;
    assert!(said.contains("there is no batch `none:host2`"), "{said}");
    let unsure = "UPDATE mutirao.outbox SET state = 'unconfirmed', doubt_since = now(), sent_at = now()";
    sqlx::raw_sql(unsure).execute(&mut conn).await.unwrap();
    let said = site.run_at(&url, &["resolve", "zabbix:host1:4711", "a:b:x:y:z", "--not-opened"]).expect(0);
    assert!(said.stderr.contains("2 rows are now `failed`"), "{}", said.stderr);
    assert!(said.stderr.contains("mutirao retry zabbix`"), "{}", said.stderr);
}

/// Seen: it was opened at once.
#[tokio::test]
async fn a_row_that_is_wanted_again_waits_until_its_program_said() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    let rows =
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, available_at)
                SELECT n::text, 'Sem sinal', 'Ana', '37999112201', 'agenda', at::timestamptz
                  FROM (VALUES (1, '2999-01-01'), (2, '2020-01-01')) it(n, at)";
    sqlx::raw_sql(rows).execute(&mut conn).await.unwrap();
    site.run_at(&url, &["cancel", "agenda"]).expect(0);
    site.run_at(&url, &["retry", "agenda", "--state", "cancelled"]).expect(0);
    let waits = "SELECT now() < available_at FROM mutirao.outbox WHERE state = 'pending' ORDER BY id";
    let waits: Vec<bool> = sqlx::query_scalar(waits).fetch_all(&mut conn).await.unwrap();
    assert_eq!(waits, [true, false]);
}

/// As the runbook has it, at three in the morning.
#[tokio::test]
async fn without_a_batch_all_of_a_database_is_meant() {
    let site = Site::new("");
    let shared = Shared::Server(Database::fresh().await.into());
    let run = |args: &[&str]| site.run_at(&shared.url(), args);
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, state, sent_at, doubt_since,
                                           doubt_hubsoft_at)
               SELECT n::text, 'Sem sinal', 'Ana', '37999112201', CASE WHEN n % 2 = 0 THEN 'par' ELSE 'impar' END,
                      CASE WHEN n <= 4 THEN 'failed' ELSE 'unconfirmed' END, now(),
                      CASE WHEN 4 < n THEN now() - interval '1 day' END, now() - interval '1 day'
                 FROM generate_series(1, 6) n";
    shared.sql(sql).await;
    run(&["export", "-o", "out"]).expect(2);
    run(&["reconcile", "--rate", "unlimited"]);
    assert_eq!(site.audit().requests.get("post"), None);
    let counts = || run(&["status", "--json"]).expect(0).json()["outbox"]["counts"].clone();
    assert_eq!(site.audit().requests["look_up"], 2, "both are looked up");
    assert_eq!(counts()["unconfirmed"], 2, "nothing of ours was ever seen there: {}", counts());
    assert_eq!(run(&["retry", "--json"]).expect(0).json()["rows"], 4);
    assert_eq!((&counts()["failed"], &counts()["pending"]), (&0.into(), &4.into()));
}

#[tokio::test]
async fn nothing_is_sent_before_a_person_was_asked() {
    let site = Site::new("");
    let database = Database::fresh().await;
    site.write("queda.csv", rows(21));
    let halted = async || -> Vec<String> {
        let sql = "SELECT name FROM mutirao.batch WHERE halted_at IS NOT NULL";
        sqlx::query_scalar(sql).fetch_all(&mut database.connect().await).await.unwrap()
    };
    site.run_at(&database.url(), &["import", "queda.csv", "--dry-run"]).expect(0);
    site.run_at(&database.url(), &["status", "queda"]).expect(2);
    let asked = site.run_at(&database.url(), &["import", "queda.csv"]).expect(2);
    assert!(asked.stderr.contains("21 real tickets"), "{}", asked.stderr);
    site.run_at(&database.url(), &["status", "queda"]).expect(2);
    site.run_at(&database.url(), &["import", "queda.csv", "--rate", "unlimited", "--sample", "2"]).expect(0);
    assert!(halted().await[0].starts_with("queda-"), "no worker may open the others meanwhile");
    assert!(site.run_at(&database.url(), &["status"]).expect(0).stdout.contains("` is halted"));
    assert_eq!((site.audit().tickets, halted().await.len()), (2, 1));
    site.run_at(&database.url(), &["import", "queda.csv", "--rate", "unlimited", "--yes"]).expect(0);
    assert_eq!((site.audit().tickets, halted().await.len()), (21, 0));
}

/// Seen (in reading): the same file again, of which all was opened, let go what somebody had halted
/// meanwhile.
#[tokio::test]
async fn an_import_that_has_nothing_to_open_lifts_no_halt() {
    let site = Site::new("");
    let database = Database::fresh().await;
    site.write("queda.csv", rows(2));
    let import = ["import", "queda.csv", "--rate", "unlimited", "--batch", "q"];
    site.run_at(&database.url(), &import).expect(0);
    let mut sql = database.connect().await;
    let halt = "UPDATE mutirao.batch SET halted_at = now(), halt_reason = 'wait for Bia'";
    sqlx::query(halt).execute(&mut sql).await.unwrap();
    site.run_at(&database.url(), &import).expect(0);
    let reason = "SELECT halt_reason FROM mutirao.batch WHERE halted_at IS NOT NULL";
    let reason: Option<String> = sqlx::query_scalar(reason).fetch_optional(&mut sql).await.unwrap();
    assert_eq!(reason.as_deref(), Some("wait for Bia"));
    // Where something is to be opened, a person is told of it and asked.
    site.write("queda.csv", rows(3));
    let asked = site.run_at(&database.url(), &[&import[..], &["--continue", "--yes"]].concat()).expect(0);
    assert!(asked.stderr.contains("wait for Bia"), "{}", asked.stderr);
}

/// What is wrong with the whole file is no better in the hands of the workers that help.
#[tokio::test]
async fn an_import_that_halts_holds_its_batch() {
    let site = Site::new("services_max=1000");
    let database = Database::fresh().await;
    site.write("queda.csv", rows(20));
    let import = ["import", "queda.csv", "--rate", "unlimited", "--batch", "sem sinal"];
    let halted = site.run_at(&database.url(), &import).expect(6);
    assert!(halted.stderr.contains("refused"), "{}", halted.stderr);
    let n_tried = site.audit().requests_of("post");
    let worked = site.run_at(&database.url(), &["worker", "--until-empty", "--rate", "unlimited"]);
    assert_eq!(site.audit().requests_of("post"), n_tried, "{}", worked.stderr);
    let status = site.run_at(&database.url(), &["status"]).expect(0);
    assert!(status.stdout.contains("` is halted"), "{}", status.stdout);
    assert!(status.stdout.contains("`mutirao resume 'sem sinal'`"), "{}", status.stdout);
    site.run_at(&database.url(), &import).expect(6);
    assert!(n_tried < site.audit().requests_of("post"), "the next import tries again");
}

#[tokio::test]
async fn two_imports_of_a_batch_do_not_mix() {
    let site = Site::new("");
    let database = Database::fresh().await;
    site.write("queda.csv", rows(2));
    let mut other: PgConnection = database.connect().await;
    sqlx::raw_sql("BEGIN; INSERT INTO mutirao.importing VALUES ('queda')").execute(&mut other).await.unwrap();
    let busy = site.run_at(&database.url(), &["enqueue", "queda.csv", "--batch", "queda"]).expect(9);
    assert!(busy.stderr.contains("`queda`"), "{}", busy.stderr);
    site.run_at(&database.url(), &["enqueue", "queda.csv", "--batch", "outra"]).expect(0);
    other.close().await.unwrap();
    site.run_at(&database.url(), &["enqueue", "queda.csv", "--batch", "queda", "--again"]).expect(0);
}

/// Seen: `0 of 0 opened`, and exit 0.
#[tokio::test]
async fn an_import_whose_rows_another_took_over_tells_what_became_of_them() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    // So many that the last one is not claimed before it is gone, however slow the machine.
    site.write("queda.csv", rows(90));
    site.write("edited.csv", rows(89));
    let import =
        ["import", "queda.csv", "--batch", "queda", "--database-url", &url, "--rate", "1/s", "--yes"];
    let import = site.start_until(&import, "opening 90 tickets");
    let opened = "SELECT count(*) FROM mutirao.outbox WHERE state = 'opened'";
    while sqlx::query_scalar::<_, i64>(opened).fetch_one(&mut conn).await.unwrap() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    site.run_at(&url, &["enqueue", "edited.csv", "--batch", "queda", "--continue"]).expect(0);
    let (code, said) = import.end();
    assert_eq!(code, Some(6), "{said}");
    let n_opened = site.audit().tickets;
    assert!(said.contains(&format!("{n_opened} of 89 opened")), "{n_opened}: {said}");
    assert!(said.contains("another import took over rows of this one"), "{said}");
    // Seen: nothing was in anybody's way.
    assert!(!said.contains("unconfirmed"), "{said}");
}

/// Seen: while an edited file was read in, its rows were locked, and a worker posted the ones that it lacked.
#[tokio::test]
async fn what_a_file_no_longer_has_is_not_posted_while_it_is_read_in() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    site.write("queda.csv", rows(3));
    site.write("edited.csv", rows(2));
    site.run_at(&url, &["enqueue", "queda.csv", "--batch", "queda"]).expect(0);
    let outbox = PgOutbox::open(&url).await.unwrap();
    let worker = register(&outbox).await;
    let queue = worker.queue(Scope::All);
    let want = |posts| ClaimRequest { now: Timestamp::now(), posts, look_ups: 0, end: End::Front };
    let claimed = queue.claim(want(1)).await.unwrap();
    let mut holder = database.connect().await;
    let mut held = holder.begin().await.unwrap();
    let held_row = sqlx::query("SELECT FROM mutirao.outbox WHERE id = $1 FOR UPDATE");
    held_row.bind(claimed.claims[0].row.0).execute(&mut *held).await.unwrap();
    let edited = ["enqueue", "edited.csv", "--batch", "queda", "--continue", "--database-url", &url];
    let edited = site.start_until(&edited, "reading edited.csv");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut conn).await.unwrap() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let meanwhile = queue.claim(want(3)).await.unwrap().claims;
    assert!(meanwhile.is_empty(), "{:?}", meanwhile.iter().map(|claim| claim.line).collect::<Vec<_>>());
    held.rollback().await.unwrap();
    let (code, said) = edited.end();
    assert_eq!(code, Some(0), "{said}");
    let gone = "SELECT array_agg(state) FROM mutirao.outbox WHERE gone";
    let gone: Vec<String> = sqlx::query_scalar(gone).fetch_one(&mut conn).await.unwrap();
    assert_eq!(gone, ["cancelled"]);
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_told_without_its_password() {
    let site = Site::new("");
    site.write("queda.csv", rows(1));
    let empty = Database::empty().await;
    let unreachable = "postgres://ana:hunter2@127.0.0.1:1/x";
    for command in [&["import", "queda.csv"][..], &["enqueue", "queda.csv"], &["status"], &["show", "1"]] {
        let missing = site.run_at(&empty.url(), command).expect(2);
        assert!(missing.stderr.contains("mutirao migrate"), "{command:?}: {}", missing.stderr);
        let ended = site.run_at(unreachable, command).expect(8);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("hunter2"), "{command:?}");
    }
    for url in [unreachable, "postgres://ana:hunter2@[", "mysql://ana:hunter2@h/x"] {
        let ended = site.run_at(url, &["doctor"]);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("hunter2"), "{}", ended.stderr);
        assert_ne!(ended.code, Some(0));
    }
    // A parameter whose name is misspelt may be a secret, or may have been meant to protect one.
    let misspelt = "postgres://ana@127.0.0.1:1/x?passwrod=hunter2&sslmod=verify-full";
    for verbose in ["-q", "--json", "-v", "-vv"] {
        let ended = site.run_at(misspelt, &["status", verbose]).expect(8);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("hunter2"), "{}", ended.stderr);
        assert_eq!(
            ended.stderr.contains("`passwrod`, which is ignored"),
            verbose != "-q",
            "{}",
            ended.stderr
        );
    }
    let told = site.run_at(&empty.url(), &["doctor"]).expect(2);
    assert!(told.stdout.contains("mutirao migrate"), "{}", told.stdout);
    let ready = Database::fresh().await;
    let told = site.run_at(&ready.url(), &["doctor"]);
    assert!(told.stdout.contains("database: ok"), "{}", told.stdout);
    // These need no outbox, and do not ask for one.
    site.run_at(unreachable, &["check", "queda.csv"]).expect(0);
    site.run_at(unreachable, &["template", "empty.csv"]).expect(0);
    assert_eq!(site.audit().tickets, 0);
}

/// The documents' SQL, as a program would run it.
#[tokio::test]
async fn the_documents_tell_programs_the_truth() {
    let database = Database::fresh().await;
    let page = include_str!("../../docs/integration.md");
    let sql: Vec<&str> =
        page.split("```sql\n").skip(1).filter_map(|it| Some(it.split_once("```")?.0)).collect();
    let [insert, read_back] = sql[..] else { panic!("docs/integration.md has an insert and a query") };
    let mut conn = database.connect().await;
    for _ in 0..2 {
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut conn).await.unwrap();
    }

    let site = Site::new("");
    site.run(&["--database-url", &database.url(), "worker", "--until-empty"]).expect(0);
    let found: Vec<(String, Option<String>)> =
        sqlx::query_as(AssertSqlSafe(read_back)).fetch_all(&mut conn).await.unwrap();
    let [(state, protocolo)] = &found[..] else { panic!("handed in twice, it is one row") };
    assert_eq!(state, "opened");
    assert!(protocolo.as_ref().is_some_and(|it| it.len() == 20));
}

/// A claim that was forgotten is posted again.
#[tokio::test]
async fn a_database_that_may_forget_is_told_of_by_doctor_and_worker() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let sql = "SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on'";
    let is_durable: bool = sqlx::query_scalar(sql).fetch_one(&mut database.connect().await).await.unwrap();
    let said = site.run_at(&database.url(), &["doctor"]);
    assert_ne!(said.stdout.contains("fsync or full_page_writes is off"), is_durable, "{}", said.stdout);
    let said = site.run_at(&database.url(), &["worker", "--until-empty"]).expect(0);
    assert_ne!(said.stderr.contains("set fsync and full_page_writes on"), is_durable, "{}", said.stderr);
}

#[tokio::test]
async fn what_hangs_on_the_outbox_and_is_not_ours_is_told_by_doctor_and_worker() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let run = |command: &[&str]| site.run_at(&database.url(), command).expect(0);
    let [doctor, worker] = [&["doctor"][..], &["worker", "--until-empty"]];
    assert!(!run(doctor).stdout.contains("not ours"));
    assert!(!run(worker).stderr.contains("not ours"));
    let sql = "CREATE FUNCTION public.meet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN OLD; END$$;
               CREATE TRIGGER \"Keeps it\" BEFORE UPDATE ON mutirao.outbox FOR EACH ROW EXECUTE FUNCTION public.meet();
               CREATE RULE more AS ON DELETE TO mutirao.attempt DO INSTEAD NOTHING";
    sqlx::raw_sql(sql).execute(&mut database.connect().await).await.unwrap();
    let what = "not ours: rule more of mutirao.attempt, trigger \"Keeps it\" of mutirao.outbox;";
    assert!(run(doctor).stdout.contains(what), "{}", run(doctor).stdout);
    assert!(run(worker).stderr.contains(what), "{}", run(worker).stderr);
}

/// Results that cannot be read once tickets were opened are no database that was away before the first one.
#[tokio::test]
async fn a_database_that_gives_no_results_after_the_run_is_not_called_never_reached() {
    let site = Site::new("");
    site.write("queda.csv", rows(3));
    let database = Database::fresh().await;
    let mut somebody = database.connect().await;
    let args = ["import", "queda.csv", "--rate", "2/s", "--yes"];
    let mut command = site.command(&args);
    command.env("DATABASE_URL", database.url());
    let started = Site::start(command, "opening");
    let mut tx = somebody.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE mutirao.record IN ACCESS EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    let (code, said) = started.end();
    assert_eq!((code, site.audit().tickets), (Some(6), 3), "{said}");
}
