//! Who is told elsewhere how a run went (`--notify`).

use std::cell::RefCell;

use jiff::Timestamp;

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::delivery::Reason;
use crate::notice::{Counts, Event, Looking, Message, Notices, Undelivered};
use crate::outbox;
use crate::settings::{Flags, Notifying, Sources};

pub struct Telling<'a> {
    notices: Notices,
    screen: &'a Screen,
    /// What is to be said at the end, as far as it is known.
    last: RefCell<Message>,
}

impl<'a> Telling<'a> {
    pub fn new(flags: &Flags<Notifying>, sources: &Sources, screen: &'a Screen) -> Result<Self, Failure> {
        let recipient = sources.resolve(flags)?.recipient;
        let without = sources.environment().own_variables();
        let notices = Notices::new(recipient, without).map_err(|why| {
            Failure::of(Exit::Usage, &why, tr!("run it without --notify, or name a program with it"))
        })?;
        Ok(Self { notices, screen, last: RefCell::new(Message::now(Event::Finished)) })
    }

    /// Looks on for it. `batch`: the only one of the run.
    pub fn looking(&self, batch: Option<&str>, host: &str) -> Looking<'_> {
        let looking = Looking::new(&self.notices, batch.map(str::to_owned), host.to_owned());
        self.last.replace(looking.message(Event::Finished));
        looking
    }

    /// Tells beside `run`, while `looking` sees it.
    pub async fn beside<T>(&self, looking: &Looking<'_>, run: impl Future<Output = T>) -> T {
        let seen = async {
            tokio::select! {
                done = run => done,
                never = looking.look_on() => match never {},
            }
        };
        let done = self.notices.beside(seen, |why| self.warn(why)).await;
        // Also of a run that failed in the midst: what it opened is open.
        self.last.replace(looking.message(Event::Finished));
        done
    }

    /// The run that `looking` saw has ended.
    pub fn ran(&self, looking: &Looking<'_>, reason: &Reason) {
        let (event, code) = match reason {
            Reason::Drained => (Event::Finished, None),
            Reason::Stopped => (Event::Stopped, None),
            Reason::Halted(halt) => (Event::Halted, Some(halt.code())),
        };
        self.last.replace(Message { reason: code, ..looking.message(event) });
    }

    /// What became of all its rows.
    pub fn counted(&self, counts: &outbox::Counts) {
        self.last.borrow_mut().counts = Counts {
            opened: counts.opened,
            invalid: counts.invalid,
            rejected: counts.rejected,
            failed: counts.failed,
            skipped: counts.skipped,
            unconfirmed: counts.unconfirmed,
            conflict: counts.conflict,
            in_doubt: Some(counts.in_doubt + counts.in_flight),
            pending: Some(counts.pending),
        };
    }

    /// Tells how the command ended. It never changes that.
    pub async fn end(&self, done: &Result<Exit, Failure>) {
        if self.notices.is_for_nobody() {
            return;
        }
        let mut last = self.last.borrow().clone();
        last.at = Timestamp::now();
        let exit = match done {
            Ok(exit) => *exit,
            Err(failure) => {
                (last.event, last.reason) = (Event::Failed, None);
                failure.exit
            }
        };
        last.exit_code = Some(exit as u8);
        self.notices.end(last, |why| self.warn(why)).await;
    }

    fn warn(&self, why: &Undelivered) {
        self.screen.warn(tr!("a notice was not delivered: %{why}", why = why));
    }
}
