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

/// How long request `number` takes that is worked on from `at` on, since the start.
pub(super) fn latency(options: &SandboxOptions, what: &str, number: u64, at: Duration) -> Duration {
    let throw = |of: u64| fraction(roll(options.seed ^ of, what, number));
    let mut latency = options.latency;
    if options.sigma != 0.0 {
        // Box and Muller's normal of two even throws.
        let normal =
            (-2.0 * (1.0 - throw(0x106)).ln()).sqrt() * (std::f64::consts::TAU * throw(0xB0C5)).cos();
        let seconds = latency.as_secs_f64() * (options.sigma * normal).exp();
        latency = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    }
    if !options.jitter.is_zero() {
        latency = latency.saturating_add(options.jitter.mul_f64(throw(0x1A7E)));
    }
    let is_slow = options.slow_from <= at && at - options.slow_from < options.slow_for;
    if is_slow { latency.saturating_mul(options.slow_by) } else { latency }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn latency_varies_about_its_median_and_is_more_while_the_server_is_slow() {
        let options = "latency=450ms,sigma=0.6,slow_from=60s,slow_for=120s,slow_by=6";
        let options: SandboxOptions = options.parse().expect("options");
        let sorted = |at| {
            let mut all: Vec<_> = (1..=10_000).map(|number| latency(&options, "post", number, at)).collect();
            all.sort();
            // 16 in a hundred are more than a sigma below the median, and as many above.
            [1_587, 5_000, 8_413].map(|place| all[place])
        };
        let usual = [247 * MS, 450 * MS, 820 * MS];
        for (seconds, times) in [(0, 1), (59, 1), (60, 6), (179, 6), (180, 1)] {
            for (found, expected) in sorted(Duration::from_secs(seconds)).into_iter().zip(usual) {
                let off = found.div_duration_f64(times * expected);
                assert!((0.97..1.03).contains(&off), "{seconds} s: {found:?}");
            }
        }
        let even = "latency=20ms,jitter=10ms".parse().expect("options");
        assert!((1..100).all(|number| (20 * MS..30 * MS).contains(&latency(&even, "post", number, MS))));
    }
}
