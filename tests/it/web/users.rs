//! The page with users: who comes in, what each may see and do, and that a stranger does not.

use std::io::BufRead;

use super::going_on::SLOWLY;
use super::{POSTS, Page, hidden, rows};
use crate::support::site::Site;

pub(super) const ANA: &str = "correct horse battery";
const CAIO: &str = "staple battery horse";
pub(super) const BIA: &str = "only looks at it all";

fn add(site: &Site, name: &str, role: &str, password: &str) {
    site.run_with(&["web", "user", "add", name, "--role", role], format!("{password}\n").as_bytes())
        .expect(0);
}

/// A site with three users, and its page.
pub(super) fn begun() -> (Site, Page) {
    let site = Site::new("");
    add(&site, "ana", "abrir", ANA);
    add(&site, "caio", "abrir", CAIO);
    add(&site, "bia", "acompanhar", BIA);
    let page = start(&site);
    (site, page)
}

fn start(site: &Site) -> Page {
    let mut page = Page::spawn(site, &[]);
    let mut line = String::new();
    page.stdout.read_line(&mut line).unwrap();
    let host = line.trim_end().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
    host.unwrap_or_else(|| panic!("no key is told where users log in: {line:?}")).clone_into(&mut page.host);
    page
}

impl Page {
    /// The status of a login, its head, its page.
    fn try_login(&self, name: &str, password: &str) -> (u16, String, String) {
        self.say("/log-in", "X: y", &format!("name={name}&password={}", password.replace(' ', "+")))
    }

    /// The line by which a user's browser is known.
    fn log_in(&self, name: &str, password: &str) -> String {
        let (status, head, body) = self.try_login(name, password);
        assert_eq!(status, 200, "{head}{body}");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        assert!(cookie.ends_with("; httponly; samesite=strict; path=/"), "{cookie}");
        format!("Cookie: {}", cookie.split(';').next().unwrap())
    }
}

#[test]
fn users_are_added_listed_changed_and_removed() {
    let site = Site::new("");
    let user =
        |args: &[&str], input: &str| site.run_with(&[&["web", "user"], args].concat(), input.as_bytes());
    let listed = || user(&["list"], "").expect(0).stdout;
    assert_eq!(listed(), "");
    for (input, why) in [("short\n", "12 characters"), ("", "12 characters"), (&*"x".repeat(2000), "1024")] {
        let refused = user(&["add", "ana", "--role", "abrir"], input).expect(2);
        assert!(refused.stderr.replace(',', "").contains(why), "{}", refused.stderr);
    }
    user(&["add", "Ana", "--role", "abrir"], ANA).expect(2);
    user(&["add", "ana"], ANA).expect(2);
    user(&["add", "ana", "--role", "tudo"], ANA).expect(2);
    assert_eq!(listed(), "");
    let added = user(&["add", "ana", "--role", "abrir"], ANA).expect(0);
    user(&["add", "bia", "--role", "acompanhar"], BIA).expect(0);
    assert_eq!(listed(), "ana abrir\nbia acompanhar\n");
    let changed = user(&["add", "ana", "--role", "acompanhar"], CAIO).expect(0);
    assert!(changed.stderr.contains("`ana` is known"), "{}", changed.stderr);
    let json = user(&["list", "--json"], "").expect(0).json();
    assert_eq!(json["users"][1], serde_json::json!({"name": "ana", "role": "acompanhar"}));
    for told in [added, changed] {
        assert!(!format!("{}{}", told.stdout, told.stderr).contains("battery"), "{}", told.stderr);
    }
    user(&["remove", "bia"], "").expect(0);
    let none = user(&["remove", "bia"], "").expect(2);
    assert!(none.stderr.contains("mutirao web user list"), "{}", none.stderr);
    let file = ".local/state/mutirao/users.jsonl";
    let text = site.read(file);
    site.write(file, format!("{text}{{\"name\":\"caio\"}}\n"));
    for refused in [user(&["list"], "").expect(1), site.run(&["web", "--listen", "127.0.0.1:0"]).expect(1)] {
        assert!(refused.stderr.contains("line 2 of") && refused.stderr.contains(file), "{}", refused.stderr);
    }
}

#[test]
fn others_reach_the_page_only_as_users_and_by_a_proxy() {
    let site = Site::new("");
    let refused = |args: &[&str], why: &str| {
        let refused = site.run(&[&["web"], args].concat()).expect(2);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    };
    let public = "https://atendimentos.example.com";
    let add_one = "mutirao web user add NAME --role abrir";
    refused(&["--listen", "192.0.2.1:80"], add_one);
    refused(&["--listen", "192.0.2.1:80", "--page-url", public], add_one);
    refused(&["--page-url", public], add_one);
    add(&site, "ana", "abrir", ANA);
    refused(&["--listen", "192.0.2.1:80"], "--page-url");
    refused(&["--page-url", "http://atendimentos.example.com"], "plain `http`");
    refused(&["--page-url", "https://atendimentos.example.com/x"], "goes on after the host");
    // It is no address of this machine, and that is all that is wrong now.
    refused(&["--listen", "192.0.2.1:80", "--page-url", public], "cannot listen at 192.0.2.1:80");
}

#[test]
fn a_stranger_sees_the_login_and_nothing_else() {
    let (_site, page) = begun();
    let (status, _, body) = page.get("/", &[]);
    assert!(status == 403 && body.contains("name=\"password\""), "{status} {body}");
    assert_eq!(page.get("/enter?key=", &[]).0, 403);
    for path in ["/import", "/import/events", "/sheets/0", "/batch?batch=q", "/row?batch=q&row=1"] {
        assert_eq!(page.get(path, &[]).0, 403, "{path}");
    }
    for post in POSTS {
        assert_eq!(page.say(post, "X: y", "").0, 403, "{post}");
    }
    let wrong = page.try_login("ana", CAIO);
    let nobody = page.try_login("nobody", CAIO);
    assert!(wrong.0 == 403 && wrong.2.contains("Name or password is not right."), "{}", wrong.2);
    assert_eq!((wrong.0, &wrong.2), (nobody.0, &nobody.2), "which was wrong is not told");
    // Another site's form, and another name for this one.
    let form = |host: &str, origin: &str| {
        let body = format!("name=ana&password={}", ANA.replace(' ', "+"));
        page.ask(format!(
            "POST /log-in HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    };
    assert_eq!(form(&page.host, "http://evil.example").0, 403);
    assert_eq!(form("evil.example", "http://evil.example").0, 421);
    assert_eq!(form(&page.host, &format!("http://{}", page.host)).0, 200);
    assert_eq!(page.say("/log-in", "X: y", "name=ana").0, 400);
}

#[test]
fn what_is_tried_again_and_again_is_slowed() {
    let (_site, page) = begun();
    let statuses: Vec<_> = (0..40).map(|n| page.try_login(&format!("x{n}"), "wrong")).collect();
    let n_slowed = statuses.iter().filter(|(status, ..)| *status == 429).count();
    // It may take as long as it likes, so a few more than ten are looked at.
    assert!((20..=30).contains(&n_slowed), "{n_slowed}");
    let (_, head, body) = statuses.iter().find(|(status, ..)| *status == 429).unwrap();
    assert!(head.contains("retry-after: ") && body.contains("That was tried too often"), "{head}{body}");
}

#[test]
fn each_user_sees_and_does_what_is_theirs() {
    let (site, page) = begun();
    let (ana, caio, bia) = (page.log_in("ana", ANA), page.log_in("caio", CAIO), page.log_in("bia", BIA));
    let home = page.get("/", &[&bia]).2;
    assert!(home.contains("You are `bia`.") && !home.contains("type=\"file\""), "{home}");
    assert!(page.get("/", &[&ana]).2.contains("type=\"file\""));

    // A sheet, and what is asked of it, are of who brought it.
    let (status, to, _) = page.bring(&ana, "queda.csv", rows(2));
    assert_eq!((status, page.get(&to, &[&ana]).0), (303, 200));
    assert_eq!((page.get(&to, &[&caio]).0, page.get(&to, &[&bia]).0), (404, 403));
    let order = format!("{to}/import");
    assert_eq!(page.say(&order, &caio, "").0, 404);
    assert_eq!(page.bring(&bia, "b.csv", rows(2)).0, 403);
    assert_eq!(page.say(&order, &ana, "").0, 303);
    let asked = page.until(&ana, "/import/answer");
    for other in [&caio, &bia] {
        let (status, _, body) = page.get("/import", &[other]);
        assert!(status == 200 && body.contains("being prepared"), "{status} {body}");
        assert!(body.contains("Ordered by `ana`.") && !body.contains("queda"), "{body}");
        assert_eq!(body.contains("action=\"/import/stop\""), other == &caio, "{body}");
    }
    let answer = format!("number={}&answer=0", hidden(&asked, "number"));
    assert_eq!(page.say("/import/answer", &caio, &answer).0, 404);
    assert_eq!(page.say("/import/answer", &bia, &answer).0, 403);
    // Who is gone holds up nobody: another one may stop what they ordered.
    page.stop(&caio, &page.get("/import", &[&caio]).2);
    let stopped = page.until(&ana, "Declined; nothing more is sent.");
    assert!(stopped.contains("Stopped by `caio`."), "{stopped}");
    assert!(!page.get("/import", &[&caio]).2.contains("/sheets/"), "it is hers to go on with");
    assert_eq!((page.say(&order, &ana, "").0, site.audit().tickets), (303, 0));
    let asked = page.until(&ana, "/import/answer");
    page.answer(&ana, &asked, "0");
    page.until(&ana, "2 of 2 opened");
    assert_eq!(site.audit().tickets, 2);

    // What it came to is there for all who open tickets; who looks sees how many.
    assert!(page.get("/import", &[&caio]).2.contains("2 of 2 opened"));
    assert!(page.get("/batch?in=queda.mutirao&batch=queda", &[&caio]).2.contains("Ana Moreira"));
    let seen = page.get("/import", &[&bia]).2;
    assert!(seen.contains("<td class=\"n\">2</td>") && !seen.contains("results"), "{seen}");
    let seen = page.get("/", &[&bia]).2;
    assert!(seen.contains("queda") && !seen.contains("href=\"/batch"), "{seen}");
    let whose = format!("at `{}`; imported last by `ana` on the page, ", site.host());
    assert!(seen.contains(&whose), "{whose}: {seen}");
    let batch = page.get("/batch?in=queda.mutirao&batch=queda", &[&caio]).2;
    assert!(batch.contains(&whose), "{whose}: {batch}");
    for path in [
        "/batch?in=queda.mutirao&batch=queda",
        "/batch/files/results.csv?in=queda.mutirao&batch=queda",
        "/row?in=queda.mutirao&batch=queda&row=1",
        "/import/files/results.csv",
        "/nothing",
    ] {
        let (status, _, body) = page.get(path, &[&bia]);
        assert!(status == 403 && !body.contains("Ana Moreira"), "{path}: {body}");
    }
    for post in POSTS {
        assert_eq!(page.say(post, &bia, "").0, 403, "{post}");
    }

    // Who leaves, is removed or is another than before is outside at once; the others stay.
    let (status, head, _) = page.say("/log-out", &bia, "");
    assert!(status == 303 && head.contains("max-age=0"), "{head}");
    assert_eq!(page.get("/", &[&bia]).0, 403);
    site.run(&["web", "user", "remove", "caio"]).expect(0);
    assert_eq!((page.get("/", &[&caio]).0, page.get("/", &[&ana]).0), (403, 200));
    assert_eq!(page.try_login("caio", CAIO).0, 403);
    add(&site, "ana", "acompanhar", ANA);
    assert_eq!(page.get("/", &[&ana]).0, 403);
    let ana = page.log_in("ana", ANA);
    assert_eq!(page.get("/import/files/results.csv", &[&ana]).0, 403);
    assert_eq!(page.end(), Some(0));
}

#[test]
fn what_was_cut_off_goes_on_for_who_may_open_tickets_still() {
    let site = Site::new("latency=300ms");
    site.write("mutirao.toml", SLOWLY);
    for name in ["ana", "caio"] {
        add(&site, name, "abrir", if name == "ana" { ANA } else { CAIO });
    }
    let page = start(&site);
    let ana = page.log_in("ana", ANA);
    page.opens(&ana, 30);
    drop(page); // Killed.
    add(&site, "ana", "acompanhar", ANA);
    let page = start(&site);
    let caio = page.log_in("caio", CAIO);
    let seen = page.get("/import", &[&caio]).2;
    for part in ["Nothing is being imported", "may not open tickets any more", "Ordered by `ana`."] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert!(!seen.contains("/sheets/"), "it is hers to go on with: {seen}");
    let ana = page.log_in("ana", ANA);
    let seen = page.get("/import", &[&ana]).2;
    assert!(!seen.contains("cut off") && !page.get("/", &[&ana]).2.contains("cut off"), "{seen}");
    assert_eq!(page.end(), Some(0));
    add(&site, "ana", "abrir", ANA);
    let page = start(&site);
    let caio = page.log_in("caio", CAIO);
    page.until(&caio, "30 of 30 opened");
    assert_eq!((site.audit().tickets, site.audit().markers), (30, 30), "none twice");
    assert_eq!(page.end(), Some(0));
}

/// Who, when and what, also of what was done at the terminal; who only looks sees none of it.
#[test]
fn each_act_is_kept_with_who_had_it_done() {
    let (site, page) = begun();
    let [ana, bia] = [page.log_in("ana", ANA), page.log_in("bia", BIA)];
    // The second row repeats the first.
    let row = "11001;Sem sinal;Ana;37999112201\n";
    site.write("queda.csv", format!("id_cliente_servico;descricao;nome;telefone\n{row}{row}"));
    site.run(&["import", "queda.csv", "--yes", "--rate", "unlimited"]);
    let batch = "/batch?in=queda.mutirao&batch=queda";
    let done = || page.get(batch, &[&ana]).2;
    assert!(done().contains("had 1 row opened (at the terminal)"), "{}", done());
    let (_, _, body) = page.say("/batch/retry", &ana, "in=queda.mutirao&batch=queda&state=skipped");
    assert!(body.contains("1 row is pending again"), "{body}");
    let (_, _, body) = page.say("/batch/cancel", &ana, "in=queda.mutirao&batch=queda");
    assert!(body.contains("1 row is cancelled"), "{body}");
    let body = done();
    let acts = [
        "`ana` cancelled 1 row (on the page)",
        "`ana` had 1 row tried again (on the page)",
        "(at the terminal)",
    ];
    let at = acts.map(|act| body.find(act).unwrap_or_else(|| panic!("{act}: {body}")));
    assert!(at.is_sorted(), "the latest first: {body}");
    assert_eq!(page.get(batch, &[&bia]).0, 403);
}
