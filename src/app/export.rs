//! Results and errors of a batch, again.

use std::path::Path;

use super::fault::Fault;
use super::form::Form;
use super::place::Place;
use super::results::{self, Written};
use super::selection::{batch_of, latest};
use super::sheet::ColumnNames;
use super::work_folder;
use crate::outbox::Scope;
use crate::report::{Guard, People};

pub struct Exported {
    pub written: Written,
    pub batch: String,
    /// It is what its folder means.
    pub is_latest: bool,
}

pub async fn export(place: &Place, folder: &Path, guard: Guard, people: People) -> Result<Exported, Fault> {
    let outbox = place.outbox.look().await?;
    let info = batch_of(outbox.reader(), place).await?;
    work_folder::refuse_to_replace(folder)?;
    work_folder::make_private(folder)?;
    let form = Form { batch: &info, columns: &ColumnNames::new(), guard, user: &place.user, people };
    let (reader, scope) = (outbox.reader(), Scope::Batch(info.id));
    let written = results::write_all(reader, scope, &form, folder).await?;
    let is_latest = latest(reader, place).await?.is_some_and(|latest| latest.id == info.id);
    outbox.close().await?;
    Ok(Exported { written, batch: info.name, is_latest })
}
