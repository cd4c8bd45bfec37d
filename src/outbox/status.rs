//! How an outbox stands: rows by state, what waits, and what holds it back.

use jiff::Timestamp;

use super::causes;
use super::stored::count;
use crate::delivery::{HaltReason, PauseReason, State, ThrottleReason};

/// Rows by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub pending: u64,
    pub in_flight: u64,
    pub in_doubt: u64,
    pub opened: u64,
    /// A part of `opened`: a service order was asked for and is missing.
    pub opened_without_os: u64,
    /// A part of `opened`: another ticket is open for the service, of another type.
    pub opened_beside: u64,
    pub invalid: u64,
    pub rejected: u64,
    pub failed: u64,
    pub unconfirmed: u64,
    pub conflict: u64,
    pub skipped: u64,
    pub cancelled: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        State::ALL.into_iter().map(|state| self.count(state)).sum()
    }

    pub fn count(&self, state: State) -> u64 {
        match state {
            State::Pending => self.pending,
            State::InFlight => self.in_flight,
            State::InDoubt => self.in_doubt,
            State::Opened => self.opened,
            State::Invalid => self.invalid,
            State::Rejected => self.rejected,
            State::Failed => self.failed,
            State::Unconfirmed => self.unconfirmed,
            State::Conflict => self.conflict,
            State::Skipped => self.skipped,
            State::Cancelled => self.cancelled,
        }
    }

    /// Rows that go on by themselves.
    pub fn left(&self) -> u64 {
        self.pending + self.in_flight + self.in_doubt
    }
}

/// Counts, and what waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub counts: Counts,
    /// `pending` or `in_doubt`, and due; blocked rows included.
    pub due_now: u64,
    /// Since when the row that waits longest has been due, as well as it is known.
    pub oldest_pending: Option<Timestamp>,
    /// When the first of the rows in doubt is looked up, if somebody works.
    pub next_look_up: Option<Timestamp>,
    /// Since when the row that is `unconfirmed` longest is in doubt.
    pub oldest_unconfirmed: Option<Timestamp>,
}

/// Who works on a shared outbox, and what holds them back.
#[derive(Clone, Debug, PartialEq)]
pub struct Crew {
    /// Workers that are alive.
    pub n_workers: u64,
    /// The lowest of their ceilings, which rules. Requests a second; `None`: unlimited.
    pub rate_per_s: Option<f64>,
    /// What HubSoft was found to bear of it, as that has climbed by now; `None`: all of it.
    pub lowered_per_s: Option<f64>,
    /// How many of their requests may wait for an answer at once, as they told of late; `None`: none has
    /// told.
    pub at_once: Option<u64>,
    /// A person, or a guard, stopped all workers, for this reason.
    pub paused: Option<PauseReason>,
    /// HubSoft wants fewer requests: until when nothing is sent, and why.
    pub throttled: Option<(Timestamp, ThrottleReason)>,
    pub is_breaker_closed: bool,
}

pub(super) type StoredHalt = (String, i64, String, String, Option<String>, i64);

/// A batch of which nothing is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halted {
    pub lote: String,
    pub reason: HaltReason,
    /// Rows that would be posted if it were not.
    pub n_waiting: u64,
    pub id: HaltId,
}

/// One halt of a batch, and no later one: who lifts a halt names the one that was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltId {
    pub(super) batch: i64,
    /// When it was put there, as its outbox writes a time.
    pub(super) at: String,
}

impl Halted {
    /// Whether somebody is to hear of it who heard of `told`. That an import holds its batch is no news.
    pub fn is_news(&self, told: &[Self]) -> bool {
        self.reason != HaltReason::Held && told.iter().all(|told| told.id != self.id)
    }

    /// Of its columns: the batch, since when it is halted, the words of the reason, its cause, and how many
    /// rows wait.
    pub(super) fn stored((lote, batch, at, words, cause, n): StoredHalt) -> Self {
        let reason = causes::halt(cause.as_deref(), words);
        Self { lote, reason, n_waiting: count(n), id: HaltId { batch, at } }
    }
}
