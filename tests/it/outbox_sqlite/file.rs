//! What only a file can do: be locked, be cut off, be read meanwhile, be another's.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use mutirao::delivery::{
    Attempt, AttemptKind, Change, ClaimRequest, End, Fault, Noted, OpenedTicket, Outbox, OutboxError, Settle,
    Settled, State,
};
use mutirao::outbox::{BindError, Cursor, OpenError, Reader, Scope, SqliteOutbox};
use sqlx::Row;

use super::bench::Fresh;
use crate::outbox_conformance::at;
use crate::support::files::{File, Line, import, line};

#[tokio::test]
async fn one_process_owns_it_and_others_read() {
    let mut it = Fresh::new().await;
    let Err(OpenError::Locked { path, pid }) = SqliteOutbox::open(&it.path).await else {
        panic!("it is ours")
    };
    assert_eq!(pid, Some(std::process::id()));
    assert_eq!(path, it.path);
    let reader = Reader::open(&it.path).await.expect("reading is free");
    let merged = it.import(&File::of("b", &[line(1, "a"), line(2, "b")])).await;
    assert_eq!(reader.counts(merged.scope()).await.expect("it counts").pending, 2);
    it.worker().await.queue(Scope::All).claim(want(1)).await.expect("it claims");
    assert_eq!(reader.counts(Scope::All).await.expect("it counts").in_flight, 1);
    reader.close().await.expect("it closes");

    it.outbox.close().await.expect("it closes");
    let left: Vec<_> = std::fs::read_dir(it.dir.path())
        .expect("it lists")
        .map(|it| it.expect("it lists").file_name())
        .collect();
    assert_eq!(left, ["outbox.db"], "one file, once it is closed");
    SqliteOutbox::open(&it.path).await.expect("it is free again");
}

#[tokio::test]
async fn what_was_claimed_survives_a_crash() {
    let mut it = Fresh::new().await;
    it.import(&File::of("b", &[line(1, "a"), line(2, "b")])).await;
    let claimed = it.worker().await.queue(Scope::All).claim(want(1)).await.expect("it claims");
    let Fresh { outbox, path, dir, .. } = it;
    // As a power cut leaves it: the file and its log, as they are on disk at this moment.
    let other = dir.path().join("after");
    std::fs::create_dir(&other).expect("it makes a folder");
    for name in ["outbox.db", "outbox.db-wal"] {
        std::fs::copy(dir.path().join(name), other.join(name)).expect("it copies");
    }
    drop(outbox);
    for path in [other.join("outbox.db"), path] {
        let outbox = SqliteOutbox::open(&path).await.expect("it opens");
        let queue = outbox.queue(Scope::All);
        assert_eq!(queue.recover(at(5)).await.expect("it recovers"), 1);
        let again = queue
            .claim(ClaimRequest { now: at(5), posts: 9, look_ups: 9, end: End::Front })
            .await
            .expect("it claims");
        let row = again.claims.iter().find(|it| it.row == claimed.claims[0].row).expect("it is not lost");
        assert!(row.doubt.is_some() && claimed.claims[0].token < row.token, "and not posted unseen");
    }
}

#[tokio::test]
async fn nobody_else_reads_the_files() {
    let mut it = Fresh::new().await;
    it.import(&File::of("b", &[line(1, "a")])).await;
    let mut n_files = 0;
    for file in std::fs::read_dir(it.dir.path()).expect("it lists") {
        let file = file.expect("it lists");
        let mode = file.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
        n_files += 1;
    }
    assert_eq!(n_files, 4, "the database, its log, its index and the lock");
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused() {
    let it = Fresh::new().await;
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut it.sql().await).await.expect("it writes");
    it.outbox.close().await.expect("it closes");
    let newer = SqliteOutbox::open(&it.path).await.err().expect("it is newer");
    assert!(matches!(newer, OpenError::Newer { found: 99, .. }), "{newer}");
    assert!(matches!(Reader::open(&it.path).await, Err(OpenError::Newer { .. })));

    let text = it.dir.path().join("text.db");
    std::fs::write(&text, "not a database, whatever its name says".repeat(99)).expect("it writes");
    assert!(matches!(SqliteOutbox::open(&text).await, Err(OpenError::NotOurs { .. })));
    let foreign = it.dir.path().join("foreign.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&foreign).create_if_missing(true);
    let mut conn = sqlx::ConnectOptions::connect(&options).await.expect("it connects");
    sqlx::raw_sql("CREATE TABLE theirs (x)").execute(&mut conn).await.expect("it writes");
    assert!(matches!(SqliteOutbox::open(&foreign).await, Err(OpenError::NotOurs { .. })));
    assert!(matches!(Reader::open(&it.dir.path().join("none.db")).await, Err(OpenError::Missing { .. })));
}

#[tokio::test]
async fn a_settle_is_whole_or_nothing() {
    let mut it = Fresh::new().await;
    it.import(&File::of("b", &[line(1, "a")])).await;
    let claim = it.worker().await.queue(Scope::All).claim(want(1)).await.expect("it claims").claims.remove(0);
    let attempt = Attempt {
        at: at(1),
        kind: AttemptKind::Post,
        verdict: "unknown",
        http_status: None,
        latency: Duration::ZERO,
        note: Noted::Nothing,
    };
    let settle = Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change: Change::Release,
        attempt: Some(Box::new(attempt)),
    };
    let worker = it.worker().await;
    let queue = worker.queue(Scope::All);
    let settles = [settle];
    rename(&it, "ALTER TABLE attempt RENAME TO elsewhere").await;
    let error = queue.settle(&settles).await.expect_err("its history has no place");
    assert!(matches!(error, OutboxError::Broken(_)), "{error}");
    rename(&it, "ALTER TABLE elsewhere RENAME TO attempt").await;
    assert_eq!(it.row("b", 2).await.report.state, State::InFlight, "nothing of it was written");
    assert_eq!(
        queue.settle(&settles).await.expect("it settles"),
        [Settled::Written],
        "and it can be repeated"
    );
}

async fn rename(it: &Fresh, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&mut it.sql().await).await.expect("it renames");
}

#[tokio::test]
async fn an_outbox_belongs_to_one_host() {
    let it = Fresh::new().await;
    it.outbox.bind_host("loopback").await.expect("it is free");
    it.outbox.bind_host("loopback").await.expect("it is the same");
    let Err(BindError::OtherHost { bound, asked }) = it.outbox.bind_host("erp.example").await else {
        panic!("it is another")
    };
    assert_eq!((&*bound, &*asked), ("loopback", "erp.example"));
    assert_eq!(it.outbox.reader().host().await.expect("it reads").as_deref(), Some("loopback"));
}

#[tokio::test]
async fn a_large_file_goes_in_and_comes_out_in_order() {
    const N: usize = 50_000;
    let texts: Vec<String> = (0..N).map(|n| format!("queda {n}")).collect();
    let lines: Vec<Line<'_>> = texts.iter().zip(1..).map(|(text, service)| line(service, text)).collect();
    let mut it = Fresh::new().await;
    let merged = import(&mut it.outbox, &File::of("b", &lines)).await;
    assert_eq!(merged.counts.new, N as u64);
    let (mut after, mut next_line) = (Cursor::default(), 2);
    loop {
        let page = it.outbox.reader().rows_page(merged.results(), after, 1000).await.expect("it reads");
        let (rows, next) = page.rows().expect("it is ours");
        for row in rows {
            assert_eq!((row.line, &*row.cells[1]), (next_line, &*texts[next_line as usize - 2]));
            next_line += 1;
        }
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(next_line as usize, N + 2);
    let again = import(&mut it.outbox, &File::of("b", &lines)).await;
    assert_eq!(again.counts.unchanged, N as u64);
    let claimed = it.worker().await.queue(again.scope()).claim(want(64)).await.expect("it claims");
    assert_eq!(claimed.claims.len(), 64);
    let settles = claimed.claims.iter().map(|it| {
        let opening = OpenedTicket {
            protocolo: format!("{}", it.row.0),
            id_atendimento: it.row.0,
            ids_ordem_servico: Vec::new(),
            numeros_ordem_servico: Vec::new(),
        };
        let change = Change::Opened { opening, attempts: 1, warnings: Vec::new() };
        Settle { label: Default::default(), row: it.row, token: it.token, change, attempt: None }
    });
    it.worker().await.queue(again.scope()).settle(&settles.collect::<Vec<_>>()).await.expect("it settles");
    let mut conn = it.sql().await;
    let row = sqlx::query("PRAGMA integrity_check").fetch_one(&mut conn).await.expect("it checks");
    assert_eq!(row.get::<String, _>(0), "ok");
}

fn want(posts: usize) -> ClaimRequest {
    ClaimRequest { now: at(1), posts, look_ups: 0, end: End::Front }
}

/// What everybody does to a queue that seems stuck.
#[tokio::test]
async fn whatever_a_person_writes_into_state_what_may_have_been_sent_is_looked_up_first() {
    for written in [
        "UPDATE outbox SET state = 'pending' WHERE state = 'in_flight'",
        "UPDATE outbox SET state = 'failed'; UPDATE outbox SET state = 'pending'",
    ] {
        let mut it = Fresh::new().await;
        it.import(&File::of("b", &[line(1, "a")])).await;
        let posted =
            it.worker().await.queue(Scope::All).claim(want(1)).await.expect("it claims").claims.remove(0);
        rename(&it, written).await;
        let both = ClaimRequest { look_ups: 9, ..want(9) };
        let claims = it.worker().await.queue(Scope::All).claim(both).await.expect("it claims").claims;
        assert_eq!(claims.len(), 1, "{written}");
        let doubt = claims[0].doubt.as_ref().expect("it is looked up");
        assert!(
            !doubt.precaution && claims[0].row == posted.row && posted.sent_at < doubt.since,
            "{written}"
        );
    }
}

/// Seen: an opened row was posted again, since nothing but its state said that it has a ticket.
#[tokio::test]
async fn a_row_that_has_a_ticket_is_looked_up_first_whatever_a_person_writes_into_state() {
    let opening = || OpenedTicket {
        protocolo: "P".to_owned(),
        id_atendimento: 1,
        ids_ordem_servico: Vec::new(),
        numeros_ordem_servico: Vec::new(),
    };
    let fault = Fault::WrongService { asked: 1, found: 2 };
    for change in [
        Change::Opened { opening: opening(), attempts: 1, warnings: Vec::new() },
        Change::Conflict { opening: opening(), attempts: 1, fault, warnings: Vec::new() },
    ] {
        let mut it = Fresh::new().await;
        it.import(&File::of("b", &[line(1, "a")])).await;
        // Found by a look-up that was but a precaution.
        rename(&it, "UPDATE outbox SET doubt_since = 1, doubt_precaution = 1").await;
        let both = ClaimRequest { look_ups: 9, ..want(9) };
        let claim =
            it.worker().await.queue(Scope::All).claim(both).await.expect("it claims").claims.remove(0);
        let settle =
            Settle { label: Default::default(), row: claim.row, token: claim.token, change, attempt: None };
        it.worker().await.queue(Scope::All).settle(&[settle]).await.expect("it settles");
        rename(&it, "UPDATE outbox SET state = 'pending', available_at = 1").await;
        let claims = it.worker().await.queue(Scope::All).claim(both).await.expect("it claims").claims;
        assert!(claims[0].doubt.as_ref().is_some_and(|it| !it.precaution), "{:?}", claims[0].doubt);
    }
}
