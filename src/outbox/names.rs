//! The words in which an outbox stores states and kinds. A contract: people `SELECT` them.

use crate::delivery::{AttemptKind, State};

const STATES: [(State, &str); 11] = [
    (State::Pending, "pending"),
    (State::InFlight, "in_flight"),
    (State::InDoubt, "in_doubt"),
    (State::Opened, "opened"),
    (State::Invalid, "invalid"),
    (State::Rejected, "rejected"),
    (State::Failed, "failed"),
    (State::Unconfirmed, "unconfirmed"),
    (State::Conflict, "conflict"),
    (State::Skipped, "skipped"),
    (State::Cancelled, "cancelled"),
];

/// The state's name in databases, files and on the command line.
pub fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::InFlight => "in_flight",
        State::InDoubt => "in_doubt",
        State::Opened => "opened",
        State::Invalid => "invalid",
        State::Rejected => "rejected",
        State::Failed => "failed",
        State::Unconfirmed => "unconfirmed",
        State::Conflict => "conflict",
        State::Skipped => "skipped",
        State::Cancelled => "cancelled",
    }
}

/// The state of that name.
pub fn state_of(name: &str) -> Option<State> {
    STATES.into_iter().find(|(_, it)| *it == name).map(|(state, _)| state)
}

/// The name of what was tried.
pub fn kind_name(kind: AttemptKind) -> &'static str {
    match kind {
        AttemptKind::Post => "post",
        AttemptKind::LookUp => "look_up",
        AttemptKind::Word => "word",
    }
}

pub(super) fn kind_of(name: &str) -> Option<AttemptKind> {
    match name {
        "post" => Some(AttemptKind::Post),
        "look_up" => Some(AttemptKind::LookUp),
        "word" => Some(AttemptKind::Word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_found_by_its_name() {
        for (state, name) in STATES {
            assert_eq!(state_name(state), name);
            assert_eq!(state_of(name), Some(state));
        }
    }
}
