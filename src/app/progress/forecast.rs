//! How fast a run is, and when it will be through, as far as that can be told: from how fast it has been
//! lately, and what is left.
//!
//! What is left is told in requests, as far as they can be foreseen: rows in doubt are looked up, and of the
//! rows that are to come as many will be in doubt as of late. The pace is that of the last minute in which
//! something could be sent, so that a pause neither slows what is told nor is forgotten: its end, where it is
//! known, comes on top. Where HubSoft refused a faster pace, it climbs back to what the operator allows.
//!
//! A minute after the run began, and a minute after its pace was another one, what is told is off by less
//! than a tenth of what is left, or by ten seconds (`tests`, in models of such runs). Where lost posts leave
//! nothing, it takes minutes until the first of them shows that, and it is too early for as long.
//!
//! Pure: times are durations since the run began.

use std::collections::VecDeque;
use std::time::Duration;

/// A run slower than this part of its ceiling is held back by something else.
pub const AT_CEILING: f64 = 0.85;

/// How far back it looks: long enough to be steady, short enough that an old pace does not count.
const WINDOW: Duration = Duration::from_secs(60);

/// Between two looks that are kept.
const STEP: Duration = Duration::from_secs(1);

/// Nothing is said before so much time was seen, ...
const SEEN_MIN: Duration = Duration::from_secs(10);

/// ... and so many requests and rows in it.
const DONE_MIN: f64 = 10.0;

/// How far back the pace of now is measured.
const NOW: Duration = Duration::from_secs(10);

/// The pace is not told before so much time was seen.
const PACE_SEEN_MIN: Duration = Duration::from_secs(2);

/// Doubts whose length is remembered. One will last about as long as the longest of them.
const DOUBTS_KEPT: usize = 16;

/// Slots a second where there is no limit: the most that can be asked for.
const UNLIMITED_PER_S: f64 = 1e6;

/// How many of something come a second.
#[derive(Debug)]
pub struct Lately {
    /// So many there were then, at most [`NOW`] ago.
    looks: VecDeque<(Duration, u64)>,
}

impl Lately {
    /// None yet.
    pub fn from_now() -> Self {
        Self { looks: VecDeque::from([(Duration::ZERO, 0)]) }
    }

    /// There are so many at `now`.
    pub fn see(&mut self, now: Duration, n: u64) {
        if self.looks.back().is_some_and(|(at, _)| now < *at + STEP) {
            return;
        }
        self.looks.push_back((now, n));
        while self.looks.front().is_some_and(|(at, _)| *at + NOW < now) {
            self.looks.pop_front();
        }
    }

    /// So many a second, of late; `None` before that can be told.
    pub fn pace(&self) -> Option<f64> {
        let ((began, before), (now, after)) = (self.looks.front()?, self.looks.back()?);
        let seen = now.saturating_sub(*began);
        (PACE_SEEN_MIN <= seen).then(|| after.saturating_sub(*before) as f64 / seen.as_secs_f64())
    }
}

/// What a run has done since it began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Rows that are done with.
    pub n_rows: u64,
    /// Rows that came in doubt.
    pub n_doubted: u64,
    /// Rows that are in doubt.
    pub n_in_doubt: u64,
    /// Posts and look-ups.
    pub n_requests: u64,
}

/// What is left, and what is known of the time that it will take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead {
    pub n_to_send: u64,
    pub n_in_doubt: u64,
    /// For how long the newest of them is.
    pub newest_doubt: Duration,
    /// Nothing is sent for so long.
    pub held_for: Duration,
    /// Between two slots; `None`: no limit.
    pub slot: Option<Duration>,
    /// Between two slots once a lowered rate has climbed back, and how long that takes.
    pub climb: Option<(Duration, Duration)>,
}

/// When a run will be through.
#[derive(Debug)]
pub struct Forecast {
    /// At most [`WINDOW`] old, but for the first.
    looks: VecDeque<Look>,
    /// The last time it looked.
    seen: Duration,
    /// How long the last doubts lasted; before any has ended, what one lasts at the longest.
    doubts: VecDeque<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// Time in which something could be sent.
    at: Duration,
    /// Slots in it.
    n_slots: f64,
    done: Done,
}

impl Forecast {
    /// Nothing is done yet. A doubt may last for `settle_delay`.
    pub fn from_now(settle_delay: Duration) -> Self {
        Self {
            looks: VecDeque::from([Look::default()]),
            seen: Duration::ZERO,
            doubts: VecDeque::from([settle_delay]),
        }
    }

    /// So much is done at `now`. `is_held`: since the last look nothing could be sent.
    pub fn see(&mut self, now: Duration, is_held: bool, slot: Option<Duration>, done: Done) {
        let Some(last) = self.looks.back().copied() else { return };
        let passed = now.saturating_sub(self.seen);
        if passed < STEP {
            return;
        }
        self.seen = now;
        if is_held {
            return;
        }
        let n_slots = last.n_slots + passed.as_secs_f64() * per_second(slot);
        let look = Look { at: last.at + passed, n_slots, done };
        self.looks.push_back(look);
        while self.looks.get(1).is_some_and(|look_1| look_1.at + WINDOW <= look.at) {
            self.looks.pop_front();
        }
    }

    /// A row was in doubt for so long, and is not any more.
    pub fn doubt_ended(&mut self, lasted: Duration) {
        self.doubts.push_back(lasted);
        while DOUBTS_KEPT < self.doubts.len() {
            self.doubts.pop_front();
        }
    }

    /// How long it will take yet, about; `None` as long as nobody can know.
    pub fn left(&self, ahead: &Ahead) -> Option<Duration> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        let seen = last.at.saturating_sub(first.at);
        let since = |of: fn(&Done) -> u64| of(&last.done) as f64 - of(&first.done) as f64;
        let n_requests = since(|done| done.n_requests);
        let lasts = self.doubts.iter().max().copied().unwrap_or_default();
        let doubts_left = lasts.checked_sub(ahead.newest_doubt).filter(|_| 0 < ahead.n_in_doubt);
        if ahead.n_to_send == 0 {
            return doubts_left;
        }
        // Rows that are in doubt owe a look-up each.
        let owed = since(|done| done.n_in_doubt);
        let n_begun = since(|done| done.n_rows) + owed;
        if seen < SEEN_MIN || n_requests < DONE_MIN || n_begun < DONE_MIN {
            return None;
        }
        let n_to_send = ahead.n_to_send as f64;
        let each = ((n_requests + owed) / n_begun).max(1.0);
        let n_slots = last.n_slots - first.n_slots;
        let per_s = n_requests / seen.as_secs_f64();
        let sending = ahead.time_for(n_to_send * each + ahead.n_in_doubt as f64, per_s, n_requests / n_slots);
        // The last row that will be in doubt is so many before the end.
        let n_will_doubt = n_to_send * since(|done| done.n_doubted) / n_begun;
        let through = match 1.0 <= n_will_doubt {
            true => sending.max(sending - sending / n_will_doubt + lasts.as_secs_f64()),
            false => sending,
        };
        let left = ahead.held_for.checked_add(Duration::try_from_secs_f64(through).ok()?)?;
        Some(left.max(doubts_left.unwrap_or_default()))
    }
}

impl Ahead {
    /// Seconds for so many requests, of which of late so many came a second, and so many a slot.
    fn time_for(&self, n_requests: f64, per_s: f64, per_slot: f64) -> f64 {
        if per_slot < AT_CEILING {
            return n_requests / per_s;
        }
        // It is as fast as it may be.
        let per_s = per_slot * per_second(self.slot);
        let Some((slot, climbs_for)) = self.climb else { return n_requests / per_s };
        let (full, climbs_for) = (per_slot * per_second(Some(slot)), climbs_for.as_secs_f64());
        let n_climbing = climbs_for * (per_s + full) / 2.0;
        if n_climbing < n_requests {
            return climbs_for + (n_requests - n_climbing) / full;
        }
        // Half the climb's slope times the square of the time is what it gains.
        let slope = (full - per_s) / climbs_for;
        ((per_s * per_s + 2.0 * slope * n_requests).sqrt() - per_s) / slope
    }
}

fn per_second(slot: Option<Duration>) -> f64 {
    slot.map_or(UNLIMITED_PER_S, |slot| 1.0 / slot.as_secs_f64().max(1.0 / UNLIMITED_PER_S))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::times;

    const S: Duration = Duration::from_secs(1);

    /// A run as it is: so many rows, each tenth of which may be in doubt, at a pace that may change.
    struct Model {
        n_rows: u64,
        /// Requests that go in each second, by when it is.
        per_s: fn(u64) -> f64,
        /// Of the rate; what it is lowered to, and for how long yet.
        slot: fn(u64) -> Option<Duration>,
        climb: fn(u64) -> Option<(Duration, Duration)>,
        /// Nothing is sent from one time to the other, which is known.
        pause: (u64, u64),
        /// How long each tenth row is in doubt, and how often it is looked up meanwhile.
        doubts: Option<(u64, u64)>,
    }

    fn plain() -> Model {
        Model {
            n_rows: 6000,
            per_s: |_| 10.0,
            slot: |_| Some(S / 10),
            climb: |_| None,
            pause: (0, 0),
            doubts: None,
        }
    }

    impl Model {
        /// Runs it. When it was through, and when it was told to be, each second.
        fn run(&self) -> (f64, Vec<(u64, Option<f64>)>) {
            let mut forecast = Forecast::from_now(120 * S);
            let (mut done, mut told, mut budget) = (Done::default(), Vec::new(), 0.0);
            let (mut n_to_send, mut now) = (self.n_rows, 0_u64);
            // When each is looked up, for the last time or not, and since when it is in doubt.
            let mut look_ups: Vec<(u64, bool, u64)> = Vec::new();
            while done.n_rows < self.n_rows {
                let is_held = (self.pause.0..self.pause.1).contains(&now);
                budget = if is_held { 0.0 } else { (budget + (self.per_s)(now)).min(50.0) };
                now += 1;
                while 1.0 <= budget {
                    budget -= 1.0;
                    if let Some(place) = look_ups.iter().position(|(at, ..)| *at <= now) {
                        let (_, is_last, since) = look_ups.remove(place);
                        if is_last {
                            done.n_in_doubt -= 1;
                            done.n_rows += 1;
                            forecast.doubt_ended(S * (now - since) as u32);
                        }
                    } else if 0 < n_to_send {
                        n_to_send -= 1;
                        match self.doubts.filter(|_| n_to_send % 10 == 0) {
                            None => done.n_rows += 1,
                            Some((lasts, n)) => {
                                done.n_in_doubt += 1;
                                done.n_doubted += 1;
                                look_ups.extend((1..=n).map(|nth| (now + lasts * nth / n, nth == n, now)));
                            }
                        }
                    } else {
                        break;
                    }
                    done.n_requests += 1;
                }
                forecast.see(S * now as u32, is_held, (self.slot)(now), done);
                let newest = look_ups.iter().map(|(.., since)| now - since).min().unwrap_or_default();
                let left = forecast.left(&Ahead {
                    n_to_send,
                    n_in_doubt: done.n_in_doubt,
                    newest_doubt: S * newest as u32,
                    held_for: if is_held { S * (self.pause.1 - now) as u32 } else { Duration::ZERO },
                    slot: (self.slot)(now),
                    climb: (self.climb)(now),
                });
                if done.n_rows < self.n_rows {
                    told.push((now, left.map(|left| now as f64 + left.as_secs_f64())));
                }
            }
            (now as f64, told)
        }

        /// Holds that from each of these times on until the next change what is told is right.
        fn is_foretold(&self, name: &str, spans: &[(u64, u64)]) {
            let (end, told) = self.run();
            for (now, told) in
                told.into_iter().filter(|(now, _)| spans.iter().any(|(from, to)| (*from..*to).contains(now)))
            {
                let told = told.unwrap_or_else(|| panic!("{name}: nothing is told at {now}"));
                let (off, left) = ((told - end).abs(), end - now as f64);
                assert!(off <= (left / 10.0).max(10.0), "{name}: at {now} {told:.0} is told for {end}");
            }
        }
    }

    #[test]
    fn what_is_told_after_a_minute_can_be_believed() {
        let all = &[(60, u64::MAX)][..];
        plain().is_foretold("constant", all);
        Model { slot: |_| None, ..plain() }.is_foretold("without a limit", all);
        Model { slot: |_| Some(S / 40), ..plain() }.is_foretold("slow answers", all);
        // Nobody can know of a pause before it begins.
        Model { pause: (200, 260), ..plain() }.is_foretold("a pause", &[(201, u64::MAX)]);
        Model { doubts: Some((2, 1)), ..plain() }.is_foretold("short doubts", all);
        Model { doubts: Some((120, 1)), ..plain() }.is_foretold("long doubts", all);
        // A brown-out: six times slower for two minutes, of which nobody can know how long it lasts.
        let per_s = |at| if (120..240).contains(&at) { 10.0 / 6.0 } else { 10.0 };
        Model { per_s, ..plain() }.is_foretold("a brown-out", &[(300, u64::MAX)]);
    }

    /// Seen: a row in doubt that left nothing is looked up seven times in two minutes, which shows only then.
    #[test]
    fn doubts_that_left_nothing_show_when_they_have_lasted() {
        Model { doubts: Some((130, 7)), ..plain() }.is_foretold("lost posts", &[(200, u64::MAX)]);
    }

    #[test]
    fn a_lowered_rate_is_told_to_climb_back() {
        fn per_s(at: u64) -> f64 {
            if at < 100 { 20.0 } else { (10.0 + (at - 100) as f64 / 12.0).min(20.0) }
        }
        let slot = |at| Some(Duration::from_secs_f64(1.0 / per_s(at)));
        let climb = |at| (100..220).contains(&at).then(|| (S / 20, S * (220 - at) as u32));
        Model { per_s, slot, climb, ..plain() }.is_foretold("a climb", &[(101, u64::MAX)]);
    }

    #[test]
    fn what_is_told_does_not_jump() {
        for model in [plain(), Model { doubts: Some((120, 1)), ..plain() }] {
            let (end, told) = model.run();
            for pair in told.windows(2).filter(|pair| 60 <= pair[0].0) {
                let [(now, Some(one)), (_, Some(next))] = pair else { panic!("{pair:?}") };
                assert!((one - next).abs() <= ((end - *now as f64) / 50.0).max(10.0), "{pair:?}");
            }
        }
    }

    #[test]
    fn nothing_is_told_before_enough_is_known() {
        let told = |n: u64, per_s: u64| {
            let mut forecast = Forecast::from_now(120 * S);
            for at in 1..=n {
                let done = Done { n_rows: at * per_s / 4, n_requests: at * per_s / 4, ..Done::default() };
                forecast.see(S * at as u32, false, Some(S / 5), done);
            }
            forecast
                .left(&Ahead { n_to_send: 100, slot: Some(S / 5), ..Ahead::default() })
                .map(times::rounded)
        };
        assert_eq!(told(0, 20), None);
        assert_eq!(told(9, 20), None, "too short a time");
        assert_eq!(told(30, 0), None);
        assert_eq!(told(30, 1), None, "too few rows");
        assert_eq!(told(10, 20).as_deref(), Some("20 s"));
    }

    #[test]
    fn doubts_that_last_longer_than_any_have_no_end_that_is_known() {
        let mut forecast = Forecast::from_now(120 * S);
        let doubts = |age: u64| Ahead { n_in_doubt: 3, newest_doubt: S * age as u32, ..Ahead::default() };
        assert_eq!(forecast.left(&doubts(20)), Some(100 * S));
        assert_eq!(forecast.left(&doubts(121)), None);
        (0..DOUBTS_KEPT).for_each(|_| forecast.doubt_ended(2 * S));
        assert_eq!(forecast.left(&doubts(1)), Some(S));
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut lately = Lately::from_now();
        assert_eq!(lately.pace(), None);
        lately.see(S, 7);
        assert_eq!(lately.pace(), None, "too short a time");
        for n in 2..=60 {
            lately.see(n * S, if n <= 30 { 7 * u64::from(n) } else { 210 + 2 * u64::from(n - 30) });
        }
        assert_eq!(lately.pace(), Some(2.0));
    }
}
