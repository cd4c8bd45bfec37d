//! The log of rows (`-v`): a line for what became of each, by the names that its producer knows it by.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::delivery::{ALREADY_OPEN, Change, Claim, Fault, Refused, RowId, Settle, Settled, Watch};
use crate::outbox::state_name;

/// Tells in the log what becomes of rows (`-v`), by the names that a producer knows them by.
#[derive(Default)]
pub struct RowLog {
    /// Of the rows that are claimed.
    names: RefCell<HashMap<RowId, Name, foldhash::fast::RandomState>>,
}

/// By what a producer knows its row.
#[derive(Clone, Debug, Default)]
struct Name {
    lote: Arc<str>,
    referencia: Arc<str>,
}

impl Watch for RowLog {
    fn claimed(&self, claim: &Claim) {
        if !tracing::enabled!(tracing::Level::ERROR) {
            return;
        }
        let name = Name { lote: Arc::clone(&claim.lote), referencia: Arc::clone(&claim.referencia) };
        self.names.borrow_mut().insert(claim.row, name);
    }

    fn settled(&self, settle: &Settle, became: Settled) {
        if !tracing::enabled!(tracing::Level::ERROR) {
            return;
        }
        let mut names = self.names.borrow_mut();
        // What somebody has a lock on is settled once more.
        let name = match became {
            Settled::Locked => None,
            _ => names.remove(&settle.row),
        };
        log(settle, became, &name.unwrap_or_default());
    }

    fn refused(&self, refused: &Refused) {
        let (id, lote, referencia) = (refused.row.0, &*refused.lote, &*refused.referencia);
        let (state, code) = (state_name(refused.state), &*refused.code);
        tracing::info!(row.id = id, lote, referencia, state, code, "row {id} is {state}");
    }
}

/// One line for what became of a row, once that is stored: what was only learnt may come otherwise. All lines
/// of a row have its `row.id`.
fn log(settle: &Settle, became: Settled, name: &Name) {
    let id = settle.row.0;
    let (lote, referencia) = (&*name.lote, &*name.referencia);
    let (state, code) = match (became, &settle.change) {
        (Settled::Locked, _) | (_, Change::Release) => return,
        (Settled::Stale, _) => {
            tracing::info!(
                row.id = id,
                lote,
                referencia,
                "row {id} was settled by another, and stays as it is"
            );
            return;
        }
        (Settled::Deleted, Change::Opened { opening, .. } | Change::Conflict { opening, .. }) => {
            tracing::error!(
                row.id = id,
                lote,
                referencia,
                protocolo = &*opening.protocolo,
                id_atendimento = opening.id_atendimento,
                "row {id} was deleted while it was sent: its ticket exists, and no row has it"
            );
            return;
        }
        (Settled::Deleted, _) => {
            tracing::warn!(row.id = id, lote, referencia, "row {id} was deleted while it was sent");
            return;
        }
        (Settled::Duplicate, _) => {
            tracing::error!(
                row.id = id,
                lote,
                referencia,
                state = "opened",
                code = "duplicate",
                "row {id} has a second ticket"
            );
            return;
        }
        (Settled::Taken, _) => ("conflict", "taken".into()),
        (Settled::Written, Change::Opened { .. }) => ("opened", "".into()),
        (Settled::Written, Change::Later { fault, .. }) => {
            (state_name(settle.change.state(None)), fault.as_ref().map_or("".into(), Fault::code))
        }
        (Settled::Written, Change::Skipped { .. }) => ("skipped", ALREADY_OPEN.into()),
        (Settled::Written, Change::Rejected { fault, .. }) => ("rejected", fault.code()),
        (Settled::Written, Change::Failed { fault, .. }) => ("failed", fault.code()),
        (Settled::Written, Change::Unconfirmed { fault, .. }) => ("unconfirmed", fault.code()),
        (Settled::Written, Change::Conflict { fault, .. }) => ("conflict", fault.code()),
    };
    tracing::info!(row.id = id, lote, referencia, state, code = &*code, "row {id} is {state}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Token;

    /// Seen: the line that told of it at last named neither lote nor referencia.
    #[test]
    fn a_row_that_was_locked_keeps_its_name_until_it_is_settled() {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).finish();
        tracing::subscriber::with_default(subscriber, || {
            let log = RowLog::default();
            let name = Name { lote: "queda".into(), referencia: "7".into() };
            log.names.borrow_mut().insert(RowId(1), name);
            let change = Change::Release;
            let settle = Settle { row: RowId(1), token: Token(1), change, attempt: None };
            log.settled(&settle, Settled::Locked);
            assert!(log.names.borrow().contains_key(&RowId(1)));
            log.settled(&settle, Settled::Written);
            assert!(log.names.borrow().is_empty());
        });
    }
}
