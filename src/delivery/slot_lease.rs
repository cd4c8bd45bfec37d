//! The slots of one worker of many: blocks of a grid that the outbox divides among all.
//!
//! Pure: times are durations since the run began. A slot is used in its time or lost: whoever is
//! late must not push into the slots of others.

use std::collections::VecDeque;
use std::time::Duration;

use super::coordination::{BLOCK, LEAD, Slots};

/// How late a slot may be used, where half a slot is less: the other half is for clocks of which each worker
/// makes its own. A timer is up to a millisecond late, and a busy loop another one.
const LATE_MAX: Duration = Duration::from_millis(2);

/// An answer is to be here so long before the end of the block that it follows.
const ROOM: Duration = Duration::from_millis(100);
const _: () = assert!(ROOM.as_nanos() < BLOCK.as_nanos());

#[derive(Clone, Debug)]
pub struct SlotLease {
    /// Between two slots, of whichever worker.
    pub slot: Duration,
    pub n_workers: u32,
    /// The first slot that nobody had when this worker last asked.
    free_at: Duration,
    blocks: VecDeque<Block>,
    /// When half of the last block has passed, or an answer takes as long as what is left: time to ask for
    /// more.
    low_at: Duration,
    /// How far its outbox is: as [`ShareRequest::far`](super::coordination::ShareRequest::far).
    far: Duration,
    n_used: u32,
}

fingerprint! { struct SlotLease { n_workers, free_at, blocks, low_at, n_used; lengths slot, far } }

#[derive(Clone, Debug)]
struct Block {
    next: Duration,
    n_left: u32,
    spacing: Duration,
}

fingerprint! { struct Block { next, n_left; lengths spacing } }

impl SlotLease {
    pub fn new() -> Self {
        Self {
            slot: Duration::from_nanos(1),
            n_workers: 1,
            free_at: Duration::ZERO,
            blocks: VecDeque::new(),
            low_at: Duration::ZERO,
            far: Duration::ZERO,
            n_used: 0,
        }
    }

    /// The outbox has answered: what it is like at `then`.
    pub fn hear(
        &mut self,
        then: Duration,
        slot: Duration,
        n_workers: u32,
        free_in: Duration,
        given: Option<Slots>,
        far: Duration,
    ) {
        self.far = far;
        self.slot = slot.max(Duration::from_nanos(1));
        self.n_workers = n_workers.max(1);
        self.free_at = then + free_in;
        self.n_used = 0;
        if let Some(Slots { first_in, count, spacing }) = given {
            let next = then + first_in;
            let half = next + spacing * (count / 2);
            let end = next + spacing * count;
            self.low_at = if far.is_zero() { half } else { half.min(end.saturating_sub(far + ROOM)) };
            self.blocks.push_back(Block { next, n_left: count, spacing });
        }
    }

    /// Takes the slot whose time it is.
    pub fn take(&mut self, now: Duration) -> Result<(), Option<Duration>> {
        self.drop_passed(now);
        match self.blocks.front_mut() {
            Some(block) if block.next <= now => {
                block.pass(1);
                self.n_used += 1;
                Ok(())
            }
            Some(block) => Err(Some(block.next)),
            None => Err(None),
        }
    }

    /// The next slot of its own, or else the first that it may hope for.
    pub fn next_slot(&self) -> Duration {
        self.blocks.iter().find(|block| 0 < block.n_left).map_or(self.free_at, |block| block.next)
    }

    /// Slots that it has from `now` on.
    pub fn n_left(&mut self, now: Duration) -> u32 {
        self.drop_passed(now);
        self.blocks.iter().map(|block| block.n_left).sum()
    }

    /// Slots used since the outbox last answered.
    pub fn n_used(&self) -> u32 {
        self.n_used
    }

    /// When asking for more makes sense: half of the last block is over, or as much as an answer takes is
    /// left, and what is free is near enough to be given out once the outbox hears of it.
    pub fn ask_at(&self) -> Duration {
        self.low_at.max(self.free_at.saturating_sub(LEAD + self.far / 2))
    }

    fn drop_passed(&mut self, now: Duration) {
        while let Some(block) = self.blocks.front_mut() {
            if let Some(late) = now.checked_sub(block.next + late_max(block.spacing)) {
                let n_passed = late.as_nanos() / block.spacing.as_nanos().max(1) + 1;
                block.pass(u32::try_from(n_passed).unwrap_or(u32::MAX));
            }
            if 0 < block.n_left {
                return;
            }
            self.blocks.pop_front();
        }
    }
}

impl Block {
    fn pass(&mut self, n_slots: u32) {
        let n_slots = n_slots.min(self.n_left);
        self.n_left -= n_slots;
        self.next += self.spacing * n_slots;
    }
}

fn late_max(spacing: Duration) -> Duration {
    (spacing / 2).max(LATE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn block(first_in: u64, count: u32) -> Option<Slots> {
        Some(Slots { first_in: first_in as u32 * MS, count, spacing: 25 * MS })
    }

    #[test]
    fn slots_are_used_in_their_time_or_lost() {
        let mut lease = SlotLease::new();
        assert_eq!(lease.take(Duration::ZERO), Err(None));
        lease.hear(100 * MS, 25 * MS, 4, 500 * MS, block(200, 5), Duration::ZERO);
        assert_eq!(lease.take(100 * MS), Err(Some(300 * MS)));
        assert_eq!(lease.take(312 * MS), Ok(()), "a little late");
        assert_eq!(lease.take(312 * MS), Err(Some(325 * MS)), "and the next stays where it is");
        assert_eq!(lease.take(364 * MS), Err(Some(375 * MS)), "two have passed");
        assert_eq!((lease.n_left(364 * MS), lease.n_used()), (2, 1));
        assert_eq!(lease.take(500 * MS), Err(None), "nothing is caught up");
        assert_eq!(lease.next_slot(), 600 * MS, "what is free at the outbox");
    }

    #[test]
    fn more_is_asked_for_half_a_block_before_the_end() {
        let mut lease = SlotLease::new();
        lease.hear(Duration::ZERO, 25 * MS, 1, 125 * MS, block(0, 4), Duration::ZERO);
        assert_eq!(lease.ask_at(), 50 * MS);
        lease.hear(50 * MS, 25 * MS, 1, 100 * MS, block(50, 4), Duration::ZERO);
        assert_eq!((lease.n_left(51 * MS), lease.next_slot()), (6, 50 * MS));
        // Others have taken everything for the next two seconds.
        lease.hear(100 * MS, 25 * MS, 9, 2000 * MS, None, Duration::ZERO);
        assert_eq!(lease.ask_at(), 1100 * MS);
    }

    #[test]
    fn who_is_far_asks_early_enough_to_be_answered_before_the_end() {
        for (far, ask_at) in [(0, 500), (200, 500), (400, 500), (600, 300), (1000, 0)] {
            let mut lease = SlotLease::new();
            lease.hear(Duration::ZERO, 25 * MS, 1, 1000 * MS, block(0, 40), far * MS);
            assert_eq!(lease.ask_at(), ask_at * MS, "{far} ms");
        }
        let mut lease = SlotLease::new();
        lease.hear(Duration::ZERO, 25 * MS, 9, 2000 * MS, None, 400 * MS);
        assert_eq!(lease.ask_at(), 800 * MS, "the outbox hears of it 200 ms later");
    }
}
