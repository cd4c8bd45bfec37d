//! The run loop: drives the [`engine`](super::engine) through the ports.
//!
//! One task, nothing spawned: the [`driver`] makes futures of the engine's actions, and events of what they
//! come to; a fixed crew of [`porter`]s carries its requests to the API.
//!
//! Dropping the future is safe at every await: what was claimed is in the outbox as possibly sent,
//! and the next run's `recover` looks it up before anything else.

mod driver;
mod porter;

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::engine::Reason;
use super::{Api, Clock, Outbox, Policy, Stats, Watch};

/// How a run is told from outside to do something else.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Cancelled: stop claiming, take back what was not sent, wait up to the grace for what is in flight,
    /// settle everything, and return; two seconds after the grace at the latest, whatever hangs. To stop at
    /// once, drop the run's future.
    pub stop: CancellationToken,
    /// Told: HubSoft takes connections again, which it did not. A breaker that is open probes at once.
    pub returned: Arc<Notify>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ending {
    pub reason: Reason,
    pub stats: Stats,
}

/// Delivers what is pending in `outbox` through `api` until nothing is left, it is told to stop, or a
/// guard halts it. Every outcome that was learnt is stored on return, unless the outbox itself is the
/// reason for the halt, or did not answer a stop in time: [`Stats::unsettled`] counts what it does not know.
///
/// Runs on one thread, on a tokio runtime with time enabled.
pub async fn run<O: Outbox, A: Api, C: Clock>(
    outbox: &O,
    api: &A,
    clock: &C,
    policy: &Policy,
    control: Control,
    watch: &impl Watch,
) -> Ending {
    let (reason, stats) = driver::drive(outbox, api, clock, policy, &control, watch).await;
    Ending { reason, stats }
}
