//! Keeps the deadlines of a run, and its end.

use std::time::Duration;

use super::messages::{Action, Told};
use super::state::{Engine, Reason};
use super::times::Now;

/// How long the outbox may take to store what a stop has cut off. An outbox that hangs must not hold up the
/// stop.
const STORE_MAX: Duration = Duration::from_secs(2);

impl Engine<'_> {
    /// Somebody asks for a clean end.
    pub(super) fn stop(&mut self, now: &Now) {
        self.tell(Told::Stopping);
        self.end(now, Reason::Stopped);
        // Giving a call of the opening up is as safe as giving the run up.
        self.is_over |= self.opening.is_some();
    }

    /// Halts the run when a guard's time has come, and cuts off what outlasts the grace of a stop.
    pub(super) fn keep_deadlines(&mut self, now: &Now) {
        if self.ending.is_none() {
            let deadline = self.health.guards.deadline();
            if deadline.is_some_and(|at| at <= now.run)
                && let Some(halt) = self.health.guards.overdue(now.run)
            {
                self.end(now, Reason::Halted(halt));
            } else {
                self.wake_at(deadline);
            }
        }
        let Some((_, ended_at)) = self.ending else { return };
        let cut_at = match self.cut_at {
            Some(cut_at) => cut_at,
            None if now.run < ended_at + self.policy.grace => {
                return self.wake_at(Some(ended_at + self.policy.grace));
            }
            None => *self.cut_at.insert(now.run),
        };
        // Also what was asked since then: the outbox may have answered late.
        self.cut_off(now);
        if cut_at + STORE_MAX <= now.run {
            self.is_over = true;
        }
        self.wake_at(Some(cut_at + STORE_MAX));
    }

    /// Tells whoever looks on that the loop turns, and how the run stands: when that changes, and as often as
    /// was asked for.
    pub(super) fn turn(&mut self, now: &Now) {
        if self.cut_at.is_some() {
            return;
        }
        let pulse = self.pulse(now);
        let is_due = |said_at| self.pulse_every.is_some_and(|every| said_at + every <= now.run);
        match self.turned {
            Some((said, said_at)) if said == pulse && !is_due(said_at) => {}
            _ => {
                self.turned = Some((pulse, now.run));
                self.tell(Told::Turned(pulse));
            }
        }
        let next = self.turned.zip(self.pulse_every).map(|((_, said_at), every)| said_at + every);
        self.wake_at(next);
    }

    /// Ends with the last outcome: nothing is claimed any more, and every one is stored. Whatever is still
    /// under way then (a probe, a wait for rows) owns none.
    pub(super) fn end_if_done(&mut self) {
        let is_done = self.is_ending() && !self.queue.is_claiming && self.queue.n_live == 0;
        if self.is_over || is_done {
            self.has_ended = true;
            self.does(Action::End);
        }
    }
}
