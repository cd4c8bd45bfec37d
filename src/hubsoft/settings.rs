//! What the client needs to know before the first request, checked once.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// How long one request may take, from the connection to the end of the body.
///
/// Source: nobody has published HubSoft's latency; a short time-out makes doubtful rows.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// How long a connection may take to be made, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const _: () = assert!(CONNECT_TIMEOUT.as_nanos() < TIMEOUT.as_nanos());

/// Idle connections are dropped before nginx does it, at 75 s: a request on a dying connection
/// becomes a doubtful row.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(15);

pub(super) const USER_AGENT: &str = concat!("mutirao/", env!("CARGO_PKG_VERSION"));

/// Everything the client is built from.
#[derive(Clone, Debug)]
pub struct HubSoftSettings {
    pub base_url: BaseUrl,
    pub credentials: Credentials,
    /// A PEM file with further certificate authorities. Verification cannot be switched off.
    pub ca_file: Option<PathBuf>,
    /// Above `connect_timeout`, so that a slow connection is known to have sent nothing.
    pub timeout: Duration,
    pub connect_timeout: Duration,
}

impl HubSoftSettings {
    #[cfg(feature = "inside")]
    /// With the default time-outs and no further authority.
    pub fn new(base_url: BaseUrl, credentials: Credentials) -> Self {
        Self { base_url, credentials, ca_file: None, timeout: TIMEOUT, connect_timeout: CONNECT_TIMEOUT }
    }
}

impl HubSoftSettings {
    /// Which user this is, at which HubSoft: a hash, because a token is a secret and a user name says who
    /// works.
    pub(super) fn who(&self) -> String {
        let host = self.base_url.host();
        let (kind, of_whom) = match &self.credentials {
            Credentials::Token(token) => ("token", [token.expose_secret(), ""]),
            Credentials::Password { client_id, username, .. } => ("password", [client_id, username.as_str()]),
        };
        let mut hash = Sha256::new();
        for part in [host.as_str(), kind, of_whom[0], of_whom[1]] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// How HubSoft knows us. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A bearer token obtained elsewhere; it cannot be renewed.
    Token(SecretString),
    /// Login by password grant; the token is renewed by itself.
    Password { client_id: String, client_secret: SecretString, username: String, password: SecretString },
}

/// Where HubSoft lives: `https://host[:port]`; plain `http` only to loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url); // Invariant: a host, the path `/`, no user, query or fragment.

impl BaseUrl {
    /// The host in lower case, with the port if one was given: `erp.example.com.br:8443`.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// `host:port`, as a name to resolve.
    pub fn address(&self) -> String {
        let port = self.0.port_or_known_default().unwrap_or(443);
        format!("{}:{port}", self.0.host_str().unwrap_or_default())
    }

    /// What its certificate has to be for.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, InvalidDnsNameError> {
        // An IPv6 address stands in brackets only in a URL.
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']);
        ServerName::try_from(host.to_owned())
    }

    /// Whether it is this very machine: a sandbox, or a tunnel.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// `path` starts with `/`.
    pub(super) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlFault;

    fn from_str(raw: &str) -> Result<Self, BaseUrlFault> {
        let url = Url::parse(raw.trim()).map_err(|_| BaseUrlFault::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlFault::Secret);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(BaseUrlFault::PlainHttp),
            scheme => return Err(BaseUrlFault::Scheme { scheme: scheme.to_owned() }),
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlFault::NotJustAHost);
        }
        Ok(Self(url))
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    ip.map_or(host == "localhost", |ip| ip.is_loopback())
}

/// Why a text is not HubSoft's address. It does not repeat the text: a person may have put a
/// password there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlFault {
    #[error("{}", tr!("not a URL; write `https://host`, or `https://host:port`"))]
    NotAUrl,
    #[error(
        "{}", tr!("it carries a user or a password; give those in `HUBSOFT_USERNAME` and `HUBSOFT_PASSWORD`")
    )]
    Secret,
    #[error("{}", tr!("plain `http` would show secrets to everybody on the way; write `https://`"))]
    PlainHttp,
    #[error("{}", tr!("`%{scheme}` is not `https`", scheme = scheme))]
    Scheme { scheme: String },
    #[error("{}", tr!("it goes on after the host; write only `https://host`, or `https://host:port`"))]
    NotJustAHost,
}

/// Why the client cannot be built. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("{}", tr!("cannot read the certificate authority `%{path}`", path = path.display()))]
    CaFile { path: PathBuf, source: std::io::Error },
    #[error("{}", tr!("`%{path}` holds no certificate in PEM form", path = path.display()))]
    NoCertificate { path: PathBuf },
    #[error("{}", tr!("the token has characters that cannot stand in a header"))]
    Token,
    #[error("{}", tr!("cannot set up HTTPS; does this machine have certificate authorities?"))]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SetupError {
    pub(super) fn https(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Client(cause.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_again_and_told_apart_without_a_secret() {
        let who = |url: &str, username: &str, password: &str| {
            let [client_id, username] = ["mutirao", username].map(str::to_owned);
            let [client_secret, password] = ["s3cret", password].map(SecretString::from);
            let credentials = Credentials::Password { client_id, client_secret, username, password };
            HubSoftSettings::new(url.parse().expect("a URL"), credentials).who()
        };
        let one = who("https://erp.example.com.br", "ana", "x");
        assert_eq!(one, who("https://erp.example.com.br", "ana", "y"), "a new password makes no other user");
        assert_ne!(one, who("https://erp.example.com.br", "rui", "x"));
        assert_ne!(one, who("https://erp.example.net.br", "ana", "x"));
        assert!(one.bytes().all(|b| b.is_ascii_hexdigit()), "{one}");
    }

    #[test]
    fn only_https_or_loopback_and_nothing_but_a_host() {
        let table = [
            ("https://erp.example.com.br", Ok("erp.example.com.br")),
            ("  https://ERP.example.com.br:8443/ ", Ok("erp.example.com.br:8443")),
            ("http://127.0.0.1:8080", Ok("127.0.0.1:8080")),
            ("http://127.9.9.9", Ok("127.9.9.9")),
            ("http://[::1]:80", Ok("[::1]")),
            ("http://localhost:1", Ok("localhost:1")),
            ("http://erp.example.com.br", Err(BaseUrlFault::PlainHttp)),
            ("http://127.0.0.1.example.com", Err(BaseUrlFault::PlainHttp)),
            ("http://10.0.0.1", Err(BaseUrlFault::PlainHttp)),
            ("ftp://erp", Err(BaseUrlFault::Scheme { scheme: "ftp".into() })),
            ("erp.example.com.br", Err(BaseUrlFault::NotAUrl)),
            ("", Err(BaseUrlFault::NotAUrl)),
            ("https://me:secret@erp", Err(BaseUrlFault::Secret)),
            ("https://erp/api/v1/integracao", Err(BaseUrlFault::NotJustAHost)),
            ("https://erp/?x=1", Err(BaseUrlFault::NotJustAHost)),
        ];
        for (raw, expected) in table {
            let found = raw.parse::<BaseUrl>().map(|url| url.host());
            assert_eq!(found, expected.map(str::to_owned), "{raw}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let password = Credentials::Password {
            client_id: "7".into(),
            client_secret: "hush-one".into(),
            username: "ana".into(),
            password: "hush-two".into(),
        };
        let shown = format!("{:?} {:?}", password, Credentials::Token("hush-three".into()));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
