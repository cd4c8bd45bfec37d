//! How fast it goes, and how it slows down when asked to.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use mutirao::delivery::{Concurrency, Rate, Reason, Reply, RequestKind, State, Verdict};

use super::Bench;
use crate::support::memory_outbox::MemoryOutbox;
use crate::support::world::{fault, in_virtual_time, opened, reply, start, ticket};

fn peak_in_1s(times: &[f64]) -> usize {
    (0..times.len())
        .map(|from| times[from..].iter().take_while(|at| **at - times[from] < 1.0).count())
        .max()
        .unwrap_or(0)
}

#[test]
fn fifty_a_second_are_fifty_a_second() {
    in_virtual_time(async {
        let mut bench = Bench::new(3001);
        bench.policy.rate = Rate::PerSecond(50.0);
        let ending = bench.run().await;
        assert_eq!(ending.reason, Reason::Drained);
        let times = bench.api.seconds(RequestKind::Post);
        assert_eq!(times.len(), 3001);
        let mean = 3000.0 / (times[3000] - times[0]);
        assert!((49.5..=50.5).contains(&mean), "{mean}/s");
        assert!((49.5..=50.5).contains(&ending.stats.mean_per_s()), "{}/s", ending.stats.mean_per_s());
        assert!(peak_in_1s(&times) <= 51);
        assert!(ending.stats.peak_in_1s <= 51);
        let n_close = times.windows(2).filter(|pair| pair[1] - pair[0] < 0.010).count();
        assert_eq!(n_close, 0, "closer than half a slot");
    });
}

#[test]
fn without_a_limit_no_sender_waits_for_a_commit() {
    in_virtual_time(async {
        let mut bench = Bench::new(6_400);
        bench.policy.concurrency = Concurrency::Fixed(64);
        // A commit that takes as long as an honest disk does.
        bench.outbox.set_weather(|| {
            (crate::support::memory_outbox::Trouble::None, Duration::from_millis(5), Duration::ZERO)
        });
        let ending = bench.run().await;
        assert_eq!(ending.stats.opened, 6_400);
        assert_eq!(bench.api.most_in_flight.get(), 64);
        let ideal = 6_400.0 / 64.0 * 0.050;
        let taken = ending.stats.elapsed.as_secs_f64();
        assert!(ideal / taken >= 0.95, "{taken} s instead of {ideal} s");
        assert!(bench.outbox.n_claims.get() < 6_400 / 16, "{} claims", bench.outbox.n_claims.get());
    });
}

#[test]
fn few_rows_are_claimed_ahead_of_a_slow_pace() {
    in_virtual_time(async {
        let mut bench = Bench::new(40);
        bench.policy.rate = Rate::PerSecond(5.0);
        let outbox = bench.outbox.clone();
        bench.api.post = Box::new(move |asked| {
            let n_held = outbox.count(State::InFlight);
            // Two slots of the next half second, the one that is answered, and those being stored.
            assert!(n_held <= 5, "{n_held} rows are claimed");
            opened(asked.service)
        });
        assert_eq!(bench.run().await.stats.opened, 40);
    });
}

#[test]
fn at_a_pace_outcomes_are_stored_with_the_next_claim() {
    for (rate, n_rows, n_commits_max) in [(50.0, 200, 20), (20.0, 200, 36), (5.0, 40, 30), (1.0, 40, 45)] {
        in_virtual_time(async {
            let mut bench = Bench::new(n_rows);
            bench.policy.rate = Rate::PerSecond(rate);
            let stats = bench.run().await.stats;
            assert_eq!(stats.opened, n_rows.unsigned_abs());
            let n_commits = bench.outbox.n_commits();
            assert!(n_commits <= n_commits_max, "{n_commits} commits of {n_rows} rows at {rate}/s");
            let seconds = stats.elapsed.as_secs_f64();
            assert!(seconds < n_rows as f64 / rate + 0.1, "{seconds} s at {rate}/s");
        });
    }
}

/// Each waits for the one before it, of its service, to be stored.
#[test]
fn rows_that_wait_for_an_outcome_lose_no_slot() {
    in_virtual_time(async {
        let mut bench = Bench::new(0);
        let tickets = (0..60).map(|n| ticket(1 + n % 3, "Sem sinal"));
        bench.outbox = Rc::new(MemoryOutbox::with(tickets, start()));
        let n_opened = Cell::new(0);
        bench.api.post = Box::new(move |_| {
            n_opened.set(n_opened.get() + 1);
            opened(n_opened.get())
        });
        bench.policy.rate = Rate::PerSecond(20.0);
        let stats = bench.run().await.stats;
        assert_eq!(stats.opened, 60);
        assert!(stats.elapsed < Duration::from_millis(3100), "{:?}", stats.elapsed);
    });
}

#[test]
fn one_an_hour_holds_no_claim_for_an_hour() {
    in_virtual_time(async {
        let mut bench = Bench::new(3);
        bench.policy.rate = Rate::PerSecond(1.0 / 3600.0);
        let ending = bench.run().await;
        assert_eq!((ending.stats.opened, ending.stats.deferred), (3, 0));
        assert_eq!(bench.api.seconds(RequestKind::Post), [0.0, 3600.0, 7200.0]);
    });
}

#[test]
fn look_ups_have_their_share() {
    in_virtual_time(async {
        let mut bench = Bench::new(200);
        bench.policy.rate = Rate::PerSecond(10.0);
        bench.policy.guards.n_alone = 0;
        // Every tenth answer is lost, and its ticket is found.
        bench.api.post = Box::new(|asked| match asked.service % 10 {
            0 => reply(Verdict::Unknown(fault("timeout")), None),
            _ => opened(asked.service),
        });
        bench.api.look_up = Box::new(|asked| {
            let opening = crate::support::world::opening(asked.service);
            let seen = mutirao::delivery::Sighting::Found {
                opening,
                others: Vec::new(),
                beside: Vec::new(),
                conflict: None,
            };
            reply(Verdict::Answered(seen), Some(200))
        });
        let ending = bench.run().await;
        assert_eq!((ending.stats.opened, ending.stats.adopted), (200, 20));
        let asked = bench.api.asked();
        for lost in asked.iter().filter(|it| it.kind == RequestKind::Post && it.service % 10 == 0) {
            let found = asked.iter().find(|it| it.kind == RequestKind::LookUp && it.service == lost.service);
            let wait = found.expect("it was looked up").at - lost.at;
            assert!(wait < Duration::from_secs(4), "waited {wait:?} behind posts");
        }
    });
}

#[test]
fn a_429_pauses_everybody_and_spends_nothing() {
    in_virtual_time(async {
        let mut bench = Bench::new(100);
        bench.policy.rate = Rate::PerSecond(20.0);
        let throttled = Cell::new(false);
        bench.api.post = Box::new(move |asked| {
            if asked.service == 30 && !throttled.replace(true) {
                return Reply {
                    retry_after: Some(Duration::from_secs(20)),
                    ..reply(Verdict::Throttled, Some(429))
                };
            }
            opened(asked.service)
        });
        let ending = bench.run().await;
        assert_eq!(ending.stats.opened, 100);
        assert!(bench.outbox.rows().iter().all(|(_, row)| row.attempts == 1));
        let times = bench.api.seconds(RequestKind::Post);
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!((19.9..20.2).contains(&longest), "{longest} s");
        assert!(peak_in_1s(&times) <= 21, "no burst after the throttle");
        let reasons: Vec<_> =
            ending.stats.throttles.iter().map(|it| mutirao::text::throttle(&it.reason)).collect();
        assert_eq!(reasons, ["HubSoft answered 429 (too many requests) and asked to wait 20 s"]);
    });
}

/// Each was told as a throttle of its own, and together they took longer than the run.
#[test]
fn pauses_that_overlap_are_told_as_one() {
    in_virtual_time(async {
        let mut bench = Bench::new(100);
        bench.policy.rate = Rate::PerSecond(50.0);
        bench.policy.guards.n_alone = 0;
        let n_throttled = Cell::new(0);
        bench.api.post = Box::new(move |asked| {
            let nth = n_throttled.replace(n_throttled.get() + 1);
            if nth < 3 {
                let retry_after = Some(Duration::from_secs(20 + nth));
                return Reply { retry_after, ..reply(Verdict::Throttled, Some(429)) };
            }
            opened(asked.service)
        });
        let ending = bench.run().await;
        assert_eq!(ending.stats.opened, 100);
        let throttles = &ending.stats.throttles;
        assert_eq!(throttles.len(), 1, "{throttles:?}");
        assert_eq!(throttles[0].length.as_secs(), 22, "{throttles:?}");
    });
}

/// Seen: 900 posts a second.
#[test]
fn retry_after_0_is_no_flood() {
    in_virtual_time(async {
        let mut bench = Bench::new(100);
        bench.policy.guards.unavailable_max = Some(Duration::from_secs(120));
        bench.api.post =
            Box::new(|_| Reply { retry_after: Some(Duration::ZERO), ..reply(Verdict::Throttled, Some(429)) });
        let ending = bench.run().await;
        let Reason::Halted(halt) = ending.reason else { panic!("it halts") };
        assert_eq!(
            mutirao::text::halt(&halt),
            "HubSoft has been unavailable for 2 min: HubSoft answered 429 (too many requests)"
        );
        // Five go alone each time, and are refused together.
        assert!(ending.stats.posts <= 8 * 5, "{} posts in two minutes", ending.stats.posts);
    });
}

/// Seen: `expires_in: 0` made a login a request.
#[test]
fn tokens_that_do_not_last_make_no_flood_of_logins() {
    in_virtual_time(async {
        let bench = Bench::new(20);
        bench.api.logs_in.set(true);
        assert_eq!(bench.run().await.stats.opened, 20);
        let logins = bench.api.seconds(RequestKind::Login);
        let most = (0..logins.len()).map(|n| logins[n..].partition_point(|it| *it < logins[n] + 60.0)).max();
        assert!(most <= Some(6), "{most:?} in a minute: {logins:?}");
    });
}

#[test]
fn guessed_pauses_grow() {
    in_virtual_time(async {
        let mut bench = Bench::new(1);
        let n_left = Cell::new(4);
        bench.api.post = Box::new(move |asked| match n_left.replace(n_left.get() - 1) {
            1.. => reply(Verdict::Throttled, Some(429)),
            _ => opened(asked.service),
        });
        let ending = bench.run().await;
        assert_eq!(ending.stats.opened, 1);
        let lengths: Vec<_> = ending.stats.throttles.iter().map(|it| it.length.as_secs()).collect();
        assert_eq!(lengths, [1, 2, 4, 8]);
    });
}

#[test]
fn the_breaker_opens_probes_and_lets_one_through() {
    in_virtual_time(async {
        let mut bench = Bench::new(60);
        // Nobody is there from second 1 to second 40.
        let is_out = |at: Duration| (1..40).contains(&at.as_secs());
        bench.policy.rate = Rate::PerSecond(10.0);
        bench.api.post = Box::new(move |asked| match is_out(asked.at) {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => opened(asked.service),
        });
        bench.api.probe = Box::new(move |asked| match is_out(asked.at) {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => reply(Verdict::Answered(()), Some(200)),
        });
        let ending = bench.run().await;
        assert_eq!((ending.reason, ending.stats.opened), (Reason::Drained, 60));
        assert!(bench.outbox.rows().iter().all(|(_, row)| row.attempts == 1), "no attempt was spent");
        let asked = bench.api.asked();
        let probes: Vec<_> = bench.api.seconds(RequestKind::Probe);
        let waits: Vec<_> = probes.windows(2).map(|pair| (pair[1] - pair[0]).round()).collect();
        assert_eq!(waits, [10.0, 20.0, 30.0]);
        let posts_in_the_dark =
            asked.iter().filter(|it| it.kind == RequestKind::Post && is_out(it.at)).count();
        assert!(posts_in_the_dark <= 7, "{posts_in_the_dark} posts were tried");
        let back = asked.iter().rposition(|it| it.kind == RequestKind::Probe).expect("it was probed");
        assert_eq!(asked[back + 1].kind, RequestKind::Post);
        assert!(asked[back + 2].at - asked[back + 1].at >= Duration::from_millis(50), "the first goes alone");
    });
}
