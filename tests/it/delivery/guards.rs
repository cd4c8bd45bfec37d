//! A run that goes wrong as a whole stops as a whole.

use std::cell::Cell;
use std::time::Duration;

use mutirao::delivery::{
    Concurrency, Fault, Halt, Policy, Proof, Rate, Reason, Refusal, Reply, RequestKind, State, Verdict,
};

use super::Bench;
use crate::support::memory_outbox::Trouble;
use crate::support::world::{fault, in_virtual_time, opened, opening, reply, start};

fn refused(message: &str) -> Reply {
    let fault = Fault::Refused { said: Some(message.to_owned()) };
    reply(Verdict::Rejected(fault), Some(200))
}

fn halt(reason: Reason) -> Halt {
    match reason {
        Reason::Halted(halt) => halt,
        reason => panic!("it should have halted: {reason:?}"),
    }
}

#[test]
fn five_rows_refused_alike_at_the_start_are_all_that_is_tried() {
    in_virtual_time(async {
        let mut bench = Bench::new(100);
        bench.policy.concurrency = Concurrency::Fixed(32);
        bench.api.post = Box::new(|_| refused("tipo inválido"));
        let ending = bench.run().await;
        let said = Fault::Refused { said: Some("tipo inválido".to_owned()) };
        assert_eq!(halt(ending.reason), Halt::SameRefusal { n_rows: 5, refusal: Refusal::Said(said) });
        assert_eq!(bench.api.count(RequestKind::Post), 5);
        assert_eq!(bench.outbox.count(State::Rejected), 5);
        assert_eq!(bench.outbox.count(State::Pending), 95, "the rest was not touched");
    });
}

#[test]
fn the_first_five_go_alone() {
    in_virtual_time(async {
        let mut bench = Bench::new(50);
        bench.policy.concurrency = Concurrency::Fixed(32);
        let ending = bench.run().await;
        assert_eq!(ending.stats.opened, 50);
        let posts = bench.api.seconds(RequestKind::Post);
        let n_first = posts.iter().filter(|at| **at < posts[0] + 0.050).count();
        assert_eq!(n_first, 5);
        assert!(posts[5] - posts[0] < 0.080, "and the others right after them");
    });
}

#[test]
fn twenty_rows_refused_alike_later_halt() {
    in_virtual_time(async {
        let mut bench = Bench::new(100);
        bench.policy.concurrency = Concurrency::Fixed(1);
        bench.api.post =
            Box::new(
                |asked| if asked.service <= 10 { opened(asked.service) } else { refused("sem permissão") },
            );
        let ending = bench.run().await;
        assert!(matches!(halt(ending.reason), Halt::SameRefusal { n_rows: 20, .. }));
        assert_eq!(bench.api.count(RequestKind::Post), 30);
    });
}

#[test]
fn different_refusals_do_not_halt_but_too_many_do() {
    in_virtual_time(async {
        let mut bench = Bench::new(40);
        bench.api.post = Box::new(|asked| refused(&format!("serviço {} inválido", asked.service)));
        assert_eq!(bench.run().await.reason, Reason::Drained);

        let mut bench = Bench::new(40);
        bench.policy.guards.errors_max = Some(7);
        bench.policy.concurrency = Concurrency::Fixed(1);
        bench.api.post = Box::new(|asked| refused(&format!("serviço {} inválido", asked.service)));
        assert_eq!(halt(bench.run().await.reason), Halt::TooManyErrors { n_errors: 8, limit: 7 });
        assert_eq!(bench.api.count(RequestKind::Post), 8);
    });
}

#[test]
fn three_forbidden_rows_halt_and_stay_a_lone_one_is_rejected() {
    in_virtual_time(async {
        let forbidden = || reply(Verdict::Forbidden(fault("http_403")), Some(403));
        let mut bench = Bench::new(20);
        bench.policy.concurrency = Concurrency::Fixed(1);
        bench.api.post = Box::new(move |_| forbidden());
        assert!(matches!(halt(bench.run().await.reason), Halt::Forbidden { n_rows: 3, .. }));
        assert_eq!(bench.api.count(RequestKind::Post), 3);
        assert_eq!(bench.outbox.count(State::Pending), 20, "they can be tried again with more permission");

        let mut bench = Bench::new(20);
        bench.api.post =
            Box::new(move |asked| if asked.service == 4 { forbidden() } else { opened(asked.service) });
        let ending = bench.run().await;
        assert_eq!((ending.reason, ending.stats.opened, ending.stats.rejected), (Reason::Drained, 19, 1));
        assert_eq!(bench.outbox.row(4).error_code.as_deref(), Some("http_403"));
    });
}

/// A first answer may take its time, also if others cannot even connect.
#[test]
fn who_is_waited_for_yet_was_not_never_reached() {
    in_virtual_time(async {
        let mut bench = Bench::new(20);
        bench.policy.rate = Rate::PerSecond(4.0);
        let clock = bench.clock;
        let is_away = move || clock.elapsed() < Duration::from_secs(35);
        bench.api.post = Box::new(move |asked| match is_away() {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => opened(asked.service),
        });
        bench.api.probe = Box::new(move |_| match is_away() {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => reply(Verdict::Answered(()), Some(200)),
        });
        bench.api.latency.set(Duration::from_secs(40));
        let (ending, ()) = tokio::join!(bench.run(), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            bench.api.latency.set(Duration::from_millis(50));
        });
        assert_eq!((ending.reason, ending.stats.opened), (Reason::Drained, 20));
    });
}

#[test]
fn nobody_there_halts_after_thirty_seconds() {
    in_virtual_time(async {
        let mut bench = Bench::new(20);
        bench.api.post = Box::new(|_| reply(Verdict::NotSent(fault("connect")), None));
        bench.api.probe = Box::new(|_| reply(Verdict::NotSent(fault("connect")), None));
        let ending = bench.run().await;
        let last = Some(fault("connect"));
        assert_eq!(halt(ending.reason), Halt::NeverReached { within: Duration::from_secs(30), last });
        let seconds = ending.stats.elapsed.as_secs_f64();
        assert!((30.0..30.2).contains(&seconds), "{seconds} s");
        assert_eq!(bench.outbox.count(State::Pending), 20);
        assert!(bench.outbox.rows().iter().all(|(_, row)| row.attempts == 0 && row.doubt.is_none()));
    });
}

#[test]
fn a_quarter_of_an_hour_without_a_good_answer_halts() {
    in_virtual_time(async {
        let mut bench = Bench::new(500);
        bench.policy.concurrency = Concurrency::Fixed(8);
        bench.api.post = Box::new(|asked| match asked.at.as_secs() {
            ..2 => opened(asked.service),
            _ => reply(Verdict::NotSent(fault("connect")), None),
        });
        // Its catalogue works, which opens no ticket.
        let ending = bench.run().await;
        let Halt::Unavailable { lasted, last: Some(last) } = halt(ending.reason) else {
            panic!("it says what was answered")
        };
        assert_eq!((lasted, last), (Duration::from_secs(900), fault("connect")));
        let seconds = ending.stats.elapsed.as_secs_f64();
        assert!((900.0..905.0).contains(&seconds), "{seconds} s");
    });
}

#[test]
fn a_refused_login_halts_and_spends_nothing() {
    in_virtual_time(async {
        let mut bench = Bench::new(20);
        bench.api.post = Box::new(|_| reply(Verdict::Unauthorized(fault("login_refused")), Some(401)));
        let ending = bench.run().await;
        assert_eq!(halt(ending.reason), Halt::Unauthorized(fault("login_refused")));
        assert_eq!(bench.outbox.count(State::Pending), 20);
        assert!(bench.outbox.rows().iter().all(|(_, row)| row.attempts == 0 && row.doubt.is_none()));
    });
}

#[test]
fn an_unknown_route_halts() {
    in_virtual_time(async {
        let mut bench = Bench::new(20);
        bench.api.post = Box::new(|_| reply(Verdict::Misconfigured(fault("http_404")), Some(404)));
        assert_eq!(halt(bench.run().await.reason), Halt::Misconfigured(fault("http_404")));
        assert_eq!(bench.outbox.count(State::Pending), 20);
    });
}

#[test]
fn a_lost_marker_halts_and_keeps_the_ticket() {
    in_virtual_time(async {
        let mut bench = Bench::new(20);
        bench.policy.concurrency = Concurrency::Fixed(1);
        bench.api.post = Box::new(|asked| {
            let proof = Proof {
                opening: opening(asked.service),
                marker_echoed: Some(false),
                warnings: Vec::new(),
                conflict: None,
            };
            reply(Verdict::Answered(proof), Some(200))
        });
        let ending = bench.run().await;
        assert_eq!(halt(ending.reason), Halt::EchoLost { protocolo: opening(1).protocolo });
        assert_eq!((bench.outbox.count(State::Opened), bench.outbox.count(State::Pending)), (1, 19));
    });
}

#[test]
fn the_time_to_stop_is_kept() {
    in_virtual_time(async {
        let mut bench = Bench::new(500);
        bench.policy.rate = Rate::PerSecond(5.0);
        bench.policy.guards.until = Some(start() + Duration::from_secs(10));
        let ending = bench.run().await;
        assert_eq!(halt(ending.reason), Halt::Until);
        assert_eq!(ending.stats.unsettled, 0);
        assert_eq!(bench.outbox.count(State::Opened) + bench.outbox.count(State::Pending), 500);
        assert!((48..=51).contains(&bench.outbox.count(State::Opened)));
    });
}

#[test]
fn a_full_disk_stops_sending_at_once_and_halts_in_the_end() {
    in_virtual_time(async {
        let mut bench = Bench::new(500);
        bench.policy.rate = Rate::PerSecond(10.0);
        let clock = bench.clock;
        bench.outbox.set_weather(move || {
            let trouble = if clock.elapsed().as_secs() < 5 { Trouble::None } else { Trouble::Full };
            (trouble, Duration::from_millis(1), Duration::ZERO)
        });
        let ending = bench.run().await;
        assert_eq!(halt(ending.reason), Halt::DiskFull);
        let posts = bench.api.seconds(RequestKind::Post);
        assert!(posts[posts.len() - 1] < 5.7, "nothing is sent that cannot be stored: {posts:?}");
    });
}

#[test]
fn answers_outlive_an_outbox_that_is_away_for_a_while() {
    in_virtual_time(async {
        let mut bench = Bench::new(100);
        bench.policy.rate = Rate::PerSecond(10.0);
        bench.api.latency.set(Duration::from_secs(2));
        let clock = bench.clock;
        let n_calls = Cell::new(0);
        bench.outbox.set_weather(move || {
            n_calls.set(n_calls.get() + 1);
            let trouble = match clock.elapsed().as_secs() {
                3..20 if n_calls.get() % 2 == 0 => Trouble::After,
                3..20 => Trouble::Before,
                _ => Trouble::None,
            };
            (trouble, Duration::from_millis(1), Duration::ZERO)
        });
        let ending = bench.run().await;
        assert_eq!((ending.reason, ending.stats.opened), (Reason::Drained, 100));
        assert_eq!(bench.api.count(RequestKind::Post), 100, "no answer was lost, so none was asked again");
    });
}

/// A database that is gone for good, from so many seconds on.
fn outbox_away_from(second: u64) -> Bench {
    let bench =
        Bench { policy: Policy { rate: Rate::PerSecond(10.0), ..Policy::default() }, ..Bench::new(500) };
    let clock = bench.clock;
    bench.outbox.set_weather(move || {
        let trouble = if clock.elapsed().as_secs() < second { Trouble::None } else { Trouble::Before };
        (trouble, Duration::from_millis(1), Duration::ZERO)
    });
    bench
}

#[test]
fn an_outbox_that_stays_away_is_unavailable_and_not_broken() {
    in_virtual_time(async {
        for (second, some_left) in [(0, false), (5, true)] {
            let bench = outbox_away_from(second);
            let Halt::OutboxUnavailable { lasted, n_posts, .. } = halt(bench.run().await.reason) else {
                panic!("it waits, and then halts for what it was")
            };
            assert!(Duration::from_secs(900) <= lasted, "{lasted:?}");
            assert_eq!((0 < n_posts, n_posts), (some_left, bench.api.count(RequestKind::Post) as u64));
        }
    });
}
