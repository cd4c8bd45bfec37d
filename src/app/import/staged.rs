//! An import before anybody was asked.

use std::time::Duration;

use jiff::Timestamp;

use super::order::Order;
use super::plan::Plan;
use super::taken_in::TakenIn;
use crate::app::batches::{Earlier, Recognition};
use crate::app::deliver::{self, Calm, ticket_types};
use crate::app::fault::Fault;
use crate::app::staging::{self, ReadIn, Taking};
use crate::app::target::refuse_other_host;
use crate::app::unfinished::{self, BatchContent, Terms};
use crate::app::work_folder::{self, Lack, Reserve};
use crate::delivery::{Policy, Rate};
use crate::hubsoft;
use crate::intake::{Hashing, Intake};
use crate::outbox::{AnyOutbox, Counts, Halted, ImportId, MergeOptions, Merged, ResultsInfo};
use crate::platform;
use crate::registry::{Entry, Registry, RegistryError};
use crate::report::{Latency, Run};
use crate::settings::{Sending, Stopping};

/// An import whose file was read.
pub struct Staged<'a> {
    order: Order<'a>,
    outbox: AnyOutbox,
    options: MergeOptions<'static>,
    results: ResultsInfo,
    n_columns: usize,
    pub read: ReadIn,
    /// Of the rows of the file.
    pub counts: Counts,
    /// The latest import of its batch before this one.
    last_import: Option<(ImportId, Timestamp)>,
    /// What keeps its batch back: who is asked is to know why.
    pub halted: Vec<Halted>,
    recognition: Option<Recognition>,
    reserve: Option<Reserve>,
    calm: Calm,
}

impl<'a> Staged<'a> {
    /// Reads `intake`, which is the sheet opened, and merges it unless the outbox is shared. `rate`: of the
    /// few requests before the run.
    pub async fn new(order: Order<'a>, intake: Intake, rate: Rate) -> Result<Self, Fault> {
        let Order { sheet, work, target, .. } = order;
        let options = staging::merge_options(&sheet.reading, order.verify_first, work.answers);
        work_folder::refuse_to_replace(&work.folder)?;
        work_folder::make_private(&work.folder)?;
        let mut outbox = work.outbox.open().await?;
        work_folder::sweep(&work.folder);
        // Before a word is said of rows that another HubSoft knows.
        refuse_other_host(outbox.reader(), &work.outbox, &target.binding).await?;
        if target.is_sandbox() && work.outbox.file().is_some() {
            outbox.bind_host(&target.binding).await?; // Also if nothing is ever sent.
        }
        target.keep_books(&work.folder)?;
        let last_import = outbox.reader().last_import(&work.batch).await?;
        let folder = platform::canonical(&work.folder).unwrap_or_else(|_| work.folder.clone());
        let results = ResultsInfo { folder, excel_safe: sheet.reading.excel_safe };
        let n_columns = intake.headers().len();
        let (read, counts) = if order.is_shared {
            staging::rehearse(sheet, intake, &mut outbox, work, &options).await?
        } else {
            let taking = Taking::ForGood;
            staging::take_in(sheet, intake, &mut outbox, work, &options, taking, Some(&results)).await?
        };
        let halted = outbox.reader().halts_of(&read.merged.batch_name).await?;
        Ok(Self {
            order,
            outbox,
            options,
            results,
            n_columns,
            read,
            counts,
            last_import,
            halted,
            recognition: None,
            reserve: None,
            calm: Calm::new(rate),
        })
    }

    /// Some rows are invalid, and it was said that none is to be opened then.
    pub fn is_refused(&self) -> bool {
        self.order.sheet.reading.strict && 0 < self.counts.invalid
    }

    /// Rows that a run would open or look up.
    pub fn n_left(&self) -> u64 {
        match self.is_refused() {
            true => 0,
            false => self.counts.left() + self.counts.unconfirmed,
        }
    }

    /// Whether its batch was halted for something that a person should see.
    pub fn is_halted(&self) -> bool {
        self.halted.iter().any(|halted| halted.is_news(&[]))
    }

    /// How a run of it goes.
    pub fn policy(&self, sending: &Sending, stopping: &Stopping) -> Policy {
        let guards = deliver::limits(stopping, self.read.merged.counts.n_rows);
        Policy { guards, ..deliver::policy(sending) }
    }

    /// What it would open, and the import before it that a person may have agreed to. `None`: the batch was
    /// not there before.
    pub async fn met(&self, terms: &Terms) -> Result<Option<BatchContent>, Fault> {
        let Some(import) = self.last_import else { return Ok(None) };
        unfinished::batch_content(&self.outbox, &self.read, import, terms).await
    }

    /// The same as it is in a file for good by now; `None` of what is shared, where nothing of it is.
    pub async fn merged(&self, terms: &Terms) -> Result<Option<BatchContent>, Fault> {
        if self.order.is_shared {
            return Ok(None);
        }
        let Merged { import, at, .. } = self.read.merged;
        unfinished::batch_content(&self.outbox, &self.read, (import, at), terms).await
    }

    /// What a run of so many of its rows is to do.
    pub fn plan(&self, n_rows: u64, policy: &Policy) -> Plan {
        let verifies_first = self.order.verify_first;
        Plan { verifies_first, latency: self.usual_latency(), ..Plan::new(n_rows, policy) }
    }

    /// How long an answer took, on the average, when the batch was opened last. `None`: that is not known.
    fn usual_latency(&self) -> Option<Duration> {
        let run = Run::in_folder(&self.order.work.folder, &self.read.merged.batch_name)?;
        let Latency { p50, p95, .. } = run.api.latency_ms;
        // Of times that are log-normal with a sigma of 0.6, as HubSoft's, the average.
        let average = p50 + (p95 - p50) / 8.0;
        Duration::try_from_secs_f64(average / 1e3).ok().filter(|average| !average.is_zero())
    }

    /// Keeps room for the results. Returns what their workbook will lack.
    pub fn reserve(&mut self) -> Result<Option<Lack>, Fault> {
        let n_rows = self.read.merged.counts.n_rows;
        self.reserve = Some(work_folder::reserve(&self.order.work.folder, n_rows)?);
        Ok(work_folder::lack(self.n_columns, n_rows))
    }

    /// What was imported before of the same rows.
    pub async fn earlier(&mut self, registry: Registry) -> Result<Earlier, Fault> {
        let Order { work, target, is_shared, .. } = self.order;
        if self.counts.pending == 0 || work.is_correction || target.is_sandbox() {
            return Ok(Earlier::default());
        }
        let (content, host) = (self.read.content.to_string(), target.binding.clone());
        let folder = self.results.folder.display().to_string();
        let recognition = self.recognition.insert(Recognition::new(registry, work, content, host, folder));
        Ok(recognition.before(is_shared.then(|| self.outbox.reader())).await?)
    }

    /// The outbox belongs to the HubSoft from now on. Returns the ticket types that are known there.
    pub async fn bind(&self) -> Result<Option<Vec<hubsoft::Entry>>, Fault> {
        self.outbox.bind_host(&self.order.target.binding).await?;
        ticket_types(self.order.target, &self.calm).await
    }

    /// Notes in the registry that it will be opened. What stands there since is to be asked about, and this
    /// to be called once more.
    pub fn note(&mut self) -> Result<Option<Entry>, RegistryError> {
        self.recognition.as_mut().map_or(Ok(None), Recognition::note)
    }

    /// Takes the rows in for good. What was seen to by nobody until then ends it before anybody else sees a
    /// row: that somebody else took in the same rows is to be asked about, and then it is to be called again.
    pub async fn take_in(mut self, is_stopped: impl FnOnce() -> bool) -> Result<Taken<'a>, Fault> {
        if self.order.is_shared {
            let shared = self.take_in_shared(is_stopped).await;
            if let (Err(_) | Ok(Some(_)), Some(recognition)) = (&shared, &self.recognition) {
                recognition.forget();
            }
            match shared? {
                None => {}
                Some(Objection::Since(earlier)) => return Ok(Taken::Asks(Box::new(self), earlier)),
                Some(Objection::Stopped) => return Ok(Taken::Stopped),
            }
        }
        // All of the file went through the log; nothing of it waits there when the disk fills up later.
        self.outbox.tidy().await;
        Ok(Taken::In(Box::new(TakenIn {
            order: self.order,
            outbox: self.outbox,
            read: self.read,
            opened_before: self.counts.opened,
            before: self.counts,
            halted: self.halted,
            recognition: self.recognition,
            reserve: self.reserve,
            calm: self.calm,
        })))
    }

    /// Commits, unless there is an objection.
    async fn take_in_shared(
        &mut self,
        is_stopped: impl FnOnce() -> bool,
    ) -> Result<Option<Objection>, Fault> {
        let Order { sheet, work, holds_rest, .. } = self.order;
        if self.is_refused() {
            return Err(Fault::NotAllValid { n_invalid: self.counts.invalid, file: sheet.file.clone() });
        }
        let (sha256, n_left) = (self.read.sha256.clone(), self.n_left());
        let taking = Taking::AsAsked { sha256: &sha256, holds: holds_rest && n_left != 0 };
        let intake = sheet.open(Hashing::Sha256)?;
        let (options, results) = (&self.options, Some(&self.results));
        let (mut merge, read, counts) =
            staging::merge(sheet, intake, &mut self.outbox, work, options, taking, results).await?;
        let (recognition, told) = (&mut self.recognition, &self.halted);
        let objection = async {
            if let Some(recognition) = recognition
                && let Some(earlier) = recognition.since(&mut merge).await?
            {
                return Ok(Some(Objection::Since(earlier)));
            }
            let halted = merge.halts_of(&read.merged.batch_name).await?;
            if n_left != 0 && halted.iter().any(|halted| halted.is_news(told)) {
                return Err(Fault::Halting { batch: read.merged.batch_name.clone() });
            }
            // As late as can be: what is committed may be sent.
            Ok(is_stopped().then_some(Objection::Stopped))
        };
        match objection.await {
            Ok(None) => merge.commit().await?,
            objection => {
                merge.undo().await?;
                return objection;
            }
        }
        (self.read, self.counts) = (read, counts);
        Ok(None)
    }
}

/// What came of taking rows in.
pub enum Taken<'a> {
    In(Box<TakenIn<'a>>),
    /// Nothing was taken in: somebody else took in the same rows since.
    Asks(Box<Staged<'a>>, Entry),
    /// Nothing was taken in.
    Stopped,
}

/// Why rows are not taken in.
enum Objection {
    Since(Entry),
    Stopped,
}
