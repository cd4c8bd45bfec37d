//! Notices when a run goes wrong as a whole, so that it stops as a whole instead of burning the file.
//!
//! Pure: times are durations since the run began. Each observation may answer with the halt it
//! calls for; the first one ends the run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::decide::Denials;
use super::evidence::{Guard, Progress, Row};
use super::{Blame, Fault, GuardLimits, Halt, PauseReason, Proof, Refusal, RowId};

/// Lotes with a streak that are remembered. A forgotten streak begins anew.
const LOTES_MAX: usize = 1000;

/// What the run has seen so far, as far as a guard cares.
#[derive(Clone, Debug)]
pub struct Guards {
    limits: GuardLimits,
    /// When `--until` strikes.
    until: Option<Duration>,
    /// Rows that HubSoft judged, up to `n_alone`.
    n_judged: u32,
    /// The refusal that repeats, and how often it came in a row; by lote where those are to blame,
    /// else under the empty name.
    same: BTreeMap<Arc<str>, (Refusal, u32)>,
    /// Different rows answered 403 since something else was answered; never more than the limit.
    forbidden: Vec<RowId>,
    n_errors: u64,
    first_try: Option<Duration>,
    /// Since when, and when last, others said that HubSoft is away.
    told_away: Option<(Duration, Duration)>,
    /// Rows whose first request left in time to reach it, and that have no answer yet.
    n_awaited: u32,
    reached: bool,
    /// Since when there have been only failures.
    failing_since: Option<Duration>,
    /// The last of them.
    last: Option<Fault>,
    /// Since when a person, or a worker in need of one, has paused everybody, and why.
    paused: Option<(Duration, PauseReason)>,
}

/// Of a guard that nobody set it tells nothing since when what lasts that it looks at.
#[cfg(feature = "inside")]
impl super::fingerprint::Fingerprint for Guards {
    fn print(&self, now: &super::fingerprint::Clocks, to: &mut impl std::hash::Hasher) {
        let Self { limits, until, n_judged, same, forbidden, n_errors, .. } = self;
        let Self { first_try, told_away, n_awaited, reached, failing_since, last: _, paused, .. } = self;
        (until, n_judged, same, forbidden).print(now, to);
        (limits.errors_max.is_some().then_some(*n_errors), n_awaited, reached).print(now, to);
        (limits.reach_within.and(*first_try), limits.reach_within.and(*told_away)).print(now, to);
        (failing_since.is_some(), limits.unavailable_max.and(*failing_since)).print(now, to);
        let paused_since = paused.as_ref().map(|(since, _)| *since);
        (paused.as_ref().map(|(_, reason)| reason.clone()), limits.paused_max.and(paused_since))
            .print(now, to);
    }
}

impl Guards {
    /// `until` is the time at which [`GuardLimits::until`] strikes.
    pub fn new(limits: GuardLimits, until: Option<Duration>) -> Self {
        Self {
            limits,
            until,
            n_judged: 0,
            same: BTreeMap::new(),
            forbidden: Vec::new(),
            n_errors: 0,
            first_try: None,
            told_away: None,
            n_awaited: 0,
            reached: false,
            failing_since: None,
            last: None,
            paused: None,
        }
    }

    /// How many more posts the first rows leave room for; `None` once they are through.
    pub fn alone_left(&self) -> Option<u32> {
        self.limits.n_alone.checked_sub(self.n_judged).filter(|left| 0 < *left)
    }

    /// Something is about to be sent.
    pub fn tries(&mut self, now: Duration) {
        self.first_try.get_or_insert(now);
    }

    /// The first request of a row is about to be sent. Returns whether its answer is waited for before
    /// HubSoft counts as never reached: then it is to be [`ended`](Self::ended).
    pub fn begins(&mut self, now: Duration) -> bool {
        self.tries(now);
        let is_awaited = self.reach_time().is_some_and(|at| now < at);
        self.n_awaited += u32::from(is_awaited);
        is_awaited
    }

    /// Such a row has its answer, or the lack of one.
    pub fn ended(&mut self) {
        self.n_awaited -= 1;
    }

    /// Others said `then` that HubSoft is away.
    pub fn told_away(&mut self, then: Duration) {
        self.told_away = Some((self.told_away.map_or(then, |(since, _)| since), then));
        self.progress(then, Progress::Unreached);
    }

    /// An answer to anything, or the lack of one.
    pub fn progress(&mut self, now: Duration, progress: Progress) {
        match progress {
            Progress::Good => {
                self.reached = true;
                self.failing_since = None;
                self.last = None;
            }
            Progress::Stalled => {
                self.reached = true;
                self.failing_since.get_or_insert(now);
            }
            Progress::Unreached => {
                self.failing_since.get_or_insert(now);
            }
        }
    }

    /// Why nothing goes forward, as the last answer or the lack of one tells.
    pub fn failed(&mut self, fault: Fault) {
        self.last = Some(fault);
    }

    /// What came of the last request, if nothing goes forward.
    pub fn last(&self) -> Option<&Fault> {
        self.last.as_ref()
    }

    /// Everybody is paused, for this reason; `None`: nobody is.
    pub fn pause_stands(&mut self, now: Duration, reason: Option<&PauseReason>) {
        self.paused = match (reason, self.paused.take()) {
            (None, _) => None,
            (Some(reason), Some((since, _))) => Some((since, reason.clone())),
            (Some(reason), None) => Some((now, reason.clone())),
        };
    }

    /// What an answer to a post or a look-up of `row` calls for, whatever it makes of the row.
    pub fn answered(&mut self, row: RowId, guard: Guard<'_>) -> Option<Halt> {
        match guard {
            Guard::Unauthorized(fault) => Some(Halt::Unauthorized(fault.clone())),
            Guard::Misconfigured(fault) => Some(Halt::Misconfigured(fault.clone())),
            Guard::Denied(fault) => {
                let n_max = self.limits.forbidden_rows as usize;
                if self.forbidden.len() < n_max && !self.forbidden.contains(&row) {
                    self.forbidden.push(row);
                }
                let n_rows = u32::try_from(self.forbidden.len()).unwrap_or(u32::MAX);
                (self.limits.forbidden_rows <= n_rows)
                    .then(|| Halt::Forbidden { n_rows, fault: fault.clone() })
            }
            Guard::Allowed => {
                self.forbidden.clear();
                None
            }
            Guard::Silent => None,
        }
    }

    /// A post of a row of `lote` came to this. The halt is the lote's where lotes are to blame.
    pub fn posted(&mut self, lote: &Arc<str>, row: Row<'_, Proof>, denials: Denials) -> Option<Halt> {
        match (row, denials) {
            // One ticket for the wrong service is that row's; twenty are a run that goes wrong.
            (Row::Answered(Proof { conflict: Some(fault), .. }), _) => {
                self.judged(lote, Some(Refusal::NotAsked { code: fault.code() }))
            }
            (Row::Answered(_) | Row::Unknown(_), _) => self.judged(lote, None),
            (Row::Refused(fault), _) | (Row::Denied(fault), Denials::Repeated) => {
                self.judged(lote, Some(Refusal::Said(fault.clone())))
            }
            (Row::Denied(_), Denials::First)
            | (Row::NotSent(_) | Row::Throttled | Row::Blameless(_) | Row::Withheld, _) => None,
        }
    }

    /// `refusal` is what HubSoft said against a row of `lote`, `None` if it opened a ticket or left us in
    /// doubt.
    fn judged(&mut self, lote: &Arc<str>, refusal: Option<Refusal>) -> Option<Halt> {
        let alone = self.n_judged < self.limits.n_alone;
        self.n_judged = self.n_judged.saturating_add(1);
        let blamed = match self.limits.blame {
            Blame::Run => Arc::from(""),
            Blame::Lote => Arc::clone(lote),
        };
        let Some(refusal) = refusal else {
            self.same.remove(&blamed);
            return None;
        };
        if LOTES_MAX <= self.same.len() {
            self.same.clear();
        }
        let n_before = self.same.remove(&blamed).filter(|(same, _)| *same == refusal).map_or(0, |(_, n)| n);
        let n_rows = n_before + 1;
        self.same.insert(blamed, (refusal.clone(), n_rows));
        // All of the first rows: as many refusals as judgements, and those are the last that go alone.
        let all_alone = alone && self.n_judged == self.limits.n_alone && n_rows == self.n_judged;
        (all_alone || self.limits.same_refusals <= n_rows).then_some(Halt::SameRefusal { n_rows, refusal })
    }

    /// `lote` was halted: when it goes on, its streak begins anew.
    pub fn lote_halted(&mut self, lote: &str) {
        self.same.remove(lote);
    }

    /// A row became `rejected` or `failed`.
    pub fn error(&mut self) -> Option<Halt> {
        self.n_errors += 1;
        let limit = self.limits.errors_max?;
        (limit < self.n_errors).then_some(Halt::TooManyErrors { n_errors: self.n_errors, limit })
    }

    /// When [`Guards::overdue`] may have something to say, if nothing else happens.
    pub fn deadline(&self) -> Option<Duration> {
        let all = [self.until, self.reach_deadline(), self.unavailable_deadline(), self.pause_deadline()];
        all.into_iter().flatten().min()
    }

    /// What the passing of time calls for.
    pub fn overdue(&self, now: Duration) -> Option<Halt> {
        let passed = |deadline: Option<Duration>| deadline.is_some_and(|at| at <= now);
        if passed(self.until) {
            Some(Halt::Until)
        } else if passed(self.reach_deadline()) {
            let last = self.last.clone();
            self.limits.reach_within.map(|within| Halt::NeverReached { within, last })
        } else if passed(self.unavailable_deadline()) {
            let last = self.last.clone();
            self.limits.unavailable_max.map(|lasted| Halt::Unavailable { lasted, last })
        } else if passed(self.pause_deadline()) {
            self.paused.as_ref().map(|(_, reason)| Halt::Paused { reason: reason.clone() })
        } else {
            None
        }
    }

    /// Only once a try has failed, and when no other is under way: a first answer may take its time. Who has
    /// tried nothing itself goes by the others' word, and not by an old one: the outbox may be away since.
    fn reach_deadline(&self) -> Option<Duration> {
        if self.reached || self.failing_since.is_none() || 0 < self.n_awaited {
            return None;
        }
        let at = self.reach_time()?;
        let is_told = || self.told_away.is_some_and(|(_, last)| at <= last);
        (self.first_try.is_some() || is_told()).then_some(at)
    }

    /// By when it is to be reached.
    fn reach_time(&self) -> Option<Duration> {
        let told_since = self.told_away.map(|(since, _)| since);
        Some(self.first_try.into_iter().chain(told_since).min()? + self.limits.reach_within?)
    }

    fn pause_deadline(&self) -> Option<Duration> {
        Some(self.paused.as_ref()?.0 + self.limits.paused_max?)
    }

    fn unavailable_deadline(&self) -> Option<Duration> {
        Some(self.failing_since? + self.limits.unavailable_max?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn guards(limits: GuardLimits) -> Guards {
        Guards::new(limits, None)
    }

    fn says(message: &str) -> Fault {
        Fault::Refused { said: Some(message.to_owned()) }
    }

    /// Judges posts by `said` (blank: opened) and returns after how many it halts.
    fn halts_after(said: &[&str]) -> Option<usize> {
        let mut guards = guards(GuardLimits::default());
        said.iter().position(|message| {
            let refusal = (!message.is_empty()).then(|| Refusal::Said(says(message)));
            guards.judged(&"queda".into(), refusal).is_some()
        })
    }

    #[test]
    fn the_first_rows_refused_alike_halt_and_so_do_twenty_later() {
        assert_eq!(halts_after(&["a"; 5]), Some(4));
        assert_eq!(halts_after(&["a", "a", "b", "a", "a"]), None);
        assert_eq!(halts_after(&["a", "a", "a", "a", ""]), None);
        assert_eq!(halts_after(&[&["", "a", "a", "a", "a"][..], &["a"; 15]].concat()), None);
        assert_eq!(halts_after(&[&[""][..], &["a"; 20]].concat()), Some(20));
        assert_eq!(halts_after(&[&[""][..], &["a"; 19], &["b"], &["a"; 19]].concat()), None);
    }

    #[test]
    fn the_first_rows_leave_room_until_all_are_judged() {
        let mut guards = guards(GuardLimits::default());
        let left: Vec<_> = (0..6)
            .map(|_| {
                let left = guards.alone_left();
                assert_eq!(guards.judged(&"queda".into(), None), None);
                left
            })
            .collect();
        assert_eq!(left, [Some(5), Some(4), Some(3), Some(2), Some(1), None]);
    }

    #[test]
    fn three_different_forbidden_rows_in_a_row_halt() {
        let fault = says("no permission");
        let denied = Guard::Denied(&fault);
        let mut guards = guards(GuardLimits::default());
        for row in [1, 1, 2, 2, 1] {
            assert_eq!(guards.answered(RowId(row), denied), None);
        }
        assert_eq!(guards.answered(RowId(9), Guard::Allowed), None);
        for row in [3, 4] {
            assert_eq!(guards.answered(RowId(row), denied), None);
        }
        let halt = Halt::Forbidden { n_rows: 3, fault: fault.clone() };
        assert_eq!(guards.answered(RowId(5), denied), Some(halt.clone()));
        // A worker goes on trying, with other rows.
        for row in 6..50 {
            assert_eq!(guards.answered(RowId(row), denied), Some(halt.clone()));
        }
        assert_eq!(guards.forbidden.len(), 3);
    }

    #[test]
    fn more_errors_than_allowed_halt() {
        let mut guards = guards(GuardLimits { errors_max: Some(1), ..GuardLimits::default() });
        assert_eq!(guards.error(), None);
        assert_eq!(guards.error(), Some(Halt::TooManyErrors { n_errors: 2, limit: 1 }));
    }

    #[test]
    fn never_reached_counts_from_the_first_try() {
        let mut guards = guards(GuardLimits::default());
        assert_eq!(guards.deadline(), None);
        guards.tries(10 * S);
        assert_eq!(guards.deadline(), None, "nothing has failed yet");
        guards.progress(11 * S, Progress::Unreached);
        assert_eq!(guards.deadline(), Some(40 * S));
        assert_eq!(guards.overdue(39 * S), None);
        assert_eq!(guards.overdue(40 * S), Some(Halt::NeverReached { within: 30 * S, last: None }));
        guards.failed(Fault::Timeout);
        let halt = Halt::NeverReached { within: 30 * S, last: Some(Fault::Timeout) };
        assert_eq!(guards.overdue(40 * S), Some(halt));
        guards.progress(40 * S, Progress::Stalled);
        assert_eq!(guards.overdue(41 * S), None);
    }

    /// How soon it is to be reached, and nothing else.
    fn reach() -> GuardLimits {
        GuardLimits { unavailable_max: None, ..GuardLimits::default() }
    }

    #[test]
    fn who_is_waited_for_was_not_never_reached() {
        let mut guards = guards(reach());
        assert!(guards.begins(10 * S) && guards.begins(11 * S));
        guards.progress(12 * S, Progress::Unreached);
        guards.ended();
        assert_eq!((guards.deadline(), guards.overdue(50 * S)), (None, None));
        assert!(!guards.begins(40 * S), "it left too late");
        guards.ended();
        assert_eq!(guards.deadline(), Some(40 * S));
    }

    #[test]
    fn what_others_said_long_ago_is_not_what_they_say() {
        let mut guards = guards(reach());
        guards.told_away(10 * S);
        guards.told_away(39 * S);
        assert_eq!((guards.deadline(), guards.overdue(60 * S)), (None, None));
        guards.told_away(41 * S);
        assert_eq!(guards.deadline(), Some(40 * S));
        let mut guards = Guards::new(reach(), None);
        guards.told_away(10 * S);
        guards.tries(20 * S);
        assert_eq!(guards.deadline(), Some(40 * S), "its own try failed as well");
    }

    #[test]
    fn unavailable_counts_from_the_first_failure_after_a_good_answer() {
        let mut guards = guards(GuardLimits::default());
        guards.progress(S, Progress::Good);
        guards.progress(100 * S, Progress::Stalled);
        guards.progress(900 * S, Progress::Unreached);
        assert_eq!(guards.overdue(999 * S), None);
        assert_eq!(guards.overdue(1000 * S), Some(Halt::Unavailable { lasted: 900 * S, last: None }));
        guards.progress(1000 * S, Progress::Good);
        assert_eq!(guards.overdue(5000 * S), None);
    }

    #[test]
    fn a_stop_of_all_halts_who_is_not_to_wait_for_its_end() {
        let mut guards = guards(GuardLimits { paused_max: Some(10 * S), ..GuardLimits::default() });
        let said = |reason: &str| PauseReason::Said(reason.to_owned());
        guards.pause_stands(5 * S, Some(&said("lunch")));
        guards.pause_stands(9 * S, Some(&said("maintenance")));
        assert_eq!((guards.deadline(), guards.overdue(14 * S)), (Some(15 * S), None));
        assert_eq!(guards.overdue(15 * S), Some(Halt::Paused { reason: said("maintenance") }));
        guards.pause_stands(16 * S, None);
        assert_eq!(guards.deadline(), None);
    }

    #[test]
    fn the_time_to_stop_comes_whatever_else() {
        let guards = Guards::new(GuardLimits::default(), Some(60 * S));
        assert_eq!(guards.deadline(), Some(60 * S));
        assert_eq!(guards.overdue(59 * S), None);
        assert_eq!(guards.overdue(60 * S), Some(Halt::Until));
    }
}
