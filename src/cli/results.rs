//! What is told of results that were written.

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app::results::Written;
use crate::report::ReportError;

/// Tells of a workbook that is missing.
pub fn warn_of(written: &Written, screen: &Screen) {
    if let Some(error) = &written.no_workbook {
        let why = Failure::of(Exit::Internal, error, tr!("results.csv and errors.csv are whole"));
        screen.warn(why.in_a_line());
    }
    warn_of_report(written.no_report.as_ref(), screen);
}

/// Tells of a report that is missing.
pub fn warn_of_report(no_report: Option<&ReportError>, screen: &Screen) {
    if let Some(error) = no_report {
        screen.warn(
            Failure::of(Exit::Internal, error, tr!("results.csv and errors.csv are whole")).in_a_line(),
        );
    }
}

/// Tells where they are, too.
pub fn tell(written: &Written, screen: &Screen) {
    warn_of(written, screen);
    screen.note(tr!("results: %{file}", file = written.folder.join("results.csv").display()));
}

/// The same of results that may not have been there to be written again.
pub fn tell_if_any(written: Option<&Written>, screen: &Screen) {
    if let Some(written) = written {
        tell(written, screen);
    }
}
