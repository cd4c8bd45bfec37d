//! `completions` and `man`: for packages.

use std::io;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::args::Cli;
use super::exit::Exit;
use super::failure::Failure;

pub fn completions(shell: Shell) -> Exit {
    generate(shell, &mut Cli::command(), "mutirao", &mut io::stdout());
    Exit::Done
}

/// The manual page of every command, one after the other.
pub fn man() -> Result<Exit, Failure> {
    let command = Cli::command();
    let mut pages = vec![command.clone()];
    pages.extend(
        command.get_subcommands().map(|it| it.clone().display_name(format!("mutirao {}", it.get_name()))),
    );
    for page in pages {
        match clap_mangen::Man::new(page).render(&mut io::stdout()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Failure::of(Exit::Internal, &error, "write the page to a file with >"));
            }
            _ => {}
        }
    }
    Ok(Exit::Done)
}
