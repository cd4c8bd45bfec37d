//! What was stopped goes on.

use super::fault::Fault;
use super::note;
use super::place::Place;
use super::selection::batch_of;
use crate::outbox::Deed;

pub struct Resumed {
    pub lote: String,
    pub was_halted: bool,
}

/// Lets a lote go on that was halted.
pub async fn resume_lote(place: &Place) -> Result<Resumed, Fault> {
    let outbox = place.outbox.open().await?;
    let lote = batch_of(outbox.reader(), place).await?.name;
    let was_halted = outbox.resume_lote(&lote).await?;
    if was_halted {
        note::act(&outbox, Some(&lote), place.by(), Deed::Resume, 0).await;
    }
    outbox.close().await?;
    Ok(Resumed { lote, was_halted })
}
