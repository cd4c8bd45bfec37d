//! The promise, under thousands of seeds: the real run loop against a server, an outbox and a
//! process that fail in every way of the stated fault set, under virtual time.
//!
//! A seed that breaks the promise is printed with the command that replays it. `MUTIRAO_SEED=N`
//! replays one; `MUTIRAO_SEEDS=N` sets how many each of the tests tries.

mod fleet;
mod server;
mod world;

use std::collections::BTreeSet;

use self::fleet::Fleet;
use self::world::{Sabotage, Tale, World};
use crate::support::world::in_virtual_time;

/// Seeds of each of the four tests below, which run side by side.
const N_SEEDS: u64 = 300;

/// And of each of the two with several workers.
const N_FLEETS: u64 = 100;

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

/// The checker itself is checked: an outbox that forgets doubts makes posts without look-ups.
#[test]
fn a_forgotten_doubt_is_caught() {
    caught(Sabotage::ForgetDoubts, "is posted again over");
}

#[test]
fn a_look_up_believed_too_early_is_caught() {
    caught(Sabotage::ShortDelay, "is posted again over");
}

#[test]
fn a_lost_row_is_caught() {
    caught(Sabotage::SkipRecovery, "is left InFlight");
}

#[test]
fn markers_made_of_a_name_are_caught() {
    caught(Sabotage::NamedKeys, "which is not its ticket");
}

#[test]
fn blind_eyes_that_are_believed_are_caught() {
    caught(Sabotage::BelieveTheBlind, "is posted again over");
}

#[test]
fn a_short_text_that_stands_for_a_long_one_is_caught() {
    caught(Sabotage::AnySight, "is posted again over");
}

#[test]
fn markers_compared_byte_by_byte_are_caught() {
    caught(Sabotage::CompareBytes, "is posted again over");
}

#[test]
fn markers_that_are_not_read_as_html_are_caught() {
    caught(Sabotage::CompareEscaped, "is posted again over");
}

#[test]
fn waits_on_a_clock_that_can_be_set_are_caught() {
    caught(Sabotage::SetWaits, "is posted again over");
}

#[test]
fn a_step_of_the_machines_clock_between_two_runs_is_caught_if_no_other_is_asked() {
    caught(Sabotage::OneClock, "is posted again over");
}

#[test]
fn a_step_of_hubsofts_clock_between_two_runs_is_caught_if_no_other_is_asked() {
    caught(Sabotage::HubSoftsClock, "is posted again over");
}

#[track_caller]
fn caught(sabotage: Sabotage, expected: &str) {
    let mut violations = (0..1000).flat_map(|seed| live(seed, sabotage).violations);
    assert!(violations.any(|it| it.contains(expected)), "nobody noticed {sabotage:?}");
}

/// Several workers over one outbox.
#[test]
fn a_fleet_opens_none_twice_and_loses_none_1() {
    try_fleets(1);
}

#[test]
fn a_fleet_opens_none_twice_and_loses_none_2() {
    try_fleets(2);
}

/// Seen: while nothing could be shared, what was claimed was given back and claimed again, without an end.
#[test]
fn a_fleet_whose_shares_fail_does_not_claim_for_ever() {
    assert_eq!(live_as_fleet(61, Sabotage::None).violations, Vec::<String>::new());
}

#[test]
fn slots_given_twice_are_caught() {
    caught_in_a_fleet(Sabotage::SameSlots, "requests in a second");
}

#[test]
fn what_nobody_says_again_after_a_failover_is_caught() {
    caught_in_a_fleet(Sabotage::ForgetLately, "is posted again over");
}

#[test]
fn slots_given_anew_after_a_step_of_the_databases_clock_are_caught() {
    caught_in_a_fleet(Sabotage::SlotsAnew, "requests in a second");
}

#[track_caller]
fn caught_in_a_fleet(sabotage: Sabotage, expected: &str) {
    let mut violations = (0..100).flat_map(|seed| live_as_fleet(seed, sabotage).violations);
    assert!(violations.any(|it| it.contains(expected)), "nobody noticed {sabotage:?}");
}

#[test]
fn the_fleets_see_bad_weather() {
    // Seldom: that a row is settled for another's ticket.
    let seeds = (0..100).chain(1000..1200);
    let seen: BTreeSet<_> = seeds.flat_map(|seed| live_as_fleet(seed, Sabotage::None).seen).collect();
    let seen = seen.into_iter().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(seen);
}

/// What the seeds go through, so that a change which makes them harmless is seen.
#[test]
fn the_seeds_see_bad_weather() {
    let seen: BTreeSet<_> = (0..250).flat_map(|seed| live(seed, Sabotage::None).seen).collect();
    let seen = seen.into_iter().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(seen);
}

/// A seed that fails can be replayed.
#[test]
fn a_seed_tells_the_same_tale_twice() {
    for seed in 0..50 {
        assert_eq!(live(seed, Sabotage::None), live(seed, Sabotage::None), "seed {seed}");
    }
}

fn try_seeds(part: u64) {
    try_all(part, N_SEEDS, |seed| live(seed, Sabotage::None).violations);
}

fn try_fleets(part: u64) {
    try_all(part, N_FLEETS, |seed| live_as_fleet(seed, Sabotage::None).violations);
}

fn try_all(part: u64, n_seeds: u64, violations_of: impl Fn(u64) -> Vec<String>) {
    let number = |name| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let seeds = match (number("MUTIRAO_SEED"), number("MUTIRAO_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, some) => part * 1_000_000..part * 1_000_000 + some.unwrap_or(n_seeds),
    };
    for seed in seeds {
        let violations = violations_of(seed);
        assert!(
            violations.is_empty(),
            "seed {seed} breaks the promise:\n  {}\nreplay it with: MUTIRAO_SEED={seed} cargo test --test it \
             simulation, the test that failed",
            violations.join("\n  "),
        );
    }
}

fn live(seed: u64, sabotage: Sabotage) -> Tale {
    in_virtual_time(async { World::new(seed, sabotage).live().await })
}

fn live_as_fleet(seed: u64, sabotage: Sabotage) -> Tale {
    in_virtual_time(async { Fleet::new(seed, sabotage).live().await })
}
