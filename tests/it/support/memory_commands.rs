//! What persons and programs do to rows in memory, as the words of the commands have it: the model of what
//! both drivers do in SQL.

use std::sync::Arc;

use jiff::Timestamp;
use mutirao::delivery::{Doubt, Fault, OpenedTicket, RowId, State};
use mutirao::ticket::Ticket;

use super::breach::Breach;
use super::memory_outbox::{Row, Shelf};

impl Row {
    /// It certainly has no ticket of ours, and no person withdrew it.
    fn is_free(&self) -> bool {
        let is_certain = self.doubt.as_ref().is_none_or(|it| it.precaution);
        let is_free = match self.state {
            State::Invalid | State::Rejected | State::Failed | State::Pending => true,
            State::Cancelled => self.error_code.as_deref() == Some(mutirao::delivery::GONE),
            _ => false,
        };
        is_certain && is_free
    }

    /// As new, but for what it was: one that was sent, and is known to have left nothing, is looked up first.
    fn start_over(&mut self, now: Timestamp) {
        let was_sent = self.sent_at.is_some() && self.state != State::Pending;
        if self.doubt.is_none() && was_sent {
            self.doubt = Some(Doubt::precaution(now));
        }
        self.was_precaution |= self.doubt.is_some();
        (self.state, self.attempts, self.available_at) = (State::Pending, 0, now);
        (self.opening, self.error_code, self.is_outdated) = (None, None, false);
    }
}

/// The file comes again, and has the row as it was, or with another text.
pub fn import_again(shelf: &mut Shelf, row: RowId, ticket: Option<Ticket>, now: Timestamp) {
    let Some(row) = shelf.rows.get_mut(&row.0).filter(|row| !row.is_purged) else { return };
    let is_changed = ticket.as_ref().is_some_and(|it| it.descricao != row.ticket.descricao);
    let is_free = row.is_free();
    row.is_gone = false;
    if let Some(ticket) = ticket.filter(|_| is_free) {
        row.ticket = ticket;
    }
    let is_done_with = !matches!(row.state, State::Pending | State::Rejected | State::Failed);
    if is_free && (is_changed || is_done_with) {
        row.start_over(now);
    } else if is_changed
        && !is_free
        && matches!(row.state, State::InDoubt | State::InFlight | State::Unconfirmed)
    {
        row.is_outdated = true;
    }
}

/// Makes finished rows pending again; returns how many. One that was ever sent is looked up first.
pub fn retry(shelf: &mut Shelf, states: &[State], now: Timestamp) -> usize {
    let may = |row: &Row| !row.is_gone && !row.is_purged && states.contains(&row.state);
    let (mut n_rows, breach) = (0, shelf.breach);
    for row in shelf.rows.values_mut().filter(|row| State::RETRYABLE.contains(&row.state) && may(row)) {
        n_rows += 1;
        let was_live = row.is_live();
        let is_conflict = row.state == State::Conflict;
        let doubt = row.doubt.take().or_else(|| row.kept_doubt.take().filter(|_| is_conflict));
        let is_forgotten = match breach {
            Breach::ForgetConflicts => is_conflict,
            Breach::RetryDoubts => !is_conflict && doubt.as_ref().is_some_and(|it| !it.precaution),
            _ => false,
        };
        let doubt = doubt.filter(|_| !is_forgotten);
        let was_sent = row.sent_at.is_some() && !is_forgotten;
        row.doubt = doubt.or_else(|| was_sent.then(|| Doubt::precaution(now)));
        if let Some(doubt) = &mut row.doubt {
            doubt.answered = 0;
            row.was_precaution |= doubt.precaution;
        }
        row.attempts = if row.state == State::Unconfirmed { row.attempts } else { 0 };
        row.state = row.doubt.as_ref().map_or(State::Pending, Doubt::state);
        row.available_at = if was_sent { now } else { row.available_at.max(now) };
        (row.opening, row.error_code, row.is_outdated) = (None, None, false);
        row.is_revived |= !was_live && row.is_live();
    }
    shelf.halted.clear();
    n_rows
}

/// Withdraws what was certainly not sent.
pub fn cancel(shelf: &mut Shelf, lote: &str) -> usize {
    let is_unsent =
        |row: &Row| row.state == State::Pending && row.doubt.as_ref().is_none_or(|it| it.precaution);
    let mut n_rows = 0;
    for row in shelf.rows.values_mut().filter(|row| &*row.lote == lote && is_unsent(row)) {
        (row.state, row.is_withdrawn) = (State::Cancelled, true);
        n_rows += 1;
    }
    n_rows
}

/// A person's word on a row that may have a ticket. Returns whether it was taken.
pub fn resolve(shelf: &mut Shelf, row: RowId, opening: Option<OpenedTicket>, now: Timestamp) -> bool {
    let is_owner =
        |it: &Row| it.state == State::Opened && opening.is_some() && it.opening.as_ref() == opening.as_ref();
    if shelf.rows.iter().any(|(id, it)| *id != row.0 && is_owner(it)) {
        return false;
    }
    let is_on_its_way = |row: &Row| {
        opening.is_none() && row.state.is_live() && row.doubt.as_ref().is_some_and(|it| now < it.since)
    };
    let takes_it = |row: &&mut Row| row.state.takes_a_word() && !is_on_its_way(row);
    let Some(row) = shelf.rows.get_mut(&row.0).filter(takes_it) else { return false };
    match opening {
        Some(_) => row.keep_doubt(now),
        None => row.doubt = None,
    }
    (row.state, row.error_code) = match opening {
        Some(_) => (State::Opened, None),
        None => (State::Failed, Some(Fault::NotOpened.code().into_owned())),
    };
    row.opening = opening;
    true
}

/// Takes from finished rows what is personal: they are not tried again.
pub fn purge(shelf: &mut Shelf) {
    for row in shelf.rows.values_mut().filter(|row| State::DONE_WITH.contains(&row.state)) {
        row.is_purged = true;
    }
}

/// Rows of halted lotes may be posted again.
pub fn resume_lotes(shelf: &mut Shelf) -> Vec<Arc<str>> {
    std::mem::take(&mut shelf.halted).into_iter().collect()
}
