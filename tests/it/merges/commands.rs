//! What a person asks for once a file is in.

use std::time::Duration;

use mutirao::delivery::{
    AttemptKind, Change, ClaimRequest, Doubt, End, Fault, Halt, HaltReason, Outbox, Refusal, Settle, State,
};
use mutirao::outbox::{
    FirstPost, HaltId, MergeKind, Merged, Resolution, ResolveError, RowDetails, RowName, Scope, Withdrawn,
    Word,
};

use super::{Books, Driver, failed, fault, in_doubt, opened, run, states, unconfirmed};
use crate::outbox_conformance::at;
use crate::support::files::{File, Line, line};

on_every_driver! {
    a_precaution_that_could_not_tell_is_looked_up_by_reconcile,
    a_sample_is_the_first_lines,
    cancel_and_retry_know_what_was_sent,
    a_person_settles_what_is_unconfirmed,
    nobody_knows_yet_what_becomes_of_a_row_on_its_way,
    the_first_reason_of_a_halt_stands_until_the_batch_is_let_go,
    a_release_lifts_the_halt_that_was_told_of_and_none_that_keeps_back_others,
    doubts_made_in_sql_are_as_decide_makes_them,
}

async fn a_precaution_that_could_not_tell_is_looked_up_by_reconcile(driver: Driver) {
    let mut it = Books::new(driver).await;
    let file = [line(1, "a")];
    let merged = it.import(&File { first_post: FirstPost::VerifyFirst, ..File::of("b", &file) }).await;
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let want = ClaimRequest { now: at(1), posts: 9, look_ups: 9, end: End::Front };
    let claim = queue.claim(want).await.expect("it claims").claims.remove(0);
    let doubt = claim.doubt.expect("it is looked up first");
    let change = Change::Unconfirmed { doubt, fault: fault() };
    queue
        .settle(&[Settle {
            label: Default::default(),
            row: claim.row,
            token: claim.token,
            change,
            attempt: None,
        }])
        .await
        .expect("it does");
    let queue = worker.reconciling(Scope::Batch(merged.batch));
    queue.look_again(at(1)).await.expect("it does");
    let claims = queue.claim(want).await.expect("it claims").claims;
    assert!(claims[0].doubt.as_ref().is_some_and(|it| !it.precaution));
}

async fn a_sample_is_the_first_lines(driver: Driver) {
    let mut it = Books::new(driver).await;
    it.import(&File::of("b", &[line(3, "c"), line(4, "d")])).await;
    let merged = it.import(&File::of("b", &[line(1, "a"), line(2, "b"), line(3, "c"), line(4, "d")])).await;
    let worker = it.worker().await;
    let queue = worker.sample(merged.scope(), 3).await.expect("it reads");
    let claimed = queue
        .claim(ClaimRequest { now: at(1), posts: 9, look_ups: 9, end: End::Front })
        .await
        .expect("it claims");
    let mut lines: Vec<u64> = claimed.claims.iter().map(|it| it.line).collect();
    lines.sort_unstable();
    assert_eq!((lines, claimed.backlog.pending), (vec![2, 3, 4], false));
}

async fn cancel_and_retry_know_what_was_sent(driver: Driver) {
    let mut it = Books::new(driver).await;
    let lines = [line(1, "a"), line(2, "b"), line(3, "c"), line(4, "d"), line(5, "e")];
    let merged = it.import(&File::of("b", &lines)).await;
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let claims = queue
        .claim(ClaimRequest { now: at(1), posts: 4, look_ups: 0, end: End::Front })
        .await
        .expect("it claims")
        .claims;
    let changes = [opened(2), failed(3), unconfirmed(4), in_doubt(5)];
    let settles = claims.iter().zip(changes).map(|(it, change)| Settle {
        label: Default::default(),
        row: it.row,
        token: it.token,
        change,
        attempt: None,
    });
    queue.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");

    let cancelled = it.outbox.cancel(merged.batch, at(2)).await.expect("it cancels");
    assert_eq!((cancelled.n_cancelled, cancelled.n_left), (1, 2));
    assert_eq!(
        states(&it, "b", 2..=6).await,
        ["opened", "failed refused", "unconfirmed refused d", "in_doubt d", "cancelled"]
    );
    let all = [State::Opened, State::Failed, State::Unconfirmed, State::InDoubt, State::Cancelled];
    assert_eq!(it.outbox.retry(Some(merged.batch), &all, at(3)).await.expect("it retries"), 3);
    assert_eq!(states(&it, "b", 2..=6).await, ["opened", "pending p", "in_doubt d", "in_doubt d", "pending"]);

    it.outbox.cancel(merged.batch, at(4)).await.expect("it cancels");
    let again = it.import(&File::of("b", &lines)).await;
    assert_eq!((again.counts.revived, again.counts.unchanged), (0, 5), "what was withdrawn stays so");
    let wanted = it.import(&File { withdrawn: Withdrawn::Reopen, ..File::of("b", &lines) }).await;
    assert_eq!((wanted.counts.revived, wanted.counts.unchanged), (2, 3), "until a person asks for it");
}

/// Seen: two workers halted a lote, one after the other, and whose reason was shown hung on the outbox.
async fn the_first_reason_of_a_halt_stands_until_the_batch_is_let_go(driver: Driver) {
    let mut it = Books::new(driver).await;
    let merged = it.import(&File::of("b", &[line(1, "a")])).await;
    let worker = it.worker().await;
    let queue = worker.queue(Scope::All);
    let refusal = Refusal::Said(Fault::Refused { said: Some("não há".to_owned()) });
    let refused = Halt::SameRefusal { n_rows: 20, refusal };
    let halted = async || {
        let halted = it.outbox.reader().halted().await.expect("it reads");
        halted.into_iter().map(|it| (it.lote, it.reason, it.n_waiting)).collect::<Vec<_>>()
    };
    for reason in [&refused, &Halt::DiskFull] {
        queue.halt("b", reason).await.expect("it halts");
    }
    assert_eq!(halted().await, [("b".to_owned(), HaltReason::Halted(refused.clone()), 1)]);
    // A newer version has a code for it: the words are there for that, and for those who read the table.
    let newer = |table: &str| format!("UPDATE {table} SET halt_cause = '{{\"code\":\"newer\"}}'");
    it.execute(&newer("batch"), &newer("mutirao.batch")).await;
    let words = "HubSoft refused 20 rows in a row with the same message: não há";
    assert_eq!(halted().await, [("b".to_owned(), HaltReason::Said(words.to_owned()), 1)]);
    assert!(it.outbox.resume_lote("b").await.expect("it does"));
    assert_eq!(halted().await, []);
    queue.halt("b", &Halt::Until).await.expect("it halts");
    it.outbox.retry(None, &[State::Failed], at(1)).await.expect("it does");
    assert_eq!(halted().await.len(), 1, "no batch was named");
    it.outbox.retry(Some(merged.batch), &[State::Opened], at(1)).await.expect("nothing may be");
    assert_eq!(halted().await, []);
}

/// Seen: while a person read why a batch was halted, it was halted for something else; and a correction of
/// two rows let the whole batch go.
async fn a_release_lifts_the_halt_that_was_told_of_and_none_that_keeps_back_others(driver: Driver) {
    let mut it = Books::new(driver).await;
    let whole = it.import(&File::of("b", &[line(1, "a"), line(2, "b")])).await;
    let halts = async |it: &Books| it.outbox.reader().halts_of("b").await.expect("it reads");
    let halt = async |it: &Books| {
        it.worker().await.queue(Scope::All).halt("b", &Halt::Until).await.expect("it halts");
    };
    let release = async |it: &Books, merged: &Merged, told: &[HaltId]| {
        it.outbox.release(merged.batch, merged.import, told).await.expect("it does");
        halts(it).await.len()
    };
    halt(&it).await;
    let told = halts(&it).await.remove(0).id;
    assert!(it.outbox.resume_lote("b").await.expect("it does"));
    it.execute(
        "UPDATE batch SET halted_at = 7, halt_reason = 'later'",
        "UPDATE mutirao.batch SET halted_at = clock_timestamp(), halt_reason = 'later'",
    )
    .await;
    let later = halts(&it).await.remove(0).id;
    assert_eq!(release(&it, &whole, &[]).await, 1);
    assert_eq!(release(&it, &whole, std::slice::from_ref(&told)).await, 1, "it is another one");
    assert_eq!(release(&it, &whole, &[told, later]).await, 0);

    halt(&it).await;
    let of_row = |row: &RowDetails| row.report.referencia.clone().into_owned();
    let referencia = of_row(&it.row("b", 3).await);
    let code = it.outbox.reader().batch_info("b").await.expect("it reads").expect("it is there").code;
    let corrected = Line { code, referencia: Some(&referencia), ..line(2, "corrected") };
    let correction = it.import(&File::of("other", &[corrected])).await;
    assert_eq!((correction.kind, correction.batch), (MergeKind::Correction, whole.batch));
    assert_eq!(correction.n_beside, 1);
    let told = [halts(&it).await.remove(0).id];
    assert_eq!(release(&it, &correction, &told).await, 1, "another row waits");
    let whole = it.import(&File::of("b", &[line(1, "a"), line(2, "corrected")])).await;
    assert_eq!((whole.n_beside, release(&it, &whole, &told).await), (0, 0));
}

/// Whatever an older doubt of the row has left in its columns.
async fn doubts_made_in_sql_are_as_decide_makes_them(driver: Driver) {
    let mut it = Books::new(driver).await;
    let file = [line(1, "a"), line(2, "b")];
    let merged = it.import(&File::of("b", &file)).await;
    let older = Doubt {
        hubsoft_at: Some(at(0)),
        absences: 1,
        last_absence: Some(at(0)),
        answered: 9,
        ..Doubt::since(at(0))
    };
    run(&it.outbox, merged.scope(), |_| Change::Unconfirmed { doubt: older.clone(), fault: fault() }).await;
    let rows = [it.row("b", 2).await.report.row, it.row("b", 3).await.report.row];
    let word = |row| Word { row, says: Resolution::NotOpened, note: "ana" };
    it.outbox.resolve(&rows.map(word), at(2)).await.expect("they are unconfirmed");
    let doubt = async |line| it.row("b", line).await.doubt;
    assert_eq!(doubt(2).await, None);

    it.outbox.retry(Some(merged.batch), &[State::Failed], at(3)).await.expect("it does");
    assert_eq!(doubt(2).await, Some(Doubt::precaution(at(3))), "before a person's retry");

    // The look-up of one finds nothing, and its post is cut off; that of the other is.
    let worker = it.worker().await;
    let queue = worker.queue(Scope::All);
    let want = ClaimRequest { now: at(4), posts: 9, look_ups: 9, end: End::Front };
    let claims = queue.claim(want).await.expect("it claims").claims;
    let free = Change::Later { at: at(4), attempts: 0, doubt: None, fault: None };
    let claim = claims.iter().find(|it| it.line == 2).expect("it is looked up");
    let settle =
        Settle { label: Default::default(), row: claim.row, token: claim.token, change: free, attempt: None };
    queue.settle(&[settle]).await.expect("it does");
    queue.claim(want).await.expect("it claims");
    queue.recover(at(5)).await.expect("it does");
    assert_eq!(doubt(2).await, Some(Doubt::since(at(5))), "nobody knows what its post has left");
    assert_eq!(doubt(3).await, Some(Doubt::precaution(at(3))), "a look-up leaves nothing");
}

async fn a_person_settles_what_is_unconfirmed(driver: Driver) {
    let mut it = Books::new(driver).await;
    let merged = it.import(&File::of("b", &[line(1, "a"), line(2, "b"), line(3, "c")])).await;
    run(&it.outbox, merged.scope(), |n| if n == 4 { opened(n) } else { unconfirmed(n) }).await;
    let id = |line| RowName::Line { batch: "b", line };
    let mut rows = Vec::new();
    for n in 2..=4 {
        rows.push(it.outbox.reader().row(id(n)).await.expect("it reads").expect("it is a row").report.row);
    }
    let opened = |protocolo, id_atendimento| Resolution::Opened { protocolo, id_atendimento };
    let word = |row, says| Word { row, says, note: "ana" };
    let outbox = &it.outbox;
    let of_another = [word(rows[0], opened("20250101000000123457", Some(4)))];
    assert!(matches!(outbox.resolve(&of_another, at(2)).await, Err(ResolveError::Taken { .. })));
    let theirs = it.row("b", 4).await.report.protocolo.expect("it is opened");
    let of_another = [word(rows[0], opened(&theirs, None))];
    assert!(matches!(outbox.resolve(&of_another, at(2)).await, Err(ResolveError::OtherRows { .. })));
    let twice = [word(rows[0], opened("2025", None)), word(rows[1], opened("2025", None))];
    assert!(matches!(outbox.resolve(&twice, at(2)).await, Err(ResolveError::OtherRows { .. })));
    let known = opened("20250101000000123456", None);
    let one_too_many = [word(rows[0], known), word(rows[2], Resolution::NotOpened)];
    assert!(matches!(outbox.resolve(&one_too_many, at(2)).await, Err(ResolveError::NotUnsettled { .. })));
    assert_eq!(states(&it, "b", 2..=2).await, ["unconfirmed refused d"], "all or none");
    let words = [word(rows[0], known), word(rows[1], Resolution::NotOpened)];
    outbox.resolve(&words, at(2)).await.expect("they are unconfirmed");
    let history = it.row("b", 2).await.history;
    assert_eq!(history.last().map(|it| (it.kind, &*it.note)), Some((AttemptKind::Word, "ana")));
    assert_eq!(states(&it, "b", 2..=4).await, ["opened", "failed not_opened", "opened"]);
    assert_eq!(it.row("b", 2).await.report.protocolo.as_deref(), Some("20250101000000123456"));
}

/// A worker that lost a row may send it as long as its doubt has not begun.
async fn nobody_knows_yet_what_becomes_of_a_row_on_its_way(driver: Driver) {
    let mut it = Books::new(driver).await;
    let merged = it.import(&File::of("b", &[line(1, "a")])).await;
    run(&it.outbox, merged.scope(), in_doubt).await;
    let doubt = async |it: &Books, minutes: i64| {
        let since = (at(2) + Duration::from_secs(60) * minutes as u32).as_millisecond();
        let of_file = format!("UPDATE outbox SET doubt_since = {since}");
        let of_server =
            format!("UPDATE mutirao.outbox SET doubt_since = clock_timestamp() + interval '{minutes} min'");
        it.execute(&of_file, &of_server).await;
    };
    doubt(&it, 10).await;
    let row = it.row("b", 2).await.report.row;
    let word = |says| [Word { row, says, note: "ana" }];
    let too_early = it.outbox.resolve(&word(Resolution::NotOpened), at(2)).await;
    assert!(matches!(too_early, Err(ResolveError::OnItsWay { .. })), "{too_early:?}");
    let seen = Resolution::Opened { protocolo: "20250101000000123456", id_atendimento: None };
    it.outbox.resolve(&word(seen), at(2)).await.expect("a ticket is one whenever it is seen");
    assert_eq!(states(&it, "b", 2..=2).await, ["opened"]);

    // Nobody waits for so long: a clock was a day ahead when it was claimed.
    let merged = it.import(&File::of("c", &[line(1, "c")])).await;
    run(&it.outbox, merged.scope(), in_doubt).await;
    doubt(&it, 24 * 60).await;
    let row = it.row("c", 2).await.report.row;
    let word = [Word { row, says: Resolution::NotOpened, note: "ana" }];
    it.outbox.resolve(&word, at(2)).await.expect("nobody waits for its answer any more");
    assert_eq!(states(&it, "c", 2..=2).await, ["failed not_opened"]);
}
