//! `template`: an empty spreadsheet with the columns, explained.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use super::typed::Typed;
use crate::intake::template;
use crate::language::os_error;

/// Writes to `file`, which must not exist yet, or a `.csv` to standard output.
pub fn template(file: Option<&Path>, screen: &Screen) -> Result<Exit, Failure> {
    let Some(file) = file else {
        screen.wrote(io::stdout().write_all(&template::csv()));
        return Ok(Exit::Done);
    };
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase());
    let bytes = match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("csv") => template::csv(),
        Some("xlsx") => template::xlsx().map_err(|error| {
            Failure::of(Exit::Internal, &error, tr!("write a .csv instead, and report this"))
        })?,
        _ => {
            return Err(Failure::new(
                Exit::Usage,
                tr!("`%{file}` ends neither in .csv nor in .xlsx", file = file.display()),
                tr!("name it like tickets.xlsx"),
            ));
        }
    };
    let write = || OpenOptions::new().write(true).create_new(true).open(file)?.write_all(&bytes);
    write().map_err(|error: io::Error| {
        Failure::new(
            Exit::Usage,
            tr!(
                "cannot write `%{file}`: %{error}",
                file = file.display(),
                error = os_error(&error.to_string())
            ),
            tr!("choose another name: a file that exists is not overwritten"),
        )
    })?;
    let check = Typed::now().check_of(file);
    screen.note(tr!("wrote %{file}; fill it in, then `%{check}`", file = file.display(), check = check));
    Ok(Exit::Done)
}
