//! A clean stop: nothing new is sent, what is in flight is waited for, everything is stored.

use std::time::Duration;

use mutirao::delivery::{Concurrency, Lasting, Rate, Reason, RequestKind, State};
use tokio::time::sleep;

use super::Bench;
use crate::support::memory_outbox::Trouble;
use crate::support::world::in_virtual_time;

#[test]
fn what_is_in_flight_finishes_and_the_rest_goes_back() {
    in_virtual_time(async {
        let mut bench = Bench::new(100);
        bench.policy.concurrency = Concurrency::Fixed(4);
        bench.api.latency.set(Duration::from_secs(10));
        let stop = bench.control.stop.clone();
        let ((), ending) = tokio::join!(
            async {
                sleep(Duration::from_secs(25)).await;
                stop.cancel();
            },
            bench.run()
        );
        assert_eq!((ending.reason, ending.stats.unsettled), (Reason::Stopped, 0));
        let posts = bench.api.seconds(RequestKind::Post);
        assert!(posts.iter().all(|at| *at < 25.0));
        assert_eq!(bench.outbox.count(State::Opened), posts.len(), "every answer was waited for");
        assert_eq!(bench.outbox.count(State::Pending), 100 - posts.len());
        let untouched = bench.outbox.rows().into_iter().filter(|(_, row)| row.state == State::Pending);
        assert!({ untouched }.all(|(_, row)| row.sent_at.is_none() && row.attempts == 0));
        assert!(ending.stats.elapsed < Duration::from_secs(36));
    });
}

#[test]
fn what_outlasts_the_grace_is_left_in_doubt() {
    in_virtual_time(async {
        let mut bench = Bench::new(10);
        bench.policy.concurrency = Concurrency::Fixed(2);
        bench.policy.grace = Duration::from_secs(5);
        bench.api.latency.set(Duration::from_secs(60));
        let stop = bench.control.stop.clone();
        let ((), ending) = tokio::join!(
            async {
                sleep(Duration::from_secs(10)).await;
                stop.cancel();
            },
            bench.run()
        );
        assert_eq!((ending.reason, ending.stats.unsettled), (Reason::Stopped, 0));
        let seconds = ending.stats.elapsed.as_secs_f64();
        assert!((15.0..15.1).contains(&seconds), "{seconds} s");
        let rows = bench.outbox.rows();
        assert_eq!(rows.iter().filter(|(_, row)| row.state == State::InDoubt).count(), 2);
        assert!(rows.iter().all(|(_, row)| row.attempts == 0));
    });
}

/// Seen: a worker whose database hung ended by `kill -9` only.
#[test]
fn an_outbox_that_hangs_holds_up_no_stop() {
    in_virtual_time(async {
        for lasting in [Lasting::Forever, Lasting::UntilDrained] {
            let mut bench = Bench::new(100);
            bench.policy.rate = Rate::PerSecond(10.0);
            bench.policy.grace = Duration::from_secs(5);
            bench.policy.lasting = lasting;
            let hangs_from = bench.clock.elapsed() + Duration::from_secs(3);
            let clock = bench.clock;
            bench.outbox.set_weather(move || {
                let hangs = hangs_from <= clock.elapsed();
                (Trouble::None, Duration::from_secs(if hangs { 86_400 } else { 0 }), Duration::ZERO)
            });
            let stop = bench.control.stop.clone();
            let ((), ending) = tokio::join!(
                async {
                    sleep(Duration::from_secs(10)).await;
                    stop.cancel();
                },
                bench.run()
            );
            assert_eq!(ending.reason, Reason::Stopped);
            assert!(ending.stats.elapsed <= Duration::from_secs(17), "{:?}", ending.stats.elapsed);
            let n_left = bench.outbox.count(State::InFlight);
            assert!(
                0 < n_left && n_left as u64 <= ending.stats.unsettled,
                "they are looked up by the next run"
            );
        }
    });
}

#[test]
fn a_stop_does_not_wait_for_a_slot_or_a_retry() {
    in_virtual_time(async {
        let mut bench = Bench::new(100);
        bench.policy.rate = Rate::PerSecond(1.0 / 60.0);
        let stop = bench.control.stop.clone();
        let ((), ending) = tokio::join!(
            async {
                sleep(Duration::from_millis(90_300)).await;
                stop.cancel();
            },
            bench.run()
        );
        assert_eq!((ending.reason, ending.stats.posts), (Reason::Stopped, 2));
        assert!(ending.stats.elapsed < Duration::from_millis(90_400));
    });
}

#[test]
fn a_stop_before_the_beginning_sends_nothing() {
    in_virtual_time(async {
        let bench = Bench::new(3);
        bench.control.stop.cancel();
        let ending = bench.run().await;
        assert_eq!((ending.reason, ending.stats.posts), (Reason::Stopped, 0));
    });
}
