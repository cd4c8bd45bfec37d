//! What is told of a worker at its end, and how the process ends.

use super::exit::{self, Exit, Run};
use super::halts::why_ended;
use super::outcome;
use super::screen::Screen;
use super::status::{halted, halted_in_log};
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::sheet::ColumnNames;
use crate::delivery::{Lasting, Reason, Stats};
use crate::outbox::{Counts, Halted, Reasons};
use crate::platform::Signal;

/// `reasons`: why rows were not opened.
pub fn tell(run: &Run, reasons: &Reasons, left: &[Halted], screen: &Screen) {
    if let Some(failure) = why_ended(&run.ending.reason) {
        screen.fail(&failure);
    }
    for batch in left {
        screen.err_or_log(halted(batch, Led::Setting), halted_in_log(batch, Led::Setting));
    }
    let stats = &run.ending.stats;
    screen.note(in_words(stats));
    outcome::tell(&counts(stats), reasons, &ColumnNames::new(), None, screen);
    if !reasons.told.is_empty() {
        let show = Typed::now().other(&["show", "ROW"]);
        screen.note(format!("hint: `{show}` tells all of a row"));
    }
}

fn in_words(stats: &Stats) -> String {
    let not_opened = stats.invalid + stats.rejected + stats.failed + stats.skipped;
    let mut text = format!("{} opened", stats.opened);
    for (n, what) in [
        (not_opened, "not opened"),
        (stats.unconfirmed, "unconfirmed"),
        (stats.conflicts, "in conflict"),
        (stats.lotes_halted, "lotes halted"),
        (stats.unsettled, "left that may have been sent, and are looked up first next time"),
    ] {
        if 0 < n {
            text += &format!(", {n} {what}");
        }
    }
    text
}

/// A worker that is to last has done what it is for when it is told to end, unless a person broke it off.
pub fn stopped(signal: Option<Signal>, lasting: Lasting) -> Exit {
    match (signal, lasting) {
        (Some(Signal::Terminate), Lasting::Forever) | (None, _) => Exit::Done,
        (Some(signal), _) => signal.exit(),
    }
}

/// Of what it did, and what it had to leave.
pub fn exit(run: &Run, left: &[Halted], lasting: Lasting) -> Exit {
    let stats = &run.ending.stats;
    match (&run.ending.reason, run.signal) {
        (Reason::Stopped, signal) => stopped(signal, lasting),
        (Reason::Drained, _) if (0 < stats.lotes_halted || !left.is_empty()) && stats.unconfirmed == 0 => {
            Exit::Guard
        }
        (reason, signal) => exit::of_run(reason, signal, &counts(stats)),
    }
}

/// Rows that it had, by what became of them.
fn counts(stats: &Stats) -> Counts {
    Counts {
        opened: stats.opened,
        invalid: stats.invalid,
        rejected: stats.rejected,
        failed: stats.failed,
        unconfirmed: stats.unconfirmed,
        conflict: stats.conflicts,
        skipped: stats.skipped,
        ..Counts::default()
    }
}
