//! How an outbox stands: rows by state, what is due, what holds a batch back; of a shared one, who works on
//! it.

use jiff::Timestamp;

use super::address::Led;
use super::fault::Fault;
use super::place::Place;
use super::selection::{batch_of, latest};
use crate::outbox::sqlite::Holder;
use crate::outbox::{BatchInfo, Crew, Halted, Reasons, Scope, Status};

pub struct OutboxStatus {
    /// The one that was named; without a name, all of a file. Each with why its rows were not opened.
    pub batches: Vec<(BatchInfo, Status, Reasons)>,
    /// Of a database, unless a batch was named.
    pub whole: Option<Status>,
    pub crew: Option<Crew>,
    pub halted: Vec<Halted>,
    /// The process that works on a file.
    pub holder: Option<Holder>,
    /// The batch imported last.
    latest: Option<String>,
}

impl OutboxStatus {
    /// Whether rows go on by themselves, or a file is still being read.
    pub fn is_anything_left(&self) -> bool {
        let mut known = self.batches.iter().map(|(_, status, _)| status).chain(&self.whole);
        let is_being_read = self.holder.is_some() && self.batches.is_empty();
        is_being_read || known.any(|status| 0 < status.counts.left())
    }

    /// How a batch of the outbox at `place` is found again.
    pub fn led<'a>(&self, place: &'a Place, batch: &str) -> Led<'a> {
        place.led(self.latest.as_deref() == Some(batch))
    }
}

pub async fn status(place: &Place) -> Result<OutboxStatus, Fault> {
    let outbox = place.outbox.look().await?;
    let reader = outbox.reader();
    let (mut infos, mut whole) = (Vec::new(), None);
    if place.batch.is_some() {
        infos.push(batch_of(reader, place).await?);
    } else if place.outbox.file().is_some() {
        for name in reader.batch_names(usize::MAX).await? {
            infos.extend(reader.batch_info(&name).await?);
        }
    } else {
        whole = Some(reader.status(Scope::All, Timestamp::now()).await?);
    }
    let crew = reader.crew().await?;
    let mut halted = reader.halted().await?;
    if whole.is_none() {
        halted.retain(|batch| infos.iter().any(|info| info.name == batch.lote));
    }
    let holder = place.outbox.holder();
    let latest = latest(reader, place).await?.map(|info| info.name);
    let mut batches = Vec::new();
    for info in infos {
        let scope = Scope::Batch(info.id);
        let status = reader.status(scope, Timestamp::now()).await?;
        let reasons = reader.reasons(scope).await?;
        batches.push((info, status, reasons));
    }
    outbox.close().await?;
    Ok(OutboxStatus { batches, whole, crew, halted, holder, latest })
}
