//! The page as somebody of the office has it: in a browser, from the sheet to the protocolos.

mod access;
mod on_call;
mod pictures;
mod users;

use std::path::{Path, PathBuf};

use super::{Page, rows};
use crate::support::browser::Browser;
use crate::support::site::Site;

/// A folder and its page.
struct Office {
    site: Site,
    page: Page,
}

impl Office {
    /// Where tickets are opened at this rate, and what goes wrong is known soon.
    fn at(rate: &str) -> Self {
        let site = Site::new("");
        site.write("mutirao.toml", format!("rate = {rate:?}\nsettle_delay = \"1s\"\nmax_attempts = 2\n"));
        let page = Page::start(&site, &[]);
        Self { site, page }
    }

    /// Lets a browser in, which then shows `home`.
    fn lets_in(&mut self, browser: &Browser, home: &str) {
        browser.goes_to(&(self.address("/enter?key=") + &self.page.key));
        browser.reads(home);
        self.page.next_address();
    }

    fn address(&self, path: &str) -> String {
        format!("http://{}{path}", self.page.host)
    }

    /// As many tickets as these, none twice.
    #[track_caller]
    fn opened(&self, n: u64) {
        let audit = self.site.audit();
        assert_eq!((audit.tickets, audit.markers), (n, n));
    }

    /// Brings so many good rows, up to the question whether they are to be opened.
    #[track_caller]
    fn asks(&self, browser: &Browser, n: u64) {
        self.site.write("queda.csv", rows(n));
        browser.goes_to(&self.address("/"));
        browser.chooses(&self.site.path("queda.csv"));
        browser.clicks_on(CHECK);
        browser.clicks_on(GO_ON_TO_OPEN);
        browser.reads(NOT_DELETED);
    }
}

const CHECK: &str = "Conferir";
const CHECK_AGAIN: &str = "Conferir de novo";
const GO_ON_TO_OPEN: &str = "Continuar para abrir as linhas válidas";
const NOT_DELETED: &str = "Não podem ser apagados";
const OPEN: &str = "Abrir";
const STOP: &str = "Parar";
const GO_ON: &str = "Continuar";

/// Types the number of tickets.
#[track_caller]
fn agrees(browser: &Browser, n: u64) {
    browser.writes("input[name=answer]", &n.to_string());
    browser.clicks_on(OPEN);
}

fn of_the_office(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/people").join(name)
}

/// A sheet, what is written into fields of its page, and whether customers are looked up.
type Case = (&'static str, &'static [(&'static str, &'static str)], bool, u64);

const DDD: (&str, &str) = ("default_ddd", "37");

/// As `new_person.rs` has them at a terminal, up to the first results.
const CASES: [Case; 7] = [
    ("clientes_queda_cto12.csv", &[DDD], false, 800),
    ("Clientes afetados CTO 12.xlsx", &[("descricao", "Sem sinal: queda na CTO 12"), DDD], true, 372),
    ("duas abas.xlsx", &[DDD], false, 800),
    ("sem sinal.xlsx", &[DDD], false, 800),
    ("telefones.csv", &[DDD], false, 11),
    ("exterior.csv", &[], false, 2),
    ("espacos.csv", &[], false, 2),
];

#[test]
fn every_sheet_of_the_office_becomes_tickets() {
    let browser = Browser::new("pt-BR");
    for (name, fields, finds, n_opened) in CASES {
        let mut office = Office::at("unlimited");
        office.lets_in(&browser, "Nada foi importado");
        browser.chooses(&of_the_office(name));
        browser.clicks_on(CHECK);
        for (field, text) in fields {
            browser.writes(&format!("input[name={field}]"), text);
        }
        if finds {
            browser.clicks("input[name=find_service]");
        }
        browser.clicks_on(CHECK_AGAIN);
        browser.clicks_on(GO_ON_TO_OPEN);
        browser.reads(NOT_DELETED);
        match n_opened {
            0..=20 => browser.clicks("button[name=answer]"),
            _ => agrees(&browser, n_opened),
        }
        browser.reads("Arquivos");
        office.opened(n_opened);
    }
}

#[test]
fn what_is_no_sheet_or_has_no_valid_row_opens_nothing() {
    let browser = Browser::new("pt-BR");
    let mut office = Office::at("unlimited");
    office.lets_in(&browser, "Nada foi importado");
    office.site.write("foto.png", "\u{89}PNG\r\n\u{1a}\n");
    browser.chooses(&office.site.path("foto.png"));
    browser.clicks_on(CHECK);
    browser.reads("Ler de outro jeito");
    assert_eq!(browser.count("[role=alert]"), 1);

    browser.goes_to(&office.address("/"));
    browser.chooses(&of_the_office("dois servicos.csv"));
    browser.clicks_on(CHECK);
    browser.reads("0 de 10 linhas são válidas");
    browser.reads("faça uma linha para cada um");
    assert_eq!(browser.count("form[action$='/import']"), 0, "nothing leads on from here");
    // How to go on: with what is wrong as a workbook, and the sheet once it is corrected.
    browser.waits("form[action$='/problems.xlsx'] button");
    office.site.write("corrigida.csv", rows(2));
    browser.chooses(&office.site.path("corrigida.csv"));
    browser.clicks_on(CHECK);
    browser.reads("2 de 2 linhas são válidas");
    office.opened(0);
}

#[test]
fn who_declines_opens_nothing_and_may_go_on() {
    let browser = Browser::new("pt-BR");
    let mut office = Office::at("unlimited");
    office.lets_in(&browser, "Nada foi importado");
    office.asks(&browser, 40);
    agrees(&browser, 39);
    browser.reads("Cancelado; nada mais é enviado.");
    browser.clicks_on(GO_ON);
    browser.reads(NOT_DELETED);
    browser.clicks_on("Parar; nada é enviado");
    browser.reads("Cancelado; nada mais é enviado.");
    office.opened(0);
    browser.clicks_on(GO_ON);
    browser.reads(NOT_DELETED);
    agrees(&browser, 40);
    browser.reads("40 de 40 abertas");
    office.opened(40);
}

/// One of them loads its page again meanwhile, one shows a question that another one has answered, and one is
/// another person's, in another language.
#[test]
fn who_looks_at_an_import_in_several_windows_sees_one() {
    let (browser, other) = (Browser::new("pt-BR"), Browser::new("en-US"));
    let mut office = Office::at("3/s");
    office.lets_in(&browser, "Nada foi importado");
    office.lets_in(&other, "Nothing was imported");
    office.asks(&browser, 60);
    let first = browser.window();
    let second = browser.opens_a_window(&office.address("/import"));
    browser.reads(NOT_DELETED);
    browser.looks_at(&first);
    agrees(&browser, 60);
    browser.reads("de 60 linhas estão prontas");
    browser.reloads();
    browser.reads("de 60 linhas estão prontas");
    // The question of that window is answered already: its word says nothing.
    browser.looks_at(&second);
    agrees(&browser, 1);
    browser.reads("de 60 linhas estão prontas");
    other.reloads();
    other.clicks_on("To the import that goes on");
    other.reads("of 60 rows are done");
    other.clicks_on("Stop");
    other.reads("nothing is lost");
    for window in [&first, &second] {
        browser.looks_at(window);
        browser.reads("Foi parado; nada se perde.");
    }
    let n_left = 60 - office.site.audit().tickets;
    assert!((21..60).contains(&n_left), "{n_left}: it was stopped too late, or too early, to tell");
    browser.clicks_on(GO_ON);
    browser.reads(NOT_DELETED);
    agrees(&browser, n_left);
    browser.reads("60 de 60 abertas");
    other.goes_to(&office.address("/import"));
    other.reads("60 of 60 opened");
    office.opened(60);
}

#[test]
fn an_import_that_was_killed_goes_on_and_opens_nothing_twice() {
    let browser = Browser::new("pt-BR");
    let mut office = Office::at("10/s");
    office.lets_in(&browser, "Nada foi importado");
    office.asks(&browser, 60);
    agrees(&browser, 60);
    browser.reads("de 60 linhas estão prontas");
    // A ticket is there, and most are not.
    browser.waits("progress[value]:not([value='0'])");
    office.page.child.kill().unwrap();
    office.page.child.wait().unwrap();
    browser.reads("Sem conexão: o que está aqui é de antes");
    let n_before = office.site.audit().tickets;
    assert!((1..60).contains(&n_before), "{n_before}: it was killed too late, or too early, to tell");
    office.page = Page::start(&office.site, &[]);
    office.lets_in(&browser, "Para a importação em andamento");
    browser.clicks_on("Para a importação em andamento");
    browser.reads("60 de 60 abertas");
    office.opened(60);
}

/// What was wrong is corrected in errors.csv, as a spreadsheet program saves it, and brought to the batch.
#[test]
fn what_was_corrected_in_errors_csv_is_opened_and_nothing_twice() {
    let browser = Browser::new("pt-BR");
    let mut office = Office::at("unlimited");
    office.lets_in(&browser, "Nada foi importado");
    office.site.write("queda.csv", rows(3) + "11901;Sem sinal;Zeca;não tem\n");
    browser.chooses(&office.site.path("queda.csv"));
    browser.clicks_on(CHECK);
    browser.clicks_on(GO_ON_TO_OPEN);
    browser.reads(NOT_DELETED);
    browser.clicks("button[name=answer]");
    browser.reads("3 de 4 abertas");
    office.opened(3);

    browser.goes_to(&office.address("/"));
    browser.clicks_on("queda");
    browser.waits("a[href^='/batch/files/errors.csv']");
    let errors = office.site.read("queda.mutirao/errors.csv");
    assert!(errors.contains("não tem"), "{errors}");
    office.site.write("baixados/errors.csv", errors.replace("não tem", "37999119901"));
    browser.chooses(&office.site.path("baixados/errors.csv"));
    browser.clicks_on(CHECK);
    browser.reads("1 de 1 linha é válida");
    browser.clicks_on(GO_ON_TO_OPEN);
    browser.reads(NOT_DELETED);
    browser.clicks("button[name=answer]");
    browser.reads("Arquivos");
    office.opened(4);
    browser.goes_to(&office.address("/"));
    browser.clicks_on("queda");
    browser.reads("4 de 4 abertas");
}
