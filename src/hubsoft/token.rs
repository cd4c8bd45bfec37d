//! The bearer token: obtained once, renewed in time, and never by two at once.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Method, Request, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::settings::{Credentials, SetupError};
use super::transport::Transport;
use super::verdict::{Login, of_login};
use crate::delivery::{Fault, Gate, RequestKind, Verdict, Withheld};

/// A token is renewed so long before it expires (or at half of a shorter life), and at least daily,
/// as HubSoft's documentation advises.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
const RENEW_AT_LEAST: Duration = Duration::from_secs(24 * 60 * 60);

/// However short its life is said to be, a token is used for so long, unless HubSoft refuses it: with
/// `expires_in: 0` each request would log in.
const LIFE_MIN: Duration = Duration::from_secs(60);

/// How long the old token is used on when it could not be renewed in time.
const RENEW_AGAIN: Duration = Duration::from_secs(60);
const _: () = assert!(RENEW_AGAIN.as_nanos() < RENEW_BEFORE.as_nanos());

/// So many fresh tokens in a row that never succeeded, and we give up.
pub(super) const FRESH_TOKENS_MAX: u32 = 3;

/// A token as a header value (marked sensitive: its `Debug` does not show it), and which one it is.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) header: HeaderValue,
    generation: u64,
}

/// Why there is no token to send with.
#[derive(Clone, Debug)]
pub(super) enum NoToken {
    Withheld,
    /// Login was refused, or no token works: halt.
    Refused(Fault),
    Unavailable {
        fault: Fault,
        retry_after: Option<Duration>,
    },
    /// Tokens work, but not for this request.
    NotForThis(Fault),
}

impl NoToken {
    pub(super) fn verdict<T>(self) -> (Verdict<T>, Option<Duration>) {
        match self {
            Self::Withheld => (Verdict::Withheld, None),
            Self::Refused(fault) => (Verdict::Unauthorized(fault), None),
            Self::Unavailable { fault, retry_after } => (Verdict::LoginUnavailable(fault), retry_after),
            Self::NotForThis(fault) => (Verdict::Forbidden(fault), None),
        }
    }
}

/// What one call has been through with 401s.
#[derive(Default)]
pub(super) struct Refusals(u32);

pub(super) struct Tokens {
    source: Source,
    /// Held while a login is under way: that is what makes it one at a time.
    session: Mutex<Session>,
    /// Logins that ended, however. Who waited for one that failed shares its failure instead of
    /// trying the same credentials again.
    n_logins: Cell<u64>,
    /// The token of now, which is seen also while a login holds the session. `None`: it was refused, or there
    /// was none yet.
    bearer: RefCell<Option<Bearer>>,
}

enum Source {
    Given,
    Login { url: Url, credentials: Credentials },
}

struct Session {
    renew_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// Whether the current token was ever accepted.
    accepted: bool,
    /// Fresh tokens in a row that never were.
    fresh_refused: u32,
    /// The youngest token that a 401 ended.
    last_refused: Option<u64>,
    last_failure: Option<NoToken>,
    generation: u64,
}

impl Tokens {
    pub(super) fn new(credentials: &Credentials, login_url: Url) -> Result<Self, SetupError> {
        let session = Session {
            renew_at: None,
            expires_at: None,
            accepted: false,
            fresh_refused: 0,
            last_refused: None,
            last_failure: None,
            generation: 0,
        };
        let (source, bearer) = match credentials {
            Credentials::Token(token) => {
                let header = bearer(token.expose_secret()).ok_or(SetupError::Token)?;
                (Source::Given, Some(Bearer { header, generation: 0 }))
            }
            Credentials::Password { .. } => {
                (Source::Login { url: login_url, credentials: credentials.clone() }, None)
            }
        };
        let (session, bearer) = (Mutex::new(session), RefCell::new(bearer));
        Ok(Self { source, session, n_logins: Cell::new(0), bearer })
    }

    /// The token to send with.
    pub(super) fn now(&self) -> Option<Bearer> {
        self.bearer.borrow().clone()
    }

    /// Whether it is that of `used` still.
    fn is_now(&self, used: &Bearer) -> bool {
        self.bearer.borrow().as_ref().is_some_and(|bearer| bearer.generation == used.generation)
    }

    /// Waits until there is one, obtained or renewed if need be.
    pub(super) async fn ready(&self, transport: &Transport, gate: &impl Gate) -> Result<(), NoToken> {
        let mut session = self.lock().await?;
        if self.bearer.borrow().is_none() {
            return self.log_in(&mut session, transport, gate).await;
        }
        if session.renew_at.is_none_or(|at| Instant::now() < at) {
            return Ok(());
        }
        match self.log_in(&mut session, transport, gate).await {
            // The old one is good for some minutes yet.
            Err(NoToken::Unavailable { .. }) if session.expires_at.is_none_or(|at| Instant::now() < at) => {
                session.renew_at = Some(Instant::now() + RENEW_AGAIN);
                session.last_failure = None;
                Ok(())
            }
            other => other,
        }
    }

    /// Logs in now, whatever token there is.
    pub(super) async fn renew(&self, transport: &Transport, gate: &impl Gate) -> Result<(), NoToken> {
        if matches!(self.source, Source::Given) {
            return Ok(());
        }
        let mut session = self.lock().await?;
        self.log_in(&mut session, transport, gate).await
    }

    /// HubSoft took the token.
    pub(super) fn accept(&self, used: &Bearer) {
        // Held by another: a login is under way, and the next answer tells the same.
        if let Ok(mut session) = self.session.try_lock()
            && self.is_now(used)
        {
            session.accepted = true;
            session.fresh_refused = 0;
        }
    }

    /// HubSoft answered 401 to `used`: there is a token to repeat the request with, or why there is none.
    pub(super) async fn after_401(
        &self,
        used: &Bearer,
        refusals: &mut Refusals,
        transport: &Transport,
        gate: &impl Gate,
    ) -> Result<(), NoToken> {
        refusals.0 += 1;
        if matches!(self.source, Source::Given) {
            // Asked once more before the run is halted for it.
            return match refusals.0 {
                1 => Ok(()),
                _ => Err(NoToken::Refused(Fault::http(401))),
            };
        }
        let mut session = self.lock().await?;
        let generation = used.generation;
        if self.is_now(used) {
            session.fresh_refused = if session.accepted { 0 } else { session.fresh_refused + 1 };
            session.last_refused = Some(generation);
            self.bearer.replace(None);
        }
        if FRESH_TOKENS_MAX <= session.fresh_refused && session.last_refused == Some(generation) {
            return Err(NoToken::Refused(Fault::TokensRefused));
        }
        if FRESH_TOKENS_MAX < refusals.0 {
            return Err(NoToken::NotForThis(Fault::http(401)));
        }
        match self.now() {
            Some(_) => Ok(()),
            None => self.log_in(&mut session, transport, gate).await,
        }
    }

    /// Waits for a login that is under way, and shares its failure.
    async fn lock(&self) -> Result<tokio::sync::MutexGuard<'_, Session>, NoToken> {
        let before = self.n_logins.get();
        let session = self.session.lock().await;
        match &session.last_failure {
            Some(failure) if before < self.n_logins.get() => Err(failure.clone()),
            _ => Ok(session),
        }
    }

    /// Dropped half-way (the caller stops) it leaves the session as it was: only the end writes.
    async fn log_in(
        &self,
        session: &mut Session,
        transport: &Transport,
        gate: &impl Gate,
    ) -> Result<(), NoToken> {
        let Source::Login { url, credentials } = &self.source else {
            return Err(NoToken::Refused(Fault::http(401)));
        };
        // Not shared: whoever waits asks the gate for itself.
        gate.pass(RequestKind::Login).await.map_err(|Withheld| NoToken::Withheld)?;
        let (exchange, _) = transport.exchange(login_request(url, credentials)).await;
        let now = Instant::now();
        let outcome = match of_login(&exchange) {
            Login::Token { token, expires_in } => match bearer(&token) {
                Some(header) => {
                    session.generation += 1;
                    session.accepted = false;
                    session.expires_at = expires_in.and_then(|life| now.checked_add(life));
                    session.renew_at = Some(now + renew_after(expires_in));
                    self.bearer.replace(Some(Bearer { header, generation: session.generation }));
                    Ok(())
                }
                None => Err(NoToken::Unavailable { fault: Fault::LoginNoToken, retry_after: None }),
            },
            Login::Refused(fault) => Err(NoToken::Refused(fault)),
            // Where a login has worked, it is the right place, and something stands before it for a while.
            Login::Elsewhere(fault) if 0 < session.generation => {
                Err(NoToken::Unavailable { fault, retry_after: exchange.retry_after() })
            }
            Login::Elsewhere(fault) => Err(NoToken::Refused(fault)),
            Login::Unavailable(fault) => {
                Err(NoToken::Unavailable { fault, retry_after: exchange.retry_after() })
            }
        };
        session.last_failure = outcome.as_ref().err().cloned();
        self.n_logins.set(self.n_logins.get() + 1);
        outcome
    }
}

/// When to renew a token that lives so long.
fn renew_after(expires_in: Option<Duration>) -> Duration {
    let Some(life) = expires_in else { return RENEW_AT_LEAST };
    (life - RENEW_BEFORE.min(life / 2)).clamp(LIFE_MIN, RENEW_AT_LEAST)
}

pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let token = token.trim();
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| !token.is_empty())?;
    header.set_sensitive(true);
    Some(header)
}

fn login_request(url: &Url, credentials: &Credentials) -> Request {
    #[derive(Serialize)]
    struct Grant<'a> {
        grant_type: &'static str,
        client_id: &'a str,
        client_secret: &'a str,
        username: &'a str,
        password: &'a str,
    }
    let empty = SecretString::default();
    let (client_id, client_secret, username, password) = match credentials {
        Credentials::Password { client_id, client_secret, username, password } => {
            (client_id.as_str(), client_secret, username.as_str(), password)
        }
        Credentials::Token(_) => ("", &empty, "", &empty),
    };
    let grant = Grant {
        grant_type: "password",
        client_id,
        client_secret: client_secret.expose_secret(),
        username,
        password: password.expose_secret(),
    };
    let body = serde_json::to_vec(&grant).expect("texts make JSON");
    let mut request = Request::new(Method::POST, url.clone());
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(body.into());
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_comes_in_time_and_at_least_daily() {
        let s = Duration::from_secs;
        assert_eq!(renew_after(None), s(86_400));
        assert_eq!(renew_after(Some(s(2_592_000))), s(86_400));
        assert_eq!(renew_after(Some(s(3_600))), s(3_300));
        assert_eq!(renew_after(Some(s(300))), s(150));
        assert_eq!(renew_after(Some(s(0))), s(60), "or each request would log in");
    }

    #[test]
    fn a_token_does_not_show_in_debug() {
        let header = bearer(" abc.def\n").expect("surrounding blanks are dropped");
        assert_eq!(header.as_bytes(), b"Bearer abc.def");
        assert!(!format!("{header:?}").contains("abc"));
        assert!(bearer("a\nb").is_none() && bearer(" ").is_none());
    }
}
