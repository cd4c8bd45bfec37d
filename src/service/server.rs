//! Just enough of HTTP/1.1 to be asked how things stand: one GET a connection, nothing read beyond
//! its head. Few at a time and not for long, so that no stranger can hold up a worker.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const CONNECTIONS_MAX: usize = 16;
const HEAD_LEN_MAX: usize = 8 * 1024;

/// From the connection to the end of the answer.
const TIME_MAX: Duration = Duration::from_secs(5);

/// After an accept that failed: most often the process is out of file handles for a moment.
const BREATH: Duration = Duration::from_millis(100);

pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

impl Answer {
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Answers as long as it is polled; `answer` makes the answer for a path.
pub async fn serve(listener: TcpListener, answer: impl Fn(&str) -> Answer) -> std::convert::Infallible {
    let answer = &answer;
    let mut open = FuturesUnordered::new();
    loop {
        // Cancel-safe: an accept that was dropped took no connection.
        tokio::select! {
            Some(_) = open.next() => {}
            accepted = listener.accept(), if open.len() < CONNECTIONS_MAX => match accepted {
                // Whoever is too slow or leaves early has no answer; that is all.
                Ok((stream, _)) => open.push(timeout(TIME_MAX, converse(stream, answer))),
                Err(_) => sleep(BREATH).await,
            },
        }
    }
}

async fn converse(mut stream: TcpStream, answer: &impl Fn(&str) -> Answer) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if HEAD_LEN_MAX < head.len() || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ');
    let Answer { status, content_type, body } = match (words.next(), words.next()) {
        (Some("GET"), Some(target)) => answer(target.split('?').next().unwrap_or_default()),
        (Some(_), Some(_)) => Answer::text(405, "only GET\n"),
        _ => Answer::text(400, "this is not HTTP\n"),
    };
    let (reason, len) = (reason(status), body.len());
    let answer = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Service Unavailable",
    }
}
