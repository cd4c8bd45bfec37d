//! What a person reads in Portuguese where a command could not go on.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::support::site::{Ended, Site};

const ROWS: &str = "id_cliente_servico;descricao;nome;telefone\n11000;sem sinal;Ana;37 99911-2233\n";

/// Nothing listens there.
const NO_DATABASE: &str = "postgres://u@127.0.0.1:1/x";

#[test]
fn what_fails_most_is_told_in_portuguese() {
    let site = Site::new("");
    site.write("queda.csv", ROWS);
    site.write("errado.toml", "rate = \"depressa\"\n");
    site.write("outro.toml", "ritmo = \"5/s\"\n");
    site.write("segredo.toml", "hubsoft_password = \"x\"\n");
    site.write("vazia/nada.csv", "");
    site.write("aberta/queda.csv", ROWS);
    site.write("aberta/queda.mutirao/README.txt", "");
    fs::set_permissions(site.path("aberta/queda.mutirao"), Permissions::from_mode(0o777)).unwrap();

    let mut told = String::new();
    let mut tell = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = site.command(args);
        command.env("LANG", "pt_BR.UTF-8");
        for (variable, value) in variables {
            command.env(variable, value);
        }
        let ended = Ended::from(command.output().unwrap());
        assert_ne!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        let shown = ended.stderr.replace(&*site.path("").to_string_lossy(), "/aqui/");
        let shown = shown.replace(&site.host(), "127.0.0.1:8080");
        // The rest tells of the file.
        let failure = shown.find("erro:").map_or(&*shown, |at| &shown[at..]);
        let _ = writeln!(told, "$ mutirao {}\n{failure}", args.join(" "));
    };

    tell(&["import", "nao-existe.csv"], &[]);
    tell(&["status", "nao-existe.csv"], &[]);
    tell(&["status"], &[]);
    tell(&["import", "queda.csv"], &[("HUBSOFT_URL", "")]);
    tell(&["import", "queda.csv"], &[("HUBSOFT_URL", "http://erp.example.com.br")]);
    tell(&["import", "queda.csv"], &[("HUBSOFT_TOKEN", "")]);
    tell(&["import", "queda.csv", "-o", "recusado"], &[("HUBSOFT_TOKEN", "errado")]);
    tell(&["import", "queda.csv", "--config", "errado.toml"], &[]);
    tell(&["import", "queda.csv", "--config", "outro.toml"], &[]);
    tell(&["import", "queda.csv", "--config", "segredo.toml"], &[]);
    tell(&["import", "queda.csv"], &[("MUTIRAO_CONCURRENCY", "0")]);
    tell(&["import", "aberta/queda.csv"], &[]);
    tell(&["import", "-"], &[]);
    tell(&["import", "queda.csv", "--database-url", NO_DATABASE], &[]);
    tell(&["import", "queda.csv", "--database-url", "mysql://u@h/x"], &[]);
    tell(&["import", "queda.csv", "--timeout", "5s", "--connect-timeout", "7s"], &[]);
    tell(&["sandbox", "--with", "lento=1"], &[]);
    site.run(&["import", "queda.csv"]).expect(0);
    tell(&["status", "norte"], &[]);
    tell(&["show", "queda:99"], &[]);
    tell(&["show", "queda"], &[]);
    tell(&["resolve", "queda:2", "--opened", "1,2E+15"], &[]);
    tell(&["resolve", "queda:2", "--not-opened", "--yes"], &[]);
    tell(&["resume", "norte"], &[]);
    tell(&["import", "queda.csv"], &[("HUBSOFT_URL", "https://outro.example.com.br")]);
    assert_snapshot!(told);
}
