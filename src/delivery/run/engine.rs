//! Everything a run works with, and what all its parts do with it.

use std::cell::RefCell;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sights::Sights;
use super::state::{Moment, Reason, RunState};
use crate::delivery::coordination::News;
use crate::delivery::decide::{after, between};
use crate::delivery::retry::Retry;
use crate::delivery::{Api, Clock, Halt, Lasting, Note, Outbox, OutboxError, PauseReason, Policy, Watch};

/// Everything a run works with. The parts take turns on it within one task.
pub struct Engine<'a, O, A, C, W> {
    pub outbox: &'a O,
    pub api: &'a A,
    pub clock: &'a C,
    pub policy: &'a Policy,
    pub watch: &'a W,
    /// Durations of the core are counted from here.
    pub epoch: Instant,
    /// The time of day when the run began, and then by the clock that nobody sets.
    pub started: Timestamp,
    pub started_awake: Duration,
    /// Never borrowed across an await.
    pub state: RefCell<RunState>,
    pub sights: RefCell<Sights>,
    pub retry: Retry,
    /// Something changed that a gate, the feeder, the prober or a deadline may be waiting for.
    pub changed: Notify,
    /// A claim waits for a sender.
    pub queued: Notify,
    /// The claims that wait to be sent became few.
    pub hungry: Notify,
    /// An outcome waits for the settler.
    pub handed: Notify,
    /// Outcomes may be stuck.
    pub stuck: Notify,
    /// Slots are wanted, or there is news for the other workers.
    pub share_now: Notify,
    /// First come, first served at the pace.
    pub turn: Semaphore,
    /// One at a time finds out what this user sees.
    pub seeing: Semaphore,
    /// The grace is over: what is in flight is given up.
    pub cut: CancellationToken,
}

impl<'a, O: Outbox, A: Api, C: Clock, W: Watch> Engine<'a, O, A, C, W> {
    pub fn new(outbox: &'a O, api: &'a A, clock: &'a C, policy: &'a Policy, watch: &'a W) -> Self {
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
            share_now: Notify::new(),
            turn: Semaphore::new(1),
            seeing: Semaphore::new(1),
            cut: CancellationToken::new(),
        }
    }

    /// Time since the run began.
    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The time of day, as if nobody had set the machine's clock since the run began.
    pub fn here(&self) -> Timestamp {
        self.here_at(self.clock.awake())
    }

    fn here_at(&self, awake: Duration) -> Timestamp {
        after(self.started, awake.saturating_sub(self.started_awake))
    }

    /// The same by the clock of a shared outbox.
    pub fn time(&self, state: &RunState) -> Timestamp {
        self.time_at(self.clock.awake(), state)
    }

    fn time_at(&self, awake: Duration, state: &RunState) -> Timestamp {
        let here = self.here_at(awake);
        here.checked_add(state.time_off).unwrap_or(here)
    }

    pub fn moment(&self) -> Moment {
        let (state, awake) = (self.state.borrow(), self.clock.awake());
        let outbox = self.time_at(awake, &state);
        Moment { awake, wall: self.clock.now(), outbox, hubsoft: state.hubsoft_now(awake) }
    }

    pub fn instant(&self, at: Duration) -> Instant {
        self.epoch + at
    }

    /// Ends the run: the first reason stands. Nothing more is claimed or sent; what is in flight
    /// finishes, and what was not sent is given back.
    pub fn end(&self, reason: Reason) {
        self.state.borrow_mut().end(reason, self.now());
        self.wake();
    }

    /// Something is wrong with the run as a whole: it ends, or else waits until it works again.
    pub fn halt(&self, halt: Halt) {
        if self.policy.lasting == Lasting::UntilDrained {
            return self.end(Reason::Halted(halt));
        }
        let mut state = self.state.borrow_mut();
        // The rows of others are in the same danger, and no try is harmless: a person must say when.
        let for_all = match &halt {
            Halt::EchoLost { protocolo } => Some(PauseReason::EchoLost { protocolo: protocolo.clone() }),
            _ => None,
        };
        if let Some(reason) = &for_all {
            state.tell(News { pause: Some(reason.clone()), ..News::default() });
            state.pause = Some(reason.clone());
        }
        state.breaker.open(self.now());
        let is_new = state.halted.as_ref() != Some(&halt);
        state.halted = Some(halt.clone());
        state.give_back();
        drop(state);
        self.share_now.notify_one();
        if is_new {
            self.watch.note(for_all.as_ref().map_or(Note::Halted(&halt), Note::Paused));
        }
        self.wake();
    }

    pub fn wake(&self) {
        self.changed.notify_waiters();
        self.hungry.notify_one();
        self.handed.notify_one();
        self.queued.notify_waiters();
    }

    /// The halt that an error of the outbox calls for, if it has lasted since `began` for too long.
    pub fn outbox_failed(&self, error: &OutboxError, began: Duration) -> Option<Halt> {
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
            OutboxError::Denied(cause) => Some(Halt::OutboxDenied { message: cause.to_string() }),
            OutboxError::Broken(cause) => Some(Halt::OutboxBroken { message: cause.to_string() }),
        }
    }

    /// Between tries of an outbox that did not answer.
    pub fn outbox_wait(&self, tries: u32) -> Duration {
        Retry::new(OUTBOX_RETRY_FIRST, OUTBOX_RETRY_LONGEST, 0).ceiling(tries)
    }
}

/// How long a full disk may stay full before the run halts: time enough for a log to be rotated.
const OUTBOX_FULL_MAX: Duration = Duration::from_secs(30);

const OUTBOX_RETRY_FIRST: Duration = Duration::from_millis(50);
const OUTBOX_RETRY_LONGEST: Duration = Duration::from_secs(2);

pub async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What the outbox did, and why.
pub fn with_cause(error: &OutboxError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
