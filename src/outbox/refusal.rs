//! What becomes of rows that are due but cannot be read as tickets.

use crate::delivery::{Doubt, Refused, State};
use crate::ticket::in_words;

/// A row that is not to be sent, as it is stored from now on.
pub(super) struct Refusal {
    pub(super) state: State,
    pub(super) code: String,
    pub(super) said: String,
    /// What the run hears of it if it is invalid.
    pub(super) told: Refused,
}

impl Refusal {
    pub(super) fn new(told: Refused, doubt: Option<&Doubt>) -> Self {
        let (state, code) = match told.problems.first() {
            // It may have been sent under rules that have changed: only a person can tell.
            _ if doubt.is_some_and(|it| !it.precaution) => (State::Unconfirmed, "unreadable"),
            Some(first) => (State::Invalid, &*first.code),
            None => (State::Invalid, "invalid"),
        };
        Self { state, code: code.to_owned(), said: in_words(&told.problems), told }
    }

    pub(super) fn into_told(self) -> Option<Refused> {
        (self.state == State::Invalid).then_some(self.told)
    }
}
