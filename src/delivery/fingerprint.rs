//! Two states that differ only in when they were reached are one: what is to come does not depend on it. So
//! whoever explores them all takes each time as so long ago, and leaves outside what decides nothing:
//! counters for people, numbers of requests, dice.

/// Says what tells states of a type from others, field by field: a field that is not named does not compile.
/// What stands behind `lengths` is no time since the run began; what stands behind `outside` tells nothing.
macro_rules! fingerprint {
    (struct $type:ty { $($field:ident),* $(; lengths $($length:ident),+)? $(; outside $($outside:ident),+)? }) => {
        #[cfg(feature = "inside")]
        impl $crate::delivery::fingerprint::Fingerprint for $type {
            fn print(&self, now: &$crate::delivery::fingerprint::Clocks, to: &mut impl std::hash::Hasher) {
                let Self { $($field,)* $($($length,)+)? $($($outside: _,)+)? } = self;
                $($crate::delivery::fingerprint::Fingerprint::print($field, now, to);)*
                $($(std::hash::Hash::hash($length, to);)+)?
                let _ = (now, to);
            }
        }
    };
    (enum $type:ty { $($variant:ident $(($($at:ident),+))? $({ $($field:ident),+ $(,)? })?),+ $(,)? }) => {
        #[cfg(feature = "inside")]
        impl $crate::delivery::fingerprint::Fingerprint for $type {
            fn print(&self, now: &$crate::delivery::fingerprint::Clocks, to: &mut impl std::hash::Hasher) {
                std::hash::Hash::hash(&std::mem::discriminant(self), to);
                match self {
                    $(Self::$variant $(($($at),+))? $({ $($field),+ })? => {
                        $($($crate::delivery::fingerprint::Fingerprint::print($at, now, to);)+)?
                        $($($crate::delivery::fingerprint::Fingerprint::print($field, now, to);)+)?
                    })+
                }
                let _ = now;
            }
        }
    };
    (plain $($type:ty),+) => {
        $(#[cfg(feature = "inside")]
        impl $crate::delivery::fingerprint::Fingerprint for $type {
            fn print(&self, _: &$crate::delivery::fingerprint::Clocks, to: &mut impl std::hash::Hasher) {
                std::hash::Hash::hash(self, to);
            }
        })+
    };
}

#[cfg(feature = "inside")]
mod parts;

#[cfg(feature = "inside")]
pub use parts::{Clocks, Fingerprint, age, nanos};
