//! The search for the batch of a file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::decide::{Answer, Answers, Comparison, Doubt, Met, Plan, Situation, decide};
use super::look::Look;
use super::work::{Work, identity};
use crate::app::address;
use crate::app::fault::Fault;
use crate::app::names;
use crate::app::sheet::Sheet;
use crate::app::target::refuse_other_host;
use crate::app::work_folder::{OUTBOX_FILE, folder_of, sandbox_folder_of};
use crate::intake::{Hashing, Ours};
use crate::outbox::{Address, BatchInfo, MergeError};
use crate::registry::REMEMBERED_FOR;
use crate::report;
use crate::ticket::code::BatchCode;

/// What was typed about where a file goes.
pub struct Wish<'a> {
    pub sheet: &'a Sheet,
    /// What the batch is to be called.
    pub name: Option<&'a str>,
    pub output: Option<&'a Path>,
    pub database_url: Option<&'a str>,
    /// The HubSoft that the outbox has to belong to, where that is known.
    pub binding: Option<&'a str>,
    pub is_sandbox: bool,
    pub answers: Answers,
}

/// A batch that the file may belong to.
pub struct Candidate {
    folder: PathBuf,
    pub outbox: Address,
    pub info: BatchInfo,
    pub compared: Comparison,
}

/// Where a batch of its own would go.
pub struct Destination {
    folder: PathBuf,
    /// What it is called, apart from its code.
    pub base: String,
    /// What it was to be called.
    pub wanted: String,
}

/// What is asked before a file is taken in.
pub struct Question<'a> {
    pub doubt: Doubt,
    /// Any other answer than these: nothing is sent.
    pub answers: &'static [Answer],
    /// The batch that was found; without it, it is about the rows alone.
    pub found: Option<&'a Candidate>,
    /// Rows of ours that are of no batch here, and how many of all rows of ours were opened, or may have
    /// been.
    pub n_carried: u64,
    pub n_settled: u64,
}

/// A file on its way to its batch: what [`Self::question`] asks is to be answered, until it asks no more.
pub struct Search<'a> {
    wish: &'a Wish<'a>,
    situation: Situation,
    leads: Leads,
}

enum Leads {
    /// To the batch whose rows the file has.
    Rows(Work),
    /// To the one that was found by the name, or to one of its own.
    Name { destination: Destination, found: Option<Candidate> },
}

impl Search<'_> {
    /// What only a person knows. `None`: [`Self::work`] knows where.
    pub fn question(&self) -> Option<Question<'_>> {
        let Plan::Ask(doubt, answers) = decide(&self.situation) else { return None };
        let found = match &self.leads {
            Leads::Name { found: Some(found), .. } if doubt != Doubt::Carried => Some(found),
            _ => None,
        };
        let Situation { n_carried, n_settled, .. } = self.situation;
        Some(Question { doubt, answers, found, n_carried, n_settled })
    }

    pub fn answer(&mut self, answer: Answer) {
        let answers = &mut self.situation.answers;
        match answer {
            Answer::Continue => answers.go_on = true,
            Answer::New => answers.new = true,
            Answer::Again => answers.again = true,
        }
    }

    pub fn work(self) -> Result<Work, Fault> {
        let (plan, answers) = (decide(&self.situation), self.situation.answers);
        match (self.leads, plan) {
            (_, Plan::Ask(..)) => Err(Fault::Unanswered),
            (Leads::Rows(work), _) => Ok(Work { answers, ..work }),
            (Leads::Name { found: Some(found), .. }, Plan::Here) => Ok(Work {
                folder: found.folder,
                outbox: found.outbox,
                batch: found.info.name.clone(),
                code: found.info.code,
                is_correction: false,
                met: Some(found.info),
                left: None,
                answers,
            }),
            (Leads::Name { destination, found }, _) => {
                let left = found.map(|found| identity(found.info.code, &found.info.name));
                self.wish.fresh(destination, left, answers)
            }
        }
    }
}

impl Wish<'_> {
    /// The search for a file that has rows of a batch which is here. `None`: it has none.
    pub async fn by_rows(&self, ours: &Ours) -> Result<Option<Search<'_>>, Fault> {
        if 1 < ours.by_batch.len() {
            return Err(MergeError::SeveralBatches { n_batches: ours.by_batch.len() as u64 }.into());
        }
        let Some(work) = self.corrected(ours).await? else { return Ok(None) };
        let situation = Situation {
            now: Timestamp::now(),
            met: None,
            is_correction: true,
            n_carried: ours.n_nameless,
            n_settled: ours.n_settled,
            is_sandbox: self.is_sandbox,
            answers: self.answers,
        };
        Ok(Some(Search { wish: self, situation, leads: Leads::Rows(work) }))
    }

    /// The search for any other file.
    pub async fn by_name(&self, destination: Destination, ours: &Ours) -> Result<Search<'_>, Fault> {
        let now = Timestamp::now();
        let base = &destination.base;
        let found = self.choose(self.candidates(&destination.folder, base, now).await?, base, now);
        let situation = Situation {
            now,
            met: found.as_ref().map(Candidate::met),
            is_correction: false,
            n_carried: ours.n_carried,
            n_settled: ours.n_settled,
            is_sandbox: self.is_sandbox,
            answers: self.answers,
        };
        Ok(Search { wish: self, situation, leads: Leads::Name { destination, found } })
    }

    /// Where the file goes, if it has no rows of a batch which is here.
    pub fn destination(&self) -> Result<Destination, Fault> {
        let folder = self.folder()?;
        let wanted = match (self.name, self.sheet.file.file_stem()) {
            (Some(name), _) => name.to_owned(),
            (None, _) if self.sheet.is_stdin() => {
                return Err(missing(tr!("standard input needs a name for the batch")));
            }
            (None, stem) => {
                stem.map_or_else(|| "import".to_owned(), |stem| stem.to_string_lossy().into_owned())
            }
        };
        Ok(Destination { folder, base: names::safe(&wanted), wanted })
    }

    /// The batch that wrote the file, by its code: of an outbox near the file, else of the one that was
    /// named.
    async fn corrected(&self, ours: &Ours) -> Result<Option<Work>, Fault> {
        let Some(code) = ours.batch() else { return Ok(None) };
        let folders = self.folders_near();
        let near = folders.iter().map(|folder| Address::File(folder.join(OUTBOX_FILE)));
        let named = self.database_url.map(address::at).transpose()?;
        let mut unreadable = None;
        for outbox in near.chain(named) {
            let info = match batch_of_code(&outbox, code).await {
                Ok(info) => info,
                // Another one may know it.
                Err(fault) => {
                    unreadable.get_or_insert(fault);
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
                |folder: &&PathBuf| report::batch_of_summary(folder).is_some_and(|name| name == info.name);
            let folder = match outbox.folder().filter(|folder| folders.iter().any(|near| near == folder)) {
                Some(folder) => folder.to_owned(),
                None => folders
                    .iter()
                    .find(has_its_results)
                    .map_or_else(|| self.folder(), |folder| Ok(folder.clone()))?,
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
        let parent = self.sheet.file.parent().unwrap_or(Path::new(""));
        let given = self.output.map(names::folders_of).unwrap_or_default();
        [parent.to_owned()].into_iter().chain(names::work_folders_in(parent)).chain(given).collect()
    }

    fn folder(&self) -> Result<PathBuf, Fault> {
        match self.output {
            Some(folder) => Ok(folder.to_owned()),
            None if self.sheet.is_stdin() => {
                Err(missing(tr!("standard input needs a folder for the results")))
            }
            None if self.is_sandbox => Ok(sandbox_folder_of(&self.sheet.file)),
            None => Ok(folder_of(&self.sheet.file)),
        }
    }

    fn outbox(&self, folder: &Path) -> Result<Address, Fault> {
        match self.database_url {
            Some(url) => Ok(address::at(url)?),
            None => Ok(Address::File(folder.join(OUTBOX_FILE))),
        }
    }

    /// The batches that the file may belong to, by their names.
    async fn candidates(&self, folder: &Path, base: &str, now: Timestamp) -> Result<Vec<Candidate>, Fault> {
        let mut found = Vec::new();
        let mut look: Option<Look> = None;
        let folders =
            if self.database_url.is_some() { vec![folder.to_owned()] } else { names::folders_of(folder) };
        for place in folders {
            let outbox = self.outbox(&place)?;
            if outbox.file().is_some_and(|file| !file.is_file()) {
                continue;
            }
            let read_only = outbox.look().await?;
            let reader = read_only.reader();
            if let Some(binding) = self.binding {
                refuse_other_host(reader, &outbox, binding).await?;
            }
            let mut files = reader.batches_of_files(base).await?;
            files.retain(|file| names::is_of(&file.name, base));
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
                none => none.insert(Look::of(self.sheet.open(Hashing::Sha256)?)?),
            };
            // Of a name that is used every week, not all that was ever imported is read.
            if self.database_url.is_some() {
                let content = look.content.to_string();
                let since = now.checked_sub(REMEMBERED_FOR).unwrap_or(Timestamp::MIN);
                files.retain(|file| since <= file.imported_at || file.content == content);
            }
            let mut names: Vec<_> = files.into_iter().map(|file| file.name).collect();
            if is_named && !names.iter().any(|name| name == base) {
                names.push(base.to_owned());
            }
            for name in names {
                let Some(info) = reader.batch_info(&name).await? else { continue };
                let compared = look.compare(reader, &info).await?;
                let beside = info.code.map(|code| names::folder_beside(folder, code));
                let folder = match beside.filter(|path| self.database_url.is_some() && path.is_dir()) {
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
            candidates.retain(|candidate| {
                candidate.compared.is_mostly_known() || self.name.is_some() && candidate.info.name == base
            });
        }
        candidates.into_iter().max_by_key(|candidate| candidate.met().nearness(now))
    }

    /// A batch of its own.
    fn fresh(
        &self,
        Destination { folder, base, .. }: Destination,
        left: Option<String>,
        answers: Answers,
    ) -> Result<Work, Fault> {
        let (code, is_beside) = (names::random(), left.is_some());
        let is_taken = || ["results.csv", "summary.json"].iter().any(|name| folder.join(name).exists());
        let (batch, folder) = match self.database_url {
            Some(_) => {
                let batch = match self.name {
                    Some(_) if !is_beside => base,
                    _ => names::shared(&base, Timestamp::now(), code),
                };
                (batch, if is_taken() { names::folder_beside(&folder, code) } else { folder })
            }
            None if is_beside => (names::beside(&base, code), names::folder_beside(&folder, code)),
            None => (base, folder),
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

fn missing(what: Cow<'static, str>) -> Fault {
    Fault::StdinNeeds { what }
}

/// `None`: no such outbox, or it has no such batch.
async fn batch_of_code(outbox: &Address, code: BatchCode) -> Result<Option<BatchInfo>, Fault> {
    if outbox.file().is_some_and(|file| !file.is_file()) {
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
