//! Why a run or a lote stopped, or all workers of an outbox are paused. The words are made by whoever shows
//! or stores them; the names of variants and fields are stored, and stay.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Fault;

/// Why a run stopped itself. The rows that are left can be taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "code", content = "params", rename_all = "snake_case")]
pub enum Halt {
    /// HubSoft refused the login, or the token.
    Unauthorized(Fault),
    /// It answered 403 to so many different rows.
    Forbidden {
        n_rows: u32,
        fault: Fault,
    },
    /// It does not know the route that opens tickets.
    Misconfigured(Fault),
    SameRefusal {
        n_rows: u32,
        refusal: Refusal,
    },
    /// Rows that were refused, or failed.
    TooManyErrors {
        n_errors: u64,
        limit: u64,
    },
    NeverReached {
        within: Duration,
        /// What came of the last request.
        last: Option<Fault>,
    },
    Unavailable {
        lasted: Duration,
        /// What came of the last request.
        last: Option<Fault>,
    },
    /// All workers of the outbox are stopped.
    Paused {
        reason: PauseReason,
    },
    /// The time to stop has come.
    Until,
    /// No space is left for the outbox.
    DiskFull,
    OutboxUnavailable {
        lasted: Duration,
        cause: String,
        /// What had left before.
        n_posts: u64,
    },
    /// The database does not let this user do what a run does.
    OutboxDenied {
        message: String,
    },
    OutboxBroken {
        message: String,
    },
    /// A ticket came back without its marker, so that tickets cannot be recognised.
    EchoLost {
        protocolo: String,
    },
}

impl Halt {
    /// Stable: it is stored, and docs/json.md tells it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::Misconfigured(_) => "misconfigured",
            Self::SameRefusal { .. } => "same_refusal",
            Self::TooManyErrors { .. } => "too_many_errors",
            Self::NeverReached { .. } => "never_reached",
            Self::Unavailable { .. } => "unavailable",
            Self::Paused { .. } => "paused",
            Self::Until => "until",
            Self::DiskFull => "disk_full",
            Self::OutboxUnavailable { .. } => "outbox_unavailable",
            Self::OutboxDenied { .. } => "outbox_denied",
            Self::OutboxBroken { .. } => "outbox_broken",
            Self::EchoLost { .. } => "echo_lost",
        }
    }
}

#[cfg(test)]
impl Halt {
    /// For tests of what is done with each.
    pub fn one_of_each() -> Vec<Self> {
        use super::Blindness;
        let said = || Fault::Refused { said: Some("não\u{0}".to_owned()) };
        let last = Some(Fault::Connect { at: Some("erp.example.com:443".into()), cause: None });
        let (within, lasted) = (Duration::from_millis(30_500), Duration::from_secs(900));
        let text = || "a".to_owned();
        vec![
            Self::Unauthorized(Fault::TokensRefused),
            Self::Forbidden { n_rows: 3, fault: Fault::http(403) },
            Self::Misconfigured(Fault::SwitchedOff { said: None }),
            Self::SameRefusal { n_rows: 20, refusal: Refusal::Said(said()) },
            Self::SameRefusal { n_rows: 20, refusal: Refusal::NotAsked { code: "wrong_type".into() } },
            Self::TooManyErrors { n_errors: 51, limit: 50 },
            Self::NeverReached { within, last },
            Self::Unavailable { lasted, last: None },
            Self::Unavailable { lasted, last: Some(Fault::Blind(Blindness::Unseen)) },
            Self::Paused { reason: PauseReason::Said(text()) },
            Self::Until,
            Self::DiskFull,
            Self::OutboxUnavailable { lasted, cause: text(), n_posts: 7 },
            Self::OutboxDenied { message: text() },
            Self::OutboxBroken { message: text() },
            Self::EchoLost { protocolo: text() },
        ]
    }
}

/// Why nothing of a lote is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HaltReason {
    Halted(Halt),
    /// Its import waits for a word of the person who started it.
    Held,
    /// In words: somebody wrote them, or a newer version has a code for it.
    Said(String),
}

impl HaltReason {
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Halted(halt) => Some(halt.code()),
            Self::Held => Some("held"),
            Self::Said(_) => None,
        }
    }
}

/// What is said against rows, where it is the same of one row as of the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "code", content = "params", rename_all = "snake_case")]
pub enum Refusal {
    /// HubSoft refused them, in the same words.
    Said(Fault),
    /// What it opened is not what was asked for, for this code: the tickets differ.
    NotAsked { code: Cow<'static, str> },
}

/// Why all workers of an outbox are paused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "code", content = "params", rename_all = "snake_case")]
pub enum PauseReason {
    /// In the words of whoever paused them; may be empty. Or a newer version has a code for it.
    Said(String),
    /// A worker pauses them: [`Halt::EchoLost`].
    EchoLost { protocolo: String },
}
