//! Posts go over connections of our own, one request each at a time, with nothing before the socket that
//! every ticket would pay for. And so it is known for certain whether a byte of a post left.
//!
//! Nobody reads from a connection that is kept for the next post: whoever takes it looks first whether the
//! server has closed it.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use reqwest::Url;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tower_service::Service;

use super::answer::{read, unconnected};
use super::settings::{HubSoftSettings, IDLE_MAX, SetupError, USER_AGENT};
use super::verdict::Exchange;
use crate::delivery::Fault;

/// A server that is gone is noticed by probes of the kernel's, so many and so far apart, and by bytes that
/// nobody acknowledged for so long: as reqwest has it for everything else that we send.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

type Socket = Either<Counted, TlsStream<Counted>>;
type Line = http1::Connection<TokioIo<Socket>, Full<Bytes>>;

/// The connections to one server, for posts to one address.
pub(super) struct Connections {
    connector: HttpConnector,
    /// `None`: plain, to loopback.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Scheme, host and port; the last two as people are told.
    server: Uri,
    at: Box<str>,
    route: Uri,
    headers: HeaderMap,
    connect_timeout: Duration,
    timeout: Duration,
    /// Those that wait for the next post, the youngest last.
    #[expect(clippy::vec_box, reason = "moving one copies some kilobytes, for every post")]
    kept: RefCell<Vec<Box<Connection>>>,
}

impl Connections {
    /// `trusts`: of HTTPS; `tickets`: where posts go.
    pub(super) fn new(
        settings: &HubSoftSettings,
        trusts: Option<Arc<rustls::ClientConfig>>,
        tickets: &Url,
    ) -> Result<Self, SetupError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(settings.connect_timeout));
        connector.set_keepalive(Some(KEEPALIVE));
        connector.set_keepalive_interval(Some(KEEPALIVE));
        connector.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));

        let url = &settings.base_url;
        let host = url.host();
        let tls = match trusts {
            Some(config) => Some((TlsConnector::from(config), url.server_name().map_err(SetupError::https)?)),
            None => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = format!("{scheme}://{host}").parse().map_err(SetupError::https)?;
        let headers = HeaderMap::from_iter([
            (header::HOST, HeaderValue::from_str(&host).map_err(SetupError::https)?),
            (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            // The answer is some hundred bytes.
            (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ]);
        Ok(Self {
            connector,
            tls,
            server,
            at: url.address().into_boxed_str(),
            route: tickets.path().parse().map_err(SetupError::https)?,
            headers,
            connect_timeout: settings.connect_timeout,
            timeout: settings.timeout,
            kept: RefCell::default(),
        })
    }

    /// Sends a post once, and reads the answer. A kept connection that breaks before a byte of it left is no
    /// reason not to take another.
    pub(super) async fn post(&self, bearer: &HeaderValue, body: Bytes) -> Exchange {
        let until = Instant::now() + self.timeout;
        loop {
            let (mut connection, is_kept) = match self.take().await {
                Some(kept) => (kept, true),
                // Large, and seldom: not within the future of every post.
                None => match Box::pin(self.connect()).await {
                    Ok(fresh) => (fresh, false),
                    Err(fault) => return Exchange::NotSent(fault),
                },
            };
            let n_written = connection.n_written.get();
            connection.is_awaited.set(true);
            let sent = connection.send(self.request(bearer, body.clone()), until).await;
            match sent {
                Ok(response) => {
                    let exchange = connection.beside(read(response, until)).await;
                    if matches!(exchange, Exchange::Answered { body: Ok(_), .. }) {
                        connection.is_awaited.set(false);
                        connection.used_at = Instant::now();
                        self.kept.borrow_mut().push(connection);
                    }
                    return exchange;
                }
                Err(fault) if connection.n_written.get() != n_written => return Exchange::Lost(fault),
                Err(_) if is_kept && Instant::now() < until => {}
                Err(fault) => return Exchange::NotSent(fault),
            }
        }
    }

    fn request(&self, bearer: &HeaderValue, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.route.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
        request
    }

    /// The youngest of those that were kept and are still open.
    async fn take(&self) -> Option<Box<Connection>> {
        loop {
            let mut kept = self.kept.borrow_mut().pop()?;
            if kept.used_at.elapsed() < IDLE_MAX && poll_fn(|cx| Poll::Ready(kept.is_ready(cx))).await {
                return Some(kept);
            }
        }
    }

    async fn connect(&self) -> Result<Box<Connection>, Fault> {
        let at = || Some(self.at.clone());
        match timeout(self.connect_timeout, self.connected()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(unconnected(&*error, at())),
            Err(_) => Err(Fault::Connect { at: at(), cause: None }),
        }
    }

    async fn connected(&self) -> Result<Box<Connection>, Box<dyn Error + Send + Sync>> {
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx)).await?;
        let stream = connector.call(self.server.clone()).await?.into_inner();
        let n_written = Rc::new(Cell::new(0));
        let is_awaited = Rc::new(Cell::new(false));
        let counted =
            Counted { stream, n_written: Rc::clone(&n_written), is_awaited: Rc::clone(&is_awaited) };
        let socket = match &self.tls {
            Some((tls, name)) => Either::Right(tls.connect(name.clone(), counted).await?),
            None => Either::Left(counted),
        };
        let (sender, line) = http1::handshake(TokioIo::new(socket)).await?;
        let used_at = Instant::now();
        Ok(Box::new(Connection { sender, line, is_open: true, n_written, is_awaited, used_at }))
    }
}

/// Some kilobytes: it is boxed.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    line: Line,
    is_open: bool,
    /// What the kernel took, TLS's own bytes among them.
    n_written: Rc<Cell<u64>>,
    /// A post may be on its way.
    is_awaited: Rc<Cell<bool>>,
    used_at: Instant,
}

impl Connection {
    /// The head of the answer.
    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
        until: Instant,
    ) -> Result<Response<Incoming>, Fault> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let sent = poll_fn(|cx| {
            go_on(&mut self.line, &mut self.is_open, cx);
            match answer.as_mut().poll(cx) {
                // A server that never stops talking leaves a timer no turn.
                Poll::Pending if until <= Instant::now() => Poll::Ready(Err(Fault::Timeout)),
                polled => polled.map_err(|_| Fault::Reset),
            }
        });
        timeout_at(until, sent).await.unwrap_or(Err(Fault::Timeout))
    }

    /// What comes of `work`, while the connection goes on.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            go_on(&mut self.line, &mut self.is_open, cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Whether it takes another request, as far as can be seen from here.
    fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        go_on(&mut self.line, &mut self.is_open, cx);
        self.is_open && matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())))
    }
}

fn go_on(line: &mut Line, is_open: &mut bool, cx: &mut Context<'_>) {
    *is_open = *is_open && Pin::new(line).poll(cx).is_pending();
}

/// A socket that counts what it wrote. Of a post that nobody waits for any more it sends nothing more: what
/// the kernel holds yet would else leave later, however long that takes, when the settle delay may be over.
struct Counted {
    stream: TcpStream,
    n_written: Rc<Cell<u64>>,
    is_awaited: Rc<Cell<bool>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.is_awaited.get() {
            // Of a connection that is broken already nothing leaves.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl Counted {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n_bytes)) = written {
            self.n_written.set(self.n_written.get() + n_bytes as u64);
        }
        written
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
