//! Results and errors of a batch, again.

use std::path::Path;

use super::fault::Fault;
use super::place::Place;
use super::results::{self, Form, Written};
use super::selection::batch_of;
use super::sheet::ColumnNames;
use super::work_folder;
use crate::outbox::Scope;
use crate::report::{Guard, People};

pub async fn export(place: &Place, folder: &Path, guard: Guard, people: People) -> Result<Written, Fault> {
    let outbox = place.outbox.look().await?;
    let info = batch_of(outbox.reader(), place).await?;
    work_folder::refuse_to_replace(folder)?;
    work_folder::make_private(folder)?;
    let form = Form { batch: &info, columns: &ColumnNames::new(), guard, user: &place.user, people };
    let written = results::write_all(outbox.reader(), Scope::Batch(info.id), &form, folder).await?;
    outbox.close().await?;
    Ok(written)
}
