//! Rows that somebody holds, or that may not be changed, keep nobody else from work.

use mutirao::delivery::{Change, Claim, ClaimRequest, Doubt, Fault, Outbox, RowId, Settle, Settled, State};
use mutirao::outbox::Scope;
use mutirao::outbox::postgres::RENEWALS_BEFORE_RESCUE;
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};
use tokio::time::{Duration, Instant, sleep};

use super::bench::{Fresh, ids, opened, register, renew_when_due, want};
use crate::outbox_conformance::{Bench, at, valid};
use crate::service::{answering, get};
use crate::support::postgres::Database;
use crate::support::site::Site;

const LONG: Duration = Duration::from_secs(60);

/// A trigger of somebody's, against what becomes of service 3.
const REFUSES: &str = "
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'not this one: %', OLD.nome; END$$;
    CREATE TRIGGER refuse BEFORE UPDATE ON mutirao.outbox FOR EACH ROW
        WHEN (OLD.service = 3 AND OLD.state = 'in_flight') EXECUTE FUNCTION public.refuse()";

async fn held(sql: &mut PgConnection, row: RowId) -> sqlx::Transaction<'_, sqlx::Postgres> {
    let mut tx = sql.begin().await.expect("it begins");
    let hold = sqlx::query("SELECT FROM mutirao.outbox WHERE id = $1 FOR UPDATE").bind(row.0);
    hold.execute(&mut *tx).await.expect("it is held");
    tx
}

#[tokio::test]
async fn the_outcome_of_a_row_that_somebody_holds_is_kept_and_the_others_are_stored() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&(1..=9).map(valid).collect::<Vec<_>>()).await;
    let claims = it.claim(want(9)).await.expect("it claims").claims;
    let settles: Vec<Settle> = claims.iter().map(opened).collect();
    let mut somebody = it.sql().await;
    let lunch = held(&mut somebody, rows[4]).await;
    let became = it.settle(&settles).await.expect("it settles");
    let expected: Vec<_> = (0..9).map(|n| if n == 4 { Settled::Locked } else { Settled::Written }).collect();
    assert_eq!(became, expected);
    assert_eq!(it.settle(&settles[4..5]).await.expect("it settles"), [Settled::Locked]);
    assert_eq!((it.state(rows[3]).await, it.state(rows[4]).await), (State::Opened, State::InFlight));
    lunch.rollback().await.expect("it ends");
    assert_eq!(it.settle(&settles[4..5]).await.expect("it settles"), [Settled::Written]);
    assert_eq!(it.state(rows[4]).await, State::Opened);
}

#[tokio::test]
async fn an_outcome_that_a_trigger_refuses_is_kept_and_the_others_are_stored() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&(1..=9).map(valid).collect::<Vec<_>>()).await;
    let claims = it.claim(want(9)).await.expect("it claims").claims;
    it.execute(REFUSES).await;
    let settles: Vec<Settle> = claims.iter().map(opened).collect();
    let became = it.settle(&settles).await.expect("it settles");
    let expected: Vec<_> = (0..9).map(|n| if n == 2 { Settled::Locked } else { Settled::Written }).collect();
    assert_eq!(became, expected);
    it.execute("DROP FUNCTION public.refuse() CASCADE").await;
    assert_eq!(it.settle(&settles).await.expect("it settles"), [Settled::Written; 9], "it may be repeated");
    assert_eq!(it.state(rows[2]).await, State::Opened);
}

#[tokio::test]
async fn what_somebody_holds_of_a_dead_worker_is_rescued_when_it_is_let_go() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2)]).await;
    let dead = register(&it.outbox).await;
    dead.queue(Scope::All).claim(want(2)).await.expect("it claims");
    for _ in 0..RENEWALS_BEFORE_RESCUE {
        renew_when_due(&it, &it.worker).await;
    }
    let sql = "UPDATE mutirao.worker SET lease_until = clock_timestamp() WHERE id = $1";
    sqlx::query(sql).bind(dead.id()).execute(&mut it.sql().await).await.expect("it is dead");
    let mut somebody = it.sql().await;
    let lunch = held(&mut somebody, rows[0]).await;
    assert_eq!(it.worker.rescue().await.expect("it does not wait"), 1);
    assert_eq!((it.state(rows[0]).await, it.state(rows[1]).await), (State::InFlight, State::InDoubt));
    lunch.rollback().await.expect("it ends");
    assert_eq!(it.worker.rescue().await.expect("it rescues"), 1);
    let n_workers: i64 = sqlx::query_scalar("SELECT count(*) FROM mutirao.worker")
        .fetch_one(&mut it.sql().await)
        .await
        .expect("it counts");
    assert_eq!(n_workers, 1, "the dead is gone");
}

#[tokio::test]
async fn what_somebody_holds_at_the_start_is_left_to_the_next_rescue() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&[valid(1), valid(2), valid(3)]).await;
    it.claim(want(2)).await.expect("it claims");
    let mut somebody = it.sql().await;
    let lunch = held(&mut somebody, rows[0]).await;
    assert_eq!(it.recover(at(2)).await.expect("it does not wait"), 1);
    it.look_again(at(2)).await.expect("it does not wait");
    it.pull_in(at(2)).await.expect("it does not wait");
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [rows[2]], "others have their turn");
    lunch.rollback().await.expect("it ends");
    for _ in 0..RENEWALS_BEFORE_RESCUE {
        renew_when_due(&it, &it.worker).await;
    }
    assert_eq!(it.worker.rescue().await.expect("it rescues"), 1);
    let claimed =
        it.claim(ClaimRequest { look_ups: 9, now: at(99_999_999), ..want(9) }).await.expect("it claims");
    assert!(ids(&claimed).contains(&rows[0]) && claimed.claims.iter().all(|it| it.doubt.is_some()));
}

/// What one row of a service meets in the database when it is changed: what, in PL/pgSQL, in one `state`.
async fn meets(it: &Fresh, state: &str, what: (When, &str)) {
    meet(it, &format!("OLD.service = 3 AND OLD.state = '{state}'"), what).await;
}

async fn meet(it: &Fresh, which: &str, (when, what): (When, &str)) {
    let (kind, when) = match when {
        When::Before => ("", "BEFORE UPDATE ON mutirao.outbox"),
        When::After => ("", "AFTER UPDATE ON mutirao.outbox"),
        When::AtCommit => ("CONSTRAINT", "AFTER UPDATE ON mutirao.outbox DEFERRABLE INITIALLY DEFERRED"),
    };
    let sql = format!(
        "CREATE FUNCTION public.meet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {what} END$$;
         CREATE {kind} TRIGGER meet {when} FOR EACH ROW
             WHEN ({which}) EXECUTE FUNCTION public.meet()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut it.sql().await).await.expect("it is made");
}

/// When a trigger fires.
#[derive(Clone, Copy, Debug)]
enum When {
    Before,
    After,
    AtCommit,
}

/// As somebody's trigger may fail, or keep a row as it is.
const REFUSALS: [&str; 6] = [
    "RAISE EXCEPTION 'not this one: %', OLD.nome;",
    "RAISE EXCEPTION USING ERRCODE = '42501';",
    "INSERT INTO public.not_there VALUES (1); RETURN NEW;",
    "RAISE EXCEPTION USING ERRCODE = '23505';",
    "RETURN NULL;",
    "RETURN OLD;",
];

/// As it may keep what matters of a row, or make another of it.
const FALSIFIES: [&str; 2] = [
    "NEW.state := OLD.state; RETURN NEW;",
    "NEW.state := 'pending'; NEW.token := 0; NEW.doubt_since := NULL; RETURN NEW;",
];

/// As it may do so once the row is written.
const WRITES_BACK: [&str; 3] = [
    "RAISE EXCEPTION 'not this one: %', OLD.nome;",
    "IF pg_trigger_depth() = 1 THEN
         UPDATE mutirao.outbox SET state = OLD.state, id_cliente_servico = OLD.id_cliente_servico WHERE id = OLD.id;
     END IF;
     RETURN NULL;",
    "IF pg_trigger_depth() = 1 THEN
         UPDATE mutirao.outbox SET state = 'pending', token = 0, doubt_since = NULL,
                                   id_cliente_servico = OLD.id_cliente_servico
          WHERE id = OLD.id;
     END IF;
     RETURN NULL;",
];

/// A row made another, before it is written and after.
const CHANGES: [(When, &str); 4] = [
    (When::Before, "RETURN OLD;"),
    (When::Before, FALSIFIES[1]),
    (When::After, WRITES_BACK[2]),
    (When::AtCommit, WRITES_BACK[2]),
];

/// All of that.
fn ills() -> impl Iterator<Item = (When, &'static str)> {
    let before = REFUSALS.into_iter().chain(FALSIFIES).map(|it| (When::Before, it));
    let after = [When::After, When::AtCommit].into_iter();
    before.chain(after.flat_map(|when| WRITES_BACK.map(|it| (when, it))))
}

/// Seen: no worker claimed anything for as long as one row stood there; and one that was kept as it was
/// without an error, or was changed into what it had been, was posted again and again.
#[tokio::test]
async fn a_row_that_cannot_be_claimed_is_passed_over() {
    for what in ills() {
        let mut it = Fresh::new().await;
        let rows = it.insert(&(1..=9).map(valid).collect::<Vec<_>>()).await;
        meets(&it, "pending", what).await;
        let claimed = it.claim(want(7)).await.expect("it claims");
        let good: Vec<RowId> = rows.iter().copied().filter(|it| *it != rows[2]).collect();
        assert_eq!(ids(&claimed), good[..7], "{what:?}: as many as were wanted");
        assert_eq!(it.state(rows[2]).await, State::Pending);
        let claimed = it.claim(want(9)).await.expect("it claims");
        assert_eq!(ids(&claimed), good[7..], "{what:?}");
        let backlog = it.claim(want(9)).await.expect("it claims").backlog;
        assert_eq!((backlog.pending, backlog.next_due), (true, None), "{what:?}: it is not waited for");
        it.execute("DROP FUNCTION public.meet() CASCADE").await;
        let next = register(&it.outbox).await;
        assert_eq!(
            ids(&next.queue(Scope::All).claim(want(9)).await.expect("it claims")),
            [rows[2]],
            "{what:?}"
        );
    }
}

/// As one may tell another program what becomes of rows. It is in nobody's way.
#[tokio::test]
async fn a_trigger_that_only_looks_on_keeps_nothing_from_being_claimed_and_settled() {
    for when in [When::After, When::AtCommit] {
        let mut it = Fresh::new().await;
        let rows = it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
        let what = "PERFORM pg_notify('others', NEW.state); RETURN NULL;";
        meet(&it, "OLD.state <> NEW.state", (when, what)).await;
        let claims = it.claim(want(9)).await.expect("it claims").claims;
        assert_eq!(claims.iter().map(|it| it.row).collect::<Vec<_>>(), rows, "{when:?}");
        let settles: Vec<Settle> = claims.iter().map(opened).collect();
        assert_eq!(it.settle(&settles).await.expect("it settles"), [Settled::Written; 4], "{when:?}");
    }
}

/// Not even to say that it is invalid, or to write its service anew.
#[tokio::test]
async fn what_cannot_be_written_to_an_ill_row_keeps_no_other_from_its_turn() {
    for what in ills() {
        for ill in ["telefone = 'none'", "id_cliente_servico = '03'"] {
            let mut it = Fresh::new().await;
            let rows = it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
            let sql = format!("UPDATE mutirao.outbox SET {ill} WHERE service = 3");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut it.sql().await).await.expect("it is ill");
            meets(&it, "pending", what).await;
            let claimed = it.claim(want(9)).await.expect("it claims");
            assert_eq!(ids(&claimed), [rows[0], rows[1], rows[3]], "{what:?} {ill}");
            assert_eq!(claimed.refused.len(), 0, "{what:?} {ill}: nothing is told that was not written");
        }
    }
}

/// A value of row 3 that is stored outside of it is no longer there.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_passed_over() {
    let mut it = Fresh::new().await;
    let rows = it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
    it.execute(
        "ALTER TABLE mutirao.outbox ALTER descricao SET STORAGE EXTERNAL;
         UPDATE mutirao.outbox SET descricao = repeat('x', 40000) WHERE service = 3;
         DO $$DECLARE toast text := (SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'mutirao.outbox'::regclass);
         BEGIN
             UPDATE pg_class SET relkind = 'r' WHERE oid = toast::regclass;
             EXECUTE 'DELETE FROM ' || toast;
             UPDATE pg_class SET relkind = 't' WHERE oid = toast::regclass;
         END$$",
    )
    .await;
    it.execute("VACUUM mutirao.outbox").await;
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), [rows[0], rows[1], rows[3]]);
    assert_eq!(ids(&it.claim(want(9)).await.expect("it claims")), []);
}

/// Also one that comes alone, by whatever code the trigger fails. Seen: the log said that it was opened, the
/// row stayed in flight, and the proof was gone.
#[tokio::test]
async fn an_outcome_that_the_database_will_not_have_is_kept_whatever_it_says() {
    for what in ills() {
        let mut it = Fresh::new().await;
        it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
        let claims = it.claim(want(9)).await.expect("it claims").claims;
        meets(&it, "in_flight", what).await;
        let settles: Vec<Settle> = claims.iter().map(opened).collect();
        assert_eq!(it.settle(&settles[2..3]).await.expect("it settles"), [Settled::Locked], "{what:?}");
        let became = it.settle(&settles).await.expect("it settles");
        let expected: Vec<_> =
            (0..4).map(|n| if n == 2 { Settled::Locked } else { Settled::Written }).collect();
        assert_eq!(became, expected, "{what:?}");
        it.execute("DROP FUNCTION public.meet() CASCADE").await;
        assert_eq!(it.settle(&settles).await.expect("it settles"), [Settled::Written; 4], "{what:?}");
    }
}

/// Whatever became of the row, in the same commit as others or by itself.
#[tokio::test]
async fn no_outcome_counts_as_written_before_it_stands() {
    let fault = || Fault::Timeout;
    let changes: [&dyn Fn(&Claim) -> Change; 6] = [
        &|claim| opened(claim).change,
        &|_| Change::Release,
        &|_| Change::Rejected { attempts: 1, fault: fault() },
        &|_| Change::Later { at: at(9), attempts: 1, doubt: None, fault: Some(fault()) },
        &|_| Change::Later { at: at(9), attempts: 1, doubt: Some(Doubt::since(at(9))), fault: None },
        &|_| Change::Unconfirmed { doubt: Doubt::since(at(9)), fault: fault() },
    ];
    for what in CHANGES {
        for change in changes {
            let mut it = Fresh::new().await;
            it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
            let claims = it.claim(want(9)).await.expect("it claims").claims;
            meets(&it, "in_flight", what).await;
            let settle = |it: &Claim| Settle {
                label: Default::default(),
                row: it.row,
                token: it.token,
                change: change(it),
                attempt: None,
            };
            let settles: Vec<Settle> = claims.iter().map(settle).collect();
            let became = it.settle(&settles).await.expect("it settles");
            assert_eq!(became[2], Settled::Locked, "{what:?} {:?}", settles[2].change);
            assert_eq!(became[3], Settled::Written, "{what:?} {:?}", settles[3].change);
            it.execute("DROP FUNCTION public.meet() CASCADE").await;
            let became = it.settle(&settles[2..3]).await.expect("it settles");
            assert_eq!(became, [Settled::Written], "{what:?} {:?}", settles[2].change);
        }
    }
}

/// Of a row that was taken in meanwhile.
#[tokio::test]
async fn a_late_proof_is_kept_until_it_stands() {
    for what in ills() {
        let mut it = Fresh::new().await;
        let rows = it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
        let claims = it.claim(want(9)).await.expect("it claims").claims;
        it.recover(at(2)).await.expect("it recovers");
        meets(&it, "in_doubt", what).await;
        let settles: Vec<Settle> = claims.iter().map(opened).collect();
        let became = it.settle(&settles).await.expect("it settles");
        let expected: Vec<_> =
            (0..4).map(|n| if n == 2 { Settled::Locked } else { Settled::Written }).collect();
        assert_eq!(became, expected, "{what:?}");
        it.execute("DROP FUNCTION public.meet() CASCADE").await;
        assert_eq!(it.settle(&settles[2..3]).await.expect("it settles"), [Settled::Written], "{what:?}");
        assert_eq!(it.state(rows[2]).await, State::Opened, "{what:?}");
    }
}

/// What no row may be changed for is said of the outbox, and of no row.
#[tokio::test]
async fn a_trigger_that_lets_nothing_through_is_no_rows_fault() {
    let mut it = Fresh::new().await;
    it.insert(&[valid(1), valid(2)]).await;
    let claims = it.claim(want(1)).await.expect("it claims").claims;
    it.execute(
        "CREATE FUNCTION public.meet() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$;
         CREATE TRIGGER meet BEFORE UPDATE ON mutirao.outbox EXECUTE FUNCTION public.meet()",
    )
    .await;
    assert!(it.claim(want(1)).await.is_err(), "nothing can be claimed");
    assert!(it.settle(&[opened(&claims[0])]).await.is_err(), "nothing can be settled");
}

/// Seen: a trigger that would not have one outcome, then a restart: what the worker left was in flight for
/// ever, its other rows too.
#[tokio::test]
async fn what_cannot_be_taken_in_keeps_no_other_row_in_flight() {
    for what in ills() {
        let mut it = Fresh::new().await;
        let rows = it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
        it.claim(want(9)).await.expect("it claims");
        meets(&it, "in_flight", what).await;
        assert_eq!(it.recover(at(2)).await.expect("it recovers"), 3, "{what:?}");
        for (row, state) in rows.iter().zip([State::InDoubt, State::InDoubt, State::InFlight, State::InDoubt])
        {
            assert_eq!(it.state(*row).await, state, "{what:?}");
        }
        it.insert(&[valid(8)]).await;
        assert_eq!(it.claim(want(9)).await.expect("it goes on").claims.len(), 1, "{what:?}");
        // The row is a dead worker's now.
        for _ in 0..RENEWALS_BEFORE_RESCUE {
            renew_when_due(&it, &it.worker).await;
        }
        assert_eq!(it.worker.rescue().await.expect("it rescues what it can"), 0, "{what:?}");
        it.execute("DROP FUNCTION public.meet() CASCADE").await;
        assert_eq!(it.worker.rescue().await.expect("it rescues"), 1, "{what:?}");
    }
}

/// Of rows that are gone from their file: a release makes them pending, and what follows is refused.
#[tokio::test]
async fn what_cannot_be_withdrawn_is_kept_and_the_others_are_stored() {
    for what in ills() {
        let mut it = Fresh::new().await;
        let rows = it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
        let claims = it.claim(want(9)).await.expect("it claims").claims;
        it.execute("UPDATE mutirao.outbox SET gone = true").await;
        meets(&it, "pending", what).await;
        let released = |claim: &Claim| Settle { change: Change::Release, ..opened(claim) };
        let settles: Vec<Settle> = claims.iter().map(released).collect();
        let became = it.settle(&settles).await.expect("it settles");
        let expected: Vec<_> =
            (0..4).map(|n| if n == 2 { Settled::Locked } else { Settled::Written }).collect();
        assert_eq!(became, expected, "{what:?}");
        assert_eq!(it.state(rows[2]).await, State::InFlight, "{what:?}");
        it.execute("DROP FUNCTION public.meet() CASCADE").await;
        assert_eq!(it.settle(&settles[2..3]).await.expect("it settles"), [Settled::Written], "{what:?}");
        for row in rows {
            assert_eq!(it.state(row).await, State::Cancelled, "{what:?}");
        }
    }
}

/// At the start of a run.
#[tokio::test]
async fn what_cannot_be_looked_at_again_or_pulled_in_keeps_no_other_waiting() {
    for what in REFUSALS.map(|it| (When::Before, it)) {
        let mut it = Fresh::new().await;
        let rows = it.insert(&(1..=4).map(valid).collect::<Vec<_>>()).await;
        let later = "UPDATE mutirao.outbox SET token = 1, available_at = '2100-01-01'";
        it.execute(later).await;
        meets(&it, "pending", what).await;
        it.pull_in(at(1)).await.expect("it pulls in");
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(it.look(*row).await.available_at == at(1), n != 2, "{what:?}");
        }
        it.execute(
            "DROP FUNCTION public.meet() CASCADE; UPDATE mutirao.outbox SET state = 'unconfirmed', doubt_since = now()",
        )
        .await;
        meets(&it, "unconfirmed", what).await;
        it.look_again(at(1)).await.expect("it looks again");
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(it.state(*row).await == State::InDoubt, n != 2, "{what:?}");
        }
    }
}

async fn until(conn: &mut PgConnection, what: &'static str) {
    let began = Instant::now();
    let sql = format!("SELECT EXISTS (SELECT FROM mutirao.outbox WHERE {what})");
    while !sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(sql.clone()))
        .fetch_one(&mut *conn)
        .await
        .unwrap()
    {
        assert!(began.elapsed() < LONG, "there is no row with {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Seen: `SELECT … FOR UPDATE` in psql, then lunch: nobody opened anything, and only `kill -9` ended the
/// worker.
#[tokio::test]
async fn a_row_that_somebody_holds_stops_no_worker_and_no_stop() {
    let (site, database) = (Site::new("latency=300ms"), Database::fresh().await);
    let mut command = site.command(&["worker", "--rate", "unlimited", "--grace", "3s"]);
    command.env("DATABASE_URL", database.url());
    let worker = Site::start(command, "working for");
    let (mut conn, mut somebody) = (database.connect().await, database.connect().await);
    let insert = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
                  SELECT n::text, 'Sem sinal', 'Maria', '37999998888' FROM generate_series($1, $2) n";
    sqlx::query(insert).bind(1).bind(1).execute(&mut conn).await.unwrap();
    until(&mut conn, "state = 'in_flight'").await;
    let lunch = held(&mut somebody, RowId(1)).await;
    sqlx::query(insert).bind(2).bind(30).execute(&mut conn).await.unwrap();
    until(&mut conn, "state = 'opened' HAVING count(*) = 29").await;
    lunch.rollback().await.unwrap();
    until(&mut conn, "state = 'opened' HAVING count(*) = 30").await;
    // A second one, and a stop meanwhile.
    sqlx::query(insert).bind(31).bind(31).execute(&mut conn).await.unwrap();
    until(&mut conn, "state = 'in_flight'").await;
    let lunch = held(&mut somebody, RowId(31)).await;
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
    lunch.rollback().await.unwrap();
    let sql = "SELECT count(*) FROM mutirao.outbox WHERE state = 'in_flight'";
    assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut conn).await.unwrap(), 1, "it is looked up");
    assert_eq!((site.audit().tickets, site.audit().duplicates.len()), (31, 0));
}

/// Seen: the worker was ready, and idle, and said nothing.
#[tokio::test]
async fn a_worker_says_which_rows_somebody_holds() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (mut conn, mut somebody) = (database.connect().await, database.connect().await);
    let insert = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
                  SELECT n::text, 'Sem sinal', 'Maria', '37999998888' FROM generate_series(1, 3) n";
    sqlx::raw_sql(insert).execute(&mut conn).await.unwrap();
    let lunch = held(&mut somebody, RowId(2)).await;
    let mut command = site.command(&["worker", "--rate", "unlimited"]);
    command.env("DATABASE_URL", database.url());
    let (mut worker, at) = answering(command);
    let said = worker.until_it_says("1 rows are due, and another session holds a lock on them (ids 2)");
    assert!(said.contains("pg_locks"), "{said}");
    let told = || get(at, "/metrics").is_some_and(|it| it.1.contains("mutirao_rows_passed_over 1"));
    let began = Instant::now();
    while !told() {
        assert!(began.elapsed() < LONG, "the metrics do not tell of it");
    }
    lunch.rollback().await.unwrap();
    until(&mut conn, "state = 'opened' HAVING count(*) = 3").await;
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

/// Seen: the log said at INFO that another had settled it, and nobody heard of the ticket.
#[tokio::test]
async fn the_ticket_of_a_row_that_was_deleted_is_told_of() {
    let (site, database) = (Site::new("latency=1s"), Database::fresh().await);
    let mut command = site.command(&["worker", "--rate", "unlimited"]);
    command.env("DATABASE_URL", database.url());
    let mut worker = Site::start(command, "working for");
    let mut conn = database.connect().await;
    let insert =
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, referencia)
                  VALUES ('1', 'Sem sinal', 'Maria', '37999998888', 'queda', 'c7')";
    sqlx::raw_sql(insert).execute(&mut conn).await.unwrap();
    until(&mut conn, "state = 'in_flight'").await;
    sqlx::raw_sql("DELETE FROM mutirao.outbox").execute(&mut conn).await.unwrap();
    let said = worker.until_it_says("its ticket exists, and no row has it").to_owned();
    let line = said.lines().last().unwrap_or_default();
    for part in ["ERROR", "queda", "c7", "protocolo=", "row.id=1"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
    assert_eq!(site.audit().tickets, 1);
}
