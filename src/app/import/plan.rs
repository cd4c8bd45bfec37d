//! How long a run will take, as it is told before its first request: from what it may send, how long answers
//! took when its batch was opened last, and how many rows there are.
//!
//! Pure: the time comes in as the clocks here show it.

use std::time::Duration;

use jiff::civil::DateTime;

use crate::delivery::{Concurrency, OpenTickets, Policy, Rate};
use crate::language::times;

/// An answer takes no longer than this, on the average, as long as nothing else is known.
///
/// Source: about twice what HubSoft's take when it is well (0.45 s for the middle one, 0.54 s on the
/// average).
const LATENCY_UNTOLD: Duration = Duration::from_secs(1);

/// Nothing is told of a run that takes less.
const TOLD_MIN: Duration = Duration::from_secs(60);

/// What a run is to do, as far as it is known before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    pub n_rows: u64,
    /// Each row is looked up before it is posted.
    pub verifies_first: bool,
    /// Of an answer, on the average, when the batch was opened last; `None`: it was not.
    pub latency: Option<Duration>,
    pub rate: Rate,
    pub concurrency: Concurrency,
    pub open_tickets: OpenTickets,
    /// When it stops, if it is not through (`--until`).
    pub until: Option<DateTime>,
}

impl Plan {
    /// Of a run that goes by `policy`, which stops at `until`.
    pub fn new(n_rows: u64, policy: &Policy) -> Self {
        Self {
            n_rows,
            verifies_first: false,
            latency: None,
            rate: policy.rate,
            concurrency: policy.concurrency,
            open_tickets: policy.open_tickets,
            until: policy.guards.until.map(times::here),
        }
    }

    /// The time from one row to the next; `None`: nothing is known.
    fn each(&self) -> Option<Duration> {
        let by_answers = self.latency.map(|latency| self.each_answer(latency));
        let each = self.rate.slot().max(by_answers)?;
        Some(if self.verifies_first { 2 * each } else { each })
    }

    /// The time from one request to the next where answers that take so long are waited for.
    fn each_answer(&self, latency: Duration) -> Duration {
        latency / u32::try_from(self.concurrency.most()).unwrap_or(u32::MAX)
    }

    /// Whether it may well take longer: the answers may be what is waited for, and how long they take is not
    /// known, or how many are waited for at once; or HubSoft may give no list, and then each row is looked
    /// up.
    fn is_the_least(&self) -> bool {
        let is_unknown = self.latency.is_none() || self.concurrency == Concurrency::Auto;
        let by_answers = self.each_answer(self.latency.unwrap_or(LATENCY_UNTOLD));
        is_unknown && self.rate.slot().is_none_or(|slot| slot <= by_answers)
            || self.open_tickets == OpenTickets::Skip
    }

    /// How long it will take from `now`, and until when; or how many rows that will be until it stops.
    /// `None`: nobody can tell, or it is not worth a word.
    pub fn told(&self, now: DateTime) -> Option<String> {
        let each = self.each()?;
        let takes = Duration::try_from_secs_f64(each.as_secs_f64() * self.n_rows as f64).ok()?;
        let end = now.checked_add(takes).ok()?;
        if let Some(until) = self.until.filter(|until| *until < end) {
            let time = until.duration_since(now).as_secs_f64().max(0.0);
            let (n, until) = ((time / each.as_secs_f64()) as u64, times::told_at(now, until));
            return Some(
                match self.is_the_least() {
                    false => {
                        let n = two_digits(n);
                        tr!(
                            "about %{n} of %{total} until %{until} (--until)",
                            n = n,
                            total = self.n_rows,
                            until = until
                        )
                    }
                    true => tr!(
                        "at most %{n} of %{total} until %{until} (--until)",
                        n = n,
                        total = self.n_rows,
                        until = until
                    ),
                }
                .into_owned(),
            );
        }
        if takes < TOLD_MIN {
            return None;
        }
        let (time, clock) = (times::rounded(takes), times::told_at(now, end));
        Some(match self.is_the_least() {
            false => tr!("about %{time}, until %{clock}", time = time, clock = clock).into_owned(),
            true => tr!("at least %{time}, until %{clock} or later", time = time, clock = clock).into_owned(),
        })
    }
}

/// So many, and no finer than can be known.
fn two_digits(n: u64) -> u64 {
    let unit = 10_u64.pow(n.checked_ilog10().unwrap_or(0).saturating_sub(1));
    n.saturating_add(unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan { latency: Some(Duration::from_millis(450)), ..Plan::new(20_000, &Policy::default()) }
    }

    fn told(plan: &Plan) -> String {
        plan.told("2026-11-27T15:08:30".parse().unwrap()).unwrap_or_else(|| "-".to_owned())
    }

    #[test]
    fn before_the_start_it_is_told_how_long_and_until_when() {
        let slow = Duration::from_secs(5);
        let few = |n_rows| Plan { n_rows, ..plan() };
        let fixed = |n| Plan { concurrency: Concurrency::Fixed(n), latency: Some(slow), ..plan() };
        let said = [
            told(&plan()),
            told(&Plan { latency: None, ..plan() }),
            told(&Plan { latency: None, ..fixed(5) }),
            told(&Plan { latency: None, ..fixed(11) }),
            told(&Plan { latency: None, rate: Rate::PerSecond(40.0), ..plan() }),
            told(&Plan { verifies_first: true, ..plan() }),
            told(&Plan { open_tickets: OpenTickets::Skip, ..plan() }),
            told(&Plan { latency: Some(slow), ..plan() }),
            told(&fixed(8)),
            told(&Plan { rate: Rate::Unlimited, latency: None, ..plan() }),
            told(&Plan { rate: Rate::Unlimited, ..plan() }),
            told(&Plan { rate: Rate::Unlimited, ..fixed(2) }),
            told(&few(650)),
            told(&few(599)),
            told(&few(0)),
            told(&few(400_000)),
            told(&few(u64::MAX)),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        about 34 min, until 15:41
        about 34 min, until 15:41
        at least 34 min, until 15:41 or later
        about 34 min, until 15:41
        at least 9 min, until 15:16 or later
        about 1 h 10 min, until 16:15
        at least 34 min, until 15:41 or later
        at least 53 min, until 16:00 or later
        about 3 h 30 min, until 18:36
        -
        at least 5 min, until 15:13 or later
        about 14 h, until 2026-11-28 05:01
        about 70 s, until 15:09
        -
        -
        about 12 h, until 2026-11-28 02:15
        -
        ");
    }

    #[test]
    fn until_a_time_it_is_told_how_many_rows_that_will_be() {
        let until = |clock: &str, plan: Plan| {
            told(&Plan { until: Some(format!("2026-11-{clock}").parse().unwrap()), ..plan })
        };
        let said = [
            until("27T15:21:31", plan()),
            until("27T15:21:31", Plan { latency: None, concurrency: Concurrency::Fixed(5), ..plan() }),
            until("27T15:21:31", Plan { verifies_first: true, ..plan() }),
            until("27T15:09:00", plan()),
            until("27T15:08:00", plan()),
            until("27T16:00:00", plan()),
            until("28T00:10:00", Plan { n_rows: 4_000_000, ..plan() }),
            until("27T15:08:31", Plan { n_rows: 30, ..plan() }),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        about 7,800 of 20,000 until 15:21 (--until)
        at most 7,810 of 20,000 until 15:21 (--until)
        about 3,900 of 20,000 until 15:21 (--until)
        about 300 of 20,000 until 15:09 (--until)
        about 0 of 20,000 until 15:08 (--until)
        about 34 min, until 15:41
        about 320,000 of 4,000,000 until 2026-11-28 00:10 (--until)
        about 10 of 30 until 15:08 (--until)
        ");
    }
}
