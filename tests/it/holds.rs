//! What a word of a person was given for, in an outbox that workers share: no row is opened beside it.

use std::fmt::Write;
use std::process::Stdio;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::postgres::Database;
use crate::support::site::Site;

/// Rows of these services; `x` is none.
fn rows(services: &[&str]) -> String {
    let mut text = "id_cliente_servico;descricao;nome;telefone\n".to_owned();
    for (n, service) in services.iter().enumerate() {
        writeln!(text, "{service};Sem conexão na rua {n};Cliente {n};(37) 99911-{n:04}").unwrap();
    }
    text
}

fn services(n: u32) -> Vec<String> {
    (1..=n).map(|n| (11_000 + n).to_string()).collect()
}

/// The rows of a batch that wait, and why it is halted.
async fn stands(conn: &mut PgConnection) -> (i64, Option<String>) {
    let sql = "SELECT (SELECT count(*) FROM mutirao.outbox WHERE state = 'pending' AND NOT gone),
                      (SELECT max(halt_cause ->> 'code') FROM mutirao.batch)";
    sqlx::query_as(sql).fetch_one(conn).await.unwrap()
}

/// What a worker that may open everything opens.
fn work(site: &Site, database: &Database) -> u64 {
    let n_before = site.audit().tickets;
    site.run_at(&database.url(), &["worker", "--until-empty", "--rate", "unlimited"]);
    site.audit().tickets - n_before
}

const FAST: [&str; 3] = ["--rate", "unlimited", "--yes"];

/// Seen: two rows were corrected, nobody was asked, and workers opened the 997 others.
#[tokio::test]
async fn a_correction_opens_its_own_rows_and_none_that_a_sample_holds() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let mut conn = database.connect().await;
    let run = |args: &[&str]| site.run_at(&database.url(), args);
    let ours = services(200);
    let mut all = vec!["x", "y"];
    all.extend(ours.iter().map(String::as_str));
    site.write("queda.csv", rows(&all));
    run(&[&["import", "queda.csv", "--sample", "3"], &FAST[..]].concat());
    assert_eq!(site.audit().tickets, 3);
    assert_eq!(stands(&mut conn).await, (197, Some("held".to_owned())));

    let errors = "queda.mutirao/errors.csv";
    let corrected = site.read(errors).replace("\nx;", "\n12001;").replace("\ny;", "\n12002;");
    // A third one that is not opened, so that the file comes again.
    site.write(errors, corrected.replace("\n12002;", "\ny;"));
    let said = run(&["import", errors, "--rate", "unlimited"]).stderr;
    assert_eq!(site.audit().tickets, 4, "{said}");
    assert!(said.contains("opens its own rows; 197 other rows of the batch stay halted"), "{said}");
    assert_eq!(work(&site, &database), 0, "nobody agreed to the others");
    // Nor where nothing of it is left to be opened.
    run(&["import", errors, "--rate", "unlimited"]);
    assert_eq!(stands(&mut conn).await, (197, Some("held".to_owned())));

    // A halt that was told of stays for the others, too.
    let sql = "UPDATE mutirao.batch SET halt_cause = NULL, halt_reason = 'wait for Bia'; UPDATE mutirao.outbox SET parked = 'halted' WHERE state = 'pending'";
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    site.write(errors, site.read(errors).replace("\ny;", "\n12002;"));
    let said = run(&["import", errors, "--rate", "unlimited"]).stderr;
    assert!(said.contains("was halted: wait for Bia. This import opens its own rows"), "{said}");
    assert_eq!((site.audit().tickets, work(&site, &database)), (5, 0), "{said}");

    site.write("queda.csv", rows(&all).replace("\nx;", "\n12001;").replace("\ny;", "\n12002;"));
    let said = run(&[&["import", "queda.csv", "--continue"], &FAST[..]].concat()).stderr;
    assert_eq!((site.audit().tickets, site.audit().duplicates.len()), (202, 0), "{said}");
    assert_eq!(stands(&mut conn).await, (0, None), "it was asked for as a whole");
}

/// Seen: neither saw the other, and workers opened both.
#[tokio::test]
async fn of_two_who_enqueue_the_same_rows_at_once_one_is_asked() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (mut conn, mut other) = (database.connect().await, database.connect().await);
    // Both come to the last look before either is through.
    let mut last_look = other.begin().await.unwrap();
    sqlx::query("INSERT INTO mutirao.importing (batch) VALUES ('')").execute(&mut *last_look).await.unwrap();
    let both = ["ana", "bia"].map(|who| {
        let file = format!("{who}.csv");
        site.write(&file, rows(&["11001", "11002"]));
        let mut enqueue = site.command(&["enqueue", &file]);
        enqueue.env("DATABASE_URL", database.url()).env("HOME", site.path(who));
        enqueue.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut conn).await.unwrap() != 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    last_look.rollback().await.unwrap();
    let ended = both.map(|enqueue| enqueue.wait_with_output().unwrap());
    let mut codes = ended.each_ref().map(|ended| ended.status.code());
    codes.sort();
    let said = ended.map(|ended| String::from_utf8(ended.stderr).unwrap()).concat();
    assert_eq!(codes, [Some(0), Some(2)], "{said}");
    assert!(said.contains("each ticket would be opened a second time"), "{said}");
    assert_eq!(stands(&mut conn).await.0, 2, "{said}");
}

/// Seen: one of a sample of three was rejected, and `retry` let workers open the 997 others.
#[tokio::test]
async fn a_retry_sets_nothing_free_that_a_sample_holds() {
    let (site, database) = (Site::new("services_max=20000"), Database::fresh().await);
    let mut conn = database.connect().await;
    let run = |args: &[&str]| site.run_at(&database.url(), args);
    let ours = services(30);
    let mut all = vec!["90001"];
    all.extend(ours.iter().map(String::as_str));
    site.write("queda.csv", rows(&all));
    run(&[&["import", "queda.csv", "--sample", "3", "--batch", "queda"], &FAST[..]].concat()).expect(3);
    assert_eq!(site.audit().tickets, 2);
    let said = run(&["retry", "queda"]).expect(0).stderr;
    assert!(said.contains("stays held") && said.contains("mutirao resume queda"), "{said}");
    // Nor does what is put in beside them, and who does so is told.
    all.push("12001");
    site.write("mais.csv", rows(&all));
    let said = run(&["enqueue", "mais.csv", "--batch", "queda", "--continue"]).expect(0).stderr;
    assert!(
        said.contains("`queda` is halted, 29 rows wait") && said.contains("mutirao resume queda"),
        "{said}"
    );
    assert_eq!(work(&site, &database), 0);
    assert_eq!(stands(&mut conn).await, (30, Some("held".to_owned())));
    run(&["resume", "queda"]).expect(0);
    assert_eq!(work(&site, &database), 29);
}

/// Seen: rows of a sample were refused alike; the lote was held already, and why it had stopped was kept
/// nowhere: the next import went on without a word.
#[tokio::test]
async fn what_halts_a_sample_is_kept_and_told_and_the_rest_stays_held() {
    let (site, database) = (Site::new("services_max=1000"), Database::fresh().await);
    let mut conn = database.connect().await;
    let run = |args: &[&str]| site.run_at(&database.url(), args);
    let ours = services(60);
    site.write("queda.csv", rows(&ours.iter().map(String::as_str).collect::<Vec<_>>()));
    let import = [&["import", "queda.csv", "--batch", "queda"], &FAST[..]].concat();
    run(&[&import[..], &["--sample", "20"]].concat()).expect(6);
    assert_eq!(stands(&mut conn).await.1.as_deref(), Some("same_refusal"));
    let said = run(&import).stderr;
    assert!(said.contains("batch queda was halted: HubSoft refused 5 rows"), "{said}");

    let database = Database::fresh().await;
    let mut conn = database.connect().await;
    site.run_at(&database.url(), &[&import[..], &["--sample", "20", "--again"]].concat()).expect(6);
    site.run_at(&database.url(), &["retry", "queda"]).expect(0);
    assert_eq!(stands(&mut conn).await.1.as_deref(), Some("held"), "the halt is over, and the hold is not");
}

/// A halt that a hold came to, not the other way about.
#[tokio::test]
async fn what_a_sample_keeps_back_of_a_halted_batch_is_held_once_the_halt_is_over() {
    let (site, database) = (Site::new("services_max=1000"), Database::fresh().await);
    let mut conn = database.connect().await;
    let ours = services(60);
    site.write("queda.csv", rows(&ours.iter().map(String::as_str).collect::<Vec<_>>()));
    let import = [&["import", "queda.csv", "--batch", "queda"], &FAST[..]].concat();
    let run = |args: &[&str]| site.run_at(&database.url(), args);
    run(&import).expect(6);
    assert_eq!(stands(&mut conn).await.1.as_deref(), Some("same_refusal"));
    let said = run(&[&import[..], &["--sample", "3"]].concat()).stderr;
    assert!(said.contains(". This import opens its sample; all other rows"), "{said}");
    let (n_waiting, cause) = stands(&mut conn).await;
    assert!(0 < n_waiting && cause.as_deref() == Some("same_refusal"), "{n_waiting} {cause:?}");
    run(&["retry", "queda"]).expect(0);
    assert_eq!(stands(&mut conn).await.1.as_deref(), Some("held"));
}

/// Seen: an invalid row was found, the file was read again, and as it had been corrected meanwhile its rows
/// were taken in, of which nobody was asked.
#[tokio::test]
async fn a_strict_import_with_an_invalid_row_is_over_once_it_is_found() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let sql = "CREATE SEQUENCE public.times;
               CREATE FUNCTION public.once() RETURNS trigger LANGUAGE plpgsql AS
                   $$BEGIN IF nextval('public.times') > 1 THEN RAISE EXCEPTION 'again'; END IF; RETURN NEW; END$$;
               CREATE TRIGGER once BEFORE INSERT ON mutirao.importing FOR EACH ROW EXECUTE FUNCTION public.once()";
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database.connect().await).await.unwrap();
    site.write("queda.csv", rows(&["11001", "x"]));
    let said = site.run_at(&database.url(), &[&["import", "queda.csv", "--strict"], &FAST[..]].concat());
    assert_eq!(said.code, Some(5), "{}", said.stderr);
    assert!(said.stderr.contains("none was taken in"), "{}", said.stderr);
}

/// Whoever was asked knew of no halt: one that comes later ends its run too.
#[tokio::test]
async fn an_import_ends_where_its_batch_is_halted_while_it_runs() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    let ours = services(90);
    site.write("queda.csv", rows(&ours.iter().map(String::as_str).collect::<Vec<_>>()));
    let import = ["import", "queda.csv", "--database-url", &url, "--rate", "4/s", "--yes"];
    let import = site.start_until(&import, "opening 90 tickets");
    let halt = "UPDATE mutirao.batch SET halted_at = now(), halt_reason = 'wait for Bia'";
    sqlx::raw_sql(halt).execute(&mut conn).await.unwrap();
    let (code, said) = import.end();
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("wait for Bia"), "{said}");
    assert!(site.audit().tickets < 90, "{said}");
}
