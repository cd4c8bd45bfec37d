//! A shared outbox on the page: what waits, who works, the last day; what is found in all of it, and what
//! whoever is on call has done.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection};

use super::{LONG, Page};
use crate::support::postgres::Database;
use crate::support::site::Site;

/// A page of this database, and the line of a browser that is inside.
pub(super) async fn begun(site: &Site, sql: &str) -> (Database, Page, String) {
    let database = Database::fresh().await;
    run(&database, sql).await;
    let mut page = Page::start(site, &["--database-url", &database.url()]);
    let cookie = page.enter();
    (database, page, cookie)
}

pub(super) async fn run(database: &Database, sql: &str) {
    let mut conn = database.connect().await;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// Rows of programs: three to be opened, one of them of a lote that is halted; one unconfirmed; of the last
/// day two opened and one refused, and one opened before.
pub(super) const ROWS: &str = "
    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, referencia)
         VALUES ('11001', 'Sem sinal', 'José da Conceição', '37999110001', 'norte', 'r1'),
                ('11002', 'Sem sinal', 'Ana <b>Lima</b>', '37999110002', 'norte', 'r2'),
                ('11003', 'Sem sinal', 'Bia', '37999110003', 'sul', 'r3');
    INSERT INTO mutirao.batch (name, halted_at, halt_reason) VALUES ('sul', now(), 'odd <answers>');
    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, referencia, state, doubt_since,
                                sent_at)
         VALUES ('11004', 'Sem sinal', 'Caio', '37999110004', 'norte', 'r4', 'unconfirmed', now() - interval '2 days',
                 now() - interval '2 days');
    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, referencia, state, protocolo,
                                id_atendimento, sent_at, finished_at)
         SELECT (11010 + n)::text, 'Sem sinal', 'Davi', '37999110009', 'norte', 'o' || n, 'opened',
                '20260101000' || n, 900 + n, now(), now() - age
           FROM (VALUES (1, interval '5 seconds'), (2, interval '3 hours'), (3, interval '5 days')) AS it(n, age);
    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, referencia, state, sent_at,
                                finished_at)
         VALUES ('11020', 'Sem sinal', 'Eva', '37999110020', 'norte', 'x1', 'rejected', now(), now() - interval '4 hours');";

#[tokio::test]
async fn whoever_is_on_call_sees_what_waits_and_what_became_of_the_last_day() {
    let site = Site::new("");
    let who = "INSERT INTO mutirao.meta (key, value) VALUES ('host', 'hubsoft.example.com');
        INSERT INTO mutirao.act (batch, at, who, way, deed, n_rows)
             VALUES ('norte', now(), 'ana', 'terminal', 'import', 3), ('norte', now(), 'bia', 'page', 'cancel', 1);
        INSERT INTO mutirao.batch (name, finished_at, summary) VALUES ('oeste', now(), '{\"counts\"');
        UPDATE mutirao.batch SET finished_at = now(), summary = '{\"counts\": {\"opened\": 7, \"total\": 9}}'
         WHERE name = 'sul';";
    let (_database, page, cookie) = begun(&site, &format!("{ROWS}{who}")).await;
    let (status, _, body) = page.get("/", &[&cookie]);
    assert_eq!(status, 200, "{body}");
    for part in [
        "<td class=\"n\">3</td>",
        "the oldest due since",
        "the oldest in doubt since",
        "No worker is alive",
        "`sul` is halted, 1 row waits: odd &lt;answers&gt;",
        "The last 24 hours: 2 opened, 1 not opened",
        "1 row settled in the last minute",
        "at `hubsoft.example.com`",
        "<a href=\"/batch?batch=norte\">norte</a>: imported last by `ana` at the terminal, ",
        "<a href=\"/batch?batch=sul\">sul</a>: 7 of 9 opened when its last run ended, ",
        // What is damaged is not told.
        "<a href=\"/batch?batch=oeste\">oeste</a></li>",
        "src=\"/live.js\"",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("style=") && !body.contains("<answers>"), "{body}");
    assert_eq!(page.end(), Some(0));
}

#[tokio::test]
async fn rows_are_found_in_all_batches_by_service_name_and_protocolo() {
    let site = Site::new("");
    let (_database, page, cookie) = begun(&site, ROWS).await;
    let found = |text: &str| {
        let (status, _, body) = page.get(&format!("/search?text={text}"), &[&cookie]);
        assert_eq!(status, 200, "{text}: {body}");
        let rows =
            body.split("/row?batch=").skip(1).filter_map(|rest| rest.split_once("row=")?.1.split('"').next());
        (rows.map(|row| row.parse::<i64>().unwrap()).collect::<Vec<_>>(), body)
    };
    for (text, expected) in [
        ("11002", vec![2]),
        ("r3", vec![3]),
        ("JOSE+conceicao", vec![1]),
        ("Jos%C3%A9+da+Concei%C3%A7%C3%A3o", vec![1]),
        ("davi", vec![7, 6, 5]),
        ("202601010002", vec![6]),
        ("0101000", vec![7, 6, 5]),
        ("902", vec![6]),
        ("nobody", vec![]),
        ("%27+OR+true", vec![]),
    ] {
        assert_eq!(found(text).0, expected, "{text}");
    }
    let (_, body) = found("lima");
    assert!(body.contains("Ana &lt;b&gt;Lima&lt;/b&gt;"), "{body}");
    // One row's whole story.
    let (status, _, body) = page.get("/row?batch=norte&row=6", &[&cookie]);
    assert!(status == 200 && body.contains("202601010002"), "{body}");
}

#[tokio::test]
async fn a_search_in_many_rows_goes_on_where_it_ended() {
    let site = Site::new("");
    let many = "
        INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, referencia)
             SELECT '11007', 'Sem sinal', 'Davi', '37999110009', 'm' || n FROM generate_series(1, 120) n";
    let (database, page, cookie) = begun(&site, many).await;
    let (mut path, mut seen) = ("/search?text=11007".to_owned(), Vec::new());
    for n_here in [50, 50, 20] {
        let (_, _, body) = page.get(&path, &[&cookie]);
        let rows =
            body.split("/row?batch=").skip(1).filter_map(|rest| rest.split_once("row=")?.1.split('"').next());
        let rows: Vec<i64> = rows.map(|row| row.parse().unwrap()).collect();
        assert_eq!(rows.len(), n_here, "{body}");
        seen.extend(rows);
        let next = body.split("<a href=\"/search?").find(|rest| rest.contains(">Look further back<"));
        path = format!(
            "/search?{}",
            next.and_then(|rest| rest.split('"').next()).unwrap_or_default().replace("&amp;", "&")
        );
    }
    assert_eq!(seen, (1..=120).rev().collect::<Vec<_>>());
    // What lies beyond what one search looks at is reached by the next.
    run(&database, "SELECT setval(pg_get_serial_sequence('mutirao.outbox', 'id'), 300000);
                    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone) VALUES ('1', '', '', '')").await;
    let (_, _, body) = page.get("/search?text=11007", &[&cookie]);
    assert!(body.contains("No such row was found here.") && body.contains("before=100002"), "{body}");
    let (_, _, body) = page.get("/search?text=11007&before=100002", &[&cookie]);
    assert!(body.contains("/row?batch=default&amp;row=120"), "{body}");
}

#[tokio::test]
async fn workers_pause_and_go_on_and_batches_are_cancelled_and_resumed_by_the_page() {
    let site = Site::new("");
    let (_database, page, cookie) = begun(&site, ROWS).await;
    let home = || page.get("/", &[&cookie]).2;
    assert!(!home().contains("Let all workers go on"));
    assert_eq!(page.say("/outbox/pause", &cookie, "reason=<i>storm</i>").0, 303);
    let body = home();
    assert!(body.contains("All workers are stopped: &lt;i&gt;storm&lt;/i&gt;"), "{body}");
    assert!(body.contains("Let all workers go on"), "{body}");
    assert_eq!(page.say("/outbox/resume", &cookie, "").0, 303);
    assert!(!home().contains("All workers are stopped"));

    let (_, _, body) = page.say("/batch/retry", &cookie, "batch=sul");
    assert!(body.contains("0 rows are pending again"), "{body}");
    assert!(home().contains("is halted"), "of no state was it said");
    let (status, _, body) = page.say("/batch/resume", &cookie, "batch=sul");
    assert!(status == 200 && body.contains("`sul` goes on"), "{status} {body}");
    assert!(!home().contains("is halted"));
    let (_, _, body) = page.get("/batch?batch=norte", &[&cookie]);
    assert!(body.contains("Cancel 2 pending rows"), "{body}");
    let (status, _, body) = page.say("/batch/cancel", &cookie, "batch=norte");
    assert!(status == 200 && body.contains("2 rows are cancelled"), "{status} {body}");
    let body = page.get("/batch?batch=norte", &[&cookie]).2;
    for part in ["2 cancelled", "cancelled 2 rows (on the page)", "paused all workers (on the page)"] {
        assert!(body.contains(part), "{part}: {body}");
    }
}

/// However many rows are done with, they are not read to show how it stands now.
#[tokio::test]
async fn what_is_long_done_with_is_not_read_at_each_refresh() {
    let site = Site::new("");
    let old = "
        INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, state, protocolo, id_atendimento,
                                    sent_at, finished_at)
             SELECT n::text, 'Sem sinal', 'Davi', '37999110009', 'opened', n::text, n, now() - interval '9 days',
                    now() - interval '9 days'
               FROM generate_series(1, 40000) n";
    let (database, page, cookie) = begun(&site, old).await;
    run(&database, "VACUUM (ANALYZE) mutirao.outbox").await;
    let mut conn = database.connect().await;
    // The server tells what a session did once that has ended.
    let others = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let began = Instant::now();
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut conn).await.unwrap() != 0 {
        assert!(began.elapsed() < LONG, "whoever made the rows has left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut read = async || -> (i64, i64) {
        let sql = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'outbox' AND schemaname = 'mutirao'";
        sqlx::query_as(sql).fetch_one(&mut conn).await.unwrap()
    };
    let (n_seq, n_idx) = read().await;
    loop {
        assert_eq!(page.get("/", &[&cookie]).0, 200);
        let (now_seq, now_idx) = read().await;
        assert_eq!(now_seq, n_seq, "it was read as a whole");
        if n_idx < now_idx {
            break;
        }
    }
}

/// Seen (in reading): what a browser did not wait for went on in the database, however long it took; another
/// one with each time that the page was loaded.
#[tokio::test]
async fn what_no_browser_waits_for_ends_in_the_database_too() {
    let site = Site::new("");
    // It answers in five minutes.
    let slow = "ALTER TABLE mutirao.worker RENAME TO workers;
        CREATE VIEW mutirao.worker AS SELECT w.* FROM mutirao.workers w RIGHT JOIN pg_sleep(300) ON true;";
    let (database, page, cookie) = begun(&site, slow).await;
    let mut conn = database.connect().await;
    let asked =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let mut leaves = TcpStream::connect(&page.host).unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\n{cookie}\r\n\r\n", page.host);
    leaves.write_all(head.as_bytes()).unwrap();
    let began = Instant::now();
    while sqlx::query_scalar::<_, i64>(asked).fetch_one(&mut conn).await.unwrap() == 0 {
        assert!(began.elapsed() < LONG, "it asks the database");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(leaves);
    // Who waits is told.
    let (status, _, body) = page.get("/", &[&cookie]);
    assert!(status == 200 && body.contains("the outbox did not answer"), "{status} {body}");
    assert_eq!(sqlx::query_scalar::<_, i64>(asked).fetch_one(&mut conn).await.unwrap(), 0);
}
