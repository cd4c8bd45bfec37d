//! Keeps the deadlines of a run.

use super::engine::{Engine, sleep_until};
use super::state::Reason;
use crate::delivery::{Api, Clock, Outbox, Watch};

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    /// Halts the run when a guard's time has come, and cuts off what outlasts the grace of a stop. Tells
    /// whoever looks on that the loop turns, and how it stands.
    pub(super) async fn deadlines(&self) {
        loop {
            let changed = self.changed.notified();
            let now = self.now();
            let (deadline, halt) = {
                let state = self.state.borrow();
                match state.ending {
                    Some((_, at)) if at + self.policy.grace <= now => {
                        self.cut.cancel();
                        return;
                    }
                    Some((_, at)) => (Some(at + self.policy.grace), None),
                    None => (state.guards.deadline(), state.guards.overdue(now)),
                }
            };
            if let Some(halt) = halt {
                self.end(Reason::Halted(halt));
                continue;
            }
            self.watch.turned(&self.state.borrow().pulse(now));
            let deadline = sleep_until(deadline.map(|at| self.instant(at)));
            let pulse = sleep_until(self.watch.pulse_every().map(|every| self.instant(now + every)));
            // Dropping any loses nothing.
            tokio::select! {
                biased;
                () = changed => {}
                () = deadline => {}
                () = pulse => {}
            }
        }
    }
}
