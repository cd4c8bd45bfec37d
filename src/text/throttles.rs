//! Why everybody waits, in words.

use crate::delivery::{ThrottleCause, ThrottleReason};

/// What HubSoft answered.
pub fn throttle(reason: &ThrottleReason) -> String {
    let (cause, asked) = match reason {
        ThrottleReason::Answered { cause, asked } => (cause, asked),
        ThrottleReason::Said(said) => return said.clone(),
    };
    let answered = match cause {
        ThrottleCause::TooMany => "429 (too many requests)",
        ThrottleCause::Unavailable => "503 (unavailable)",
        ThrottleCause::Asked => "an error",
    };
    match asked {
        Some(asked) => format!("HubSoft answered {answered} and asked to wait {} s", asked.as_secs()),
        None => format!("HubSoft answered {answered}"),
    }
}
