//! `completions` and `man`: for packages.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::args::Cli;
use super::exit::Exit;
use super::screen::Screen;

pub fn completions(shell: Shell, screen: &Screen) -> Exit {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "mutirao", &mut script);
    screen.wrote(io::stdout().write_all(&script));
    Exit::Done
}

/// The manual page of every command, one after the other.
pub fn man(screen: &Screen) -> Exit {
    let command = Cli::command();
    let mut pages = vec![command.clone()];
    pages.extend(
        command.get_subcommands().map(|sub| sub.clone().display_name(format!("mutirao {}", sub.get_name()))),
    );
    for page in pages {
        screen.wrote(clap_mangen::Man::new(page).render(&mut io::stdout()));
    }
    Exit::Done
}
