//! Results and errors of a batch, again; of a damaged outbox as far as it can be read.

use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::form::Form;
use super::place::Place;
use super::results::{self, Written};
use super::salvage::{salvage, sound};
use super::selection::{batch_of, latest_name};
use super::sheet::ColumnNames;
use super::work_folder;
use crate::outbox::sqlite::Lost;
use crate::outbox::{OpenError, OpenFault, ReadOnlyOutbox, Scope};
use crate::report::{Guard, People};

pub struct Exported {
    pub written: Written,
    pub batch: String,
    /// It is what its folder means.
    pub is_latest: bool,
    pub damage: Option<Damage>,
}

/// The outbox is damaged.
pub struct Damage {
    pub path: PathBuf,
    /// As SQLite says it.
    pub found: String,
    /// What is missing in the results.
    pub lost: Lost,
}

pub async fn export(place: &Place, folder: &Path, guard: Guard, people: People) -> Result<Exported, Fault> {
    let (found, path) = match (sound(place).await?, place.outbox.file()) {
        (Ok(outbox), _) => return write(outbox, place, folder, guard, people).await,
        (Err(found), path) => (found, path.unwrap_or(folder)),
    };
    work_folder::refuse_to_replace(folder)?;
    work_folder::make_private(folder)?;
    let all = async {
        let salvaged = salvage(place, path, folder).await?;
        let outbox = salvaged.place.outbox.look().await?;
        let exported = write(outbox, &salvaged.place, folder, guard, people).await?;
        Ok((exported, salvaged.lost))
    };
    match all.await {
        Ok((exported, lost)) => {
            let damage = Damage { path: path.to_owned(), found, lost };
            Ok(Exported { damage: Some(damage), ..exported })
        }
        Err(fault @ (Fault::Folder { .. } | Fault::Report(_))) => Err(fault),
        // Not even which batch it was.
        Err(_) => Err(OpenFault::File(OpenError::Damaged { path: path.to_owned(), found }).into()),
    }
}

async fn write(
    outbox: ReadOnlyOutbox,
    place: &Place,
    folder: &Path,
    guard: Guard,
    people: People,
) -> Result<Exported, Fault> {
    let info = batch_of(outbox.reader(), place).await?;
    work_folder::refuse_to_replace(folder)?;
    work_folder::make_private(folder)?;
    let form = Form { batch: &info, columns: &ColumnNames::new(), guard, user: &place.user, people };
    let (reader, scope) = (outbox.reader(), Scope::Batch(info.id));
    let written = results::write_all(reader, scope, &form, folder).await?;
    let is_latest = latest_name(reader).await?.as_ref() == Some(&info.name);
    outbox.close().await?;
    Ok(Exported { written, batch: info.name, is_latest, damage: None })
}
