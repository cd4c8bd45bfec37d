//! What a person is told of a run that stopped itself.

use super::exit;
use super::failure::Failure;
use super::typed::Typed;
use crate::delivery::{Halt, Reason};
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
    Failure::new(exit::of_halt(halt), text::halt(halt), hint).in_log(text::halt_in_log(halt))
}

/// The failure to print, if the run did not end by itself.
pub fn why_ended(reason: &Reason) -> Option<Failure> {
    match reason {
        Reason::Drained | Reason::Stopped => None,
        Reason::Halted(halt) => Some(halted(halt)),
    }
}
