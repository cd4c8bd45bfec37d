//! All workers of a shared outbox stop and go on, at a person's word.

use super::fault::Fault;
use crate::outbox::{Address, AnyOutbox, Halted, PgOutbox};

/// All workers stop, for this reason.
pub async fn pause(address: &Address, reason: &str) -> Result<(), Fault> {
    let outbox = shared(address).await?;
    outbox.pause(reason).await?;
    outbox.close().await;
    Ok(())
}

/// All workers go on. Returns the lotes that stay halted.
pub async fn resume(address: &Address) -> Result<Vec<Halted>, Fault> {
    let outbox = shared(address).await?;
    outbox.resume().await?;
    let halted = outbox.halted().await?;
    outbox.close().await;
    Ok(halted)
}

/// The outbox that workers share.
async fn shared(address: &Address) -> Result<PgOutbox, Fault> {
    match address.open().await? {
        AnyOutbox::Postgres(outbox) => Ok(outbox),
        AnyOutbox::Sqlite(_) => Err(Fault::OneWorker),
    }
}
