//! The page of a shared outbox, for whoever is on call: on a phone, and by keys alone.

use super::super::on_call::{ROWS, begun};
use super::access::{hindrances, tabs_to};
use crate::support::browser::{Browser, ENTER};
use crate::support::site::Site;

#[tokio::test]
async fn whoever_is_on_call_can_use_every_page_on_a_phone() {
    let site = Site::new("");
    let (_database, mut page, _) = begun(&site, ROWS).await;
    page.next_address();
    let browser = Browser::new("pt-BR");
    browser.is_a_phone();
    browser.goes_to(&format!("http://{}/enter?key={}", page.host, page.key));
    browser.reads("Nenhum worker está ativo");
    let mut all = hindrances(&browser, "what waits");
    browser.clicks("summary");
    all.extend(hindrances(&browser, "the last day as a table"));
    browser.writes("input[name=text]", "davi");
    browser.clicks_on("Procurar");
    browser.reads("202601010002");
    all.extend(hindrances(&browser, "rows found"));
    browser.clicks("main tbody td a");
    browser.reads("norte");
    all.extend(hindrances(&browser, "a batch"));
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// A search and a row's story, a pause and its end; what follows by itself takes the focus from nobody.
#[tokio::test]
async fn the_keyboard_alone_is_enough_on_call() {
    let site = Site::new("");
    let (_database, mut page, _) = begun(&site, ROWS).await;
    page.next_address();
    let browser = Browser::new("pt-BR");
    let (home, enter) = (format!("http://{}/", page.host), || browser.presses(&ENTER.to_string()));
    browser.goes_to(&format!("{home}enter?key={}", page.key));
    browser.reads("Nenhum worker está ativo");
    tabs_to(&browser, "input[name=text]");
    browser.presses("11002");
    enter();
    browser.reads("Ana <b>Lima</b>");
    tabs_to(&browser, "th a");
    enter();
    browser.reads("O que se sabe");

    browser.goes_to(&home);
    tabs_to(&browser, "input[name=reason]");
    browser.presses("tempestade");
    enter();
    browser.reads("tempestade");
    tabs_to(&browser, "form[action='/outbox/resume'] button");
    enter();
    browser.waits("#live:not(:has(form[action='/outbox/resume']))");
}
