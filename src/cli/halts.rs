//! What a person is told of a run that stopped itself.

use super::exit;
use super::failure::Failure;
use super::typed::Typed;
use crate::delivery::{Fault, Halt, Reason};
use crate::text;

/// Why a run stopped itself, with the next command.
pub fn halted(halt: &Halt) -> Failure {
    let command = |args: &[&str]| Typed::now().other(args);
    let with_doctor = |what: &str| format!("{what}; `{}` tries it", command(&["doctor"]));
    let with_retry = |what: &str| {
        let retry = command(&["retry", "BATCH"]);
        format!("{what}; `{retry}` is for rows that HubSoft would take now as they are")
    };
    let hint = match halt {
        Halt::Unauthorized(_) => with_doctor("check HUBSOFT_TOKEN, or user and password"),
        Halt::Forbidden { .. } => with_doctor("ask for the permission to open tickets through the API"),
        Halt::Misconfigured(_) => with_doctor("check HUBSOFT_URL"),
        Halt::SameRefusal { .. } => with_retry(
            "correct the file or the setting that the message names, and run the same command again",
        ),
        Halt::TooManyErrors { .. } => with_retry("errors.csv tells what is wrong with them"),
        Halt::NeverReached { .. } => with_doctor("check HUBSOFT_URL and the network"),
        Halt::Paused { .. } => {
            format!("`{}` lets them go on; then run the same command again", command(&["resume"]))
        }
        Halt::Unavailable { .. } | Halt::Until => "run the same command again: it goes on where it stopped".into(),
        Halt::DiskFull => {
            "free some space, then run the same command again: it goes on where it stopped".into()
        }
        Halt::OutboxUnavailable { .. } => {
            "see that the database runs and is reached from here, then run the same command again: what may have been sent is looked up first".into()
        }
        Halt::OutboxDenied { .. } => {
            "have the owner of the schema grant it, then run the same command again: what may have been sent is looked up first".into()
        }
        Halt::OutboxBroken { .. } => {
            "keep the outbox as it is, and look at the disk or the database; nothing more was sent".into()
        }
        Halt::EchoLost { .. } => {
            "do not run it again before it is clear why HubSoft changed the description".into()
        }
    };
    Failure::new(exit::of_halt(halt), text::halt(halt), hint).in_log(in_log(halt))
}

/// Why a run stopped itself, for a log: HubSoft's words may tell of a customer, its code does not.
pub fn in_log(halt: &Halt) -> String {
    match halt {
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
            let code = last.as_ref().map_or("unknown".into(), Fault::code);
            format!("HubSoft could not be reached within {} s ({code})", within.as_secs())
        }
        Halt::Unavailable { lasted, last } => {
            let code = last.as_ref().map_or("unknown".into(), Fault::code);
            format!("HubSoft has been unavailable for {} min ({code})", lasted.as_secs() / 60)
        }
        told => text::halt(told),
    }
}

/// The failure to print, if the run did not end by itself.
pub fn why_ended(reason: &Reason) -> Option<Failure> {
    match reason {
        Reason::Drained | Reason::Stopped => None,
        Reason::Halted(halt) => Some(halted(halt)),
    }
}
