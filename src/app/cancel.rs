//! Power is back: what was not sent is withdrawn.

use jiff::Timestamp;

use super::fault::Fault;
use super::note;
use super::place::Place;
use super::results::{Written, write_again};
use super::selection::batch_of;
use crate::outbox::{Cancelled, Deed};

pub async fn cancel(place: &Place) -> Result<(Cancelled, Option<Written>), Fault> {
    let outbox = place.outbox.open().await?;
    let info = batch_of(outbox.reader(), place).await?;
    let now = Timestamp::now();
    let cancelled = outbox.cancel(info.id, now).await?;
    note::act(&outbox, Some(&info.name), place.by(), Deed::Cancel, cancelled.n_cancelled).await;
    let results = write_again(outbox.reader(), place, Some(&info)).await?;
    outbox.close().await?;
    Ok((cancelled, results))
}
