//! Why everybody waits. The words are made by whoever shows or stores them; the
//! names of variants and fields are stored, and stay.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How HubSoft says that it wants fewer requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleCause {
    /// 429.
    TooMany,
    /// 503.
    Unavailable,
    /// Another error, with a `Retry-After`.
    Asked,
}

/// Why a throttle stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "code", content = "params", rename_all = "snake_case")]
pub enum ThrottleReason {
    /// HubSoft answered a request so; `asked`: it wants so long, and we would wait less.
    Answered { cause: ThrottleCause, asked: Option<Duration> },
    /// In words, of which a newer version has a code.
    Said(String),
}
