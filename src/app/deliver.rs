//! A run: how it goes by the settings, the few requests outside it, and the engine at work.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::timeout;

use super::fault::Fault;
use super::target::Target;
use crate::delivery::evidence::{Evidence, Guard};
use crate::delivery::{
    Control, Ending, Gate, GuardLimits, Halt, Note, OpenTickets, Outbox, Policy, Rate, Reason, RequestKind,
    SystemClock, Verdict, Verify, Watch, Withheld, run,
};
use crate::hubsoft::Entry;
use crate::outbox::AnyWorker;
use crate::settings::{MaxErrors, Sending, Stopping};
use crate::ticket::Catalogue;

/// Longest wait for the database to hear that a worker leaves.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// The policy of a run from its settings.
pub fn policy(sending: &Sending) -> Policy {
    Policy {
        rate: sending.rate,
        concurrency: sending.concurrency,
        max_attempts: sending.max_attempts,
        settle_delay: sending.settle_delay,
        grace: sending.grace(),
        open_tickets: if sending.skip_if_open { OpenTickets::Skip } else { OpenTickets::Ignore },
        verify: if sending.verify_first { Verify::Precautions } else { Verify::Never },
        seed: Timestamp::now().as_nanosecond() as u64,
        ..Policy::default()
    }
}

/// When an import stops by itself before its end.
pub fn limits(stopping: &Stopping, n_rows: u64) -> GuardLimits {
    let errors_max = stopping.max_errors.map(|max| match max {
        MaxErrors::Rows(n) => n,
        MaxErrors::Percent(percent) => n_rows * u64::from(percent) / 100,
    });
    GuardLimits { errors_max, until: stopping.until.map(|time| next(time.0)), ..GuardLimits::default() }
}

/// The next time that a clock on the wall shows `time`.
fn next(time: jiff::civil::Time) -> Timestamp {
    let (zone, now) = (TimeZone::system(), Timestamp::now());
    let today = zone.to_datetime(now).date();
    [Ok(today), today.tomorrow()]
        .into_iter()
        .filter_map(|day| zone.to_timestamp(day.ok()?.to_datetime(time)).ok())
        .find(|time| now < *time)
        // Only at the end of time is there no tomorrow.
        .unwrap_or(now)
}

/// Delivers what `queue` holds until it is drained, stopped or halted; `watch` looks on.
pub async fn deliver(
    worker: &AnyWorker<'_>,
    queue: &impl Outbox,
    target: &Target,
    policy: &Policy,
    control: Control,
    watch: &impl Watch,
) -> Result<Ending, Fault> {
    let rescued = |n_rows| watch.note(Note::Rescued(n_rows));
    let clock = SystemClock::of_this_runtime();
    let ending = tokio::select! {
        ending = run(queue, &target.api, &clock, policy, control, watch) => ending,
        never = worker.heartbeat(rescued) => match never {},
    };
    // Whoever asked for the run would read the outbox next, and fail for the same reason.
    match ending.reason {
        Reason::Halted(halt @ Halt::OutboxUnavailable { .. }) => Err(Fault::Halted(halt)),
        _ => Ok(ending),
    }
}

/// The worker leaves. Where it cannot, the others hear of it at the end of its lease.
pub async fn leave(worker: AnyWorker<'_>) {
    let _ = timeout(LEAVE_MAX, worker.retire()).await;
}

/// The gate of the few requests outside a run: they keep the operator's distance.
pub struct Calm {
    rate: Rate,
    n_logins: Cell<u64>,
}

impl Calm {
    pub fn new(rate: Rate) -> Self {
        Self { rate, n_logins: Cell::new(0) }
    }

    /// Logins that have passed.
    pub fn n_logins(&self) -> u64 {
        self.n_logins.get()
    }
}

impl Gate for Calm {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        self.n_logins.set(self.n_logins.get() + u64::from(kind == RequestKind::Login));
        tokio::time::sleep(self.rate.slot().unwrap_or_default()).await;
        Ok(())
    }
}

/// The ticket types of the tenant; `None` if they cannot be read, which proves nothing. Refused
/// logins and permissions end it here, before anything is sent.
pub async fn ticket_types(target: &Target, gate: &Calm) -> Result<Option<Vec<Entry>>, Fault> {
    let reply = target.api.catalogue(Catalogue::TICKET_TYPES, gate).await;
    if let Guard::Unauthorized(fault) = Evidence::of(&reply).guard {
        return Err(Fault::Halted(Halt::Unauthorized(fault.clone())));
    }
    Ok(match reply.verdict {
        Verdict::Answered(entries) => Some(entries),
        _ => None,
    })
}
