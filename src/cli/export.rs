//! `export`: results and errors of a batch, again.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::outcome::{self, Next};
use super::results;
use super::screen::Screen;
use super::summary;
use super::typed::Typed;
use crate::app;
use crate::app::place::Place;
use crate::app::sheet::ColumnNames;
use crate::report::ERRORS;

pub async fn export(
    place: &Place,
    folder: &Path,
    excel_safe: bool,
    with_people: bool,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let (guard, people) = (app::results::guard(excel_safe), app::results::people(with_people));
    let done = app::export(place, folder, guard, people).await?;
    results::tell(&done.written, screen);
    screen.note(format!("{}: {}", done.batch, summary::in_words(&done.written.counts)));
    let next = Next {
        corrected: Some(Typed::now().import_of(&folder.join(ERRORS))),
        again: None,
        led: place.led(done.is_latest),
        batch: Some(&done.batch),
    };
    outcome::tell(&done.written.counts, &done.written.reasons, &ColumnNames::new(), Some(&next), screen);
    Ok(results::exit(Some(&done.written), Exit::Done))
}
