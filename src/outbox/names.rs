//! The words in which an outbox stores states and kinds. A contract: people `SELECT` them.

use crate::delivery::{AttemptKind, State};

// As SQL has them, to be put into a statement.
pub(super) const PENDING: &str = "'pending'";
pub(super) const IN_FLIGHT: &str = "'in_flight'";
pub(super) const IN_DOUBT: &str = "'in_doubt'";
pub(super) const OPENED: &str = "'opened'";
pub(super) const INVALID: &str = "'invalid'";
pub(super) const REJECTED: &str = "'rejected'";
pub(super) const FAILED: &str = "'failed'";
pub(super) const UNCONFIRMED: &str = "'unconfirmed'";
pub(super) const CONFLICT: &str = "'conflict'";
pub(super) const SKIPPED: &str = "'skipped'";
pub(super) const CANCELLED: &str = "'cancelled'";

/// As SQL has the state.
pub(super) const fn in_sql(state: State) -> &'static str {
    match state {
        State::Pending => PENDING,
        State::InFlight => IN_FLIGHT,
        State::InDoubt => IN_DOUBT,
        State::Opened => OPENED,
        State::Invalid => INVALID,
        State::Rejected => REJECTED,
        State::Failed => FAILED,
        State::Unconfirmed => UNCONFIRMED,
        State::Conflict => CONFLICT,
        State::Skipped => SKIPPED,
        State::Cancelled => CANCELLED,
    }
}

/// The state's name in databases, files and on the command line.
pub fn state_name(state: State) -> &'static str {
    in_sql(state).trim_matches('\'')
}

/// The state of that name.
pub fn state_of(name: &str) -> Option<State> {
    State::ALL.into_iter().find(|it| state_name(*it) == name)
}

/// A list of states as SQL has it, in parentheses.
pub(super) fn any_of(states: &[State]) -> String {
    let names: Vec<&str> = states.iter().map(|it| in_sql(*it)).collect();
    format!("({})", names.join(", "))
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
        for state in State::ALL {
            assert_eq!(state_of(state_name(state)), Some(state));
        }
    }
}
