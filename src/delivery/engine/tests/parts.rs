//! The parts of the engine, each by itself: tables of what they are told, and what they say then.

use std::collections::VecDeque;
use std::sync::Arc;

use super::*;
use crate::delivery::breaker::{Breaker, Traffic};
use crate::delivery::coordination::{FAR, FAR_MAX, News, Prober};
use crate::delivery::engine::health::Health;
use crate::delivery::engine::listing::{Held, Listing};
use crate::delivery::engine::queue::{Queue, Work};
use crate::delivery::engine::sharing::{Mode, Sharing};
use crate::delivery::engine::sights::Sights;
use crate::delivery::engine::slots::AHEAD;
use crate::delivery::engine::storage::{Claiming, Storage};
use crate::delivery::engine::times::Moment;
use crate::delivery::eyes::Sight;
use crate::delivery::guards::Guards;
use crate::delivery::{Blindness, ClaimRequest, End, GuardLimits, Halt};

fn moment() -> Moment {
    Moment { awake: Duration::ZERO, wall: start(), outbox: start(), hubsoft: None }
}

/// What all workers know of HubSoft.
fn knowing(shared: SharedBreaker) -> Health {
    let mut breaker = Breaker::default();
    breaker.open(Duration::ZERO);
    breaker.apply(Duration::ZERO, shared);
    let limits = GuardLimits { n_alone: 0, ..GuardLimits::default() };
    let mut health = Health::new(Guards::new(limits, None));
    health.breaker = breaker;
    health
}

const CLOSED: SharedBreaker = SharedBreaker::Closed;
const TRIAL: SharedBreaker = SharedBreaker::Trial(Holder::Me);
const TRIED_BY_OTHERS: SharedBreaker = SharedBreaker::Trial(Holder::Other);
const TRIED_BY_NOBODY: SharedBreaker = SharedBreaker::Trial(Holder::Nobody);
const OPEN: SharedBreaker = SharedBreaker::Open(Holder::Me);

#[test]
fn look_ups_count_while_hubsoft_works_or_nothing_is_left_that_could_show_it() {
    for (shared, n_live_posts, expected) in [
        (CLOSED, 0, Looks::Count),
        (CLOSED, 1, Looks::Count),
        (TRIAL, 0, Looks::Count),
        (TRIAL, 1, Looks::Free),
        (TRIED_BY_NOBODY, 1, Looks::Count),
        (TRIED_BY_OTHERS, 0, Looks::Free),
        (OPEN, 0, Looks::Free),
    ] {
        assert_eq!(knowing(shared).looks(n_live_posts), expected, "{shared:?} {n_live_posts}");
    }
    let mut health = knowing(TRIAL);
    health.breaker.posting(RowId(1));
    assert_eq!(health.looks(0), Looks::Free, "its answer may be on its way");
}

#[test]
fn a_probe_is_due_to_nobody_while_a_person_pauses_all() {
    let mut health = knowing(OPEN);
    assert_eq!(health.breaker.traffic(), Traffic::Nothing { probe_at: Some(Duration::ZERO) });
    assert_eq!(health.probe_at(), Some(Duration::ZERO));
    health.pause = Some(PauseReason::Said("almoço".to_owned()));
    assert_eq!(health.probe_at(), None);
}

/// How fit it is to find out for all that HubSoft is back: at 1 s, then 3 s and then 4 s after the start.
#[test]
fn who_has_had_no_row_to_try_with_for_three_seconds_leaves_the_trial_to_others() {
    use Prober::{Postless, Ready, Unfit};

    let check = |health: &mut Health, slot, n_live_posts, is_barred, expected: [Prober; 3]| {
        let fit = [1, 3, 4].map(|s| health.prober(s * S, s * S + slot, n_live_posts, is_barred));
        assert_eq!(fit, expected);
    };
    let none = Duration::ZERO;
    check(&mut knowing(CLOSED), none, 0, false, [Ready; 3]);
    check(&mut knowing(TRIAL), none, 0, false, [Ready, Ready, Postless]);
    check(&mut knowing(TRIAL), AHEAD, 0, false, [Ready, Ready, Postless]);
    // Others would wait for their slot as well.
    check(&mut knowing(TRIAL), AHEAD + MS, 0, false, [Ready; 3]);
    check(&mut knowing(TRIAL), none, 1, false, [Ready; 3]);
    check(&mut knowing(TRIED_BY_NOBODY), none, 0, false, [Postless; 3]);
    check(&mut knowing(TRIED_BY_OTHERS), none, 0, true, [Ready; 3]);
    let mut halted = knowing(TRIAL);
    halted.halted = Some(Halt::DiskFull);
    check(&mut halted, none, 0, false, [Unfit; 3]);
    let mut paused = knowing(TRIAL);
    paused.pause = Some(PauseReason::Said("almoço".to_owned()));
    check(&mut paused, none, 0, false, [Unfit; 3]);
}

#[test]
fn who_had_a_row_meanwhile_has_three_seconds_anew() {
    let mut health = knowing(TRIAL);
    for (s, n_live_posts, expected) in
        [(1, 0, Prober::Ready), (3, 1, Prober::Ready), (5, 0, Prober::Ready), (8, 0, Prober::Postless)]
    {
        assert_eq!(health.prober(s * S, s * S, n_live_posts, false), expected, "at {s} s");
    }
}

/// Rows that were opened are looked up: `u` one that is not found, `t` one of which HubSoft tells something
/// else.
#[test]
fn a_search_ends_at_three_that_are_not_found_or_ten_in_all() {
    for (told, expected) in [
        ("uu", None),
        ("uuu", Some(Blindness::Unseen)),
        ("ttttttttt", None),
        ("tttttttttt", Some(Blindness::Unknown)),
        ("tttttttttu", Some(Blindness::Unseen)),
        ("tttutu", None),
        ("tttutuu", Some(Blindness::Unseen)),
    ] {
        let mut sights = Sights::default();
        let ends: Vec<_> = told.chars().map(|one| sights.searched(10, one == 'u', S)).collect();
        let (last, before) = ends.split_last().expect("something is told");
        assert_eq!((*last, before.iter().flatten().count()), (expected, 0), "{told}");
    }
}

#[test]
fn a_search_that_was_in_vain_is_for_as_long_a_text_and_not_for_ever() {
    let mut sights = Sights::default();
    for _ in 0..3 {
        sights.searched(10, true, 100 * S);
    }
    for (text_len, is_elsewhere, s, expected) in [
        (9, false, 101, None),
        (10, false, 101, Some(Blindness::Unseen)),
        (11, false, 399, Some(Blindness::Unseen)),
        (10, false, 400, None),
        (10, true, 129, Some(Blindness::Unseen)),
        (10, true, 130, None),
    ] {
        let found = sights.in_vain(text_len, is_elsewhere, s * S);
        assert_eq!(found, expected, "{text_len} {is_elsewhere} {s}");
    }
}

#[test]
fn blindness_lasts_from_the_first_search_in_vain_until_something_is_seen() {
    let mut sights = Sights::default();
    assert!(!sights.are_blind_for(Duration::ZERO, 500 * S), "nothing was looked for");
    for s in [100, 100, 100, 200, 200, 200] {
        sights.searched(10, true, s * S);
    }
    for (s, expected) in [(279, false), (280, true), (281, true)] {
        assert_eq!(sights.are_blind_for(180 * S, s * S), expected, "{s}");
    }
    sights.saw(Sight { text_len: 1, seen_at: start() });
    assert!(!sights.are_blind_for(180 * S, 500 * S), "a short text is something");
}

/// What was not found counts for the next search, unless as long a text was seen meanwhile.
#[test]
fn a_sight_ends_the_search_for_a_text_no_longer_than_it() {
    for (text_len, expected) in [(9, Some(Blindness::Unseen)), (10, None), (11, None)] {
        let mut sights = Sights::default();
        sights.searched(10, true, S);
        sights.searched(10, true, S);
        assert!(sights.saw(Sight { text_len, seen_at: start() }), "it is news");
        assert!(!sights.saw(Sight { text_len, seen_at: start() }), "and then it is none");
        assert_eq!(sights.searched(10, true, S), expected, "{text_len}");
    }
}

#[test]
fn one_kind_of_settles_that_fails_is_enough() {
    for (kind, expected) in
        [(Kind::Settles, true), (Kind::StuckSettles, true), (Kind::Claims, false), (Kind::Shares, false)]
    {
        let mut storage = Storage::new();
        assert!(!storage.is_down() && !storage.settles_fail());
        storage.call_mut(kind).begin(S);
        storage.call_mut(kind).failed(2 * S);
        assert!(storage.is_down(), "{kind:?}");
        assert_eq!(storage.settles_fail(), expected, "{kind:?}");
    }
}

#[test]
fn outcomes_are_stored_by_themselves_or_with_a_claim() {
    let want = ClaimRequest { now: start(), posts: 1, look_ups: 0, end: End::Front };
    for (carries, expected) in [(false, false), (true, true)] {
        let mut storage = Storage::new();
        storage.claiming = Some(Claiming { want, asked: moment(), n_changes: 0, carries });
        assert_eq!(storage.is_settling(), expected);
    }
    let mut storage = Storage::new();
    storage.call_mut(Kind::StuckSettles).begin(S);
    assert!(!storage.is_settling(), "those are stored beside the others");
    storage.call_mut(Kind::Settles).begin(S);
    assert!(storage.is_settling());
}

#[test]
fn a_call_takes_as_long_as_the_longest_of_late() {
    let mut storage = Storage::new();
    for (took_ms, expected_ms) in [(800, 800), (100, 700), (900, 900), (0, 787)] {
        storage.claim_took(took_ms * MS);
        assert_eq!(storage.claims_take.as_millis(), expected_ms);
    }
}

#[test]
fn an_outbox_is_far_from_a_tenth_of_a_second_on_and_no_farther_than_two() {
    let mut sharing = Sharing::new();
    for (took, expected) in [
        (FAR - MS, Duration::ZERO),
        (FAR, FAR),
        (Duration::ZERO, Duration::ZERO), // Seven eighths are near.
        (800 * MS, 800 * MS),
        (MS, 700 * MS),
        (FAR_MAX + S, FAR_MAX),
        (MS, FAR_MAX), // Seven eighths of three seconds.
    ] {
        sharing.took(took);
        assert_eq!(sharing.far(), expected, "{took:?}");
    }
}

#[test]
fn news_is_told_again_until_it_was_heard_and_only_to_others() {
    let news = News { returned: true, ..News::default() };
    let mut sharing = Sharing::new();
    sharing.tell(news.clone());
    assert_eq!(sharing.telling(), News::default(), "nobody shares it");
    sharing.mode = Mode::Shared;
    sharing.tell(news.clone());
    assert_eq!(sharing.telling(), news);
    assert_eq!(sharing.telling(), news, "it may not have arrived");
}

#[test]
fn others_make_a_list_worthless_also_one_that_is_being_read() {
    let held = Some(Held { list: Arc::default(), asked: moment() });
    let mut listing = Listing { held, ..Listing::default() };
    assert_eq!(listing.age(moment()), Some(Duration::ZERO));
    listing.has_company();
    assert_eq!(listing.age(moment()), None);
}

#[test]
fn a_list_knows_no_service_once_too_many_have_changed() {
    let mut listing = Listing::default();
    listing.changed[0].insert(1);
    listing.changed[1].extend(2..50_001);
    assert_eq!([1, 2, 60_000].map(|service| listing.knows(service)), [false, false, true]);
    assert!(!listing.is_full());
    listing.changed[1].insert(50_001);
    assert!(listing.is_full() && !listing.knows(60_000));
}

/// A queue with these rows of these lotes to post, and these to look up.
fn queue(posts: &[(i64, &str)], look_ups: &[i64]) -> Queue {
    let posts = posts.iter().map(|(row, lote)| Claim { lote: (*lote).into(), ..claim(*row) });
    let doubt = Some(Doubt::since(start()));
    let look_ups = look_ups.iter().map(|row| Claim { doubt: doubt.clone(), ..claim(*row) });
    let mut queue = Queue::new();
    queue.take_in(posts.chain(look_ups).collect(), moment());
    queue
}

fn taken(queue: &mut Queue) -> Vec<i64> {
    std::iter::from_fn(|| queue.take_claim()).map(|queued| queued.claim.row.0).collect()
}

#[test]
fn every_fifth_claim_is_a_look_up_while_both_wait() {
    let posts: Vec<_> = (1..=10).map(|row| (row, "queda")).collect();
    let mut queue = queue(&posts, &[101, 102, 103]);
    assert_eq!(taken(&mut queue), [1, 2, 3, 4, 101, 5, 6, 7, 8, 102, 9, 10, 103]);
}

#[test]
fn of_what_could_be_the_trial_one_of_another_lote_than_the_last_stays() {
    let posts = [(1, "queda"), (2, "poste"), (3, "chuva"), (4, "queda")];
    for (stumbled, draw, expected, n_others) in
        [(None, 2, 3, 4), (Some("queda"), 1, 3, 2), (Some("queda"), 0, 2, 2), (Some("outro"), 3, 4, 4)]
    {
        let (mut queue, mut back) = (queue(&posts, &[101]), VecDeque::new());
        let among = |n| {
            assert_eq!(n, n_others);
            draw
        };
        queue.choose_trial(stumbled.map(Arc::from).as_ref(), among, &mut back);
        assert_eq!((queue.n_unsent, queue.n_live_posts, back.len()), (2, 1, 3));
        assert_eq!(taken(&mut queue), [expected, 101], "{stumbled:?} {draw}");
    }
    let (mut queue, mut back) = (queue(&posts[..1], &[]), VecDeque::new());
    queue.choose_trial(Some(&"queda".into()), |_| unreachable!("there is one"), &mut back);
    assert_eq!((taken(&mut queue), back.len()), (vec![1], 0));
    let (mut queue, mut back) = (self::queue(&[(1, "queda"), (2, "queda")], &[]), VecDeque::new());
    queue.choose_trial(Some(&"queda".into()), |n| n - 1, &mut back);
    assert_eq!((taken(&mut queue), back.len()), (vec![2], 1), "there is no other lote");
}

/// From the halt until the outbox knows of it, and no claim is under way that began before.
#[test]
fn rows_of_a_halted_lote_go_back_as_long_as_a_claim_may_bring_them() {
    let lote: Arc<str> = "queda".into();
    let brings = |queue: &mut Queue| {
        let mut back = VecDeque::new();
        let claims = vec![claim(7), Claim { lote: "poste".into(), ..claim(8) }];
        queue.take_in(claims, moment());
        queue.claim_ended(&mut back);
        (taken(queue), changes(back.make_contiguous()))
    };
    let (kept, given_back) = ((vec![7, 8], String::new()), (vec![8], "7 released".to_owned()));
    for (is_claiming, ways) in [
        // The outbox knows when no claim is under way: the next brings none, and is not looked at.
        (false, [given_back.clone(), kept.clone()]),
        // It knows during one, which may have begun before.
        (true, [given_back.clone(), given_back.clone()]),
    ] {
        let (mut queue, mut back) = (queue(&[(1, "queda"), (2, "poste")], &[]), VecDeque::new());
        queue.halt_lote(&lote, &mut back);
        assert_eq!(changes(back.make_contiguous()), "1 released");
        assert_eq!((taken(&mut queue), queue.n_live_posts), (vec![2], 1));
        assert_eq!(brings(&mut queue), ways[0], "the outbox does not know");
        queue.is_claiming = is_claiming;
        queue.halt_stored(&"chuva".into());
        queue.halt_stored(&lote);
        assert_eq!(brings(&mut queue), ways[1], "claiming: {is_claiming}");
        assert!(!queue.is_claiming);
        assert_eq!(brings(&mut queue), kept, "and later it is over");
    }
}

#[test]
fn what_was_barred_may_be_asked_for_again_and_nothing_else() {
    for (work, expected) in [
        (Work::Barred { since: S }, Work::Maybe),
        (Work::None, Work::None),
        (Work::NotBefore(start()), Work::NotBefore(start())),
    ] {
        let mut queue = Queue::new();
        queue.work = work;
        queue.unbar();
        assert_eq!(queue.work, expected);
    }
}
