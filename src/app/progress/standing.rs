//! How a run stands, in one line: how far it is, what became of its rows, how fast it goes and why, and when
//! it will be through.
//!
//! Pure: times come in as the clocks here show them.

use std::borrow::Cow;
use std::time::Duration;

use jiff::civil::DateTime;

use super::forecast::AT_CEILING;
use crate::delivery::{PauseReason, Rate, ThrottleReason};
use crate::language::filled::decimal;
use crate::language::times;
use crate::printable;
use crate::text;

#[derive(Clone, Debug)]
pub struct Standing {
    /// Rows that are done, and all; `None`: there is no end.
    pub done: Option<(u64, u64)>,
    pub n_opened: u64,
    /// HubSoft would not, or it was tried often enough.
    pub n_refused: u64,
    /// Why most of them were, as far as this run has seen it.
    pub refused_for: Option<RefusedFor>,
    /// Invalid, skipped or withdrawn.
    pub n_not_sent: u64,
    /// A ticket may exist; look-ups will tell.
    pub n_in_doubt: u64,
    /// Unconfirmed or in conflict: a person is needed.
    pub n_unclear: u64,
    /// Rows a second, lately; `None` before that can be told.
    pub rate: Option<f64>,
    /// Of requests.
    pub ceiling: Rate,
    pub why: Option<Why>,
    /// How long it will take yet, and when it will be through.
    pub end: Option<(Duration, DateTime)>,
}

/// The commonest reason of rows that were refused.
#[derive(Clone, Debug)]
pub struct RefusedFor {
    /// For a person's eyes.
    pub words: String,
    /// For a log.
    pub code: String,
}

/// Why a run goes no faster.
#[derive(Clone, Debug)]
pub enum Why {
    /// Its own ceiling.
    Ceiling,
    /// Its part of what all workers of the outbox may send together.
    Shared,
    /// It refused a faster one.
    Lowered,
    /// As many requests wait for an answer as may.
    Slow {
        latency: Duration,
        n_at_once: usize,
    },
    /// HubSoft asked for a pause.
    Throttled {
        until: DateTime,
        reason: ThrottleReason,
    },
    /// Its token is no good any more, and logins have a pace of their own.
    Login,
    /// It does not answer.
    Unavailable,
    /// By a person, or a guard of all workers.
    Paused {
        reason: PauseReason,
    },
    OutboxDown,
    /// Something is wrong with the run as a whole, and it is to last.
    Halted,
    /// All rows that are left are in doubt.
    Doubts,
}

/// What is seen of the requests of a run.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Requests a second, lately; `None` before that can be told.
    pub per_s: Option<f64>,
    /// Of an answer, on the average.
    pub latency: Duration,
    pub n_in_flight: usize,
    pub n_at_once: usize,
    pub ceiling: Rate,
    /// Between two slots of this run, as far as it was heard.
    pub slot: Option<Duration>,
    /// They are so far apart because HubSoft refused a faster pace.
    pub is_lowered: bool,
}

/// How many requests may be sent.
pub fn at_most(ceiling: Rate) -> Cow<'static, str> {
    match ceiling {
        Rate::PerSecond(_) => tr!("%{most} at most", most = ceiling),
        Rate::Unlimited => tr!("without a limit"),
    }
}

impl Traffic {
    /// Why it is no faster, where nothing stands in its way.
    pub fn why(&self) -> Option<Why> {
        let per_s = self.per_s?;
        let (own, shared) = (self.ceiling.slot(), self.slot);
        let is_shared = own.zip(shared).is_some_and(|(own, shared)| own.mul_f64(1.01) < shared);
        let (slot, why) = match (self.is_lowered, is_shared) {
            (true, _) => (shared, Why::Lowered),
            (false, true) => (shared, Why::Shared),
            (false, false) => (own, Why::Ceiling),
        };
        match slot {
            Some(slot) if AT_CEILING <= per_s * slot.as_secs_f64() => Some(why),
            _ if self.n_at_once <= self.n_in_flight => {
                Some(Why::Slow { latency: self.latency, n_at_once: self.n_at_once })
            }
            _ => None,
        }
    }
}

impl Why {
    /// Whether nobody can tell when it will go on.
    pub fn has_no_end(&self) -> bool {
        match self {
            Self::Ceiling | Self::Shared | Self::Lowered | Self::Slow { .. } => false,
            Self::Throttled { .. } | Self::Login => false,
            // When the last of them is clear is told as far as it can be.
            Self::Doubts => false,
            Self::Unavailable | Self::Paused { .. } | Self::OutboxDown | Self::Halted => true,
        }
    }

    /// Whether something stands in its way, rather than that it is measured.
    pub fn holds(&self) -> bool {
        match self {
            Self::Ceiling | Self::Shared | Self::Lowered | Self::Slow { .. } | Self::Doubts => false,
            Self::Throttled { .. } | Self::Login => true,
            Self::Unavailable | Self::Paused { .. } | Self::OutboxDown | Self::Halted => true,
        }
    }

    /// All codes.
    pub const CODES: [&str; 11] = [
        "rate",
        "share",
        "lowered",
        "slow",
        "throttled",
        "login",
        "unavailable",
        "stopped",
        "outbox_down",
        "halted",
        "doubts",
    ];

    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ceiling => "rate",
            Self::Shared => "share",
            Self::Lowered => "lowered",
            Self::Slow { .. } => "slow",
            Self::Throttled { .. } => "throttled",
            Self::Login => "login",
            Self::Unavailable => "unavailable",
            Self::Paused { .. } => "stopped",
            Self::OutboxDown => "outbox_down",
            Self::Halted => "halted",
            Self::Doubts => "doubts",
        }
    }

    pub fn in_words(&self) -> Cow<'static, str> {
        match self {
            Self::Ceiling => tr!("the rate that was set"),
            Self::Shared => tr!("its share of what all workers may send"),
            Self::Lowered => tr!("HubSoft refused a faster pace, which is tried again little by little"),
            Self::Slow { latency, n_at_once } => tr!(
                "HubSoft takes %{s} s for an answer, %{n} %{n|request|requests} at a time",
                s = decimal(&format!("{:.1}", latency.as_secs_f64())),
                n = n_at_once
            ),
            Self::Throttled { until, reason } => {
                let (time, reason) = (times::time_of_day(*until), text::throttle(reason));
                tr!("pausing until %{time}: %{reason}", time = time, reason = reason)
            }
            Self::Login => tr!("its login waits for its turn, since HubSoft bears few of them a minute"),
            Self::Unavailable => tr!("HubSoft is unavailable, it is tried now and then"),
            Self::Paused { reason } => tr!("all are stopped: %{reason}", reason = text::pause(reason)),
            Self::OutboxDown => tr!("the outbox cannot be written"),
            Self::Halted => tr!("it is tried now and then whether it works again"),
            Self::Doubts => tr!("rows in doubt are looked up when their time has come"),
        }
    }

    /// For a bar, where a line has told it in full.
    fn in_short(&self) -> Cow<'static, str> {
        match self {
            Self::Ceiling => tr!("the rate that was set"),
            Self::Shared => tr!("its share"),
            Self::Lowered => tr!("HubSoft refused more"),
            Self::Slow { .. } => tr!("HubSoft is slow"),
            Self::Throttled { until, .. } => tr!("pausing until %{time}", time = times::time_of_day(*until)),
            Self::Login => tr!("waiting to log in"),
            Self::Unavailable => tr!("HubSoft is unavailable"),
            Self::Paused { .. } => tr!("stopped"),
            Self::OutboxDown => tr!("the outbox cannot be written"),
            Self::Halted => tr!("waiting"),
            Self::Doubts => tr!("waiting for look-ups"),
        }
    }
}

impl Standing {
    /// All of it.
    pub fn line(&self) -> String {
        self.told(self.refused_for.as_ref().map(|why| &*why.words))
    }

    /// The same, with nothing in HubSoft's words.
    pub fn logged(&self) -> String {
        self.told(self.refused_for.as_ref().map(|why| &*why.code))
    }

    /// Why most were refused, in so many columns: a line of its own below a bar.
    pub fn refusals_in_columns(&self, n_columns: usize) -> Option<String> {
        let said = self.refused_most()?;
        // One character more shows that something is missing.
        Some(printable::line(&said, n_columns.saturating_sub(1)).into_owned())
    }

    fn told(&self, refused_for: Option<&str>) -> String {
        let mut line = self.counts(refused_for).join(", ");
        let why = self.why.as_ref().map(Why::in_words);
        for told in self.pace_told(why).into_iter().chain(self.end_told()) {
            line += &format!("; {told}");
        }
        line
    }

    /// How fast it goes, and how fast it may; `why` it goes no faster, as who asks may know it.
    pub fn pace_told(&self, why: Option<Cow<'static, str>>) -> Option<String> {
        let most = (self.ceiling != Rate::Unlimited).then(|| at_most(self.ceiling));
        let held: Vec<_> = most.into_iter().chain(why).collect();
        self.pace(&held.join(": "))
    }

    /// When it will be through.
    pub fn end_told(&self) -> Option<String> {
        let (left, end) = self.end?;
        let (time, clock) = (times::rounded(left), ends_at(left, end));
        Some(tr!("about %{time} left, until %{clock}", time = time, clock = clock).into_owned())
    }

    /// Why most were refused.
    pub fn refused_most(&self) -> Option<Cow<'static, str>> {
        let why = self.refused_for.as_ref()?;
        Some(tr!("refused most often: %{why}", why = text::again(&why.words)))
    }

    /// What of it has room in so many columns, beside a bar: what matters most.
    pub fn in_columns(&self, n_columns: usize) -> String {
        let mut counts = self.counts(None).into_iter();
        let begin = counts.next().unwrap_or_default();
        let pace = self.pace(&self.why.as_ref().map_or_else(Cow::default, Why::in_short));
        let end = self
            .end
            .as_ref()
            .map(|(left, end)| tr!("until %{clock}", clock = ends_at(*left, *end)).into_owned());
        // In the order in which they stand, each with how soon it is left out.
        let mut parts = vec![(0, begin)];
        parts.extend(counts.enumerate().map(|(n, part)| (1 + 2 * n, part)));
        parts.extend(pace.map(|pace| (4, pace)));
        parts.extend(end.map(|end| (2, end)));
        let width = |parts: &[(usize, String)]| {
            parts.iter().map(|(_, part)| part.chars().count() + 2).sum::<usize>().saturating_sub(2)
        };
        while n_columns < width(&parts) && 1 < parts.len() {
            let last = parts.iter().enumerate().max_by_key(|(_, (rank, _))| *rank);
            let last = last.map_or(0, |(place, _)| place);
            parts.remove(last);
        }
        parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(", ")
    }

    /// How far it is, then what became of the rows.
    fn counts(&self, refused_for: Option<&str>) -> Vec<String> {
        let done = self.done.map(|(n_done, n_total)| {
            let percent = n_done * 100 / n_total.max(1);
            tr!("%{n} of %{total} done (%{percent} %)", n = n_done, total = n_total, percent = percent)
        });
        let opened = tr!("%{n} opened", n = self.n_opened);
        let refused = match refused_for {
            None => tr!("%{n} refused", n = self.n_refused),
            Some(why) => tr!("%{n} refused (most often: %{why})", n = self.n_refused, why = why),
        };
        let others = [
            (self.n_refused, refused),
            (self.n_in_doubt, tr!("%{n} in doubt", n = self.n_in_doubt)),
            (self.n_unclear, tr!("%{n} unconfirmed or in conflict", n = self.n_unclear)),
            (self.n_not_sent, tr!("%{n} not sent", n = self.n_not_sent)),
        ];
        let others = others.into_iter().filter(|(n, _)| 0 < *n).map(|(_, said)| said);
        done.into_iter().chain([opened]).chain(others).map(Cow::into_owned).collect()
    }

    /// `held`: what holds it back, in words.
    fn pace(&self, held: &str) -> Option<String> {
        let rate = self.rate.map(|rate| tr!("%{rate}/s", rate = decimal(&format!("{rate:.1}"))));
        match (rate, held) {
            (None, "") => None,
            (None, held) => Some(held.to_owned()),
            (Some(rate), "") => Some(rate.into_owned()),
            (Some(rate), held) => Some(format!("{rate} ({held})")),
        }
    }
}

/// A time that lies so far ahead.
fn ends_at(ahead: Duration, time: DateTime) -> String {
    time.checked_sub(ahead).map_or_else(|_| times::minute(time), |now| times::told_at(now, time))
}

#[cfg(test)]
impl Why {
    /// One of each kind, at some time of a day.
    pub fn one_of_each() -> [Self; Self::CODES.len()] {
        let until = jiff::civil::date(2026, 11, 27).at(14, 35, 30, 0);
        let cause = crate::delivery::ThrottleCause::TooMany;
        [
            Self::Ceiling,
            Self::Shared,
            Self::Lowered,
            Self::Slow { latency: Duration::from_millis(3210), n_at_once: 8 },
            Self::Throttled { until, reason: ThrottleReason::Answered { cause, asked: None } },
            Self::Login,
            Self::Unavailable,
            Self::Paused { reason: PauseReason::Said("storm".to_owned()) },
            Self::OutboxDown,
            Self::Halted,
            Self::Doubts,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    fn amid() -> Standing {
        Standing {
            done: Some((650, 1000)),
            n_opened: 600,
            n_refused: 30,
            refused_for: None,
            n_not_sent: 20,
            n_in_doubt: 2,
            n_unclear: 0,
            rate: Some(4.94),
            ceiling: Rate::PerSecond(5.0),
            why: Some(Why::Ceiling),
            end: Some((Duration::from_secs(71), clock("2026-11-27T14:33:05"))),
        }
    }

    #[test]
    fn a_line_tells_how_far_it_is_how_fast_and_why_and_when_it_ends() {
        let tomorrow = Some((Duration::from_secs(7000), clock("2026-11-28T00:10:00")));
        let until = clock("2026-11-27T14:35:30");
        let unlimited = Standing { ceiling: Rate::Unlimited, why: None, end: None, ..amid() };
        let throttled =
            Why::Throttled { until, reason: ThrottleReason::Said("HubSoft answered 429".to_owned()) };
        let lines = [
            amid(),
            Standing { why: Some(throttled), rate: Some(0.0), end: tomorrow, ..amid() },
            Standing {
                why: Some(Why::Slow { latency: Duration::from_millis(3210), n_at_once: 8 }),
                ..amid()
            },
            Standing {
                why: Some(Why::Paused { reason: PauseReason::Said("storm".to_owned()) }),
                rate: Some(0.0),
                end: None,
                ..amid()
            },
            Standing { why: Some(Why::Login), rate: Some(0.0), ..amid() },
            Standing { why: Some(Why::Doubts), n_unclear: 3, rate: Some(0.0), end: None, ..amid() },
            Standing { rate: None, why: None, end: None, ..amid() },
            Standing { done: None, n_refused: 0, n_not_sent: 0, n_in_doubt: 0, rate: Some(0.5), ..unlimited },
        ];
        let said = lines.map(|standing| standing.line()).join("\n");
        insta::assert_snapshot!(said, @r"
        650 of 1,000 done (65 %), 600 opened, 30 refused, 2 in doubt, 20 not sent; 4.9/s (5/s at most: the rate that was set); about 80 s left, until 14:33
        650 of 1,000 done (65 %), 600 opened, 30 refused, 2 in doubt, 20 not sent; 0.0/s (5/s at most: pausing until 14:35:30: HubSoft answered 429); about 2 h left, until 2026-11-28 00:10
        650 of 1,000 done (65 %), 600 opened, 30 refused, 2 in doubt, 20 not sent; 4.9/s (5/s at most: HubSoft takes 3.2 s for an answer, 8 requests at a time); about 80 s left, until 14:33
        650 of 1,000 done (65 %), 600 opened, 30 refused, 2 in doubt, 20 not sent; 0.0/s (5/s at most: all are stopped: storm)
        650 of 1,000 done (65 %), 600 opened, 30 refused, 2 in doubt, 20 not sent; 0.0/s (5/s at most: its login waits for its turn, since HubSoft bears few of them a minute); about 80 s left, until 14:33
        650 of 1,000 done (65 %), 600 opened, 30 refused, 2 in doubt, 3 unconfirmed or in conflict, 20 not sent; 0.0/s (5/s at most: rows in doubt are looked up when their time has come)
        650 of 1,000 done (65 %), 600 opened, 30 refused, 2 in doubt, 20 not sent; 5/s at most
        600 opened; 0.5/s
        ");
    }

    #[test]
    fn each_reason_has_its_code() {
        let codes = Why::one_of_each().map(|why| why.code());
        assert_eq!(codes, Why::CODES);
    }

    #[test]
    fn a_bar_keeps_what_matters_most() {
        let standing = amid();
        let said = [200, 100, 70, 50, 30, 5].map(|n| format!("{n:>3} {}", standing.in_columns(n)));
        insta::assert_snapshot!(said.join("\n"), @r"
        200 650 of 1,000 done (65 %), 600 opened, 30 refused, 2 in doubt, 20 not sent, 4.9/s (the rate that was set), until 14:33
        100 650 of 1,000 done (65 %), 600 opened, 30 refused, 4.9/s (the rate that was set), until 14:33
         70 650 of 1,000 done (65 %), 600 opened, 30 refused, until 14:33
         50 650 of 1,000 done (65 %), 600 opened, until 14:33
         30 650 of 1,000 done (65 %)
          5 650 of 1,000 done (65 %)
        ");
        for n in 24..200 {
            assert!(standing.in_columns(n).chars().count() <= n, "{n}");
        }
    }

    #[test]
    fn the_commonest_refusal_is_told_in_words_logged_by_its_code_and_never_too_wide() {
        let words = "Serviço … não encontrado: cliente sem contrato ativo".to_owned();
        let refused_for = Some(RefusedFor { words, code: "refused".to_owned() });
        let standing = Standing { refused_for, why: None, end: None, ..amid() };
        insta::assert_snapshot!([standing.line(), standing.logged()].join("\n"), @r"
        650 of 1,000 done (65 %), 600 opened, 30 refused (most often: Serviço … não encontrado: cliente sem contrato ativo), 2 in doubt, 20 not sent; 4.9/s (5/s at most)
        650 of 1,000 done (65 %), 600 opened, 30 refused (most often: refused), 2 in doubt, 20 not sent; 4.9/s (5/s at most)
        ");
        assert!(!standing.in_columns(200).contains("Serviço"));
        assert_eq!(
            standing.refusals_in_columns(80).as_deref(),
            Some("refused most often: Serviço … não encontrado: cliente sem contrato ativo")
        );
        assert_eq!(standing.refusals_in_columns(31).as_deref(), Some("refused most often: Serviço … …"));
        for n in 2..80 {
            assert!(standing.refusals_in_columns(n).unwrap().chars().count() <= n, "{n}");
        }
        assert_eq!(amid().refusals_in_columns(80), None);
    }

    #[test]
    fn a_run_is_held_back_by_its_ceiling_its_share_or_slow_answers() {
        let traffic = Traffic {
            per_s: Some(4.9),
            latency: Duration::from_secs(2),
            n_in_flight: 3,
            n_at_once: 8,
            ceiling: Rate::PerSecond(5.0),
            slot: Some(Duration::from_millis(200)),
            is_lowered: false,
        };
        let lowered =
            Traffic { per_s: Some(2.4), slot: Some(Duration::from_millis(400)), is_lowered: true, ..traffic };
        let why = |traffic: Traffic| traffic.why().map(|why| why.in_words().into_owned());
        let said = [
            why(traffic),
            why(Traffic { per_s: None, ..traffic }),
            why(Traffic { per_s: Some(2.0), ..traffic }),
            why(Traffic { per_s: Some(2.0), n_in_flight: 8, ..traffic }),
            why(Traffic { per_s: Some(2.4), slot: Some(Duration::from_millis(400)), ..traffic }),
            why(lowered),
            why(Traffic { ceiling: Rate::Unlimited, ..lowered }),
            why(Traffic { per_s: Some(1.2), n_in_flight: 8, ..lowered }),
            why(Traffic { ceiling: Rate::Unlimited, slot: None, n_in_flight: 8, ..traffic }),
            why(Traffic { ceiling: Rate::Unlimited, slot: None, ..traffic }),
        ];
        let said = said.map(|why| why.unwrap_or_else(|| "-".to_owned()));
        insta::assert_snapshot!(said.join("\n"), @r"
        the rate that was set
        -
        -
        HubSoft takes 2.0 s for an answer, 8 requests at a time
        its share of what all workers may send
        HubSoft refused a faster pace, which is tried again little by little
        HubSoft refused a faster pace, which is tried again little by little
        HubSoft takes 2.0 s for an answer, 8 requests at a time
        HubSoft takes 2.0 s for an answer, 8 requests at a time
        -
        ");
    }
}
