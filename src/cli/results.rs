//! What is told of results that were written.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app::results::{Missing, What, Written};
use crate::report::RESULTS_XLSX;

/// Tells of what is missing.
pub fn warn_of(written: &Written, screen: &Screen) {
    for missing in &written.missing {
        let why = Failure::of(Exit::Internal, &missing.why, tr!("results.csv is whole")).in_a_line();
        screen.warn(missing.in_words(&why));
    }
}

/// What a command ends with that would end with `exit`: not as if all were well where programs miss a file.
pub fn exit(written: Option<&Written>, exit: Exit) -> Exit {
    let missing = written.into_iter().flat_map(|written| &written.missing);
    let mut missing = missing.filter(|missing| !missing.is_for_people()).peekable();
    let is_missed = missing.peek().is_some();
    let is_passing = |missing: &Missing| {
        let why = &missing.why;
        why.is_full() || why.is_database_away() || why.beside().is_some()
    };
    match (is_missed, missing.all(is_passing), exit) {
        (true, false, _) => Exit::Internal,
        (true, true, Exit::Done | Exit::NotAllOpened) => Exit::Guard,
        _ => exit,
    }
}

/// Tells where they are, too.
pub fn tell(written: &Written, screen: &Screen) {
    warn_of(written, screen);
    tell_where(written, &written.folder, screen);
}

/// In this folder, as a person calls it.
pub fn tell_where(written: &Written, folder: &Path, screen: &Screen) {
    let file = folder.join(&*written.results_name());
    let is_workbook = |missing: &Missing| matches!(missing.what, What::File { name: RESULTS_XLSX, .. });
    screen.note(match written.missing.iter().any(is_workbook) {
        true => tr!("results: %{file}", file = file.display()),
        false => tr!("results: %{file}; for people the same in results.xlsx", file = file.display()),
    });
}

/// The same of results that may not have been there to be written again.
pub fn tell_if_any(written: Option<&Written>, screen: &Screen) {
    if let Some(written) = written {
        tell(written, screen);
    }
}
