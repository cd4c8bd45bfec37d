//! Every row that may have a ticket is looked up; nothing is posted.

use std::time::Duration;

use jiff::Timestamp;

use super::deliver;
use super::fault::Fault;
use super::place::Place;
use super::results::{Written, write_again};
use super::selection::batch_or_all;
use super::target::Target;
use crate::delivery::{Control, Ending, Policy, Watch, decide};
use crate::outbox::{AnyOutbox, AnyWorker, Counts, LEASE, Reasons, Scope, Terms};
use crate::settings::Sending;

/// It is not to wait until a person lets all workers go on.
const PAUSED_MAX: Duration = Duration::ZERO;

/// Beside workers it goes on for so long after the settle delay: time for two look-ups that are far enough
/// apart.
const BESIDE_WORKERS_MAX: Duration = Duration::from_secs(30);
const _: () = assert!(2 * decide::ABSENCES_APART.as_nanos() < BESIDE_WORKERS_MAX.as_nanos());

/// The rows that may have a ticket, in an outbox that is held to look them up.
pub struct Unsure<'a> {
    place: &'a Place,
    target: &'a Target,
    outbox: AnyOutbox,
    scope: Scope,
    policy: Policy,
    /// What workers have in flight is theirs, and not among these.
    pub n_rows: u64,
    /// Nothing is left to be found out: then it does not matter whether HubSoft can be reached.
    pub is_settled: bool,
    pub beside: Option<BesideWorkers>,
}

/// While workers work there may always be another row in doubt.
#[derive(Clone, Copy, Debug)]
pub struct BesideWorkers {
    pub n_workers: u64,
    /// The looking up ends after this.
    pub at_most: Duration,
}

/// What became of them.
pub struct Reconciled {
    pub counts: Counts,
    /// Why those that were not opened were not.
    pub reasons: Reasons,
    pub results: Option<Written>,
    /// The one that it was about.
    pub batch: Option<String>,
}

impl<'a> Unsure<'a> {
    pub async fn find(place: &'a Place, target: &'a Target, sending: &Sending) -> Result<Self, Fault> {
        let outbox = place.outbox.open().await?;
        if let Some(folder) = &place.folder {
            target.keep_books(folder)?;
        }
        let info = batch_or_all(outbox.reader(), place).await?;
        let scope = info.map_or(Scope::All, |info| Scope::Batch(info.id));
        outbox.bind_host(&target.binding).await?;
        let counts = outbox.reader().counts(scope).await?;
        let mut policy = deliver::policy(sending);
        policy.guards.paused_max = Some(PAUSED_MAX);
        let crew = outbox.reader().crew().await?.filter(|crew| 0 < crew.n_workers);
        let beside = crew.map(|crew| BesideWorkers {
            n_workers: crew.n_workers,
            at_most: policy.settle_delay + BESIDE_WORKERS_MAX,
        });
        policy.guards.until = beside.map(|beside| decide::after(Timestamp::now(), beside.at_most));
        let n_in_flight = if beside.is_some() { 0 } else { counts.in_flight };
        let n_rows = n_in_flight + counts.in_doubt + counts.unconfirmed;
        let is_settled = counts.in_flight + n_rows + counts.pending == 0;
        Ok(Self { place, target, outbox, scope, policy, n_rows, is_settled, beside })
    }

    pub fn outbox(&self) -> &AnyOutbox {
        &self.outbox
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The worker that looks them up.
    pub async fn worker(&self) -> Result<AnyWorker<'_>, Fault> {
        let terms = Terms { rate: self.policy.rate, lease: LEASE, timeout: self.target.timeout };
        Ok(self.outbox.register("reconcile", terms).await?)
    }

    /// Looks them up; `watch` looks on.
    pub async fn look_up(
        &self,
        worker: AnyWorker<'_>,
        control: Control,
        watch: &impl Watch,
    ) -> Result<Ending, Fault> {
        let queue = worker.reconciling(self.scope);
        let ending = deliver::deliver(&worker, &queue, self.target, &self.policy, control, watch).await?;
        drop(queue);
        deliver::leave(worker).await;
        Ok(ending)
    }

    /// Counts what became of them, and writes it into the results.
    pub async fn end(self) -> Result<Reconciled, Fault> {
        let reader = self.outbox.reader();
        let info = batch_or_all(reader, self.place).await?;
        let results = write_again(reader, self.place, info.as_ref()).await?;
        let (counts, reasons) = match &results {
            Some(written) => (written.counts, written.reasons.clone()),
            None => (reader.counts(self.scope).await?, reader.reasons(self.scope).await?),
        };
        self.outbox.close().await?;
        let batch = info.map(|info| info.name);
        Ok(Reconciled { counts, reasons, results, batch })
    }
}
