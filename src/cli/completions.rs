//! `completions`: those that clap makes, by all names of commands, and names of batches besides.

use std::io::{self, Write};

use clap::Command;
use clap_complete::{Shell, generate};

use super::exit::Exit;
use super::help;
use super::screen::Screen;

pub fn completions(shell: Shell, screen: &Screen) -> Exit {
    let mut script = Vec::new();
    let mut command = by_all_names(help::command());
    generate(shell, &mut command, "mutirao", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let script = with_batches(shell, script, &command);
    screen.wrote(io::stdout().write_all(script.as_bytes()));
    Exit::Done
}

/// Names that help tells in words are names like the others here.
fn by_all_names(command: Command) -> Command {
    let names: Vec<_> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |one| {
            let aliases: Vec<_> = one.get_all_aliases().map(str::to_owned).collect();
            // They cannot be both.
            one.alias(None).visible_aliases(aliases)
        })
    })
}

fn with_batches(shell: Shell, script: String, command: &Command) -> String {
    let commands = of_batches(command);
    match shell {
        Shell::Bash => {
            script + &include_str!("shell/batches.bash").replace("COMMANDS", &commands.join(" | "))
        }
        Shell::Fish => {
            let batches = include_str!("shell/batches.fish").replace("COMMANDS", &commands.join(" "));
            in_fish_by_all_names(&script, command) + &batches
        }
        Shell::Zsh => {
            let head = "#compdef mutirao\n";
            let lines: Vec<_> = script.lines().map(in_zsh_of_batches).collect();
            let batches = format!("{head}\n{}", include_str!("shell/batches.zsh"));
            (lines.join("\n") + "\n").replacen(head, &batches, 1)
        }
        _ => script,
    }
}

/// A line of what clap makes for zsh; an argument stands there like `'::batch -- what it is:_default'`.
fn in_zsh_of_batches(line: &str) -> String {
    let argument = line.trim_start_matches(['\'', ':']);
    let is_of_batch = ["batch", "lote"]
        .iter()
        .any(|name| argument.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', ' '])));
    if is_of_batch { line.replace(":_default'", ":_mutirao_batches'") } else { line.to_owned() }
}

/// What clap makes for fish knows one name of each command.
fn in_fish_by_all_names(script: &str, command: &Command) -> String {
    let mut all = String::with_capacity(2 * script.len());
    for line in script.lines() {
        let of = command.get_subcommands().find(|one| {
            let name = one.get_name();
            line.contains(&format!("_using_subcommand {name}\"")) || line.contains(&offered(name))
        });
        let aliases: Vec<_> = of.iter().flat_map(|one| one.get_all_aliases()).collect();
        let Some(name) = of.map(Command::get_name).filter(|_| !aliases.is_empty()) else {
            all += &format!("{line}\n");
            continue;
        };
        let used = format!("_using_subcommand {name}");
        all += &line.replace(&format!("{used}\""), &format!("{used} {}\"", aliases.join(" ")));
        all.push('\n');
        for alias in aliases.iter().filter(|_| line.contains(&offered(name))) {
            all += &line.replace(&offered(name), &offered(alias));
            all.push('\n');
        }
    }
    all
}

/// How fish is told of a command.
fn offered(name: &str) -> String {
    format!("_needs_command\" -a \"{name}\"")
}

/// Commands that take a batch, by all their names.
fn of_batches(command: &Command) -> Vec<String> {
    let takes_one = |command: &&Command| {
        command.get_positionals().any(|argument| matches!(argument.get_id().as_str(), "batch" | "lote"))
    };
    let names = |command: &Command| -> Vec<String> {
        [command.get_name()].into_iter().chain(command.get_all_aliases()).map(str::to_owned).collect()
    };
    command.get_subcommands().filter(takes_one).flat_map(names).collect()
}
