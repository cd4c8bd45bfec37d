//! Whose eyes see: whether a look-up that finds nothing says that there is nothing. Pure.
//!
//! A user may not see the tickets that it opens (its sector, its rights), and a HubSoft may give texts back
//! cut or altered: both look like an absence. So an absence is believed only of eyes that have seen: lately a
//! look-up of this user at this HubSoft has given back a ticket of ours, its marker recognised, in a text at
//! least as long.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::identity::Marker;
use crate::ticket::Id;

/// A sight proves for so long that its user sees: rights may be taken away.
const LASTS: Duration = Duration::from_secs(24 * 3600);

/// A sight that is younger by less than this than one of a text as long is no news, and not kept.
const NEWS_AFTER: Duration = Duration::from_secs(3600);
const _: () = assert!(NEWS_AFTER.as_nanos() < LASTS.as_nanos());

/// A look-up gave a ticket of ours back, its marker recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Of its text, without the marker. Characters.
    pub text_len: usize,
    pub seen_at: Timestamp,
}

fingerprint! { struct Sight { text_len, seen_at } }

/// A row that was opened: whoever sees finds its ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specimen {
    pub service: Id,
    pub marker: Marker,
    /// Of its text, without the marker, at least. Characters.
    pub text_len: usize,
}

/// What has been seen by one user at one HubSoft. Few sights: none but a longer or a much younger one is
/// added.
#[derive(Clone, Debug, Default)]
pub struct Eyes {
    sights: Vec<Sight>,
}

fingerprint! { struct Eyes { sights } }

impl Eyes {
    /// Whether an absence of a text of this length can be believed.
    pub fn see(&self, text_len: usize, now: Timestamp) -> bool {
        self.sights.iter().any(|sight| text_len <= sight.text_len && is_fresh(*sight, now))
    }

    /// Adds a sight. Returns whether it is worth keeping.
    pub fn saw(&mut self, sight: Sight) -> bool {
        let is_known = |known: &Sight| {
            let younger_by = sight.seen_at.duration_since(known.seen_at);
            // One from a time yet to come proves nothing, and stands in nobody's way.
            sight.text_len <= known.text_len
                && !younger_by.is_negative()
                && younger_by.unsigned_abs() < NEWS_AFTER
        };
        if self.sights.iter().any(is_known) {
            return false;
        }
        self.sights.retain(|known| sight.text_len < known.text_len && is_fresh(*known, sight.seen_at));
        self.sights.push(sight);
        true
    }
}

/// What was seen at a time yet to come was stamped by a clock that was set back since: it may be of any age.
fn is_fresh(sight: Sight, now: Timestamp) -> bool {
    let age = now.duration_since(sight.seen_at);
    SignedDuration::ZERO <= age && age.unsigned_abs() <= LASTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hours * 3600).expect("within range")
    }

    #[test]
    fn an_absence_is_believed_of_eyes_that_saw_as_much_within_a_day() {
        let mut eyes = Eyes::default();
        assert!(!eyes.see(1, at(0)), "nothing was seen yet");
        eyes.saw(Sight { text_len: 600, seen_at: at(0) });
        for (text_len, hours, sees, why) in [
            (600, 0, true, "as long"),
            (601, 0, false, "a HubSoft that cuts shows short ones whole"),
            (1, 24, true, "for a day"),
            (1, 25, false, "and no longer"),
            (1, -1, false, "of a time yet to come"),
        ] {
            assert_eq!(eyes.see(text_len, at(hours)), sees, "{why}");
        }
    }

    #[test]
    fn only_news_is_kept() {
        let mut eyes = Eyes::default();
        for (text_len, hours, is_news) in [
            (10, 0, true),
            (10, 0, false),
            (9, 0, false),
            (11, 0, true),
            (5, 1, true),
            (8, 1, true),
            (12, 2, true),
            (12, 1, true), // The clock was set back: the other is of no use until then.
            (12, 1, false),
        ] {
            assert_eq!(eyes.saw(Sight { text_len, seen_at: at(hours) }), is_news, "{text_len} {hours}");
        }
        let sight = |text_len, hours| Sight { text_len, seen_at: at(hours) };
        assert_eq!(eyes.sights, [sight(12, 1)], "what it outdoes is gone");
        eyes.saw(sight(11, 3));
        assert_eq!(eyes.sights, [sight(12, 1), sight(11, 3)], "a longer one was seen longer ago");
        eyes.saw(sight(11, 4));
        assert_eq!(eyes.sights, [sight(12, 1), sight(11, 4)]);
        eyes.saw(sight(1, 26));
        assert_eq!(eyes.sights, [sight(11, 4), sight(1, 26)], "of more than a day ago");
    }
}
