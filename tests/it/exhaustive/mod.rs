//! The whole small space: one or two workers, a row or two, and whatever may go wrong, in every order. What
//! runs is the real engine; the outbox and HubSoft are models, in which each call is one step. A state is one
//! however and whenever it was reached (its fingerprint), so that all of them can be looked at.
//!
//! Time goes in steps of [`GRID`]: whatever is due within one happens at its end, in every order.

mod deeds;
mod hubsoft;
mod life;
mod outbox;
mod print;
mod search;
mod steps;
mod waits;
mod world;

use std::time::Duration;

use mutirao::delivery::{Blame, Concurrency, GuardLimits, Lasting, PATIENCE, Policy, Rate};

use search::{Explored, explore};
use world::Faults;

/// Divides all times that rows, leases and requests wait.
const GRID: Duration = Duration::from_secs(5);

/// How long a worker is cut off, stands still, or is away: until others have taken its rows over, and may
/// have posted them.
const AWAY: Duration = Duration::from_secs(140);

/// How long a server may commit after nobody waits for its answer.
const SETTLE_DELAY: Duration = Duration::from_secs(20);

/// What is broken on purpose, to see whether the search sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    None,
    /// What is taken in from the dead is posted at once.
    ForgetDoubts,
    /// An absence is believed at once, however late a server may be.
    BelieveAtOnce,
    /// One absence after the settle delay is as good as two.
    BelieveOnce,
    /// Whoever settles is taken for who claimed last.
    NoFence,
    /// After a failover nobody says again what it did.
    SayNothing,
    /// What a process has left that died is not taken in.
    SkipRecovery,
}

/// A space to explore.
struct Setting {
    n_lives: usize,
    /// One process has the outbox for itself, and ends when nothing is left.
    is_alone: bool,
    /// Of each row.
    services: &'static [i64],
    faults: Faults,
    policy: &'static Policy,
    sabotage: Sabotage,
}

const ONE: &[i64] = &[7];
const TWO_OF_ONE: &[i64] = &[7, 7];
const TWO_OF_TWO: &[i64] = &[7, 8];

/// The oldest sight of a world stays what it is.
const AGE_MAX: Duration = Duration::from_secs(2000);

fn setting(n_lives: usize, services: &'static [i64], faults: Faults, sabotage: Sabotage) -> &'static Setting {
    let is_alone = n_lives == 1;
    let mut patience = PATIENCE;
    patience.n_answered = 3;
    let policy = Policy {
        rate: Rate::Unlimited,
        concurrency: Concurrency::Fixed(services.len()),
        max_attempts: 2,
        // Chance has no say.
        retry_first: Duration::ZERO,
        retry_longest: Duration::ZERO,
        settle_delay: match sabotage {
            Sabotage::BelieveAtOnce => Duration::ZERO,
            _ => SETTLE_DELAY,
        },
        patience,
        guards: GuardLimits {
            n_alone: 0,
            blame: if is_alone { Blame::Run } else { Blame::Lote },
            reach_within: None,
            unavailable_max: None,
            ..GuardLimits::default()
        },
        lasting: if is_alone { Lasting::UntilDrained } else { Lasting::Forever },
        ..Policy::default()
    };
    let policy = Box::leak(Box::new(policy));
    Box::leak(Box::new(Setting { n_lives, is_alone, services, faults, policy, sabotage }))
}

/// Explores a space in which so much goes wrong at most.
fn check(n_lives: usize, services: &'static [i64], faults: Faults) {
    let explored = explore(setting(n_lives, services, faults, Sabotage::None));
    assert_eq!(explored.violation, None, "{}", explored.violation.as_deref().unwrap_or_default());
    assert!(explored.oldest < AGE_MAX, "a world lives for {:?}", explored.oldest);
    let Explored { n_states, n_steps, n_ends, oldest, took, .. } = explored;
    eprintln!(
        "{n_lives} x {services:?}, {} faults: {n_states} states, {n_steps} steps, {n_ends} ends,",
        faults.all
    );
    eprintln!("  worlds of {oldest:?}, in {took:.1?}");
}

#[test]
fn one_worker_with_whatever_may_go_wrong() {
    check(1, ONE, Faults::any(2));
    check(1, TWO_OF_ONE, Faults::any(1));
    check(1, TWO_OF_TWO, Faults::any(1));
}

#[test]
fn two_workers_with_whatever_may_go_wrong() {
    check(2, ONE, Faults::any(1));
    check(2, TWO_OF_ONE, Faults::any(1));
    check(2, TWO_OF_TWO, Faults::any(1));
}

#[test]
#[ignore = "the whole form, of minutes: `simulation/run --whole`"]
fn the_whole_space() {
    check(1, ONE, Faults::any(3));
    check(1, TWO_OF_ONE, Faults::any(2));
    check(1, TWO_OF_TWO, Faults::any(2));
    check(2, ONE, Faults::any(2));
    check(2, TWO_OF_ONE, Faults::any(1));
    check(2, TWO_OF_TWO, Faults::any(1));
}

#[test]
fn what_is_broken_on_purpose_is_found() {
    let none = Faults::default();
    let crash = Faults { all: 1, crashes: 1, ..none };
    let again = "is posted although it has a ticket";
    for (sabotage, n_lives, faults, found) in [
        (Sabotage::ForgetDoubts, 1, crash, again),
        (Sabotage::ForgetDoubts, 2, crash, again),
        (Sabotage::BelieveAtOnce, 2, Faults { all: 1, answers: 1, ..none }, again),
        (Sabotage::BelieveOnce, 2, Faults { all: 2, answers: 2, ..none }, again),
        (Sabotage::NoFence, 2, Faults { all: 1, freezes: 1, ..none }, again),
        (Sabotage::SayNothing, 2, Faults { all: 1, failovers: 1, ..none }, again),
        (Sabotage::SkipRecovery, 1, crash, "nothing happens any more"),
    ] {
        let sound = explore(setting(n_lives, ONE, faults, Sabotage::None));
        assert_eq!(sound.violation, None, "{sabotage:?} would be of no matter");
        let violation = explore(setting(n_lives, ONE, faults, sabotage)).violation.unwrap_or_default();
        assert!(violation.contains(found), "{sabotage:?}: {violation}");
    }
}
