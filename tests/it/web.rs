//! `mutirao web`, as a process that browsers ask, and others make browsers ask.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::site::Site;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// All that changes something.
const POSTS: [&str; 1] = ["/sheets"];

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
        let args = [&["web", "--listen", "127.0.0.1:0"], args].concat();
        let mut child = site.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut page = Self { child, stdout, host: String::new(), key: String::new() };
        page.next_address();
        page
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
    fn ask(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        // Who refuses a request need not read all of it.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, head.to_lowercase(), body.to_owned())
    }

    /// The same for a path, as a browser asks with these other lines of a head.
    fn get(&self, path: &str, lines: &[&str]) -> (u16, String, String) {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{lines}Connection: close\r\n\r\n", self.host))
    }

    /// Brings a sheet of this name, as a form does. Returns the answer, and where it leads to.
    fn bring(&self, cookie: &str, name: &str, content: &str) -> (u16, String, String) {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"sheet\"; filename=\"{name}\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        let (status, head, body) = self.post("/sheets", cookie, "multipart/form-data; boundary=b", &body);
        let to = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
        (status, to.to_owned(), body)
    }

    /// The answer to a form of ours.
    fn post(&self, path: &str, cookie: &str, content_type: &str, body: &str) -> (u16, String, String) {
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{cookie}\r\n\
             Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len(),
            host = self.host,
        ))
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
            "content-security-policy: default-src 'none'; style-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
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
    let (status, to, _) = page.bring(&cookie, "C:\\x\\<b>queda.csv", SHEET);
    assert!(status == 303 && to.starts_with("/sheets/"), "{status} {to}");

    // No column says what the tickets are about: that is told, and asked for.
    let (status, _, body) = page.get(&to, &[&cookie]);
    assert_eq!(status, 200, "{body}");
    for part in ["<h1>&lt;b&gt;queda.csv</h1>", "descricao", "role=\"alert\"", "name=\"descricao\""] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let (_, _, body) = page.get(&format!("{to}?descricao=Sem+sinal&map="), &[&cookie]);
    for part in [
        "1 of 3 rows are valid",
        "3, 4</td>",
        "a phone is a DDD (2 digits) and 8 digits",
        "<td>9911</td>",
        "&lt;img src=x&gt;",
        "value=\"Sem sinal\"",
        "value=\"Fone=telefone\"",
        "telefone (recognised)",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("<img") && !body.contains("<script"), "{body}");
    let (_, _, body) = page.get(&format!("{to}?descricao=x&map=Obs%3Ddescricao&header_row=1"), &[&cookie]);
    assert!(body.contains("<option value=\"Obs=descricao\" selected>"), "{body}");
    let (_, _, body) = page.get(&format!("{to}?header_row=x"), &[&cookie, "Accept-Language: pt-BR"]);
    assert!(body.contains("--header-row") && body.contains("Conferir de novo"), "{body}");

    // It is kept for this user alone, and until it is purged.
    let kept = site.path(".local/state/mutirao").join(to.trim_start_matches('/'));
    assert!(kept.join("<b>queda.csv").is_file());
    site.write("q.csv", "id_cliente_servico;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112201\n");
    site.run(&["import", "q.csv", "--yes", "--rate", "unlimited"]).expect(0);
    site.run(&["purge", "--older-than", "0s"]).expect(0);
    assert!(!kept.exists());
    assert_eq!(page.get(&to, &[&cookie]).0, 404);
    assert_eq!(site.audit().tickets, 1, "nothing but what the command opened");
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
