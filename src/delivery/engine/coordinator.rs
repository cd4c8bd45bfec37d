//! Shares with the other workers of the outbox: asks for slots, tells news at once, and applies what
//! stands for all.

use std::time::Duration;

use jiff::SignedDuration;

use super::messages::{Action, Told};
use super::queue::Work;
use super::sharing::Mode;
use super::slots::{AHEAD, UNTOLD_MAX};
use super::state::Engine;
use super::storage::Kind;
use super::times::Now;
use crate::delivery::breaker::Changed;
use crate::delivery::coordination::{
    BLOCK, Holder, News, PROBER_LEASE, ShareRequest, SharedBreaker, SharedState,
};
use crate::delivery::evidence::Progress;
use crate::delivery::{OutboxError, PauseReason};

/// Between two calls for slots, at least.
const SLOTS_EVERY: Duration = Duration::from_millis(200);

/// Between two calls where nothing is asked for: a pause or a throttle is applied within so long.
const EVERY: Duration = Duration::from_millis(1800);

/// The same where the outbox is far and rows wait to be sent: less than that for which it is believed besides
/// the way there and back ([`UNTOLD_MAX`]).
const FAR_EVERY: Duration = Duration::from_millis(800);
const _: () = assert!(FAR_EVERY.as_nanos() < UNTOLD_MAX.as_nanos());

/// The same while it has no row and nothing stands in its way: it sends nothing before it has asked for a
/// slot, and hears then what stands for all. Readiness tells within 5 s of a pause.
const IDLE_EVERY: Duration = Duration::from_millis(4500);
const _: () = assert!(SLOTS_EVERY.as_nanos() < BLOCK.as_nanos(), "slots are asked for before a block ends");
const _: () = assert!(3 * EVERY.as_nanos() < PROBER_LEASE.as_nanos(), "who probes may miss a call or two");

/// A smaller step of the outbox's clock puts no row off for long.
const SET_BACK_MIN: SignedDuration = SignedDuration::from_secs(5);

impl Engine<'_> {
    /// Asks and tells, once there is something to ask or to tell, or it is time to listen again.
    pub(super) fn share(&mut self, now: &Now) {
        let call = self.storage.call(Kind::Shares);
        if !self.sharing.is_shared() || self.is_ending() || call.is_running() {
            return;
        }
        if let Some(until) = call.rests_until(now.run) {
            return self.wake_at(Some(until));
        }
        let due = if call.is_failing() { now.run } else { self.share_at(now) };
        if now.run < due {
            return self.wake_at(Some(due));
        }
        self.storage.call_mut(Kind::Shares).begin(now.run);
        let report = Box::new(self.report(now));
        self.does(Action::Share(report));
    }

    fn share_at(&mut self, now: &Now) -> Duration {
        if !self.sharing.news.is_empty() || self.slots.wants_time(self.sharing.told_at) {
            return now.run;
        }
        let last = self.sharing.heard_at;
        if self.slots.wants_login() {
            return last + SLOTS_EVERY;
        }
        // Claims of who is far are old when they are sent, and none is to wait for the outbox's time: those
        // that did would go together.
        let every = if self.sharing.far().is_zero() || self.queue.n_unsent == 0 { EVERY } else { FAR_EVERY };
        match self.slots_wanted(now) {
            0 if self.is_idle() => last + IDLE_EVERY,
            0 => last + every,
            _ => {
                let ask_at = self.slots.pace.slot_lease().map_or(Duration::ZERO, |lease| lease.ask_at());
                let ask_at =
                    if ask_at <= now.run + AHEAD && self.flushes_now(now) { now.run } else { ask_at };
                (last + SLOTS_EVERY).max(ask_at).min(last + every)
            }
        }
    }

    /// Whether a claim has just begun whose commit brings to the disk what a call leaves for later, which
    /// else is written there by itself. Slots asked for early are kept from nobody while it is alone.
    fn flushes_now(&self, now: &Now) -> bool {
        let begins = self.storage.claiming.is_some() && self.storage.claimed_at == now.run;
        begins && !self.sharing.has_company && self.sharing.far().is_zero()
    }

    fn slots_wanted(&mut self, now: &Now) -> u32 {
        let n_unsent = self.queue.n_unsent;
        let more_is_due = self.queue.work == Work::Maybe && (0 < n_unsent || self.flushes_now(now));
        self.slots.wanted(now.run, n_unsent, more_is_due)
    }

    pub(super) fn report(&mut self, now: &Now) -> ShareRequest {
        let next_slot = self.slots.pace.next_slot();
        let is_barred = matches!(self.queue.work, Work::Barred { .. });
        ShareRequest {
            slots: self.slots_wanted(now),
            far: self.sharing.far(),
            at_once: self.slots.limit.now(),
            wants_login: self.slots.wants_login(),
            borne: self.slots.pace.telling(now.run),
            news: self.sharing.telling(),
            prober: self.health.prober(now.run, next_slot, self.queue.n_live_posts, is_barred),
        }
    }

    /// The outbox has answered, or not: then no slot comes, so nothing is sent; a guard halts the run if
    /// claims fail as well.
    pub(super) fn shared(&mut self, now: &Now, done: Result<Option<SharedState>, OutboxError>) {
        let (asked, shared) = match self.opening {
            Some(_) => {
                let asked = self.storage.call(Kind::Opening).asked(now.run);
                (asked, self.opened(now, done).flatten())
            }
            None => match done {
                Ok(shared) => {
                    let asked = self.outbox_works(now, Kind::Shares);
                    self.sharing.took(now.run.saturating_sub(asked));
                    (asked, shared)
                }
                Err(error) => {
                    self.outbox_fails(now, Kind::Shares, &error);
                    return;
                }
            },
        };
        self.sharing.heard_at = now.run;
        if let Some(shared) = shared {
            let then = self.sharing.clock_offset.hear(asked, now.run, shared.now);
            self.sharing.told_at = Some(asked);
            self.apply(now, then, &shared);
        }
    }

    fn apply(&mut self, now: &Now, then: Duration, shared: &SharedState) {
        self.sharing.mode = Mode::Shared;
        self.sharing.has_company = 1 < shared.n_workers;
        if self.sharing.has_company {
            self.listing.has_company();
        }
        self.sharing.telling = News::default();
        // What it found out meanwhile is newer than what it hears.
        let has_crossed = !self.sharing.news.is_empty();
        let time_off = shared.now.duration_since(self.here(now))
            + SignedDuration::try_from(now.run.saturating_sub(then)).unwrap_or(SignedDuration::ZERO);
        self.storage.was_set_back |= time_off + SET_BACK_MIN < self.sharing.time_off;
        self.sharing.time_off = time_off;
        self.slots.limit.share(shared.n_workers, then, shared.now);
        self.slots.hear_login(shared.login_in.map(|login_in| then + login_in));
        let throttle = self.slots.pace.apply(now.run, then, self.sharing.far(), shared);
        if let Some(throttle) = &throttle {
            self.stats.throttled(self.here(now), throttle);
        }
        let is_known = match (&self.health.pause, &shared.pause) {
            // This worker told it; what somebody said before may stand in its place.
            (Some(PauseReason::EchoLost { .. }), Some(_)) => true,
            (known, heard) => known == heard,
        };
        let changed_pause = !has_crossed && !is_known;
        if changed_pause {
            self.health.pause.clone_from(&shared.pause);
            self.health.guards.pause_stands(now.run, shared.pause.as_ref());
        }
        // While something is wrong with this worker itself, what holds for all does not help it.
        let changed = match has_crossed || self.health.halted.is_some() {
            true => Changed::No,
            false => self.health.breaker.apply(now.run, shared.breaker),
        };
        if !has_crossed {
            self.hear_others(now, then, shared.breaker, changed);
        }
        if changed == Changed::Yes {
            self.queue.unbar();
        }
        if self.rows_are_barred(now) {
            self.give_back();
        }
        if let Some(throttle) = throttle {
            self.tell(Told::Throttled(throttle.until - throttle.at, Box::new(throttle.reason)));
        }
        if changed_pause {
            self.tell(match &shared.pause {
                Some(reason) => Told::Paused(Box::new(reason.clone())),
                None => Told::Resumed,
            });
        }
        self.tell_traffic(now, changed);
    }

    /// What others saw of HubSoft counts for who waits for them: else it would wait for ever.
    fn hear_others(&mut self, now: &Now, then: Duration, breaker: SharedBreaker, changed: Changed) {
        let guards = &mut self.health.guards;
        match (breaker, changed) {
            (SharedBreaker::Open(Holder::Other | Holder::Nobody), _) => guards.told_away(then),
            (SharedBreaker::Trial(Holder::Other | Holder::Nobody), _) => {
                guards.progress(now.run, Progress::Stalled);
            }
            (SharedBreaker::Closed, Changed::Yes) => guards.progress(now.run, Progress::Good),
            (
                SharedBreaker::Closed | SharedBreaker::Open(Holder::Me) | SharedBreaker::Trial(Holder::Me),
                _,
            ) => {}
        }
    }
}
