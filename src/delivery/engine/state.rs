//! Everything a run knows, and what all its parts do with it.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::errand::{Errand, Pass, Step};
use super::health::Health;
use super::listing::Listing;
use super::messages::{Action, RequestId, Told};
use super::queue::Queue;
use super::sharing::Sharing;
use super::sights::Sights;
use super::slots::{AHEAD_LONGEST, Doors, Scenery, Slots};
use super::storage::{Kind, Storage};
use super::times::{Moment, Now};
use crate::delivery::concurrency::Limit;
use crate::delivery::coordination::News;
use crate::delivery::decide::{after, between};
use crate::delivery::guards::Guards;
use crate::delivery::pace::Pace;
use crate::delivery::retry::Retry;
use crate::delivery::{CLAIM_AGE_MAX, Halt, Lasting, OutboxError, PauseReason, Policy, Pulse, Stats};

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nothing is pending in scope, or all that is left waits behind `unconfirmed` rows.
    Drained,
    /// [`Control::stop`](crate::delivery::Control::stop).
    Stopped,
    Halted(Halt),
}

/// A throttle longer than this gives claims back instead of holding them.
const HOLD_MAX: Duration = Duration::from_secs(5);
const _: () = assert!(
    HOLD_MAX.as_nanos() + AHEAD_LONGEST.as_nanos() < CLAIM_AGE_MAX.as_nanos(),
    "what is held through a throttle must still be sent"
);

/// How long a full disk may stay full before the run halts: time enough for a log to be rotated.
const OUTBOX_FULL_MAX: Duration = Duration::from_secs(30);

/// A run without its I/O.
#[derive(Clone)]
pub struct Engine<'p> {
    pub(super) policy: &'p Policy,
    pub(super) retry: Retry,
    /// The time of day when the run began, and then by the clock that nobody sets.
    pub(super) started: Timestamp,
    pub(super) started_awake: Duration,
    /// What comes before the first claim; `None`: it is done.
    pub(super) opening: Option<Opening>,
    pub(super) queue: Queue,
    pub(super) storage: Storage,
    pub(super) slots: Slots,
    pub(super) health: Health,
    pub(super) sharing: Sharing,
    pub(super) sights: Sights,
    pub(super) listing: Listing,
    pub(super) stats: Stats,
    /// The claims on their way, each in a seat.
    pub(super) seats: Vec<Option<(Errand, Step)>>,
    pub(super) free_seats: Vec<usize>,
    /// Of these, how many wait until the outbox knows that their lote is halted.
    pub(super) n_halting: usize,
    /// Who finds out what this user sees, and who waits for that.
    pub(super) seeing: Option<usize>,
    pub(super) waits_to_see: VecDeque<usize>,
    pub(super) probe: Option<(RequestId, Pass)>,
    pub(super) n_requests: u64,
    pub(super) hubsoft_clock: Option<Dated>,
    /// How many claims each seat may have waiting for it.
    pub(super) ahead: usize,
    /// Which kinds the last claim brought less of than was wanted.
    pub(super) short: Short,
    pub(super) ending: Option<(Reason, Duration)>,
    /// When what outlasted the grace of a stop was cut off.
    pub(super) cut_at: Option<Duration>,
    /// Nothing is waited for any more, and that was said.
    pub(super) is_over: bool,
    pub(super) has_ended: bool,
    /// How often whoever looks on wants to hear that the loop turns, and what was said last.
    pub(super) pulse_every: Option<Duration>,
    pub(super) turned: Option<(Pulse, Duration)>,
    pub(super) actions: VecDeque<Action>,
    /// Nothing is to be done before something happens, or before `wake_at`.
    pub(super) is_at_rest: bool,
    pub(super) wake_at: Option<Duration>,
}

/// What HubSoft's clock showed in an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dated {
    pub date: Timestamp,
    /// By [`Clock::awake`](crate::delivery::Clock).
    pub heard: Duration,
    /// How long the answer took.
    pub took: Duration,
}

/// Which kinds a claim brought less of than was wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Short {
    pub posts: bool,
    pub look_ups: bool,
}

fingerprint! { struct Short { posts, look_ups } }

/// How far a run has come that has claimed nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    pub stage: Stage,
    pub began: Duration,
}

fingerprint! { struct Opening { stage, began } }

/// In this order: what stands for all comes first, because who has been stopped takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Share,
    Recover,
    LookAgain,
    PullIn,
}

fingerprint!(plain Stage, Reason);

impl<'p> Engine<'p> {
    /// `pulse_every`: how often [`Told::Turned`] is said at least.
    pub fn new(policy: &'p Policy, now: &Now, pulse_every: Option<Duration>) -> Self {
        let until = policy.guards.until.map(|until| now.run + between(now.wall, until));
        let n_seats = policy.concurrency.n_seats();
        Self {
            policy,
            retry: Retry::new(policy.retry_first, policy.retry_longest, policy.seed),
            started: now.wall,
            started_awake: now.awake,
            opening: Some(Opening { stage: Stage::Share, began: now.run }),
            queue: Queue::new(),
            storage: Storage::new(),
            slots: Slots::new(Pace::new(policy.rate), Limit::new(policy.concurrency)),
            health: Health::new(Guards::new(policy.guards, until)),
            sharing: Sharing::new(),
            sights: Sights::default(),
            listing: Listing::default(),
            stats: Stats::default(),
            seats: (0..n_seats).map(|_| None).collect(),
            free_seats: (0..n_seats).rev().collect(),
            n_halting: 0,
            seeing: None,
            waits_to_see: VecDeque::new(),
            probe: None,
            n_requests: 0,
            hubsoft_clock: None,
            ahead: 1,
            short: Short::default(),
            ending: None,
            cut_at: None,
            is_over: false,
            has_ended: false,
            pulse_every,
            turned: None,
            actions: VecDeque::new(),
            is_at_rest: false,
            wake_at: None,
        }
    }

    /// What came of the run.
    pub fn finish(mut self, now: &Now) -> (Reason, Stats) {
        self.stats.elapsed = now.run;
        self.stats.unsettled = self.queue.n_live as u64;
        // Every way to the end has given its reason.
        (self.ending.map_or(Reason::Stopped, |(reason, _)| reason), self.stats)
    }

    /// How many requests may be under way, the probe and the list of open tickets included.
    pub fn n_seats(&self) -> usize {
        self.seats.len() + 2
    }

    pub(super) fn does(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.actions.push_back(Action::Tell(told));
    }

    /// Something may be due then.
    pub(super) fn wake_at(&mut self, at: Option<Duration>) {
        self.wake_at = self.wake_at.into_iter().chain(at).min();
    }

    pub(super) fn next_id(&mut self, seat: usize) -> RequestId {
        self.n_requests += 1;
        RequestId { seat, nth: self.n_requests }
    }

    pub(super) fn probe_seat(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn list_seat(&self) -> usize {
        self.seats.len() + 1
    }

    /// The time of day, as if nobody had set the machine's clock since the run began.
    pub(super) fn here(&self, now: &Now) -> Timestamp {
        after(self.started, now.awake.saturating_sub(self.started_awake))
    }

    /// The same by the clock of a shared outbox.
    pub(super) fn time(&self, now: &Now) -> Timestamp {
        let here = self.here(now);
        if self.sharing.time_off.is_zero() {
            return here;
        }
        here.checked_add(self.sharing.time_off).unwrap_or(here)
    }

    /// What HubSoft's clock shows at least.
    pub(super) fn hubsoft_now(&self, now: &Now) -> Option<Timestamp> {
        let Dated { date, heard, .. } = self.hubsoft_clock?;
        Some(after(date, now.awake.saturating_sub(heard)))
    }

    /// The same at most: the answer may have been on its way here for all the time that it took.
    pub(super) fn hubsoft_latest(&self, now: &Now) -> Option<Timestamp> {
        Some(after(self.hubsoft_now(now)?, self.hubsoft_clock?.took))
    }

    pub(super) fn moment(&self, now: &Now) -> Moment {
        let (outbox, hubsoft) = (self.time(now), self.hubsoft_now(now));
        Moment { awake: now.awake, wall: now.wall, outbox, hubsoft }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// It has no row, and may post the next one at once.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.n_live == 0 && self.health.pause.is_none() && self.health.breaker.is_closed()
    }

    /// Whether no row may be claimed or sent now, of whatever kind.
    pub(super) fn rows_are_barred(&self, now: &Now) -> bool {
        self.health.pause.is_some()
            || self.storage.is_down()
            || self.health.is_dark()
            || self.long_throttle(now).is_some()
    }

    /// Until when no claim is held, if the throttle is so long.
    pub(super) fn long_throttle(&self, now: &Now) -> Option<Duration> {
        let until = self.slots.pace.throttled_until(now.run)?.checked_sub(HOLD_MAX)?;
        (now.run < until).then_some(until)
    }

    pub(super) fn scenery(&self, now: &Now) -> Scenery {
        let doors = Doors {
            is_ending: self.is_ending(),
            is_paused: self.health.pause.is_some(),
            bars_rows: self.rows_are_barred(now),
            traffic: self.health.breaker.traffic(),
        };
        let Sharing { told_at, .. } = self.sharing;
        Scenery { now: now.run, moment: self.moment(now), doors, told_at, far: self.sharing.far() }
    }

    /// How the run stands, for whoever looks on.
    pub(super) fn pulse(&self, now: &Now) -> Pulse {
        Pulse {
            slot: self.slots.pace.slot(),
            n_at_once: self.slots.limit.now(),
            is_throttled: self.slots.pace.throttled_until(now.run).is_some(),
            waits_to_log_in: self.slots.wait_to_log_in(),
            is_lowered: self.slots.pace.is_lowered(now.run),
            climbs_for: self.slots.pace.climbs_for(now.run),
            is_breaker_open: self.health.is_dark(),
            is_paused: self.health.pause.is_some(),
            is_halted: self.health.halted.is_some(),
            is_outbox_down: self.storage.is_down(),
            is_ending: self.is_ending(),
            n_passed_over: self.queue.n_passed_over,
        }
    }

    /// Gives back the claims that wait and may not be sent any more.
    pub(super) fn give_back(&mut self) {
        self.queue.give_back(&mut self.storage.outgoing);
    }

    /// Ends the run: the first reason stands. Nothing more is claimed or sent; what is in flight
    /// finishes, and what was not sent is given back.
    pub(super) fn end(&mut self, now: &Now, reason: Reason) {
        self.ending.get_or_insert((reason, now.run));
        self.give_back();
    }

    /// Something is wrong with the run as a whole: it ends, or else waits until it works again.
    pub(super) fn halt(&mut self, now: &Now, halt: Halt) {
        if self.policy.lasting == Lasting::UntilDrained {
            return self.end(now, Reason::Halted(halt));
        }
        // The rows of others are in the same danger, and no try is harmless: a person must say when.
        let for_all = match &halt {
            Halt::EchoLost { protocolo } => Some(PauseReason::EchoLost { protocolo: protocolo.clone() }),
            _ => None,
        };
        if let Some(reason) = &for_all {
            self.sharing.tell(News { pause: Some(reason.clone()), ..News::default() });
            self.health.pause = Some(reason.clone());
        }
        let _ = self.health.breaker.open(now.run);
        if self.health.halted.as_ref() != Some(&halt) {
            self.health.halted = Some(halt.clone());
            self.tell(match for_all {
                Some(reason) => Told::Paused(Box::new(reason)),
                None => Told::Halted(Box::new(halt)),
            });
        }
        self.give_back();
    }

    /// The outbox did not do as asked: sending stops at once, and what was not sent is given back
    /// when it can be. Returns since when it fails.
    pub(super) fn outbox_fails(&mut self, now: &Now, kind: Kind, error: &OutboxError) -> Duration {
        let was_down = self.storage.is_down();
        let since = self.storage.call_mut(kind).failed(now.run);
        self.give_back();
        if !was_down {
            self.tell(Told::OutboxDown(with_cause(error).into()));
        }
        since
    }

    /// It did as asked. Returns when it had been asked.
    pub(super) fn outbox_works(&mut self, now: &Now, kind: Kind) -> Duration {
        let was_failing = self.storage.call(kind).is_failing();
        let asked = self.storage.call_mut(kind).worked(now.run);
        if was_failing && !self.storage.is_down() {
            self.tell(Told::OutboxUp);
        }
        asked
    }

    /// The halt that an error of the outbox calls for, if it has lasted since `began` for too long.
    pub(super) fn outbox_failed(&self, now: &Now, error: &OutboxError, began: Duration) -> Option<Halt> {
        if self.policy.lasting == Lasting::Forever {
            return None;
        }
        let lasted = now.run.saturating_sub(began);
        match error {
            OutboxError::Full(_) => (OUTBOX_FULL_MAX <= lasted).then_some(Halt::DiskFull),
            OutboxError::Unavailable(_) => (self.policy.guards.unavailable_max? <= lasted).then(|| {
                Halt::OutboxUnavailable { lasted, cause: with_cause(error), n_posts: self.stats.posts }
            }),
            OutboxError::Denied(cause) => Some(Halt::OutboxDenied { message: cause.to_string() }),
            OutboxError::Broken(cause) => Some(Halt::OutboxBroken { message: cause.to_string() }),
        }
    }
}

/// What the outbox did, and why.
fn with_cause(error: &OutboxError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
