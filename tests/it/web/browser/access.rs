//! For everybody: what axe-core finds, the keyboard alone, a phone, dark pages.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::{CHECK, GO_ON, GO_ON_TO_OPEN, NOT_DELETED, Office, STOP, agrees, of_the_office, rows};
use crate::support::browser::{Browser, ENTER, TAB};
use crate::web::rows::unconfirmed;

/// Version 4.10.3, as its makers have it in the registry of npm.
const AXE: &str = include_str!("../../../axe/axe.min.js");

/// What breaks the rules of WCAG 2.2 AA, as axe-core finds them; of rules of one kind only if it is said.
const FIND: &str = "
    const [axe, rules] = args;
    window.axe ?? new Function(axe).call(window);
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const runOnly = rules ? { type: 'rule', values: rules } : { type: 'tag', values: tags };
    const { violations, passes } = await window.axe.run(document, { runOnly });
    if (passes.length === 0) throw 'nothing was looked at';
    return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html)}`);";

/// What somebody cannot use of the page that is shown.
fn findings(browser: &Browser, rules: &Value) -> Vec<String> {
    let found = browser.awaits(FIND, json!([AXE, rules]));
    let Some(found) = found.as_array() else { panic!("{found}") };
    found.iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

const IS_TOO_WIDE: &str =
    "return document.documentElement.scrollWidth > document.documentElement.clientWidth";

/// What somebody cannot use of a page on a phone, beside that, and in the dark.
pub(super) fn hindrances(browser: &Browser, page: &str) -> Vec<String> {
    let mut found = findings(browser, &Value::Null);
    if browser.runs(IS_TOO_WIDE, json!([])) == true {
        found.push("wider than a phone".into());
    }
    browser.is_no_phone();
    found.extend(findings(browser, &Value::Null));
    browser.prefers("dark");
    found.extend(findings(browser, &json!(["color-contrast"])));
    browser.prefers("light");
    browser.is_a_phone();
    found.into_iter().map(|it| format!("{page}: {it}")).collect()
}

/// Each kind of page, once, on a phone.
#[tokio::test]
async fn everybody_can_use_every_page() {
    let browser = Browser::new("pt-BR");
    let mut office = Office::at("5/s");
    let all = RefCell::new(Vec::new());
    let look = |page: &str| all.borrow_mut().extend(hindrances(&browser, page));
    browser.is_a_phone();
    browser.goes_to(&office.address("/"));
    browser.reads("o endereço que o programa mostra");
    look("refused");
    office.lets_in(&browser, "Nada foi importado");
    look("nothing yet");
    browser.chooses(&of_the_office("Clientes afetados CTO 12.xlsx"));
    browser.clicks_on(CHECK);
    browser.reads("Ler de outro jeito");
    look("a sheet that cannot be read");
    browser.goes_to(&office.address("/"));
    browser.chooses(&of_the_office("telefones.csv"));
    browser.clicks_on(CHECK);
    browser.reads("O que está errado");
    look("a sheet with problems");

    office.asks(&browser, 3);
    look("a question");
    browser.clicks("button[name=answer]");
    browser.reads("3 de 3 abertas");
    look("results");
    unconfirmed(&office.site, "2, 3").await;
    browser.goes_to(&office.address("/"));
    look("batches");
    browser.clicks_on("queda");
    browser.reads("2 não confirmadas");
    look("a batch");
    browser.clicks("main tbody a");
    browser.reads("O que se sabe");
    look("a row");
    browser.goes_to(&office.address("/batch?in=queda.mutirao&batch=queda"));
    browser.clicks_on("Olhei no HubSoft: nenhuma destas linhas tem atendimento");
    browser.reads("Para continuar, digite sim");
    look("a word to be typed");
    browser.writes("input[name=said]", "sim");
    browser.clicks_on("continuar");
    browser.reads("agora `failed`");
    look("what came of a word");

    let more = rows(40).replace("\n11", "\n12");
    office.site.write("outra.csv", more);
    browser.goes_to(&office.address("/"));
    browser.chooses(&office.site.path("outra.csv"));
    browser.clicks_on(CHECK);
    let sheet = browser.window();
    browser.clicks_on(GO_ON_TO_OPEN);
    browser.reads(NOT_DELETED);
    look("a number to be typed");
    browser.opens_a_window(&office.address("/"));
    browser.is_a_phone();
    browser.chooses(&of_the_office("telefones.csv"));
    browser.clicks_on(CHECK);
    browser.clicks_on(GO_ON_TO_OPEN);
    browser.reads("uma importação corre de cada vez");
    look("another import goes on");
    browser.looks_at(&sheet);
    agrees(&browser, 40);
    browser.reads("de 40 linhas estão prontas");
    look("progress");
    browser.clicks_on("Pausar");
    browser.reads("pausou esta importação");
    look("paused");
    browser.clicks_on(GO_ON);
    browser.reads("de 40 linhas estão prontas");
    browser.clicks_on(STOP);
    browser.reads("Foi parado");
    look("stopped");

    for (path, said) in [("/nothing", "primeira página"), ("/batch?batch=none", "primeira página")] {
        browser.goes_to(&office.address(path));
        browser.reads(said);
        look(path);
    }
    let all = all.into_inner();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Moves the focus on to what `selector` says; where it goes by, it is seen.
#[track_caller]
pub(super) fn tabs_to(browser: &Browser, selector: &str) {
    const FOCUS: &str = "
        const at = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(at);
        const isSeen = at === document.body || (outlineStyle !== 'none' && 0 < parseFloat(outlineWidth));
        return [at.matches(arguments[0]), isSeen, at.outerHTML.slice(0, 80)];";
    browser.waits(selector);
    for _ in 0..100 {
        browser.presses(&TAB.to_string());
        let at = browser.runs(FOCUS, json!([selector]));
        assert_eq!(at[1], true, "nobody sees where the focus is: {at}");
        if at[0] == true {
            return;
        }
    }
    panic!("no way to {selector}: {}", browser.text());
}

/// From the sheet to its results, with no pointer. (The window in which a file is chosen is the system's.)
#[test]
fn the_keyboard_alone_is_enough() {
    let (browser, mut office) = (Browser::new("pt-BR"), Office::at("5/s"));
    let enter = || browser.presses(&ENTER.to_string());
    office.lets_in(&browser, "Nada foi importado");
    office.site.write("queda.csv", rows(40).replace("37999", "999"));
    tabs_to(&browser, "input[type=file]");
    browser.chooses(&office.site.path("queda.csv"));
    tabs_to(&browser, ".bring button");
    enter();
    browser.reads("falta o DDD");
    tabs_to(&browser, "input[name=default_ddd]");
    browser.presses("37");
    enter();
    browser.reads("40 de 40 linhas são válidas");
    tabs_to(&browser, "form[action$='/import'] button");
    enter();
    browser.reads(NOT_DELETED);
    // The field has the focus from the start: once the page is drawn, which is after it is loaded.
    browser.waits("input[name=answer]:focus");
    browser.presses("40");
    enter();

    browser.reads("de 40 linhas estão prontas");
    tabs_to(&browser, "form[action='/import/stop'] button");
    let focus = "return document.activeElement.textContent";
    browser.awaits(CHANGES, json!(["[value]"]));
    assert_eq!(browser.runs(focus, json!([])), STOP, "it is where it was");
    // Something more is told from now on.
    browser.runs(TELLS_MORE, json!([]));
    browser.awaits(CHANGES, json!(["#more"]));
    assert_eq!(browser.runs(focus, json!([])), STOP, "it is where it was, though all around it changed");
    enter();
    browser.reads("Foi parado");
    tabs_to(&browser, "form[action$='/import'] button");
    enter();
    browser.reads(NOT_DELETED);
    let n_left = 40 - office.site.audit().tickets;
    if n_left <= 20 {
        tabs_to(&browser, "button[name=answer]");
    } else {
        browser.waits("input[name=answer]:focus");
        browser.presses(&n_left.to_string());
    }
    enter();
    browser.reads("40 de 40 abertas");
    tabs_to(&browser, "a[href='/import/files/results.xlsx']");
    tabs_to(&browser, "header a");
    enter();
    browser.reads("queda");
    tabs_to(&browser, "h2 a");
    enter();
    browser.reads("40 de 40 abertas");
    tabs_to(&browser, "select[name=state]");
    browser.presses("T");
    tabs_to(&browser, "input[name=text]");
    browser.presses("11007");
    enter();
    // The page before has this row too, among all others.
    browser.waits("input[name=text][value='11007']");
    tabs_to(&browser, "tbody a");
    enter();
    browser.reads("O que se sabe");
    office.opened(40);
}

/// Seen (in reading): what was told while it looked had it loaded again twice; what somebody had typed by the
/// second time could be gone.
#[test]
fn a_page_that_becomes_another_is_loaded_again_once() {
    let (browser, mut office) = (Browser::new("pt-BR"), Office::at("2/s"));
    office.lets_in(&browser, "Nada foi importado");
    office.asks(&browser, 40);
    agrees(&browser, 40);
    browser.reads("de 40 linhas estão prontas");
    browser.runs(BECOMES_ANOTHER, json!([]));
    browser.waits("body:not(#before)");
    assert_eq!(browser.runs("return sessionStorage.nLooks", json!([])), "1");
}

/// What is looked at is another page, and more was told before that was known.
const BECOMES_ANOTHER: &str = "
    document.body.id = 'before';
    sessionStorage.nLooks = 0;
    const isTold = (n) => new Promise((tell) => {
      const told = new EventSource('/import/events');
      told.onmessage = () => { if (--n === 0) { told.close(); tell(); } };
    });
    window.fetch = async () => {
      if (++sessionStorage.nLooks === 1) await isTold(4);
      return new Response('<p>another</p>');
    };";

/// Seen (in reading): the button that took its place had its focus, and Enter stopped what was to be paused.
#[test]
fn a_button_that_moves_takes_its_focus_along() {
    let (browser, mut office) = (Browser::new("pt-BR"), Office::at("2/s"));
    office.lets_in(&browser, "Nada foi importado");
    office.asks(&browser, 40);
    agrees(&browser, 40);
    browser.reads("de 40 linhas estão prontas");
    tabs_to(&browser, "form[action='/import/pause'] button");
    browser.runs(MOVES_UP, json!([]));
    browser.awaits(CHANGES, json!(["#more"]));
    assert_eq!(browser.runs("return document.activeElement.textContent", json!([])), "Pausar");
}

/// What stood before the buttons is gone, and as much more is told behind them.
const MOVES_UP: &str = "
    const get = window.fetch;
    window.fetch = async (...asked) => {
      const page = (await (await get(...asked)).text()).replace(/<table>.*?<[/]table>/s, '');
      return new Response(page.replace('<ul class=\"known\">', '<p id=\"more\">!</p><ul class=\"known\">'));
    };";

/// Waits until what is followed has changed, and has this.
const CHANGES: &str = "
    const live = document.getElementById('live');
    const changed = () => new Promise((tell) => {
      const watch = new MutationObserver(() => { watch.disconnect(); tell(); });
      watch.observe(live, { subtree: true, childList: true, attributes: true, characterData: true });
    });
    do { await changed(); } while (!live.querySelector(args[0]));";

/// As when a warning comes.
const TELLS_MORE: &str = "
    const get = window.fetch;
    window.fetch = async (...asked) => {
      const page = await (await get(...asked)).text();
      return new Response(page.replace('<div id=\"live\">', '<div id=\"live\"><p id=\"more\">!</p>'));
    };";
