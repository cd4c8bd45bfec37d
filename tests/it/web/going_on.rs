//! An import that was cut off, when the page is opened again: what it goes on with, and what it asks.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, PgConnection};

use super::{Page, hidden, rows};
use crate::support::postgres::Database;
use crate::support::site::Site;

/// A page of `site` that was killed while it opened 60 rows, to which a person had said yes. Returns where
/// its sheet is.
fn cut_off(site: &Site) -> String {
    let mut page = Page::start(site, &[]);
    let cookie = page.enter();
    let to = page.opens(&cookie, 60);
    page.until(&cookie, "Opened</th>");
    to
}

/// A page that was opened after that, and how the import stands.
fn opened_again(site: &Site) -> (Page, String, String) {
    let mut page = Page::start(site, &[]);
    let cookie = page.enter();
    let standing = page.get("/import", &[&cookie]).2;
    (page, cookie, standing)
}

/// Where it is kept that it was cut off.
fn kept(site: &Site) -> PathBuf {
    let files = fs::read_dir(site.path(".local/state/mutirao")).unwrap().map(|entry| entry.unwrap().path());
    let is_kept = |path: &PathBuf| {
        path.to_string_lossy().contains("/page-") && path.extension().is_some_and(|it| it == "jsonl")
    };
    files.into_iter().find(is_kept).unwrap()
}

/// As if it had gone on last so many minutes ago. Returns what was kept until now.
fn went_on(site: &Site, minutes_ago: i64) -> String {
    let whole = fs::read_to_string(kept(site)).unwrap();
    let (head, rest) = whole.split_once("\"went_on_at\":\"").unwrap();
    let (_, tail) = rest.split_once('"').unwrap();
    let at = Timestamp::now() - SignedDuration::from_mins(minutes_ago);
    fs::write(kept(site), format!("{head}\"went_on_at\":\"{at}\"{tail}")).unwrap();
    whole
}

/// Says of the import that is shown what `path` says.
fn says(page: &Page, path: &str, cookie: &str, shown: &str) {
    let form = format!("action=\"{path}\"");
    let (_, form) = shown.split_once(&form).unwrap_or_else(|| panic!("{shown}"));
    let (batch, import) = (hidden(form, "batch"), hidden(form, "import"));
    assert_eq!(page.say(path, cookie, &format!("batch={batch}&import={import}")).0, 303);
}

fn dismiss(page: &Page, cookie: &str, shown: &str) {
    says(page, "/import/forget", cookie, shown);
}

fn goes_on(page: &Page, cookie: &str, shown: &str) {
    says(page, "/import/go-on", cookie, shown);
}

/// So that most rows are left when it is killed, however busy the machine is, and what was on its way then is
/// looked up soon.
pub const SLOWLY: &str = "settle_delay = \"1s\"\nrate = \"3/s\"\n";

const OFFERED: &str = "Is it still the same outage?";
const NOTHING: &str = "Nothing is being imported";
const PAUSED: &str = "paused this import on ";
const BATCH: &str = "/batch?in=queda.mutirao&batch=queda";

#[test]
fn it_goes_on_by_itself_for_half_a_day_and_later_it_is_offered() {
    let site = Site::new("latency=300ms");
    site.write("mutirao.toml", SLOWLY);
    let to = cut_off(&site);
    let n_before = site.audit().tickets;
    // Nothing is sent before a person says so; and what is said of the time is what was measured.
    let fresh = went_on(&site, 20 * 60 - 30);
    let (page, cookie, offered) = opened_again(&site);
    let look = format!("action=\"{to}/read\"");
    for part in [OFFERED, "went on last 20 h ago", "<h2>queda.csv</h2>", "action=\"/import/go-on\"", &look] {
        assert!(offered.contains(part), "{part}: {offered}");
    }
    assert!(page.get("/", &[&cookie]).2.contains("To the import that was cut off"));
    assert_eq!(page.end(), Some(0));
    went_on(&site, -60);
    let (page, _, offered) = opened_again(&site);
    assert!(offered.contains("the clock was set back since"), "{offered}");
    assert_eq!(page.end(), Some(0));
    assert!(
        n_before <= site.audit().tickets && site.audit().tickets < 20,
        "nothing more but what was on its way"
    );

    // Eleven hours ago it went on last: so it does now, and that counts from now on.
    fs::write(kept(&site), fresh).unwrap();
    went_on(&site, 11 * 60);
    let (page, cookie, _) = opened_again(&site);
    page.until(&cookie, "<progress");
    drop(page); // Killed.
    let at = fs::read_to_string(kept(&site)).unwrap();
    let (_, at) = at.split_once("\"went_on_at\":\"").unwrap();
    let at: Timestamp = at.split('"').next().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(at) < SignedDuration::from_hours(1), "{at}");
    let (page, cookie, _) = opened_again(&site);
    page.until(&cookie, "60 of 60 opened");
    assert_eq!((site.audit().tickets, site.audit().markers), (60, 60), "none twice");
    assert_eq!(fs::read_to_string(kept(&site)).unwrap(), "", "it is finished");
    assert_eq!(page.end(), Some(0));
}

/// Seen (in reading): a rehearsal of the same sheet, or the import of another one, took the place of what was
/// kept, and the rest of it was never spoken of again.
#[test]
fn what_else_is_imported_meanwhile_is_another_batch_and_it_stays_offered() {
    let site = Site::new("latency=300ms");
    site.write("mutirao.toml", SLOWLY);
    let to = cut_off(&site);
    went_on(&site, 13 * 60);
    let (page, cookie, offered) = opened_again(&site);
    assert!(offered.contains(OFFERED), "{offered}");
    let still_offered = |done: &str| {
        let ended = page.until(&cookie, done);
        assert!(ended.contains(OFFERED) && ended.contains("<h2>queda.csv</h2>"), "{ended}");
    };
    // The same sheet, of which nothing is real.
    page.say(&format!("{to}/import"), &cookie, "sandbox=true");
    still_offered("60 of 60 opened");
    // Another sheet, and another one of the same name.
    let others = rows(70).replace(";Ana Moreira;", ";Bia Melo;");
    let mut lines = others.lines();
    let header = lines.next().unwrap();
    let two = |from: usize| {
        let rows: Vec<_> = others.lines().skip(from).take(2).collect();
        format!("{header}\n{}\n", rows.join("\n"))
    };
    page.orders(&cookie, "outra.csv", two(63), "");
    page.agrees(&cookie, 2);
    still_offered("2 of 2 opened");
    page.orders(&cookie, "queda.csv", two(65), "");
    let asked = page.until(&cookie, "/import/answer");
    let (before, _) = asked.split_once(">it is another outage").unwrap_or_else(|| panic!("{asked}"));
    let (_, another) = before.rsplit_once("name=\"answer\" value=\"").unwrap();
    page.answer(&cookie, &asked, another.split('"').next().unwrap());
    page.agrees(&cookie, 2);
    still_offered("2 of 2 opened");

    // A person goes on with it: it was too long ago for the word that was given.
    goes_on(&page, &cookie, &page.get("/import", &[&cookie]).2);
    let asked = page.until(&cookie, "type the number of tickets");
    let (_, n) = asked.split_once("This opens ").unwrap();
    page.answer(&cookie, &asked, n.split(' ').next().unwrap());
    let done = page.until(&cookie, "60 of 60 opened");
    assert!(!done.contains(OFFERED), "{done}");
    assert_eq!((site.audit().tickets, site.audit().markers), (64, 64), "none twice");
}

#[test]
fn who_does_not_want_it_to_go_on_says_so_once() {
    let site = Site::new("latency=300ms");
    cut_off(&site);
    went_on(&site, 13 * 60);
    let (page, cookie, offered) = opened_again(&site);
    // A page of what was kept of another import of it says nothing of this one.
    assert_eq!(page.say("/import/forget", &cookie, "batch=&import=1").0, 303);
    page.say("/import/forget", &cookie, &format!("batch={}&import=99", hidden(&offered, "batch")));
    assert!(page.get("/import", &[&cookie]).2.contains(OFFERED));
    dismiss(&page, &cookie, &offered);
    for _ in 0..2 {
        let (_, _, standing) = page.get("/import", &[&cookie]);
        assert!(standing.contains(NOTHING) && !standing.contains(OFFERED), "{standing}");
        assert!(!page.get("/", &[&cookie]).2.contains("cut off"));
    }
    let batch = page.get(BATCH, &[&cookie]).2;
    assert_eq!(batch.matches("said not to go on with the import (on the page)").count(), 1, "{batch}");
    assert_eq!(page.end(), Some(0));
    let (_page, _, standing) = opened_again(&site);
    assert!(!standing.contains("cut off"), "{standing}");
}

/// Seen (in reading): the log alone was told, and the page said that nothing is being imported.
#[test]
fn what_cannot_go_on_is_told_to_who_looks_at_the_page() {
    let site = Site::new("latency=300ms");
    cut_off(&site);
    let whole = fs::read_to_string(kept(&site)).unwrap();
    fs::remove_dir_all(site.path(".local/state/mutirao/sheets")).unwrap();
    let check = |text: &str, why: &str| {
        fs::write(kept(&site), text).unwrap();
        let (page, cookie, standing) = opened_again(&site);
        assert!(standing.contains(why), "{why}: {standing}");
        assert!(!standing.contains("Go on<"), "{standing}");
        assert!(page.get("/", &[&cookie]).2.contains("To the import that was cut off"));
        dismiss(&page, &cookie, &standing);
        let (_, _, standing) = page.get("/import", &[&cookie]);
        assert!(!standing.contains("cut off"), "{standing}");
        assert_eq!(page.end(), Some(0));
    };
    check(&whole, "its spreadsheet is not kept any more");
    check(&whole[..whole.len() / 2], "is not as this program writes it");
    // What others could have written.
    fs::write(kept(&site), &whole).unwrap();
    fs::set_permissions(kept(&site), Permissions::from_mode(0o622)).unwrap();
    let (_page, _, standing) = opened_again(&site);
    for part in ["cannot be used", "so that others may change it", "chmod go-w"] {
        assert!(standing.contains(part), "{part}: {standing}");
    }
}

/// Seen (in reading): it went on in whatever folder the page was opened next, at whatever HubSoft.
#[test]
fn where_it_comes_to_another_batch_it_asks() {
    let site = Site::new("latency=300ms");
    cut_off(&site);
    // As in another folder, or for another HubSoft: neither the batch nor what is known of it is there.
    fs::remove_dir_all(site.path("queda.mutirao")).unwrap();
    fs::remove_file(site.path(".local/state/mutirao/imports.jsonl")).unwrap();
    let (page, cookie, _) = opened_again(&site);
    page.until(&cookie, "type the number of tickets");
    assert!(site.audit().tickets < 60);
}

/// Seen (in reading): the rest was opened unasked when the program ended before it had stopped.
#[test]
fn what_a_person_stopped_does_not_go_on_by_itself() {
    let site = Site::new("latency=3s");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    page.opens(&cookie, 60);
    let going = page.until(&cookie, "Opened</th>");
    page.stop(&cookie, &going);
    page.until(&cookie, "Stopping: waiting for the answers under way");
    drop(page); // Killed.
    let (_page, _, standing) = opened_again(&site);
    assert!(standing.contains(NOTHING) && !standing.contains("cut off"), "{standing}");
}

/// It shows so wherever it is looked for, and a word that was given is still one.
#[test]
fn what_a_person_pauses_waits_until_they_go_on_with_it() {
    let site = Site::new("latency=300ms");
    site.write("mutirao.toml", SLOWLY);
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    page.orders(&cookie, "queda.csv", rows(60), "");
    let asked = page.until(&cookie, "type the number of tickets");
    // What opens nothing yet cannot be paused.
    page.say("/import/pause", &cookie, &format!("number={}", hidden(&asked, "number")));
    let (_, form) = asked.split_once("action=\"/import/stop\"").unwrap();
    page.say("/import/pause", &cookie, &format!("number={}", hidden(form, "number")));
    page.agrees(&cookie, 60);
    let going = page.until(&cookie, "Opened</th>");
    page.pause(&cookie, &going);
    let paused = page.until(&cookie, "It is paused; nothing is lost.");
    assert_eq!((paused.matches(PAUSED).count(), paused.matches(">Go on<").count()), (1, 1), "{paused}");
    let n_posted = n_posts(&site);
    let is_shown = |page: &Page, cookie: &str, expected: usize| {
        for path in ["/", BATCH, "/import"] {
            let shown = page.get(path, &[cookie]).2;
            for part in [PAUSED, "action=\"/import/go-on\""] {
                assert_eq!(shown.matches(part).count(), expected, "{path}: {shown}");
            }
        }
    };
    is_shown(&page, &cookie, 1);
    assert!(page.get(BATCH, &[&cookie]).2.contains("paused the import (on the page)"));
    assert_eq!(page.end(), Some(0));

    let (page, cookie, standing) = opened_again(&site);
    assert!(standing.contains(NOTHING), "{standing}");
    is_shown(&page, &cookie, 1);
    // Another one goes on meanwhile, and is no reason to forget this one.
    page.orders(&cookie, "outra.csv", rows(1), "sandbox=true");
    page.until(&cookie, "1 of 1 opened");
    is_shown(&page, &cookie, 1);
    assert_eq!(n_posts(&site), n_posted);
    goes_on(&page, &cookie, &page.get(BATCH, &[&cookie]).2);
    let done = page.until(&cookie, "60 of 60 opened");
    assert!(!done.contains(PAUSED), "{done}");
    assert_eq!((site.audit().tickets, site.audit().markers), (60, 60), "none twice");
    is_shown(&page, &cookie, 0);
}

#[test]
fn what_was_paused_long_ago_asks_once_more_and_who_does_not_want_it_says_so() {
    let site = Site::new("latency=3s");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    page.opens(&cookie, 60);
    let going = page.until(&cookie, "Opened</th>");
    page.pause(&cookie, &going);
    page.until(&cookie, "Pausing: waiting for the answers under way");
    drop(page); // Killed.
    went_on(&site, 13 * 60);
    let (page, cookie, standing) = opened_again(&site);
    assert!(standing.contains("Going on asks once more."), "{standing}");
    goes_on(&page, &cookie, &standing);
    let asked = page.until(&cookie, "type the number of tickets");
    assert!(!asked.contains(PAUSED), "beside a question it would be taken for its answer: {asked}");
    assert_eq!(page.end(), Some(0));
    let (page, cookie, standing) = opened_again(&site);
    dismiss(&page, &cookie, &standing);
    for path in ["/", BATCH, "/import"] {
        assert!(!page.get(path, &[&cookie]).2.contains(PAUSED), "{path}");
    }
    assert!(page.get(BATCH, &[&cookie]).2.contains("said not to go on with the import (on the page)"));
    assert_eq!(page.end(), Some(0));
    let (_page, _, standing) = opened_again(&site);
    assert!(standing.contains(NOTHING) && !standing.contains(PAUSED), "{standing}");
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
        ("rate = \"20/s\"\n", ""),
    ] {
        let site = Site::new("latency=1s");
        cut_off(&site);
        let n_before = n_posts(&site);
        site.write("mutirao.toml", change);
        let (page, cookie, _) = opened_again(&site);
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
    let (page, cookie, _) = opened_again(&site);
    page.until(&cookie, "type the number of tickets");
    assert_eq!(n_posts(&site), n_before);
}

/// What is wrong with the results is not why it stopped; and it does not go on by itself for that.
#[test]
fn why_an_import_stopped_is_told_where_its_results_cannot_be_written() {
    let site = Site::new("services_max=1000,latency=300ms");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    page.opens(&cookie, 60);
    // Another thing stands where they would go; the outbox is open, wherever it lies.
    fs::rename(site.path("queda.mutirao"), site.path("away")).unwrap();
    site.write("queda.mutirao", "");
    let told = page.until(&cookie, "role=\"alert\"");
    assert!(told.contains("It stopped by itself: ") && told.contains("queda.mutirao"), "{told}");
    let n_posts = n_posts(&site);
    assert_eq!(page.end(), Some(0));
    fs::remove_file(site.path("queda.mutirao")).unwrap();
    fs::rename(site.path("away"), site.path("queda.mutirao")).unwrap();
    let (_page, _, standing) = opened_again(&site);
    assert!(standing.contains(NOTHING) && !standing.contains("cut off"), "{standing}");
    assert_eq!(self::n_posts(&site), n_posts);
}

/// Seen: it was heard only where a question stood, and the rest was opened when the program began anew.
#[test]
fn what_a_person_stops_at_any_step_does_not_go_on_by_itself() {
    let site = Site::new("latency=3s");
    cut_off(&site);
    let (page, cookie, _) = opened_again(&site);
    // It asks HubSoft for ticket types.
    let going = page.until(&cookie, "/import/stop");
    page.stop(&cookie, &going);
    drop(page); // Killed, as soon as it has answered.
    let (_page, _, standing) = opened_again(&site);
    assert!(standing.contains(NOTHING) && !standing.contains("cut off"), "{standing}");
}

/// Seen: going on lifted the halt, and nobody was told why there had been one.
#[tokio::test]
async fn a_batch_that_was_halted_since_is_asked_about_and_stays_halted_until_then() {
    let (site, database) = (Site::new("latency=1s"), Database::fresh().await);
    let url = database.url();
    let at = ["--database-url", url.as_str()];
    let mut page = Page::start(&site, &at);
    let cookie = page.enter();
    page.opens(&cookie, 60);
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

/// Seen: in a database the very same file is the same import, and what somebody had just begun with it
/// elsewhere went on here by itself.
#[tokio::test]
async fn the_very_same_file_that_was_taken_in_elsewhere_since_is_asked_about() {
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
    site.write("queda.csv", rows(60));
    site.run_at(&url, &["enqueue", "queda.csv"]).expect(0);
    let mut sql = PgConnection::connect(&url).await.unwrap();
    let n_files = "SELECT count(*) FROM mutirao.source";
    assert_eq!(sqlx::query_scalar::<_, i64>(n_files).fetch_one(&mut sql).await.unwrap(), 1);
    let mut page = Page::start(&site, &at);
    let cookie = page.enter();
    page.until(&cookie, "type the number of tickets");
}
