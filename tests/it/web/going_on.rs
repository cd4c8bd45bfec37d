//! An import that was cut off, when the page is opened again: what it goes on with, and what it asks.

use sqlx::{Connection, PgConnection};

use super::{Page, rows};
use crate::support::postgres::Database;
use crate::support::site::Site;

/// A page of `site` that was killed while it opened 60 rows, to which a person had said yes.
fn cut_off(site: &Site) {
    let mut page = Page::start(site, &[]);
    let cookie = page.enter();
    let (_, to, _) = page.bring(&cookie, "queda.csv", rows(60));
    page.say(&format!("{to}/import"), &cookie, "");
    let asked = page.until(&cookie, "type the number of tickets");
    page.answer(&cookie, &asked, "60");
    page.until(&cookie, "<progress");
}

fn n_posts(site: &Site) -> Option<u64> {
    site.audit().requests.get("post").copied()
}

/// Seen: it went on unasked, with a technician's visit for each ticket.
#[test]
fn what_opens_other_tickets_than_were_agreed_to_is_asked_about() {
    for (change, expected) in [
        ("[set]\nabrir_os = \"sim\"\n", "service order"),
        ("[set]\nemail = \"ana@example.com\"\n", ""),
        ("allow_repeats = true\n", ""),
        ("skip_if_open = true\n", ""),
        ("verify_first = true\n", ""),
    ] {
        let site = Site::new("latency=1s");
        cut_off(&site);
        let n_before = n_posts(&site);
        site.write("mutirao.toml", change);
        let mut page = Page::start(&site, &[]);
        let cookie = page.enter();
        let asked = page.until(&cookie, "type the number of tickets");
        assert!(asked.contains(expected), "{change}: {asked}");
        assert_eq!(n_posts(&site), n_before, "{change}");
    }
}

/// Seen: what a terminal had stopped went on when somebody merely opened the page.
#[test]
fn what_was_imported_elsewhere_since_is_asked_about() {
    let site = Site::new("latency=2s");
    cut_off(&site);
    site.write("queda.csv", rows(60));
    site.run(&["import", "queda.csv", "--yes", "--sample", "1"]);
    let n_before = n_posts(&site);
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    page.until(&cookie, "type the number of tickets");
    assert_eq!(n_posts(&site), n_before);
}

/// Seen: it was heard only where a question stood, and the rest was opened when the program began anew.
#[test]
fn what_a_person_stops_at_any_step_does_not_go_on_by_itself() {
    let site = Site::new("latency=3s");
    cut_off(&site);
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    // It asks HubSoft for ticket types.
    let going = page.until(&cookie, "/import/stop");
    page.stop(&cookie, &going);
    drop(page); // Killed, as soon as it has answered.
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let (_, _, body) = page.get("/import", &[&cookie]);
    assert!(body.contains("Nothing is being imported"), "{body}");
}

/// Seen: going on lifted the halt, and nobody was told why there had been one.
#[tokio::test]
async fn a_batch_that_was_halted_since_is_asked_about_and_stays_halted_until_then() {
    let (site, database) = (Site::new("latency=1s"), Database::fresh().await);
    let url = database.url();
    let at = ["--database-url", url.as_str()];
    let mut page = Page::start(&site, &at);
    let cookie = page.enter();
    let (_, to, _) = page.bring(&cookie, "queda.csv", rows(60));
    page.say(&format!("{to}/import"), &cookie, "");
    let asked = page.until(&cookie, "type the number of tickets");
    page.answer(&cookie, &asked, "60");
    page.until(&cookie, "<progress");
    drop(page); // Killed.
    let mut sql = PgConnection::connect(&url).await.unwrap();
    let halt = "UPDATE mutirao.batch SET halted_at = now(), halt_reason = 'wait for Bia'";
    sqlx::query(halt).execute(&mut sql).await.unwrap();
    let mut page = Page::start(&site, &at);
    let cookie = page.enter();
    let asked = page.until(&cookie, "type the number of tickets");
    assert!(asked.contains("was halted: wait for Bia"), "{asked}");
    page.stop(&cookie, &asked);
    page.until(&cookie, "Declined");
    let reason: Option<String> =
        sqlx::query_scalar("SELECT halt_reason FROM mutirao.batch").fetch_one(&mut sql).await.unwrap();
    assert_eq!(reason.as_deref(), Some("wait for Bia"));
}
