//! Stops sending while HubSoft is out of reach, and finds out when it is back.
//!
//! Pure: times are durations since the run began. Only what became of posts feeds it: a look-up
//! that fails alone stops nothing.

use std::time::Duration;

use super::RowId;
use super::coordination::{Holder, SharedBreaker};
use super::evidence::Health;

/// Opens after so many unavailable answers in a row ...
const STREAK_MAX: u32 = 5;
/// ... or when half of so many last answers were unavailable.
const WINDOW: u32 = 20;
const _: () = assert!(WINDOW < u32::BITS && STREAK_MAX < WINDOW / 2, "a run is noticed before a half");

/// A row over which HubSoft stumbles while it answers others is at fault itself: once it has been seen to
/// work, so many in a row open the breaker.
const STUMBLES_MAX: u32 = WINDOW;

/// After a good probe so many rows are tried, if HubSoft stumbles over them.
const TRIALS_MAX: u32 = 3;

/// Probes start this long after opening and double up to the second.
pub const PROBE_FIRST: Duration = Duration::from_secs(5);
pub const PROBE_LONGEST: Duration = Duration::from_secs(30);

/// More doublings would not fit into a number, and change nothing.
pub const PROBE_DOUBLINGS_MAX: u32 = 8;
const _: () = assert!(PROBE_LONGEST.as_secs() <= PROBE_FIRST.as_secs() << PROBE_DOUBLINGS_MAX);

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    All,
    /// Look-ups, and one post: this row's, or any if none is on its way.
    OneTrial(Option<RowId>),
    /// Look-ups: another worker tries a post, or (`is_tried` is false) none has a row to try with.
    LookUps {
        is_tried: bool,
    },
    /// A probe, when it is due; `None`: another worker probes.
    Nothing {
        probe_at: Option<Duration>,
    },
}

fingerprint! { enum Traffic { All, OneTrial(row), LookUps { is_tried }, Nothing { probe_at } } }

#[derive(Clone, Debug)]
pub struct Breaker {
    traffic: Traffic,
    /// The last answers, newest in the lowest bit; a one was unavailable.
    window: u32,
    n_seen: u32,
    streak: u32,
    /// Answers in a row that were neither a proof nor a judgement.
    n_bad: u32,
    /// Whether it has been seen to work, since it began or was last closed.
    is_well: bool,
    /// Rows that were tried since the last good probe.
    n_trials: u32,
    /// Times it opened or a probe failed since it was last closed.
    n_probes: u32,
}

fingerprint! { struct Breaker { traffic, window, n_seen, streak, n_bad, is_well, n_trials, n_probes } }

impl Default for Breaker {
    fn default() -> Self {
        Self {
            traffic: Traffic::All,
            window: 0,
            n_seen: 0,
            streak: 0,
            n_bad: 0,
            is_well: false,
            n_trials: 0,
            n_probes: 0,
        }
    }
}

impl Breaker {
    /// It was shown that HubSoft opens tickets.
    fn proven() -> Self {
        Self { is_well: true, ..Self::default() }
    }

    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub fn is_closed(&self) -> bool {
        self.traffic == Traffic::All
    }

    /// Unavailable answers in a row, over all rows.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    /// `row` is about to be posted. After a good probe, this makes it the trial.
    pub fn posting(&mut self, row: RowId) {
        if let Traffic::OneTrial(trial @ None) = &mut self.traffic {
            *trial = Some(row);
        }
    }

    /// A post of `row` came back. Returns whether what may be sent has changed.
    pub fn posted(&mut self, now: Duration, row: RowId, health: Health) -> Changed {
        match health {
            Health::Unavailable => {
                self.streak = self.streak.saturating_add(1);
                self.n_bad = self.n_bad.saturating_add(1);
            }
            Health::Stumbled => self.n_bad = self.n_bad.saturating_add(1),
            Health::Proven | Health::Judged => (self.streak, self.n_bad, self.is_well) = (0, 0, true),
            Health::NoRoute | Health::Neutral => {}
        }
        match (self.traffic, health) {
            (Traffic::All, Health::NoRoute | Health::Neutral) => Changed::No,
            (Traffic::All, Health::Stumbled) => {
                let most = if self.is_well { STUMBLES_MAX } else { STREAK_MAX };
                if most <= self.n_bad { self.open(now) } else { Changed::No }
            }
            (Traffic::All, Health::Proven | Health::Judged | Health::Unavailable) => {
                let bad = health == Health::Unavailable;
                self.window = (self.window << 1 | u32::from(bad)) & ((1 << WINDOW) - 1);
                self.n_seen = (self.n_seen + 1).min(WINDOW);
                let half_bad = self.n_seen == WINDOW && WINDOW / 2 <= self.window.count_ones();
                let run = STREAK_MAX <= self.streak || !self.is_well && STREAK_MAX <= self.n_bad;
                if bad && (run || half_bad) { self.open(now) } else { Changed::No }
            }
            (Traffic::OneTrial(Some(trial)), _) if trial == row => match health {
                Health::Proven => {
                    *self = Self::proven();
                    Changed::Yes
                }
                // It lives, but has not shown that it opens tickets: one more may try.
                Health::Judged | Health::NoRoute | Health::Neutral => self.try_another(),
                Health::Stumbled if self.n_trials + 1 < TRIALS_MAX => {
                    self.n_trials += 1;
                    self.try_another()
                }
                Health::Stumbled | Health::Unavailable => self.open(now),
            },
            // Sent before it opened: old news.
            (Traffic::OneTrial(_) | Traffic::LookUps { .. } | Traffic::Nothing { .. }, _) => Changed::No,
        }
    }

    fn try_another(&mut self) -> Changed {
        self.traffic = Traffic::OneTrial(None);
        Changed::Yes
    }

    /// Nothing more is sent under this claim of `row`, whatever became of it: a trial that told nothing is
    /// over, or all other rows would wait for it for ever.
    pub fn ended(&mut self, row: RowId) -> Changed {
        if self.traffic != Traffic::OneTrial(Some(row)) {
            return Changed::No;
        }
        self.try_another()
    }

    /// A probe came back.
    pub fn probed(&mut self, now: Duration, health: Health) {
        if let Traffic::Nothing { .. } = self.traffic {
            match health {
                // Also a route that it does not know, or that this user may not see, shows that it is there.
                Health::Proven | Health::Judged | Health::NoRoute => self.traffic = Traffic::OneTrial(None),
                Health::Unavailable | Health::Stumbled | Health::Neutral => {
                    self.open(now);
                }
            }
        }
    }

    /// HubSoft may be back: the next probe is due now, if it is this run's.
    pub fn hurry(&mut self, now: Duration) {
        if let Traffic::Nothing { probe_at: Some(at) } = &mut self.traffic {
            *at = now.min(*at);
        }
    }

    /// Nothing is to be sent until HubSoft has shown that it works, whatever it was that went wrong.
    pub fn open(&mut self, now: Duration) -> Changed {
        let wait = probe_wait(self.n_probes);
        self.n_probes = self.n_probes.saturating_add(1);
        self.n_trials = 0;
        self.traffic = Traffic::Nothing { probe_at: Some(now + wait) };
        Changed::Yes
    }

    /// What all workers know of HubSoft stands above what this one has seen.
    pub fn apply(&mut self, now: Duration, shared: SharedBreaker) -> Changed {
        let before = self.traffic;
        match (shared, before) {
            (SharedBreaker::Closed, Traffic::All) => {}
            (SharedBreaker::Closed, _) => *self = Self::proven(),
            // It is probing already, or will; the outbox gives a probe only when it is due.
            (SharedBreaker::Open(Holder::Me), Traffic::Nothing { probe_at: Some(at) }) if at <= now => {}
            (SharedBreaker::Open(Holder::Me), _) => self.traffic = Traffic::Nothing { probe_at: Some(now) },
            (SharedBreaker::Open(Holder::Other | Holder::Nobody), _) => {
                self.traffic = Traffic::Nothing { probe_at: None };
            }
            (SharedBreaker::Trial(Holder::Me), Traffic::OneTrial(_)) => {}
            (SharedBreaker::Trial(Holder::Me), _) => self.traffic = Traffic::OneTrial(None),
            (SharedBreaker::Trial(holder @ (Holder::Other | Holder::Nobody)), _) => {
                self.traffic = Traffic::LookUps { is_tried: holder == Holder::Other };
            }
        }
        if self.traffic == before { Changed::No } else { Changed::Yes }
    }
}

/// How long after opening, or after the last of so many failed probes, the next one comes.
pub fn probe_wait(n_probes: u32) -> Duration {
    PROBE_FIRST.saturating_mul(1 << n_probes.min(PROBE_DOUBLINGS_MAX)).min(PROBE_LONGEST)
}

/// Whether what may be sent is now something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn feed(breaker: &mut Breaker, all: impl IntoIterator<Item = Health>) {
        for (n, health) in all.into_iter().enumerate() {
            breaker.posted(Duration::ZERO, RowId(n as i64), health);
        }
    }

    #[test]
    fn opens_after_a_run_or_when_half_is_bad() {
        use Health::{Judged as J, Neutral as N, Proven as P, Stumbled as S, Unavailable as U};
        check(vec![U; 4], true);
        check(vec![U; 5], false);
        check([vec![U; 4], vec![P], vec![U; 4]].concat(), true);
        check([vec![U; 4], vec![J], vec![U; 4]].concat(), true);
        check([vec![U; 4], vec![N], vec![U]].concat(), false); // Throttled between: still a run.
        check([P, U].repeat(9), true); // Too few to tell.
        check([P, U].repeat(10), false);
        check([P, P, U].repeat(40), true);
        // A row at which it stumbles while it answers others is that row's affair.
        check(vec![S; 5], false);
        check(vec![S, S, U, S, U], false);
        check([vec![P], vec![S; 19]].concat(), true);
        check([vec![P], vec![S; 20]].concat(), false);
        check([vec![P], [S, S, S, J].repeat(40)].concat(), true);
        check([vec![P], vec![S; 4], vec![U; 4], vec![S; 4], vec![U]].concat(), false);
    }

    #[track_caller]
    fn check(all: Vec<Health>, closed: bool) {
        let mut breaker = Breaker::default();
        feed(&mut breaker, all);
        assert_eq!(breaker.is_closed(), closed);
    }

    #[test]
    fn probes_grow_apart_and_only_the_proof_of_the_trial_closes() {
        let mut breaker = Breaker::default();
        feed(&mut breaker, [Health::Unavailable; 5]);
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..5 {
            let Traffic::Nothing { probe_at: Some(probe_at) } = breaker.traffic() else {
                panic!("it is open")
            };
            waits.push((probe_at - now).as_secs());
            now = probe_at;
            breaker.probed(now, Health::Unavailable);
        }
        assert_eq!(waits, [5, 10, 20, 30, 30]);

        breaker.probed(now, Health::Judged);
        assert_eq!(breaker.traffic(), Traffic::OneTrial(None));
        breaker.posting(RowId(70));
        assert_eq!(breaker.traffic(), Traffic::OneTrial(Some(RowId(70))));
        breaker.posted(now, RowId(3), Health::Proven);
        assert!(!breaker.is_closed(), "a late answer to an older post is no proof of now");
        breaker.posted(now, RowId(70), Health::Judged);
        assert_eq!(breaker.traffic(), Traffic::OneTrial(None));
        breaker.posting(RowId(71));
        breaker.posted(now, RowId(71), Health::Unavailable);
        assert_eq!(breaker.traffic(), Traffic::Nothing { probe_at: Some(now + 30 * S) });
        breaker.probed(now, Health::Judged);
        breaker.posting(RowId(71));
        breaker.posted(now, RowId(71), Health::Proven);
        assert!(breaker.is_closed());
        feed(&mut breaker, [Health::Unavailable; 4]);
        assert!(breaker.is_closed(), "it starts over");
        assert_eq!(breaker.streak(), 4);
        breaker.posted(now, RowId(5), Health::Judged);
        assert_eq!(breaker.streak(), 0);
    }

    /// Seen: it was answered 401, its repetition was withheld, and no row was posted any more.
    #[test]
    fn a_trial_that_told_nothing_is_over_with_its_claim() {
        let mut breaker = Breaker::default();
        feed(&mut breaker, [Health::Unavailable; 5]);
        breaker.probed(S, Health::Judged);
        breaker.posting(RowId(7));
        assert_eq!(breaker.ended(RowId(8)), Changed::No);
        assert_eq!(breaker.traffic(), Traffic::OneTrial(Some(RowId(7))));
        assert_eq!(breaker.ended(RowId(7)), Changed::Yes);
        assert_eq!(breaker.traffic(), Traffic::OneTrial(None));
    }

    /// Seen: 40 rows that it answered 500 stood in front, and each trial took the next of them.
    #[test]
    fn some_more_rows_are_tried_where_it_stumbles_and_then_it_is_left_alone_again() {
        let mut breaker = Breaker::default();
        feed(&mut breaker, [Health::Stumbled; 5]);
        breaker.probed(S, Health::Judged);
        for row in [7, 8, 9] {
            assert_eq!(breaker.traffic(), Traffic::OneTrial(None));
            breaker.posting(RowId(row));
            breaker.posted(S, RowId(row), Health::Stumbled);
        }
        assert_eq!(breaker.traffic(), Traffic::Nothing { probe_at: Some(11 * S) });
        breaker.probed(11 * S, Health::Judged);
        breaker.posting(RowId(10));
        breaker.posted(11 * S, RowId(10), Health::Stumbled);
        assert_eq!(breaker.traffic(), Traffic::OneTrial(None), "another three");
    }

    #[test]
    fn a_hurried_probe_comes_at_once_and_the_next_ones_as_far_apart_as_ever() {
        let mut breaker = Breaker::default();
        breaker.hurry(S);
        assert!(breaker.is_closed(), "there is nothing to find out");
        feed(&mut breaker, [Health::Unavailable; 5]);
        breaker.hurry(2 * S);
        assert_eq!(breaker.traffic(), Traffic::Nothing { probe_at: Some(2 * S) });
        breaker.probed(2 * S, Health::Unavailable);
        assert_eq!(breaker.traffic(), Traffic::Nothing { probe_at: Some(12 * S) });
        breaker.apply(3 * S, SharedBreaker::Open(Holder::Other));
        breaker.hurry(3 * S);
        assert_eq!(breaker.traffic(), Traffic::Nothing { probe_at: None }, "another worker's affair");
    }

    /// A row at which it stumbles is that row's affair again.
    #[test]
    fn once_it_is_closed_hubsoft_is_known_to_work() {
        let mut by_trial = Breaker::default();
        feed(&mut by_trial, [Health::Unavailable; 5]);
        by_trial.probed(S, Health::Judged);
        by_trial.posting(RowId(7));
        by_trial.posted(S, RowId(7), Health::Proven);
        let mut by_another = Breaker::default();
        by_another.apply(S, SharedBreaker::Open(Holder::Other));
        by_another.apply(2 * S, SharedBreaker::Closed);
        for mut breaker in [by_trial, by_another] {
            feed(&mut breaker, [Health::Stumbled; 19]);
            assert!(breaker.is_closed());
            feed(&mut breaker, [Health::Stumbled]);
            assert!(!breaker.is_closed());
        }
    }

    #[test]
    fn what_all_know_stands_above_what_one_has_seen() {
        use Holder::{Me, Nobody, Other};
        use SharedBreaker::{Closed, Open, Trial};
        let all = Traffic::All;
        let nothing = |at: Option<u32>| Traffic::Nothing { probe_at: at.map(|at| at * S) };
        let trial = |row: Option<i64>| Traffic::OneTrial(row.map(RowId));
        let look_ups = |is_tried| Traffic::LookUps { is_tried };
        for (before, shared, after) in [
            (all, Closed, all),
            (trial(Some(7)), Closed, all),
            (nothing(Some(12)), Closed, all),
            (all, Open(Me), nothing(Some(10))),
            (nothing(None), Open(Me), nothing(Some(10))),
            (nothing(Some(12)), Open(Me), nothing(Some(10))), // The outbox gives none that is not due.
            (nothing(Some(10)), Open(Me), nothing(Some(10))),
            (nothing(Some(8)), Open(Me), nothing(Some(8))),
            (nothing(Some(8)), Open(Other), nothing(None)),
            (all, Open(Nobody), nothing(None)),
            (nothing(None), Open(Nobody), nothing(None)),
            (trial(Some(7)), Trial(Me), trial(Some(7))),
            (nothing(None), Trial(Me), trial(None)),
            (trial(Some(7)), Trial(Other), look_ups(true)),
            (all, Trial(Nobody), look_ups(false)),
            (look_ups(true), Trial(Nobody), look_ups(false)),
            (look_ups(true), Trial(Other), look_ups(true)),
        ] {
            let mut breaker = Breaker { traffic: before, ..Breaker::default() };
            let changed = breaker.apply(10 * S, shared);
            assert_eq!(breaker.traffic(), after, "{before:?} {shared:?}");
            assert_eq!(changed == Changed::Yes, before != after, "{before:?} {shared:?}");
        }
    }
}
