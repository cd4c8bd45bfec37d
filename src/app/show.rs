//! One row: its fields, its state, every attempt.

use super::fault::Fault;
use super::place::NamedRow;
use super::selection::row_of;
use crate::outbox::RowDetails;

pub async fn show(name: &NamedRow) -> Result<RowDetails, Fault> {
    let outbox = name.place().outbox.look().await?;
    let details = row_of(outbox.reader(), name).await?;
    outbox.close().await?;
    Ok(details)
}
