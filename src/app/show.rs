//! One row: its fields, its state, every attempt.

use super::fault::Fault;
use super::named::row_of;
use super::place::{Place, RowName};
use crate::outbox::RowDetails;

/// The one row that `names` lead to: all that `typed` may mean, of one outbox.
pub async fn show(names: &[(Place, RowName)], typed: &str) -> Result<RowDetails, Fault> {
    let outbox = names[0].0.outbox.look().await?;
    let details = row_of(outbox.reader(), names, typed).await?;
    outbox.close().await?;
    Ok(details)
}
