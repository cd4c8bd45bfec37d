//! How long to wait before the next try: doubling, with full jitter.
//!
//! The doubling is the `backoff` crate's, which is no longer maintained (RUSTSEC-2025-0012): this is
//! the only file that names it. Its own jitter draws from a generator that cannot be seeded, so it
//! is switched off and drawn here: a run can then be replayed from its seed.

use std::cell::Cell;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// Doubles from `first` and stops growing at `longest`.
#[derive(Clone, Debug)]
pub struct Retry {
    first: Duration,
    longest: Duration,
    /// State of a SplitMix64 generator. Spreads retries; nothing secret hangs on it.
    dice: Cell<u64>,
}

impl Retry {
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, dice: Cell::new(seed) }
    }

    /// The longest wait before try number `tries + 1`; `tries` counts from 1, and 0 is taken as 1.
    pub fn ceiling(&self, tries: u32) -> Duration {
        let mut steps = ExponentialBackoff {
            current_interval: self.first,
            initial_interval: self.first,
            multiplier: 2.0,
            max_interval: self.longest,
            randomization_factor: 0.0,
            max_elapsed_time: None, // So a step is never `None`; attempts are bounded elsewhere.
            ..ExponentialBackoff::default()
        };
        // Thirty doublings leave any cap behind.
        let n_steps = tries.clamp(1, 30);
        (0..n_steps).filter_map(|_| steps.next_backoff()).last().unwrap_or(self.longest).min(self.longest)
    }

    /// The wait after try number `tries`: anything from nothing to the ceiling, so that rows which
    /// failed together do not come back together.
    pub fn wait(&self, tries: u32) -> Duration {
        self.ceiling(tries).mul_f64(self.roll())
    }

    /// About `wait`: up to a quarter less or more, so that those who wait do not come together.
    pub fn about(&self, wait: Duration) -> Duration {
        wait.mul_f64(0.75 + self.roll() / 2.0)
    }

    /// One of `0..n`, and 0 of nothing.
    pub fn draw(&self, n: usize) -> usize {
        ((n as f64 * self.roll()) as usize).min(n.saturating_sub(1))
    }

    /// In `0.0..1.0`.
    fn roll(&self) -> f64 {
        let state = self.dice.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.dice.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_cap_and_stays_there() {
        let retry = Retry::new(Duration::from_secs(1), Duration::from_secs(60), 7);
        let seconds: Vec<u64> = (0..10).map(|n| retry.ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(retry.ceiling(u32::MAX), Duration::from_secs(60));
        let slow = Retry::new(Duration::from_secs(30), Duration::from_secs(900), 7);
        let seconds: Vec<u64> = (1..8).map(|n| slow.ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [30, 60, 120, 240, 480, 900, 900]);
    }

    #[test]
    fn jitter_fills_the_whole_range_and_follows_its_seed() {
        let waits = |seed| {
            let retry = Retry::new(Duration::from_secs(1), Duration::from_secs(60), seed);
            (0..1000).map(|_| retry.wait(3)).collect::<Vec<_>>()
        };
        let one = waits(1);
        assert_eq!(one, waits(1));
        assert_ne!(one, waits(2));
        assert!(one.iter().all(|wait| *wait < Duration::from_secs(4)));
        assert!(one.iter().any(|wait| *wait < Duration::from_millis(400)));
        assert!(one.iter().any(|wait| Duration::from_millis(3600) < *wait));
    }

    /// Those of SplitMix64 that its author gives for the seed 1234567.
    #[test]
    fn the_dice_are_those_that_they_are_called() {
        let retry = Retry::new(Duration::ZERO, Duration::ZERO, 1_234_567);
        for number in [6_457_827_717_110_365_317_u64, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423] {
            assert_eq!(retry.roll(), (number >> 11) as f64 / (1_u64 << 53) as f64);
        }
    }

    #[test]
    fn about_a_time_is_a_quarter_to_either_side_and_one_of_many_is_each_of_them() {
        let retry = Retry::new(Duration::ZERO, Duration::ZERO, 1);
        let waits: Vec<_> = (0..1000).map(|_| retry.about(Duration::from_secs(4)).as_secs_f64()).collect();
        assert!(waits.iter().all(|wait| (3.0..5.0).contains(wait)));
        for (part, within) in [("first", 3.0..3.1), ("last", 4.9..5.0)] {
            assert!(waits.iter().any(|wait| within.contains(wait)), "the {part} of it");
        }
        let mut drawn = [0; 4];
        (0..1000).for_each(|_| drawn[retry.draw(4)] += 1);
        assert!(drawn.iter().all(|n| (200..300).contains(n)), "{drawn:?}");
        assert_eq!((retry.draw(1), retry.draw(0)), (0, 0));
    }
}
