//! What every outbox must do. A driver joins with one test that calls [`conforms`].

use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::{
    Attempt, AttemptKind, Beside, Change, Claim, ClaimRequest, Claimed, Doubt, End, Fault, Noted,
    OpenedTicket, Outbox, Rate, RowId, Settle, Settled, State, Token, Warning,
};
use mutirao::outbox::{LEASE, Terms};

use crate::support::world::fault;

/// A row to put in. Everything about it is valid but, if asked for, its phone.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    pub service: i64,
    pub priority: i64,
    pub phone: &'static str,
}

/// What a row is, as far as the promises speak of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub state: State,
    pub attempts: u32,
    pub sent_at: Option<Timestamp>,
    pub available_at: Timestamp,
    pub doubt: Option<Doubt>,
    pub protocolo: Option<String>,
    pub error_code: Option<String>,
    pub warning: Option<String>,
    pub n_history: usize,
}

/// An outbox that a test can fill and look into.
#[allow(async_fn_in_trait)] // As the port.
pub trait Bench: Outbox {
    /// Puts rows in, `pending` and due at [`T0`], behind those that are there; ids grow in order.
    async fn insert(&mut self, rows: &[Seed]) -> Vec<RowId>;
    async fn look(&self, row: RowId) -> Seen;
    /// As somebody's own statement would, outside of the port.
    async fn write_state(&mut self, row: RowId, state: State);
    /// Until what was dropped is done, or is not.
    async fn come_to_rest(&self) {}
}

/// Of a worker that nothing holds back.
pub const TERMS: Terms = Terms { rate: Rate::Unlimited, lease: LEASE, timeout: Duration::from_secs(60) };

const T0_S: i64 = 1_700_000_000;

/// The `s`th second of the test; rows come in at 0.
pub fn at(s: i64) -> Timestamp {
    Timestamp::from_second(T0_S + s).expect("tests stay within a year")
}

pub fn valid(service: i64) -> Seed {
    Seed { service, priority: 0, phone: "37999998888" }
}

fn invalid(service: i64) -> Seed {
    Seed { phone: "12", ..valid(service) }
}

/// Runs every promise against a fresh outbox.
pub async fn conforms<B: Bench>(make: impl AsyncFn() -> B) {
    /// Each in a box: not optimized, all would lie side by side on one stack.
    macro_rules! hold {
        ($($promise:ident,)+) => { $(Box::pin($promise(make().await)).await;)+ };
    }
    hold! {
        claims_come_in_order,
        the_other_end_of_the_queue_can_be_claimed,
        rows_between_the_ends_of_the_queue_can_be_claimed,
        nothing_lies_between_the_ends_of_an_empty_queue,
        a_claim_is_counted_by_kind,
        nothing_is_claimed_twice,
        a_service_is_live_once,
        a_crowd_of_one_service_starves_nobody,
        a_doubt_keeps_its_service_from_posts,
        an_invalid_row_is_refused_and_blocks_nothing,
        a_release_leaves_no_trace,
        a_release_keeps_what_was_sent_before,
        every_change_is_written,
        a_settle_may_be_repeated,
        a_claim_carries_outcomes_and_sees_what_they_leave,
        what_is_odd_about_an_outcome_keeps_no_claim,
        a_stale_token_changes_nothing,
        proof_is_never_thrown_away,
        a_claim_that_was_forgotten_leaves_a_doubt,
        what_a_look_up_settles_is_in_doubt_no_more,
        a_second_ticket_is_a_warning,
        a_ticket_belongs_to_one_row,
        recovery_makes_doubts,
        a_precaution_stays_one_until_somebody_wants_to_know,
        what_was_seen_is_kept_for_each_user,
        a_specimen_is_a_row_that_was_opened_with_a_text_as_long,
        what_a_clock_set_back_has_left_waits_no_longer,
        the_outlook_tells_when_to_come_back,
        what_may_be_opened_yet_is_known,
        a_row_in_doubt_tells_what_became_of_its_post,
        a_history_is_kept,
    }
}

async fn claims_come_in_order(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), Seed { priority: -1, ..valid(2) }, valid(3), valid(4)]).await;
    later(&it, rows[1], 0, 5, None).await;
    let claimed = claim(&it, 4, 2).await;
    assert_eq!(ids(&claimed), [rows[0], rows[2]], "by due time, then id; what is not due stays");
    let claimed = claim(&it, 5, 9).await;
    assert_eq!(ids(&claimed), [rows[1], rows[3]], "the lowest priority number comes first");
}

async fn the_other_end_of_the_queue_can_be_claimed(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), Seed { priority: -1, ..valid(2) }, valid(3), valid(4)]).await;
    later(&it, rows[3], 0, 5, None).await;
    let back = |posts| ClaimRequest { now: at(4), posts, look_ups: 0, end: End::Back };
    let claimed = it.claim(back(2)).await.expect("it claims");
    assert_eq!(ids(&claimed), [rows[2], rows[0]], "what is not due stays");
    assert_eq!(ids(&it.claim(back(2)).await.expect("it claims")), [rows[1]]);
}

async fn rows_between_the_ends_of_the_queue_can_be_claimed(mut it: impl Bench) {
    let rows = it.insert(&(1..=9).map(valid).collect::<Vec<_>>()).await;
    let want =
        |thousandths| ClaimRequest { now: at(4), posts: 2, look_ups: 0, end: End::Between(thousandths) };
    let claimed = ids(&it.claim(want(500)).await.expect("it claims"));
    assert_eq!(claimed, rows[4..6], "in the middle, and what comes behind it");
    assert_eq!(ids(&it.claim(want(0)).await.expect("it claims")), rows[..2]);
    assert!(!it.claim(want(1000)).await.expect("it claims").claims.is_empty(), "the last is there");
}

async fn nothing_lies_between_the_ends_of_an_empty_queue(it: impl Bench) {
    let want = ClaimRequest { now: at(4), posts: 2, look_ups: 2, end: End::Between(500) };
    assert!(it.claim(want).await.expect("it claims").claims.is_empty());
}

async fn a_claim_is_counted_by_kind(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(2), valid(3), valid(4)]).await;
    for row in &rows[..2] {
        later(&it, *row, 0, 0, Some(doubt(0))).await;
    }
    let claimed = claim_both(&it, 1, 1, 1).await;
    let (look_ups, posts): (Vec<_>, Vec<_>) = claimed.claims.iter().partition(|it| it.doubt.is_some());
    assert_eq!((posts.len(), posts[0].row), (1, rows[2]));
    assert_eq!((look_ups.len(), look_ups[0].row), (1, rows[0]));
    assert_eq!(look_ups[0].doubt, Some(doubt(0)), "a claim hands out the doubt as it was stored");
    assert!(claim_both(&it, 1, 0, 9).await.claims.iter().all(|it| it.doubt.is_some()));
    assert!(claim_both(&it, 1, 9, 0).await.claims.iter().all(|it| it.doubt.is_none()));
    assert!(claim_both(&it, 1, 9, 9).await.claims.is_empty());
}

async fn nothing_is_claimed_twice(mut it: impl Bench) {
    let rows = it.insert(&(1..=20).map(valid).collect::<Vec<_>>()).await;
    let mut seen = Vec::new();
    for n in [7, 7, 7, 7] {
        let claimed = claim(&it, 1, n).await;
        for claim in &claimed.claims {
            assert_eq!((claim.sent_at, claim.attempts), (at(1), 0));
            assert_eq!(it.look(claim.row).await.state, State::InFlight);
            assert_eq!(it.look(claim.row).await.sent_at, Some(at(1)), "it may have been sent from here on");
        }
        seen.extend(ids(&claimed));
    }
    assert_eq!(seen, rows);
}

async fn a_service_is_live_once(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(1), valid(2)]).await;
    let first = claim(&it, 1, 9).await;
    assert_eq!(ids(&first), [rows[0], rows[2]], "not even within one claim");
    assert!(claim(&it, 1, 9).await.claims.is_empty());
    settle(&it, &first.claims[0], opened("p1", 1)).await;
    assert_eq!(ids(&claim(&it, 1, 9).await), [rows[1]]);
}

async fn a_crowd_of_one_service_starves_nobody(mut it: impl Bench) {
    let mut seeds = vec![valid(1); 100];
    seeds.extend((2..=10).map(valid));
    let rows = it.insert(&seeds).await;
    let claimed = claim(&it, 1, 8).await;
    let expected: Vec<RowId> = std::iter::once(rows[0]).chain(rows[100..107].iter().copied()).collect();
    assert_eq!(ids(&claimed), expected);
}

async fn a_doubt_keeps_its_service_from_posts(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(1)]).await;
    let claimed = claim(&it, 1, 1).await;
    settle(&it, &claimed.claims[0], change_later(50, 0, Some(doubt(1)))).await;
    assert!(claim(&it, 2, 9).await.claims.is_empty(), "in doubt");
    let looked = claim_both(&it, 50, 0, 1).await;
    let unconfirmed = Change::Unconfirmed { doubt: doubt(1), fault: fault("timeout") };
    settle(&it, &looked.claims[0], unconfirmed).await;
    assert!(claim(&it, 51, 9).await.claims.is_empty(), "unconfirmed");
    it.look_again(at(52)).await.expect("it does");
    let looked = claim_both(&it, 52, 9, 9).await;
    assert_eq!(ids(&looked), [rows[0]], "looked up, and nothing posted");
    settle(&it, &looked.claims[0], change_later(52, 0, None)).await;
    assert_eq!(ids(&claim(&it, 53, 9).await).len(), 1, "one of the two, certain of the other");
}

async fn an_invalid_row_is_refused_and_blocks_nothing(mut it: impl Bench) {
    let rows = it.insert(&[invalid(1), valid(1), invalid(2), valid(3)]).await;
    let claimed = claim(&it, 1, 2).await;
    assert_eq!(ids(&claimed), [rows[1], rows[3]]);
    let refused: Vec<RowId> = claimed.refused.iter().map(|it| it.row).collect();
    assert_eq!(refused, [rows[0], rows[2]]);
    for row in refused {
        let seen = it.look(row).await;
        assert_eq!((seen.state, seen.sent_at), (State::Invalid, None), "it was never possibly sent");
    }
    assert!(claimed.refused.iter().all(|it| !it.problems.is_empty()));
    assert!(claim(&it, 1, 9).await.refused.is_empty(), "told once");
}

async fn a_release_leaves_no_trace(mut it: impl Bench) {
    let row = it.insert(&[valid(1)]).await[0];
    let before = it.look(row).await;
    let claimed = claim(&it, 1, 1).await;
    settle(&it, &claimed.claims[0], Change::Release).await;
    assert_eq!(it.look(row).await, before);
    let again = claim(&it, 2, 1).await;
    assert!(claimed.claims[0].token < again.claims[0].token, "but for the token, that only grows");
    assert_eq!(again.claims[0].sent_at, at(2));
}

async fn a_release_keeps_what_was_sent_before(mut it: impl Bench) {
    let row = it.insert(&[valid(1)]).await[0];
    later(&it, row, 1, 2, Some(doubt(1))).await;
    let before = it.look(row).await;
    assert_eq!(before.sent_at, Some(at(1)));
    // In the very millisecond of the first claim too.
    for now in [2, 7] {
        let claimed = claim_both(&it, now, 0, 1).await;
        assert_eq!(claimed.claims[0].sent_at, at(1), "the earliest that may have left something");
        settle(&it, &claimed.claims[0], Change::Release).await;
        assert_eq!(it.look(row).await, before);
    }
}

/// A ticket that is open for the same service.
fn beside() -> Warning {
    Warning::Beside(Beside { protocolo: Some("p".to_owned()), label: "SAC".to_owned() })
}

fn conflict() -> Change {
    let (opening, fault) = (opening("whose", 2), fault("wrong_service"));
    Change::Conflict { opening, attempts: 1, fault, warnings: vec![beside()] }
}

async fn every_change_is_written(mut it: impl Bench) {
    let rows = it.insert(&(1..=8).map(valid).collect::<Vec<_>>()).await;
    let claimed = claim(&it, 1, 8).await;
    let changes = [
        change_later(9, 2, None),
        change_later(9, 1, Some(doubt(3))),
        Change::Opened { opening: opening("p", 1), attempts: 1, warnings: vec![Warning::WithoutOs] },
        Change::Skipped { opening: opening("other", 2) },
        Change::Rejected { attempts: 1, fault: fault("refused") },
        Change::Failed { attempts: 8, fault: fault("no_ticket") },
        Change::Unconfirmed { doubt: doubt(4), fault: fault("timeout") },
        conflict(),
    ];
    let settles: Vec<Settle> =
        claimed.claims.iter().zip(changes).map(|(it, change)| of(it, change)).collect();
    assert_eq!(it.settle(&settles).await.expect("it settles"), [Settled::Written; 8]);

    let blank = Seen {
        state: State::Pending,
        attempts: 0,
        sent_at: Some(at(1)),
        available_at: at(0),
        doubt: None,
        protocolo: None,
        error_code: None,
        warning: None,
        n_history: 0,
    };
    let code = |it: &str| Some(it.to_owned());
    let expected = [
        Seen { attempts: 2, available_at: at(9), error_code: code("connect"), ..blank.clone() },
        Seen {
            state: State::InDoubt,
            attempts: 1,
            available_at: at(9),
            doubt: Some(doubt(3)),
            error_code: code("connect"),
            ..blank.clone()
        },
        Seen {
            state: State::Opened,
            attempts: 1,
            protocolo: code("p"),
            warning: Some(mutirao::text::warning(&Warning::WithoutOs)),
            ..blank.clone()
        },
        Seen {
            state: State::Skipped,
            protocolo: code("other"),
            error_code: code("already_open"),
            ..blank.clone()
        },
        Seen { state: State::Rejected, attempts: 1, error_code: code("refused"), ..blank.clone() },
        Seen { state: State::Failed, attempts: 8, error_code: code("no_ticket"), ..blank.clone() },
        Seen {
            state: State::Unconfirmed,
            doubt: Some(doubt(4)),
            error_code: code("timeout"),
            ..blank.clone()
        },
        Seen {
            state: State::Conflict,
            attempts: 1,
            protocolo: code("whose"),
            error_code: code("wrong_service"),
            warning: Some(mutirao::text::warning(&beside())),
            ..blank
        },
    ];
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(it.look(*row).await, expected);
    }
}

async fn a_settle_may_be_repeated(mut it: impl Bench) {
    it.insert(&(1..=8).map(valid).collect::<Vec<_>>()).await;
    let claimed = claim(&it, 1, 8).await;
    let changes = [
        Change::Release,
        change_later(9, 1, Some(doubt(3))),
        opened("p", 1),
        Change::Skipped { opening: opening("other", 2) },
        Change::Rejected { attempts: 1, fault: fault("refused") },
        Change::Failed { attempts: 8, fault: fault("no_ticket") },
        Change::Unconfirmed { doubt: doubt(4), fault: fault("timeout") },
        conflict(),
    ];
    let mut settles: Vec<Settle> =
        claimed.claims.iter().zip(changes).map(|(it, change)| of(it, change)).collect();
    settles[1].attempt = Some(attempt());
    assert_eq!(it.settle(&settles).await.expect("it settles"), [Settled::Written; 8]);
    let mut before = Vec::new();
    for settle in &settles {
        before.push(it.look(settle.row).await);
    }
    assert_eq!(it.settle(&settles).await.expect("it settles"), [Settled::Written; 8]);
    for (settle, before) in settles.iter().zip(before) {
        assert_eq!(it.look(settle.row).await, before);
    }
}

async fn a_claim_carries_outcomes_and_sees_what_they_leave(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(1), valid(2), valid(3), valid(4)]).await;
    let claims = claim(&it, 1, 2).await.claims;
    let settles = [
        Settle { attempt: Some(attempt()), ..of(&claims[0], opened("p1", 1)) },
        of(&claims[1], Change::Release),
    ];
    let (became, claimed) = it.settle_and_claim(&settles, want(2, 2, 0)).await.expect("it does both");
    assert_eq!((&*became, &*ids(&claimed)), (&[Settled::Written; 2][..], &rows[1..3]));
    assert_eq!(claimed.claims[1].token, Token(2), "it went back in between");
    let seen = it.look(rows[0]).await;
    assert_eq!((seen.state, seen.protocolo.as_deref(), seen.n_history), (State::Opened, Some("p1"), 1));
    // Its answer was lost: told again, it has been done.
    let (became, claimed) = it.settle_and_claim(&settles[..1], want(2, 9, 0)).await.expect("it does both");
    assert_eq!((&*became, &*ids(&claimed)), (&[Settled::Written][..], &rows[3..]));
    assert_eq!(it.look(rows[0]).await.n_history, 1);
}

async fn what_is_odd_about_an_outcome_keeps_no_claim(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(2), Seed { priority: 1, ..valid(3) }]).await;
    let old = claim(&it, 1, 1).await.claims.remove(0);
    settle(&it, &old, change_later(1, 0, None)).await;
    let live = claim(&it, 2, 2).await;
    assert_eq!(ids(&live), [rows[1], rows[0]]);
    let settles = [of(&live.claims[0], opened("p2", 2)), of(&old, Change::Release)];
    let (became, claimed) = it.settle_and_claim(&settles, want(3, 9, 0)).await.expect("it does both");
    assert_eq!((&*became, &*ids(&claimed)), (&[Settled::Written, Settled::Stale][..], &rows[2..]));
    assert_eq!(it.look(rows[0]).await.state, State::InFlight);
    assert_eq!(it.look(rows[1]).await.state, State::Opened);
}

async fn a_stale_token_changes_nothing(mut it: impl Bench) {
    let row = it.insert(&[valid(1)]).await[0];
    let old = claim(&it, 1, 1).await;
    settle(&it, &old.claims[0], change_later(1, 0, None)).await;
    claim(&it, 2, 1).await;
    let before = it.look(row).await;
    let changes = [
        Change::Release,
        change_later(9, 5, None),
        Change::Rejected { attempts: 5, fault: fault("refused") },
        Change::Failed { attempts: 5, fault: fault("no_ticket") },
        Change::Unconfirmed { doubt: doubt(4), fault: fault("timeout") },
        Change::Skipped { opening: opening("other", 2) },
    ];
    for change in changes {
        let stale = Settle { attempt: Some(attempt()), ..of(&old.claims[0], change) };
        assert_eq!(it.settle(&[stale]).await.expect("it settles"), [Settled::Stale]);
        assert_eq!(it.look(row).await, before);
    }
}

async fn proof_is_never_thrown_away(mut it: impl Bench) {
    let rows = it.insert(&(1..=8).map(valid).collect::<Vec<_>>()).await;
    let old = claim(&it, 1, 8).await;
    let again: Vec<Settle> = old.claims.iter().map(|it| of(it, change_later(1, 0, None))).collect();
    it.settle(&again).await.expect("it settles");
    it.write_state(rows[7], State::Cancelled).await;
    let new = claim(&it, 2, 7).await;
    let changes = [
        Change::Skipped { opening: opening("other", 99) },
        change_later(9, 1, None),
        change_later(9, 1, Some(doubt(3))),
        Change::Rejected { attempts: 1, fault: fault("refused") },
        Change::Failed { attempts: 8, fault: fault("no_ticket") },
        Change::Unconfirmed { doubt: doubt(4), fault: fault("timeout") },
    ];
    // The seventh stays in flight, under a newer token.
    let settles: Vec<Settle> = new.claims.iter().zip(changes).map(|(it, change)| of(it, change)).collect();
    it.settle(&settles).await.expect("it settles");
    for (n, claim) in (1..).zip(&old.claims) {
        let late = Settle { attempt: Some(attempt()), ..of(claim, opened("late", n)) };
        for _ in 0..2 {
            assert_eq!(it.settle(std::slice::from_ref(&late)).await.expect("it settles"), [Settled::Written]);
        }
        assert_eq!(it.look(claim.row).await.n_history, 1, "row {n}");
    }
    for row in rows {
        let seen = it.look(row).await;
        assert_eq!((seen.state, seen.protocolo.as_deref()), (State::Opened, Some("late")));
        assert_eq!((seen.doubt, seen.error_code), (None, None));
    }
    let outrun = change_later(9, 1, None);
    assert_eq!(settle_only(&it, &new.claims[6], outrun).await, Settled::Stale, "an opened row is final");
}

async fn a_claim_that_was_forgotten_leaves_a_doubt(mut it: impl Bench) {
    let states = [State::Pending, State::Rejected, State::Cancelled, State::Opened];
    let rows = it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
    let claims = claim(&it, 1, 4).await.claims;
    let settles = claims.iter().zip(states).map(|(it, state)| match state {
        State::Opened => of(it, opened("p", 1)),
        State::Rejected => of(it, Change::Rejected { attempts: 1, fault: fault("refused") }),
        _ => of(it, change_later(50, 1, None)),
    });
    it.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");
    it.write_state(rows[2], State::Cancelled).await;
    for (claim, state) in claims.iter().zip(states) {
        let lost = Claim { token: Token(claim.token.0 + 1), ..claim.clone() };
        assert_eq!(settle_only(&it, &lost, Change::Release).await, Settled::Stale, "nothing was sent");
        assert_eq!(it.look(claim.row).await.state, state);
        let failed = Change::Failed { attempts: 2, fault: fault("no_ticket") };
        let failed = Settle { attempt: Some(attempt()), ..of(&lost, failed) };
        for _ in 0..2 {
            let settled = it.settle(std::slice::from_ref(&failed)).await.expect("it settles");
            assert_eq!(settled, [Settled::Stale], "{state:?}");
        }
        let (seen, is_opened) = (it.look(claim.row).await, state == State::Opened);
        let expected = if is_opened { (state, false, 0) } else { (State::InDoubt, true, 1) };
        assert_eq!((seen.state, seen.doubt.is_some(), seen.n_history), expected, "it was {state:?}");
    }
}

async fn what_a_look_up_settles_is_in_doubt_no_more(mut it: impl Bench) {
    let rows = it.insert(&(1..=5).map(valid).collect::<Vec<_>>()).await;
    let posted = claim(&it, 1, 9).await.claims;
    let unsure = posted.iter().map(|it| of(it, change_later(2, 1, Some(doubt(1)))));
    it.settle(&unsure.collect::<Vec<_>>()).await.expect("it settles");
    let looked_up = claim_both(&it, 2, 0, 9).await.claims;
    let changes = [
        change_later(9, 2, None),
        Change::Skipped { opening: opening("other", 2) },
        Change::Rejected { attempts: 1, fault: fault("refused") },
        Change::Failed { attempts: 8, fault: fault("no_ticket") },
        conflict(),
    ];
    let settles: Vec<Settle> = looked_up.iter().zip(changes).map(|(it, change)| of(it, change)).collect();
    assert_eq!(it.settle(&settles).await.expect("it settles"), [Settled::Written; 5]);
    for (row, settle) in rows.iter().zip(&settles) {
        let seen = it.look(*row).await;
        assert_eq!((seen.state, seen.doubt), (settle.change.state(None), None));
    }
}

async fn a_second_ticket_is_a_warning(mut it: impl Bench) {
    let row = it.insert(&[valid(1)]).await[0];
    let old = claim(&it, 1, 1).await;
    settle(&it, &old.claims[0], change_later(1, 0, None)).await;
    let new = claim(&it, 2, 1).await;
    settle(&it, &new.claims[0], opened("first", 1)).await;
    let second = Settle { attempt: Some(attempt()), ..of(&old.claims[0], opened("second", 2)) };
    for _ in 0..2 {
        assert_eq!(it.settle(std::slice::from_ref(&second)).await.expect("it settles"), [Settled::Duplicate]);
        let seen = it.look(row).await;
        assert_eq!((seen.state, seen.protocolo.as_deref()), (State::Opened, Some("first")));
        let warning = seen.warning.expect("a duplicate is a warning");
        assert_eq!(warning, "duplicate: `second` was opened for this row too");
        assert_eq!(seen.n_history, 1, "told once");
    }
    assert_eq!(settle_only(&it, &old.claims[0], opened("third", 3)).await, Settled::Duplicate);
    let warning = it.look(row).await.warning.expect("two are two warnings");
    assert_eq!(warning.matches("duplicate").count(), 2, "{warning}");
}

async fn a_ticket_belongs_to_one_row(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(2), valid(3)]).await;
    let claimed = claim(&it, 1, 3).await;
    settle(&it, &claimed.claims[0], opened("p", 7)).await;
    let taken = Settle { attempt: Some(attempt()), ..of(&claimed.claims[1], opened("p", 7)) };
    for _ in 0..2 {
        assert_eq!(it.settle(std::slice::from_ref(&taken)).await.expect("it settles"), [Settled::Taken]);
        let seen = it.look(rows[1]).await;
        assert_eq!((seen.state, seen.protocolo.as_deref()), (State::Conflict, Some("p")), "both are shown");
        assert_eq!((seen.error_code.as_deref(), seen.n_history), (Some("taken"), 1), "told once");
    }
    // Within one call too.
    let more = it.insert(&[valid(4)]).await;
    let last = claim(&it, 2, 9).await;
    assert_eq!(ids(&last), more);
    let both = [of(&claimed.claims[2], opened("q", 8)), of(&last.claims[0], opened("q", 8))];
    assert_eq!(it.settle(&both).await.expect("it settles"), [Settled::Written, Settled::Taken]);
    // What is skipped names a ticket that it does not own.
    let row = it.insert(&[valid(5)]).await[0];
    let claimed = claim(&it, 3, 9).await;
    let skipped = Change::Skipped { opening: opening("p", 7) };
    assert_eq!(settle_only(&it, &claimed.claims[0], skipped).await, Settled::Written);
    assert_eq!(it.look(row).await.state, State::Skipped);
}

async fn recovery_makes_doubts(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(2), valid(3), valid(4)]).await;
    later(&it, rows[0], 0, 0, Some(doubt(-5))).await;
    let looked = claim_both(&it, 1, 0, 9).await;
    assert_eq!(ids(&looked), [rows[0]]);
    let posted = claim(&it, 1, 2).await;
    let answered = Doubt { answered: 9, absences: 1, last_absence: Some(at(1)), ..doubt(0) };
    let unconfirmed = Change::Unconfirmed { doubt: answered.clone(), fault: fault("timeout") };
    settle(&it, &posted.claims[1], unconfirmed).await;

    assert_eq!(it.recover(at(20)).await.expect("it recovers"), 2, "those that were in flight");
    let seen = it.look(rows[0]).await;
    assert_eq!((seen.state, seen.doubt), (State::InDoubt, Some(doubt(-5))), "a look-up keeps its doubt");
    let seen = it.look(rows[1]).await;
    assert_eq!((seen.state, seen.sent_at), (State::InDoubt, Some(at(1))));
    assert_eq!(seen.doubt, Some(doubt(20)), "in doubt from now on");
    let seen = it.look(rows[2]).await;
    assert_eq!(
        (seen.state, seen.doubt),
        (State::Unconfirmed, Some(answered.clone())),
        "in the middle of a run"
    );
    it.look_again(at(20)).await.expect("it does");
    let seen = it.look(rows[2]).await;
    assert_eq!(seen.doubt, Some(Doubt { answered: 0, ..answered }), "looked up with new patience");

    let claimed = claim_both(&it, 20, 9, 9).await;
    let (look_ups, posts): (Vec<_>, Vec<_>) = claimed.claims.iter().partition(|it| it.doubt.is_some());
    assert_eq!(posts.iter().map(|it| it.row).collect::<Vec<_>>(), [rows[3]], "what was never claimed");
    assert_eq!(look_ups.len(), 3, "due at once");
    let fresh = &look_ups.iter().find(|it| it.row == rows[1]).expect("it is among them");
    assert!(posted.claims[0].token < fresh.token);
    assert_eq!(settle_only(&it, &posted.claims[0], Change::Release).await, Settled::Stale);
    assert_eq!(it.recover(at(21)).await.expect("it recovers"), 4);
    assert_eq!(it.recover(at(22)).await.expect("it recovers"), 0);
}

async fn a_precaution_stays_one_until_somebody_wants_to_know(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let precaution = Doubt { answered: 1, ..Doubt::precaution(at(0)) };
    for claim in claim(&it, 1, 9).await.claims {
        settle(&it, &claim, change_later(2, 0, Some(precaution.clone()))).await;
    }
    let looked_up = claim_both(&it, 2, 0, 9).await.claims;
    let unsure = Doubt { answered: 3, ..precaution.clone() };
    let unconfirmed = Change::Unconfirmed { doubt: unsure, fault: fault("timeout") };
    settle(&it, &looked_up[1], unconfirmed).await;
    assert_eq!(it.recover(at(20)).await.expect("it recovers"), 1);
    let seen = it.look(rows[0]).await;
    assert_eq!((seen.state, seen.available_at), (State::Pending, at(20)), "a look-up leaves nothing");
    assert_eq!(seen.doubt, Some(precaution));
    it.look_again(at(21)).await.expect("it does");
    let seen = it.look(rows[1]).await;
    assert_eq!((seen.state, seen.available_at), (State::InDoubt, at(21)));
    assert_eq!(seen.doubt, Some(Doubt::since(at(0))), "a person asked");
}

async fn the_outlook_tells_when_to_come_back(mut it: impl Bench) {
    assert_eq!(backlog(&it, 1, 0, 0).await, (false, None), "an empty outbox has nothing to wait for");
    let rows = it.insert(&[valid(1), valid(1), valid(2)]).await;
    let (pending, next) = backlog(&it, 1, 0, 0).await;
    assert!(pending && next.is_some_and(|it| it <= at(1)), "due, and not wanted: {next:?}");

    let claimed = claim(&it, 1, 9).await;
    assert_eq!((claimed.backlog.pending, claimed.backlog.next_due), (true, None), "the one left is blocked");
    settle(&it, &claimed.claims[1], change_later(30, 1, None)).await;
    assert_eq!(backlog(&it, 1, 9, 9).await, (true, Some(at(30))));
    settle(&it, &claimed.claims[0], change_later(20, 1, Some(doubt(1)))).await;
    assert_eq!(backlog(&it, 1, 9, 9).await, (true, Some(at(20))), "a look-up is something to come back for");

    let looked = claim_both(&it, 20, 0, 1).await;
    assert_eq!(ids(&looked), [rows[0]]);
    settle(&it, &looked.claims[0], opened("p", 1)).await;
    let last = claim(&it, 30, 9).await;
    assert_eq!(ids(&last).len(), 2);
    assert_eq!((last.backlog.pending, last.backlog.next_due), (false, None));
}

async fn what_may_be_opened_yet_is_known(mut it: impl Bench) {
    async fn check(it: &impl Outbox, expected: bool, what: &str) {
        // Boxed: asked so often in one test, it would take a stack of its own.
        let is_left = Box::pin(it.posts_are_left()).await.expect("it tells");
        assert_eq!(is_left, expected, "{what}");
    }
    check(&it, false, "an empty outbox").await;
    it.insert(&[valid(1), valid(1)]).await;
    check(&it, true, "pending").await;
    let posted = claim(&it, 1, 9).await;
    check(&it, true, "in flight").await;
    settle(&it, &posted.claims[0], change_later(9, 1, Some(doubt(1)))).await;
    check(&it, false, "in doubt, and one that waits behind it").await;
    let looked = claim_both(&it, 9, 0, 1).await;
    check(&it, false, "looked up").await;
    settle(&it, &looked.claims[0], change_later(99, 1, None)).await;
    check(&it, true, "to be tried again, later").await;
    for claim in &claim(&it, 99, 9).await.claims {
        let precaution = Doubt { precaution: true, ..doubt(1) };
        settle(&it, claim, change_later(100, 1, Some(precaution))).await;
    }
    check(&it, true, "only looked up before it is posted").await;
    let looked = claim_both(&it, 100, 0, 1).await;
    check(&it, true, "and just now").await;
    settle(&it, &looked.claims[0], opened("p", 1)).await;
    let last = claim_both(&it, 100, 9, 9).await;
    settle(&it, &last.claims[0], opened("q", 2)).await;
    check(&it, false, "all are opened").await;
}

async fn what_a_clock_set_back_has_left_waits_no_longer(mut it: impl Bench) {
    let rows = it.insert(&[valid(1), valid(2)]).await;
    const HOUR: i64 = 3600;
    let claimed = claim(&it, 10 * HOUR, 2).await;
    settle(&it, &claimed.claims[0], change_later(10 * HOUR + 5, 1, Some(doubt(10 * HOUR)))).await;
    settle(&it, &claimed.claims[1], change_later(10 * HOUR + 5, 1, None)).await;
    assert!(claim_both(&it, 3, 9, 9).await.claims.is_empty(), "put off until then");
    it.pull_in(at(3)).await.expect("it is possible");
    assert_eq!(claim_both(&it, 3, 9, 9).await.claims.len(), rows.len());
}

async fn what_was_seen_is_kept_for_each_user(it: impl Bench) {
    let saw = async |who: &str, text_len, seconds| {
        it.saw(who, Sight { text_len, seen_at: at(seconds) }).await.expect("it is kept");
    };
    let seen = async |who: &str| {
        let sights = it.sights(who).await.expect("it reads");
        sights.into_iter().map(|it| (it.text_len, it.seen_at)).collect::<Vec<_>>()
    };
    for (text_len, seconds) in [(10, 1), (30, 2), (20, 3), (20, 4), (5, 5)] {
        saw("one", text_len, seconds).await;
    }
    saw("other", 7, 6).await;
    assert_eq!(seen("one").await, [(30, at(2)), (20, at(4)), (5, at(5))]);
    saw("one", 25, 9).await;
    assert_eq!(seen("one").await, [(30, at(2)), (25, at(9))], "what it outdoes is gone");
    assert_eq!((seen("other").await, seen("nobody").await), (vec![(7, at(6))], vec![]));
    saw("one", 30, 1).await;
    assert_eq!(seen("one").await, [(30, at(1))], "the clock was set back: the last word stands");
}

async fn a_specimen_is_a_row_that_was_opened_with_a_text_as_long(mut it: impl Bench) {
    it.insert(&[valid(1), valid(2), valid(3)]).await;
    assert_eq!(it.specimen(1, 0).await.expect("it reads"), None);
    let claimed = claim(&it, 1, 9).await;
    for (n, claim) in claimed.claims.iter().take(2).enumerate() {
        settle(&it, claim, opened(&format!("P{n}"), 7 + n as i64)).await;
    }
    let text_len = claimed.claims[0].ticket.descricao.as_str().chars().count();
    let specimen = async |text_len, nth| it.specimen(text_len, nth).await.expect("it reads");
    for (nth, claim) in [&claimed.claims[1], &claimed.claims[0]].into_iter().enumerate() {
        let found = specimen(text_len, nth as u32).await.expect("it was opened");
        let service = claim.ticket.id_cliente_servico;
        assert_eq!(found, Specimen { service, marker: claim.marker, text_len }, "the last one first");
    }
    assert_eq!(specimen(text_len, 2).await, None);
    assert_eq!(specimen(text_len + 1, 0).await, None);
}

async fn a_row_in_doubt_tells_what_became_of_its_post(mut it: impl Bench) {
    let row = it.insert(&[valid(1)]).await[0];
    let in_doubt = |at_s, code: &str| Change::Later {
        at: at(at_s),
        attempts: 1,
        doubt: Some(doubt(1)),
        fault: Some(fault(code)),
    };
    let posted = claim(&it, 0, 9).await;
    settle(&it, &posted.claims[0], in_doubt(5, "reset")).await;
    let looked_up = claim_both(&it, 5, 0, 9).await;
    settle(&it, &looked_up.claims[0], in_doubt(9, "no_list")).await;
    assert_eq!(it.look(row).await.error_code.as_deref(), Some("reset"), "not the look-up's");
    let looked_up = claim_both(&it, 9, 0, 9).await;
    settle(&it, &looked_up.claims[0], Change::Unconfirmed { doubt: doubt(1), fault: fault("timeout") }).await;
    assert_eq!(it.look(row).await.error_code.as_deref(), Some("timeout"), "why nobody could tell");
}

async fn a_history_is_kept(mut it: impl Bench) {
    let row = it.insert(&[valid(1)]).await[0];
    for n in 1..=3 {
        let claimed = claim(&it, n, 1).await;
        let settle = Settle { attempt: Some(attempt()), ..of(&claimed.claims[0], change_later(n, 0, None)) };
        it.settle(&[settle]).await.expect("it settles");
    }
    assert_eq!(it.look(row).await.n_history, 3);
}

// ---- words of the suite

async fn claim(it: &impl Outbox, now: i64, posts: usize) -> Claimed {
    claim_both(it, now, posts, 0).await
}

fn want(now: i64, posts: usize, look_ups: usize) -> ClaimRequest {
    ClaimRequest { now: at(now), posts, look_ups, end: End::Front }
}

async fn claim_both(it: &impl Outbox, now: i64, posts: usize, look_ups: usize) -> Claimed {
    it.claim(ClaimRequest { now: at(now), posts, look_ups, end: End::Front }).await.expect("it claims")
}

async fn backlog(it: &impl Outbox, now: i64, posts: usize, look_ups: usize) -> (bool, Option<Timestamp>) {
    let claimed = claim_both(it, now, posts, look_ups).await;
    assert!(claimed.claims.is_empty(), "nothing was to be claimed here");
    (claimed.backlog.pending, claimed.backlog.next_due)
}

fn ids(claimed: &Claimed) -> Vec<RowId> {
    claimed.claims.iter().map(|it| it.row).collect()
}

fn of(claim: &Claim, change: Change) -> Settle {
    Settle { label: Default::default(), row: claim.row, token: claim.token, change, attempt: None }
}

async fn settle_only(it: &impl Outbox, claim: &Claim, change: Change) -> Settled {
    it.settle(&[of(claim, change)]).await.expect("it settles")[0]
}

async fn settle(it: &impl Outbox, claim: &Claim, change: Change) {
    assert_eq!(settle_only(it, claim, change).await, Settled::Written);
}

/// Claims everything that is to be posted `now`, gives `row` back for later, and releases the rest.
async fn later(it: &impl Outbox, row: RowId, now: i64, available: i64, doubt: Option<Doubt>) {
    let claimed = claim(it, now, 1000).await;
    for claim in &claimed.claims {
        let change =
            if claim.row == row { change_later(available, 0, doubt.clone()) } else { Change::Release };
        settle(it, claim, change).await;
    }
    assert!(claimed.claims.iter().any(|it| it.row == row));
}

fn change_later(available: i64, attempts: u32, doubt: Option<Doubt>) -> Change {
    Change::Later { at: at(available), attempts, doubt, fault: Some(fault("connect")) }
}

fn doubt(since: i64) -> Doubt {
    Doubt {
        since: at(since),
        hubsoft_at: None,
        precaution: false,
        absences: 0,
        last_absence: None,
        answered: 0,
    }
}

fn opening(protocolo: &str, id_atendimento: i64) -> OpenedTicket {
    let (ids_ordem_servico, numeros_ordem_servico) = (vec![1, 2], vec!["320".to_owned()]);
    OpenedTicket { protocolo: protocolo.to_owned(), id_atendimento, ids_ordem_servico, numeros_ordem_servico }
}

fn opened(protocolo: &str, id_atendimento: i64) -> Change {
    Change::Opened { opening: opening(protocolo, id_atendimento), attempts: 1, warnings: Vec::new() }
}

fn attempt() -> Box<Attempt> {
    Box::new(Attempt {
        at: at(1),
        kind: AttemptKind::Post,
        verdict: "unknown",
        http_status: Some(502),
        latency: Duration::from_millis(1500),
        note: Noted::Fault(Fault::NotJson),
    })
}
