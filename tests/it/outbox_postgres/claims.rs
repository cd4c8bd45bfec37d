//! What programs may do to an outbox while workers drain it.

use mutirao::delivery::decide::release;
use mutirao::delivery::identity::{BatchKey, Marker};
use mutirao::delivery::{
    Change, Claim, ClaimRequest, Doubt, End, Fault, OpenedTicket, Outbox, OutboxError, RowId, Settle,
    Settled, State, Warning,
};
use mutirao::outbox::Scope;
use mutirao::outbox::postgres::PgOutbox;
use sqlx::Connection;

use super::bench::{Fresh, ids, opened, register, want};
use crate::outbox_conformance::{Bench, TERMS, at, valid};

const PLAIN: &str =
    "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at)";

#[tokio::test]
async fn four_columns_are_enough() {
    let it = Fresh::new().await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
         VALUES ('11000', 'Sem sinal', 'Maria', '37999998888')",
    )
    .await;
    let now = jiff::Timestamp::now() + std::time::Duration::from_secs(1);
    let claimed =
        it.claim(ClaimRequest { now, posts: 9, look_ups: 9, end: End::Front }).await.expect("it claims");
    let (key, referencia): (String, String) = sqlx::query_as(
        "SELECT b.key, o.referencia FROM mutirao.outbox o JOIN mutirao.batch b ON b.name = o.lote",
    )
    .fetch_one(&mut it.sql().await)
    .await
    .expect("it reads");
    let marker = Marker::new(&BatchKey(key), &referencia);
    let [claim] = &claimed.claims[..] else { panic!("one row is due") };
    assert_eq!((claim.marker, claim.line), (marker, 0));
    assert_eq!(claim.ticket.id_cliente_servico.get(), 11000);
}

#[tokio::test]
async fn a_producers_ill_data_is_the_workers_to_refuse() {
    let it = Fresh::new().await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, parametros, available_at) VALUES
         ('', '', '', '', NULL, '2023-01-01'),
         ('99999999999999999999999', 'x', 'Maria', '37999998888', NULL, '2023-01-01'),
         ('9999999999999999999', 'x', 'Maria', '37999998888', NULL, '2023-01-01'),
         (repeat('1', 100000), 'x', 'Maria', '37999998888', NULL, '2023-01-01'),
         ('1', repeat('x', 1000000), 'Maria', '37999998888', NULL, '2023-01-01'),
         ('1', 'x', 'Maria', 'none', NULL, '2023-01-01'),
         ('1', 'x', 'Maria', '37999998888', '[1]', '2023-01-01'),
         ('1', 'x', 'Maria', '37999998888', '\"no JSON\"', '2023-01-01'),
         ('9223372036854775807', 'the largest', 'Maria', '37999998888', '\"{}\"', '2023-01-01'),
         ('2', 'good', 'Maria', '37999998888', '{\"a\": 1}', '2023-01-01'),
         ('3', 'x', 'Maria', '37999998888', jsonb_build_object('a', repeat('x', 1000000)), '2023-01-01')",
    )
    .await;
    let claimed = it.claim(want(1)).await.expect("it claims");
    assert_eq!(claimed.refused.len(), 8);
    assert_eq!(ids(&claimed), [RowId(9)]);
    let claimed = it.claim(want(9)).await.expect("it claims");
    assert_eq!((ids(&claimed), claimed.refused.len()), (vec![RowId(10)], 1));
    for row in [5, 11] {
        assert_eq!(it.look(RowId(row)).await.error_code.as_deref(), Some("too_long"));
    }
}

#[tokio::test]
async fn an_id_in_an_unusual_form_is_the_same_service() {
    let it = Fresh::new().await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at) VALUES
         ('1.234', 'a', 'Maria', '37999998888', '2023-01-01'),
         (' 001234 ', 'b', 'Maria', '37999998888', '2023-01-01'),
         ('1234', 'c', 'Maria', '37999998888', '2023-01-01'),
         ('0001234', 'd', 'Maria', '37999998888', '2023-01-01'),
         ('5', 'e', 'Maria', '37999998888', '2023-01-01')",
    )
    .await;
    let claimed = it.claim(want(9)).await.expect("it claims");
    assert_eq!(claimed.claims.len(), 2, "one of the four, and the other service");
    assert!(it.claim(want(9)).await.expect("it claims").claims.is_empty());
}

#[tokio::test]
async fn odd_times_and_numbers_are_no_reason_to_fall() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2), valid(3)]).await;
    it.execute(
        "UPDATE mutirao.outbox SET created_at = 'infinity', finished_at = '-infinity', sent_at = '-infinity',
                claimed_at = 'infinity', doubt_since = 'infinity', last_absence = '-infinity', absences = -1, line = -1
          WHERE id = 1",
    )
    .await;
    let claimed = it
        .claim(ClaimRequest { now: at(1), posts: 9, look_ups: 9, end: End::Front })
        .await
        .expect("it claims");
    assert_eq!(claimed.claims.len(), 3);
    assert_eq!(claimed.claims[0].sent_at, jiff::Timestamp::MIN);
    let opening = OpenedTicket {
        protocolo: "with\0nul".to_owned(),
        id_atendimento: i64::MAX,
        ids_ordem_servico: vec![i64::MIN],
        numeros_ordem_servico: vec!["a,\"b\\\0".to_owned(), String::new(), "NULL".to_owned()],
    };
    let change = Change::Opened {
        opening,
        attempts: u32::MAX,
        warnings: vec![Warning::OpenedTwice { protocolo: "\0".to_owned() }],
    };
    let settle = Settle {
        label: Default::default(),
        row: rows[0],
        token: claimed.claims[0].token,
        change,
        attempt: None,
    };
    for _ in 0..2 {
        let settled = it.settle(std::slice::from_ref(&settle)).await.expect("proof is never refused");
        assert_eq!(settled, [Settled::Written]);
    }
    let numbers: Vec<String> =
        sqlx::query_scalar("SELECT numeros_ordem_servico FROM mutirao.outbox WHERE id = 1")
            .fetch_one(&mut it.sql().await)
            .await
            .expect("it reads");
    assert_eq!(numbers, ["a,\"b\\\u{FFFD}", "", "NULL"]);
}

/// A producer's transaction is not broken for it.
#[tokio::test]
async fn a_row_may_be_due_always_or_never() {
    let it = Fresh::new().await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at) VALUES
         ('1', 'x', 'Maria', '37999998888', 'infinity'), ('2', 'x', 'Maria', '37999998888', '-infinity')",
    )
    .await;
    let claimed = it.claim(want(9)).await.expect("it claims");
    assert_eq!(ids(&claimed), [RowId(2)]);
    assert_eq!(claimed.backlog.next_due, Some(jiff::Timestamp::MAX));
    // What comes of such times is stored as well.
    let doubt = Doubt {
        since: at(1),
        hubsoft_at: Some(jiff::Timestamp::MIN),
        precaution: false,
        absences: 0,
        last_absence: None,
        answered: 0,
    };
    let change =
        Change::Later { at: jiff::Timestamp::MAX, attempts: 1, doubt: Some(doubt.clone()), fault: None };
    let settle = Settle {
        label: Default::default(),
        row: RowId(2),
        token: claimed.claims[0].token,
        change,
        attempt: None,
    };
    for _ in 0..2 {
        let settled = it.settle(std::slice::from_ref(&settle)).await.expect("it settles");
        assert_eq!(settled, [Settled::Written]);
    }
    it.execute("UPDATE mutirao.outbox SET available_at = '2023-01-01' WHERE id = 2").await;
    let claimed = it.claim(ClaimRequest { look_ups: 1, ..want(9) }).await.expect("it claims");
    assert_eq!(claimed.claims[0].doubt, Some(doubt));
    let scope = it.outbox.status(Scope::All, at(1)).await.expect("it reads");
    assert_eq!(scope.counts.pending, 1);
    it.outbox.row(mutirao::outbox::RowName::Id(RowId(1))).await.expect("it reads").expect("it is there");
}

#[tokio::test]
async fn rows_that_a_program_holds_are_passed_over_and_not_waited_for() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let mut producer = it.sql().await;
    let mut tx = producer.begin().await.expect("it begins");
    let sql = "UPDATE mutirao.outbox SET telefone = '37911112222' WHERE id = $1";
    sqlx::query(sql).bind(rows[0].0).execute(&mut *tx).await.expect("it updates");
    assert_eq!(ids(&it.claim(want(9)).await.expect("it does not wait")), [rows[1]]);
    tx.commit().await.expect("it commits");
    let claimed = it.claim(want(9)).await.expect("it claims");
    assert_eq!(ids(&claimed), [rows[0]]);
    assert_eq!(claimed.claims[0].ticket.telefone.as_str(), "37911112222");
}

#[tokio::test]
async fn a_halted_batch_is_left_alone_but_for_its_doubts() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2), valid(3)]).await;
    it.execute(
        "UPDATE mutirao.outbox SET lote = 'bad', doubt_since = CASE id WHEN 2 THEN now() END WHERE id <= 2;
         INSERT INTO mutirao.batch (name, halted_at) VALUES ('bad', now())",
    )
    .await;
    let claimed = it
        .claim(ClaimRequest { now: at(1), posts: 9, look_ups: 9, end: End::Front })
        .await
        .expect("it claims");
    assert_eq!(ids(&claimed), [rows[1], rows[2]]);
    it.execute("UPDATE mutirao.batch SET halted_at = NULL").await;
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [rows[0]]);
}

#[tokio::test]
async fn waiting_costs_no_write() {
    let mut it = Fresh::new().await;
    it.insert(&[valid(1), valid(1), valid(1), valid(2), valid(3)]).await;
    let versions = "SELECT array_agg(xmin::text || ' ' || xmax::text ORDER BY id) FROM mutirao.outbox WHERE state = 'pending'";
    it.claim(want(2)).await.expect("it claims");
    let mut conn = it.sql().await;
    let before: Vec<String> = sqlx::query_scalar(versions).fetch_one(&mut conn).await.expect("it reads");
    it.claim(want(0)).await.expect("it claims");
    let after: Vec<String> = sqlx::query_scalar(versions).fetch_one(&mut conn).await.expect("it reads");
    assert_eq!((before.len(), before), (3, after));
}

/// Two workers at once, over and over: no row and no service is ever held twice.
#[tokio::test]
async fn workers_never_share_a_row_nor_a_service() {
    let mut it = Fresh::new().await;
    let seeds: Vec<_> = (0..60).map(|n| valid(1 + n / 3)).collect();
    it.insert(&seeds).await;
    let other = PgOutbox::open(&it.database.url()).await.expect("it opens");
    let other = register(&other).await;
    let mut rows = Vec::new();
    for n in 0.. {
        let (one, two) = (it.worker.queue(Scope::All), other.queue(Scope::All));
        let (one_claimed, two_claimed) = tokio::join!(one.claim(want(7)), two.claim(want(7)));
        let (one_claimed, two_claimed) = (one_claimed.expect("it claims"), two_claimed.expect("it claims"));
        let live = "SELECT count(*) - count(DISTINCT service) FROM mutirao.outbox WHERE state = 'in_flight'";
        let shared: i64 = sqlx::query_scalar(live).fetch_one(&mut it.sql().await).await.expect("it reads");
        assert_eq!(shared, 0);
        if one_claimed.claims.is_empty() && two_claimed.claims.is_empty() {
            break;
        }
        let opened = |claims: &mutirao::delivery::Claimed| -> Vec<Settle> {
            let opened = |it: &mutirao::delivery::Claim| Settle {
                label: Default::default(),
                row: it.row,
                token: it.token,
                change: Change::Opened {
                    opening: OpenedTicket {
                        protocolo: n.to_string(),
                        id_atendimento: it.row.0,
                        ids_ordem_servico: Vec::new(),
                        numeros_ordem_servico: Vec::new(),
                    },
                    attempts: 1,
                    warnings: Vec::new(),
                },
                attempt: None,
            };
            claims.claims.iter().map(opened).collect()
        };
        rows.extend(ids(&one_claimed));
        rows.extend(ids(&two_claimed));
        let (one_settles, two_settles) = (opened(&one_claimed), opened(&two_claimed));
        let (first, second) = tokio::join!(one.settle(&one_settles), two.settle(&two_settles));
        assert!(
            first
                .expect("it settles")
                .iter()
                .chain(&second.expect("it settles"))
                .all(|it| *it == Settled::Written)
        );
    }
    rows.sort();
    let n_claims = rows.len();
    rows.dedup();
    assert_eq!((rows.len(), n_claims), (60, 60));
}

/// Two settles at once that name the same ticket: it belongs to one of them.
#[tokio::test]
async fn a_ticket_named_twice_at_once_belongs_to_one_row() {
    let mut it = Fresh::new().await;
    it.insert(&[valid(1), valid(2)]).await;
    let claimed = it.claim(want(2)).await.expect("it claims");
    let settle = |nth: usize| {
        let opening = OpenedTicket {
            protocolo: "p".to_owned(),
            id_atendimento: 7,
            ids_ordem_servico: Vec::new(),
            numeros_ordem_servico: Vec::new(),
        };
        let change = Change::Opened { opening, attempts: 1, warnings: Vec::new() };
        [Settle {
            label: Default::default(),
            row: claimed.claims[nth].row,
            token: claimed.claims[nth].token,
            change,
            attempt: None,
        }]
    };
    let (one, two) = (settle(0), settle(1));
    let queue = it.worker.queue(Scope::All);
    let again = async |settles: &[Settle]| loop {
        match queue.settle(settles).await {
            Ok(settled) => return settled[0],
            Err(OutboxError::Unavailable(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    };
    let (one, two) = tokio::join!(again(&one), again(&two));
    assert!(matches!((one, two), (Settled::Written, Settled::Taken) | (Settled::Taken, Settled::Written)));
}

/// What was on its way when the connection broke may have been committed, or not; either way nobody
/// posts what nobody holds.
#[tokio::test]
async fn a_claim_whose_connection_broke_is_recovered() {
    let mut it = Fresh::new().await;
    it.insert(&[valid(1)]).await;
    it.claim(want(1)).await.expect("it claims");
    let killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = 'mutirao' AND datname = current_database()";
    it.execute(killed).await;
    let recovered = loop {
        match it.recover(at(5)).await {
            Ok(n_rows) => break n_rows,
            Err(OutboxError::Unavailable(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(recovered, 1);
    assert_eq!(it.state(RowId(1)).await, State::InDoubt);
}

#[tokio::test]
async fn a_plain_insert_may_come_in_bulk() {
    let it = Fresh::new().await;
    let sql = format!(
        "{PLAIN} SELECT n::text, 'x', 'Maria', '37999998888', '2023-01-01' FROM generate_series(1, 300) n"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut it.sql().await).await.expect("it inserts");
    assert_eq!(it.claim(want(256)).await.expect("it claims").claims.len(), 256);
    let claimed = it.claim(want(256)).await.expect("it claims");
    assert_eq!((claimed.claims.len(), claimed.backlog.pending), (44, false));
}

#[tokio::test]
async fn a_row_waits_from_when_it_was_due_not_from_when_it_came() {
    let it = Fresh::new().await;
    let oldest = async || {
        let now = jiff::Timestamp::now();
        let status = it.outbox.status(Scope::All, now).await.expect("it reads");
        status.oldest_pending.map(|since| now.duration_since(since).as_hours())
    };
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, created_at, available_at)
         VALUES ('1', 'a', 'b', 'c', now() - interval '9 h', now() + interval '1 h')",
    )
    .await;
    assert_eq!(oldest().await, None, "it is not due");
    it.execute("UPDATE mutirao.outbox SET available_at = now() - interval '2 h'").await;
    assert_eq!(oldest().await, Some(2));
    // Tried in vain since it was due, and soon to be tried again.
    it.execute(
        "UPDATE mutirao.outbox SET sent_at = now() - interval '1 h', available_at = now() + interval '1 min'",
    )
    .await;
    assert_eq!(oldest().await, Some(1));
}

/// Seen: 60,000 of them in one transaction, cut off after 30 s and begun anew, for ever.
#[tokio::test]
async fn a_flood_of_invalid_rows_is_refused_in_steps_and_a_good_row_behind_it_is_claimed() {
    let it = Fresh::new().await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at)
         SELECT n::text, 'x', 'Maria', CASE WHEN n <= 5000 THEN 'none' ELSE '37999998888' END, '2023-01-01'
           FROM generate_series(1, 5001) n",
    )
    .await;
    let claimed = it.claim(want(1)).await.expect("it claims");
    assert_eq!(ids(&claimed), [RowId(5001)], "it does not wait for the last of them");
    let mut n_refused = claimed.refused.len();
    let mut next = claimed.backlog.next_due;
    let mut n_claims = 1;
    while n_refused < 5000 {
        assert!(next.is_some_and(|next| next <= at(1)), "it goes on at once: {next:?}");
        let claimed = it.claim(want(1)).await.expect("it claims");
        let refused = claimed.refused.len();
        assert!(0 < refused && refused < 3000, "{refused} rows in one commit");
        (n_refused, next, n_claims) = (n_refused + refused, claimed.backlog.next_due, n_claims + 1);
    }
    assert!(n_claims < 50, "{n_claims} claims, each of which all others wait for");
}

/// Seen: 40 rows of 60 MB each, which every claim read from end to end.
#[tokio::test]
async fn what_is_too_long_is_refused_without_being_read() {
    let it = Fresh::new().await;
    // Random, so that it is as long as it is stored.
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, parametros, available_at)
         SELECT n::text, CASE n WHEN 2 THEN long ELSE 'x' END, 'Maria', '37999998888',
                CASE n WHEN 1 THEN jsonb_build_object('a', long) END, '2023-01-01'
           FROM generate_series(1, 3) n,
                (SELECT string_agg(md5(m::text), '') AS long FROM generate_series(1, 100000) m) it",
    )
    .await;
    // What a connection read is counted when it ends at the latest, its updates too.
    let mut conn = it.sql().await;
    let mut n_blocks = async |n_updates: i64| loop {
        let sql = "SELECT n_tup_upd, toast_blks_hit + toast_blks_read
                     FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid)
                    WHERE relid = 'mutirao.outbox'::regclass AND n_tup_ins = 3";
        let counted: Option<(i64, i64)> =
            sqlx::query_as(sql).fetch_optional(&mut conn).await.expect("it counts");
        match counted {
            Some((n, n_blocks)) if n_updates <= n => return n_blocks,
            _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    let before = n_blocks(0).await;
    let claimed = it.claim(want(9)).await.expect("it claims");
    assert_eq!((ids(&claimed), claimed.refused.len()), (vec![RowId(3)], 2));
    for (row, field) in [(1, "parametros"), (2, "descricao")] {
        let refused = claimed.refused.iter().find(|it| it.row == RowId(row)).expect("it is refused");
        let problem = &refused.problems[0];
        assert_eq!((&*problem.field, &*problem.code), (field, "too_long"));
    }
    it.outbox.close().await;
    let n_read = n_blocks(3).await - before;
    assert!(n_read < 20, "{n_read} blocks of long values were read");
}

/// Seen: 600 rows of 64 KiB that were 5 MB each when they were read, and no claim came to its end. One whose
/// text would be longer than the database makes shows that it is not made.
#[tokio::test]
async fn what_is_too_long_once_it_is_unpacked_is_refused_without_being_spelled_out() {
    let it = Fresh::new().await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, parametros, available_at)
         SELECT n::text, 'x', 'Maria', '37999998888', CASE n WHEN 1 THEN long END, '2023-01-01'
           FROM generate_series(1, 2) n, (SELECT ('[' || repeat('1e131071,', 200000) || '1]')::jsonb AS long) it",
    )
    .await;
    let claimed = it.claim(want(9)).await.expect("it claims");
    assert_eq!((ids(&claimed), claimed.refused.len()), (vec![RowId(2)], 1));
    assert_eq!(&*claimed.refused[0].problems[0].code, "too_long");
}

/// Seen: what everybody does to a queue that seems stuck made 33 second tickets.
#[tokio::test]
async fn whatever_a_person_writes_into_state_what_may_have_been_sent_is_looked_up_first() {
    for (written, retried) in [
        ("UPDATE mutirao.outbox SET state = 'pending' WHERE state = 'in_flight'", false),
        ("UPDATE mutirao.outbox SET state = 'failed' WHERE state = 'in_flight'", true),
        ("UPDATE mutirao.outbox SET state = 'rejected' WHERE state = 'in_flight'", true),
        ("UPDATE mutirao.outbox SET state = 'failed'; UPDATE mutirao.outbox SET state = 'pending'", false),
    ] {
        let mut it = Fresh::new().await;
        let rows = it.insert(&[valid(1)]).await;
        let posted = it.claim(want(1)).await.expect("it claims").claims.remove(0);
        it.execute(written).await;
        if retried {
            let states = [State::Failed, State::Rejected];
            assert_eq!(it.outbox.retry(None, &states, at(2)).await.expect("it does"), 1, "{written}");
        }
        assert_eq!(
            ids(&it.claim(ClaimRequest { now: at(9), ..want(9) }).await.expect("it claims")),
            [],
            "{written}"
        );
        let other = it.insert(&[valid(1)]).await;
        let claimed = it
            .claim(ClaimRequest { now: at(9), posts: 9, look_ups: 9, end: End::Front })
            .await
            .expect("it claims");
        assert_eq!(ids(&claimed), rows, "{written}: a look-up, and nothing else of its service");
        let doubt = claimed.claims[0].doubt.as_ref().expect("it is looked up");
        // From when nobody waits for the answer to a post under the claim.
        assert!(!doubt.precaution && at(1) + TERMS.timeout < doubt.since, "{written}: {doubt:?}");
        let change = Change::Opened {
            opening: OpenedTicket {
                protocolo: "p".to_owned(),
                id_atendimento: 1,
                ids_ordem_servico: Vec::new(),
                numeros_ordem_servico: Vec::new(),
            },
            attempts: 1,
            warnings: Vec::new(),
        };
        let settle =
            Settle { label: Default::default(), row: rows[0], token: posted.token, change, attempt: None };
        assert_eq!(it.settle(&[settle]).await.expect("it settles"), [Settled::Written], "proof is proof");
        assert_eq!(it.state(rows[0]).await, State::Opened);
        assert_eq!(it.state(other[0]).await, State::Pending);
    }
}

/// Seen: an opened row was posted again, since nothing but its state said that it has a ticket.
#[tokio::test]
async fn a_row_that_has_a_ticket_is_looked_up_first_whatever_a_person_writes_into_state() {
    let conflict = |claim: &Claim| {
        let Change::Opened { opening, attempts, .. } = opened(claim).change else { unreachable!() };
        let fault = Fault::WrongService { asked: 1, found: 2 };
        Settle {
            change: Change::Conflict { opening, attempts, fault, warnings: Vec::new() },
            ..opened(claim)
        }
    };
    for (settle, written, retried) in [
        (opened as fn(&Claim) -> Settle, "UPDATE mutirao.outbox SET state = 'pending'", false),
        (conflict, "UPDATE mutirao.outbox SET state = 'pending'", false),
        (opened, "UPDATE mutirao.outbox SET state = 'cancelled'", true),
        (opened, "UPDATE mutirao.outbox SET state = 'failed'", true),
    ] {
        let mut it = Fresh::new().await;
        let rows = it.insert(&[valid(1), valid(1)]).await;
        // Found by a look-up that was but a precaution.
        it.execute(
            "UPDATE mutirao.outbox SET doubt_since = created_at, doubt_precaution = true WHERE id = 1",
        )
        .await;
        let both = ClaimRequest { now: at(1), posts: 1, look_ups: 1, end: End::Front };
        let claims = it.claim(both).await.expect("it claims").claims;
        assert_eq!(it.settle(&[settle(&claims[0])]).await.expect("it settles"), [Settled::Written]);
        it.execute(written).await;
        if retried {
            let states = [State::Failed, State::Cancelled];
            assert_eq!(it.outbox.retry(None, &states, at(2)).await.expect("it does"), 2, "{written}");
        }
        let claimed = it.claim(ClaimRequest { now: at(9), ..both }).await.expect("it claims");
        assert_eq!(ids(&claimed), rows[..1], "{written}: a look-up, and nothing else of its service");
        let doubt = claimed.claims[0].doubt.as_ref().expect("it is looked up");
        assert!(!doubt.precaution, "{written}: {doubt:?}");
    }
}

#[tokio::test]
async fn a_row_that_was_always_due_spoils_no_place_in_the_queue() {
    let mut it = Fresh::new().await;
    it.insert(&[valid(1), valid(2)]).await;
    it.execute("UPDATE mutirao.outbox SET available_at = '-infinity' WHERE service = 1").await;
    for thousandths in [0, 500, 1000] {
        let claimed =
            it.claim(ClaimRequest { end: End::Between(thousandths), ..want(2) }).await.expect("it claims");
        for claim in &claimed.claims {
            it.settle(&[release(claim)]).await.expect("it settles");
        }
    }
}

/// Seen: ten workers in line behind one slow claim, each of which asked for less and less, and opened less
/// than it might.
#[tokio::test]
async fn a_claim_that_takes_long_asks_for_less_but_none_that_stands_in_line() {
    let mut it = Fresh::new().await;
    it.insert(&(1..=30).map(valid).collect::<Vec<_>>()).await;
    let desk = it.worker.queue(Scope::All);
    let mut somebody = it.sql().await;
    let mut turn = somebody.begin().await.expect("it begins");
    let lock = "LOCK TABLE mutirao.turn IN SHARE UPDATE EXCLUSIVE MODE";
    sqlx::query(lock).execute(&mut *turn).await.expect("it is its turn");
    let in_line = async {
        let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
                                     AND query_start < clock_timestamp() - interval '1.2 s')";
        let mut conn = it.sql().await;
        while !sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut conn).await.expect("it reads") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        turn.rollback().await.expect("it ends");
    };
    let (claimed, ()) = tokio::join!(desk.claim(want(8)), in_line);
    assert_eq!(claimed.expect("it claims").claims.len(), 8);
    it.execute(
        "CREATE FUNCTION public.meet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(1.2); RETURN NEW; END$$;
         CREATE TRIGGER meet BEFORE UPDATE ON mutirao.outbox FOR EACH ROW
             WHEN (OLD.service = 9) EXECUTE FUNCTION public.meet()",
    )
    .await;
    let claimed = desk.claim(want(8)).await.expect("it claims");
    assert_eq!((claimed.claims.len(), claimed.posts_max), (8, None), "it stood in line, and was quick then");
    let claimed = desk.claim(want(8)).await.expect("it claims");
    assert_eq!((claimed.claims.len(), claimed.posts_max), (4, Some(4)));
}
