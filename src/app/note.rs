//! Who had it done.

use jiff::Timestamp;

use crate::outbox::{AnyOutbox, By, Deed};

/// Keeps that a person had this done with a batch; without one, with all of the outbox. By then it is done:
/// where this fails, that is logged, and no more.
pub async fn act(outbox: &AnyOutbox, batch: Option<&str>, by: By<'_>, deed: Deed, n_rows: u64) {
    if let Err(error) = outbox.note_act(batch, by, deed, n_rows, Timestamp::now()).await {
        tracing::warn!(%error, deed = deed.name(), "who did it is not kept");
    }
}
