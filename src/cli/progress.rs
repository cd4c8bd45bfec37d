//! How far a run is: a bar on a terminal, a line every ten seconds elsewhere.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, interval};

use super::forecast::{Forecast, about};
use super::screen::Screen;
use super::typed::Typed;
use crate::app::address::Led;
use crate::delivery::{
    Change, Note, Rate, RequestKind, RowId, Settle, Settled, State, ThrottleReason, Watch,
};
use crate::language::filled::decimal;
use crate::outbox::AnyOutbox;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::text;

/// Between two lines where nobody watches a bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Between two words to those who look at the outbox from outside.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// A throttle is told when the last one was told so long ago, or when it ends so much later.
const PAUSE_TOLD_EVERY: Duration = Duration::from_secs(30);

/// Between two redraws of a bar.
const BAR_EVERY: Duration = Duration::from_millis(200);

/// Looks on while a run goes, and tells.
pub struct Progress<'a> {
    screen: &'a Screen,
    bar: Option<ProgressBar>,
    /// `None`: there is no end.
    n_total: Option<u64>,
    n_opened: Cell<u64>,
    n_not_opened: Cell<u64>,
    n_look_ups: Cell<u64>,
    /// A ticket may exist; look-ups will tell.
    in_doubt: RefCell<HashSet<RowId>>,
    started: Instant,
    /// Opened at the last tick, to tell the rate now.
    last: Cell<(Instant, u64)>,
    forecast: RefCell<Forecast>,
    /// When a throttle was told last, and when it ends.
    pausing: Cell<Option<(Instant, Instant)>>,
    waiting: RefCell<String>,
    ceiling: Rate,
    /// Done when others were told last, and why nothing is sent meanwhile.
    said: Cell<(Instant, u64)>,
    why: RefCell<String>,
}

impl<'a> Progress<'a> {
    /// `n_total` rows may be settled by this run.
    pub fn new(screen: &'a Screen, n_total: Option<u64>, ceiling: Rate) -> Self {
        let watched = n_total.filter(|_| screen.is_terminal() && !screen.quiet);
        let bar = watched.map(|n_total| {
            let bar = ProgressBar::with_draw_target(Some(n_total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let started = Instant::now();
        Self {
            screen,
            bar,
            n_total,
            n_opened: Cell::new(0),
            n_not_opened: Cell::new(0),
            n_look_ups: Cell::new(0),
            in_doubt: RefCell::default(),
            started,
            last: Cell::new((started, 0)),
            forecast: RefCell::new(Forecast::from_now()),
            pausing: Cell::default(),
            waiting: RefCell::new(String::new()),
            ceiling,
            said: Cell::new((started, 0)),
            why: RefCell::default(),
        }
    }

    /// Tells how far `run` is as long as it goes: a person, and those who look at `outbox` from outside.
    pub async fn follow<T>(&self, outbox: &AnyOutbox, run: impl Future<Output = T>) -> T {
        let told = async {
            let mut ticks = interval(SAY_EVERY);
            loop {
                ticks.tick().await;
                outbox.say(&self.now());
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

    /// How it stands, for those who look on from outside: the pace, why it is so, and what was done.
    fn now(&self) -> String {
        let (now, n_done) = (Instant::now(), self.n_opened.get() + self.n_not_opened.get());
        let (then, n_then) = self.said.replace((now, n_done));
        let rate = (n_done - n_then) as f64 / (now - then).as_secs_f64().max(1e-3);
        let rate = if now == then { 0.0 } else { rate };
        tr!(
            "%{rate}/s (%{most} at most), %{counts}%{why}",
            rate = decimal(&format!("{rate:.1}")),
            most = self.ceiling,
            counts = self.counts(),
            why = self.why.borrow()
        )
        .into_owned()
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
        let (now, n_done) = (Instant::now(), self.n_opened.get() + self.n_not_opened.get());
        let (then, n_then) = self.last.replace((now, n_done));
        let rate = (n_done - n_then) as f64 / (now - then).as_secs_f64().max(1e-3);
        self.forecast.borrow_mut().see(now - self.started, n_done);
        let left = self.n_total.map(|n_total| n_total.saturating_sub(n_done)).filter(|n_left| 0 < *n_left);
        let left = left.and_then(|n_left| self.forecast.borrow().left(n_left));
        let left =
            left.map_or_else(String::new, |left| tr!(", %{time} left", time = about(left)).into_owned());
        match &self.bar {
            Some(bar) => {
                bar.set_position(n_done);
                bar.set_message(format!("{rate:.0}/s {}{}{left}", self.counts(), self.waiting.borrow()));
            }
            // Who never ends is silent while nothing happens.
            None if self.n_total.is_none() && n_done == n_then => {}
            None => {
                let (counts, waiting) = (self.counts(), self.waiting.borrow());
                let Some(n_total) = self.n_total else {
                    return self
                        .screen
                        .note(format!("{}/s, {counts}{waiting}", decimal(&format!("{rate:.1}"))));
                };
                // Beside workers more may come in doubt than there were.
                let n_total = n_total.max(n_done);
                self.screen.note(tr!(
                    "%{n} of %{total} done, %{rate}/s, %{counts}%{waiting}%{left}",
                    n = n_done,
                    total = n_total,
                    rate = decimal(&format!("{rate:.1}")),
                    counts = counts,
                    waiting = waiting,
                    left = left
                ));
            }
        }
    }

    fn counts(&self) -> String {
        let mut text = tr!("%{n} opened", n = self.n_opened.get()).into_owned();
        let n_in_doubt = self.in_doubt.borrow().len() as u64;
        let (n_not_opened, n_look_ups) = (self.n_not_opened.get(), self.n_look_ups.get());
        for (n, told) in [
            (n_not_opened, tr!("%{n} not opened", n = n_not_opened)),
            (n_in_doubt, tr!("%{n} in doubt", n = n_in_doubt)),
            (n_look_ups, tr!("%{n} %{n|look-up|look-ups}", n = n_look_ups)),
        ] {
            if 0 < n {
                text += &format!(", {told}");
            }
        }
        text
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

/// Whether a throttle that ends at `ends` is to be told `since` the last one was, which was told to end at
/// `until`. In a storm one follows the other.
fn is_news(since: Duration, ends: Instant, until: Instant) -> bool {
    PAUSE_TOLD_EVERY <= since || until + PAUSE_TOLD_EVERY < ends
}

impl Watch for Progress<'_> {
    fn settled(&self, settle: &Settle, became: Settled) {
        let count = |cell: &Cell<u64>| cell.set(cell.get() + 1);
        match (became, &settle.change) {
            (Settled::Written, Change::Opened { .. }) => count(&self.n_opened),
            (Settled::Written, Change::Release | Change::Later { .. })
            | (Settled::Stale | Settled::Deleted | Settled::Locked, _) => {}
            _ => count(&self.n_not_opened),
        }
        if settle.change != Change::Release {
            let mut in_doubt = self.in_doubt.borrow_mut();
            match settle.change.state(None) {
                State::InDoubt => in_doubt.insert(settle.row),
                _ => in_doubt.remove(&settle.row),
            };
        }
        self.waiting.borrow_mut().clear();
        self.why.borrow_mut().clear();
    }

    fn sending(&self, kind: RequestKind) {
        if kind == RequestKind::LookUp {
            self.n_look_ups.set(self.n_look_ups.get() + 1);
        }
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
        *self.waiting.borrow_mut() = tr!(", pausing").into_owned();
        *self.why.borrow_mut() = tr!("; pausing: %{reason}", reason = reason).into_owned();
    }

    fn note(&self, note: Note<'_>) {
        match note {
            Note::BreakerOpened(why) => {
                *self.why.borrow_mut() =
                    tr!("; HubSoft is unavailable, it is tried now and then").into_owned();
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
