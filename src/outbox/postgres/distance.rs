//! How far the database is. What waits only for the way there and back is no sign of much to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::coordination::FAR_MAX;

/// The time there and back: as the shortest of late, in microseconds. 0: nothing was asked yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Distance(Arc<AtomicU64>);

impl Distance {
    /// A statement that had next to nothing to do was sent then, and has been answered.
    pub(super) fn answered(&self, sent: Instant) {
        let long = u64::try_from(sent.elapsed().min(FAR_MAX).as_micros()).unwrap_or(u64::MAX);
        let known = self.0.load(Ordering::Relaxed);
        let now = if known == 0 { long } else { long.min(known + known.div_ceil(8)) };
        self.0.store(now, Ordering::Relaxed);
    }

    /// What so many statements spend on the way.
    pub(super) fn of(&self, n_statements: u32) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed)) * n_statements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn the_quickest_answer_of_late_tells_how_far_it_is() {
        let distance = Distance::default();
        assert_eq!(distance.of(7), Duration::ZERO, "nothing was asked yet");
        let answer = async |ms: u32| {
            let sent = Instant::now();
            tokio::time::sleep(ms * MS).await;
            distance.answered(sent);
            distance.of(1)
        };
        assert_eq!(answer(400).await, 400 * MS, "the first prepares its statement");
        assert_eq!(answer(200).await, 200 * MS);
        assert_eq!(answer(5000).await, 225 * MS, "it waited there");
        assert_eq!(answer(200).await, 200 * MS);
        assert_eq!(distance.of(3), 600 * MS);
        for _ in 0..40 {
            answer(5000).await;
        }
        assert_eq!(distance.of(1), FAR_MAX, "nothing is taken for further");
    }
}
