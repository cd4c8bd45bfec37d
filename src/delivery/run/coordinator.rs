//! Shares with the other workers of the outbox: asks for slots, tells news at once, and applies what
//! stands for all. Where nobody shares, it ends at its first word.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::engine::Engine;
use super::state::{Fails, Login, Sharing};
use crate::delivery::breaker::{Changed, Traffic};
use crate::delivery::clock_offset::ClockOffset;
use crate::delivery::coordination::{
    BLOCK, Holder, News, PROBER_LEASE, ShareRequest, SharedBreaker, SharedState,
};
use crate::delivery::evidence::Progress;
use crate::delivery::{Api, Clock, Note, Outbox, OutboxError, PauseReason, Watch};

/// Between two calls for slots, at least.
const SLOTS_EVERY: Duration = Duration::from_millis(200);

/// Between two calls where nothing is asked for: a pause or a throttle is applied within so long.
const EVERY: Duration = Duration::from_millis(1800);

/// The same while it has no row and nothing stands in its way: it sends nothing before it has asked for a
/// slot, and hears then what stands for all. Readiness tells within 5 s of a pause.
const IDLE_EVERY: Duration = Duration::from_millis(4500);
const _: () = assert!(SLOTS_EVERY.as_nanos() < BLOCK.as_nanos(), "slots are asked for before a block ends");
const _: () = assert!(3 * EVERY.as_nanos() < PROBER_LEASE.as_nanos(), "who probes may miss a call or two");

/// A smaller step of the outbox's clock puts no row off for long.
const SET_BACK_MIN: SignedDuration = SignedDuration::from_secs(5);

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    /// Ends when the run does, or when nobody shares.
    pub(super) async fn coordinator(&self) {
        let mut clock_offset = ClockOffset::default();
        let mut n_tries = 0;
        loop {
            if self.state.borrow().is_ending() {
                return;
            }
            let wait = match self.share(&mut clock_offset).await {
                Ok(true) => {
                    n_tries = 0;
                    self.silence().await;
                    continue;
                }
                Ok(false) => return,
                Err(error) => {
                    n_tries += 1;
                    // No slot comes, so nothing is sent; a guard halts the run if claims fail as well.
                    self.outbox_fails(Fails::Shares, &error);
                    self.outbox_wait(n_tries)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// One call. Returns whether anybody shares this outbox.
    pub(super) async fn share(&self, clock_offset: &mut ClockOffset) -> Result<bool, OutboxError> {
        let report = self.report();
        let asked = self.now();
        let shared = self.outbox.share(&report).await?;
        let heard = self.now();
        self.outbox_works(Fails::Shares);
        let Some(shared) = shared else { return Ok(false) };
        let then = clock_offset.hear(asked, heard, shared.now);
        self.state.borrow_mut().time_told_at = Some(asked);
        self.apply(then, &shared);
        Ok(true)
    }

    fn report(&self) -> ShareRequest {
        let mut state = self.state.borrow_mut();
        let now = self.now();
        let news = std::mem::take(&mut state.news);
        state.telling.add(news);
        state.wants_time = false;
        ShareRequest {
            slots: state.slots_wanted(now),
            wants_login: state.login == Login::Asked,
            news: state.telling.clone(),
            prober: state.prober(now),
        }
    }

    /// Waits until there is something to ask or to tell, or it is time to listen again.
    async fn silence(&self) {
        let last = Instant::now();
        loop {
            let share_now = self.share_now.notified();
            let until = {
                let mut state = self.state.borrow_mut();
                if state.is_ending() || !state.news.is_empty() || state.wants_time {
                    return;
                }
                match state.slots_wanted(self.now()) {
                    _ if state.login == Login::Asked => last + SLOTS_EVERY,
                    0 if state.is_idle() => last + IDLE_EVERY,
                    0 => last + EVERY,
                    _ => {
                        let ask_at = state.pace.slot_lease().map_or(Duration::ZERO, |lease| lease.ask_at());
                        (last + SLOTS_EVERY).max(self.instant(ask_at)).min(last + EVERY)
                    }
                }
            };
            // Dropping either loses nothing.
            tokio::select! {
                biased;
                () = share_now => {}
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    fn apply(&self, then: Duration, shared: &SharedState) {
        let now = self.now();
        let mut state = self.state.borrow_mut();
        state.sharing = Sharing::Shared;
        state.telling = News::default();
        // What it found out meanwhile is newer than what it hears.
        let crossed = !state.news.is_empty();
        let time_off = shared.now.duration_since(self.here())
            + SignedDuration::try_from(now.saturating_sub(then)).unwrap_or(SignedDuration::ZERO);
        state.was_set_back |= time_off + SET_BACK_MIN < state.time_off;
        state.time_off = time_off;
        if let (Some(login_in), Login::Asked) = (shared.login_in, state.login) {
            state.login = Login::Given(then + login_in);
        }
        let throttle = state.pace.apply(now, then, shared);
        if let Some(throttle) = &throttle {
            state.stats.throttled(self.here(), throttle);
        }
        let is_known = match (&state.pause, &shared.pause) {
            // This worker told it; what somebody said before may stand in its place.
            (Some(PauseReason::EchoLost { .. }), Some(_)) => true,
            (known, heard) => known == heard,
        };
        let changed_pause = !crossed && !is_known;
        if changed_pause {
            state.pause.clone_from(&shared.pause);
            state.guards.pause_stands(now, shared.pause.as_ref());
        }
        // While something is wrong with this worker itself, what holds for all does not help it.
        let changed = match crossed || state.halted.is_some() {
            true => Changed::No,
            false => state.breaker.apply(now, shared.breaker),
        };
        // What others saw of HubSoft counts for who waits for them: else it would wait for ever.
        let seen = match (shared.breaker, changed) {
            _ if crossed => None,
            (SharedBreaker::Open(Holder::Other | Holder::Nobody), _) => {
                state.guards.told_away(then);
                None
            }
            (SharedBreaker::Trial(Holder::Other | Holder::Nobody), _) => Some(Progress::Stalled),
            (SharedBreaker::Closed, Changed::Yes) => Some(Progress::Good),
            (
                SharedBreaker::Closed | SharedBreaker::Open(Holder::Me) | SharedBreaker::Trial(Holder::Me),
                _,
            ) => None,
        };
        if let Some(seen) = seen {
            state.guards.progress(now, seen);
        }
        let traffic = state.breaker.traffic();
        if changed == Changed::Yes {
            state.unbar();
        }
        if state.rows_are_barred(now) {
            state.give_back();
        }
        drop(state);
        if let Some(throttle) = throttle {
            self.watch.throttled(throttle.until - throttle.at, &throttle.reason);
        }
        if changed_pause {
            self.watch.note(match &shared.pause {
                Some(reason) => Note::Paused(reason),
                None => Note::Resumed,
            });
        }
        self.tell_traffic(changed, traffic);
        self.wake();
    }

    /// Tells whoever looks on what may be sent now.
    pub(super) fn tell_traffic(&self, changed: Changed, traffic: Traffic) {
        let is_open = matches!(traffic, Traffic::Nothing { .. });
        let last = self.state.borrow().guards.last().cloned();
        let note = match (changed, traffic) {
            (Changed::Yes, Traffic::All) => Note::BreakerClosed,
            (Changed::Yes, Traffic::Nothing { .. }) => Note::BreakerOpened(last.as_ref()),
            _ => return,
        };
        // Who probes may change while it is open.
        if self.state.borrow_mut().told_open.replace(is_open) != Some(is_open) {
            self.watch.note(note);
        }
    }
}
