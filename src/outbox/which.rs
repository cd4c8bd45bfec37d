//! Which rows are meant: all that SQL asks of a row's state, for both drivers. `row` is what it is called
//! there.

use super::names::{OPENED, PENDING, any_of, in_sql};
use crate::delivery::State;

/// It waits to be posted, with nothing to be looked up before. The indices of such rows have it word for
/// word.
pub(super) fn to_post(row: &str) -> String {
    format!("{row}.doubt_since IS NULL AND {row}.state = {PENDING}")
}

/// It waits to be looked up, were it as a precaution. Word for word the condition of the index
/// `outbox_doubt`.
pub(super) fn to_look_up(row: &str) -> String {
    format!("{row}.state IN {} AND {row}.doubt_since IS NOT NULL", any_of(&State::WAITING))
}

/// It was possibly sent, and is unsettled. Word for word the condition of the index `outbox_live`, for which
/// SQLite and Postgres each want that the doubt is no precaution (`is_real`) in words of their own.
pub(super) fn live(row: &str, is_real: &str) -> String {
    let states = State::LIVE.map(|state| format!("{row}.state = {}", in_sql(state)));
    format!(
        "({} OR ({row}.state = {PENDING} AND {row}.doubt_since IS NOT NULL AND {is_real}))",
        states.join(" OR ")
    )
}

/// A ticket exists, or may.
pub(super) fn may_be_opened(row: &str) -> String {
    format!(
        "({row}.state IN {} OR {row}.state = {PENDING} AND {row}.doubt_since IS NOT NULL AND NOT {row}.doubt_precaution)",
        any_of(&State::MAY_BE_OPENED)
    )
}

/// A ticket may exist, and nobody knows what became of it.
pub(super) fn unsettled(row: &str) -> String {
    format!("({row}.state <> {OPENED} AND {})", may_be_opened(row))
}

/// It counts, and stands in results: its file has it, or no longer, but nobody knew what became of it when
/// the last whole file came (`import`). `batches` is their table.
pub(super) fn told_of(row: &str, batches: &str) -> String {
    format!(
        "(NOT {row}.gone OR {row}.import = (SELECT b.source FROM {batches} b WHERE b.id = {row}.batch) AND {})",
        may_be_opened(row)
    )
}

/// It had yet to be opened, and certainly was not.
pub(super) fn unsent(row: &str) -> String {
    format!("({row}.state = {PENDING} AND ({row}.doubt_since IS NULL OR {row}.doubt_precaution))")
}

/// A person may have it tried again from those of `states` that are finished, and not `opened`.
pub(super) fn to_retry(row: &str, states: &[State]) -> String {
    let states: Vec<State> =
        states.iter().copied().filter(|state| State::RETRYABLE.contains(state)).collect();
    format!("NOT {row}.gone AND {row}.purged_at IS NULL AND {row}.state IN {}", any_of(&states))
}
