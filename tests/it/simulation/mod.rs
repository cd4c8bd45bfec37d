//! The promise, under thousands of seeds: the real run loop against a server, an outbox and a
//! process that fail in every way of the stated fault set, under virtual time.
//!
//! A seed that breaks the promise is printed with the command that replays it. `MUTIRAO_SEED=N`
//! replays one; `MUTIRAO_SEEDS=N` sets how many each of the tests tries.

mod server;
mod world;

use self::world::{Sabotage, World};
use crate::support::world::in_virtual_time;

/// Seeds of each of the four tests below, which run side by side.
const N_SEEDS: u64 = 300;

#[test]
fn no_ticket_is_opened_twice_and_none_is_lost_1() {
    try_seeds(1);
}

#[test]
fn no_ticket_is_opened_twice_and_none_is_lost_2() {
    try_seeds(2);
}

#[test]
fn no_ticket_is_opened_twice_and_none_is_lost_3() {
    try_seeds(3);
}

#[test]
fn no_ticket_is_opened_twice_and_none_is_lost_4() {
    try_seeds(4);
}

/// The checker itself is checked: an outbox that forgets doubts makes posts without look-ups, and
/// within a few seeds that is seen.
#[test]
fn a_forgotten_doubt_is_caught() {
    let caught = (0..40).flat_map(|seed| live(seed, Sabotage::ForgetDoubts));
    assert!({ caught }.any(|it| it.contains("is posted again over")));
}

/// And a row that vanishes is seen as well.
#[test]
fn a_lost_row_is_caught() {
    let caught = (0..40).flat_map(|seed| live(seed, Sabotage::SkipRecovery));
    assert!({ caught }.any(|it| it.contains("is left InFlight")));
}

fn try_seeds(part: u64) {
    let number = |name| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let seeds = match (number("MUTIRAO_SEED"), number("MUTIRAO_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, n_seeds) => part * 1_000_000..part * 1_000_000 + n_seeds.unwrap_or(N_SEEDS),
    };
    for seed in seeds {
        let violations = live(seed, Sabotage::None);
        assert!(
            violations.is_empty(),
            "seed {seed} breaks the promise:\n  {}\nreplay it with: MUTIRAO_SEED={seed} cargo test --test it \
             simulation::no_ticket_is_opened_twice_and_none_is_lost_1",
            violations.join("\n  "),
        );
    }
}

/// Lives through one seed, and returns what broke the promise.
fn live(seed: u64, sabotage: Sabotage) -> Vec<String> {
    in_virtual_time(async { World::new(seed, sabotage).live().await })
}
