//! What a run counts, and who may look on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hdrhistogram::Histogram;
use jiff::Timestamp;

use super::{
    Blindness, Change, Fault, Halt, PauseReason, Refused, RequestKind, Settle, Settled, State, Throttle,
    ThrottleReason,
};

/// Looks on while a run goes: progress bars, logs, metrics. Called from within the run, so an
/// implementation must be quick and must not block.
pub trait Watch {
    /// A settle was written, or found its row changed.
    fn settled(&self, settle: &Settle, became: Settled) {
        let _ = (settle, became);
    }

    /// A row could not be read at its claim, and is settled by that.
    fn refused(&self, refused: &Refused) {
        let _ = refused;
    }

    /// A request is about to leave.
    fn sending(&self, kind: RequestKind) {
        let _ = kind;
    }

    /// A request came to this (the verdict's name), after so long.
    fn answered(&self, kind: RequestKind, verdict: &'static str, latency: Duration) {
        let _ = (kind, verdict, latency);
    }

    /// How often the loop is to come by at least, also when idle. `None`: it need not.
    fn pulse_every(&self) -> Option<Duration> {
        None
    }

    /// The loop came by, and so it stands.
    fn turned(&self, pulse: &Pulse) {
        let _ = pulse;
    }

    /// Everybody waits, for this long and for this reason.
    fn throttled(&self, length: Duration, reason: &ThrottleReason) {
        let _ = (length, reason);
    }

    /// Something changed that a person should know: the breaker, the outbox, a stop.
    fn note(&self, note: Note<'_>) {
        let _ = note;
    }
}

/// Nobody looks on.
impl Watch for () {}

/// How a run stands while it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Between two slots of this run; `None` without a rate limit.
    pub slot: Option<Duration>,
    /// Requests that may wait for an answer at once.
    pub n_at_once: usize,
    pub is_throttled: bool,
    /// A token is needed, and too many logins went before this one.
    pub waits_to_log_in: bool,
    /// HubSoft was found to bear less than the operator allows.
    pub is_lowered: bool,
    /// How long this run's own slots take to climb back to that, if nothing more is refused. `None`: there is
    /// nothing to climb, or others share them.
    pub climbs_for: Option<Duration>,
    pub is_breaker_open: bool,
    /// Everybody is paused, by a person or by a worker in need of one.
    pub is_paused: bool,
    /// Something is wrong with this run as a whole.
    pub is_halted: bool,
    pub is_outbox_down: bool,
    pub is_ending: bool,
    /// Rows that are due, and that the outbox could not let be claimed at the last claim.
    pub n_passed_over: u64,
}

/// Two look on.
impl<A: Watch, B: Watch> Watch for (&A, &B) {
    fn settled(&self, settle: &Settle, became: Settled) {
        self.0.settled(settle, became);
        self.1.settled(settle, became);
    }

    fn refused(&self, refused: &Refused) {
        self.0.refused(refused);
        self.1.refused(refused);
    }

    fn sending(&self, kind: RequestKind) {
        self.0.sending(kind);
        self.1.sending(kind);
    }

    fn answered(&self, kind: RequestKind, verdict: &'static str, latency: Duration) {
        self.0.answered(kind, verdict, latency);
        self.1.answered(kind, verdict, latency);
    }

    fn pulse_every(&self) -> Option<Duration> {
        [self.0.pulse_every(), self.1.pulse_every()].into_iter().flatten().min()
    }

    fn turned(&self, pulse: &Pulse) {
        self.0.turned(pulse);
        self.1.turned(pulse);
    }

    fn throttled(&self, length: Duration, reason: &ThrottleReason) {
        self.0.throttled(length, reason);
        self.1.throttled(length, reason);
    }

    fn note(&self, note: Note<'_>) {
        self.0.note(note.clone());
        self.1.note(note);
    }
}

/// What happens to a run as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// HubSoft is out of reach; what came of the last request. `None`: another worker says so.
    BreakerOpened(Option<&'a Fault>),
    BreakerClosed,
    /// The outbox did not answer; nothing is sent until it does.
    OutboxDown(&'a str),
    OutboxUp,
    /// A clean stop begins.
    Stopping,
    /// Everybody was stopped: nothing is sent until a person says so.
    Paused(&'a PauseReason),
    Resumed,
    /// Something is wrong with a run that never ends: it is not ready, and tries now and then.
    Halted(&'a Halt),
    /// It works again.
    HaltOver,
    /// HubSoft refuses all rows of a lote alike: none of it is posted until a person has put it right.
    LoteHalted {
        lote: &'a str,
        reason: &'a Halt,
    },
    /// A predecessor left so many rows in flight; they are looked up.
    Recovered(u64),
    /// A worker died and left so many rows in flight; they are looked up.
    Rescued(u64),
    /// This user is not known to see tickets of ours, and why that is: rows in doubt stay so. Told once a
    /// run.
    Blind(Blindness),
    /// Rows that may have been sent from elsewhere are posted because they were not found, although nothing
    /// was opened from here that could show whether this user sees tickets. Told once a run.
    Unproven,
    /// There is no list of open tickets, and why: each row is looked up by itself. `None`: others open
    /// tickets too. Told once a run.
    Unlisted(Option<&'a Fault>),
}

/// What a run did. Counts are of this run; rows that were final before are not in it.
#[derive(Clone, Debug)]
pub struct Stats {
    pub opened: u64,
    /// A part of `opened`: found by a look-up, not by the answer to a post.
    pub adopted: u64,
    pub invalid: u64,
    pub rejected: u64,
    pub failed: u64,
    pub unconfirmed: u64,
    pub conflicts: u64,
    pub skipped: u64,
    /// Rows given back, to be tried or looked up later; a row may be given back many times.
    pub deferred: u64,
    /// Settles that found their row changed or already opened otherwise.
    pub stale: u64,
    pub duplicates: u64,
    /// Lotes that were halted because all their rows were refused alike.
    pub lotes_halted: u64,
    /// Claims whose outcome could not be stored. The next run looks them up.
    pub unsettled: u64,
    pub posts: u64,
    pub look_ups: u64,
    pub logins: u64,
    pub probes: u64,
    pub by_status: BTreeMap<u16, u64>,
    /// From the slot to the end of the body, of requests that were answered. Microseconds.
    pub latency_us: Histogram<u64>,
    /// The most requests within any second.
    pub peak_in_1s: u64,
    pub throttles: Vec<ThrottleTaken>,
    /// From the first request to the last.
    pub sending_for: Duration,
    pub elapsed: Duration,
    first_sent: Option<Duration>,
    last_second: VecDeque<Duration>,
    last_throttle: Option<Throttle>,
}

/// A throttle that HubSoft asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleTaken {
    pub at: Timestamp,
    pub length: Duration,
    pub reason: ThrottleReason,
}

/// Pauses that are remembered; later ones are only acted on.
const THROTTLES_MAX: usize = 1000;

impl Default for Stats {
    fn default() -> Self {
        Self {
            opened: 0,
            adopted: 0,
            invalid: 0,
            rejected: 0,
            failed: 0,
            unconfirmed: 0,
            conflicts: 0,
            skipped: 0,
            deferred: 0,
            stale: 0,
            duplicates: 0,
            lotes_halted: 0,
            unsettled: 0,
            posts: 0,
            look_ups: 0,
            logins: 0,
            probes: 0,
            by_status: BTreeMap::new(),
            latency_us: Histogram::new_with_max(LATENCY_MAX_US, 2).expect("the bounds are in order"),
            peak_in_1s: 0,
            throttles: Vec::new(),
            sending_for: Duration::ZERO,
            elapsed: Duration::ZERO,
            first_sent: None,
            last_second: VecDeque::new(),
            last_throttle: None,
        }
    }
}

/// Ten minutes; longer ones count as this.
const LATENCY_MAX_US: u64 = 600_000_000;

impl Stats {
    /// Requests a second, over the time in which some were sent. 0 if there were fewer than two.
    pub fn mean_per_s(&self) -> f64 {
        let n_requests = self.posts + self.look_ups + self.logins + self.probes;
        let seconds = self.sending_for.as_secs_f64();
        // Between n requests lie n - 1 slots.
        if seconds > 0.0 { n_requests.saturating_sub(1) as f64 / seconds } else { 0.0 }
    }

    pub(super) fn sending(&mut self, now: Duration, kind: RequestKind) {
        match kind {
            RequestKind::Post => self.posts += 1,
            RequestKind::LookUp => self.look_ups += 1,
            RequestKind::Login => self.logins += 1,
            RequestKind::Probe => self.probes += 1,
        }
        let first = *self.first_sent.get_or_insert(now);
        self.sending_for = now - first;
        while self.last_second.front().is_some_and(|at| Duration::from_secs(1) <= now - *at) {
            self.last_second.pop_front();
        }
        self.last_second.push_back(now);
        self.peak_in_1s = self.peak_in_1s.max(self.last_second.len() as u64);
    }

    pub(super) fn refused(&mut self, refused: &Refused) {
        match refused.state {
            State::Unconfirmed => self.unconfirmed += 1,
            _ => self.invalid += 1,
        }
    }

    pub(super) fn answered(&mut self, http_status: Option<u16>, latency: Duration) {
        if let Some(status) = http_status {
            *self.by_status.entry(status).or_default() += 1;
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.latency_us.saturating_record(micros.clamp(1, LATENCY_MAX_US));
        }
    }

    pub(super) fn throttled(&mut self, at: Timestamp, throttle: &Throttle) {
        let last = self.last_throttle.take();
        let has_room = self.throttles.len() < THROTTLES_MAX;
        match (last, self.throttles.last_mut()) {
            // It goes on, and was not two at a time.
            (Some(last), Some(taken)) if throttle.at <= last.until => {
                taken.length += throttle.until.saturating_sub(last.until);
                taken.reason.clone_from(&throttle.reason);
            }
            _ if has_room => {
                let length = throttle.until - throttle.at;
                self.throttles.push(ThrottleTaken { at, length, reason: throttle.reason.clone() });
            }
            _ => return,
        }
        self.last_throttle = Some(throttle.clone());
    }

    pub(super) fn settled(&mut self, settle: &Settle, became: Settled) {
        match became {
            Settled::Written => match &settle.change {
                Change::Release | Change::Later { .. } => self.deferred += 1,
                Change::Opened { .. } => {
                    self.opened += 1;
                    self.adopted += u64::from(settle.attempt.is_some());
                }
                Change::Skipped { .. } => self.skipped += 1,
                Change::Rejected { .. } => self.rejected += 1,
                Change::Failed { .. } => self.failed += 1,
                Change::Unconfirmed { .. } => self.unconfirmed += 1,
                Change::Conflict { .. } => self.conflicts += 1,
            },
            Settled::Stale | Settled::Deleted => self.stale += 1,
            Settled::Duplicate => self.duplicates += 1,
            Settled::Taken => self.conflicts += 1,
            Settled::Locked => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Attempt, AttemptKind, Doubt, Noted, OpenedTicket, RowId, Token};

    const S: Duration = Duration::from_secs(1);
    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    /// Twice each, so that a count is seen to count.
    #[test]
    fn what_became_of_a_row_is_counted_once() {
        let opening = || OpenedTicket {
            protocolo: "p".to_owned(),
            id_atendimento: 7,
            ids_ordem_servico: vec![],
            numeros_ordem_servico: vec![],
        };
        let opened = || Change::Opened { opening: opening(), attempts: 1, warnings: vec![] };
        let fault = || Fault::NoTicket;
        let looked = || {
            let (verdict, latency) = ("found", Duration::ZERO);
            let (kind, note) = (AttemptKind::LookUp, Noted::Nothing);
            Some(Box::new(Attempt { at: AT, kind, verdict, http_status: None, latency, note }))
        };
        let later = Change::Later { at: AT, attempts: 1, doubt: None, fault: None };
        let conflict = Change::Conflict { opening: opening(), attempts: 1, fault: fault(), warnings: vec![] };
        let unconfirmed = Change::Unconfirmed { doubt: Doubt::since(AT), fault: fault() };
        for (change, attempt, became, counted) in [
            (opened(), None, Settled::Written, "opened"),
            (opened(), looked(), Settled::Written, "opened adopted"),
            (Change::Release, None, Settled::Written, "deferred"),
            (later, None, Settled::Written, "deferred"),
            (Change::Skipped { opening: opening() }, None, Settled::Written, "skipped"),
            (Change::Rejected { attempts: 1, fault: fault() }, None, Settled::Written, "rejected"),
            (Change::Failed { attempts: 1, fault: fault() }, None, Settled::Written, "failed"),
            (unconfirmed, None, Settled::Written, "unconfirmed"),
            (conflict, None, Settled::Written, "conflicts"),
            (opened(), None, Settled::Taken, "conflicts"),
            (opened(), None, Settled::Duplicate, "duplicates"),
            (opened(), None, Settled::Stale, "stale"),
            (opened(), None, Settled::Deleted, "stale"),
            (opened(), None, Settled::Locked, ""),
        ] {
            let settle =
                Settle { row: RowId(1), label: Default::default(), token: Token(1), change, attempt };
            let mut stats = Stats::default();
            stats.settled(&settle, became);
            stats.settled(&settle, became);
            let all = [
                ("opened", stats.opened),
                ("adopted", stats.adopted),
                ("rejected", stats.rejected),
                ("failed", stats.failed),
                ("unconfirmed", stats.unconfirmed),
                ("conflicts", stats.conflicts),
                ("skipped", stats.skipped),
                ("deferred", stats.deferred),
                ("stale", stats.stale),
                ("duplicates", stats.duplicates),
                ("invalid", stats.invalid),
            ];
            let named: Vec<_> = all.iter().filter(|(_, n)| *n != 0).map(|(name, _)| *name).collect();
            assert_eq!(named.join(" "), counted, "{settle:?} {became:?}");
            assert!(all.iter().all(|(_, n)| matches!(n, 0 | 2)), "{all:?}");
        }
    }

    #[test]
    fn the_rate_is_of_the_time_in_which_something_was_sent() {
        let mut stats = Stats::default();
        assert_eq!(stats.mean_per_s(), 0.0);
        let kinds = [RequestKind::Login, RequestKind::Post, RequestKind::LookUp, RequestKind::Probe];
        for (at_ms, nth) in [10_000, 10_500, 10_999, 11_000, 14_000].into_iter().zip(0..) {
            stats.sending(Duration::from_millis(at_ms), kinds[nth % 4]);
        }
        assert_eq!((stats.logins, stats.posts, stats.look_ups, stats.probes), (2, 1, 1, 1));
        assert_eq!(stats.mean_per_s(), 1.0, "four slots in four seconds");
        assert_eq!(stats.peak_in_1s, 3, "a second does not hold both of its ends");
    }

    #[test]
    fn a_throttle_that_goes_on_is_one() {
        let reason = |said: &str| ThrottleReason::Said(said.to_owned());
        let throttle =
            |at: u32, until: u32, said| Throttle { at: at * S, until: until * S, reason: reason(said) };
        let mut stats = Stats::default();
        for one in
            [throttle(10, 15, "a"), throttle(15, 20, "b"), throttle(18, 30, "c"), throttle(31, 33, "d")]
        {
            stats.throttled(AT, &one);
        }
        let taken = |length: u32, said| ThrottleTaken { at: AT, length: length * S, reason: reason(said) };
        assert_eq!(stats.throttles, [taken(20, "c"), taken(2, "d")]);
    }

    #[test]
    fn answers_are_counted_by_their_status_and_measured() {
        let mut stats = Stats::default();
        stats.answered(None, S);
        for status in [200, 200, 503] {
            stats.answered(Some(status), S);
        }
        assert_eq!(stats.by_status, [(200, 2), (503, 1)].into());
        assert_eq!(stats.latency_us.len(), 3);
        assert!(stats.latency_us.min().abs_diff(1_000_000) < 10_000, "{}", stats.latency_us.min());
        stats.answered(Some(200), 700 * S);
        assert!(stats.latency_us.max().abs_diff(600_000_000) < 6_000_000, "{}", stats.latency_us.max());
    }
}
