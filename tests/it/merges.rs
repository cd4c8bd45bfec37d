//! A file merged into what is known: no row loses its ticket, and none gets a second one.

use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::{Change, Claimed, Doubt, Fault, Opening, Outbox, Settle, State, Want};
use mutirao::outbox::{
    Address, AnyOutbox, AnyWorker, Cursor, FirstPost, MergeCounts, MergeKind, Merged, Repeats, Resolution,
    ResolveError, RowDetails, RowName, Scope,
};
use tempfile::TempDir;

use crate::outbox_conformance::{TERMS, at};
use crate::support::files::{self, File, Line, line};
use crate::support::postgres::Database;

/// Makes a test of each promise for each driver.
macro_rules! on_every_driver {
    ($($promise:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Driver::Sqlite).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Driver::Postgres).await;
            })*
        }
    };
}

on_every_driver! {
    a_known_row_changes_only_if_it_certainly_has_no_ticket,
    an_invalid_row_is_opened_once_it_is_mended,
    a_row_that_is_gone_is_looked_up_but_never_posted,
    the_same_line_twice_is_opened_once,
    of_repeats_the_one_that_was_sent_wins,
    an_edited_description_opens_no_second_ticket,
    a_reference_stands_once_in_a_file,
    a_correction_mends_rows_in_their_place,
    a_correction_brings_back_what_was_gone,
    a_row_of_another_outbox_is_looked_up_first,
    verify_first_adopts_young_tickets_only,
    verify_first_looks_for_known_rows_too,
    a_precaution_that_could_not_tell_is_looked_up_by_reconcile,
    a_sample_is_the_first_lines,
    a_dropped_staging_leaves_nothing,
    cancel_and_retry_know_what_was_sent,
    a_person_settles_what_is_unconfirmed,
    a_row_in_flight_keeps_its_fields_and_takes_its_new_place,
}

#[derive(Clone, Copy)]
enum Driver {
    Sqlite,
    Postgres,
}

/// An empty outbox, and where it is.
struct Books {
    outbox: AnyOutbox,
    _home: (Option<TempDir>, Option<Database>),
}

impl Books {
    async fn new(driver: Driver) -> Self {
        let (address, home) = match driver {
            Driver::Sqlite => {
                let folder = tempfile::tempdir().expect("there is room for a folder");
                (Address::File(folder.path().join("outbox.db")), (Some(folder), None))
            }
            Driver::Postgres => {
                let database = Database::fresh().await;
                (Address::of_url(&database.url()).expect("it is a URL"), (None, Some(database)))
            }
        };
        Self { outbox: address.open().await.expect("it opens"), _home: home }
    }

    async fn worker(&self) -> AnyWorker<'_> {
        self.outbox.register("a test", TERMS).await.expect("it registers")
    }

    async fn import(&mut self, file: &File<'_>) -> Merged {
        files::import(&mut self.outbox, file).await
    }

    async fn row(&self, batch: &str, line: u64) -> RowDetails {
        let found = self.outbox.reader().row(RowName::Line { batch, line }).await.expect("it reads");
        found.unwrap_or_else(|| panic!("{batch}:{line} is a row"))
    }
}

/// Claims everything in scope and makes of it what `change` says of its line.
async fn run(outbox: &AnyOutbox, scope: Scope, change: impl Fn(u64) -> Change) -> usize {
    let worker = outbox.register("a test", TERMS).await.expect("it registers");
    let desk = worker.desk(scope);
    let mut n_claims = 0;
    loop {
        let Claimed { claims, .. } =
            desk.claim(Want { now: at(1), posts: 100, look_ups: 0 }).await.expect("it claims");
        if claims.is_empty() {
            return n_claims;
        }
        n_claims += claims.len();
        let settles = claims.iter().map(|it| {
            let (row, token) = (it.row, it.token);
            Settle { row, token, change: change(it.line), attempt: None }
        });
        desk.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");
    }
}

fn opened(n: u64) -> Change {
    let opening = Opening {
        protocolo: format!("P{n}"),
        id_atendimento: n as i64,
        ids_ordem_servico: Vec::new(),
        numeros_ordem_servico: Vec::new(),
    };
    Change::Opened { opening, attempts: 1, warning: None }
}

fn fault() -> Fault {
    Fault { code: "told".to_owned(), message: "as told".to_owned() }
}

fn rejected(_: u64) -> Change {
    Change::Rejected { attempts: 1, fault: fault() }
}

fn failed(_: u64) -> Change {
    Change::Failed { attempts: 8, fault: fault() }
}

fn doubt() -> Doubt {
    Doubt { since: at(1), not_before: None, precaution: false, absences: 0, last_absence: None, answered: 0 }
}

fn in_doubt(_: u64) -> Change {
    Change::Later { at: at(5), attempts: 0, doubt: Some(doubt()), fault: None }
}

fn unconfirmed(_: u64) -> Change {
    Change::Unconfirmed { doubt: doubt(), fault: fault() }
}

fn already_open(n: u64) -> Change {
    let Change::Opened { opening, .. } = opened(n) else { unreachable!() };
    Change::Skipped { opening }
}

/// Each line's state, error code, and what is in doubt (`d`, or `p` for a precaution).
async fn states(it: &Books, batch: &str, lines: std::ops::RangeInclusive<u64>) -> Vec<String> {
    let mut found = Vec::new();
    for n in lines {
        let row = it.row(batch, n).await;
        let doubt = row.doubt.map_or("", |it| if it.precaution { " p" } else { " d" });
        let code = row.report.error_code.map_or(String::new(), |it| format!(" {it}"));
        found.push(format!("{}{code}{doubt}", mutirao::outbox::state_name(row.report.state)));
    }
    found
}

const BAD: &str = "12";

async fn a_known_row_changes_only_if_it_certainly_has_no_ticket(driver: Driver) {
    // What became of the row; what it is after the same file, and after a file with another phone.
    check(driver, opened, "opened", "opened").await;
    check(driver, in_doubt, "pending d", "pending d").await;
    check(driver, unconfirmed, "unconfirmed told d", "unconfirmed told d").await;
    check(driver, already_open, "skipped already_open", "skipped already_open").await;
    check(driver, rejected, "rejected told", "pending p").await;
    check(driver, failed, "failed told", "pending p").await;
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
    let desk = worker.desk(merged.scope());
    let claim =
        desk.claim(Want { now: at(1), posts: 1, look_ups: 0 }).await.expect("it claims").claims.remove(0);
    let settle = Settle { row: claim.row, token: claim.token, change: change(2), attempt: None };
    desk.settle(&[settle]).await.expect("it settles");
    let before = it.row("b", 2).await;

    it.import(&File::of("b", &file)).await;
    assert_eq!(it.row("b", 2).await, before, "the same file changes nothing");
    assert_eq!(states(&it, "b", 2..=2).await, [same]);

    let merged = it.import(&File::of("b", &[Line { phone: "3188887777", ..file[0] }])).await;
    assert_eq!(states(&it, "b", 2..=2).await, [changed]);
    let after = it.row("b", 2).await;
    assert_eq!(after.report.row, before.report.row);
    assert_eq!(after.report.cells[2], "3188887777", "results show the file as it is now");
    let is_updated = merged.counts.updated == 1;
    let phone = if is_updated { "3188887777" } else { "37999998888" };
    assert_eq!(after.fields.telefone.as_deref(), Some(phone), "what was sent stays");
    assert_eq!(
        is_updated,
        !matches!(after.report.state, State::Opened | State::Unconfirmed | State::Skipped)
            && after.doubt.is_none_or(|it| it.precaution)
    );
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
    let desk = worker.desk(first.scope());
    let claimed = desk.claim(Want { now: at(1), posts: 1, look_ups: 0 }).await.expect("it claims");
    let claim = &claimed.claims[0];
    let settle = Settle { row: claim.row, token: claim.token, change: in_doubt(2), attempt: None };
    desk.settle(&[settle]).await.expect("it settles");

    let second = it.import(&File::of("b", &[line(3, "c")])).await;
    assert_eq!(it.outbox.reader().counts(second.results()).await.expect("it counts").total(), 1);
    let worker = it.worker().await;
    let desk = worker.desk(second.scope());
    let claimed = desk.claim(Want { now: at(9), posts: 9, look_ups: 9 }).await.expect("it claims");
    let found: Vec<_> =
        claimed.claims.iter().map(|it| (it.ticket.id_cliente_servico.get(), it.doubt.is_some())).collect();
    assert_eq!(found, [(1, true), (3, false)]);
    assert!(!claimed.outlook.pending);

    // Back in the file, it is itself again.
    let third = it.import(&File::of("b", &[line(2, "b"), line(3, "c")])).await;
    assert_eq!((third.counts.new, third.counts.n_rows), (0, 2));
    assert_eq!(states(&it, "b", 2..=3).await, ["pending", "in_flight"]);
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

async fn a_reference_stands_once_in_a_file(driver: Driver) {
    let mut it = Books::new(driver).await;
    let named = |service, text, referencia| Line { referencia: Some(referencia), ..line(service, text) };
    let file = [named(1, "a", "A"), named(2, "b", "B"), named(3, "c", "A")];
    for _ in 0..2 {
        let merged = it.import(&File::of("b", &file)).await;
        assert_eq!((merged.kind, merged.counts.invalid), (MergeKind::Whole, 1));
        assert_eq!(states(&it, "b", 2..=4).await, ["pending", "pending", "invalid repeated_reference"]);
    }
    let row = it.row("b", 4).await;
    assert!(row.problems[0].message.contains("line 2"), "{:?}", row.problems);
    // A named row may change what it says; it stays itself.
    let before = it.row("b", 2).await.report.row;
    it.import(&File::of("b", &[named(9, "z", "A")])).await;
    let after = it.row("b", 2).await;
    assert_eq!((after.report.row, after.fields.descricao.as_deref()), (before, Some("z")));
}

/// The lines of `scope` that were not opened, as `errors.csv` has them.
async fn errors(it: &Books, merged: &Merged) -> Vec<(String, String, String)> {
    let page =
        it.outbox.reader().rows_page(merged.results(), Cursor::default(), 100).await.expect("it reads");
    let (rows, _) = page.rows().expect("it is ours");
    let not_opened = rows.into_iter().filter(|it| it.state != State::Opened);
    not_opened.map(|it| (it.cells[1].to_string(), it.lote.to_string(), it.referencia.to_string())).collect()
}

async fn a_correction_mends_rows_in_their_place(driver: Driver) {
    let mut it = Books::new(driver).await;
    let first = [
        line(1, "a"),
        Line { phone: BAD, ..line(2, "b") },
        line(3, "c"),
        Line { phone: BAD, ..line(4, "d") },
    ];
    let first = it.import(&File::of("queda", &first)).await;
    run(&it.outbox, first.scope(), |n| if n == 4 { rejected(n) } else { opened(n) }).await;
    let errors = errors(&it, &first).await;
    assert_eq!(errors.len(), 3);

    // Fixed in a spreadsheet, in another order of columns, with one line more, and the last unfixed.
    let texts: Vec<_> = errors.iter().map(|it| it.0.clone()).collect();
    let mut lines: Vec<Line<'_>> = (2..)
        .zip(&errors)
        .map(|(service, (_, lote, referencia))| Line {
            lote: Some(lote),
            referencia: Some(referencia),
            phone: "3188887777",
            ..line(service, &texts[service as usize - 2])
        })
        .collect();
    lines[2].phone = BAD;
    lines.push(line(9, "new"));
    let file = File { headers: &["fone", "outra", "texto", "servico"], ..File::of("errors", &lines) };
    let merged = it.import(&file).await;
    assert_eq!(
        (merged.kind, merged.batch, &*merged.batch_name),
        (MergeKind::Correction, first.batch, "queda")
    );
    assert_eq!(
        merged.counts,
        MergeCounts { n_rows: 4, new: 1, updated: 2, invalid: 1, ..MergeCounts::default() }
    );
    assert_eq!(states(&it, "queda", 2..=5).await, ["opened", "pending", "pending p", "invalid phone_length"]);
    let outbox = it.outbox.reader();
    assert_eq!(outbox.counts(merged.scope()).await.expect("it counts").total(), 4, "its own rows");
    assert_eq!(outbox.counts(merged.results()).await.expect("it counts").total(), 5, "the whole batch");

    let page = outbox.rows_page(merged.results(), Cursor::default(), 100).await.expect("it reads");
    let (rows, _) = page.rows().expect("it is ours");
    let found: Vec<String> = rows.iter().map(|it| format!("{}: {}", it.line, it.cells.join(" "))).collect();
    let told =
        ["2: 1 a 37999998888", "3: 2 b 3188887777", "4: 3 c 3188887777", "5: 4 d 12", "5: 9 new 37999998888"];
    assert_eq!(found, told);
    assert_eq!(
        run(&it.outbox, merged.scope(), |n| opened(n * 10)).await,
        2,
        "the precaution is looked up first"
    );
    assert!(outbox.batch_info("errors").await.expect("it reads").is_none(), "it is no batch of its own");
}

async fn a_correction_brings_back_what_was_gone(driver: Driver) {
    let mut it = Books::new(driver).await;
    let first = it.import(&File::of("queda", &[Line { phone: BAD, ..line(1, "a") }, line(2, "b")])).await;
    let (_, lote, referencia) = errors(&it, &first).await.remove(0);
    it.import(&File::of("queda", &[line(2, "b")])).await;
    let mended = Line { lote: Some(&lote), referencia: Some(&referencia), ..line(1, "a") };
    let merged = it.import(&File::of("errors", &[mended])).await;
    assert_eq!(merged.kind, MergeKind::Correction);
    let page = it.outbox.reader().rows_page(merged.results(), Cursor::default(), 9).await.expect("it reads");
    let found: Vec<String> = page.rows().expect("it is ours").0.iter().map(|it| it.cells.join(" ")).collect();
    assert_eq!(found, ["2 b 37999998888", "1 a 37999998888"]);
    assert_eq!(run(&it.outbox, merged.scope(), opened).await, 1);
}

async fn a_row_of_another_outbox_is_looked_up_first(driver: Driver) {
    let mut it = Books::new(driver).await;
    let foreign = Line { lote: Some("queda"), referencia: Some("R"), ..line(1, "a") };
    let merged = it.import(&File::of("errors", &[foreign, line(2, "b")])).await;
    assert_eq!((merged.kind, merged.counts.foreign, merged.counts.new), (MergeKind::Whole, 1, 2));
    assert_eq!(states(&it, "errors", 2..=3).await, ["pending p", "pending"]);
    let worker = it.worker().await;
    let desk = worker.desk(merged.scope());
    let claimed = desk.claim(Want { now: at(1), posts: 9, look_ups: 9 }).await.expect("it claims");
    let look_up = claimed.claims.iter().find(|it| it.doubt.is_some()).expect("it is looked up");
    use mutirao::delivery::identity::{BatchIdentity, Marker};
    assert_eq!(look_up.marker, Marker::new(BatchIdentity::File { batch: "queda" }, "R"), "by its own marker");
    assert_eq!(look_up.doubt.as_ref().and_then(|it| it.not_before), None, "however old");
}

async fn verify_first_adopts_young_tickets_only(driver: Driver) {
    let mut it = Books::new(driver).await;
    let file = [line(1, "a"), Line { phone: BAD, ..line(2, "b") }];
    it.import(&File { first_post: FirstPost::VerifyFirst, ..File::of("b", &file) }).await;
    let doubt = it.row("b", 2).await.doubt.expect("it is looked up first");
    assert_eq!(doubt.not_before, Some(at(0) - Duration::from_secs(48 * 3600)));
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
    let desk = worker.desk(merged.scope());
    let claims = desk.claim(Want { now: at(1), posts: 2, look_ups: 0 }).await.expect("it claims").claims;
    let settles =
        claims.iter().map(|it| Settle { row: it.row, token: it.token, change: sent(it.line), attempt: None });
    desk.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");

    // The very same file, and another one.
    for last in ["c", "d"] {
        let file = [file[0], file[1], line(3, last)];
        let verified = it.import(&File { first_post: FirstPost::VerifyFirst, ..File::of("b", &file) }).await;
        assert_eq!(states(&it, "b", 2..=4).await, ["opened", "pending p", "pending p"]);
        let doubt = it.row("b", 3).await.doubt.expect("it is looked up first");
        assert_eq!(doubt.not_before, Some(at(0) - Duration::from_secs(48 * 3600)));
        assert_eq!(run(&it.outbox, verified.scope(), opened).await, 0, "nothing is posted before");
    }
}

async fn a_precaution_that_could_not_tell_is_looked_up_by_reconcile(driver: Driver) {
    let mut it = Books::new(driver).await;
    let file = [line(1, "a")];
    let merged = it.import(&File { first_post: FirstPost::VerifyFirst, ..File::of("b", &file) }).await;
    let worker = it.worker().await;
    let desk = worker.desk(merged.scope());
    let want = Want { now: at(1), posts: 9, look_ups: 9 };
    let claim = desk.claim(want).await.expect("it claims").claims.remove(0);
    let doubt = claim.doubt.expect("it is looked up first");
    let change = Change::Unconfirmed { doubt, fault: fault() };
    desk.settle(&[Settle { row: claim.row, token: claim.token, change, attempt: None }])
        .await
        .expect("it does");
    let desk = worker.reconciling(Scope::Batch(merged.batch));
    desk.look_again(at(1)).await.expect("it does");
    let claims = desk.claim(want).await.expect("it claims").claims;
    assert!(claims[0].doubt.as_ref().is_some_and(|it| !it.precaution));
}

async fn a_sample_is_the_first_lines(driver: Driver) {
    let mut it = Books::new(driver).await;
    it.import(&File::of("b", &[line(3, "c"), line(4, "d")])).await;
    let merged = it.import(&File::of("b", &[line(1, "a"), line(2, "b"), line(3, "c"), line(4, "d")])).await;
    let worker = it.worker().await;
    let desk = worker.sample(merged.scope(), 3).await.expect("it reads");
    let claimed = desk.claim(Want { now: at(1), posts: 9, look_ups: 9 }).await.expect("it claims");
    let mut lines: Vec<u64> = claimed.claims.iter().map(|it| it.line).collect();
    lines.sort_unstable();
    assert_eq!((lines, claimed.outlook.pending), (vec![2, 3, 4], false));
}

async fn a_dropped_staging_leaves_nothing(driver: Driver) {
    let mut it = Books::new(driver).await;
    it.import(&File::of("b", &[line(1, "a")])).await;
    let source =
        mutirao::outbox::NewSource { batch: "c", file_name: "", encoding: "", delimiter: "", headers: &[] };
    let one = line(2, "z");
    let mut staging = it.outbox.begin(&source).await.expect("it begins");
    staging.push(&[files::new_row(2, &one, "2", &[])]).await.expect("it stages");
    drop(staging);
    let merged = it.import(&File::of("b", &[line(1, "a")])).await;
    assert_eq!(merged.counts.unchanged, 1);
    assert!(it.outbox.reader().batch_info("c").await.expect("it reads").is_none());
}

async fn cancel_and_retry_know_what_was_sent(driver: Driver) {
    let mut it = Books::new(driver).await;
    let lines = [line(1, "a"), line(2, "b"), line(3, "c"), line(4, "d"), line(5, "e")];
    let merged = it.import(&File::of("b", &lines)).await;
    let worker = it.worker().await;
    let desk = worker.desk(merged.scope());
    let claims = desk.claim(Want { now: at(1), posts: 4, look_ups: 0 }).await.expect("it claims").claims;
    let changes = [opened(2), failed(3), unconfirmed(4), in_doubt(5)];
    let settles = claims.iter().zip(changes).map(|(it, change)| Settle {
        row: it.row,
        token: it.token,
        change,
        attempt: None,
    });
    desk.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");

    let cancelled = it.outbox.cancel(merged.batch, at(2)).await.expect("it cancels");
    assert_eq!((cancelled.n_cancelled, cancelled.n_left), (1, 2));
    assert_eq!(
        states(&it, "b", 2..=6).await,
        ["opened", "failed told", "unconfirmed told d", "pending d", "cancelled"]
    );
    let all = [State::Opened, State::Failed, State::Unconfirmed, State::Pending, State::Cancelled];
    assert_eq!(it.outbox.retry(Some(merged.batch), &all, at(3)).await.expect("it retries"), 3);
    assert_eq!(states(&it, "b", 2..=6).await, ["opened", "pending p", "pending d", "pending d", "pending"]);

    it.outbox.cancel(merged.batch, at(4)).await.expect("it cancels");
    let again = it.import(&File::of("b", &lines)).await;
    assert_eq!((again.counts.revived, again.counts.unchanged), (1, 4), "imported again, it is wanted again");
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
    let opened = Resolution::Opened { protocolo: "20250101000000123456", id_atendimento: None };
    let taken = Resolution::Opened { protocolo: "P4", id_atendimento: Some(4) };
    let outbox = &it.outbox;
    assert!(matches!(outbox.resolve(rows[0], taken, at(2)).await, Err(ResolveError::Taken { .. })));
    outbox.resolve(rows[0], opened, at(2)).await.expect("it is unconfirmed");
    outbox.resolve(rows[1], Resolution::NotOpened, at(2)).await.expect("it is unconfirmed");
    assert!(matches!(outbox.resolve(rows[2], opened, at(2)).await, Err(ResolveError::NotUnconfirmed { .. })));
    assert_eq!(states(&it, "b", 2..=4).await, ["opened", "failed not_opened", "opened"]);
    assert_eq!(it.row("b", 2).await.report.protocolo.as_deref(), Some("20250101000000123456"));
}

async fn a_row_in_flight_keeps_its_fields_and_takes_its_new_place(driver: Driver) {
    let mut it = Books::new(driver).await;
    let merged = it.import(&File::of("b", &[line(1, "a"), line(2, "b")])).await;
    let worker = it.worker().await;
    let want = Want { now: at(1), posts: 1, look_ups: 0 };
    let claim = worker.desk(merged.scope()).claim(want).await.expect("it claims").claims.remove(0);

    let changed = [line(9, "z"), Line { phone: "3188887777", ..line(1, "a") }];
    let second = it.import(&File::of("b", &changed)).await;
    let row = it.row("b", 3).await;
    assert_eq!((row.report.row, row.report.state), (claim.row, State::InFlight));
    assert_eq!(row.fields.telefone.as_deref(), Some("37999998888"), "what was sent stays");
    assert_eq!(row.report.cells[2], "3188887777");
    let worker = it.worker().await;
    let settle = Settle { row: claim.row, token: claim.token, change: opened(3), attempt: None };
    worker.desk(second.scope()).settle(&[settle]).await.expect("it settles");
    assert_eq!(states(&it, "b", 2..=3).await, ["pending", "opened"]);
}

/// What a laptop whose clock is ahead brings in is due by the database's clock.
#[tokio::test]
async fn a_clock_that_is_ahead_puts_nothing_off() {
    let mut it = Books::new(Driver::Postgres).await;
    let now = Timestamp::now() + Duration::from_secs(3600);
    let merged = it.import(&File { now, ..File::of("b", &[line(1, "a"), line(2, "b")]) }).await;
    let worker = it.worker().await;
    let desk = worker.desk(merged.scope());
    let claim = async || {
        let now = Timestamp::now() + Duration::from_secs(60);
        desk.claim(Want { now, posts: 9, look_ups: 9 }).await.expect("it claims").claims
    };
    let settles = claim().await.into_iter().map(|it| Settle {
        row: it.row,
        token: it.token,
        change: if it.line == 2 { failed(2) } else { rejected(3) },
        attempt: None,
    });
    let settles: Vec<_> = settles.collect();
    assert_eq!(settles.len(), 2);
    desk.settle(&settles).await.expect("it settles");
    it.outbox.retry(Some(merged.batch), &[State::Failed], now).await.expect("it retries");
    assert_eq!(claim().await.len(), 1);
    let changed = [line(1, "a"), Line { phone: "3188887777", ..line(2, "b") }];
    let merged = it.import(&File { now, ..File::of("b", &changed) }).await;
    assert_eq!(merged.counts.updated, 1);
    let worker = it.worker().await;
    let desk = worker.desk(merged.scope());
    let now = Timestamp::now() + Duration::from_secs(60);
    let claimed = desk.claim(Want { now, posts: 9, look_ups: 9 }).await.expect("it claims");
    assert_eq!(claimed.claims.len(), 1);
}

/// A worker knows rows by their lote; those of another outbox stand in a batch of another name.
#[tokio::test]
async fn a_halted_lote_is_not_posted_whatever_its_batch() {
    let mut it = Books::new(Driver::Postgres).await;
    let foreign = Line { lote: Some("queda"), referencia: Some("R"), ..line(1, "a") };
    let merged = it.import(&File::of("errors", &[foreign, line(2, "b")])).await;
    let worker = it.worker().await;
    let desk = worker.desk(Scope::All);
    let want = Want { now: at(1), posts: 9, look_ups: 9 };
    let claims = desk.claim(want).await.expect("it claims").claims;
    let settles = claims.iter().map(|it| Settle {
        row: it.row,
        token: it.token,
        change: Change::Later { at: at(1), attempts: 0, doubt: None, fault: None },
        attempt: None,
    });
    desk.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");
    desk.halt("queda", "tipo inválido").await.expect("it halts");
    let lotes = async || {
        let claims = desk.claim(want).await.expect("it claims").claims;
        claims.iter().map(|it| it.lote.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(lotes().await, ["errors"]);
    it.outbox.release(merged.batch).await.expect("it goes on");
    assert_eq!(lotes().await, ["queda"]);
}

/// Others may help with an import; it is done when they are.
#[tokio::test]
async fn an_import_waits_for_what_other_workers_hold() {
    let mut it = Books::new(Driver::Postgres).await;
    let merged = it.import(&File::of("b", &[line(1, "a")])).await;
    let (own, other) = (it.worker().await, it.worker().await);
    let want = Want { now: at(1), posts: 9, look_ups: 9 };
    let claimed = other.desk(Scope::All).claim(want).await.expect("it claims");
    let seen = own.desk(merged.scope()).claim(want).await.expect("it claims");
    assert!(seen.claims.is_empty() && seen.outlook.elsewhere);
    let (row, token) = (claimed.claims[0].row, claimed.claims[0].token);
    let settle = Settle { row, token, change: opened(2), attempt: None };
    other.desk(Scope::All).settle(&[settle]).await.expect("it settles");
    let seen = own.desk(merged.scope()).claim(want).await.expect("it claims");
    assert!(!seen.outlook.pending && !seen.outlook.elsewhere);
}
