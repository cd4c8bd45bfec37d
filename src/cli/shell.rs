//! `completions` and `man`: for packages.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::exit::Exit;
use super::failure::Failure;
use super::help;
use super::screen::Screen;

/// The completions that clap makes, and names of batches besides.
pub fn completions(shell: Shell, screen: &Screen) -> Exit {
    let mut script = Vec::new();
    let mut command = help::command();
    generate(shell, &mut command, "mutirao", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    let commands = of_batches(&command);
    match shell {
        Shell::Bash => {
            script += &include_str!("shell/batches.bash").replace("COMMANDS", &commands.join(" | "));
        }
        Shell::Fish => {
            script += &include_str!("shell/batches.fish").replace("COMMANDS", &commands.join(" "));
        }
        Shell::Zsh => {
            let head = "#compdef mutirao\n";
            script = script
                .replace("::batch:_default'", "::batch:_mutirao_batches'")
                .replace(":batch:_default'", ":batch:_mutirao_batches'")
                .replace("::lote:_default'", "::lote:_mutirao_batches'")
                .replacen(head, &format!("{head}\n{}", include_str!("shell/batches.zsh")), 1);
        }
        _ => {}
    }
    screen.wrote(io::stdout().write_all(script.as_bytes()));
    Exit::Done
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

/// The manual page of one command, or of the program.
pub fn man(name: Option<&str>, screen: &Screen) -> Result<Exit, Failure> {
    let page = help::find(name)?;
    screen.wrote(page_of(page).and_then(|text| io::stdout().write_all(text.as_bytes())));
    Ok(Exit::Done)
}

/// The manual pages of all commands, as files in `folder`.
pub fn man_to(folder: &Path, screen: &Screen) -> Result<Exit, Failure> {
    let mut command = help::command();
    command.build();
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let pages: Vec<Command> = [command.clone()].into_iter().chain(shown).collect();
    let write = || {
        fs::create_dir_all(folder)?;
        for page in &pages {
            fs::write(folder.join(format!("{}.1", title(page))), page_of(page.clone())?)?;
        }
        Ok(())
    };
    let failed = |error: io::Error| {
        Failure::of(Exit::Usage, &error, tr!("name a folder in which files can be written with --output"))
    };
    write().map_err(failed)?;
    screen.note(tr!("%{n} pages are in %{folder}", n = pages.len(), folder = folder.display()));
    Ok(Exit::Done)
}

/// `mutirao-import`.
fn title(page: &Command) -> String {
    page.get_display_name().unwrap_or_else(|| page.get_name()).to_owned()
}

fn page_of(page: Command) -> io::Result<String> {
    let (mut text, title) = (Vec::new(), title(&page));
    Man::new(page).title(title).render(&mut text)?;
    let lines = String::from_utf8_lossy(&text).lines().map(heading).collect::<Vec<_>>().join("\n");
    Ok(lines + "\n")
}

/// A line of a manual page: the headings that are no option's have no other way to be translated.
fn heading(line: &str) -> Cow<'_, str> {
    match line {
        ".SH NAME" => tr!(".SH NAME"),
        ".SH SYNOPSIS" => tr!(".SH SYNOPSIS"),
        ".SH DESCRIPTION" => tr!(".SH DESCRIPTION"),
        // What stands there are examples.
        ".SH EXTRA" => tr!(".SH EXAMPLES"),
        ".SH VERSION" => tr!(".SH VERSION"),
        line if line.starts_with(".SH ") => Cow::Owned(line.to_uppercase()),
        line => Cow::Borrowed(line),
    }
}
