//! What rows say of people that finished long ago is taken from them; of a file, from its results too.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::address::Led;
use super::fault::Fault;
use super::place::Place;
use super::results::{Written, folder_of, write_again};
use super::selection::{NAMES_TOLD_MAX, batch_of, latest};
use super::uploads::Uploads;
use super::{services, work_folder};
use crate::{report, sandbox};

pub struct Purged {
    pub n_rows: u64,
    pub results: Option<Written>,
    /// Where imports have written results that say all of these rows still, on their machines; some of them,
    /// if there are more than are told.
    pub folders_left: Vec<String>,
}

/// Of rows that finished so long ago; of all batches, unless one was named. So are sheets that came so long
/// ago, whatever batch they became.
pub async fn purge(place: &Place, older_than: Duration, uploads: Option<&Uploads>) -> Result<Purged, Fault> {
    let now = Timestamp::now();
    let age = SignedDuration::try_from(older_than).unwrap_or(SignedDuration::MAX);
    let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let outbox = place.outbox.open().await?;
    let info = match &place.batch {
        Some(_) => Some(batch_of(outbox.reader(), place).await?),
        None => None,
    };
    let n_rows = outbox.purge(info.as_ref().map(|info| info.id), before, now).await?;
    if let Some(uploads) = uploads {
        uploads.forget_before(before)?;
    }
    if let Some(folder) = &place.folder {
        sandbox::forget(folder, before)?;
        services::forget_before(folder, before)?;
        work_folder::sweep(folder);
    }
    let whose = match info {
        None if place.outbox.file().is_some() => latest(outbox.reader()).await?,
        info => info,
    };
    let written = match &whose {
        Some(batch) => folder_of(outbox.reader(), place, batch).await?,
        None => None,
    };
    let left = written.map_or(Ok(()), work_folder::clear_beside);
    let results = write_again(outbox.reader(), place, whose.as_ref()).await?;
    if let Some(written) = &results {
        report::forget_words(&written.folder)?;
    }
    let folders_left = match place.led(true) {
        Led::Folder(_) => Vec::new(),
        Led::Setting | Led::File(_) => {
            let mut folders = outbox.reader().folders_of_purged(now, NAMES_TOLD_MAX + 1).await?;
            folders
                .retain(|folder| results.as_ref().is_none_or(|written| written.folder != Path::new(folder)));
            folders
        }
    };
    outbox.close().await?;
    // They have what was purged.
    if let (Err(error), Some(folder)) = (left, written) {
        return Err(Fault::Folder { folder: folder.to_owned(), error, has_outbox: true });
    }
    Ok(Purged { n_rows, results, folders_left })
}
