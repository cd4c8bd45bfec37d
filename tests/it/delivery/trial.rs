//! After an outage: who tries a post for all, with which row, and that the others get their turn.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use mutirao::delivery::{Concurrency, Rate, Reason, RequestKind, State, Verdict};

use super::fleet::{Fleet, vague};
use super::worker::{bench, run_for};
use crate::support::memory_outbox::Trouble;
use crate::support::world::{fault, in_virtual_time, opened, reply, start, ticket};

const S: Duration = Duration::from_secs(1);

/// Seen: of 100 good rows behind 40 that are answered 500 none was opened in 150 s.
#[test]
fn rows_at_which_hubsoft_stumbles_hold_up_no_others() {
    for other_lote in ["bom", "ruim"] {
        in_virtual_time(async {
            let mut bench = bench(0);
            bench.policy.rate = Rate::PerSecond(5.0);
            for service in 1..=140 {
                let lote = if service <= 40 { "ruim" } else { other_lote };
                bench.outbox.insert_in(lote, ticket(service, "Sem sinal"), start());
            }
            bench.api.post = Box::new(|asked| match asked.service {
                ..=40 => reply(Verdict::Stumbled(fault("http_500")), Some(500)),
                _ => opened(asked.service),
            });
            run_for(&bench, 150 * S, async {}).await;
            assert_eq!(bench.outbox.count(State::Opened), 100, "{other_lote}");
        });
    }
}

/// Seen: five rows over which HubSoft threw an exception, as HTTP 200, were taken for an outage.
#[test]
fn exceptions_over_some_rows_are_no_outage_while_others_are_opened() {
    in_virtual_time(async {
        let mut bench = bench(60);
        bench.policy.concurrency = Concurrency::Fixed(1);
        bench.api.post = Box::new(|asked| match asked.service {
            21..=25 => reply(Verdict::Stumbled(fault("exception")), Some(200)),
            _ => opened(asked.service),
        });
        run_for(&bench, 30 * S, async {}).await;
        assert_eq!((bench.outbox.count(State::Opened), bench.api.count(RequestKind::Probe)), (55, 0));
    });
}

/// Seen: a trial was answered 401, its repetition withheld, and the others were claimed and released for
/// ever: 29,000 settles in ten minutes.
#[test]
fn a_trial_that_is_turned_away_holds_up_nobody() {
    in_virtual_time(async {
        let mut bench = bench(20);
        bench.outbox.set_weather(|| (Trouble::None, Duration::from_millis(2), Duration::ZERO));
        let n_tried = Cell::new(0);
        bench.api.post = Box::new(move |asked| match asked.at < 20 * S {
            true => reply(Verdict::NotSent(fault("connect")), None),
            // The gate has shut before the repetition.
            false if n_tried.replace(n_tried.get() + 1) < 3 => reply(Verdict::Withheld, None),
            false => opened(asked.service),
        });
        bench.api.probe = Box::new(|asked| match asked.at < 20 * S {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => reply(Verdict::Answered(()), Some(200)),
        });
        run_for(&bench, 120 * S, async {}).await;
        assert_eq!(bench.outbox.count(State::Opened), 20);
        assert!(bench.outbox.n_settles.get() < 100, "{} settles", bench.outbox.n_settles.get());
    });
}

#[test]
fn rows_at_which_hubsoft_stumbles_hold_up_no_other_lote_of_a_fleet() {
    in_virtual_time(async {
        let mut fleet = Fleet::new(0, Rate::PerSecond(5.0));
        for service in 1..=140 {
            let lote = if service <= 40 { "ruim" } else { "bom" };
            fleet.outbox.insert_in(lote, ticket(service, "Sem sinal"), start());
        }
        fleet.api.post = Box::new(|asked| match asked.service {
            ..=40 => reply(Verdict::Stumbled(fault("http_500")), Some(500)),
            _ => opened(asked.service),
        });
        fleet.workers(3, 150 * S).await;
        assert_eq!(fleet.outbox.count(State::Opened), 100);
    });
}

/// Seen after an outage: a worker with 310 rows to post opened none.
#[test]
fn who_has_nothing_to_post_gives_the_trial_up() {
    in_virtual_time(async {
        let fleet = Fleet::new(310, Rate::PerSecond(10.0));
        let reconciling = fleet.reconciling();
        fleet.doubt(1000);
        fleet.hand_trial_to(1).await;
        tokio::join!(reconciling.worker(1, 60 * S), fleet.worker(2, 60 * S));
        assert_eq!(fleet.outbox.count(State::Opened), 310);
    });
}

/// Else they would wait for a row to post for as long as patience lasts: a day.
#[test]
fn look_ups_cost_patience_where_nobody_has_a_row_to_try_with() {
    in_virtual_time(async {
        let mut fleet = Fleet::new(0, Rate::PerSecond(10.0));
        fleet.api.look_up = Box::new(vague);
        let reconciling = fleet.reconciling();
        fleet.doubt(1000);
        fleet.hand_trial_to(1).await;
        let (ending, _) = tokio::join!(reconciling.worker(1, 7200 * S), fleet.worker(2, 7200 * S));
        assert_eq!(ending.reason, Reason::Drained);
        assert_eq!(fleet.outbox.count(State::Unconfirmed), 1);
    });
}

/// Whoever is there, and whichever rows HubSoft stumbles over: an outage holds up the good ones for its time
/// and little more.
#[test]
fn after_an_outage_every_good_row_has_its_turn() {
    for seed in 0..40 {
        in_virtual_time(async {
            let mut dice = fastrand::Rng::with_seed(seed);
            let mut fleet = Fleet::new(0, Rate::PerSecond(10.0));
            fleet.policy.seed = seed;
            // Some lotes that are bad as a whole, and some rows that are.
            let bad_lotes: Vec<i64> = (0..6).filter(|_| dice.u8(..4) == 0).collect();
            let mut bad = Vec::new();
            for service in 1..=200 {
                let lote = service * 6 / 201;
                if bad_lotes.contains(&lote) || dice.u8(..10) == 0 {
                    bad.push(service);
                }
                fleet.outbox.insert_in(&format!("lote {lote}"), ticket(service, "Sem sinal"), start());
            }
            let n_good = 200 - bad.len();
            let from = dice.u64(..10);
            let is_out = move |at: Duration| (from..from + 100).contains(&at.as_secs());
            let is_bad = move |service| bad.contains(&service);
            fleet.api.post = Box::new(move |asked| match asked.service {
                _ if is_out(asked.at) => reply(Verdict::NotSent(fault("connect")), None),
                service if is_bad(service) => reply(Verdict::Stumbled(fault("http_500")), Some(500)),
                service => opened(service),
            });
            fleet.api.probe = Box::new(move |asked| match is_out(asked.at) {
                true => reply(Verdict::NotSent(fault("connect")), None),
                false => reply(Verdict::Answered(()), Some(200)),
            });
            let reconciling = fleet.reconciling();
            fleet.doubt(1000);
            let (n_workers, n_reconciling) = (dice.u64(1..4), dice.u64(..3));
            let workers = join_all((0..n_workers).map(|id| fleet.worker(id, 400 * S)));
            let others = join_all((10..10 + n_reconciling).map(|id| reconciling.worker(id, 400 * S)));
            tokio::join!(workers, others);
            let n_opened = fleet.outbox.count(State::Opened);
            assert!(n_good <= n_opened, "seed {seed}: {n_opened} of {n_good} good rows");
        });
    }
}
