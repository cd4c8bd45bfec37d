//! What a person is told of a run that stopped itself.

use std::borrow::Cow;

use super::exit::{self, Exit};
use super::failure::Failure;
use super::typed::Typed;
use crate::app::services::{Stopped, Why};
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
            tr!(
                "keep the outbox as it is, and look at the disk or the database; nothing more was sent; of a damaged file `%{export}` writes what can be read",
                export = command(&["export", "BATCH", "-o", "DIR"])
            )
        }
        Halt::EchoLost { .. } => {
            tr!("do not run it again before it is clear why HubSoft changed the description")
        }
    };
    Failure::new(exit::of_halt(halt), text::halt(halt), hint).in_log(text::halt_in_log(halt))
}

/// Why customers were not looked up any more, with what helps, and how it goes on.
pub fn look_ups_stopped(stopped: &Stopped) -> Failure {
    let again = match stopped.is_kept {
        true => tr!("run the same command again: what was found is kept, and only the others are looked up"),
        false => tr!("run the same command again: nothing was opened"),
    };
    let (exit, first) = match &stopped.why {
        Why::Alike { .. } => {
            let first = tr!(
                "see in HubSoft what it has against them, or write the services' ids into a column `id_cliente_servico`"
            );
            (Exit::Guard, first.into_owned())
        }
        Why::Halted(halt @ (Halt::Unavailable { .. } | Halt::Until)) => (exit::of_halt(halt), String::new()),
        Why::Halted(halt @ Halt::Forbidden { .. }) => {
            let first = tr!(
                "ask for the permission to read customers through the API; `%{doctor}` tries the rest",
                doctor = Typed::now().other(&["doctor"])
            );
            (exit::of_halt(halt), first.into_owned())
        }
        Why::Halted(halt @ Halt::Paused { .. }) => {
            let first = tr!("`%{resume}` lets all go on", resume = Typed::now().other(&["resume"]));
            (exit::of_halt(halt), first.into_owned())
        }
        Why::Halted(halt) => (exit::of_halt(halt), halted(halt).hint().to_owned()),
    };
    let hint = match &*first {
        "" => again,
        first => tr!("%{first}; then %{again}", first = first, again = again),
    };
    Failure::new(exit, stopped.to_string(), hint).in_log(stopped.in_log())
}

/// The failure to print, if the run did not end by itself.
pub fn why_ended(reason: &Reason) -> Option<Failure> {
    match reason {
        Reason::Drained | Reason::Stopped => None,
        Reason::Halted(halt) => Some(halted(halt)),
    }
}
