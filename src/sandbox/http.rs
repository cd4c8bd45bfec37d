//! Just enough of HTTP/1.1 to be a server on loopback that can also misbehave below HTTP: a library
//! would not let an answer be cut or a connection be reset at a chosen moment.

use std::io::{self, Write};

use bytes::{Buf, BytesMut};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_LEN_MAX: usize = 16 * 1024;
const N_HEADERS_MAX: usize = 64;
const BODY_LEN_MAX: usize = 1024 * 1024;

/// A request as it stands in the connection's buffer.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) bearer: Option<&'a str>,
    pub(super) wants_json: bool,
    pub(super) body: &'a [u8],
}

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    pub(super) retry_after: Option<u64>,
    pub(super) location: Option<&'static str>,
}

impl Response {
    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        let content_type = "application/json";
        Self { status, content_type, body: body.into(), retry_after: None, location: None }
    }

    pub(super) fn html(status: u16, body: &str) -> Self {
        let content_type = "text/html; charset=UTF-8";
        Self { status, content_type, body: body.to_owned(), retry_after: None, location: None }
    }
}

/// One client's connection: a socket, what was read from it, and where requests stand in that.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    out: Vec<u8>,
    head: Head,
}

/// Where a request stands in the buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    head_len: usize,
    body_len: usize,
    keeps_alive: bool,
}

/// What reading the next request came to.
pub(super) enum Next {
    Request,
    /// The client left, or sent what is not HTTP.
    End,
    TooLarge,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        // Without it every small answer would wait; that it cannot be set only makes it slow.
        let _ = stream.set_nodelay(true);
        let (buffer, out) = (BytesMut::with_capacity(2_048), Vec::with_capacity(2_048));
        Self { stream, buffer, out, head: Head::default() }
    }

    /// Drops the request before, and reads until the next one is whole.
    pub(super) async fn next(&mut self) -> io::Result<Next> {
        if self.head.head_len != 0 {
            let done = (self.head.head_len + self.head.body_len).min(self.buffer.len());
            self.buffer.advance(done);
            if !self.head.keeps_alive {
                return Ok(Next::End);
            }
            self.head = Head::default();
        }
        let (head_len, body_len, keeps_alive, waits) = loop {
            let mut headers = [httparse::EMPTY_HEADER; N_HEADERS_MAX];
            let mut head = httparse::Request::new(&mut headers);
            match head.parse(&self.buffer) {
                Ok(httparse::Status::Complete(head_len)) => {
                    let body_len = match header(&head, "content-length").map(str::parse::<usize>) {
                        None => 0,
                        Some(Ok(len)) => len,
                        Some(Err(_)) => return Ok(Next::End),
                    };
                    if header(&head, "transfer-encoding").is_some() {
                        return Ok(Next::End);
                    }
                    let closes =
                        header(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                    break (head_len, body_len, !closes, header(&head, "expect").is_some());
                }
                Ok(httparse::Status::Partial) if HEAD_LEN_MAX < self.buffer.len() => {
                    return Ok(Next::TooLarge);
                }
                Ok(httparse::Status::Partial) => {}
                Err(_) => return Ok(Next::End),
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(Next::End);
            }
        };
        if BODY_LEN_MAX < body_len {
            return Ok(Next::TooLarge);
        }
        self.head = Head { head_len, body_len, keeps_alive };
        if waits && self.buffer.len() < head_len + body_len {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        while self.buffer.len() < head_len + body_len {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(Next::End);
            }
        }
        Ok(Next::Request)
    }

    /// The request that [`Self::next`] found; `None` if its first line makes no sense.
    pub(super) fn request(&self) -> Option<Request<'_>> {
        let Head { head_len, body_len, .. } = self.head;
        let mut headers = [httparse::EMPTY_HEADER; N_HEADERS_MAX];
        let mut head = httparse::Request::new(&mut headers);
        head.parse(self.buffer.get(..head_len)?).ok()?;
        let target = head.path?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let accept = header(&head, "accept").unwrap_or_default();
        Some(Request {
            method: head.method?,
            path,
            query,
            bearer: header(&head, "authorization").and_then(|value| value.strip_prefix("Bearer ")),
            wants_json: accept.contains("json"),
            body: self.buffer.get(head_len..head_len + body_len)?,
        })
    }

    pub(super) async fn answer(&mut self, response: &Response) -> io::Result<()> {
        self.write_out(response);
        self.stream.write_all(&self.out).await
    }

    /// Sends a part of the answer that promises more, and closes.
    pub(super) async fn answer_half(&mut self, response: &Response) -> io::Result<()> {
        self.write_out(response);
        let half = self.out.len() - response.body.len() / 2;
        self.stream.write_all(&self.out[..half]).await?;
        self.stream.shutdown().await
    }

    /// Resets the connection: the client reads an error, not an end.
    pub(super) fn reset(self) {
        // A client on loopback notices a plain close just as well.
        let _ = self.stream.set_zero_linger();
    }

    /// The same once the client sends anything: any sooner, it may not have learned yet that it is connected.
    pub(super) async fn reset_first(self) {
        // `readable` may say so before anything has come.
        let _ = self.stream.peek(&mut [0]).await;
        self.reset();
    }

    /// Waits until the client has had enough.
    pub(super) async fn hang(&mut self) {
        let mut ignored = [0; 64];
        while self.stream.read(&mut ignored).await.is_ok_and(|n_read| n_read != 0) {}
    }

    fn write_out(&mut self, response: &Response) {
        let Response { status, content_type, body, retry_after, location } = response;
        let (reason, len) = (reason(*status), body.len());
        self.out.clear();
        // Writing into memory cannot fail.
        let _ = write!(
            self.out,
            "HTTP/1.1 {status} {reason}\r\nDate: {}\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n",
            Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        );
        if let Some(seconds) = retry_after {
            let _ = write!(self.out, "Retry-After: {seconds}\r\n");
        }
        if let Some(location) = location {
            let _ = write!(self.out, "Location: {location}\r\n");
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body.as_bytes());
    }
}

fn header<'a>(head: &httparse::Request<'_, 'a>, name: &str) -> Option<&'a str> {
    let value = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?.value;
    std::str::from_utf8(value).ok()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Payload Too Large",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Internal Server Error",
    }
}

/// The value of the query parameter `name`, percent-decoded.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let raw = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}
