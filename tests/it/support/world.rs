//! Virtual time, tickets, and small answers.

use std::cell::Cell;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mutirao::delivery::identity::{BatchKey, Marker};
use mutirao::delivery::{Clock, Fault, OpenedTicket, Proof, Reply, Verdict};
use mutirao::ticket::{Field, RawTicket, Ticket};
use tokio::time::Instant;

pub use super::virtual_time::in_virtual_time;

/// The time of day, made of tokio's; it can be set.
#[derive(Clone, Copy)]
pub struct VirtualClock {
    epoch: Instant,
    /// By how many seconds it was set ahead. Leaked, so that all who have the clock see it set.
    ahead_s: &'static Cell<i64>,
    /// Breaks the promise: what nobody should be able to set is set with it.
    pub sets_awake: bool,
}

impl VirtualClock {
    pub fn new() -> Self {
        Self { epoch: Instant::now(), ahead_s: Box::leak(Box::default()), sets_awake: false }
    }

    /// Sets it ahead, or back.
    pub fn step(self, by_s: i64) {
        self.ahead_s.set(self.ahead_s.get() + by_s);
    }

    /// Of a machine whose clock somebody else sets, and which shows another time.
    pub fn of_another(self, ahead_s: i64) -> Self {
        Self { ahead_s: Box::leak(Box::new(Cell::new(ahead_s))), ..self }
    }

    /// Since the test began.
    pub fn elapsed(self) -> Duration {
        self.epoch.elapsed()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        start() + self.elapsed() + SignedDuration::from_secs(self.ahead_s.get())
    }

    fn awake(&self) -> Duration {
        match u64::try_from(self.ahead_s.get()) {
            Ok(ahead_s) if self.sets_awake => self.elapsed() + Duration::from_secs(ahead_s),
            _ => self.elapsed(),
        }
    }
}

/// When every test begins.
pub fn start() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("within range")
}

pub fn ticket(service: i64, descricao: &str) -> Ticket {
    let service = service.to_string();
    parsed(&RawTicket::from([
        (Field::IdClienteServico, &*service),
        (Field::Descricao, descricao),
        (Field::Nome, "Maria"),
        (Field::Telefone, "37999998888"),
    ]))
}

/// One of that type.
pub fn typed_ticket(service: i64, descricao: &str, tipo: i64) -> Ticket {
    let (service, tipo) = (service.to_string(), tipo.to_string());
    parsed(&RawTicket::from([
        (Field::IdClienteServico, &*service),
        (Field::IdTipoAtendimento, &*tipo),
        (Field::Descricao, descricao),
        (Field::Nome, "Maria"),
        (Field::Telefone, "37999998888"),
    ]))
}

fn parsed(raw: &RawTicket<'_>) -> Ticket {
    match Ticket::parse(raw) {
        Ok(parsed) => parsed.ticket,
        Err(problems) => panic!("the ticket is valid: {problems:?}"),
    }
}

pub fn marker(row: i64) -> Marker {
    Marker::new(&BatchKey("test".to_owned()), &row.to_string())
}

pub fn opening(id: i64) -> OpenedTicket {
    OpenedTicket {
        protocolo: format!("20231114221320{id:06}"),
        id_atendimento: id,
        ids_ordem_servico: Vec::new(),
        numeros_ordem_servico: Vec::new(),
    }
}

pub fn opened(id: i64) -> Reply {
    let proof =
        Proof { opening: opening(id), marker_echoed: Some(true), warnings: Vec::new(), conflict: None };
    reply(Verdict::Answered(proof), Some(200))
}

pub fn reply<T>(verdict: Verdict<T>, http_status: Option<u16>) -> Reply<T> {
    Reply { verdict, http_status, latency: Duration::from_millis(50), retry_after: None, date: None }
}

/// One of that code.
pub fn fault(code: &str) -> Fault {
    match code {
        "connect" => Fault::Connect { at: None, cause: None },
        "timeout" => Fault::Timeout,
        "reset" => Fault::Reset,
        "cut" => Fault::Cut,
        "exception" => Fault::Exception,
        "login_refused" => Fault::LoginRefused { status: 401, said: None },
        "login_no_token" => Fault::LoginNoToken,
        "refused" => Fault::Refused { said: None },
        "wrong_service" => Fault::WrongService { asked: 1, found: 2 },
        "full_page" => Fault::FullPage { n_tickets: 50 },
        "no_text" => Fault::NoText,
        "no_list" => Fault::NoList,
        "no_ticket" => Fault::NoTicket,
        code => match code.strip_prefix("http_").map(str::parse) {
            Some(Ok(status)) => Fault::http(status),
            _ => panic!("no test needs a fault `{code}` yet"),
        },
    }
}
