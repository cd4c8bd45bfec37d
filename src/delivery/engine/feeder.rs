//! Claims a little ahead of the requests: enough that none waits for a commit, and no more, because
//! what is claimed when the power goes must be looked up afterwards.

use std::time::Duration;

use super::messages::{Action, Told};
use super::queue::Work;
use super::slots::{AHEAD, AHEAD_LONGEST};
use super::state::{Engine, Reason, Short};
use super::storage::{Claiming, Kind};
use super::times::Now;
use crate::delivery::breaker::Traffic;
use crate::delivery::decide::between;
use crate::delivery::{ClaimRequest, Claimed, End, Lasting, OutboxError, Settle, Settled, THOUSANDTHS};

/// While what is due may not be sent, the outbox is asked so often for anything else.
const BARRED_POLL: Duration = Duration::from_secs(1);

/// The longest sleep on a stored time, so that a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How many claims a seat has waiting for it, at most and without a rate limit: a commit costs the
/// same for two hundred rows as for thirty, and while it is written the others are sent. It begins with
/// one and doubles with every claim, so that the first rows are on their way soon, and few are claimed
/// in a run that ends at once.
const AHEAD_MAX: usize = 16;

/// Before the slot of what it brings, a claim begins so much earlier than would do.
const CLAIM_ROOM: Duration = Duration::from_millis(50);

/// Of so many rows one is chosen to be the trial.
const TRIAL_CHOICE: usize = 8;

/// As many seats at least are counted for that.
const SEATS_MIN: usize = 2;

/// Whether outcomes can be stored with a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ride {
    /// With one that is due about then.
    At(Duration),
    /// None is foreseen, and no slot is lost while outcomes wait.
    Later,
    /// A slot may be lost while they do.
    None,
}

/// What comes next.
enum Step {
    Claim(ClaimRequest),
    /// Take in what a claim whose answer was lost may have left in flight.
    Recover,
    /// Take what a clock has stamped that was set back since.
    PullIn,
    /// Nothing before that time, unless something happens.
    Wait(Option<Duration>),
}

impl Engine<'_> {
    /// Makes the next call, unless one is under way, or one that failed rests.
    pub(super) fn feed(&mut self, now: &Now) {
        if self.is_ending() || self.storage.is_feeding() {
            return;
        }
        if let Some(until) = self.storage.feeder_rests_until(now.run) {
            return self.wake_at(Some(until));
        }
        match self.next_step(now) {
            Step::Wait(until) => self.wake_at(until),
            Step::Claim(want) => {
                self.storage.call_mut(Kind::Claims).begin(now.run);
                self.queue.is_claiming = true;
                self.storage.claimed_at = now.run;
                let riders = self.riders(now);
                let (asked, n_changes, carries) =
                    (self.moment(now), self.queue.n_changes, !riders.is_empty());
                self.storage.claiming = Some(Claiming { want, asked, n_changes, carries });
                self.does(Action::Claim(want, riders));
            }
            Step::Recover => {
                self.storage.call_mut(Kind::Recoveries).begin(now.run);
                self.does(Action::Recover(self.time(now)));
            }
            Step::PullIn => {
                self.storage.call_mut(Kind::PullIns).begin(now.run);
                // Before it is done: the clock may be set back once more meanwhile.
                self.storage.was_set_back = false;
                self.does(Action::PullIn(self.time(now)));
            }
        }
    }

    fn next_step(&mut self, now: &Now) -> Step {
        let run = now.run;
        if self.storage.settles_fail() || self.health.is_dark() || self.health.pause.is_some() {
            return Step::Wait(None);
        }
        // What is claimed now is given back at once: that is for seeing whether the outbox is there at all.
        let barred_until = self.storage.claimed_at + BARRED_POLL;
        if run < barred_until && self.storage.call(Kind::Shares).is_failing() {
            return Step::Wait(Some(barred_until));
        }
        if let Some(until) = self.long_throttle(now) {
            return Step::Wait(Some(until));
        }
        if self.storage.claims_lost {
            // There may always be more to claim, so it is not put off until there is not.
            // What is stuck is proof, or is looked up.
            let is_free = self.queue.n_live == self.storage.stuck.len();
            return if is_free { Step::Recover } else { Step::Wait(None) };
        }
        if self.storage.was_set_back {
            return Step::PullIn;
        }
        if self.n_live_max() <= self.queue.n_live {
            return Step::Wait(None);
        }
        match self.queue.work {
            Work::NotBefore(due) => {
                let time = self.time(now);
                if time < due {
                    return Step::Wait(Some(run + between(time, due).min(SLEEP_MAX)));
                }
            }
            Work::None => return Step::Wait(None),
            Work::Barred { since } if run < since + BARRED_POLL => {
                return Step::Wait(Some(since + BARRED_POLL));
            }
            Work::Barred { .. } | Work::Maybe => {}
        }
        if self.slots.pace.slot().is_some() {
            let next = self.slots.pace.next_slot();
            let lead = self.lead();
            if run + lead < next {
                return Step::Wait(Some(next - lead));
            }
        }
        let n_ahead = self.n_ahead();
        if self.n_unsent_enough(n_ahead) < self.queue.n_unsent {
            return Step::Wait(None);
        }
        let n_free = n_ahead - self.queue.n_unsent;
        // A kind of which there is no more leaves its share to the other.
        let (posts, look_ups) = match self.short {
            Short { posts: false, look_ups: false } => (n_free - n_free / 5, (n_free / 5).max(1)),
            Short { posts: true, look_ups: false } => (1, n_free),
            Short { posts: _, look_ups: true } => (n_free, 1),
        };
        let posts = posts.min(self.health.post_room(self.queue.n_live_posts));
        let (posts, end) = match (posts, self.health.breaker.traffic()) {
            // The rows in front may be those that HubSoft stumbles over.
            (1.., Traffic::OneTrial(_)) => (TRIAL_CHOICE, self.some_end()),
            (posts, _) => (posts, End::Front),
        };
        Step::Claim(ClaimRequest { now: self.time(now), posts, look_ups, end })
    }

    /// Under a rate limit, only rows whose slots lie within this are claimed: two claims' worth and some room
    /// where a claim takes long, so that one is under way while the rows of the one before are sent.
    fn lead(&self) -> Duration {
        AHEAD.max(CLAIM_ROOM + 3 * self.storage.claims_take).min(AHEAD_LONGEST)
    }

    /// How many claims wait for a seat or a slot, at most.
    fn n_ahead(&self) -> usize {
        let most = self.ahead * self.slots.limit.now().max(SEATS_MIN);
        let Some(slot) = self.slots.pace.slot() else { return most };
        let n_slots = self.lead().as_nanos() / slot.as_nanos().max(1);
        usize::try_from(n_slots).unwrap_or(usize::MAX).clamp(1, most)
    }

    /// While there are more than so many of them, none is claimed. At a pace it is known for how long they
    /// last, besides the slot that was just taken: twice what a claim takes, and some room.
    fn n_unsent_enough(&self, n_ahead: usize) -> usize {
        let Some(slot) = self.slots.pace.slot() else { return n_ahead / 2 };
        let n_slots = (CLAIM_ROOM + 2 * self.storage.claims_take).as_nanos().div_ceil(slot.as_nanos().max(1));
        usize::try_from(n_slots).unwrap_or(usize::MAX).saturating_sub(1).min(n_ahead / 2)
    }

    /// When the next claim could carry outcomes, if the run goes on as it does.
    pub(super) fn next_ride(&self, now: &Now) -> Ride {
        let Some(slot) = self.slots.pace.slot() else { return Ride::None };
        let next = self.slots.pace.next_slot().max(now.run);
        let n_more = self.queue.n_unsent.saturating_sub(self.n_unsent_enough(self.n_ahead()));
        match self.queue.work {
            Work::Maybe if n_more == 0 => Ride::At(next.saturating_sub(self.lead())),
            Work::Maybe => Ride::At(next + slot * u32::try_from(n_more - 1).unwrap_or(u32::MAX)),
            // What is left may wait for one of these, and there is a slot for it.
            _ if n_more == 0 && self.queue.pending => Ride::None,
            _ => Ride::Later,
        }
    }

    /// From where the rows are taken of which one is tried: a place drawn by chance, but the ends more often
    /// than others, since what came together is often bad together.
    fn some_end(&self) -> End {
        let thousandths = u16::try_from(self.retry.draw(usize::from(THOUSANDTHS) + 1)).unwrap_or(0);
        [End::Front, End::Back, End::Between(thousandths)][self.retry.draw(3)]
    }

    /// How many claims may be unsettled. Bounds what is kept while the outbox is slow.
    fn n_live_max(&self) -> usize {
        1024 + 4 * self.policy.concurrency.most()
    }

    /// A claim came back. It was not given up for a stop: one that nobody saw would have to be looked up.
    pub(super) fn claimed(
        &mut self,
        now: &Now,
        batch: Vec<Settle>,
        done: Result<(Vec<Settled>, Claimed), OutboxError>,
    ) {
        let Some(mut claiming) = self.storage.claiming.take() else { return };
        match done {
            Ok((became, claimed)) => {
                // Before they are taken in: what is claimed of an outbox that fails is given back.
                let asked = self.outbox_works(now, Kind::Claims);
                self.storage.claim_took(now.run.saturating_sub(asked));
                // It has seen what became of what it carried.
                claiming.n_changes += u64::from(claiming.carries);
                self.carried(batch, Some(became));
                self.take_in(now, claimed, claiming);
            }
            Err(error) => {
                self.carried(batch, None);
                self.queue.claim_ended(&mut self.storage.outgoing);
                self.storage.claims_lost = true;
                self.feeder_failed(now, Kind::Claims, &error);
            }
        }
    }

    fn take_in(&mut self, now: &Now, claimed: Claimed, claiming: Claiming) {
        let Claiming { want, asked, n_changes, .. } = claiming;
        let n_claims = claimed.claims.len();
        let n_look_ups = claimed.claims.iter().filter(|claim| claim.doubt.is_some()).count();
        let n_asked = claimed.posts_max.map_or(want.posts, |max| max.min(want.posts));
        let short = Short { posts: n_claims - n_look_ups < n_asked, look_ups: n_look_ups < want.look_ups };
        self.short = short;
        self.ahead = (2 * self.ahead).min(AHEAD_MAX);
        for refused in &claimed.refused {
            self.stats.refused(refused);
        }
        self.queue.take_in(claimed.claims, asked);
        if self.health.breaker.traffic() == Traffic::OneTrial(None) {
            let (stumbled, retry) = (self.health.stumbled.as_ref(), &self.retry);
            self.queue.choose_trial(stumbled, |n| retry.draw(n), &mut self.storage.outgoing);
        }
        self.queue.claim_ended(&mut self.storage.outgoing);
        self.queue.work = match claimed.backlog.next_due {
            // Something was stored or came in meanwhile, or there was more than was wanted.
            _ if self.queue.n_changes != n_changes || !claimed.refused.is_empty() => Work::Maybe,
            _ if !short.posts && !short.look_ups && want.posts > 0 => Work::Maybe,
            Some(due) if want.now < due => Work::NotBefore(due),
            Some(_) if 0 < n_claims => Work::Maybe,
            Some(_) => Work::Barred { since: now.run },
            None => Work::None,
        };
        self.queue.pending = claimed.backlog.pending;
        self.queue.n_passed_over = claimed.n_passed_over;
        let is_drained = self.policy.lasting == Lasting::UntilDrained
            && self.queue.work == Work::None
            && self.queue.n_live == 0
            && !self.storage.claims_lost
            && !claimed.backlog.elsewhere;
        // The run ended, or the doors were shut, during the claim.
        if self.is_ending() || self.rows_are_barred(now) {
            self.give_back();
        }
        if !claimed.refused.is_empty() {
            self.tell(Told::Refused(claimed.refused));
        }
        if is_drained {
            self.end(now, Reason::Drained);
        }
    }

    /// What a predecessor, or a claim whose answer was lost, left behind is taken in.
    ///
    /// Nothing of this run is live then, so whatever is in flight is nobody's.
    pub(super) fn recovered(&mut self, now: &Now, done: Result<u64, OutboxError>) {
        let done = match self.opening {
            Some(_) => self.opened(now, done),
            None => self.fed(now, Kind::Recoveries, done),
        };
        if let Some(n_rows) = done {
            self.storage.claims_lost = false;
            self.queue.work = Work::Maybe;
            if 0 < n_rows {
                self.tell(Told::Recovered(n_rows));
            }
        }
    }

    /// What was put off by a clock that was set back since waits no longer.
    pub(super) fn pulled_in(&mut self, now: &Now, done: Result<(), OutboxError>) {
        self.storage.was_set_back |= done.is_err();
        self.queue.work = Work::Maybe;
        match self.opening {
            Some(_) => self.opened(now, done),
            None => self.fed(now, Kind::PullIns, done),
        };
    }

    fn fed<T>(&mut self, now: &Now, kind: Kind, done: Result<T, OutboxError>) -> Option<T> {
        match done {
            Ok(answer) => {
                self.outbox_works(now, kind);
                Some(answer)
            }
            Err(error) => {
                self.feeder_failed(now, kind, &error);
                None
            }
        }
    }

    fn feeder_failed(&mut self, now: &Now, kind: Kind, error: &OutboxError) {
        let since = self.outbox_fails(now, kind, error);
        if let Some(halt) = self.outbox_failed(now, error, since) {
            self.end(now, Reason::Halted(halt));
        }
    }

    /// Rows may have come.
    pub(super) fn woken(&mut self) {
        if self.is_ending() {
            return;
        }
        self.queue.n_changes += 1;
        if let Work::None | Work::NotBefore(_) = self.queue.work {
            self.queue.work = Work::Maybe;
        }
        self.listen();
    }
}
