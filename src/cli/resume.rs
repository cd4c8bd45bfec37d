//! `resume LOTE`: lets a lote go on that was halted.

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app;
use crate::app::place::Place;

pub async fn resume_lote(place: &Place, screen: &Screen) -> Result<Exit, Failure> {
    let resumed = app::resume_lote(place).await?;
    let said = if resumed.was_halted { "goes on" } else { "was not halted" };
    screen.note(format!("`{}` {said}", resumed.lote));
    Ok(Exit::Done)
}
