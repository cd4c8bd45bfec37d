//! One kind of call of the outbox: at most one is under way, and after a failure it rests for a while.

use std::time::Duration;

use crate::delivery::retry::Retry;

/// Between two tries of an outbox that did not answer: doubling from the first to the second.
const REST_FIRST: Duration = Duration::from_millis(50);
const REST_LONGEST: Duration = Duration::from_secs(2);

/// What was not tried for so long (in a pause, or while HubSoft was away) did not fail meanwhile. More than
/// what comes between two tries takes.
const UNTRIED_MAX: Duration = Duration::from_secs(120);
const _: () = assert!(REST_LONGEST.as_nanos() < UNTRIED_MAX.as_nanos());

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    phase: Phase,
    failing: Option<Failing>,
}

fingerprint! { struct Call { phase, failing } }

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Running {
        asked: Duration,
    },
    Resting {
        until: Duration,
    },
}

fingerprint! { enum Phase { Idle, Running { asked }, Resting { until } } }

/// It failed whenever it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failing {
    since: Duration,
    last: Duration,
    n_tries: u32,
}

fingerprint! { struct Failing { since, last, n_tries } }

impl Call {
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// Whether the last try failed.
    pub fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Until when it is not tried again, if it rests.
    pub fn rests_until(&self, now: Duration) -> Option<Duration> {
        match self.phase {
            Phase::Resting { until } if now < until => Some(until),
            _ => None,
        }
    }

    pub fn begin(&mut self, now: Duration) {
        debug_assert!(!self.is_running(), "one at a time");
        self.phase = Phase::Running { asked: now };
    }

    /// It did as asked. Returns when it had been asked.
    pub fn worked(&mut self, now: Duration) -> Duration {
        let asked = self.asked(now);
        *self = Self::default();
        asked
    }

    /// It did not, and rests. Returns since when it has failed.
    pub fn failed(&mut self, now: Duration) -> Duration {
        let asked = self.asked(now);
        let before = self.failing.filter(|before| asked <= before.last + UNTRIED_MAX);
        let Failing { since, n_tries, .. } = before.unwrap_or(Failing { since: now, last: now, n_tries: 0 });
        let n_tries = n_tries.saturating_add(1);
        self.failing = Some(Failing { since, last: now, n_tries });
        self.phase = Phase::Resting { until: now + rest(n_tries) };
        since
    }

    /// When it was asked for what is under way.
    pub fn asked(&self, now: Duration) -> Duration {
        match self.phase {
            Phase::Running { asked } => asked,
            Phase::Idle | Phase::Resting { .. } => now,
        }
    }
}

fn rest(n_tries: u32) -> Duration {
    Retry::new(REST_FIRST, REST_LONGEST, 0).ceiling(n_tries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_fails_rests_longer_each_time_until_it_works() {
        let mut call = Call::default();
        let mut now = Duration::ZERO;
        let mut rests = Vec::new();
        for _ in 0..8 {
            call.begin(now);
            assert_eq!((call.is_running(), call.rests_until(now)), (true, None));
            now += 10 * MS;
            assert_eq!(call.failed(now), 10 * MS, "since the first");
            let until = call.rests_until(now).expect("it rests");
            assert_eq!(call.rests_until(until), None);
            rests.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(rests, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert!(call.is_failing());
        call.begin(now);
        assert_eq!(call.worked(now + MS), now);
        assert_eq!(call, Call::default());
    }

    #[test]
    fn what_nobody_tried_did_not_fail_meanwhile() {
        for (later, since) in [(100, 0), (121, 121)] {
            let mut call = Call::default();
            call.begin(Duration::ZERO);
            call.failed(Duration::ZERO);
            let later = Duration::from_secs(later);
            call.begin(later);
            assert_eq!(call.failed(later), Duration::from_secs(since));
        }
    }
}
