//! What happens in the world of a seed that is replayed, line by line.

use std::sync::LazyLock;

use super::world::VirtualClock;

/// Whether one seed alone is tried.
static IS_REPLAY: LazyLock<bool> = LazyLock::new(|| std::env::var_os("MUTIRAO_SEED").is_some());

pub fn tell(clock: VirtualClock, what: impl FnOnce() -> String) {
    if *IS_REPLAY {
        println!("{:9.3} {}", clock.elapsed().as_secs_f64(), what());
    }
}
