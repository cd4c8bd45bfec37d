//! What both drivers make of a person's commands.

use super::names::state_of;
use super::stored::unreadable;
use super::{Resolution, ResolveError, state_name};
use crate::delivery::{RowId, State};

/// What a person's word that nothing was opened is kept as, in `error_code`.
const NOT_OPENED: &str = "not_opened";

/// The names of those of `states` that a row may be retried from: finished, and not `opened`.
pub(super) fn retryable(states: &[State]) -> Vec<&'static str> {
    let is_retryable =
        |it: &&State| !matches!(it, State::Pending | State::InFlight | State::InDoubt | State::Opened);
    states.iter().filter(is_retryable).map(|it| state_name(*it)).collect()
}

/// Checks the state, as it is stored, of a row that a person wants to settle. `None`: there is no such row.
pub(super) fn check_unconfirmed(row: RowId, state: Option<&str>) -> Result<(), ResolveError> {
    match state.map(state_of) {
        Some(Some(State::Unconfirmed)) => Ok(()),
        Some(Some(state)) => Err(ResolveError::NotUnconfirmed { row, state }),
        Some(None) => Err(unreadable("outbox.state").into()),
        None => Err(ResolveError::Unknown { row }),
    }
}

/// A resolution as SQL takes it.
pub(super) struct Resolved<'a> {
    pub(super) state: &'static str,
    pub(super) protocolo: Option<&'a str>,
    pub(super) id_atendimento: Option<i64>,
    pub(super) error_code: Option<&'static str>,
}

impl<'a> Resolved<'a> {
    pub(super) fn by(word: Resolution<'a>) -> Self {
        match word {
            Resolution::Opened { protocolo, id_atendimento } => {
                Self { state: "opened", protocolo: Some(protocolo), id_atendimento, error_code: None }
            }
            Resolution::NotOpened => {
                Self { state: "failed", protocolo: None, id_atendimento: None, error_code: Some(NOT_OPENED) }
            }
        }
    }
}
