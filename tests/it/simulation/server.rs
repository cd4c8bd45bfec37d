//! A HubSoft that loses, delays and doubles answers, and watches for what must never happen.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::SignedDuration;
use mutirao::delivery::identity::Marker;
use mutirao::delivery::{
    Api, Clock, Fault, Gate, LookUp, OpenedTicket, Proof, Reply, RequestKind, Sighting, Verdict,
    Verification, Withheld,
};
use mutirao::ticket::Ticket;
use tokio::time::sleep;

use crate::support::memory_outbox::{MemoryOutbox, TESTER};
use crate::support::replay::tell;
use crate::support::world::{VirtualClock, fault, opening, reply, start};

/// How long the client waits for an answer.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// A commit or its visibility comes at most so long after the client stopped waiting for it.
pub const LATEST: Duration = Duration::from_secs(115);

/// How the server misbehaves. Chances are of one request, in percent.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    pub refuse_connect: u32,
    pub reset_before: u32,
    pub reset_after: u32,
    pub late_commit: u32,
    pub hang: u32,
    pub error_before: u32,
    pub error_after: u32,
    pub unreadable: u32,
    pub throttle: u32,
    pub unauthorized: u32,
    pub forbidden: u32,
    pub doubled_answer: u32,
    pub look_up_fails: u32,
    pub look_up_vague: u32,
    /// Nobody is there between these times.
    pub outages: Vec<(Duration, Duration)>,
    /// Until then its users lack the permission to open anything.
    pub denied_until: Duration,
    /// From here on the sky is blue.
    pub clears_at: Duration,
}

/// How the texts of tickets are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    AsSent,
    Capitals,
    Escaped,
    /// Only so many characters of them.
    Cut(usize),
}

impl Texts {
    fn of(self, descricao: &str, marker: Marker) -> String {
        let text = format!("{descricao}{marker} | ATENDIMENTO ABERTO VIA API");
        match self {
            Self::AsSent => text,
            Self::Capitals => text.to_uppercase(),
            Self::Escaped => text.replace('[', "&#91;").replace(']', "&#93;").replace(' ', "&nbsp;"),
            Self::Cut(len) => text.chars().take(len).collect(),
        }
    }
}

/// One user's way to the server.
pub struct Client<'s> {
    pub server: &'s Server,
    /// Which of its outboxes.
    pub home: usize,
}

pub struct Server {
    pub clock: VirtualClock,
    /// The outboxes that open tickets here, each with a user of its own.
    pub homes: Vec<Rc<MemoryOutbox>>,
    pub weather: Weather,
    pub texts: Texts,
    /// Whether its users may not see what they open.
    pub is_blind: bool,
    /// Breaks the promise: markers are compared byte by byte.
    pub compares_bytes: bool,
    /// By how many seconds its clock is ahead.
    pub ahead_s: Cell<i64>,
    /// Breaks the promise: what its answers tell is this machine's time.
    pub tells_wrong_time: bool,
    /// Services for which HubSoft refuses tickets.
    pub refused_services: BTreeSet<i64>,
    /// Services whose look-ups never tell.
    pub vague_services: BTreeSet<i64>,
    state: RefCell<State>,
}

struct State {
    rng: fastrand::Rng,
    tickets: Vec<Created>,
    next_id: i64,
    has_token: bool,
    in_flight: BTreeMap<(usize, i64), Marker>,
    worked: BTreeMap<String, u32>,
    last_opening: Option<OpenedTicket>,
    misled: BTreeSet<String>,
    violations: Vec<String>,
    posts: Vec<(Duration, Marker)>,
    seen: BTreeSet<&'static str>,
}

#[derive(Clone)]
pub struct Created {
    pub home: usize,
    pub marker: Marker,
    text: String,
    pub opening: OpenedTicket,
    /// From when on a look-up sees it.
    pub visible_from: Duration,
}

/// What becomes of one post.
#[derive(Clone, Copy)]
enum Fate {
    Answer,
    Slow,
    RefuseConnect,
    ResetBefore,
    ResetAfter,
    LateCommit,
    Hang,
    ErrorBefore,
    ErrorAfter,
    Unreadable,
    ThrottleCause,
    Unauthorized,
    Forbidden,
    Doubled,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Slow => "slow answer",
            Self::RefuseConnect => "connect refused",
            Self::ResetBefore => "reset before",
            Self::ResetAfter => "reset after",
            Self::LateCommit => "late commit",
            Self::Hang => "hang",
            Self::ErrorBefore => "5xx before",
            Self::ErrorAfter => "5xx after",
            Self::Unreadable => "unreadable",
            Self::ThrottleCause => "429",
            Self::Unauthorized => "401",
            Self::Forbidden => "403",
            Self::Doubled => "doubled answer",
        }
    }
}

impl Server {
    pub fn new(clock: VirtualClock, homes: Vec<Rc<MemoryOutbox>>, weather: Weather, seed: u64) -> Self {
        let state = State {
            rng: fastrand::Rng::with_seed(seed),
            tickets: Vec::new(),
            next_id: 1,
            has_token: false,
            in_flight: BTreeMap::new(),
            worked: BTreeMap::new(),
            last_opening: None,
            misled: BTreeSet::new(),
            violations: Vec::new(),
            posts: Vec::new(),
            seen: BTreeSet::new(),
        };
        Self {
            clock,
            homes,
            weather,
            texts: Texts::AsSent,
            is_blind: false,
            compares_bytes: false,
            ahead_s: Cell::default(),
            tells_wrong_time: false,
            refused_services: BTreeSet::new(),
            vague_services: BTreeSet::new(),
            state: RefCell::new(state),
        }
    }

    pub fn tickets(&self) -> Vec<Created> {
        self.state.borrow().tickets.clone()
    }

    /// What happened at least once, for the record of what the seeds exercise.
    pub fn seen(&self) -> BTreeSet<&'static str> {
        self.state.borrow().seen.clone()
    }

    /// Every post that reached the server, and when.
    pub fn posts(&self) -> Vec<(Duration, Marker)> {
        self.state.borrow().posts.clone()
    }

    pub fn saw(&self, what: &'static str) {
        self.state.borrow_mut().seen.insert(what);
    }

    pub fn violations(&self) -> Vec<String> {
        self.state.borrow().violations.clone()
    }

    /// Posts that HubSoft did not turn away before work, by marker.
    pub fn worked(&self, marker: Marker) -> u32 {
        self.state.borrow().worked.get(marker.as_str()).copied().unwrap_or(0)
    }

    /// Rows that were once told another row's ticket.
    pub fn misled(&self, marker: Marker) -> bool {
        self.state.borrow().misled.contains(marker.as_str())
    }

    /// Whether its users may not see the ticket with that marker, or not with all of its text.
    pub fn hides(&self, marker: Marker, descricao: &str) -> bool {
        self.is_blind || !marker.is_in(&self.texts.of(descricao, marker))
    }

    fn is_calm(&self) -> bool {
        self.weather.clears_at <= self.clock.elapsed()
    }

    fn is_out(&self) -> bool {
        let now = self.clock.elapsed();
        !self.is_calm() && self.weather.outages.iter().any(|(from, to)| (*from..*to).contains(&now))
    }

    fn chance(&self, percent: u32) -> bool {
        !self.is_calm() && self.state.borrow_mut().rng.u32(0..100) < percent
    }

    /// Up to `longest`, mostly short.
    fn some(&self, longest: Duration) -> Duration {
        let part = self.state.borrow_mut().rng.f64();
        longest.mul_f64(part * part)
    }

    fn fate(&self) -> Fate {
        let it = &self.weather;
        if self.clock.elapsed() < it.denied_until {
            return Fate::Forbidden;
        }
        if self.is_out() {
            return if self.chance(70) { Fate::RefuseConnect } else { Fate::Hang };
        }
        let fates = [
            (it.refuse_connect, Fate::RefuseConnect),
            (it.reset_before, Fate::ResetBefore),
            (it.reset_after, Fate::ResetAfter),
            (it.late_commit, Fate::LateCommit),
            (it.hang, Fate::Hang),
            (it.error_before, Fate::ErrorBefore),
            (it.error_after, Fate::ErrorAfter),
            (it.unreadable, Fate::Unreadable),
            (it.throttle, Fate::ThrottleCause),
            (it.unauthorized, Fate::Unauthorized),
            (it.forbidden, Fate::Forbidden),
            (it.doubled_answer, Fate::Doubled),
            (5, Fate::Slow),
        ];
        fates.into_iter().find(|(percent, _)| self.chance(*percent)).map_or(Fate::Answer, |(_, fate)| fate)
    }

    /// The bytes of a post reach the server.
    fn arrives(&self, home: usize, marker: Marker, service: i64) {
        tell(self.clock, || format!("{marker:?} is posted"));
        let mut state = self.state.borrow_mut();
        state.posts.push((self.clock.elapsed(), marker));
        if let Some(ticket) = state.tickets.iter().find(|it| it.home == home && it.marker == marker) {
            let seen = format!("{marker:?} is posted again over {}", ticket.opening.protocolo);
            state.violations.push(seen);
        }
        match self.homes[home].where_claimed(marker, |it| it.others_live(service, marker)) {
            None => state.violations.push(format!("{marker:?} is posted by somebody whose lease has ended")),
            Some(others) if others.is_empty() => {}
            Some(others) => {
                state
                    .violations
                    .push(format!("{marker:?} is posted while rows {others:?} of {service} live"));
            }
        }
        if let Some(other) = state.in_flight.get(&(home, service)) {
            let seen = format!("{marker:?} and {other:?} of service {service} are in flight together");
            state.violations.push(seen);
        }
    }

    fn create(&self, home: usize, ticket: &Ticket, marker: Marker, visible_in: Duration) -> OpenedTicket {
        let mut state = self.state.borrow_mut();
        let opening = opening(state.next_id);
        state.next_id += 1;
        let visible_from = self.clock.elapsed() + visible_in;
        tell(self.clock, || format!("{marker:?} is opened, to be seen from {visible_from:?}"));
        let text = self.texts.of(ticket.descricao.as_str(), marker);
        state.tickets.push(Created { home, marker, text, opening: opening.clone(), visible_from });
        opening
    }

    fn work(&self, marker: Marker) {
        *self.state.borrow_mut().worked.entry(marker.as_str().to_owned()).or_default() += 1;
    }

    async fn log_in<T>(&self, gate: &impl Gate) -> Result<(), Reply<T>> {
        if self.state.borrow().has_token {
            return Ok(());
        }
        pass(gate, RequestKind::Login).await?;
        sleep(self.some(Duration::from_secs(1))).await;
        if self.is_out() || self.chance(self.weather.error_before) {
            return Err(reply(Verdict::LoginUnavailable(fault("login_no_token")), Some(502)));
        }
        self.state.borrow_mut().has_token = true;
        Ok(())
    }

    async fn post(
        &self,
        home: usize,
        ticket: &Ticket,
        marker: Marker,
        gate: &impl Gate,
    ) -> Result<Reply, Reply> {
        let service = ticket.id_cliente_servico.get();
        self.log_in(gate).await?;
        pass(gate, RequestKind::Post).await?;
        // No await between the slot and the bytes: a process frozen there is outside the promise.
        let fate = self.fate();
        self.saw(fate.name());
        if let Fate::RefuseConnect = fate {
            sleep(self.some(Duration::from_secs(5))).await;
            return Err(reply(Verdict::NotSent(fault("connect")), None));
        }
        self.arrives(home, marker, service);
        let _in_flight = InFlight::new(self, home, service, marker);
        let unknown = |status| match status {
            Some(500) => reply(Verdict::Stumbled(fault("cut")), status),
            _ => reply(Verdict::Unknown(fault("cut")), status),
        };
        let soon = self.some(Duration::from_secs(3));
        let status = [500, 502, 503, 504][self.state.borrow_mut().rng.usize(0..4)];
        match fate {
            Fate::ThrottleCause => {
                sleep(soon).await;
                let asked =
                    self.chance(50).then(|| Duration::from_secs(self.state.borrow_mut().rng.u64(1..40)));
                return Ok(Reply { retry_after: asked, ..reply(Verdict::Throttled, Some(429)) });
            }
            Fate::Unauthorized => {
                sleep(soon).await;
                self.state.borrow_mut().has_token = false;
                return Err(reply(Verdict::Throttled, Some(401)));
            }
            Fate::Forbidden => {
                self.work(marker);
                sleep(soon).await;
                return Ok(reply(Verdict::Forbidden(fault("http_403")), Some(403)));
            }
            _ => self.work(marker),
        }
        if self.refused_services.contains(&service) {
            sleep(soon).await;
            let refusal = Fault::Refused { said: Some(format!("refused {}", marker.as_str())) };
            return Ok(reply(Verdict::Rejected(refusal), Some(200)));
        }
        let answer = match fate {
            Fate::ResetBefore => {
                sleep(soon).await;
                unknown(None)
            }
            Fate::ErrorBefore => {
                sleep(soon).await;
                let asked = self.chance(30).then(|| Duration::from_secs(7));
                Reply { retry_after: asked, ..unknown(Some(status)) }
            }
            Fate::Hang => {
                sleep(TIMEOUT).await;
                unknown(None)
            }
            Fate::LateCommit => {
                // Often as late as it can be.
                let part = || if self.chance(50) { 1.0 } else { self.state.borrow_mut().rng.f64() };
                let wait = TIMEOUT.mul_f64(part());
                let visible_in = wait + LATEST.mul_f64(part());
                self.create(home, ticket, marker, visible_in);
                sleep(wait).await;
                unknown(None)
            }
            Fate::ResetAfter | Fate::ErrorAfter | Fate::Unreadable => {
                let lag = self.some(Duration::from_secs(20));
                self.create(home, ticket, marker, soon + lag);
                sleep(soon).await;
                unknown(match fate {
                    Fate::ErrorAfter => Some(status),
                    Fate::Unreadable => Some(200),
                    _ => None,
                })
            }
            Fate::Doubled if self.state.borrow().last_opening.is_some() => {
                self.create(home, ticket, marker, soon);
                sleep(soon).await;
                let mut state = self.state.borrow_mut();
                state.misled.insert(marker.as_str().to_owned());
                let opening = state.last_opening.clone().expect("there was one");
                // The text that comes back, if any does, is the other row's.
                let marker_echoed = state.rng.bool().then_some(false);
                let proof = Proof { marker_echoed, ..proof(opening) };
                reply(Verdict::Answered(proof), Some(200))
            }
            _ => {
                let wait = if let Fate::Slow = fate { self.some(TIMEOUT) } else { soon };
                let opening = self.create(home, ticket, marker, wait);
                sleep(wait).await;
                self.state.borrow_mut().last_opening = Some(opening.clone());
                reply(Verdict::Answered(proof(opening)), Some(200))
            }
        };
        Ok(answer)
    }

    async fn find(&self, what: &LookUp, gate: &impl Gate) -> Result<Reply<Sighting>, Reply<Sighting>> {
        self.log_in(gate).await?;
        pass(gate, RequestKind::LookUp).await?;
        // What it sees is of the moment at which it was asked.
        let now = self.clock.elapsed();
        let seen: Vec<OpenedTicket> = {
            let state = self.state.borrow();
            let marker = what.marker.to_string();
            let is_ours = |it: &&Created| match self.compares_bytes {
                true => it.text.contains(&marker),
                false => what.marker.is_in(&it.text),
            };
            let shown = state.tickets.iter().filter(|it| !self.is_blind && it.visible_from <= now);
            let ours = shown.filter(is_ours);
            ours.map(|it| it.opening.clone()).collect()
        };
        let vague = self.vague_services.contains(&what.service.get());
        if self.is_out() || self.chance(self.weather.look_up_fails) {
            sleep(self.some(TIMEOUT)).await;
            return Ok(match self.state.borrow_mut().rng.u32(0..3) {
                0 => reply(Verdict::NotSent(fault("connect")), None),
                1 => reply(Verdict::Throttled, Some(429)),
                _ => reply(Verdict::Unknown(fault("cut")), Some(502)),
            });
        }
        sleep(self.some(Duration::from_secs(3))).await;
        let sighting = if vague || self.chance(self.weather.look_up_vague) {
            Sighting::CouldNotTell(fault("no_text"))
        } else {
            match seen.split_first() {
                Some((opening, others)) => {
                    Sighting::Found { opening: opening.clone(), others: others.to_vec(), conflict: None }
                }
                None => Sighting::NotFound,
            }
        };
        Ok(reply(Verdict::Answered(sighting), Some(200)))
    }
}

impl Server {
    /// With what its clock shows.
    fn dated<T>(&self, reply: Reply<T>) -> Reply<T> {
        let now = match self.tells_wrong_time {
            true => self.clock.now(),
            false => start() + self.clock.elapsed() + SignedDuration::from_secs(self.ahead_s.get()),
        };
        Reply { date: reply.http_status.map(|_| now), ..reply }
    }

    async fn sighted(&self, what: &LookUp, gate: &impl Gate) -> Reply<Sighting> {
        self.dated(self.find(what, gate).await.unwrap_or_else(|early| early))
    }
}

impl Api for Client<'_> {
    async fn open(&self, ticket: &Ticket, marker: Marker, gate: &impl Gate) -> Reply {
        loop {
            match self.server.post(self.home, ticket, marker, gate).await {
                // Turned away for its token: once more with a fresh one.
                Err(Reply { http_status: Some(401), .. }) => {}
                Ok(reply) | Err(reply) => return self.server.dated(reply),
            }
        }
    }

    async fn look_up(&self, what: &LookUp, gate: &impl Gate) -> Reply<Sighting> {
        self.server.sighted(what, gate).await
    }

    async fn verify(&self, what: &Verification<'_>, gate: &impl Gate) -> Reply<Sighting> {
        let own = LookUp { service: what.ticket.id_cliente_servico, marker: what.marker, sent_at: None };
        self.server.sighted(&own, gate).await
    }

    async fn find_open(&self, ticket: &Ticket, gate: &impl Gate) -> Reply<Sighting> {
        let _ = ticket;
        match pass(gate, RequestKind::LookUp).await {
            Ok(()) => reply(Verdict::Answered(Sighting::NotFound), Some(200)),
            Err(withheld) => withheld,
        }
    }

    fn who(&self) -> String {
        TESTER.to_owned()
    }

    async fn probe(&self, gate: &impl Gate) -> Reply<()> {
        let server = self.server;
        if let Err(withheld) = pass(gate, RequestKind::Probe).await {
            return withheld;
        }
        sleep(server.some(Duration::from_secs(3))).await;
        if server.is_out() || server.chance(server.weather.error_before) {
            return reply(Verdict::NotSent(fault("connect")), None);
        }
        reply(Verdict::Answered(()), Some(200))
    }
}

/// A post on its way; whatever ends it, a crash of the client too, takes it from the list.
struct InFlight<'a> {
    server: &'a Server,
    home: usize,
    service: i64,
    marker: Marker,
}

impl<'a> InFlight<'a> {
    fn new(server: &'a Server, home: usize, service: i64, marker: Marker) -> Self {
        server.state.borrow_mut().in_flight.insert((home, service), marker);
        Self { server, home, service, marker }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut state = self.server.state.borrow_mut();
        state.in_flight.remove(&(self.home, self.service));
        let latest = self.server.clock.elapsed() + LATEST;
        for ticket in
            state.tickets.iter_mut().filter(|ticket| ticket.home == self.home && ticket.marker == self.marker)
        {
            ticket.visible_from = ticket.visible_from.min(latest);
        }
    }
}

async fn pass<T>(gate: &impl Gate, kind: RequestKind) -> Result<(), Reply<T>> {
    let passed: Result<(), Withheld> = gate.pass(kind).await;
    passed.map_err(|Withheld| reply(Verdict::Withheld, None))
}

fn proof(opening: OpenedTicket) -> Proof {
    Proof { opening, marker_echoed: Some(true), warnings: Vec::new(), conflict: None }
}
