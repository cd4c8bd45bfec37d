//! What both drivers make of a person's commands.

use super::names::state_of;
use super::stored::unreadable;
use super::{Resolution, ResolveError, Word, state_name};
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
pub(super) fn check_unsettled(row: RowId, state: Option<&str>) -> Result<(), ResolveError> {
    match state.map(state_of) {
        Some(Some(state)) if takes_a_word(state) => Ok(()),
        Some(Some(state)) => Err(ResolveError::NotUnsettled { row, state }),
        Some(None) => Err(unreadable("outbox.state").into()),
        None => Err(ResolveError::Unknown { row }),
    }
}

/// Whether a person may say what became of a row in this state.
pub fn takes_a_word(state: State) -> bool {
    matches!(state, State::InDoubt | State::Unconfirmed | State::Conflict)
}

/// The protocolos of `words` with their rows; an error if two rows are to have the same.
pub(super) fn protocolos<'a>(words: &[Word<'a>]) -> Result<Vec<(&'a str, RowId)>, ResolveError> {
    let mut all: Vec<(&str, RowId)> = Vec::new();
    for word in words {
        let Resolution::Opened { protocolo, .. } = word.says else { continue };
        if let Some((_, owner)) = all.iter().find(|it| it.0 == protocolo) {
            return Err(ResolveError::OtherRows { protocolo: protocolo.to_owned(), owner: *owner });
        }
        all.push((protocolo, word.row));
    }
    Ok(all)
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
