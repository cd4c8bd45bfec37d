//! The log of rows (`-v`): a line for what became of each, by the names that its producer knows it by.

use crate::delivery::{ALREADY_OPEN, Change, Fault, Refused, Settle, Settled, Watch};
use crate::outbox::state_name;

/// Tells in the log what becomes of rows (`-v`), by the names that a producer knows them by.
pub struct RowLog;

impl Watch for RowLog {
    fn settled(&self, settle: &Settle, became: Settled) {
        if tracing::enabled!(tracing::Level::ERROR) {
            log(settle, became);
        }
    }

    fn refused(&self, refused: &Refused) {
        let (id, lote, referencia) = (refused.row.0, &*refused.lote, &*refused.referencia);
        let (state, code) = (state_name(refused.state), &*refused.code);
        tracing::info!(row.id = id, lote, referencia, state, code, "row {id} is {state}");
    }
}

/// One line for what became of a row, once that is stored: what was only learnt may come otherwise. All lines
/// of a row have its `row.id`.
fn log(settle: &Settle, became: Settled) {
    let id = settle.row.0;
    let (lote, referencia) = (&*settle.label.lote, &*settle.label.referencia);
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
