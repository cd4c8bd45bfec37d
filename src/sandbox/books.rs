//! What the sandbox remembers: tickets, tokens, and what it did, for the audit.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Serialize;

use super::book::{Book, BookFault};
use super::limit::{Limit, Taken};
use super::new_ticket::{NewTicket, marker_in};
use super::options::{FaultKind, Refusal, SandboxOptions};
use crate::delivery::identity::MARKER_LEN;

/// Texts are kept whole up to this sum of bytes; beyond, only their markers are, so that a million
/// tickets fit into the memory of a benchmark.
const TEXTS_LEN_MAX: usize = 64 * 1024 * 1024;

/// Ends a chain of tickets.
const NONE: u32 = u32::MAX;

/// A ticket, compact. Its id is its place in the books plus one.
pub(super) struct Ticket {
    pub(super) service: i64,
    pub(super) tipo: i64,
    pub(super) created: Timestamp,
    /// Look-ups see it from then on, counted from the start.
    visible_from: Duration,
    pub(super) descricao: Box<str>,
    marker: Option<[u8; MARKER_LEN]>,
    /// The ticket of the same service before this one.
    previous: u32,
    pub(super) abrir_os: bool,
    pub(super) closed: bool,
}

#[derive(Default)]
pub(super) struct Books {
    /// `None`: what it remembers ends with it.
    book: Option<Book>,
    tickets: Vec<Ticket>,
    /// The newest ticket of each service.
    newest: HashMap<i64, u32>,
    texts_len: usize,
    tokens: HashMap<String, Duration>,
    n_tokens: u64,
    requests: BTreeMap<&'static str, u64>,
    /// When each request was there, in nanoseconds since the start.
    pub(super) arrivals: Vec<u64>,
    answers: BTreeMap<u16, u64>,
    faults: BTreeMap<&'static str, u64>,
    pub(super) n_connections: u64,
    pub(super) late_commits_pending: u64,
    pub(super) n_working: u64,
    n_working_max: u64,
    /// Of all requests, and of logins.
    taken: [Taken; 2],
}

/// What happened in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    pub tickets: u64,
    pub service_orders: u64,
    /// Tickets of a late commit that has not come yet.
    pub late_commits_pending: u64,
    /// Different markers among the tickets.
    pub markers: u64,
    pub tickets_without_marker: u64,
    /// Markers on more than one ticket, with how many: each is a ticket opened twice.
    pub duplicates: BTreeMap<String, u64>,
    pub connections: u64,
    /// By kind: `post`, `look_up`, `list`, `login`, `catalogue`, `other`.
    pub requests: BTreeMap<&'static str, u64>,
    /// By status; what got no answer is not here.
    pub answers: BTreeMap<u16, u64>,
    pub faults: BTreeMap<&'static str, u64>,
    pub in_flight_max: u64,
}

#[cfg(feature = "inside")]
impl Audit {
    pub fn requests_of(&self, kind: &str) -> u64 {
        self.requests.get(kind).copied().unwrap_or_default()
    }
}

impl Books {
    pub(super) fn keep_in(&mut self, folder: &Path) -> Result<(), BookFault> {
        let book = Book::open(folder, |created, ticket| {
            self.add(ticket, created, Duration::ZERO);
        })?;
        self.book = Some(book);
        Ok(())
    }

    /// Opens a ticket, and returns its place. An error: there is none.
    pub(super) fn open(
        &mut self,
        new: NewTicket,
        at: Duration,
        options: &SandboxOptions,
    ) -> io::Result<usize> {
        let created = Timestamp::now();
        if let Some(book) = &mut self.book {
            book.add(created, &new)?;
        }
        Ok(self.add(new, created, at + options.look_up_delay))
    }

    fn add(&mut self, new: NewTicket, created: Timestamp, visible_from: Duration) -> usize {
        let marker = marker_in(&new.descricao);
        self.texts_len += new.descricao.len();
        let descricao = match marker {
            Some(marker) if TEXTS_LEN_MAX < self.texts_len => {
                format!("… [ref {}]", String::from_utf8_lossy(&marker)).into()
            }
            _ => new.descricao.into_boxed_str(),
        };
        let index =
            u32::try_from(self.tickets.len()).expect("memory ends before four thousand million tickets");
        let previous = self.newest.insert(new.service, index).unwrap_or(NONE);
        self.tickets.push(Ticket {
            service: new.service,
            tipo: new.tipo,
            created,
            visible_from,
            descricao,
            marker,
            previous,
            abrir_os: new.abrir_os,
            closed: new.closed,
        });
        self.tickets.len() - 1
    }

    pub(super) fn ticket(&self, index: usize) -> &Ticket {
        &self.tickets[index]
    }

    /// The tickets of a service that look-ups see at `at`, newest first.
    pub(super) fn of_service(&self, service: i64, at: Duration) -> impl Iterator<Item = (usize, &Ticket)> {
        let mut next = self.newest.get(&service).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let index = next as usize;
            let ticket = self.tickets.get(index)?;
            next = ticket.previous;
            Some((index, ticket))
        })
        .filter(move |(_, ticket)| ticket.visible_from <= at)
    }

    /// All tickets that are seen at `at`, the oldest first.
    pub(super) fn all(&self, at: Duration) -> impl Iterator<Item = (usize, &Ticket)> {
        self.tickets.iter().enumerate().filter(move |(_, ticket)| ticket.visible_from <= at)
    }

    pub(super) fn by_protocolo(&self, protocolo: &str, at: Duration) -> Option<(usize, &Ticket)> {
        let found = |(index, ticket): &(usize, &Ticket)| ticket.protocolo(*index) == protocolo;
        self.tickets.iter().enumerate().find(found).filter(|(_, ticket)| ticket.visible_from <= at)
    }

    pub(super) fn issue_token(&mut self, key: u64, until: Duration) -> String {
        self.n_tokens += 1;
        let token =
            format!("sandbox.{}.{:016x}", self.n_tokens, super::dice::roll(key, "token", self.n_tokens));
        self.tokens.insert(token.clone(), until);
        token
    }

    pub(super) fn is_valid(&self, token: &str, at: Duration) -> bool {
        self.tokens.get(token).is_some_and(|until| at < *until)
    }

    pub(super) fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Counts a request, and returns its number among those of its kind, from 1.
    pub(super) fn count(&mut self, kind: &'static str, at: Duration) -> u64 {
        self.arrivals.push(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        let n_requests = self.requests.entry(kind).or_default();
        *n_requests += 1;
        *n_requests
    }

    pub(super) fn count_answer(&mut self, status: u16) {
        *self.answers.entry(status).or_default() += 1;
    }

    pub(super) fn count_fault(&mut self, fault: FaultKind) {
        *self.faults.entry(fault.name()).or_default() += 1;
    }

    pub(super) fn begin_work(&mut self) {
        self.n_working += 1;
        self.n_working_max = self.n_working_max.max(self.n_working);
    }

    /// How much too early a request at `at` is for these limits, of all requests and of logins, if there are
    /// any; it is taken if it is not, or if it waits.
    pub(super) fn too_early(
        &mut self,
        at: Duration,
        limits: [Option<Limit>; 2],
        refusal: Refusal,
    ) -> Duration {
        let mut limited: Vec<(&mut Taken, Limit)> =
            self.taken.iter_mut().zip(limits).filter_map(|(taken, limit)| Some((taken, limit?))).collect();
        let early = limited.iter().map(|(taken, limit)| taken.early_by(*limit, at)).max().unwrap_or_default();
        if early.is_zero() || refusal == Refusal::Delay {
            limited.iter_mut().for_each(|(taken, limit)| taken.take(*limit, at));
        }
        early
    }

    pub(super) fn audit(&self) -> Audit {
        let mut markers: Vec<[u8; MARKER_LEN]> =
            self.tickets.iter().filter_map(|ticket| ticket.marker).collect();
        let n_marked = markers.len();
        markers.sort_unstable();
        let mut duplicates = BTreeMap::new();
        let mut n_different = 0;
        for same in markers.chunk_by(|one, other| one == other) {
            n_different += 1;
            if 1 < same.len() {
                duplicates.insert(String::from_utf8_lossy(&same[0]).into_owned(), same.len() as u64);
            }
        }
        Audit {
            tickets: self.tickets.len() as u64,
            service_orders: self.tickets.iter().filter(|ticket| ticket.abrir_os).count() as u64,
            late_commits_pending: self.late_commits_pending,
            markers: n_different,
            tickets_without_marker: (self.tickets.len() - n_marked) as u64,
            duplicates,
            connections: self.n_connections,
            requests: self.requests.clone(),
            answers: self.answers.clone(),
            faults: self.faults.clone(),
            in_flight_max: self.n_working_max,
        }
    }
}

impl Ticket {
    /// 20 digits: the local time, and six that make it unique.
    pub(super) fn protocolo(&self, index: usize) -> String {
        let at = self.local();
        let (date, time) = (at.date(), at.time());
        format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}{:06}",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            index % 1_000_000
        )
    }

    /// HubSoft's clocks show UTC-3.
    pub(super) fn local(&self) -> DateTime {
        jiff::tz::offset(-3).to_datetime(self.created)
    }
}
