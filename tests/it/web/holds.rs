//! What a person says to an import while other workers share its outbox: a word counts for what it was given
//! for, and until a sheet is taken in for good nobody sees anything of it.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgConnection};

use super::{LONG, Page, rows};
use crate::support::postgres::Database;
use crate::support::site::Site;

/// Brings a sheet, orders its import, and waits for its question.
fn asked(page: &Page, cookie: &str, name: &str, sheet: &str, text: &str) -> String {
    let (_, to, _) = page.bring(cookie, name, sheet);
    page.say(&format!("{to}/import"), cookie, "");
    let mut shown = page.until(cookie, "/import/answer");
    if shown.contains("is this an edit of it?") {
        page.answer(cookie, &shown, "0");
        shown = page.until(cookie, text);
    }
    assert!(shown.contains(text), "{text}: {shown}");
    shown
}

/// Stops what was just agreed to, while it is taken in.
async fn stops_while_taken_in(page: &Page, cookie: &str, database: &Database, asked: &str, answer: &str) {
    let (mut conn, mut other) = (database.connect().await, database.connect().await);
    // An import of the batch takes its turn.
    let hold = "BEGIN; INSERT INTO mutirao.importing SELECT name FROM mutirao.batch ON CONFLICT (batch) DO UPDATE SET batch = excluded.batch";
    sqlx::raw_sql(hold).execute(&mut other).await.unwrap();
    page.answer(cookie, asked, answer);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let began = Instant::now();
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut conn).await.unwrap() == 0 {
        assert!(began.elapsed() < LONG, "it waits for its turn");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let shown = page.get("/import", &[cookie]).2;
    page.stop(cookie, &shown);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    page.until(cookie, "Declined; nothing more is sent.");
}

/// All that is known of rows and batches.
async fn all(conn: &mut PgConnection) -> String {
    let sql = "SELECT concat((SELECT json_agg(o ORDER BY id) FROM mutirao.outbox o), (SELECT json_agg(b ORDER BY id) FROM mutirao.batch b),
                             (SELECT json_agg(r ORDER BY id) FROM mutirao.record r), (SELECT json_agg(s ORDER BY id) FROM mutirao.source s))";
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(conn).await.unwrap()
}

/// Seen: "nothing more is sent" was said, and workers opened all that a sample had held; rows that the
/// declined sheet lacked stayed withdrawn, others had its text; and what was taken back could not be gone on
/// with.
#[tokio::test]
async fn what_is_stopped_while_it_is_taken_in_leaves_all_as_it_was() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    site.write("queda.csv", rows(60));
    site.run_at(&url, &["import", "queda.csv", "--sample", "3", "--yes", "--rate", "unlimited"]).expect(0);
    let before = all(&mut conn).await;
    let mut page = Page::start(&site, &["--database-url", &url]);
    let cookie = page.enter();
    let edited = rows(50).replace("Ana Moreira", "Bia");
    for (sheet, n) in [(rows(60), "57"), (edited, "47")] {
        let asked = asked(&page, &cookie, "queda.csv", &sheet, "type the number of tickets");
        stops_while_taken_in(&page, &cookie, &database, &asked, n).await;
        assert_eq!(all(&mut conn).await, before);
        site.run_at(&url, &["worker", "--until-empty", "--rate", "unlimited"]);
        assert_eq!(site.audit().tickets, 3);
    }
    let asked = asked(&page, &cookie, "queda.csv", &rows(60), "type the number of tickets");
    page.answer(&cookie, &asked, "57");
    page.until(&cookie, "60 of 60 opened");
    assert_eq!((site.audit().tickets, site.audit().duplicates.len()), (60, 0));
}

/// Seen: rows of a program, corrected by a file, were opened though the file was declined.
#[tokio::test]
async fn rows_of_a_program_stay_as_they_were_too() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, state)
               SELECT (11000 + n)::text, 'Sem sinal', 'Ana', '12', 'noite', 'invalid' FROM generate_series(1, 10) n;
               INSERT INTO mutirao.batch (name) VALUES ('noite')";
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    site.run_at(&url, &["export", "noite", "-o", "out"]).expect(0);
    let errors = site.read("out/errors.csv").replace(";12;", ";37999112202;");
    let before = all(&mut conn).await;
    let mut page = Page::start(&site, &["--database-url", &url]);
    let cookie = page.enter();
    let asked = asked(&page, &cookie, "errors.csv", &errors, "Open 10 tickets");
    stops_while_taken_in(&page, &cookie, &database, &asked, "0").await;
    assert_eq!(all(&mut conn).await, before);
    site.run_at(&url, &["worker", "--until-empty", "--rate", "unlimited"]);
    assert_eq!(site.audit().tickets, 0);
}

/// Seen: a question stood for ten minutes, meanwhile a guard halted the lote; the answer lifted that halt, of
/// which nobody had been told.
#[tokio::test]
async fn an_answer_lifts_no_halt_that_came_after_its_question() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    site.write("queda.csv", rows(60));
    site.run_at(&url, &["enqueue", "queda.csv"]).expect(0);
    let mut page = Page::start(&site, &["--database-url", &url]);
    let cookie = page.enter();
    let shown = asked(&page, &cookie, "queda.csv", &rows(60), "type the number of tickets");
    let halt = "UPDATE mutirao.batch SET halted_at = now(), halt_reason = 'wait for Bia'";
    sqlx::raw_sql(halt).execute(&mut conn).await.unwrap();
    page.answer(&cookie, &shown, "60");
    page.until(&cookie, "was halted meanwhile; nothing was sent");
    let sql = "SELECT halt_reason FROM mutirao.batch";
    let reason: Option<String> = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
    assert_eq!((reason.as_deref(), site.audit().tickets), (Some("wait for Bia"), 0));
    let shown = asked(&page, &cookie, "queda.csv", &rows(60), "type the number of tickets");
    assert!(shown.contains("was halted: wait for Bia. It goes on with this import"), "{shown}");
    page.answer(&cookie, &shown, "60");
    page.until(&cookie, "60 of 60 opened");
}

#[tokio::test]
async fn the_same_rows_that_somebody_else_took_in_meanwhile_are_asked_about_before_they_are_taken_in() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (url, mut conn) = (database.url(), database.connect().await);
    let mut page = Page::start(&site, &["--database-url", &url]);
    let cookie = page.enter();
    for (n, is_right) in [(3, false), (4, true)] {
        let shown = asked(&page, &cookie, "queda.csv", &rows(n), &format!("Open {n} tickets"));
        site.write("outra.csv", rows(n));
        // Of another person, whose registry is another one.
        let mut enqueue = site.command(&["enqueue", "outra.csv", "--new"]);
        enqueue.env("DATABASE_URL", &url).env("HOME", site.path("bia"));
        assert!(enqueue.output().unwrap().status.success());
        let before = all(&mut conn).await;
        page.answer(&cookie, &shown, "0");
        let again = page.until(&cookie, "each ticket would be opened a second time");
        assert_eq!(all(&mut conn).await, before, "nobody sees them yet");
        match is_right {
            true => {
                page.answer(&cookie, &again, "0");
                page.until(&cookie, &format!("{n} of {n} opened"));
                assert_eq!(site.audit().tickets, n);
            }
            false => {
                page.stop(&cookie, &again);
                page.until(&cookie, "Declined");
                assert_eq!(all(&mut conn).await, before);
            }
        }
    }
}
