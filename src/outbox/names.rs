//! The words in which an outbox stores states and kinds. A contract: people `SELECT` them.

use super::MergeKind;
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
    State::ALL.into_iter().find(|state| state_name(*state) == name)
}

/// A list of states as SQL has it, in parentheses.
pub(super) fn any_of(states: &[State]) -> String {
    // An empty list is no SQL.
    let names: Vec<&str> = states.iter().map(|state| in_sql(*state)).collect();
    format!("({})", if names.is_empty() { "NULL".to_owned() } else { names.join(", ") })
}

/// The name of what was tried.
pub fn kind_name(kind: AttemptKind) -> &'static str {
    match kind {
        AttemptKind::Post => "post",
        AttemptKind::LookUp => "look_up",
        AttemptKind::Word => "word",
    }
}

/// The name of what a file was.
pub(super) fn merge_name(kind: MergeKind) -> &'static str {
    match kind {
        MergeKind::Whole => "whole",
        MergeKind::Correction => "correction",
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
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn a_state_is_found_by_its_name() {
        for state in State::ALL {
            assert_eq!(state_of(state_name(state)), Some(state));
        }
    }

    /// Whoever writes a name down again tells no compiler of it.
    #[test]
    fn a_state_is_named_here_and_nowhere_else() {
        let (mut n_files, mut folders) = (0, vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("it lists") {
                let path: PathBuf = entry.expect("it lists").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "sql")
                    && !path.ends_with("outbox/names.rs")
                {
                    n_files += 1;
                    let text = fs::read_to_string(&path).expect("it reads");
                    for state in State::ALL.map(in_sql) {
                        assert!(!text.contains(state), "{} has {state}", path.display());
                    }
                }
            }
        }
        assert!(100 < n_files, "{n_files}: it looked elsewhere");
    }
}
