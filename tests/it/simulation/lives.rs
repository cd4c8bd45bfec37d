//! How the processes of a world live and die.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use mutirao::delivery::{
    Change, Control, Ending, Halt, Note, Policy, Rate, Reason, RequestKind, Settle, Settled, State,
    ThrottleReason, Watch, run,
};
use tokio::time::{Sleep, sleep};

use super::sabotage::Sabotage;
use super::server::log_in_later;
use super::world::{Tale, World};
use crate::support::memory_outbox::MemoryOutbox;
use crate::support::replay::tell;
use crate::support::world::VirtualClock;

/// After so long a world that has not come to rest is lost.
const AGE_MAX: Duration = Duration::from_secs(12 * 3600);

/// Lives after which a world that has not come to rest is lost.
const LIVES_MAX: u32 = 400;

impl World {
    /// Lives until all is at rest.
    pub async fn live(self) -> Tale {
        let lives = async {
            match &self.neighbour {
                None => self.live_in(0, &self.outbox).await,
                Some(other) => {
                    let (one, other) = tokio::join!(self.live_in(0, &self.outbox), self.live_in(1, other));
                    one && other
                }
            }
        };
        let at_rest = tokio::select! {
            biased;
            at_rest = lives => at_rest,
            () = sleep(AGE_MAX) => false,
            () = self.step_clocks() => unreachable!("they are set now and then for ever"),
            () = self.others_work() => unreachable!("they do now and then for ever"),
            () = self.await_calm() => unreachable!("what is asked then is looked at in the end"),
        };
        let mut violations = self.server.violations();
        if !at_rest {
            violations.push(format!(
                "seed {} has not come to rest after {LIVES_MAX} lives, or {AGE_MAX:?}",
                self.seed
            ));
        }
        violations.extend(self.check());
        violations.extend(self.check_liveness(0));
        let (seen, posts) = (self.server.seen(), self.server.posts());
        Tale { violations, seen, posts, faults: self.faults() }
    }

    /// One life after another over one outbox. Returns whether it came to rest.
    async fn live_in(&self, home: usize, outbox: &MemoryOutbox) -> bool {
        // What one run could not tell the next one may, by a ticket that was opened meanwhile.
        let mut n_calm = 0;
        for _ in 0..LIVES_MAX {
            self.let_people_act(home, outbox);
            let was_calm = self.is_calm();
            let ending = self.one_life(home, outbox).await;
            self.server.saw(ending.as_ref().map_or("crash", |it| ending_name(&it.reason)));
            let is_drained = ending.is_some_and(|it| it.reason == Reason::Drained);
            n_calm += u32::from(is_drained && was_calm);
            let is_certain = outbox.count(State::Unconfirmed) == 0;
            if is_drained && (n_calm == 2 || is_certain && (was_calm || self.people.does.is_empty())) {
                return true;
            }
            let pause = if is_drained { 300 } else { 60 };
            sleep(self.some(Duration::from_secs(pause))).await;
        }
        false
    }

    /// One process. `None`: it died.
    async fn one_life(&self, home: usize, outbox: &MemoryOutbox) -> Option<Ending> {
        let control = Control::default();
        let stop_in = self.roll(self.stops).then(|| self.some(Duration::from_secs(120)));
        let stop = control.stop.clone();
        let polls_left = Cell::new(u64::MAX);
        let mut dies_in = None;
        if self.roll(self.crashes) {
            // At some time, or at some await: most of those come together.
            if self.rng.borrow_mut().bool() {
                polls_left.set(self.rng.borrow_mut().u64(1..400));
            } else {
                dies_in = Some(self.some(Duration::from_secs(300)));
            }
        }
        let api = log_in_later(&self.server, home);
        let life = Life { world: self, home, outbox, sent: RefCell::default() };
        let policy = match (self.sabotage, self.policy.rate) {
            (Sabotage::TooFast, Rate::PerSecond(rate)) => {
                Policy { rate: Rate::PerSecond(2.0 * rate), ..self.policy.clone() }
            }
            _ => self.policy.clone(),
        };
        let running = run(outbox, &api, &self.clock, &policy, control.clone(), &life);
        let running = Frozen::new(running, self.clock, self.stands_still());
        let mut running = pin!(Mortal { running: Box::pin(running), polls_left, may_die: &|| true });
        let mut stopping = pin!(after(stop_in));
        let mut dying = pin!(after(dies_in));
        let mut returns = pin!(self.tell_returns(&control));
        let ending = loop {
            tokio::select! {
                biased;
                ending = &mut running => break ending,
                () = &mut stopping, if !stop.is_cancelled() => stop.cancel(),
                () = &mut dying => break None,
                never = &mut returns => never,
            }
        };
        if let Some(what) = self.too_fast(&life.sent.borrow()) {
            self.server.violate(what);
        }
        ending
    }

    /// No second may see more than the ceiling and one.
    pub fn too_fast(&self, sent: &[Duration]) -> Option<String> {
        let Rate::PerSecond(rate) = self.policy.rate else { return None };
        let most = (0..sent.len())
            .map(|from| sent[from..].partition_point(|at| *at < sent[from] + Duration::from_secs(1)))
            .max()?;
        (rate + 1.0 < most as f64).then(|| format!("{most} requests in a second at {rate}/s"))
    }

    fn saw(&self, note: Note<'_>) {
        self.server.saw(match note {
            Note::BreakerOpened(_) => "breaker opened",
            Note::BreakerClosed => "breaker closed",
            Note::OutboxDown(_) => "outbox down",
            Note::OutboxUp => "outbox up",
            Note::Stopping => "stopping",
            Note::Recovered(_) => "recovered",
            Note::Rescued(_) => "rescued",
            Note::Paused(_) => "held by a person",
            Note::Resumed => "resumed",
            Note::Halted(_) => "waits for its halt",
            Note::HaltOver => "halt is over",
            Note::LoteHalted { .. } => "a lote is halted",
            Note::Blind(_) => "blind",
            Note::Unproven => "believed unproven absences",
            Note::Unlisted(_) => "without a list",
        });
    }
}

/// For the record of what the seeds exercise.
impl Watch for World {
    fn settled(&self, settle: &Settle, became: Settled) {
        self.server.saw(match (&settle.change, became) {
            (_, Settled::Stale) => "stale",
            (_, Settled::Duplicate) => "duplicate",
            (_, Settled::Taken) => "taken",
            (_, Settled::Locked) => "locked",
            (Change::Release, _) => "release",
            (Change::Later { doubt: Some(_), .. }, _) => "later in doubt",
            (Change::Later { doubt: None, .. }, _) => "later",
            (Change::Opened { .. }, _) if settle.attempt.is_some() => "adopted",
            (Change::Opened { .. }, _) => "opened",
            (Change::Skipped { .. }, _) => "skipped",
            (Change::Rejected { .. }, _) => "rejected",
            (Change::Failed { .. }, _) => "failed",
            (Change::Unconfirmed { .. }, _) => "unconfirmed",
            (Change::Conflict { .. }, _) => "conflict",
        });
    }

    fn throttled(&self, _: Duration, _: &ThrottleReason) {
        self.server.saw("paused");
    }

    fn note(&self, note: Note<'_>) {
        self.saw(note);
    }
}

/// Who looks on while a process lives.
struct Life<'w> {
    world: &'w World,
    home: usize,
    outbox: &'w MemoryOutbox,
    /// When requests left.
    sent: RefCell<Vec<Duration>>,
}

impl Watch for Life<'_> {
    fn settled(&self, settle: &Settle, became: Settled) {
        tell(self.world.clock, || {
            format!("{}/{} {:?}: {became:?}", settle.row.0, settle.token.0, settle.change)
        });
        self.world.settled(settle, became);
        self.world.note_given_up(self.home, self.outbox, settle.row, became);
        self.world.check_settled(self.home, self.outbox, settle.row, became);
    }

    fn sending(&self, _: RequestKind) {
        self.sent.borrow_mut().push(self.world.clock.elapsed());
    }

    fn throttled(&self, length: Duration, reason: &ThrottleReason) {
        self.world.throttled(length, reason);
    }

    fn note(&self, note: Note<'_>) {
        self.world.note(note);
    }
}

fn ending_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Drained => "drained",
        Reason::Stopped => "stopped",
        Reason::Halted(Halt::Forbidden { .. }) => "halted: forbidden",
        Reason::Halted(Halt::NeverReached { .. }) => "halted: never reached",
        Reason::Halted(Halt::EchoLost { .. }) => "halted: echo lost",
        Reason::Halted(Halt::DiskFull) => "halted: disk full",
        Reason::Halted(_) => "halted",
    }
}

/// A process that dies after so many polls.
pub struct Mortal<'a, F> {
    pub running: Pin<Box<F>>,
    pub polls_left: Cell<u64>,
    /// Else it lives on until it may.
    pub may_die: &'a dyn Fn() -> bool,
}

impl<F: Future> Future for Mortal<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.polls_left.get().checked_sub(1) {
            Some(left) => self.polls_left.set(left),
            None if (self.may_die)() => return Poll::Ready(None),
            None => {}
        }
        self.running.as_mut().poll(cx).map(Some)
    }
}

/// A process that stands still from one time to another, and does not know it.
pub struct Frozen<F> {
    pub running: Pin<Box<F>>,
    pub clock: VirtualClock,
    pub still: Option<(Duration, Duration)>,
    thaws: Option<Pin<Box<Sleep>>>,
}

impl<F> Frozen<F> {
    pub fn new(running: F, clock: VirtualClock, still: Option<(Duration, Duration)>) -> Self {
        Self { running: Box::pin(running), clock, still, thaws: None }
    }
}

impl<F: Future> Future for Frozen<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let now = self.clock.elapsed();
        if let Some((_, until)) = self.still.filter(|(from, until)| (*from..*until).contains(&now)) {
            let thaws = self.thaws.get_or_insert_with(|| Box::pin(sleep(until - now)));
            if thaws.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.running.as_mut().poll(cx)
    }
}

pub async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
