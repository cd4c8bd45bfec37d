//! Who is let in. The door opens to a key, which the program shows to the person who started it: the first
//! browser that brings it is inside from then on, and the next key is another one. So a key that stays in a
//! history or a log opens nothing.
//!
//! What is asked from inside must also come from our own pages: another site may make a browser ask here
//! (cross-site requests), or call itself by a name that leads here (DNS rebinding).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

/// Browsers that are inside at a time; one more, and the first one is outside again.
const BROWSERS_MAX: usize = 16;

/// What opens the door, or says who is inside: 256 random bits in hexadecimal.
#[derive(Clone)]
struct Secret(String);

impl Secret {
    fn new() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("a system gives random numbers to everybody once it has booted");
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// By its digest a secret is compared: how long that takes tells nothing of it.
fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was asked for under a name that is not ours.
    Foreign,
    /// Another site's page asks for a change.
    Elsewhere,
    /// Nobody knows this browser.
    Outside,
    /// It does not ask as a page of ours does.
    Method,
}

pub struct Door {
    /// `127.0.0.1:8674` and the like: what a browser says that it asks.
    names: Vec<String>,
    cookie: String,
    key: watch::Sender<Secret>,
    inside: Mutex<VecDeque<[u8; 32]>>,
}

impl Door {
    /// Of the pages at `at`, which is on loopback.
    pub fn new(at: SocketAddr) -> Self {
        let names = vec![at.to_string(), format!("localhost:{}", at.port())];
        // A browser sends cookies to all ports of a machine.
        let cookie = format!("mutirao_{}", at.port());
        Self { names, cookie, key: watch::Sender::new(Secret::new()), inside: Mutex::default() }
    }

    /// The address that lets the next browser in.
    fn address(&self) -> String {
        format!("http://{}/enter?key={}", self.names[0], self.key.borrow().0)
    }

    /// Tells the address, and each time that somebody came in, the next one; as long as it is polled.
    pub async fn tell_addresses(&self, tell: impl Fn(&str)) -> Infallible {
        let mut keys = self.key.subscribe();
        loop {
            tell(&self.address());
            if keys.changed().await.is_err() {
                return pending().await; // The sender is the door's own: it is there.
            }
        }
    }

    /// Lets a browser in that brings the key. Returns the cookie that it is known by.
    pub fn enter(&self, key: &str) -> Option<String> {
        let mut inside = self.inside();
        if digest(key) != digest(&self.key.borrow().0) {
            return None;
        }
        self.key.send_replace(Secret::new());
        let session = Secret::new();
        inside.truncate(BROWSERS_MAX - 1);
        inside.push_front(digest(&session.0));
        Some(format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie, session.0))
    }

    /// Whether the request may be answered; `is_public`: by whoever asks here, from inside or not.
    pub fn check(&self, asked: &Parts, is_public: bool) -> Result<(), Refusal> {
        let headers = &asked.headers;
        let is_ours = |name: &str| self.names.iter().any(|known| known == name);
        let named = asked.uri.authority().map(|authority| authority.as_str());
        if !only(headers, HOST).is_some_and(is_ours) || named.is_some_and(|name| !is_ours(name)) {
            return Err(Refusal::Foreign);
        }
        match asked.method {
            Method::GET | Method::HEAD => {}
            Method::POST => {
                let origin = only(headers, ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
                if origin.is_none() || origin != only(headers, HOST) {
                    return Err(Refusal::Elsewhere);
                }
            }
            _ => return Err(Refusal::Method),
        }
        if is_public || self.is_inside(headers) { Ok(()) } else { Err(Refusal::Outside) }
    }

    fn is_inside(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(COOKIE).into_iter().filter_map(|cookies| cookies.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.split_once('='));
        let inside = self.inside();
        pairs.any(|(name, session)| name.trim() == self.cookie && inside.contains(&digest(session.trim())))
    }

    fn inside(&self) -> MutexGuard<'_, VecDeque<[u8; 32]>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let only = values.next()?;
    if values.next().is_some() { None } else { only.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn door() -> Door {
        Door::new("127.0.0.1:8674".parse().unwrap())
    }

    /// The key of an address, and the cookie of what [`Door::enter`] says.
    fn key(address: &str) -> String {
        address.split_once("key=").unwrap().1.to_owned()
    }

    fn cookie(said: &str) -> String {
        said.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_key_lets_one_browser_in() {
        let door = door();
        let first = key(&door.address());
        assert_eq!(door.enter("").or(door.enter(&first[1..])), None);
        let said = door.enter(&first).unwrap();
        assert!(said.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{said}");
        assert_eq!(door.enter(&first), None, "once");
        assert!(door.enter(&key(&door.address())).is_some(), "another browser, by the next one");
    }

    #[test]
    fn only_so_many_browsers_are_inside() {
        let door = door();
        let enter = || cookie(&door.enter(&key(&door.address())).unwrap());
        let is_inside =
            |cookie: &str| door.is_inside(&HeaderMap::from_iter([(COOKIE, cookie.try_into().unwrap())]));
        let first = enter();
        for _ in 1..BROWSERS_MAX {
            enter();
        }
        assert!(is_inside(&first));
        enter();
        assert!(!is_inside(&first));
    }

    #[test]
    fn what_others_made_a_browser_ask_is_refused() {
        let door = door();
        let ours = cookie(&door.enter(&key(&door.address())).unwrap());
        let check = |method: &str, uri: &str, headers: &[(&str, &str)], expected| {
            let mut request = Request::builder().method(method).uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(door.check(&parts, false), expected, "{method} {uri} {headers:?}");
        };
        let (host, mine) = (("host", "127.0.0.1:8674"), ("cookie", ours.as_str()));
        let origin = |from| ("origin", from);
        let get = |headers: &[(&str, &str)], expected| check("GET", "/", headers, expected);
        get(&[host, mine], Ok(()));
        get(&[("host", "localhost:8674"), mine], Ok(()));
        get(&[host, ("cookie", &format!("a=b; {ours}"))], Ok(()));
        // A name of somebody's that leads here, and what is no name of ours.
        for foreign in ["evil.example:8674", "127.0.0.1", "127.0.0.1:8675", "127.0.0.1:8674.evil.example", ""]
        {
            get(&[("host", foreign), mine], Err(Refusal::Foreign));
        }
        get(&[mine], Err(Refusal::Foreign));
        get(&[host, ("host", "evil.example"), mine], Err(Refusal::Foreign));
        check("GET", "http://evil.example/", &[host, mine], Err(Refusal::Foreign));
        // Nobody knows it.
        get(&[host], Err(Refusal::Outside));
        get(&[host, ("cookie", &format!("other_{ours}"))], Err(Refusal::Outside));
        get(&[host, ("cookie", "mutirao_8674=")], Err(Refusal::Outside));
        // Another site's form, with the cookie of ours.
        let post = |headers: &[(&str, &str)], expected| check("POST", "/", headers, expected);
        post(&[host, mine, origin("http://127.0.0.1:8674")], Ok(()));
        for from in [
            "http://evil.example",
            "http://127.0.0.1:8675",
            "http://localhost:8674",
            "https://127.0.0.1:8674",
            "null",
        ] {
            post(&[host, mine, origin(from)], Err(Refusal::Elsewhere));
        }
        post(&[host, mine], Err(Refusal::Elsewhere));
        post(&[host, origin("http://127.0.0.1:8674")], Err(Refusal::Outside));
        for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"] {
            check(method, "/", &[host, mine, origin("http://127.0.0.1:8674")], Err(Refusal::Method));
        }
    }
}
