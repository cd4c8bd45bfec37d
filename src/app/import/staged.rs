//! An import before anybody was asked.

use std::time::Duration;

use super::order::Order;
use super::plan::Plan;
use super::taken_in::{TakenIn, withdraw};
use crate::app::batches::{Earlier, Recognition};
use crate::app::deliver::{self, Calm, ticket_types};
use crate::app::fault::Fault;
use crate::app::staging::{self, ReadIn, Taking};
use crate::app::target::refuse_other_host;
use crate::app::unfinished::{self, BatchContent, Terms};
use crate::app::work_folder::{self, Lack, Reserve};
use crate::delivery::{HaltReason, Policy, Rate};
use crate::hubsoft;
use crate::intake::{Hashing, Intake};
use crate::outbox::{AnyOutbox, Counts, Halted, ImportId, MergeOptions, ResultsInfo};
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
    last_import: Option<ImportId>,
    /// Its batch was halted, and goes on once this is released: who is asked is to know why.
    pub halted: Option<Halted>,
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
        let halted = outbox.reader().halted().await?.into_iter();
        let halted = halted.filter(|batch| batch.reason != HaltReason::Held);
        let halted = halted.into_iter().find(|batch| batch.lote == work.batch);
        let folder = platform::canonical(&work.folder).unwrap_or_else(|_| work.folder.clone());
        let results = ResultsInfo { folder, excel_safe: sheet.reading.excel_safe };
        let n_columns = intake.headers().len();
        let (read, counts) = if order.is_shared {
            staging::rehearse(sheet, intake, &mut outbox, work, &options).await?
        } else {
            let taking = Taking::ForGood;
            let read =
                staging::take_in(sheet, intake, &mut outbox, work, &options, taking, Some(&results)).await?;
            let counts = outbox.reader().counts(read.merged.scope()).await?;
            (read, counts)
        };
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
        unfinished::batch_content(&self.outbox, &self.read, self.read.merged.import, terms).await
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

    /// Takes the rows in for good, of which no worker knows before they are released. What somebody else took
    /// in meanwhile of the same rows is to be asked about; who declines withdraws it.
    pub async fn take_in(mut self) -> Result<(TakenIn<'a>, Option<Entry>), Fault> {
        let (mut since, mut before) = (None, self.counts);
        if self.order.is_shared {
            let taken = self.take_in_shared().await;
            if let (Err(_), Some(recognition)) = (&taken, &self.recognition) {
                recognition.forget();
            }
            since = taken?;
            before = self.outbox.reader().counts(self.read.merged.scope()).await?;
        }
        // All of the file went through the log; nothing of it waits there when the disk fills up later.
        self.outbox.tidy().await;
        let taken_in = TakenIn {
            order: self.order,
            outbox: self.outbox,
            read: self.read,
            opened_before: self.counts.opened,
            before,
            recognition: self.recognition,
            reserve: self.reserve,
            calm: self.calm,
        };
        Ok((taken_in, since))
    }

    async fn take_in_shared(&mut self) -> Result<Option<Entry>, Fault> {
        let Order { sheet, work, .. } = self.order;
        let sha256 = self.read.sha256.clone();
        let taking =
            if self.is_refused() { Taking::IfAllAreValid } else { Taking::AsAsked { sha256: &sha256 } };
        let intake = sheet.open(Hashing::Sha256)?;
        let (options, results) = (&self.options, Some(&self.results));
        self.read = staging::take_in(sheet, intake, &mut self.outbox, work, options, taking, results).await?;
        let Some(recognition) = &mut self.recognition else { return Ok(None) };
        match recognition.since(self.outbox.reader()).await {
            Ok(since) => Ok(since),
            Err(error) => {
                withdraw(&self.outbox, &self.read.merged).await?;
                Err(error.into())
            }
        }
    }
}
