//! `man`: the manual, for packages.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

use super::exit::Exit;
use super::failure::Failure;
use super::help;
use super::screen::Screen;

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
