//! What becomes of a post.

use std::time::Duration;

use mutirao::delivery::Fault;
use mutirao::delivery::identity::MARKER_LEN;
use mutirao::hubsoft::Heard;
use serde_json::Value;
use tokio::time::sleep;

use super::book::{Code, New, Ticket};
use super::{LATEST, Server, TIMEOUT, TYPE_DEFAULT, connect, error, page};
use crate::simulation::weather::Mishap;
use crate::support::replay::tell;

/// In which way a service's look-ups never tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vague {
    Refused,
    Exception,
    NoCustomer,
    NoList,
    Unreadable,
    /// A young ticket has no text.
    Textless,
    /// There are tickets of another service among them.
    OtherService,
}

impl Vague {
    pub const ALL: [Self; 7] = [
        Self::Refused,
        Self::Exception,
        Self::NoCustomer,
        Self::NoList,
        Self::Unreadable,
        Self::Textless,
        Self::OtherService,
    ];
}

/// What may become of a post, in the order in which the dice are cast.
const OF_POSTS: [Mishap; 23] = [
    Mishap::RefuseConnect,
    Mishap::ResetBefore,
    Mishap::ResetAfter,
    Mishap::LateCommit,
    Mishap::Hang,
    Mishap::ErrorBefore,
    Mishap::ErrorAfter,
    Mishap::ExceptionBefore,
    Mishap::ExceptionAfter,
    Mishap::ForeignAnswer,
    Mishap::CutAnswer,
    Mishap::EmptyAnswer,
    Mishap::NoProof,
    Mishap::HalfSuccess,
    Mishap::ErrorsBeside,
    Mishap::DoubledAnswer,
    Mishap::Throttle,
    Mishap::Unauthorized,
    Mishap::Forbidden,
    Mishap::Firewall,
    Mishap::NoRoute,
    Mishap::SwitchedOff,
    Mishap::SlowAnswer,
];

const NO_PERMISSION: &str = "O Usuário não possui a permissão desejada!";

impl Server {
    fn fate(&self) -> Option<Mishap> {
        if self.clock.elapsed() < self.weather.denied_until {
            return Some(Mishap::Forbidden);
        }
        if self.is_out() {
            return Some(if self.chance(70) { Mishap::RefuseConnect } else { Mishap::Hang });
        }
        OF_POSTS.into_iter().find(|it| self.befalls(*it))
    }

    /// The bytes of a post reach the server.
    fn arrives(&self, home: usize, code: &str, service: i64) {
        tell(self.clock, || format!("{code} is posted"));
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.posts.push((self.clock.elapsed(), code.to_owned()));
        if let Some(ticket) = state.book.of_row(home, code).next() {
            let seen = format!("{code} is posted again over {}", ticket.opening.protocolo);
            state.violations.push(seen);
        }
        match self.homes[home].where_claimed(code, |it| it.others_live(service, code)) {
            None => state.violations.push(format!("{code} is posted by somebody whose lease has ended")),
            Some(others) if others.is_empty() => {}
            Some(others) => {
                state.violations.push(format!("{code} is posted while rows {others:?} of {service} live"));
            }
        }
        let other = state.in_flight.get(&(home, service)).filter(|(other, until)| {
            // Who stands still does not see that it is over.
            let is_seen = |it: &Ticket| it.visible_from <= self.clock.elapsed();
            self.clock.elapsed() < *until && !state.book.of_row(home, other).any(is_seen)
        });
        if let Some((other, _)) = other {
            let seen = format!("{code} and {other} of service {service} are in flight together");
            state.violations.push(seen);
        }
    }

    fn create(&self, home: usize, asked: &Asked, visible_in: Duration) -> usize {
        let visible_from = self.clock.elapsed() + visible_in;
        let (code, service) = (&asked.code, asked.service);
        tell(self.clock, || format!("{code} is opened for {service}, to be seen from {visible_from:?}"));
        self.add(New {
            of: Some((home, asked.code.clone())),
            service: asked.service,
            descricao: &asked.descricao,
            label: asked.label,
            at: self.stamp(),
            visible_from,
            has_text: true,
        })
    }

    pub(super) async fn post(&self, home: usize, token: Option<u64>, body: &[u8]) -> Heard {
        // No await between the slot and the bytes: a process frozen there is outside the promise.
        let fate = self.fate();
        if fate == Some(Mishap::RefuseConnect) {
            sleep(self.some(Duration::from_secs(5))).await;
            return Heard::NotSent(connect());
        }
        let Some(asked) = Asked::read(body) else {
            self.violate(format!("a post makes no sense: {}", String::from_utf8_lossy(body)));
            return self.told(422, &error("Favor preencher os campos obrigatórios"));
        };
        self.arrives(home, &asked.code, asked.service);
        let _in_flight = InFlight::new(self, home, &asked);
        let soon = self.some(Duration::from_secs(3));
        if !self.knows(token) {
            sleep(soon).await;
            return self.unauthenticated();
        }
        if let Some(turned_away) = self.turn_away(fate) {
            // Who hears of it cannot know whether anything was done, or is answered for good.
            if let Some(Mishap::Forbidden | Mishap::Firewall) = fate {
                self.work(&asked.code);
            }
            sleep(soon).await;
            return turned_away;
        }
        self.work(&asked.code);
        if self.clock.elapsed() < self.refuses_poste_until && asked.descricao.starts_with("Poste") {
            self.saw("a lote is refused");
            sleep(soon).await;
            return self.told(200, &error("O tipo de atendimento está inativo"));
        }
        if self.refused_services.contains(&asked.service) {
            sleep(soon).await;
            let code = &asked.code;
            return match self.dice(0..2) {
                0 => self.told(200, &error(&format!("recusado {code}"))),
                _ => self.told(422, &format!(r#"{{"errors":{{"nome":["recusado {code}"]}}}}"#)),
            };
        }
        self.carry_out(home, &asked, fate, soon).await
    }

    /// Before any work.
    fn turn_away(&self, fate: Option<Mishap>) -> Option<Heard> {
        Some(match fate? {
            Mishap::Throttle => self.throttled(),
            Mishap::Unauthorized => {
                // An update: no token works any more.
                self.state.borrow_mut().tokens.clear();
                self.unauthenticated()
            }
            Mishap::Forbidden => self.told(403, &error(NO_PERMISSION)),
            Mishap::Firewall => self.told(403, &page("Attention Required!")),
            Mishap::NoRoute => self.told(404, &page("404 Not Found")),
            Mishap::SwitchedOff => self.told(200, &error("Método store não disponível")),
            _ => return None,
        })
    }

    async fn carry_out(&self, home: usize, asked: &Asked, fate: Option<Mishap>, soon: Duration) -> Heard {
        match fate {
            Some(Mishap::ResetBefore) => {
                sleep(soon).await;
                return Heard::Lost(Fault::Reset);
            }
            Some(Mishap::ErrorBefore) => {
                sleep(soon).await;
                return self.failed();
            }
            Some(Mishap::ExceptionBefore) => {
                sleep(soon).await;
                return self.exception();
            }
            Some(Mishap::Hang) => {
                sleep(TIMEOUT).await;
                return Heard::Lost(Fault::Timeout);
            }
            Some(Mishap::LateCommit) => {
                // Often as late as it can be.
                let part = || if self.chance(50) { 1.0 } else { self.state.borrow_mut().rng.f64() };
                let wait = TIMEOUT.mul_f64(part());
                self.create(home, asked, wait + LATEST.mul_f64(part()));
                sleep(wait).await;
                return Heard::Lost(Fault::Timeout);
            }
            _ => {}
        }
        let lost = matches!(
            fate,
            Some(
                Mishap::ResetAfter
                    | Mishap::ErrorAfter
                    | Mishap::ExceptionAfter
                    | Mishap::ForeignAnswer
                    | Mishap::CutAnswer
                    | Mishap::EmptyAnswer
                    | Mishap::NoProof
                    | Mishap::HalfSuccess
            )
        );
        let wait = match fate {
            Some(Mishap::SlowAnswer) => self.some(TIMEOUT),
            _ => soon,
        };
        let lag = if lost { self.some(Duration::from_secs(20)) } else { Duration::ZERO };
        let index = self.create(home, asked, wait + lag);
        sleep(wait).await;
        self.tell_opened(index, asked, fate)
    }

    /// How the opening of a ticket is told.
    fn tell_opened(&self, index: usize, asked: &Asked, fate: Option<Mishap>) -> Heard {
        let (echoed, opening) = {
            let state = self.state.borrow();
            let ticket = &state.book.tickets[index];
            (ticket.echoed().to_owned(), ticket.opening.clone())
        };
        let success = |more: &str, ticket: &str| {
            let msg = format!("Atendimento aberto com sucesso. Anote o protocolo: {}.", opening.protocolo);
            format!(r#"{{"status":"success","msg":"{msg}"{more},"atendimento":{ticket}}}"#)
        };
        match fate {
            Some(Mishap::ResetAfter) => Heard::Lost(Fault::Reset),
            Some(Mishap::ErrorAfter) => self.failed(),
            Some(Mishap::ExceptionAfter) => self.exception(),
            Some(Mishap::ForeignAnswer) => {
                self.told([200, 302, 409][self.dice(0..3) as usize], &page("Login"))
            }
            Some(Mishap::EmptyAnswer) => self.told(200, ""),
            Some(Mishap::CutAnswer) => {
                let whole = success("", &echoed);
                let len = self.dice(1..whole.len() as u32) as usize;
                let len = (0..=len).rev().find(|len| whole.is_char_boundary(*len)).unwrap_or(0);
                match self.dice(0..2) {
                    0 => self.answered(200, None, Err(Fault::Cut)),
                    _ => self.told(200, &whole[..len]),
                }
            }
            Some(Mishap::NoProof) => match self.dice(0..3) {
                0 => self.told(200, &error_free("Atendimento aberto com sucesso.")),
                1 => self.told(200, &success("", r#"{"protocolo":null}"#)),
                _ => self.told(201, &success("", "[]")),
            },
            Some(Mishap::HalfSuccess) => {
                let (id, protocolo) = (opening.id_atendimento, &opening.protocolo);
                let named = format!(r#"{{"id_atendimento":{id},"protocolo":"{protocolo}"}}"#);
                let msg = "Não foi possível abrir a ordem de serviço";
                self.told(200, &format!(r#"{{"status":"error","msg":"{msg}","atendimento":{named}}}"#))
            }
            Some(Mishap::ErrorsBeside) => {
                self.state.borrow_mut().told_errors.insert(asked.code.clone());
                self.told(200, &success(r#","errors":["O campo e-mail foi ignorado"]"#, &echoed))
            }
            Some(Mishap::DoubledAnswer) if self.state.borrow().last_opened.is_some() => {
                let shows_text = self.dice(0..2) == 0;
                let mut state = self.state.borrow_mut();
                state.misled.insert(asked.code.clone());
                let other = &state.book.tickets[state.last_opened.expect("there was one")];
                // The text that comes back, if any does, is the other row's.
                let other = if shows_text { other.echoed() } else { other.textless() }.to_owned();
                drop(state);
                self.told(200, &success("", &other))
            }
            _ => {
                self.state.borrow_mut().last_opened = Some(index);
                self.told(200, &success("", &echoed))
            }
        }
    }

    fn work(&self, code: &str) {
        *self.state.borrow_mut().worked.entry(code.to_owned()).or_default() += 1;
    }
}

fn error_free(msg: &str) -> String {
    format!(r#"{{"status":"success","msg":"{msg}"}}"#)
}

/// What a post asks for.
struct Asked {
    service: i64,
    descricao: String,
    code: Code,
    label: &'static str,
}

impl Asked {
    /// `None`: nobody could know the ticket again.
    fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let descricao = body["descricao"].as_str()?.to_owned();
        let code = descricao.rsplit_once(" [ref ")?.1.strip_suffix(']')?.to_owned();
        let label = match &body["id_tipo_atendimento"] {
            Value::Null => TYPE_DEFAULT,
            _ => "Suporte",
        };
        let is_strict =
            code.len() == MARKER_LEN && body["abrir_os"].is_boolean() && body["telefone"].is_string();
        is_strict.then_some(Self { service: body["id_cliente_servico"].as_i64()?, descricao, code, label })
    }
}

/// A post on its way; whatever ends it, a crash of the client too, takes it from the list.
struct InFlight<'a> {
    server: &'a Server,
    home: usize,
    service: i64,
    code: Code,
}

impl<'a> InFlight<'a> {
    fn new(server: &'a Server, home: usize, asked: &Asked) -> Self {
        let (service, code) = (asked.service, asked.code.clone());
        let until = server.clock.elapsed() + TIMEOUT + LATEST;
        server.state.borrow_mut().in_flight.insert((home, service), (code.clone(), until));
        Self { server, home, service, code }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut state = self.server.state.borrow_mut();
        state.in_flight.remove(&(self.home, self.service));
        let latest = self.server.clock.elapsed() + LATEST;
        let is_of_it = |of: &(usize, Code)| of.0 == self.home && of.1 == self.code;
        for ticket in state.book.tickets.iter_mut().filter(|it| it.of.as_ref().is_some_and(is_of_it)) {
            ticket.visible_from = ticket.visible_from.min(latest);
        }
    }
}
