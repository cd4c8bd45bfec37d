//! What the time is elsewhere, in the time of here.
//!
//! Pure. An answer says what the outbox's clock showed at some moment between the question and the
//! answer. Many such spans narrow it down to the quickest of them, so that a slow commit does not
//! shift the slots that it brings.

use std::time::Duration;

use jiff::Timestamp;

/// Clocks may drift apart by so much for each second that goes by.
///
/// Source: 500 ppm is what a kernel slews a clock by at most.
const DRIFT_PPM: i128 = 500;

#[derive(Clone, Debug, Default)]
pub struct ClockOffset {
    offset: Option<Bounds>,
}

fingerprint! { struct ClockOffset { offset } }

/// What to add to the far time, in nanoseconds since the epoch, to get the time here.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    least: i128,
    most: i128,
    as_of: Duration,
}

#[cfg(feature = "inside")]
impl super::fingerprint::Fingerprint for Bounds {
    fn print(&self, now: &super::fingerprint::Clocks, to: &mut impl std::hash::Hasher) {
        use std::hash::Hash;

        let off = super::fingerprint::nanos(now.run) - now.wall.as_nanosecond();
        (self.least - off, self.most - off).hash(to);
        self.as_of.print(now, to);
    }
}

impl ClockOffset {
    /// The far clock showed `theirs` between `asked` and `heard`. Returns when that was, as well as can
    /// be told.
    pub fn hear(&mut self, asked: Duration, heard: Duration, theirs: Timestamp) -> Duration {
        let theirs = theirs.as_nanosecond();
        let nanos = |at: Duration| i128::try_from(at.as_nanos()).unwrap_or(i128::MAX);
        let seen = Bounds { least: nanos(asked) - theirs, most: nanos(heard) - theirs, as_of: heard };
        let offset = match self.offset {
            None => seen,
            Some(known) => {
                let drift = nanos(heard.saturating_sub(known.as_of)) * DRIFT_PPM / 1_000_000;
                let least = seen.least.max(known.least - drift);
                let most = seen.most.min(known.most + drift);
                // A clock was set: what was known is of no use any more.
                if least <= most { Bounds { least, most, as_of: heard } } else { seen }
            }
        };
        self.offset = Some(offset);
        let here = theirs + offset.least + (offset.most - offset.least) / 2;
        Duration::from_nanos(u64::try_from(here).unwrap_or(0)).clamp(asked, heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn far(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).expect("within range")
    }

    #[test]
    fn a_slow_answer_is_placed_by_the_quick_ones() {
        let mut clock = ClockOffset::default();
        assert_eq!(clock.hear(100 * MS, 102 * MS, far(0)), 101 * MS);
        // 900 ms later there, with an answer that took 400 ms to come back.
        let then = clock.hear(1000 * MS, 1400 * MS, far(900));
        assert!((999 * MS..1003 * MS).contains(&then), "{then:?}");
    }

    #[test]
    fn a_clock_that_was_set_is_believed_anew() {
        let mut clock = ClockOffset::default();
        clock.hear(100 * MS, 102 * MS, far(0));
        assert_eq!(clock.hear(200 * MS, 202 * MS, far(-600_000)), 201 * MS);
        assert_eq!(clock.hear(300 * MS, 302 * MS, far(-599_900)), 301 * MS);
    }

    /// In a thousand seconds two clocks part by half a second, and what was known is as much wider.
    #[test]
    fn what_was_known_long_ago_is_known_less_exactly() {
        let mut clock = ClockOffset::default();
        clock.hear(100 * MS, 102 * MS, far(0));
        // It is 100 ms to 102 ms ahead of there, by now 400 ms behind to 602 ms ahead; by this answer 900 ms
        // behind to 202 ms ahead.
        let then = clock.hear(999_000 * MS, 1_000_102 * MS, far(999_900));
        assert_eq!(then, 999_801 * MS);
    }
}
