//! The clocks of a run, as they stood at one moment. The engine has none of its own.

use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::decide::between;

/// How the clocks of this machine stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the run began. It may stand still while the machine sleeps.
    pub run: Duration,
    /// By [`Clock::awake`](crate::delivery::Clock::awake), which runs through sleep.
    pub awake: Duration,
    /// The time of day, which somebody may set.
    pub wall: Timestamp,
}

/// How all clocks stood at one moment. A machine that its hypervisor froze has none of its own that went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub awake: Duration,
    pub wall: Timestamp,
    /// The clock of a shared outbox; else the run's own.
    pub outbox: Timestamp,
    pub hubsoft: Option<Timestamp>,
}

#[cfg(feature = "inside")]
impl crate::delivery::fingerprint::Fingerprint for Moment {
    fn print(&self, now: &crate::delivery::fingerprint::Clocks, to: &mut impl std::hash::Hasher) {
        std::hash::Hash::hash(&crate::delivery::fingerprint::age(now.awake, self.awake), to);
        (self.wall, (self.outbox, self.hubsoft)).print(now, to);
    }
}

impl Moment {
    /// How long ago that was, by the clock that says most.
    pub fn until(self, now: Self) -> Duration {
        let by_hubsoft =
            self.hubsoft.zip(now.hubsoft).map_or(Duration::ZERO, |(then, now)| between(then, now));
        let here = now.awake.saturating_sub(self.awake).max(between(self.wall, now.wall));
        here.max(between(self.outbox, now.outbox)).max(by_hubsoft)
    }
}
