//! Whose rows they are, and when they are nobody's.

use mutirao::delivery::{Change, Doubt, OpenedTicket, Outbox, OutboxError, Rate, Settle, Settled, State};
use mutirao::outbox::postgres::RENEWALS_BEFORE_RESCUE;
use mutirao::outbox::{Scope, Terms};

use super::bench::{Fresh, ids, register, renew_when_due, want};
use crate::outbox_conformance::{Bench, TERMS, at, valid};

const ALL_OVER: &str = "UPDATE mutirao.worker SET lease_until = clock_timestamp() - interval '1 second'";

#[tokio::test]
async fn the_dead_are_rescued_after_so_many_renewals() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let dead = register(&it.outbox).await;
    assert_eq!(ids(&dead.queue(Scope::All).claim(want(1)).await.expect("it claims")), [rows[0]]);
    assert_eq!(ids(&it.claim(want(1)).await.expect("it claims")), [rows[1]]);
    sqlx::query(
        "UPDATE mutirao.worker SET lease_until = clock_timestamp() - interval '1 second' WHERE id = $1",
    )
    .bind(dead.id())
    .execute(&mut it.sql().await)
    .await
    .expect("it updates");
    for _ in 0..RENEWALS_BEFORE_RESCUE {
        assert_eq!(it.worker.rescue().await.expect("it looks"), 0, "not before so many renewals");
        renew_when_due(&it, &it.worker).await;
    }
    assert_eq!(it.worker.rescue().await.expect("it rescues"), 1);
    let seen = it.look(rows[0]).await;
    assert_eq!(seen.state, State::InDoubt);
    let doubt = seen.doubt.expect("it may have been sent");
    assert!(!doubt.precaution);
    let waits_until: bool = sqlx::query_scalar(
        "SELECT doubt_since BETWEEN clock_timestamp() + interval '25 seconds' AND clock_timestamp() + interval '59 seconds'
           FROM mutirao.outbox WHERE id = $1",
    )
    .bind(rows[0].0)
    .fetch_one(&mut it.sql().await)
    .await
    .expect("it reads");
    assert!(waits_until, "it may be cut off from the database only, and wait for an answer: {doubt:?}");
    assert_eq!(it.state(rows[1]).await, State::InFlight, "its own rows are nobody's to rescue");
}

/// Seen: the answers to renewals were lost, so they came every second, and after four of them those were
/// taken for dead who had not had the time to come back.
#[tokio::test]
async fn renewals_that_are_tried_again_are_no_wait() {
    let it = Fresh::new().await;
    let dead = register(&it.outbox).await;
    it.execute(ALL_OVER).await;
    for _ in 0..3 * RENEWALS_BEFORE_RESCUE {
        it.worker.renew().await.expect("it renews");
    }
    it.worker.rescue().await.expect("it looks");
    let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM mutirao.worker WHERE id = $1)")
        .bind(dead.id())
        .fetch_one(&mut it.sql().await)
        .await
        .expect("it reads");
    assert!(is_there, "it may come back yet");
}

/// The rows of a worker that died would wait for as long, and its rate would rule.
#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_lease_longer() {
    let it = Fresh::new().await;
    let dead = register(&it.outbox).await;
    it.execute("UPDATE mutirao.worker SET lease_until = lease_until + interval '1 h'").await;
    it.worker.renew().await.expect("it renews");
    let left: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM lease_until - clock_timestamp())::float8 FROM mutirao.worker WHERE id = $1",
    )
    .bind(dead.id())
    .fetch_one(&mut it.sql().await)
    .await
    .expect("it reads");
    assert!((30.0..=60.0).contains(&left), "{left} s are left");
}

#[tokio::test]
async fn after_an_outage_nobody_takes_everybody_for_dead() {
    let it = Fresh::new().await;
    for _ in 0..=RENEWALS_BEFORE_RESCUE {
        renew_when_due(&it, &it.worker).await;
    }
    it.execute(ALL_OVER).await;
    let other = register(&it.outbox).await;
    it.worker.renew().await.expect("it renews, late");
    it.worker.renew().await.expect("it renews");
    assert_eq!(it.worker.rescue().await.expect("it looks"), 0);
    assert_eq!(other.rescue().await.expect("it looks"), 0);
    let living: i64 = sqlx::query_scalar("SELECT count(*) FROM mutirao.worker")
        .fetch_one(&mut it.sql().await)
        .await
        .expect("it reads");
    assert_eq!(living, 2);
}

#[tokio::test]
async fn a_lease_that_runs_out_claims_nothing_until_it_is_renewed() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1)]).await;
    it.execute("UPDATE mutirao.worker SET lease_until = clock_timestamp() + interval '44 seconds'").await;
    let error = it.claim(want(9)).await.err().expect("a claim could outlive the lease");
    assert!(matches!(error, OutboxError::Unavailable(_)));
    assert_eq!(it.state(rows[0]).await, State::Pending);
    // Which that claim has done.
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), rows);
}

#[tokio::test]
async fn a_worker_that_was_taken_for_dead_registers_anew() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    it.claim(want(1)).await.expect("it claims");
    let other = register(&it.outbox).await;
    for _ in 0..RENEWALS_BEFORE_RESCUE {
        renew_when_due(&it, &other).await;
    }
    sqlx::query("UPDATE mutirao.worker SET lease_until = clock_timestamp() WHERE id = $1")
        .bind(it.worker.id())
        .execute(&mut it.sql().await)
        .await
        .expect("it updates");
    assert_eq!(other.rescue().await.expect("it rescues"), 1);
    let old = it.worker.id();
    assert!(it.claim(want(9)).await.is_err());
    assert_ne!(it.worker.id(), old);
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [rows[1]]);
}

/// A standby took over without the last commits: the claims are gone, and one has been posted.
#[tokio::test]
async fn a_forgotten_claim_leaves_a_doubt() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let claims = it.claim(want(2)).await.expect("it claims").claims;
    it.forget_claims().await;
    let lost = Doubt {
        since: at(2),
        hubsoft_at: None,
        precaution: false,
        absences: 0,
        last_absence: None,
        answered: 0,
    };
    let changes = [Change::Later { at: at(3), attempts: 1, doubt: Some(lost), fault: None }, Change::Release];
    let settles = claims.iter().zip(changes).map(|(claim, change)| Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change,
        attempt: None,
    });
    let settled = it.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");
    assert_eq!(settled, [Settled::Stale; 2]);
    let seen = it.look(rows[0]).await;
    assert!(seen.sent_at.is_some() && seen.doubt.is_some_and(|it| !it.precaution), "it may have been opened");
    assert_eq!(it.look(rows[1]).await.doubt, None, "nothing was sent");
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [rows[1]]);
}

#[tokio::test]
async fn recovery_leaves_the_living_alone() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let other = it
        .outbox
        .register("another", Terms { rate: Rate::PerSecond(5.0), ..TERMS })
        .await
        .expect("it registers");
    other.queue(Scope::All).claim(want(1)).await.expect("it claims");
    it.claim(want(1)).await.expect("it claims");
    assert_eq!(it.recover(at(2)).await.expect("it recovers"), 1);
    assert_eq!(it.state(rows[0]).await, State::InFlight);
    assert_eq!(it.state(rows[1]).await, State::InDoubt);
}

#[tokio::test]
async fn a_clean_stop_leaves_no_worker_behind() {
    let it = Fresh::new().await;
    let worker = it.outbox.register("b", TERMS).await.expect("it registers");
    let id = worker.id();
    worker.retire().await.expect("it leaves");
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM mutirao.worker WHERE id = $1)")
        .bind(id)
        .fetch_one(&mut it.sql().await)
        .await
        .expect("it reads");
    assert!(!there);
}

/// Seen: a stale 429 gave another worker's row back while that one was posting it.
#[tokio::test]
async fn a_token_that_comes_again_is_not_the_first_workers() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let claims = it.claim(want(2)).await.expect("it claims").claims;
    // A standby without the last commit takes over, and another worker claims.
    it.forget_claims().await;
    let other = register(&it.outbox).await;
    let others = other.queue(Scope::All).claim(want(2)).await.expect("it claims").claims;
    assert_eq!(others[0].token, claims[0].token);
    let later = Change::Later { at: at(3), attempts: 0, doubt: None, fault: None };
    for change in [Change::Release, later] {
        let settle =
            Settle { label: Default::default(), row: rows[0], token: claims[0].token, change, attempt: None };
        assert_eq!(it.settle(&[settle]).await.expect("it settles"), [Settled::Stale]);
        assert_eq!(it.state(rows[0]).await, State::InFlight);
    }
    let opening = OpenedTicket {
        protocolo: "p".to_owned(),
        id_atendimento: 1,
        ids_ordem_servico: Vec::new(),
        numeros_ordem_servico: Vec::new(),
    };
    let opened = Change::Opened { opening, attempts: 1, warnings: Vec::new() };
    let settle = Settle {
        label: Default::default(),
        row: rows[1],
        token: claims[1].token,
        change: opened,
        attempt: None,
    };
    assert_eq!(it.settle(&[settle]).await.expect("it settles"), [Settled::Written], "proof is proof");
}
