//! One seed's world: rows, a server, an outbox, and processes that die.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use mutirao::delivery::identity::Marker;
use mutirao::delivery::{
    Change, Control, Doubt, Ending, Halt, Note, OpenTickets, Policy, Rate, Reason, Settle, Settled, State,
    Watch, run,
};
use tokio::time::sleep;

use super::server::{Created, Server, Weather};
use crate::support::memory_outbox::{MemoryOutbox, Row, Trouble};
use crate::support::world::{VirtualClock, start, ticket};

/// Lives after which a world that has not come to rest is lost.
const LIVES_MAX: u32 = 400;

/// A fault on our side, outside the promise, that shows whether the checker sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    None,
    ForgetDoubts,
    SkipRecovery,
    /// Absences are believed long before a slow server has had its time.
    ShortDelay,
    /// The outbox gives the same slots to all workers.
    SameSlots,
}

/// What a world went through.
#[derive(Debug, PartialEq)]
pub struct Tale {
    /// What broke the promise.
    pub violations: Vec<String>,
    pub seen: BTreeSet<&'static str>,
    pub posts: Vec<(Duration, Marker)>,
}

pub struct World {
    seed: u64,
    pub rng: Rc<RefCell<fastrand::Rng>>,
    pub clock: VirtualClock,
    pub outbox: Rc<MemoryOutbox>,
    pub server: Server,
    pub policy: Policy,
    /// Chances in percent, of one life.
    pub crashes: u32,
    pub stops: u32,
}

impl World {
    /// Within a runtime: the world has a clock.
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let clock = VirtualClock::new();
        let outbox = Rc::new(MemoryOutbox::default());
        let n_rows = rng.i64(1..40);
        let n_services = rng.i64(1..=n_rows);
        let precautions = if rng.u32(0..4) == 0 { rng.u64(0..100) } else { 0 };
        for n in 0..n_rows {
            let service = rng.i64(1..=n_services);
            let text = if rng.u32(0..10) == 0 { "x".repeat(300) } else { format!("Sem sinal {n}") };
            let doubt = (rng.u64(0..100) < precautions).then(|| Doubt::precaution(start()));
            outbox.insert(ticket(service, &text), start(), doubt);
        }
        let clears_at = Duration::from_secs(rng.u64(60..2400));
        let mut some = |percent| if rng.bool() { rng.u32(0..percent) } else { 0 };
        let weather = Weather {
            refuse_connect: some(15),
            reset_before: some(15),
            reset_after: some(15),
            late_commit: some(15),
            hang: some(10),
            error_before: some(15),
            error_after: some(15),
            unreadable: some(8),
            throttle: some(15),
            unauthorized: some(10),
            forbidden: some(6),
            doubled_answer: if some(4) > 2 { 3 } else { 0 },
            look_up_fails: some(40),
            look_up_vague: some(40),
            outages: Vec::new(),
            clears_at,
        };
        let outages = (0..rng.u32(0..3)).map(|_| {
            let from = Duration::from_secs(rng.u64(0..1200));
            (from, from + Duration::from_secs(rng.u64(1..400)))
        });
        let weather = Weather { outages: outages.collect(), ..weather };
        // Between these times a commit may take as long as one is waited for.
        let crawls = (0..rng.u32(0..3)).map(|_| {
            let from = Duration::from_secs(rng.u64(0..1200));
            from..from + Duration::from_secs(rng.u64(60..400))
        });
        let crawls: Vec<_> = crawls.collect();
        let (crashes, stops) = (rng.u32(0..95), rng.u32(0..40));
        let mut policy = Policy {
            rate: match rng.u32(0..3) {
                0 => Rate::Unlimited,
                1 => Rate::PerSecond(50.0),
                _ => Rate::PerSecond(4.0),
            },
            concurrency: rng.usize(1..12),
            max_attempts: rng.u32(1..9),
            grace: Duration::from_secs(rng.u64(0..90)),
            open_tickets: if rng.u32(0..8) == 0 { OpenTickets::Skip } else { OpenTickets::Ignore },
            seed,
            ..Policy::default()
        };
        let mut server = Server::new(clock, outbox.clone(), weather, rng.u64(..));
        server.refused_services = (1..=n_services).filter(|_| rng.u32(0..12) == 0).collect();
        server.vague_services = (1..=n_services).filter(|_| rng.u32(0..25) == 0).collect();

        match sabotage {
            Sabotage::None | Sabotage::SameSlots => {}
            Sabotage::ForgetDoubts => outbox.forget_doubts(),
            Sabotage::SkipRecovery => outbox.skip_recovery(),
            Sabotage::ShortDelay => policy.settle_delay = Duration::from_secs(5),
        }
        let rng = Rc::new(RefCell::new(rng));
        let slow_disk = rng.borrow_mut().u64(1..30);
        let outbox_trouble = rng.borrow_mut().u32(0..12);
        let dice = rng.clone();
        outbox.set_weather(move || {
            let mut dice = dice.borrow_mut();
            let calm = clears_at <= clock.elapsed();
            let trouble = match dice.u32(0..100) {
                it if calm || outbox_trouble <= it => Trouble::None,
                it if it % 5 == 4 => Trouble::Full,
                it if it % 2 == 0 => Trouble::Before,
                _ => Trouble::After,
            };
            let is_slow = !calm && crawls.iter().any(|it| it.contains(&clock.elapsed()));
            let longest = if is_slow { 15_000 } else { slow_disk };
            let mut wait = || Duration::from_millis(dice.u64(0..longest));
            (trouble, wait(), wait())
        });
        Self { seed, rng, clock, outbox, server, policy, crashes, stops }
    }

    /// Lives until all is at rest.
    pub async fn live(self) -> Tale {
        let mut at_rest = false;
        for _ in 0..LIVES_MAX {
            let was_calm = self.is_calm();
            let ending = self.one_life().await;
            self.server.saw(ending.as_ref().map_or("crash", |it| ending_name(&it.reason)));
            let is_drained = ending.is_some_and(|it| it.reason == Reason::Drained);
            let is_certain = self.outbox.count(State::Unconfirmed) == 0;
            if is_drained && (was_calm || is_certain) {
                at_rest = true;
                break;
            }
            sleep(self.some(Duration::from_secs(60))).await;
        }
        let mut violations = self.server.violations();
        if !at_rest {
            violations.push(format!("seed {} has not come to rest after {LIVES_MAX} lives", self.seed));
        }
        violations.extend(self.check());
        Tale { violations, seen: self.server.seen(), posts: self.server.posts() }
    }

    /// One process. `None`: it died.
    async fn one_life(&self) -> Option<Ending> {
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
        let outbox: &MemoryOutbox = &self.outbox;
        let running = run(outbox, &self.server, &self.clock, &self.policy, control, self);
        let mut running = pin!(Mortal { running: Box::pin(running), polls_left });
        let mut stopping = pin!(after(stop_in));
        let mut dying = pin!(after(dies_in));
        loop {
            tokio::select! {
                biased;
                ending = &mut running => return ending,
                () = &mut stopping, if !stop.is_cancelled() => stop.cancel(),
                () = &mut dying => return None,
            }
        }
    }

    fn saw(&self, note: Note<'_>) {
        self.server.saw(match note {
            Note::BreakerOpened(_) => "breaker opened",
            Note::BreakerClosed => "breaker closed",
            Note::OutboxDown(_) => "outbox down",
            Note::OutboxUp => "outbox up",
            Note::Stopping => "stopping",
            Note::Recovered(_) => "recovered",
            Note::Held(_) => "held by a person",
            Note::Resumed => "resumed",
            Note::Halted(_) => "waits for its halt",
            Note::HaltOver => "halt is over",
            Note::LoteHalted { .. } => "a lote is halted",
            Note::Blind(_) => "blind",
        });
    }

    pub fn is_calm(&self) -> bool {
        self.server.weather.clears_at <= self.clock.elapsed()
    }

    pub fn roll(&self, percent: u32) -> bool {
        !self.is_calm() && self.rng.borrow_mut().u32(0..100) < percent
    }

    /// Up to `longest`, mostly short.
    pub fn some(&self, longest: Duration) -> Duration {
        let part = self.rng.borrow_mut().f64();
        longest.mul_f64(part * part)
    }

    /// What broke the promise, of everything that happened and of how it ended.
    pub fn check(&self) -> Vec<String> {
        let tickets = self.server.tickets();
        let rows = self.outbox.rows();
        let mut violations = Vec::new();
        for (id, row) in &rows {
            let created: Vec<_> = tickets.iter().filter(|it| it.marker == row.marker).collect();
            let mut says = |what: String| violations.push(format!("row {id} {what}"));
            if 1 < created.len() {
                says(format!("has {} tickets", created.len()));
            }
            let n_worked = self.server.worked(row.marker);
            if n_worked < row.attempts {
                says(format!("spent {} attempts on {n_worked} posts", row.attempts));
            }
            match row.state {
                State::Opened if !self.server.misled(row.marker) => {
                    if !created.iter().any(|it| Some(&it.opening) == row.opening.as_ref()) {
                        says(format!("is opened as {:?}, which is not its ticket", row.opening));
                    }
                }
                State::Opened => {}
                State::Unconfirmed if self.may_be_unconfirmed(row, &rows) => {}
                State::Conflict if self.server.misled(row.marker) || is_stolen(row, &created, &rows) => {}
                State::Rejected | State::Failed if created.is_empty() => {}
                State::Pending if waits_behind_unconfirmed(row, &rows) => {}
                state => {
                    says(format!("is left {state:?} with {} tickets: {:?}", created.len(), row.error_code))
                }
            }
        }
        violations
    }

    /// Where even a calm HubSoft cannot tell: it never does for this service, or there is no ticket of ours with a
    /// text as long that it could show.
    fn may_be_unconfirmed(&self, row: &Row, rows: &[(i64, Row)]) -> bool {
        let is_vague = |row: &Row| self.server.vague_services.contains(&row.ticket.id_cliente_servico.get());
        let len = |row: &Row| row.ticket.descricao.as_str().len();
        let as_long = rows.iter().filter(|(_, it)| it.state == State::Opened && len(row) <= len(it));
        let mut as_long: Vec<&Row> = as_long.map(|(_, it)| it).collect();
        as_long.sort_by_key(|it| std::cmp::Reverse(it.opening.as_ref().map(|it| it.id_atendimento)));
        // As many as are looked up.
        is_vague(row) || as_long.iter().take(10).all(|it| is_vague(it) || self.server.misled(it.marker))
    }
}

/// Whether another row has taken the row's ticket for its own.
fn is_stolen(row: &Row, created: &[&Created], rows: &[(i64, Row)]) -> bool {
    rows.iter().any(|(_, other)| {
        let theirs = other.opening.as_ref();
        other.marker != row.marker && created.iter().any(|it| Some(&it.opening) == theirs)
    })
}

pub fn waits_behind_unconfirmed(row: &Row, rows: &[(i64, Row)]) -> bool {
    let service = row.ticket.id_cliente_servico;
    rows.iter().any(|(_, it)| it.ticket.id_cliente_servico == service && it.state == State::Unconfirmed)
}

/// For the record of what the seeds exercise.
impl Watch for World {
    fn settled(&self, settle: &Settle, became: Settled) {
        self.server.saw(match (&settle.change, became) {
            (_, Settled::Stale) => "stale",
            (_, Settled::Duplicate) => "duplicate",
            (_, Settled::Taken) => "taken",
            (_, Settled::Held) => "held",
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

    fn paused(&self, _: Duration, _: &str) {
        self.server.saw("paused");
    }

    fn note(&self, note: Note<'_>) {
        self.saw(note);
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
pub struct Mortal<F> {
    pub running: Pin<Box<F>>,
    pub polls_left: Cell<u64>,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls_left.get().checked_sub(1) else { return Poll::Ready(None) };
        self.polls_left.set(left);
        self.running.as_mut().poll(cx).map(Some)
    }
}

pub async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
