//! `mutirao web`, as a process that browsers ask, and others make browsers ask.

mod browser;
mod going_on;
mod holds;
mod on_call;
mod rows;
mod size;
mod users;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::site::Site;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// All that changes something.
const POSTS: [&str; 16] = [
    "/sheets",
    "/sheets/0/read",
    "/sheets/0/import",
    "/import/answer",
    "/import/stop",
    "/import/pause",
    "/import/go-on",
    "/import/forget",
    "/batch/retry",
    "/batch/cancel",
    "/batch/resume",
    "/outbox/pause",
    "/outbox/resume",
    "/batch/not-opened",
    "/row/opened",
    "/row/not-opened",
];

/// The page of a folder; it does not outlive its test.
struct Page {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// `127.0.0.1:PORT`
    host: String,
    key: String,
}

impl Page {
    fn start(site: &Site, args: &[&str]) -> Self {
        let mut page = Self::spawn(site, args);
        page.next_address();
        page
    }

    fn spawn(site: &Site, args: &[&str]) -> Self {
        let args = [&["web", "--listen", "127.0.0.1:0"], args].concat();
        let mut child = site.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, host: String::new(), key: String::new() }
    }

    /// Reads the address that lets the next browser in.
    fn next_address(&mut self) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let rest = line.trim_end().strip_prefix("http://").unwrap_or_else(|| panic!("{line:?}"));
        let (host, key) = rest.split_once("/enter?key=").unwrap();
        (self.host, self.key) = (host.to_owned(), key.to_owned());
    }

    /// The status, the head and the body of the answer to one request, as it is.
    fn ask(&self, request: impl AsRef<[u8]>) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        // Who refuses a request need not read all of it.
        let _ = stream.write_all(request.as_ref());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, head.to_lowercase(), body.to_owned())
    }

    /// The same for a path, as a browser asks with these other lines of a head.
    fn get(&self, path: &str, lines: &[&str]) -> (u16, String, String) {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{lines}Connection: close\r\n\r\n", self.host))
    }

    /// Brings a sheet of this name, as a form does. Returns the answer, and where it leads to.
    fn bring(&self, cookie: &str, name: &str, content: impl AsRef<[u8]>) -> (u16, String, String) {
        let head =
            format!("--b\r\nContent-Disposition: form-data; name=\"sheet\"; filename=\"{name}\"\r\n\r\n");
        let body = [head.as_bytes(), content.as_ref(), b"\r\n--b--\r\n"].concat();
        let (status, head, body) = self.post("/sheets", cookie, "multipart/form-data; boundary=b", body);
        let to = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
        (status, to.to_owned(), body)
    }

    /// Has a sheet read as `fields` say. Returns where that is shown.
    fn has_read(&self, cookie: &str, sheet: &str, fields: &str) -> String {
        let (status, head, body) = self.say(&format!("{sheet}/read"), cookie, fields);
        assert_eq!(status, 303, "{body}");
        let to = head.lines().find_map(|line| line.strip_prefix("location: "));
        to.unwrap_or_else(|| panic!("{head}")).to_owned()
    }

    /// Brings a sheet, and orders its import, read as `fields` say. Returns where it is.
    fn orders(&self, cookie: &str, name: &str, content: impl AsRef<[u8]>, fields: &str) -> String {
        let (status, to, body) = self.bring(cookie, name, content);
        assert_eq!(status, 303, "{body}");
        let (status, _, body) = self.say(&format!("{to}/import"), cookie, fields);
        assert_eq!(status, 303, "{body}");
        to
    }

    /// Says yes to the question whether so many tickets are to be opened.
    fn agrees(&self, cookie: &str, n: u64) {
        let asked = self.until(cookie, "They cannot be deleted.");
        assert!(asked.contains(&format!("{n} real ticket")), "{n}: {asked}");
        // Few need a button.
        self.answer(cookie, &asked, &if n <= 20 { 0 } else { n }.to_string());
    }

    /// An import of `queda.csv` with so many good rows, which are being opened.
    fn opens(&self, cookie: &str, n: u64) -> String {
        let to = self.orders(cookie, "queda.csv", rows(n), "");
        self.agrees(cookie, n);
        self.until(cookie, "<progress");
        to
    }

    /// The answer to a form of ours without a file.
    fn say(&self, path: &str, cookie: &str, fields: &str) -> (u16, String, String) {
        self.post(path, cookie, "application/x-www-form-urlencoded", fields)
    }

    /// How the import stands, once its page says `text`: looked at each time that the page is told of a
    /// change.
    fn until(&self, cookie: &str, text: &str) -> String {
        let (mut stream, begun) = (TcpStream::connect(&self.host).unwrap(), Instant::now());
        stream.set_read_timeout(Some(LONG)).unwrap();
        let head = format!("GET /import/events HTTP/1.1\r\nHost: {}\r\n{cookie}\r\n\r\n", self.host);
        stream.write_all(head.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines();
        // From its head on it tells of all changes.
        lines.find(|line| line.as_deref().is_ok_and(str::is_empty)).unwrap().unwrap();
        loop {
            let (status, _, body) = self.get("/import", &[cookie]);
            assert_eq!(status, 200, "{body}");
            if body.contains(text) {
                return body;
            }
            // Also where nothing changes any more, and the stream is only kept alive.
            let is_told = |line: &std::io::Result<String>| {
                line.as_ref().map_or(true, |line| line.contains("data: changed")) || LONG < begun.elapsed()
            };
            let told = lines.find(is_told);
            assert!(begun.elapsed() < LONG, "no {text}: {body}");
            told.unwrap().unwrap_or_else(|error| panic!("{error}, and no {text}: {body}"));
        }
    }

    /// Stops the import that a page is of.
    fn stop(&self, cookie: &str, shown: &str) {
        self.ends("/import/stop", cookie, shown);
    }

    /// Pauses it.
    fn pause(&self, cookie: &str, shown: &str) {
        self.ends("/import/pause", cookie, shown);
    }

    fn ends(&self, path: &str, cookie: &str, shown: &str) {
        let form = format!("action=\"{path}\"");
        let (_, form) = shown.split_once(&form).unwrap_or_else(|| panic!("{shown}"));
        self.say(path, cookie, &format!("number={}", hidden(form, "number")));
    }

    /// Answers the question of a page.
    fn answer(&self, cookie: &str, asked: &str, answer: &str) {
        self.say("/import/answer", cookie, &format!("number={}&answer={answer}", hidden(asked, "number")));
    }

    /// The answer to a form of ours.
    fn post(
        &self,
        path: &str,
        cookie: &str,
        content_type: &str,
        body: impl AsRef<[u8]>,
    ) -> (u16, String, String) {
        let body = body.as_ref();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{cookie}\r\n\
             Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len(),
            host = self.host,
        );
        self.ask([head.as_bytes(), body].concat())
    }

    /// The line by which a browser that was let in is known.
    fn enter(&mut self) -> String {
        let (status, head, _) = self.get(&format!("/enter?key={}", self.key), &[]);
        assert_eq!(status, 200, "{head}");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        format!("Cookie: {}", cookie.split(';').next().unwrap())
    }

    fn end(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_browser_with_the_key_sees_what_was_imported_in_its_language() {
    let site = Site::new("");
    site.write("q.csv", "id_cliente_servico;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112201\n");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let (_, _, empty) = page.get("/", &[&cookie]);
    assert!(empty.contains("Nothing was imported in this folder yet."), "{empty}");

    // What a cell, or a name, says is no markup.
    let name = "<script>alert(1)</script>&\"";
    site.run(&["import", "q.csv", "--yes", "--rate", "unlimited", "--batch", name]).expect(0);
    let (status, head, body) = page.get("/", &[&cookie, "Accept-Language: pt-BR,pt;q=0.9,en;q=0.5"]);
    assert_eq!(status, 200, "{head}");
    for part in ["<html lang=\"pt-BR\">", "<h1>Lotes</h1>", "&lt;script&gt;alert(1)&lt;/script&gt;"] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("<script"), "{body}");
    let (_, _, body) = page.get("/", &[&cookie, "Accept-Language: en"]);
    assert!(body.contains("<html lang=\"en\">") && body.contains("Opened"), "{body}");
    assert!(head.len() + body.len() < 100 * 1024);

    // The key was for one browser; the next one has its own.
    assert_eq!(page.get(&format!("/enter?key={}", page.key), &[]).0, 403);
    let first = page.key.clone();
    page.next_address();
    assert_ne!(first, page.key);
    assert_ne!(page.enter(), cookie);
    assert_eq!(page.get("/", &[&cookie]).0, 200, "the first one is still inside");
    assert_eq!(page.end(), Some(0));
}

#[test]
fn who_is_not_let_in_sees_nothing_and_changes_nothing() {
    let site = Site::new("");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let host = format!("Host: {}", page.host);
    let own = format!("Origin: http://{}", page.host);
    let (foreign, elsewhere) = ("Host: evil.example", "Origin: http://evil.example");
    let check = |line: &str, lines: &[&str], expected: u16| {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("{line} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
        let (status, head, body) = page.ask(&request);
        assert_eq!(status, expected, "{request}{head}");
        // The same holds of an answer that refuses.
        for part in [
            "content-security-policy: default-src 'none'; script-src 'self'; connect-src 'self'; \
             style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(part), "{part}: {head}");
        }
        assert!(!head.contains("access-control") && !body.contains("style="), "{head}{body}");
    };
    check("GET /", &[&host, &cookie], 200);
    check("GET /style.css", &[&host], 200);
    check("GET /live.js", &[&host], 200);
    check("GET /copy.js", &[&host], 200);
    check("GET /nothing", &[&host, &cookie], 404);
    check("POST /nothing", &[&host, &cookie, &own], 404);
    check("POST /", &[&host, &cookie, &own], 405);
    check("GET /", &[&host], 403);
    check("GET /nothing", &[&host], 403);
    check("GET /enter", &[&host], 403);
    check("GET /enter?key=0", &[&host, &cookie], 403);
    check("GET /", &[foreign, &cookie], 421);
    check("GET /style.css", &[foreign], 421);
    check("GET /enter?key=0", &[foreign], 421);
    check("GET http://evil.example/", &[&host, &cookie], 421);
    check("GET /", &[&cookie], 421);
    check("POST /nothing", &[&host, &cookie, elsewhere], 403);
    check("POST /nothing", &[&host, &cookie, "Origin: null"], 403);
    check("POST /nothing", &[&host, &cookie], 403);
    for post in POSTS {
        let line = format!("POST {post}");
        check(&line, &[&host, &own], 403);
        check(&line, &[&host, &cookie], 403);
        check(&line, &[&host, &cookie, elsewhere], 403);
        check(&line, &[foreign, &cookie, elsewhere], 421);
        check(&format!("GET {post}"), &[&host], 403);
    }
    for path in [
        "/import",
        "/import/events",
        "/import/files/results.csv",
        "/sheets/0",
        "/batch?batch=q",
        "/batch/files/results.csv?batch=q",
        "/row?batch=q&row=1",
        "/search?text=q",
    ] {
        check(&format!("GET {path}"), &[&host], 403);
    }
    check("DELETE /", &[&host, &cookie, &own], 405);
    check("OPTIONS /", &[&host, &own], 405);

    // What is no request of ours is cut off, and the next one is answered.
    let long = "x".repeat(100 * 1024);
    for hostile in
        [format!("GET /{long}"), format!("GET / HTTP/1.1\r\nHost: {long}\r\n\r\n"), "\0\r\n\r\n".into()]
    {
        let (status, _, body) = page.ask(&hostile);
        assert!((400..=431).contains(&status) && body.is_empty(), "{status}: {body}");
    }
    check("GET /", &[&host, &cookie], 200);
    // A head that never ends holds up neither others nor the end.
    let mut slow = TcpStream::connect(&page.host).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    check("GET /", &[&host, &cookie], 200);
    assert_eq!(page.end(), Some(0));
}

const SHEET: &str = "id_cliente_servico;Fone;Nome;Obs\n\
    11001;37999112201;Ana;<img src=x>\n\
    11002;9911;Bia;\n\
    11003;9912;Caio;\n";

#[test]
fn a_sheet_is_checked_as_the_command_does_it_and_read_otherwise_by_a_form() {
    let site = Site::new("");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    assert!(page.get("/", &[&cookie]).2.contains("enctype=\"multipart/form-data\""));
    let (status, to, _) = page.bring(&cookie, "C:\\x\\&lt;queda.csv", SHEET);
    assert!(status == 303 && to.starts_with("/sheets/"), "{status} {to}");

    // No column says what the tickets are about: that is told, and asked for.
    let (status, _, body) = page.get(&to, &[&cookie]);
    assert_eq!(status, 200, "{body}");
    for part in ["<h1>&amp;lt;queda.csv</h1>", "descricao", "role=\"alert\"", "name=\"descricao\""] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let reads = |fields: &str| page.has_read(&cookie, &to, fields);
    let (_, _, body) = page.get(&reads("descricao=Sem+sinal&map%3AFone="), &[&cookie]);
    for part in [
        "1 of 3 rows are valid",
        "3, 4</td>",
        "a phone is a DDD (2 digits) and 8 digits",
        "<td>9911</td>",
        "&lt;img src=x&gt;",
        "value=\"Sem sinal\"",
        "<select name=\"map:Fone\"",
        "telefone (recognised)",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("<img") && !body.contains("<script"), "{body}");
    let (_, _, body) = page.get(&reads("descricao=x&map%3AObs=descricao&header_row=1"), &[&cookie]);
    assert!(body.contains("<option selected>descricao"), "{body}");
    // What is not offered stays as it was said; and a rehearsal is seen, and can be taken back.
    let (_, _, body) = page.get(&reads("descricao=x&map=Obs%3Dreferencia&sandbox=true"), &[&cookie]);
    assert!(body.contains("<option selected>referencia"), "{body}");
    assert!(body.contains("name=\"sandbox\" value=\"true\" checked"), "{body}");
    let (start, _) = body.split_once("/problems.xlsx").expect("what is wrong is told behind the import");
    assert!(!start.contains("type=\"hidden\" name=\"sandbox\""), "{body}");
    let (_, _, body) = page.get(&reads("header_row=x"), &[&cookie, "Accept-Language: pt-BR"]);
    assert!(body.contains("--header-row") && body.contains("Conferir de novo"), "{body}");

    // It is kept for this user alone, and until it is purged.
    let kept = site.path(".local/state/mutirao").join(to.trim_start_matches('/'));
    assert!(kept.join("&lt;queda.csv").is_file());
    site.write("q.csv", "id_cliente_servico;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112201\n");
    site.run(&["import", "q.csv", "--yes", "--rate", "unlimited"]).expect(0);
    site.run(&["purge", "--older-than", "0s"]).expect(0);
    assert!(!kept.exists());
    assert_eq!(page.get(&to, &[&cookie]).0, 404);
    assert_eq!(site.audit().tickets, 1, "nothing but what the command opened");
}

/// Seen (in reading): it was in the address, and from 8 KiB on nobody answered.
#[test]
fn what_all_tickets_say_may_be_long_and_a_page_that_says_it_can_be_loaded_again() {
    let site = Site::new("");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let (_, to, _) =
        page.bring(&cookie, "q.csv", "id_cliente_servico;nome;telefone\n11001;Ana;37999112201\n");
    let long = "Sem+sinal+".repeat(900);
    let reads = page.has_read(&cookie, &to, &format!("descricao={long}"));
    assert!(reads.len() < 200, "{reads}");
    let (_, _, body) = page.get(&reads, &[&cookie]);
    assert!(body.contains("1 of 1 row is valid"), "{body}");
    assert_eq!(page.get(&reads, &[&cookie]).2, body);
    // The import says the same, by a form that nobody sees.
    let said = hidden(&body, "descricao").replace(' ', "+");
    assert_eq!(said, long);
    page.say(&format!("{to}/import"), &cookie, &format!("descricao={said}"));
    let asked = page.until(&cookie, "/import/answer");
    page.answer(&cookie, &asked, "0");
    page.until(&cookie, "1 of 1 opened");

    // What is not kept any more, or was never said, is no reading of another sheet.
    for path in [to.clone(), format!("{to}/problems.xlsx")] {
        let (status, _, body) = page.get(&format!("{path}?read=0"), &[&cookie]);
        assert!(status == 410 && body.contains(&format!("href=\"{to}\"")), "{status} {body}");
    }
    assert_eq!(page.say("/sheets/%0d%0a/read", &cookie, "descricao=x").0, 404);
}

/// What a form of a page says in a field that nobody sees, first.
fn hidden<'a>(shown: &'a str, name: &str) -> &'a str {
    let field = format!("name=\"{name}\" value=\"");
    let (_, rest) = shown.split_once(&field).unwrap_or_else(|| panic!("no {name}: {shown}"));
    rest.split('"').next().unwrap()
}

fn rows(n: u64) -> String {
    let rows = (1..=n).map(|n| format!("{};Sem sinal;Ana Moreira;37999112201\n", 11_000 + n));
    format!("id_cliente_servico;descricao;nome;telefone\n{}", rows.collect::<String>())
}

#[test]
fn the_page_says_how_long_an_import_takes_as_a_terminal_does() {
    let site = Site::new("");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    page.orders(&cookie, "queda.csv", rows(700), "");
    let asked = page.until(&cookie, "type the number of tickets");
    assert!(asked.contains("They cannot be deleted. Estimate: about 70 s, until "), "{asked}");
    page.stop(&cookie, &asked);
    page.until(&cookie, "Declined; nothing more is sent.");
}

#[test]
fn a_sheet_becomes_tickets_in_the_browser_and_what_was_stopped_goes_on() {
    let site = Site::new("");
    // It is stopped long before its end, however busy the machine is.
    site.write("mutirao.toml", "rate = \"0.5/s\"\n");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let (_, to, _) = page.bring(&cookie, "queda.csv", rows(40));
    let order = format!("{to}/import");
    assert!(page.get(&to, &[&cookie]).2.contains(&format!("action=\"{order}\"")));
    assert_eq!(page.say("/sheets/0/import", &cookie, "").0, 404);

    // Many tickets are opened for who types their number; anything else ends it, and nothing was sent.
    let mut before = "0".to_owned();
    for said in ["39", "stop"] {
        assert_eq!(page.say(&order, &cookie, "").0, 303);
        let asked = page.until(&cookie, "type the number of tickets");
        assert!(asked.contains("40 real tickets at") && !asked.contains("live.js"), "{asked}");
        assert_eq!(page.say(&order, &cookie, "").0, 409, "one at a time");
        // A window that still shows the question of an import before answers nothing.
        page.say("/import/answer", &cookie, &format!("number={before}&answer=40"));
        match said {
            "stop" => page.stop(&cookie, &asked),
            said => page.answer(&cookie, &asked, said),
        }
        page.until(&cookie, "Declined; nothing more is sent.");
        hidden(&asked, "number").clone_into(&mut before);
    }
    assert_eq!(site.audit().tickets, 0);

    page.say(&order, &cookie, "");
    page.agrees(&cookie, 40);
    let going = page.until(&cookie, "<progress");
    assert!(going.contains("src=\"/live.js\"") && going.contains("http-equiv=\"refresh\""), "{going}");
    page.stop(&cookie, &going);
    let stopped = page.until(&cookie, "nothing is lost");
    assert!(stopped.contains("Go on"), "{stopped}");
    let n_before = site.audit().tickets;
    assert!(n_before < 40, "it was stopped too late to tell");

    // Also by another process, and with nothing known of the first one but what is on disk.
    assert_eq!(page.end(), Some(0));
    site.write("mutirao.toml", "");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    assert!(page.get("/import", &[&cookie]).2.contains("Nothing is being imported"));
    let (_, again, _) = page.bring(&cookie, "queda.csv", rows(40));
    assert_eq!(again, to, "the same sheet");
    page.say(&order, &cookie, "");
    page.agrees(&cookie, 40 - n_before);
    let done = page.until(&cookie, "40 of 40 opened");
    assert_eq!((site.audit().tickets, site.audit().markers), (40, 40), "none twice");

    // The files are those of the command, and it finds the batch.
    assert!(done.contains("href=\"/import/files/results.csv\""), "{done}");
    let (status, head, results) = page.get("/import/files/results.csv", &[&cookie]);
    assert!(status == 200 && head.contains("attachment; filename=\"results.csv\""), "{head}");
    assert!(results.contains(&site.read("queda.mutirao/results.csv")), "in pieces");
    for none in ["outbox.db", "..%2foutbox.db", "nothing"] {
        assert_eq!(page.get(&format!("/import/files/{none}"), &[&cookie]).0, 404, "{none}");
    }
    let status = site.run(&["status", "queda"]).expect(0);
    assert!(status.stdout.contains("40 of 40 opened"), "{}", status.stdout);
    assert_eq!(page.end(), Some(0));
}

#[test]
fn the_page_asks_what_the_terminal_asks() {
    let site = Site::new("");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let import = |name: &str, sheet: &str| drop(page.orders(&cookie, name, sheet, ""));
    // Few tickets need a button, and those of the sandbox nothing.
    import("a&lt;b.csv", &rows(2));
    let asked = page.until(&cookie, "/import/answer");
    assert!(asked.contains("Open 2 tickets") && asked.contains("2 real tickets at"), "{asked}");
    assert!(asked.contains("a&amp;lt;b.csv") && !asked.contains("a&lt;b"), "{asked}");
    page.answer(&cookie, &asked, "0");
    page.until(&cookie, "2 of 2 opened");
    // Whether it is an edit of the batch.
    import("a&lt;b.csv", &format!("{}11003;Sem sinal;Bia;37999112202\n", rows(2)));
    let asked = page.until(&cookie, "is this an edit of it?");
    assert!(asked.contains("it is the same outage: go on with that batch"), "{asked}");
    page.answer(&cookie, &asked, "0");
    page.agrees(&cookie, 1);
    page.until(&cookie, "3 of 3 opened");
    // The same rows by another name.
    import("b.csv", &rows(2));
    let asked = page.until(&cookie, "each ticket would be opened a second time");
    page.stop(&cookie, &asked);
    page.until(&cookie, "Declined");
    assert_eq!(site.audit().tickets, 3);
    page.orders(&cookie, "b.csv", rows(2), "sandbox=true");
    let done = page.until(&cookie, "2 of 2 opened");
    assert!(done.contains("This is the sandbox: nothing of it is real."), "{done}");
    assert_eq!(site.audit().tickets, 3, "nothing of it is real");
}

/// As `--skip-if-open` does it, and with the same words.
#[test]
fn rows_whose_service_has_an_open_ticket_are_skipped_for_who_asks_for_it() {
    let site = Site::new("list_max=0");
    site.write("ontem.csv", rows(5));
    site.run(&["import", "ontem.csv", "--rate", "unlimited", "--yes"]).expect(0);
    site.write("mutirao.toml", "rate = \"200/s\"\n");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let today = rows(30).replace(";Sem sinal;", ";Caiu de novo;");
    let (_, to, _) = page.bring(&cookie, "hoje.csv", today);
    assert!(page.get(&to, &[&cookie]).2.contains("name=\"skip_if_open\" value=\"true\"> Skip rows"));
    page.say(&format!("{to}/import"), &cookie, "skip_if_open=true");
    let asked = page.until(&cookie, "type the number of tickets");
    assert!(asked.contains("such a row is skipped"), "{asked}");
    page.answer(&cookie, &asked, "30");
    let done = page.until(&cookie, "25 of 30 opened, 5 skipped");
    for part in ["each row is looked up by itself, since HubSoft gives no list", "(already_open)"] {
        assert!(done.contains(part), "{part}: {done}");
    }
    assert_eq!(site.audit().tickets, 30, "yesterday's among them");
}

#[test]
fn a_sheet_that_nobody_chose_is_asked_about() {
    let site = Site::new("");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let workbook = std::fs::read("tests/cases/sheets/aba_ativa.xlsx").unwrap();
    let (_, to, _) = page.bring(&cookie, "queda.xlsx", workbook);
    // The form as it is sent with nothing chosen in it.
    let reads = page.has_read(&cookie, &to, "sheet=&header_row=&default_ddd=37");
    let (_, _, body) = page.get(&reads, &[&cookie]);
    assert!(body.contains("<option value=\"\" selected>"), "{body}");
    assert!(!body.contains("type=\"hidden\" name=\"sheet\""), "{body}");
    page.say(&format!("{to}/import"), &cookie, "default_ddd=37");
    let asked = page.until(&cookie, "each as good: which one is meant?");
    page.stop(&cookie, &asked);
    page.until(&cookie, "Declined");
    assert_eq!(site.audit().tickets, 0);
}

#[test]
fn a_page_of_an_import_before_neither_stops_nor_answers() {
    let site = Site::new("");
    let (mut page, mut old) = (Page::start(&site, &[]), None);
    for _ in 0..2 {
        let cookie = page.enter();
        page.orders(&cookie, "queda.csv", rows(2), "");
        let asked = page.until(&cookie, "/import/answer");
        if let Some(old) = old.replace(asked.clone()) {
            page.answer(&cookie, &old, "0");
            page.stop(&cookie, &old);
            // Words are heard one after the other: those two changed nothing.
            page.answer(&cookie, &asked, "0");
            page.until(&cookie, "2 of 2 opened");
        } else {
            assert_eq!(page.end(), Some(0), "a question holds up no end");
            page = Page::start(&site, &[]);
        }
    }
    assert_eq!(site.audit().tickets, 2);
}

#[test]
fn what_the_terminal_tells_of_an_import_stands_on_its_page() {
    let site = Site::new("");
    site.write("mutirao.toml", "strict = true\n");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let some_invalid = format!("{}11003;Sem sinal;Bia;9911\n;;Total: 3;\n", rows(2));
    page.orders(&cookie, "queda.csv", &some_invalid, "");
    let done = page.until(&cookie, "with strict none is opened then");
    for part in ["batch queda: 3 rows, 2 new, 1 invalid", "not to be opened: line 4", "total"] {
        assert!(done.contains(part), "{part}: {done}");
    }
    let summary = site.read("queda.mutirao/summary.json");
    assert!(summary.contains("\"exit_code\":5") || summary.contains("\"exit_code\": 5"), "{summary}");
    assert_eq!(site.audit().tickets, 0);
    // What cannot be remembered, or written, is a warning.
    let state = site.path(".local/state/mutirao");
    for file in ["imports.jsonl", "imports.lock"] {
        let _ = std::fs::remove_file(state.join(file));
        std::fs::create_dir(state.join(file)).unwrap();
    }
    assert_eq!(page.end(), Some(0));
    site.write("mutirao.toml", "");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    page.orders(&cookie, "queda.csv", &some_invalid, "");
    let asked = page.until(&cookie, "/import/answer");
    assert!(asked.contains("may not be recognised"), "{asked}");
    page.answer(&cookie, &asked, "0");
    let done = page.until(&cookie, "2 of 3 opened");
    assert!(done.contains("will not be recognised"), "{done}");
}

#[test]
fn the_search_for_services_is_followed_and_stopped() {
    // An answer that nobody waits for to its end.
    let site = Site::new("latency=50s");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let sheet = "codigo_cliente;descricao;nome;telefone\n101;Sem sinal;Ana;37999112201\n";
    let to = page.orders(&cookie, "queda.csv", sheet, "find_service=true");
    let finding = page.until(&cookie, "0 of 1 looked up");
    assert!(finding.contains("src=\"/live.js\""), "{finding}");
    page.stop(&cookie, &finding);
    page.until(&cookie, "Declined; nothing more is sent.");
    page.say(&format!("{to}/import"), &cookie, "find_service=true");
    page.until(&cookie, "0 of 1 looked up");
    assert_eq!(page.end(), Some(0), "and by the end of the program");
}

/// Seen in a browser: of a sheet with 400 customers it stayed at none until all were looked up.
#[test]
fn how_far_the_search_for_services_is_is_told_before_its_end() {
    let site = Site::new("");
    site.write("mutirao.toml", "rate = \"0.02/s\"\n");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let rows: String = (101..131).map(|n| format!("{n};Sem sinal;Ana;37999112201\n")).collect();
    let sheet = format!("codigo_cliente;descricao;nome;telefone\n{rows}");
    page.orders(&cookie, "queda.csv", sheet, "find_service=true");
    let finding = page.until(&cookie, "1 of 30 looked up");
    page.stop(&cookie, &finding);
    page.until(&cookie, "Declined; nothing more is sent.");
}

#[test]
fn a_rehearsal_says_that_it_is_one_while_it_goes_on() {
    let site = Site::new("");
    site.write("mutirao.toml", "rate = \"1/s\"\n");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    page.orders(&cookie, "queda.csv", rows(200), "sandbox=true");
    let going = page.until(&cookie, "<progress");
    assert!(going.contains("This is the sandbox: nothing of it is real."), "{going}");
    page.stop(&cookie, &going);
    page.until(&cookie, "nothing is lost");
}

#[test]
fn what_is_no_sheet_is_named_and_what_has_no_end_is_cut_off() {
    let site = Site::new("");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let (status, _, body) = page.bring(&cookie, "", "");
    assert!(status == 400 && body.contains("choose a file first"), "{status} {body}");
    let (status, _, _) = page.post("/sheets", &cookie, "text/plain", "x");
    assert!((400..=415).contains(&status), "{status}");
    let (_, to, _) = page.bring(&cookie, "foto.png", "\u{89}PNG\r\n\u{1a}\n");
    let (status, _, body) = page.get(&to, &[&cookie]);
    assert!(status == 200 && body.contains("role=\"alert\""), "{status} {body}");
    assert_eq!(page.get("/sheets/..%2f..%2f", &[&cookie]).0, 404);

    // An upload that never ends: what is longer than a sheet may be is refused by what it says of itself, or
    // once it has come.
    let mut stream = TcpStream::connect(&page.host).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = format!(
        "POST /sheets HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{cookie}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n",
        host = page.host
    );
    stream.write_all(head.as_bytes()).unwrap();
    let begun = "--b\r\nContent-Disposition: form-data; name=\"sheet\"; filename=\"x.csv\"\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    stream.write_all(chunk(begun).as_bytes()).unwrap();
    let piece = chunk(&"x".repeat(1 << 20));
    let n_sent = (0..400).take_while(|_| stream.write_all(piece.as_bytes()).is_ok()).count();
    assert!(n_sent < 400, "all of it was taken");
    let sheets = site.path(".local/state/mutirao/sheets");
    assert_eq!(std::fs::read_dir(sheets).unwrap().count(), 1, "but the picture");
    assert_eq!(page.get("/", &[&cookie]).0, 200);
}

#[test]
fn it_is_shown_to_this_machine_alone() {
    let site = Site::new("");
    for at in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let refused = site.run(&["web", "--listen", at]).expect(2);
        assert!(refused.stderr.contains("can be reached from other machines"), "{}", refused.stderr);
    }
    let page = Page::start(&site, &[]);
    let refused = site.run(&["web", "--listen", &page.host]).expect(9);
    assert!(refused.stderr.contains("give --listen a free address"), "{}", refused.stderr);
}
