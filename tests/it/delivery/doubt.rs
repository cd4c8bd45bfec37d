//! What becomes of rows whose answer was lost.

use std::cell::Cell;
use std::time::Duration;

use mutirao::delivery::{
    ANSWER_AGE_MAX, Doubt, OpenTickets, Reason, Reply, RequestKind, Sighting, State, Verdict, Warning,
};

use tokio::time::{sleep, timeout};

use super::Bench;
use crate::support::world::{fault, in_virtual_time, opened, opening, reply, start, ticket};

fn lost() -> Reply {
    reply(Verdict::Unknown(fault("timeout")), None)
}

fn sighting(sighting: Sighting) -> Reply<Sighting> {
    reply(Verdict::Answered(sighting), Some(200))
}

#[test]
fn a_ticket_that_is_found_is_adopted() {
    in_virtual_time(async {
        let mut bench = Bench::new(1);
        bench.api.post = Box::new(|_| lost());
        bench.api.look_up = Box::new(|_| {
            sighting(Sighting::Found {
                opening: opening(7),
                others: vec![opening(8)],
                beside: Vec::new(),
                conflict: None,
            })
        });
        let ending = bench.run().await;
        assert_eq!((ending.reason, ending.stats.adopted), (Reason::Drained, 1));
        assert_eq!(bench.api.count(RequestKind::Post), 1);
        let row = bench.outbox.row(1);
        assert_eq!((row.state, row.opening, row.attempts), (State::Opened, Some(opening(7)), 1));
        assert_eq!(row.warnings, [Warning::Duplicate { others: vec![opening(8).protocolo] }]);
        assert!(bench.api.seconds(RequestKind::LookUp)[0] < 2.5, "soon");
    });
}

#[test]
fn nothing_is_posted_again_before_two_absences_and_the_settle_delay() {
    in_virtual_time(async {
        let mut bench = Bench::new(1);
        let n_posts = Cell::new(0);
        bench.api.post = Box::new(move |asked| match n_posts.replace(n_posts.get() + 1) {
            0 => lost(),
            _ => opened(asked.service),
        });
        let ending = bench.run().await;
        assert_eq!(ending.stats.opened, 1);
        let posts = bench.api.seconds(RequestKind::Post);
        assert_eq!(posts.len(), 2);
        let look_ups = bench.api.seconds(RequestKind::LookUp);
        let last = look_ups[look_ups.len() - 1];
        let first = look_ups[look_ups.len() - 2];
        assert!((120.05..121.0).contains(&first), "just after the settle delay: {first}");
        assert!((first + 10.0..first + 11.0).contains(&last), "and once more: {last}");
        assert!(last < posts[1]);
        assert!(look_ups.len() <= 8, "{look_ups:?}");
        assert_eq!(bench.outbox.row(1).attempts, 2);
    });
}

#[test]
fn attempts_run_out_only_when_it_is_certain_that_nothing_was_opened() {
    in_virtual_time(async {
        let mut bench = Bench::new(1);
        bench.policy.max_attempts = 2;
        bench.policy.guards.unavailable_max = None;
        bench.api.post = Box::new(|_| lost());
        let ending = bench.run().await;
        assert_eq!(ending.stats.failed, 1);
        let row = bench.outbox.row(1);
        assert_eq!((row.state, row.attempts), (State::Failed, 2));
        assert_eq!(bench.api.count(RequestKind::Post), 2);
        let look_ups = bench.api.seconds(RequestKind::LookUp);
        assert!(240.0 < look_ups[look_ups.len() - 1], "the second post was looked up as well");
    });
}

#[test]
fn ten_answers_that_do_not_tell_are_enough() {
    in_virtual_time(async {
        let mut bench = Bench::new(3);
        bench.api.post = Box::new(|asked| if asked.service == 2 { lost() } else { opened(asked.service) });
        bench.api.look_up = Box::new(|_| sighting(Sighting::CouldNotTell(fault("full_page"))));
        let ending = bench.run().await;
        assert_eq!((ending.reason, ending.stats.unconfirmed, ending.stats.opened), (Reason::Drained, 1, 2));
        assert_eq!(bench.api.count(RequestKind::LookUp), 10);
        let row = bench.outbox.row(2);
        assert_eq!((row.state, row.error_code.as_deref()), (State::Unconfirmed, Some("full_page")));
        assert!(row.doubt.is_some(), "the next run looks again first");
    });
}

#[test]
fn look_ups_that_nobody_answers_cost_no_patience_for_a_day() {
    in_virtual_time(async {
        let mut bench = Bench::new(1);
        bench.policy.guards.unavailable_max = None;
        bench.api.post = Box::new(|_| lost());
        bench.api.look_up = Box::new(|_| reply(Verdict::Unknown(fault("timeout")), None));
        let ending = bench.run().await;
        assert_eq!(ending.stats.unconfirmed, 1);
        let hours = ending.stats.elapsed.as_secs_f64() / 3600.0;
        assert!((24.0..24.1).contains(&hours), "{hours} h");
        assert_eq!(bench.api.count(RequestKind::Post), 1, "and failing look-ups never led to a post");
    });
}

#[test]
fn look_ups_that_fail_do_not_stop_posts() {
    in_virtual_time(async {
        let mut bench = Bench::new(200);
        bench.api.post = Box::new(|asked| if asked.service == 1 { lost() } else { opened(asked.service) });
        bench.api.latency.set(Duration::from_secs(2));
        bench.api.look_up = Box::new(|asked| match asked.at.as_secs() {
            ..300 => reply(Verdict::NotSent(fault("connect")), None),
            _ => sighting(Sighting::Found {
                opening: opening(asked.service),
                others: Vec::new(),
                beside: Vec::new(),
                conflict: None,
            }),
        });
        let ending = bench.run().await;
        assert_eq!((ending.reason, ending.stats.opened), (Reason::Drained, 200));
        assert_eq!(bench.api.count(RequestKind::Probe), 0, "the breaker stayed closed");
    });
}

#[test]
fn one_absence_is_enough_for_a_precaution() {
    in_virtual_time(async {
        let bench = Bench::new(0);
        let doubt = Doubt::precaution(start() - Duration::from_secs(5));
        bench.outbox.insert(ticket(1, "Sem sinal"), start(), Some(doubt));
        let ending = bench.run().await;
        assert_eq!(ending.stats.opened, 1);
        assert_eq!((bench.api.count(RequestKind::LookUp), bench.api.count(RequestKind::Post)), (1, 1));
        assert!(ending.stats.elapsed < Duration::from_secs(1));
        assert_eq!(bench.outbox.row(1).attempts, 1);
    });
}

#[test]
fn what_waits_behind_an_unconfirmed_row_stays() {
    in_virtual_time(async {
        let mut bench = Bench::new(2);
        bench.outbox.insert(ticket(1, "Sem sinal, outra vez"), start(), None);
        bench.api.post = Box::new(|asked| if asked.service == 1 { lost() } else { opened(asked.service) });
        bench.api.look_up = Box::new(|_| sighting(Sighting::CouldNotTell(fault("full_page"))));
        let ending = bench.run().await;
        assert_eq!(ending.reason, Reason::Drained);
        let states: Vec<_> = bench.outbox.rows().into_iter().map(|(_, row)| row.state).collect();
        assert_eq!(states, [State::Unconfirmed, State::Opened, State::Pending]);
        assert_eq!(bench.api.count(RequestKind::Post), 2);
    });
}

#[test]
fn an_open_ticket_is_skipped_if_asked() {
    in_virtual_time(async {
        let mut bench = Bench::new(2);
        bench.policy.open_tickets = OpenTickets::Skip;
        bench.api.find_open = Box::new(|asked| match asked.service {
            1 => sighting(Sighting::AlreadyOpen { opening: opening(99) }),
            _ => sighting(Sighting::NotFound),
        });
        let ending = bench.run().await;
        assert_eq!((ending.stats.skipped, ending.stats.opened), (1, 1));
        let row = bench.outbox.row(1);
        assert_eq!((row.state, row.opening), (State::Skipped, Some(opening(99))));
        assert_eq!(bench.api.count(RequestKind::Post), 1);
    });
}

/// Seen: a person wrote `pending` over a row whose post was still waited for. It was looked up, not found for
/// the length of the settle delay, and posted once more before the first post was answered.
#[test]
fn a_row_that_is_set_back_while_its_post_is_waited_for_is_not_posted_again() {
    in_virtual_time(async {
        let mut bench = Bench::new(1);
        bench.policy.poll = Some(Duration::from_secs(1));
        // A slow HubSoft: it opens the ticket just before it says so.
        bench.api.latency.set(Duration::from_secs(400));
        let meddling = async {
            sleep(Duration::from_secs(2)).await;
            bench.api.latency.set(Duration::from_millis(50));
            let set_back = bench.outbox.commit(|shelf| {
                let row = shelf.rows.get_mut(&1).expect("it is there");
                // As its claim has left it: in doubt from when nobody waits for the answer any more.
                row.doubt = Some(Doubt::since(start() + ANSWER_AGE_MAX));
                row.state = State::Pending;
            });
            set_back.await.expect("it is set back");
        };
        let (ending, ()) = tokio::join!(bench.run(), meddling);
        assert_eq!((ending.reason, bench.api.count(RequestKind::Post)), (Reason::Drained, 1));
        let row = bench.outbox.row(1);
        assert_eq!((row.state, row.opening), (State::Opened, Some(opening(1))));
        assert!(0 < bench.api.count(RequestKind::LookUp), "it was looked up meanwhile");
    });
}

/// Seen: rows of a settle delay of an hour were due at once at every start of a run, as if a clock had been
/// set, and ran out of patience before the delay was over.
#[test]
fn a_long_settle_delay_outlasts_restarts() {
    in_virtual_time(async {
        let mut bench = Bench::new(1);
        bench.policy.settle_delay = Duration::from_secs(3600);
        bench.policy.guards.unavailable_max = None;
        let n_posts = Cell::new(0);
        bench.api.post = Box::new(move |asked| match n_posts.replace(n_posts.get() + 1) {
            0 => lost(),
            _ => opened(asked.service),
        });
        bench.api.look_up = Box::new(|asked| match asked.at.as_secs() {
            // Nothing that tells, for as long as nothing can be told.
            ..3600 => sighting(Sighting::CouldNotTell(fault("full_page"))),
            _ => sighting(Sighting::NotFound),
        });
        bench.api.tells_time.set(true);
        for _ in 0..12 {
            assert!(timeout(Duration::from_secs(240), bench.run()).await.is_err(), "it dies");
            assert_eq!(bench.outbox.row(1).state, State::InDoubt);
        }
        let ending = bench.run().await;
        assert_eq!((ending.stats.opened, bench.api.count(RequestKind::Post)), (1, 2));
        let look_ups = bench.api.seconds(RequestKind::LookUp);
        assert!(look_ups.len() < 20, "{look_ups:?}");
    });
}
