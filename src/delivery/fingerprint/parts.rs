//! Of what is the same everywhere: times, containers, and what the ports carry.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::{
    AttemptKind, Beside, Blindness, ClaimRequest, End, Fault, Halt, Noted, OpenList, OpenedTicket,
    PauseReason, Refusal, Reply, RequestKind, RowId, State, ThrottleReason, Token, Verdict, Warning,
};

/// What is older than this is of the same age: the rules of rows and requests ask for less. (A sight is asked
/// whether it is of this hour, or of this day: no world lives so long.)
const OLD: Duration = Duration::from_secs(600);

/// How the clocks stand: since the run began, since the machine did, and the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    pub run: Duration,
    pub awake: Duration,
    pub wall: Timestamp,
}

/// What tells a state from others.
pub trait Fingerprint {
    /// Tells it as it is `now`.
    fn print(&self, now: &Clocks, to: &mut impl Hasher);
}

fingerprint!(plain bool, u8, u16, u32, u64, usize, i32, i64, str, String, SignedDuration);
fingerprint!(plain AttemptKind, Beside, Blindness, End, Fault, Halt, Noted, OpenedTicket, PauseReason);
fingerprint!(plain RequestKind, RowId, State, ThrottleReason, Token, Warning);
fingerprint!(plain BTreeMap<Arc<str>, (Refusal, u32)>, BTreeSet<RowId>, BTreeSet<Arc<str>>, BTreeSet<i64>, OpenList);
fingerprint! { struct ClaimRequest { now, posts, look_ups, end } }

/// A time since the run began.
impl Fingerprint for Duration {
    fn print(&self, now: &Clocks, to: &mut impl Hasher) {
        age(now.run, *self).hash(to);
    }
}

impl Fingerprint for Timestamp {
    fn print(&self, now: &Clocks, to: &mut impl Hasher) {
        let age = now.wall.as_nanosecond() - self.as_nanosecond();
        age.min(nanos(OLD)).hash(to);
    }
}

impl<T: Fingerprint> Fingerprint for Reply<T> {
    fn print(&self, now: &Clocks, to: &mut impl Hasher) {
        let Self { verdict, http_status, latency: _, retry_after, date } = self;
        (verdict, http_status, date).print(now, to);
        retry_after.hash(to);
    }
}

impl<T: Fingerprint> Fingerprint for Verdict<T> {
    fn print(&self, now: &Clocks, to: &mut impl Hasher) {
        discriminant(self).hash(to);
        match self {
            Self::Answered(answer) => answer.print(now, to),
            other => other.fault().hash(to),
        }
    }
}

/// How long ago that was, as far as it tells. Nanoseconds.
pub fn age(now: Duration, at: Duration) -> i128 {
    (nanos(now) - nanos(at)).min(nanos(OLD))
}

pub fn nanos(length: Duration) -> i128 {
    i128::try_from(length.as_nanos()).unwrap_or(i128::MAX)
}

macro_rules! of_each {
    ($([$($of:tt)*] $type:ty),+) => {
        $(impl<$($of)*> Fingerprint for $type {
            fn print(&self, now: &Clocks, to: &mut impl Hasher) {
                self.iter().count().hash(to);
                self.iter().for_each(|each| each.print(now, to));
            }
        })+
    };
}
of_each!([T: Fingerprint] Option<T>, [T: Fingerprint] Vec<T>, [T: Fingerprint] VecDeque<T>);
of_each!([T: Fingerprint, const N: usize] [T; N]);

macro_rules! of_what_it_holds {
    ($($type:ty),+) => {
        $(impl<T: Fingerprint + ?Sized> Fingerprint for $type {
            fn print(&self, now: &Clocks, to: &mut impl Hasher) {
                (**self).print(now, to);
            }
        })+
    };
}
of_what_it_holds!(&T, Arc<T>, Box<T>);

macro_rules! of_all {
    ($($($part:ident)+),+) => {
        $(impl<$($part: Fingerprint),+> Fingerprint for ($($part,)+) {
            #[expect(non_snake_case, reason = "a part is named as its type")]
            fn print(&self, now: &Clocks, to: &mut impl Hasher) {
                let ($($part,)+) = self;
                $($part.print(now, to);)+
            }
        })+
    };
}
of_all!(A B, A B C, A B C D, A B C D E, A B C D E F);
