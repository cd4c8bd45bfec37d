//! The rows of a batch on the page: found, told, and what a person says of them.

use std::collections::BTreeSet;
use std::fmt::Write;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::{Page, hidden};
use crate::support::site::Site;

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

/// Where the batch is that the sheet `queda.csv` became.
const BATCH: &str = "in=queda.mutirao&batch=queda";

/// Services from 11001 on, of people whose names no other has.
fn rows(n_rows: u64) -> String {
    let mut text = HEADER.to_owned();
    for n in 1..=n_rows {
        writeln!(text, "{};Sem sinal;Cliente {n} São João;(37) 99911-{n:04}", 11_000 + n).unwrap();
    }
    text
}

/// A page of a folder in which a batch was imported, and the line of a browser that is inside.
fn imported(site: &Site, sheet: &str, code: i32) -> (Page, String) {
    site.write("queda.csv", sheet);
    site.run(&["import", "queda.csv", "--yes", "--rate", "unlimited"]).expect(code);
    let mut page = Page::start(site, &[]);
    let cookie = page.enter();
    (page, cookie)
}

impl Page {
    /// The page of a batch, as something is asked of it.
    fn batch(&self, cookie: &str, asked: &str) -> String {
        let (status, _, body) = self.get(&format!("/batch?{BATCH}{asked}"), &[cookie]);
        assert_eq!(status, 200, "{asked}: {body}");
        assert!(body.len() < 100 * 1024, "{asked}: {} bytes", body.len());
        body
    }
}

/// The services in the table of a page.
fn services(body: &str) -> Vec<u64> {
    let cells = body.split("<td>").filter_map(|rest| rest.split_once("</td>")).map(|(cell, _)| cell);
    cells.filter_map(|cell| cell.parse().ok()).filter(|n| (11_001..12_000).contains(n)).collect()
}

/// As if the answers to these lines had been lost, and look-ups could not tell.
pub(super) async fn unconfirmed(site: &Site, lines: &str) {
    let path = site.path("queda.mutirao/outbox.db");
    let mut conn = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let sql = format!(
        "UPDATE outbox SET state = 'unconfirmed', doubt_since = 1, protocolo = NULL, id_atendimento = NULL,
                finished_at = NULL WHERE line IN ({lines})"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

#[test]
fn rows_are_found_by_what_a_person_knows_of_them() {
    let site = Site::new("services_max=11119");
    let sheet = format!("{}11001x;Sem sinal;<b>Zé</b> & \"filhos\";3799\n", rows(120));
    let (page, cookie) = imported(&site, &sheet, 3);
    let home = page.get("/", &[&cookie]).2;
    assert!(home.contains("href=\"/batch?in=queda.mutirao&amp;batch=queda\""), "{home}");

    // Those that need somebody come first, each with why and what to do.
    let needy = page.batch(&cookie, "");
    assert_eq!(services(&needy), [11_120]);
    for part in ["119 of 121 opened", "&lt;b&gt;Zé&lt;/b&gt; &amp;", "correct errors.csv", "Rejected (1)"] {
        assert!(needy.contains(part), "{part}: {needy}");
    }
    assert!(!needy.contains("<b>"), "{needy}");

    // All of them, in pages that lead on to the next, each row once.
    let (mut seen, mut asked) = (Vec::new(), "&state=all".to_owned());
    for n_here in [50, 50, 20] {
        let body = page.batch(&cookie, &asked);
        assert_eq!(services(&body).len(), n_here);
        seen.extend(services(&body));
        let next = body.split("href=\"/batch?").find(|rest| rest.contains(">Look further on<"));
        let next = next.map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
        asked = next.unwrap_or_default().replace(BATCH, "");
    }
    assert_eq!(asked, "", "there are no more");
    assert_eq!(seen.len(), 120);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 120);

    let results = site.table("queda.mutirao/results.csv");
    let protocolo = &results[6]["protocolo"];
    // Those of all rows that are looked for, to be copied at once.
    for (state, n_expected) in [("all", 119), ("opened", 119), ("rejected", 0)] {
        let shown = page.get(&format!("/batch/protocolos?{BATCH}&state={state}"), &[&cookie]).2;
        let (_, given) = shown.split_once("readonly").and_then(|(_, rest)| rest.split_once('>')).unwrap();
        let (given, rest) = given.split_once("</textarea>").unwrap();
        let all = results.iter().map(|row| &*row["protocolo"]).filter(|protocolo| !protocolo.is_empty());
        assert_eq!(given.lines().collect::<Vec<_>>(), all.take(n_expected).collect::<Vec<_>>());
        assert_eq!(given.lines().count(), n_expected);
        assert!(!rest.contains("Look further on") && shown.contains("src=\"/copy.js\""), "{shown}");
    }
    assert!(page.batch(&cookie, "&state=opened").contains("/batch/protocolos?"));
    assert!(!page.batch(&cookie, "&state=rejected").contains("/batch/protocolos?"), "all of them are shown");
    for (asked, expected) in [
        ("&state=all&text=11007", vec![11_007]),
        (&format!("&text={protocolo}"), vec![11_007]),
        ("&text=+cliente+17+sao+", vec![11_017]),
        ("&text=CLIENTE%2017%20S%C3%83O", vec![11_017]),
        ("&state=opened&text=Cliente+120", vec![]),
        ("&state=rejected", vec![11_120]),
        ("&state=rejected&text=11007", vec![]),
        ("&state=nothing&text=11007", vec![11_007]),
        ("&text=nobody", vec![]),
    ] {
        assert_eq!(services(&page.batch(&cookie, asked)), expected, "{asked}");
    }
    // A line, and an id: short numbers are others' as well.
    for text in ["8", &results[6]["id_atendimento"]] {
        let found = services(&page.batch(&cookie, &format!("&text={text}")));
        assert!(found.contains(&11_007) && found.len() < 4, "{text}: {found:?}");
    }
    let one = page.batch(&cookie, "&text=11007");
    assert!(one.contains(&format!("readonly rows=\"1\">{protocolo}</textarea>")), "{one}");
    assert!(one.contains("data-copies=\"protocolos\"") && one.contains("src=\"/copy.js\""), "{one}");

    // What is no batch here is none, wherever it may lie.
    for other in ["batch=queda", "in=..&batch=queda", "in=queda.mutirao&batch=x", "in=%2e%2f&batch=q", ""] {
        let (status, _, body) = page.get(&format!("/batch?{other}"), &[&cookie]);
        assert!(status == 409 && body.contains("role=\"alert\""), "{other}: {status} {body}");
    }
    let files = |name: &str| page.get(&format!("/batch/files/{name}?{BATCH}"), &[&cookie]);
    assert!(files("results.csv").2.contains(&site.read("queda.mutirao/results.csv")));
    for none in ["outbox.db", "..%2fqueda.csv"] {
        assert_eq!(files(none).0, 404, "{none}");
    }
}

/// What a form of the page of a row says of it.
fn shown_row(page: &Page, cookie: &str, row: i64) -> String {
    let named = format!("{BATCH}&row={row}");
    let shown = page.get(&format!("/row?{named}"), &[cookie]).2;
    // One of which nothing is to be said has none.
    let of = if shown.contains("name=\"of\"") { hidden(&shown, "of") } else { "" };
    format!("{named}&of={of}")
}

/// Seen (in reading): a row of another batch that had the same number by then was said to be opened.
#[tokio::test]
async fn a_word_is_of_the_very_row_that_was_shown() {
    let site = Site::new("");
    let (page, cookie) = imported(&site, &rows(2), 0);
    unconfirmed(&site, "2, 3").await;
    let first = shown_row(&page, &cookie, 1);
    let says = |row: &str| {
        let protocolo = format!("{row}&protocolo=20200101000000000001&said=yes");
        [page.say("/row/opened", &cookie, &protocolo).2, page.say("/row/not-opened", &cookie, row).2]
    };
    let not_done = "not any more as it was shown";
    // Of another row, and of none.
    let (named, of) = first.split_once("&of=").unwrap();
    for row in [format!("{BATCH}&row=2&of={of}"), named.to_owned(), format!("{named}&of=x")] {
        assert!(says(&row).iter().all(|told| told.contains(not_done)), "{row}");
    }
    // Of what stands there now, by the same number.
    std::fs::remove_dir_all(site.path("queda.mutirao")).unwrap();
    site.write("queda.csv", rows(3));
    site.run(&["import", "queda.csv", "--yes", "--again", "--rate", "unlimited"]).expect(0);
    unconfirmed(&site, "2, 3").await;
    assert!(says(&first).iter().all(|told| told.contains(not_done)));
    let states = || page.batch(&cookie, "&state=unconfirmed").matches("<td>Unconfirmed</td>").count();
    assert_eq!(states(), 2, "nothing was said of them");
    let now = shown_row(&page, &cookie, 1);
    assert!(page.say("/row/not-opened", &cookie, &now).2.contains("1 row is now `failed`."));
    assert_eq!(states(), 1);
}

#[tokio::test]
async fn a_person_says_on_the_page_what_is_true_of_a_row() {
    let site = Site::new("");
    let (page, cookie) = imported(&site, &rows(6), 0);
    let results = site.table("queda.mutirao/results.csv");
    let protocolo = |row: usize| results[row]["protocolo"].as_str();
    unconfirmed(&site, "2, 3, 4, 5, 6").await;
    let needy = page.batch(&cookie, "");
    assert_eq!(services(&needy), [11_001, 11_002, 11_003, 11_004, 11_005]);
    assert!(needy.contains("in doubt since"), "{needy}");

    // One row's whole story, and what can be said of it.
    let id = needy.split("row=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let row = |n: i64| shown_row(&page, &cookie, id.parse::<i64>().unwrap() + n);
    let shown = page.get(&format!("/row?{}", row(0)), &[&cookie]).2;
    for part in ["Unconfirmed", "11001", "Cliente 1 São João", "/row/opened", "/row/not-opened"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let say = |path: &str, fields: &str| page.say(path, &cookie, fields);
    let states = || {
        let states = site.table("queda.mutirao/results.csv");
        let states: Vec<_> = states.iter().map(|row| row["state"].clone()).collect();
        states.join(" ")
    };
    for (typed, why) in [
        ("opened+it", "is no protocolo"),
        (protocolo(1), "the ticket is of service 11002, the row of service 11001"),
    ] {
        let (status, _, body) = say("/row/opened", &format!("{}&protocolo={typed}", row(0)));
        assert!(status == 409 && body.contains(why), "{typed}: {status} {body}");
    }
    let (_, _, body) = say("/row/opened", &format!("{}&protocolo={}", row(0), protocolo(0)));
    assert!(body.contains("1 row is now `opened`."), "{body}");
    let shown = page.get(&format!("/row?{}", row(0)), &[&cookie]).2;
    assert!(shown.contains("HubSoft shows it"), "who said so, and how it was checked: {shown}");
    assert!(!shown.contains("/row/opened"), "nothing is left to be said: {shown}");

    // What HubSoft does not confirm is to be typed; anything else changes nothing.
    let unknown = format!("{}&protocolo=20200101000000000001", row(1));
    for said in ["", "&said=no"] {
        let (_, _, asked) = say("/row/opened", &format!("{unknown}{said}"));
        assert!(asked.contains("it was not checked") && asked.contains("To go on, type yes"), "{asked}");
    }
    assert_eq!(page.batch(&cookie, "&state=unconfirmed").matches("<td>Unconfirmed</td>").count(), 4);
    let (_, _, body) = say("/row/opened", &format!("{unknown}&said=Sim"));
    assert!(body.contains("1 row is now `opened`."), "{body}");

    let (_, _, body) = say("/row/not-opened", &row(2));
    assert!(body.contains("1 row is now `failed`."), "{body}");
    assert_eq!(say("/row/not-opened", &row(2)).0, 409, "it is settled");

    // Of all rows in a state: typed, and of those that it was asked of.
    let all = format!("{BATCH}&state=unconfirmed");
    let (_, _, asked) = say("/batch/not-opened", &all);
    assert!(asked.contains("2 rows have no ticket in HubSoft"), "{asked}");
    let of = hidden(&asked, "of");
    let others = of.chars().rev().collect::<String>();
    for not_so in ["", "&said=yes", &format!("&of={of}&said=no"), &format!("&of={others}&said=yes")] {
        let (_, _, asked) = say("/batch/not-opened", &format!("{all}{not_so}"));
        assert!(asked.contains("2 rows have no ticket in HubSoft"), "{not_so}: {asked}");
    }
    let (_, _, body) = say("/batch/not-opened", &format!("{all}&of={of}&said=yes"));
    assert!(body.contains("2 rows are now `failed`."), "{body}");
    assert_eq!(states(), "opened opened failed failed failed opened", "the results say it, too");

    // And failed rows go on, by the same sheet: each is looked up first, and its ticket found.
    let (_, _, body) = say("/batch/retry", BATCH);
    assert!(body.contains("0 rows are pending again"), "{body}");
    let (_, _, body) = say("/batch/retry", &format!("{BATCH}&state=failed&state=opened"));
    assert!(body.contains("3 rows are pending again"), "{body}");
    page.orders(&cookie, "queda.csv", rows(6), "");
    page.agrees(&cookie, 3);
    page.until(&cookie, "6 of 6 opened");
    assert_eq!((site.audit().tickets, site.audit().markers), (6, 6), "none twice");
}

#[test]
fn what_was_corrected_in_errors_csv_is_brought_back() {
    let site = Site::new("");
    let sheet = format!("{}11004;Sem sinal;Davi;9911\n", rows(3));
    let (page, cookie) = imported(&site, &sheet, 3);
    let needy = page.batch(&cookie, "");
    let errors = format!("/batch/files/errors.csv?{BATCH}");
    assert!(needy.contains(&errors.replace('&', "&amp;")) && needy.contains("action=\"/sheets\""), "{needy}");
    assert!(page.get(&errors, &[&cookie]).2.contains("Davi"));
    let corrected = site.read("queda.mutirao/errors.csv").replace("9911", "37999112201");
    page.orders(&cookie, "errors.csv", &corrected, "");
    page.agrees(&cookie, 1);
    page.until(&cookie, "opened");
    assert_eq!((site.audit().tickets, site.audit().markers), (4, 4), "none twice");
    assert!(page.batch(&cookie, "").contains("4 of 4 opened"), "it is the same batch");
}
