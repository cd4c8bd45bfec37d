//! What both drivers ask of the settles of one commit.

use std::collections::HashSet;

use crate::delivery::{RowId, Settle};

/// Rows and tickets of which there was a settle already.
#[derive(Default)]
pub(super) struct Seen {
    rows: HashSet<RowId>,
    tickets: HashSet<i64>,
}

impl Seen {
    /// Whether neither its row nor its ticket has come before.
    pub(super) fn is_new(&mut self, settle: &Settle) -> bool {
        let is_new_ticket = settle.ticket().is_none_or(|ticket| self.tickets.insert(ticket));
        self.rows.insert(settle.row) && is_new_ticket
    }
}

/// Whether no row and no ticket comes twice.
pub(super) fn are_distinct(settles: &[Settle]) -> bool {
    let mut seen = Seen::default();
    settles.iter().all(|settle| seen.is_new(settle))
}
