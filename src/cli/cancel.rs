//! `cancel`: withdraws what was not sent.

use super::exit::Exit;
use super::failure::Failure;
use super::results;
use super::screen::Screen;
use super::typed::Typed;
use crate::app;
use crate::app::address::Led;
use crate::app::place::Place;

/// `batch`: as it was typed.
pub async fn cancel(place: &Place, batch: &str, screen: &Screen) -> Result<Exit, Failure> {
    let (cancelled, written) = app::cancel(place).await?;
    results::tell_if_any(written.as_ref(), screen);
    screen.rows(cancelled.n_cancelled, tr!("%{n} %{n|row is|rows are} cancelled", n = cancelled.n_cancelled));
    if 0 < cancelled.n_left {
        screen.note(tr!(
            "%{n} %{n|row|rows} may have been sent already and %{n|is|are} left; `%{reconcile}` looks for their tickets",
            n = cancelled.n_left,
            reconcile = Typed::now().at(Led::Setting, "reconcile", Some(batch), &[])
        ));
    }
    Ok(results::exit(written.as_ref(), Exit::Done))
}
