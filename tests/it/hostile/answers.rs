//! What it answers.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

/// How a row ends whose post it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// In doubt first; then a look-up finds the ticket.
    Found,
    /// Believed.
    Opened,
    /// Believed too.
    Rejected,
}

pub struct Answer {
    pub name: &'static str,
    pub send: fn(&mut TcpStream) -> io::Result<()>,
    pub ends: Ends,
    /// In the row's history, of the post.
    pub said: &'static str,
}

const fn found(name: &'static str, said: &'static str, send: fn(&mut TcpStream) -> io::Result<()>) -> Answer {
    Answer { name, send, ends: Ends::Found, said }
}

/// A megabyte; a gigabyte is so often a megabyte.
const MEGABYTE: usize = 1 << 20;
const THOUSAND: usize = 1 << 10;

/// Packed before anybody waits for it.
pub static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&vec![b' '; 64 * MEGABYTE]));

pub const ANSWERS: &[Answer] = &[
    found("a body without an end", "too large", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        forever(to, &[b'x'; 64 << 10])
    }),
    found("chunks without an end", "too large", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        forever(to, &[b"10000\r\n".as_slice(), &[b' '; 64 << 10], b"\r\n"].concat())
    }),
    found("a byte now and then", "in time", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
        drip(to, b" ")
    }),
    found("a head now and then", "in time", |to| drip(to, b"H")),
    found("a gigabyte that is promised and does not come", "in time", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{")?;
        drip(to, b"")
    }),
    found("a gigabyte", "too large", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")?;
        (0..THOUSAND).try_for_each(|_| to.write_all(&vec![b'{'; MEGABYTE]))
    }),
    // A post asks for no encoding, and unpacks none.
    found("64 megabytes in some kilobytes", "not JSON", |to| {
        let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length";
        write!(to, "{head}: {}\r\n\r\n", BOMB.len())?;
        to.write_all(&BOMB)
    }),
    found("a gzip in a gzip", "not JSON", |to| {
        let twice = gzip(&gzip(br#"{"status":"success"}"#));
        write!(
            to,
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: {}\r\n\r\n",
            twice.len()
        )?;
        to.write_all(&twice)
    }),
    found("a million headers", "broke", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\n")?;
        (0..1_000_000).try_for_each(|n| write!(to, "x-{n}: y\r\n"))
    }),
    found("a header without an end", "broke", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nx: ")?;
        forever(to, &[b'y'; 64 << 10])
    }),
    found("a header that is no text", "broke", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nx: a\0b\r\nContent-Length: 0\r\n\r\n")
    }),
    found("lengths that differ", "broke", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}")
    }),
    found("no HTTP", "broke", |to| to.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")),
    found("a chunk that says nothing of itself but more", "broke", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")?;
        forever(to, &[b'x'; 64 << 10])
    }),
    found("trailers without an end", "broke", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")?;
        forever(to, b"x: y\r\n")
    }),
    found("a way to elsewhere", "302", |to| {
        to.write_all(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    }),
    found("a way to elsewhere for the same post", "308", |to| {
        to.write_all(b"HTTP/1.1 308 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    }),
    found("to be continued", "in time", |to| forever(to, b"HTTP/1.1 100 Continue\r\n\r\n")),
    found("a body of another word for the same", "not JSON", |to| {
        json(to, "[\"status\",\"success\",\"id_atendimento\",7]")
    }),
    found("bytes that are no text", "not JSON", |to| {
        to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"status\":\"success\xC3\x28\"}")
    }),
    found("brackets", "not JSON", |to| json(to, &"[".repeat(900_000))),
    found("a ticket of brackets", "no id_atendimento", |to| {
        let deep = "[".repeat(400_000) + &"]".repeat(400_000);
        json(to, &format!(r#"{{"status":"success","atendimento":{deep}}}"#))
    }),
    found("an id that is infinite", "no id_atendimento", |to| ticket(to, "1e400")),
    found("an id that is negative", "no id_atendimento", |to| ticket(to, "-7")),
    found("an id that is none of ours", "no id_atendimento", |to| ticket(to, "9223372036854775808")),
    found("an error that names a ticket", "names a ticket", |to| {
        json(to, r#"{"status":"error","msg":"x","atendimento":[{"id_atendimento":7}]}"#)
    }),
    Answer {
        name: "an error of brackets",
        said: "",
        ends: Ends::Rejected,
        send: |to| {
            let deep = "[".repeat(400_000) + &"]".repeat(400_000);
            json(to, &format!(r#"{{"status":"error","msg":"x","errors":{deep}}}"#))
        },
    },
    Answer {
        name: "an error of a megabyte",
        said: "",
        ends: Ends::Rejected,
        send: |to| json(to, &format!(r#"{{"status":"error","msg":"{}"}}"#, "\\u202e".repeat(150_000))),
    },
    Answer {
        name: "an id in blanks",
        said: "",
        ends: Ends::Opened,
        send: |to| ticket(to, "\"  900000001 \""),
    },
    Answer {
        name: "a date that is far away",
        said: "",
        ends: Ends::Opened,
        send: |to| {
            let body = r#"{"status":"success","atendimento":{"id_atendimento":900000002,"protocolo":"1"}}"#;
            let date = "Date: Fri, 31 Dec 9999 23:59:59 GMT";
            write!(to, "HTTP/1.1 200 OK\r\n{date}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        },
    },
];

/// To look-ups.
pub const PAGES: &[Answer] = &[
    found("a page of thousands of tickets", "", |to| page(to, (1..12_000).map(|id| of_another(id, "x")))),
    found("a page of twenty, which may be cut", "", |to| page(to, (1..=20).map(|id| of_another(id, "x")))),
    found("a page of tickets that are none", "", |to| page(to, (1..9).map(|_| "[]".to_owned()))),
    found("a ticket whose text is damaged", "", |to| page(to, [of_another(7, "\\ud800")].into_iter())),
    found("a list of something else", "", |to| json(to, r#"{"status":"success","atendimentos":{"0":{}}}"#)),
    found("no customer", "", |to| json(to, r#"{"status":"error","msg":"Nenhum cliente encontrado"}"#)),
];

/// What first look-ups get. Not what is waited for, nor what breaks before it is an answer: a post that got
/// it has shown what that comes to.
pub fn of_look_ups() -> impl Iterator<Item = &'static Answer> {
    PAGES.iter().chain(ANSWERS.iter().filter(|it| !matches!(it.said, "in time" | "broke")))
}

fn of_another(id: u32, text: &str) -> String {
    format!(r#"{{"id_atendimento":{id},"protocolo":"{id}","descricao_abertura":"{text}"}}"#)
}

fn page(to: &mut TcpStream, tickets: impl Iterator<Item = String>) -> io::Result<()> {
    let tickets = tickets.collect::<Vec<_>>().join(",");
    json(to, &format!(r#"{{"status":"success","atendimentos":[{tickets}]}}"#))
}

fn ticket(to: &mut TcpStream, id: &str) -> io::Result<()> {
    json(to, &format!(r#"{{"status":"success","atendimento":{{"id_atendimento":{id},"protocolo":"1"}}}}"#))
}

pub fn json(to: &mut TcpStream, body: &str) -> io::Result<()> {
    write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Until nobody reads any more.
fn forever(to: &mut TcpStream, piece: &[u8]) -> io::Result<()> {
    loop {
        to.write_all(piece)?;
    }
}

/// A piece ten times a second, until nobody reads any more.
fn drip(to: &mut TcpStream, piece: &[u8]) -> io::Result<()> {
    for _ in 0..600 {
        to.write_all(piece)?;
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
