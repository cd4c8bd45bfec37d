//! A dry run: what an import would do.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::app::batches::Work;
use crate::app::fault::Fault;
use crate::app::sheet::Sheet;
use crate::app::staging::{self, ReadIn};
use crate::app::target::refuse_other_host;
use crate::app::work_folder::{self, OUTBOX_FILE};
use crate::intake::Intake;
use crate::outbox::{Address, Counts};
use crate::temporary;

/// Tells what an import of `intake` would do, and what its rows would be by then. `binding`: what its outbox
/// has to belong to, where that is known.
pub async fn rehearse(
    sheet: &Sheet,
    intake: Intake,
    work: &Work,
    verify_first: bool,
    binding: Option<&str>,
) -> Result<(ReadIn, Counts), Fault> {
    work_folder::refuse_to_replace(&work.folder)?;
    // A file is copied, so that nothing is left behind, not even an empty one.
    let scratch = match work.outbox.file() {
        Some(path) => Some(scratch_copy(work, path).await?),
        None => None,
    };
    let mut outbox = scratch.as_ref().map_or(&work.outbox, |scratch| &scratch.outbox).open().await?;
    if let Some(binding) = binding {
        refuse_other_host(outbox.reader(), &work.outbox, binding).await?;
    }
    let options = staging::merge_options(&sheet.reading, verify_first, work.answers);
    let would_be = staging::rehearse(sheet, intake, &mut outbox, work, &options).await?;
    outbox.close().await?;
    Ok(would_be)
}

struct Scratch {
    outbox: Address,
    /// Removed when dropped.
    _folder: TempDir,
}

/// A copy of the outbox that may be written to, or an empty one.
async fn scratch_copy(work: &Work, outbox: &Path) -> Result<Scratch, Fault> {
    let folder = work.folder.parent().unwrap_or(Path::new(""));
    let scratch = temporary::folder_in(folder).map_err(Fault::Scratch)?;
    let path = scratch.path().join(OUTBOX_FILE);
    if outbox.is_file() {
        // Opened and closed, so that nothing waits in its log and nobody else writes to it.
        work.outbox.open().await?.close().await?;
        fs::copy(outbox, &path).map_err(Fault::Scratch)?;
    }
    Ok(Scratch { outbox: Address::File(path), _folder: scratch })
}
