//! The run loop: drives the core through the ports.
//!
//! One task, nothing spawned. A *feeder* claims a little ahead, `concurrency` *senders* post and look up, a
//! *settler* writes outcomes in batches, a *prober* finds out when HubSoft is back, one part keeps the
//! *deadlines*, a *coordinator* speaks with the other workers, and a *listener* waits for new rows. They
//! share one [`RunState`], never borrowed across an await.
//!
//! Dropping the future is safe at every await: what was claimed is in the outbox as possibly sent,
//! and the next run's `recover` looks it up before anything else.

mod coordinator;
mod deadlines;
mod eyes;
mod feeder;
mod gate;
mod probe;
mod sender;
mod settler;
mod state;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::eyes::Sights;
use self::state::{Fails, Moment, RunState, Sharing};
use super::clock_offset::ClockOffset;
use super::coordination::News;
use super::decide::{after, between};
use super::retry::Retry;
use super::{Api, Clock, Halt, Lasting, Note, Outbox, OutboxError, Policy, Pulse, Stats, Watch};

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is pending in scope, or all that is left waits behind `unconfirmed` rows.
    Drained,
    /// [`Control::stop`].
    Stopped,
    Halted(Halt),
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

/// Everything a run works with. The parts take turns on it within one task.
struct Engine<'a, O, A, C, W> {
    outbox: &'a O,
    api: &'a A,
    clock: &'a C,
    policy: &'a Policy,
    watch: &'a W,
    /// Durations of the core are counted from here.
    epoch: Instant,
    /// The time of day when the run began, and then by the clock that nobody sets.
    started: Timestamp,
    started_awake: Duration,
    /// Never borrowed across an await.
    state: RefCell<RunState>,
    sights: RefCell<Sights>,
    retry: Retry,
    /// Something changed that a gate, the feeder, the prober or a deadline may be waiting for.
    changed: Notify,
    /// A claim waits for a sender.
    queued: Notify,
    /// The claims that wait to be sent became few.
    hungry: Notify,
    /// An outcome waits for the settler.
    handed: Notify,
    /// Outcomes may be stuck.
    stuck: Notify,
    /// Slots are wanted, or there is news for the other workers.
    told: Notify,
    /// First come, first served at the pace.
    turn: Semaphore,
    /// One at a time finds out what this user sees.
    seeing: Semaphore,
    /// The grace is over: what is in flight is given up.
    cut: CancellationToken,
}

/// Who came to an end.
#[derive(PartialEq, Eq)]
enum Role {
    /// The run ends with it.
    Last,
    Other,
}

impl<'a, O: Outbox, A: Api, C: Clock, W: Watch> Engine<'a, O, A, C, W> {
    fn new(outbox: &'a O, api: &'a A, clock: &'a C, policy: &'a Policy, watch: &'a W) -> Self {
        let started = clock.now();
        let until = policy.guards.until.map(|until| between(started, until));
        Self {
            outbox,
            api,
            clock,
            policy,
            watch,
            epoch: Instant::now(),
            started,
            started_awake: clock.awake(),
            state: RefCell::new(RunState::new(policy, until)),
            sights: RefCell::default(),
            retry: Retry::new(policy.retry_first, policy.retry_longest, policy.seed),
            changed: Notify::new(),
            queued: Notify::new(),
            hungry: Notify::new(),
            handed: Notify::new(),
            stuck: Notify::new(),
            told: Notify::new(),
            turn: Semaphore::new(1),
            seeing: Semaphore::new(1),
            cut: CancellationToken::new(),
        }
    }

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

    /// Time since the run began.
    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The time of day, as if nobody had set the machine's clock since the run began.
    fn here(&self) -> Timestamp {
        after(self.started, self.clock.awake().saturating_sub(self.started_awake))
    }

    /// The same by the clock of a shared outbox.
    fn time(&self, state: &RunState) -> Timestamp {
        let here = self.here();
        here.checked_add(state.time_off).unwrap_or(here)
    }

    fn moment(&self) -> Moment {
        let (state, awake) = (self.state.borrow(), self.clock.awake());
        Moment { awake, wall: self.clock.now(), outbox: self.time(&state), hubsoft: state.hubsoft_now(awake) }
    }

    fn instant(&self, at: Duration) -> Instant {
        self.epoch + at
    }

    /// Ends the run: the first reason stands. Nothing more is claimed or sent; what is in flight
    /// finishes, and what was not sent is given back.
    fn end(&self, reason: Reason) {
        self.state.borrow_mut().end(reason, self.now());
        self.wake();
    }

    /// Something is wrong with the run as a whole: it ends, or else waits until it works again.
    fn halt(&self, halt: Halt) {
        if self.policy.lasting == Lasting::UntilDrained {
            return self.end(Reason::Halted(halt));
        }
        let mut state = self.state.borrow_mut();
        // The rows of others are in the same danger, and no try is harmless: a person must say when.
        let for_all = matches!(halt, Halt::EchoLost { .. }).then(|| halt.to_string());
        if let Some(reason) = &for_all {
            state.tell(News { pause: Some(reason.clone()), ..News::default() });
            state.pause = Some(reason.clone());
        }
        state.breaker.open(self.now());
        let is_new = state.halted.as_ref() != Some(&halt);
        state.halted = Some(halt.clone());
        state.give_back();
        drop(state);
        self.told.notify_one();
        if is_new {
            self.watch.note(for_all.as_deref().map_or(Note::Halted(&halt), Note::Paused));
        }
        self.wake();
    }

    fn wake(&self) {
        self.changed.notify_waiters();
        self.hungry.notify_one();
        self.handed.notify_one();
        self.queued.notify_waiters();
    }

    /// The halt that an error of the outbox calls for, if it has lasted since `began` for too long.
    fn outbox_failed(&self, error: &OutboxError, began: Duration) -> Option<Halt> {
        if self.policy.lasting == Lasting::Forever {
            return None;
        }
        let lasted = self.now().saturating_sub(began);
        match error {
            OutboxError::Full(_) => (OUTBOX_FULL_MAX <= lasted).then_some(Halt::DiskFull),
            OutboxError::Unavailable(_) => {
                let n_posts = self.state.borrow().stats.posts;
                (self.policy.guards.unavailable_max? <= lasted).then(|| Halt::OutboxUnavailable {
                    lasted,
                    cause: with_cause(error),
                    n_posts,
                })
            }
            OutboxError::Broken(cause) => Some(Halt::OutboxBroken { message: cause.to_string() }),
        }
    }

    /// Between tries of an outbox that did not answer.
    fn outbox_wait(&self, tries: u32) -> Duration {
        Retry::new(OUTBOX_RETRY_FIRST, OUTBOX_RETRY_LONGEST, 0).ceiling(tries)
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

/// How long a full disk may stay full before the run halts: time enough for a log to be rotated.
const OUTBOX_FULL_MAX: Duration = Duration::from_secs(30);

/// Others may bring rows back, whether or not this run was told to look for new ones.
const POLL: Duration = Duration::from_secs(1);

const OUTBOX_RETRY_FIRST: Duration = Duration::from_millis(50);
const OUTBOX_RETRY_LONGEST: Duration = Duration::from_secs(2);

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What the outbox did, and why.
fn with_cause(error: &OutboxError) -> String {
    let cause = std::error::Error::source(error).map(|it| format!(": {it}")).unwrap_or_default();
    format!("{error}{cause}")
}
