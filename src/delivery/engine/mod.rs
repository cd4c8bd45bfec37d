//! The engine: one state machine without I/O, clock, or `async`. Events go in ([`Engine::handle`]), actions
//! come out ([`Engine::poll`]), and [`Engine::next_timeout`] says when the passing of time alone may call for
//! one. Whoever drives it ([`run`](super::run())) makes futures of actions, and events of what they come to.
//! docs/engine.md shows it as a whole.
//!
//! Its parts are private: the [`queue`] of claims, [`slots`] (who may send next), [`health`] (of HubSoft and
//! of the run), [`storage`] (calls of the outbox), [`sharing`] (with other workers), [`sights`] (what its
//! user sees), and [`listing`] (what is open). The other files are what it does with them: each a few events,
//! and what is to be done when time has passed.
//!
//! After each event all of it is looked at again, so that nobody has to know who waits for what.

mod call;
mod coordinator;
mod deadlines;
mod errand;
mod errands;
mod feeder;
#[cfg(feature = "inside")]
mod fingerprint;
mod gate;
mod health;
mod hearing;
mod lister;
mod listing;
mod messages;
mod opening;
mod prober;
mod queue;
mod seeing;
mod settler;
mod sharing;
mod sights;
mod slots;
mod state;
mod storage;
#[cfg(test)]
mod tests;
mod times;

use std::time::Duration;

pub use messages::{Action, Answer, Event, Request, RequestId};
pub use state::{Engine, Reason};
#[cfg(feature = "inside")]
pub use storage::Kind;
pub use times::Now;

impl Engine<'_> {
    /// Takes in what has happened. What is to be done for it, [`poll`](Self::poll) tells.
    pub fn handle(&mut self, now: &Now, event: Event) {
        self.is_at_rest = false;
        match event {
            Event::Asks(id, kind) => self.asks(now, id, kind),
            Event::Replied(id, answer) => self.replied(now, id, answer),
            Event::Settled(kind, batch, done) => self.batch_settled(now, kind, batch, done),
            Event::Claimed(batch, done) => self.claimed(now, batch, done),
            Event::Shared(done) => self.shared(now, done),
            Event::Woken => self.woken(),
            Event::Recovered(done) => self.recovered(now, done),
            Event::PulledIn(done) => self.pulled_in(now, done),
            Event::LookedAgain(done) => {
                self.opened(now, done);
            }
            Event::Halted(id, done) => self.lote_halted(now, id, done),
            Event::Sights(id, stored) => self.sights_read(now, id, stored),
            Event::Kept(id) => self.kept(now, id),
            Event::Specimen(id, found) => self.specimen_found(now, id, found),
            Event::PostsAreLeft(id, are_left) => self.posts_counted(now, id, are_left),
            Event::Stop => self.stop(now),
            Event::Returned => self.health.has_returned = true,
        }
    }

    /// What is to be done next, for what has happened or because it is time. `None`: nothing before an event,
    /// or before [`next_timeout`](Self::next_timeout).
    pub fn poll(&mut self, now: &Now) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if self.has_ended || self.is_at_rest && self.wake_at.is_none_or(|at| now.run < at) {
                return None;
            }
            self.wake_at = None;
            self.act(now);
            // What was done may call for more.
            self.is_at_rest = self.actions.is_empty();
        }
    }

    /// When [`poll`](Self::poll) may have something to say by the passing of time alone; since the run began.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.wake_at
    }

    /// Each part looks at how things stand. In this order: what stops comes before what sends, and what was
    /// learnt is stored before more is claimed.
    fn act(&mut self, now: &Now) {
        if self.opening.is_some() {
            self.open(now);
        } else {
            self.keep_deadlines(now);
            self.call_up(now);
            self.see_in_turn(now);
            self.set_out(now);
            self.read_list(now);
            self.tell_halts_again(now);
            self.store(now);
            self.unstick(now);
            self.feed(now);
            self.probe(now);
            self.share(now);
            self.turn(now);
        }
        self.end_if_done();
    }
}
