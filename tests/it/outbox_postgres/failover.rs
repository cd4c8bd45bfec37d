//! A standby that lacks the last commits took over, and the workers live on.

use jiff::{SignedDuration, Timestamp};
use mutirao::delivery::coordination::{News, Prober, ShareRequest};
use mutirao::delivery::{Change, Claim, ClaimRequest, Doubt, Outbox, OutboxError, Settle, Settled, State};
use mutirao::outbox::postgres::RENEWALS_BEFORE_RESCUE;
use mutirao::outbox::{REMEMBERED, Scope, Terms};
use sqlx::Connection;
use tokio::time::{Duration, sleep};

use super::bench::{Fresh, NEVER_CLAIMED, ids, opened, register, renew_when_due, want};
use crate::outbox_conformance::{Bench, TERMS, at, valid};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

async fn lose(it: &Fresh, sql: String) {
    // Another server, as far as anybody was told.
    let sql = format!("{sql}; UPDATE mutirao.worker SET server_started = '2020-01-01'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut it.sql().await).await.expect("it is lost");
}

/// Seen: a settle that was lost left its row in flight for ever; with its claim, the row was posted again.
#[tokio::test]
async fn what_a_failover_lost_is_said_again_before_anybody_claims() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&(1..=5).map(valid).collect::<Vec<_>>()).await;
    let claims = it.claim(want(4)).await.expect("it claims").claims;
    let settles: Vec<Settle> = claims[..3].iter().map(opened).collect();
    assert_eq!(it.settle(&settles).await.expect("it settles"), [Settled::Written; 3]);
    let other = register(&it.outbox).await;
    // The first keeps its settle, the second loses it, the third its claim too; the fourth was being posted.
    lose(
        &it,
        format!(
            "UPDATE mutirao.outbox SET state = 'in_flight', protocolo = NULL, id_atendimento = NULL, finished_at = NULL
              WHERE id = 2;
             UPDATE mutirao.outbox SET {NEVER_CLAIMED} WHERE id IN (3, 4)"
        ),
    )
    .await;
    let others = other.queue(Scope::All);
    for _ in 0..2 {
        let early = others.claim(want(9)).await;
        assert!(matches!(early, Err(OutboxError::Unavailable(_))), "the first worker has said nothing yet");
    }
    let report = ShareRequest {
        slots: 0,
        far: Duration::ZERO,
        at_once: 4,
        wants_login: false,
        borne: None,
        news: News::default(),
        prober: Prober::Ready,
    };
    it.worker.renew().await.expect("it renews");
    it.worker.queue(Scope::All).share(&report).await.expect("it shares");
    for (row, state) in rows.iter().zip([State::Opened, State::Opened, State::Opened, State::InDoubt]) {
        assert_eq!(it.state(*row).await, state, "{row:?}");
    }
    let claimed =
        others.claim(ClaimRequest { look_ups: 0, ..want(9) }).await.expect("all have said what they did");
    assert_eq!(ids(&claimed), [rows[4]]);
    // Its answer comes, and is proof.
    assert_eq!(it.settle(&[opened(&claims[3])]).await.expect("it settles"), [Settled::Written]);
    assert_eq!(it.state(rows[3]).await, State::Opened);
}

#[tokio::test]
async fn a_restart_that_loses_nothing_changes_nothing() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2), valid(3)]).await;
    let claims = it.claim(want(2)).await.expect("it claims").claims;
    let change = Change::Later { at: at(1), attempts: 1, doubt: None, fault: None };
    let later =
        Settle { label: Default::default(), row: rows[0], token: claims[0].token, change, attempt: None };
    it.settle(&[later]).await.expect("it settles");
    lose(&it, "SELECT 1".to_owned()).await;
    assert!(it.claim(want(9)).await.is_err(), "once, to see that the server is another");
    let claimed = it.claim(ClaimRequest { now: at(2), ..want(9) }).await.expect("it has said what it did");
    assert_eq!(ids(&claimed), [rows[2], rows[0]], "the one that is to be tried again, without a doubt");
    assert_eq!(it.state(rows[1]).await, State::InFlight);
}

/// Seen: the database's clock was set back by an hour, and a failover lost that rows had been pulled in. What
/// is said again has the times of before, too.
#[tokio::test]
async fn what_was_put_off_by_a_clock_set_back_is_pulled_in_again() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2), valid(3)]).await;
    let claims = it.claim(want(2)).await.expect("it claims").claims;
    let later = |claim: &Claim| {
        let change = Change::Later { at: Timestamp::now() + HOUR, attempts: 1, doubt: None, fault: None };
        Settle { label: Default::default(), row: claim.row, token: claim.token, change, attempt: None }
    };
    it.settle(&[later(&claims[0]), later(&claims[1])]).await.expect("it settles");
    // The first loses its settle too. The third was enqueued by a program to be opened then, and was never
    // claimed.
    let sql = "UPDATE mutirao.outbox SET state = 'in_flight', available_at = now() WHERE id = 1;
               UPDATE mutirao.outbox SET record = NULL, available_at = now() + interval '1 hour'
                WHERE id = 3";
    lose(&it, sql.to_owned()).await;
    it.worker.renew().await.expect("it says what it did");
    let sql = "SELECT id FROM mutirao.outbox WHERE now() + interval '20 minutes' < available_at";
    let waits: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut it.sql().await).await.expect("it asks");
    assert_eq!(waits, [rows[2].0]);
}

/// Seen: a retry, its claim and its post, and a standby that had heard of none of them: shown as rejected,
/// and free to be opened again.
#[tokio::test]
async fn what_was_claimed_again_and_forgotten_is_in_doubt_whatever_it_was_before() {
    for before in ["invalid", "rejected", "failed", "skipped", "cancelled", "conflict"] {
        let mut it = Fresh::new().await;
        let rows = it.insert(&[valid(1), valid(2)]).await;
        let claims = it.claim(want(2)).await.expect("it claims").claims;
        // The first is being posted; the answer of the second was lost, and that is known.
        let doubt = Doubt::since(at(1));
        let change = Change::Later { at: at(9), attempts: 1, doubt: Some(doubt), fault: None };
        let later =
            Settle { label: Default::default(), row: rows[1], token: claims[1].token, change, attempt: None };
        it.settle(&[later]).await.expect("it settles");
        lose(
            &it,
            format!(
                "UPDATE mutirao.outbox SET {NEVER_CLAIMED}; UPDATE mutirao.outbox SET state = '{before}'"
            ),
        )
        .await;
        it.worker.renew().await.expect("it says what it did");
        for row in rows {
            assert_eq!(it.state(row).await, State::InDoubt, "{before}");
        }
    }
}

/// It stands in the way of all claims until it is. Seen: a worker that the server had forgotten registered as
/// one that has nothing to say, claimed at once, and posted what it had opened before.
#[tokio::test]
async fn what_cannot_be_said_again_yet_is_not_forgotten() {
    for forgotten in ["SELECT 1", "DELETE FROM mutirao.worker"] {
        let mut it = Fresh::new().await;
        let rows = it.insert(&[valid(1), valid(2)]).await;
        let claims = it.claim(want(1)).await.expect("it claims").claims;
        it.settle(&[opened(&claims[0])]).await.expect("it settles");
        lose(&it, format!("UPDATE mutirao.outbox SET {NEVER_CLAIMED} WHERE id = 1; {forgotten}")).await;
        let mut somebody = it.sql().await;
        let mut lunch = somebody.begin().await.expect("it begins");
        sqlx::query("SELECT FROM mutirao.outbox WHERE id = 1 FOR UPDATE")
            .execute(&mut *lunch)
            .await
            .expect("it is held");
        assert!(it.worker.renew().await.is_err());
        assert!(it.claim(want(9)).await.is_err(), "after {forgotten}");
        let other = register(&it.outbox).await;
        assert!(other.queue(Scope::All).claim(want(9)).await.is_err(), "after {forgotten}");
        lunch.rollback().await.expect("it ends");
        it.worker.renew().await.expect("it says what it did");
        assert_eq!(it.state(rows[0]).await, State::Opened);
        assert_eq!(ids(&other.queue(Scope::All).claim(want(9)).await.expect("it claims")), [rows[1]]);
    }
}

/// Its calls may each take as long as one is waited for, and all together longer than a lease.
#[tokio::test]
async fn the_lease_of_a_worker_does_not_run_out_while_it_says_again_what_it_did() {
    let it = Fresh::new().await;
    let terms = Terms { lease: Duration::from_secs(1), ..TERMS };
    let worker = it.outbox.register("a test", terms).await.expect("it registers");
    let id = worker.id();
    lose(&it, "SELECT 1".to_owned()).await;
    let mut somebody = it.sql().await;
    let mut turn = somebody.begin().await.expect("it begins");
    sqlx::query("LOCK TABLE mutirao.turn IN SHARE UPDATE EXCLUSIVE MODE")
        .execute(&mut *turn)
        .await
        .expect("it is its turn");
    let is_kept = async {
        let sql = "SELECT started_at + 2 * make_interval(secs => lease_s) < lease_until FROM mutirao.worker
                    WHERE id = $1";
        let mut conn = it.sql().await;
        while !sqlx::query_scalar::<_, bool>(sql).bind(id).fetch_one(&mut conn).await.expect("it reads") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        renewed = worker.renew() => panic!("it waits for its turn: {renewed:?}"),
        () = is_kept => {}
    }
}

/// A doubt is believed by what stands in the row: with a trigger in the way, all wait until it can be
/// written.
#[tokio::test]
async fn a_lost_claim_that_a_trigger_keeps_out_is_not_forgotten() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    it.claim(want(1)).await.expect("it claims");
    lose(&it, format!("UPDATE mutirao.outbox SET {NEVER_CLAIMED} WHERE id = 1")).await;
    it.execute(
        "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN NEW.state := OLD.state; NEW.doubt_since := OLD.doubt_since; RETURN NEW; END$$;
         CREATE TRIGGER keep BEFORE UPDATE ON mutirao.outbox FOR EACH ROW EXECUTE FUNCTION public.keep()",
    )
    .await;
    let waits = it.worker.renew().await;
    assert!(matches!(waits, Err(OutboxError::Unavailable(_))), "{waits:?}");
    it.execute("DROP TRIGGER keep ON mutirao.outbox").await;
    let other = register(&it.outbox).await;
    assert!(other.queue(Scope::All).claim(want(9)).await.is_err(), "it has not said all yet");
    it.worker.renew().await.expect("it says what it did");
    assert_eq!(it.state(rows[0]).await, State::InDoubt);
    assert_eq!(ids(&other.queue(Scope::All).claim(want(9)).await.expect("it claims")), [rows[1]]);
}

/// The server forgot even that the worker came.
#[tokio::test]
async fn a_worker_that_was_forgotten_says_again_what_it_did() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let claims = it.claim(want(2)).await.expect("it claims").claims;
    it.settle(&[opened(&claims[0])]).await.expect("it settles");
    lose(&it, format!("UPDATE mutirao.outbox SET {NEVER_CLAIMED}; DELETE FROM mutirao.worker")).await;
    it.worker.renew().await.expect("it registers");
    assert_eq!((it.state(rows[0]).await, it.state(rows[1]).await), (State::Opened, State::InDoubt));
    assert!(ids(&it.claim(want(9)).await.expect("it claims")).is_empty());
}

/// Seen: after an outage longer than what was done is remembered, a worker asked the server whether that was
/// still the same. It was one that had never heard of the worker, and passed for one that has heard all.
#[tokio::test]
async fn what_was_done_is_not_forgotten_before_a_server_that_forgot_the_worker_has_heard_it() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1)]).await;
    let claims = it.claim(want(1)).await.expect("it claims").claims;
    it.settle(&[opened(&claims[0])]).await.expect("it settles");
    it.execute("ALTER TABLE mutirao.outbox RENAME TO gone").await;
    assert!(it.claim(want(1)).await.is_err(), "the server is away");
    it.execute("ALTER TABLE mutirao.gone RENAME TO outbox").await;
    tokio::time::pause();
    tokio::time::advance(2 * REMEMBERED).await;
    tokio::time::resume();
    lose(&it, format!("UPDATE mutirao.outbox SET {NEVER_CLAIMED}; DELETE FROM mutirao.worker")).await;
    assert!(it.claim(want(1)).await.is_err(), "it has not heard what the worker did");
    it.worker.renew().await.expect("it registers");
    assert_eq!(it.state(rows[0]).await, State::Opened);
}

/// Seen: a claim was committed, and its answer lost; the next server still had the claim, but not that the
/// worker took it in. The row was in flight for ever, of a worker that lived and knew nothing of it.
#[tokio::test]
async fn a_claim_that_its_worker_knows_nothing_of_is_taken_in() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    it.claim(want(1)).await.expect("it claims");
    it.recover(at(0)).await.expect("it takes in what it claimed");
    assert_eq!(ids(&it.claim(ClaimRequest { look_ups: 0, ..want(1) }).await.expect("it claims")), [rows[1]]);
    lose(&it, "UPDATE mutirao.outbox SET state = 'in_flight' WHERE id = 1".to_owned()).await;
    it.worker.renew().await.expect("it renews");
    assert_eq!([it.state(rows[0]).await, it.state(rows[1]).await], [State::InDoubt, State::InFlight]);
}

/// Seen: ids were counted, and a standby counted on from where it had heard of: two workers of one id were
/// one to everybody, and each could settle what the other had claimed.
#[tokio::test]
async fn no_two_workers_are_one_after_a_failover() {
    let it = Fresh::new().await;
    let count_again = "SELECT setval(s.oid, 1, false) FROM pg_class s
                        WHERE s.relkind = 'S' AND s.relnamespace = 'mutirao'::regnamespace";
    lose(&it, format!("DELETE FROM mutirao.worker; {count_again}")).await;
    let other = register(&it.outbox).await;
    assert_ne!(other.id(), it.worker.id());
    it.worker.renew().await.expect("it registers anew");
    let n_workers: i64 = sqlx::query_scalar("SELECT count(*) FROM mutirao.worker")
        .fetch_one(&mut it.sql().await)
        .await
        .expect("it counts");
    assert_eq!(n_workers, 2);
}

/// The key of a lote is made with the first claim of its rows: lost with it and made anew, nobody would find
/// by the new one what was posted with the old one.
#[tokio::test]
async fn the_key_of_a_lote_is_said_again() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let claims = it.claim(want(1)).await.expect("it claims").claims;
    lose(&it, format!("UPDATE mutirao.outbox SET {NEVER_CLAIMED}; DELETE FROM mutirao.batch")).await;
    it.worker.renew().await.expect("it renews");
    assert_eq!(it.state(rows[0]).await, State::InDoubt);
    // Another worker reads it from the server.
    let other = register(&it.outbox).await;
    let again = other.queue(Scope::All).claim(ClaimRequest { look_ups: 9, ..want(0) }).await;
    let again = again.expect("it claims").claims;
    let again = again.iter().find(|it| it.row == rows[0]).expect("it is looked up");
    assert_eq!(again.marker, claims[0].marker);
}

/// Seen: of two lost claims of a row the later one was said first, found the earlier one still in flight, and
/// counted for nothing; then the earlier one was said to have left nothing, and the row was posted again.
#[tokio::test]
async fn the_later_of_two_claims_stands_whoever_speaks_first() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2), valid(3)]).await;
    let other = register(&it.outbox).await;
    let others = other.queue(Scope::All);
    let first = it.claim(want(3)).await.expect("it claims").claims;
    it.execute("CREATE TABLE mutirao.heard_of AS SELECT * FROM mutirao.outbox").await;
    let nothing_left = Change::Later { at: at(1), attempts: 1, doubt: None, fault: None };
    let settle = |claim: &Claim, change: &Change| Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change: change.clone(),
        attempt: None,
    };
    let settles: Vec<Settle> = first.iter().map(|it| settle(it, &nothing_left)).collect();
    it.settle(&settles).await.expect("it settles");
    let second = others.claim(ClaimRequest { now: at(2), ..want(3) }).await.expect("it claims").claims;
    let doubt = Some(Doubt::since(at(3)));
    let unsure = Change::Later { at: at(3), attempts: 2, doubt, fault: None };
    others.settle(&[settle(&second[0], &unsure)]).await.expect("it settles");
    // The standby has heard of the first claims only.
    let sql = "UPDATE mutirao.outbox o
                  SET (state, token, worker, claimed_at, posting, doubt_since, attempts, available_at)
                    = (h.state, h.token, h.worker, h.claimed_at, h.posting, h.doubt_since, h.attempts, h.available_at)
                 FROM mutirao.heard_of h WHERE h.id = o.id";
    lose(&it, sql.to_owned()).await;
    other.renew().await.expect("it renews");
    it.worker.renew().await.expect("it renews");
    for row in &rows {
        assert_eq!(it.state(*row).await, State::InDoubt, "{row:?}");
    }
    assert!(ids(&it.claim(want(9)).await.expect("it claims")).is_empty());
    assert_eq!(others.settle(&[opened(&second[1])]).await.expect("it settles"), [Settled::Written]);
    assert_eq!(it.state(second[1].row).await, State::Opened);
}

/// Seen: the database was away for longer than leases last, so whoever came back first waited for nobody, and
/// posted what others had posted.
#[tokio::test]
async fn workers_are_waited_for_although_their_leases_ran_out_meanwhile() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let claims = it.claim(want(1)).await.expect("it claims").claims;
    it.settle(&[opened(&claims[0])]).await.expect("it settles");
    let other = register(&it.outbox).await;
    let away =
        "UPDATE mutirao.worker SET n_renewals = 100, lease_until = clock_timestamp() - interval '1 minute'";
    lose(&it, format!("UPDATE mutirao.outbox SET {NEVER_CLAIMED} WHERE id = 1; {away}")).await;
    let others = other.queue(Scope::All);
    for _ in 0..RENEWALS_BEFORE_RESCUE {
        renew_when_due(&it, &other).await;
        other.rescue().await.expect("nobody is dead yet");
        let early = others.claim(want(9)).await;
        assert!(matches!(early, Err(OutboxError::Unavailable(_))), "the first worker has said nothing yet");
    }
    it.worker.renew().await.expect("it is back");
    assert_eq!(it.state(rows[0]).await, State::Opened);
    assert_eq!(ids(&others.claim(want(9)).await.expect("all have said what they did")), [rows[1]]);
}

/// Only that all have had the time to come back.
#[tokio::test]
async fn a_worker_that_does_not_come_back_is_not_waited_for_without_end() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1)]).await;
    let other = register(&it.outbox).await;
    lose(&it, "UPDATE mutirao.worker SET lease_until = clock_timestamp() - interval '1 minute'".to_owned())
        .await;
    for _ in 0..=RENEWALS_BEFORE_RESCUE {
        renew_when_due(&it, &other).await;
    }
    assert_eq!(ids(&other.queue(Scope::All).claim(want(1)).await.expect("it claims")), [rows[0]]);
}

/// Seen: one that was stopped before it noticed took with it what nobody else could say.
#[tokio::test]
async fn a_worker_that_leaves_says_again_what_it_did() {
    for forgotten in ["SELECT 1", "DELETE FROM mutirao.worker"] {
        let mut it = Fresh::new().await;
        let rows = it.insert(&[valid(1)]).await;
        let leaving = register(&it.outbox).await;
        let queue = leaving.queue(Scope::All);
        let claims = queue.claim(want(1)).await.expect("it claims").claims;
        queue.settle(&[opened(&claims[0])]).await.expect("it settles");
        drop(queue);
        lose(&it, format!("UPDATE mutirao.outbox SET {NEVER_CLAIMED}; {forgotten}")).await;
        leaving.retire().await.expect("it leaves");
        assert_eq!(it.state(rows[0]).await, State::Opened, "after {forgotten}");
    }
}
