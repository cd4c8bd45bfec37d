//! What is written of settings, held to their table: `--help`, samples/mutirao.toml, packaging/mutirao.toml
//! and docs/cli.md.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use clap::{Command, CommandFactory};

use super::args::Cli;
use crate::settings::{self, Kind, Setting, Trust};

/// The text of a file of ours.
fn written(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), name].iter().collect()
}

/// Compares, and writes what should be there, so that a person needs only to look at it.
#[track_caller]
fn expect(name: &str, expected: &str) {
    if written(name) != expected {
        fs::write(path(name), expected).unwrap();
        panic!("{name} was not what the table of settings says: it was written anew, look at it and keep it");
    }
}

/// As `key = value` of TOML, behind a mark that makes a comment of it.
fn as_lines(setting: &Setting) -> Option<String> {
    let (key, value) = (setting.file_key()?, &setting.example);
    let is_plain = value.parse::<u32>().is_ok() && setting.value_name == "N" || setting.kind == Kind::Switch;
    Some(match (setting.kind, value.split_once('=')) {
        (Kind::Pairs, Some((name, value))) => format!("# [{key}]\n# \"{name}\" = \"{value}\"\n"),
        _ if is_plain => format!("# {key} = {value}\n"),
        _ => format!("# {key} = \"{value}\"\n"),
    })
}

#[test]
fn the_sample_has_every_setting() {
    let mut sample = "\
# Settings of mutirao. Copy what you need to ~/.config/mutirao/mutirao.toml or /etc/mutirao/mutirao.toml.
# Flags win over the environment, the environment over this file. A key is the environment's name in lower
# case, without MUTIRAO_. Secrets do not stand here: this file names the files they stand in. What is marked
# with (*) has no place in a ./mutirao.toml: a folder that came from others cannot say where to log in.
"
    .to_owned();
    let mut section = "";
    let (tables, keys): (Vec<_>, Vec<_>) =
        settings::all().into_iter().partition(|setting| setting.kind == Kind::Pairs);
    // Below the first table no key would be one of the file's own.
    for setting in keys.iter().chain(&tables) {
        let Some(lines) = as_lines(setting) else { continue };
        if setting.section != section {
            section = setting.section;
            write!(sample, "\n# {section}.\n").unwrap();
        }
        let mark = if setting.trust == Trust::Machine { " (*)" } else { "" };
        let default = setting.default.as_ref().map(|default| format!(" [default: {default}]"));
        write!(sample, "\n# {}{}{mark}\n{lines}", setting.meaning, default.unwrap_or_default()).unwrap();
    }
    expect("samples/mutirao.toml", &sample);
}

#[test]
fn what_the_package_brings_stands_in_the_sample() {
    let sample = written("samples/mutirao.toml");
    for line in written("packaging/mutirao.toml").lines().filter(|line| line.contains(" = ")) {
        assert!(sample.lines().any(|known| known == line), "{line}");
    }
}

/// The commands that have its flag.
fn commands_of(setting: &Setting) -> String {
    let command = Cli::command();
    let has = |command: &&Command| {
        // A flag of that name which is no setting has words of its own.
        let help = |argument: &clap::Arg| argument.get_help().map(ToString::to_string);
        command
            .get_arguments()
            .any(|argument| argument.get_id() == setting.key && help(argument) == Some(setting.help()))
    };
    if has(&&command) {
        return "all".to_owned();
    }
    let names = command.get_subcommands().filter(has).map(|command| format!("`{}`", command.get_name()));
    names.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_manual_has_every_setting() {
    let cell = |text: Option<String>| text.map(|text| format!("`{text}`")).unwrap_or_default();
    let mut tables = "\n| Flag | Of | Environment | Key in a file | Default | Meaning |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    let (with_flag, without): (Vec<_>, Vec<_>) =
        settings::all().into_iter().partition(|setting| !commands_of(setting).is_empty());
    for setting in with_flag {
        let default = match setting.kind {
            Kind::Switch => "false".to_owned(),
            _ => setting.default.clone().unwrap_or_else(|| "none".to_owned()),
        };
        writeln!(
            tables,
            "| `--{}` | {} | {} | {} | {default} | {} |",
            setting.flag(),
            commands_of(&setting),
            cell(setting.variable()),
            cell(setting.file_key()),
            setting.meaning
        )
        .unwrap();
    }
    tables += "\n| Environment | Key in a file | Meaning |\n| --- | --- | --- |\n";
    for setting in without {
        let variable = setting.variable().unwrap_or_default();
        let variables = match setting.kind {
            Kind::Secret => format!("`{variable}`, `{variable}_FILE`"),
            _ => format!("`{variable}`"),
        };
        writeln!(tables, "| {variables} | {} | {} |", cell(setting.file_key()), setting.meaning).unwrap();
    }
    tables += "\n";

    let manual = written("docs/cli.md");
    let (begin, end) = ("<!-- settings: a test writes this -->\n", "<!-- end of settings -->\n");
    let (before, rest) = manual.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    expect("docs/cli.md", &format!("{before}{begin}{tables}{end}{after}"));
}

#[test]
fn the_readme_names_the_default_rate() {
    let all = settings::all();
    let rate =
        all.iter().find(|setting| setting.key == "rate").and_then(|setting| setting.default.as_deref());
    let per_second = rate.and_then(|rate| rate.strip_suffix("/s")).unwrap();
    assert!(written("README.md").contains(&format!("`--rate` ({per_second} requests a second unless")));
}

/// Whoever changes a word of it looks at all of it.
#[test]
fn help_is_what_it_was() {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut all = command.render_long_help().to_string();
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        let help = command.find_subcommand_mut(&name).unwrap().render_long_help();
        write!(all, "\n==== {name}\n\n{help}").unwrap();
    }
    let all: Vec<&str> = all.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(all.join("\n"));
}
