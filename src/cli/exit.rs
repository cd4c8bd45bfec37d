//! Exit codes: the one place that lists them, and the one function that chooses.

use crate::delivery::{Ending, Halt, Reason};
use crate::outbox::Counts;
use crate::platform::Signal;

/// A contract; docs/cli.md says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Internal = 1,
    Usage = 2,
    NotAllOpened = 3,
    Denied = 4,
    File = 5,
    Guard = 6,
    Unconfirmed = 7,
    Unreachable = 8,
    Busy = 9,
    Interrupted = 130,
    Terminated = 143,
}

impl Signal {
    pub fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

/// How a run ended, and who asked for it.
pub struct Run {
    pub ending: Ending,
    pub signal: Option<Signal>,
}

/// The exit code of a run that ended by itself, by a guard or by a signal, with `counts` of the rows in
/// scope. When several apply: 130/143, 4, 7, 6, 3, 0; rows in doubt alone are 7 where no guard struck. 8
/// stands with 6: it is the guard that strikes before the first ticket.
pub fn of_run(reason: &Reason, signal: Option<Signal>, counts: &Counts) -> Exit {
    if let (Reason::Stopped, Some(signal)) = (reason, signal) {
        return signal.exit();
    }
    let guard = match reason {
        Reason::Halted(halt) => match of_halt(halt) {
            exit @ (Exit::Internal | Exit::Denied) => return exit,
            exit => Some(exit),
        },
        Reason::Drained | Reason::Stopped => None,
    };
    if 0 < counts.unconfirmed {
        return Exit::Unconfirmed;
    }
    guard.unwrap_or_else(|| of_counts(counts))
}

/// The exit code that a halt calls for, whatever became of the rows.
pub fn of_halt(halt: &Halt) -> Exit {
    match halt {
        Halt::Unauthorized(_) | Halt::Forbidden { .. } | Halt::OutboxDenied { .. } => Exit::Denied,
        Halt::NeverReached { .. } | Halt::OutboxUnavailable { n_posts: 0, .. } => Exit::Unreachable,
        Halt::OutboxBroken { .. } => Exit::Internal,
        Halt::Misconfigured(_)
        | Halt::SameRefusal { .. }
        | Halt::TooManyErrors { .. }
        | Halt::Unavailable { .. }
        | Halt::Paused { .. }
        | Halt::Until
        | Halt::DiskFull
        | Halt::OutboxUnavailable { .. }
        | Halt::EchoLost { .. } => Exit::Guard,
    }
}

/// The exit code of what went wrong once `n_posts` tickets were asked for: 8 is of what comes before.
pub fn after_posts(exit: Exit, n_posts: u64) -> Exit {
    match exit {
        Exit::Unreachable if 0 < n_posts => Exit::Guard,
        exit => exit,
    }
}

/// 0 if every row was opened.
pub fn of_counts(counts: &Counts) -> Exit {
    if 0 < counts.unconfirmed + counts.in_doubt + counts.in_flight {
        Exit::Unconfirmed
    } else if counts.opened == counts.total() {
        Exit::Done
    } else {
        Exit::NotAllOpened
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::delivery::Fault;

    #[test]
    fn the_first_that_applies_in_the_order_of_the_contract() {
        let fault = || Fault::Timeout;
        let opened = Counts { opened: 2, ..Counts::default() };
        let invalid = Counts { opened: 1, invalid: 1, ..Counts::default() };
        let unsure = Counts { opened: 1, unconfirmed: 1, invalid: 1, ..Counts::default() };
        let in_doubt = Counts { opened: 1, in_doubt: 1, ..Counts::default() };
        let in_flight = Counts { opened: 1, in_flight: 1, ..Counts::default() };
        let conflict = Counts { opened: 1, conflict: 1, ..Counts::default() };
        let halted = Reason::Halted;
        let outbox_away = |n_posts| Halt::OutboxUnavailable {
            lasted: Duration::from_secs(900),
            cause: String::new(),
            n_posts,
        };
        for (reason, signal, counts, exit) in [
            (Reason::Drained, None, opened, Exit::Done),
            (Reason::Drained, None, invalid, Exit::NotAllOpened),
            (Reason::Drained, None, unsure, Exit::Unconfirmed),
            (Reason::Drained, None, in_doubt, Exit::Unconfirmed),
            (Reason::Drained, None, in_flight, Exit::Unconfirmed),
            (Reason::Drained, None, conflict, Exit::NotAllOpened),
            (halted(Halt::Until), None, in_doubt, Exit::Guard),
            (Reason::Stopped, Some(Signal::Interrupt), unsure, Exit::Interrupted),
            (Reason::Stopped, Some(Signal::Terminate), opened, Exit::Terminated),
            (halted(Halt::Unauthorized(fault())), None, unsure, Exit::Denied),
            (halted(Halt::Forbidden { n_rows: 3, fault: fault() }), None, invalid, Exit::Denied),
            (halted(Halt::Until), None, unsure, Exit::Unconfirmed),
            (halted(Halt::Until), None, invalid, Exit::Guard),
            (halted(Halt::DiskFull), None, invalid, Exit::Guard),
            (
                halted(Halt::NeverReached { within: Duration::ZERO, last: None }),
                None,
                invalid,
                Exit::Unreachable,
            ),
            (halted(outbox_away(0)), None, invalid, Exit::Unreachable),
            (halted(outbox_away(1)), None, invalid, Exit::Guard),
            (halted(Halt::OutboxDenied { message: String::new() }), None, unsure, Exit::Denied),
            (halted(Halt::OutboxBroken { message: String::new() }), None, unsure, Exit::Internal),
        ] {
            assert_eq!(of_run(&reason, signal, &counts), exit, "{reason:?} {counts:?}");
        }
        assert_eq!(of_counts(&Counts::default()), Exit::Done, "nothing was asked for");
    }
}
