//! The same content once more at the same HubSoft: what this user imported lately under another name or in
//! another folder, and what anybody imported into the same outbox.

use jiff::Timestamp;

use super::ask::{self, Asking};
use super::decide::Answer;
use super::{Work, identity};
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::delivery::OutboxError;
use crate::outbox::AnyReader;
use crate::registry::{Entry, Noted, REMEMBERED_FOR, Registry, RegistryError};

/// An import that is recognised elsewhere by its content, and is told of others.
pub struct Recognition<'a> {
    registry: &'a Registry,
    entry: Entry,
    /// `--again`: whatever it was.
    is_again: bool,
    /// Batches that a person was told of, and wanted another one.
    told: Vec<String>,
    /// It stands in the registry by this run, and did not before.
    is_new: bool,
}

impl<'a> Recognition<'a> {
    pub fn new(registry: &'a Registry, work: &Work, content: String, host: String, folder: String) -> Self {
        let entry = Entry { at: Timestamp::now(), host, content, batch: work.identity(), folder };
        let told = work.left.iter().cloned().collect();
        Self { registry, entry, is_again: work.answers.again, told, is_new: false }
    }

    /// Asks about what was imported before. `shared`: of the same outbox too.
    pub async fn ask(
        &mut self,
        shared: Option<AnyReader<'_>>,
        asking: &Asking<'_>,
        screen: &Screen,
    ) -> Result<(), Failure> {
        let (mut found, error) = self.registry.find(&self.entry.host, &self.entry.content, self.entry.at);
        if let Some(error) = error {
            screen.warn(format!("{error}: what was imported before from elsewhere may not be recognised"));
        }
        if let Some(reader) = shared {
            found.extend(self.imports_of(reader).await?);
        }
        // It was asked about when it came in, and goes on.
        if found.iter().any(|it| it.batch == self.entry.batch) {
            self.told.extend(found.into_iter().map(|it| it.batch));
            return Ok(());
        }
        self.tell(found, asking, screen)
    }

    /// Asks about what somebody put into the same outbox since.
    pub async fn ask_anew(
        &mut self,
        shared: AnyReader<'_>,
        asking: &Asking<'_>,
        screen: &Screen,
    ) -> Result<(), Failure> {
        let found = self.imports_of(shared).await?;
        self.tell(found, asking, screen)
    }

    /// Notes it in the registry, before anything of it is sent; asks about what stands there since.
    pub fn note(&mut self, asking: &Asking<'_>, screen: &Screen) -> Result<(), Failure> {
        loop {
            match self.add() {
                Ok(Noted::New) => self.is_new = true,
                Ok(Noted::Before) => {}
                Ok(Noted::Untold(found)) => {
                    self.tell(found, asking, screen)?;
                    continue;
                }
                Err(error) => screen
                    .warn(format!("{error}: the same rows, imported from elsewhere, will not be recognised")),
            }
            return Ok(());
        }
    }

    /// Nothing was sent: left in the registry it makes a question too many, and no more.
    pub fn forget(&self) {
        if self.is_new {
            let _ = self.registry.remove(&self.entry);
        }
    }

    fn add(&self) -> Result<Noted, RegistryError> {
        self.registry.add(&self.entry, |it| self.told.contains(&it.batch))
    }

    async fn imports_of(&self, reader: AnyReader<'_>) -> Result<Vec<Entry>, OutboxError> {
        let since = self.entry.at.checked_sub(REMEMBERED_FOR).unwrap_or(Timestamp::MIN);
        let imports = reader.imports_of(&self.entry.content, since).await?.into_iter();
        Ok(imports
            .map(|(name, code, at)| {
                let folder = format!("into batch `{name}` of this outbox");
                Entry { at, batch: identity(code, &name), folder, ..self.entry.clone() }
            })
            .collect())
    }

    fn tell(&mut self, mut found: Vec<Entry>, asking: &Asking<'_>, screen: &Screen) -> Result<(), Failure> {
        found.retain(|it| it.batch != self.entry.batch && !self.told.contains(&it.batch));
        let Some(latest) = found.iter().max_by_key(|it| it.at) else { return Ok(()) };
        if !self.is_again {
            asking.ask(&ask::again(latest), &[Answer::Again], screen)?;
        }
        self.told.extend(found.into_iter().map(|it| it.batch));
        Ok(())
    }
}
