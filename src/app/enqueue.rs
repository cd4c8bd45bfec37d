//! `enqueue`: the rows of a spreadsheet go into an outbox, and workers open them.

use jiff::Timestamp;

use super::batches::{Earlier, Look, Recognition, Work};
use super::fault::Fault;
use super::sheet::{Sheet, name_of};
use super::staging::{self, ReadIn, Taking};
use crate::intake::Hashing;
use crate::outbox::{AnyOutbox, Halted};
use crate::registry::{Entry, Registry, RegistryError};

/// What was imported before of the same rows, and how others of them are recognised until they are taken in.
/// `None`: they are an earlier import's, and corrected.
pub async fn earlier(
    sheet: &Sheet,
    work: &Work,
    outbox: &AnyOutbox,
    registry: &Registry,
) -> Result<(Option<Recognition>, Earlier), Fault> {
    if work.is_correction {
        return Ok((None, Earlier::default()));
    }
    let look = Look::of(sheet.open(Hashing::Sha256)?)?;
    // Before the first send nobody knows whose it will be: then only this outbox is asked.
    let host = outbox.reader().host().await?.unwrap_or_default();
    let content = look.content.to_string();
    let mut recognition = Recognition::new(registry.clone(), work, content, host, String::new());
    let earlier = recognition.before(Some(outbox.reader())).await?;
    Ok((Some(recognition), earlier))
}

/// What came of putting rows in.
pub enum Put {
    In(Box<Enqueued>),
    /// Nothing was put in: somebody else took in the same rows since. Who is asked, and wants them all the
    /// same, puts them in once more.
    Asks(Entry),
}

/// Rows that workers open.
pub struct Enqueued {
    pub read: ReadIn,
    /// What keeps their batch back.
    pub halted: Vec<Halted>,
}

/// Takes the rows in, for workers to open; all of them or none.
pub async fn put(
    sheet: &Sheet,
    work: &Work,
    outbox: &mut AnyOutbox,
    verify_first: bool,
    recognition: Option<&mut Recognition>,
) -> Result<Put, Fault> {
    let intake = sheet.open(Hashing::Sha256)?;
    let options = staging::merge_options(&sheet.reading, verify_first, work.answers);
    let taking = if sheet.reading.strict { Taking::IfAllAreValid } else { Taking::ForGood };
    let (mut merge, read, _) = staging::merge(sheet, intake, outbox, work, &options, taking, None).await?;
    let since = match recognition {
        None => Ok(None),
        Some(known) if !known.is_of(&read.content) => Err(Fault::Changed { file: name_of(&sheet.file) }),
        Some(known) => known.since(&mut merge).await.map_err(Fault::from),
    };
    match since {
        Ok(None) => merge.commit().await?,
        Ok(Some(earlier)) => {
            merge.undo().await?;
            return Ok(Put::Asks(earlier));
        }
        Err(fault) => {
            merge.undo().await?;
            return Err(fault);
        }
    }
    let halted = outbox.reader().halts_of(&read.merged.batch_name).await?;
    Ok(Put::In(Box::new(Enqueued { read, halted })))
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
