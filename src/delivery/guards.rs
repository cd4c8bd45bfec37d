//! Notices when a run goes wrong as a whole, so that it stops as a whole instead of burning the file.
//!
//! Pure: times are durations since the run began. Each observation may answer with the halt it
//! calls for; the first one ends the run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Blame, Fault, GuardLimits, RowId, Verdict};

/// Why a run stopped itself. The rows that are left can be taken up again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    #[error("{}", .0.message)]
    Unauthorized(Fault),
    #[error("HubSoft denied {n_rows} different rows in a row (403): {}", .fault.message)]
    Forbidden { n_rows: u32, fault: Fault },
    #[error("HubSoft does not know the route that opens tickets: {}", .0.message)]
    Misconfigured(Fault),
    #[error("HubSoft refused {n_rows} rows in a row with the same message: {message}")]
    SameRefusal { n_rows: u32, message: String },
    #[error("{n_errors} rows were refused or failed, more than the {limit} that are allowed")]
    TooManyErrors { n_errors: u64, limit: u64 },
    #[error("HubSoft could not be reached within {} s", .0.as_secs())]
    NeverReached(Duration),
    #[error("HubSoft has been unavailable for {} min", .0.as_secs() / 60)]
    Unavailable(Duration),
    #[error("the time to stop has come")]
    Until,
    #[error("no space is left for the outbox")]
    DiskFull,
    #[error("the outbox has been unavailable for {} min", .lasted.as_secs() / 60)]
    OutboxUnavailable {
        lasted: Duration,
        /// What had left before.
        n_posts: u64,
    },
    #[error("the outbox cannot be used: {message}")]
    OutboxBroken { message: String },
    #[error(
        "the ticket with protocolo `{protocolo}` came back without its marker, so tickets cannot be recognised"
    )]
    EchoLost { protocolo: String },
}

/// Lotes with a streak that are remembered. A forgotten streak begins anew.
const LOTES_MAX: usize = 1000;

/// What the run has seen so far, as far as a guard cares.
#[derive(Debug)]
pub struct Guards {
    limits: GuardLimits,
    /// When `--until` strikes.
    until: Option<Duration>,
    /// Rows that HubSoft judged, up to `n_alone`.
    n_judged: u32,
    /// The refusal that repeats, and how often it came in a row; by lote where those are to blame,
    /// else under the empty name.
    same: BTreeMap<Arc<str>, (String, u32)>,
    /// Different rows answered 403 since something else was answered; never more than the limit.
    forbidden: Vec<RowId>,
    n_errors: u64,
    first_try: Option<Duration>,
    reached: bool,
    /// Since when there have been only failures.
    failing_since: Option<Duration>,
}

/// What an answer says about the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something was done, or judged.
    Good,
    /// HubSoft is there, but nothing is going forward: turned away, or only look-ups answered while
    /// posts fail.
    Stalled,
    /// No answer came.
    Unreached,
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
            reached: false,
            failing_since: None,
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

    /// An answer to anything, or the lack of one.
    pub fn progress(&mut self, now: Duration, progress: Progress) {
        match progress {
            Progress::Good => {
                self.reached = true;
                self.failing_since = None;
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

    /// What an answer to a post, a look-up or a probe calls for whatever its row.
    pub fn answered<T>(&mut self, row: RowId, verdict: &Verdict<T>) -> Option<Halt> {
        match verdict {
            Verdict::Unauthorized(fault) => Some(Halt::Unauthorized(fault.clone())),
            Verdict::Misconfigured(fault) => Some(Halt::Misconfigured(fault.clone())),
            Verdict::Forbidden(fault) => {
                if !self.forbidden.contains(&row) {
                    self.forbidden.push(row);
                }
                let n_rows = u32::try_from(self.forbidden.len()).unwrap_or(u32::MAX);
                (self.limits.forbidden_rows <= n_rows)
                    .then(|| Halt::Forbidden { n_rows, fault: fault.clone() })
            }
            Verdict::Answered(_) | Verdict::Rejected(_) => {
                self.forbidden.clear();
                None
            }
            Verdict::Unknown(_)
            | Verdict::NotSent(_)
            | Verdict::Throttled
            | Verdict::LoginUnavailable(_)
            | Verdict::Withheld => None,
        }
    }

    /// A post of a row of `lote` was judged: `refusal` is what HubSoft said against it, `None` if it
    /// opened a ticket or left us in doubt. The halt is the lote's where lotes are to blame.
    pub fn judged(&mut self, lote: &Arc<str>, refusal: Option<&Fault>) -> Option<Halt> {
        let alone = self.n_judged < self.limits.n_alone;
        self.n_judged = self.n_judged.saturating_add(1);
        let blamed = match self.limits.blame {
            Blame::Run => Arc::from(""),
            Blame::Lote => Arc::clone(lote),
        };
        let Some(fault) = refusal else {
            self.same.remove(&blamed);
            return None;
        };
        if LOTES_MAX <= self.same.len() {
            self.same.clear();
        }
        let same = self.same.entry(blamed).or_default();
        if same.0 != fault.message {
            *same = (fault.message.clone(), 0);
        }
        same.1 += 1;
        let n_rows = same.1;
        // All of the first rows: as many refusals as judgements, and those are the last that go alone.
        let all_alone = alone && self.n_judged == self.limits.n_alone && n_rows == self.n_judged;
        (all_alone || self.limits.same_refusals <= n_rows)
            .then(|| Halt::SameRefusal { n_rows, message: fault.message.clone() })
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
        [self.until, self.reach_deadline(), self.unavailable_deadline()].into_iter().flatten().min()
    }

    /// What the passing of time calls for.
    pub fn overdue(&self, now: Duration) -> Option<Halt> {
        let passed = |deadline: Option<Duration>| deadline.is_some_and(|it| it <= now);
        if passed(self.until) {
            Some(Halt::Until)
        } else if passed(self.reach_deadline()) {
            self.limits.reach_within.map(Halt::NeverReached)
        } else if passed(self.unavailable_deadline()) {
            self.limits.unavailable_max.map(Halt::Unavailable)
        } else {
            None
        }
    }

    /// Only once a try has failed: a first answer may take its time.
    fn reach_deadline(&self) -> Option<Duration> {
        if self.reached || self.failing_since.is_none() {
            return None;
        }
        Some(self.first_try? + self.limits.reach_within?)
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
        Fault { code: "rejected".to_owned(), message: message.to_owned() }
    }

    /// Judges posts by `said` (blank: opened) and returns after how many it halts.
    fn halts_after(said: &[&str]) -> Option<usize> {
        let mut guards = guards(GuardLimits::default());
        said.iter().position(|message| {
            let fault = says(message);
            guards.judged(&"queda".into(), (!message.is_empty()).then_some(&fault)).is_some()
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
        let forbidden = Verdict::<()>::Forbidden(says("no permission"));
        let mut guards = guards(GuardLimits::default());
        for row in [1, 1, 2, 2, 1] {
            assert_eq!(guards.answered(RowId(row), &forbidden), None);
        }
        assert_eq!(guards.answered(RowId(9), &Verdict::Answered(())), None);
        for row in [3, 4] {
            assert_eq!(guards.answered(RowId(row), &forbidden), None);
        }
        let halt = guards.answered(RowId(5), &forbidden).expect("three in a row");
        insta::assert_snapshot!(halt, @"HubSoft denied 3 different rows in a row (403): no permission");
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
        assert_eq!(guards.overdue(40 * S), Some(Halt::NeverReached(30 * S)));
        guards.progress(40 * S, Progress::Stalled);
        assert_eq!(guards.overdue(41 * S), None);
    }

    #[test]
    fn unavailable_counts_from_the_first_failure_after_a_good_answer() {
        let mut guards = guards(GuardLimits::default());
        guards.progress(S, Progress::Good);
        guards.progress(100 * S, Progress::Stalled);
        guards.progress(900 * S, Progress::Unreached);
        assert_eq!(guards.overdue(999 * S), None);
        assert_eq!(guards.overdue(1000 * S), Some(Halt::Unavailable(900 * S)));
        guards.progress(1000 * S, Progress::Good);
        assert_eq!(guards.overdue(5000 * S), None);
    }

    #[test]
    fn the_time_to_stop_comes_whatever_else() {
        let guards = Guards::new(GuardLimits::default(), Some(60 * S));
        assert_eq!(guards.deadline(), Some(60 * S));
        assert_eq!(guards.overdue(59 * S), None);
        assert_eq!(guards.overdue(60 * S), Some(Halt::Until));
    }
}
