//! Text from outside on a terminal, in a log and in files: it only says something.

use std::fs::File;
use std::process::Stdio;

use crate::support::site::{Ended, Site};

/// Clears the screen, goes up a line, turns the text around, forges a line.
const HOSTILE: &str = "x\u{1B}[2J\u{9B}1A\u{202E}y\nerror: forged";

#[track_caller]
fn only_says_something(ended: &Ended) {
    for (name, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        let odd = text.chars().find(|it| *it != '\n' && !mutirao::printable::is_printable(*it));
        assert_eq!(odd, None, "{name}: {text:?}");
        assert!(!text.lines().any(|it| it.starts_with("error: forged")), "{name}: {text}");
    }
}

#[test]
fn names_of_files_headers_and_cells_neither_repaint_the_screen_nor_forge_a_line() {
    let site = Site::new("");
    let name = format!("{HOSTILE}.csv");
    let header = format!("id_cliente_servico;descricao;nome;telefone;\"{HOSTILE}\"\n");
    site.write(&name, format!("{header}1{HOSTILE};{HOSTILE};{HOSTILE};1;{HOSTILE}\n"));
    site.write("good.csv", format!("{header}11000;sem sinal;Ana;37 99911-2233;\"{HOSTILE}\"\n"));
    site.write("bad.csv", format!("\"{HOSTILE}\";b\n1;2\n"));
    for args in [
        &["check", &name][..],
        &["check", &name, "--json"],
        &["check", "bad.csv"],
        &["check", "no such file\u{1B}[2J.csv"],
        &["check", "bad.csv", "--map", &format!("a=b{}", HOSTILE.replace('\n', ""))],
        &["import", &name, "--strict"],
        &["import", &name, "-v"],
        &["import", "good.csv", "-vv", "--color", "never"],
        &["show", "good:2"],
        &["show", "good:2", "--json"],
        &["status", &name],
        &["status", HOSTILE],
        &["import", "bad.csv", "--log-format", "json"],
        &["worker", "--until-empty", "--database-url", "postgres://127.0.0.1:1/x?a\u{1B}[2J\u{202E}b=1"],
    ] {
        only_says_something(&site.run(args));
    }
    let summary = site.read(&format!("{HOSTILE}.mutirao/summary.json"));
    assert!(summary.chars().all(|it| it == '\n' || mutirao::printable::is_printable(it)), "{summary:?}");
    assert!(serde_json::from_str::<serde_json::Value>(&summary).unwrap().to_string().contains("\\u001b"));
    let ended = site.run(&["check", "good.csv", HOSTILE]).expect(2);
    assert!(!ended.stderr.contains('\u{1B}'), "{:?}", ended.stderr);
}

/// A script would take an empty file for an empty result.
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let site = Site::new("");
    site.write(
        "queda.csv",
        "id_cliente_servico;descricao;nome;telefone\n11000;sem sinal;Ana;37 99911-2233\n",
    );
    for args in [
        &["import", "queda.csv", "--json"][..],
        &["status", "--json"],
        &["status"],
        &["check", "queda.csv", "--json"],
        &["template"],
        &["man"],
        &["completions", "bash"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = site.command(args).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let ended = Ended::from(child.wait_with_output().unwrap()).expect(6);
        assert!(ended.stderr.contains("could not be written to standard output"), "{}", ended.stderr);
    }
    assert_eq!(site.audit().tickets, 1, "what was opened stays so");
}

/// Where the header is missing, its place is a customer.
#[test]
fn the_first_row_is_not_shown_as_the_names_of_columns() {
    let site = Site::new("");
    let row = "11000;Rua Ipiranga 7;Maria Aparecida;37 99911-2233;Maria Aparecida;maria@example.com\n";
    site.write("queda.csv", format!("{row}{row}"));
    site.write(
        "part.csv",
        "nome;telefone;Rua Ipiranga 7, 38400-123;maria@example.com\nAna;37 99911-2233;;\n",
    );
    for args in [
        &["check", "queda.csv"][..],
        &["import", "queda.csv", "--sandbox"],
        &["check", "queda.csv", "--map", "cliente=nome"],
        &["check", "part.csv"],
    ] {
        let ended = site.run(args);
        assert!(matches!(ended.code, Some(2 | 5)), "{}", ended.stderr);
        let said = ended.stdout + &ended.stderr;
        for of_a_person in ["Ipiranga", "Aparecida", "99911", "maria@"] {
            assert!(!said.contains(of_a_person), "{args:?}: {said}");
        }
        assert!(said.contains("header") || said.contains("`telefone`"), "{said}");
    }
}
