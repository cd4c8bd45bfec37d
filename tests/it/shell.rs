//! What packages and shells are given: manual pages, and completions with names of batches.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::postgres::Database;
use crate::support::site::{Ended, Site};

#[test]
fn every_command_has_a_page_of_the_manual_in_the_language() {
    let site = Site::new("");
    site.run(&["man", "--output", "pages"]).expect(0);
    site.run(&["man", "--lang", "pt-BR", "--output", "pages/pt"]).expect(0);
    let names = |folder: &str| -> Vec<_> {
        let entries = fs::read_dir(site.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".1"));
        names.sort();
        names
    };
    let help = site.run(&["--help"]).expect(0).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().lines();
    let told =
        commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|it| !it.is_empty());
    let mut expected: Vec<_> = told.map(|name| format!("mutirao-{name}.1")).collect();
    expected.push("mutirao.1".to_owned());
    expected.sort();
    assert_eq!(names("pages"), expected);
    assert_eq!(names("pages/pt"), expected);
    for (page, said) in [
        ("pages/mutirao-import.1", ".SH EXAMPLES"),
        ("pages/mutirao-import.1", "mutirao import queda.csv \\-\\-sandbox"),
        ("pages/pt/mutirao-import.1", ".SH EXEMPLOS"),
        ("pages/mutirao.1", "mutirao\\-import(1)"),
    ] {
        let text = site.read(page);
        assert!(text.contains(said), "{page} does not say {said}:\n{text}");
    }
    assert_eq!(site.run(&["man", "import"]).expect(0).stdout, site.read("pages/mutirao-import.1"));
    assert_eq!(site.run(&["man"]).expect(0).stdout, site.read("pages/mutirao.1"));
    assert!(site.run(&["man", "imprt"]).expect(2).stderr.contains("there is no command `imprt`"));
    site.write("file", "");
    assert!(site.run(&["man", "--output", "file/pages"]).expect(2).stderr.contains("--output"));
}

/// What bash offers after `typed`, with `word` begun.
fn completed(site: &Site, typed: &str, word: &str) -> Vec<String> {
    let script = "source ./completions; line=($1 \"$2\"); COMP_WORDS=(\"$0\" \"${line[@]}\"); \
                  COMP_CWORD=${#line[@]}; _mutirao_and_batches \"$0\" \"$2\" \"${line[-2]}\"; \
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let plain = site.command(&[]);
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", script, env!("CARGO_BIN_EXE_mutirao"), typed, word]);
    command.current_dir(site.path("")).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    for (key, value) in plain.get_envs() {
        command.env(key, value.unwrap());
    }
    let ended = Ended::from(command.output().unwrap()).expect(0);
    assert_eq!(ended.stderr, "");
    ended.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_the_names_of_batches() {
    let site = Site::new("");
    let header = "id_cliente_servico;descricao;nome;telefone";
    for (n, file) in ["queda.csv", "quintal.csv", "norte e sul.csv", "$(touch fell).csv"].iter().enumerate() {
        site.write(file, format!("{header}\n1100{n};Sem sinal;Ana;37 99911-2233\n"));
        site.run(&["import", file]).expect(0);
    }
    site.write("completions", site.run(&["completions", "bash"]).expect(0).stdout);
    assert_eq!(completed(&site, "status", "qu"), ["queda", "quintal"]);
    assert_eq!(completed(&site, "situacao", "que"), ["queda"]);
    assert_eq!(completed(&site, "export", "norte"), ["norte\\ e\\ sul"]);
    assert_eq!(completed(&site, "status", "$"), ["\\$\\(touch\\ fell\\)"]);
    assert!(!site.path("fell").exists(), "a name is never run");
    // What is no batch is as it was.
    assert_eq!(completed(&site, "import", "--sand"), ["--sandbox"]);
    assert_eq!(completed(&site, "status", "--wat"), ["--watch"]);
    assert_eq!(completed(&site, "import", "qu"), [] as [&str; 0]);
}

/// What is offered in zsh or fish behind `line`; `None`: this machine does not have that shell.
fn offered(site: &Site, shell: &str, args: &[&str], line: &str) -> Option<Vec<String>> {
    let program = Path::new(env!("CARGO_BIN_EXE_mutirao")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(shell);
    command.args(args).arg(line).current_dir(site.path("")).env_clear().stdin(Stdio::null());
    command.env("PATH", path).env("HOME", site.path("")).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("not tried: {shell} cannot be started here: {error}");
            return None;
        }
    };
    let ended = Ended::from(output).expect(0);
    Some(ended.stdout.lines().map(|line| line.trim_end().to_owned()).filter(|it| !it.is_empty()).collect())
}

/// The lines that each shell completes, and what it offers.
fn completes(offered: impl Fn(&str) -> Option<Vec<String>>) {
    for (line, expected) in [
        ("mutirao stat", &["status"][..]),
        ("mutirao situa", &["situacao"]),
        ("mutirao import --sand", &["--sandbox"]),
        ("mutirao importar --sand", &["--sandbox"]),
        ("mutirao check --onl", &["--online"]),
        ("mutirao status que", &["queda"]),
        ("mutirao situacao que", &["queda"]),
        ("mutirao export qui", &["quintal"]),
    ] {
        let Some(found) = offered(line) else { return };
        assert_eq!(found, expected, "{line}");
    }
}

fn with_batches() -> Site {
    let site = Site::new("");
    for (n, file) in ["queda.csv", "quintal.csv"].iter().enumerate() {
        let row = format!("id_cliente_servico;descricao;nome;telefone\n1100{n};Sem sinal;Ana;37999112200\n");
        site.write(file, row);
        site.run(&["import", file]).expect(0);
    }
    site
}

#[test]
fn fish_completes_commands_flags_and_batches() {
    let site = with_batches();
    site.write("mutirao.fish", site.run(&["completions", "fish"]).expect(0).stdout);
    let script = "source mutirao.fish; complete -C $argv[1]";
    completes(|line| {
        let found = offered(&site, "fish", &["--no-config", "-c", script], line)?;
        // Behind a tab is what it means; files are offered besides.
        let names = found.iter().map(|it| it.split('\t').next().unwrap().to_owned());
        Some(names.filter(|it| !it.ends_with(".csv") && !it.ends_with('/')).collect())
    });
}

/// zsh completes for a person only, so it has a terminal of its own; what it would offer is printed.
#[test]
fn zsh_completes_commands_flags_and_batches() {
    const ON_A_TERMINAL: &str = "zmodload zsh/zpty && zpty shell zsh -f -i &&
        zpty -w shell 'PS1= PS2=; stty -echo; source ./setup.zsh' && zpty -r -m shell said '*READY*' &&
        zpty -w -n shell \"$1\"$'\\t' && zpty -r -m shell said '*DONE*' && print -r -- \"$said\"";
    const SETUP: &str = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -d $PWD/dump
        bindkey '^I' complete-word
        compadd() {
            if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd \"$@\"; return; fi
            local -a hits; builtin compadd -A hits \"$@\"
            local hit; for hit in $hits; do print -r -- \"<$hit>\"; done
        }
        ended() { print -r -- DONE }
        comppostfuncs=(ended)
        print -r -- READY\n";
    let site = with_batches();
    site.write("_mutirao", site.run(&["completions", "zsh"]).expect(0).stdout);
    site.write("setup.zsh", SETUP);
    completes(|line| {
        let found = offered(&site, "zsh", &["-f", "-c", ON_A_TERMINAL, "zsh"], line)?.join("\n");
        let names = found.split('<').skip(1).filter_map(|it| Some(it.split_once('>')?.0.to_owned()));
        Some(names.collect())
    });
}

#[tokio::test]
async fn names_of_batches_come_from_a_database_or_not_at_all() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    site.write(
        "queda.csv",
        "id_cliente_servico;descricao;nome;telefone\n11000;Sem sinal;Ana;37 99911-2233\n",
    );
    let names = |url: &str| {
        let ended = site.run_at(url, &["batches"]).expect(0);
        assert_eq!(ended.stderr, "");
        ended.stdout
    };
    assert_eq!(site.run(&["batches"]).expect(0).stdout, "");
    site.run_at(&database.url(), &["enqueue", "queda.csv", "--batch", "queda cto 12"]).expect(0);
    assert_eq!(names(&database.url()), "queda cto 12\n");
    // Nobody is there, or nobody answers.
    assert_eq!(names("postgres://127.0.0.1:9/x?sslmode=disable"), "");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(names(&format!("postgres://{}/x?sslmode=disable", silent.local_addr().unwrap())), "");
    assert_eq!(names("what is this"), "");
}
