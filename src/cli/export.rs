//! `export`: results and errors of a batch, again.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::results;
use super::screen::Screen;
use crate::app;
use crate::app::place::Place;

pub async fn export(
    place: &Place,
    folder: &Path,
    excel_safe: bool,
    with_people: bool,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let people = app::results::people(with_people);
    let written = app::export(place, folder, app::results::guard(excel_safe), people).await?;
    results::tell(&written, screen);
    Ok(Exit::Done)
}
