//! Which batch a file belongs to: one that is there, or one of its own. What only a person knows is asked.

mod ask;
pub mod decide;
mod look;
pub mod name;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::import::refuse_other_host;
use super::place::{OUTBOX_FILE, Place, address};
use super::reading;
use super::screen::Screen;
use crate::delivery::code::BatchCode;
use crate::intake::{Intake, Source};
use crate::outbox::{Address, AnyReader, BatchInfo};
use crate::registry::{Entry, Registry};
use crate::settings::FileLayer;

pub use ask::{Asking, Offer, when};
use decide::{Answer, Answers, Met, Plan, Situation, decide};
pub use look::Look;

/// What was typed about where a file goes.
pub struct Wish<'a> {
    pub file: &'a Path,
    pub source: &'a Source,
    pub input: &'a FileLayer,
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

impl Wish<'_> {
    /// Finds the batch, and asks what only a person knows.
    pub async fn find(&self, intake: &Intake, asking: &Asking<'_>, screen: &Screen) -> Result<Work, Failure> {
        if let Some(work) = self.corrected(intake).await? {
            return Ok(work);
        }
        let folder = self.folder()?;
        let base = self.base(screen)?;
        let mut candidates = Vec::new();
        if self.has_any(&folder, &base).await? {
            let mut look = Look::at(self.source, self.input)?.read()?;
            candidates = self.candidates(&folder, &base, &mut look).await?;
        }
        let found = self.choose(candidates);
        let ours = intake.ours();
        let mut situation = Situation {
            now: Timestamp::now(),
            met: found.as_ref().map(|it| Met {
                compared: it.compared,
                is_done: is_done(&it.info),
                active_at: it.info.active_at,
            }),
            is_correction: false,
            n_carried: ours.n_nameless.max(ours.with_protocolo).max(ours.n_settled),
            is_sandbox: self.is_sandbox,
            answers: self.answers,
        };
        let plan = match decide(&situation) {
            Plan::Ask(doubt, offers) => {
                let answer = asking.ask(&ask::question(doubt, &situation, found.as_ref()), offers, screen)?;
                match answer {
                    Answer::Continue => situation.answers.go_on = true,
                    Answer::New => situation.answers.new = true,
                    Answer::Again => situation.answers.again = true,
                }
                if answer == Answer::New { Plan::Beside } else { Plan::Here }
            }
            plan => plan,
        };
        let answers = situation.answers;
        Ok(match (plan, found) {
            (Plan::Here, Some(found)) => Work {
                folder: found.folder,
                outbox: found.outbox,
                batch: found.info.name.clone(),
                is_correction: false,
                met: Some(found.info),
                left: None,
                answers,
            },
            (_, found) => self.fresh(folder, &base, found.map(|it| identity(&it.info)), answers)?,
        })
    }

    /// The batch that wrote the file, if this outbox knows it.
    async fn corrected(&self, intake: &Intake) -> Result<Option<Work>, Failure> {
        let Some((code, lote)) = intake.first_lote() else { return Ok(None) };
        let lote = &*lote;
        let parent = self.file.parent().unwrap_or(Path::new(""));
        let folders: Vec<PathBuf> = match (self.output, self.database_url) {
            (Some(folder), _) => vec![folder.to_owned()],
            (None, Some(_)) => vec![self.folder()?],
            // It lies in the work folder, or was moved beside it.
            (None, None) => {
                let suffix = if self.is_sandbox { "sandbox.mutirao" } else { "mutirao" };
                let beside =
                    |stem: &str| Path::new(&format!("{stem}.{suffix}")).file_name().map(|it| parent.join(it));
                let split = lote.rsplit_once('-').and_then(|(stem, code)| {
                    let code = BatchCode::read(code)?;
                    Some(name::folder_beside(&beside(stem)?, code))
                });
                [Some(parent.to_owned()), beside(lote), split].into_iter().flatten().collect()
            }
        };
        for folder in folders {
            let outbox = self.outbox(&folder)?;
            if outbox.file().is_some_and(|it| !it.is_file()) {
                continue;
            }
            let onlooker = outbox.look().await?;
            let reader = onlooker.reader();
            if let Some(binding) = self.binding {
                refuse_other_host(reader, &outbox, binding).await?;
            }
            let info = reader.batch_info(lote).await?;
            onlooker.close().await?;
            // Last month's had the same name.
            if let Some(info) = info.filter(|it| it.code == Some(code)) {
                let answers = self.answers;
                let batch = info.name.clone();
                return Ok(Some(Work {
                    folder,
                    outbox,
                    batch,
                    is_correction: true,
                    met: Some(info),
                    left: None,
                    answers,
                }));
            }
        }
        Ok(None)
    }

    fn folder(&self) -> Result<PathBuf, Failure> {
        match self.output {
            Some(folder) => Ok(folder.to_owned()),
            None if reading::is_stdin(self.file) => Err(missing("a folder for the results")),
            None if self.is_sandbox => Ok(Place::sandbox_folder_of(self.file)),
            None => Ok(Place::folder_of(self.file)),
        }
    }

    /// What the batch is called, apart from its code.
    fn base(&self, screen: &Screen) -> Result<String, Failure> {
        let wanted = match (&self.input.batch, self.file.file_stem()) {
            (Some(batch), _) => batch.clone(),
            (None, _) if reading::is_stdin(self.file) => return Err(missing("a name for the batch")),
            (None, stem) => stem.map_or_else(|| "import".to_owned(), |it| it.to_string_lossy().into_owned()),
        };
        let safe = name::safe(&wanted);
        if safe != wanted.trim() {
            screen.note(format!(
                "the batch is called `{safe}`: spreadsheet programs make something else of `{wanted}`"
            ));
        }
        Ok(safe)
    }

    fn outbox(&self, folder: &Path) -> Result<Address, Failure> {
        match self.database_url {
            Some(url) => address(url),
            None => Ok(Address::File(folder.join(OUTBOX_FILE))),
        }
    }

    /// Whether there may be a batch that the file belongs to.
    async fn has_any(&self, folder: &Path, base: &str) -> Result<bool, Failure> {
        let outbox = self.outbox(folder)?;
        if self.database_url.is_none() {
            return Ok(name::folders_of(folder).iter().any(|it| it.join(OUTBOX_FILE).is_file()));
        }
        if outbox.file().is_some_and(|it| !it.is_file()) {
            return Ok(false);
        }
        let onlooker = outbox.look().await?;
        let names = onlooker.reader().batch_names(usize::MAX).await?;
        onlooker.close().await?;
        Ok(names.iter().any(|it| name::is_of(it, base)))
    }

    async fn candidates(
        &self,
        folder: &Path,
        base: &str,
        look: &mut Look,
    ) -> Result<Vec<Candidate>, Failure> {
        let mut found = Vec::new();
        let folders =
            if self.database_url.is_some() { vec![folder.to_owned()] } else { name::folders_of(folder) };
        for place in folders {
            let outbox = self.outbox(&place)?;
            if outbox.file().is_some_and(|it| !it.is_file()) {
                continue;
            }
            let onlooker = outbox.look().await?;
            let reader = onlooker.reader();
            if let Some(binding) = self.binding {
                refuse_other_host(reader, &outbox, binding).await?;
            }
            for name in reader.batch_names(usize::MAX).await?.iter().filter(|it| name::is_of(it, base)) {
                let Some(info) = reader.batch_info(name).await? else { continue };
                let compared = look.compare(reader, &info).await?;
                let folder = match (self.database_url, name::code_of(name, base)) {
                    (Some(_), Some(code)) => Some(name::folder_beside(folder, code))
                        .filter(|it| it.is_dir())
                        .unwrap_or(place.clone()),
                    _ => place.clone(),
                };
                found.push(Candidate { folder, outbox: outbox.clone(), info, compared });
            }
            onlooker.close().await?;
        }
        Ok(found)
    }

    /// The batch with the same content; else the latest. In an outbox that many share, other people's batches may
    /// have the name: only one that knows most of the rows, or that was named, is meant.
    fn choose(&self, mut candidates: Vec<Candidate>) -> Option<Candidate> {
        if self.database_url.is_some() {
            candidates.retain(|it| {
                it.compared.is_mostly_known()
                    || self.input.batch.as_ref().is_some_and(|name| *name == it.info.name)
            });
        }
        candidates.into_iter().max_by_key(|it| (it.compared.is_same(), !is_done(&it.info), it.info.active_at))
    }

    /// A batch of its own.
    fn fresh(
        &self,
        folder: PathBuf,
        base: &str,
        left: Option<String>,
        answers: Answers,
    ) -> Result<Work, Failure> {
        let (code, is_beside) = (name::random(), left.is_some());
        let is_taken = || ["results.csv", "summary.json"].iter().any(|it| folder.join(it).exists());
        let (batch, folder) = match self.database_url {
            Some(_) => {
                let batch = match &self.input.batch {
                    Some(_) if !is_beside => base.to_owned(),
                    _ => name::shared(base, Timestamp::now(), code),
                };
                (batch, if is_taken() { name::folder_beside(&folder, code) } else { folder })
            }
            None if is_beside => (name::beside(base, code), name::folder_beside(&folder, code)),
            None => (base.to_owned(), folder),
        };
        Ok(Work {
            outbox: self.outbox(&folder)?,
            folder,
            batch,
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

/// Nothing of it waits to be opened or looked up.
fn is_done(info: &BatchInfo) -> bool {
    let counts = &info.counts;
    counts.pending + counts.in_flight + counts.in_doubt + counts.unconfirmed == 0
}

/// Asks before the same content is opened once more at the same HubSoft: what this user imported lately under
/// another name or in another folder, and what anybody imported into the same outbox. `told_of`: a batch that a
/// person was told of already, and wanted another one.
pub async fn recognise(
    registry: &Registry,
    entry: &Entry,
    shared: Option<AnyReader<'_>>,
    told_of: Option<&String>,
    answers: Answers,
    asking: &Asking<'_>,
    screen: &Screen,
) -> Result<(), Failure> {
    let (mut found, error) = registry.find(&entry.host, &entry.content, entry.at);
    if let Some(error) = error {
        screen.warn(format!("{error}: what was imported before from elsewhere may not be recognised"));
    }
    // It was asked about, and sent since.
    if answers.again || found.iter().any(|it| it.batch == entry.batch) {
        return Ok(());
    }
    if let Some(reader) = shared {
        let since = entry.at.checked_sub(crate::registry::REMEMBERED_FOR).unwrap_or(Timestamp::MIN);
        let imports = reader.imports_of(&entry.content, since).await?;
        found.extend(imports.into_iter().map(|((name, created_ms), at)| {
            let folder = format!("into batch `{name}` of this outbox");
            Entry { at, batch: format!("{name}@{created_ms}"), folder, ..entry.clone() }
        }));
    }
    found.retain(|it| it.batch != entry.batch && Some(&it.batch) != told_of);
    let Some(latest) = found.iter().max_by_key(|it| it.at) else { return Ok(()) };
    asking.ask(&ask::again(latest), &[Answer::Again], screen).map(drop)
}

/// What tells a batch from all others, whatever folder it is moved to.
pub fn identity(info: &BatchInfo) -> String {
    format!("{}@{}", info.name, info.created_at.as_millisecond())
}
