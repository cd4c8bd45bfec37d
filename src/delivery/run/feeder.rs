//! Claims a little ahead of the senders: enough that none waits for a commit, and no more, because
//! what is claimed when the power goes must be looked up afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::engine::{Engine, sleep_until, with_cause};
use super::state::{AHEAD, Fails, Moment, QueuedClaim, Reason, Work};
use crate::delivery::breaker::Traffic;
use crate::delivery::decide::between;
use crate::delivery::{
    Api, ClaimRequest, Claimed, Clock, End, Lasting, Note, Outbox, OutboxError, THOUSANDTHS, Watch,
};

/// A kind of call that failed whenever it was tried.
#[derive(Clone, Copy)]
struct Failing {
    since: Duration,
    last: Duration,
    n_tries: u32,
}

/// What was not tried for so long (in a pause, or while HubSoft was away) did not fail meanwhile. More than
/// what comes between two tries takes.
const UNTRIED_MAX: Duration = Duration::from_secs(120);

/// While what is due may not be sent, the outbox is asked so often for anything else.
const BARRED_POLL: Duration = Duration::from_secs(1);

/// The longest sleep on a stored time, so that a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How many claims a sender has waiting for it, at most and without a rate limit: a commit costs the
/// same for two hundred rows as for thirty, and while it is written the others are sent. It begins with
/// one and doubles with every claim, so that the first rows are on their way soon, and few are claimed
/// in a run that ends at once.
const AHEAD_MAX: usize = 16;

/// Of so many rows one is chosen to be the trial.
const TRIAL_CHOICE: usize = 8;

/// As many senders at least are counted for that.
const SENDERS_MIN: usize = 2;

/// What the feeder does next.
enum Step {
    Claim(ClaimRequest),
    /// Take in what a claim whose answer was lost may have left in flight.
    Recover,
    /// Take what a clock has stamped that was set back since.
    PullIn,
    /// Wait for a change, at most until then.
    Wait(Option<Instant>),
}

/// Which kinds the last claim brought less of than was wanted.
#[derive(Clone, Copy, Default)]
struct Short {
    posts: bool,
    look_ups: bool,
}

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    /// Ends when the run does.
    pub(super) async fn feeder(&self) {
        let mut short = Short::default();
        // Each kind of call by itself: one that works must not quicken the tries of another.
        let mut failing: BTreeMap<Fails, Failing> = BTreeMap::new();
        loop {
            let changed = self.changed.notified();
            if self.state.borrow().is_ending() {
                return;
            }
            let asked = self.now();
            let (what, done) = match self.step(short) {
                Step::Wait(until) => {
                    // Dropping any of these loses nothing: the next step looks at the state again.
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = self.hungry.notified() => {}
                        () = sleep_until(until) => {}
                    }
                    continue;
                }
                Step::Claim(want) => (Fails::Claims, self.claim(want).await.map(|brought| short = brought)),
                Step::Recover => (Fails::Recoveries, self.recover_lost().await),
                Step::PullIn => (Fails::PullIns, self.pull_in().await),
            };
            let Err(error) = done else {
                failing.remove(&what);
                self.outbox_works(what);
                continue;
            };
            let now = self.now();
            let before = failing.get(&what).copied().filter(|before| asked <= before.last + UNTRIED_MAX);
            let Failing { since, n_tries, .. } =
                before.unwrap_or(Failing { since: now, last: now, n_tries: 0 });
            let n_tries = n_tries + 1;
            failing.insert(what, Failing { since, last: now, n_tries });
            self.outbox_fails(what, &error);
            match self.outbox_failed(&error, since) {
                Some(halt) => self.end(Reason::Halted(halt)),
                // Only a sleep; an end of the run is seen after it.
                None => tokio::time::sleep(self.outbox_wait(n_tries)).await,
            }
        }
    }

    /// Not raced against a stop: a claim that nobody saw would have to be looked up.
    async fn claim(&self, want: ClaimRequest) -> Result<Short, OutboxError> {
        let n_changes = {
            let mut state = self.state.borrow_mut();
            state.claiming = true;
            state.claimed_at = self.now();
            state.n_changes
        };
        // Before it is asked: the outbox saw then that the lease lasts, and an answer may come late.
        let asked = self.moment();
        match self.outbox.claim(want).await {
            Ok(claimed) => {
                // Before they are taken in: what is claimed of an outbox that fails is given back.
                self.outbox_works(Fails::Claims);
                let n_look_ups = claimed.claims.iter().filter(|claim| claim.doubt.is_some()).count();
                let n_posts = claimed.claims.len() - n_look_ups;
                let n_asked = claimed.posts_max.map_or(want.posts, |max| max.min(want.posts));
                let short = Short { posts: n_posts < n_asked, look_ups: n_look_ups < want.look_ups };
                self.take_in(claimed, asked, want, short, n_changes);
                Ok(short)
            }
            Err(error) => {
                let mut state = self.state.borrow_mut();
                state.claim_ended();
                state.claims_lost = true;
                drop(state);
                self.handed.notify_one();
                Err(error)
            }
        }
    }

    /// Takes in what a predecessor, or a claim whose answer was lost, left behind.
    ///
    /// Nothing of this run is live, so whatever is in flight is nobody's.
    pub(super) async fn recover_lost(&self) -> Result<(), OutboxError> {
        let time = self.time(&self.state.borrow());
        let n_rows = self.outbox.recover(time).await?;
        let mut state = self.state.borrow_mut();
        state.claims_lost = false;
        state.work = Work::Maybe;
        drop(state);
        if 0 < n_rows {
            self.watch.note(Note::Recovered(n_rows));
        }
        Ok(())
    }

    /// What earlier runs could not tell is asked once more.
    pub(super) async fn look_again(&self) -> Result<(), OutboxError> {
        let time = self.time(&self.state.borrow());
        self.outbox.look_again(time).await
    }

    /// What was put off by a clock that was set back since waits no longer.
    pub(super) async fn pull_in(&self) -> Result<(), OutboxError> {
        let time = {
            let mut state = self.state.borrow_mut();
            // Before it is done: the clock may be set back once more meanwhile.
            state.was_set_back = false;
            self.time(&state)
        };
        let done = self.outbox.pull_in(time).await;
        let mut state = self.state.borrow_mut();
        state.was_set_back |= done.is_err();
        state.work = Work::Maybe;
        done
    }

    fn step(&self, short: Short) -> Step {
        let mut state = self.state.borrow_mut();
        let now = self.now();
        if state.settles_fail() || state.is_dark() || state.pause.is_some() {
            return Step::Wait(None);
        }
        // What is claimed now is given back at once: that is for seeing whether the outbox is there at all.
        if state.shares_fail() && now < state.claimed_at + BARRED_POLL {
            return Step::Wait(Some(self.instant(state.claimed_at + BARRED_POLL)));
        }
        if let Some(until) = state.long_throttle(now) {
            return Step::Wait(Some(self.instant(until)));
        }
        if state.claims_lost {
            // There may always be more to claim, so it is not put off until there is not.
            // What is stuck is proof, or is looked up.
            return if state.n_live == state.stuck.len() { Step::Recover } else { Step::Wait(None) };
        }
        if state.was_set_back {
            return Step::PullIn;
        }
        if self.n_live_max() <= state.n_live {
            return Step::Wait(None);
        }
        let time = self.time(&state);
        match state.work {
            Work::NotBefore(due) if time < due => {
                return Step::Wait(Some(Instant::now() + between(time, due).min(SLEEP_MAX)));
            }
            Work::None => return Step::Wait(None),
            Work::Barred { since } if now < since + BARRED_POLL => {
                return Step::Wait(Some(self.instant(since + BARRED_POLL)));
            }
            Work::NotBefore(_) | Work::Barred { .. } | Work::Maybe => {}
        }
        let n_ahead_max = state.ahead * self.policy.concurrency.max(SENDERS_MIN);
        let n_ahead = match state.pace.slot() {
            None => n_ahead_max,
            Some(slot) => {
                let next = state.pace.next_slot();
                if now + AHEAD < next {
                    return Step::Wait(Some(self.instant(next - AHEAD)));
                }
                let n_slots = AHEAD.as_nanos() / slot.as_nanos().max(1);
                usize::try_from(n_slots).unwrap_or(usize::MAX).clamp(1, n_ahead_max)
            }
        };
        state.low_water = n_ahead / 2;
        if n_ahead / 2 < state.n_unsent {
            return Step::Wait(None);
        }
        let n_free = n_ahead - state.n_unsent;
        // A kind of which there is no more leaves its share to the other.
        let (posts, look_ups) = match short {
            Short { posts: false, look_ups: false } => (n_free - n_free / 5, (n_free / 5).max(1)),
            Short { posts: true, look_ups: false } => (1, n_free),
            Short { posts: _, look_ups: true } => (n_free, 1),
        };
        let (posts, end) = match (posts.min(state.post_room()), state.breaker.traffic()) {
            // The rows in front may be those that HubSoft stumbles over.
            (1.., Traffic::OneTrial(_)) => (TRIAL_CHOICE, self.some_end()),
            (posts, _) => (posts, End::Front),
        };
        Step::Claim(ClaimRequest { now: time, posts, look_ups, end })
    }

    /// From where the rows are taken of which one is tried: a place drawn by chance, but the ends more often
    /// than others, since what came together is often bad together.
    fn some_end(&self) -> End {
        let thousandths = u16::try_from(self.retry.draw(usize::from(THOUSANDTHS) + 1)).unwrap_or(0);
        [End::Front, End::Back, End::Between(thousandths)][self.retry.draw(3)]
    }

    /// How many claims may be unsettled. Bounds what is kept while the outbox is slow.
    fn n_live_max(&self) -> usize {
        1024 + 4 * self.policy.concurrency
    }

    fn take_in(&self, claimed: Claimed, asked: Moment, want: ClaimRequest, short: Short, n_changes: u64) {
        let n_claims = claimed.claims.len();
        let mut state = self.state.borrow_mut();
        state.ahead = (2 * state.ahead).min(AHEAD_MAX);
        for refused in &claimed.refused {
            state.stats.refused(refused);
        }
        state.n_live += n_claims;
        state.n_unsent += n_claims;
        for claim in claimed.claims {
            let queued = QueuedClaim { claim, claimed: asked };
            if queued.claim.doubt.is_none() {
                state.n_live_posts += 1;
                state.posts.push_back(queued);
            } else {
                state.look_ups.push_back(queued);
            }
        }
        state.choose_trial(|n| self.retry.draw(n));
        state.claim_ended();
        state.work = match claimed.backlog.next_due {
            // Something was stored or came in meanwhile, or there was more than was wanted.
            _ if state.n_changes != n_changes || !claimed.refused.is_empty() => Work::Maybe,
            _ if !short.posts && !short.look_ups && want.posts > 0 => Work::Maybe,
            Some(due) if want.now < due => Work::NotBefore(due),
            Some(_) if 0 < n_claims => Work::Maybe,
            Some(_) => Work::Barred { since: self.now() },
            None => Work::None,
        };
        state.pending = claimed.backlog.pending;
        state.n_passed_over = claimed.n_passed_over;
        let drained = self.policy.lasting == Lasting::UntilDrained
            && state.work == Work::None
            && state.n_live == 0
            && !state.claims_lost
            && !claimed.backlog.elsewhere;
        // The run ended, or a gate was shut, during the claim.
        if state.is_ending() || state.rows_are_barred(self.now()) {
            state.give_back();
        }
        drop(state);
        for refused in &claimed.refused {
            self.watch.refused(refused);
        }
        for _ in 0..n_claims {
            self.queued.notify_one();
        }
        self.handed.notify_one();
        self.share_now.notify_one();
        if drained {
            self.end(Reason::Drained);
        }
    }

    /// Looks again now and then, and when somebody says that there are rows.
    pub(super) async fn listener(&self, poll: Duration) {
        loop {
            self.outbox.woken(self.retry.about(poll)).await;
            let mut state = self.state.borrow_mut();
            if state.is_ending() {
                return;
            }
            state.n_changes += 1;
            if let Work::None | Work::NotBefore(_) = state.work {
                state.work = Work::Maybe;
            }
            drop(state);
            self.hungry.notify_one();
        }
    }

    /// The outbox did not do as asked: sending stops at once, and what was not sent is given back
    /// when it can be.
    pub(super) fn outbox_fails(&self, what: Fails, error: &OutboxError) {
        let was_down = {
            let mut state = self.state.borrow_mut();
            let was_down = state.outbox_is_down();
            state.set_failing(what);
            state.give_back();
            was_down
        };
        if !was_down {
            self.watch.note(Note::OutboxDown(&with_cause(error)));
            self.wake();
        }
    }

    /// It did as asked.
    pub(super) fn outbox_works(&self, what: Fails) {
        let is_up_again = {
            let mut state = self.state.borrow_mut();
            let was_down = state.outbox_is_down();
            state.set_working(what);
            was_down && !state.outbox_is_down()
        };
        if is_up_again {
            self.watch.note(Note::OutboxUp);
            self.wake();
        }
    }
}
