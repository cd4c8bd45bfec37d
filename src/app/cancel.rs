//! Power is back: what was not sent is withdrawn.

use jiff::Timestamp;

use super::fault::Fault;
use super::place::Place;
use super::results::{Written, write_again};
use super::selection::batch_of;
use crate::outbox::Cancelled;

pub async fn cancel(place: &Place) -> Result<(Cancelled, Option<Written>), Fault> {
    let outbox = place.outbox.open().await?;
    let info = batch_of(outbox.reader(), place).await?;
    let cancelled = outbox.cancel(info.id, Timestamp::now()).await?;
    let results = write_again(outbox.reader(), place, Some(&info)).await?;
    outbox.close().await?;
    Ok((cancelled, results))
}
