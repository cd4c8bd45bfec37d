//! The page with users: each in a browser of their own.

use super::super::users::{ANA, BIA, begun};
use super::access::hindrances;
use super::{CHECK, GO_ON_TO_OPEN, NOT_DELETED, rows};
use crate::support::browser::Browser;

/// Who only looks is at a phone, mistypes the password, and sees nothing of customers.
#[test]
fn one_user_opens_tickets_and_another_looks_on() {
    let (site, page) = begun();
    let home = format!("http://{}/", page.host);
    let (ana, bia) = (Browser::new("pt-BR"), Browser::new("pt-BR"));
    let logs_in = |browser: &Browser, name: &str, password: &str| {
        browser.writes("input[name=name]", name);
        browser.writes("input[name=password]", password);
        browser.clicks("form[action='/log-in'] button");
    };
    let mut all = Vec::new();
    bia.is_a_phone();
    bia.goes_to(&home);
    bia.waits("form[action='/log-in']");
    all.extend(hindrances(&bia, "a login"));
    logs_in(&bia, "bia", ANA);
    bia.reads("Nome ou senha incorretos");
    all.extend(hindrances(&bia, "a login that was wrong"));
    logs_in(&bia, "bia", BIA);
    bia.reads("Nada foi importado");
    assert_eq!(bia.count("input[type=file]"), 0);
    all.extend(hindrances(&bia, "nothing yet, for who looks"));

    ana.goes_to(&home);
    logs_in(&ana, "ana", ANA);
    ana.reads("Nada foi importado");
    site.write("queda.csv", rows(3));
    ana.chooses(&site.path("queda.csv"));
    ana.clicks_on(CHECK);
    ana.clicks_on(GO_ON_TO_OPEN);
    ana.reads(NOT_DELETED);
    bia.goes_to(&format!("{home}import"));
    bia.reads("`ana`");
    all.extend(hindrances(&bia, "an import of another user, for who looks"));
    ana.clicks("button[name=answer]");
    ana.reads("3 de 3 abertas");
    bia.goes_to(&home);
    bia.reads("queda");
    all.extend(hindrances(&bia, "batches, for who looks"));
    assert!(!bia.text().contains("Ana Moreira"), "{}", bia.text());
    bia.clicks("form[action='/log-out'] button");
    bia.waits("form[action='/log-in']");
    assert_eq!((site.audit().tickets, site.audit().markers), (3, 3));
    assert!(all.is_empty(), "{}", all.join("\n"));
}
