//! Who is let in. Where there are users, they log in. Else the door opens to a key, which the program shows
//! to the person who started it: the first browser that brings it is inside from then on, and the next key is
//! another one. So a key that stays in a history or a log opens nothing.
//!
//! What is asked from inside must also come from our own pages: another site may make a browser ask here
//! (cross-site requests), or call itself by a name that leads here (DNS rebinding).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use secrecy::SecretString;
use tokio::sync::watch;

use super::logins::{Logins, NotIn};
use super::secret::{Secret, digest};
use crate::registry::{Role, User, UserName, Users};
use crate::service::server::Peer;

/// Browsers that are inside at a time; one more, and that which asked for nothing the longest is outside
/// again.
const BROWSERS_MAX: usize = 256;

/// Of these, by one user, or by keys.
const BROWSERS_OF_ONE_MAX: usize = 16;

/// So long a user may ask for nothing, and is inside still.
const IDLE_MAX: Duration = Duration::from_secs(12 * 60 * 60);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

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
    /// It is not for who only looks.
    Role,
}

/// Who may ask for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    Anybody,
    /// Whoever is inside: nothing of customers is there.
    WhoLooks,
    WhoOpens,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// `None`: who brought the key.
    pub user: Option<UserName>,
    pub role: Role,
}

impl Visitor {
    /// As whose sheets are kept that they bring.
    pub fn owner(&self) -> Option<&str> {
        self.user.as_ref().map(UserName::as_str)
    }
}

/// A browser that is inside.
struct Session {
    digest: [u8; 32],
    /// As it was when it logged in: one that was changed since is outside. `None`: it brought the key.
    user: Option<User>,
    asked_at: Instant,
}

impl Session {
    fn visitor(&self) -> Visitor {
        let role = self.user.as_ref().map_or(Role::Abrir, |user| user.role);
        Visitor { user: self.user.as_ref().map(|user| user.name.clone()), role }
    }
}

/// What opens it.
enum WayIn {
    Key(watch::Sender<Secret>),
    Login(Box<Logins>),
}

pub struct Door {
    /// `http://127.0.0.1:8674` and the like: what a browser says that our pages are.
    origins: Vec<String>,
    cookie: String,
    /// A proxy stands before it.
    is_proxied: bool,
    way_in: WayIn,
    inside: Mutex<VecDeque<Session>>,
}

impl Door {
    /// Of the pages at `at`, which is on loopback unless `public` says as what they are known behind a proxy:
    /// `https://atendimentos.example.com`. `users`: those who log in, if there are any.
    pub fn new(at: SocketAddr, public: Option<String>, users: Option<Users>) -> Self {
        let is_proxied = public.is_some();
        let own = || vec![format!("http://{at}"), format!("http://localhost:{}", at.port())];
        let origins = public.map_or_else(own, |public| vec![public]);
        // A browser sends cookies to all ports of a machine; one that begins so, by https, to no other host.
        let cookie = match origins[0].starts_with("https:") {
            true => "__Host-mutirao".to_owned(),
            false => format!("mutirao_{}", at.port()),
        };
        let way_in = match users {
            Some(users) => WayIn::Login(Box::new(Logins::new(users))),
            None => WayIn::Key(watch::Sender::new(Secret::new())),
        };
        Self { origins, cookie, is_proxied, way_in, inside: Mutex::default() }
    }

    /// Whether whoever ordered something may open tickets still. `None`: who brought the key.
    pub fn may_open(&self, user: Option<&UserName>) -> bool {
        match (&self.way_in, user) {
            (WayIn::Login(logins), Some(name)) => {
                logins.users().iter().any(|user| user.name == *name && user.role == Role::Abrir)
            }
            (WayIn::Key(_), _) | (_, None) => true,
        }
    }

    /// Whether people log in.
    pub fn has_users(&self) -> bool {
        matches!(self.way_in, WayIn::Login(_))
    }

    /// Tells the address, and, where it has a key, the next one each time that somebody came in; as long as
    /// it is polled.
    pub async fn tell_addresses(&self, tell: impl Fn(&str)) -> Infallible {
        let origin = &self.origins[0];
        let WayIn::Key(key) = &self.way_in else {
            tell(&format!("{origin}/"));
            return pending().await;
        };
        let mut keys = key.subscribe();
        loop {
            let address = format!("{origin}/enter?key={}", key.borrow().text());
            tell(&address);
            if keys.changed().await.is_err() {
                return pending().await; // The sender is the door's own: it is there.
            }
        }
    }

    /// Lets a browser in that brings the key. Returns the cookie that it is known by.
    pub fn enter(&self, typed: &str) -> Option<String> {
        let WayIn::Key(key) = &self.way_in else { return None };
        // Of two that bring it at once, one is the first.
        let is_first = key.send_if_modified(|key| {
            let is_it = digest(typed) == digest(key.text());
            if is_it {
                *key = Secret::new();
            }
            is_it
        });
        is_first.then(|| self.let_in(None))
    }

    /// Lets a user in. Returns the cookie that the browser is known by.
    pub async fn log_in(&self, name: &str, password: SecretString, asked: &Parts) -> Result<String, NotIn> {
        let WayIn::Login(logins) = &self.way_in else { return Err(NotIn::Unknown) };
        let user = logins.known(name, password, self.address_of(asked)).await?;
        Ok(self.let_in(Some(user)))
    }

    /// Lets the browser in no more. Returns what makes it forget its cookie.
    pub fn leave(&self, headers: &HeaderMap) -> String {
        let brought = self.brought(headers);
        self.inside().retain(|session| !brought.contains(&session.digest));
        format!("{}=; Max-Age=0{}", self.cookie, self.attributes())
    }

    fn let_in(&self, user: Option<User>) -> String {
        let secret = Secret::new();
        let mut inside = self.inside();
        let is_of_same = |session: &Session| {
            session.user.as_ref().map(|user| &user.name) == user.as_ref().map(|user| &user.name)
        };
        let mut n_of_same = 1;
        inside.retain(|session| {
            n_of_same += usize::from(is_of_same(session));
            !is_of_same(session) || n_of_same <= BROWSERS_OF_ONE_MAX
        });
        inside.truncate(BROWSERS_MAX - 1);
        inside.push_front(Session { digest: digest(secret.text()), user, asked_at: Instant::now() });
        format!("{}={}{}", self.cookie, secret.text(), self.attributes())
    }

    fn attributes(&self) -> &'static str {
        match self.origins[0].starts_with("https:") {
            true => "; Secure; HttpOnly; SameSite=Strict; Path=/",
            false => "; HttpOnly; SameSite=Strict; Path=/",
        }
    }

    /// Who asks, if what is there `for_whom` may be answered.
    pub fn check(&self, asked: &Parts, for_whom: For) -> Result<Option<Visitor>, Refusal> {
        let headers = &asked.headers;
        let origin_of = |host: &str| {
            self.origins
                .iter()
                .find(|origin| origin.split_once("://").is_some_and(|(_, known)| known == host))
        };
        let named = asked.uri.authority().map(|authority| authority.as_str());
        let Some(own) = only(headers, HOST).and_then(origin_of) else { return Err(Refusal::Foreign) };
        if named.is_some_and(|name| origin_of(name).is_none()) {
            return Err(Refusal::Foreign);
        }
        match asked.method {
            Method::GET | Method::HEAD => {}
            Method::POST if only(headers, ORIGIN) == Some(own) => {}
            Method::POST => return Err(Refusal::Elsewhere),
            _ => return Err(Refusal::Method),
        }
        match (for_whom, self.visitor(headers)) {
            (For::Anybody, visitor) => Ok(visitor),
            (For::WhoLooks | For::WhoOpens, None) => Err(Refusal::Outside),
            (For::WhoOpens, Some(Visitor { role: Role::Acompanhar, .. })) => Err(Refusal::Role),
            (For::WhoLooks | For::WhoOpens, visitor) => Ok(visitor),
        }
    }

    /// Who brings this, if that is known.
    fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        let brought = self.brought(headers);
        let users = match &self.way_in {
            WayIn::Key(_) => None,
            WayIn::Login(logins) => Some(logins.users()),
        };
        let mut inside = self.inside();
        if let Some(users) = users {
            let is_in = |user: &User| users.contains(user);
            inside.retain(|session| {
                session.user.as_ref().is_some_and(is_in) && session.asked_at.elapsed() < IDLE_MAX
            });
        }
        let at = inside.iter().position(|session| brought.contains(&session.digest))?;
        let mut session = inside.remove(at)?;
        session.asked_at = Instant::now();
        let visitor = session.visitor();
        inside.push_front(session);
        Some(visitor)
    }

    /// Digests of what a browser brings as our cookie.
    fn brought(&self, headers: &HeaderMap) -> Vec<[u8; 32]> {
        let cookies = headers.get_all(COOKIE).into_iter().filter_map(|cookies| cookies.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| name.trim() == self.cookie).map(|(_, text)| digest(text.trim())).collect()
    }

    /// From where it was asked: what the proxy says last, which nobody but the proxy can have said.
    fn address_of(&self, asked: &Parts) -> IpAddr {
        let peer = asked.extensions.get::<Peer>().map_or(IpAddr::from([0; 4]), |Peer(peer)| peer.ip());
        let last = asked.headers.get_all(FORWARDED_FOR).iter().next_back();
        let last = last.and_then(|said| said.to_str().ok()?.rsplit(',').next());
        let said = last.and_then(|last| last.trim().parse().ok());
        said.filter(|_| self.is_proxied && is_near(peer)).unwrap_or(peer)
    }

    fn inside(&self) -> MutexGuard<'_, VecDeque<Session>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a proxy of ours may be there.
fn is_near(peer: IpAddr) -> bool {
    match peer.to_canonical() {
        IpAddr::V4(peer) => peer.is_loopback() || peer.is_private(),
        IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local(),
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
    use crate::registry::Password;

    fn door() -> Door {
        Door::new("127.0.0.1:8674".parse().unwrap(), None, None)
    }

    /// The key of now, and the cookie of what [`Door::enter`] says.
    fn key(door: &Door) -> String {
        let WayIn::Key(key) = &door.way_in else { panic!("people log in") };
        key.borrow().text().to_owned()
    }

    fn cookie(said: &str) -> String {
        said.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_key_lets_one_browser_in() {
        let door = door();
        let first = key(&door);
        assert_eq!(door.enter("").or(door.enter(&first[1..])), None);
        let said = door.enter(&first).unwrap();
        assert!(said.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{said}");
        assert_eq!(door.enter(&first), None, "once");
        assert!(door.enter(&key(&door)).is_some(), "another browser, by the next one");
    }

    #[test]
    fn only_so_many_browsers_are_inside() {
        let door = door();
        let enter = || cookie(&door.enter(&key(&door)).unwrap());
        let is_inside = |cookie: &str| {
            door.visitor(&HeaderMap::from_iter([(COOKIE, cookie.try_into().unwrap())])).is_some()
        };
        let first = enter();
        for _ in 1..BROWSERS_OF_ONE_MAX {
            enter();
        }
        assert!(is_inside(&first));
        // It asked last: another one goes.
        enter();
        assert!(is_inside(&first));
        (0..BROWSERS_OF_ONE_MAX).for_each(|_| drop(enter()));
        assert!(!is_inside(&first));
    }

    #[test]
    fn of_many_users_only_so_many_browsers_are_inside_and_who_asks_for_nothing_leaves() {
        let here = tempfile::tempdir().unwrap();
        let users = Users::at(Some(here.path().to_owned()));
        let password = Password::try_from("correct horse".to_owned()).unwrap();
        let ana = User::new("ana".parse().unwrap(), Role::Abrir, &password);
        users.put(ana.clone()).unwrap();
        let door = Door::new("127.0.0.1:8674".parse().unwrap(), None, Some(users));
        let headers = |cookie: &str| HeaderMap::from_iter([(COOKIE, cookie.try_into().unwrap())]);
        for n in 0..BROWSERS_MAX {
            let mut user = ana.clone();
            user.name = format!("ana{n}").parse().unwrap();
            door.let_in(Some(user));
        }
        let of_ana = cookie(&door.let_in(Some(ana)));
        assert_eq!(door.inside().len(), BROWSERS_MAX);
        assert!(door.visitor(&headers(&of_ana)).is_some());
        assert_eq!(door.inside().len(), 1, "nobody knows the others");
        let idle = |time| door.inside()[0].asked_at = Instant::now().checked_sub(time).unwrap();
        idle(IDLE_MAX - Duration::from_secs(60));
        assert!(door.visitor(&headers(&of_ana)).is_some());
        idle(IDLE_MAX);
        assert!(door.visitor(&headers(&of_ana)).is_none());
    }

    #[test]
    fn behind_a_proxy_it_has_one_name_and_a_cookie_for_that_alone() {
        let here = tempfile::tempdir().unwrap();
        let users = Users::at(Some(here.path().to_owned()));
        let password = Password::try_from("correct horse".to_owned()).unwrap();
        users.put(User::new("ana".parse().unwrap(), Role::Abrir, &password)).unwrap();
        let public = "https://atendimentos.example.com";
        let door = |users| Door::new("192.0.2.1:80".parse().unwrap(), Some(public.to_owned()), Some(users));
        let door = door(users.clone());
        assert!(door.enter("").is_none() && door.has_users());
        let said = door.let_in(Some(users.all().unwrap().remove(0)));
        assert!(
            said.starts_with("__Host-mutirao=")
                && said.ends_with("; Secure; HttpOnly; SameSite=Strict; Path=/")
        );
        let ours = cookie(&said);
        let check = |host: &str, origin: &str, expected: Result<(), Refusal>| {
            let request = Request::builder().method("POST").uri("/").header("host", host);
            let request = request.header("origin", origin).header("cookie", &ours);
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(door.check(&parts, For::WhoOpens).map(drop), expected, "{host} {origin}");
        };
        let host = "atendimentos.example.com";
        check(host, public, Ok(()));
        check(host, "http://atendimentos.example.com", Err(Refusal::Elsewhere));
        check(host, "https://evil.example", Err(Refusal::Elsewhere));
        check(host, "https://atendimentos.example.com:8443", Err(Refusal::Elsewhere));
        for foreign in
            ["192.0.2.1", "192.0.2.1:80", "localhost", "atendimentos.example.com:443", "evil.example"]
        {
            check(foreign, public, Err(Refusal::Foreign));
        }
        // Outside at once: who leaves, who is another than before, and who is removed.
        let left = HeaderMap::from_iter([(COOKIE, (&*ours).try_into().unwrap())]);
        assert!(door.leave(&left).starts_with("__Host-mutirao=; Max-Age=0; Secure"));
        check(host, public, Err(Refusal::Outside));
        let ours = cookie(&door.let_in(Some(users.all().unwrap().remove(0))));
        let headers = HeaderMap::from_iter([(COOKIE, (&*ours).try_into().unwrap())]);
        let visitor = door.visitor(&headers).unwrap();
        assert_eq!((visitor.owner(), visitor.role), (Some("ana"), Role::Abrir));
        users.put(User::new("ana".parse().unwrap(), Role::Acompanhar, &password)).unwrap();
        assert_eq!(door.visitor(&headers), None);
    }

    #[test]
    fn from_where_it_is_asked_a_proxy_says_and_nobody_else() {
        let door =
            |public: Option<&str>| Door::new("127.0.0.1:1".parse().unwrap(), public.map(str::to_owned), None);
        let (proxied, alone) = (door(Some("https://x.example")), door(None));
        let check = |door: &Door, peer: &str, said: &[&str], expected: &str| {
            let request = said
                .iter()
                .fold(Request::builder(), |request, said| request.header("x-forwarded-for", *said));
            let mut parts = request.body(()).unwrap().into_parts().0;
            parts.extensions.insert(Peer(SocketAddr::new(peer.parse().unwrap(), 9)));
            assert_eq!(door.address_of(&parts).to_string(), expected, "{peer} {said:?}");
        };
        check(&proxied, "127.0.0.1", &["192.0.2.7"], "192.0.2.7");
        check(&proxied, "10.0.0.2", &["6.6.6.6, 192.0.2.7"], "192.0.2.7");
        check(&proxied, "fd00::1", &["6.6.6.6", "2001:db8::7"], "2001:db8::7");
        check(&proxied, "203.0.113.9", &["192.0.2.7"], "203.0.113.9");
        check(&proxied, "127.0.0.1", &["192.0.2.7, nobody"], "127.0.0.1");
        check(&proxied, "127.0.0.1", &[], "127.0.0.1");
        check(&alone, "127.0.0.1", &["192.0.2.7"], "127.0.0.1");
    }

    #[test]
    fn what_others_made_a_browser_ask_is_refused() {
        let door = door();
        let ours = cookie(&door.enter(&key(&door)).unwrap());
        let check = |method: &str, uri: &str, headers: &[(&str, &str)], expected| {
            let mut request = Request::builder().method(method).uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(door.check(&parts, For::WhoOpens).map(drop), expected, "{method} {uri} {headers:?}");
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
