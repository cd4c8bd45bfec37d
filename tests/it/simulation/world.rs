//! One seed's world: rows, a server, an outbox, and processes that die.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use mutirao::delivery::identity::Marker;
use mutirao::delivery::{
    Change, Control, Doubt, Ending, Halt, Note, OpenTickets, Policy, Rate, Reason, RowId, Settle, Settled,
    State, ThrottleReason, Watch, run,
};
use tokio::time::sleep;

use super::server::{Client, Created, Server, Texts, Weather};
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
    /// Two batches of one name make the same markers.
    NamedKeys,
    /// A user who sees nothing is believed absences.
    BelieveTheBlind,
    /// A short text that was seen stands for a long one, and HubSoft cuts long ones.
    AnySight,
    /// A marker in capitals is not known again.
    CompareBytes,
    /// Texts are not read as HTML.
    CompareEscaped,
    /// Waits are measured on a clock that can be set.
    SetWaits,
    /// Of the time before a run, only the machine's clock is asked.
    OneClock,
    /// Of that only HubSoft's is.
    HubSoftsClock,
    /// After a failover nobody says again what it did.
    ForgetLately,
    /// When its clock is set back, the outbox gives slots anew that it gave before.
    SlotsAnew,
}

/// Which clock is set while the world lives. Never two: what both say is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    None,
    OfTheMachine,
    /// Back only: ahead it ends all leases, also of those that work.
    OfTheDatabase,
    OfHubSoft,
}

impl Steps {
    fn name(self) -> &'static str {
        match self {
            Self::None => "no step",
            Self::OfTheMachine => "the machine's clock is set",
            Self::OfTheDatabase => "the database's clock is set",
            Self::OfHubSoft => "HubSoft's clock is set",
        }
    }
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
    pub sabotage: Sabotage,
    pub rng: Rc<RefCell<fastrand::Rng>>,
    pub clock: VirtualClock,
    pub outbox: Rc<MemoryOutbox>,
    /// Another outbox with a batch of the same name and texts, which opens its tickets at the same time.
    neighbour: Option<Rc<MemoryOutbox>>,
    pub server: Server,
    pub steps: Steps,
    pub policy: Policy,
    /// Chances in percent, of one life.
    pub crashes: u32,
    pub stops: u32,
    /// Dice of its own, in a world whose file is edited now and then.
    editor: Option<RefCell<fastrand::Rng>>,
}

impl World {
    /// Within a runtime: the world has a clock.
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut clock = VirtualClock::new();
        clock.sets_awake = sabotage == Sabotage::SetWaits;
        let outbox = Rc::new(MemoryOutbox::default());
        let key = if sabotage == Sabotage::NamedKeys { "test" } else { "test, of November" };
        let neighbour = Rc::new(MemoryOutbox::keyed(key));
        let n_rows = rng.i64(1..40);
        let n_services = rng.i64(1..=n_rows);
        let precautions = if rng.u32(0..4) == 0 { rng.u64(0..100) } else { 0 };
        for n in 0..n_rows {
            let service = rng.i64(1..=n_services);
            let text = if rng.u32(0..10) == 0 { "x".repeat(300) } else { format!("Sem sinal {n}") };
            let doubt = (rng.u64(0..100) < precautions).then(|| Doubt::precaution(start()));
            outbox.insert(ticket(service, &text), start(), doubt.clone());
            neighbour.insert(ticket(service, &text), start(), doubt);
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
            denied_until: Duration::ZERO,
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
        let neighbour = (rng.u32(0..3) == 0 || sabotage == Sabotage::NamedKeys).then_some(neighbour);
        let homes = [outbox.clone()].into_iter().chain(neighbour.clone()).collect();
        let mut server = Server::new(clock, homes, weather, rng.u64(..));
        server.is_blind = rng.u32(0..20) == 0;
        server.texts = match rng.u32(0..8) {
            0 => Texts::Capitals,
            1 => Texts::Escaped,
            2 => Texts::Cut(200),
            _ => Texts::AsSent,
        };
        let steps = match rng.u32(0..6) {
            _ if matches!(sabotage, Sabotage::SetWaits | Sabotage::OneClock) => Steps::OfTheMachine,
            _ if sabotage == Sabotage::HubSoftsClock => Steps::OfHubSoft,
            0 => Steps::OfTheMachine,
            1 => Steps::OfHubSoft,
            _ => Steps::None,
        };
        server.refused_services = (1..=n_services).filter(|_| rng.u32(0..12) == 0).collect();
        server.vague_services = (1..=n_services).filter(|_| rng.u32(0..25) == 0).collect();

        match sabotage {
            Sabotage::None
            | Sabotage::SameSlots
            | Sabotage::NamedKeys
            | Sabotage::SetWaits
            | Sabotage::HubSoftsClock
            | Sabotage::ForgetLately
            | Sabotage::SlotsAnew => {}
            Sabotage::BelieveTheBlind => {
                server.is_blind = true;
                outbox.see(10_000, start());
            }
            Sabotage::AnySight => {
                server.texts = Texts::Cut(100);
                outbox.overstate_sights();
            }
            Sabotage::CompareBytes | Sabotage::CompareEscaped => {
                let is_escaped = sabotage == Sabotage::CompareEscaped;
                server.texts = if is_escaped { Texts::Escaped } else { Texts::Capitals };
                server.compares_bytes = true;
                outbox.see(10_000, start());
            }
            Sabotage::OneClock => server.tells_wrong_time = true,
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
        let editor = (seed % 8 == 3).then(|| RefCell::new(fastrand::Rng::with_seed(!seed)));
        Self { seed, sabotage, rng, clock, outbox, neighbour, server, steps, policy, crashes, stops, editor }
    }

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
            () = self.step_clocks() => unreachable!("they are set now and then for ever"),
        };
        let mut violations = self.server.violations();
        if !at_rest {
            violations.push(format!("seed {} has not come to rest after {LIVES_MAX} lives", self.seed));
        }
        violations.extend(self.check());
        Tale { violations, seen: self.server.seen(), posts: self.server.posts() }
    }

    /// One life after another over one outbox. Returns whether it came to rest.
    async fn live_in(&self, home: usize, outbox: &MemoryOutbox) -> bool {
        // What one run could not tell the next one may, by a ticket that was opened meanwhile.
        let mut n_calm = 0;
        for _ in 0..LIVES_MAX {
            let was_calm = self.is_calm();
            let ending = self.one_life(home, outbox).await;
            self.server.saw(ending.as_ref().map_or("crash", |it| ending_name(&it.reason)));
            self.edit_file(outbox);
            let is_drained = ending.is_some_and(|it| it.reason == Reason::Drained);
            n_calm += u32::from(is_drained && was_calm);
            let is_certain = outbox.count(State::Unconfirmed) == 0;
            if is_drained && (n_calm == 2 || is_certain) {
                return true;
            }
            sleep(self.some(Duration::from_secs(60))).await;
        }
        false
    }

    /// The file comes again, now and then without one of its lines.
    pub fn edit_file(&self, outbox: &MemoryOutbox) {
        let Some(mut editor) = self.editor.as_ref().map(RefCell::borrow_mut) else { return };
        if editor.bool() && !self.is_calm() {
            outbox.lose_line(RowId(editor.i64(1..=outbox.rows().len() as i64)));
        }
    }

    /// Sets clocks now and then, until the sky is blue.
    pub async fn step_clocks(&self) {
        loop {
            sleep(match self.sabotage {
                // While most is done.
                Sabotage::SlotsAnew => self.some(Duration::from_secs(20)),
                _ => Duration::from_secs(60) + self.some(Duration::from_secs(600)),
            })
            .await;
            if self.is_calm() || self.steps == Steps::None {
                std::future::pending::<()>().await;
            }
            let by_s = self.rng.borrow_mut().i64(-1200..=1200);
            // Mostly minutes, sometimes days.
            let far_s = if self.rng.borrow_mut().u32(0..4) == 0 { by_s * 216 } else { by_s };
            match self.steps {
                Steps::OfTheMachine => self.clock.step(far_s),
                Steps::OfTheDatabase => self.clock.step(-by_s.abs()),
                Steps::OfHubSoft => {
                    self.server.ahead_s.set(self.server.ahead_s.get() + far_s);
                    // What only one of them is asked for, the other says as well.
                    if self.sabotage == Sabotage::HubSoftsClock {
                        self.clock.step(far_s);
                    }
                }
                Steps::None => {}
            }
            self.server.saw(self.steps.name());
        }
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
        let client = Client { server: &self.server, home };
        let running = run(outbox, &client, &self.clock, &self.policy, control, self);
        let mut running = pin!(Mortal { running: Box::pin(running), polls_left, may_die: &|| true });
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
            Note::Rescued(_) => "rescued",
            Note::Paused(_) => "held by a person",
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
        self.server
            .homes
            .iter()
            .enumerate()
            .flat_map(|(home, outbox)| self.check_home(home, outbox))
            .collect()
    }

    fn check_home(&self, home: usize, outbox: &MemoryOutbox) -> Vec<String> {
        let tickets = self.server.tickets();
        let rows = outbox.rows();
        let mut violations = Vec::new();
        for (id, row) in &rows {
            let of_row = |it: &&Created| it.home == home && it.marker == row.marker;
            let created: Vec<_> = tickets.iter().filter(of_row).collect();
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
                State::Cancelled if row.is_gone && created.is_empty() => {
                    let was_sent = row.sent_at.is_some();
                    self.server.saw(if was_sent { "withdrawn once sent" } else { "withdrawn unsent" });
                }
                State::Pending if waits_behind_unconfirmed(row, &rows) => {}
                state => {
                    says(format!("is left {state:?} with {} tickets: {:?}", created.len(), row.error_code))
                }
            }
        }
        violations
    }

    /// Where even a calm HubSoft cannot tell: it never does for this service, or there is no ticket of ours
    /// with a text as long that it could show.
    fn may_be_unconfirmed(&self, row: &Row, rows: &[(i64, Row)]) -> bool {
        let is_vague = |row: &Row| self.server.vague_services.contains(&row.ticket.id_cliente_servico.get());
        let len = |row: &Row| row.ticket.descricao.as_str().len();
        let as_long = rows.iter().filter(|(_, it)| it.state == State::Opened && len(row) <= len(it));
        let mut as_long: Vec<&Row> = as_long.map(|(_, it)| it).collect();
        as_long.sort_by_key(|it| std::cmp::Reverse(it.opening.as_ref().map(|it| it.id_atendimento)));
        let is_hidden = |row: &Row| {
            is_vague(row)
                || self.server.misled(row.marker)
                || self.server.hides(row.marker, row.ticket.descricao.as_str())
        };
        // As many as are looked up.
        is_hidden(row) || as_long.iter().take(10).all(|it| is_hidden(it))
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

pub async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
