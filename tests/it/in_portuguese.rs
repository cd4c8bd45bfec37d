//! What the commands after an import say to a person who reads Portuguese, with the real binary.

use std::fmt::Write;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::site::{Ended, Site};

/// What each of `commands` says, one after the other.
fn said(site: &Site, commands: &[&str]) -> String {
    let mut text = String::new();
    for line in commands {
        let mut command = site.command(&line.split(' ').collect::<Vec<_>>());
        command.env("LANG", "pt_BR.UTF-8").env("TZ", "UTC").env("USER", "ana");
        let ended: Ended = command.output().unwrap().into();
        let (code, stdout, stderr) = (ended.code.unwrap(), ended.stdout, ended.stderr);
        writeln!(text, "$ mutirao {line}\n{stdout}{stderr}[{code}]\n").unwrap();
    }
    text
}

#[test]
fn commands_after_an_import_speak_portuguese() {
    let site = Site::new("reset_after=1,look_up_failure=1");
    site.write("queda.csv", "id_cliente_servico;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112200\n");
    let started = site.start_until(&["import", "queda.csv", "--rate", "unlimited"], "opening");
    let patience = Instant::now() + Duration::from_secs(60);
    while site.audit().requests_of("look_up") == 0 {
        assert!(Instant::now() < patience, "{:?}", site.audit());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(started.end_by(Signal::INT), Some(130));
    let text = said(
        &site,
        &[
            "status",
            "show queda:2",
            "doctor",
            "resolve queda --state in_doubt --not-opened",
            "resolve queda:2 queda:3 --opened 20261127140000123",
            "resolve queda:2 --not-opened",
            "retry queda",
            "status",
            "show queda:2",
            "cancel queda",
            "reconcile",
            "purge --older-than 1d",
            "export queda -o copia",
            "template modelo.pdf",
            "template modelo.csv",
            "template modelo.csv",
            "migrate",
            "pause",
        ],
    );
    // What differs from run to run; and reasons and counts, which are worded elsewhere.
    insta::with_settings!({filters => [
        (r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d", "[data]"),
        (r"127\.0\.0\.1:\d+", "[host]"),
        (r"[\d.]+ MiB", "[n] MiB"),
        (r"\d+ ms; .*", "[n] ms; [motivo]"),
        (r"(?m)^mensagem: .*", "mensagem: [motivo]"),
        (r"(?m)^queda: .*", "queda: [contagem]"),
        (r"(?m)^(error|erro): ", "erro: "),
        (r"(?m)^(hint|dica): ", "dica: "),
        (r"\d{15,}", "[protocolo]"),
        (r"[0-9A-Z]{12,}\b", "[código]"),
    ]}, { insta::assert_snapshot!(text) });
}

/// Whoever reads Portuguese looks for `importar` at `i`, and types it.
#[test]
fn help_lists_commands_by_their_portuguese_names_and_both_names_work() {
    let site = Site::new("");
    let help = |args: &str| said(&site, &[args]).split_once('\n').unwrap().1.to_owned();
    let listed = help("--help");
    assert!(listed.contains("\n  importar ") && !listed.contains("\n  import "), "{listed}");
    let words = listed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("[também: `import`] conferir "), "{listed}");
    let commands = listed.split("\n\n").find(|part| part.starts_with("Comandos:")).unwrap();
    assert!(help("ajuda").contains(commands), "{}", help("ajuda"));
    for [one, other] in [["importar --help", "import --help"], ["ajuda importar", "help import"]] {
        let told = help(one);
        assert!(told.contains("Uso: mutirao importar ") && told.ends_with("[0]\n\n"), "{told}");
        assert_eq!(help(other), told, "{other}");
    }
}
