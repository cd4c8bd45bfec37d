//! `init`: asks where HubSoft is and how to log in to it, tries that, and writes the settings.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::asking::typed;
use super::exit::Exit;
use super::failure::Failure;
use super::login;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::init::{existing, write};

/// `settings`: the file to write.
pub async fn init(settings: Option<&Path>, screen: &Screen) -> Result<Exit, Failure> {
    let Some(settings) = settings else {
        return Err(Failure::new(
            Exit::Usage,
            tr!("this user has no folder for settings"),
            tr!("set HOME, or name the file: `--config FILE`"),
        ));
    };
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            tr!("this asks questions, and nobody is here to be asked"),
            tr!(
                "set HUBSOFT_URL, HUBSOFT_CLIENT_ID, HUBSOFT_CLIENT_SECRET_FILE, HUBSOFT_USERNAME and HUBSOFT_PASSWORD_FILE, or write them into `%{file}`: docs/cli.md tells how",
                file = settings.display()
            ),
        ));
    }
    let there = existing(settings);
    if !there.is_empty() {
        screen.err(tr!("There already: %{files}.", files = listed(&there)));
        screen.err(tr!("Type `yes` to write them anew; anything else leaves them as they are:"));
        let answer = typed();
        if ![tr!("yes").as_ref(), "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)) {
            return Err(login::declined());
        }
    }
    let kept = write(settings, &login::ask(screen).await?)?;
    screen.note(tr!(
        "written to `%{file}`, and the two secrets beside it, for you alone to read",
        file = settings.display()
    ));
    if !kept.is_empty() {
        screen.note(tr!("what stood there is kept in %{files}", files = listed(&kept)));
    }
    screen.note(tr!(
        "hint: `%{doctor}` tries everything that a run needs; `%{catalogue}` lists the ticket types",
        doctor = Typed::now().other(&["doctor"]),
        catalogue = Typed::now().other(&["catalogue"])
    ));
    Ok(Exit::Done)
}

fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}
