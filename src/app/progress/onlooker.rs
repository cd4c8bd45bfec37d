//! Looks on while a run goes, and knows how it stands.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use tokio::time::Instant;

use super::forecast::{Ahead, Done, Forecast, Lately};
use super::refusals::Refusals;
use super::standing::{Standing, Traffic, Why};
use crate::delivery::{
    Change, Note, PauseReason, Policy, Pulse, Rate, Refused, RequestKind, RowId, Settle, Settled, State,
    ThrottleReason, Watch,
};
use crate::language::times;
use crate::outbox::sqlite::Going;
use crate::outbox::{AnyOutbox, Counts, Reasons};

/// Which rows a run is about.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How the rows stood before it.
    before: Counts,
    n_to_do: u64,
}

impl Extent {
    /// `n` rows, whatever was done before.
    pub fn of_rows(n: u64) -> Self {
        Self { before: Counts::default(), n_to_do: n }
    }

    /// A whole batch, of which this was done before.
    pub fn of_batch(before: &Counts) -> Self {
        Self { before: *before, n_to_do: before.left() + before.unconfirmed }
    }

    /// Those that were done before too.
    pub fn n_total(&self) -> u64 {
        self.n_done_before() + self.n_to_do
    }

    fn n_done_before(&self) -> u64 {
        self.before.total().saturating_sub(self.n_to_do)
    }
}

/// What is seen of a run since it began.
pub struct Onlooker {
    /// `None`: there is no end.
    extent: Option<Extent>,
    ceiling: Rate,
    n_at_once: Cell<usize>,
    n_opened: Cell<u64>,
    n_refused: Cell<u64>,
    n_not_sent: Cell<u64>,
    n_unclear: Cell<u64>,
    refusals: Refusals,
    /// A ticket may exist; look-ups will tell.
    in_doubt: RefCell<HashMap<RowId, Instant>>,
    n_doubted: Cell<u64>,
    newest_doubt: Cell<Instant>,
    started: Instant,
    /// Rows done, and requests sent, since it began.
    rows: RefCell<Lately>,
    requests: RefCell<Lately>,
    forecast: RefCell<Forecast>,
    n_requests: Cell<u64>,
    /// Of them, posts and look-ups.
    n_of_rows: Cell<u64>,
    n_in_flight: Cell<usize>,
    /// Of answers, on the average; those of late count most.
    latency: Cell<Duration>,
    slot: Cell<Option<Duration>>,
    is_lowered: Cell<bool>,
    climbs_for: Cell<Option<Duration>>,
    /// When it ends.
    throttle: RefCell<Option<(Instant, DateTime, ThrottleReason)>>,
    waits_to_log_in: Cell<bool>,
    is_unavailable: Cell<bool>,
    is_outbox_down: Cell<bool>,
    is_halted: Cell<bool>,
    paused: RefCell<Option<PauseReason>>,
}

impl Onlooker {
    /// Of a run that goes by `policy`.
    pub fn new(extent: Option<Extent>, policy: &Policy) -> Self {
        Self {
            extent,
            ceiling: policy.rate,
            n_at_once: Cell::new(policy.concurrency.most()),
            n_opened: Cell::new(0),
            n_refused: Cell::new(0),
            n_not_sent: Cell::new(0),
            n_unclear: Cell::new(0),
            refusals: Refusals::default(),
            in_doubt: RefCell::default(),
            n_doubted: Cell::new(0),
            newest_doubt: Cell::new(Instant::now()),
            started: Instant::now(),
            rows: RefCell::new(Lately::from_now()),
            requests: RefCell::new(Lately::from_now()),
            forecast: RefCell::new(Forecast::from_now(policy.settle_delay)),
            n_requests: Cell::new(0),
            n_of_rows: Cell::new(0),
            n_in_flight: Cell::new(0),
            latency: Cell::default(),
            slot: Cell::default(),
            is_lowered: Cell::default(),
            climbs_for: Cell::default(),
            throttle: RefCell::default(),
            waits_to_log_in: Cell::new(false),
            is_unavailable: Cell::new(false),
            is_outbox_down: Cell::new(false),
            is_halted: Cell::new(false),
            paused: RefCell::default(),
        }
    }

    /// How it stands now: to be asked each second, since the pace is that of the times it was looked at.
    /// Those who look at `outbox` from outside are told, too.
    pub fn look_and_say(&self, outbox: &AnyOutbox) -> Standing {
        let standing = self.look();
        outbox.say(&standing.logged(), &self.going(&standing));
        standing
    }

    /// The same, which nobody else is told.
    pub fn look(&self) -> Standing {
        self.see();
        self.standing()
    }

    /// Why rows were not opened since it began; they are named by their ids.
    pub fn reasons(&self) -> Reasons {
        self.refusals.reasons()
    }

    /// Rows that are done since it began.
    pub fn n_done(&self) -> u64 {
        self.n_opened.get() + self.n_refused.get() + self.n_not_sent.get() + self.n_unclear.get()
    }

    /// Keeps how far it is now, for the pace.
    fn see(&self) {
        let since = self.started.elapsed();
        self.rows.borrow_mut().see(since, self.n_done());
        self.requests.borrow_mut().see(since, self.n_requests.get());
        let done = Done {
            n_rows: self.n_done(),
            n_doubted: self.n_doubted.get(),
            n_in_doubt: self.in_doubt.borrow().len() as u64,
            n_requests: self.n_of_rows.get(),
        };
        self.forecast.borrow_mut().see(since, self.held().is_some(), self.slot.get(), done);
    }

    fn standing(&self) -> Standing {
        let n_done = self.n_done();
        let before = self.extent.map(|extent| extent.before).unwrap_or_default();
        let done = self.extent.map(|extent| {
            let n_before = extent.n_done_before();
            // Beside workers more may come in doubt than there were.
            (n_before + n_done, n_before + extent.n_to_do.max(n_done))
        });
        let n_left = done.map(|(n_done, n_total)| n_total - n_done).filter(|n_left| 0 < *n_left);
        let n_in_doubt = self.in_doubt.borrow().len() as u64;
        let why = self.why(n_left, n_in_doubt);
        let n_going_on = n_left.filter(|_| !why.as_ref().is_some_and(Why::has_no_end));
        let left = n_going_on.and_then(|n_left| self.left(n_left.saturating_sub(n_in_doubt), n_in_doubt));
        let end = left.and_then(|left| Some((left, here_in(left)?)));
        Standing {
            done,
            n_opened: before.opened + self.n_opened.get(),
            n_refused: before.rejected + before.failed + self.n_refused.get(),
            refused_for: self.refusals.commonest(),
            n_not_sent: before.invalid + before.skipped + before.cancelled + self.n_not_sent.get(),
            n_in_doubt,
            n_unclear: before.conflict + self.n_unclear.get(),
            rate: self.rows.borrow().pace(),
            ceiling: self.ceiling,
            why,
            end,
        }
    }

    /// How it goes, for programs.
    fn going(&self, standing: &Standing) -> Going {
        Going {
            rows_per_s: standing.rate.map(|rate| (100.0 * rate).round() / 100.0),
            at_once: Some(self.n_at_once.get()),
            held_back_by: standing.why.as_ref().map(|why| why.code().to_owned()),
            ends_at: standing.end.and_then(|(left, _)| Timestamp::now().checked_add(left).ok()),
        }
    }

    /// How long rows that are to be sent, and those in doubt, will take.
    fn left(&self, n_to_send: u64, n_in_doubt: u64) -> Option<Duration> {
        let now = Instant::now();
        let throttled_until = self.throttle.borrow().as_ref().map(|(ends, ..)| *ends);
        let ahead = Ahead {
            n_to_send,
            n_in_doubt,
            newest_doubt: now - self.newest_doubt.get(),
            held_for: throttled_until.map_or(Duration::ZERO, |ends| ends.saturating_duration_since(now)),
            slot: self.slot.get(),
            climb: self.ceiling.slot().zip(self.climbs_for.get()),
        };
        self.forecast.borrow().left(&ahead)
    }

    /// What stands in its way.
    fn held(&self) -> Option<Why> {
        if let Some(reason) = &*self.paused.borrow() {
            return Some(Why::Paused { reason: reason.clone() });
        }
        if self.is_outbox_down.get() {
            return Some(Why::OutboxDown);
        }
        if self.is_halted.get() {
            return Some(Why::Halted);
        }
        if self.is_unavailable.get() {
            return Some(Why::Unavailable);
        }
        if let Some((ends, until, reason)) = &*self.throttle.borrow()
            && Instant::now() < *ends
        {
            return Some(Why::Throttled { until: *until, reason: reason.clone() });
        }
        self.waits_to_log_in.get().then_some(Why::Login)
    }

    /// Why it goes no faster: what stands in its way, or what it is measured by.
    fn why(&self, n_left: Option<u64>, n_in_doubt: u64) -> Option<Why> {
        let held = self.held();
        if held.is_some() {
            return held;
        }
        if n_left == Some(n_in_doubt) && self.n_in_flight.get() == 0 {
            return Some(Why::Doubts);
        }
        let traffic = Traffic {
            per_s: self.requests.borrow().pace(),
            latency: self.latency.get(),
            n_in_flight: self.n_in_flight.get(),
            n_at_once: self.n_at_once.get(),
            ceiling: self.ceiling,
            slot: self.slot.get(),
            is_lowered: self.is_lowered.get(),
        };
        traffic.why()
    }

    /// A row is in doubt, or is not any more.
    fn doubt(&self, row: RowId, is_in_doubt: bool) {
        let (now, mut in_doubt) = (Instant::now(), self.in_doubt.borrow_mut());
        match is_in_doubt {
            true => {
                if let Entry::Vacant(place) = in_doubt.entry(row) {
                    place.insert(now);
                    self.newest_doubt.set(now);
                    count(&self.n_doubted);
                }
            }
            false => {
                if let Some(since) = in_doubt.remove(&row) {
                    self.forecast.borrow_mut().doubt_ended(now - since);
                }
            }
        }
    }
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

/// Of a row, and not of a login or a probe.
fn is_of_a_row(kind: RequestKind) -> bool {
    matches!(kind, RequestKind::Post | RequestKind::LookUp)
}

/// What clocks here show after `time`; `None` at the end of all time.
fn here_in(time: Duration) -> Option<DateTime> {
    Timestamp::now().checked_add(time).ok().map(times::here)
}

impl Watch for Onlooker {
    fn settled(&self, settle: &Settle, became: Settled) {
        self.refusals.settled(settle, became);
        match (became, &settle.change) {
            (Settled::Written, Change::Release | Change::Later { .. })
            | (Settled::Stale | Settled::Deleted | Settled::Locked, _) => {}
            (Settled::Written, Change::Opened { .. }) => count(&self.n_opened),
            (Settled::Written, Change::Rejected { .. } | Change::Failed { .. }) => count(&self.n_refused),
            (Settled::Written, Change::Skipped { .. }) => count(&self.n_not_sent),
            _ => count(&self.n_unclear),
        }
        if settle.change != Change::Release {
            self.doubt(settle.row, settle.change.state(None) == State::InDoubt);
        }
    }

    fn refused(&self, refused: &Refused) {
        self.refusals.refused(refused);
        count(if refused.state == State::Unconfirmed { &self.n_unclear } else { &self.n_not_sent });
    }

    fn sending(&self, kind: RequestKind) {
        count(&self.n_requests);
        if is_of_a_row(kind) {
            count(&self.n_of_rows);
            self.n_in_flight.set(self.n_in_flight.get() + 1);
        }
    }

    fn answered(&self, kind: RequestKind, _verdict: &'static str, latency: Duration) {
        if is_of_a_row(kind) {
            self.n_in_flight.set(self.n_in_flight.get().saturating_sub(1));
            let known = self.latency.get();
            self.latency.set(if known.is_zero() { latency } else { (known * 7 + latency) / 8 });
        }
    }

    fn turned(&self, pulse: &Pulse) {
        self.slot.set(pulse.slot);
        self.is_lowered.set(pulse.is_lowered);
        self.waits_to_log_in.set(pulse.waits_to_log_in);
        self.climbs_for.set(pulse.climbs_for);
        self.n_at_once.set(pulse.n_at_once);
    }

    fn throttled(&self, length: Duration, reason: &ThrottleReason) {
        let ends = Instant::now() + length;
        *self.throttle.borrow_mut() = here_in(length).map(|until| (ends, until, reason.clone()));
    }

    fn note(&self, note: Note<'_>) {
        match note {
            Note::BreakerOpened(_) => self.is_unavailable.set(true),
            Note::BreakerClosed => self.is_unavailable.set(false),
            Note::OutboxDown(_) => self.is_outbox_down.set(true),
            Note::OutboxUp => self.is_outbox_down.set(false),
            Note::Paused(reason) => *self.paused.borrow_mut() = Some((*reason).clone()),
            Note::Resumed => *self.paused.borrow_mut() = None,
            Note::Halted(_) => self.is_halted.set(true),
            Note::HaltOver => self.is_halted.set(false),
            _ => {}
        }
    }
}
