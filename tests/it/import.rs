//! The whole command against a sandbox: opened, none lost, none twice.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use mutirao::ticket::code::BatchCode;

use crate::support::site::{Ended, Site};

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone;abrir_os\n";

fn rows(n_rows: u32) -> String {
    let mut text = HEADER.to_owned();
    for n in 1..=n_rows {
        writeln!(text, "{};Sem conexão na rua {n};Cliente {n};(37) 99911-{n:04};não", 11_000 + n).unwrap();
    }
    text
}

#[test]
fn a_file_is_opened_once_however_often_it_is_imported() {
    let site = Site::new("");
    site.write("queda.csv", rows(12));
    let first = site.run(&["import", "queda.csv", "--rate", "unlimited", "--json"]).expect(0);
    assert_eq!(first.json()["counts"]["opened"], 12);
    assert_eq!(first.json()["exit_code"], 0);
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(0);

    let audit = site.audit();
    assert_eq!((audit.tickets, audit.duplicates.len()), (12, 0));
    let results = site.table("queda.mutirao/results.csv");
    assert_eq!(results.len(), 12);
    for (n, row) in results.iter().enumerate() {
        assert_eq!(row["line"], (n + 2).to_string(), "in input order");
        assert_eq!(row["state"], "opened");
        assert_eq!(row["protocolo"].len(), 20);
        let (code, name) = BatchCode::of_cell(&row["lote"]).expect("it is ours");
        assert_eq!(name, "queda");
        assert_eq!(BatchCode::of_cell(&row["referencia"]).map(|it| it.0), Some(code));
    }
    for file in ["results.xlsx", "errors.csv", "problems.csv", "report.html", "summary.json"] {
        let mode = fs::metadata(site.path("queda.mutirao").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::metadata(site.path("queda.mutirao")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_was_fixed_in_errors_csv_is_opened_and_nothing_twice() {
    let site = Site::new("");
    let broken = rows(6).replace("(37) 99911-0003", "99911-0003").replace("Cliente 5", "");
    site.write("queda.csv", broken);
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    assert_eq!(site.audit().tickets, 4);
    let problems = site.table("queda.mutirao/problems.csv");
    let codes: Vec<_> =
        problems.iter().map(|it| (it["line"].as_str(), it["column"].as_str(), it["code"].as_str())).collect();
    assert_eq!(codes, [("4", "telefone", "phone_without_ddd"), ("6", "nome", "required")]);

    let errors = site.read("queda.mutirao/errors.csv");
    assert_eq!(errors.lines().count(), 3);
    site.write(
        "queda.mutirao/errors.csv",
        errors.replace(";99911-0003", ";(37) 99911-0003").replace("rua 5;;", "rua 5;Cliente 5;"),
    );
    let fixed = site.run(&["import", "queda.mutirao/errors.csv", "--rate", "unlimited", "--json"]).expect(0);
    assert_eq!(fixed.json()["counts"]["total"], 2, "of the file that was given");
    let audit = site.audit();
    assert_eq!((audit.tickets, audit.duplicates.len()), (6, 0));
    // The results are whole, and nothing is left to be fixed.
    let results = site.table("queda.mutirao/results.csv");
    assert_eq!(results.iter().filter(|it| it["state"] == "opened").count(), 6);
    assert_eq!(site.read("queda.mutirao/errors.csv").lines().count(), 1);
}

/// The natural next command after an interruption; it said that the file was another outage's, and `--new`
/// opened the rest twice.
#[test]
fn the_original_takes_back_nothing_that_was_corrected() {
    let site = Site::new("");
    let header = "id_cliente_servico;descricao;nome;telefone;referencia\n";
    let file =
        format!("{header}30001;a;Ana;999;x1\n30.002;b;Bia;37999112202;x2\n30003;c;Caio;37999112203;x3\n");
    site.write("k.csv", &file);
    let import = |file: &str, more: &[&str]| {
        site.run(&[&["import", file, "--rate", "unlimited", "--json"], more].concat())
    };
    import("k.csv", &["--sample", "9"]);
    let n_before = site.audit().tickets;
    let errors = site.read("k.mutirao/errors.csv");
    site.write("k.mutirao/errors.csv", errors.replace(";999;", ";37999112201;").replace("30.002;", "30002;"));
    import("k.mutirao/errors.csv", &[]).expect(0);
    let tickets = site.audit().tickets;
    assert!(n_before < tickets);
    // As it was, and saved again with other line ends.
    for text in [file.clone(), file.replace('\n', "\r\n")] {
        site.write("k.csv", text);
        assert_eq!(import("k.csv", &[]).expect(0).json()["counts"]["opened"], 3);
        let phones: Vec<_> =
            site.table("k.mutirao/results.csv").iter().map(|it| it["telefone"].clone()).collect();
        assert_eq!(phones, ["37999112201", "37999112202", "37999112203"]);
    }
    assert_eq!(site.audit().tickets, tickets);
}

/// Its description was opened cut off at the semicolon, with the rest of it as the customer's name.
#[test]
fn a_line_that_was_damaged_is_not_opened_from_an_errors_csv_that_leaves_it_so() {
    let site = Site::new("");
    let header = "id_cliente_servico;descricao;nome;telefone\n";
    let damaged = "71001;Sem sinal; luz vermelha;Ana;37999112201\n";
    site.write("queda.csv", format!("{header}{damaged}71002;Sem sinal;Bia;999\n"));
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    let errors = site.read("queda.mutirao/errors.csv").replace("Bia;999", "Bia;37999112202");
    site.write("queda.mutirao/errors.csv", errors);
    let fixed = site.run(&["import", "queda.mutirao/errors.csv", "--rate", "unlimited", "--json"]).expect(3);
    let counts = &fixed.json()["counts"];
    assert_eq!((&counts["opened"], &counts["invalid"]), (&1.into(), &1.into()), "{counts}");
    let left = site.table("queda.mutirao/errors.csv");
    assert_eq!((left.len(), left[0]["error_code"].as_str()), (1, "too_many_fields"));
    assert_eq!(site.table("queda.mutirao/problems.csv")[0]["code"], "too_many_fields");
}

#[test]
fn the_same_rows_as_excel_saves_them_give_the_same_form_back() {
    let site = Site::new("");
    let text = rows(2).replace('\n', "\r\n");
    site.write("excel.csv", encoding_rs::WINDOWS_1252.encode(&text).0);
    site.run(&["import", "excel.csv", "--rate", "unlimited"]).expect(0);
    let results = fs::read(site.path("excel.mutirao/results.csv")).unwrap();
    assert!(results.windows(7).any(|it| it == b"conex\xE3o"), "Windows-1252");
    assert!(results.ends_with(b"\r\n"));
}

#[test]
fn many_real_tickets_are_not_opened_without_a_word() {
    let site = Site::new("");
    site.write("queda.csv", rows(21));
    let asked = site.run(&["import", "queda.csv"]).expect(2);
    assert!(asked.stderr.contains("21 real tickets at 127.0.0.1"), "{}", asked.stderr);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(site.audit().tickets, 0);
    site.run(&["import", "queda.csv", "--rate", "unlimited", "--yes"]).expect(0);
}

/// Plans have a number too, and it stood in the column `Serviço`: one customer's line had a ticket for each
/// row.
#[test]
fn a_guessed_column_with_one_number_for_several_customers_is_asked_about() {
    let site = Site::new("");
    let table = "servico;nome;telefone;descricao\n300;Ana;37999112201;a\n300;Bia;37999112202;b\n";
    site.write("queda.csv", table);
    let asked = site.run(&["import", "queda.csv"]).expect(2);
    assert!(asked.stderr.contains("is it a plan's?: is that right?"), "{}", asked.stderr);
    assert_eq!(site.audit().tickets, 0);
    let checked = site.run(&["check", "queda.csv"]).expect(0);
    assert!(checked.stderr.contains("1 row has the number of another customer"), "{}", checked.stderr);
    // A name that says it, or a person who does.
    site.run(&["import", "queda.csv", "--map", "servico=id_cliente_servico", "--rate", "unlimited"])
        .expect(0);
    assert_eq!(site.audit().tickets, 2);
}

#[test]
fn strict_and_dry_run_send_nothing() {
    let site = Site::new("");
    site.write("queda.csv", rows(3).replace("Cliente 2", ""));
    let told = site.run(&["import", "queda.csv", "--dry-run"]).expect(5);
    assert!(told.stderr.contains("not to be opened: line 3, nome: the cell is blank"), "{}", told.stderr);
    assert!(!site.path("queda.mutirao").exists(), "a dry run leaves nothing behind");
    site.run(&["import", "queda.csv", "--strict"]).expect(5);
    assert_eq!(site.audit().tickets, 0);
    assert_eq!(site.table("queda.mutirao/results.csv").len(), 3);

    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    let refused = site.run(&["import", "queda.csv", "--strict"]).expect(5);
    let truth = "1 invalid row, and --strict: this run sent nothing, 2 rows were opened before";
    assert!(refused.stderr.contains(truth), "{}", refused.stderr);
}

#[test]
fn a_sample_is_opened_first_and_the_rest_later() {
    let site = Site::new("");
    site.write("queda.csv", rows(9));
    site.run(&["import", "queda.csv", "--rate", "unlimited", "--sample", "2"]).expect(0);
    assert_eq!(site.audit().tickets, 2);
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(0);
    let audit = site.audit();
    assert_eq!((audit.tickets, audit.duplicates.len()), (9, 0));
}

#[test]
fn standard_input_needs_a_name_and_a_folder() {
    let site = Site::new("");
    for name in ["-", "/dev/stdin", "/dev/fd/0"] {
        let asked = site.run_with(&["import", name], rows(2).as_bytes()).expect(2);
        assert!(asked.stderr.contains("standard input"), "{}", asked.stderr);
    }
    let args = ["import", "-", "--batch", "queda", "-o", "out", "--rate", "unlimited"];
    site.run_with(&args, rows(2).as_bytes()).expect(0);
    assert_eq!(site.table("out/results.csv").len(), 2);
}

#[test]
fn a_stop_is_clean_and_the_same_command_goes_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let site = Site::new("latency=20ms");
        site.write("queda.csv", rows(60));
        let args = ["import", "queda.csv", "--yes", "--rate", "20/s"];
        let started = site.start_until(&args, "opening");
        // While it runs nobody else works on the file, but everybody may look on.
        site.run(&args).expect(9);
        site.run(&["status", "queda"]).expect(0);
        assert_eq!(started.end_by(signal), Some(code));
        let results = site.table("queda.mutirao/results.csv");
        assert_eq!(results.len(), 60, "complete also after an interruption");
        assert!(
            results.iter().all(|it| ["opened", "pending"].contains(&it["state"].as_str())),
            "nothing in doubt"
        );
        site.run(&["import", "queda.csv", "--yes", "--rate", "unlimited"]).expect(0);
        let audit = site.audit();
        assert_eq!((audit.tickets, audit.duplicates.len()), (60, 0));
    }
}

#[test]
fn a_summary_counts_logins_and_no_request_without_an_answer_for_them() {
    let site = Site::new("");
    site.write("queda.csv", rows(3));
    let ended = site.run(&["import", "queda.csv", "--sandbox", "--rate", "unlimited", "--json"]).expect(0);
    let api = &ended.json()["api"];
    assert_eq!((&api["posts"], &api["logins"]), (&3.into(), &1.into()), "{api}");
    assert_eq!(api["by_status"], serde_json::json!({"200": 3}), "{api}");
}

/// Seen: a closed ssh session ended a run at once, without results.
#[test]
fn a_terminal_that_is_closed_stops_as_a_kill_does() {
    let site = Site::new("latency=20ms");
    site.write("queda.csv", rows(60));
    let started = site.start_until(&["import", "queda.csv", "--yes", "--rate", "20/s"], "opening");
    assert_eq!(started.end_by(Signal::HUP), Some(143));
    assert_eq!(site.table("queda.mutirao/results.csv").len(), 60);
}

#[test]
fn under_nohup_a_closed_terminal_stops_nothing() {
    let site = Site::new("latency=20ms");
    site.write("queda.csv", rows(30));
    let import = site.command(&["import", "queda.csv", "--yes", "--rate", "20/s"]);
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(import.get_program()).args(import.get_args());
    nohup.current_dir(site.path("")).env_clear().stdin(Stdio::null());
    nohup.envs(import.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let started = Site::start(nohup, "opening");
    assert_eq!(started.end_by(Signal::HUP), Some(0));
    assert_eq!(site.audit().tickets, 30);
}

/// Seen: a terminal that tells a script and its child, and a script that passes it on, ended a run at once.
#[test]
fn two_signals_at_once_are_one() {
    let site = Site::new("latency=500ms");
    site.write("queda.csv", rows(20));
    let started = site.start_until(&["import", "queda.csv", "--rate", "20/s"], "opening");
    started.send(Signal::TERM);
    let code = started.end_by(Signal::INT);
    assert!([Some(130), Some(143)].contains(&code), "{code:?}");
    let results = site.table("queda.mutirao/results.csv");
    assert!(
        results.iter().all(|it| ["opened", "pending"].contains(&it["state"].as_str())),
        "it stopped cleanly"
    );
    assert_eq!(results.len(), 20);
}

/// A stop would wait for the answer.
#[test]
fn a_signal_that_comes_later_ends_it_at_once() {
    let site = Site::new("hang=1");
    site.write("queda.csv", rows(3));
    let mut started = site.start_until(&["import", "queda.csv", "--rate", "unlimited"], "opening");
    while site.audit().requests_of("post") == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let code = loop {
        if let Some(code) = started.ended() {
            break code;
        }
        started.send(Signal::INT);
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert_eq!(code, Some(130));
    assert!(!site.path("queda.mutirao/results.csv").exists());
}

#[test]
fn an_outbox_that_is_not_there_is_named() {
    let site = Site::new("");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://nobody@127.0.0.1:{port}/outbox?sslmode=disable");
    let ended = site.run_at(&url, &["worker", "--until-empty"]).expect(8);
    assert!(ended.stderr.contains(&format!("no connection to 127.0.0.1:{port}")), "{}", ended.stderr);
}

#[test]
fn a_lost_answer_is_looked_up_and_adopted() {
    let site = Site::new("seed=3,reset_after=0.3");
    site.write("queda.csv", rows(20));
    site.run(&["import", "queda.csv", "--rate", "unlimited", "--settle-delay", "1s"]).expect(0);
    let audit = site.audit();
    assert_eq!((audit.tickets, audit.duplicates.len()), (20, 0));
    let shown = site.run(&["show", "queda:3"]).expect(0);
    assert!(shown.stdout.contains("state: opened"), "{}", shown.stdout);
}

/// Less than the operator allows, and whoever refuses tells it in its own way, or only takes longer.
#[test]
fn a_limit_is_met_seldom_and_nothing_is_lost_by_it() {
    std::thread::scope(|scope| {
        for refusal in ["body", "header", "html", "delay"] {
            scope.spawn(move || {
                let site = Site::new(&format!("rate=50,burst=20,retry_after=1,refusal={refusal}"));
                site.write("queda.csv", rows(300));
                let ended = site.run(&["import", "queda.csv", "--rate", "100/s", "--yes", "--json"]);
                let told = ended.expect(0).json();
                let audit = site.audit();
                assert_eq!(
                    (audit.tickets, audit.markers, audit.duplicates.len()),
                    (300, 300, 0),
                    "{refusal}"
                );
                assert_eq!((&told["counts"]["opened"], &told["api"]["lookups"]), (&300.into(), &0.into()));
                // What is under way when one is refused may be refused, too.
                let n_refused = audit.answers.get(&429).copied().unwrap_or_default();
                assert_eq!(n_refused == 0, refusal == "delay", "{refusal}: {n_refused}");
                assert!(n_refused <= 30, "{refusal}: {n_refused} of 300 were refused");
                let pauses = told["pace"]["pauses"].as_array().expect("pauses");
                assert_eq!(pauses.is_empty(), refusal == "delay", "{refusal}: {pauses:?}");
            });
        }
    });
}

#[test]
fn bad_files_are_refused_with_words_and_nothing_is_sent() {
    let site = Site::new("");
    site.write("empty.csv", "");
    site.write("binary.csv", [0x7F, b'E', b'L', b'F', 0, 1, 2, 0, 0, 0, 200]);
    site.write("header.csv", HEADER);
    site.write("wrong.csv", "codigo_cliente;descricao;nome;telefone\n1;a;b;c\n");
    fs::create_dir(site.path("folder.csv")).unwrap();
    for file in ["empty.csv", "binary.csv", "header.csv", "wrong.csv", "folder.csv", "missing.csv"] {
        for command in ["check", "import"] {
            let ended = site.run(&[command, file]).expect(5);
            assert!(
                ended.stderr.contains("error:") && ended.stderr.contains("hint:"),
                "{file}: {}",
                ended.stderr
            );
            assert!(!ended.stderr.contains("panic"), "{file}: {}", ended.stderr);
        }
    }
    assert_eq!(site.audit().tickets, 0);
}

#[test]
fn odd_rows_are_told_and_the_others_opened() {
    let site = Site::new("");
    let long = "x".repeat(10 << 20);
    let text = format!(
        "{}11900;{long};Ana;37999110000;não\n11901;a;Ana;37999110000;não;too;many\n11902;a\0b;Ana;37999110000;não\n",
        rows(1)
    );
    site.write("odd.csv", text);
    site.run(&["import", "odd.csv", "--rate", "unlimited"]).expect(3);
    let lines: Vec<_> = site.table("odd.mutirao/problems.csv").iter().map(|it| it["line"].clone()).collect();
    assert_eq!(lines, ["3", "4", "5"]);
    assert_eq!(site.audit().tickets, 1);
}

#[test]
fn a_refused_login_and_wrong_settings_send_nothing() {
    let site = Site::new("");
    site.write("queda.csv", rows(2));
    let mut command = site.command(&["import", "queda.csv"]);
    command.env("HUBSOFT_TOKEN", "wrong-and-secret");
    let denied = Ended::from(command.output().unwrap()).expect(4);
    assert!(!denied.stderr.contains("wrong-and-secret"), "{}", denied.stderr);

    site.write("mutirao.toml", "rat = \"5/s\"\n");
    let wrong = site.run(&["import", "queda.csv"]).expect(2);
    assert!(wrong.stderr.contains("mutirao.toml") && wrong.stderr.contains("`rat`"), "{}", wrong.stderr);
    assert_eq!(site.audit().tickets, 0);
}

#[test]
fn an_unconfirmed_row_takes_a_persons_word() {
    // Every look-up fails, so the lost answers stay lost.
    let site = Site::new("seed=1,reset_before=1,look_up_failure=1");
    site.write("queda.csv", rows(1));
    let started = site.start_until(&["import", "queda.csv", "--rate", "unlimited", "-v"], "opening");
    assert_eq!(started.end_by(Signal::INT), Some(130));
    site.run(&["resolve", "queda:2", "--opened", "20261124000000123456"]).expect(2);
    site.run(&["cancel", "queda"]).expect(0);
    site.run(&["status", "queda", "--json"]).expect(0);
}

/// Debian's `nobody` and `nogroup`: what root becomes where it could do anything.
const NOBODY: u32 = 65534;

#[test]
fn what_may_not_be_read_or_written_is_told() {
    let site = Site::new("");
    site.write("queda.csv", rows(2));
    site.write("secret.csv", rows(2));
    fs::create_dir(site.path("shut")).unwrap();
    fs::create_dir(site.path("etc")).unwrap();
    fs::create_dir(site.path("etc/mutirao")).unwrap();
    site.write("etc/mutirao/mutirao.toml", "rate = \"1/s\"\n");
    let mode = |name: &str, mode| fs::set_permissions(site.path(name), Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("secret.csv", 0o000);
    mode("shut", 0o555);
    mode("etc/mutirao", 0o000);
    let run = |args: &[&str], config: &str| {
        let mut command = site.command(args);
        command.env("XDG_CONFIG_HOME", site.path(config));
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ended::from(command.output().unwrap())
    };
    for command in ["check", "import"] {
        let ended = run(&[command, "secret.csv"], "").expect(5);
        assert!(ended.stderr.contains("secret.csv"), "{}", ended.stderr);
        assert!(ended.stderr.contains("ermission denied"), "{}", ended.stderr);
    }
    for folder in ["shut/out", "shut"] {
        let ended = run(&["import", "queda.csv", "-o", folder], "").expect(2);
        let said = format!("cannot write to the folder `{folder}`");
        assert!(ended.stderr.contains(&said) && ended.stderr.contains("-o DIR"), "{}", ended.stderr);
    }
    // Not as if there were no settings.
    let ended = run(&["check", "queda.csv"], "etc").expect(2);
    assert!(ended.stderr.contains("etc/mutirao/mutirao.toml"), "{}", ended.stderr);
    assert_eq!(site.audit().tickets, 0);
    mode("etc/mutirao", 0o700);
}

#[test]
fn what_was_opened_is_not_shown_as_a_later_edit_has_it() {
    let site = Site::new("");
    let sheet = |os: &str, phone: &str| {
        format!(
            "id_cliente_servico;descricao;nome;telefone;abrir_os\n11001;Sem luz;Ana;(37) 99911-0001;{os}\n\
             11002;Sem luz;Bia;{phone};sim\n"
        )
    };
    site.write("queda.csv", sheet("não", "1"));
    site.run(&["import", "queda.csv"]).expect(3);
    // Without the column `abrir_os`: Bia's visit was lost.
    let errors = site.read("queda.mutirao/errors.csv");
    let cut: String = errors
        .lines()
        .map(|line| {
            let cells: Vec<_> = line.split(';').collect();
            [&cells[..4], &cells[5..]].concat().join(";").replace(";1;", ";(37) 99911-0002;") + "\n"
        })
        .collect();
    site.write("queda.mutirao/errors.csv", cut);
    site.run(&["import", "queda.mutirao/errors.csv"]).expect(0);
    let bia = &site.table("queda.mutirao/results.csv")[1];
    assert_eq!(
        (&*bia["state"], &*bia["abrir_os"], bia["ids_ordem_servico"].is_empty()),
        ("opened", "sim", false)
    );

    site.write("queda.csv", sheet("sim", "(37) 99911-0002"));
    let ended = site.run(&["import", "queda.csv", "--continue"]).expect(0);
    assert!(ended.stderr.contains("of which the file says something else now"), "{}", ended.stderr);
    let ana = &site.table("queda.mutirao/results.csv")[0];
    assert_eq!((&*ana["abrir_os"], &*ana["ids_ordem_servico"]), ("não", ""), "what was sent");
    assert_eq!(ana["warning"], "the file says something else now, in `abrir_os`");
}

/// `-o DIR` alone was the advice, and a folder that knows nothing opens all again.
#[test]
fn an_outbox_in_a_folder_that_may_not_be_written_to_is_to_be_taken_along() {
    let site = Site::new("");
    site.write("queda.csv", rows(2));
    let mode = |name: &str, mode| fs::set_permissions(site.path(name), Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(site.path(""), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let run = |args: &[&str]| {
        let mut command = site.command(args);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ended::from(command.output().unwrap())
    };
    run(&["import", "queda.csv"]).expect(0);
    mode("queda.mutirao", 0o555);
    let ended = run(&["import", "queda.csv"]).expect(2);
    assert!(ended.stderr.contains("cp -a") && ended.stderr.contains("queda.mutirao"), "{}", ended.stderr);
    mode("queda.mutirao", 0o755);
    fs::rename(site.path("queda.mutirao"), site.path("copia")).unwrap();
    mode("copia", 0o700);
    run(&["import", "queda.csv", "-o", "copia"]).expect(0);
    assert_eq!(site.audit().tickets, 2);
}
