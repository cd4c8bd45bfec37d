//! How far a run is: a bar on a terminal, a line every ten seconds elsewhere.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, interval};

use super::screen::{Screen, terminal};
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::progress::{Extent, Onlooker, Why, noted};
use crate::delivery::{Note, Policy, Pulse, Refused, RequestKind, Settle, Settled, ThrottleReason, Watch};
use crate::outbox::{AnyOutbox, Reasons};
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

/// Looks on while a run goes, and tells.
pub struct Progress<'a> {
    screen: &'a Screen,
    bar: Option<ProgressBar>,
    /// `None`: there is no end.
    extent: Option<Extent>,
    onlooker: Onlooker,
    /// Rows done when a line was written last.
    n_told: Cell<u64>,
    /// When a throttle was told last, and when it ends.
    pausing: Cell<Option<(Instant, Instant)>>,
}

impl<'a> Progress<'a> {
    /// Of a run that goes by `policy`.
    pub fn new(screen: &'a Screen, extent: Option<Extent>, policy: &Policy) -> Self {
        let watched = extent.filter(|_| screen.is_terminal() && !screen.quiet);
        let bar = watched.map(|extent| {
            let n_total = Some(extent.n_total());
            let bar = ProgressBar::with_draw_target(n_total, ProgressDrawTarget::stderr());
            bar.with_style(style(""))
        });
        Self {
            screen,
            bar,
            extent,
            onlooker: Onlooker::new(extent, policy),
            n_told: Cell::new(0),
            pausing: Cell::default(),
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
                tell(self.onlooker.look_and_say(outbox).why.as_ref());
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
        let mut reasons = self.onlooker.reasons();
        if self.is_logged() {
            reasons.told.iter_mut().for_each(|reason| reason.message = None);
        }
        reasons
    }

    /// Whether what it tells stays in a log: that of a worker which nobody watches.
    fn is_logged(&self) -> bool {
        self.extent.is_none() && !self.screen.is_terminal()
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
        let standing = self.onlooker.look();
        let n_done = self.onlooker.n_done();
        let n_told = self.n_told.replace(n_done);
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
            (None, None) if n_told == n_done => {}
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

/// Whether a throttle that ends at `ends` is to be told `since` the last one was, which was told to end at
/// `until`. In a storm one follows the other.
fn is_news(since: Duration, ends: Instant, until: Instant) -> bool {
    PAUSE_TOLD_EVERY <= since || until + PAUSE_TOLD_EVERY < ends
}

impl Watch for Progress<'_> {
    fn settled(&self, settle: &Settle, became: Settled) {
        self.onlooker.settled(settle, became);
    }

    fn refused(&self, refused: &Refused) {
        self.onlooker.refused(refused);
    }

    fn sending(&self, kind: RequestKind) {
        self.onlooker.sending(kind);
    }

    fn answered(&self, kind: RequestKind, verdict: &'static str, latency: Duration) {
        self.onlooker.answered(kind, verdict, latency);
    }

    fn turned(&self, pulse: &Pulse) {
        self.onlooker.turned(pulse);
    }

    fn throttled(&self, length: Duration, reason: &ThrottleReason) {
        let (now, ends) = (Instant::now(), Instant::now() + length);
        if self.pausing.get().is_none_or(|(told, until)| is_news(now - told, ends, until)) {
            self.pausing.set(Some((now, ends)));
            self.say(&tr!(
                "pausing for %{time}: %{reason}",
                time = Duration::from_secs(length.as_secs_f64().ceil() as u64),
                reason = text::throttle(reason)
            ));
        }
        self.onlooker.throttled(length, reason);
    }

    fn note(&self, note: Note<'_>) {
        self.onlooker.note(note.clone());
        self.say_of(note);
    }
}

impl Progress<'_> {
    /// Tells what happened to the run as a whole.
    fn say_of(&self, note: Note<'_>) {
        let told = || noted(&note).unwrap_or_default();
        match note.clone() {
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
            Note::Unlisted(Some(why)) => self.say_or_log(
                &told(),
                &format!(
                    "each row is looked up by itself, since HubSoft gives no list of all open tickets ({})",
                    why.code()
                ),
            ),
            Note::Blind(_)
            | Note::Unproven
            | Note::Unlisted(None)
            | Note::Recovered(_)
            | Note::Rescued(_) => self.say(&told()),
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
