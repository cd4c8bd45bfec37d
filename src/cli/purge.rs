//! `purge`: takes what rows say of people that finished so long ago.

use super::exit::Exit;
use super::failure::Failure;
use super::faults::listed;
use super::results;
use super::screen::Screen;
use crate::app;
use crate::app::place::Place;
use crate::app::uploads::Uploads;
use crate::settings::{Sources, Span};

pub async fn purge(
    place: &Place,
    older_than: Span,
    sources: &Sources,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let uploads = sources.environment().state_folder().map(|folder| Uploads::at(&folder));
    let purged = app::purge(place, older_than.get(), uploads.as_ref()).await?;
    results::tell_if_any(purged.results.as_ref(), screen);
    let n_rows = purged.n_rows;
    screen.rows(n_rows, tr!("%{n} %{n|row is|rows are} purged; what became of them stays known", n = n_rows));
    if !purged.folders_left.is_empty() {
        screen.warn(tr!(
            "results that imports have written say all of these rows still, on the machines of those imports: delete them in %{folders}",
            folders = listed(&purged.folders_left)
        ));
    }
    if 0 < n_rows {
        screen.note(tr!("hint: the spreadsheet itself, and copies of its results, are yours to delete"));
    }
    Ok(results::exit(purged.results.as_ref(), Exit::Done))
}
