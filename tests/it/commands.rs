//! What the commands after an import say and leave behind, with the real binary.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use mutirao::sandbox::Audit;
use mutirao::ticket::Field;
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::support::site::{Ended, Site};

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

fn rows(n_rows: u32) -> String {
    let mut text = HEADER.to_owned();
    for n in 1..=n_rows {
        writeln!(text, "{};Sem conexão na rua {n};Cliente {n};(37) 99911-{n:04}", 11_000 + n).unwrap();
    }
    text
}

/// Waits until the sandbox has seen what `is_there` looks for.
fn wait_until(site: &Site, is_there: impl Fn(&Audit) -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_there(&site.audit()) {
        assert!(Instant::now() < patience, "{:?}", site.audit());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many rows of the results are in each state, as `3 opened, 1 pending`.
fn states(site: &Site) -> String {
    let mut states: Vec<_> =
        site.table("queda.mutirao/results.csv").iter().map(|it| it["state"].clone()).collect();
    states.sort();
    let counted = states.chunk_by(|one, other| one == other).map(|it| format!("{} {}", it.len(), it[0]));
    counted.collect::<Vec<_>>().join(", ")
}

/// The commands that stand in backticks in what was said, each once.
fn commands(ended: &Ended) -> Vec<String> {
    let quoted = ended.stderr.split('`').skip(1).step_by(2);
    let mut named: Vec<String> = Vec::new();
    for command in quoted.filter(|it| it.starts_with("mutirao ")) {
        if !named.iter().any(|known| known == command) {
            named.push(command.to_owned());
        }
    }
    named
}

/// An import of 40 rows that was stopped after some.
fn stopped(site: &Site) {
    site.write("queda.csv", rows(40));
    let started = site.start_until(&["import", "queda.csv", "--yes", "--rate", "20/s"], "opening");
    wait_until(site, |it| 3 <= it.tickets);
    assert_eq!(started.end_by(Signal::INT), Some(130));
}

/// An import of one row whose answer was lost, stopped while look-ups fail.
fn left_in_doubt(site: &Site) {
    site.write("queda.csv", rows(1));
    let started = site.start_until(&["import", "queda.csv", "--rate", "unlimited"], "opening");
    wait_until(site, |it| 1 <= it.requests_of("look_up"));
    assert_eq!(started.end_by(Signal::INT), Some(130));
}

#[test]
fn errors_csv_holds_no_row_that_only_had_not_had_its_turn() {
    let site = Site::new("latency=20ms");
    stopped(&site);
    assert_eq!(site.read("queda.mutirao/errors.csv").lines().count(), 1, "nothing is wrong with any row");
}

#[test]
fn a_row_in_doubt_is_not_shown_as_one_without_a_ticket() {
    let site = Site::new("reset_after=1,look_up_failure=1");
    left_in_doubt(&site);
    let row = &site.table("queda.mutirao/results.csv")[0];
    assert_eq!((row["state"].as_str(), row["error_code"].as_str()), ("in_doubt", "reset"), "{row:?}");
    assert!(row["error_message"].contains("do not open it by hand"), "{row:?}");
    assert_eq!(site.read("queda.mutirao/errors.csv").lines().count(), 1, "it is not to be opened by hand");
    let summary: serde_json::Value = serde_json::from_str(&site.read("queda.mutirao/summary.json")).unwrap();
    assert_eq!((&summary["counts"]["in_doubt"], &summary["counts"]["pending"]), (&1.into(), &0.into()));
}

/// Nobody looked for it, no file and no count had it, and its customer stayed without a ticket.
#[test]
fn a_row_in_doubt_whose_line_was_edited_is_looked_up_and_told_of() {
    let site = Site::new("reset_after=1,look_up_failure=1");
    left_in_doubt(&site);
    site.write("queda.csv", rows(1).replace("Sem conexão", "Sem sinal"));
    // And the same file again is no edit.
    for answer in [&["--continue"][..], &[]] {
        let n_before = site.audit().requests_of("look_up");
        let args = [&["import", "queda.csv", "--rate", "unlimited"], answer].concat();
        let started = site.start_until(&args, "opening");
        wait_until(&site, |it| n_before < it.requests_of("look_up"));
        assert_eq!(started.end_by(Signal::INT), Some(130));
        assert_eq!(states(&site), "1 in_doubt, 1 skipped");
        let row = &site.table("queda.mutirao/results.csv")[1];
        let expected = ("in_doubt", "no longer in the file");
        assert_eq!((row["state"].as_str(), row["warning"].as_str()), expected, "{row:?}");
        let summary: serde_json::Value =
            serde_json::from_str(&site.read("queda.mutirao/summary.json")).unwrap();
        assert_eq!((&summary["counts"]["in_doubt"], &summary["counts"]["total"]), (&1.into(), &2.into()));
    }
    let status = site.run(&["status", "queda.mutirao", "--json"]).expect(0);
    assert_eq!(status.json()["batches"][0]["counts"]["in_doubt"], 1, "{}", status.stdout);
}

#[test]
fn a_halt_names_the_commands_that_work() {
    let site = Site::new("");
    site.write("queda.csv", rows(8));
    let args = ["import", "queda.csv", "--rate", "unlimited", "--set", "id_tipo_atendimento=101"];
    let halted = site.run(&args).expect(6);
    let flags = "--rate unlimited --set id_tipo_atendimento=101";
    assert_eq!(
        commands(&halted),
        [
            format!("mutirao import queda.mutirao/errors.csv {flags}"),
            "mutirao retry queda.mutirao".to_owned(),
            format!("mutirao import queda.csv {flags}"),
        ],
        "{}",
        halted.stderr
    );
    let retried = site.run(&["retry", "queda.mutirao"]).expect(0);
    assert!(retried.stderr.contains("5 rows are pending again"), "{}", retried.stderr);
    assert_eq!(states(&site), "8 pending");

    let stopped = site.run(&[
        "import",
        "queda.csv",
        "--rate",
        "unlimited",
        "--set",
        "id_tipo_atendimento=101",
        "--max-errors",
        "1",
    ]);
    assert!(commands(&stopped.expect(6)).contains(&"mutirao retry queda.mutirao".to_owned()));
}

/// Runs a command as it stands in a hint without quotes.
fn copied(site: &Site, command: &str) -> Ended {
    assert!(!command.contains('\''), "{command}");
    site.run(&command.split(' ').skip(1).collect::<Vec<_>>())
}

/// Seen: `mutirao retry out`, of an outbox that was named by its path, and `mutirao import a b.csv` without
/// its `--map`.
#[test]
fn commands_in_hints_can_be_copied() {
    let site = Site::new("");
    site.write("queda.csv", rows(8));
    let database = ["--database-url", "sqlite:fila.db"];
    let import =
        ["import", "queda.csv", "-o", "out", "--rate", "unlimited", "--set", "id_tipo_atendimento=101"];
    let halted = site.run(&[&import[..], &database].concat()).expect(6);
    let retry = commands(&halted).into_iter().find(|it| it.contains(" retry ")).unwrap();
    let retried = copied(&site, &retry).expect(0);
    assert!(retried.stderr.contains("5 rows are pending again"), "{}", retried.stderr);
    let goes_on = commands(&retried).pop().unwrap();
    assert!(
        goes_on.starts_with("mutirao import queda.csv") && goes_on.ends_with("sqlite:fila.db"),
        "{goes_on}"
    );

    site.write("sem sinal.csv", rows(1).replace(";nome;", ";cliente;"));
    let checked = site.run(&["check", "sem sinal.csv", "--map", "cliente=nome", "--excel-safe"]).expect(0);
    assert_eq!(
        commands(&checked),
        ["mutirao import 'sem sinal.csv' --map cliente=nome --excel-safe"],
        "{}",
        checked.stderr
    );
}

/// Seen: a formula in a cell, guarded by the import, ran in the results that `cancel` wrote.
#[test]
fn results_are_written_again_as_and_where_the_import_wrote_them() {
    let site = Site::new("");
    site.write("queda.csv", rows(2).replace("Cliente 2", "=1+1"));
    let import = ["import", "queda.csv", "--rate", "unlimited", "--sample", "1", "--excel-safe"];
    site.run(&import).expect(0);
    let nome = |folder: &str| site.table(&format!("{folder}/results.csv"))[1]["nome"].clone();
    assert_eq!(nome("queda.mutirao"), "'=1+1");
    site.run(&["cancel", "queda"]).expect(0);
    assert_eq!(states(&site), "1 cancelled, 1 opened");
    assert_eq!(nome("queda.mutirao"), "'=1+1");

    let elsewhere = ["-o", "out", "--again", "--database-url", "sqlite:fila.mutirao/outbox.db"];
    std::fs::create_dir(site.path("fila.mutirao")).unwrap();
    site.run(&[&import[..], &elsewhere].concat()).expect(0);
    let cancelled = site.run(&["cancel", "queda", elsewhere[3], elsewhere[4]]).expect(0);
    assert_eq!((nome("out"), &*site.table("out/results.csv")[1]["state"]), ("'=1+1".to_owned(), "cancelled"));
    assert!(cancelled.stderr.contains("out/results.csv"), "{}", cancelled.stderr);
    assert!(!site.path("fila.mutirao/results.csv").exists(), "no import wrote there");
}

/// errors.csv was written anew when a run of it ended: the hint named a file without rows, and what had been
/// typed there was in no file any more but the results.
#[test]
fn what_was_corrected_and_not_opened_yet_is_opened_by_the_command_of_the_hint() {
    let site = Site::new("");
    site.write("queda.csv", rows(6).replace("(37) 99911", "911"));
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    let errors = site.read("queda.mutirao/errors.csv").replace(";911", ";(37) 99911");
    site.write("queda.mutirao/errors.csv", errors);
    let sample = ["import", "queda.mutirao/errors.csv", "--rate", "unlimited", "--sample", "2"];
    let goes_on = commands(&site.run(&sample).expect(0)).pop().unwrap();
    assert_eq!(goes_on, "mutirao import queda.mutirao/results.csv --rate unlimited");
    copied(&site, &goes_on).expect(0);
    assert_eq!((site.audit().tickets, states(&site)), (6, "6 opened".to_owned()));
}

/// The rows that were valid waited for ever: the hint was of errors.csv alone, whose import ended with exit
/// code 0.
#[test]
fn the_rows_that_strict_kept_back_are_named_once_the_others_are_corrected() {
    let site = Site::new("");
    site.write("queda.csv", rows(6).replace("(37) 99911-0003", "0003"));
    site.run(&["import", "queda.csv", "--strict", "--rate", "unlimited"]).expect(5);
    let errors = site.read("queda.mutirao/errors.csv").replace(";0003", ";(37) 99911-0003");
    site.write("queda.mutirao/errors.csv", errors);
    let told = site.run(&["import", "queda.mutirao/errors.csv", "--strict", "--rate", "unlimited"]).expect(0);
    assert!(told.stderr.contains("5 other rows of the batch wait"), "{}", told.stderr);
    copied(&site, &commands(&told).pop().unwrap()).expect(0);
    assert_eq!((site.audit().tickets, states(&site)), (6, "6 opened".to_owned()));
}

#[test]
fn nobody_is_sent_to_a_file_without_rows() {
    let site = Site::new("");
    let row = rows(1).lines().nth(1).unwrap().to_owned();
    site.write("queda.csv", format!("{}{row}\n", rows(1)));
    let told = site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    assert!(
        told.stderr.contains("results.csv says of each why") && commands(&told).is_empty(),
        "{}",
        told.stderr
    );
}

#[test]
fn results_tell_the_truth_after_cancel_and_retry() {
    let site = Site::new("latency=20ms");
    stopped(&site);
    std::fs::remove_file(site.path("queda.mutirao/results.csv")).unwrap(); // As after a kill.
    site.run(&["cancel", "queda"]).expect(0);
    let n_opened = site.audit().tickets;
    assert_eq!(states(&site), format!("{} cancelled, {n_opened} opened", 40 - n_opened));
    assert_eq!(site.read("queda.mutirao/errors.csv").lines().count(), 1, "a person wanted it so");
    site.run(&["retry", "queda", "--state", "cancelled"]).expect(0);
    assert_eq!(states(&site), format!("{n_opened} opened, {} pending", 40 - n_opened));
}

#[test]
fn exit_9_names_the_process() {
    let site = Site::new("latency=20ms");
    site.write("queda.csv", rows(40));
    let args = ["import", "queda.csv", "--yes", "--rate", "5/s"];
    let started = site.start_until(&args, "opening");
    let busy = site.run(&args).expect(9);
    assert!(busy.stderr.contains(&format!("(pid {})", started.pid())), "{}", busy.stderr);
    assert!(busy.stderr.contains("/queda.mutirao` shows how far"), "{}", busy.stderr);
    site.run(&["status", "queda.mutirao"]).expect(0);
}

#[test]
fn a_batch_without_a_name_is_refused() {
    let site = Site::new("");
    site.write("queda.csv", rows(1));
    for name in ["", "  "] {
        let refused = site.run(&["import", "queda.csv", "--batch", name]).expect(2);
        assert!(refused.stderr.contains("a batch needs a name"), "{}", refused.stderr);
    }
    assert_eq!(site.audit().tickets, 0);
}

/// Does something to the outbox that only time or a fault would do.
async fn sql(site: &Site, sql: &str) {
    let path = site.path("queda.mutirao/outbox.db");
    let mut conn = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// As if the answers to these lines had been lost, and look-ups could not tell.
async fn unconfirmed(site: &Site, lines: &str) {
    let state =
        "state = 'unconfirmed', doubt_since = 1, protocolo = NULL, id_atendimento = NULL, finished_at = NULL";
    sql(site, &format!("UPDATE outbox SET {state} WHERE line IN ({lines})")).await;
}

#[tokio::test]
async fn resolve_takes_no_ticket_of_another_row() {
    let site = Site::new("");
    site.write("queda.csv", rows(4));
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(0);
    let results = site.table("queda.mutirao/results.csv");
    let protocolo = |row: usize| results[row]["protocolo"].as_str();
    unconfirmed(&site, "2, 3, 4").await;
    for (typed, said) in [
        ("opened it", "is no protocolo"),
        ("2,02611E+19", "a spreadsheet has rounded it"),
        (protocolo(1), "the ticket is of service 11002, the row of service 11001"),
        (protocolo(3), "the ticket is of service 11004"),
    ] {
        let refused = site.run(&["resolve", "queda:2", "--opened", typed, "--yes"]).expect(2);
        assert!(refused.stderr.contains(said), "{typed}: {}", refused.stderr);
    }
    let unknown = site.run(&["resolve", "queda:2", "--opened", "20200101000000000001"]).expect(2);
    assert!(
        unknown.stderr.contains("shows no ticket") && unknown.stderr.contains("--yes"),
        "{}",
        unknown.stderr
    );
    site.run(&["resolve", "queda:5", "--not-opened"]).expect(2);
    site.run(&["resolve", "queda:2", "queda:3", "--opened", protocolo(0)]).expect(2);
    assert_eq!(states(&site), "4 opened", "the results are of the import: nothing was changed");

    site.run(&["resolve", "queda:2", "--opened", protocolo(0)]).expect(0);
    let after = site.table("queda.mutirao/results.csv");
    assert_eq!(
        (&after[0]["state"], &after[0]["protocolo"]),
        (&"opened".to_owned(), &results[0]["protocolo"])
    );
    assert_eq!(after[0]["id_atendimento"], results[0]["id_atendimento"], "HubSoft was asked");
    let shown = site.run(&["show", "queda:2"]).expect(0);
    assert!(
        shown.stdout.contains("HubSoft shows it"),
        "who said so, and how it was checked: {}",
        shown.stdout
    );

    site.run(&["resolve", "queda", "--state", "unconfirmed", "--not-opened"]).expect(2);
    let many = ["resolve", "queda", "--state", "unconfirmed,in_doubt", "--not-opened", "--yes", "--json"];
    assert_eq!(site.run(&many).expect(0).json()["rows"], 2);
    assert_eq!(states(&site), "2 failed, 2 opened");
}

#[test]
fn a_row_in_doubt_takes_a_persons_word() {
    let site = Site::new("reset_after=1,look_up_failure=1");
    left_in_doubt(&site);
    let protocolo = "20261124000000123456";
    let unchecked = site.run(&["resolve", "queda:2", "--opened", protocolo]).expect(2);
    assert!(unchecked.stderr.contains("not checked"), "{}", unchecked.stderr);
    site.run(&["resolve", "queda:2", "--opened", protocolo, "--yes"]).expect(0);
    assert_eq!(states(&site), "1 opened");
}

#[test]
fn status_lists_what_it_finds_and_who_works_on_it() {
    let site = Site::new("latency=20ms");
    site.write("outra.csv", rows(1));
    site.run(&["import", "outra.csv", "--rate", "unlimited"]).expect(0);
    site.write("queda.csv", rows(60));
    let started = site.start_until(&["import", "queda.csv", "--yes", "--rate", "10/s"], "opening");
    wait_until(&site, |it| 3 <= it.tickets);
    let json = site.run(&["status", "--json"]).expect(0).json();
    let of = |outbox: &str| {
        let all = json["batches"].as_array().unwrap();
        all.iter().find(|it| it["outbox"].as_str().unwrap().contains(outbox)).unwrap().clone()
    };
    assert_eq!(
        (&of("outra")["counts"]["opened"], &of("outra")["pid"]),
        (&1.into(), &serde_json::Value::Null)
    );
    assert_eq!(of("queda")["pid"], started.pid());
    assert!(of("outra")["at_once"].is_null() && of("queda")["at_once"].is_u64(), "{json}");
    assert_eq!(of("queda")["counts"]["in_doubt"], 0, "what a living run has in flight is not in doubt");
    let said = site.run(&["status"]).expect(0).stdout;
    assert!(said.contains("outra.mutirao") && said.contains("queda.mutirao"), "{said}");
    assert!(said.contains(&format!("process {} works on it: ", started.pid())), "{said}");
    assert!(said.contains("10/s at most"), "{said}");
}

#[test]
fn a_row_is_shown_by_its_reference() {
    let site = Site::new("");
    site.write(
        "queda.csv",
        "referencia;".to_owned()
            + &rows(2).replace("\n11001", "\nOS-7;11001").replace("\n11002", "\n9;11002"),
    );
    site.run(&["import", "queda.csv", "--rate", "unlimited"]);
    let row = &site.table("queda.mutirao/results.csv")[0];
    let shown = site.run(&["show", &format!("queda:{}", row["referencia"])]).expect(0);
    assert!(shown.stdout.contains(&row["protocolo"]), "{}", shown.stdout);
    assert!(shown.stdout.contains("marker: [ref "), "by it HubSoft is searched: {}", shown.stdout);
    assert!(site.run(&["show", "queda:9"]).expect(0).stdout.contains("11002"), "there is no line 9");
    site.run(&["show", "queda:OS-8"]).expect(2);
}

/// Every id that a catalogue is known for is compared with it.
#[test]
fn check_online_finds_ids_that_the_tenant_does_not_have() {
    let site = Site::new("");
    let asked: Vec<_> = Field::ALL.into_iter().filter(|field| field.catalogue().is_some()).collect();
    let names: Vec<_> = asked.iter().map(|field| field.name()).collect();
    let row = |id: &str| format!("11001;Sem sinal;Ana;37999112201{}\n", format!(";{id}").repeat(asked.len()));
    let header = format!("{};{}\n", HEADER.trim_end(), names.join(";"));
    site.write("queda.csv", format!("{header}{}{}", row("1"), row("999")));
    let ended = site.run(&["check", "queda.csv", "--online"]).expect(5);
    let told: Vec<_> = ended.stdout.lines().filter(|line| line.contains("(unknown_id)")).collect();
    let expected = names.iter().map(|name| format!("line 3, {name}, found `999`: "));
    assert!(
        told.iter().copied().zip(expected).all(|(told, expected)| told.starts_with(&expected)),
        "{told:?}"
    );
    assert_eq!(told.len(), names.len(), "{told:?}");
}

#[test]
fn doctor_speaks_json() {
    let site = Site::new("");
    let json = site.run(&["doctor", "--json"]).expect(0).json();
    let checks = json["checks"].as_array().unwrap();
    assert!(checks.iter().any(|it| it["name"] == "login" && it["verdict"] == "ok"), "{json}");
    assert_eq!(json["exit_code"], 0);
    let mut denied = site.command(&["doctor", "--json"]);
    let denied = Ended::from(denied.env("HUBSOFT_TOKEN", "wrong").output().unwrap()).expect(4).json();
    assert_eq!(denied["exit_code"], 4, "{denied}");
}

/// Seen: where a password is used the login comes first, and the ids then counted as not verified.
#[test]
fn an_online_check_needs_a_login_that_can_be_reached() {
    let site = Site::new("");
    site.write("queda.csv", rows(1));
    let user = [("CLIENT_ID", "2"), ("CLIENT_SECRET", "s"), ("USERNAME", "u"), ("PASSWORD", "p")];
    let user = user.map(|(name, value)| (format!("HUBSOFT_{name}"), value));
    let mut check = site.command(&["check", "queda.csv", "--set", "id_tipo_atendimento=7", "--online"]);
    check.env_remove("HUBSOFT_TOKEN").env("HUBSOFT_URL", "http://127.0.0.1:9").envs(user);
    let ended = Ended::from(check.output().unwrap()).expect(8);
    assert!(ended.stderr.contains("127.0.0.1:9 cannot be reached: "), "{}", ended.stderr);
}

#[tokio::test]
async fn purge_takes_nothing_that_is_minutes_old_on_a_machine_a_day_ahead() {
    let site = Site::new("");
    site.write("queda.csv", rows(2));
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(0);
    // As if the clock had been right until now, and is a day ahead from here on.
    const DAY_MS: i64 = 24 * 3600 * 1000;
    sql(
        &site,
        &format!(
            "UPDATE outbox SET finished_at = finished_at - {DAY_MS};
             UPDATE meta SET value = json_set(value, '$.wall_ms', (value ->> 'wall_ms') - {DAY_MS}) WHERE key = 'clock'"
        ),
    )
    .await;
    let purge =
        |age| site.run(&["purge", "queda", "--older-than", age, "--json"]).expect(0).json()["rows"].clone();
    assert_eq!(purge("1h"), 0);
    assert_eq!(purge("0s"), 2, "it is the age that protects them");
}

/// Seen: hints named another file, and so did the results.
#[test]
fn a_file_whose_name_is_not_utf_8_is_refused_and_named() {
    let site = Site::new("");
    let name = OsStr::from_bytes(b"queda\xff.csv");
    std::fs::write(site.path("").join(name), rows(1)).unwrap();
    for command in ["import", "check"] {
        let ended: Ended = site.command(&[command]).arg(name).output().unwrap().into();
        let ended = ended.expect(2);
        assert!(ended.stderr.contains("`queda\u{FFFD}.csv` is not UTF-8"), "{}", ended.stderr);
        assert!(ended.stderr.contains("hint: rename"), "{}", ended.stderr);
    }
    assert_eq!(site.audit().tickets, 0);
}
