//! Rows that carry an identity: a reference of their own, or what an outbox wrote out for them.

use mutirao::delivery::{ClaimRequest, End, Outbox, Settle, State};
use mutirao::outbox::{Cursor, MergeCounts, MergeError, MergeKind, Merged, Repeats};
use mutirao::ticket::Field;
use mutirao::ticket::code::BatchCode;

use super::{BAD, Books, Driver, failed, in_doubt, opened, rejected, run, states};
use crate::outbox_conformance::at;
use crate::support::files::{File, Line, line};

on_every_driver! {
    a_reference_stands_once_in_a_file,
    a_correction_mends_rows_in_their_place,
    a_correction_brings_back_what_was_gone,
    a_row_of_another_outbox_is_looked_up_first,
    a_row_of_another_outbox_comes_again_as_itself,
    rows_of_two_batches_are_no_correction,
    a_reference_that_began_anew_for_another_customer_is_not_taken_for_the_first,
    a_row_of_a_customer_is_known_whatever_service_is_found_for_him_now,
    a_row_is_of_the_customer_that_its_correction_names,
    what_was_skipped_as_edited_is_not_opened_by_a_correction,
    a_row_mended_in_errors_csv_and_then_in_its_file_is_one_ticket,
    a_correction_with_fewer_columns_takes_nothing_away,
    a_correction_with_fewer_columns_of_parametros_takes_none_of_its_keys_away,
    a_correction_of_a_row_in_doubt_is_not_forgotten_when_the_doubt_ends,
    an_invalid_row_that_a_correction_leaves_as_it_was_stays_invalid,
    a_correction_stands_until_its_line_changes,
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
    assert_eq!((after.report.row, after.fields.get(Field::Descricao)), (before, Some("z")));
}

/// The lines of `scope` that were not opened, as `errors.csv` has them.
async fn errors(it: &Books, merged: &Merged) -> Vec<(String, Option<BatchCode>, String)> {
    let page =
        it.outbox.reader().rows_page(merged.results(), Cursor::default(), 100).await.expect("it reads");
    let (rows, _) = page.rows().expect("it is ours");
    let not_opened = rows.into_iter().filter(|it| it.state != State::Opened);
    not_opened.map(|it| (it.cells[1].to_string(), it.code, it.referencia.to_string())).collect()
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
        .map(|(service, (_, code, referencia))| Line {
            code: *code,
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
    let (_, code, referencia) = errors(&it, &first).await.remove(0);
    it.import(&File::of("queda", &[line(2, "b")])).await;
    let mended = Line { code, referencia: Some(&referencia), ..line(1, "a") };
    let merged = it.import(&File::of("errors", &[mended])).await;
    assert_eq!(merged.kind, MergeKind::Correction);
    let page = it.outbox.reader().rows_page(merged.results(), Cursor::default(), 9).await.expect("it reads");
    let found: Vec<String> = page.rows().expect("it is ours").0.iter().map(|it| it.cells.join(" ")).collect();
    assert_eq!(found, ["2 b 37999998888", "1 a 37999998888"]);
    assert_eq!(run(&it.outbox, merged.scope(), opened).await, 1);
}

async fn a_row_of_another_outbox_is_looked_up_first(driver: Driver) {
    let mut it = Books::new(driver).await;
    let foreign = Line { code: Some(BatchCode::of_bits(7)), referencia: Some("R"), ..line(1, "a") };
    let merged = it.import(&File::of("errors", &[foreign, line(2, "b")])).await;
    assert_eq!((merged.kind, merged.counts.foreign, merged.counts.new), (MergeKind::Whole, 1, 2));
    assert_eq!(states(&it, "errors", 2..=3).await, ["pending p", "pending"]);
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let claimed = queue
        .claim(ClaimRequest { now: at(1), posts: 9, look_ups: 9, end: End::Front })
        .await
        .expect("it claims");
    let look_up = claimed.claims.iter().find(|it| it.doubt.is_some()).expect("it is looked up");
    assert!(look_up.doubt.as_ref().is_some_and(|it| it.precaution));
}

async fn a_row_of_another_outbox_comes_again_as_itself(driver: Driver) {
    let mut it = Books::new(driver).await;
    let own = Line { referencia: Some("R"), ..line(2, "b") };
    it.import(&File::of("b", &[own])).await;
    let foreign = Line { code: Some(BatchCode::of_bits(7)), referencia: Some("R"), ..line(1, "a") };
    for expected in [(1, 1), (0, 0)] {
        let merged = it.import(&File::of("b", &[own, foreign])).await;
        assert_eq!((merged.counts.new, merged.counts.foreign), expected, "and it is not the batch's own `R`");
    }
}

/// Their rows moved from one batch into the other.
async fn rows_of_two_batches_are_no_correction(driver: Driver) {
    let mut it = Books::new(driver).await;
    let a = it.import(&File::of("a", &[line(1, "a")])).await;
    let b = it.import(&File::of("b", &[line(2, "b")])).await;
    let (a, b) = (errors(&it, &a).await.remove(0), errors(&it, &b).await.remove(0));
    let both = [
        Line { code: a.1, referencia: Some(&a.2), ..line(1, "a") },
        Line { code: b.1, referencia: Some(&b.2), ..line(2, "b") },
    ];
    let refused = it.try_import(&File::of("errors", &both)).await;
    assert!(matches!(refused, Err(MergeError::SeveralBatches { n_batches: 2 })), "{refused:?}");
    assert_eq!(states(&it, "a", 2..=2).await, ["pending"]);
}

/// `referencia` 1 to n, used again for the customers of the next outage: "opened", and nothing was sent. And
/// a typo in one service, mended, kept the file with the others out.
async fn a_reference_that_began_anew_for_another_customer_is_not_taken_for_the_first(driver: Driver) {
    let mut it = Books::new(driver).await;
    let numbered = |services: [i64; 5]| {
        std::array::from_fn::<_, 5, _>(|n| Line {
            referencia: Some(["1", "2", "3", "4", "5"][n]),
            phone: if services == [1, 2, 3, 4, 5] && n == 3 { BAD } else { "37999998888" },
            ..line(services[n], "a")
        })
    };
    let october = numbered([1, 2, 3, 4, 5]);
    let merged = it.import(&File::of("b", &october)).await;
    run(&it.outbox, merged.scope(), |n| match n {
        4 => rejected(n),
        6 => in_doubt(n),
        n => opened(n),
    })
    .await;
    let known = it.row("b", 2).await;
    let november = numbered([1, 12, 13, 14, 15]);
    for _ in 0..2 {
        let merged = it.import(&File::of("b", &november)).await;
        assert_eq!((merged.counts.n_rows, merged.counts.invalid), (5, 2));
        let refused = "invalid reused_reference";
        // What certainly has no ticket takes on the new service.
        assert_eq!(states(&it, "b", 2..=6).await, ["opened", refused, "pending p", "pending", refused]);
        assert_eq!(it.row("b", 2).await, known);
    }
    let refused = it.row("b", 3).await;
    let said = &refused.problems[0].message;
    assert!(said.contains("opened as `P3`"), "{said}");
    // With one of their own they are opened.
    let own =
        november.map(|it| Line { referencia: it.referencia.filter(|it| !["2", "5"].contains(it)), ..it });
    let merged = it.import(&File::of("b", &own)).await;
    assert_eq!(run(&it.outbox, merged.scope(), opened).await, 3, "and one is looked up first");
    // And October's are as they were.
    let again = it.import(&File::of("c", &[line(1, "other")])).await;
    assert_eq!(again.counts.new, 1);
}

/// With a `referencia` of its own the row was refused as another customer's, and without one it was told that
/// the file says something else now.
async fn a_row_of_a_customer_is_known_whatever_service_is_found_for_him_now(driver: Driver) {
    let mut it = Books::new(driver).await;
    let of = |customer, service, referencia, text| Line {
        customer: Some(customer),
        referencia,
        ..line(service, text)
    };
    let file = |services: [i64; 4]| {
        [
            of("421", services[0], Some("A"), "a"),
            of("422", services[1], None, "b"),
            of("423", services[2], Some("C"), "c"),
            of("424", services[3], Some("D"), "d"),
        ]
    };
    let merged = it.import(&File::of("b", &file([1, 2, 3, 4]))).await;
    let outcome = |n| match n {
        4 => rejected(n),
        5 => in_doubt(n),
        n => opened(n),
    };
    run(&it.outbox, merged.scope(), outcome).await;
    let known = [it.row("b", 2).await, it.row("b", 3).await];
    // Another service, or none, is found: what may be open stays as it is, what is not takes it on.
    for services in [[11, 12, 13, 14], [0, 0, 13, 0], [1, 2, 13, 4]] {
        let merged = it.import(&File::of("b", &file(services))).await;
        assert_eq!((merged.counts.invalid, merged.counts.outdated), (0, 0), "{services:?}");
        assert_eq!(states(&it, "b", 2..=5).await, ["opened", "opened", "pending p", "in_doubt d"]);
        for (line, known) in (2..).zip(&known) {
            let row = it.row("b", line).await;
            assert_eq!((&row.report, &row.fields), (&known.report, &known.fields), "{services:?}");
        }
        assert_eq!(it.row("b", 4).await.fields.get(Field::IdClienteServico), Some("13"));
    }
    // Another customer with the same reference is another one.
    let other = [of("499", 11, Some("A"), "a"), of("422", 2, None, "b")];
    it.import(&File::of("b", &other)).await;
    assert_eq!(states(&it, "b", 2..=2).await, ["invalid reused_reference"]);
}

/// His ticket was taken for that of the customer whom the line named before: "opened", and nothing was sent.
async fn a_row_is_of_the_customer_that_its_correction_names(driver: Driver) {
    let of =
        |customer, service| Line { customer: Some(customer), referencia: Some("A"), ..line(service, "a") };
    for is_again in [false, true] {
        let mut it = Books::new(driver).await;
        let first = it.import(&File::of("b", &[of("421", 0)])).await;
        let (_, code, referencia) = errors(&it, &first).await.remove(0);
        let mended = Line { code, referencia: Some(&referencia), ..of("422", 2) };
        let merged = it.import(&File::of("errors", &[mended])).await;
        assert_eq!(run(&it.outbox, merged.scope(), opened).await, 1);
        if is_again {
            it.import(&File::of("b", &[of("421", 0)])).await;
            assert_eq!(states(&it, "b", 2..=2).await, ["opened"], "the file says nothing new");
        }
        it.import(&File::of("b", &[of("421", 1)])).await;
        assert_eq!(states(&it, "b", 2..=2).await, ["invalid reused_reference"], "{is_again}");
    }
}

/// `--sample 4`, look, add a column, import: 4 skipped; and errors.csv with these 4 opened them again.
async fn what_was_skipped_as_edited_is_not_opened_by_a_correction(driver: Driver) {
    let mut it = Books::new(driver).await;
    let first = it.import(&File::of("b", &[line(1, "a"), line(2, "b")])).await;
    run(&it.outbox, first.scope(), opened).await;
    let edited = it.import(&File::of("b", &[line(1, "a!"), line(2, "b!")])).await;
    assert_eq!(states(&it, "b", 2..=3).await, ["skipped repeat"; 2]);
    let errors = errors(&it, &edited).await;
    let texts = ["a!", "b?"];
    let lines: Vec<_> = (0..2)
        .map(|n| Line { code: errors[n].1, referencia: Some(&errors[n].2), ..line(n as i64 + 1, texts[n]) })
        .collect();
    let merged = it.import(&File::of("errors", &lines)).await;
    assert_eq!((merged.kind, merged.counts.repeats), (MergeKind::Correction, 2));
    assert_eq!(run(&it.outbox, merged.scope(), |n| opened(n + 10)).await, 0);
    let allowed = it.import(&File { repeats: Repeats::Allow, ..File::of("errors", &lines) }).await;
    assert_eq!(run(&it.outbox, allowed.scope(), |n| opened(n + 10)).await, 2, "a person's word");
}

/// Fixed in errors.csv while the original stayed as it was, then fixed there too, in other words.
async fn a_row_mended_in_errors_csv_and_then_in_its_file_is_one_ticket(driver: Driver) {
    let mut it = Books::new(driver).await;
    let bad = Line { phone: BAD, ..line(1, "a") };
    let first = it.import(&File::of("b", &[bad, line(2, "b")])).await;
    let (_, code, referencia) = errors(&it, &first).await.remove(0);
    let mended = Line { code, referencia: Some(&referencia), ..line(1, "a") };
    let merged = it.import(&File::of("errors", &[mended])).await;
    assert_eq!(run(&it.outbox, merged.scope(), opened).await, 1);
    it.import(&File::of("b", &[bad, line(2, "b")])).await;
    assert_eq!(states(&it, "b", 2..=2).await, ["opened"]);
    // Invalid under its new reference first, then mended: its words are new, its service is not.
    for phone in [BAD, "37999998888"] {
        it.import(&File::of("b", &[Line { phone, ..line(1, "a, em outras palavras") }, line(2, "b")])).await;
    }
    assert_eq!(states(&it, "b", 2..=2).await, ["skipped repeat"]);
}

/// They were sent without type and e-mail, while the results said that they had them.
async fn a_correction_with_fewer_columns_takes_nothing_away(driver: Driver) {
    let mut it = Books::new(driver).await;
    let whole = |phone| Line { phone, email: Some("ana@example.com"), kind: Some("7"), ..line(1, "a") };
    let first = it.import(&File::of("queda", &[whole(BAD)])).await;
    let errors = errors(&it, &first).await;
    let code = errors[0].1;
    let mended = Line { code, referencia: Some(&errors[0].2), ..line(1, "a") };
    let lacks = &[Field::Email, Field::IdTipoAtendimento];
    let merged = it.import(&File { lacks, ..File::of("x", &[mended]) }).await;
    assert_eq!((merged.kind, merged.counts.updated), (MergeKind::Correction, 1));
    let fields = it.row("queda", 2).await.fields;
    assert_eq!(
        (fields.get(Field::Email), fields.get(Field::IdTipoAtendimento), fields.get(Field::Telefone)),
        (Some("ana@example.com"), Some("7"), Some("37999998888"))
    );
    // With its columns there, a blank cell is a wish.
    let merged = it.import(&File::of("x", &[mended])).await;
    assert_eq!(merged.counts.updated, 1);
    assert_eq!(it.row("queda", 2).await.fields.get(Field::Email), None);
}

/// The keys that had no column were sent no more.
async fn a_correction_with_fewer_columns_of_parametros_takes_none_of_its_keys_away(driver: Driver) {
    let mut it = Books::new(driver).await;
    let whole = r#"{"a":"1","b":"2","c":{"d":[1,null]}}"#;
    let broken = Line { phone: BAD, params: Some("no object"), ..line(2, "b") };
    let first = [Line { phone: BAD, params: Some(whole), ..line(1, "a") }, broken];
    let first = it.import(&File::of("queda", &first)).await;
    let errors = errors(&it, &first).await;
    let (a, b) = ("a".to_owned(), "b".to_owned());
    let keys =
        &[(Field::Parametros, vec![a.clone(), b.clone()]), (Field::ParametrosOrdemServico, vec![b, a])];
    let corrected = async |it: &mut Books, params: [Option<&str>; 2], phone: &str| {
        let lines: Vec<_> = (0..2)
            .map(|n| {
                let (_, code, referencia) = &errors[n];
                let it = line(n as i64 + 1, ["a", "b"][n]);
                Line { code: *code, referencia: Some(referencia), params: params[n], phone, ..it }
            })
            .collect();
        let merged = it.import(&File { keys, ..File::of("x", &lines) }).await;
        assert_eq!(merged.kind, MergeKind::Correction);
        let mut found = Vec::new();
        for n in 2..=3 {
            let fields = it.row("queda", n).await.fields;
            assert_eq!(fields.get(Field::ParametrosOrdemServico), None);
            let params = fields.get(Field::Parametros);
            let params = params.map(|it| serde_json::from_str::<serde_json::Value>(it).unwrap());
            found.push(params.map_or(String::new(), |it| it.to_string()));
        }
        (merged.counts.updated, found)
    };
    // Still not right in another cell.
    let (_, found) = corrected(&mut it, [Some(r#"{"a":"9"}"#), Some(r#"{"b":"8"}"#)], BAD).await;
    assert_eq!(found, [r#"{"a":"9","c":{"d":[1,null]}}"#, r#"{"b":"8"}"#], "a blank cell is a wish");
    let (n, found) = corrected(&mut it, [Some(r#"{"b":"3"}"#), None], "37999998888").await;
    assert_eq!((n, &*found), (2, &[r#"{"b":"3","c":{"d":[1,null]}}"#.to_owned(), String::new()][..]));
    let (n, found) = corrected(&mut it, [Some(r#"{"b":"3"}"#), None], "37999998888").await;
    assert_eq!((n, found.len()), (0, 2), "the same again changes nothing");
}

/// It was dropped, and the uncorrected row posted.
async fn a_correction_of_a_row_in_doubt_is_not_forgotten_when_the_doubt_ends(driver: Driver) {
    let mut it = Books::new(driver).await;
    let first = it.import(&File::of("queda", &[line(1, "a")])).await;
    run(&it.outbox, first.scope(), in_doubt).await;
    let errors = errors(&it, &first).await;
    let mended =
        Line { phone: "3188887777", code: errors[0].1, referencia: Some(&errors[0].2), ..line(1, "a") };
    let merged = it.import(&File::of("x", &[mended])).await;
    assert_eq!((merged.counts.updated, merged.counts.outdated), (0, 1));
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let claims = queue
        .claim(ClaimRequest { now: at(100), posts: 9, look_ups: 9, end: End::Front })
        .await
        .expect("it claims")
        .claims;
    assert!(
        claims[0].is_outdated && claims[0].ticket.telefone.as_str().contains("99999"),
        "it is looked up as sent"
    );
    let (row, token) = (claims[0].row, claims[0].token);
    queue
        .settle(&[Settle { label: Default::default(), row, token, change: failed(1), attempt: None }])
        .await
        .expect("it settles");
    worker.retire().await.expect("it leaves");
    // The same once more, now that nothing is in doubt.
    let merged = it.import(&File::of("x", &[mended])).await;
    assert_eq!(merged.counts.updated, 1);
    let worker = it.worker().await;
    let claims = worker
        .queue(merged.scope())
        .claim(ClaimRequest { now: at(200), posts: 9, look_ups: 9, end: End::Front })
        .await
        .expect("it claims")
        .claims;
    assert!(!claims[0].is_outdated && claims[0].ticket.telefone.as_str().contains("8888"));
}

/// A line with too many cells was opened from errors.csv in which only another one was mended: what was wrong
/// with it cannot be seen in its cells.
async fn an_invalid_row_that_a_correction_leaves_as_it_was_stays_invalid(driver: Driver) {
    let mut it = Books::new(driver).await;
    let named = |service, referencia| Line { referencia: Some(referencia), ..line(service, "a") };
    let shifted = Line { is_shifted: true, ..line(1, "Sem sinal") };
    let first = [shifted, named(2, "A"), named(3, "A"), Line { phone: BAD, ..line(4, "d") }];
    let first = it.import(&File::of("b", &first)).await;
    assert_eq!(run(&it.outbox, first.scope(), opened).await, 1);
    let rows = errors(&it, &first).await;
    assert_eq!(rows.len(), 3);
    let invalid = ["invalid too_many_fields", "opened", "invalid repeated_reference", "invalid phone_length"];
    let before = [it.row("b", 2).await.problems, it.row("b", 4).await.problems];
    let ours = |n: usize, it| Line { code: rows[n].1, referencia: Some(&rows[n].2), ..it };
    let lines =
        [ours(0, line(1, "Sem sinal")), ours(1, line(3, "a")), ours(2, Line { phone: BAD, ..line(4, "d") })];
    // In other columns, as they were, and with a setting that fills in something.
    let as_it_was = File::of("x", &lines);
    let filled = lines.map(|it| Line { kind: Some("7"), ..it });
    let filled = File { lines: &filled[..2], ..File::of("x", &lines) };
    let moved = File { headers: &["fone", "texto", "servico"], ..File::of("x", &lines) };
    for file in [as_it_was, filled, moved] {
        let merged = it.import(&file).await;
        let n_lines = file.lines.len() as u64;
        assert_eq!(
            (merged.kind, merged.counts.invalid),
            (MergeKind::Correction, n_lines),
            "{:?}",
            merged.counts
        );
        assert_eq!(states(&it, "b", 2..=5).await, invalid);
        assert_eq!([it.row("b", 2).await.problems, it.row("b", 4).await.problems], before);
        assert_eq!(run(&it.outbox, merged.scope(), opened).await, 0);
    }
    // What a person changed is a new try.
    let mended = [ours(0, line(1, "Sem sinal, luz vermelha")), ours(1, line(3, "b")), ours(2, line(4, "d"))];
    let merged = it.import(&File::of("x", &mended)).await;
    assert_eq!((merged.counts.updated, merged.counts.invalid), (3, 0));
    assert_eq!(run(&it.outbox, merged.scope(), |n| opened(n + 10)).await, 3);
}

/// Rows that were corrected became invalid again with the cells of the original, which came again to go on;
/// and what was typed stood in no file any more.
async fn a_correction_stands_until_its_line_changes(driver: Driver) {
    let mut it = Books::new(driver).await;
    let typed = "3188887777";
    let named = |service, text, referencia| Line { referencia: Some(referencia), ..line(service, text) };
    let whole = [
        Line { phone: BAD, ..named(1, "a", "A") },
        named(2, "b", "B"),
        Line { phone: BAD, ..line(3, "c") },
        line(4, "d"),
    ];
    let first = it.import(&File::of("b", &whole)).await;
    run(&it.outbox, first.scope(), |n| if n == 3 { rejected(n) } else { opened(n) }).await;
    let rows = errors(&it, &first).await;
    let ours = |n: usize, it| Line { code: rows[n].1, referencia: Some(&rows[n].2), phone: typed, ..it };
    // The second was refused for its service, and is opened with another one.
    let mended = [ours(0, line(1, "a")), ours(1, line(22, "b")), ours(2, line(3, "c"))];
    let merged = it.import(&File::of("errors", &mended)).await;
    assert_eq!((merged.kind, merged.counts.updated), (MergeKind::Correction, 3));
    let worker = it.worker().await;
    let queue = worker.queue(merged.scope());
    let want = ClaimRequest { now: at(1), posts: 0, look_ups: 9, end: End::Front };
    let claim = queue.claim(want).await.expect("it claims").claims.remove(0);
    let settle = Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change: opened(22),
        attempt: None,
    };
    queue.settle(&[settle]).await.expect("it settles");
    worker.retire().await.expect("it leaves");

    let moved = File { headers: &["fone", "nova", "servico", "texto"], ..File::of("b", &whole) };
    for file in [File::of("b", &whole), File::of("b", &whole), moved] {
        let merged = it.import(&file).await;
        assert_eq!((merged.counts.unchanged, merged.counts.outdated), (4, 0), "{:?}", merged.counts);
        assert_eq!(states(&it, "b", 2..=5).await, ["pending", "opened", "pending", "opened"]);
        for (n, service) in [(2, "1"), (3, "22"), (4, "3")] {
            let row = it.row("b", n).await;
            let said = [Field::IdClienteServico, Field::Telefone].map(|field| row.fields.get(field).unwrap());
            assert_eq!(said, [service, typed]);
            assert!(row.report.cells.contains(&typed.into()) && row.report.cells.contains(&service.into()));
            assert!(row.report.is_corrected && row.problems.is_empty());
        }
    }
    // A line that says something else wins; and then that is what a line is compared with.
    let changed = [Line { phone: "3177776666", ..whole[0] }, whole[1], whole[2], whole[3]];
    for _ in 0..2 {
        it.import(&File::of("b", &changed)).await;
        assert_eq!(states(&it, "b", 2..=5).await, ["pending", "opened", "pending", "opened"]);
        let phone = async |n| it.row("b", n).await.fields.get(Field::Telefone).map(str::to_owned);
        assert_eq!([phone(2).await.as_deref(), phone(4).await.as_deref()], [Some("3177776666"), Some(typed)]);
    }
    it.import(&File::of("b", &whole)).await;
    assert_eq!(states(&it, "b", 2..=5).await, ["invalid phone_length", "opened", "pending", "opened"]);
}
