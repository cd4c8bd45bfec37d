//! Which batch a file belongs to: one that is there, or one of its own. What only a person knows is asked.

mod ask;
pub mod decide;
mod look;
mod recognition;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::import::refuse_other_host;
use super::reading;
use super::screen::Screen;
use crate::app::work_folder::{self, OUTBOX_FILE};
use crate::app::{address, names};
use crate::delivery::code::BatchCode;
use crate::intake::{Intake, Source};
use crate::outbox::{Address, BatchInfo, MergeError};
use crate::registry::REMEMBERED_FOR;
use crate::report;
use crate::settings::Reading;

pub use ask::{Asking, Offer, when};
use decide::{Answers, Met, Plan, Situation};
pub use look::Look;
pub use recognition::Recognition;

/// What was typed about where a file goes.
pub struct Wish<'a> {
    pub file: &'a Path,
    pub source: &'a Source,
    pub reading: &'a Reading,
    /// What the batch is to be called.
    pub name: Option<&'a str>,
    pub output: Option<&'a Path>,
    pub database_url: Option<&'a str>,
    /// The HubSoft that the outbox has to belong to, where that is known.
    pub binding: Option<&'a str>,
    pub is_sandbox: bool,
    pub answers: Answers,
}

/// Where an import works.
pub struct Work {
    pub folder: PathBuf,
    pub outbox: Address,
    pub batch: String,
    /// By which the batch is known, whatever it is called. `None`: only programs wrote to it so far.
    pub code: Option<BatchCode>,
    /// The file carries rows that this outbox wrote out.
    pub is_correction: bool,
    /// The batch was there.
    pub met: Option<BatchInfo>,
    /// The one that was there, and is left alone.
    pub left: Option<String>,
    /// Also what a person said when asked.
    pub answers: Answers,
}

/// A batch that the file may belong to.
struct Candidate {
    folder: PathBuf,
    outbox: Address,
    info: BatchInfo,
    compared: decide::Comparison,
}

impl Work {
    /// [`identity`] of the batch.
    pub fn identity(&self) -> String {
        identity(self.code, &self.batch)
    }
}

impl Wish<'_> {
    /// Finds the batch, and asks what only a person knows.
    pub async fn find(&self, intake: &Intake, asking: &Asking<'_>, screen: &Screen) -> Result<Work, Failure> {
        let ours = intake.ours();
        if 1 < ours.by_batch.len() {
            return Err(MergeError::SeveralBatches { n_batches: ours.by_batch.len() as u64 }.into());
        }
        if let Some(work) = self.corrected(intake).await? {
            let mut situation = Situation {
                now: Timestamp::now(),
                met: None,
                is_correction: true,
                n_carried: ours.n_nameless,
                n_settled: ours.n_settled,
                is_sandbox: self.is_sandbox,
                answers: self.answers,
            };
            ask::plan(&mut situation, None, asking, screen)?;
            return Ok(Work { answers: situation.answers, ..work });
        }
        let folder = self.folder()?;
        let base = self.base(screen)?;
        let now = Timestamp::now();
        let found = self.choose(self.candidates(&folder, &base, now).await?, &base, now);
        let mut situation = Situation {
            now,
            met: found.as_ref().map(Candidate::met),
            is_correction: false,
            n_carried: ours.n_carried,
            n_settled: ours.n_settled,
            is_sandbox: self.is_sandbox,
            answers: self.answers,
        };
        let plan = ask::plan(&mut situation, found.as_ref(), asking, screen)?;
        let answers = situation.answers;
        Ok(match (plan, found) {
            (Plan::Here, Some(found)) => Work {
                folder: found.folder,
                outbox: found.outbox,
                batch: found.info.name.clone(),
                code: found.info.code,
                is_correction: false,
                met: Some(found.info),
                left: None,
                answers,
            },
            (_, found) => {
                self.fresh(folder, &base, found.map(|it| identity(it.info.code, &it.info.name)), answers)?
            }
        })
    }

    /// The batch that wrote the file, by its code: of an outbox near the file, else of the one that was
    /// named.
    async fn corrected(&self, intake: &Intake) -> Result<Option<Work>, Failure> {
        let Some(code) = intake.ours().batch() else { return Ok(None) };
        let folders = self.folders_near();
        let near = folders.iter().map(|it| Address::File(it.join(OUTBOX_FILE)));
        let named = self.database_url.map(address::at).transpose()?;
        let mut unreadable = None;
        for outbox in near.chain(named) {
            let info = match batch_of_code(&outbox, code).await {
                Ok(info) => info,
                // Another one may know it.
                Err(failure) => {
                    unreadable.get_or_insert(failure);
                    continue;
                }
            };
            let Some(info) = info else { continue };
            if let Some(binding) = self.binding {
                let read_only = outbox.look().await?;
                refuse_other_host(read_only.reader(), &outbox, binding).await?;
                read_only.close().await?;
            }
            let has_its_results =
                |it: &&PathBuf| report::batch_of_summary(it).is_some_and(|it| it == info.name);
            let folder = match outbox.folder().filter(|it| folders.iter().any(|near| near == it)) {
                Some(folder) => folder.to_owned(),
                None => {
                    folders.iter().find(has_its_results).map_or_else(|| self.folder(), |it| Ok(it.clone()))?
                }
            };
            return Ok(Some(Work {
                folder,
                outbox,
                batch: info.name.clone(),
                code: info.code,
                is_correction: true,
                met: Some(info),
                left: None,
                answers: self.answers,
            }));
        }
        unreadable.map_or(Ok(None), Err)
    }

    /// Where the work folder of a file of ours may be: it lies in it, or was moved beside it.
    fn folders_near(&self) -> Vec<PathBuf> {
        let parent = self.file.parent().unwrap_or(Path::new(""));
        let given = self.output.map(names::folders_of).unwrap_or_default();
        [parent.to_owned()].into_iter().chain(names::work_folders_in(parent)).chain(given).collect()
    }

    fn folder(&self) -> Result<PathBuf, Failure> {
        match self.output {
            Some(folder) => Ok(folder.to_owned()),
            None if reading::is_stdin(self.file) => Err(missing("a folder for the results")),
            None if self.is_sandbox => Ok(work_folder::sandbox_folder_of(self.file)),
            None => Ok(work_folder::folder_of(self.file)),
        }
    }

    /// What the batch is called, apart from its code.
    fn base(&self, screen: &Screen) -> Result<String, Failure> {
        let wanted = match (self.name, self.file.file_stem()) {
            (Some(name), _) => name.to_owned(),
            (None, _) if reading::is_stdin(self.file) => return Err(missing("a name for the batch")),
            (None, stem) => stem.map_or_else(|| "import".to_owned(), |it| it.to_string_lossy().into_owned()),
        };
        let safe = names::safe(&wanted);
        if safe != wanted.trim() {
            screen.note(format!(
                "the batch is called `{safe}`: spreadsheet programs make something else of `{wanted}`"
            ));
        }
        Ok(safe)
    }

    fn outbox(&self, folder: &Path) -> Result<Address, Failure> {
        match self.database_url {
            Some(url) => Ok(address::at(url)?),
            None => Ok(Address::File(folder.join(OUTBOX_FILE))),
        }
    }

    /// The batches that the file may belong to, by their names.
    async fn candidates(&self, folder: &Path, base: &str, now: Timestamp) -> Result<Vec<Candidate>, Failure> {
        let mut found = Vec::new();
        let mut look: Option<Look> = None;
        let folders =
            if self.database_url.is_some() { vec![folder.to_owned()] } else { names::folders_of(folder) };
        for place in folders {
            let outbox = self.outbox(&place)?;
            if outbox.file().is_some_and(|it| !it.is_file()) {
                continue;
            }
            let read_only = outbox.look().await?;
            let reader = read_only.reader();
            if let Some(binding) = self.binding {
                refuse_other_host(reader, &outbox, binding).await?;
            }
            let mut files = reader.batches_of_files(base).await?;
            files.retain(|it| names::is_of(&it.name, base));
            // Also one that only programs wrote to.
            let is_named = self.database_url.is_some()
                && self.name.is_some()
                && reader.batch_info(base).await?.is_some();
            let look = match &mut look {
                Some(look) => look,
                None if files.is_empty() && !is_named => {
                    read_only.close().await?;
                    continue;
                }
                none => none.insert(Look::at(self.source, self.reading)?.read()?),
            };
            // Of a name that is used every week, not all that was ever imported is read.
            if self.database_url.is_some() {
                let content = look.content.to_string();
                let since = now.checked_sub(REMEMBERED_FOR).unwrap_or(Timestamp::MIN);
                files.retain(|it| since <= it.imported_at || it.content == content);
            }
            let mut names: Vec<_> = files.into_iter().map(|it| it.name).collect();
            if is_named && !names.iter().any(|it| it == base) {
                names.push(base.to_owned());
            }
            for name in names {
                let Some(info) = reader.batch_info(&name).await? else { continue };
                let compared = look.compare(reader, &info).await?;
                let beside = info.code.map(|code| names::folder_beside(folder, code));
                let folder = match beside.filter(|it| self.database_url.is_some() && it.is_dir()) {
                    Some(beside) => beside,
                    None => place.clone(),
                };
                found.push(Candidate { folder, outbox: outbox.clone(), info, compared });
            }
            read_only.close().await?;
        }
        Ok(found)
    }

    /// The nearest one. In an outbox that many share, other people's batches may have the name: only one that
    /// knows most of the rows, or that was named, is meant.
    fn choose(&self, mut candidates: Vec<Candidate>, base: &str, now: Timestamp) -> Option<Candidate> {
        if self.database_url.is_some() {
            candidates
                .retain(|it| it.compared.is_mostly_known() || self.name.is_some() && it.info.name == base);
        }
        candidates.into_iter().max_by_key(|it| it.met().nearness(now))
    }

    /// A batch of its own.
    fn fresh(
        &self,
        folder: PathBuf,
        base: &str,
        left: Option<String>,
        answers: Answers,
    ) -> Result<Work, Failure> {
        let (code, is_beside) = (names::random(), left.is_some());
        let is_taken = || ["results.csv", "summary.json"].iter().any(|it| folder.join(it).exists());
        let (batch, folder) = match self.database_url {
            Some(_) => {
                let batch = match self.name {
                    Some(_) if !is_beside => base.to_owned(),
                    _ => names::shared(base, Timestamp::now(), code),
                };
                (batch, if is_taken() { names::folder_beside(&folder, code) } else { folder })
            }
            None if is_beside => (names::beside(base, code), names::folder_beside(&folder, code)),
            None => (base.to_owned(), folder),
        };
        Ok(Work {
            outbox: self.outbox(&folder)?,
            folder,
            batch,
            code: Some(code),
            is_correction: false,
            met: None,
            left,
            answers,
        })
    }
}

fn missing(what: &str) -> Failure {
    Failure::new(Exit::Usage, format!("standard input needs {what}"), "add --batch NAME and -o DIR")
}

/// `None`: no such outbox, or it has no such batch.
async fn batch_of_code(outbox: &Address, code: BatchCode) -> Result<Option<BatchInfo>, Failure> {
    if outbox.file().is_some_and(|it| !it.is_file()) {
        return Ok(None);
    }
    let read_only = outbox.look().await?;
    let reader = read_only.reader();
    let info = match reader.batch_name(code).await? {
        Some(name) => reader.batch_info(&name).await?,
        None => None,
    };
    read_only.close().await?;
    Ok(info)
}

impl Candidate {
    fn met(&self) -> Met {
        let counts = &self.info.counts;
        Met {
            compared: self.compared,
            is_done: counts.pending + counts.in_flight + counts.in_doubt + counts.unconfirmed == 0,
            active_at: self.info.active_at,
        }
    }
}

/// What tells a batch from all others, whatever it is called and wherever it is moved.
fn identity(code: Option<BatchCode>, name: &str) -> String {
    code.map_or_else(|| name.to_owned(), |it| it.to_string())
}
