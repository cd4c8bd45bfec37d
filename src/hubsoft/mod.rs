//! The API client: opens tickets, and finds them again. Only this room knows HTTP.
//!
//! [`HubSoft`] implements the port [`Api`]. What an answer proves is decided by pure functions: `verdict`
//! judges posts and logins, `look_up` look-ups, by what their `page` shows and the `age` of its tickets;
//! `open_list` puts the pages of all open tickets together.
//! `transport` sends, posts by `connections`; `answer` reads; `token` keeps the bearer token; `wire` knows
//! the JSON.

mod age;
mod answer;
mod connections;
mod customers;
#[cfg(feature = "inside")]
pub(crate) mod fuzz;
mod look_up;
mod open_list;
mod page;
mod settings;
#[cfg(feature = "inside")]
mod stand_in;
mod token;
mod transport;
mod verdict;
mod wire;
mod words;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use reqwest::header::{self, HeaderValue};
use reqwest::{Method, Request, Url};

pub use customers::{ShownCustomer, ShownService};
pub use look_up::Shown;
pub use settings::{
    BaseUrl, BaseUrlFault, CONNECT_TIMEOUT, Credentials, HubSoftSettings, SetupError, TIMEOUT,
};
#[cfg(feature = "inside")]
pub use stand_in::{Heard, StandIn};

use crate::delivery::identity::Marker;
use crate::delivery::{
    Api, Fault, Gate, LookUp, OpenList, Proof, Reply, RequestKind, Sighting, Verdict, Verification, Withheld,
};
use crate::ticket::{Catalogue, Customer, Id, Ticket};
use open_list::{PAGE_LEN_MAX, Reading, Step, shorter};
use page::{Limit, PAGE_LEN, PAGE_LEN_DEFAULT};
use token::{NoToken, Refusals, Tokens};
use transport::Transport;
use verdict::{Asked, Exchange, unanswered};

/// The type a ticket gets when none is asked for.
const TYPE_DEFAULT: &str = "SAC";

/// Customers that a search shows at most. Source: HubSoft's own limit until 2025, and half of it since.
const CUSTOMERS_MAX: usize = 50;

/// HubSoft, at one address, as one user.
pub struct HubSoft {
    transport: Transport,
    tokens: Tokens,
    routes: Routes,
    who: String,
    /// The labels of the ticket types, once they were read; the echo of a post is compared with them.
    type_labels: RefCell<Option<Rc<HashMap<i64, String>>>>,
    /// What look-ups have shown of the server.
    limit: Cell<Limit>,
    /// The longest page of the list of open tickets that came in time.
    list_page_len: Cell<usize>,
}

/// Parsed once, not once a row.
struct Routes {
    tickets_of_customer: Url,
    open_list: Url,
    customers: Url,
    /// Of the catalogues, which are read seldom.
    base: BaseUrl,
}

/// Where tickets are opened.
fn tickets(base: &BaseUrl) -> Url {
    base.join("/api/v1/integracao/atendimento")
}

/// One entry of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: i64,
    pub label: String,
}

impl Routes {
    fn catalogue(&self, which: Catalogue) -> Url {
        self.base.join(&format!("/api/v1/integracao/configuracao/{}", which.route))
    }
}

impl HubSoft {
    /// Builds the client. Sends nothing.
    ///
    /// # Errors
    ///
    /// If the authority file cannot be read, HTTPS cannot be set up, or a given token cannot stand in
    /// a header.
    pub fn new(settings: HubSoftSettings) -> Result<Self, SetupError> {
        let transport = Transport::new(&settings, tickets(&settings.base_url))?;
        Self::over(transport, &settings)
    }

    /// One that `instead` answers, without a connection.
    ///
    /// # Errors
    ///
    /// If a given token cannot stand in a header.
    #[cfg(feature = "inside")]
    pub fn answered_by(instead: Rc<dyn StandIn>, settings: &HubSoftSettings) -> Result<Self, SetupError> {
        Self::over(Transport::to(instead, tickets(&settings.base_url)), settings)
    }

    fn over(transport: Transport, settings: &HubSoftSettings) -> Result<Self, SetupError> {
        let base = &settings.base_url;
        let routes = Routes {
            tickets_of_customer: base.join("/api/v1/integracao/cliente/atendimento"),
            open_list: base.join("/api/v1/integracao/atendimento/todos"),
            customers: base.join("/api/v1/integracao/cliente"),
            base: base.clone(),
        };
        Ok(Self {
            transport,
            tokens: Tokens::new(&settings.credentials, base.join("/oauth/token"))?,
            routes,
            who: settings.who(),
            type_labels: RefCell::new(None),
            limit: Cell::new(Limit::Unproven),
            list_page_len: Cell::new(PAGE_LEN_MAX),
        })
    }

    /// Logs in now. With a token given from outside there is nothing to do, and nothing is sent.
    pub async fn login(&self, gate: &impl Gate) -> Reply<()> {
        match self.tokens.renew(&self.transport, gate).await {
            Ok(()) => unsent(Verdict::Answered(()), None),
            Err(no_token) => stopped(no_token),
        }
    }

    /// The ticket of that protocolo; `None` if HubSoft shows none to this user.
    pub async fn ticket(&self, protocolo: &str, gate: &impl Gate) -> Reply<Option<Shown>> {
        let mut url = self.routes.tickets_of_customer.clone();
        url.query_pairs_mut().extend_pairs([
            ("busca", "protocolo"),
            ("termo_busca", protocolo),
            ("apenas_pendente", "nao"),
            ("order_by", "data_cadastro"),
            ("order_type", "desc"),
            ("limit", "50"),
        ]);
        match self.asked(RequestKind::LookUp, gate, || get(url.clone())).await {
            Ok(answer) => {
                let verdict = look_up::of_protocolo(&answer.exchange, protocolo);
                answer.reply(verdict)
            }
            Err(no_token) => stopped(no_token),
        }
    }

    /// The customers with this number, as a [`RequestKind::LookUp`]: one as a rule, and none if HubSoft shows
    /// none to this user who has not cancelled.
    pub async fn customers(&self, of: Customer, gate: &impl Gate) -> Reply<Vec<ShownCustomer>> {
        let mut url = self.routes.customers.clone();
        url.query_pairs_mut().extend_pairs([
            ("busca", of.key().name()),
            ("termo_busca", &of.term()),
            ("limit", &CUSTOMERS_MAX.to_string()),
            ("cancelado", "nao"),
        ]);
        match self.asked(RequestKind::LookUp, gate, || get(url.clone())).await {
            Ok(answer) => {
                let verdict = customers::of_customers(&answer.exchange, of, CUSTOMERS_MAX);
                answer.reply(verdict)
            }
            Err(no_token) => stopped(no_token),
        }
    }

    /// How far this machine's clock is ahead of HubSoft's; `None` if it does not tell.
    pub async fn clock_ahead(&self, gate: &impl Gate) -> Option<SignedDuration> {
        gate.pass(RequestKind::Probe).await.ok()?;
        let request = get(self.routes.catalogue(Catalogue::TICKET_TYPES));
        transport::clock_ahead(&self.transport.ask(request).await?)
    }

    /// Reads a catalogue, as a [`RequestKind::Probe`]. The ticket types are remembered for the echo
    /// check of later posts.
    pub async fn catalogue(&self, which: Catalogue, gate: &impl Gate) -> Reply<Vec<Entry>> {
        let reply = self.read_catalogue(which, gate).await;
        if let (Catalogue::TICKET_TYPES, Verdict::Answered(entries)) = (which, &reply.verdict) {
            let labels = entries.iter().map(|entry| (entry.id, entry.label.clone())).collect();
            *self.type_labels.borrow_mut() = Some(Rc::new(labels));
        }
        reply
    }

    async fn read_catalogue(&self, which: Catalogue, gate: &impl Gate) -> Reply<Vec<Entry>> {
        let url = self.routes.catalogue(which);
        let answer = match self.asked(RequestKind::Probe, gate, || get(url.clone())).await {
            Ok(answer) => answer,
            Err(no_token) => return stopped(no_token),
        };
        let verdict = match verdict::of_read(&answer.exchange) {
            Ok(body) => match wire::catalogue(body, which.list, which.id) {
                Some(rows) => {
                    Verdict::Answered(rows.into_iter().map(|(id, label)| Entry { id, label }).collect())
                }
                None => unreadable_catalogue(),
            },
            Err(verdict) => unanswered(verdict),
        };
        answer.reply(verdict)
    }

    /// The labels of the ticket types, read once.
    async fn labels<T>(&self, gate: &impl Gate) -> Result<Rc<HashMap<i64, String>>, Reply<T>> {
        if let Some(labels) = self.known_labels() {
            return Ok(labels);
        }
        let reply = self.catalogue(Catalogue::TICKET_TYPES, gate).await;
        match (&reply.verdict, self.known_labels()) {
            (Verdict::Answered(_), Some(labels)) => Ok(labels),
            _ => Err(reply.map(unanswered)),
        }
    }

    /// The label of a ticket's type.
    async fn label_of(&self, ticket: &Ticket, gate: &impl Gate) -> Result<String, Reply<Sighting>> {
        let Some(id) = ticket.id_tipo_atendimento else { return Ok(TYPE_DEFAULT.to_owned()) };
        let labels = self.labels(gate).await?;
        labels.get(&id.get()).cloned().ok_or_else(|| {
            let fault = Fault::UnknownType { id: id.get() };
            unsent(Verdict::Answered(Sighting::CouldNotTell(fault)), None)
        })
    }

    fn known_labels(&self) -> Option<Rc<HashMap<i64, String>>> {
        self.type_labels.borrow().clone()
    }

    /// Reads with the token.
    async fn asked(
        &self,
        kind: RequestKind,
        gate: &impl Gate,
        request: impl Fn() -> Request,
    ) -> Result<Answer, NoToken> {
        let send = async |bearer: &HeaderValue| {
            let mut request = request();
            request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
            self.transport.exchange(request).await
        };
        self.authorised(kind, gate, send).await
    }

    /// Sends with the token; after a 401, again with a new one.
    async fn authorised(
        &self,
        kind: RequestKind,
        gate: &impl Gate,
        send: impl AsyncFn(&HeaderValue) -> (Exchange, Duration),
    ) -> Result<Answer, NoToken> {
        let mut refusals = Refusals::default();
        loop {
            self.tokens.ready(&self.transport, gate).await?;
            gate.pass(kind).await.map_err(|Withheld| NoToken::Withheld)?;
            // While this one waited for its slot, another may have found the token refused: its login is
            // waited for, and the slot is lost.
            let Some(bearer) = self.tokens.now() else { continue };
            let (exchange, latency) = send(&bearer.header).await;
            match exchange.http_status() {
                // 401 is an answer from before the work: the same row may be sent again.
                Some(401) => {
                    self.tokens.after_401(&bearer, &mut refusals, &self.transport, gate).await?;
                    continue;
                }
                Some(200..=299 | 400 | 403 | 422) => self.tokens.accept(&bearer),
                _ => {}
            }
            return Ok(Answer { exchange, latency });
        }
    }

    /// One service's tickets, newest first, as many as fit on a page; and whether a page ends where we said.
    async fn page(
        &self,
        service: Id,
        pending_only: &str,
        gate: &impl Gate,
    ) -> Result<(Answer, Limit), NoToken> {
        let request = |limit| move || self.tickets_of(service, pending_only, limit);
        let answer = self.asked(RequestKind::LookUp, gate, request(PAGE_LEN)).await?;
        if self.limit.get() == Limit::Unproven
            && let Some(n_tickets) = look_up::page_len(&answer.exchange)
            && PAGE_LEN_DEFAULT <= n_tickets
        {
            // What this comes to is no answer about the row.
            let page_len = async |limit| {
                let page = self.asked(RequestKind::LookUp, gate, request(limit)).await.ok()?;
                look_up::page_len(&page.exchange)
            };
            self.try_limit(n_tickets, page_len).await;
        }
        Ok((answer, self.limit.get()))
    }

    /// Of exactly so many tickets as a server gives that heeds no limit nobody knows whether they are all. So
    /// it is asked for fewer: a server that gives fewer would have given more before. By two lengths, because
    /// a page that lacks a ticket for a moment, or loses one that is closed, is shorter by itself; it would
    /// have to become so again, and by just as many.
    async fn try_limit(&self, n_tickets: usize, page_len: impl AsyncFn(usize) -> Option<usize>) {
        for fewer in [n_tickets - 1, n_tickets / 2] {
            match page_len(fewer).await {
                Some(found) if found == fewer => {}
                Some(found) if found == n_tickets => return self.limit.set(Limit::Ignored),
                _ => return,
            }
        }
        // Another look-up may have found out meanwhile that it is ignored.
        if self.limit.get() == Limit::Unproven {
            self.limit.set(Limit::Heeded);
        }
    }

    /// The statuses of tickets that are not done with.
    async fn open_statuses(&self, gate: &impl Gate) -> Result<Vec<i64>, Reply<OpenList>> {
        let statuses = Catalogue::TICKET_STATUSES;
        let url = self.routes.catalogue(statuses);
        let answer = self.asked(RequestKind::Probe, gate, || get(url.clone())).await.map_err(stopped)?;
        let ids = verdict::of_read(&answer.exchange)
            .map_err(unanswered)
            .and_then(|body| wire::open_statuses(body, statuses.list).ok_or_else(unreadable_catalogue));
        ids.map_err(|verdict| answer.reply(verdict))
    }

    /// The dates are those of all time, because a ticket may have been open for long.
    fn listed(&self, (page, page_len): (i64, usize), statuses: &str) -> Request {
        let mut url = self.routes.open_list.clone();
        url.set_query(Some(&format!(
            "pagina={page}&itens_por_pagina={page_len}&data_inicio=2000-01-01&data_fim=2099-12-31\
             &status_atendimento={statuses}"
        )));
        get(url)
    }

    fn tickets_of(&self, service: Id, pending_only: &str, limit: usize) -> Request {
        let mut url = self.routes.tickets_of_customer.clone();
        url.set_query(Some(&format!(
            "busca=id_cliente_servico&termo_busca={}&apenas_pendente={pending_only}\
             &order_by=data_cadastro&order_type=desc&limit={limit}",
            service.get()
        )));
        get(url)
    }
}

impl Api for HubSoft {
    async fn open(&self, ticket: &Ticket, marker: Marker, gate: &impl Gate) -> Reply {
        let body = Bytes::from(wire::new_ticket(ticket, marker));
        let post = async |bearer: &HeaderValue| self.transport.post(bearer, body.clone()).await;
        let answer = match self.authorised(RequestKind::Post, gate, post).await {
            Ok(answer) => answer,
            Err(no_token) => return stopped(no_token),
        };
        let labels = self.known_labels();
        let type_id = ticket.id_tipo_atendimento.map(Id::get);
        let asked = Asked {
            service: ticket.id_cliente_servico.get(),
            type_label: type_id.and_then(|id| Some(labels.as_ref()?.get(&id)?.as_str())),
            abrir_os: ticket.abrir_os,
            marker,
        };
        let verdict: Verdict<Proof> = verdict::of_open(&answer.exchange, &asked);
        answer.reply(verdict)
    }

    async fn look_up(&self, what: &LookUp, gate: &impl Gate) -> Reply<Sighting> {
        match self.page(what.service, "nao", gate).await {
            Ok((answer, limit)) => {
                let verdict = look_up::of_look_up(&answer.exchange, what, limit);
                answer.reply(verdict)
            }
            Err(no_token) => stopped(no_token),
        }
    }

    async fn verify(&self, what: &Verification<'_>, gate: &impl Gate) -> Reply<Sighting> {
        let label = match self.label_of(what.ticket, gate).await {
            Ok(label) => label,
            Err(reply) => return reply,
        };
        match self.page(what.ticket.id_cliente_servico, "nao", gate).await {
            Ok((answer, limit)) => {
                let verdict = look_up::of_verification(&answer.exchange, what, &label, limit);
                answer.reply(verdict)
            }
            Err(no_token) => stopped(no_token),
        }
    }

    async fn find_open(&self, ticket: &Ticket, gate: &impl Gate) -> Reply<Sighting> {
        let service = ticket.id_cliente_servico;
        let label = match self.label_of(ticket, gate).await {
            Ok(label) => label,
            Err(reply) => return reply,
        };
        match self.page(service, "sim", gate).await {
            Ok((answer, limit)) => {
                let verdict = look_up::of_find_open(&answer.exchange, service.get(), &label, limit);
                answer.reply(verdict)
            }
            Err(no_token) => stopped(no_token),
        }
    }

    async fn open_list(&self, gate: &impl Gate) -> Reply<OpenList> {
        let labels = match self.labels(gate).await {
            Ok(labels) => labels,
            Err(reply) => return reply,
        };
        let statuses = match self.open_statuses(gate).await {
            Ok(statuses) => statuses.iter().map(i64::to_string).collect::<Vec<_>>().join(","),
            Err(reply) => return reply,
        };
        let mut reading = Reading::new(self.list_page_len.get());
        loop {
            let page = reading.next_page();
            let answer = match self.asked(RequestKind::LookUp, gate, || self.listed(page, &statuses)).await {
                Ok(answer) => answer,
                Err(no_token) => return stopped(no_token),
            };
            match reading.take(&answer.exchange) {
                Ok(Step::More) => {}
                Ok(Step::Done) => {
                    let list = reading.list(&labels, TYPE_DEFAULT);
                    return answer.reply(Verdict::Answered(list));
                }
                Err(verdict) => match shorter(reading.page_len(), &answer.exchange) {
                    Some(page_len) => {
                        self.list_page_len.set(page_len);
                        reading = Reading::new(page_len);
                    }
                    None => return answer.reply(verdict),
                },
            }
        }
    }

    fn who(&self) -> String {
        self.who.clone()
    }

    async fn probe(&self, gate: &impl Gate) -> Reply<()> {
        let reply = self.read_catalogue(Catalogue::TICKET_TYPES, gate).await;
        reply.map(|verdict| match verdict {
            Verdict::Answered(_) => Verdict::Answered(()),
            other => unanswered(other),
        })
    }
}

/// What came back for a request, and how long it took.
struct Answer {
    exchange: Exchange,
    latency: Duration,
}

impl Answer {
    fn reply<T>(&self, verdict: Verdict<T>) -> Reply<T> {
        Reply {
            verdict,
            http_status: self.exchange.http_status(),
            latency: match self.exchange {
                Exchange::NotSent(_) => Duration::ZERO,
                Exchange::Lost(_) | Exchange::Answered { .. } => self.latency,
            },
            retry_after: self.exchange.retry_after(),
            date: self.exchange.date(),
        }
    }
}

fn unreadable_catalogue<T>() -> Verdict<T> {
    Verdict::Unknown(Fault::UnreadableCatalogue)
}

fn get(url: Url) -> Request {
    Request::new(Method::GET, url)
}

fn stopped<T>(no_token: NoToken) -> Reply<T> {
    let (verdict, retry_after) = no_token.verdict();
    unsent(verdict, retry_after)
}

fn unsent<T>(verdict: Verdict<T>, retry_after: Option<Duration>) -> Reply<T> {
    Reply { verdict, http_status: None, latency: Duration::ZERO, retry_after, date: None }
}
