//! An import that was cut off, when the page is opened again: what it goes on with, and what it asks.

use super::{Page, rows};
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
