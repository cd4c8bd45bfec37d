//! Why everybody waits, in words.

use std::time::Duration;

use super::again;
use crate::delivery::{ThrottleCause, ThrottleReason};

/// What HubSoft answered.
pub fn throttle(reason: &ThrottleReason) -> String {
    let (cause, asked) = match reason {
        ThrottleReason::Answered { cause, asked } => (cause, asked),
        ThrottleReason::Said(said) => return again(said).into_owned(),
    };
    let answered = match cause {
        ThrottleCause::TooMany => tr!("HubSoft answered 429 (too many requests)"),
        ThrottleCause::Unavailable => tr!("HubSoft answered 503 (unavailable)"),
        ThrottleCause::Asked => tr!("HubSoft answered an error"),
    };
    match asked {
        Some(asked) => tr!(
            "%{answered} and asked to wait %{time}",
            answered = answered,
            time = Duration::from_secs(asked.as_secs())
        )
        .into_owned(),
        None => answered.into_owned(),
    }
}
