//! The client against a HubSoft that misbehaves: what it makes of it, and how often it asks.

mod sandbox;
mod sockets;
mod tls;

use std::cell::RefCell;
use std::time::Duration;

use mutirao::delivery::identity::{BatchKey, Marker};
use mutirao::delivery::{Gate, LookUp, Reply, RequestKind, Verdict, Withheld};
use mutirao::hubsoft::{Credentials, HubSoft, HubSoftSettings};
use mutirao::sandbox::{RunningSandbox, Sandbox, SandboxCredentials};
use mutirao::ticket::{Field, Id, RawTicket, Ticket};

/// Lets everything through until it has let through enough, and notes what.
#[derive(Default)]
struct Turnstile {
    passed: RefCell<Vec<RequestKind>>,
    closes_after: Option<usize>,
}

impl Gate for Turnstile {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        if self.closes_after == Some(self.passed.borrow().len()) {
            return Err(Withheld);
        }
        self.passed.borrow_mut().push(kind);
        Ok(())
    }
}

impl Turnstile {
    fn count(&self, kind: RequestKind) -> usize {
        self.passed.borrow().iter().filter(|it| **it == kind).count()
    }
}

fn sandbox(options: &str) -> RunningSandbox {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    Sandbox::start(options.parse().expect("options"), listener).expect("a sandbox")
}

fn password(of: SandboxCredentials) -> Credentials {
    Credentials::Password {
        client_id: of.client_id,
        client_secret: of.client_secret.into(),
        username: of.username,
        password: of.password.into(),
    }
}

fn client(url: &str, credentials: Credentials) -> HubSoft {
    client_with(url, credentials, Duration::from_secs(10))
}

fn client_with(url: &str, credentials: Credentials, timeout: Duration) -> HubSoft {
    let settings = HubSoftSettings::new(url.parse().expect("an address"), credentials);
    HubSoft::new(HubSoftSettings { timeout, ..settings }).expect("a client")
}

fn client_of(sandbox: &RunningSandbox) -> HubSoft {
    client(&sandbox.url(), password(sandbox.credentials()))
}

fn token(text: &str) -> Credentials {
    Credentials::Token(text.into())
}

fn raw() -> RawTicket<'static> {
    RawTicket::from([
        (Field::IdClienteServico, "11000"),
        (Field::IdTipoAtendimento, "4"),
        (Field::Descricao, "Sem energia na rua"),
        (Field::Nome, "Ana"),
        (Field::Telefone, "37999112233"),
    ])
}

/// The same with another cell.
fn with(field: Field, cell: Option<&str>) -> RawTicket<'static> {
    let mut raw = raw();
    *raw.get_mut(field) = cell.map(|cell| cell.to_owned().into());
    raw
}

fn parsed(raw: &RawTicket<'_>) -> Ticket {
    match Ticket::parse(raw) {
        Ok(parsed) => parsed.ticket,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn marker(reference: &str) -> Marker {
    Marker::new(&BatchKey("queda".to_owned()), reference)
}

fn sent(reference: &str) -> LookUp {
    let service = Id::new(11_000).expect("positive");
    let sent_at = Some(jiff::Timestamp::now());
    LookUp { service, marker: marker(reference), sent_at }
}

/// The verdict's name and the fault's code.
fn short<T>(reply: &Reply<T>) -> String {
    match &reply.verdict {
        Verdict::Answered(_) => "answered".into(),
        Verdict::Rejected(fault) => format!("rejected {}", fault.code()),
        Verdict::Unknown(fault) => format!("unknown {}", fault.code()),
        Verdict::Stumbled(fault) => format!("stumbled {}", fault.code()),
        Verdict::NotSent(fault) => format!("not_sent {}", fault.code()),
        Verdict::Throttled => "throttled".into(),
        Verdict::Unauthorized(fault) => format!("unauthorized {}", fault.code()),
        Verdict::LoginUnavailable(fault) => format!("login_unavailable {}", fault.code()),
        Verdict::Forbidden(fault) => format!("forbidden {}", fault.code()),
        Verdict::Misconfigured(fault) => format!("misconfigured {}", fault.code()),
        Verdict::Withheld => "withheld".into(),
    }
}

fn http(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn opened() -> Vec<u8> {
    http("200 OK", r#"{"status":"success","atendimento":{"id_atendimento":1,"protocolo":"1"}}"#)
}
