//! One HTTP request, sent once: HTTP/1.1, no redirects, no cookies, no proxy from the environment
//! (a proxy nobody named here would see the token), no retries.
//!
//! Posts have connections of their own (`connections.rs`); all else goes by reqwest. One repeat cannot be
//! switched off there and does no harm: a request that was still waiting for a pooled connection when that
//! connection closed goes to another one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Request, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio::time::{Instant, timeout_at};

#[cfg(feature = "inside")]
use super::answer::answered;
use super::answer::{read, unconnected};
use super::connections::Connections;
use super::settings::{HubSoftSettings, IDLE_MAX, SetupError, USER_AGENT};
#[cfg(feature = "inside")]
use super::stand_in::{Heard, StandIn};
use super::verdict::{Exchange, http_date};
use crate::delivery::Fault;

pub(super) struct Transport {
    way: Way,
    /// Where posts go.
    tickets: Url,
}

enum Way {
    Http {
        posts: Box<Connections>,
        rest: Client,
        /// Of a request by `rest`, as posts have it.
        timeout: Duration,
    },
    #[cfg(feature = "inside")]
    StandIn(std::rc::Rc<dyn StandIn>),
}

impl Transport {
    /// `tickets`: where posts go.
    pub(super) fn new(settings: &HubSoftSettings, tickets: Url) -> Result<Self, SetupError> {
        // A second call finds the provider installed already; which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        // Plain loopback needs no authorities, and a machine may have none: do not load them.
        let trusts = if settings.base_url.is_https() { Some(trusts(settings)?) } else { None };
        let builder = Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE_MAX)
            .connect_timeout(settings.connect_timeout)
            .user_agent(USER_AGENT)
            .default_headers(headers);
        let builder = match &trusts {
            Some(config) => builder.https_only(true).tls_backend_preconfigured(config.clone()),
            None => builder.tls_certs_only([]),
        };
        let posts = Box::new(Connections::new(settings, trusts.map(Arc::new), &tickets)?);
        let rest = builder.build().map_err(SetupError::https)?;
        Ok(Self { way: Way::Http { posts, rest, timeout: settings.timeout }, tickets })
    }

    /// No connection is ever made: `instead` answers.
    #[cfg(feature = "inside")]
    pub(super) fn to(instead: std::rc::Rc<dyn StandIn>, tickets: Url) -> Self {
        Self { way: Way::StandIn(instead), tickets }
    }

    /// The headers of an answer, whatever it says.
    pub(super) async fn ask(&self, request: Request) -> Option<HeaderMap> {
        match &self.way {
            Way::Http { rest, timeout, .. } => {
                let asked = tokio::time::timeout(*timeout, rest.execute(request)).await;
                Some(std::mem::take(asked.ok()?.ok()?.headers_mut()))
            }
            #[cfg(feature = "inside")]
            Way::StandIn(_) => None,
        }
    }

    /// Sends `request`, which posts no ticket, and reads the answer to its end. Returns how long that took.
    pub(super) async fn exchange(&self, request: Request) -> (Exchange, Duration) {
        // Without the query, which names services.
        let route = || format!("{} {}", request.method(), request.url().path());
        let route = tracing::enabled!(tracing::Level::DEBUG).then(route);
        let exchange = async {
            match &self.way {
                Way::Http { rest, timeout, .. } => {
                    let until = Instant::now() + *timeout;
                    match timeout_at(until, rest.execute(request)).await {
                        Ok(Ok(response)) => read(hyper::Response::from(response), until).await,
                        Ok(Err(error)) => unanswered(&error),
                        Err(_) => Exchange::Lost(Fault::Timeout),
                    }
                }
                #[cfg(feature = "inside")]
                Way::StandIn(instead) => heard(instead.answer(request).await),
            }
        };
        timed(route, exchange).await
    }

    /// Posts a ticket.
    pub(super) async fn post(&self, bearer: &HeaderValue, body: Bytes) -> (Exchange, Duration) {
        let route = || format!("POST {}", self.tickets.path());
        let route = tracing::enabled!(tracing::Level::DEBUG).then(route);
        let exchange = async {
            match &self.way {
                Way::Http { posts, .. } => posts.post(bearer, body).await,
                #[cfg(feature = "inside")]
                Way::StandIn(instead) => {
                    let mut request = Request::new(reqwest::Method::POST, self.tickets.clone());
                    request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
                    *request.body_mut() = Some(body.into());
                    heard(instead.answer(request).await)
                }
            }
        };
        timed(route, exchange).await
    }
}

/// `route`: what the log calls it, if it is to be told there.
async fn timed(route: Option<String>, exchange: impl Future<Output = Exchange>) -> (Exchange, Duration) {
    let start = Instant::now();
    let exchange = exchange.await;
    let latency = start.elapsed();
    if let Some(route) = route {
        let (code, latency_ms) = (exchange.code(), latency.as_millis());
        tracing::debug!(code = &*code, latency_ms, "{route}: {code} after {latency_ms} ms");
    }
    (exchange, latency)
}

/// How far this machine's clock is ahead of the server's, by the `Date` of an answer.
pub(super) fn clock_ahead(headers: &HeaderMap) -> Option<SignedDuration> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    Some(Timestamp::now().duration_since(http_date(date)?))
}

/// Whom HTTPS believes: the machine's authorities, and those of the settings.
fn trusts(settings: &HubSoftSettings) -> Result<rustls::ClientConfig, SetupError> {
    let further = match &settings.ca_file {
        Some(path) => read_authorities(path)?,
        None => Vec::new(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        Verifier::new_with_extra_roots(further, Arc::clone(&provider)).map_err(SetupError::https)?;
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SetupError::https)?
        .dangerous() // It would be, of a verifier that is less strict.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let pem = std::fs::read(path).map_err(|source| SetupError::CaFile { path: path.to_owned(), source })?;
    let authorities: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match authorities {
        Ok(authorities) if !authorities.is_empty() => Ok(authorities),
        _ => Err(SetupError::NoCertificate { path: path.to_owned() }),
    }
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

/// Tells "nothing was sent" from everything else; when in doubt it may have been sent.
fn unanswered(error: &reqwest::Error) -> Exchange {
    if error.is_builder() {
        return Exchange::NotSent(Fault::Request);
    }
    if error.is_connect() {
        let at = |url: &Url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?));
        let at = error.url().and_then(at).map(String::into_boxed_str);
        return Exchange::NotSent(match error.is_timeout() {
            true => Fault::Connect { at, cause: None },
            false => unconnected(error, at),
        });
    }
    Exchange::Lost(if error.is_timeout() { Fault::Timeout } else { Fault::Reset })
}
