//! The same content once more at the same HubSoft: what this user imported lately under another name or in
//! another folder, and what anybody imported into the same outbox.

use jiff::Timestamp;

use super::work::{Work, identity};
use crate::delivery::OutboxError;
use crate::delivery::identity::Content;
use crate::outbox::{AnyReader, AnyUncommitted, MergeError};
use crate::registry::{Entry, Noted, REMEMBERED_FOR, Registry, RegistryError};
use crate::ticket::code::BatchCode;

/// What was imported before of the same rows.
#[derive(Debug, Default)]
pub struct Earlier {
    /// The latest, to be asked about.
    pub latest: Option<Entry>,
    /// Why earlier ones may not be known.
    pub error: Option<RegistryError>,
}

/// An import that is recognised elsewhere by its content, and is told of others.
pub struct Recognition {
    registry: Registry,
    entry: Entry,
    /// `--again`: whatever it was.
    is_again: bool,
    /// Batches that a person was told of, and wanted another one.
    told: Vec<String>,
    /// It stands in the registry by this run, and did not before.
    is_new: bool,
}

impl Recognition {
    pub fn new(registry: Registry, work: &Work, content: String, host: String, folder: String) -> Self {
        let entry = Entry { at: Timestamp::now(), host, content, batch: work.identity(), folder };
        let told = work.left.iter().cloned().collect();
        Self { registry, entry, is_again: work.answers.again, told, is_new: false }
    }

    /// Whether it recognises rows with that content.
    pub fn is_of(&self, content: &Content) -> bool {
        self.entry.content == content.to_string()
    }

    /// What was imported before. `shared`: into the same outbox too.
    pub async fn before(&mut self, shared: Option<AnyReader<'_>>) -> Result<Earlier, OutboxError> {
        let (mut found, error) = self.registry.find(&self.entry.host, &self.entry.content, self.entry.at);
        if let Some(reader) = shared {
            let imports = reader.imports_of(&self.entry.content, self.remembered_since()).await?;
            found.extend(self.entries(imports));
        }
        // It was asked about when it came in, and goes on.
        if found.iter().any(|entry| entry.batch == self.entry.batch) {
            self.told.extend(found.into_iter().map(|entry| entry.batch));
            return Ok(Earlier { latest: None, error });
        }
        Ok(Earlier { latest: self.untold(found), error })
    }

    /// What somebody put into the same outbox since.
    pub async fn since(&mut self, merge: &mut AnyUncommitted<'_>) -> Result<Option<Entry>, MergeError> {
        let found = merge.imports_of(&self.entry.content, self.remembered_since()).await?;
        let found = self.entries(found);
        Ok(self.untold(found))
    }

    /// Notes it in the registry, before anything of it is sent; unless something stands there since, which is
    /// to be asked about before it is noted.
    pub fn note(&mut self) -> Result<Option<Entry>, RegistryError> {
        loop {
            match self.registry.add(&self.entry, |entry| self.told.contains(&entry.batch))? {
                Noted::New => self.is_new = true,
                Noted::Before => {}
                Noted::Untold(found) => match self.untold(found) {
                    None => continue,
                    earlier => return Ok(earlier),
                },
            }
            return Ok(None);
        }
    }

    /// Nothing was sent: left in the registry it makes a question too many, and no more.
    pub fn forget(&self) {
        if self.is_new {
            let _ = self.registry.remove(&self.entry);
        }
    }

    fn remembered_since(&self) -> Timestamp {
        self.entry.at.checked_sub(REMEMBERED_FOR).unwrap_or(Timestamp::MIN)
    }

    /// Of imports into the same outbox.
    fn entries(&self, imports: Vec<(String, Option<BatchCode>, Timestamp)>) -> Vec<Entry> {
        let imports = imports.into_iter().map(|(name, code, at)| {
            let folder = format!("into batch `{name}` of this outbox");
            Entry { at, batch: identity(code, &name), folder, ..self.entry.clone() }
        });
        imports.collect()
    }

    /// The latest of `found` that is to be asked about. Who is asked knows of all of them from then on; who
    /// declines ends the import.
    fn untold(&mut self, mut found: Vec<Entry>) -> Option<Entry> {
        found.retain(|entry| entry.batch != self.entry.batch && !self.told.contains(&entry.batch));
        let latest = found.iter().max_by_key(|entry| entry.at).cloned();
        self.told.extend(found.into_iter().map(|entry| entry.batch));
        latest.filter(|_| !self.is_again)
    }
}
