//! One pace, one breaker and one stop for all, by one statement.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use mutirao::delivery::allowance::FORGOTTEN_AFTER;
use mutirao::delivery::breaker::{PROBE_FIRST, PROBE_LONGEST};
use mutirao::delivery::coordination::{
    BLOCK, BLOCK_MAX, Borne, Holder, LEAD, LOGIN_EVERY, LOGINS_AT_ONCE, Lowers, News, PROBER_LEASE, Prober,
    REFUSED_TOGETHER, Reachability, ShareRequest, SharedBreaker, SharedState,
};
use mutirao::delivery::{
    Halt, HaltReason, Outbox, PauseReason, RETRY_AFTER_MAX, Rate, State, ThrottleCause, ThrottleReason,
};
use mutirao::outbox::postgres::Worker;
use mutirao::outbox::{Scope, Terms};
use sqlx::Connection;
use tokio::time::{sleep, timeout};

use super::bench::{Fresh, ids, want};
use crate::outbox_conformance::{Bench, TERMS, valid};
use crate::support::board::Board;

/// Longer than anything here takes, shorter than what never happens.
const LONG: Duration = Duration::from_secs(20);

fn report(slots: u32) -> ShareRequest {
    ShareRequest {
        slots,
        far: Duration::ZERO,
        at_once: 4,
        wants_login: false,
        borne: None,
        news: News::default(),
        prober: Prober::Ready,
    }
}

fn found(reachability: Reachability) -> ShareRequest {
    ShareRequest { news: reachability.into(), ..report(0) }
}

async fn share(worker: &Worker, report: &ShareRequest) -> SharedState {
    let shared = worker.queue(Scope::All).share(report).await.expect("it shares");
    shared.expect("others may share it")
}

async fn worker(it: &Fresh, rate: Rate) -> Worker {
    it.outbox.register("a test", Terms { rate, ..TERMS }).await.expect("it registers")
}

/// As if the database had seen so much time go by.
async fn let_pass(it: &Fresh, what: &'static str) {
    assert_eq!(it.execute(what).await, 1);
}

#[tokio::test]
async fn every_slot_is_given_once_and_evenly() {
    let it = Fresh::new().await;
    it.execute("DELETE FROM mutirao.worker").await;
    let workers = join_all((0..4).map(|_| worker(&it, Rate::PerSecond(200.0)))).await;
    let mut times = Vec::new();
    while times.len() < 300 {
        let wish = report(1000);
        for shared in join_all(workers.iter().map(|it| share(it, &wish))).await {
            assert_eq!(shared.n_workers, 4);
            let Some(slots) = shared.slots else { continue };
            assert!((1..=25).contains(&slots.count), "half a second, divided: {}", slots.count);
            assert!(slots.first_in <= Duration::from_secs(1));
            let first = shared.now + slots.first_in;
            times.extend((0..slots.count).map(|nth| (first + slots.spacing * nth).as_microsecond()));
        }
    }
    times.sort();
    assert!(times.windows(2).all(|it| 4_999 <= it[1] - it[0]), "two slots are too close");
}

/// Nobody who is nearer takes a long block for the work of a clock, and gives its slots again.
#[tokio::test]
async fn who_is_far_has_longer_blocks_and_keeps_them() {
    let it = Fresh::new().await;
    it.execute("DELETE FROM mutirao.worker").await;
    let (far, near) = (worker(&it, Rate::PerSecond(20.0)).await, worker(&it, Rate::PerSecond(20.0)).await);
    let away = Duration::from_secs(2) - Duration::from_nanos(1);
    let slots = share(&far, &ShareRequest { far: away, ..report(1000) }).await;
    let given = slots.slots.expect("nobody has them");
    assert_eq!(given.count, 24, "its half of 2.5 s, of which a nanosecond is missing");
    let end = slots.now + given.first_in + given.spacing * given.count;
    let heard = share(&near, &report(0)).await;
    let free = heard.now + heard.free_in;
    assert!(end.duration_since(free).abs() < jiff::SignedDuration::from_millis(1), "{end} {free}");
}

#[tokio::test]
async fn the_lowest_rate_of_the_living_rules() {
    let it = Fresh::new().await;
    it.execute("DELETE FROM mutirao.worker").await;
    let (free, slow) = (worker(&it, Rate::Unlimited).await, worker(&it, Rate::PerSecond(0.5)).await);
    let shared = share(&free, &report(10)).await;
    assert_eq!((shared.rate, shared.n_workers), (Rate::PerSecond(0.5), 2));
    assert_eq!(shared.slots.map(|it| (it.count, it.spacing)), Some((1, Duration::from_secs(2))));
    assert_eq!(share(&slow, &report(1)).await.slots, None, "two seconds ahead is too far");
    slow.retire().await.expect("it leaves");
    let shared = share(&free, &report(10)).await;
    assert_eq!((shared.rate, shared.slots, shared.n_workers), (Rate::Unlimited, None, 1));
}

#[tokio::test]
async fn a_refusal_lowers_the_rate_of_all_and_outlives_who_was_refused() {
    let it = Fresh::new().await;
    it.execute("DELETE FROM mutirao.worker").await;
    let (one, other) = (worker(&it, Rate::PerSecond(40.0)).await, worker(&it, Rate::PerSecond(50.0)).await);
    let spacing = |shared: &SharedState| shared.slots.expect("some are free").spacing;
    let refused = |slot| {
        let throttle = Some((MS, ThrottleReason::Said("429".to_owned())));
        News { throttle, lowers: Some(Lowers { after: None, slot }), ..News::default() }
    };
    assert_eq!(share(&one, &report(0)).await.lowered, None);
    let by_one = ShareRequest { news: refused(Some(50 * MS)), ..report(0) };
    let lowered = share(&one, &by_one).await.lowered.expect("it is");
    assert_eq!((lowered.pause, lowered.slot, lowered.n_taken), (MS, Some(50 * MS), 0));
    let seen = async || it.outbox.crew().await.expect("it reads").lowered_per_s;
    assert_eq!(seen().await, Some(20.0), "whoever looks on hears it too");
    one.retire().await.expect("it leaves");
    sleep(2 * MS).await;
    let heard = share(&other, &report(5)).await;
    assert_eq!((spacing(&heard), heard.rate), (50 * MS, Rate::PerSecond(50.0)), "found, and allowed");
    assert_eq!(heard.lowered.map(|it| it.by), Some(lowered.by));
    // Who knows of it says how far it is raised by now, and what was taken.
    let knows = |by, slot, n_taken| ShareRequest { borne: Some(Borne { by, slot, n_taken }), ..report(5) };
    for (by, slot, n_taken, expected) in [
        (lowered.by, Some(40 * MS), 7, (40, 7)),
        (lowered.by, None, 0, (20, 7)),
        (lowered.by, Some(10 * MS), 4, (20, 11)),
        (lowered.by - 1, Some(10 * MS), 9, (50, 11)),
    ] {
        let_pass(&it, "UPDATE mutirao.pace SET next_slot_at = now()").await;
        let heard = share(&other, &knows(by, slot, n_taken)).await;
        let n_taken = heard.lowered.expect("it is").n_taken;
        assert_eq!((spacing(&heard).as_millis(), n_taken), expected, "{by} {slot:?}");
    }
    // Refused together, the others lower nothing; refused again they do.
    let throttle = Some((Duration::from_secs(60), ThrottleReason::Said("429".to_owned())));
    let lowers = Some(Lowers { after: Some(lowered.by), slot: Some(100 * MS) });
    let again = ShareRequest { news: News { throttle, lowers, ..News::default() }, ..report(0) };
    let second = share(&other, &again).await.lowered.expect("it is");
    assert_eq!((second.slot, second.n_taken), (Some(100 * MS), 0));
    let lowers = Some(Lowers { after: Some(second.by), slot: None });
    let news = News { lowers, ..again.news.clone() };
    let third = share(&other, &ShareRequest { news, ..report(0) }).await.lowered.expect("it is");
    assert_eq!((third.by, third.slot), (second.by, second.slot));
    // Long ago, and by a clock that was set back.
    let_pass(&it, "UPDATE mutirao.pace SET throttled_until = NULL, lowered_at = now() - interval '659 s'")
        .await;
    assert!(share(&other, &report(0)).await.lowered.is_some());
    let_pass(
        &it,
        "UPDATE mutirao.pace SET seen_at = now() + interval '1 h', lowered_at = now() + interval '3000 s'",
    )
    .await;
    let ago = async || share(&other, &report(0)).await.lowered.expect("it is").ago;
    let first = ago().await;
    assert_eq!(first.as_secs(), 600);
    sleep(20 * MS).await;
    assert!(first + 20 * MS <= ago().await, "it ages, although nobody asks for slots");
    // Raised by one hundredth, and two, and three.
    let_pass(&it, "UPDATE mutirao.pace SET lowered_at = now() - interval '91 s', lowered_pause = '60 s'")
        .await;
    let raised = seen().await.map(|rate| (100.0 * rate).round() / 100.0);
    assert_eq!(raised, Some(10.61), "of ten a second");
    let_pass(&it, "UPDATE mutirao.pace SET lowered_at = now() - interval '661 s'").await;
    assert_eq!(seen().await, None);
    assert_eq!(share(&other, &report(0)).await.lowered, None);
}

/// As the model has it, and as Postgres does.
#[tokio::test]
async fn a_refusal_that_is_told_late_or_again_undoes_no_newer_one() {
    let it = Fresh::new().await;
    let worker = worker(&it, Rate::PerSecond(40.0)).await;
    let mut board = Board::default();
    let mut tell = async |length_s, after, slot_ms| {
        let throttle = Some((Duration::from_secs(length_s), ThrottleReason::Said("429".to_owned())));
        let lowers = Some(Lowers { after, slot: Some(slot_ms * MS) });
        let report = ShareRequest { news: News { throttle, lowers, ..News::default() }, ..report(0) };
        let told = share(&worker, &report).await.lowered.expect("it is");
        let model = board.share(Timestamp::now(), 1, Rate::PerSecond(40.0), &report).lowered.expect("it is");
        assert_eq!((told.by, told.slot), (model.by, model.slot), "{after:?}");
        (told.by, told.slot.map(|slot| slot.as_millis()))
    };
    assert_eq!(tell(1, None, 50).await, (1, Some(50)));
    assert_eq!(tell(60, Some(1), 100).await, (2, Some(100)));
    assert_eq!(tell(120, None, 70).await, (2, Some(100)), "late");
    assert_eq!(tell(180, Some(1), 100).await, (2, Some(100)), "again");
    assert_eq!(tell(240, Some(2), 80).await, (5, Some(80)));
}

#[tokio::test]
async fn a_clock_that_was_set_freezes_nobody() {
    let it = Fresh::new().await;
    let worker = worker(&it, Rate::PerSecond(10.0)).await;
    let_pass(
        &it,
        "UPDATE mutirao.pace SET next_slot_at = now() + interval '1 year', throttled_until = now() + interval '1 year',
                breaker = 'open', breaker_at = now() + interval '1 year'",
    )
    .await;
    let shared = share(&worker, &report(10)).await;
    let left = shared.throttle.expect("it is throttled").left;
    assert!(left <= Duration::from_secs(15 * 60));
    let_pass(&it, "UPDATE mutirao.pace SET throttled_until = NULL, next_slot_at = now() + interval '1 year'")
        .await;
    assert!(share(&worker, &report(10)).await.free_in <= LEAD + BLOCK_MAX);
    let at: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM breaker_at - clock_timestamp())::float8 FROM mutirao.pace",
    )
    .fetch_one(&mut it.sql().await)
    .await
    .expect("it reads");
    assert!(at <= 30.0, "the next probe is {at} s away");
}

/// Seen: nothing was sent for as long as the slot lay ahead.
#[tokio::test]
async fn a_slot_far_ahead_is_stored_anew() {
    let it = Fresh::new().await;
    let worker = worker(&it, Rate::PerSecond(10.0)).await;
    let_pass(&it, "UPDATE mutirao.pace SET next_slot_at = now() + interval '1 year'").await;
    let given = async {
        while share(&worker, &report(1)).await.slots.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, given).await.expect("slots are given out again");
}

const MS: Duration = Duration::from_millis(1);

/// As if the database's clock had been set back by an hour: all that is stored lies an hour ahead.
async fn set_back(it: &Fresh) {
    let sql = "UPDATE mutirao.pace SET seen_at = seen_at + interval '1 h', next_slot_at = next_slot_at + interval '1 h',
                      throttled_until = throttled_until + interval '1 h', breaker_at = breaker_at + interval '1 h'";
    let_pass(it, sql).await;
}

/// Seen: the pace of all stood still for as long, and a throttle of 10 min became one of 70.
#[tokio::test]
async fn a_clock_that_is_set_back_takes_slots_pauses_and_probes_with_it() {
    let it = Fresh::new().await;
    let one = worker(&it, Rate::PerSecond(10.0)).await;
    assert!(share(&one, &report(1)).await.slots.is_some());
    set_back(&it).await;
    assert!(share(&one, &report(1)).await.slots.is_some());

    let throttle = News {
        throttle: Some((Duration::from_secs(600), ThrottleReason::Said("429".to_owned()))),
        ..News::default()
    };
    let began =
        share(&one, &ShareRequest { news: throttle, ..report(0) }).await.throttle.expect("it is throttled");
    share(&one, &found(Reachability::Unreachable)).await;
    set_back(&it).await;
    for _ in 0..3 {
        let told = share(&one, &report(0)).await.throttle.expect("it is throttled");
        assert!(told.left <= began.left && told.number == began.number, "{told:?} of {began:?}");
    }
    let at: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM breaker_at - clock_timestamp())::float8 FROM mutirao.pace",
    )
    .fetch_one(&mut it.sql().await)
    .await
    .expect("it reads");
    assert!(at <= 5.0, "the next probe is {at} s away");
}

#[tokio::test]
async fn workers_that_are_refused_together_make_one_pause() {
    let it = Fresh::new().await;
    let (one, other) = (worker(&it, Rate::Unlimited).await, worker(&it, Rate::Unlimited).await);
    let throttle = |seconds| News {
        throttle: Some((Duration::from_secs(seconds), ThrottleReason::Said("429".to_owned()))),
        ..News::default()
    };
    let mut numbers = Vec::new();
    for (worker, seconds) in [(&one, 60), (&other, 60), (&one, 60), (&other, 90)] {
        let told = share(worker, &ShareRequest { news: throttle(seconds), ..report(0) }).await.throttle;
        numbers.push(told.expect("it is throttled").number);
    }
    assert!(numbers[..3].iter().all(|it| *it == numbers[0]) && numbers[3] == numbers[0] + 1, "{numbers:?}");
}

#[tokio::test]
async fn a_pause_is_told_and_only_made_longer() {
    let it = Fresh::new().await;
    let (one, other) = (worker(&it, Rate::PerSecond(10.0)).await, worker(&it, Rate::PerSecond(10.0)).await);
    let throttle = |seconds, cause| {
        let reason = ThrottleReason::Answered { cause, asked: Some(Duration::from_secs(seconds)) };
        let throttle = Some((Duration::from_secs(seconds), reason));
        ShareRequest { news: News { throttle, ..News::default() }, ..report(5) }
    };
    assert_eq!(
        share(&one, &throttle(600, ThrottleCause::TooMany)).await.slots,
        None,
        "nobody gets a slot in a throttle"
    );
    share(&other, &throttle(5, ThrottleCause::Unavailable)).await;
    let told = share(&other, &report(5)).await.throttle.expect("it is throttled");
    assert!(
        Duration::from_secs(590) < told.left
            && told.reason == throttle(600, ThrottleCause::TooMany).news.throttle.unwrap().1,
        "{told:?}"
    );
    let seen = it.outbox.crew().await.expect("it reads").throttled.expect("it is throttled");
    assert_eq!(seen.1, told.reason, "whoever looks on hears the same");
}

/// HubSoft documents 30 logins a minute, with a burst of 20.
#[tokio::test]
async fn logins_are_shared_too() {
    let it = Fresh::new().await;
    let (one, other) = (worker(&it, Rate::Unlimited).await, worker(&it, Rate::Unlimited).await);
    let login = ShareRequest { wants_login: true, ..report(0) };
    for nth in 0..LOGINS_AT_ONCE {
        let worker = if nth % 2 == 0 { &one } else { &other };
        assert_eq!(share(worker, &report(0)).await.login_in, None, "it was not asked for");
        assert_eq!(share(worker, &login).await.login_in, Some(Duration::ZERO), "{nth}");
    }
    assert_eq!(share(&one, &login).await.login_in, None);
    let_pass(&it, "UPDATE mutirao.pace SET next_login_at = next_login_at - interval '4 s'").await;
    assert!(share(&other, &login).await.login_in.is_some());
    assert_eq!(share(&other, &login).await.login_in, None);
    // A clock that was set.
    let_pass(&it, "UPDATE mutirao.pace SET next_login_at = now() + interval '1 year'").await;
    assert_eq!(share(&one, &login).await.login_in, None);
}

#[tokio::test]
async fn one_probes_and_tries_for_all_and_is_replaced_when_silent() {
    let it = Fresh::new().await;
    let (one, other) = (worker(&it, Rate::Unlimited).await, worker(&it, Rate::Unlimited).await);
    let due = "UPDATE mutirao.pace SET breaker_at = clock_timestamp()";
    assert_eq!(share(&one, &report(0)).await.breaker, SharedBreaker::Closed);
    assert_eq!(
        share(&one, &found(Reachability::Unreachable)).await.breaker,
        SharedBreaker::Open(Holder::Nobody)
    );
    assert_eq!(
        share(&other, &found(Reachability::Unreachable)).await.breaker,
        SharedBreaker::Open(Holder::Nobody)
    );
    let_pass(&it, due).await;
    assert_eq!(share(&other, &report(0)).await.breaker, SharedBreaker::Open(Holder::Me));
    assert_eq!(share(&one, &report(0)).await.breaker, SharedBreaker::Open(Holder::Other), "one is enough");
    assert_eq!(
        share(&one, &found(Reachability::Answered)).await.breaker,
        SharedBreaker::Open(Holder::Other),
        "not his"
    );
    // A probe that failed: somebody probes later.
    assert_eq!(
        share(&other, &found(Reachability::Unreachable)).await.breaker,
        SharedBreaker::Open(Holder::Nobody)
    );
    let_pass(&it, due).await;
    assert_eq!(share(&other, &report(0)).await.breaker, SharedBreaker::Open(Holder::Me));
    // Silent for too long.
    let_pass(&it, due).await;
    assert_eq!(share(&one, &report(0)).await.breaker, SharedBreaker::Open(Holder::Me));
    assert_eq!(
        share(&other, &found(Reachability::Answered)).await.breaker,
        SharedBreaker::Open(Holder::Other)
    );
    assert_eq!(share(&one, &found(Reachability::Answered)).await.breaker, SharedBreaker::Trial(Holder::Me));
    assert_eq!(
        share(&one, &found(Reachability::Answered)).await.breaker,
        SharedBreaker::Trial(Holder::Me),
        "told twice"
    );
    assert_eq!(share(&other, &report(0)).await.breaker, SharedBreaker::Trial(Holder::Other));
    let unfit = ShareRequest { prober: Prober::Unfit, ..report(0) };
    assert_eq!(share(&one, &unfit).await.breaker, SharedBreaker::Trial(Holder::Nobody));
    assert_eq!(share(&other, &report(0)).await.breaker, SharedBreaker::Trial(Holder::Me));
    assert_eq!(share(&other, &found(Reachability::Proven)).await.breaker, SharedBreaker::Closed);
    assert_eq!(share(&one, &report(0)).await.breaker, SharedBreaker::Closed);
}

/// Who falls silent is replaced; the tests around this one let that time pass by hand.
#[tokio::test]
async fn a_probe_or_a_trial_is_held_for_as_long_as_its_lease_lasts() {
    let it = Fresh::new().await;
    let worker = worker(&it, Rate::Unlimited).await;
    let held_for = async || {
        let sql = "SELECT extract(epoch FROM breaker_at - seen_at)::float8 FROM mutirao.pace";
        let held_for = sqlx::query_scalar::<_, f64>(sql).fetch_one(&mut it.sql().await).await;
        Duration::from_secs_f64(held_for.expect("it reads"))
    };
    share(&worker, &found(Reachability::Unreachable)).await;
    let_pass(&it, "UPDATE mutirao.pace SET breaker_at = clock_timestamp()").await;
    assert_eq!(share(&worker, &report(0)).await.breaker, SharedBreaker::Open(Holder::Me));
    assert_eq!(held_for().await, PROBER_LEASE);
    let trial = share(&worker, &found(Reachability::Answered)).await.breaker;
    assert_eq!((trial, held_for().await), (SharedBreaker::Trial(Holder::Me), PROBER_LEASE));
}

#[tokio::test]
async fn after_a_return_the_next_probe_is_due_unless_one_is_on_its_way() {
    let it = Fresh::new().await;
    let (one, other) = (worker(&it, Rate::Unlimited).await, worker(&it, Rate::Unlimited).await);
    let returned = News { returned: true, ..News::default() };
    let came_back = ShareRequest { news: returned.clone(), ..report(0) };
    assert_eq!(share(&one, &came_back).await.breaker, SharedBreaker::Closed, "there is nothing to find out");
    share(&one, &found(Reachability::Unreachable)).await;
    let unfit = ShareRequest { prober: Prober::Unfit, ..came_back.clone() };
    assert_eq!(share(&other, &unfit).await.breaker, SharedBreaker::Open(Holder::Nobody));
    assert_eq!(
        share(&one, &report(0)).await.breaker,
        SharedBreaker::Open(Holder::Me),
        "it is due for whoever comes"
    );
    assert_eq!(
        share(&other, &came_back).await.breaker,
        SharedBreaker::Open(Holder::Other),
        "one is on its way"
    );
    // That one failed: it came too early.
    let failed = News { reachability: Some(Reachability::Unreachable), ..returned };
    assert_eq!(
        share(&one, &ShareRequest { news: failed, ..report(0) }).await.breaker,
        SharedBreaker::Open(Holder::Me)
    );
    share(&one, &found(Reachability::Answered)).await;
    assert_eq!(
        share(&other, &came_back).await.breaker,
        SharedBreaker::Trial(Holder::Other),
        "a trial goes on"
    );
}

/// Seen: `reconcile` held the trial, and a worker with 310 rows to post opened none.
#[tokio::test]
async fn a_trial_goes_to_who_can_post() {
    let it = Fresh::new().await;
    let (one, other) = (worker(&it, Rate::Unlimited).await, worker(&it, Rate::Unlimited).await);
    let postless = ShareRequest { prober: Prober::Postless, ..report(0) };
    share(&one, &found(Reachability::Unreachable)).await;
    let_pass(&it, "UPDATE mutirao.pace SET breaker_at = clock_timestamp()").await;
    assert_eq!(share(&one, &postless).await.breaker, SharedBreaker::Open(Holder::Me), "it may probe");
    assert_eq!(share(&one, &found(Reachability::Answered)).await.breaker, SharedBreaker::Trial(Holder::Me));
    assert_eq!(share(&other, &report(0)).await.breaker, SharedBreaker::Trial(Holder::Other));
    assert_eq!(
        share(&one, &postless).await.breaker,
        SharedBreaker::Trial(Holder::Nobody),
        "it has no row for it"
    );
    assert_eq!(share(&one, &postless).await.breaker, SharedBreaker::Trial(Holder::Nobody));
    assert_eq!(share(&other, &report(0)).await.breaker, SharedBreaker::Trial(Holder::Me));
    assert_eq!(share(&one, &report(0)).await.breaker, SharedBreaker::Trial(Holder::Other));
}

#[tokio::test]
async fn a_stop_is_for_all_until_somebody_resumes() {
    let it = Fresh::new().await;
    let (one, other) = (worker(&it, Rate::Unlimited).await, worker(&it, Rate::Unlimited).await);
    let lost = PauseReason::EchoLost { protocolo: "P".to_owned() };
    let stop = News { pause: Some(lost.clone()), ..News::default() };
    share(&one, &ShareRequest { news: stop, ..report(0) }).await;
    assert_eq!(share(&other, &report(0)).await.pause, Some(lost.clone()));
    it.outbox.resume().await.expect("it resumes");
    assert_eq!(share(&other, &report(0)).await.pause, None);
    it.outbox.pause("lunch").await.expect("it pauses");
    let lunch = Some(PauseReason::Said("lunch".to_owned()));
    assert_eq!(share(&one, &report(0)).await.pause, lunch);
    // The first reason stands.
    let stop = News { pause: Some(lost), ..News::default() };
    assert_eq!(share(&other, &ShareRequest { news: stop, ..report(0) }).await.pause, lunch);
}

/// The server may crash before a person has seen the stop.
#[tokio::test]
async fn a_stop_is_on_disk_when_it_is_told() {
    let it = Fresh::new().await;
    let worker = worker(&it, Rate::Unlimited).await;
    for (stop, waits) in [(None, "off"), (Some("the marker was lost"), "on")] {
        let mut conn = it.sql().await;
        let mut tx = conn.begin().await.expect("it begins");
        sqlx::query(include_str!("../../../src/outbox/postgres/share.sql"))
            .bind(worker.id())
            .bind(None::<f64>)
            .bind(0)
            .bind(None::<f64>)
            .bind(None::<&str>)
            .bind(None::<&str>)
            .bind(stop)
            .bind(true)
            .bind(false)
            .bind(true)
            .bind(false)
            .bind(LEAD)
            .bind(BLOCK)
            .bind(LOGIN_EVERY)
            .bind(LOGIN_EVERY)
            .bind(RETRY_AFTER_MAX)
            .bind(PROBE_FIRST)
            .bind(PROBE_LONGEST)
            .bind(0)
            .bind(PROBER_LEASE)
            .bind(REFUSED_TOGETHER)
            .bind(None::<String>)
            .bind(None::<String>)
            .bind(BLOCK_MAX)
            .bind(0)
            .bind(None::<i64>)
            .bind(None::<f64>)
            .bind(false)
            .bind(None::<f64>)
            .bind(FORGOTTEN_AFTER)
            .bind(None::<i64>)
            .fetch_one(&mut *tx)
            .await
            .expect("it shares");
        let found: String =
            sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *tx).await.expect("it reads");
        assert_eq!(found, waits, "{stop:?}");
    }
}

#[tokio::test]
async fn a_halted_lote_waits_and_what_others_hold_is_told() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    it.execute("UPDATE mutirao.outbox SET lote = 'errado' WHERE service = 1").await;
    it.halt("errado", &Halt::Until).await.expect("it halts");
    it.halt("errado", &Halt::DiskFull).await.expect("it may be told twice");
    let other = worker(&it, Rate::Unlimited).await;
    assert_eq!(ids(&other.queue(Scope::All).claim(want(5)).await.expect("it claims")), [rows[1]]);
    let claimed = it.claim(want(5)).await.expect("it claims");
    assert!(claimed.claims.is_empty() && claimed.backlog.elsewhere);
    let halted = it.outbox.halted().await.expect("it reads");
    assert_eq!(halted[0].reason, HaltReason::Halted(Halt::Until));
    assert!(it.outbox.resume_lote("errado").await.expect("it resumes"));
    assert!(!it.outbox.resume_lote("errado").await.expect("it goes on already"));
    assert_eq!(ids(&it.claim(want(5)).await.expect("it claims")), [rows[0]]);
    assert_eq!(it.state(rows[0]).await, State::InFlight);
}

/// A claim that finds nothing but halted rows would read them under the lock of all claims.
#[tokio::test]
async fn halted_rows_wake_nobody() {
    let mut it = Fresh::new().await;
    it.insert(&[valid(1)]).await;
    it.halt("default", &Halt::Until).await.expect("it halts");
    let other = worker(&it, Rate::Unlimited).await;
    let queue = other.queue(Scope::All);
    let poll = Duration::from_millis(1);
    queue.woken(60 * LONG).await; // It listens from now on.
    queue.woken(poll).await; // What was in flight elsewhere may just have ended.
    let woken = tokio::time::timeout(Duration::from_millis(200), queue.woken(poll)).await;
    assert!(woken.is_err(), "there is nothing to claim");
    assert!(it.outbox.resume_lote("default").await.expect("it resumes"));
    tokio::time::timeout(LONG, queue.woken(poll)).await.expect("it wakes");
}

#[tokio::test]
async fn an_insert_wakes_long_before_the_poll() {
    let mut it = Fresh::new().await;
    let other = worker(&it, Rate::Unlimited).await;
    let queue = other.queue(Scope::All);
    queue.woken(60 * LONG).await; // It listens from now on.
    it.insert(&[valid(1)]).await;
    tokio::time::timeout(LONG, queue.woken(60 * LONG)).await.expect("it wakes");
}

#[tokio::test]
async fn how_many_requests_a_worker_has_at_once_is_told_with_its_lease() {
    let it = Fresh::new().await;
    it.execute("DELETE FROM mutirao.worker").await;
    let (one, other) = (worker(&it, Rate::Unlimited).await, worker(&it, Rate::Unlimited).await);
    let at_once = async || it.outbox.crew().await.expect("it reads").at_once;
    one.renew().await.expect("it renews");
    assert_eq!(at_once().await, None, "its run has not begun");
    for (worker, n) in [(&one, 7), (&other, 2), (&one, 5)] {
        share(worker, &ShareRequest { at_once: n, ..report(0) }).await;
        worker.renew().await.expect("it renews");
    }
    assert_eq!(at_once().await, Some(7));
    one.renew().await.expect("it renews");
    assert_eq!(at_once().await, Some(7), "what is known stays");
}
