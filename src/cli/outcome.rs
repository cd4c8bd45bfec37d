//! What became of rows, as a short table: how many are in each state, what to do about them, and why.

use std::borrow::Cow;

use super::reasons::{Told, counted, lines, others};
use super::screen::Screen;
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::sheet::ColumnNames;
use crate::delivery::State;
use crate::language::said;
use crate::outbox::{Counts, Reasons};
use crate::text;

/// The commands that go on.
pub struct Next<'a> {
    /// It takes in what was corrected in errors.csv. `None`: nobody knows where that is.
    pub corrected: Option<String>,
    /// It goes on with what waits. `None`: an import, of which nobody knows how it was read.
    pub again: Option<String>,
    /// How other commands find the batch.
    pub led: Led<'a>,
    pub batch: Option<&'a str>,
}

/// Tells it, unless all rows are open. What was being sent is in doubt. `next`: unless what helps depends on
/// where each row comes from.
pub fn tell(
    counts: &Counts,
    reasons: &Reasons,
    columns: &ColumnNames,
    next: Option<&Next<'_>>,
    screen: &Screen,
) {
    if counts.total() == counts.opened {
        return;
    }
    let counts = Counts { in_flight: 0, in_doubt: counts.in_doubt + counts.in_flight, ..*counts };
    let note = |told: Told| screen.note_or_log(told.shown, told.logged);
    for state in State::ALL.into_iter().filter(|state| 0 < counts.count(*state)) {
        let name = said(text::state(state));
        screen.note(match next.and_then(|next| next.step(state)) {
            Some(step) => counted(counts.count(state), &format!("{name}: {step}")),
            None => counted(counts.count(state), &name),
        });
        for Told { shown, logged } in lines(reasons, columns, |reason| reason.state == state) {
            note(Told { shown: format!("      {shown}"), logged: format!("      {logged}") });
        }
    }
    if let Some(Told { shown, logged }) = others(reasons) {
        note(Told { shown: format!("      {shown}"), logged: format!("      {logged}") });
    }
}

impl Next<'_> {
    fn command(&self, name: &str, rest: &[&str]) -> String {
        Typed::now().at(self.led, name, self.batch, rest)
    }

    /// What to do about rows in a state.
    fn step(&self, state: State) -> Option<Cow<'static, str>> {
        let typed = Typed::now();
        Some(match (state, &self.corrected, &self.again) {
            (State::Opened, ..) => return None,
            (State::Pending, _, Some(again)) => tr!("not sent yet; `%{command}` goes on", command = again),
            (State::InFlight | State::InDoubt, _, Some(again)) => tr!(
                "may have been opened, do not open them by hand; `%{command}` looks them up first",
                command = again
            ),
            (State::Invalid, Some(corrected), _) => tr!(
                "a cell is wrong, nothing was sent; correct them in errors.csv, then `%{command}`",
                command = corrected
            ),
            (State::Rejected, Some(corrected), _) => tr!(
                "HubSoft refused them; correct them in errors.csv, then `%{command}`",
                command = corrected
            ),
            (State::Failed, ..) => tr!(
                "certainly not opened; `%{command}` has them tried again",
                command = self.command("retry", &["--state", "failed"])
            ),
            (State::Unconfirmed, ..) => tr!(
                "may have been opened, do not open them by hand; `%{command}` looks again",
                command = self.command("reconcile", &[])
            ),
            (State::Conflict, ..) => tr!(
                "HubSoft opened something else; `%{show}` tells what, `%{resolve}` takes your word",
                show = typed.other(&["show", &said("ROW")]),
                resolve = typed.other(&["resolve", &said("ROW"), "--opened", &said("PROTOCOLO")])
            ),
            (State::Cancelled, ..) => tr!(
                "withdrawn before they were sent; `%{command}` takes that back",
                command = self.command("retry", &["--state", "cancelled"])
            ),
            (State::Skipped, ..) => tr!("left out on purpose; results.csv says of each why"),
            _ => text::to_do(state),
        })
    }
}
