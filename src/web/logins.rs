//! Logins: who is known by name and password, and how often that may be tried in vain. A try costs time and
//! memory on purpose (Argon2), so that few are computed, whoever asks: one at a time, and few wait for it.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::secret::Secret;
use crate::registry::{User, Users};

/// Wrong logins from one address, and how long until one of them is forgotten: 120 an hour. Right ones do not
/// count: a whole office has one address.
const WRONG_OF_ADDRESS: u32 = 10;
const FORGOTTEN_OF_ADDRESS: Duration = Duration::from_secs(30);

/// The same by one name, from wherever: 60 an hour. Whoever came in from an address may go on from there:
/// nobody shuts them out by trying their name.
const WRONG_OF_NAME: u32 = 30;
const FORGOTTEN_OF_NAME: Duration = Duration::from_secs(60);

/// Logins that wait while one is computed.
const WAITING_MAX: usize = 8;

/// When to ask again if more wait. Some fifty milliseconds each.
const WAIT: Duration = Duration::from_secs(1);

/// Names and addresses that belong together, as far as they are known.
const KNOWN_MAX: usize = 256;

/// Names, or addresses, share so many counts: more memory it never takes, whatever is tried. Which of them
/// share one nobody knows outside.
type Count = u16;

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotIn {
    /// There is nobody of that name and password.
    Unknown,
    /// It was tried too often, or too many try; after so long once more.
    Later(Duration),
}

/// When a file was written, and how long it is. Bytes.
type Stamp = Option<(SystemTime, u64)>;

/// Who may log in.
pub struct Logins {
    users: Users,
    /// As the file had it last. `None`: it cannot be read, and nobody is known.
    read: Mutex<(Stamp, Option<Arc<[User]>>)>,
    limits: Arc<Limits>,
    /// Who waits, and who is computed.
    waiting: Arc<Semaphore>,
    computing: Arc<Semaphore>,
}

impl Logins {
    pub fn new(users: Users) -> Self {
        let read = users.all().ok().map(Arc::from);
        Self {
            read: Mutex::new((stamp(&users), read)),
            users,
            limits: Arc::new(Limits::new()),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            computing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Who may come in now: the file is read again once it is another one.
    pub fn users(&self) -> Arc<[User]> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.users);
        if read.0 != now {
            let all = self.users.all();
            if let Err(error) = &all {
                tracing::error!("nobody is let in to the page: {error}");
            }
            *read = (now, all.ok().map(Arc::from));
        }
        read.1.clone().unwrap_or_default()
    }

    /// The user of this name and password, who asks from this address.
    pub async fn known(&self, name: &str, password: SecretString, from: IpAddr) -> Result<User, NotIn> {
        self.limits.check(name, from, Instant::now())?;
        let waits = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| NotIn::Later(WAIT))?;
        let turn = Arc::clone(&self.computing).acquire_owned().await;
        // Those before it may have been wrong.
        self.limits.check(name, from, Instant::now())?;
        let (users, limits, typed) = (self.users(), Arc::clone(&self.limits), name.to_owned());
        // It holds its turn to its end, and counts, also if nobody waits for it any more.
        let found = spawn_blocking(move || {
            let _turn = (waits, turn);
            let found = User::known(&users, &typed, password.expose_secret());
            match found {
                Some(_) => limits.came_in(&typed, from),
                None => limits.wrong(&typed, from, Instant::now()),
            }
            found
        });
        found.await.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic())).ok_or(NotIn::Unknown)
    }
}

fn stamp(users: &Users) -> Stamp {
    let metadata = fs::metadata(users.path()?).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Wrong tries by each of so many counts. One after the other they are forgotten; a full count waits for it.
struct Wrong {
    most: u32,
    forgotten: Duration,
    /// When all of a count are.
    until: Mutex<HashMap<Count, Instant>>,
}

impl Wrong {
    fn new(most: u32, forgotten: Duration) -> Self {
        Self { most, forgotten, until: Mutex::default() }
    }

    fn check(&self, count: Count, now: Instant) -> Result<(), NotIn> {
        let until = self.until().get(&count).copied().unwrap_or(now);
        let full = self.forgotten * (self.most - 1);
        match until.saturating_duration_since(now).checked_sub(full) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(NotIn::Later(wait)),
        }
    }

    fn add(&self, count: Count, now: Instant) {
        let mut until = self.until();
        let of_count = until.entry(count).or_insert(now);
        *of_count = now.max(*of_count) + self.forgotten;
    }

    fn until(&self) -> MutexGuard<'_, HashMap<Count, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a login may be tried.
struct Limits {
    secret: Secret,
    of_address: Wrong,
    of_name: Wrong,
    known: Mutex<Vec<[u8; 32]>>,
}

impl Limits {
    fn new() -> Self {
        Self {
            secret: Secret::new(),
            of_address: Wrong::new(WRONG_OF_ADDRESS, FORGOTTEN_OF_ADDRESS),
            of_name: Wrong::new(WRONG_OF_NAME, FORGOTTEN_OF_NAME),
            known: Mutex::default(),
        }
    }

    /// Whether it may be tried now.
    fn check(&self, name: &str, from: IpAddr, now: Instant) -> Result<(), NotIn> {
        self.of_address.check(self.count(&network(from).to_string()), now)?;
        if self.is_known(name, from) { Ok(()) } else { self.of_name.check(self.count(name), now) }
    }

    /// Counts one that was tried in vain.
    fn wrong(&self, name: &str, from: IpAddr, now: Instant) {
        self.of_address.add(self.count(&network(from).to_string()), now);
        if !self.is_known(name, from) {
            self.of_name.add(self.count(name), now);
        }
    }

    fn is_known(&self, name: &str, from: IpAddr) -> bool {
        self.known().contains(&self.digest(&format!("{} {name}", network(from))))
    }

    /// Remembers it for those who come again.
    fn came_in(&self, name: &str, from: IpAddr) {
        let pair = self.digest(&format!("{} {name}", network(from)));
        let mut known = self.known();
        known.retain(|other| *other != pair);
        if known.len() == KNOWN_MAX {
            known.remove(0);
        }
        known.push(pair);
    }

    fn count(&self, text: &str) -> Count {
        let digest = self.digest(text);
        Count::from_le_bytes([digest[0], digest[1]])
    }

    fn digest(&self, text: &str) -> [u8; 32] {
        Sha256::new_with_prefix(self.secret.text()).chain_update(text).finalize().into()
    }

    fn known(&self) -> MutexGuard<'_, Vec<[u8; 32]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one customer of a provider has: an address of IPv4, or the first 64 bits of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Password, Role};

    fn at(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    /// A try that is wrong, if it may be made.
    fn tries(limits: &Limits, name: &str, from: IpAddr, now: Instant) -> bool {
        let may_try = limits.check(name, from, now).is_ok();
        if may_try {
            limits.wrong(name, from, now);
        }
        may_try
    }

    #[test]
    fn ten_thousand_wrong_tries_pass_a_few_times_and_shut_nobody_else_out() {
        let (limits, now) = (Limits::new(), Instant::now());
        let n_passed = |tried: &mut dyn Iterator<Item = (String, IpAddr)>| {
            tried.filter(|(name, from)| tries(&limits, name, *from, now)).count()
        };
        assert_eq!(n_passed(&mut (0..10_000).map(|_| ("ana".to_owned(), at("192.0.2.1")))), 10);
        assert_eq!(limits.check("ana", at("192.0.2.2"), now), Ok(()), "from another address");
        assert_eq!(n_passed(&mut (0..10_000).map(|n| (n.to_string(), at("192.0.2.3")))), 10, "by any name");
        // An address for each: the name is slowed, but for who came in from where it is.
        limits.came_in("bia", at("198.51.100.7"));
        let from = |n: u32| IpAddr::from(Ipv6Addr::from(u128::from(n) << 64));
        assert_eq!(n_passed(&mut (0..10_000).map(|n| ("bia".to_owned(), from(n)))), 30);
        assert_eq!(limits.check("bia", at("198.51.100.7"), now), Ok(()));
        assert!(limits.check("bia", at("198.51.100.8"), now).is_err());
    }

    #[test]
    fn one_after_the_other_they_are_forgotten_and_how_long_that_takes_is_told() {
        let (limits, now) = (Limits::new(), Instant::now());
        let (ana, office) = ("ana", at("192.0.2.1"));
        while tries(&limits, ana, office, now) {}
        let after = |seconds| now + Duration::from_secs(seconds);
        let later = |seconds| Err(NotIn::Later(Duration::from_secs(seconds)));
        assert_eq!(limits.check(ana, office, now), later(30));
        assert_eq!(limits.check(ana, office, after(20)), later(10));
        assert_eq!(limits.check(ana, office, after(30)), Ok(()));
        assert!(tries(&limits, ana, office, after(30)) && !tries(&limits, ana, office, after(30)));
        assert!((0..10).all(|_| tries(&limits, ana, office, after(400))), "all of them");
        assert!(!tries(&limits, ana, office, after(400)), "and no more than those");
    }

    /// Seen (in reading): the eleventh person of an office waited, and so did one who came and went.
    #[tokio::test]
    async fn right_ones_do_not_count() {
        let here = tempfile::tempdir().unwrap();
        let users = Users::at(Some(here.path().to_owned()));
        let password = Password::try_from("correct horse".to_owned()).unwrap();
        users.put(User::new("ana".parse().unwrap(), Role::Abrir, &password)).unwrap();
        let logins = Logins::new(users);
        let tries = async |password: &str| {
            let found = logins.known("ana", password.to_owned().into(), at("192.0.2.1")).await;
            found.map(drop)
        };
        for n in 0..=WRONG_OF_ADDRESS {
            assert_eq!(tries("correct horse").await, Ok(()), "{n}");
        }
        for n in 0..WRONG_OF_ADDRESS {
            assert_eq!(tries("battery staple").await, Err(NotIn::Unknown), "{n}");
        }
        let waits = tries("correct horse").await;
        assert!(matches!(waits, Err(NotIn::Later(_))), "{waits:?}");
    }

    #[test]
    fn what_is_counted_is_bounded_whatever_is_tried() {
        let (limits, now) = (Limits::new(), Instant::now());
        for n in 0..100_000_u32 {
            limits.wrong(&n.to_string(), IpAddr::from(n.to_be_bytes()), now);
            limits.came_in(&n.to_string(), IpAddr::from(n.to_be_bytes()));
        }
        let n_counts = [&limits.of_address, &limits.of_name].map(|wrong| wrong.until().len());
        assert!(n_counts.iter().all(|n| *n <= usize::from(Count::MAX) + 1), "{n_counts:?}");
        assert_eq!(limits.known().len(), KNOWN_MAX);
    }

    #[test]
    fn who_has_many_addresses_has_one_network() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(network(at(address)), at(expected), "{address}");
        }
    }
}
