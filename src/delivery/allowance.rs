//! How many requests a second HubSoft was found to bear, where that is less than the operator allows.
//!
//! A 429 lowers the rate; each ten seconds without another raise it again, first by a hundredth, then by
//! two, by three, …, up to the operator's own. So a limit that nobody told of is met seldom and left by
//! little, and one that was only there for a while is forgotten in two or three minutes.
//!
//! The workers of one outbox have one allowance: what lowers it, and what all took since, stands there
//! ([`Lowered`]), and each goes on from that.
//!
//! Pure: times are durations since the run began. What stands at a time follows from the last refusal alone.

use std::time::Duration;

use super::Rate;
use super::coordination::{Borne, Lowered, Lowers};

/// A refusal takes away that part of the rate at least, and no more than half.
const KEPT: f64 = 0.85;
const KEPT_LEAST: f64 = 0.5;

/// What was sent between two refusals, their pause included, is what HubSoft bears; a little less leaves room
/// for others. So many tell how much that is.
const ROOM: f64 = 0.97;
const TAKEN_MIN: u32 = 20;

/// Without a limit no first rate is slower: between two refusals there may have been little to send.
///
/// Source: half of the 20/s that HubSoft documents.
const UNTOLD_MOST: Duration = Duration::from_millis(100);

/// The rate is raised so often, each time by one hundredth more than the last.
///
/// Source: HubSoft documents 20/s and a burst of 200. With a ceiling of 40/s a run is then refused each
/// minute or so, which costs nothing: what is not taken during a pause may be taken after it.
const RAISED_EVERY: Duration = Duration::from_secs(10);
const RAISED_BY: f64 = 0.01;

/// After so many nothing is left of a refusal: they make a millionfold.
const RAISES_MAX: u32 = 60;

/// What is raised beyond this is no limit any more: an outbox tells no shorter times.
const SLOT_LEAST: Duration = Duration::from_micros(1);

/// So long after its pause a refusal says nothing any more.
pub const FORGOTTEN_AFTER: Duration = RAISED_EVERY.saturating_mul(RAISES_MAX);

/// The operator's rate, and what HubSoft was found to bear of it.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Between two slots, as the operator has it; `None`: no limit.
    ceiling: Option<Duration>,
    refused: Option<Refused>,
}

fingerprint! { struct Allowance { refused; lengths ceiling } }

/// The last refusal that told something. Its times are since the run began, or since it, if it is older.
#[derive(Clone, Copy, Debug)]
struct Refused {
    /// Its number at the outbox; `None`: it is this run's alone.
    by: Option<i64>,
    /// The number of the one before it that the outbox told of.
    after: Option<i64>,
    /// How long before the run it was.
    before: Duration,
    at: Duration,
    /// When its pause was to end.
    until: Duration,
    /// Between two slots from then on; `None`: there was no limit, and what it is to be does not show yet.
    slot: Option<Duration>,
    /// Slots that were taken since.
    n_taken: u32,
    /// Those that the outbox has not been told, and of these the ones that it is being told.
    n_untold: u32,
    n_telling: u32,
}

fingerprint! { struct Refused { by, after, at, until, n_taken, n_untold, n_telling; lengths before, slot } }

impl Allowance {
    pub fn new(ceiling: Rate) -> Self {
        Self { ceiling: ceiling.slot(), refused: None }
    }

    /// The operator allows something else now.
    pub fn limit(&mut self, ceiling: Rate) {
        self.ceiling = ceiling.slot();
    }

    /// The time from one slot to the next; `None`: no limit.
    pub fn slot(&self, now: Duration) -> Option<Duration> {
        self.lowered(now).or(self.ceiling)
    }

    /// Whether it is less than the operator allows.
    pub fn is_lowered(&self, now: Duration) -> bool {
        self.lowered(now).is_some()
    }

    /// How long it takes to climb back to what the operator allows, if nothing more is refused. `None`: it is
    /// there, or there is no limit.
    pub fn climbs_for(&self, now: Duration) -> Option<Duration> {
        let (lowered, refused) = (self.lowered(now)?, self.refused.as_ref()?);
        let (n_raises, mut slot, mut more) = (n_raises(refused, now), lowered, 0);
        while self.ceiling? < slot && n_raises + more < RAISES_MAX {
            more += 1;
            slot = slot.div_f64(1.0 + RAISED_BY * f64::from(n_raises + more));
        }
        Some((refused.until + RAISED_EVERY * (n_raises + more)).saturating_sub(now + refused.before))
    }

    /// A slot was taken.
    pub fn taken(&mut self) {
        if let Some(refused) = &mut self.refused {
            refused.n_taken = refused.n_taken.saturating_add(1);
            refused.n_untold = refused.n_untold.saturating_add(1);
        }
    }

    /// HubSoft refused one of too many, and everybody pauses until then.
    pub fn refused(&mut self, now: Duration, until: Duration) {
        let known = self.refused.filter(|refused| n_raises(refused, now) < RAISES_MAX);
        let borne = known.filter(|refused| TAKEN_MIN <= refused.n_taken).map(|refused| {
            let each = (now + refused.before).saturating_sub(refused.at) / refused.n_taken;
            each.div_f64(ROOM)
        });
        let slot = match (self.slot(now), borne) {
            (None, borne) => borne.map(|each| each.min(UNTOLD_MOST)),
            (Some(slot), borne) => {
                let (least, most) = (slot.div_f64(KEPT), slot.div_f64(KEPT_LEAST));
                Some(borne.unwrap_or(least).clamp(least, most))
            }
        };
        let (by, before) = (None, Duration::ZERO);
        let after = self.refused.and_then(|last| last.by.or(last.after));
        self.refused =
            Some(Refused { by, after, before, at: now, until, slot, n_taken: 0, n_untold: 0, n_telling: 0 });
    }

    /// What a refusal of this moment says to the other workers, if it was one of too many.
    pub fn lowers(&self, now: Duration) -> Option<Lowers> {
        let refused = self.refused.filter(|refused| refused.by.is_none() && refused.at == now)?;
        Some(Lowers { after: refused.after, slot: refused.slot })
    }

    /// The outbox told of the last refusal of any worker, as it stood at `then`.
    pub fn hear(&mut self, then: Duration, lowered: Option<Lowered>) {
        self.refused = lowered.map(|lowered| {
            let known = self.refused.filter(|known| known.by == Some(lowered.by));
            let n_untold = known.map_or(0, |known| known.n_untold.saturating_sub(known.n_telling));
            let at = then.saturating_sub(lowered.ago);
            Refused {
                by: Some(lowered.by),
                after: None,
                before: lowered.ago.saturating_sub(then),
                at,
                until: at + lowered.pause,
                slot: lowered.slot,
                n_taken: lowered.n_taken.saturating_add(n_untold),
                n_untold,
                n_telling: 0,
            }
        });
    }

    /// What the outbox is told of it.
    pub fn telling(&mut self, now: Duration) -> Option<Borne> {
        let slot = self.borne(now);
        let refused = self.refused.as_mut()?;
        refused.n_telling = refused.n_untold;
        Some(Borne { by: refused.by?, slot, n_taken: refused.n_telling })
    }

    /// The time from one slot to the next, while that is longer than the operator's.
    fn lowered(&self, now: Duration) -> Option<Duration> {
        self.borne(now).filter(|slot| self.ceiling.is_none_or(|ceiling| ceiling < *slot))
    }

    /// The same, whatever the operator's is.
    fn borne(&self, now: Duration) -> Option<Duration> {
        let refused = self.refused.as_ref()?;
        let n_raises = n_raises(refused, now);
        let raised: f64 = (1..=n_raises).map(|nth| 1.0 + RAISED_BY * f64::from(nth)).product();
        let slot = refused.slot.filter(|_| n_raises < RAISES_MAX)?.div_f64(raised);
        (SLOT_LEAST <= slot).then_some(slot)
    }
}

/// How often the rate was raised since.
fn n_raises(refused: &Refused, now: Duration) -> u32 {
    let n = (now + refused.before).saturating_sub(refused.until).as_nanos() / RAISED_EVERY.as_nanos();
    u32::try_from(n).unwrap_or(RAISES_MAX).min(RAISES_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::delivery::ThrottleCause;
    use crate::delivery::pace::Pace;

    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn rate(allowance: &Allowance, at: u64) -> Option<f64> {
        allowance.slot(S * at as u32).map(|slot| (10.0 / slot.as_secs_f64()).round() / 10.0)
    }

    #[test]
    fn a_refusal_lowers_the_rate_and_it_climbs_back_to_the_operators_own() {
        let mut allowance = Allowance::new(Rate::PerSecond(40.0));
        assert_eq!((rate(&allowance, 0), allowance.is_lowered(S)), (Some(40.0), false));
        allowance.refused(10 * S, 11 * S);
        let rates = [10, 20, 21, 31, 41, 51, 61, 71].map(|at| rate(&allowance, at));
        assert_eq!(rates, [34.0, 34.0, 34.3, 35.0, 36.1, 37.5, 39.4, 40.0].map(Some));
        assert!(allowance.is_lowered(70 * S) && !allowance.is_lowered(71 * S));
        let climbs = [10, 21, 70, 71].map(|at| allowance.climbs_for(at * S));
        assert_eq!(climbs, [Some(61 * S), Some(50 * S), Some(S), None]);
    }

    /// Seconds and slots from one refusal to the next, of 34/s, and what is left of that.
    #[test]
    fn what_was_taken_between_two_refusals_is_what_hubsoft_bears() {
        for (length, n_taken, expected) in [
            (2, 48, 23.3),   // 24/s, and a little room
            (2, 10, 28.9),   // too few to tell
            (2, 66, 28.9),   // what was asked for, all but
            (9, 20, 17.0),   // it had not much to send, or was to pause for long
            (700, 90, 34.0), // too long ago: 40/s again
        ] {
            let mut allowance = Allowance::new(Rate::PerSecond(40.0));
            allowance.refused(S, 2 * S);
            for _ in 0..n_taken {
                allowance.taken();
            }
            allowance.refused(S * (1 + length), S * (2 + length));
            assert_eq!(rate(&allowance, 1 + u64::from(length)), Some(expected), "{n_taken} in {length} s");
        }
    }

    #[test]
    fn without_a_limit_the_second_refusal_tells_one_for_ten_minutes() {
        let mut allowance = Allowance::new(Rate::Unlimited);
        allowance.refused(S, 2 * S);
        assert_eq!((rate(&allowance, 2), allowance.is_lowered(2 * S)), (None, false));
        for _ in 0..40 {
            allowance.taken();
        }
        allowance.refused(3 * S, 4 * S);
        assert_eq!((rate(&allowance, 3), allowance.is_lowered(3 * S)), (Some(19.4), true));
        assert_eq!((rate(&allowance, 604), allowance.is_lowered(604 * S)), (None, false));
        allowance.refused = allowance.refused.map(|refused| Refused { slot: Some(MS), ..refused });
        assert!(allowance.slot(200 * S).is_some() && allowance.slot(500 * S).is_none(), "it is none by now");
    }

    /// Seconds to the end of the first pause, and to the second refusal.
    #[test]
    fn without_a_limit_idle_time_tells_of_no_slow_hubsoft() {
        for (pause, again) in [(1, 540), (900, 905)] {
            let mut allowance = Allowance::new(Rate::Unlimited);
            allowance.refused(Duration::ZERO, S * pause);
            (0..20).for_each(|_| allowance.taken());
            allowance.refused(S * again, S * again + S);
            assert_eq!(rate(&allowance, u64::from(again)), Some(10.0));
        }
    }

    #[test]
    fn the_workers_of_an_outbox_have_one() {
        let mut allowance = Allowance::new(Rate::PerSecond(40.0));
        let heard = Lowered { by: 7, ago: 25 * S, pause: S, slot: Some(50 * MS), n_taken: 30 };
        assert_eq!(allowance.telling(5 * S), None);
        // Before this run began: its pause ended 24 s ago.
        allowance.hear(5 * S, Some(heard));
        assert_eq!((rate(&allowance, 5), rate(&allowance, 11)), (Some(20.6), Some(21.2)));
        assert!(allowance.is_lowered(5 * S));
        allowance.limit(Rate::PerSecond(2.0));
        assert_eq!((rate(&allowance, 5), allowance.is_lowered(5 * S)), (Some(2.0), false));
        allowance.limit(Rate::PerSecond(40.0));

        // What it took is told, and until that has arrived it is told again.
        let take = |allowance: &mut Allowance, n| (0..n).for_each(|_| allowance.taken());
        let told =
            |allowance: &mut Allowance| allowance.telling(6 * S).map(|borne| (borne.by, borne.n_taken));
        take(&mut allowance, 3);
        assert_eq!(told(&mut allowance), Some((7, 3)));
        take(&mut allowance, 2);
        assert_eq!(told(&mut allowance), Some((7, 5)));
        take(&mut allowance, 1);
        allowance.hear(6 * S, Some(Lowered { ago: 26 * S, n_taken: 90, ..heard }));
        assert_eq!(told(&mut allowance), Some((7, 1)));

        // 91 in 26 s, which is too few to be believed of 20.6/s: half of that.
        allowance.refused(6 * S, 7 * S);
        assert_eq!(rate(&allowance, 6), Some(10.3));
        let lowers = |allowance: &Allowance, at| {
            let told = allowance.lowers(at)?;
            Some((told.after, told.slot?.as_millis()))
        };
        assert_eq!(lowers(&allowance, 6 * S), Some((Some(7), 97)));
        assert_eq!((allowance.telling(6 * S), allowance.lowers(7 * S)), (None, None));
        // The outbox may know of that by now, or not.
        allowance.refused(7 * S, 8 * S);
        assert_eq!(lowers(&allowance, 7 * S), Some((Some(7), 114)));
        allowance.hear(8 * S, None);
        assert_eq!((rate(&allowance, 8), allowance.telling(8 * S)), (Some(40.0), None));
    }

    /// A HubSoft that bears so many a second, and so many more at once.
    struct Bucket {
        per_s: f64,
        burst: f64,
        left: f64,
        at: Duration,
    }

    impl Bucket {
        fn takes(&mut self, now: Duration) -> bool {
            let since = (now - self.at).as_secs_f64();
            self.left = (self.left + since * self.per_s).min(self.burst);
            self.at = now;
            let takes = 1.0 <= self.left;
            self.left -= f64::from(u8::from(takes));
            takes
        }
    }

    /// Sends `n_rows`, each until it is taken. How many were refused, and how long it took.
    fn send(n_rows: u32, ceiling: Rate, mut hubsoft: Bucket, asked: Option<Duration>) -> (u32, Duration) {
        let mut pace = Pace::new(ceiling);
        // A refusal comes quickly; a ticket takes its time, and says little.
        let mut answers: VecDeque<(Duration, Duration, bool)> = VecDeque::new();
        let (mut now, mut n_taken, mut n_refused) = (Duration::ZERO, 0, 0);
        while n_taken < n_rows {
            let next_slot = match pace.take(now) {
                Ok(()) => {
                    let is_taken = hubsoft.takes(now);
                    n_taken += u32::from(is_taken);
                    n_refused += u32::from(!is_taken);
                    answers.push_back((now + 5 * MS, now, is_taken));
                    now
                }
                Err(next) => next.expect("slots are its own"),
            };
            let next_answer = answers.front().map_or(Duration::MAX, |(at, ..)| *at);
            // Without a limit, as many go as may be under way.
            now = if answers.len() < 8 { next_slot.min(next_answer) } else { next_answer };
            while let Some((at, sent, is_taken)) = answers.pop_front_if(|(at, ..)| *at <= now) {
                match is_taken {
                    true => pace.accepted(sent),
                    false => drop(pace.refused(at, sent, asked, ThrottleCause::TooMany)),
                }
            }
        }
        (n_refused, now)
    }

    #[test]
    fn a_limit_that_nobody_told_of_is_used_to_the_full_and_seldom_met() {
        let per_s = Rate::PerSecond;
        for (ceiling, limit, burst, asked, n_refused_max) in [
            (per_s(40.0), 20.0, 200.0, None, 5),
            (per_s(40.0), 20.0, 200.0, Some(S), 5),
            (per_s(40.0), 20.0, 200.0, Some(5 * S), 5),
            (per_s(25.0), 20.0, 200.0, Some(S), 5),
            (per_s(10.0), 20.0, 200.0, Some(S), 0),
            (per_s(100.0), 20.0, 20.0, None, 10),
            (Rate::Unlimited, 20.0, 200.0, Some(S), 20),
        ] {
            let bucket = Bucket { per_s: limit, burst, left: burst, at: Duration::ZERO };
            let (n_refused, took) = send(4000, ceiling, bucket, asked);
            let alone = ceiling.slot().map_or(0.0, |slot| 4000.0 * slot.as_secs_f64());
            let ideal = ((4000.0 - burst) / limit).max(alone);
            let by = took.as_secs_f64() / ideal;
            let what = format!("{ceiling}, {limit}/s, {burst}, {asked:?}: {n_refused}, {by:.3}");
            assert!(n_refused <= n_refused_max && by < 1.05, "{what}");
        }
    }
}
