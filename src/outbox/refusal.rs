//! What becomes of rows that are due but cannot be read as tickets.

use crate::delivery::{Doubt, State};
use crate::ticket::Problem;

/// The state of a row with `problems` from now on, and its code.
pub(super) fn unread(problems: &[Problem], doubt: Option<&Doubt>) -> (State, String) {
    let (state, code) = match problems.first() {
        // It may have been sent under rules that have changed: only a person can tell.
        _ if doubt.is_some_and(|doubt| !doubt.precaution) => (State::Unconfirmed, "unreadable"),
        Some(first) => (State::Invalid, &*first.code),
        None => (State::Invalid, "invalid"),
    };
    (state, code.to_owned())
}
