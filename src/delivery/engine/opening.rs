//! What comes before the first claim: the word of the others, what a predecessor left in flight, what earlier
//! runs could not tell, and what a clock put off that was set back since.

use std::time::Duration;

use super::messages::{Action, Told};
use super::state::{Engine, Opening, Reason, Stage};
use super::storage::Kind;
use super::times::Now;
use crate::delivery::{OutboxError, Pulse};

/// Others may bring rows back, whether or not this run was told to look for new ones.
const POLL: Duration = Duration::from_secs(1);

impl Engine<'_> {
    /// Makes the call that is next, unless it is under way or rests.
    pub(super) fn open(&mut self, now: &Now) {
        let Some(Opening { stage, .. }) = self.opening else { return };
        let call = self.storage.call(Kind::Opening);
        if call.is_running() {
            return;
        }
        if let Some(until) = call.rests_until(now.run) {
            return self.wake_at(Some(until));
        }
        self.storage.call_mut(Kind::Opening).begin(now.run);
        let time = self.time(now);
        let action = match stage {
            Stage::Share => Action::Share(Box::new(self.report(now))),
            Stage::Recover => Action::Recover(time),
            Stage::LookAgain => Action::LookAgain(time),
            Stage::PullIn => {
                // Before it is done: the clock may be set back once more meanwhile.
                self.storage.was_set_back = false;
                Action::PullIn(time)
            }
        };
        self.does(action);
    }

    /// The call of the opening came to this.
    pub(super) fn opened<T>(&mut self, now: &Now, done: Result<T, OutboxError>) -> Option<T> {
        let Opening { stage, began } = self.opening?;
        match done {
            Ok(answer) => {
                self.outbox_works(now, Kind::Opening);
                self.opening = match stage {
                    Stage::Share => Some(Stage::Recover),
                    Stage::Recover => Some(Stage::LookAgain),
                    Stage::LookAgain => Some(Stage::PullIn),
                    Stage::PullIn => None,
                }
                .map(|stage| Opening { stage, began: now.run });
                if self.opening.is_none() {
                    self.listen();
                }
                Some(answer)
            }
            Err(error) => {
                self.outbox_fails(now, Kind::Opening, &error);
                // The loop turns, though only in search of its outbox.
                self.tell(Told::Turned(Pulse { is_outbox_down: true, ..Pulse::default() }));
                if let Some(halt) = self.outbox_failed(now, &error, began) {
                    self.end(now, Reason::Halted(halt));
                    self.is_over = true;
                }
                None
            }
        }
    }

    /// Waits for rows that may come, if they may.
    pub(super) fn listen(&mut self) {
        let shared_poll = self.sharing.is_shared().then_some(POLL);
        if let Some(poll) = self.policy.poll.or(shared_poll) {
            let poll = self.retry.about(poll);
            self.does(Action::Listen(poll));
        }
    }
}
