//! What a person is told of a run that stopped itself.

use std::borrow::Cow;

use super::exit;
use super::failure::Failure;
use super::typed::Typed;
use crate::delivery::{Halt, Reason};
use crate::text;

/// Why a run stopped itself, with the next command.
pub fn halted(halt: &Halt) -> Failure {
    let command = |args: &[&str]| Typed::now().other(args);
    let with_doctor = |what: Cow<'static, str>| {
        tr!("%{what}; `%{doctor}` tries it", what = what, doctor = command(&["doctor"]))
    };
    let with_retry = |what: Cow<'static, str>| {
        tr!(
            "%{what}; `%{retry}` is for rows that HubSoft would take now as they are",
            what = what,
            retry = command(&["retry", "BATCH"])
        )
    };
    let hint = match halt {
        Halt::Unauthorized(_) => with_doctor(tr!("check HUBSOFT_TOKEN, or user and password")),
        Halt::Forbidden { .. } => with_doctor(tr!("ask for the permission to open tickets through the API")),
        Halt::Misconfigured(_) => with_doctor(tr!("check HUBSOFT_URL")),
        Halt::SameRefusal { .. } => with_retry(tr!(
            "correct the file or the setting that the message names, and run the same command again"
        )),
        Halt::TooManyErrors { .. } => with_retry(tr!("errors.csv tells what is wrong with them")),
        Halt::NeverReached { .. } => with_doctor(tr!("check HUBSOFT_URL and the network")),
        Halt::Paused { .. } => {
            tr!("`%{resume}` lets them go on; then run the same command again", resume = command(&["resume"]))
        }
        Halt::Unavailable { .. } | Halt::Until => {
            tr!("run the same command again: it goes on where it stopped")
        }
        Halt::DiskFull => {
            tr!("free some space, then run the same command again: it goes on where it stopped")
        }
        Halt::OutboxUnavailable { .. } => {
            tr!(
                "see that the database runs and is reached from here, then run the same command again: what may have been sent is looked up first"
            )
        }
        Halt::OutboxDenied { .. } => {
            tr!(
                "have the owner of the schema grant it, then run the same command again: what may have been sent is looked up first"
            )
        }
        Halt::OutboxBroken { .. } => {
            tr!("keep the outbox as it is, and look at the disk or the database; nothing more was sent")
        }
        Halt::EchoLost { .. } => {
            tr!("do not run it again before it is clear why HubSoft changed the description")
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
