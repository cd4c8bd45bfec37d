//! What both drivers ask of the settles of one commit.

use std::collections::HashSet;

use crate::delivery::{Change, Settle};

/// The ticket that a settle proves.
pub(super) fn ticket_of(settle: &Settle) -> Option<i64> {
    match &settle.change {
        Change::Opened { opening, .. } => Some(opening.id_atendimento),
        _ => None,
    }
}

/// Whether no row and no ticket comes twice.
pub(super) fn are_distinct(settles: &[Settle]) -> bool {
    let (mut rows, mut tickets) = (HashSet::new(), HashSet::new());
    settles.iter().all(|it| rows.insert(it.row) && ticket_of(it).is_none_or(|ticket| tickets.insert(ticket)))
}
