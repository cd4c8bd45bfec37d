//! One HTTP request, sent once: HTTP/1.1, no redirects, no cookies, no proxy from the environment
//! (a proxy nobody named here would see the token), no retries.
//!
//! One repeat cannot be switched off in reqwest and does no harm: a request that was still waiting
//! for a pooled connection when that connection closed goes to another one. hyper hands such a
//! request back only before it has written a byte of it; whatever was begun ends in an error.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Request, Response};
use tokio::time::Instant;

use super::settings::{HubSoftSettings, SetupError};
#[cfg(feature = "inside")]
use super::stand_in::{Heard, StandIn};
use super::verdict::{Exchange, http_date, retry_after, retry_after_of_body};
use super::words;
use crate::delivery::Fault;

/// Idle connections are dropped before nginx does it, at 75 s: a request on a dying connection
/// becomes a doubtful row.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// The longest body that is read, unpacked. A page of 50 tickets has some 200 KiB.
pub(super) const BODY_LEN_MAX: usize = 1024 * 1024;

pub(super) struct Transport {
    way: Way,
}

enum Way {
    Http(Client),
    #[cfg(feature = "inside")]
    StandIn(std::rc::Rc<dyn StandIn>),
}

impl Transport {
    pub(super) fn new(settings: &HubSoftSettings) -> Result<Self, SetupError> {
        // A second call finds the provider installed already; which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let authorities = match &settings.ca_file {
            Some(path) => read_authorities(path)?,
            None => Vec::new(),
        };
        let builder = Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE_MAX)
            .timeout(settings.timeout)
            .connect_timeout(settings.connect_timeout)
            .user_agent(concat!("mutirao/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers);
        let builder = if settings.base_url.is_https() {
            builder.https_only(true).tls_certs_merge(authorities)
        } else {
            // Plain loopback needs no authorities, and a machine may have none: do not load them.
            builder.tls_certs_only(authorities)
        };
        Ok(Self { way: Way::Http(builder.build().map_err(SetupError::Client)?) })
    }

    /// No connection is ever made: `instead` answers.
    #[cfg(feature = "inside")]
    pub(super) fn to(instead: std::rc::Rc<dyn StandIn>) -> Self {
        Self { way: Way::StandIn(instead) }
    }

    /// The headers of an answer, whatever it says.
    pub(super) async fn ask(&self, request: Request) -> Option<Response> {
        match &self.way {
            Way::Http(client) => client.execute(request).await.ok(),
            #[cfg(feature = "inside")]
            Way::StandIn(_) => None,
        }
    }

    /// Sends `request` and reads the answer to its end, at most [`BODY_LEN_MAX`] bytes of it. Returns
    /// how long that took.
    pub(super) async fn exchange(&self, request: Request) -> (Exchange, Duration) {
        // Without the query, which names services.
        let route = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| format!("{} {}", request.method(), request.url().path()));
        let start = Instant::now();
        let exchange = match &self.way {
            Way::Http(client) => match client.execute(request).await {
                Ok(response) => read(response).await,
                Err(error) => unanswered(&error),
            },
            #[cfg(feature = "inside")]
            Way::StandIn(instead) => heard(instead.answer(request).await),
        };
        let latency = start.elapsed();
        if let Some(route) = route {
            let (code, latency_ms) = (exchange.code(), latency.as_millis());
            tracing::debug!(code = &*code, latency_ms, "{route}: {code} after {latency_ms} ms");
        }
        (exchange, latency)
    }
}

/// How far this machine's clock is ahead of the server's, by the `Date` of an answer.
pub(super) fn clock_ahead(response: &Response) -> Option<SignedDuration> {
    let date = response.headers().get(header::DATE)?.to_str().ok()?;
    Some(Timestamp::now().duration_since(http_date(date)?))
}

fn read_authorities(path: &Path) -> Result<Vec<Certificate>, SetupError> {
    let pem = std::fs::read(path).map_err(|source| SetupError::CaFile { path: path.to_owned(), source })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(authorities) if !authorities.is_empty() => Ok(authorities),
        _ => Err(SetupError::NoCertificate { path: path.to_owned() }),
    }
}

async fn read(mut response: Response) -> Exchange {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let body = body(&mut response).await;
    answered(status, text(header::DATE), text(header::RETRY_AFTER), body)
}

fn answered(status: u16, date: Option<&str>, wait: Option<&str>, body: Result<Bytes, Fault>) -> Exchange {
    let now = Timestamp::now();
    let date = date.and_then(http_date);
    let in_header = wait.and_then(|header| retry_after(header, date, now));
    let in_body = body.as_ref().ok().and_then(|body| retry_after_of_body(status, body, date, now));
    Exchange::Answered { status, retry_after: in_header.max(in_body), date, body }
}

#[cfg(feature = "inside")]
fn heard(heard: Heard) -> Exchange {
    match heard {
        Heard::NotSent(fault) => Exchange::NotSent(fault),
        Heard::Lost(fault) => Exchange::Lost(fault),
        Heard::Answered { status, date, retry_after, body } => {
            answered(status, date.as_deref(), retry_after.as_deref(), body)
        }
    }
}

async fn body(response: &mut Response) -> Result<Bytes, Fault> {
    // Most answers come in one piece, which is then not copied.
    let Some(first) = chunk(response).await? else { return Ok(Bytes::new()) };
    let Some(second) = chunk(response).await? else { return capped(first) };
    let mut body = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(chunk_bytes) = next {
        if BODY_LEN_MAX < body.len() + chunk_bytes.len() {
            return Err(Fault::TooLarge);
        }
        body.extend_from_slice(&chunk_bytes);
        next = chunk(response).await?;
    }
    Ok(body.freeze())
}

fn capped(body: Bytes) -> Result<Bytes, Fault> {
    if BODY_LEN_MAX < body.len() { Err(Fault::TooLarge) } else { Ok(body) }
}

async fn chunk(response: &mut Response) -> Result<Option<Bytes>, Fault> {
    response.chunk().await.map_err(|error| if error.is_timeout() { Fault::Timeout } else { Fault::Cut })
}

/// Tells "nothing was sent" from everything else; when in doubt it may have been sent.
fn unanswered(error: &reqwest::Error) -> Exchange {
    if error.is_builder() {
        return Exchange::NotSent(Fault::Request);
    }
    if error.is_connect() {
        return Exchange::NotSent(unconnected(error));
    }
    Exchange::Lost(if error.is_timeout() { Fault::Timeout } else { Fault::Reset })
}

fn unconnected(error: &reqwest::Error) -> Fault {
    // The words of the innermost cause; the outer ones repeat the URL.
    let innermost = causes(error).last().map(ToString::to_string).unwrap_or_default();
    let innermost = words::capped(&innermost).into_boxed_str();
    // The address that was tried; nothing of the path, which may name a service.
    let at =
        error.url().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    let at = at.map(String::into_boxed_str);
    if let Some(tls) = causes(error).find_map(tls_error) {
        return Fault::Tls { at, cause: words::capped(&tls).into_boxed_str() };
    }
    if error.is_dns() || causes(error).any(|cause| cause.to_string() == "dns error") {
        return Fault::Dns { at, cause: innermost };
    }
    Fault::Connect { at, cause: (!error.is_timeout()).then_some(innermost) }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source())
}

/// rustls's own error hides inside an `io::Error`, or two, which do not name it as their source.
fn tls_error(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls.to_string());
    }
    tls_error(cause.downcast_ref::<std::io::Error>()?.get_ref()?)
}
