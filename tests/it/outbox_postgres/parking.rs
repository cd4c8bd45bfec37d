//! Rows that cannot go cost no claim, and go when they can.

use std::time::{Duration, Instant};

use mutirao::delivery::{Change, ClaimRequest, Halt, HaltReason, Outbox, RowId, Settle, State};
use mutirao::outbox::postgres::{PgOutbox, Tidied};
use mutirao::outbox::{BatchId, HaltId, ImportId, Scope};
use sqlx::Connection;

use super::bench::{Fresh, ids, register, want};
use crate::outbox_conformance::{Bench, at, valid};

/// Three thousand rows that come first and cannot go, and one that can.
const HALTED: &str = "
    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at, lote)
    SELECT n::text, 'x', 'Maria', '37999998888', '2023-01-01', CASE WHEN n <= 3000 THEN 'bad' ELSE 'good' END
      FROM generate_series(1, 3001) n;
    INSERT INTO mutirao.batch (name, halted_at) VALUES ('bad', now())";
const BLOCKED: &str = "
    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at)
    SELECT CASE WHEN n <= 3000 THEN '7' ELSE '8' END, 'x', 'Maria', '37999998888', '2023-01-01'
      FROM generate_series(1, 3001) n;
    UPDATE mutirao.outbox SET state = 'unconfirmed', doubt_since = now() WHERE id = 1";

async fn in_order(it: &Fresh) -> u64 {
    let mut n_rows = 0;
    loop {
        match it.worker.tidy().await.expect("it does") {
            Tidied::Moved(n) => n_rows += n,
            Tidied::Nothing | Tidied::Waits => return n_rows,
        }
    }
}

/// Index entries that were read so far. What a connection read is counted when it has ended, at the latest.
async fn entries_read(it: &Fresh) -> i64 {
    let mut conn = it.sql().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'mutirao'";
    let began = Instant::now();
    while 0 < sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut conn).await.expect("it counts") {
        assert!(began.elapsed() < Duration::from_secs(30), "the connections do not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sql =
        "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relid = 'mutirao.outbox'::regclass";
    sqlx::query_scalar(sql).fetch_one(&mut conn).await.expect("it counts")
}

/// Index entries that a claim of one row read, and what it claimed.
async fn claim_of_one(it: &Fresh) -> (i64, Vec<RowId>) {
    it.outbox.close().await;
    // As autovacuum does: what was parked left dead entries behind, which others' transactions may keep for a
    // while.
    it.execute("VACUUM mutirao.outbox").await;
    let before = entries_read(it).await;
    let outbox = PgOutbox::open(&it.database.url()).await.expect("it opens");
    let worker = register(&outbox).await;
    let claimed = worker.queue(Scope::All).claim(want(1)).await.expect("it claims");
    outbox.close().await;
    (entries_read(it).await - before, ids(&claimed))
}

/// Seen: a million rows of a halted lote, or behind one row in doubt, read by every claim of everybody.
#[tokio::test]
async fn rows_that_cannot_go_are_read_by_no_claim() {
    for (rows, n_parked) in [(HALTED, 3000), (BLOCKED, 2999)] {
        let it = Fresh::new().await;
        it.execute(rows).await;
        assert_eq!(in_order(&it).await, n_parked);
        let (n_read, claimed) = claim_of_one(&it).await;
        assert_eq!(claimed, [RowId(3001)]);
        assert!(n_read < 300, "{n_read} index entries for one row");
    }
}

#[tokio::test]
async fn a_lote_that_goes_on_has_all_its_rows_back() {
    let it = Fresh::new().await;
    it.execute(HALTED).await;
    in_order(&it).await;
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [RowId(3001)]);
    assert!(it.outbox.resume_lote("bad").await.expect("it resumes"));
    let mut n_claimed = 0;
    loop {
        let claimed = it.claim(want(500)).await.expect("it claims");
        n_claimed += claimed.claims.len();
        if claimed.claims.is_empty() {
            assert_eq!((claimed.backlog.pending, claimed.backlog.next_due), (false, None));
            break;
        }
    }
    assert_eq!(n_claimed, 3000);
}

/// Seen: an import that went on past a halt put back rows of others in each claim, and saw no later halt.
#[tokio::test]
async fn an_import_passes_the_halt_that_was_told_of_whoever_works_and_no_later_one() {
    let it = Fresh::new().await;
    it.execute(HALTED).await;
    it.execute("UPDATE mutirao.outbox SET import = 7 WHERE id IN (1990, 1991, 2990)").await;
    in_order(&it).await;
    let told = it.outbox.halts_of("bad").await.expect("it reads").remove(0).id;
    let batch: i64 = sqlx::query_scalar("SELECT id FROM mutirao.batch WHERE name = 'bad'")
        .fetch_one(&mut it.sql().await)
        .await
        .expect("it reads");
    let release = async |told: Vec<HaltId>| {
        it.outbox.release(BatchId(batch), ImportId(7), &told).await.expect("it does");
    };
    release(Vec::new()).await;
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [RowId(3001)], "nobody was told");
    release(vec![told.clone()]).await;
    let claims = it.claim(want(2)).await.expect("it claims").claims;
    assert_eq!(claims.iter().map(|claim| claim.row).collect::<Vec<_>>(), [RowId(1990), RowId(1991)]);
    let queued = "SELECT array_agg(id) FROM mutirao.outbox WHERE state = 'pending' AND parked IS NULL";
    let queued: Vec<i64> = sqlx::query_scalar(queued).fetch_one(&mut it.sql().await).await.expect("it reads");
    assert_eq!(queued, [2990], "no row of others was put back");

    it.worker.queue(Scope::All).halt("bad", &Halt::Until).await.expect("it halts");
    let later = it.outbox.halts_of("bad").await.expect("it reads").remove(0);
    assert_eq!((later.reason, later.id == told), (HaltReason::Halted(Halt::Until), false));
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), []);
    release(vec![told]).await;
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [], "that one is over");
    release(vec![later.id]).await;
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [RowId(2990)]);
    // Nobody holds it: what is over, is over.
    it.worker.queue(Scope::All).halt("bad", &Halt::DiskFull).await.expect("it halts");
    it.outbox.retry(Some(BatchId(batch)), &[State::Failed], at(1)).await.expect("it does");
    assert_eq!(it.outbox.halts_of("bad").await.expect("it reads"), []);
}

#[tokio::test]
async fn rows_behind_one_of_their_service_have_their_turn_one_after_another() {
    let mut it = Fresh::new().await;
    it.execute(BLOCKED).await;
    in_order(&it).await;
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [RowId(3001)]);
    let waiting = it.claim(want(9)).await.expect("it claims").backlog;
    assert_eq!((waiting.pending, waiting.next_due), (true, None), "all that is left waits behind a row");
    it.execute("UPDATE mutirao.outbox SET state = 'failed', doubt_since = NULL WHERE id = 1").await;
    for n in 2..5 {
        let claimed = it.claim(want(9)).await.expect("it claims");
        assert_eq!(ids(&claimed), [RowId(n)]);
        let change = Change::Rejected { attempts: 1, fault: crate::support::world::fault("refused") };
        let settle = Settle {
            label: Default::default(),
            row: RowId(n),
            token: claimed.claims[0].token,
            change,
            attempt: None,
        };
        it.settle(&[settle]).await.expect("it settles");
    }
    // Rows that come meanwhile wait for nobody.
    let rows = it.insert(&[valid(9)]).await;
    assert!(ids(&it.claim(want(9)).await.expect("it claims")).contains(&rows[0]));
}

/// A person's commands reach parked rows as any other.
#[tokio::test]
async fn what_is_parked_is_pending_to_everybody_else() {
    let it = Fresh::new().await;
    it.execute(HALTED).await;
    in_order(&it).await;
    let status = it.outbox.status(Scope::All, at(1)).await.expect("it reads");
    assert_eq!(status.counts.pending, 3001);
    assert_eq!(it.outbox.halted().await.expect("it reads")[0].n_waiting, 3000);
    let batch: i64 = sqlx::query_scalar("SELECT id FROM mutirao.batch WHERE name = 'bad'")
        .fetch_one(&mut it.sql().await)
        .await
        .expect("it reads");
    let cancelled = it.outbox.cancel(BatchId(batch), at(1)).await.expect("it cancels");
    assert_eq!(cancelled.n_cancelled, 3000);
    assert_eq!(
        it.outbox.retry(Some(BatchId(batch)), &[State::Cancelled], at(1)).await.expect("it does"),
        3000
    );
    in_order(&it).await;
    let mut n_claimed = 0;
    while n_claimed < 3001 {
        let claimed = it.claim(ClaimRequest { now: at(99), ..want(5000) }).await.expect("it claims");
        assert!(!claimed.claims.is_empty(), "{n_claimed} can go, and all others too");
        n_claimed += claimed.claims.len();
    }
}

/// Of few rows that wait none is written to.
#[tokio::test]
async fn few_rows_that_wait_are_left_alone() {
    let mut it = Fresh::new().await;
    it.insert(&vec![valid(1); 50]).await;
    it.claim(want(9)).await.expect("it claims");
    assert_eq!(in_order(&it).await, 0);
}

/// Seen: one row of a million that went on was open in psql, and no claim of anybody worked.
#[tokio::test]
async fn a_parked_row_that_somebody_holds_is_left_for_later() {
    let it = Fresh::new().await;
    it.execute(HALTED).await;
    in_order(&it).await;
    it.outbox.resume_lote("bad").await.expect("it resumes");
    let mut somebody = it.sql().await;
    let mut lunch = somebody.begin().await.expect("it begins");
    let hold = sqlx::query("SELECT FROM mutirao.outbox WHERE id = 1 FOR UPDATE");
    hold.execute(&mut *lunch).await.expect("it is held");
    let claimed = ids(&it.claim(want(9)).await.expect("it does not wait"));
    assert_eq!((claimed.len(), claimed.contains(&RowId(1))), (9, false));
    in_order(&it).await;
    lunch.rollback().await.expect("it ends");
    in_order(&it).await;
    assert!(ids(&it.claim(want(9)).await.expect("it claims")).contains(&RowId(1)));
}

/// Seen: two hundred rows for tomorrow in front, and no halted row behind them was ever parked.
#[tokio::test]
async fn rows_that_wait_for_their_time_hide_none_that_cannot_go() {
    let it = Fresh::new().await;
    it.execute(HALTED).await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, prioridade, available_at)
         SELECT n::text, 'x', 'Maria', '37999998888', -1, now() + interval '1 day' FROM generate_series(4001, 8500) n",
    )
    .await;
    assert_eq!(in_order(&it).await, 3000);
}

/// Seen: a second batch for services that are all in doubt, and every claim looked at each of them.
#[tokio::test]
async fn many_services_that_stay_blocked_cost_a_claim_little_and_hide_none_that_can_go() {
    let it = Fresh::new().await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at, state, doubt_since)
         SELECT n::text, 'x', 'Maria', '37999998888', '2023-01-01', 'unconfirmed', now() FROM generate_series(1, 6000) n;
         INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at)
         SELECT n::text, 'x', 'Maria', '37999998888', '2023-01-01' FROM generate_series(1, 6000) n",
    )
    .await;
    assert_eq!(in_order(&it).await, 6000);
    let (n_read, claimed) = claim_of_one(&it).await;
    assert_eq!(claimed, []);
    assert!(n_read < 6000, "{n_read} index entries for nothing");
    it.execute("UPDATE mutirao.outbox SET state = 'cancelled', doubt_since = NULL WHERE id = 5999").await;
    let outbox = PgOutbox::open(&it.database.url()).await.expect("it opens");
    let worker = register(&outbox).await;
    while worker.tidy().await.expect("it does") != Tidied::Waits {}
    let claimed = worker.queue(Scope::All).claim(want(9)).await.expect("it claims");
    assert_eq!(ids(&claimed), [RowId(11_999)]);
}

/// Seen: a million parked rows stayed parked for one that a trigger would not have changed.
#[tokio::test]
async fn a_parked_row_that_cannot_be_put_back_keeps_no_other_aside() {
    let it = Fresh::new().await;
    it.execute(HALTED).await;
    in_order(&it).await;
    it.execute(
        "CREATE FUNCTION public.meet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$;
         CREATE TRIGGER meet BEFORE UPDATE ON mutirao.outbox FOR EACH ROW
             WHEN (OLD.service = 7) EXECUTE FUNCTION public.meet()",
    )
    .await;
    it.outbox.resume_lote("bad").await.expect("it resumes");
    let mut n_claimed = 0;
    loop {
        let claimed = it.claim(want(500)).await.expect("it claims");
        n_claimed += claimed.claims.len();
        if claimed.claims.is_empty() {
            break;
        }
    }
    assert_eq!(n_claimed, 3000);
}

/// Seen: an hour of the clock set back, and rows that were parked waited for it.
#[tokio::test]
async fn parked_rows_are_pulled_in_as_well() {
    for rows in [HALTED, BLOCKED] {
        let it = Fresh::new().await;
        it.execute(rows).await;
        in_order(&it).await;
        it.execute(
            "UPDATE mutirao.outbox SET token = 1, available_at = '2100-01-01' WHERE parked IS NOT NULL",
        )
        .await;
        it.pull_in(at(1)).await.expect("it pulls in");
        let sql = "SELECT count(*) FROM mutirao.outbox WHERE available_at = '2100-01-01'";
        let n_left: i64 = sqlx::query_scalar(sql).fetch_one(&mut it.sql().await).await.expect("it counts");
        assert_eq!(n_left, 0);
    }
}
