//! A HubSoft that loses, delays and doubles answers, and watches for what must never happen. The real client
//! speaks with it: what it says is JSON, with a status and headers, and the real functions judge it.

pub mod book;
mod list;
mod look_ups;
mod misread;
mod posts;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use mutirao::delivery::identity::{BatchKey, Marker};
use mutirao::delivery::{Clock, Fault, OpenedTicket};
use mutirao::hubsoft::{BaseUrl, Credentials, Heard, HubSoft, HubSoftSettings, StandIn};
use reqwest::Request;
use tokio::time::sleep;

use self::book::{Book, Code, New, Style, Texts, Ticket, before};
use self::posts::Vague;
use super::sabotage::Sabotage;
use super::weather::{Mishap, Weather};
use crate::support::memory_outbox::MemoryOutbox;
use crate::support::world::{VirtualClock, start};

/// How long the client waits for an answer.
pub const TIMEOUT: Duration = mutirao::hubsoft::TIMEOUT;

/// A commit or its visibility comes at most so long after the client stopped waiting for it.
pub const LATEST: Duration = Duration::from_secs(115);

/// Tickets whose label this is are of the type that nobody asks for.
const TYPE_DEFAULT: &str = "SAC";

pub struct Server {
    pub clock: VirtualClock,
    /// The outboxes that open tickets here, each with a user of its own.
    pub homes: Vec<Rc<MemoryOutbox>>,
    pub weather: Weather,
    pub style: Style,
    /// Whether its users may not see what they open.
    pub is_blind: bool,
    /// Breaks the promise: how the client misreads it.
    pub sabotage: Sabotage,
    /// By how many seconds its clock is ahead.
    pub ahead_s: Cell<i64>,
    /// Whether any clock is set while the world lives.
    pub clocks_are_set: bool,
    /// Whether tickets are stamped by that clock.
    pub stamps_by_it: bool,
    /// Services for which HubSoft refuses tickets.
    pub refused_services: BTreeSet<i64>,
    /// Until then it refuses all tickets of one lote alike.
    pub refuses_poste_until: Duration,
    /// Services whose look-ups never tell, and how.
    pub vague_services: BTreeMap<i64, Vague>,
    state: RefCell<State>,
}

struct State {
    rng: fastrand::Rng,
    book: Book,
    /// Tokens that work.
    tokens: BTreeSet<u64>,
    n_tokens: u64,
    /// Posts on their way, and until when HubSoft may work on one at most.
    in_flight: BTreeMap<(usize, i64), (Code, Duration)>,
    worked: BTreeMap<Code, u32>,
    last_opened: Option<usize>,
    misled: BTreeSet<Code>,
    told_errors: BTreeSet<Code>,
    violations: Vec<String>,
    posts: Vec<(Duration, Code)>,
    n_requests: u64,
    seen: BTreeSet<&'static str>,
}

/// One user's way to the server.
struct Client {
    server: Rc<Server>,
    /// Which of its outboxes.
    home: usize,
}

impl StandIn for Client {
    fn answer(&self, request: Request) -> LocalBoxFuture<'_, Heard> {
        Box::pin(self.server.answer(self.home, request))
    }
}

/// The user of an outbox, as a process that begins knows HubSoft: without a token.
pub fn log_in_later(server: &Rc<Server>, home: usize) -> HubSoft {
    let client = Rc::new(Client { server: Rc::clone(server), home });
    HubSoft::answered_by(client, &settings(home)).expect("it has no token yet")
}

pub fn settings(home: usize) -> HubSoftSettings {
    let base_url: BaseUrl = "https://api.example.hubsoft.com.br".parse().expect("a URL");
    let credentials = Credentials::Password {
        client_id: "1".to_owned(),
        client_secret: "secret".into(),
        username: format!("user{home}@example.com"),
        password: "secret".into(),
    };
    HubSoftSettings::new(base_url, credentials)
}

impl Server {
    pub fn new(clock: VirtualClock, homes: Vec<Rc<MemoryOutbox>>, weather: Weather, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let style = Style::draw(&mut rng);
        let state = State {
            rng,
            book: Book::default(),
            tokens: BTreeSet::new(),
            n_tokens: 0,
            in_flight: BTreeMap::new(),
            worked: BTreeMap::new(),
            last_opened: None,
            misled: BTreeSet::new(),
            told_errors: BTreeSet::new(),
            violations: Vec::new(),
            posts: Vec::new(),
            n_requests: 0,
            seen: BTreeSet::new(),
        };
        Self {
            clock,
            homes,
            weather,
            style,
            is_blind: false,
            sabotage: Sabotage::None,
            ahead_s: Cell::default(),
            clocks_are_set: false,
            stamps_by_it: false,
            refused_services: BTreeSet::new(),
            refuses_poste_until: Duration::ZERO,
            vague_services: BTreeMap::new(),
            state: RefCell::new(state),
        }
    }

    /// Chooses the services whose look-ups never tell.
    pub fn draw_vague(&mut self, n_services: i64, rng: &mut fastrand::Rng) {
        let mut kind = || Vague::ALL[rng.usize(0..Vague::ALL.len())];
        let kinds: Vec<_> = (1..=n_services).map(|service| (service, kind())).collect();
        self.vague_services = kinds.into_iter().filter(|_| rng.u32(0..25) == 0).collect();
    }

    /// What was opened before the world began: other people's tickets, and those of last month's batch, whose
    /// texts are the same and whose markers are others.
    pub fn add_history(&self, n_services: i64) {
        let key = BatchKey("test, of October".to_owned());
        for service in 1..=n_services {
            let n_tickets = match self.dice(0..40) {
                0 => self.dice(45..60),
                1 => self.dice(15..25),
                2..8 => self.dice(1..4),
                _ => 0,
            };
            for n in 0..n_tickets {
                let hours = 24 * (4 + n_tickets as i64 - n as i64);
                let marker = Marker::new(&key, &n.to_string());
                let (descricao, label, has_text) = match self.dice(0..6) {
                    0 => (format!("Sem sinal {n}{marker}"), TYPE_DEFAULT, true),
                    1 => (format!("Sem sinal {n}"), TYPE_DEFAULT, true),
                    2 => ("Segunda via".to_owned(), "Financeiro", true),
                    3 => (String::new(), TYPE_DEFAULT, false),
                    _ => (format!("Lento [ref {n}] desde ontem"), "Suporte", true),
                };
                self.add(New {
                    of: None,
                    service,
                    descricao: &descricao,
                    label,
                    at: before(start(), hours),
                    visible_from: Duration::ZERO,
                    has_text,
                });
            }
            if self.dice(0..4) != 0 {
                self.state.borrow_mut().book.close(service);
            }
        }
    }

    /// Somebody else opens a ticket, by hand.
    pub fn open_by_hand(&self, service: i64, text: &str) {
        self.saw("opened by hand");
        self.add(New {
            of: None,
            service,
            descricao: text,
            label: TYPE_DEFAULT,
            at: self.stamp(),
            visible_from: self.clock.elapsed(),
            has_text: true,
        });
    }

    /// Somebody closes all tickets of a service that are done with.
    pub fn close_all(&self, service: i64) {
        self.saw("closed by hand");
        self.state.borrow_mut().book.close(service);
    }

    fn add(&self, new: New<'_>) -> usize {
        self.state.borrow_mut().book.add(new, &self.style)
    }

    /// All that were opened, by whomever.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.state.borrow().book.tickets.clone()
    }

    /// What happened at least once, for the record of what the seeds exercise.
    pub fn seen(&self) -> BTreeSet<&'static str> {
        self.state.borrow().seen.clone()
    }

    /// Every post that reached the server, and when.
    pub fn posts(&self) -> Vec<(Duration, Code)> {
        self.state.borrow().posts.clone()
    }

    pub fn n_requests(&self) -> u64 {
        self.state.borrow().n_requests
    }

    pub fn saw(&self, what: &'static str) {
        self.state.borrow_mut().seen.insert(what);
    }

    pub fn violations(&self) -> Vec<String> {
        self.state.borrow().violations.clone()
    }

    pub fn violate(&self, what: String) {
        self.state.borrow_mut().violations.push(what);
    }

    /// The ticket of a row, or that it has none: `None` within `settled_in` after its last post.
    pub fn truth(&self, home: usize, code: &str, settled_in: Duration) -> Option<Option<OpenedTicket>> {
        let (state, now) = (self.state.borrow(), self.clock.elapsed());
        if let Some(ticket) = state.book.of_row(home, code).next() {
            return (ticket.visible_from <= now).then(|| Some(ticket.opening.clone()));
        }
        let last = state.posts.iter().rev().find(|it| it.1 == code);
        last.is_none_or(|(at, _)| *at + settled_in < now).then_some(None)
    }

    /// Whether the row has a ticket, seen yet or not.
    pub fn has_ticket(&self, home: usize, code: &str) -> bool {
        self.state.borrow().book.of_row(home, code).next().is_some()
    }

    /// Posts that HubSoft did not turn away before work, by marker.
    pub fn worked(&self, code: &str) -> u32 {
        self.state.borrow().worked.get(code).copied().unwrap_or(0)
    }

    /// Rows that were once told errors beside their ticket.
    pub fn told_errors(&self, code: &str) -> bool {
        self.state.borrow().told_errors.contains(code)
    }

    /// Rows that were once told another row's ticket.
    pub fn misled(&self, code: &str) -> bool {
        self.state.borrow().misled.contains(code)
    }

    /// Whether its users may not see the ticket with that marker, or not with all of its text.
    pub fn hides(&self, marker: Marker, descricao: &str) -> bool {
        self.is_blind
            || matches!(self.style.texts, Texts::Cut(_))
                && !marker.is_in(&self.style.texts.of(&format!("{descricao}{marker}")))
    }

    /// Whether a look-up of that service may never tell, however calm the sky: something is always wrong with
    /// it, or it has more tickets than a page whose end says nothing.
    pub fn may_never_tell(&self, service: i64) -> bool {
        let state = self.state.borrow();
        let (mut n_all, mut n_young, mut has_textless) = (0, 0, false);
        for ticket in state.book.of_service(service) {
            n_all += 1;
            n_young += usize::from(before(start(), 90) < ticket.at);
            has_textless |= !ticket.has_text();
        }
        // Which tickets are older than a post is plain only where no clock was set.
        let is_plain = self.style.heeds_order && !self.clocks_are_set;
        self.vague_services.contains_key(&service)
            || book::PAGE_LEN_DEFAULT <= if is_plain { n_young } else { n_all }
            || has_textless && self.clocks_are_set
    }

    fn is_calm(&self) -> bool {
        self.weather.clears_at <= self.clock.elapsed()
    }

    fn is_out(&self) -> bool {
        let now = self.clock.elapsed();
        !self.is_calm() && self.weather.outages.iter().any(|(from, to)| (*from..*to).contains(&now))
    }

    fn chance(&self, percent: u32) -> bool {
        percent != 0 && !self.is_calm() && self.dice(0..100) < percent
    }

    fn befalls(&self, mishap: Mishap) -> bool {
        let befalls = self.chance(self.weather.chance_of(mishap));
        if befalls {
            self.saw(mishap.name());
        }
        befalls
    }

    fn dice(&self, faces: std::ops::Range<u32>) -> u32 {
        self.state.borrow_mut().rng.u32(faces)
    }

    /// Up to `longest`, mostly short.
    fn some(&self, longest: Duration) -> Duration {
        let part = self.state.borrow_mut().rng.f64();
        longest.mul_f64(part * part)
    }

    /// What its clock shows.
    fn now(&self) -> Timestamp {
        match self.sabotage {
            // What its answers tell is the machine's time.
            Sabotage::OneClock => self.clock.now(),
            _ => start() + self.clock.elapsed() + SignedDuration::from_secs(self.ahead_s.get()),
        }
    }

    /// With what tickets are stamped.
    fn stamp(&self) -> Timestamp {
        if self.stamps_by_it { self.now() } else { start() + self.clock.elapsed() }
    }

    async fn answer(&self, home: usize, request: Request) -> Heard {
        self.state.borrow_mut().n_requests += 1;
        let bearer = request.headers().get("authorization").and_then(|it| it.to_str().ok());
        let token = bearer.and_then(|it| it.strip_prefix("Bearer t")?.parse::<u64>().ok());
        let body = request.body().and_then(|it| it.as_bytes()).unwrap_or_default();
        let path = request.url().path();
        let heard = match path.strip_prefix("/api/v1/integracao").unwrap_or(path) {
            "/oauth/token" => self.log_in().await,
            "/atendimento" => self.post(home, token, body).await,
            "/cliente/atendimento" => {
                self.look_up(home, token, request.url().query().unwrap_or_default()).await
            }
            "/atendimento/todos" => self.page_of_all(token, request.url().query().unwrap_or_default()).await,
            "/configuracao/tipo_atendimento" => {
                let types = r#"[{"id_tipo_atendimento":1,"descricao":"SAC"},{"id_tipo_atendimento":5,"descricao":"Suporte"}]"#;
                self.catalogue(token, "tipos_atendimento", types).await
            }
            "/configuracao/status_atendimento" => {
                let statuses = r#"[{"id_atendimento_status":1,"descricao":"Pendente","prefixo":"pendente"},{"id_atendimento_status":3,"descricao":"Resolvido","prefixo":"resolvido"}]"#;
                self.catalogue(token, "status_atendimento", statuses).await
            }
            other => panic!("nobody asks for {other}"),
        };
        self.misread(path, heard)
    }

    async fn log_in(&self) -> Heard {
        sleep(self.some(Duration::from_secs(1))).await;
        if self.is_out() || self.befalls(Mishap::LoginFails) {
            return match self.dice(0..4) {
                0 => Heard::NotSent(connect()),
                1 => Heard::Lost(Fault::Reset),
                2 => self.told(429, r#"{"message":"Too Many Attempts.","retry_after":3}"#),
                _ => self.told(502, &page("502 Bad Gateway")),
            };
        }
        let mut state = self.state.borrow_mut();
        state.n_tokens += 1;
        let token = state.n_tokens;
        state.tokens.insert(token);
        drop(state);
        let life = self.style.token_life;
        self.told(200, &format!(r#"{{"access_token":"t{token}","token_type":"Bearer","expires_in":{life}}}"#))
    }

    /// What a probe asks for, among others.
    async fn catalogue(&self, token: Option<u64>, list: &str, entries: &str) -> Heard {
        sleep(self.some(Duration::from_secs(3))).await;
        if self.is_out() || self.chance(self.weather.chance_of(Mishap::ErrorBefore)) {
            return Heard::NotSent(connect());
        }
        if !self.knows(token) {
            return self.unauthenticated();
        }
        self.told(200, &format!(r#"{{"status":"success","{list}":{entries}}}"#))
    }

    fn knows(&self, token: Option<u64>) -> bool {
        token.is_some_and(|it| self.state.borrow().tokens.contains(&it))
    }

    fn unauthenticated(&self) -> Heard {
        self.told(401, r#"{"message":"Unauthenticated."}"#)
    }

    /// A whole answer.
    fn told(&self, status: u16, body: &str) -> Heard {
        self.answered(status, None, Ok(Bytes::copy_from_slice(body.as_bytes())))
    }

    fn answered(&self, status: u16, retry_after: Option<String>, body: Result<Bytes, Fault>) -> Heard {
        Heard::Answered { status, date: Some(http_date(self.now())), retry_after, body }
    }

    /// An explicit refusal of too many.
    fn throttled(&self) -> Heard {
        let seconds = self.dice(1..40);
        let body = |body: &str| Ok(Bytes::copy_from_slice(body.as_bytes()));
        let plain = r#"{"message":"Too Many Attempts."}"#;
        match self.dice(0..6) {
            0 => self.answered(429, Some(seconds.to_string()), body(plain)),
            1 => {
                let until = self.now() + SignedDuration::from_secs(seconds.into());
                self.answered(429, Some(http_date(until)), body(&page("429")))
            }
            2 => self.told(429, &format!(r#"{{"retry_after":{seconds}}}"#)),
            _ => self.told(429, plain),
        }
    }

    /// An answer as something gives it that is falling over.
    fn failed(&self) -> Heard {
        match self.dice(0..5) {
            0 => self.told(500, r#"{"message":"Server Error"}"#),
            1 => self.told(502, &page("502 Bad Gateway")),
            2 => self.told(503, &page("Service is not reachable")),
            3 => self.answered(503, Some("7".to_owned()), Ok(Bytes::from_static(b"{}"))),
            _ => self.told(504, &page("504 Gateway Time-out")),
        }
    }

    /// An exception that HubSoft's own handler did not catch.
    fn exception(&self) -> Heard {
        let body = r#"{"status":"error","msg":"Ocorreu um erro inesperado","code":0,"line":215,"file":"/var/www/x.php","error_type":"QueryException","trace":[]}"#;
        match self.dice(0..2) {
            0 => self.told(500, body),
            _ => self.told(200, body),
        }
    }
}

/// A page of somebody's who stands before HubSoft.
fn page(title: &str) -> String {
    format!("<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>")
}

fn error(msg: &str) -> String {
    format!(r#"{{"status":"error","msg":"{msg}"}}"#)
}

fn connect() -> Fault {
    Fault::Connect { at: None, cause: None }
}

fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
