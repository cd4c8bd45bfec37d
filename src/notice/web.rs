//! A web hook: JSON by POST. What may pass by itself is tried again, a little.

use std::time::Duration;

use reqwest::{Client, Url, header};
use tokio::time::sleep;

use super::recipient::is_loopback;
use super::undelivered::{ANSWER_MAX, Undelivered};

/// Waits between tries.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

pub(super) struct Web {
    client: Client,
    url: Url,
}

impl Web {
    pub(super) fn new(url: Url) -> Result<Self, Undelivered> {
        // A second call finds the provider installed already; which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(ANSWER_MAX)
            .connect_timeout(CONNECT_MAX)
            .user_agent(concat!("mutirao/", env!("CARGO_PKG_VERSION")));
        let builder = match url.scheme() {
            "https" => builder.https_only(true),
            // Plain loopback needs no authorities, and a machine may have none.
            _ => builder.tls_certs_only([]),
        };
        debug_assert!(url.scheme() == "https" || is_loopback(&url));
        Ok(Self { client: builder.build().map_err(|_| Undelivered::Setup)?, url })
    }

    pub(super) async fn post(&self, json: String) -> Result<(), Undelivered> {
        let mut again = AGAIN.into_iter();
        loop {
            let failed = match self.post_once(json.clone()).await {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            let may_pass = match failed {
                Undelivered::Refused { status, .. } => status == 429 || 500 <= status,
                _ => true,
            };
            match again.next() {
                Some(wait) if may_pass => sleep(wait).await,
                _ => return Err(failed),
            }
        }
    }

    async fn post_once(&self, json: String) -> Result<(), Undelivered> {
        let host = || self.url.host_str().unwrap_or_default().to_owned();
        let request = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json");
        match request.body(json).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(Undelivered::Refused { host: host(), status: response.status().as_u16() }),
            Err(error) if error.is_timeout() && !error.is_connect() => {
                Err(Undelivered::Late { host: host() })
            }
            Err(_) => Err(Undelivered::Unreached { host: host() }),
        }
    }
}
