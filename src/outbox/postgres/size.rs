//! How much a claim asks for: less after one that took long, whatever it was that it read.

use std::time::Duration;

/// A claim that takes so long keeps all others waiting.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// A claim that takes no longer is none of them.
const QUICK: Duration = Duration::from_millis(250);

/// At most so many rows to post in a claim; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClaimSize(Option<usize>);

impl ClaimSize {
    pub(super) fn max(self) -> Option<usize> {
        self.0
    }

    pub(super) fn cut(self, posts: usize) -> usize {
        self.0.map_or(posts, |max| posts.min(max))
    }

    /// After a claim of up to `posts` rows to post that kept the others waiting for so `long`.
    #[must_use]
    pub(super) fn after(self, long: Duration, posts: usize) -> Self {
        match self.0 {
            _ if SLOW <= long => Self(Some((posts / 2).max(1))),
            // As many as it once took long for, and nothing happened.
            Some(max) if long < QUICK && posts < max => self,
            Some(max) if long < QUICK => Self(max.checked_mul(2).filter(|max| *max < NO_LIMIT)),
            _ => self,
        }
    }
}

/// More than anybody asks for.
const NO_LIMIT: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_asks_for_less_after_one_that_took_long() {
        let mut size = ClaimSize::default();
        for (ms, posts, max, why) in [
            (100, 400, None, "there was no need"),
            (1000, 400, Some(200), "half"),
            (30_000, 200, Some(100), "and half of that"),
            (500, 100, Some(100), "neither"),
            (100, 100, Some(200), "quick again"),
            (100, 3, Some(200), "few are no proof"),
            (2000, 1, Some(1), "one at least"),
        ] {
            size = size.after(Duration::from_millis(ms), posts);
            assert_eq!(size.max(), max, "{why}");
        }
        for _ in 0..20 {
            size = size.after(Duration::ZERO, size.cut(usize::MAX));
        }
        assert_eq!(size, ClaimSize::default(), "the limit is gone with its cause");
    }
}
