//! The clocks of the machine.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Clock;
use crate::platform;

/// The time of day, and the time since boot.
pub struct SystemClock {
    alarm: platform::Alarm,
}

impl SystemClock {
    pub fn of_this_runtime() -> Self {
        Self { alarm: platform::Alarm::of_this_runtime() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn awake(&self) -> Duration {
        platform::awake()
    }

    async fn sleep_until(&self, at: Instant) {
        self.alarm.wait_until(at).await;
    }
}
