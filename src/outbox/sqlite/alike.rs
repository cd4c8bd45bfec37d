//! Whether two lines of a file say the same: nearly never, and to know it SQLite sorts all of them.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

/// Lines that are remembered, at 8 bytes each: 2 MiB. Of a longer file SQLite is asked.
const LINES_MAX: usize = 1 << 18;

/// What lines say, as 64 bits of a hash under a random key.
#[derive(Default)]
pub(super) struct Alike {
    hasher: RandomState,
    seen: Vec<u64>,
    has_more: bool,
}

impl Alike {
    pub(super) fn add(&mut self, said: &[u8]) {
        if self.seen.len() == LINES_MAX {
            self.has_more = true;
            self.seen = Vec::new();
        }
        if !self.has_more {
            self.seen.push(self.hasher.hash_one(said));
        }
    }

    /// Whether two may be alike: false is certain.
    pub(super) fn are_any(mut self) -> bool {
        self.seen.sort_unstable();
        self.has_more || self.seen.windows(2).any(|pair| pair[0] == pair[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_alike_are_seen_and_of_many_nobody_knows() {
        check(0, None, false);
        check(1000, None, false);
        check(1000, Some(7), true);
        check(LINES_MAX, None, false);
        check(LINES_MAX, Some(LINES_MAX - 1), true); // One more than are remembered.
        check(LINES_MAX + 1, None, true);
    }

    #[track_caller]
    fn check(n_lines: usize, again: Option<usize>, expected: bool) {
        let mut lines = Alike::default();
        for line in (0..n_lines).chain(again) {
            lines.add(&line.to_ne_bytes());
        }
        assert_eq!(lines.are_any(), expected, "{n_lines} {again:?}");
    }
}
