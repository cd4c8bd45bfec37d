//! What became of the rows that a worker had, in numbers.

use std::cell::Cell;

use crate::delivery::{Change, Refused, Settle, Settled, State};

/// Rows since it began.
#[derive(Default)]
pub struct Tally {
    n_opened: Cell<u64>,
    n_not_opened: Cell<u64>,
    n_unconfirmed: Cell<u64>,
}

impl Tally {
    pub fn settled(&self, settle: &Settle, became: Settled) {
        match (became, &settle.change) {
            (Settled::Written, Change::Opened { .. }) => count(&self.n_opened),
            (Settled::Written, Change::Unconfirmed { .. } | Change::Conflict { .. })
            | (Settled::Taken, _) => count(&self.n_unconfirmed),
            (Settled::Written, Change::Rejected { .. } | Change::Failed { .. } | Change::Skipped { .. }) => {
                count(&self.n_not_opened);
            }
            _ => {}
        }
    }

    pub fn refused(&self, refused: &Refused) {
        match refused.state {
            State::Unconfirmed => count(&self.n_unconfirmed),
            _ => count(&self.n_not_opened),
        }
    }

    /// In a line: what is worth a word.
    pub fn in_words(&self) -> String {
        let mut text = format!("{} opened", self.n_opened.get());
        let others =
            [(&self.n_not_opened, "not opened"), (&self.n_unconfirmed, "unconfirmed or in conflict")];
        for (n_rows, what) in others.map(|(n_rows, what)| (n_rows.get(), what)) {
            if 0 < n_rows {
                text += &format!(", {n_rows} {what}");
            }
        }
        text
    }
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}
