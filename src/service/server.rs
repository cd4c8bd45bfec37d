//! Serves HTTP/1.1, whatever the answers are: so many connections at a time, heads that are short and come
//! soon, and an end that waits for what is being answered. So no stranger can hold up whoever serves.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The least that hyper takes for a limit.
const HEAD_LEN_MAX: usize = 8 * 1024;

/// For a head: from the connection, or from the answer before.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);

/// For what is being answered when the end comes.
const GRACE: Duration = Duration::from_secs(5);

/// After an accept that failed: most often the process is out of file handles for a moment.
const BREATH: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection: an extension of each of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What a server takes upon itself.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub n_connections_max: usize,
    /// Each has one answer, this long after it began at the latest. `None`: it has many, and a person looks
    /// at one for as long as it likes.
    pub one_answer_within: Option<Duration>,
}

/// A short text, which nobody is to keep.
pub fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers by `service` until `stop`.
pub async fn serve<S, B>(listener: TcpListener, bounds: Bounds, service: S, stop: &CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut open = FuturesUnordered::new();
    loop {
        // Cancel-safe: an accept that was dropped took no connection.
        tokio::select! {
            () = stop.cancelled() => break,
            Some(()) = open.next() => {}
            accepted = listener.accept(), if open.len() < bounds.n_connections_max => match accepted {
                Ok((stream, peer)) => {
                    let conversation = converse(stream, Peer(peer), bounds, service.clone(), stop);
                    // A defect ends the connection that came upon it, and neither others nor whoever serves.
                    open.push(AssertUnwindSafe(conversation).catch_unwind().map(drop));
                }
                Err(_) => sleep(BREATH).await,
            },
        }
    }
    // Nobody new is heard while those who are being answered have their answers.
    drop(listener);
    let _ = timeout(GRACE, async { while open.next().await.is_some() {} }).await;
}

/// Whoever is too slow or leaves early has no answer; that is all.
async fn converse<S, B>(stream: TcpStream, peer: Peer, bounds: Bounds, service: S, stop: &CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_LEN_MAX)
        .keep_alive(bounds.one_answer_within.is_none())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let conversation = async {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stop.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    };
    match bounds.one_answer_within {
        Some(time_max) => drop(timeout(time_max, conversation).await),
        None => conversation.await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What came of one request at `path`, as it is.
    async fn asked(at: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Who is cut off is told nothing.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn a_defect_ends_the_connection_that_came_upon_it_and_no_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let bounds = Bounds { n_connections_max: 2, one_answer_within: None };
        let service = service_fn(|request: Request<Incoming>| async move {
            assert_ne!(request.uri().path(), "/defect");
            Ok::<_, Infallible>(text(StatusCode::OK, "text/plain", "well".to_owned()))
        });
        let browser = async {
            // As often as there are connections, and once more: none is left taken.
            for _ in 0..=bounds.n_connections_max {
                assert_eq!(asked(at, "/defect").await, "");
            }
            assert!(asked(at, "/").await.ends_with("well"));
            stop.cancel();
        };
        tokio::join!(serve(listener, bounds, service, &stop), browser);
    }
}
