//! Logins: who is known by name and password, and how often that may be tried. A try costs time and memory
//! on purpose (Argon2), so that few are computed, whoever asks: one at a time, and few wait for it.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use governor::clock::{Clock, DefaultClock};
use governor::{Quota, RateLimiter};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::secret::Secret;
use crate::registry::{User, Users};

/// Logins that are tried from one address at once, and how long until there is one more: 120 an hour.
const BURST_OF_ADDRESS: NonZeroU32 = NonZeroU32::new(10).unwrap();
const ANOTHER_OF_ADDRESS: Duration = Duration::from_secs(30);

/// The same by one name, from wherever: 60 an hour. Whoever came in from an address may go on from there:
/// nobody shuts them out by trying their name.
const BURST_OF_NAME: NonZeroU32 = NonZeroU32::new(30).unwrap();
const ANOTHER_OF_NAME: Duration = Duration::from_secs(60);

/// Logins that wait while one is computed.
const WAITING_MAX: usize = 8;

/// When to ask again if more wait. Some fifty milliseconds each.
const WAIT: Duration = Duration::from_secs(1);

/// Names and addresses that belong together, as far as they are known.
const KNOWN_MAX: usize = 256;

/// Names, or addresses, share so many counts: more memory it never takes, whatever is tried. Which of them
/// share one nobody knows outside.
type Count = u16;
type Limiter = RateLimiter<Count, governor::state::keyed::HashMapStateStore<Count>, DefaultClock>;

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
    limits: Limits,
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
            limits: Limits::new(),
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
        self.limits.check(name, from)?;
        let waits = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| NotIn::Later(WAIT))?;
        let turn = Arc::clone(&self.computing).acquire_owned().await;
        let (users, typed) = (self.users(), name.to_owned());
        // It holds its turn to its end, also if nobody waits for it any more.
        let found = spawn_blocking(move || {
            let _turn = (waits, turn);
            User::known(&users, &typed, password.expose_secret())
        });
        let found = found.await.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()));
        let user = found.ok_or(NotIn::Unknown)?;
        self.limits.came_in(name, from);
        Ok(user)
    }
}

fn stamp(users: &Users) -> Stamp {
    let metadata = fs::metadata(users.path()?).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// How often a login may be tried.
struct Limits {
    secret: Secret,
    of_address: Limiter,
    of_name: Limiter,
    known: Mutex<Vec<[u8; 32]>>,
}

impl Limits {
    fn new() -> Self {
        let limiter = |another, burst| {
            let quota = Quota::with_period(another).expect("it is longer than nothing");
            Limiter::hashmap(quota.allow_burst(burst))
        };
        Self {
            secret: Secret::new(),
            of_address: limiter(ANOTHER_OF_ADDRESS, BURST_OF_ADDRESS),
            of_name: limiter(ANOTHER_OF_NAME, BURST_OF_NAME),
            known: Mutex::default(),
        }
    }

    /// Counts one try. One that the address may not make does not count against the name.
    fn check(&self, name: &str, from: IpAddr) -> Result<(), NotIn> {
        let network = network(from).to_string();
        limited(&self.of_address, self.count(&network))?;
        let is_known = self.known().contains(&self.digest(&format!("{network} {name}")));
        if is_known { Ok(()) } else { limited(&self.of_name, self.count(name)) }
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

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<[u8; 32]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limited(limiter: &Limiter, count: Count) -> Result<(), NotIn> {
    let too_often = |wait: governor::NotUntil<_>| NotIn::Later(wait.wait_time_from(limiter.clock().now()));
    limiter.check_key(&count).map(drop).map_err(too_often)
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

    fn at(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn ten_thousand_tries_pass_a_few_times_and_shut_nobody_else_out() {
        let limits = Limits::new();
        let n_passed = |tries: &mut dyn Iterator<Item = (String, IpAddr)>| {
            tries.filter(|(name, from)| limits.check(name, *from).is_ok()).count()
        };
        // It may take as long as it likes, so a few more.
        let passed = n_passed(&mut (0..10_000).map(|_| ("ana".to_owned(), at("192.0.2.1"))));
        assert!((10..20).contains(&passed), "{passed}");
        assert_eq!(limits.check("ana", at("192.0.2.2")), Ok(()), "from another address");
        let passed = n_passed(&mut (0..10_000).map(|n| (n.to_string(), at("192.0.2.3"))));
        assert!((10..20).contains(&passed), "whatever the name: {passed}");
        // An address for each: the name is slowed, but for who came in from where it is.
        limits.came_in("bia", at("198.51.100.7"));
        let from = |n: u32| IpAddr::from(Ipv6Addr::from(u128::from(n) << 64));
        let passed = n_passed(&mut (0..10_000).map(|n| ("bia".to_owned(), from(n))));
        assert!((30..40).contains(&passed), "{passed}");
        assert_eq!(limits.check("bia", at("198.51.100.7")), Ok(()));
        assert!(limits.check("bia", at("198.51.100.8")).is_err());
    }

    #[test]
    fn what_is_counted_is_bounded_whatever_is_tried() {
        let limits = Limits::new();
        for n in 0..100_000_u32 {
            let _ = limits.check(&n.to_string(), IpAddr::from(n.to_be_bytes()));
            limits.came_in(&n.to_string(), IpAddr::from(n.to_be_bytes()));
        }
        let counts = [limits.of_address.len(), limits.of_name.len()];
        assert!(counts.iter().all(|n| *n <= usize::from(Count::MAX) + 1), "{counts:?}");
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
