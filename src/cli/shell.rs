//! `completions` and `man`: for packages.

use std::borrow::Cow;
use std::io::{self, Write};

use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::exit::Exit;
use super::help;
use super::screen::Screen;

pub fn completions(shell: Shell, screen: &Screen) -> Exit {
    let mut script = Vec::new();
    generate(shell, &mut help::command(), "mutirao", &mut script);
    screen.wrote(io::stdout().write_all(&script));
    Exit::Done
}

/// The manual page of every command, one after the other.
pub fn man(screen: &Screen) -> Exit {
    let command = help::command();
    let mut pages = vec![command.clone()];
    pages.extend(
        command.get_subcommands().map(|sub| sub.clone().display_name(format!("mutirao {}", sub.get_name()))),
    );
    for page in pages {
        let mut text = Vec::new();
        screen.wrote(Man::new(page).render(&mut text));
        let lines = String::from_utf8_lossy(&text).lines().map(heading).collect::<Vec<_>>().join("\n");
        screen.wrote(writeln!(io::stdout(), "{lines}"));
    }
    Exit::Done
}

/// A line of a manual page: the headings that are no option's have no other way to be translated.
fn heading(line: &str) -> Cow<'_, str> {
    match line {
        ".SH NAME" => tr!(".SH NAME"),
        ".SH SYNOPSIS" => tr!(".SH SYNOPSIS"),
        ".SH DESCRIPTION" => tr!(".SH DESCRIPTION"),
        ".SH EXTRA" => tr!(".SH EXTRA"),
        ".SH VERSION" => tr!(".SH VERSION"),
        line if line.starts_with(".SH ") => Cow::Owned(line.to_uppercase()),
        line => Cow::Borrowed(line),
    }
}
