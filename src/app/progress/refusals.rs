//! Why rows were not opened since a run began, as far as it has seen it.

use std::cell::RefCell;

use super::standing::RefusedFor;
use crate::delivery::{Change, Fault, Refused, RowId, Settle, Settled, State, Watch};
use crate::outbox::{ExampleRow, Reasons, Tally, Why};
use crate::printable;
use crate::text;

/// Of the words of the commonest reason, beside how far a run is. Characters.
const WORDS_CHARS_MAX: usize = 120;

/// Reasons of rows, which are named by their ids.
#[derive(Default)]
pub struct Refusals(RefCell<Tally>);

impl Refusals {
    /// All of them.
    pub fn reasons(&self) -> Reasons {
        self.0.borrow().reasons()
    }

    /// Why most rows were refused.
    pub fn commonest(&self) -> Option<RefusedFor> {
        let reason = self.0.borrow().commonest(&[State::Rejected, State::Failed])?;
        let code = reason.code.unwrap_or_default();
        let words = reason.message.unwrap_or_else(|| code.clone());
        Some(RefusedFor { words: printable::line(&words, WORDS_CHARS_MAX).into_owned(), code })
    }

    fn add(&self, row: RowId, why: Why<'_>) {
        let example = || ExampleRow { line: 0, referencia: row.0.to_string() };
        self.0.borrow_mut().add(why, example);
    }

    fn add_fault(&self, row: RowId, state: State, fault: &Fault) {
        let (code, words) = (fault.code(), text::fault(fault));
        self.add(row, Why { state, code: &code, field: "", words: &words });
    }
}

impl Watch for Refusals {
    fn settled(&self, settle: &Settle, became: Settled) {
        if became != Settled::Written {
            return;
        }
        match &settle.change {
            Change::Rejected { fault, .. } => self.add_fault(settle.row, State::Rejected, fault),
            Change::Failed { fault, .. } => self.add_fault(settle.row, State::Failed, fault),
            Change::Unconfirmed { fault, .. } => self.add_fault(settle.row, State::Unconfirmed, fault),
            Change::Conflict { fault, .. } => self.add_fault(settle.row, State::Conflict, fault),
            Change::Skipped { .. } => self.add_fault(settle.row, State::Skipped, &Fault::AlreadyOpen),
            Change::Opened { .. } | Change::Release | Change::Later { .. } => {}
        }
    }

    fn refused(&self, refused: &Refused) {
        let Refused { row, state, code, problems, .. } = refused;
        for problem in problems {
            let (code, field, words) = (&problem.code, &problem.field, &problem.message);
            self.add(*row, Why { state: *state, code, field, words });
        }
        if problems.is_empty() {
            self.add(*row, Why { state: *state, code, field: "", words: "" });
        }
    }
}
