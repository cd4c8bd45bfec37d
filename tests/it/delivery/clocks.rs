//! What a run does when clocks are set: its waits are its own.

use std::cell::Cell;
use std::time::Duration;

use mutirao::delivery::{Clock, Concurrency, Control, Rate, Reply, RequestKind, State, Verdict, run};
use tokio::time::{sleep, timeout};

use super::Bench;
use super::fleet::Fleet;
use crate::support::memory_worker::MemoryWorker;
use crate::support::world::{VirtualClock, fault, in_virtual_time, opened, reply, start};

const HOUR_S: i64 = 3600;

/// The first post is lost, the second one works.
fn bench() -> Bench {
    let mut bench = Bench::new(1);
    let n_posts = Cell::new(0);
    bench.api.post = Box::new(move |asked| match n_posts.replace(n_posts.get() + 1) {
        0 => lost(),
        _ => opened(asked.service),
    });
    bench
}

fn lost() -> Reply {
    reply(Verdict::Unknown(fault("timeout")), None)
}

/// Sets the machine's clock after so many seconds of the run; tells when there were posts.
fn set_while_it_runs(after_s: u64, by_s: i64) -> Vec<f64> {
    in_virtual_time(async {
        let bench = bench();
        let setting = async {
            sleep(Duration::from_secs(after_s)).await;
            bench.clock.step(by_s);
        };
        let (ending, ()) = tokio::join!(bench.run(), setting);
        assert_eq!(ending.stats.opened, 1);
        bench.api.seconds(RequestKind::Post)
    })
}

#[test]
fn a_clock_that_is_set_ends_no_settle_delay_and_prolongs_none() {
    for by_s in [600, 72 * HOUR_S, -600, -72 * HOUR_S] {
        let posts = set_while_it_runs(5, by_s);
        assert!((130.0..133.0).contains(&posts[1]), "set by {by_s} s: {posts:?}");
    }
}

/// The first run dies, the clock is set, and the next run comes `after_s` later. Tells when it posts.
fn set_between_two_runs(tells_time: bool, after_s: u64, by_s: i64) -> f64 {
    in_virtual_time(async {
        let bench = bench();
        bench.api.tells_time.set(tells_time);
        assert!(timeout(Duration::from_secs(5), bench.run()).await.is_err(), "it dies");
        assert_eq!(bench.outbox.count(State::InFlight) + bench.outbox.count(State::InDoubt), 1);
        bench.clock.step(by_s);
        bench.outbox.see(10_000, bench.clock.now());
        sleep(Duration::from_secs(after_s)).await;
        let ending = bench.run().await;
        assert_eq!(ending.stats.opened, 1);
        bench.api.seconds(RequestKind::Post)[1]
    })
}

#[test]
fn a_clock_that_was_set_ahead_between_two_runs_ends_no_settle_delay() {
    // HubSoft's clock tells how long it has been.
    let at = set_between_two_runs(true, 60, 600);
    assert!((130.0..136.0).contains(&at), "{at}");
    // Nobody tells: the second run waits itself.
    let at = set_between_two_runs(false, 60, 600);
    assert!((190.0..201.0).contains(&at), "{at}");
    // Both clocks say that it was long enough; two absences of this run are needed all the same.
    let at = set_between_two_runs(true, 600, 0);
    assert!((605.0..625.0).contains(&at), "{at}");
}

#[test]
fn a_row_does_not_wait_for_hours_when_the_clock_was_set_back() {
    for by_s in [-HOUR_S, -72 * HOUR_S] {
        let at = set_between_two_runs(true, 200, by_s);
        assert!(at < 400.0, "set back by {by_s} s: {at}");
    }
}

/// The very rows that a `reconcile` is for.
#[test]
fn a_doubt_from_a_time_yet_to_come_is_looked_up_at_once() {
    in_virtual_time(async {
        let bench = bench();
        bench.clock.step(72 * HOUR_S);
        assert!(timeout(Duration::from_secs(50), bench.run()).await.is_err(), "it dies");
        let n_before = bench.api.count(RequestKind::LookUp);
        bench.clock.step(-72 * HOUR_S);
        assert!(start() + Duration::from_secs(HOUR_S as u64) < bench.outbox.row(1).available_at);
        assert!(timeout(Duration::from_secs(2), bench.run()).await.is_err(), "it dies");
        assert_eq!(bench.api.count(RequestKind::LookUp), n_before + 1);
    });
}

/// A hypervisor froze the machine: its own clocks stood still, and what it claimed may be another's by now.
#[test]
fn what_was_claimed_before_the_machine_was_frozen_goes_back() {
    in_virtual_time(async {
        let mut bench = Bench::new(3);
        bench.policy.concurrency = Concurrency::Fixed(1);
        bench.api.latency.set(Duration::from_secs(5));
        let thawing = async {
            sleep(Duration::from_secs(2)).await;
            // The time of day is told anew; the time since boot has stood still.
            bench.clock.step(HOUR_S);
        };
        let (ending, ()) = tokio::join!(bench.run(), thawing);
        assert_eq!(ending.stats.opened, 3);
        let tokens: Vec<i64> = bench.outbox.rows().iter().map(|(_, row)| row.token.0).collect();
        assert!(tokens.contains(&2), "none was sent under its old claim: {tokens:?}");
        assert_eq!(bench.api.count(RequestKind::Post), 3);
    });
}

/// Its own clocks, all of them, stood still; only the outbox's went on.
#[test]
fn what_waited_before_the_machine_was_frozen_is_not_sent_before_the_outbox_has_told_the_time() {
    in_virtual_time(async {
        let mut it = Fleet::new(3, Rate::Unlimited);
        it.policy.concurrency = Concurrency::Fixed(1);
        // The second row waits for longer than the time is taken for known, and for less than it takes to
        // hear it anew.
        it.api.latency.set(Duration::from_millis(1200));
        let frozen = VirtualClock::new();
        let worker = MemoryWorker::new(&it.outbox, it.clock, 1, Rate::Unlimited, Duration::from_secs(60));
        let control = Control::default();
        let thawing = async {
            sleep(Duration::from_millis(600)).await;
            it.clock.step(HOUR_S);
            sleep(Duration::from_secs(60)).await;
            control.stop.cancel();
            std::future::pending::<()>().await;
        };
        let ending = tokio::select! {
            ending = run(&worker, &it.api, &frozen, &it.policy, control.clone(), &()) => ending,
            () = worker.heartbeat() => unreachable!("it beats for ever"),
            () = thawing => unreachable!("it waits for ever"),
        };
        assert_eq!((ending.stats.opened, it.api.count(RequestKind::Post)), (3, 3));
        let tokens: Vec<i64> = it.outbox.rows().iter().map(|(_, row)| row.token.0).collect();
        assert!(tokens[1..].iter().all(|it| 1 < *it), "sent under a claim of an hour ago: {tokens:?}");
    });
}
