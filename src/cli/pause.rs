//! `pause`, and `resume` without a lote: all workers of a shared outbox stop and go on.

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use super::status::{halted, halted_in_log};
use super::typed::Typed;
use crate::app;
use crate::app::address::Led;
use crate::language::said;
use crate::outbox::{Address, By, Way};

pub async fn pause(outbox: &Address, user: &str, reason: &str, screen: &Screen) -> Result<Exit, Failure> {
    app::pause(outbox, at_terminal(user), &said(reason)).await?;
    let resume = Typed::now().other(&["resume"]);
    screen.note(tr!("all workers stop within two seconds; `%{resume}` lets them go on", resume = resume));
    Ok(Exit::Done)
}

pub async fn resume(outbox: &Address, user: &str, screen: &Screen) -> Result<Exit, Failure> {
    let still_halted = app::resume(outbox, at_terminal(user)).await?;
    screen.note(tr!("all workers go on"));
    for batch in &still_halted {
        screen.note_or_log(halted(batch, Led::Setting), halted_in_log(batch, Led::Setting));
    }
    Ok(Exit::Done)
}

fn at_terminal(user: &str) -> By<'_> {
    By { who: user, way: Way::Terminal }
}
