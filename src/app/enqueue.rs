//! `enqueue`: the rows of a spreadsheet go into an outbox, and workers open them.

use jiff::Timestamp;

use super::batches::{Earlier, Look, Recognition, Work};
use super::fault::Fault;
use super::sheet::Sheet;
use super::staging::{self, ReadIn, Taking};
use crate::intake::Hashing;
use crate::outbox::AnyOutbox;
use crate::registry::{Entry, Registry, RegistryError};

/// What was imported before of the same rows.
pub async fn earlier(
    sheet: &Sheet,
    work: &Work,
    outbox: &AnyOutbox,
    registry: &Registry,
) -> Result<Earlier, Fault> {
    if work.is_correction || work.met.is_some() {
        return Ok(Earlier::default());
    }
    let look = Look::of(sheet.open(Hashing::Sha256)?)?;
    // Before the first send nobody knows whose it will be: then only this outbox is asked.
    let host = outbox.reader().host().await?.unwrap_or_default();
    let content = look.content.to_string();
    let mut recognition = Recognition::new(registry.clone(), work, content, host, String::new());
    Ok(recognition.before(Some(outbox.reader())).await?)
}

/// Takes the rows in, for workers to open; all of them or none.
pub async fn put(
    sheet: &Sheet,
    work: &Work,
    outbox: &mut AnyOutbox,
    verify_first: bool,
) -> Result<ReadIn, Fault> {
    let intake = sheet.open(Hashing::Sha256)?;
    let options = staging::merge_options(&sheet.reading, verify_first, work.answers);
    let taking = if sheet.reading.strict { Taking::IfAllAreValid } else { Taking::ForGood };
    Ok(staging::take_in(sheet, intake, outbox, work, &options, taking, None).await?.0)
}

/// Notes it, so that an import of the same rows is asked about. Whose they are is known once something was
/// sent. Returns what is wrong with the registry.
pub async fn remember(
    registry: &Registry,
    staged: &ReadIn,
    work: &Work,
    outbox: &AnyOutbox,
) -> Result<Option<RegistryError>, Fault> {
    let Some(host) = outbox.reader().host().await? else { return Ok(None) };
    let entry = Entry {
        at: Timestamp::now(),
        host,
        content: staged.content.to_string(),
        batch: work.identity(),
        folder: format!("into batch `{}` of an outbox", staged.merged.batch_name),
    };
    // Whoever else has these rows was told of before they came in.
    Ok(registry.add(&entry, |_| true).err())
}
