//! The run loop: drives the core through the ports.
//!
//! One task, nothing spawned. A *feeder* claims a little ahead, `concurrency` *senders* post and look up, a
//! *settler* writes outcomes in batches, a *prober* finds out when HubSoft is back, one part keeps the
//! *deadlines*, a *coordinator* speaks with the other workers, and a *listener* waits for new rows. They
//! share one [`RunState`](state::RunState), never borrowed across an await.
//!
//! Dropping the future is safe at every await: what was claimed is in the outbox as possibly sent,
//! and the next run's `recover` looks it up before anything else.

mod coordinator;
mod deadlines;
mod engine;
mod eyes;
mod feeder;
mod gate;
mod probe;
mod sender;
mod settler;
mod sights;
mod state;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::engine::Engine;
pub use self::state::Reason;
use self::state::{Fails, Sharing};
use super::clock_offset::ClockOffset;
use super::{Api, Clock, Note, Outbox, OutboxError, Policy, Pulse, Stats, Watch};

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
    let engine = Engine::new(outbox, api, clock, policy, watch);
    engine.run(&control).await;
    engine.ending()
}

/// Who came to an end.
#[derive(PartialEq, Eq)]
enum Role {
    /// The run ends with it.
    Last,
    Other,
}

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    async fn run(&self, control: &Control) {
        // What stands for all comes first: who has been stopped takes nothing.
        let mut clock_offset = ClockOffset::default();
        if !self.persist(control, async || self.share(&mut clock_offset).await.map(drop)).await
            || !self.persist(control, async || self.recover_lost().await).await
            || !self.persist(control, async || self.look_again().await).await
            || !self.persist(control, async || self.pull_in().await).await
        {
            return;
        }
        let mut crew: FuturesUnordered<LocalBoxFuture<'_, Role>> = FuturesUnordered::new();
        crew.push(Box::pin(async {
            self.settler().await;
            Role::Last
        }));
        crew.push(Box::pin(async {
            self.overstayed().await;
            Role::Last
        }));
        crew.push(Box::pin(async {
            self.unsticker().await;
            Role::Last
        }));
        crew.push(Box::pin(self.other(self.feeder())));
        crew.push(Box::pin(self.other(self.prober(&control.returned))));
        crew.push(Box::pin(self.other(self.deadlines())));
        crew.push(Box::pin(self.other(self.coordinator())));
        let sharing = self.state.borrow().sharing;
        if let Some(poll) = self.policy.poll.or((sharing == Sharing::Shared).then_some(POLL)) {
            crew.push(Box::pin(self.other(self.listener(poll))));
        }
        crew.push(Box::pin(self.other(async {
            control.stop.cancelled().await;
            self.watch.note(Note::Stopping);
            self.end(Reason::Stopped);
        })));
        for _ in 0..self.policy.concurrency.max(1) {
            crew.push(Box::pin(self.other(self.sender())));
        }
        // The settler ends last: nothing is claimed any more and every outcome is stored. Whoever is still
        // there then (the prober in a probe, the keeper of deadlines, the listener for a stop) owns no row.
        // Where the outbox hangs, the rows are left there in flight, to be looked up.
        while let Some(role) = crew.next().await {
            if role == Role::Last {
                break;
            }
        }
    }

    /// Waits until the grace is over, and the time to store what it left.
    async fn overstayed(&self) {
        self.cut.cancelled().await;
        tokio::time::sleep(STORE_MAX).await;
    }

    async fn other(&self, part: impl Future<Output = ()>) -> Role {
        part.await;
        Role::Other
    }

    /// Calls the outbox until it answers. Returns whether the run can go on.
    async fn persist(
        &self,
        control: &Control,
        mut call: impl AsyncFnMut() -> Result<(), OutboxError>,
    ) -> bool {
        let began = self.now();
        let mut tries = 0;
        loop {
            // Dropping a call is as safe as dropping the run.
            match control.stop.run_until_cancelled(call()).await {
                None => {
                    self.watch.note(Note::Stopping);
                    self.end(Reason::Stopped);
                    return false;
                }
                Some(Ok(())) => {
                    self.outbox_works(Fails::Claims);
                    return true;
                }
                Some(Err(error)) => {
                    self.outbox_fails(Fails::Claims, &error);
                    // The loop turns, though only in search of its outbox.
                    self.watch.turned(&Pulse { is_outbox_down: true, ..Pulse::default() });
                    if let Some(halt) = self.outbox_failed(&error, began) {
                        self.end(Reason::Halted(halt));
                        return false;
                    }
                    tries += 1;
                    // Cancel-safe: only a sleep.
                    let wait = self.outbox_wait(tries);
                    let _ = control.stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                }
            }
        }
    }

    fn ending(self) -> Ending {
        let elapsed = self.now();
        let mut state = self.state.into_inner();
        state.stats.elapsed = elapsed;
        state.stats.unsettled = state.n_live as u64;
        // Every way out of `run` has given its reason.
        let reason = state.ending.map_or(Reason::Stopped, |(reason, _)| reason);
        Ending { reason, stats: state.stats }
    }
}

/// How long the outbox may take to store what a stop has cut off. An outbox that hangs must not hold up the
/// stop.
const STORE_MAX: Duration = Duration::from_secs(2);

/// Others may bring rows back, whether or not this run was told to look for new ones.
const POLL: Duration = Duration::from_secs(1);
