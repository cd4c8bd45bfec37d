//! The clocks of the machine.

use std::time::Duration;

use jiff::Timestamp;

use super::Clock;
use crate::platform;

/// The time of day, and the time since boot.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn awake(&self) -> Duration {
        platform::awake()
    }
}
