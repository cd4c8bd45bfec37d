//! All workers of a shared outbox stop and go on, at a person's word.

use super::fault::Fault;
use super::note;
use crate::outbox::{Address, AnyOutbox, By, Deed, Halted, PgOutbox};

/// All workers stop, for this reason.
pub async fn pause(address: &Address, by: By<'_>, reason: &str) -> Result<(), Fault> {
    let outbox = shared(address).await?;
    outbox.pause(reason).await?;
    let outbox = AnyOutbox::Postgres(outbox);
    note::act(&outbox, None, by, Deed::Pause, 0).await;
    Ok(outbox.close().await?)
}

/// All workers go on. Returns the lotes that stay halted.
pub async fn resume(address: &Address, by: By<'_>) -> Result<Vec<Halted>, Fault> {
    let outbox = shared(address).await?;
    outbox.resume().await?;
    let outbox = AnyOutbox::Postgres(outbox);
    note::act(&outbox, None, by, Deed::Resume, 0).await;
    let halted = outbox.reader().halted().await?;
    outbox.close().await?;
    Ok(halted)
}

/// The outbox that workers share.
async fn shared(address: &Address) -> Result<PgOutbox, Fault> {
    match address.open().await? {
        AnyOutbox::Postgres(outbox) => Ok(outbox),
        AnyOutbox::Sqlite(_) => Err(Fault::OneWorker),
    }
}
