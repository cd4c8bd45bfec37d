//! What passes the slots, and what that is to the rest of the run.

use super::errand::{Pass, Sight, Step};
use super::messages::{Action, RequestId, Told};
use super::slots::{Asking, Purpose, Word};
use super::state::Engine;
use super::times::Now;
use crate::delivery::RequestKind;
use crate::delivery::breaker::Traffic;

impl Engine<'_> {
    /// The API asks for a slot.
    pub(super) fn asks(&mut self, now: &Now, id: RequestId, kind: RequestKind) {
        // Whatever it asked for before, it does not wait for that any more.
        self.slots.forget(id);
        let Some(pass) = self.pass(id) else { return };
        if pass.is_barred {
            return self.does(Action::Withhold(id));
        }
        let (purpose, claimed) = (pass.purpose, pass.claimed);
        let is_extra = pass.has_begun || claimed.is_none();
        let asking = Asking { id, kind, purpose, claimed, is_extra };
        if let Some(word) = self.slots.ask(asking, &self.scenery(now)) {
            self.says(now, &asking, word);
        }
    }

    /// Tells those who wait what has become of their wait.
    pub(super) fn call_up(&mut self, now: &Now) {
        if self.slots.is_empty() {
            return;
        }
        // A request that goes may shut the doors on the next.
        while let Some((asking, word)) = self.slots.next(&self.scenery(now)) {
            self.says(now, &asking, word);
        }
        let wakes_at = self.slots.wakes_at(now.run);
        self.wake_at(wakes_at);
    }

    fn says(&mut self, now: &Now, asking: &Asking, word: Word) {
        let &Asking { id, kind, .. } = asking;
        match word {
            Word::Go if self.sends(now, asking) => {
                self.tell(Told::Sending(kind));
                self.does(Action::Grant(id));
            }
            Word::Go | Word::Withheld => self.does(Action::Withhold(id)),
        }
    }

    /// A request is about to leave. `false`: it must not.
    fn sends(&mut self, now: &Now, asking: &Asking) -> bool {
        if let (Purpose::Post(row), RequestKind::Post) = (asking.purpose, asking.kind) {
            // Two rows may have waited for one trial.
            if let Traffic::OneTrial(Some(trial)) = self.health.breaker.traffic()
                && trial != row
            {
                return false;
            }
            self.health.breaker.posting(row);
        }
        if asking.kind == RequestKind::Login {
            self.slots.logs_in(now.run);
        }
        self.health.guards.tries(now.run);
        let is_first = !asking.is_extra;
        let is_awaited = is_first && self.health.guards.begins(now.run);
        if is_first {
            self.queue.n_unsent -= 1;
        }
        self.stats.sending(now.run, asking.kind);
        if let Some(pass) = self.pass(asking.id) {
            pass.has_begun = true;
            pass.has_posted |= asking.kind == RequestKind::Post;
            pass.is_awaited |= is_awaited;
            pass.sent = Some(now.run);
        }
        true
    }

    /// Of whoever made that request; `None`: nobody waits for it any more.
    fn pass(&mut self, id: RequestId) -> Option<&mut Pass> {
        if id.seat == self.probe_seat() {
            return self.probe.as_mut().filter(|(probe, _)| *probe == id).map(|(_, pass)| pass);
        }
        if id.seat == self.list_seat() {
            return self.listing.pass(id);
        }
        let (errand, step) = self.seats.get_mut(id.seat)?.as_mut().filter(|(errand, _)| errand.id == id)?;
        match step {
            Step::See(_, Sight::Look { pass, .. }) => Some(pass),
            _ => Some(&mut errand.pass),
        }
    }
}
