//! What a person should know of a run as a whole, in words.

use std::borrow::Cow;

use crate::delivery::Note;
use crate::text;

/// `None`: how it stands tells that, or what helps, which is another thing for each who tells.
pub fn noted(note: &Note<'_>) -> Option<Cow<'static, str>> {
    Some(match note {
        Note::Blind(why) => tr!(
            "rows in doubt stay so, since an absence cannot be believed: %{why}",
            why = text::blindness(*why)
        ),
        Note::Unproven => tr!(
            "rows that are not found are opened, though nothing was opened from here yet that shows whether \
             this user sees tickets: look for one that you know of as this user"
        ),
        Note::Unlisted(None) => tr!(
            "each row is looked up by itself, since other workers open tickets too: no list of open tickets \
             would tell of theirs"
        ),
        Note::Unlisted(Some(why)) => tr!(
            "each row is looked up by itself, since HubSoft gives no list of all open tickets: %{why}",
            why = text::fault(why)
        ),
        Note::Recovered(n_rows) => tr!(
            "%{n} %{n|row|rows} may have been sent by an earlier run: looking %{n|it|them} up first",
            n = *n_rows
        ),
        Note::Rescued(n_rows) => tr!(
            "%{n} %{n|row|rows} of a worker that died may have been sent: looking %{n|it|them} up first",
            n = *n_rows
        ),
        Note::BreakerOpened(_)
        | Note::BreakerClosed
        | Note::OutboxDown(_)
        | Note::OutboxUp
        | Note::Stopping
        | Note::Paused(_)
        | Note::Resumed
        | Note::Halted(_)
        | Note::HaltOver
        | Note::LoteHalted { .. } => return None,
    })
}
