//! Who is told elsewhere how a run went, with the real binary: a program, and a web hook.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use serde_json::Value;

use crate::support::site::Site;

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone;id_tipo_atendimento\n";

/// Opened, refused by HubSoft, invalid.
const ROWS: &str = "11001;Sem sinal na rua;Maria Aparecida;37999112201;\n\
                    11002;Sem sinal na rua;Maria Aparecida;37999112202;101\n\
                    11003;Sem sinal na rua;Maria Aparecida;1;\n";

fn program(site: &Site, script: &str) {
    site.write("tell.sh", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(site.path("tell.sh"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// What `tell.sh` was told, one after the other.
fn told(site: &Site) -> Vec<Value> {
    let text = site.read("told.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const KEEP: &str = "{ cat; echo; } >>told.jsonl; env >told.env; echo said; echo said >&2";

#[test]
fn a_program_is_told_of_the_end_and_gets_neither_people_nor_secrets() {
    let site = Site::new("");
    site.write("queda.csv", format!("{HEADER}{ROWS}"));
    program(&site, KEEP);
    let mut command = site.command(&["import", "queda.csv", "--notify", "./tell.sh"]);
    command.env("MUTIRAO_RATE", "unlimited").env("PGPASSWORD", "x").env("TELEGRAM_CHAT", "7");
    let ended = crate::support::site::Ended::from(command.output().unwrap()).expect(3);
    assert!(!ended.stderr.contains("said") && !ended.stdout.contains("said"), "{}", ended.stderr);
    let notices = told(&site);
    let [notice] = &*notices else { panic!("{notices:?}") };
    let known = (&notice["event"], &notice["batch"], &notice["exit_code"], &notice["host"]);
    assert_eq!(known, (&"finished".into(), &"queda".into(), &3.into(), &site.host().into()));
    let counts = &notice["counts"];
    assert_eq!(
        (&counts["opened"], &counts["rejected"], &counts["invalid"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(notice["refusals"].as_object().unwrap().len(), 1, "{notice}");
    let text = site.read("told.jsonl");
    for personal in ["Maria", "3799911", "Sem sinal"] {
        assert!(!text.contains(personal), "{text}");
    }
    let env = site.read("told.env");
    assert!(env.contains("MUTIRAO_EVENT=finished\n") && env.contains("TELEGRAM_CHAT=7"), "{env}");
    for secret in ["HUBSOFT_", "MUTIRAO_RATE", "PGPASSWORD"] {
        assert!(!env.contains(secret), "{env}");
    }
    // Nothing is told of a dry run.
    site.run(&["import", "queda.csv", "--notify", "./tell.sh", "--dry-run"]).expect(5);
    assert_eq!(told(&site).len(), 1);
}

#[test]
fn a_halt_and_a_failure_are_told_with_their_code() {
    let site = Site::new("");
    let rows: String =
        (1..=40).map(|n| format!("{};Sem sinal;Ana;37999112{n:03};101\n", 11000 + n)).collect();
    site.write("queda.csv", format!("{HEADER}{rows}"));
    program(&site, KEEP);
    let args = ["import", "queda.csv", "--yes", "--rate", "unlimited", "--notify", "./tell.sh"];
    site.run(&args).expect(6);
    let notice = told(&site).pop().unwrap();
    let known = (&notice["event"], &notice["reason"], &notice["exit_code"]);
    assert_eq!(known, (&"halted".into(), &"same_refusal".into(), &6.into()));
    site.run(&["import", "none.csv", "--notify", "./tell.sh"]).expect(5);
    let notice = told(&site).pop().unwrap();
    assert_eq!((&notice["event"], &notice["exit_code"]), (&"failed".into(), &5.into()));
}

#[test]
fn a_run_that_fails_is_told_with_what_it_opened() {
    let site = Site::new("");
    site.write("queda.csv", format!("{HEADER}{ROWS}"));
    program(&site, KEEP);
    site.leave_no_name_for_results("queda.mutirao");
    fs::set_permissions(site.path("queda.mutirao"), fs::Permissions::from_mode(0o700)).unwrap();
    site.run(&["import", "queda.csv", "--rate", "unlimited", "--notify", "./tell.sh"]).expect(1);
    let notices = told(&site);
    let [notice] = &*notices else { panic!("{notices:?}") };
    assert_eq!((&notice["event"], &notice["exit_code"]), (&"failed".into(), &1.into()));
    let counts = &notice["counts"];
    let known = (&counts["opened"], &counts["rejected"], &notice["batch"]);
    assert_eq!(known, (&1.into(), &1.into(), &"queda".into()), "{notice}");
    assert_eq!(site.audit().tickets, 1);
}

#[test]
fn a_worker_tells_of_a_halted_batch_while_it_goes_on_and_of_its_end() {
    let site = Site::new("");
    let rows: String =
        (1..=40).map(|n| format!("{};Sem sinal;Ana;37999112{n:03};101\n", 11000 + n)).collect();
    site.write("norte.csv", format!("{HEADER}{rows}"));
    // It is at work still when the run ends.
    program(&site, &format!("{KEEP}; sleep 1"));
    let url = format!("sqlite:{}", site.path("box.db").display());
    site.run_at(&url, &["enqueue", "norte.csv", "--batch", "norte"]).expect(0);
    let args = ["worker", "--until-empty", "--rate", "unlimited", "--notify", "./tell.sh"];
    site.run_at(&url, &args).expect(6);
    let notices = told(&site);
    let seen: Vec<_> =
        notices.iter().map(|notice| (notice["event"].as_str().unwrap(), notice["batch"].as_str())).collect();
    assert_eq!(seen, [("halted", Some("norte")), ("finished", None)]);
}

/// Answers each request with the next of `statuses`; gives what was sent.
fn web_hook(statuses: &'static [u16]) -> (String, thread::JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = move |status: &u16| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut n_bytes) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(length) = line.to_lowercase().strip_prefix("content-length:") {
                n_bytes = length.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head += &line;
        }
        let mut body = vec![0; n_bytes];
        reader.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        (head, String::from_utf8(body).unwrap())
    };
    (address, thread::spawn(move || statuses.iter().map(answer).collect()))
}

#[test]
fn a_web_hook_gets_json_and_is_asked_again_where_it_failed() {
    let site = Site::new("");
    site.write("queda.csv", format!("{HEADER}11001;Sem sinal;Ana;37999112201;\n"));
    let (address, hook) = web_hook(&[500, 204]);
    let url = format!("http://{address}/hook?key=k7");
    let ended = site.run(&["import", "queda.csv", "--notify", &url]).expect(0);
    assert!(!ended.stderr.contains("notice"), "{}", ended.stderr);
    let sent = hook.join().unwrap();
    let (head, body) = &sent[1];
    assert!(head.starts_with("POST /hook?key=k7 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(sent[0].1, *body);
    let notice: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&notice["event"], &notice["counts"]["opened"]), (&"finished".into(), &1.into()));
}

#[test]
fn who_cannot_be_told_changes_nothing_of_a_run() {
    let site = Site::new("");
    site.write("queda.csv", format!("{HEADER}11001;Sem sinal;Ana;37999112201;\n"));
    let (address, hook) = web_hook(&[403]);
    let url = format!("http://user:secret@{address}/secret");
    program(&site, "exit 3");
    for (recipient, said) in [
        (url.as_str(), "`127.0.0.1` answered 403"),
        ("./tell.sh", "`./tell.sh` ended with exit status: 3"),
        ("./none.sh", "`./none.sh` cannot be started"),
    ] {
        let mut command = site.command(&["import", "queda.csv"]);
        let ended = command.env("MUTIRAO_NOTIFY", recipient).output().unwrap();
        let ended = crate::support::site::Ended::from(ended).expect(0);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
    hook.join().unwrap();
}

#[test]
fn who_is_told_is_secure_and_named_by_who_owns_the_machine() {
    let site = Site::new("");
    site.write("queda.csv", format!("{HEADER}11001;Sem sinal;Ana;37999112201;\n"));
    let refused = site.run(&["import", "queda.csv", "--notify", "http://example.com/secret"]).expect(2);
    assert!(
        refused.stderr.contains("plain `http`") && !refused.stderr.contains("secret"),
        "{}",
        refused.stderr
    );
    site.write("mutirao.toml", "notify = \"./tell.sh\"\n");
    let refused = site.run(&["import", "queda.csv"]).expect(2);
    assert!(refused.stderr.contains("notify"), "{}", refused.stderr);
    assert_eq!(site.audit().tickets, 0);
}
