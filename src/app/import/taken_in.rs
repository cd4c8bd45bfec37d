//! An import whose rows are in the outbox for good.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::order::Order;
use crate::app::batches::Recognition;
use crate::app::deliver::{self, Calm};
use crate::app::fault::Fault;
use crate::app::form::Form;
use crate::app::note;
use crate::app::results::{self, What, Written};
use crate::app::services::Tally;
use crate::app::sheet::{ColumnNames, name_of};
use crate::app::staging::ReadIn;
use crate::app::summary;
use crate::app::work_folder::{self, Reserve};
use crate::delivery::{Control, Ending, Halt, Policy, Rate, Reason, Stats, Watch};
use crate::outbox::{AnyOutbox, AnyWorker, BatchInfo, By, Counts, Deed, Halted, LEASE, Reasons, Terms};
use crate::report::{self, Run, SUMMARY, Summary};

pub struct TakenIn<'a> {
    pub(super) order: Order<'a>,
    pub(super) outbox: AnyOutbox,
    pub read: ReadIn,
    /// Rows that were opened before.
    pub opened_before: u64,
    /// Rows of the file, once it was merged, before any of them is opened. Another import of the batch has
    /// them since, if they are fewer later.
    pub before: Counts,
    /// What a person was told of that kept its batch back.
    pub(super) halted: Vec<Halted>,
    pub(super) recognition: Option<Recognition>,
    /// Given back at the end of the run, before its results are written.
    pub(super) reserve: Option<Reserve>,
    pub(super) calm: Calm,
}

/// What became of an import.
pub struct Outcome {
    pub info: BatchInfo,
    /// Of the rows of the file; or of the whole batch, if another import took over some of them.
    pub counts: Counts,
    /// Why those of them that were not opened were not.
    pub reasons: Reasons,
    pub is_taken_over: bool,
    /// What the outbox belongs to, once something was sent.
    pub host: Option<String>,
    pub written: Written,
}

/// What its summary says of a run.
pub struct Ran<'a> {
    pub started_at: Timestamp,
    pub rate: Rate,
    /// `None`: nothing had to be sent.
    pub stats: Option<&'a Stats>,
    pub settings: BTreeMap<&'static str, String>,
    /// Whose services were to be found.
    pub customers: Option<Tally>,
    /// What its process ends with.
    pub exit_code: u8,
}

impl TakenIn<'_> {
    pub fn outbox(&self) -> &AnyOutbox {
        &self.outbox
    }

    /// Lets workers open the rows, though what keeps back others of the batch, of which nobody was asked,
    /// stays.
    pub async fn release(&self) -> Result<(), Fault> {
        let merged = &self.read.merged;
        let told: Vec<_> = self.halted.iter().map(|halted| halted.id.clone()).collect();
        Ok(self.outbox.release(merged.batch, merged.import, &told).await?)
    }

    /// The worker that delivers its rows. Results of an earlier run are not there any more.
    pub async fn worker(&self, policy: &Policy) -> Result<AnyWorker<'_>, Fault> {
        let Order { sheet, work, target, .. } = self.order;
        let terms = Terms { rate: policy.rate, lease: LEASE, timeout: target.timeout };
        let worker = self.outbox.register("import", terms).await?;
        work_folder::clear(&work.folder, &sheet.file);
        Ok(worker)
    }

    /// Opens its rows, or the first `sample` of them; `watch` looks on.
    pub async fn deliver(
        &self,
        worker: AnyWorker<'_>,
        sample: Option<u64>,
        policy: &Policy,
        control: Control,
        watch: &impl Watch,
    ) -> Result<Ending, Fault> {
        let (merged, target) = (&self.read.merged, self.order.target);
        let queue = match sample {
            Some(n) => worker.sample(merged.scope(), n).await?,
            None => worker.queue(merged.scope()),
        };
        // Of a file that went on before too.
        let n_rows = sample.map_or(self.before.left(), |n| n.min(self.before.left()));
        self.note(self.order.user, Deed::Import, n_rows).await;
        let mut ending = deliver::deliver(&worker, &queue, target, policy, control, watch).await?;
        ending.stats.logins += self.calm.n_logins();
        if let Some(recognition) = self.recognition.as_ref().filter(|_| ending.stats.posts == 0) {
            recognition.forget();
        }
        if let Reason::Halted(
            halt @ (Halt::SameRefusal { .. } | Halt::Forbidden { .. } | Halt::EchoLost { .. }),
        ) = &ending.reason
        {
            self.outbox.halt(&merged.batch_name, halt).await?;
        }
        drop(queue);
        deliver::leave(worker).await;
        Ok(ending)
    }

    /// Keeps that a person stopped its run; `None`: who runs it.
    pub async fn note_stop(&self, who: Option<&str>) {
        self.note(who.unwrap_or(self.order.user), Deed::Stop, 0).await;
    }

    /// Keeps that a person paused it.
    pub async fn note_pause(&self, who: &str) {
        self.note(who, Deed::PauseImport, 0).await;
    }

    async fn note(&self, who: &str, deed: Deed, n_rows: u64) {
        let (batch, by) = (&self.read.merged.batch_name, By { who, way: self.order.way });
        note::act(&self.outbox, Some(batch), by, deed, n_rows).await;
    }

    /// Writes the results of its batch, and counts what became of its rows.
    pub async fn write_results(&mut self) -> Result<Outcome, Fault> {
        drop(self.reserve.take());
        let (folder, merged, reader) = (&self.order.work.folder, &self.read.merged, self.outbox.reader());
        let info = reader.batch_info(&merged.batch_name).await?.ok_or(Fault::BatchGone)?;
        // Of a disk that is full, the results need what the log took.
        self.outbox.tidy().await;
        work_folder::make_private(folder)?;
        let guard = results::guard(self.order.sheet.reading.excel_safe);
        let (columns, Order { user, people, .. }) = (&self.read.findings.columns, self.order);
        let form = Form { batch: &info, columns, guard, user, people };
        let mut written = results::write(reader, merged.results(), &form, folder).await?;
        let mut counts = reader.counts(merged.scope()).await?;
        let is_taken_over = counts.total() < self.before.total();
        let reasons = if is_taken_over || counts.total() == written.counts.total() {
            counts = written.counts;
            written.reasons.clone()
        } else {
            written.told(reader.reasons(merged.scope()).await, What::Reasons)
        };
        Ok(Outcome { info, counts, reasons, is_taken_over, host: reader.host().await?, written })
    }

    /// Writes what the run came to beside the results, and notes it in the outbox if the run was complete.
    pub async fn finish(&self, outcome: &mut Outcome, ran: &Ran<'_>) -> Result<Summary, Fault> {
        let Outcome { info, counts, reasons, written, .. } = outcome;
        let summary = summary::of_run(summary::Facts {
            batch: &info.name,
            file: &name_of(&self.order.sheet.file),
            sha256: &self.read.sha256,
            source: &info.source,
            n_rows: self.read.merged.counts.n_rows,
            counts,
            reasons,
            opened_before: self.opened_before,
            started_at: ran.started_at,
            rate: ran.rate,
            stats: ran.stats,
            settings: ran.settings.clone(),
            customers: ran.customers,
            exit_code: ran.exit_code,
            host: outcome.host.clone(),
        });
        if let Err(why) = report::write_summary(&written.folder.join(SUMMARY), &summary) {
            written.lacks(SUMMARY, why);
        }
        written.report(Run::of_summary(&summary).as_ref());
        if counts.pending + counts.in_flight == 0 {
            let kept = summary.clone().without_words();
            let json = serde_json::to_string(&kept).unwrap_or_default();
            self.outbox.finish_run(info.id, Timestamp::now(), &json).await?;
        }
        Ok(summary)
    }

    /// The file's names of the fields.
    pub fn columns(&self) -> &ColumnNames {
        &self.read.findings.columns
    }

    /// Whether its batch was halted, and why.
    pub async fn halted(&self) -> Result<Option<Halted>, Fault> {
        let halted = self.outbox.reader().halted().await?;
        Ok(halted.into_iter().find(|batch| batch.lote == self.read.merged.batch_name))
    }

    pub async fn close(self) -> Result<(), Fault> {
        Ok(self.outbox.close().await?)
    }
}
