//! Rows that are known when they come again, and rows that are as good as known.

use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::{Change, ClaimRequest, Doubt, End, Outbox, Settle, Settled, State, Warning};
use mutirao::outbox::{Cursor, FirstPost, MergeCounts, Repeats, ReportRow, Scope};
use mutirao::ticket::Field;
use tokio::time::timeout;

use super::{
    BAD, Books, Driver, already_open, doubt, failed, fault, in_doubt, opened, rejected, run, states,
    unconfirmed,
};
use crate::outbox_conformance::at;
use crate::support::files::{self, File, Line, line};

on_every_driver! {
    a_known_row_changes_only_if_it_certainly_has_no_ticket,
    what_a_row_warns_of_is_known_by_its_code_and_kept,
    an_invalid_row_is_opened_once_it_is_mended,
    a_row_that_is_gone_is_looked_up_but_never_posted,
    a_row_that_is_gone_is_withdrawn_once_nothing_of_it_is_in_doubt,
    a_row_that_is_gone_stands_in_the_results_until_it_is_settled,
    the_same_line_twice_is_opened_once,
    of_repeats_the_one_that_was_sent_wins,
    an_edited_description_opens_no_second_ticket,
    verify_first_looks_before_the_first_post,
    verify_first_looks_for_known_rows_too,
    a_dropped_staging_leaves_nothing,
    a_row_in_flight_keeps_its_fields_and_takes_its_new_place,
    what_became_of_a_row_since_the_merge_looked_at_it_stays,
}

async fn a_known_row_changes_only_if_it_certainly_has_no_ticket(driver: Driver) {
    // What became of the row; what it is after the same file, and after a file with another phone.
    check(driver, opened, "opened", "opened").await;
    check(driver, in_doubt, "in_doubt d", "in_doubt d").await;
    check(driver, unconfirmed, "unconfirmed refused d", "unconfirmed refused d").await;
    check(driver, already_open, "skipped already_open", "skipped already_open").await;
    check(driver, rejected, "rejected refused", "pending p").await;
    check(driver, failed, "failed refused", "pending p").await;
    check(driver, |_| Change::Release, "pending", "pending").await;
    check(
        driver,
        |_| Change::Later { at: at(9), attempts: 3, doubt: None, fault: None },
        "pending",
        "pending",
    )
    .await;
}

async fn check(driver: Driver, change: fn(u64) -> Change, same: &str, changed: &str) {
    let mut it = Books::new(driver).await;
    let file = [line(1, "a")];
    let merged = it.import(&File::of("b", &file)).await;
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let claim = queue
        .claim(ClaimRequest { now: at(1), posts: 1, look_ups: 0, end: End::Front })
        .await
        .expect("it claims")
        .claims
        .remove(0);
    let settle = Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change: change(2),
        attempt: None,
    };
    queue.settle(&[settle]).await.expect("it settles");
    let before = it.row("b", 2).await;

    it.import(&File::of("b", &file)).await;
    assert_eq!(it.row("b", 2).await, before, "the same file changes nothing");
    assert_eq!(states(&it, "b", 2..=2).await, [same]);

    let merged = it.import(&File::of("b", &[Line { phone: "3188887777", ..file[0] }])).await;
    assert_eq!(states(&it, "b", 2..=2).await, [changed]);
    let after = it.row("b", 2).await;
    assert_eq!(after.report.row, before.report.row);
    let may_be_sent = matches!(after.report.state, State::Opened | State::Unconfirmed | State::InDoubt);
    let shown = if may_be_sent { "37999998888" } else { "3188887777" };
    assert_eq!(after.report.cells[2], shown, "results show what was sent, else the file as it is now");
    let warning = may_be_sent.then_some("the file says something else now, in `telefone`");
    assert_eq!(after.report.warning.as_deref(), warning);
    assert_eq!(merged.counts.outdated, u64::from(may_be_sent));
    let is_updated = merged.counts.updated == 1;
    let phone = if is_updated { "3188887777" } else { "37999998888" };
    assert_eq!(after.fields.get(Field::Telefone), Some(phone), "what was sent stays");
    assert_eq!(
        is_updated,
        !matches!(after.report.state, State::Opened | State::Unconfirmed | State::Skipped)
            && after.doubt.is_none_or(|it| it.precaution)
    );
}

/// Words are no codes: a ticket type may be called whatever it is.
async fn what_a_row_warns_of_is_known_by_its_code_and_kept(driver: Driver) {
    let mut it = Books::new(driver).await;
    let file = [line(1, "a"), line(2, "b")];
    let merged = it.import(&File::of("b", &file)).await;
    let (asked, other) = ("without_os".to_owned(), "SAC".to_owned());
    let warned = |n| match (opened(n), n) {
        (Change::Opened { opening, attempts, .. }, 2) => {
            let wrong = Warning::WrongType { asked: asked.clone(), opened: other.clone() };
            Change::Opened { opening, attempts, warnings: vec![wrong, Warning::WithoutOs] }
        }
        (Change::Opened { opening, attempts, .. }, _) => {
            let wrong = Warning::WrongType { asked: asked.clone(), opened: other.clone() };
            Change::Opened { opening, attempts, warnings: vec![wrong] }
        }
        (change, _) => change,
    };
    run(&it.outbox, merged.scope(), warned).await;
    let counts = it.outbox.reader().counts(merged.scope()).await.expect("it counts");
    assert_eq!((counts.opened, counts.opened_without_os), (2, 1));
    let own = "wrong_type: asked for the type `without_os`, opened as `SAC`; \
               without_os: opened, but the service order that was asked for is missing";
    assert_eq!(it.row("b", 2).await.report.warning.as_deref(), Some(own));

    // However often the file says something else.
    for phone in ["3188887777", "3188886666"] {
        it.import(&File::of("b", &[Line { phone, ..file[0] }, file[1]])).await;
        let both = format!("{own}; the file says something else now, in `telefone`");
        assert_eq!(it.row("b", 2).await.report.warning.as_deref(), Some(&*both));
    }
    let counts = it.outbox.reader().counts(merged.results()).await.expect("it counts");
    assert_eq!(counts.opened_without_os, 1);
}

async fn an_invalid_row_is_opened_once_it_is_mended(driver: Driver) {
    let mut it = Books::new(driver).await;
    let first = it.import(&File::of("b", &[Line { phone: BAD, ..line(1, "a") }, line(2, "b")])).await;
    assert_eq!(first.counts, MergeCounts { n_rows: 2, new: 1, invalid: 1, ..MergeCounts::default() });
    let row = it.row("b", 2).await;
    assert_eq!((row.report.state, row.problems.len()), (State::Invalid, 1));
    assert!(row.report.error_code.is_some() && row.report.error_message.is_some());
    assert_eq!(run(&it.outbox, first.scope(), opened).await, 1);

    let second = it.import(&File::of("b", &[line(1, "a"), line(2, "b")])).await;
    assert_eq!(second.counts, MergeCounts { n_rows: 2, updated: 1, unchanged: 1, ..MergeCounts::default() });
    assert_eq!(states(&it, "b", 2..=3).await, ["pending", "opened"]);
    let row = it.row("b", 2).await;
    assert_eq!((row.problems.len(), row.report.error_code, row.finished_at), (0, None, None));
}

async fn a_row_that_is_gone_is_looked_up_but_never_posted(driver: Driver) {
    let mut it = Books::new(driver).await;
    let first = it.import(&File::of("b", &[line(1, "a"), line(2, "b"), line(3, "c")])).await;
    let worker = it.worker().await;
    let queue = worker.queue(first.scope());
    let claimed = queue
        .claim(ClaimRequest { now: at(1), posts: 1, look_ups: 0, end: End::Front })
        .await
        .expect("it claims");
    let claim = &claimed.claims[0];
    let settle = Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change: in_doubt(2),
        attempt: None,
    };
    queue.settle(&[settle]).await.expect("it settles");

    let second = it.import(&File::of("b", &[line(3, "c")])).await;
    assert_eq!((second.counts.gone, second.counts.withdrawn), (2, 1), "one may have been sent");
    assert_eq!(states(&it, "b", 3..=3).await, ["cancelled gone"]);
    let counts = it.outbox.reader().counts(second.results()).await.expect("it counts");
    assert_eq!((counts.total(), counts.in_doubt), (2, 1));
    let worker = it.worker().await;
    let queue = worker.queue(second.scope());
    let claimed = queue
        .claim(ClaimRequest { now: at(9), posts: 9, look_ups: 9, end: End::Front })
        .await
        .expect("it claims");
    let found: Vec<_> =
        claimed.claims.iter().map(|it| (it.ticket.id_cliente_servico.get(), it.doubt.is_some())).collect();
    assert_eq!(found, [(1, true), (3, false)]);
    assert!(!claimed.backlog.pending);

    // Back in the file, it is itself again.
    let third = it.import(&File::of("b", &[line(2, "b"), line(3, "c")])).await;
    assert_eq!((third.counts.new, third.counts.n_rows), (0, 2));
    assert_eq!(states(&it, "b", 2..=3).await, ["pending", "in_flight"]);
}

/// Seen: it was pending for ever, in all counts, and nobody was to post it.
async fn a_row_that_is_gone_is_withdrawn_once_nothing_of_it_is_in_doubt(driver: Driver) {
    let mut it = Books::new(driver).await;
    it.import(&File::of("b", &[1, 2, 3, 4, 5].map(|n| line(n, "a")))).await;
    let looked_up = [line(6, "a"), line(7, "a")];
    it.import(&File { first_post: FirstPost::VerifyFirst, ..File::of("c", &looked_up) }).await;
    let worker = it.worker().await;
    let queue = worker.queue(Scope::All);
    let want = ClaimRequest { now: at(1), posts: 9, look_ups: 9, end: End::Front };
    let mut claims = queue.claim(want).await.expect("it claims").claims;
    claims.sort_by_key(|claim| claim.ticket.id_cliente_servico);
    assert_eq!(claims.len(), 7);
    // As another process's import leaves what may have been sent.
    it.execute("UPDATE outbox SET gone = 1", "UPDATE mutirao.outbox SET gone = true").await;

    // Not sent after all; certain to have left nothing; the same, to be looked up before the next post; in
    // doubt yet. Nobody says what became of the others.
    let later = |doubt| Change::Later { at: at(2), attempts: 1, doubt, fault: Some(fault()) };
    let precaution = Doubt { precaution: true, ..doubt() };
    let changes = [Change::Release, later(None), later(Some(precaution)), later(Some(doubt()))];
    let settles = claims.iter().zip(changes).map(|(claim, change)| Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change,
        attempt: None,
    });
    let settles: Vec<_> = settles.collect();
    let withdrawn = ["cancelled gone", "cancelled gone", "cancelled gone p", "in_doubt refused d"];
    for _ in 0..2 {
        let became = queue.settle(&settles).await.expect("it settles");
        assert_eq!(became, [Settled::Written; 4], "said again, it is the same");
        assert_eq!(states(&it, "b", 2..=5).await, withdrawn);
    }
    assert_eq!(queue.recover(at(3)).await.expect("it recovers"), 3);
    assert_eq!(states(&it, "b", 2..=5).await, withdrawn);
    assert_eq!(states(&it, "b", 6..=6).await, ["in_doubt d"], "its post may have left something");
    assert_eq!(states(&it, "c", 2..=3).await, ["cancelled gone p"; 2], "a look-up leaves nothing");
    let row = it.row("b", 3).await;
    assert!(row.finished_at.is_some());
    assert_eq!(row.report.error_message.as_deref(), Some("no longer in the file"));

    // Back in the file, it is to be opened again; one that was sent is looked up first.
    let again = it.import(&File::of("b", &[line(1, "a"), line(2, "a")])).await;
    assert_eq!(again.counts.revived, 2);
    assert_eq!(states(&it, "b", 2..=3).await, ["pending", "pending p"]);
}

/// What became of two customers was in no file and no count once their lines were edited or deleted.
async fn a_row_that_is_gone_stands_in_the_results_until_it_is_settled(driver: Driver) {
    let mut it = Books::new(driver).await;
    let lines = [line(1, "a"), line(2, "b"), line(3, "c"), line(4, "d"), line(5, "e"), line(6, "f")];
    let first = it.import(&File::of("b", &lines)).await;
    let change = |n| match n {
        2 | 3 => in_doubt(n),
        4 => unconfirmed(n),
        5 => opened(n),
        6 => failed(n),
        _ => {
            let Change::Opened { opening, attempts, .. } = opened(n) else { unreachable!() };
            Change::Conflict { opening, attempts, fault: fault(), warnings: Vec::new() }
        }
    };
    run(&it.outbox, first.scope(), change).await;
    // One is edited, and the columns are others; what is settled or certainly has no ticket is not told of.
    let edited = [line(1, "a!"), line(9, "new")];
    let file = File { headers: &["fone", "nova", "servico"], ..File::of("b", &edited) };
    let told = ["37999998888  1: skipped", "37999998888  9: pending"];
    let left = ["37999998888  1: in_doubt gone", "37999998888  2: in_doubt gone"];
    let unsure = ["37999998888  3: unconfirmed gone", "37999998888  6: conflict gone"];
    for _ in 0..2 {
        let merged = it.import(&file).await;
        let counts = it.outbox.reader().counts(merged.scope()).await.expect("it counts");
        assert_eq!((counts.total(), counts.in_doubt, counts.unconfirmed, counts.conflict), (6, 2, 1, 1));
        for scope in [merged.scope(), merged.results()] {
            assert_eq!(results(&it, scope).await, [&told[..], &left, &unsure].concat());
        }
        assert_eq!(results(&it, Scope::All).await.len(), 6);
    }
    // A correction speaks of its own rows.
    let page = it.outbox.reader().rows_page(Scope::All, Cursor::default(), 9).await.expect("it reads");
    let rows = page.rows().expect("it is ours").0;
    let (code, referencia) = (rows[1].code, rows[1].referencia.to_string());
    let mended = Line { code, referencia: Some(&referencia), ..line(9, "new") };
    let merged = it.import(&File::of("errors", &[mended])).await;
    assert_eq!(it.outbox.reader().counts(merged.scope()).await.expect("it counts").total(), 1);
    assert_eq!(results(&it, merged.results()).await.len(), 6);

    // The run that settles a row tells what became of it; the next one has no more to do with it.
    let merged = it.import(&file).await;
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let want = ClaimRequest { now: at(9), posts: 0, look_ups: 9, end: End::Front };
    let claims = queue.claim(want).await.expect("it claims").claims;
    let settles = claims.iter().map(|it| Settle {
        label: Default::default(),
        row: it.row,
        token: it.token,
        change: match it.ticket.id_cliente_servico.get() {
            1 => opened(1),
            _ => Change::Later { at: at(9), attempts: 1, doubt: None, fault: None },
        },
        attempt: None,
    });
    queue.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");
    worker.retire().await.expect("it leaves");
    let left = ["37999998888  1: opened gone"];
    assert_eq!(results(&it, merged.scope()).await, [&told[..], &left, &unsure].concat());
    let merged = it.import(&file).await;
    assert_eq!(results(&it, merged.scope()).await, [&told[..], &unsure].concat());
    // And a row whose line comes again is one of the file.
    let again = [line(3, "c"), line(9, "new")];
    let merged = it.import(&File::of("b", &again)).await;
    let found = results(&it, merged.scope()).await;
    assert_eq!(
        found,
        ["3 c 37999998888: unconfirmed", "9 new 37999998888: pending", "6  37999998888: conflict gone"]
    );
}

/// The cells and the state of each row, in the order of the results.
async fn results(it: &Books, scope: Scope) -> Vec<String> {
    let page = it.outbox.reader().rows_page(scope, Cursor::default(), 99).await.expect("it reads");
    let told = |row: &ReportRow<'_>| {
        let gone = if row.is_gone { " gone" } else { "" };
        format!("{}: {}{gone}", row.cells.join(" "), mutirao::outbox::state_name(row.state))
    };
    page.rows().expect("it is ours").0.iter().map(told).collect()
}

async fn the_same_line_twice_is_opened_once(driver: Driver) {
    let mut it = Books::new(driver).await;
    let twice = [line(1, "a"), Line { phone: BAD, ..line(1, "b") }, line(1, "a"), line(1, "b"), line(1, "a")];
    let merged = it.import(&File::of("b", &twice)).await;
    assert_eq!(
        states(&it, "b", 2..=6).await,
        ["pending", "invalid phone_length", "skipped repeat", "pending", "skipped repeat"]
    );
    let said = it.row("b", 4).await.report.error_message.expect("it says of which line");
    assert!(said.ends_with("line 2"), "{said}");
    assert_eq!(
        merged.counts,
        MergeCounts { n_rows: 5, new: 2, invalid: 1, repeats: 2, ..MergeCounts::default() }
    );
    // The occurrence is a part of the reference: as `ContentKey::reference` has it.
    let key = mutirao::delivery::identity::ContentKey::new("1", "", "a");
    for (n, occurrence) in [(2, 1), (4, 2), (6, 3)] {
        assert_eq!(it.row("b", n).await.report.referencia, key.reference(occurrence));
    }
    assert_eq!(run(&it.outbox, merged.scope(), opened).await, 2);
    let again = it.import(&File::of("b", &twice)).await;
    assert_eq!((again.counts.repeats, again.counts.unchanged), (2, 2));

    let allowed = it.import(&File { repeats: Repeats::Allow, ..File::of("b", &twice) }).await;
    assert_eq!((allowed.counts.revived, allowed.counts.repeats), (2, 0));
    assert_eq!(run(&it.outbox, allowed.scope(), |n| opened(n + 10)).await, 2);
}

async fn of_repeats_the_one_that_was_sent_wins(driver: Driver) {
    let mut it = Books::new(driver).await;
    let first = it
        .import(&File {
            repeats: Repeats::Allow,
            ..File::of("b", &[line(1, "x"), line(1, "a"), line(1, "a")])
        })
        .await;
    let outbox = &it.outbox;
    // The third line is opened; the second is refused.
    run(outbox, first.scope(), |n| if n == 3 { rejected(n) } else { opened(n) }).await;
    let mended = [line(1, "x"), Line { phone: "3188887777", ..line(1, "a") }, line(1, "a")];
    it.import(&File::of("b", &mended)).await;
    assert_eq!(states(&it, "b", 2..=4).await, ["opened", "skipped repeat p", "opened"]);
    let said = it.row("b", 3).await.report.error_message.expect("it says of which line");
    assert!(said.contains("line 4") && said.contains("P4"), "{said}");
}

async fn an_edited_description_opens_no_second_ticket(driver: Driver) {
    let mut it = Books::new(driver).await;
    let first = it.import(&File::of("b", &[line(1, "a"), line(2, "b"), line(3, "c")])).await;
    let change = |n| match n {
        2 => opened(n),
        3 => unconfirmed(n),
        _ => rejected(n),
    };
    run(&it.outbox, first.scope(), change).await;
    let edited = [line(1, "a!"), line(2, "b!"), line(3, "c!"), line(4, "d")];
    for _ in 0..2 {
        let second = it.import(&File::of("b", &edited)).await;
        assert_eq!(states(&it, "b", 2..=5).await, ["skipped repeat", "skipped repeat", "pending", "pending"]);
        assert_eq!(second.counts.repeats, 2);
    }
    let said = it.row("b", 2).await.report.error_message.expect("it says of which ticket");
    assert!(said.contains("P2"), "{said}");
    let allowed = it.import(&File { repeats: Repeats::Allow, ..File::of("b", &edited) }).await;
    assert_eq!(allowed.counts.revived, 2);
    assert_eq!(states(&it, "b", 2..=5).await, ["pending"; 4]);
}

async fn verify_first_looks_before_the_first_post(driver: Driver) {
    let mut it = Books::new(driver).await;
    let file = [line(1, "a"), Line { phone: BAD, ..line(2, "b") }];
    it.import(&File { first_post: FirstPost::VerifyFirst, ..File::of("b", &file) }).await;
    let doubt = it.row("b", 2).await.doubt.expect("it is looked up first");
    assert!(doubt.precaution);
    let mended = [line(1, "a"), line(2, "b")];
    it.import(&File::of("b", &mended)).await;
    assert_eq!(states(&it, "b", 2..=3).await, ["pending p", "pending p"], "mended later, it still is");
}

/// A restored outbox knows rows that were opened since.
async fn verify_first_looks_for_known_rows_too(driver: Driver) {
    let mut it = Books::new(driver).await;
    let file = [line(1, "a"), line(2, "b"), line(3, "c")];
    let merged = it.import(&File::of("b", &file)).await;
    let sent = |n| match n {
        2 => opened(n),
        _ => Change::Later { at: at(2), attempts: 1, doubt: None, fault: None },
    };
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let claims = queue
        .claim(ClaimRequest { now: at(1), posts: 2, look_ups: 0, end: End::Front })
        .await
        .expect("it claims")
        .claims;
    let settles = claims.iter().map(|it| Settle {
        label: Default::default(),
        row: it.row,
        token: it.token,
        change: sent(it.line),
        attempt: None,
    });
    queue.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");

    // The very same file, and another one.
    for last in ["c", "d"] {
        let file = [file[0], file[1], line(3, last)];
        let verified = it.import(&File { first_post: FirstPost::VerifyFirst, ..File::of("b", &file) }).await;
        assert_eq!(states(&it, "b", 2..=4).await, ["opened", "pending p", "pending p"]);
        let doubt = it.row("b", 3).await.doubt.expect("it is looked up first");
        assert!(doubt.precaution);
        assert_eq!(run(&it.outbox, verified.scope(), opened).await, 0, "nothing is posted before");
    }
}

async fn a_dropped_staging_leaves_nothing(driver: Driver) {
    let mut it = Books::new(driver).await;
    it.import(&File::of("b", &[line(1, "a")])).await;
    let source = mutirao::outbox::NewSource {
        batch: "c",
        code: None,
        file_name: "",
        encoding: "",
        delimiter: "",
        headers: &[],
        lacks: &[],
        keys: &[],
        results: None,
    };
    let one = line(2, "z");
    let mut staging = it.outbox.begin(&source).await.expect("it begins");
    staging.push(&[files::new_row(2, &one, "2", &[])]).await.expect("it stages");
    drop(staging);
    let merged = it.import(&File::of("b", &[line(1, "a")])).await;
    assert_eq!(merged.counts.unchanged, 1);
    assert!(it.outbox.reader().batch_info("c").await.expect("it reads").is_none());
}

async fn a_row_in_flight_keeps_its_fields_and_takes_its_new_place(driver: Driver) {
    let mut it = Books::new(driver).await;
    let merged = it.import(&File::of("b", &[line(1, "a"), line(2, "b")])).await;
    let worker = it.worker().await;
    let want = ClaimRequest { now: at(1), posts: 1, look_ups: 0, end: End::Front };
    let claim = worker.queue(merged.scope()).claim(want).await.expect("it claims").claims.remove(0);

    let changed = [line(9, "z"), Line { phone: "3188887777", ..line(1, "a") }];
    let second = it.import(&File::of("b", &changed)).await;
    let row = it.row("b", 3).await;
    assert_eq!((row.report.row, row.report.state), (claim.row, State::InFlight));
    assert_eq!(row.fields.get(Field::Telefone), Some("37999998888"), "what was sent stays");
    assert_eq!(row.report.cells[2], "37999998888");
    let worker = it.worker().await;
    let settle = Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change: opened(3),
        attempt: None,
    };
    worker.queue(second.scope()).settle(&[settle]).await.expect("it settles");
    assert_eq!(states(&it, "b", 2..=3).await, ["pending", "opened"]);
}

/// The merge sets back what it found free to change; not what was claimed, settled or withdrawn since.
async fn what_became_of_a_row_since_the_merge_looked_at_it_stays(driver: Driver) {
    for (meanwhile, state) in [
        ("state = 'in_flight', token = token + 1", "in_flight"),
        // Claimed, and back again.
        ("token = token + 1", "pending"),
        // A late proof, a person's word.
        ("state = 'opened', protocolo = 'P'", "opened"),
        ("state = 'cancelled'", "cancelled"),
    ] {
        let mut it = Books::new(driver).await;
        it.import(&File::of("b", &[line(1, "a")])).await;
        // The place of a row is written after the merge has judged it, and before it is set back.
        it.execute(
            &format!(
                "CREATE TRIGGER meanwhile AFTER UPDATE OF import ON outbox BEGIN
                     UPDATE outbox SET {meanwhile}, attempts = 3, sent_at = 1, claimed_at = 1 WHERE id = NEW.id;
                 END"
            ),
            &format!(
                "CREATE FUNCTION public.meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
                     UPDATE mutirao.outbox
                        SET {meanwhile}, attempts = 3, sent_at = now(), claimed_at = now(), worker = 1 WHERE id = NEW.id;
                     RETURN NULL;
                 END$$;
                 CREATE TRIGGER meanwhile AFTER UPDATE OF import ON mutirao.outbox
                     FOR EACH ROW EXECUTE FUNCTION public.meanwhile()"
            ),
        )
        .await;
        it.import(&File::of("b", &[Line { phone: "3188887777", ..line(1, "a") }])).await;
        let row = it.row("b", 2).await.report;
        assert_eq!((mutirao::outbox::state_name(row.state), row.attempts), (state, 3), "{meanwhile}");
    }
}

/// What a laptop whose clock is ahead brings in is due by the database's clock.
#[tokio::test]
async fn a_clock_that_is_ahead_puts_nothing_off() {
    let mut it = Books::new(Driver::Postgres).await;
    let now = Timestamp::now() + Duration::from_secs(3600);
    let merged = it.import(&File { now, ..File::of("b", &[line(1, "a"), line(2, "b")]) }).await;
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let claim = async || {
        let now = Timestamp::now() + Duration::from_secs(60);
        queue
            .claim(ClaimRequest { now, posts: 9, look_ups: 9, end: End::Front })
            .await
            .expect("it claims")
            .claims
    };
    let settles = claim().await.into_iter().map(|it| Settle {
        label: Default::default(),
        row: it.row,
        token: it.token,
        change: if it.line == 2 { failed(2) } else { rejected(3) },
        attempt: None,
    });
    let settles: Vec<_> = settles.collect();
    assert_eq!(settles.len(), 2);
    queue.settle(&settles).await.expect("it settles");
    it.outbox.retry(Some(merged.batch), &[State::Failed], now).await.expect("it retries");
    assert_eq!(claim().await.len(), 1);
    let changed = [line(1, "a"), Line { phone: "3188887777", ..line(2, "b") }];
    let merged = it.import(&File { now, ..File::of("b", &changed) }).await;
    assert_eq!(merged.counts.updated, 1);
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let now = Timestamp::now() + Duration::from_secs(60);
    let claimed =
        queue.claim(ClaimRequest { now, posts: 9, look_ups: 9, end: End::Front }).await.expect("it claims");
    assert_eq!(claimed.claims.len(), 1);
}

/// Others may help with an import; it is done when they are.
#[tokio::test]
async fn an_import_waits_for_what_other_workers_hold() {
    let mut it = Books::new(Driver::Postgres).await;
    let merged = it.import(&File::of("b", &[line(1, "a")])).await;
    let (own, other) = (it.worker().await, it.worker().await);
    let want = ClaimRequest { now: at(1), posts: 9, look_ups: 9, end: End::Front };
    let claimed = other.queue(Scope::All).claim(want).await.expect("it claims");
    let seen = own.queue(merged.scope()).claim(want).await.expect("it claims");
    assert!(seen.claims.is_empty() && seen.backlog.elsewhere);
    let (row, token) = (claimed.claims[0].row, claimed.claims[0].token);
    let settle = Settle { label: Default::default(), row, token, change: opened(2), attempt: None };
    other.queue(Scope::All).settle(&[settle]).await.expect("it settles");
    let seen = own.queue(merged.scope()).claim(want).await.expect("it claims");
    assert!(!seen.backlog.pending && !seen.backlog.elsewhere);
}

/// Longer than anything here takes, shorter than what never happens.
const LONG: Duration = Duration::from_secs(20);

/// A rehearsal leaves nothing behind, so it waits for nobody, and no worker waits for it.
#[tokio::test]
async fn a_rehearsal_leaves_alone_what_others_hold() {
    let mut it = Books::new(Driver::Postgres).await;
    it.import(&File::of("b", &[line(1, "a"), line(2, "b")])).await;
    let (_, Some(database)) = &it.home else { unreachable!("it is a database") };
    let mut somebody = database.connect().await;
    let hold = "BEGIN; SELECT FROM mutirao.outbox WHERE service = 1 FOR UPDATE";
    sqlx::raw_sql(hold).execute(&mut somebody).await.expect("it is held");
    let changed = [line(1, "a"), line(2, "b")].map(|it| Line { phone: "3188887777", ..it });
    let rehearsed = timeout(LONG, files::rehearse(&mut it.outbox, &File::of("b", &changed))).await;
    let counts = rehearsed.expect("it does not wait").merged.counts;
    assert_eq!((counts.updated, counts.unchanged), (1, 1));
}
