//! Who may send next: every request waits here for its slot, first come, first served at the pace, and is
//! turned away at once when nothing may be sent.

use std::collections::VecDeque;
use std::time::Duration;

use super::messages::RequestId;
use super::times::Moment;
use crate::delivery::breaker::Traffic;
use crate::delivery::concurrency::Limit;
use crate::delivery::pace::Pace;
use crate::delivery::{CLAIM_AGE_MAX, RequestKind, RowId};

/// Under a rate limit, only rows whose slots lie within this are claimed.
pub const AHEAD: Duration = Duration::from_millis(500);

/// The same where claims take long: they are made so far ahead at most. What is claimed and not sent yet is
/// looked up after a crash.
pub const AHEAD_LONGEST: Duration = Duration::from_secs(15);

/// A claim older than this is compared with the clock of a shared outbox before its post, unless that has
/// been told as lately: a machine that its hypervisor froze does not notice by itself, and others may have
/// taken its rows over. Where an answer takes long, twice that is added: what was told last was asked for so
/// long ago when the next answer comes.
pub const UNTOLD_MAX: Duration = Duration::from_secs(1);
const _: () = assert!(AHEAD.as_millis() < UNTOLD_MAX.as_millis(), "at its pace a worker need not ask");

/// A login that a shared outbox gave is asked for anew when nobody wanted it for so long: each worker may
/// have one from before a pause, and all would go together.
const LOGIN_KEPT: Duration = Duration::from_secs(2);

/// What a request is made for. It decides what turns it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A row, by a post.
    Post(RowId),
    /// A row, by a look-up.
    LookUp,
    /// All rows to come. While it waits, each of those that go before it may have to be looked up.
    List,
    /// The health of HubSoft.
    Probe,
}

fingerprint! { enum Purpose { Post(row), LookUp, List, Probe } }

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doors {
    pub is_ending: bool,
    pub is_paused: bool,
    /// No row may be sent, of whatever kind.
    pub bars_rows: bool,
    pub traffic: Traffic,
}

fingerprint! { struct Doors { is_ending, is_paused, bars_rows, traffic } }

impl Doors {
    /// Whether nothing may be sent for this purpose now, and not within a moment either.
    pub fn are_shut(&self, purpose: Purpose) -> bool {
        if self.is_ending {
            return true;
        }
        match purpose {
            Purpose::Probe => self.is_paused,
            Purpose::LookUp | Purpose::List => self.bars_rows,
            Purpose::Post(row) => {
                self.bars_rows
                    || match self.traffic {
                        Traffic::All => false,
                        Traffic::OneTrial(trial) => trial.is_some_and(|trial| trial != row),
                        Traffic::LookUps { .. } | Traffic::Nothing { .. } => true,
                    }
            }
        }
    }
}

/// How things stand when somebody asks.
#[derive(Clone, Copy)]
pub struct Scenery {
    /// Since the run began.
    pub now: Duration,
    pub moment: Moment,
    pub doors: Doors,
    /// When the outbox was asked that told its time last; `None`: nobody shares it.
    pub told_at: Option<Duration>,
    /// How far that is: how long an answer takes, if it takes long.
    pub far: Duration,
}

/// A request that asks for its slot.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    pub id: RequestId,
    pub kind: RequestKind,
    pub purpose: Purpose,
    /// When its row was claimed; `None` for a probe, and for a look at another row.
    pub claimed: Option<Moment>,
    /// It is no claim's first request: the slot of that is asked for since it was claimed.
    pub is_extra: bool,
}

fingerprint! { struct Asking { id, kind, purpose, claimed, is_extra } }

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Go,
    Withheld,
}

/// A login, where all workers share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    Unasked,
    Asked,
    /// From that time on.
    Given(Duration),
}

fingerprint! { enum Login { Unasked, Asked, Given(at) } }

#[derive(Clone, Copy, Debug)]
struct Waiting {
    asking: Asking,
    until: Until,
    /// When its claim may have become too old to be sent: no slot is spent on it.
    stale_at: Option<Duration>,
}

fingerprint! { struct Waiting { asking, until, stale_at } }

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Another login may be tried. Whoever waits holds all other logins of the run back.
    Login,
    Slot,
    /// A shared outbox, asked since then, has told its time.
    Told(Duration),
}

fingerprint! { enum Until { Login, Slot, Told(from) } }

#[derive(Clone)]
pub struct Slots {
    pub pace: Pace,
    /// How many rows' requests may be under way.
    pub limit: Limit,
    /// Those that are: each has had its slot, and no answer. A probe is none of them, nor is a login.
    under_way: Vec<RequestId>,
    /// Waits for a slot, in the order in which it came.
    line: VecDeque<Waiting>,
    /// Waits for something else.
    aside: Vec<Waiting>,
    login: Login,
    are_logins_shared: bool,
    /// How many of the line are no claim's first request.
    n_extra: usize,
    /// The doors that all who wait have been seen to pass.
    doors: Option<Doors>,
    /// The earliest time at which somebody's claim may be too old.
    stale_at: Option<Duration>,
    /// When the first of the line may have its slot, as it was told last; `None`: nobody knows.
    slot_at: Option<Duration>,
}

fingerprint! {
    struct Slots {
        pace, limit, line, aside, login, are_logins_shared, n_extra, doors, stale_at, slot_at;
        outside under_way
    }
}

impl Slots {
    pub fn new(pace: Pace, limit: Limit) -> Self {
        Self {
            pace,
            limit,
            under_way: Vec::new(),
            line: VecDeque::new(),
            aside: Vec::new(),
            login: Login::Unasked,
            are_logins_shared: false,
            n_extra: 0,
            doors: None,
            stale_at: None,
            slot_at: None,
        }
    }

    /// A request asks for its slot. `None`: it waits, and [`next`](Self::next) has the word.
    pub fn ask(&mut self, asking: Asking, scenery: &Scenery) -> Option<Word> {
        if scenery.doors.are_shut(asking.purpose) || is_stale(&asking, scenery) {
            return Some(Word::Withheld);
        }
        if asking.kind == RequestKind::Login && !self.may_log_in(scenery.now) {
            self.wait(asking, Until::Login, scenery);
            return None;
        }
        self.ask_slot(asking, scenery)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty() && self.aside.is_empty()
    }

    /// It waits no longer, whatever for, and is not under way.
    pub fn forget(&mut self, id: RequestId) {
        if let Some(at) = self.under_way.iter().position(|other| *other == id) {
            self.under_way.swap_remove(at);
        }
        if self.is_empty() {
            return;
        }
        self.aside.retain(|other| other.asking.id != id);
        if self.line.iter().any(|other| other.asking.id == id) {
            self.line.retain(|other| other.asking.id != id);
            self.n_extra = self.line.iter().filter(|other| other.asking.is_extra).count();
        }
    }

    /// It waits no longer. `false`: it did not wait.
    pub fn turn_away(&mut self, id: RequestId) -> bool {
        self.take_if(|other| other.asking.id == id).is_some()
    }

    /// Somebody who waited, and the word. Called until there is none.
    pub fn next(&mut self, scenery: &Scenery) -> Option<(Asking, Word)> {
        if self.is_empty() {
            return None;
        }
        // What shuts comes first, then what is too old: no slot is spent on either.
        if self.doors != Some(scenery.doors) {
            if let Some(asking) = self.take_if(|other| scenery.doors.are_shut(other.asking.purpose)) {
                return Some((asking, Word::Withheld));
            }
            self.doors = Some(scenery.doors);
        }
        if self.stale_at.is_some_and(|at| at <= scenery.now) {
            if let Some(asking) = self.take_if(|other| is_stale(&other.asking, scenery)) {
                return Some((asking, Word::Withheld));
            }
            let all = self.line.iter_mut().chain(&mut self.aside);
            self.stale_at = all
                .filter_map(|other| {
                    other.stale_at = stale_at(&other.asking, scenery);
                    other.stale_at
                })
                .min();
        }
        let mut at = 0;
        while let Some(Waiting { asking, until, .. }) = self.aside.get(at).copied() {
            let word = match until {
                Until::Login if self.may_log_in(scenery.now) => {
                    self.aside.remove(at);
                    self.ask_slot(asking, scenery)
                }
                Until::Told(from) if scenery.told_at.is_some_and(|told_at| from <= told_at) => {
                    self.aside.remove(at);
                    if self.pace.has_passed(from, scenery.now) {
                        // Others had theirs meanwhile, and may have waited as well: they would go together.
                        self.under_way.retain(|id| *id != asking.id);
                        self.ask_slot(asking, scenery)
                    } else {
                        Some(last_look(&asking, scenery))
                    }
                }
                Until::Login | Until::Slot | Until::Told(_) => {
                    at += 1;
                    None
                }
            };
            if let Some(word) = word {
                return Some((asking, word));
            }
        }
        while let Some(front) = self.line.front() {
            let asking = front.asking;
            if asking.kind == RequestKind::Login && self.is_login_lost(scenery.now) {
                self.line.pop_front();
                self.n_extra -= usize::from(asking.is_extra);
                self.wait(asking, Until::Login, scenery);
                continue;
            }
            if let Err(at) = self.take(&asking, scenery) {
                self.slot_at = at;
                break;
            }
            self.line.pop_front();
            self.n_extra -= usize::from(asking.is_extra);
            if let Some(word) = self.has_slot(asking, scenery) {
                return Some((asking, word));
            }
        }
        None
    }

    /// When the next of those who wait may have its word, by the clock alone.
    pub fn wakes_at(&mut self, now: Duration) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        let slot_at = self.slot_at.filter(|_| !self.line.is_empty());
        let login_at = if self.wait_to_log_in() { self.login_at(now) } else { None };
        [slot_at, login_at, self.stale_at].into_iter().flatten().min()
    }

    /// A login is about to be sent.
    pub fn logs_in(&mut self, now: Duration) {
        self.pace.logs_in(now);
        self.login = Login::Unasked;
    }

    /// Whether somebody waits until another login may be tried.
    pub fn wait_to_log_in(&self) -> bool {
        self.aside.iter().any(|other| other.until == Until::Login)
    }

    /// Whether a login is waited for that all workers share.
    pub fn wants_login(&self) -> bool {
        self.login == Login::Asked
    }

    /// The outbox has said when the login that it was asked for may go, if there is one.
    pub fn hear_login(&mut self, at: Option<Duration>) {
        self.are_logins_shared = true;
        if let (Some(at), Login::Asked) = (at, self.login) {
            self.login = Login::Given(at);
        }
    }

    /// Whether somebody waits for the time of an outbox that was asked last at `told_at`.
    pub fn wants_time(&self, told_at: Option<Duration>) -> bool {
        self.aside.iter().any(|other| match other.until {
            Until::Told(from) => told_at.is_none_or(|told_at| told_at < from),
            Until::Login | Until::Slot => false,
        })
    }

    /// How many more slots this run has use for, if slots are shared: for what waits, and while more is
    /// due for twice as many as it used last, so that a quick run asks for enough at once.
    pub fn wanted(&mut self, now: Duration, n_unsent: usize, more_is_due: bool) -> u32 {
        let n_waiting = u32::try_from(n_unsent + self.n_extra).unwrap_or(u32::MAX);
        match self.pace.slot_lease() {
            None => 0,
            Some(lease) => {
                let n_hoped = if more_is_due { lease.n_used().saturating_mul(2) } else { 0 };
                n_waiting.max(n_hoped).saturating_sub(lease.n_left(now))
            }
        }
    }

    fn ask_slot(&mut self, asking: Asking, scenery: &Scenery) -> Option<Word> {
        let is_first = self.line.is_empty() || asking.kind == RequestKind::Login;
        if is_first && self.take(&asking, scenery).is_ok() {
            return self.has_slot(asking, scenery);
        }
        self.wait(asking, Until::Slot, scenery);
        None
    }

    /// Takes a slot for it. `Err`: none is before that time, or nobody knows: an answer must come first, or
    /// the outbox.
    fn take(&mut self, asking: &Asking, scenery: &Scenery) -> Result<(), Option<Duration>> {
        // All who are under way may wait for the token of one login.
        if asking.purpose == Purpose::Probe || asking.kind == RequestKind::Login {
            return self.pace.take(scenery.now);
        }
        if self.limit.now() <= self.under_way.len() {
            if self.pace.next_slot() <= scenery.now {
                self.limit.use_up();
            }
            return Err(None);
        }
        self.pace.take(scenery.now)?;
        self.under_way.push(asking.id);
        Ok(())
    }

    fn has_slot(&mut self, asking: Asking, scenery: &Scenery) -> Option<Word> {
        if asking.kind == RequestKind::Post && is_untold(&asking, scenery) {
            // Turned away there, its slot is lost, and nothing is sent.
            self.wait(asking, Until::Told(scenery.now), scenery);
            return None;
        }
        Some(last_look(&asking, scenery))
    }

    fn wait(&mut self, asking: Asking, until: Until, scenery: &Scenery) {
        // Those who wait have been seen to pass these doors, or are looked at once more.
        self.doors = self.doors.filter(|doors| *doors == scenery.doors);
        // The time of whoever went is of nobody.
        self.stale_at = self.stale_at.filter(|_| !self.is_empty());
        let stale_at = stale_at(&asking, scenery);
        self.stale_at = self.stale_at.into_iter().chain(stale_at).min();
        let waiting = Waiting { asking, until, stale_at };
        match until {
            Until::Slot => {
                self.n_extra += usize::from(asking.is_extra);
                // All who wait may wait for the token of one login, and many for a list.
                if asking.kind == RequestKind::Login || asking.purpose == Purpose::List {
                    self.line.push_front(waiting);
                } else {
                    self.line.push_back(waiting);
                }
            }
            Until::Login | Until::Told(_) => self.aside.push(waiting),
        }
    }

    fn take_if(&mut self, is_it: impl Fn(&Waiting) -> bool) -> Option<Asking> {
        if let Some(at) = self.aside.iter().position(&is_it) {
            return Some(self.aside.remove(at).asking);
        }
        let at = self.line.iter().position(is_it)?;
        let asking = self.line.remove(at)?.asking;
        self.n_extra -= usize::from(asking.is_extra);
        Some(asking)
    }

    fn may_log_in(&mut self, now: Duration) -> bool {
        self.login_at(now).is_some_and(|at| at <= now)
    }

    /// Whether the slot of a login is due, and a throttle came between its time and that: it is asked for
    /// anew, since each worker may have one, and all would go together.
    fn is_login_lost(&mut self, now: Duration) -> bool {
        let Login::Given(at) = self.login else { return false };
        let is_lost = self.pace.next_slot() <= now && at < self.pace.throttle_ended();
        if is_lost {
            self.login = Login::Asked;
        }
        is_lost
    }

    /// When the next login may go. `None`: that is being asked.
    fn login_at(&mut self, now: Duration) -> Option<Duration> {
        let throttled = self.pace.throttled_until(now).unwrap_or_default();
        let own = self.pace.next_login().max(throttled);
        match (self.are_logins_shared, self.login) {
            // Not asked for before it is of use.
            _ if now < own => Some(own),
            (false, _) => Some(own),
            (true, Login::Given(at)) if now <= at + LOGIN_KEPT => Some(at),
            (true, Login::Given(_) | Login::Unasked | Login::Asked) => {
                self.login = Login::Asked;
                None
            }
        }
    }
}

/// Just before it is sent.
fn last_look(asking: &Asking, scenery: &Scenery) -> Word {
    if is_stale(asking, scenery) { Word::Withheld } else { Word::Go }
}

/// Whether it is to be compared with the outbox's clock first.
fn is_untold(asking: &Asking, scenery: &Scenery) -> bool {
    let untold_max = UNTOLD_MAX + 2 * scenery.far;
    scenery.told_at.is_some_and(|told_at| untold_max < scenery.now.saturating_sub(told_at))
        && asking.claimed.is_some_and(|claimed| untold_max < claimed.until(scenery.moment))
}

fn is_stale(asking: &Asking, scenery: &Scenery) -> bool {
    asking.claimed.is_some_and(|claimed| CLAIM_AGE_MAX < claimed.until(scenery.moment))
}

fn stale_at(asking: &Asking, scenery: &Scenery) -> Option<Duration> {
    let age = asking.claimed?.until(scenery.moment);
    Some(scenery.now + CLAIM_AGE_MAX.saturating_sub(age) + Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Concurrency, Rate};

    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn moment(run: Duration) -> Moment {
        let wall = jiff::Timestamp::UNIX_EPOCH + run;
        Moment { awake: run, wall, outbox: wall, hubsoft: None }
    }

    fn scenery(now: Duration) -> Scenery {
        let doors = Doors { is_ending: false, is_paused: false, bars_rows: false, traffic: Traffic::All };
        Scenery { now, moment: moment(now), doors, told_at: None, far: Duration::ZERO }
    }

    /// A post of a row that was claimed at the beginning.
    fn post(row: usize) -> Asking {
        let id = RequestId { seat: row, nth: 1 };
        let purpose = Purpose::Post(RowId(i64::try_from(row).expect("a small number")));
        let claimed = Some(moment(Duration::ZERO));
        Asking { id, kind: RequestKind::Post, purpose, claimed, is_extra: false }
    }

    /// Who has a word by then.
    fn words(slots: &mut Slots, scenery: &Scenery) -> Vec<(usize, Word)> {
        std::iter::from_fn(|| slots.next(scenery)).map(|(asking, word)| (asking.id.seat, word)).collect()
    }

    #[test]
    fn who_comes_first_goes_first_at_the_pace() {
        let mut slots = Slots::new(Pace::new(Rate::PerSecond(10.0)), Limit::new(Concurrency::Fixed(9)));
        assert_eq!(slots.ask(post(0), &scenery(Duration::ZERO)), Some(Word::Go));
        for row in 1..4 {
            assert_eq!(slots.ask(post(row), &scenery(MS)), None);
        }
        slots.forget(post(2).id);
        assert_eq!(words(&mut slots, &scenery(99 * MS)), []);
        assert_eq!(slots.wakes_at(99 * MS), Some(100 * MS));
        assert_eq!(words(&mut slots, &scenery(100 * MS)), [(1, Word::Go)]);
        assert_eq!(slots.ask(post(4), &scenery(200 * MS)), None, "another one waits longer");
        assert_eq!(words(&mut slots, &scenery(200 * MS)), [(3, Word::Go)]);
        assert_eq!(slots.wakes_at(200 * MS), Some(300 * MS));
    }

    #[test]
    fn no_more_are_under_way_than_may_be_and_who_waited_goes_before_who_comes() {
        let mut slots = Slots::new(Pace::new(Rate::Unlimited), Limit::new(Concurrency::Fixed(2)));
        let at = scenery(S);
        assert_eq!(slots.ask(post(1), &at), Some(Word::Go));
        assert_eq!(slots.ask(post(2), &at), Some(Word::Go));
        assert_eq!(slots.ask(post(3), &at), None);
        let probe = Asking { kind: RequestKind::Probe, purpose: Purpose::Probe, claimed: None, ..post(9) };
        assert_eq!(slots.wakes_at(S), Some(CLAIM_AGE_MAX + MS), "an answer must come first");
        slots.forget(post(1).id);
        assert_eq!(slots.ask(post(4), &at), None);
        assert_eq!(words(&mut slots, &at), [(3, Word::Go)]);
        slots.forget(post(3).id);
        assert_eq!(words(&mut slots, &at), [(4, Word::Go)]);
        assert_eq!(slots.ask(probe, &at), Some(Word::Go), "the health of HubSoft is besides");
    }

    /// Seen: all that might be under way waited for a token, and the login for one of them.
    #[test]
    fn a_login_waits_for_none_of_those_who_wait_for_it() {
        let mut slots = Slots::new(Pace::new(Rate::Unlimited), Limit::new(Concurrency::Fixed(2)));
        for row in 1..3 {
            assert_eq!(slots.ask(post(row), &scenery(S)), Some(Word::Go));
        }
        let login = Asking { kind: RequestKind::Login, ..post(3) };
        assert_eq!(slots.ask(login, &scenery(S)), Some(Word::Go));
        assert_eq!(slots.ask(post(3), &scenery(S)), None, "what it was for is not besides");
    }

    /// Seen: a token was revoked, and the rows that stood in line took the places of those who had found out.
    #[test]
    fn a_login_goes_before_those_who_wait_for_a_place() {
        for rate in [Rate::Unlimited, Rate::PerSecond(10.0)] {
            let mut slots = Slots::new(Pace::new(rate), Limit::new(Concurrency::Fixed(1)));
            assert_eq!(slots.ask(post(0), &scenery(S)), Some(Word::Go));
            assert_eq!(slots.ask(post(1), &scenery(S)), None);
            let login = Asking { kind: RequestKind::Login, ..post(0) };
            let at_once = slots.ask(login, &scenery(S));
            let later = words(&mut slots, &scenery(S + 100 * MS));
            assert!(at_once == Some(Word::Go) || later == [(0, Word::Go)], "{rate}: {at_once:?} {later:?}");
        }
    }

    #[test]
    fn a_page_of_what_is_open_goes_before_the_rows_that_wait() {
        let mut slots = Slots::new(Pace::new(Rate::PerSecond(10.0)), Limit::new(Concurrency::Fixed(9)));
        assert_eq!(slots.ask(post(0), &scenery(Duration::ZERO)), Some(Word::Go));
        let list = Asking { purpose: Purpose::List, claimed: None, is_extra: true, ..post(9) };
        for asking in [post(1), post(2), list] {
            assert_eq!(slots.ask(asking, &scenery(MS)), None);
        }
        assert_eq!(words(&mut slots, &scenery(100 * MS)), [(9, Word::Go)]);
        assert_eq!(words(&mut slots, &scenery(200 * MS)), [(1, Word::Go)]);
    }

    #[test]
    fn what_may_not_be_sent_is_turned_away_at_once_and_costs_no_slot() {
        let mut slots = Slots::new(Pace::new(Rate::PerSecond(1.0)), Limit::new(Concurrency::Fixed(9)));
        assert_eq!(slots.ask(post(0), &scenery(Duration::ZERO)), Some(Word::Go));
        let probe = Asking { kind: RequestKind::Probe, purpose: Purpose::Probe, claimed: None, ..post(9) };
        for asking in [post(1), post(2), probe] {
            assert_eq!(slots.ask(asking, &scenery(MS)), None);
        }
        let mut shut = scenery(2 * MS);
        shut.doors.traffic = Traffic::OneTrial(Some(RowId(2)));
        assert_eq!(words(&mut slots, &shut), [(1, Word::Withheld)]);
        shut.doors.bars_rows = true;
        assert_eq!(words(&mut slots, &shut), [(2, Word::Withheld)]);
        assert_eq!(slots.ask(post(3), &shut), Some(Word::Withheld));
        let open = Scenery { now: S, ..shut };
        assert_eq!(words(&mut slots, &open), [(9, Word::Go)], "a probe is what finds out");
    }

    #[test]
    fn a_claim_that_is_too_old_is_turned_away_and_costs_no_slot() {
        let mut slots = Slots::new(Pace::new(Rate::PerSecond(0.01)), Limit::new(Concurrency::Fixed(9)));
        assert_eq!(slots.ask(post(0), &scenery(Duration::ZERO)), Some(Word::Go));
        assert_eq!(slots.ask(post(1), &scenery(S)), None);
        let stale_at = CLAIM_AGE_MAX + MS;
        assert_eq!(slots.wakes_at(S), Some(stale_at));
        assert_eq!(words(&mut slots, &scenery(stale_at - MS)), []);
        assert_eq!(words(&mut slots, &scenery(stale_at)), [(1, Word::Withheld)]);
        assert_eq!(slots.ask(post(2), &scenery(100 * S)), Some(Word::Withheld));
        let fresh = Asking { claimed: Some(moment(100 * S)), ..post(3) };
        assert_eq!(slots.ask(fresh, &scenery(100 * S)), Some(Word::Go), "the slot is left");
    }

    #[test]
    fn an_old_claim_is_compared_with_the_clock_of_its_outbox() {
        let mut slots = Slots::new(Pace::new(Rate::Unlimited), Limit::new(Concurrency::Fixed(9)));
        let told = |now, told_at| Scenery { told_at: Some(told_at), ..scenery(now) };
        assert_eq!(slots.ask(post(0), &told(2 * S, S)), Some(Word::Go), "told lately");
        assert_eq!(slots.ask(post(1), &told(3 * S, S)), None);
        assert!(slots.wants_time(Some(S)) && !slots.wants_time(Some(3 * S)));
        assert_eq!(words(&mut slots, &told(4 * S, 2 * S)), [], "it was asked before");
        assert_eq!(words(&mut slots, &told(4 * S, 3 * S)), [(1, Word::Go)]);
        assert_eq!(slots.ask(post(2), &told(6 * S, 3 * S)), None);
        let mut late = told(7 * S, 7 * S);
        late.moment.outbox = moment(CLAIM_AGE_MAX + S).outbox;
        assert_eq!(words(&mut slots, &late), [(2, Word::Withheld)], "the machine was frozen");
        let far = Scenery { far: S, ..told(13 * S, 10 * S) };
        assert_eq!(slots.ask(post(3), &far), Some(Word::Go), "the next answer is on its way");
        assert_eq!(slots.ask(post(4), &Scenery { far: S, ..told(13 * S + MS, 10 * S) }), None);
    }

    /// Slots that passed while the time was asked for are lost.
    #[test]
    fn who_waited_long_for_the_time_goes_in_a_new_slot() {
        let mut slots = Slots::new(Pace::new(Rate::PerSecond(5.0)), Limit::new(Concurrency::Fixed(20)));
        let told = |now, told_at| Scenery { told_at: Some(told_at), ..scenery(now) };
        let (asked, answered) = (10 * S, 11 * S);
        for row in 0..20 {
            assert_eq!(slots.ask(post(row), &told(asked, S)), None);
        }
        let mut sent = Vec::new();
        for ms in 0..4000 {
            let now = asked + ms * MS;
            let told_at = if now < answered { S } else { asked.max(now - S) };
            sent.extend(words(&mut slots, &told(now, told_at)).iter().map(|_| now));
        }
        let n_within = |from: &Duration| sent.iter().filter(|at| (*from..*from + S).contains(at)).count();
        assert_eq!(sent.iter().map(n_within).max(), Some(5), "{sent:?}");
        assert!(14 <= sent.len(), "{sent:?}");
    }

    #[test]
    fn logins_have_a_pace_of_their_own_and_the_leave_of_all() {
        let login = |row| Asking { kind: RequestKind::Login, is_extra: true, ..post(row) };
        let mut slots = Slots::new(Pace::new(Rate::Unlimited), Limit::new(Concurrency::Fixed(9)));
        for row in 0..3 {
            assert_eq!(slots.ask(login(row), &scenery(Duration::ZERO)), Some(Word::Go));
            slots.logs_in(Duration::ZERO);
        }
        assert!(!slots.wait_to_log_in());
        assert_eq!(slots.ask(login(3), &scenery(S)), None);
        assert!(slots.wait_to_log_in());
        assert_eq!(slots.ask(post(4), &scenery(S)), Some(Word::Go), "others go on");
        let at = slots.wakes_at(S).expect("a login falls due");
        assert_eq!(words(&mut slots, &scenery(at)), [(3, Word::Go)]);
        assert!(!slots.wait_to_log_in());
        slots.logs_in(at);

        slots.hear_login(None);
        let at = at + 60 * S;
        let fresh = |row| Asking { claimed: Some(moment(at)), ..login(row) };
        assert_eq!(slots.ask(fresh(5), &scenery(at)), None);
        assert!(slots.wants_login());
        slots.hear_login(Some(at + S));
        assert_eq!(slots.wakes_at(at), Some(at + S));
        assert_eq!(words(&mut slots, &scenery(at + S)), [(5, Word::Go)]);
    }
}
