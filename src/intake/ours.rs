//! Rows of a file that we wrote.

use std::collections::BTreeMap;

use super::{Intake, IntakeError};
use crate::delivery::State;
use crate::ticket::code::BatchCode;

/// Rows that were in an outbox before, by what they carry of its results. All zero in a file that has none of
/// the columns `referencia`, `state` and `protocolo`; it is read once more to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    pub n_rows: u64,
    /// How many rows name each batch. Those that name none are not here.
    pub by_batch: BTreeMap<BatchCode, u64>,
    /// Rows that name no batch, and yet carry a `protocolo` or a state of ours: a ticket may stand beside
    /// them.
    pub n_nameless: u64,
    /// Those that name none, and those that do.
    pub n_carried: u64,
    /// Rows beside which a `protocolo` stands, or whose state says that they were opened, skipped, withdrawn,
    /// or may have been sent.
    pub n_settled: u64,
}

impl Ours {
    /// Reads `intake` to its end.
    pub(super) fn of(intake: &mut Intake) -> Result<Self, IntakeError> {
        let mut ours = Self::default();
        while let Some(row) = intake.next_row()? {
            ours.n_rows += 1;
            let (has_protocolo, state) = (row.has_protocolo(), row.state());
            let is_marked = has_protocolo || state.is_some();
            let code = row.identity().and_then(|(code, _)| code);
            match code {
                Some(code) => *ours.by_batch.entry(code).or_default() += 1,
                None => ours.n_nameless += u64::from(is_marked),
            }
            ours.n_carried += u64::from(is_marked || code.is_some());
            let may_be_sent = !matches!(
                state,
                None | Some(State::Pending | State::Invalid | State::Rejected | State::Failed)
            );
            ours.n_settled += u64::from(has_protocolo || may_be_sent);
        }
        Ok(ours)
    }

    /// The batch that most of the rows name, of those that name one.
    pub fn batch(&self) -> Option<BatchCode> {
        self.by_batch.iter().max_by_key(|(_, n_rows)| *n_rows).map(|(code, _)| *code)
    }
}
