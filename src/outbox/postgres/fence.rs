//! The fence: a settle writes only rows that its own claim still holds.

use crate::outbox::names::IN_FLIGHT;

/// Of `o`: in flight under the token of `v`, claimed by the worker of that parameter. A database that lost
/// its last commits gives tokens again.
///
/// `IS TRUE` hides the state from the planner. A worker's statistics often say that nothing is in flight; the
/// index of such rows then looks like the cheapest way in, and is read from end to end for every row of a
/// settle.
pub(super) fn fenced(worker: usize) -> String {
    format!("o.id = v.id AND o.token = v.token AND o.worker = ${worker} AND (o.state = {IN_FLIGHT}) IS TRUE")
}
