//! Finds out when HubSoft is back.

use super::errand::Pass;
use super::messages::{Action, Request, RequestId, Told};
use super::slots::Purpose;
use super::state::Engine;
use super::times::Now;
use crate::delivery::coordination::{News, Reachability};
use crate::delivery::decide::Looks;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::{Halt, Reply, RequestKind};

impl Engine<'_> {
    /// Probes while the breaker is open, when it is time.
    pub(super) fn probe(&mut self, now: &Now) {
        if let Some((id, pass)) = &self.probe {
            // A probe that is cut off left nothing behind: it only reads.
            if self.is_ending() || self.health.pause.is_some() {
                debug_assert_eq!(pass.purpose, Purpose::Probe);
                let id = *id;
                self.slots.forget(id);
                self.does(Action::Abandon(id));
                self.probe = None;
            } else {
                return;
            }
        }
        if self.is_ending() {
            return;
        }
        if std::mem::take(&mut self.health.has_returned) {
            self.hurry(now);
        }
        match self.health.probe_at() {
            Some(at) if at <= now.run => {
                let id = self.next_id(self.probe_seat());
                self.probe = Some((id, Pass::new(Purpose::Probe, None)));
                self.does(Action::Send(id, Request::Probe));
            }
            at => self.wake_at(at),
        }
    }

    /// HubSoft takes connections again. Whose probe it is, the outbox says where it is shared. A login that
    /// was refused is not tried sooner.
    fn hurry(&mut self, now: &Now) {
        if self.health.halted.is_some() || !self.health.is_dark() {
            return;
        }
        match self.sharing.is_shared() {
            false => self.health.breaker.hurry(now.run),
            true => self.sharing.tell(News { returned: true, ..News::default() }),
        }
    }

    pub(super) fn probed(&mut self, now: &Now, id: RequestId, reply: &Reply<()>) {
        let Some((_, pass)) = self.probe.take_if(|(probe, _)| *probe == id) else { return };
        self.tell_answer(RequestKind::Probe, reply);
        let evidence = Evidence::of(reply);
        // It shows no more than that HubSoft is there.
        self.hear(now, reply, pass.sent, Looks::Free);
        self.health.breaker.probed(now.run, evidence.health);
        if self.health.halted.is_none() && evidence.row != Row::Withheld {
            self.sharing.tell(match self.health.is_dark() {
                true => Reachability::Unreachable,
                false => Reachability::Answered,
            });
        }
        // A good login is all that was missing.
        if let (Some(Halt::Unauthorized(_)), Row::Answered(())) = (&self.health.halted, evidence.row) {
            self.health.halted = None;
            self.tell(Told::HaltOver);
        }
        self.queue.unbar();
        if let Guard::Unauthorized(fault) = evidence.guard {
            self.halt(now, Halt::Unauthorized(fault.clone()));
        }
    }
}
