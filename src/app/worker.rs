//! A worker opens what is in an outbox, and what comes.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::deliver;
use super::fault::Fault;
use super::target::Target;
use crate::delivery::{Blame, Control, Ending, GuardLimits, Lasting, Policy, Reason, Verify, Watch};
use crate::outbox::{Address, AnyOutbox, AnyWorker, Halted, Scope, Terms};
use crate::settings;

/// Between tries of a database that is not there yet.
const AGAIN: Duration = Duration::from_secs(2);

/// How a worker goes by the settings: it waits where an import would halt, unless it is to end.
pub fn policy(settings: &settings::Worker) -> Policy {
    let defaults = GuardLimits { n_alone: 0, blame: Blame::Lote, ..GuardLimits::default() };
    let (lasting, guards) = match settings.working.until_empty {
        true => (Lasting::UntilDrained, defaults),
        false => {
            let patient = GuardLimits { reach_within: None, unavailable_max: None, ..defaults };
            (Lasting::Forever, patient)
        }
    };
    let policy = deliver::policy(&settings.sending);
    let verify = match policy.verify {
        Verify::Never => Verify::Never,
        Verify::Precautions | Verify::First => Verify::First,
    };
    let (poll, grace) = (Some(settings.working.poll), settings.working.grace);
    Policy { lasting, guards, verify, poll, grace, ..policy }
}

/// Where it works.
pub struct Workplace<'a> {
    pub outbox: &'a Address,
    /// Where inserts are heard of, if not there.
    pub listen_url: Option<&'a SecretString>,
    pub target: &'a Target,
    pub policy: &'a Policy,
    pub lease: Duration,
}

/// What became of it.
pub struct Worked {
    pub ending: Ending,
    /// Lotes with rows that a run until it is empty has left, because a person must say when they go on.
    pub left: Vec<Halted>,
}

impl Workplace<'_> {
    /// Opens the outbox, for the HubSoft that it is to be sent to.
    pub async fn open(&self) -> Result<AnyOutbox, Fault> {
        let mut outbox = self.outbox.open().await?;
        outbox.bind_host(&self.target.binding).await?;
        if let Some(url) = self.listen_url {
            outbox.listen_at(url.expose_secret())?;
        }
        if let Some(folder) = self.outbox.folder() {
            self.target.keep_books(folder)?;
        }
        Ok(outbox)
    }

    /// Makes this process one of its workers.
    pub async fn register<'o>(&self, outbox: &'o AnyOutbox) -> Result<AnyWorker<'o>, Fault> {
        let terms = Terms { rate: self.policy.rate, lease: self.lease, timeout: self.target.timeout };
        Ok(outbox.register("worker", terms).await?)
    }

    /// Opens what is there, and what comes; `watch` looks on.
    pub async fn work(
        &self,
        outbox: &AnyOutbox,
        worker: AnyWorker<'_>,
        control: Control,
        watch: &impl Watch,
    ) -> Result<Worked, Fault> {
        let queue = worker.queue(Scope::All);
        let ending = deliver::deliver(&worker, &queue, self.target, self.policy, control, watch).await?;
        drop(queue);
        deliver::leave(worker).await;
        let mut left = Vec::new();
        if ending.reason == Reason::Drained {
            left = outbox.reader().halted().await?;
            left.retain(|batch| 0 < batch.n_waiting);
        }
        Ok(Worked { ending, left })
    }
}

/// Does what needs the outbox. One that is to last waits for a database that does not answer yet: `tried`
/// hears of each try, `away` of the first that failed so.
pub async fn patiently<T>(
    lasting: Lasting,
    tried: impl Fn(),
    away: impl FnOnce(Fault),
    mut work: impl AsyncFnMut() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut away = Some(away);
    loop {
        tried();
        match work().await {
            Err(fault) if fault.is_database_away() && lasting == Lasting::Forever => {
                if let Some(away) = away.take() {
                    away(fault);
                }
                sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}
