//! The real binary amid all that goes wrong at once: HubSoft with every fault that the sandbox has,
//! processes that are killed, stopped and frozen, links that stall and are cut, a clock that is set, a disk
//! that is full, a database that falls, or fails over to a standby. At the end a ledger, row by row.
//! `tests/chaos --minutes N` runs it for long.

mod cluster;
mod crew;
mod ledger;
mod machine;
mod process;
mod trouble;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use fastrand::Rng;

use cluster::Cluster;
use crew::Crew;
use trouble::{Link, Trouble};

/// How much of it there is.
#[derive(Clone, Copy)]
struct Scale {
    n_rows: u64,
    /// So many kills, and about as much other trouble, for each outbox.
    n_kills: usize,
    /// Requests a second.
    rate: u32,
    /// How many requests end their token. A process may log in three times a minute.
    token_revoked: f64,
    /// Leases run out by themselves; a worker is frozen for longer than that, and the database fails over.
    waits_for_leases: bool,
}

const SHORT: Scale =
    Scale { n_rows: 200, n_kills: 6, rate: 25, token_revoked: 0.01, waits_for_leases: false };
const LONG: Scale =
    Scale { n_rows: 5_300, n_kills: 50, rate: 60, token_revoked: 0.001, waits_for_leases: true };

/// What happened.
#[derive(Default)]
struct Figures {
    n_rows: usize,
    n_tickets: usize,
    n_kills: usize,
    troubles: BTreeMap<String, usize>,
    faults: BTreeMap<&'static str, u64>,
    states: BTreeMap<String, usize>,
    broken: Vec<String>,
}

impl Figures {
    fn add(&mut self, other: Self) {
        fn sum<K: Ord, V: std::ops::AddAssign + Default>(all: &mut BTreeMap<K, V>, more: BTreeMap<K, V>) {
            for (key, n) in more {
                *all.entry(key).or_default() += n;
            }
        }
        self.n_rows += other.n_rows;
        self.n_tickets += other.n_tickets;
        self.n_kills += other.n_kills;
        sum(&mut self.troubles, other.troubles);
        sum(&mut self.faults, other.faults);
        sum(&mut self.states, other.states);
        self.broken.extend(other.broken);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_rows, n_tickets, n_kills, troubles, faults, states, broken } = self;
        writeln!(f, "{n_rows} rows, {n_tickets} tickets, {n_kills} kills, {} violations", broken.len())?;
        writeln!(f, "  troubles: {troubles:?}\n  faults: {faults:?}\n  rows: {states:?}")
    }
}

/// What happens to one outbox, in an order of its own.
fn troubles(scale: Scale, is_shared: bool, rng: &mut Rng) -> Vec<Trouble> {
    let mut troubles = vec![Trouble::Kill; scale.n_kills];
    for _ in 0..scale.n_kills.div_ceil(6) {
        troubles.extend([Trouble::Stop, Trouble::Freeze, Trouble::Stall(Link::HubSoft)]);
        troubles.extend([Trouble::Cut(Link::HubSoft), Trouble::ClockIsSet]);
        if is_shared {
            let links = [Trouble::Stall(Link::Database), Trouble::Cut(Link::Database)];
            troubles.extend([Trouble::DatabaseFalls].into_iter().chain(links));
        } else {
            troubles.push(Trouble::DiskIsFull);
        }
    }
    rng.shuffle(&mut troubles);
    if is_shared && scale.waits_for_leases {
        troubles.insert(0, Trouble::FreezePastTheLease);
        // At the end: who is frozen while the others tell a standby what they did is outside the promise.
        troubles.extend([Trouble::DatabaseFailsOver; 2]);
    }
    troubles
}

/// One import and one fleet, each with an outbox and a HubSoft of its own.
fn round(scale: Scale, seed: u64) -> Figures {
    let arena = |is_shared: bool| {
        let mut rng = Rng::with_seed(seed.wrapping_add(is_shared.into()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let began = Instant::now();
            let cluster = if is_shared { Some(Cluster::new().await) } else { None };
            let mut crew = Crew::new(scale, cluster, rng.u32(..)).await;
            for trouble in troubles(scale, is_shared, &mut rng) {
                crew.until_it_posts(rng.u64(1..=scale.n_rows / 20)).await;
                crew.strike(trouble, &mut rng).await;
            }
            let stormy = began.elapsed();
            crew.calm().await;
            let (who, calm) = (if is_shared { "workers" } else { "import" }, began.elapsed() - stormy);
            println!("{who}: trouble for {stormy:.0?}, all settled {calm:.0?} later");
            crew.reckon().await
        })
    };
    let mut figures = Figures::default();
    std::thread::scope(|scope| {
        for arena in [false, true].map(|is_shared| scope.spawn(move || arena(is_shared))) {
            match arena.join() {
                Ok(of_one) => figures.add(of_one),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    figures
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn chaos_doubles_nothing_loses_nothing_and_tells_nothing_wrong() {
    let seed = number("MUTIRAO_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let until =
        number("MUTIRAO_CHAOS_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let mut all = Figures::default();
    for n in 0.. {
        let figures = round(if until.is_some() { LONG } else { SHORT }, seed.wrapping_add(2 * n));
        println!("seed {seed}, round {n}: {figures}");
        all.add(figures);
        if !all.broken.is_empty() || until.is_none_or(|until| until <= Instant::now()) {
            break;
        }
    }
    println!("in all: {all}");
    assert!(all.broken.is_empty(), "seed {seed}: {:#?}", all.broken);
    assert!(SHORT.n_kills <= all.n_kills, "the kills met nobody: {all}");
}
