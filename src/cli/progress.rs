//! How far a run is: a bar on a terminal, a line every ten seconds elsewhere.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use jiff::civil::DateTime;
use tokio::time::{Instant, interval};

use super::forecast::{Ahead, Done, Forecast, Lately};
use super::refusals::Refusals;
use super::screen::{Screen, terminal};
use super::standing::{Standing, Traffic, Why};
use super::typed::Typed;
use crate::app::address::Led;
use crate::delivery::{
    Change, Note, Policy, Pulse, Rate, Refused, RequestKind, RowId, Settle, Settled, State, ThrottleReason,
    Watch,
};
use crate::language::times;
use crate::outbox::sqlite::Going;
use crate::outbox::{AnyOutbox, Counts, Reasons};
use crate::printable::{self, LINE_CHARS_MAX};
use crate::text;

/// Between two lines where nobody watches a bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Between two words to those who look at the outbox from outside.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// A throttle is told when the last one was told so long ago, or when it ends so much later.
const PAUSE_TOLD_EVERY: Duration = Duration::from_secs(30);

/// Of the bar itself, before its words.
const BAR_COLUMNS: usize = 10;

/// Between two redraws of a bar.
const BAR_EVERY: Duration = Duration::from_millis(200);

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

    fn n_done_before(&self) -> u64 {
        self.before.total().saturating_sub(self.n_to_do)
    }
}

/// Looks on while a run goes, and tells.
pub struct Progress<'a> {
    screen: &'a Screen,
    bar: Option<ProgressBar>,
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
    /// Rows done when a line was written last.
    n_told: Cell<u64>,
    /// When a throttle was told last, and when it ends.
    pausing: Cell<Option<(Instant, Instant)>>,
    throttle: RefCell<Option<(Instant, DateTime, String)>>,
    waits_to_log_in: Cell<bool>,
    is_unavailable: Cell<bool>,
    is_outbox_down: Cell<bool>,
    is_halted: Cell<bool>,
    paused: RefCell<Option<String>>,
}

impl<'a> Progress<'a> {
    /// Of a run that goes by `policy`.
    pub fn new(screen: &'a Screen, extent: Option<Extent>, policy: &Policy) -> Self {
        let watched = extent.filter(|_| screen.is_terminal() && !screen.quiet);
        let bar = watched.map(|extent| {
            let n_total = extent.n_done_before() + extent.n_to_do;
            let bar = ProgressBar::with_draw_target(Some(n_total), ProgressDrawTarget::stderr());
            bar.with_style(style(""))
        });
        Self {
            screen,
            bar,
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
            n_told: Cell::new(0),
            pausing: Cell::default(),
            throttle: RefCell::default(),
            waits_to_log_in: Cell::new(false),
            is_unavailable: Cell::new(false),
            is_outbox_down: Cell::new(false),
            is_halted: Cell::new(false),
            paused: RefCell::default(),
        }
    }

    /// Tells how far `run` is as long as it goes: a person, and those who look at `outbox` from outside.
    pub async fn follow<T>(&self, outbox: &AnyOutbox, run: impl Future<Output = T>) -> T {
        self.follow_and_tell(outbox, run, |_| ()).await
    }

    /// The same; `tell` hears each second why it goes no faster.
    pub async fn follow_and_tell<T>(
        &self,
        outbox: &AnyOutbox,
        run: impl Future<Output = T>,
        tell: impl Fn(Option<&Why>),
    ) -> T {
        let told = async {
            let mut ticks = interval(SAY_EVERY);
            loop {
                ticks.tick().await;
                self.look();
                let standing = self.standing();
                tell(standing.why.as_ref());
                outbox.say(&standing.logged(), &self.going(&standing));
            }
        };
        let done = tokio::select! {
            done = run => done,
            () = self.tell() => unreachable!("it tells for ever"),
            () = told => unreachable!("it says for ever"),
        };
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        done
    }

    /// Why rows were not opened since it began; they are named by their ids. Without anybody's words where a
    /// log is written.
    pub fn reasons(&self) -> Reasons {
        let mut reasons = self.refusals.reasons();
        if self.is_logged() {
            reasons.told.iter_mut().for_each(|reason| reason.message = None);
        }
        reasons
    }

    /// Whether what it tells stays in a log: that of a worker which nobody watches.
    fn is_logged(&self) -> bool {
        self.extent.is_none() && !self.screen.is_terminal()
    }

    /// Rows that are done since it began.
    fn n_done(&self) -> u64 {
        self.n_opened.get() + self.n_refused.get() + self.n_not_sent.get() + self.n_unclear.get()
    }

    /// Keeps how far it is now, for the pace.
    fn look(&self) {
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

    /// Tells how far it is, for ever.
    async fn tell(&self) {
        let mut ticks = interval(if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY });
        ticks.tick().await; // The first comes at once: nothing has happened yet.
        loop {
            ticks.tick().await;
            self.tell_once();
        }
    }

    fn tell_once(&self) {
        self.look();
        let standing = self.standing();
        let n_told = self.n_told.replace(self.n_done());
        match (&self.bar, standing.done) {
            (Some(bar), done) => {
                let (n_columns, _) = terminal(&console::Term::stderr());
                bar.set_position(done.map_or(0, |(n_done, _)| n_done));
                bar.set_message(standing.in_columns(n_columns.saturating_sub(BAR_COLUMNS + 2)));
                if let Some(refusals) = standing.refusals_in_columns(n_columns) {
                    if bar.prefix().is_empty() {
                        bar.set_style(style("\n{prefix}"));
                    }
                    bar.set_prefix(refusals);
                }
            }
            // Who never ends is silent while nothing happens.
            (None, None) if n_told == self.n_done() => {}
            (None, _) if self.is_logged() => self.screen.note(standing.logged()),
            (None, _) => self.screen.note_or_log(standing.line(), standing.logged()),
        }
    }

    fn say(&self, text: &str) {
        self.say_or_log(text, text);
    }

    /// Others' words are for a person's eyes, and not for a log.
    fn say_or_log(&self, text: &str, logged: &str) {
        match &self.bar {
            Some(bar) => bar.println(printable::line(text, LINE_CHARS_MAX)),
            None => self.screen.note_or_log(text, logged),
        }
    }
}

/// Of a bar with how far it is beside it, and `more` behind that.
fn style(more: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(&format!("{{bar:{BAR_COLUMNS}}} {{wide_msg}}{more}"));
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
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

/// Whether a throttle that ends at `ends` is to be told `since` the last one was, which was told to end at
/// `until`. In a storm one follows the other.
fn is_news(since: Duration, ends: Instant, until: Instant) -> bool {
    PAUSE_TOLD_EVERY <= since || until + PAUSE_TOLD_EVERY < ends
}

impl Watch for Progress<'_> {
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
        let reason = text::throttle(reason);
        let (now, ends) = (Instant::now(), Instant::now() + length);
        if self.pausing.get().is_none_or(|(told, until)| is_news(now - told, ends, until)) {
            self.pausing.set(Some((now, ends)));
            self.say(&tr!(
                "pausing for %{time}: %{reason}",
                time = Duration::from_secs(length.as_secs_f64().ceil() as u64),
                reason = reason
            ));
        }
        *self.throttle.borrow_mut() = here_in(length).map(|until| (ends, until, reason));
    }

    fn note(&self, note: Note<'_>) {
        match &note {
            Note::BreakerOpened(_) => self.is_unavailable.set(true),
            Note::BreakerClosed => self.is_unavailable.set(false),
            Note::OutboxDown(_) => self.is_outbox_down.set(true),
            Note::OutboxUp => self.is_outbox_down.set(false),
            Note::Paused(reason) => *self.paused.borrow_mut() = Some(text::pause(reason)),
            Note::Resumed => *self.paused.borrow_mut() = None,
            Note::Halted(_) => self.is_halted.set(true),
            Note::HaltOver => self.is_halted.set(false),
            _ => {}
        }
        self.say_of(note);
    }
}

impl Progress<'_> {
    /// Tells what happened to the run as a whole.
    fn say_of(&self, note: Note<'_>) {
        match note {
            Note::BreakerOpened(why) => {
                let (said, code) = why.map_or_else(Default::default, |fault| {
                    (format!(" ({})", text::fault(fault)), format!(" ({})", fault.code()))
                });
                self.say_or_log(
                    &tr!("HubSoft is unavailable%{why}: waiting, and trying it now and then", why = said),
                    &format!("HubSoft is unavailable{code}: waiting, and trying it now and then"),
                );
            }
            Note::BreakerClosed => self.say(&tr!("HubSoft is back")),
            Note::OutboxDown(why) => self.say(&tr!(
                "the outbox cannot be written (%{why}): nothing more is sent; answers are kept until it can",
                why = why
            )),
            Note::OutboxUp => self.say(&tr!("the outbox can be written again")),
            Note::Stopping => {
                self.say(&tr!("stopping: waiting for the answers under way; once more leaves at once"))
            }
            Note::Paused(reason) => {
                let resume = Typed::now().other(&["resume"]);
                self.say(&tr!(
                    "stopped (%{reason}): `%{command}` goes on",
                    reason = text::pause(reason),
                    command = resume
                ));
            }
            Note::Resumed => self.say(&tr!("going on")),
            Note::Halted(halt) => self.say_or_log(
                &tr!("waiting, and trying now and then: %{why}", why = text::halt(halt)),
                &format!("waiting, and trying now and then: {}", text::halt_in_log(halt)),
            ),
            Note::HaltOver => self.say(&tr!("it works again")),
            Note::LoteHalted { lote, reason } => self.say_or_log(
                &tr!("`%{lote}` is halted: %{why}", lote = lote, why = text::halt(reason)),
                &format!(
                    "`{lote}` is halted; `{}` says why",
                    Typed::now().at(Led::Setting, "status", Some(lote), &[])
                ),
            ),
            Note::Blind(why) => self.say(&tr!(
                "rows in doubt stay so, since an absence cannot be believed: %{why}",
                why = text::blindness(why)
            )),
            Note::Unproven => self.say(&tr!(
                "rows that are not found are opened, though nothing was opened from here yet that shows whether \
                 this user sees tickets: look for one that you know of as this user"
            )),
            Note::Unlisted(None) => self.say(&tr!(
                "each row is looked up by itself, since other workers open tickets too: no list of open tickets \
                 would tell of theirs"
            )),
            Note::Unlisted(Some(why)) => self.say_or_log(
                &tr!(
                    "each row is looked up by itself, since HubSoft gives no list of all open tickets: %{why}",
                    why = text::fault(why)
                ),
                &format!(
                    "each row is looked up by itself, since HubSoft gives no list of all open tickets ({})",
                    why.code()
                ),
            ),
            Note::Recovered(n_rows) => {
                self.say(&tr!(
                    "%{n} %{n|row|rows} may have been sent by an earlier run: looking %{n|it|them} up first",
                    n = n_rows
                ));
            }
            Note::Rescued(n_rows) => self.say(&tr!(
                "%{n} %{n|row|rows} of a worker that died may have been sent: looking %{n|it|them} up first",
                n = n_rows
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen: a line for each of the requests that were refused together, and for each throttle of a storm.
    #[test]
    fn a_storm_of_pauses_is_told_now_and_then() {
        let began = Instant::now();
        let mut told: Option<(u64, u64)> = None;
        let mut lines = Vec::new();
        // When each begins, and how long it lasts.
        for (at, length) in [(0, 20), (0, 21), (1, 22), (25, 1), (28, 2), (31, 4), (33, 300), (400, 1)] {
            let second = |at_s| began + Duration::from_secs(at_s);
            let ends = second(at + length);
            if told.is_none_or(|(last, until)| is_news(second(at) - second(last), ends, second(until))) {
                told = Some((at, at + length));
                lines.push((at, length));
            }
        }
        assert_eq!(lines, [(0, 20), (31, 4), (33, 300), (400, 1)]);
    }
}
