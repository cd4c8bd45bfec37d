//! Whether a worker can open tickets now, and why not: what `/readyz` and `/livez` say.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::{Note, Pulse};
use crate::printable;
use crate::text;

/// A loop that has not come by for so long is stuck. Longer than its longest wait for a database (30 s)
/// before the first row.
const STUCK: Duration = Duration::from_secs(40);

/// What is wrong with a database that has not answered yet, and with one that says nothing of it.
pub const SILENT: &str = "the database does not answer";

/// What is known of a worker and of what it needs.
pub struct Readiness {
    /// When the loop last came by.
    turned: Cell<Instant>,
    /// How it stood then. `None`: it has not begun.
    pulse: Cell<Option<Pulse>>,
    /// Why the database cannot be worked with: as whoever looks sees it, and as the run does. Empty: it can.
    looks_ill: RefCell<String>,
    works_ill: RefCell<String>,
    /// Why all workers are stopped, once they are.
    stopped: RefCell<String>,
    /// The command that lets them go on.
    resume: String,
    is_api_near: Cell<bool>,
}

impl Readiness {
    pub fn new(resume: String) -> Self {
        Self {
            turned: Cell::new(Instant::now()),
            pulse: Cell::default(),
            looks_ill: RefCell::new(SILENT.to_owned()),
            works_ill: RefCell::default(),
            stopped: RefCell::default(),
            resume,
            is_api_near: Cell::default(),
        }
    }

    /// It tries to reach the database, before its loop begins.
    pub fn tried(&self) {
        self.turned.set(Instant::now());
    }

    /// The loop came by.
    pub fn turned(&self, pulse: &Pulse) {
        self.turned.set(Instant::now());
        self.pulse.set(Some(*pulse));
    }

    /// The run told something.
    pub fn noted(&self, note: &Note<'_>) {
        match note {
            Note::OutboxDown(why) => drop(self.works_ill.replace(format!("the database: {why}"))),
            Note::OutboxUp => self.works_ill.borrow_mut().clear(),
            Note::Paused(why) => drop(self.stopped.replace(text::pause(why))),
            _ => {}
        }
    }

    /// Whether HubSoft takes connections.
    pub fn saw_api(&self, is_near: bool) {
        self.is_api_near.set(is_near);
    }

    /// Why the database cannot be worked with. Empty: it can.
    pub fn saw_database(&self, why: String) {
        self.looks_ill.replace(why);
    }

    /// The run has begun, and has nothing to complain of the database.
    pub fn works(&self) -> bool {
        self.pulse.get().is_some() && self.works_ill.borrow().is_empty()
    }

    pub fn is_stuck(&self) -> bool {
        STUCK <= self.turned.get().elapsed()
    }

    /// Why it cannot open tickets.
    pub fn why_not(&self) -> Option<Cow<'static, str>> {
        let Some(pulse) = self.pulse.get() else {
            return Some("it has not begun: the database is away".into());
        };
        let looks_ill = self.looks_ill.borrow();
        if !looks_ill.is_empty() {
            return Some(looks_ill.clone().into());
        }
        if pulse.is_outbox_down {
            return self.why_idle(&pulse);
        }
        if !self.is_api_near.get() {
            return Some("HubSoft cannot be reached".into());
        }
        if self.is_stuck() {
            return Some("the loop is stuck".into());
        }
        self.why_idle(&pulse)
    }

    /// Why it sends nothing, as the run itself sees it.
    pub fn why_idle(&self, pulse: &Pulse) -> Option<Cow<'static, str>> {
        if pulse.is_outbox_down && !pulse.is_ending {
            let works_ill = self.works_ill.borrow();
            return Some(if works_ill.is_empty() { SILENT.into() } else { works_ill.clone().into() });
        }
        if pulse.is_paused && !pulse.is_ending {
            let (stopped, resume) = (self.stopped.borrow(), &self.resume);
            let text = format!("all workers are stopped ({stopped}): `{resume}` lets them go on");
            return Some(printable::line(&text, printable::LINE_CHARS_MAX).into_owned().into());
        }
        [
            (pulse.is_ending, "it is stopping"),
            (pulse.is_halted, "it is halted; its log says why"),
            (pulse.is_breaker_open, "HubSoft is unavailable"),
        ]
        .into_iter()
        .find_map(|(holds, why)| holds.then_some(why.into()))
    }

    /// Why it sends nothing, or would not if it had to.
    pub fn what_is_wrong(&self, pulse: &Pulse) -> Option<Cow<'static, str>> {
        let looks_ill = self.looks_ill.borrow();
        let looks_ill = || (!looks_ill.is_empty()).then(|| looks_ill.clone().into());
        self.why_idle(pulse).or_else(looks_ill)
    }
}
