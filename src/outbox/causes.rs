//! Why a lote is halted, or everybody is paused or throttled, as both drivers keep it beside its words: as
//! JSON, a code, and what is known of it as `params`. What comes back is what was kept; where it is of a code
//! that nobody knows here, or a person wrote the words, it is the words.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::delivery::{Halt, HaltReason, PauseReason, ThrottleReason};

/// Of a lote whose import waits for an answer.
pub(super) const HELD: &str = r#"{"code":"held"}"#;

/// What is added to the cause of a halt that comes to such a lote: once it is over, the lote is held again.
pub(super) const AND_HELD: &str = r#"{"held":true}"#;

/// `as_stored` is a text as the outbox can hold it.
pub(super) fn of_halt(halt: &Halt, as_stored: fn(&str) -> Cow<'_, str>) -> Option<String> {
    written(halt, as_stored)
}

/// `None`: a person's words have no code.
pub(super) fn of_pause(reason: &PauseReason, as_stored: fn(&str) -> Cow<'_, str>) -> Option<String> {
    match reason {
        PauseReason::Said(_) => None,
        PauseReason::EchoLost { .. } => written(reason, as_stored),
    }
}

/// The same of a throttle.
pub(super) fn of_throttle(reason: &ThrottleReason, as_stored: fn(&str) -> Cow<'_, str>) -> Option<String> {
    match reason {
        ThrottleReason::Said(_) => None,
        ThrottleReason::Answered { .. } => written(reason, as_stored),
    }
}

pub(super) fn halt(cause: Option<&str>, words: String) -> HaltReason {
    match cause {
        Some(cause) if is_held(cause) => HaltReason::Held,
        Some(cause) => read(cause).map_or(HaltReason::Said(words), HaltReason::Halted),
        None => HaltReason::Said(words),
    }
}

pub(super) fn pause(cause: Option<&str>, words: String) -> PauseReason {
    cause.and_then(read).unwrap_or(PauseReason::Said(words))
}

pub(super) fn throttle(cause: Option<&str>, words: String) -> ThrottleReason {
    cause.and_then(read).unwrap_or(ThrottleReason::Said(words))
}

fn is_held(cause: &str) -> bool {
    read(cause).is_some_and(|cause: Value| cause["code"] == "held")
}

fn written(cause: &impl Serialize, as_stored: fn(&str) -> Cow<'_, str>) -> Option<String> {
    let mut cause = serde_json::to_value(cause).ok()?;
    make_stored(&mut cause, as_stored);
    Some(cause.to_string())
}

fn make_stored(value: &mut Value, as_stored: fn(&str) -> Cow<'_, str>) {
    match value {
        Value::String(text) => *text = as_stored(text).into_owned(),
        Value::Object(keys) => keys.values_mut().for_each(|value| make_stored(value, as_stored)),
        Value::Array(values) => values.iter_mut().for_each(|value| make_stored(value, as_stored)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn read<T: DeserializeOwned>(cause: &str) -> Option<T> {
    serde_json::from_str(cause).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::delivery::settle::verbatim;
    use crate::delivery::{Fault, ThrottleCause};

    #[test]
    fn a_halt_comes_back_as_it_was_and_its_code_is_told() {
        let told = include_str!("../../docs/json.md");
        for known in Halt::one_of_each() {
            let cause = of_halt(&known, verbatim).expect("it has a code");
            let code = known.code();
            assert!(cause.starts_with(&format!("{{\"code\":\"{code}\"")), "{cause}");
            assert!(told.contains(&format!("| `{code}` |")), "{code} is not told of");
            assert_eq!(halt(Some(&cause), String::new()), HaltReason::Halted(known), "{cause}");
        }
        assert_eq!(halt(Some(HELD), String::new()), HaltReason::Held);
        let halted = of_halt(&Halt::DiskFull, verbatim).expect("it has a code");
        let both = format!("{},{}", halted.trim_end_matches('}'), &AND_HELD[1..]);
        assert_eq!(halt(Some(&both), String::new()), HaltReason::Halted(Halt::DiskFull), "{both}");
    }

    #[test]
    fn pauses_and_throttles_come_back_as_they_were() {
        let lost = PauseReason::EchoLost { protocolo: "2018".to_owned() };
        let cause = of_pause(&lost, verbatim);
        insta::assert_snapshot!(cause.as_deref().unwrap(), @r#"{"code":"echo_lost","params":{"protocolo":"2018"}}"#);
        assert_eq!(pause(cause.as_deref(), String::new()), lost);
        for asked in [None, Some(Duration::from_millis(1500))] {
            let reason = ThrottleReason::Answered { cause: ThrottleCause::TooMany, asked };
            let cause = of_throttle(&reason, verbatim);
            assert_eq!(throttle(cause.as_deref(), String::new()), reason, "{cause:?}");
        }
    }

    /// A newer version's, or somebody's who wrote into the table.
    #[test]
    fn a_cause_that_is_not_known_here_leaves_the_words() {
        let words = || "as it is told".to_owned();
        assert_eq!(of_pause(&PauseReason::Said(words()), verbatim), None);
        assert_eq!(of_throttle(&ThrottleReason::Said(words()), verbatim), None);
        for cause in ["", "7", "{}", r#"{"code":"new"}"#, r#"{"code":"same_refusal","params":{"n_rows":20}}"#]
        {
            assert_eq!(halt(Some(cause), words()), HaltReason::Said(words()), "{cause}");
            assert_eq!(pause(Some(cause), words()), PauseReason::Said(words()), "{cause}");
            assert_eq!(throttle(Some(cause), words()), ThrottleReason::Said(words()), "{cause}");
        }
    }

    #[test]
    fn a_text_is_kept_as_the_outbox_can_hold_it() {
        let refused = Halt::Misconfigured(Fault::Refused { said: Some("a\u{0}b".to_owned()) });
        let cause = of_halt(&refused, |text| text.replace('\0', "?").into()).expect("it has a code");
        assert!(cause.contains("a?b"), "{cause}");
    }
}
