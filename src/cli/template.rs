//! `template`: an empty spreadsheet with the columns, explained.

use std::io::{self, Write};

use super::args::Template;
use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::target::Target;
use crate::app::template::{Offers, write_new};
use crate::intake::template;
use crate::language::{os_error, said};
use crate::settings::{Flags, Sending, Sources};

/// What a file is, by the end of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    Xlsx,
}

/// Writes to a file, which must not exist yet, or a `.csv` to standard output. `sources` are needed to log
/// in, and for nothing else.
pub async fn template(
    args: &Template,
    sources: impl FnOnce() -> Result<Sources, Failure>,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let form = form(args)?;
    if args.online && form == Form::Csv {
        return Err(Failure::new(
            Exit::Usage,
            tr!("a .csv has nothing to choose from, and --online offers what HubSoft knows"),
            tr!("name it like tickets.xlsx"),
        ));
    }
    let Some(file) = &args.file else {
        screen.wrote(io::stdout().write_all(&template::csv()));
        return Ok(Exit::Done);
    };
    let offers = if args.online { offers(args, sources, screen).await } else { Offers::none() };
    let bytes = match form {
        Form::Csv => template::csv(),
        Form::Xlsx => template::xlsx(&offers.cells).map_err(|error| {
            Failure::of(Exit::Internal, &error, tr!("write a .csv instead, and report this"))
        })?,
    };
    write_new(file, &bytes).map_err(|error| {
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

fn form(args: &Template) -> Result<Form, Failure> {
    let Some(file) = &args.file else { return Ok(Form::Csv) };
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase());
    match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(Form::Csv),
        Some("xlsx") => Ok(Form::Xlsx),
        _ => Err(Failure::new(
            Exit::Usage,
            tr!("`%{file}` ends neither in .csv nor in .xlsx", file = file.display()),
            tr!("name it like tickets.xlsx"),
        )),
    }
}

/// What HubSoft knows; where it cannot be asked, the template is of use without it, and that is said.
async fn offers(
    args: &Template,
    sources: impl FnOnce() -> Result<Sources, Failure>,
    screen: &Screen,
) -> Offers {
    let read = async {
        let sources = sources()?;
        let sending = Sending { sandbox: args.sandbox, ..sources.resolve(&Flags::none())? };
        let target = Target::new(&sources, &sending)?;
        screen.note(tr!("reading the catalogues of %{host}", host = target.named));
        Ok::<_, Failure>(Offers::read(&target, sending.rate).await?)
    };
    match read.await {
        Ok(offers) => {
            for (catalogue, why) in &offers.unread {
                let name = said(catalogue.name);
                screen.warn(tr!("%{name}: they cannot be read: %{why}", name = name, why = why));
            }
            offers
        }
        Err(failure) => {
            screen.warn(tr!(
                "without names to choose from, since HubSoft could not be asked: %{why}",
                why = failure.message()
            ));
            Offers::none()
        }
    }
}
