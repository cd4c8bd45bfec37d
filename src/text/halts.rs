//! Why a run stopped itself, or everybody was paused, in words.

use std::borrow::Cow;
use std::time::Duration;

use super::{again, fault};
use crate::delivery::{Fault, Halt, HaltReason, PauseReason, Refusal};

/// Why a run, or a lote, stopped.
pub fn halt(halt: &Halt) -> String {
    let said = match halt {
        Halt::Unauthorized(cause) => return fault(cause),
        Halt::Forbidden { n_rows, fault: cause } => tr!(
            "HubSoft denied %{n} different rows in a row (403): %{cause}",
            n = n_rows,
            cause = fault(cause)
        ),
        Halt::Misconfigured(cause) => {
            tr!("HubSoft does not know the route that opens tickets: %{cause}", cause = fault(cause))
        }
        Halt::SameRefusal { n_rows, refusal } => {
            let message = match refusal {
                Refusal::Said(said) => fault(said),
                Refusal::NotAsked { code } => {
                    tr!("what it opened is not what was asked for (%{code})", code = code).into_owned()
                }
            };
            tr!(
                "HubSoft refused %{n} rows in a row with the same message: %{message}",
                n = n_rows,
                message = message
            )
        }
        Halt::TooManyErrors { n_errors, limit } => tr!(
            "%{n} %{n|row was|rows were} refused or failed, more than the %{limit} that are allowed",
            n = n_errors,
            limit = limit
        ),
        Halt::NeverReached { within, last } => tr!(
            "HubSoft could not be reached within %{time}%{because}",
            time = Duration::from_secs(within.as_secs()),
            because = because(last)
        ),
        Halt::Unavailable { lasted, last } => tr!(
            "HubSoft has been unavailable for %{time}%{because}",
            time = Duration::from_secs(60 * minutes(*lasted)),
            because = because(last)
        ),
        Halt::Paused { reason } => {
            tr!("all workers of this outbox are stopped%{because}", because = because_of(&pause(reason)))
        }
        Halt::Until => tr!("the time to stop has come"),
        Halt::DiskFull => tr!("no space is left for the outbox"),
        Halt::OutboxUnavailable { lasted, cause, .. } => tr!(
            "the outbox has been unavailable for %{time}%{because}",
            time = Duration::from_secs(60 * minutes(*lasted)),
            because = because_of(&again(cause))
        ),
        Halt::OutboxDenied { message } => {
            tr!("the outbox does not allow it: %{message}", message = again(message))
        }
        Halt::OutboxBroken { message } => {
            tr!("the outbox cannot be used: %{message}", message = again(message))
        }
        Halt::EchoLost { protocolo } => tr!(
            "the ticket with protocolo `%{protocolo}` came back without its marker, so tickets cannot be recognised",
            protocolo = protocolo
        ),
    };
    said.into_owned()
}

/// Why a run stopped itself, for a log, which is English: HubSoft's words may tell of a customer, its code
/// does not.
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
        HaltReason::Held => return tr!("its import waits for a word of the person who started it"),
        HaltReason::Said(said) => return again(said),
    })
}

/// Why everybody is paused.
pub fn pause(reason: &PauseReason) -> String {
    match reason {
        PauseReason::Said(said) => again(said).into_owned(),
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
