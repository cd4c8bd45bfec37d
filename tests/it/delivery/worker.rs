//! A run that never ends, alone: it waits instead of halting, and what is wrong with one lote holds
//! up no other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use mutirao::delivery::{
    Blame, Concurrency, Fault, GuardLimits, Halt, Lasting, Note, Policy, Rate, Reason, RequestKind, Sighting,
    State, Verdict, Verify, Watch, run,
};
use tokio::time::sleep;

use super::Bench;
use crate::support::memory_outbox::{MemoryOutbox, Trouble};
use crate::support::script::Asked;
use crate::support::world::{fault, in_virtual_time, opened, opening, reply, start, ticket};

const S: Duration = Duration::from_secs(1);

/// How `mutirao worker` runs.
pub fn worker_policy() -> Policy {
    Policy {
        rate: Rate::Unlimited,
        lasting: Lasting::Forever,
        poll: Some(S),
        guards: GuardLimits {
            n_alone: 0,
            blame: Blame::Lote,
            reach_within: None,
            unavailable_max: None,
            ..GuardLimits::default()
        },
        ..Policy::default()
    }
}

pub fn bench(n_rows: i64) -> Bench {
    Bench { policy: worker_policy(), ..Bench::new(n_rows) }
}

/// What was said.
#[derive(Default)]
pub struct Heard(RefCell<Vec<String>>);

impl Heard {
    fn has(&self, what: &str) -> bool {
        0 < self.count(what)
    }

    pub fn count(&self, what: &str) -> usize {
        self.0.borrow().iter().filter(|it| it.contains(what)).count()
    }
}

impl Watch for Heard {
    fn note(&self, note: Note<'_>) {
        self.0.borrow_mut().push(format!("{note:?}"));
    }
}

/// Runs for so long, then stops; and what it said.
pub async fn run_for(bench: &Bench, length: Duration, meanwhile: impl Future<Output = ()>) -> Heard {
    let heard = Heard::default();
    let outbox: &MemoryOutbox = &bench.outbox;
    let (ending, (), ()) = tokio::join!(
        run(outbox, &bench.api, &bench.clock, &bench.policy, bench.control.clone(), &heard),
        async {
            sleep(length).await;
            bench.control.stop.cancel();
        },
        meanwhile
    );
    assert_eq!((ending.reason, ending.stats.unsettled), (Reason::Stopped, 0));
    heard
}

#[test]
fn it_waits_for_rows_and_finds_them() {
    in_virtual_time(async {
        let bench = bench(3);
        let come = async {
            sleep(100 * S).await;
            bench.outbox.insert(ticket(50, "Sem sinal"), start() + 100 * S, None);
        };
        run_for(&bench, 200 * S, come).await;
        assert_eq!(bench.outbox.count(State::Opened), 4);
        let posts = bench.api.seconds(RequestKind::Post);
        assert!(posts[3] < 101.5, "{posts:?}");
        assert!(bench.outbox.n_claims.get() < 300, "{} claims", bench.outbox.n_claims.get());
    });
}

/// The outbox sees that a lease lasts when it is asked for rows, and its answer may come long after.
#[test]
fn a_claim_is_as_old_as_its_question() {
    in_virtual_time(async {
        let mut bench = bench(60);
        bench.policy.concurrency = Concurrency::Fixed(1);
        bench.api.latency.set(4 * S);
        bench.outbox.set_weather(|| (Trouble::None, Duration::ZERO, 20 * S));
        run_for(&bench, 900 * S, async {}).await;
        assert_eq!(bench.outbox.count(State::Opened), 60);
        let rows = bench.outbox.rows();
        let age = |post: &Asked| {
            let row = rows.iter().find(|it| it.1.ticket.id_cliente_servico.get() == post.service);
            let claimed_at = row.and_then(|it| it.1.sent_at).expect("it was claimed");
            (start() + post.at).duration_since(claimed_at).as_secs_f64()
        };
        let ages: Vec<f64> = bench.api.asked().iter().map(age).collect();
        assert!(ages.iter().all(|it| *it < 45.5), "{ages:?}");
        assert!(ages.iter().any(|it| 40.0 < *it), "rows waited until they were too old: {ages:?}");
    });
}

#[test]
fn a_refused_login_is_waited_out() {
    in_virtual_time(async {
        let mut bench = bench(20);
        let is_refused = |at: Duration| at < 300 * S;
        let refused = || Verdict::Unauthorized(fault("login_refused"));
        bench.api.post = Box::new(move |asked| match is_refused(asked.at) {
            true => reply(refused(), Some(401)),
            false => opened(asked.service),
        });
        bench.api.probe = Box::new(move |asked| match is_refused(asked.at) {
            true => reply(Verdict::Unauthorized(fault("login_refused")), Some(401)),
            false => reply(Verdict::Answered(()), Some(200)),
        });
        let heard = run_for(&bench, 400 * S, async {}).await;
        assert_eq!(bench.outbox.count(State::Opened), 20);
        assert!(bench.outbox.rows().iter().all(|(_, row)| row.attempts == 1), "nothing was spent");
        let probes = bench.api.seconds(RequestKind::Probe);
        assert!((8..=14).contains(&probes.len()), "it probes now and then: {probes:?}");
        assert!(heard.has("Halted(Unauthorized") && heard.has("HaltOver"));
        let n_told = heard.0.borrow().iter().filter(|it| it.contains("Halted")).count();
        assert_eq!(n_told, 1, "once is enough");
    });
}

#[test]
fn a_missing_permission_burns_no_rows() {
    in_virtual_time(async {
        let mut bench = bench(40);
        bench.api.post = Box::new(|asked| match asked.at < 600 * S {
            true => reply(Verdict::Forbidden(fault("http_403")), Some(403)),
            false => opened(asked.service),
        });
        let heard = run_for(&bench, 700 * S, async {}).await;
        assert!(heard.has("Halted(Forbidden") && heard.has("HaltOver"));
        assert_eq!(bench.outbox.count(State::Opened), 40);
    });
}

#[test]
fn the_lote_that_is_refused_halts_and_the_others_go_on() {
    in_virtual_time(async {
        let mut bench = bench(0);
        bench.policy.rate = Rate::PerSecond(20.0);
        for service in 1..=200 {
            let lote = if service % 2 == 0 { "errado" } else { "certo" };
            bench.outbox.insert_in(lote, ticket(service, "Sem sinal"), start());
        }
        let refusal = || Fault::Refused { said: Some("tipo inválido".to_owned()) };
        bench.api.post = Box::new(move |asked| match asked.service % 2 {
            0 => reply(Verdict::Rejected(refusal()), Some(200)),
            _ => opened(asked.service),
        });
        let heard = run_for(&bench, 60 * S, async {}).await;
        assert!(heard.has("LoteHalted { lote: \"errado\""));
        assert_eq!(bench.outbox.count(State::Opened), 100);
        let n_refused = bench.outbox.count(State::Rejected);
        // And those that waited for their slots.
        assert!((20..=24).contains(&n_refused), "{n_refused} rows were spent");
        assert_eq!(bench.outbox.count(State::Pending), 100 - n_refused);
    });
}

#[test]
fn a_lost_marker_stops_it_until_a_person_comes() {
    in_virtual_time(async {
        let mut bench = bench(30);
        bench.policy.concurrency = Concurrency::Fixed(1);
        bench.api.post = Box::new(|asked| {
            let mut reply = opened(asked.service);
            if let Verdict::Answered(proof) = &mut reply.verdict {
                proof.marker_echoed = Some(false);
            }
            reply
        });
        let heard = run_for(&bench, 3600 * S, async {}).await;
        assert!(heard.has("Paused(EchoLost"), "nothing is tried now and then");
        assert!(!heard.has("Halted("));
        assert_eq!(bench.api.count(RequestKind::Post), 1, "no try is harmless");
        assert_eq!(bench.outbox.count(State::Pending), 29);
    });
}

#[test]
fn an_outbox_that_is_away_for_hours_loses_nothing() {
    in_virtual_time(async {
        let mut bench = bench(100);
        bench.policy.rate = Rate::PerSecond(10.0);
        bench.api.latency.set(2 * S);
        let clock = bench.clock;
        let n_calls = Cell::new(0);
        bench.outbox.set_weather(move || {
            n_calls.set(n_calls.get() + 1);
            let trouble = match clock.elapsed().as_secs() {
                3..10_000 if n_calls.get() % 7 == 0 => Trouble::Full,
                3..10_000 if n_calls.get() % 2 == 0 => Trouble::After,
                3..10_000 => Trouble::Before,
                _ => Trouble::None,
            };
            (trouble, Duration::from_millis(1), Duration::ZERO)
        });
        run_for(&bench, 10_500 * S, async {}).await;
        assert_eq!(bench.outbox.count(State::Opened), 100);
        assert_eq!(bench.api.count(RequestKind::Post), 100, "no answer was lost, so none was asked again");
    });
}

/// There is always more to claim, and the answer to one claim was lost.
#[test]
fn a_lost_claim_is_taken_in_while_work_goes_on() {
    in_virtual_time(async {
        let mut bench = bench(400);
        bench.policy.rate = Rate::PerSecond(2.0);
        let clock = bench.clock;
        let n_lost = Cell::new(0);
        bench.outbox.set_weather(move || {
            let lose = 10 < clock.elapsed().as_secs() && n_lost.get() < 3;
            n_lost.set(n_lost.get() + u32::from(lose));
            let trouble = if lose { Trouble::After } else { Trouble::None };
            (trouble, Duration::from_millis(1), Duration::ZERO)
        });
        let heard = run_for(&bench, 30 * S, async {}).await;
        assert!(heard.has("Recovered("), "{:?}", heard.0.borrow());
    });
}

#[test]
fn nobody_there_is_no_reason_to_end() {
    in_virtual_time(async {
        let mut bench = bench(5);
        let is_out = |at: Duration| at < 7200 * S;
        bench.api.post = Box::new(move |asked| match is_out(asked.at) {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => opened(asked.service),
        });
        bench.api.probe = Box::new(move |asked| match is_out(asked.at) {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => reply(Verdict::Answered(()), Some(200)),
        });
        let heard = run_for(&bench, 7300 * S, async {}).await;
        assert_eq!(bench.outbox.count(State::Opened), 5);
        assert!(!heard.has("Halted"));
    });
}

/// Its breaker is open for so long that the next probe is half a minute away.
#[test]
fn a_return_is_probed_at_once() {
    in_virtual_time(async {
        let mut bench = bench(20);
        let is_out = |at: Duration| at < 200 * S;
        bench.api.post = Box::new(move |asked| match is_out(asked.at) {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => opened(asked.service),
        });
        bench.api.probe = Box::new(move |asked| match is_out(asked.at) {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => reply(Verdict::Answered(()), Some(200)),
        });
        let returned = async {
            // Too early, then right.
            for at in [190, 200] {
                sleep(at * S - bench.clock.elapsed()).await;
                bench.control.returned.notify_one();
            }
        };
        run_for(&bench, 260 * S, returned).await;
        let probes = bench.api.seconds(RequestKind::Probe);
        let last = probes.len() - 2;
        assert!(
            (190.0..190.1).contains(&probes[last]) && (200.0..200.1).contains(&probes[last + 1]),
            "{probes:?}"
        );
        assert_eq!(bench.outbox.count(State::Opened), 20);
    });
}

#[test]
fn halts_end_a_run_that_is_to_end() {
    in_virtual_time(async {
        let mut bench = bench(5);
        bench.policy.lasting = Lasting::UntilDrained;
        bench.api.post = Box::new(|_| reply(Verdict::Unauthorized(fault("login_refused")), Some(401)));
        let ending = bench.run().await;
        assert_eq!(ending.reason, Reason::Halted(Halt::Unauthorized(fault("login_refused"))));
    });
}

#[test]
fn verify_first_adopts_what_was_sent_from_elsewhere() {
    in_virtual_time(async {
        let mut bench = bench(10);
        bench.policy.verify = Verify::First;
        bench.api.verify = Box::new(|asked| {
            let seen = match asked.service {
                ..=3 => Sighting::Found {
                    opening: opening(asked.service),
                    others: Vec::new(),
                    beside: Vec::new(),
                    conflict: None,
                },
                5 => Sighting::AlreadyOpen { opening: opening(99) },
                4 if asked.at < 30 * S => Sighting::CouldNotTell(fault("no_text")),
                _ => Sighting::NotFound,
            };
            reply(Verdict::Answered(seen), Some(200))
        });
        run_for(&bench, 900 * S, async {}).await;
        assert_eq!((bench.outbox.count(State::Opened), bench.outbox.count(State::Skipped)), (9, 1));
        let posted: Vec<i64> = { bench.api.asked().into_iter() }
            .filter(|it| it.kind == RequestKind::Post)
            .map(|it| it.service)
            .collect();
        assert_eq!(posted.len(), 6, "{posted:?}");
        assert!(posted.iter().all(|service| 3 < *service && *service != 5));
        assert_eq!(posted[5], 4, "not before it could be told");
    });
}

#[test]
fn verify_first_takes_only_an_answered_absence_for_one() {
    in_virtual_time(async {
        let mut bench = bench(1);
        bench.policy.verify = Verify::First;
        let answers: [fn() -> Verdict<Sighting>; 6] = [
            || Verdict::Throttled,
            || Verdict::Unknown(fault("timeout")),
            || Verdict::NotSent(fault("connect")),
            || Verdict::LoginUnavailable(fault("login_no_token")),
            || Verdict::Withheld,
            || Verdict::Forbidden(fault("http_403")),
        ];
        let n_asked = Cell::new(0);
        bench.api.verify = Box::new(move |_| {
            let nth = n_asked.replace(n_asked.get() + 1);
            let last = || Verdict::Answered(Sighting::AlreadyOpen { opening: opening(9) });
            reply(answers.get(nth).map_or_else(last, |it| it()), None)
        });
        run_for(&bench, 3600 * S, async {}).await;
        assert_eq!(bench.api.count(RequestKind::Post), 0, "none of these is an absence");
        assert_eq!(bench.outbox.row(1).state, State::Skipped);
    });
}

#[test]
fn verify_first_looks_before_the_post_of_a_row_that_has_spent_an_attempt_too() {
    in_virtual_time(async {
        let mut bench = bench(1);
        bench.policy.verify = Verify::First;
        let (n_verified, n_posts) = (Rc::new(Cell::new(0)), Cell::new(0));
        let n_asked = n_verified.clone();
        bench.api.verify = Box::new(move |_| {
            n_asked.set(n_asked.get() + 1);
            reply(Verdict::Answered(Sighting::NotFound), Some(200))
        });
        bench.api.post = Box::new(move |asked| match n_posts.replace(n_posts.get() + 1) {
            0 => reply(Verdict::Unknown(fault("timeout")), None),
            _ => opened(asked.service),
        });
        run_for(&bench, 900 * S, async {}).await;
        assert_eq!((bench.outbox.count(State::Opened), n_verified.get()), (1, 2));
    });
}
