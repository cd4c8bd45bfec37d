//! The outbox in a database is made, or brought up to date.

use super::fault::Fault;
use crate::outbox::OpenFault;
use crate::outbox::postgres::{self, Migrated, WakeUp};

/// Makes the outbox at `url`, or brings it up to date.
pub async fn migrate(url: &str, wake_up: WakeUp) -> Result<Migrated, Fault> {
    refuse_file(url)?;
    Ok(postgres::migrate(url, wake_up).await.map_err(OpenFault::from)?)
}

/// Sees whether the outbox at `url` is up to date.
pub async fn is_migrated(url: &str) -> Result<(), Fault> {
    refuse_file(url)?;
    Ok(postgres::check(url).await.map_err(OpenFault::from)?)
}

/// A file is made, and brought up to date, by the command that uses it.
fn refuse_file(url: &str) -> Result<(), Fault> {
    if url.starts_with("sqlite:") { Err(Fault::NeedsNoMigration) } else { Ok(()) }
}
