//! Look-ups beside the workers of a shared outbox, who have the pace for themselves: what they leave.

use std::time::Duration;

use jiff::Timestamp;

use crate::app::fault::Fault;
use crate::delivery::{PauseReason, Rate};
use crate::outbox::Address;

/// Look-ups go at one of so many parts of the pace while workers live: HubSoft gets a fifth more at most.
///
/// Source: every fifth claim of a run is a look-up. They take none of the workers' slots, because whoever
/// shares these has to be a worker, with a lease and rows of its own, and a rehearsal is none.
const PART: f64 = 5.0;

/// Between two looks at who works. A worker that starts meanwhile is heeded from the next one on.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How look-ups may go.
pub(super) struct Leave {
    pub rate: Rate,
    /// A person stopped all workers, and so these.
    pub paused: Option<PauseReason>,
    /// Until when HubSoft wants nothing.
    pub throttled: Option<Timestamp>,
}

impl Leave {
    /// At the rate `own` where nobody works on `outbox`, or nobody else can.
    pub(super) async fn at(outbox: Option<&Address>, own: Rate) -> Result<Self, Fault> {
        let alone = Self { rate: own, paused: None, throttled: None };
        let Some(outbox) = outbox.filter(|outbox| outbox.file().is_none()) else { return Ok(alone) };
        let looking = outbox.look().await?;
        let crew = looking.reader().crew().await?;
        looking.close().await?;
        let Some(crew) = crew else { return Ok(alone) };
        let rate = match crew.n_workers {
            0 => own,
            _ => part(own, crew.rate_per_s),
        };
        Ok(Self { rate, paused: crew.paused, throttled: crew.throttled.map(|(until, _)| until) })
    }
}

/// Of the lower one of two rates, of which the workers' is a second; `None`: unlimited.
fn part(own: Rate, of_workers: Option<f64>) -> Rate {
    let lower = match own {
        Rate::PerSecond(own) => Some(of_workers.map_or(own, |theirs| theirs.min(own))),
        Rate::Unlimited => of_workers,
    };
    lower.map_or(Rate::Unlimited, |rate| Rate::PerSecond(rate / PART))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_keep_their_pace_and_look_ups_a_part_of_it() {
        for (own, of_workers, expected) in [
            (Rate::PerSecond(5.0), Some(10.0), Rate::PerSecond(1.0)),
            (Rate::PerSecond(20.0), Some(10.0), Rate::PerSecond(2.0)),
            (Rate::PerSecond(5.0), None, Rate::PerSecond(1.0)),
            (Rate::Unlimited, Some(10.0), Rate::PerSecond(2.0)),
            (Rate::Unlimited, None, Rate::Unlimited),
        ] {
            assert_eq!(part(own, of_workers), expected, "{own:?} {of_workers:?}");
        }
    }
}
