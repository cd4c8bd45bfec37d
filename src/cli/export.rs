//! `export`: results and errors of a batch, again; of a damaged outbox as far as it can be read.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::outcome::{self, Next};
use super::results;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::counted;
use crate::app::place::Place;
use crate::app::sheet::ColumnNames;
use crate::app::{self, Damage};
use crate::outbox::Counts;
use crate::outbox::sqlite::Lost;
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
    screen.note(format!("{}: {}", done.batch, counted::in_words(&done.written.counts)));
    let next = Next {
        corrected: Some(Typed::now().import_of(&folder.join(ERRORS))),
        again: None,
        led: place.led(done.is_latest),
        batch: Some(&done.batch),
    };
    outcome::tell(&done.written.counts, &done.written.reasons, &ColumnNames::new(), Some(&next), screen);
    match done.damage {
        Some(damage) => Err(damaged(&damage, &done.written.counts, screen)),
        None => Ok(results::exit(Some(&done.written), Exit::Done)),
    }
}

/// Says what the results lack.
fn damaged(damage: &Damage, counts: &Counts, screen: &Screen) -> Failure {
    let Damage { path, found, lost: Lost { n_rows: n_lost, lines, n_blank } } = damage;
    if !lines.is_empty() {
        let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
        screen.note(tr!("lines that could not be read: %{lines}", lines = lines.join(", ")));
    }
    if 0 < *n_blank {
        let told = tr!(
            "of %{n} %{n|row|rows} only what became of %{n|it|them} could be read, not what the file said",
            n = n_blank
        );
        screen.note(told);
    }
    let message = tr!(
        "`%{path}` is damaged (%{found}): %{n_lost} of %{n_rows} %{n_rows|row|rows} could not be read",
        path = path.display(),
        found = found,
        n_lost = n_lost,
        n_rows = counts.total() + n_lost
    );
    let import = Typed::now().other(&["import", "FILE", "-o", "DIR", "--verify-first"]);
    let hint = tr!(
        "the results have the others; keep the damaged folder as it is: `%{import}` looks whether HubSoft has a ticket of the last 48 hours before it opens one",
        import = import
    );
    Failure::new(Exit::Internal, message, hint)
}
