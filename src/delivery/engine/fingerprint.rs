//! What tells one state of the engine from another, for whoever explores them all.

use std::hash::{Hash, Hasher};

use super::Engine;
use super::times::Now;
use crate::delivery::CLAIM_AGE_MAX;
use crate::delivery::decide::ABSENCES_APART;
use crate::delivery::fingerprint::{Clocks, Fingerprint, age, nanos};

impl From<&Now> for Clocks {
    fn from(&Now { run, awake, wall }: &Now) -> Self {
        Self { run, awake, wall }
    }
}

impl Engine<'_> {
    /// Whether there are claims that are not settled yet.
    pub fn has_claims(&self) -> bool {
        0 < self.queue.n_live
    }
}

impl Fingerprint for Engine<'_> {
    fn print(&self, clocks: &Clocks, to: &mut impl Hasher) {
        let now = &Now { run: clocks.run, awake: clocks.awake, wall: clocks.wall };
        let Self {
            policy,
            retry: _,
            started: _,
            started_awake,
            opening,
            queue,
            storage,
            slots,
            health,
            sharing,
            sights,
            listing,
            stats: _,
            seats,
            free_seats,
            n_halting,
            seeing,
            waits_to_see,
            probe,
            n_requests: _,
            hubsoft_clock: _,
            ahead,
            short,
            ending,
            cut_at,
            is_over,
            has_ended,
            pulse_every: _,
            turned: _,
            actions,
            is_at_rest,
            wake_at,
        } = self;
        // Doubts are measured from the beginning of a run, as far as that tells whether they have settled.
        let young = policy.settle_delay.max(ABSENCES_APART) + CLAIM_AGE_MAX;
        age(now.awake, *started_awake).min(nanos(young)).hash(to);
        (self.here(now), self.hubsoft_now(now), self.hubsoft_latest(now)).print(clocks, to);
        (opening, queue, storage, slots, health).print(clocks, to);
        (sharing, sights, listing, seats, free_seats).print(clocks, to);
        (n_halting, seeing, waits_to_see, probe).print(clocks, to);
        (ahead, short, ending, cut_at).print(clocks, to);
        (is_over, has_ended, is_at_rest, wake_at).print(clocks, to);
        // What happened while a claim was under way, since then.
        let has_changed = storage.claiming.is_some_and(|claiming| claiming.n_changes != queue.n_changes);
        has_changed.hash(to);
        debug_assert!(actions.is_empty(), "what is to be done is done first");
    }
}
