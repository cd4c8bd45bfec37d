//! Why a run stopped itself, or everybody was paused, in words.

use std::borrow::Cow;
use std::time::Duration;

use super::fault;
use crate::delivery::{Fault, Halt, HaltReason, PauseReason, Refusal};

const HELD: &str = "its import waits for a word of the person who started it";

/// Why a run, or a lote, stopped.
pub fn halt(halt: &Halt) -> String {
    match halt {
        Halt::Unauthorized(cause) => fault(cause),
        Halt::Forbidden { n_rows, fault: cause } => {
            format!("HubSoft denied {n_rows} different rows in a row (403): {}", fault(cause))
        }
        Halt::Misconfigured(cause) => {
            format!("HubSoft does not know the route that opens tickets: {}", fault(cause))
        }
        Halt::SameRefusal { n_rows, refusal } => {
            let message = match refusal {
                Refusal::Said(said) => fault(said),
                Refusal::NotAsked { code } => format!("what it opened is not what was asked for ({code})"),
            };
            format!("HubSoft refused {n_rows} rows in a row with the same message: {message}")
        }
        Halt::TooManyErrors { n_errors, limit } => {
            format!("{n_errors} rows were refused or failed, more than the {limit} that are allowed")
        }
        Halt::NeverReached { within, last } => {
            format!("HubSoft could not be reached within {} s{}", within.as_secs(), because(last))
        }
        Halt::Unavailable { lasted, last } => {
            format!("HubSoft has been unavailable for {} min{}", minutes(*lasted), because(last))
        }
        Halt::Paused { reason } => {
            format!("all workers of this outbox are stopped{}", because_of(&pause(reason)))
        }
        Halt::Until => "the time to stop has come".to_owned(),
        Halt::DiskFull => "no space is left for the outbox".to_owned(),
        Halt::OutboxUnavailable { lasted, cause, .. } => {
            format!("the outbox has been unavailable for {} min{}", minutes(*lasted), because_of(cause))
        }
        Halt::OutboxDenied { message } => format!("the outbox does not allow it: {message}"),
        Halt::OutboxBroken { message } => format!("the outbox cannot be used: {message}"),
        Halt::EchoLost { protocolo } => format!(
            "the ticket with protocolo `{protocolo}` came back without its marker, so tickets cannot be \
             recognised"
        ),
    }
}

/// Why a run stopped itself, for a log: HubSoft's words may tell of a customer, its code does not.
pub fn halt_in_log(stopped: &Halt) -> String {
    match stopped {
        Halt::Unauthorized(fault) => format!("HubSoft refused the login ({})", fault.code()),
        Halt::Forbidden { n_rows, fault } => {
            format!("HubSoft denied {n_rows} different rows in a row ({})", fault.code())
        }
        Halt::Misconfigured(fault) => {
            format!("HubSoft does not know the route that opens tickets ({})", fault.code())
        }
        Halt::SameRefusal { n_rows, .. } => {
            format!("HubSoft refused {n_rows} rows in a row with the same message (same_refusal)")
        }
        Halt::NeverReached { within, last } => {
            format!("HubSoft could not be reached within {} s ({})", within.as_secs(), code_of(last))
        }
        Halt::Unavailable { lasted, last } => {
            format!("HubSoft has been unavailable for {} min ({})", minutes(*lasted), code_of(last))
        }
        _ => halt(stopped),
    }
}

/// Why nothing of a lote is posted.
pub fn halt_reason(reason: &HaltReason) -> Cow<'_, str> {
    Cow::Owned(match reason {
        HaltReason::Halted(reason) => halt(reason),
        HaltReason::Held => return Cow::Borrowed(HELD),
        HaltReason::Said(said) => return Cow::Borrowed(said),
    })
}

/// Why everybody is paused.
pub fn pause(reason: &PauseReason) -> String {
    match reason {
        PauseReason::Said(said) => said.clone(),
        PauseReason::EchoLost { protocolo } => halt(&Halt::EchoLost { protocolo: protocolo.clone() }),
    }
}

fn minutes(span: Duration) -> u64 {
    span.as_secs() / 60
}

fn code_of(last: &Option<Fault>) -> Cow<'static, str> {
    last.as_ref().map_or("unknown".into(), Fault::code)
}

fn because(last: &Option<Fault>) -> String {
    last.as_ref().map_or_else(String::new, |cause| because_of(&fault(cause)))
}

fn because_of(cause: &str) -> String {
    if cause.is_empty() { String::new() } else { format!(": {cause}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_says_what_came_of_the_last_request() {
        let within = Duration::from_secs(30);
        let last = Fault::Connect { at: Some("erp.example.com:443".into()), cause: None };
        let reached = |last| halt(&Halt::NeverReached { within, last });
        assert_eq!(reached(None), "HubSoft could not be reached within 30 s");
        insta::assert_snapshot!(reached(Some(last)), @"HubSoft could not be reached within 30 s: could not connect to erp.example.com:443 in time");
        let refusal = Fault::Http { status: 403, said: Some("no permission".to_owned()) };
        let forbidden = halt(&Halt::Forbidden { n_rows: 3, fault: refusal });
        insta::assert_snapshot!(forbidden, @"HubSoft denied 3 different rows in a row (403): no permission");
        let paused = |said: &str| halt(&Halt::Paused { reason: PauseReason::Said(said.to_owned()) });
        assert_eq!(paused(""), "all workers of this outbox are stopped");
        assert_eq!(paused("maintenance"), "all workers of this outbox are stopped: maintenance");
    }

    #[test]
    fn a_log_has_a_code_where_hubsofts_words_may_tell_of_a_customer() {
        let fault = || Fault::Http { status: 403, said: Some("Maria da Silva has no plan".to_owned()) };
        let within = Duration::from_secs(60);
        for stopped in [
            Halt::Unauthorized(fault()),
            Halt::Forbidden { n_rows: 3, fault: fault() },
            Halt::Misconfigured(fault()),
            Halt::SameRefusal { n_rows: 3, refusal: Refusal::Said(fault()) },
            Halt::NeverReached { within, last: Some(fault()) },
            Halt::Unavailable { lasted: within, last: Some(fault()) },
        ] {
            assert!(halt(&stopped).contains("Maria"), "{stopped:?}");
            let logged = halt_in_log(&stopped);
            assert!(!logged.contains("Maria") && logged.ends_with(')'), "{logged}");
        }
    }
}
