//! Looks on while a run goes: counts, and notices when it stops by itself or stands still for long.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::message::{Counts, Event, Message};
use super::notices::Notices;
use crate::delivery::{
    ALREADY_OPEN, Change, Note, PauseReason, Refused, Settle, Settled, State, ThrottleReason, Watch,
};

/// A run that stands still for so long is told of.
pub const LONG: Duration = Duration::from_secs(120);

/// Between two looks whether it does.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Codes that are told at most; the others are counted together.
const CODES_MAX: usize = 20;

const THROTTLED: &str = "throttled";

/// What is counted under a code of its own where there are too many.
const OTHERS: &str = "other";

/// Why nothing goes forward.
#[derive(Clone, Copy)]
struct Obstacle {
    since: Instant,
    /// When it ends by itself, if that is known.
    ends: Option<Instant>,
    is_told: bool,
}

pub struct Looking<'a> {
    notices: &'a Notices,
    batch: Option<String>,
    host: String,
    counts: Cell<Counts>,
    refusals: RefCell<BTreeMap<String, u64>>,
    /// What stands in the way, by its code.
    obstacles: RefCell<BTreeMap<&'static str, Obstacle>>,
}

impl<'a> Looking<'a> {
    /// `batch`: the only one of the run.
    pub fn new(notices: &'a Notices, batch: Option<String>, host: String) -> Self {
        Self {
            notices,
            batch,
            host,
            counts: Cell::default(),
            refusals: RefCell::default(),
            obstacles: RefCell::default(),
        }
    }

    /// Looks at the clock, for ever.
    pub async fn look_on(&self) -> Infallible {
        loop {
            sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    /// What is known of the run, for a message.
    pub fn message(&self, event: Event) -> Message {
        Message {
            batch: self.batch.clone(),
            host: Some(self.host.clone()),
            counts: self.counts.get(),
            refusals: self.refusals.borrow().clone(),
            ..Message::now(event)
        }
    }

    fn look(&self) {
        let mut obstacles = self.obstacles.borrow_mut();
        // What comes again a moment later is one.
        obstacles
            .retain(|_, obstacle| obstacle.ends.is_none_or(|ends| Instant::now() < ends + 2 * LOOK_EVERY));
        for (code, obstacle) in obstacles.iter_mut() {
            let lasts = obstacle.ends.unwrap_or_else(Instant::now).saturating_duration_since(obstacle.since);
            if !obstacle.is_told && LONG <= lasts {
                obstacle.is_told = true;
                self.notices.add(Message { reason: Some(code), ..self.message(Event::Paused) });
            }
        }
    }

    /// Nothing goes forward from now on, until `ends` or until it is said.
    fn stands(&self, code: &'static str, ends: Option<Instant>) {
        let new = Obstacle { since: Instant::now(), ends, is_told: false };
        self.obstacles.borrow_mut().entry(code).or_insert(new).ends = ends;
    }

    fn goes(&self, code: &'static str) {
        self.obstacles.borrow_mut().remove(code);
    }

    /// HubSoft did what was asked. What it was asked before a throttle does not end that.
    fn answered(&self) {
        let is_over = |obstacle: &Obstacle| obstacle.ends.is_none_or(|ends| ends <= Instant::now());
        self.obstacles.borrow_mut().retain(|code, obstacle| *code != THROTTLED || !is_over(obstacle));
    }

    fn refusal(&self, code: &str) {
        let mut refusals = self.refusals.borrow_mut();
        let code = if refusals.contains_key(code) || refusals.len() < CODES_MAX { code } else { OTHERS };
        *refusals.entry(code.to_owned()).or_default() += 1;
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        count(&mut counts);
        self.counts.set(counts);
    }
}

impl Watch for Looking<'_> {
    fn settled(&self, settle: &Settle, became: Settled) {
        match (became, &settle.change) {
            (Settled::Written, Change::Opened { .. }) => {
                self.count(|counts| counts.opened += 1);
                self.answered();
            }
            (Settled::Written, Change::Skipped { .. }) => {
                self.count(|counts| counts.skipped += 1);
                self.refusal(ALREADY_OPEN);
            }
            (Settled::Written, Change::Rejected { fault, .. }) => {
                self.count(|counts| counts.rejected += 1);
                self.refusal(&fault.code());
                self.answered();
            }
            (Settled::Written, Change::Failed { fault, .. }) => {
                self.count(|counts| counts.failed += 1);
                self.refusal(&fault.code());
            }
            (Settled::Written, Change::Unconfirmed { fault, .. }) => {
                self.count(|counts| counts.unconfirmed += 1);
                self.refusal(&fault.code());
            }
            (Settled::Written, Change::Conflict { fault, .. }) => {
                self.count(|counts| counts.conflict += 1);
                self.refusal(&fault.code());
            }
            (Settled::Taken, _) => self.count(|counts| counts.conflict += 1),
            _ => {}
        }
    }

    fn refused(&self, refused: &Refused) {
        self.count(|counts| match refused.state {
            State::Unconfirmed => counts.unconfirmed += 1,
            _ => counts.invalid += 1,
        });
        self.refusal(&refused.code);
    }

    fn throttled(&self, length: Duration, _reason: &ThrottleReason) {
        self.stands(THROTTLED, Some(Instant::now() + length));
    }

    fn note(&self, note: Note<'_>) {
        match note {
            Note::BreakerOpened(_) => self.stands("unavailable", None),
            Note::BreakerClosed => self.goes("unavailable"),
            Note::Paused(PauseReason::Said(_) | PauseReason::EchoLost { .. }) => self.stands("paused", None),
            Note::Resumed => self.goes("paused"),
            Note::OutboxDown(_) => self.stands("outbox_unavailable", None),
            Note::OutboxUp => self.goes("outbox_unavailable"),
            Note::Halted(halt) => {
                self.notices.add(Message { reason: Some(halt.code()), ..self.message(Event::Halted) });
            }
            Note::LoteHalted { lote, reason } => self.notices.add(Message {
                reason: Some(reason.code()),
                batch: Some(lote.to_owned()),
                ..self.message(Event::Halted)
            }),
            Note::HaltOver
            | Note::Stopping
            | Note::Recovered(_)
            | Note::Rescued(_)
            | Note::Blind(_)
            | Note::Unproven
            | Note::Unlisted(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::Recipient;
    use super::*;

    fn nobody() -> Notices {
        Notices::new(Some(Recipient::Program(PathBuf::from("/bin/true"))), Vec::new()).unwrap()
    }

    fn told(notices: &Notices) -> Vec<(Event, Option<&'static str>)> {
        notices.waiting().iter().map(|message| (message.event, message.reason)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_standstill_is_told_once_and_a_short_one_is_not() {
        let notices = nobody();
        let looking = Looking::new(&notices, None, "sandbox".to_owned());
        let wait = async |seconds| {
            tokio::select! {
                never = looking.look_on() => match never {},
                () = sleep(Duration::from_secs(seconds)) => {}
            }
        };
        looking.note(Note::BreakerOpened(None));
        wait(110).await;
        looking.note(Note::BreakerClosed);
        wait(300).await;
        assert_eq!(told(&notices), [], "it was short");
        looking.note(Note::OutboxDown("gone"));
        wait(115).await;
        assert_eq!(told(&notices), []);
        wait(10).await;
        let once = [(Event::Paused, Some("outbox_unavailable"))];
        assert_eq!(told(&notices), once);
        wait(600).await;
        assert_eq!(told(&notices), once, "it is told once");
        looking.note(Note::OutboxUp);
        let reason = ThrottleReason::Said("HubSoft's words".to_owned());
        looking.throttled(Duration::from_secs(60), &reason);
        wait(300).await;
        assert_eq!(told(&notices), once, "it is over, also where nothing was left to do");
        for _ in 0..3 {
            looking.throttled(Duration::from_secs(60), &reason);
            wait(60).await;
        }
        assert_eq!(told(&notices).last(), Some(&(Event::Paused, Some("throttled"))));
        wait(60).await;
        looking.throttled(Duration::from_secs(300), &reason);
        looking.answered();
        wait(10).await;
        assert_eq!(told(&notices).len(), 3, "it was asked before");
        looking.note(Note::Paused(&PauseReason::Said("Maria's house".to_owned())));
        wait(130).await;
        assert_eq!(told(&notices).last(), Some(&(Event::Paused, Some("paused"))));
        assert!(!notices.waiting().iter().any(|message| message.json().contains("Maria")));
    }
}
