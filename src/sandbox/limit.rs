//! How many requests are taken in a time, as a bucket has it that fills as fast: so many at once, and then
//! one more each so often.

use std::time::Duration;

/// What is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// One more each so often.
    pub(super) each: Duration,
    pub(super) at_once: u32,
}

/// What was taken. Times are durations since the sandbox began.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// When none of it will count any more.
    until: Duration,
}

impl Taken {
    /// How much too early a request at `at` is.
    pub(super) fn early_by(&self, limit: Limit, at: Duration) -> Duration {
        let room = limit.each.saturating_mul(limit.at_once);
        (self.until.max(at) + limit.each).saturating_sub(at + room)
    }

    pub(super) fn take(&mut self, limit: Limit, at: Duration) {
        self.until = self.until.max(at) + limit.each;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn so_many_are_taken_at_once_and_then_as_they_come() {
        let limit = Limit { each: 50 * MS, at_once: 3 };
        let mut taken = Taken::default();
        let mut early = |at: u32| {
            let early = taken.early_by(limit, at * MS);
            if early.is_zero() {
                taken.take(limit, at * MS);
            }
            early.as_millis()
        };
        assert_eq!([0, 0, 0, 0, 30, 50, 50].map(&mut early), [0, 0, 0, 50, 20, 0, 50]);
        // What was not used is kept, but no more than that.
        assert_eq!([1000, 1000, 1000, 1000].map(early), [0, 0, 0, 50]);
    }
}
