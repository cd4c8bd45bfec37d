//! A row on its way: its states, what is in doubt about it, and how it may change.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::identity::Marker;
use super::{Fault, Warning};
use crate::ticket::{Problem, Ticket};

/// A row's number within its outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub i64);

/// The fence: raised by every claim, so that a stale owner's settle is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub i64);

/// The states of a row; docs/states.md says what each means, and who moves a row on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    Pending,
    InFlight,
    InDoubt,
    Opened,
    Invalid,
    Rejected,
    Failed,
    Unconfirmed,
    Conflict,
    Skipped,
    Cancelled,
}

impl State {
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::InFlight,
        Self::InDoubt,
        Self::Opened,
        Self::Invalid,
        Self::Rejected,
        Self::Failed,
        Self::Unconfirmed,
        Self::Conflict,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// It waits for a post or a look-up.
    pub const WAITING: [Self; 2] = [Self::Pending, Self::InDoubt];

    /// It was possibly sent, and is unsettled: no other row of its service may go. So may not one beside a
    /// `pending` row that has more than a precaution.
    pub const LIVE: [Self; 3] = [Self::InFlight, Self::InDoubt, Self::Unconfirmed];

    /// A ticket exists, or may. Of a `pending` row as well that has more than a precaution.
    pub const MAY_BE_OPENED: [Self; 5] =
        [Self::Opened, Self::InFlight, Self::InDoubt, Self::Unconfirmed, Self::Conflict];

    /// A person may say what became of it.
    pub const TAKES_A_WORD: [Self; 3] = [Self::InDoubt, Self::Unconfirmed, Self::Conflict];

    /// It is finished, and may be tried again.
    pub const RETRYABLE: [Self; 7] = [
        Self::Invalid,
        Self::Rejected,
        Self::Failed,
        Self::Unconfirmed,
        Self::Conflict,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// Nothing becomes of it before somebody corrects it, or says what is true of it.
    pub const NEEDS_A_PERSON: [Self; 5] =
        [Self::Invalid, Self::Rejected, Self::Failed, Self::Unconfirmed, Self::Conflict];

    /// Nobody needs to open it or to look it up any more.
    pub const DONE_WITH: [Self; 6] =
        [Self::Opened, Self::Invalid, Self::Rejected, Self::Failed, Self::Skipped, Self::Cancelled];

    pub fn waits(self) -> bool {
        Self::WAITING.contains(&self)
    }

    pub fn is_live(self) -> bool {
        Self::LIVE.contains(&self)
    }

    pub fn takes_a_word(self) -> bool {
        Self::TAKES_A_WORD.contains(&self)
    }
}

/// A ticket may exist that we have no proof of. While a row carries a doubt it may be looked up, but
/// never posted. A row leaves it by a proof (`opened`), by enough absences (posted again), or by
/// running out of patience (`unconfirmed`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// When we stopped waiting for the answer: the settle delay counts from here.
    pub since: Timestamp,
    /// What HubSoft's own clock showed then, or later. `None`: it has not been heard yet.
    pub hubsoft_at: Option<Timestamp>,
    /// Whether this is a precaution before a post whose predecessors are known to have left nothing
    /// (`retry`, `--verify-first`, a row from another outbox): one *not found* is then enough, and
    /// no settle delay applies.
    pub precaution: bool,
    /// *Not found* answers so far, and when the last one came.
    pub absences: u32,
    pub last_absence: Option<Timestamp>,
    /// Look-ups that HubSoft answered while the breaker was closed, of whatever kind.
    pub answered: u32,
}

fingerprint! { struct Doubt { since, hubsoft_at, precaution, absences, last_absence, answered } }

/// A row that this process now owns. Durable before it is handed out: from here on the row is
/// *possibly sent*.
#[derive(Clone)]
pub struct Claim {
    pub row: RowId,
    pub token: Token,
    /// The line of the input file. 0: the row came from a program.
    #[cfg_attr(not(feature = "inside"), expect(dead_code, reason = "tests know rows by it"))]
    pub line: u64,
    pub ticket: Ticket,
    /// The batch it came in with: what halts when all its rows are refused alike.
    pub lote: Arc<str>,
    pub referencia: Arc<str>,
    pub marker: Marker,
    /// Counted outcomes so far; the post this claim leads to is number `attempts + 1`.
    pub attempts: u32,
    /// When the earliest post that may have left something was claimed; for a row never sent
    /// before, the time of this claim.
    pub sent_at: Timestamp,
    /// `Some`: look up. `None`: post.
    pub doubt: Option<Doubt>,
    /// Its file says something else of it by now: it is not posted again as it is.
    pub is_outdated: bool,
}

fingerprint! {
    struct Claim {
        row, token, attempts, sent_at, doubt, is_outdated; outside line, ticket, lote, referencia, marker
    }
}

/// A ticket that exists, as HubSoft tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OpenedTicket {
    pub protocolo: String,
    pub id_atendimento: i64,
    pub ids_ordem_servico: Vec<i64>,
    pub numeros_ordem_servico: Vec<String>,
}

/// What a settle makes of a claimed row. Computed by the engine; an outbox only writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing was sent under this claim: the row is as it was before it, `sent_at` included.
    Release,
    /// Again at `at`: `in_doubt`, to be looked up; or `pending`, certain to have left nothing, to be posted
    /// (behind a look-up, if the doubt is a mere precaution).
    Later {
        at: Timestamp,
        attempts: u32,
        doubt: Option<Doubt>,
        fault: Option<Fault>,
    },
    Opened {
        opening: OpenedTicket,
        attempts: u32,
        /// What is new; what the row warns of already stays in front.
        warnings: Vec<Warning>,
    },
    /// Code `already_open`; the opening is the ticket that was found.
    Skipped {
        opening: OpenedTicket,
    },
    Rejected {
        attempts: u32,
        fault: Fault,
    },
    Failed {
        attempts: u32,
        fault: Fault,
    },
    /// Keeps its doubt, so that the next run looks up again first.
    Unconfirmed {
        doubt: Doubt,
        fault: Fault,
    },
    /// HubSoft answered something else than was asked: the opening is what it names, whosever it is. Only
    /// a person can tell.
    Conflict {
        opening: OpenedTicket,
        attempts: u32,
        fault: Fault,
        warnings: Vec<Warning>,
    },
}

fingerprint! {
    enum Change {
        Release, Later { at, attempts, doubt, fault }, Opened { opening, attempts, warnings },
        Skipped { opening }, Rejected { attempts, fault }, Failed { attempts, fault },
        Unconfirmed { doubt, fault }, Conflict { opening, attempts, fault, warnings }
    }
}

impl Doubt {
    /// Of a row whose post may have left something, and whose answer nobody waits for since then. Whatever
    /// else makes doubts makes them as this and [`precaution`](Self::precaution) do.
    pub fn since(since: Timestamp) -> Self {
        Self { since, hubsoft_at: None, precaution: false, absences: 0, last_absence: None, answered: 0 }
    }

    /// Of a row that is looked for before it is posted, although no post of it is known that can have left
    /// something.
    pub fn precaution(since: Timestamp) -> Self {
        Self { precaution: true, ..Self::since(since) }
    }

    /// The state of a row that waits with this doubt.
    pub fn state(&self) -> State {
        if self.precaution { State::Pending } else { State::InDoubt }
    }
}

impl Change {
    /// The state that it leaves a claimed row in.
    pub fn state(&self, claimed_with: Option<&Doubt>) -> State {
        match self {
            Self::Release => claimed_with.map_or(State::Pending, Doubt::state),
            Self::Later { doubt, .. } => doubt.as_ref().map_or(State::Pending, Doubt::state),
            Self::Opened { .. } => State::Opened,
            Self::Skipped { .. } => State::Skipped,
            Self::Rejected { .. } => State::Rejected,
            Self::Failed { .. } => State::Failed,
            Self::Unconfirmed { .. } => State::Unconfirmed,
            Self::Conflict { .. } => State::Conflict,
        }
    }

    /// Whether it may make the row pending again. (A release leaves a look-up's doubt.)
    pub fn may_leave_pending(&self) -> bool {
        self.state(None) == State::Pending
    }
}

/// By what a producer knows its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowLabel {
    pub lote: Arc<str>,
    pub referencia: Arc<str>,
}

/// One settle. Matched on row, token and state `in_flight`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    pub row: RowId,
    pub label: RowLabel,
    pub token: Token,
    pub change: Change,
    /// The history entry; `None` for a plain success and for a release.
    pub attempt: Option<Box<Attempt>>,
}

fingerprint! { struct Settle { row, token, change; outside label, attempt } }

/// What became of a settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// Written. Also a settle repeated after a lost commit answer, and a late proof of opening that
    /// moved a row that was not opened to `opened`.
    Written,
    /// The row has another owner, is final, or was never claimed as far as the outbox knows; nothing of
    /// the change was written.
    Stale,
    /// Somebody deleted the row; nothing was written.
    Deleted,
    /// The row is `opened` under another protocolo already: stands as the warning `duplicate`.
    Duplicate,
    /// The `id_atendimento` belongs to another row: this row is now in `conflict`.
    Taken,
    /// Not written, while others were: somebody holds the row, or it may not be changed. To be tried again.
    Locked,
}

/// One entry of a row's history: a post or look-up that was not a plain success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub at: Timestamp,
    pub kind: AttemptKind,
    /// The verdict's name, `snake_case`: `unknown`, `throttled`, `not_found`.
    pub verdict: &'static str,
    pub http_status: Option<u16>,
    pub latency: Duration,
    pub note: Noted,
}

/// What is known of an attempt beyond its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Noted {
    Nothing,
    Fault(Fault),
    /// The protocolo of the ticket that was found.
    Ticket(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptKind {
    Post,
    LookUp,
    /// A person said what became of the row.
    Word,
}

/// A row that could not be read as a ticket at its claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub row: RowId,
    pub line: u64,
    pub lote: Arc<str>,
    pub referencia: Arc<str>,
    /// `Invalid`; or `Unconfirmed`, if it may have been sent.
    pub state: State,
    pub code: String,
    pub problems: Vec<Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_in_the_sets_that_have_it() {
        for state in State::ALL {
            assert_eq!(state.waits(), State::WAITING.contains(&state), "{state:?}");
            assert_eq!(state.is_live(), State::LIVE.contains(&state), "{state:?}");
            assert_eq!(state.takes_a_word(), State::TAKES_A_WORD.contains(&state), "{state:?}");
        }
    }

    #[test]
    fn a_row_that_waits_is_in_doubt_but_for_a_precaution() {
        let later = |doubt| Change::Later { at: Timestamp::UNIX_EPOCH, attempts: 1, doubt, fault: None };
        let (doubt, precaution) =
            (Doubt::since(Timestamp::UNIX_EPOCH), Doubt::precaution(Timestamp::UNIX_EPOCH));
        for (change, claimed_with, expected, may_leave_pending) in [
            (Change::Release, None, State::Pending, true),
            (Change::Release, Some(&doubt), State::InDoubt, true),
            (Change::Release, Some(&precaution), State::Pending, true),
            (later(None), Some(&doubt), State::Pending, true),
            (later(Some(doubt.clone())), None, State::InDoubt, false),
            (later(Some(precaution.clone())), None, State::Pending, true),
            (Change::Failed { attempts: 8, fault: Fault::NoTicket }, None, State::Failed, false),
        ] {
            assert_eq!(change.state(claimed_with), expected, "{change:?}");
            assert_eq!(change.may_leave_pending(), may_leave_pending, "{change:?}");
        }
    }
}
