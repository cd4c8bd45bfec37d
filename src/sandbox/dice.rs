//! Chance that can be repeated: a throw depends on the seed, on what it is for and on the request's
//! number among its kind, and on nothing that happened before.

use std::time::Duration;

use super::options::{FaultKind, SandboxOptions};

/// 64 bits (splitmix64).
pub(super) fn roll(seed: u64, what: &str, number: u64) -> u64 {
    let what = what.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut z = (seed ^ what).wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// From 0 to 1, 1 excluded.
fn fraction(roll: u64) -> f64 {
    (roll >> 11) as f64 / (1_u64 << 53) as f64
}

/// The fault of request `number`: at most one of `among`, each as probable as asked for.
pub(super) fn fault(
    options: &SandboxOptions,
    what: &str,
    number: u64,
    among: &[FaultKind],
) -> Option<FaultKind> {
    let mut left = fraction(roll(options.seed, what, number));
    for fault in among {
        left -= options.faults.probability(*fault);
        if left < 0.0 {
            return Some(*fault);
        }
    }
    None
}

/// How long request `number` takes.
pub(super) fn latency(options: &SandboxOptions, what: &str, number: u64) -> Duration {
    if options.jitter.is_zero() {
        return options.latency;
    }
    let jitter = fraction(roll(options.seed ^ 0x1A7E, what, number));
    options.latency + options.jitter.mul_f64(jitter)
}
