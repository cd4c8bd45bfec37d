//! `--find-service`: rows that name a customer, and get his only active service, with the real binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::support::postgres::Database;
use crate::support::site::{Ended, Site};

const HEADER: &str = "Código cliente;Cliente;Telefone;Problema;CPF/CNPJ\n";

/// Of these one can be opened by its code, one by its name too, and one by its CPF.
const ROWS: &str = "\
    11001;Ana Souza;37999112200;Sem sinal;\n\
    11095;GONCALVES, Jose Conceicao;37999112201;Sem sinal;\n\
    11195;Maria Lima;37999112202;Sem sinal;\n\
    11096;Ana;37999112203;Sem sinal;\n\
    11097;Ana;37999112204;Sem sinal;\n\
    11098;Ana;37999112205;Sem sinal;\n\
    11099;Ana;37999112206;Sem sinal;\n\
    ;Ana;37999112207;Sem sinal;529.982.247-25\n\
    ;Ana;37999112208;Sem sinal;529.982.247-26\n\
    11003;Ana;999;Sem sinal;\n\
    4000000000;Ana;37999112209;Sem sinal;\n";

fn site(options: &str) -> Site {
    let site = Site::new(options);
    site.write("queda.csv", format!("{HEADER}{ROWS}"));
    site
}

/// What a person reads of it, without what differs from run to run.
fn said(site: &Site, lang: &str, args: &[&str]) -> (Option<i32>, String) {
    let output = site.command(args).env("LANG", lang).env("TZ", "UTC").output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(all).unwrap().replace(&site.host(), "[host]");
    (output.status.code(), text)
}

#[test]
fn a_check_tells_of_each_customer_why_there_is_no_service() {
    let site = site("");
    let (code, english) = said(&site, "C", &["check", "queda.csv", "--find-service"]);
    assert_eq!(code, Some(5), "{english}");
    insta::assert_snapshot!("check", english);
    let (code, portuguese) = said(&site, "pt_BR.UTF-8", &["check", "queda.csv", "--find-service"]);
    assert_eq!(code, Some(5), "{portuguese}");
    insta::assert_snapshot!("check_in_portuguese", portuguese);
    // Each customer once a check, and none whose row cannot be opened anyway.
    assert_eq!(site.audit().requests_of("customer"), 2 * 9);
    assert_eq!(site.audit().requests_of("post"), 0);
    let (_, refused) = said(&site, "C", &["check", "queda.csv"]);
    assert!(refused.contains("`--find-service` looks up"), "{refused}");
}

#[test]
fn an_import_opens_what_was_found_and_is_the_same_the_next_time() {
    let site = site("");
    let import = ["import", "queda.csv", "--find-service", "--rate", "unlimited"];
    let (code, first) = said(&site, "pt_BR.UTF-8", &import);
    assert_eq!(code, Some(3), "{first}");
    assert!(first.contains("serviços encontrados: 5 de 9 clientes"), "{first}");
    let rows = site.table("queda.mutirao/results.csv");
    let states: Vec<_> = rows.iter().map(|row| format!("{} {}", row["line"], row["state"])).collect();
    let expected = [
        "2 opened",
        "3 opened",
        "4 invalid",
        "5 invalid",
        "6 invalid",
        "7 invalid",
        "8 opened",
        "9 opened",
        "10 invalid",
        "11 invalid",
        "12 invalid",
    ];
    assert_eq!(states, expected);
    assert_eq!(site.audit().requests_of("post"), 4);
    let kept = site.path("queda.mutirao/services.jsonl");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);

    // Once more: what was found is not looked up again, what was not is; nothing is opened twice.
    let n_asked = site.audit().requests_of("customer");
    let again = site.run(&import).expect(3);
    assert_eq!(site.audit().requests_of("customer") - n_asked, 4, "{}", again.stderr);
    assert_eq!(site.audit().requests_of("post"), 4, "{}", again.stderr);

    // Without what was kept, too: who the row is does not hang on what is found.
    fs::remove_file(&kept).unwrap();
    let again = site.run(&import).expect(3);
    assert_eq!(site.audit().requests_of("post"), 4, "{}", again.stderr);

    // What a person writes into errors.csv is believed.
    let errors = site.read("queda.mutirao/errors.csv");
    let mut lines = errors.lines();
    let header = format!("{};id_cliente_servico", lines.next().unwrap());
    let line = lines.find(|line| line.contains("11098")).unwrap();
    site.write("corrigido.csv", format!("{header}\n{line};500011098\n"));
    site.run(&["import", "corrigido.csv", "--find-service", "--rate", "unlimited"]).expect(0);
    assert_eq!(site.audit().requests_of("post"), 5);
    assert_eq!(site.audit().tickets, 5);

    site.run(&["purge", "queda", "--older-than", "0s"]).expect(0);
    assert!(!kept.exists());
}

#[test]
fn a_dry_run_looks_up_and_leaves_nothing_behind() {
    let site = site("");
    let (code, told) = said(&site, "pt_BR.UTF-8", &["import", "queda.csv", "--find-service", "--dry-run"]);
    assert_eq!(code, Some(5), "{told}");
    insta::assert_snapshot!("dry_run_in_portuguese", told);
    assert_eq!(site.audit().requests_of("customer"), 9);
    assert_eq!(site.audit().requests_of("post"), 0);
    assert!(!site.path("queda.mutirao").exists());
}

#[test]
fn what_is_enqueued_has_its_service_and_is_the_same_the_next_time() {
    let site = site("");
    let url = format!("sqlite:{}", site.path("fila.db").display());
    let enqueued = site.run_at(&url, &["enqueue", "queda.csv", "--find-service"]).expect(3);
    assert!(enqueued.stderr.contains("services found: 5 of 9 customers"), "{}", enqueued.stderr);
    site.run_at(&url, &["worker", "--until-empty", "--rate", "unlimited"]).expect(0);
    assert_eq!(site.audit().requests_of("post"), 4);

    let again = site.run_at(&url, &["enqueue", "queda.csv", "--find-service", "--continue"]).expect(3);
    site.run_at(&url, &["worker", "--until-empty", "--rate", "unlimited"]).expect(0);
    assert_eq!(site.audit().requests_of("post"), 4, "{}", again.stderr);
}

#[test]
fn a_row_that_names_its_service_is_not_looked_up() {
    let site = Site::new("");
    let header = "id_cliente_servico;codigo_cliente;nome;telefone;descricao";
    let row = |service, customer| format!("{service};{customer};Ana;37999112200;Sem sinal");
    site.write("queda.csv", format!("{header}\n{}\n{}\n", row("7", "11098"), row("", "11001")));
    site.run(&["import", "queda.csv", "--find-service", "--rate", "unlimited"]).expect(0);
    assert_eq!(site.audit().requests_of("customer"), 1);
    let rows = site.table("queda.mutirao/results.csv");
    assert!(rows.iter().all(|row| row["state"] == "opened"), "{rows:?}");

    // Without it, what has no service is invalid as it was.
    let ended = site.run(&["check", "queda.csv"]).expect(5);
    assert!(ended.stdout.contains("line 3, id_cliente_servico: the cell is blank"), "{}", ended.stdout);
}

#[test]
fn who_does_not_answer_has_not_found_none() {
    let site = site("look_up_failure=1");
    let ended = site.run(&["import", "queda.csv", "--find-service", "--max-attempts", "1"]).expect(8);
    let said = "0 of 9 customers were looked up, then no more: HubSoft could not be reached";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(ended.stderr.contains("only the others are looked up"), "{}", ended.stderr);
    assert_eq!(site.audit().requests_of("post"), 0);
    assert!(!site.path("queda.mutirao/outbox.db").exists());
    assert!(!ended.stderr.contains("52998224725"), "{}", ended.stderr);
}

#[test]
fn some_that_do_not_answer_are_asked_again() {
    let site = site("look_up_failure=0.3,seed=3");
    // One at a time, so that the sandbox draws the same each time: five failures in a row give a customer up.
    let args = ["import", "queda.csv", "--find-service", "--rate", "unlimited", "--concurrency", "1"];
    let ended = site.run(&args).expect(3);
    assert!(ended.stderr.contains("services found: 5 of 9 customers"), "{}", ended.stderr);
    assert!(9 < site.audit().requests_of("customer"));
}

#[test]
fn a_document_of_a_customer_is_in_no_log() {
    let site = site("");
    let args =
        ["-vv", "--log-format", "json", "import", "queda.csv", "--find-service", "--rate", "unlimited"];
    let ended = site.run(&args).expect(3);
    for private in ["52998224725", "529.982.247", "Souza", "GONCALVES"] {
        assert!(!ended.stderr.contains(private), "{private}: {}", ended.stderr);
    }
}

/// A file of customers with these numbers.
fn customers(numbers: impl IntoIterator<Item = i64>) -> String {
    let row = |number| format!("{number};Ana;37999112200;Sem sinal {number};\n");
    [HEADER.to_owned()].into_iter().chain(numbers.into_iter().map(row)).collect()
}

/// Seen: one customer that HubSoft refused to show stopped the import, and was not named.
#[test]
fn a_customer_that_hubsoft_does_not_show_is_a_problem_of_his_rows() {
    let site = Site::new("");
    site.write("queda.csv", customers([11001, 11092, 11093, 11094, 11094]));
    let import = ["import", "queda.csv", "--find-service", "--rate", "unlimited", "--max-attempts", "2"];
    // HubSoft fails over the second, and works otherwise.
    let ended = site.run(&[&import[..], &["--json"]].concat()).expect(3);
    assert!(ended.stderr.contains("HubSoft did not show 3 customers"), "{}", ended.stderr);
    let rows = site.table("queda.mutirao/results.csv");
    let became: Vec<_> = rows.iter().map(|row| format!("{} {}", row["state"], row["error_code"])).collect();
    let (failed, unreadable) = ("invalid customer_refused", "invalid customer_unreadable");
    assert_eq!(became, ["opened ", failed, unreadable, failed, failed]);
    let found: Vec<_> =
        site.table("queda.mutirao/problems.csv").iter().map(|row| row["value"].clone()).collect();
    let refused = "11094: Cliente bloqueado para consulta";
    assert_eq!(found, ["11092: http_500", "11093", refused, refused]);
    let told = serde_json::json!({
        "total": 4, "asked": 4, "from_earlier": 0, "found": 1, "several": 0, "none": 0, "unknown": 0, "refused": 3,
    });
    assert_eq!(ended.json()["customers"], told);

    let mut check = site.command(&["check", "queda.csv", "--find-service"]);
    let output = check.env("LANG", "pt_BR.UTF-8").env("MUTIRAO_MAX_ATTEMPTS", "2").output().unwrap();
    let portuguese = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    insta::assert_snapshot!("not_shown_in_portuguese", portuguese.replace(&site.host(), "[host]"));
}

#[test]
fn what_hubsoft_says_of_all_customers_alike_is_wrong_with_none_of_them() {
    let site = Site::new("");
    let all = [11001].into_iter().chain((1..=25).map(|n| 100 * n + 94)).chain([11002]);
    site.write("queda.csv", customers(all));
    let import = ["import", "queda.csv", "--find-service", "--rate", "unlimited", "--concurrency", "1"];
    let (code, english) = said(&site, "C", &import);
    assert_eq!(code, Some(6), "{english}");
    insta::assert_snapshot!("all_alike", english);
    assert_eq!(site.audit().requests_of("customer"), 21);
    assert!(!site.path("queda.mutirao/outbox.db").exists());

    // Who was found is not looked up again.
    site.run(&import).expect(6);
    assert_eq!(site.audit().requests_of("customer"), 21 + 20);
    assert_eq!(site.audit().requests_of("post"), 0);
}

#[test]
fn who_may_not_look_up_is_told_how_far_it_came() {
    let site = site("");
    let output = site.command(&["check", "queda.csv", "--find-service"]).env("HUBSOFT_TOKEN", "x").output();
    let ended = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(ended.contains("0 of 9 customers were looked up, then no more: HubSoft refused"), "{ended}");
    assert!(ended.contains("then run the same command again: nothing was opened"), "{ended}");
}

/// Customers looked up by what `act` does.
fn looked_up(site: &Site, act: impl FnOnce()) -> u64 {
    let before = site.audit().requests_of("customer");
    act();
    site.audit().requests_of("customer") - before
}

const KEPT: &str = "queda.mutirao/services.jsonl";

#[test]
fn what_was_found_holds_as_long_as_an_outage() {
    let site = site("");
    let import = ["import", "queda.csv", "--find-service", "--rate", "unlimited"];
    site.run(&import).expect(3);
    let kept = site.read(KEPT);
    let aged = |hours: i64| {
        let of_line = |line: &str| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            let at: jiff::Timestamp = line["at"].as_str().unwrap().parse().unwrap();
            line["at"] = (at - jiff::SignedDuration::from_hours(hours)).to_string().into();
            format!("{line}\n")
        };
        site.write(KEPT, kept.lines().filter(|line| !line.is_empty()).map(of_line).collect::<String>());
    };
    for (hours, n) in [(11, 4), (13, 9), (-1, 9)] {
        aged(hours);
        assert_eq!(looked_up(&site, || drop(site.run(&import).expect(3))), n, "{hours} h ago");
        assert_eq!(looked_up(&site, || drop(site.run(&import).expect(3))), 4, "found anew");
    }
    assert_eq!(site.audit().requests_of("post"), 4);
}

#[test]
fn an_order_made_anew_looks_up_anew_and_one_that_goes_on_does_not() {
    let site = site("");
    let import = |more: &[&str]| {
        let args = [&["import", "queda.csv", "--find-service", "--rate", "unlimited"], more].concat();
        looked_up(&site, || drop(site.run(&args)))
    };
    assert_eq!(import(&["--sample", "1"]), 9);
    assert_eq!(site.audit().requests_of("post"), 1);
    // It is not through: the same order goes on, also in a rehearsal.
    assert_eq!(import(&["--again", "--dry-run"]), 4);
    assert_eq!(import(&["--again"]), 4);
    assert_eq!(site.audit().requests_of("post"), 4);
    // It is: another one begins.
    assert_eq!(import(&["--again", "--dry-run"]), 9);
    assert_eq!(import(&["--again"]), 9);
    assert_eq!(site.audit().requests_of("post"), 8);
}

#[tokio::test]
async fn beside_workers_look_ups_take_a_fifth_of_the_pace_and_stop_with_them() {
    let (site, database) = (site(""), Database::fresh().await);
    let url = database.url();
    let enqueue = ["enqueue", "queda.csv", "--find-service", "--batch", "queda"];
    let command = || {
        let mut command = site.command(&enqueue);
        command.env("DATABASE_URL", &url).env("MUTIRAO_RATE", "200/s");
        command
    };
    let alone = Ended::from(command().output().unwrap()).expect(3);
    assert!(alone.stderr.contains("200/s at most"), "{}", alone.stderr);
    let mut worker = site.command(&["worker", "--rate", "100/s"]);
    worker.env("DATABASE_URL", &url);
    let worker = Site::start(worker, "working for");
    let mut conn = database.connect().await;
    let n_workers = "SELECT count(*) FROM mutirao.worker";
    while sqlx::query_scalar::<_, i64>(n_workers).fetch_one(&mut conn).await.unwrap() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let beside = Ended::from(command().output().unwrap()).expect(3);
    assert!(beside.stderr.contains("20/s at most"), "{}", beside.stderr);

    site.run_at(&url, &["pause", "--reason", "manutenção"]).expect(0);
    let stopped = Ended::from(command().output().unwrap()).expect(6);
    let said =
        "0 of 9 customers were looked up, then no more: all workers of this outbox are stopped: manutenção";
    assert!(stopped.stderr.contains(said), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("resume` lets all go on; then run the same"), "{}", stopped.stderr);
    worker.end_by(Signal::TERM);
}

/// Seen: the row was refused as another customer's (`reused_reference`), because another service was found.
#[test]
fn a_row_that_was_opened_stays_so_when_its_customer_has_another_service() {
    let site = Site::new("");
    let header = "referencia;codigo_cliente;nome;telefone;descricao";
    let row = |referencia, number| format!("{referencia};{number};Ana;37999112200;Sem sinal {number}\n");
    site.write("queda.csv", format!("{header}\n{}{}", row("A", 11001), row("", 11002)));
    let import = ["import", "queda.csv", "--find-service", "--rate", "unlimited"];
    site.run(&import).expect(0);
    // As HubSoft would show it after a move.
    let moved = site.read(KEPT).replace(":11001,", ":511001,").replace(":11002,", ":511002,");
    site.write(KEPT, &moved);
    let again = site.run(&import).expect(0);
    assert!(!again.stderr.contains("says something else"), "{}", again.stderr);
    let rows = site.table("queda.mutirao/results.csv");
    assert!(rows.iter().all(|row| row["state"] == "opened" && row["warning"].is_empty()), "{rows:?}");
    assert_eq!(site.audit().requests_of("post"), 2);
    assert!(moved.contains("511001") && moved.contains("511002"), "{moved}");
}

#[test]
fn a_kill_in_the_midst_of_look_ups_and_after_them_opens_nothing_twice() {
    let site = Site::new("latency=5ms");
    let n = 700;
    site.write("queda.csv", customers((1..=n).map(|n| 100 * n + 1)));
    let slow = ["import", "queda.csv", "--find-service", "--rate", "unlimited", "--concurrency", "1"];
    let running = site.start_until(&slow, "500 of 700 looked up");
    running.end_by(Signal::KILL);
    let n_asked = site.audit().requests_of("customer");
    assert!(n_asked < 700, "{n_asked}");
    // A crash of the machine tears what was written last.
    let kept = site.read(KEPT);
    site.write(KEPT, &kept[..kept.len() - 9]);
    let is_whole = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    let n_kept = kept[..kept.len() - 9].lines().filter(is_whole).count() as u64;
    assert!((499..700).contains(&n_kept), "{n_kept}");

    let import = &slow[..5];
    let running = site.start_until(import, "services found: 700 of 700 customers");
    running.end_by(Signal::KILL);
    assert_eq!(site.audit().requests_of("customer") - n_asked, 700 - n_kept);
    assert_eq!(site.audit().requests_of("post"), 0, "it was killed before rows were taken in");

    let last = looked_up(&site, || drop(site.run(&[import, &["--yes"]].concat()).expect(0)));
    assert_eq!(last, 0, "all were found");
    assert_eq!(site.audit().requests_of("post"), 700);
    assert_eq!(site.audit().tickets, 700);
}
