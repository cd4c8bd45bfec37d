//! When the next request may go: evenly spaced slots, and throttles that HubSoft asked for. The slots are
//! the run's own, or its share of those that all workers of an outbox take together.
//!
//! Pure: times are durations since the run began, and the caller does the waiting. The spacing is
//! governor's GCRA with a burst of one, its clock set by hand to the slot that is taken, so that
//! slots lie on a grid: a wake-up that is a little late does not move the slots behind it, a later
//! one does, and nothing is ever caught up in a burst.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use governor::clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::allowance::Allowance;
use super::coordination::{self, Borne, Lowers, SharedState};
use super::retry::Retry;
use super::slot_lease::SlotLease;
use super::{RETRY_AFTER_MAX, Rate, ThrottleCause, ThrottleReason};

/// How late a slot may be taken without moving its successors: half of it, so that two never go together; of
/// a shorter one this long, and no longer than the slot. What goes in a second has its slots in that second
/// and so long before it. So where that is no more than a slot, no second sees more than the rate and one; of
/// slots shorter than [`LATE_ALWAYS`] (more than 500/s) it sees as many more as go into that.
///
/// Source: a wake-up is some milliseconds late now and then, which moved the grid of 200/s by 100 ms a minute
/// where half a slot was the bound; on a busy machine eleven times as much as with this one.
const LATE_MAX: Duration = Duration::from_millis(10);

/// The same for slots that are shorter than that. A timer is up to a millisecond late, and a busy loop
/// another one.
const LATE_ALWAYS: Duration = Duration::from_millis(2);

/// A throttle nobody gave a length for grows from the first of these to the second.
const THROTTLE_FIRST: Duration = Duration::from_secs(1);
const THROTTLE_LONGEST: Duration = Duration::from_secs(60);
const _: () = assert!(
    THROTTLE_FIRST.as_nanos() < THROTTLE_LONGEST.as_nanos()
        && THROTTLE_LONGEST.as_nanos() <= RETRY_AFTER_MAX.as_nanos()
);

/// So many logins may follow each other at once (a token that is refused is renewed twice), and then
/// one more each so often, for each run. What all workers of an outbox may stands in
/// [`coordination`](coordination::LOGINS_AT_ONCE).
const LOGINS_AT_ONCE: u32 = 3;
const LOGIN_EVERY: Duration = Duration::from_secs(20);
const _: () = assert!(
    LOGINS_AT_ONCE <= coordination::LOGINS_AT_ONCE
        && coordination::LOGIN_EVERY.as_nanos() <= LOGIN_EVERY.as_nanos(),
    "one worker may no more than all"
);

/// Two ends of a throttle that are no further apart are one: it was told through another clock.
const SAME_THROTTLE: Duration = Duration::from_millis(100);

/// The ceiling that the operator chose, what HubSoft was found to bear of it, and the throttles that it asked
/// for, as one gate.
#[derive(Clone, Debug)]
pub struct Pace {
    allowance: Allowance,
    slots: Slots,
    throttle: Option<Throttle>,
    /// The number of the last throttle of all workers that it heard of.
    heard: Option<i64>,
    /// Pauses in a row that had no length of their own.
    n_guessed: u32,
    lengths: Retry,
    /// By when the logins so far have used up their time, at one each [`LOGIN_EVERY`].
    logins_until: Duration,
}

fingerprint! { struct Pace { allowance, slots, throttle, heard, n_guessed, logins_until; outside lengths } }

/// Where slots come from.
#[derive(Clone, Debug)]
enum Slots {
    Unlimited,
    Own(Grid),
    Shared(SlotLease),
}

fingerprint! { enum Slots { Unlimited, Own(grid), Shared(lease) } }

/// Nothing is sent from `at` until `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    pub at: Duration,
    pub until: Duration,
    pub reason: ThrottleReason,
}

fingerprint! { struct Throttle { at, until, reason } }

impl Pace {
    pub fn new(rate: Rate) -> Self {
        Self {
            allowance: Allowance::new(rate),
            slots: rate.slot().map_or(Slots::Unlimited, |slot| Slots::Own(Grid::new(slot))),
            throttle: None,
            heard: None,
            n_guessed: 0,
            lengths: Retry::new(THROTTLE_FIRST, THROTTLE_LONGEST, 0),
            logins_until: Duration::ZERO,
        }
    }

    /// Goes on at another rate of its own. Throttles stand.
    pub fn limit(&mut self, rate: Rate) {
        self.allowance.limit(rate);
    }

    /// Its own slots come at the rate that stands now.
    fn keep_up(&mut self, now: Duration) {
        match (&mut self.slots, self.allowance.slot(now)) {
            (Slots::Shared(_), _) => {}
            (Slots::Own(grid), Some(slot)) => grid.space(slot),
            (slots, None) => *slots = Slots::Unlimited,
            (slots, Some(slot)) => *slots = Slots::Own(Grid::new(slot)),
        }
    }

    /// Takes the slot that is due. `Err`: none is before that time, or none is known of; come again.
    pub fn take(&mut self, now: Duration) -> Result<(), Option<Duration>> {
        if let Some(until) = self.throttled_until(now) {
            return Err(Some(until));
        }
        self.keep_up(now);
        match &mut self.slots {
            Slots::Unlimited => {}
            Slots::Own(grid) => grid.take(now).map_err(Some)?,
            Slots::Shared(lease) => lease.take(now)?,
        }
        self.allowance.taken();
        Ok(())
    }

    /// When the next login may take its slot; it may have passed.
    pub fn next_login(&self) -> Duration {
        self.logins_until.saturating_sub(LOGIN_EVERY * (LOGINS_AT_ONCE - 1))
    }

    /// A login is about to be sent.
    pub fn logs_in(&mut self, now: Duration) {
        self.logins_until = self.logins_until.max(now) + LOGIN_EVERY;
    }

    /// The earliest time at which a slot is free, as far as is known; it may have passed.
    pub fn next_slot(&self) -> Duration {
        let next = match &self.slots {
            Slots::Unlimited => Duration::ZERO,
            Slots::Own(grid) => grid.next,
            Slots::Shared(lease) => lease.next_slot(),
        };
        next.max(self.throttle_ended())
    }

    /// The time from one slot of this run to its next; `None` without a rate limit.
    pub fn slot(&self) -> Option<Duration> {
        match &self.slots {
            Slots::Unlimited => None,
            Slots::Own(grid) => Some(grid.slot),
            Slots::Shared(lease) => Some(lease.slot * lease.n_workers),
        }
    }

    /// Whether HubSoft was found to bear less than the operator allows.
    pub fn is_lowered(&self, now: Duration) -> bool {
        self.allowance.is_lowered(now)
    }

    /// What a refusal of this moment says to the other workers, if it was one of too many.
    pub fn lowers(&self, now: Duration) -> Option<Lowers> {
        self.allowance.lowers(now)
    }

    /// What the outbox is told of the last refusal.
    pub fn telling(&mut self, now: Duration) -> Option<Borne> {
        self.allowance.telling(now)
    }

    /// How long its own slots take to climb back to what the operator allows, if nothing more is refused.
    pub fn climbs_for(&self, now: Duration) -> Option<Duration> {
        self.allowance.climbs_for(now).filter(|_| !matches!(self.slots, Slots::Shared(_)))
    }

    /// Whether the time of a slot that was taken then is over: the next, of whichever worker, is nearer.
    pub fn has_passed(&self, taken: Duration, now: Duration) -> bool {
        let slot = match &self.slots {
            Slots::Unlimited => return false,
            Slots::Own(grid) => grid.slot,
            Slots::Shared(lease) => lease.slot,
        };
        slot / 2 < now.saturating_sub(taken)
    }

    /// The outbox, which is so `far` away, has answered how things stood at `then`. Returns the throttle, if
    /// it is news.
    pub fn apply(
        &mut self,
        now: Duration,
        then: Duration,
        far: Duration,
        shared: &SharedState,
    ) -> Option<Throttle> {
        self.allowance.limit(shared.rate);
        self.allowance.hear(then, shared.lowered);
        match (self.allowance.slot(now), &mut self.slots) {
            (None, slots) => *slots = Slots::Unlimited,
            (Some(slot), slots) => {
                if !matches!(slots, Slots::Shared(_)) {
                    *slots = Slots::Shared(SlotLease::new());
                }
                if let Slots::Shared(lease) = slots {
                    lease.hear(then, slot, shared.n_workers, shared.free_in, shared.slots, far);
                }
            }
        }
        let throttled = shared.throttle.as_ref()?;
        let until = then + throttled.left;
        let is_known = self.heard.replace(throttled.number) == Some(throttled.number);
        if let Some(throttle) =
            self.throttle.as_mut().filter(|known| is_known || until <= known.until + SAME_THROTTLE)
        {
            throttle.until = throttle.until.max(until);
            return None;
        }
        if until <= now {
            return None;
        }
        // Whoever refused another worker refuses this one too: its next guess is longer as well.
        self.n_guessed = self.n_guessed.saturating_add(1);
        let throttle = Throttle { at: now, until, reason: throttled.reason.clone() };
        self.throttle = Some(throttle.clone());
        Some(throttle)
    }

    /// The share of the slots, where they are shared.
    pub fn slot_lease(&mut self) -> Option<&mut SlotLease> {
        match &mut self.slots {
            Slots::Shared(lease) => Some(lease),
            Slots::Unlimited | Slots::Own(_) => None,
        }
    }

    /// When the throttle ends, if there is one now.
    pub fn throttled_until(&self, now: Duration) -> Option<Duration> {
        self.throttle.as_ref().map(|throttle| throttle.until).filter(|until| now < *until)
    }

    /// When the last throttle ends, or ended.
    pub fn throttle_ended(&self) -> Duration {
        self.throttle.as_ref().map_or(Duration::ZERO, |throttle| throttle.until)
    }

    /// HubSoft refused a request that had taken its slot at `sent`: everybody waits, for as long as it asked,
    /// and for our own growing while at least: `Retry-After: 0` asks for a flood. `None`: nothing changes,
    /// because the throttle that stands already covers it (all requests in flight are refused together, and
    /// count once).
    pub fn refused(
        &mut self,
        now: Duration,
        sent: Duration,
        retry_after: Option<Duration>,
        cause: ThrottleCause,
    ) -> Option<Throttle> {
        let known = self.throttle.as_ref().is_some_and(|throttle| sent <= throttle.at);
        // Who is refused and nothing else is not refused for its rate.
        let is_too_fast = cause == ThrottleCause::TooMany && !known && self.n_guessed == 0;
        let own = match known {
            true => Duration::ZERO,
            false => {
                self.n_guessed = self.n_guessed.saturating_add(1);
                self.lengths.ceiling(self.n_guessed)
            }
        };
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        let length = own.max(asked);
        let until = now + length;
        if is_too_fast {
            self.allowance.refused(now, until);
            self.keep_up(now);
        }
        if length.is_zero() || self.throttle.as_ref().is_some_and(|throttle| until <= throttle.until) {
            return None;
        }
        let reason = ThrottleReason::Answered { cause, asked: (own < asked).then_some(asked) };
        let throttle = Throttle { at: now, until, reason };
        self.throttle = Some(throttle.clone());
        Some(throttle)
    }

    /// HubSoft did what was asked of it at `sent`: the next guessed throttle is short again, unless that was
    /// asked before the last one.
    pub fn accepted(&mut self, sent: Duration) {
        if self.throttle_ended() <= sent {
            self.n_guessed = 0;
        }
    }
}

/// Slots at even distances.
#[derive(Debug)]
struct Grid {
    slot: Duration,
    /// The next slot.
    next: Duration,
    late_max: Duration,
    hand: Hand,
    limiter: RateLimiter<NotKeyed, InMemoryState, Hand, NoOpMiddleware<Duration>>,
}

fingerprint! { struct Grid { next; lengths slot, late_max; outside hand, limiter } }

impl Grid {
    fn new(slot: Duration) -> Self {
        let slot = slot.max(Duration::from_nanos(1));
        let hand = Hand::default();
        let quota = Quota::with_period(slot).expect("a slot is longer than nothing");
        Self {
            slot,
            next: Duration::ZERO,
            late_max: (slot / 2).max(slot.clamp(LATE_ALWAYS, LATE_MAX)),
            hand: hand.clone(),
            limiter: RateLimiter::direct_with_clock(quota, hand),
        }
    }

    /// The next is so far from the last that was taken.
    fn space(&mut self, slot: Duration) {
        if self.slot != slot.max(Duration::from_nanos(1)) {
            *self = self.spaced(slot);
        }
    }

    /// With a limiter of its own, whose last slot is this one's.
    fn spaced(&self, slot: Duration) -> Self {
        let mut grid = Self::new(slot);
        if let Some(taken) = self.next.checked_sub(self.slot) {
            grid.next = taken + grid.slot;
            grid.hand.0.set(taken);
            let _ = grid.limiter.check();
        }
        grid
    }

    /// `Err`: none is before that time.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if now < self.next {
            return Err(self.next);
        }
        let at = if now - self.next <= self.late_max { self.next } else { now };
        self.hand.0.set(at);
        let taken = self.limiter.check();
        debug_assert!(taken.is_ok(), "`next` is the time that governor gave");
        self.next = match self.limiter.check() {
            Err(not_until) => not_until.earliest_possible(),
            Ok(()) => at + self.slot, // Unreachable with a burst of one; the slot holds even so.
        };
        Ok(())
    }
}

impl Clone for Grid {
    fn clone(&self) -> Self {
        self.spaced(self.slot)
    }
}

/// A clock that stands where it was set.
#[derive(Clone, Debug, Default)]
struct Hand(Rc<Cell<Duration>>);

impl clock::Clock for Hand {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::coordination::{SharedBreaker, Throttled};

    const MS: Duration = Duration::from_millis(1);

    /// Takes slots at the first chance, each wake-up as late as told, and returns when.
    fn walk(rate: f64, late: impl IntoIterator<Item = Duration>) -> Vec<Duration> {
        let mut pace = Pace::new(Rate::PerSecond(rate));
        let mut taken = Vec::new();
        let mut now = Duration::ZERO;
        for late in late {
            if let Err(Some(next)) = pace.take(now) {
                now = next + late;
                assert_eq!(pace.take(now), Ok(()));
            }
            taken.push(now);
        }
        taken
    }

    fn peak_in_1s(taken: &[Duration]) -> usize {
        let second = Duration::from_secs(1);
        (0..taken.len())
            .map(|from| taken[from..].iter().take_while(|at| **at - taken[from] < second).count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn a_slightly_late_wake_up_does_not_move_the_grid() {
        let taken = walk(50.0, (0..3001).map(|n| MS * (n % 10)));
        assert!((taken[3000].as_secs_f64() - 60.0).abs() < 0.02, "{:?}", taken[3000]);
        assert!(peak_in_1s(&taken) <= 51);
    }

    #[test]
    fn a_late_one_moves_its_successors() {
        for (rate, late, expected) in [
            (10.0, [0, 0, 70, 0, 0], [0, 100, 270, 370, 470]),
            (10.0, [0, 0, 50, 0, 0], [0, 100, 250, 300, 400]),
            (100.0, [0, 0, 10, 0, 0], [0, 10, 30, 30, 40]),
            (200.0, [0, 0, 3, 0, 0], [0, 5, 13, 15, 20]),
            (200.0, [0, 0, 7, 0, 0], [0, 5, 17, 22, 27]),
            (1000.0, [0, 0, 2, 0, 0], [0, 1, 4, 4, 4]),
        ] {
            let taken = walk(rate, late.map(|n| MS * n));
            assert_eq!(taken, expected.map(|n| MS * n), "{rate}/s, late by {late:?} ms");
        }
    }

    #[test]
    fn a_pause_holds_everybody_and_ends_without_a_burst() {
        let mut pace = Pace::new(Rate::PerSecond(10.0));
        assert_eq!(pace.take(Duration::ZERO), Ok(()));
        let throttle = pace
            .refused(50 * MS, Duration::ZERO, Some(2000 * MS), ThrottleCause::Unavailable)
            .expect("a new throttle");
        let asked = Some(Duration::from_secs(2));
        assert_eq!(throttle.reason, ThrottleReason::Answered { cause: ThrottleCause::Unavailable, asked });
        assert_eq!(pace.take(100 * MS), Err(Some(2050 * MS)));
        assert_eq!(pace.take(2050 * MS), Ok(()));
        assert_eq!(pace.take(2051 * MS), Err(Some(2150 * MS)));
    }

    #[test]
    fn a_429_lowers_the_rate_once_a_pause_and_nothing_else_does() {
        use ThrottleCause::{Asked, TooMany, Unavailable};
        for (refusals, expected) in [
            // When it was sent and refused, and why; 20/s, 17/s, 14.45/s.
            (&[(0, 50, Unavailable), (1100, 1150, Asked)][..], 50_000),
            (&[(0, 50, TooMany)][..], 58_823),
            (&[(0, 50, TooMany), (50, 90, TooMany), (40, 800, TooMany)][..], 58_823),
            (&[(0, 50, Unavailable), (1100, 1150, TooMany)][..], 50_000),
            (&[(0, 50, TooMany), (1100, 1150, TooMany)][..], 58_823),
        ] {
            let mut pace = Pace::new(Rate::PerSecond(20.0));
            assert_eq!((pace.is_lowered(MS), pace.climbs_for(MS), pace.lowers(MS)), (false, None, None));
            for (sent, at, cause) in refusals {
                let _ = pace.refused(*at * MS, *sent * MS, None, *cause);
            }
            assert_eq!(pace.slot().map(|slot| slot.as_micros()), Some(expected), "{refusals:?}");
            pace.accepted(8000 * MS);
            let _ = pace.refused(10_000 * MS, 9000 * MS, None, TooMany);
            let lowered = pace.slot().expect("a slot").as_micros();
            assert!(expected < lowered && pace.is_lowered(11_000 * MS), "something was done meanwhile");
            assert!(
                pace.lowers(10_000 * MS).is_some() && pace.lowers(10_001 * MS).is_none(),
                "of this moment"
            );
            let climbs = [11, 12].map(|s| pace.climbs_for(s * 1000 * MS).expect("it climbs"));
            assert_eq!(climbs[0] - climbs[1], 1000 * MS);
            assert_eq!(pace.take(600_000 * MS), Ok(()));
            assert_eq!(pace.slot(), Some(50 * MS), "as if nothing had been");
        }
    }

    #[test]
    fn at_another_rate_the_last_slot_stands() {
        let mut pace = Pace::new(Rate::PerSecond(10.0));
        assert_eq!(pace.take(1000 * MS), Ok(()));
        pace.limit(Rate::PerSecond(2.0));
        assert_eq!(pace.take(1001 * MS), Err(Some(1500 * MS)));
        pace.limit(Rate::PerSecond(20.0));
        assert_eq!(pace.take(1002 * MS), Err(Some(1050 * MS)));
        assert_eq!(pace.take(1050 * MS), Ok(()));
        pace.limit(Rate::Unlimited);
        assert_eq!(pace.take(1051 * MS), Ok(()));
    }

    /// Seen: a database's clock that was set back made a throttle of 10 min one of 70, begun anew every 2 s.
    #[test]
    fn a_pause_of_all_is_begun_once_whatever_the_clocks_say() {
        let mut pace = Pace::new(Rate::Unlimited);
        let mut hear = |now: u64, number, left: u64| {
            let (now, left) = (Duration::from_secs(now), Duration::from_secs(left));
            let shared = SharedState {
                now: jiff::Timestamp::UNIX_EPOCH,
                rate: Rate::Unlimited,
                n_workers: 2,
                slots: None,
                free_in: Duration::ZERO,
                login_in: None,
                throttle: Some(Throttled { number, left, reason: ThrottleReason::Said("429".to_owned()) }),
                lowered: None,
                pause: None,
                breaker: SharedBreaker::Closed,
            };
            pace.apply(now, now, Duration::ZERO, &shared).map(|throttle| throttle.until.as_secs())
        };
        assert_eq!(hear(10, 1, 60), Some(70));
        assert_eq!(hear(12, 1, 58), None);
        assert_eq!(hear(14, 1, 900), None, "the same throttle, by a clock that was set");
        assert_eq!(hear(16, 1, 900), None);
        assert_eq!(hear(20, 2, 5), None, "another one, which ends before");
        assert_eq!(hear(30, 3, 2000), Some(2030));
        assert_eq!(hear(40, 4, 1990), None, "who was refused at once with it");
    }

    #[test]
    fn guessed_pauses_grow_once_a_round_and_forget_after_a_success() {
        let mut pace = Pace::new(Rate::Unlimited);
        let mut seconds = Vec::new();
        let mut now = Duration::ZERO;
        for _ in 0..8 {
            let sent = now;
            now += MS;
            let throttle = pace.refused(now, sent, None, ThrottleCause::TooMany).expect("a new throttle");
            assert_eq!(
                pace.refused(now + MS, sent, None, ThrottleCause::TooMany),
                None,
                "sent before the throttle"
            );
            // It took its time, and says nothing of what came after.
            pace.accepted(sent);
            seconds.push((throttle.until - throttle.at).as_secs());
            now = throttle.until + MS;
        }
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        pace.accepted(now);
        let throttle = pace.refused(now, now, None, ThrottleCause::TooMany).expect("a new throttle");
        assert_eq!(throttle.until - throttle.at, Duration::from_secs(1));
    }

    #[test]
    fn retry_after_nothing_is_no_leave_to_go_on_at_once() {
        let mut pace = Pace::new(Rate::Unlimited);
        let mut now = Duration::ZERO;
        let mut lengths = Vec::new();
        for asked in [0, 0, 20, 0, 3] {
            let sent = now;
            now += MS;
            let asked = Some(Duration::from_secs(asked));
            let throttle = pace.refused(now, sent, asked, ThrottleCause::TooMany).expect("a new throttle");
            lengths.push((throttle.until - throttle.at).as_secs());
            assert_eq!(
                pace.refused(now + MS, sent, Some(MS), ThrottleCause::TooMany),
                None,
                "sent before the throttle"
            );
            now = throttle.until + MS;
        }
        assert_eq!(lengths, [1, 2, 20, 8, 16]);
    }

    #[test]
    fn logins_have_a_pace_of_their_own() {
        let mut pace = Pace::new(Rate::Unlimited);
        let mut now = Duration::ZERO;
        let mut seconds = Vec::new();
        for _ in 0..6 {
            now = now.max(pace.next_login());
            pace.logs_in(now);
            seconds.push(now.as_secs());
        }
        assert_eq!(seconds, [0, 0, 0, 20, 40, 60]);
        // What was not used in an hour is not caught up.
        now += Duration::from_secs(3600);
        for _ in 0..3 {
            assert!(pace.next_login() <= now);
            pace.logs_in(now);
        }
        assert_eq!(pace.next_login(), now + Duration::from_secs(20));
    }

    #[test]
    fn a_shorter_wish_does_not_shorten_a_pause() {
        let mut pace = Pace::new(Rate::Unlimited);
        let hour = Duration::from_secs(3600);
        let throttle =
            pace.refused(MS, Duration::ZERO, Some(hour), ThrottleCause::Unavailable).expect("a new throttle");
        assert_eq!(throttle.until, MS + RETRY_AFTER_MAX, "capped");
        assert_eq!(pace.refused(2 * MS, Duration::ZERO, Some(MS), ThrottleCause::Unavailable), None);
        assert_eq!(pace.take(3 * MS), Err(Some(throttle.until)));
    }

    proptest! {
        #[test]
        fn no_minute_has_more_logins_than_hubsoft_bears(wishes in prop::collection::vec(0_u64..40_000, 2..200)) {
            let (mut pace, mut now, mut logins) = (Pace::new(Rate::Unlimited), Duration::ZERO, Vec::new());
            for wish in wishes {
                now = (now + Duration::from_millis(wish * wish / 200_000)).max(pace.next_login());
                pace.logs_in(now);
                logins.push(now);
            }
            for (n, from) in logins.iter().enumerate() {
                let until = *from + Duration::from_secs(60);
                prop_assert!(logins[n..].partition_point(|at| *at <= until) <= 25);
            }
        }

        #[test]
        fn no_second_sees_more_than_the_rate_and_one(
            rate in 1_u32..=500,
            // In slots: most of them in their time, and few that move the grid.
            late in prop::collection::vec(
                prop_oneof![60 => Just(0.0), 40 => 0.0..=1.0, 1 => 0.0..3.0, 1 => 0.0..300.0],
                2..1500,
            ),
        ) {
            let slot = Duration::from_secs(1) / rate;
            let taken = walk(f64::from(rate), late.into_iter().map(|late| slot.mul_f64(late)));
            // A slot is a whole number of nanoseconds, and so up to half of one short.
            let second = Duration::from_secs(1) - Duration::from_micros(1);
            for (n, from) in taken.iter().enumerate() {
                let n_in_it = taken[n..].partition_point(|at| *at - *from < second);
                prop_assert!(n_in_it <= rate as usize + 1, "{} at {}/s", n_in_it, rate);
            }
        }

        #[test]
        fn never_faster_than_the_rate(
            rate in 0.1_f64..500.0,
            late in prop::collection::vec(0_u64..20_000, 2..400),
        ) {
            let taken = walk(rate, late.into_iter().map(Duration::from_micros));
            let slot = 1.0 / rate;
            let slack = (slot / 2.0).max(slot.min(LATE_MAX.as_secs_f64())) + 1e-6;
            for (n, at) in taken.iter().enumerate() {
                // From the first slot on, the nth comes no earlier than the grid allows.
                prop_assert!(n as f64 * slot - 1e-6 <= at.as_secs_f64());
            }
            for pair in taken.windows(2) {
                prop_assert!(slot - slack <= (pair[1] - pair[0]).as_secs_f64());
            }
        }
    }

    #[test]
    fn a_slot_has_passed_once_the_next_is_nearer() {
        let mut shared = Pace::new(Rate::PerSecond(10.0));
        let of_four = SharedState {
            now: jiff::Timestamp::UNIX_EPOCH,
            rate: Rate::PerSecond(10.0),
            n_workers: 4,
            slots: None,
            free_in: Duration::ZERO,
            login_in: None,
            throttle: None,
            lowered: None,
            pause: None,
            breaker: SharedBreaker::Closed,
        };
        shared.apply(Duration::ZERO, Duration::ZERO, Duration::ZERO, &of_four);
        for (pace, half) in [(Pace::new(Rate::PerSecond(5.0)), 100), (shared, 50)] {
            assert!(!pace.has_passed(1000 * MS, 900 * MS));
            assert!(!pace.has_passed(1000 * MS, (1000 + half) * MS));
            assert!(pace.has_passed(1000 * MS, (1001 + half) * MS));
        }
        assert!(!Pace::new(Rate::Unlimited).has_passed(Duration::ZERO, 10_000 * MS), "there are none");
    }

    #[test]
    fn a_wait_as_long_as_our_own_is_not_called_hubsofts() {
        for (asked_ms, told) in [(999, None), (1000, None), (1001, Some(1001 * MS))] {
            let mut pace = Pace::new(Rate::Unlimited);
            let throttle = pace.refused(MS, Duration::ZERO, Some(asked_ms * MS), ThrottleCause::TooMany);
            let Some(Throttle { reason: ThrottleReason::Answered { asked, .. }, .. }) = throttle else {
                panic!("a new throttle: {throttle:?}")
            };
            assert_eq!(asked, told, "{asked_ms}");
        }
    }
}
