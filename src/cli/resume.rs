//! `resume LOTE`: lets a lote go on that was halted.

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app;
use crate::app::place::Place;

pub async fn resume_lote(place: &Place, screen: &Screen) -> Result<Exit, Failure> {
    let resumed = app::resume_lote(place).await?;
    screen.note(match resumed.was_halted {
        true => tr!("`%{lote}` goes on", lote = resumed.lote),
        false => tr!("`%{lote}` was not halted", lote = resumed.lote),
    });
    Ok(Exit::Done)
}
