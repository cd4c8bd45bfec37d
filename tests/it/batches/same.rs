//! "The same batch" in the design: each row of its table, with and without somebody to be asked.

use std::process::Command;

use super::{rows, tickets};
use crate::support::site::{Ended, Site};

const IMPORT: [&str; 4] = ["import", "queda.csv", "--rate", "unlimited"];

fn import(site: &Site, more: &[&str]) -> Ended {
    site.run(&[&IMPORT[..], more].concat())
}

/// Sets back what an outbox knows of when something happened.
fn age(site: &Site, outbox: &str, hours: i64) {
    let ms = hours * 3_600_000;
    let set = |columns: &[&str]| {
        columns.iter().map(|it| format!("{it} = {it} - {ms}")).collect::<Vec<_>>().join(", ")
    };
    run_sql(
        site,
        outbox,
        &format!(
            "UPDATE source SET {}; UPDATE batch SET {}; UPDATE outbox SET {};",
            set(&["imported_at"]),
            set(&["finished_at"]),
            set(&["finished_at", "claimed_at", "sent_at"])
        ),
    );
}

fn run_sql(site: &Site, outbox: &str, sql: &str) {
    let run = async {
        use sqlx::{AssertSqlSafe, Connection};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(site.path(outbox));
        let mut conn = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run);
}

/// Folders of batches beside the first one.
fn beside(site: &Site) -> Vec<String> {
    let names =
        std::fs::read_dir(site.path("")).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<_> =
        names.filter(|it| it.starts_with("queda.") && it.len() == "queda.XXXXXXXX.mutirao".len()).collect();
    found.sort();
    found
}

/// The command on a terminal, where somebody types `answers`.
fn on_a_terminal(site: &Site, args: &[&str], answers: &str) -> Ended {
    on_a_terminal_in(site, "C", args, answers)
}

/// The same, where `locale` says the language.
fn on_a_terminal_in(site: &Site, locale: &str, args: &[&str], answers: &str) -> Ended {
    let plain = site.command(args);
    let line = [plain.get_program()].into_iter().chain(plain.get_args()).map(|it| it.to_str().unwrap());
    let line = line.map(|it| format!("'{it}'")).collect::<Vec<_>>().join(" ");
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).current_dir(site.path("")).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("SHELL", "/bin/sh");
    for (key, value) in plain.get_envs() {
        command.env(key, value.unwrap());
    }
    command.env("LANG", locale);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), answers.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_question_is_answered_in_the_language_spoken_or_in_english() {
    for (answer, code) in [("continuar\n", 0), ("CONTINUE\n", 0), ("continua\n", 2)] {
        let site = Site::new("");
        site.write("queda.csv", rows(1..=4));
        import(&site, &["--sample", "2"]).expect(0);
        site.write(
            "queda.csv",
            rows(1..=4).replace("99911-0004", "99911-4444") + &rows(8..=8)[super::HEADER.len()..],
        );
        let told = on_a_terminal_in(&site, "pt_BR.UTF-8", &IMPORT, answer).expect(code).stdout;
        for said in
            ["3 já conhecidas, 1 mudou, 1 é nova", "Digite `continuar` ou `novo`; ", "  continuar  é a mesma"]
        {
            assert!(told.contains(said), "{said}: {told}");
        }
        assert!(!told.contains("?."), "{told}");
    }
}

#[test]
fn the_same_content_goes_on_and_tells_what_was_opened_before() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=6));
    import(&site, &["--sample", "2"]).expect(0);
    let whole = import(&site, &["--json"]).expect(0).json();
    assert_eq!((&whole["counts"]["opened"], &whole["counts"]["opened_before"]), (&6.into(), &2.into()));
    let again = import(&site, &["--json"]).expect(0);
    assert_eq!(again.json()["counts"]["opened_before"], 6);
    assert!(again.stderr.contains("6 of them were opened before"), "{}", again.stderr);
    // `--new` of a script that repeats its command is no word for opening all once more.
    import(&site, &["--new"]).expect(0);
    assert_eq!((tickets(&site), beside(&site).len()), ((6, 0), 0));
}

#[test]
fn a_month_old_batch_is_not_continued_in_silence() {
    for sample in [&["--sample", "2"][..], &[]] {
        let site = Site::new("");
        site.write("queda.csv", rows(1..=4));
        import(&site, sample).expect(0);
        let n_before = tickets(&site).0;
        age(&site, "queda.mutirao/outbox.db", 13);
        let asked = import(&site, &[]).expect(2);
        for said in ["still the same outage", "--new", "--continue", "nothing was sent"] {
            assert!(asked.stderr.contains(said), "{said}: {}", asked.stderr);
        }
        let told = import(&site, &["--dry-run"]).expect(0);
        assert!(told.stderr.contains("it would be asked"), "{}", told.stderr);
        assert_eq!((tickets(&site).0, beside(&site).len()), (n_before, 0));
        import(&site, &["--continue"]).expect(0);
        assert_eq!(tickets(&site), (4, 0));
    }
}

#[test]
fn a_batch_from_the_future_is_asked_about() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=4));
    import(&site, &["--sample", "1"]).expect(0);
    age(&site, "queda.mutirao/outbox.db", -3);
    import(&site, &[]).expect(2);
    assert_eq!(tickets(&site), (1, 0));
}

#[test]
fn an_edit_is_told_and_asked_about_before_rows_are_dropped() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=6));
    import(&site, &["--sample", "2"]).expect(0);
    site.write(
        "queda.csv",
        rows(1..=4).replace("99911-0004", "99911-4444") + &rows(8..=8)[super::HEADER.len()..],
    );
    let asked = import(&site, &[]).expect(2);
    for said in ["3 are known", "1 changed", "1 is new", "2 of the batch are gone (2 of them not sent yet"] {
        assert!(asked.stderr.contains(said), "{said}: {}", asked.stderr);
    }
    assert_eq!(tickets(&site), (2, 0));
    let declined = on_a_terminal(&site, &IMPORT, "no\n").expect(2);
    assert!(declined.stdout.contains("declined"), "{}", declined.stdout);
    assert_eq!(tickets(&site), (2, 0));
    on_a_terminal(&site, &IMPORT, "continue\n").expect(0);
    assert_eq!((tickets(&site), beside(&site).len()), ((5, 0), 0));
}

#[test]
fn another_outage_of_the_same_name_is_a_batch_of_its_own() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=4));
    import(&site, &["--sample", "2"]).expect(0);
    let old = site.read("queda.mutirao/results.csv");
    site.write("queda.csv", rows(11..=15));
    let asked = import(&site, &[]).expect(2);
    assert!(asked.stderr.contains("another outage"), "{}", asked.stderr);
    import(&site, &["--new", "--sample", "1"]).expect(0);
    let [folder] = &beside(&site)[..] else { panic!("{:?}", beside(&site)) };
    let lote = folder.trim_end_matches(".mutirao").replace('.', "-");
    assert!(
        site.table(&format!("{folder}/results.csv"))
            .iter()
            .all(|it| it["lote"].ends_with(&format!(".{lote}"))),
        "{lote}"
    );
    // Repeated, it goes on with that one; the old one stays as it is.
    import(&site, &["--new"]).expect(0);
    import(&site, &[]).expect(0);
    assert_eq!((tickets(&site), beside(&site).len()), ((7, 0), 1));
    assert_eq!(site.read("queda.mutirao/results.csv"), old);
    // And the file of the first one finds its own.
    site.write("queda.csv", rows(1..=4));
    import(&site, &[]).expect(0);
    assert_eq!((tickets(&site), beside(&site).len()), ((9, 0), 1));
}

#[test]
fn the_same_content_once_more_needs_a_word() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=3));
    import(&site, &[]).expect(0);
    import(&site, &["--again", "--sample", "1"]).expect(0);
    // The same command, repeated, ends what it began.
    import(&site, &["--again"]).expect(0);
    assert_eq!((tickets(&site).0, beside(&site).len()), (6, 1));
}

#[test]
fn a_reference_of_another_customer_is_not_told_to_be_open() {
    let site = Site::new("");
    let file = |from: u32| {
        let mut text = "referencia;id_cliente_servico;descricao;nome;telefone\n".to_owned();
        for n in 1..=3 {
            text += &format!("{n};{};Sem conexão;Cliente;(37) 99911-0001\n", 11_000 + from + n);
        }
        text
    };
    site.write("queda.csv", file(0));
    import(&site, &[]).expect(0);
    site.write("queda.csv", file(10));
    let asked = import(&site, &[]).expect(2);
    assert!(asked.stderr.contains("3 have a referencia that stood beside another"), "{}", asked.stderr);
    import(&site, &["--continue"]).expect(3);
    assert!(site.read("queda.mutirao/problems.csv").contains("reused_reference"));
    // The very same file, known by then.
    import(&site, &[]).expect(3);
    assert_eq!(tickets(&site), (3, 0));
    import(&site, &["--again"]).expect(0);
    assert_eq!(tickets(&site), (6, 0));
}

/// One service of a hundred was mistyped; mended, the only answer was to open the other 99 once more.
#[test]
fn a_service_that_is_mended_in_the_sheet_is_an_edit_of_its_batch() {
    let site = Site::new("");
    let file = |second: &str| {
        format!(
            "referencia;id_cliente_servico;descricao;nome;telefone\n1;11001;Sem luz;Ana;(37) 99911-0001\n2;{second};Sem luz;Bia;(37) 99911-0002\n3;11003;Sem luz;Rui;(37) 99911-0003\n"
        )
    };
    site.write("queda.csv", file("11.x"));
    import(&site, &[]).expect(3);
    site.write("queda.csv", file("11002"));
    let asked = import(&site, &[]).expect(2);
    assert!(asked.stderr.contains("--continue"), "{}", asked.stderr);
    import(&site, &["--continue"]).expect(0);
    assert_eq!((tickets(&site), beside(&site).len()), ((3, 0), 0));
}

/// Asked about for ever, although nothing was new: a reference that stands twice, rows of another outbox.
#[test]
fn the_same_content_is_known_whatever_its_references() {
    let site = Site::new("");
    let doubled = "referencia;id_cliente_servico;descricao;nome;telefone\n7;11001;Sem luz;Ana;(37) 99911-0001\n7;11002;Sem luz;Bia;(37) 99911-0002\n";
    site.write("queda.csv", doubled);
    for _ in 0..2 {
        import(&site, &[]).expect(3);
    }
    site.write("outra/fila.csv", rows(11..=12) + "x;Sem luz;Ana;(37) 99911-0001;não\n");
    site.run(&["import", "outra/fila.csv", "--rate", "unlimited"]).expect(3);
    site.write("carried.csv", site.read("outra/fila.mutirao/errors.csv").replace("\nx;", "\n11099;"));
    site.run(&["import", "carried.csv", "--rate", "unlimited", "--again"]).expect(0);
    site.run(&["import", "carried.csv", "--rate", "unlimited"]).expect(0);
    assert_eq!(tickets(&site), (4, 0));
}

#[test]
fn the_same_rows_under_another_name_are_recognised() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=3));
    import(&site, &[]).expect(0);
    // Saved again, and sorted: the same rows.
    let lines: Vec<_> = rows(1..=3).lines().map(str::to_owned).collect();
    site.write("queda (1).csv", format!("{}\r\n{}\r\n{}\r\n{}\r\n", lines[0], lines[3], lines[2], lines[1]));
    let args = ["import", "queda (1).csv", "--rate", "unlimited"];
    for _ in 0..2 {
        let asked = site.run(&args).expect(2);
        for said in ["a second time", "queda.mutirao", "--again"] {
            assert!(asked.stderr.contains(said), "{said}: {}", asked.stderr);
        }
    }
    assert_eq!(tickets(&site).0, 3);
    on_a_terminal(&site, &args, "yes\n").expect(2);
    assert_eq!(tickets(&site).0, 3);
    // A deleted folder knows nothing either.
    std::fs::rename(site.path("queda.mutirao"), site.path("away")).unwrap();
    import(&site, &[]).expect(2);
    // The sandbox is neither asked about nor remembered, and another HubSoft is another.
    site.run(&["import", "queda (1).csv", "--sandbox", "--rate", "unlimited"]).expect(0);
    let other = Site::new("");
    let mut command = site.command(&["import", "queda.csv", "-o", "other", "--rate", "unlimited"]);
    command.env("HUBSOFT_URL", other.url()).env("HUBSOFT_TOKEN", other.token());
    Ended::from(command.output().unwrap()).expect(0);

    on_a_terminal(&site, &args, "again\n").expect(0);
    site.run(&args).expect(0);
    assert_eq!(tickets(&site).0, 6);
}

#[test]
fn a_registry_that_cannot_be_used_is_told_and_blocks_nothing() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=2));
    std::fs::create_dir_all(site.path("state/mutirao/imports.jsonl")).unwrap();
    let mut command = site.command(&IMPORT);
    command.env("XDG_STATE_HOME", site.path("state"));
    let told = Ended::from(command.output().unwrap()).expect(0);
    assert!(told.stderr.contains("imports.jsonl") && told.stderr.contains("recognised"), "{}", told.stderr);
    assert_eq!(tickets(&site), (2, 0));
}

#[test]
fn rows_that_say_that_they_are_open_are_not_opened_elsewhere() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=3));
    import(&site, &[]).expect(0);
    let results = site.read("queda.mutirao/results.csv");
    // Without the columns that say whose they are, and in another file.
    let cut: String = results
        .lines()
        .map(|line| {
            let cells: Vec<_> = line.split(';').collect();
            let kept: Vec<_> =
                cells.iter().enumerate().filter(|(n, _)| *n != 6 && *n != 7).map(|it| *it.1).collect();
            kept.join(";") + "\n"
        })
        .collect();
    site.write("outra/resultado.csv", cut);
    let asked = site.run(&["import", "outra/resultado.csv", "--rate", "unlimited"]).expect(2);
    assert!(asked.stderr.contains("3 rows of this file say"), "{}", asked.stderr);
    site.write("outra/results.csv", results);
    site.run(&["import", "outra/results.csv", "--rate", "unlimited"]).expect(2);
    assert_eq!(tickets(&site), (3, 0));
}

/// Both opened what had been refused a second time: a copy of errors.csv in another folder, and then the one
/// beside its outbox; two of them pasted into one file, and then each by itself.
#[test]
fn what_is_corrected_elsewhere_is_asked_about_and_two_batches_are_not_one_file() {
    let site = Site::new("");
    for (name, services) in [("um", 11..=12), ("dois", 21..=22)] {
        site.write(&format!("{name}.csv"), rows(services) + "x;Sem luz;Ana;(37) 99911-0001\n");
        site.run(&["import", &format!("{name}.csv"), "--rate", "unlimited"]).expect(3);
    }
    let fixed = |name: &str, service: &str| {
        site.read(&format!("{name}.mutirao/errors.csv")).replace("\nx;", &format!("\n{service};"))
    };
    let (one, two) = (fixed("um", "11099"), fixed("dois", "11098"));
    site.write("baixados/errors.csv", &one);
    let asked = site.run(&["import", "baixados/errors.csv", "--rate", "unlimited", "--yes"]).expect(2);
    assert!(asked.stderr.contains("1 row of this file says"), "{}", asked.stderr);
    let pasted = format!("{one}{}\n", two.lines().nth(1).unwrap());
    site.write("juntos.csv", pasted);
    for more in [&[][..], &["--again"]] {
        let args = [&["import", "juntos.csv", "--rate", "unlimited", "--yes"][..], more].concat();
        let refused = site.run(&args).expect(2);
        assert!(refused.stderr.contains("each batch's rows"), "{}", refused.stderr);
    }
    assert_eq!(tickets(&site), (4, 0));
    for (name, fixed) in [("um", one), ("dois", two)] {
        site.write(&format!("{name}.mutirao/errors.csv"), fixed);
        site.run(&["import", &format!("{name}.mutirao/errors.csv"), "--rate", "unlimited"]).expect(0);
    }
    assert_eq!(tickets(&site), (6, 0));
    // Among rows that are corrected, one that lost its reference is no new one.
    let results = site.read("um.mutirao/results.csv");
    let mut lines: Vec<String> = results.lines().map(str::to_owned).collect();
    let at = lines[0].trim_start_matches('\u{feff}').split(';').position(|it| it == "referencia").unwrap();
    let mut cells: Vec<&str> = lines[1].split(';').collect();
    cells[at] = "";
    lines[1] = cells.join(";");
    site.write("um.mutirao/results.csv", lines.join("\n") + "\n");
    site.run(&["import", "um.mutirao/results.csv", "--rate", "unlimited", "--yes"]).expect(2);
    assert_eq!(tickets(&site), (6, 0));
}

#[test]
fn what_was_fixed_for_one_month_is_no_correction_of_the_next_ones_batch_of_the_same_name() {
    let site = Site::new("");
    site.write("outubro/queda.csv", rows(1..=3) + "x;Sem luz;Ana;(37) 99911-0001\n");
    site.write("novembro/queda.csv", rows(11..=13) + "y;Sem luz;Bia;(37) 99911-0002\n");
    for folder in ["outubro", "novembro"] {
        site.run(&["import", &format!("{folder}/queda.csv"), "--rate", "unlimited"]).expect(3);
    }
    let fixed = site.read("outubro/queda.mutirao/errors.csv").replace("\nx;", "\n11004;");
    site.write("novembro/errors.csv", fixed);
    site.run(&["import", "novembro/errors.csv", "--rate", "unlimited"]).expect(2);
    site.run(&["import", "novembro/errors.csv", "--rate", "unlimited", "--again"]).expect(0);
    assert_eq!(tickets(&site), (7, 0));
    assert_eq!(site.table("novembro/queda.mutirao/results.csv").len(), 4, "November's are as they were");
    assert_eq!(site.table("novembro/errors.mutirao/results.csv").len(), 1);
}

#[test]
fn an_own_column_lote_neither_renames_the_batch_nor_switches_off_the_guard() {
    let site = Site::new("");
    site.write(
        "queda.csv",
        "lote;id_cliente_servico;descricao;nome;telefone\nA1;11001;Sem luz;Ana;(37) 99911-0001\n",
    );
    import(&site, &[]).expect(0);
    age(&site, "queda.mutirao/outbox.db", 24);
    import(&site, &[]).expect(2);
    site.run(&["status", "queda"]).expect(0);
    assert_eq!(tickets(&site), (1, 0));
}

#[test]
fn a_name_that_a_spreadsheet_rewrites_is_not_given() {
    let site = Site::new("");
    site.write("24-11.csv", rows(1..=2));
    let told = site.run(&["import", "24-11.csv", "--rate", "unlimited"]).expect(0);
    assert!(told.stderr.contains("`lote-24-11`"), "{}", told.stderr);
    assert!(site.table("24-11.mutirao/results.csv").iter().all(|it| it["lote"].ends_with(".lote-24-11")));
    site.run(&["import", "24-11.csv", "--rate", "unlimited"]).expect(0);
    assert_eq!(tickets(&site), (2, 0));
}

#[test]
fn standard_input_is_compared_too() {
    let site = Site::new("");
    let args = ["import", "-", "--batch", "queda", "-o", "out", "--rate", "unlimited"];
    site.run_with(&args, rows(1..=3).as_bytes()).expect(0);
    site.run_with(&args, rows(1..=3).as_bytes()).expect(0);
    site.run_with(&args, rows(2..=4).as_bytes()).expect(2);
    assert_eq!(tickets(&site), (3, 0));
    site.run_with(&[&args[..], &["--continue"]].concat(), rows(2..=4).as_bytes()).expect(0);
    assert_eq!(tickets(&site), (4, 0));
}

/// Five rows appended to today's list were compared with last month's batch, which had left a row unsure:
/// `continue` opened all of them there.
#[test]
fn a_row_left_unsure_last_month_does_not_make_that_batch_the_one_at_hand() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=4));
    import(&site, &[]).expect(0);
    let sql = "UPDATE outbox SET state = 'unconfirmed', protocolo = NULL, id_atendimento = NULL, doubt_since = sent_at
                WHERE line = 2";
    run_sql(&site, "queda.mutirao/outbox.db", sql);
    age(&site, "queda.mutirao/outbox.db", 30 * 24);
    import(&site, &["--new"]).expect(0);
    let [today] = &beside(&site)[..] else { panic!("{:?}", beside(&site)) };
    site.write("queda.csv", rows(1..=6));
    let asked = import(&site, &[]).expect(2);
    assert!(asked.stderr.contains(today) && asked.stderr.contains("2 are new"), "{}", asked.stderr);
    import(&site, &["--continue"]).expect(0);
    assert_eq!((tickets(&site).0, site.table(&format!("{today}/results.csv")).len()), (10, 6));
}

/// Somebody tidied up last month's batch in the morning: the list of the new outage was "opened before", exit
/// 0.
#[test]
fn a_word_about_an_old_batch_does_not_make_it_todays() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=4));
    import(&site, &["--sample", "2"]).expect(0);
    age(&site, "queda.mutirao/outbox.db", 30 * 24);
    site.run(&["cancel", "queda"]).expect(0);
    let asked = import(&site, &[]).expect(2);
    assert!(asked.stderr.contains("still the same outage"), "{}", asked.stderr);
    import(&site, &["--new"]).expect(0);
    assert_eq!(tickets(&site).0, 6);
}

/// `--new` was taken for a word about rows that were opened elsewhere, if any batch stood there.
#[test]
fn rows_that_say_that_they_are_open_are_asked_about_beside_an_old_batch_too() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=2));
    import(&site, &[]).expect(0);
    site.write("outra/fila.csv", rows(5..=7));
    site.run(&["import", "outra/fila.csv", "--rate", "unlimited"]).expect(0);
    std::fs::copy(site.path("outra/fila.mutirao/results.csv"), site.path("queda.csv")).unwrap();
    for flags in [&[][..], &["--new"], &["--continue"]] {
        let asked = import(&site, flags).expect(2);
        assert!(asked.stderr.contains("3 rows of this file say"), "{}", asked.stderr);
    }
    assert_eq!(tickets(&site), (5, 0));
}

/// With `-o`, the rows of errors.csv were looked for in that folder alone: not in the one that the file lay
/// in.
#[test]
fn a_correction_is_of_the_batch_whose_code_it_carries_wherever_that_lies() {
    let bad = "x;Sem luz;Ana;(37) 99911-0001;não\n";
    let fixed = |site: &Site, from: &str| site.read(from).replace("\nx;", "\n11099;");
    // A batch beside another one, in folders that were named.
    let site = Site::new("");
    site.write("queda.csv", rows(1..=2));
    let out = ["-o", "out"];
    import(&site, &out).expect(0);
    site.write("queda.csv", rows(11..=12) + bad);
    import(&site, &[&out[..], &["--new"]].concat()).expect(3);
    let name =
        std::fs::read_dir(site.path("")).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let beside = name.into_iter().find(|it| it.starts_with("out.")).unwrap();
    let errors = format!("{beside}/errors.csv");
    site.write(&errors, fixed(&site, &errors));
    site.run(&["import", &errors, "-o", "out", "--rate", "unlimited"]).expect(0);
    assert!(site.table(&format!("{beside}/results.csv")).iter().all(|it| it["state"] == "opened"));
    assert_eq!(tickets(&site), (5, 0));

    // Moved beside the sheet, of a batch that is not called as the sheet is.
    for (file, flags) in [("24-11.csv", &[][..]), ("sheet.csv", &["--batch", "novembro"])] {
        let site = Site::new("");
        site.write(file, rows(1..=2) + bad);
        site.run(&[&["import", file, "--rate", "unlimited"], flags].concat()).expect(3);
        let folder = file.replace("csv", "mutirao");
        site.write("fixed.csv", fixed(&site, &format!("{folder}/errors.csv")));
        // Whatever else lies there.
        site.write("a.mutirao/outbox.db", "no database");
        site.run(&["import", "fixed.csv", "--rate", "unlimited"]).expect(0);
        assert!(
            site.table(&format!("{folder}/results.csv")).iter().all(|it| it["state"] == "opened"),
            "{file}"
        );
        assert!(!site.path("fixed.mutirao").exists());
        assert_eq!(tickets(&site), (3, 0));
    }
}

/// `cancel queda.csv` withdrew last month's, and the name that the summary showed was not found.
#[test]
fn a_batch_beside_another_one_is_found_by_its_name_and_neither_by_the_sheet() {
    let site = Site::new("");
    site.write("queda.csv", rows(1..=3));
    import(&site, &["--sample", "1"]).expect(0);
    site.write("queda.csv", rows(11..=13));
    import(&site, &["--new", "--sample", "1"]).expect(0);
    let [folder] = &beside(&site)[..] else { panic!("{:?}", beside(&site)) };
    let name = folder.trim_end_matches(".mutirao").replace('.', "-");
    let refused = site.run(&["cancel", "queda.csv"]).expect(2);
    assert!(
        refused.stderr.contains("queda.mutirao") && refused.stderr.contains(folder),
        "{}",
        refused.stderr
    );
    let told = site.run(&["status", "queda.csv", "--json"]).expect(0).json();
    assert_eq!(told["batches"].as_array().unwrap().len(), 2);
    assert!(site.run(&["cancel", &name]).expect(0).stderr.contains("2 rows are cancelled"));
    assert!(site.run(&["cancel", "queda.mutirao"]).expect(0).stderr.contains("2 rows are cancelled"));
}

/// `resolve queda:2 --not-opened`, meant for `referencia` 2, settled the row of line 2, which is `referencia`
/// 1.
#[test]
fn a_number_that_is_a_line_and_another_rows_reference_names_neither() {
    let site = Site::new("");
    let mut text = "referencia;id_cliente_servico;descricao;nome;telefone\n".to_owned();
    for n in 1..=3 {
        text += &format!("{n};{};Sem conexão;Cliente;(37) 99911-0001\n", 11_000 + n);
    }
    site.write("queda.csv", text);
    import(&site, &[]).expect(0);
    for command in [&["show", "queda:2"][..], &["resolve", "queda:2", "--not-opened"]] {
        let refused = site.run(command).expect(2).stderr;
        assert!(refused.contains("names two rows"), "{refused}");
        let names: Vec<_> =
            refused.split('`').filter(|it| it.starts_with("queda:") && it.contains('.')).collect();
        assert_eq!(names.len(), 2, "{refused}");
        for (name, service) in names.into_iter().zip(["11001", "11002"]) {
            assert!(site.run(&["show", name]).expect(0).stdout.contains(service), "{name}");
        }
    }
    assert!(site.run(&["show", "queda:4"]).expect(0).stdout.contains("11003"), "one row only");
    assert!(site.run(&["show", "queda:1"]).expect(0).stdout.contains("11001"), "line 1 is the header");
}
