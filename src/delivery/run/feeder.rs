//! Claims a little ahead of the senders: enough that none waits for a commit, and no more, because
//! what is claimed when the power goes must be looked up afterwards.

use std::time::Duration;

use tokio::time::Instant;

use super::desk::{AHEAD, Fails, Held, Moment, Work};
use super::{Engine, Reason, sleep_until, with_cause};
use crate::delivery::breaker::Traffic;
use crate::delivery::decide::between;
use crate::delivery::{
    Api, ClaimRequest, Claimed, Clock, End, Lasting, Note, Outbox, OutboxError, THOUSANDTHS, Watch,
};

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
        let mut failing: Option<(Duration, u32)> = None;
        loop {
            let changed = self.changed.notified();
            if self.desk.borrow().is_ending() {
                return;
            }
            let error = match self.step(short) {
                Step::Wait(until) => {
                    // Dropping any of these loses nothing: the next step looks at the desk again.
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = self.hungry.notified() => {}
                        () = sleep_until(until) => {}
                    }
                    continue;
                }
                Step::Claim(want) => match self.claim(want).await {
                    Ok(brought) => {
                        short = brought;
                        None
                    }
                    Err(error) => Some(error),
                },
                Step::Recover => self.recover_lost().await.err(),
                Step::PullIn => self.pull_in().await.err(),
            };
            let Some(error) = error else {
                failing = None;
                continue;
            };
            let (began, n_tries) = failing.get_or_insert((self.now(), 0));
            *n_tries += 1;
            let (began, n_tries) = (*began, *n_tries);
            self.outbox_fails(Fails::Claims, &error);
            match self.outbox_failed(&error, began) {
                Some(halt) => self.end(Reason::Halted(halt)),
                // Only a sleep; an end of the run is seen after it.
                None => tokio::time::sleep(self.outbox_wait(n_tries)).await,
            }
        }
    }

    /// Not raced against a stop: a claim that nobody saw would have to be looked up.
    async fn claim(&self, want: ClaimRequest) -> Result<Short, OutboxError> {
        let n_changes = {
            let mut desk = self.desk.borrow_mut();
            desk.claiming = true;
            desk.claimed_at = self.now();
            desk.n_changes
        };
        // Before it is asked: the outbox saw then that the lease lasts, and an answer may come late.
        let asked = self.moment();
        match self.outbox.claim(want).await {
            Ok(claimed) => {
                self.outbox_works(Fails::Claims);
                let n_look_ups = claimed.claims.iter().filter(|it| it.doubt.is_some()).count();
                let n_posts = claimed.claims.len() - n_look_ups;
                let short = Short { posts: n_posts < want.posts, look_ups: n_look_ups < want.look_ups };
                self.take_in(claimed, asked, want, short, n_changes);
                Ok(short)
            }
            Err(error) => {
                let mut desk = self.desk.borrow_mut();
                desk.claim_ended();
                desk.claims_lost = true;
                drop(desk);
                self.handed.notify_one();
                Err(error)
            }
        }
    }

    /// Takes in what a predecessor, or a claim whose answer was lost, left behind.
    ///
    /// Nothing of this run is live, so whatever is in flight is nobody's.
    pub(super) async fn recover_lost(&self) -> Result<(), OutboxError> {
        let time = self.time(&self.desk.borrow());
        let n_rows = self.outbox.recover(time).await?;
        self.outbox_works(Fails::Claims);
        let mut desk = self.desk.borrow_mut();
        desk.claims_lost = false;
        desk.work = Work::Maybe;
        drop(desk);
        if 0 < n_rows {
            self.watch.note(Note::Recovered(n_rows));
        }
        Ok(())
    }

    /// What earlier runs could not tell is asked once more.
    pub(super) async fn look_again(&self) -> Result<(), OutboxError> {
        let time = self.time(&self.desk.borrow());
        self.outbox.look_again(time).await
    }

    /// What was put off by a clock that was set back since waits no longer.
    pub(super) async fn pull_in(&self) -> Result<(), OutboxError> {
        let time = self.time(&self.desk.borrow());
        self.outbox.pull_in(time).await?;
        let mut desk = self.desk.borrow_mut();
        desk.was_set_back = false;
        desk.work = Work::Maybe;
        Ok(())
    }

    fn step(&self, short: Short) -> Step {
        let mut desk = self.desk.borrow_mut();
        let now = self.now();
        if desk.settles_fail() || desk.is_dark() || desk.stop.is_some() {
            return Step::Wait(None);
        }
        // What is claimed now is given back at once: that is for seeing whether the outbox is there at all.
        if desk.shares_fail() && now < desk.claimed_at + BARRED_POLL {
            return Step::Wait(Some(self.instant(desk.claimed_at + BARRED_POLL)));
        }
        if let Some(until) = desk.long_pause(now) {
            return Step::Wait(Some(self.instant(until)));
        }
        if desk.claims_lost {
            // There may always be more to claim, so it is not put off until there is not.
            // What is stuck is proof, or is looked up.
            return if desk.n_live == desk.stuck.len() { Step::Recover } else { Step::Wait(None) };
        }
        if desk.was_set_back {
            return Step::PullIn;
        }
        if self.n_live_max() <= desk.n_live {
            return Step::Wait(None);
        }
        let time = self.time(&desk);
        match desk.work {
            Work::NotBefore(due) if time < due => {
                return Step::Wait(Some(Instant::now() + between(time, due).min(SLEEP_MAX)));
            }
            Work::None => return Step::Wait(None),
            Work::Barred { since } if now < since + BARRED_POLL => {
                return Step::Wait(Some(self.instant(since + BARRED_POLL)));
            }
            Work::NotBefore(_) | Work::Barred { .. } | Work::Maybe => {}
        }
        let n_ahead_max = desk.ahead * self.policy.concurrency.max(SENDERS_MIN);
        let n_ahead = match desk.pace.slot() {
            None => n_ahead_max,
            Some(slot) => {
                let next = desk.pace.next_slot();
                if now + AHEAD < next {
                    return Step::Wait(Some(self.instant(next - AHEAD)));
                }
                let n_slots = AHEAD.as_nanos() / slot.as_nanos().max(1);
                usize::try_from(n_slots).unwrap_or(usize::MAX).clamp(1, n_ahead_max)
            }
        };
        desk.low_water = n_ahead / 2;
        if n_ahead / 2 < desk.n_unsent {
            return Step::Wait(None);
        }
        let n_free = n_ahead - desk.n_unsent;
        // A kind of which there is no more leaves its share to the other.
        let (posts, look_ups) = match short {
            Short { posts: false, look_ups: false } => (n_free - n_free / 5, (n_free / 5).max(1)),
            Short { posts: true, look_ups: false } => (1, n_free),
            Short { posts: _, look_ups: true } => (n_free, 1),
        };
        let (posts, end) = match (posts.min(desk.post_room()), desk.breaker.traffic()) {
            // The rows in front may be those that HubSoft stumbles over.
            (1.., Traffic::OneTrial(_)) => (TRIAL_CHOICE, self.some_end()),
            (posts, _) => (posts, End::Front),
        };
        Step::Claim(ClaimRequest { now: time, posts, look_ups, end })
    }

    /// From where the rows are taken of which one is tried: a place drawn by chance, but the ends more often than others,
    /// since what came together is often bad together.
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
        let mut desk = self.desk.borrow_mut();
        desk.ahead = (2 * desk.ahead).min(AHEAD_MAX);
        desk.stats.invalid += claimed.refused.len() as u64;
        desk.n_live += n_claims;
        desk.n_unsent += n_claims;
        for claim in claimed.claims {
            self.watch.claimed(&claim);
            let held = Held { claim, claimed: asked };
            if held.claim.doubt.is_none() {
                desk.n_live_posts += 1;
                desk.posts.push_back(held);
            } else {
                desk.look_ups.push_back(held);
            }
        }
        desk.choose_trial(|n| self.retry.draw(n));
        desk.claim_ended();
        desk.work = match claimed.backlog.next_due {
            // Something was stored or came in meanwhile, or there was more than was wanted.
            _ if desk.n_changes != n_changes || !claimed.refused.is_empty() => Work::Maybe,
            _ if !short.posts && !short.look_ups && want.posts > 0 => Work::Maybe,
            Some(due) if want.now < due => Work::NotBefore(due),
            Some(_) if 0 < n_claims => Work::Maybe,
            Some(_) => Work::Barred { since: self.now() },
            None => Work::None,
        };
        if 0 < want.posts {
            desk.posts_are_out = short.posts;
        }
        desk.pending = claimed.backlog.pending;
        let drained = self.policy.lasting == Lasting::UntilDrained
            && desk.work == Work::None
            && desk.n_live == 0
            && !desk.claims_lost
            && !claimed.backlog.elsewhere;
        // The run ended, or a gate was shut, during the claim.
        if desk.is_ending() || desk.rows_are_barred(self.now()) {
            desk.give_back();
        }
        drop(desk);
        for refused in &claimed.refused {
            self.watch.invalid(refused);
        }
        for _ in 0..n_claims {
            self.queued.notify_one();
        }
        self.handed.notify_one();
        self.told.notify_one();
        if drained {
            self.end(Reason::Drained);
        }
    }

    /// Looks again now and then, and when somebody says that there are rows.
    pub(super) async fn listener(&self, poll: Duration) {
        loop {
            self.outbox.woken(self.retry.about(poll)).await;
            let mut desk = self.desk.borrow_mut();
            if desk.is_ending() {
                return;
            }
            desk.n_changes += 1;
            if let Work::None | Work::NotBefore(_) = desk.work {
                desk.work = Work::Maybe;
            }
            drop(desk);
            self.hungry.notify_one();
        }
    }

    /// The outbox did not do as asked: sending stops at once, and what was not sent is given back
    /// when it can be.
    pub(super) fn outbox_fails(&self, what: Fails, error: &OutboxError) {
        let was_down = {
            let mut desk = self.desk.borrow_mut();
            let was_down = desk.outbox_is_down();
            desk.set_failing(what, true);
            desk.give_back();
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
            let mut desk = self.desk.borrow_mut();
            let was_down = desk.outbox_is_down();
            desk.set_failing(what, false);
            was_down && !desk.outbox_is_down()
        };
        if is_up_again {
            self.watch.note(Note::OutboxUp);
            self.wake();
        }
    }
}
