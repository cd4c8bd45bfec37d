//! What can be read of a damaged outbox. The damaged one stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::fault::Fault;
use super::place::Place;
use super::work_folder::OUTBOX_FILE;
use crate::outbox::sqlite::{self, Lost};
use crate::outbox::{Address, OpenError, OpenFault, ReadOnlyOutbox};
use crate::temporary;

/// An outbox with what could be read.
pub struct Salvaged {
    pub place: Place,
    pub lost: Lost,
    /// Removed when dropped.
    _scratch: TempDir,
}

/// Opens the outbox at `place` to look at it; `Err`: what is wrong with its pages.
pub async fn sound(place: &Place) -> Result<Result<ReadOnlyOutbox, String>, Fault> {
    let outbox = match place.outbox.look().await {
        Err(OpenFault::File(OpenError::Damaged { found, .. })) => return Ok(Err(found)),
        looked => looked?,
    };
    match outbox.damage().await? {
        None => Ok(Ok(outbox)),
        Some(found) => {
            outbox.close().await?;
            Ok(Err(found))
        }
    }
}

/// Reads what can be read of the file at `place` into another outbox, within `folder`.
pub async fn salvage(place: &Place, path: &Path, folder: &Path) -> Result<Salvaged, Fault> {
    let failed = |error| Fault::Folder { folder: folder.to_owned(), error, has_outbox: false };
    let scratch = temporary::folder_in(folder).map_err(failed)?;
    let copy = scratch.path().join("damaged.db");
    fs::copy(path, &copy).map_err(failed)?;
    let (log, copied_log) = (log_of(path), log_of(&copy));
    if log.is_file() {
        fs::copy(log, copied_log).map_err(failed)?;
    }
    let fresh = scratch.path().join(OUTBOX_FILE);
    let lost = sqlite::salvage(&copy, &fresh).await.map_err(OpenFault::from)?;
    let mut place = place.clone();
    place.outbox = Address::File(fresh);
    Ok(Salvaged { place, lost, _scratch: scratch })
}

/// The log beside an outbox.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}
