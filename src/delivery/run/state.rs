//! What the parts of a run share: the claims that wait, the outcomes that are to be stored, and the
//! state of the core. Plain data; nothing here waits.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::breaker::{Breaker, Traffic};
use crate::delivery::coordination::{News, PROBER_LEASE, Prober};
use crate::delivery::decide::{Looks, after, between, release};
use crate::delivery::guards::Guards;
use crate::delivery::pace::Pace;
use crate::delivery::{CLAIM_AGE_MAX, Claim, Halt, PauseReason, Policy, Pulse, RowId, Settle, Stats};

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is pending in scope, or all that is left waits behind `unconfirmed` rows.
    Drained,
    /// [`Control::stop`](crate::delivery::Control::stop).
    Stopped,
    Halted(Halt),
}

/// A throttle longer than this gives claims back instead of holding them.
const HOLD_MAX: Duration = Duration::from_secs(5);

/// Under a rate limit, only rows whose slots lie within this are claimed.
pub const AHEAD: Duration = Duration::from_millis(500);
const _: () = assert!(
    HOLD_MAX.as_nanos() + AHEAD.as_nanos() < CLAIM_AGE_MAX.as_nanos(),
    "what is held through a throttle must still be sent"
);

/// Who might try a post for all is left so long to find a row for it.
const TRIAL_IDLE_MAX: Duration = Duration::from_secs(3);
const _: () = assert!(TRIAL_IDLE_MAX.as_nanos() < PROBER_LEASE.as_nanos());

/// While both wait, every so many-th claim sent is a look-up.
const LOOK_UP_SHARE: u32 = 5;

/// What a request is made for. It decides what closes the gate on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A row, by a post.
    Post(RowId),
    /// A row, by a look-up.
    LookUp,
    /// The health of HubSoft.
    Probe,
}

/// How all clocks stood at one moment. A machine that its hypervisor froze has none of its own that went on.
#[derive(Clone, Copy)]
pub struct Moment {
    /// The clock that runs through sleep.
    pub awake: Duration,
    pub wall: Timestamp,
    /// The clock of a shared outbox; else the run's own.
    pub outbox: Timestamp,
    pub hubsoft: Option<Timestamp>,
}

impl Moment {
    /// How long ago that was, by the clock that says most.
    pub fn until(self, now: Self) -> Duration {
        let by_hubsoft =
            self.hubsoft.zip(now.hubsoft).map_or(Duration::ZERO, |(then, now)| between(then, now));
        let here = now.awake.saturating_sub(self.awake).max(between(self.wall, now.wall));
        here.max(between(self.outbox, now.outbox)).max(by_hubsoft)
    }
}

/// A claim that waits to be sent, and when it was claimed.
pub struct QueuedClaim {
    pub claim: Claim,
    pub claimed: Moment,
}

/// What the last claim said is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Unknown: ask.
    Maybe,
    /// Nothing falls due before.
    NotBefore(Timestamp),
    /// What is due may not be sent now.
    Barred { since: Duration },
    /// Nothing, unless a live row comes back.
    None,
}

/// What the outbox does not do. One kind of call that works says nothing of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fails {
    Claims,
    Recoveries,
    PullIns,
    Settles,
    /// Settles of rows that were held.
    StuckSettles,
    Shares,
}

/// Whether other workers may be on the same outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    Alone,
    Shared,
}

/// A login, where all workers share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    Unasked,
    Asked,
    /// From that time on.
    Given(Duration),
}

/// See [`RunState::halting`].
struct Halting {
    lote: Arc<str>,
    is_stored: bool,
}

pub struct RunState {
    pub posts: VecDeque<QueuedClaim>,
    pub look_ups: VecDeque<QueuedClaim>,
    n_posts_since_look_up: u32,
    pub outgoing: VecDeque<Settle>,
    /// Outcomes of rows that somebody holds. They wait beside the others.
    pub stuck: Vec<Settle>,
    /// Claims that are not settled yet, wherever they are.
    pub n_live: usize,
    /// Of these, claims whose request has not taken its slot yet.
    pub n_unsent: usize,
    /// Requests that wait for a slot besides the first one of each of these.
    pub n_waiting: usize,
    /// Claims to post whose answer has not been seen yet.
    pub n_live_posts: usize,
    /// When the last claim began.
    pub claimed_at: Duration,
    /// The feeder is in a claim: more rows may come.
    pub claiming: bool,
    /// Lotes that were halted, as long as a claim may bring their rows: until the outbox knows, and a
    /// claim that began before has ended.
    halting: Vec<Halting>,
    failing: BTreeSet<Fails>,
    /// Why a person, or a worker in need of one, paused everybody.
    pub pause: Option<PauseReason>,
    /// What is wrong with a run that never ends; the breaker is open until it works again.
    pub halted: Option<Halt>,
    /// What the other workers have not been told yet; stays empty where there are none.
    pub news: News,
    /// What they are being told, until it is certain that they were.
    pub telling: News,
    pub sharing: Sharing,
    /// The lote of the last post, if HubSoft neither opened nor refused its ticket.
    pub stumbled: Option<Arc<str>>,
    /// Since when it might try a post for all, and has no row for it.
    idle_since: Option<Duration>,
    /// Whether whoever looks on was last told that the breaker is open.
    pub told_open: Option<bool>,
    /// Of those that all workers share.
    pub login: Login,
    /// The outbox's time of day minus the run's.
    pub time_off: SignedDuration,
    /// When the outbox was asked that told its time last; `None`: nobody shares it.
    pub time_told_at: Option<Duration>,
    /// Somebody wants to know it anew.
    pub wants_time: bool,
    /// The outbox's clock was set back: what it has stamped may lie far ahead.
    pub was_set_back: bool,
    /// What HubSoft's clock showed last, and when that was by [`Clock::awake`](crate::delivery::Clock).
    pub hubsoft_clock: Option<(Timestamp, Duration)>,
    pub work: Work,
    /// Whether the last claim left anything pending, due or not.
    pub pending: bool,
    /// Whether the answer to a claim was lost: its rows may be in flight with nobody holding them.
    pub claims_lost: bool,
    /// As the last claim told.
    pub n_passed_over: u64,
    /// How many claims a sender may have waiting for it.
    pub ahead: usize,
    /// At so many unsent claims the feeder wants to know.
    pub low_water: usize,
    /// Raised by every batch that was stored, and by whoever says that rows may have come, so that a claim
    /// under way sees that its picture is old.
    pub n_changes: u64,
    pub ending: Option<(Reason, Duration)>,
    pub pace: Pace,
    pub breaker: Breaker,
    pub guards: Guards,
    /// Rows that were answered 403 once and went back.
    pub denied: BTreeSet<RowId>,
    pub stats: Stats,
}

impl RunState {
    pub fn new(policy: &Policy, until: Option<Duration>) -> Self {
        Self {
            posts: VecDeque::new(),
            look_ups: VecDeque::new(),
            n_posts_since_look_up: 0,
            outgoing: VecDeque::new(),
            stuck: Vec::new(),
            n_live: 0,
            n_unsent: 0,
            n_waiting: 0,
            n_live_posts: 0,
            claimed_at: Duration::ZERO,
            claiming: false,
            halting: Vec::new(),
            failing: BTreeSet::new(),
            pause: None,
            halted: None,
            news: News::default(),
            telling: News::default(),
            sharing: Sharing::Alone,
            stumbled: None,
            idle_since: None,
            told_open: Some(false),
            login: Login::Unasked,
            time_off: SignedDuration::ZERO,
            time_told_at: None,
            wants_time: false,
            was_set_back: false,
            hubsoft_clock: None,
            work: Work::Maybe,
            pending: true,
            claims_lost: false,
            n_passed_over: 0,
            ahead: 1,
            low_water: 0,
            n_changes: 0,
            ending: None,
            pace: Pace::new(policy.rate),
            breaker: Breaker::default(),
            guards: Guards::new(policy.guards, until),
            denied: BTreeSet::new(),
            stats: Stats::default(),
        }
    }

    /// How the run stands, for whoever looks on.
    pub fn pulse(&self, now: Duration) -> Pulse {
        Pulse {
            slot: self.pace.slot(),
            is_throttled: self.pace.throttled_until(now).is_some(),
            is_breaker_open: self.is_dark(),
            is_paused: self.pause.is_some(),
            is_halted: self.halted.is_some(),
            is_outbox_down: self.outbox_is_down(),
            is_ending: self.is_ending(),
            n_passed_over: self.n_passed_over,
        }
    }

    /// It has no row, and may post the next one at once.
    pub fn is_idle(&self) -> bool {
        self.n_live == 0 && self.pause.is_none() && matches!(self.breaker.traffic(), Traffic::All)
    }

    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    pub fn end(&mut self, reason: Reason, now: Duration) {
        self.ending.get_or_insert((reason, now));
        self.give_back();
    }

    /// Whether nothing may be sent for this purpose now, and not within a moment either.
    pub fn is_shut(&self, purpose: Purpose, now: Duration) -> bool {
        if self.is_ending() {
            return true;
        }
        match purpose {
            Purpose::Probe => self.pause.is_some(),
            Purpose::LookUp => self.rows_are_barred(now),
            Purpose::Post(row) => {
                self.rows_are_barred(now)
                    || match self.breaker.traffic() {
                        Traffic::All => false,
                        Traffic::OneTrial(trial) => trial.is_some_and(|trial| trial != row),
                        Traffic::LookUps { .. } | Traffic::Nothing { .. } => true,
                    }
            }
        }
    }

    /// Whether no row may be claimed or sent now, of whatever kind.
    pub fn rows_are_barred(&self, now: Duration) -> bool {
        self.pause.is_some() || self.outbox_is_down() || self.is_dark() || self.long_throttle(now).is_some()
    }

    /// Whether the breaker is open.
    pub fn is_dark(&self) -> bool {
        matches!(self.breaker.traffic(), Traffic::Nothing { .. })
    }

    /// Until when no claim is held, if the throttle is so long.
    pub fn long_throttle(&self, now: Duration) -> Option<Duration> {
        let until = self.pace.throttled_until(now)?.checked_sub(HOLD_MAX)?;
        (now < until).then_some(until)
    }

    /// What HubSoft's clock shows, as well as can be told `awake` after it was heard.
    pub fn hubsoft_now(&self, awake: Duration) -> Option<Timestamp> {
        let (date, heard) = self.hubsoft_clock?;
        Some(after(date, awake.saturating_sub(heard)))
    }

    pub fn outbox_is_down(&self) -> bool {
        !self.failing.is_empty()
    }

    pub fn settles_fail(&self) -> bool {
        self.failing.contains(&Fails::Settles) || self.failing.contains(&Fails::StuckSettles)
    }

    pub fn shares_fail(&self) -> bool {
        self.failing.contains(&Fails::Shares)
    }

    pub fn set_failing(&mut self, what: Fails) {
        self.failing.insert(what);
    }

    pub fn set_working(&mut self, what: Fails) {
        self.failing.remove(&what);
    }

    /// When the next login may go. `None`: that is being asked.
    pub fn next_login(&mut self, now: Duration) -> Option<Duration> {
        let own = self.pace.next_login();
        match (self.sharing, self.login) {
            // Not asked for before it is of use.
            _ if now < own => Some(own),
            (Sharing::Alone, _) => Some(own),
            (Sharing::Shared, Login::Given(at)) => Some(at),
            (Sharing::Shared, Login::Unasked | Login::Asked) => {
                self.login = Login::Asked;
                None
            }
        }
    }

    /// A login is about to be sent.
    pub fn logs_in(&mut self, now: Duration) {
        self.pace.logs_in(now);
        self.login = Login::Unasked;
    }

    /// Something all must know.
    pub fn tell(&mut self, news: impl Into<News>) {
        if self.sharing == Sharing::Shared {
            self.news.add(news.into());
        }
    }

    /// What could not be sent before may be now.
    pub fn unbar(&mut self) {
        if let Work::Barred { .. } = self.work {
            self.work = Work::Maybe;
        }
    }

    /// How many more slots this run has use for, if slots are shared: for what waits, and while more is
    /// due for twice as many as it used last, so that a quick run asks for enough at once.
    pub fn slots_wanted(&mut self, now: Duration) -> u32 {
        let more_is_due = self.work == Work::Maybe && 0 < self.n_unsent;
        let n_waiting = u32::try_from(self.n_unsent + self.n_waiting).unwrap_or(u32::MAX);
        match self.pace.slot_lease() {
            None => 0,
            Some(lease) => {
                let n_hoped = if more_is_due { lease.n_used().saturating_mul(2) } else { 0 };
                n_waiting.max(n_hoped).saturating_sub(lease.n_left(now))
            }
        }
    }

    /// How many more posts may be on their way.
    pub fn post_room(&self) -> usize {
        let most = match (self.breaker.traffic(), self.guards.alone_left()) {
            (Traffic::LookUps { .. } | Traffic::Nothing { .. }, _) => 0,
            (Traffic::OneTrial(_), _) => 1,
            (Traffic::All, Some(left)) => left as usize,
            (Traffic::All, None) => return usize::MAX,
        };
        most.saturating_sub(self.n_live_posts)
    }

    /// Whether an answered look-up costs patience. Once HubSoft answers again but there is no row
    /// left whose post could prove it, look-ups count, or the rest would wait for a day.
    pub fn looks(&self) -> Looks {
        match self.breaker.traffic() {
            Traffic::All | Traffic::LookUps { is_tried: false } => Looks::Count,
            Traffic::OneTrial(None) if self.n_live_posts == 0 => Looks::Count,
            Traffic::OneTrial(_) | Traffic::LookUps { is_tried: true } | Traffic::Nothing { .. } => {
                Looks::Free
            }
        }
    }

    /// Whether this run can find out for all that HubSoft is back: with a post, only if it has a row for it.
    pub fn prober(&mut self, now: Duration) -> Prober {
        if self.halted.is_some() || self.pause.is_some() {
            return Prober::Unfit;
        }
        let was_idle = self.idle_since.take();
        match self.breaker.traffic() {
            // Where it is the pace that it waits for, others would wait too.
            Traffic::OneTrial(None) if self.n_live_posts == 0 && self.pace.next_slot() <= now + AHEAD => {
                let since = *self.idle_since.insert(was_idle.unwrap_or(now));
                if since + TRIAL_IDLE_MAX <= now { Prober::Postless } else { Prober::Ready }
            }
            // What is due and may not be sent now can only be a post.
            Traffic::LookUps { .. } if !matches!(self.work, Work::Barred { .. }) => Prober::Postless,
            _ => Prober::Ready,
        }
    }

    /// The claim that a sender takes next, of those that may be sent.
    pub fn take_claim(&mut self) -> Option<QueuedClaim> {
        let look_up_first = self.posts.is_empty() || LOOK_UP_SHARE - 1 <= self.n_posts_since_look_up;
        if look_up_first && let Some(queued) = self.look_ups.pop_front() {
            self.n_posts_since_look_up = 0;
            return Some(queued);
        }
        self.n_posts_since_look_up = self.n_posts_since_look_up.saturating_add(1);
        self.posts.pop_front()
    }

    /// Of the claims that might be the trial one stays: of another lote than the one that HubSoft could not
    /// open a ticket for last, if there is one, else one drawn by chance. `draw` gives one of so many.
    pub fn choose_trial(&mut self, draw: impl FnOnce(usize) -> usize) {
        if self.breaker.traffic() != Traffic::OneTrial(None) || self.posts.len() < 2 {
            return;
        }
        let (mut others, mut same): (Vec<_>, Vec<_>) =
            self.posts.drain(..).partition(|post| Some(&post.claim.lote) != self.stumbled.as_ref());
        let among = if others.is_empty() { &mut same } else { &mut others };
        let chosen = among.swap_remove(draw(among.len()));
        self.posts.push_back(chosen);
        self.release(others.into_iter().chain(same).collect());
    }

    /// A lote is halted: gives back what is to be posted of it, now and from claims under way.
    pub fn halt_lote(&mut self, lote: &Arc<str>) {
        self.halting.push(Halting { lote: Arc::clone(lote), is_stored: false });
        self.give_back_halting();
    }

    /// The outbox knows: claims that begin from now on do not bring the lote's rows.
    pub fn halt_stored(&mut self, lote: &Arc<str>) {
        for halt in self.halting.iter_mut().filter(|halt| halt.lote == *lote) {
            halt.is_stored = true;
        }
        if !self.claiming {
            self.halting.retain(|halt| !halt.is_stored);
        }
    }

    /// What the claim brought is queued.
    pub fn claim_ended(&mut self) {
        self.claiming = false;
        self.give_back_halting();
        self.halting.retain(|halt| !halt.is_stored);
    }

    fn give_back_halting(&mut self) {
        if self.halting.is_empty() {
            return;
        }
        let halting = &self.halting;
        let (back, keep) =
            self.posts.drain(..).partition(|post| halting.iter().any(|halt| halt.lote == post.claim.lote));
        self.posts = keep;
        self.release(back);
    }

    /// Gives back the claims that wait and may not be sent any more: nothing of them was.
    pub fn give_back(&mut self) {
        let back = self.posts.drain(..).chain(self.look_ups.drain(..)).collect();
        self.release(back);
    }

    fn release(&mut self, back: VecDeque<QueuedClaim>) {
        for queued in back {
            self.n_unsent -= 1;
            if queued.claim.doubt.is_none() {
                self.n_live_posts -= 1;
            }
            self.outgoing.push_back(release(&queued.claim));
        }
    }
}
