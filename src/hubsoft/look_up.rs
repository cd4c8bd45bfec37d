//! What a page of tickets proves about one row: found, not found, or could not tell. Pure.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp, tz};

use super::verdict::{Exchange, envelope, refusal, same_label, told};
use super::wire::{Envelope, Seen, Status};
use super::words;
use crate::delivery::{Fault, LookUp, Opening, Sighting, Verdict};

/// How many tickets a look-up asks for: the most that HubSoft gives.
pub(super) const PAGE_LEN: usize = 50;

/// How many it gives by itself. A page of just so many may have been cut here, were `limit` ignored.
const PAGE_LEN_DEFAULT: usize = 20;

/// How far HubSoft's clock may be from ours, its time zone included: it stores local time without an
/// offset, and Brazil's other zones are up to 2 h away from the UTC-3 by which we read it.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_hours(2);

/// Judges the answer to a look-up.
pub(super) fn of_look_up(exchange: &Exchange, what: &LookUp) -> Verdict<Sighting> {
    judge(exchange, |answer| sight(answer, what))
}

/// Judges the answer to a search for a pending ticket of the type `label`.
pub(super) fn of_find_open(exchange: &Exchange, service: i64, label: &str) -> Verdict<Sighting> {
    judge(exchange, |answer| sight_open(answer, service, label))
}

/// Whatever HubSoft answered in its own JSON is an answer, if only that it could not tell; what stood
/// between us and it is an outage.
fn judge(exchange: &Exchange, sight: impl FnOnce(&Envelope<'_>) -> Sighting) -> Verdict<Sighting> {
    if let Exchange::Answered { status: 404, body, .. } = exchange
        && envelope(body).is_ok_and(|it| says_none(&it))
    {
        return Verdict::Answered(Sighting::NotFound);
    }
    let (status, body) = match told(exchange) {
        Ok(told) => told,
        Err(verdict) => return verdict,
    };
    let answer = match envelope(body) {
        Ok(answer) => answer,
        Err(fault) => return Verdict::Unknown(fault),
    };
    Verdict::Answered(match answer.status() {
        _ if answer.is_exception() => Sighting::CouldNotTell(words::exception()),
        Status::Success if status == 200 => sight(&answer),
        Status::Error if says_none(&answer) => Sighting::NotFound,
        Status::Error => Sighting::CouldNotTell(refusal(&answer)),
        Status::Success | Status::Other => Sighting::CouldNotTell(words::http(status)),
    })
}

/// HubSoft's other way of saying "an empty list": an error with the message "nenhum … encontrado".
/// That no *customer* or *service* was found says nothing about tickets.
fn says_none(answer: &Envelope<'_>) -> bool {
    if answer.status() != Status::Error || answer.is_exception() {
        return false;
    }
    let said = answer.msg().unwrap_or_default().to_lowercase();
    let about_tickets = said.contains("atendimento")
        || !["cliente", "servi", "contrato"].iter().any(|other| said.contains(other));
    said.contains("nenhum") && said.contains("encontrad") && about_tickets && answer.errors().is_empty()
}

/// Looks for the marker.
fn sight(answer: &Envelope<'_>, what: &LookUp) -> Sighting {
    let Some(page) = answer.tickets() else {
        return could_not_tell("no_list", "the answer has no list of tickets");
    };
    let Some(page) = page.into_iter().collect::<Option<Vec<_>>>() else {
        return could_not_tell("unreadable_ticket", "an entry of the list is not a ticket");
    };
    let mut found: Vec<(Age, Opening)> = Vec::new();
    let mut doubtful = None;
    for ticket in &page {
        let age = Age::of(ticket);
        let too_old = what.not_before.is_some_and(|limit| age.is_some_and(|it| it.is_surely_before(limit)));
        if too_old {
            continue;
        }
        match ticket.descricao_abertura() {
            Some(text) if !what.marker.is_in(&text) => {}
            Some(_) => match (ticket.opening(), age) {
                (None, _) => return Sighting::CouldNotTell(words::no_proof()),
                (Some(_), None) if what.not_before.is_some() => {
                    let message = "a ticket carries the marker, but not when it was opened";
                    return could_not_tell("no_age", message);
                }
                (Some(_), Some(age)) if what.not_before.is_some_and(|limit| age.may_be_before(limit)) => {
                    let message =
                        "a ticket carries the marker, and its day is not enough to know whose it is";
                    return could_not_tell("no_age", message);
                }
                (Some(opening), age) => found.push((age.unwrap_or(Age::UNKNOWN), opening)),
            },
            // Without its text it may be ours, unless it was there before we sent anything.
            None if what.sent_at.is_some_and(|sent| age.is_some_and(|it| it.is_surely_before(sent))) => {}
            None => {
                doubtful = Some(words::fault("no_text", "a ticket of the list has no descricao_abertura"))
            }
        }
    }
    found.sort_by_key(|(age, opening)| (age.earliest, opening.id_atendimento));
    let mut found = found.into_iter().map(|(_, opening)| opening);
    if let Some(opening) = found.next() {
        return Sighting::Found { opening, others: found.collect() };
    }
    if let Some(fault) = doubtful {
        return Sighting::CouldNotTell(fault);
    }
    if is_full(&page) && !reaches_back(&page, what) {
        let message = format!("all {} newest tickets of the service are younger than the send", page.len());
        return Sighting::CouldNotTell(words::fault("full_page", message));
    }
    if !page.is_empty()
        && page.iter().all(|it| it.id_cliente_servico().is_some_and(|id| id != what.service.get()))
    {
        return could_not_tell("other_service", "the list is of another service than the one asked for");
    }
    Sighting::NotFound
}

/// Looks for a pending ticket of the service with the type's label.
fn sight_open(answer: &Envelope<'_>, service: i64, label: &str) -> Sighting {
    let Some(page) = answer.tickets() else {
        return could_not_tell("no_list", "the answer has no list of tickets");
    };
    let Some(page) = page.into_iter().collect::<Option<Vec<_>>>() else {
        return could_not_tell("unreadable_ticket", "an entry of the list is not a ticket");
    };
    let mut found: Vec<Opening> = Vec::new();
    let mut doubtful = is_full(&page);
    for ticket in &page {
        let elsewhere = ticket.id_cliente_servico().is_some_and(|id| id != service);
        if elsewhere || ticket.is_closed() {
            continue;
        }
        match (ticket.tipo_atendimento(), ticket.opening()) {
            (Some(found), _) if !same_label(&found, label) => {}
            (Some(_), Some(opening)) => found.push(opening),
            (None, _) | (_, None) => doubtful = true,
        }
    }
    found.sort_by_key(|it| it.id_atendimento);
    let mut found = found.into_iter();
    match found.next() {
        Some(opening) => Sighting::Found { opening, others: found.collect() },
        None if doubtful => {
            could_not_tell("unclear_list", "the list of pending tickets is cut or unreadable")
        }
        None => Sighting::NotFound,
    }
}

fn could_not_tell(code: &str, message: &str) -> Sighting {
    Sighting::CouldNotTell(words::fault(code, message))
}

fn is_full(page: &[Seen<'_>]) -> bool {
    page.len() == PAGE_LEN_DEFAULT || PAGE_LEN <= page.len()
}

/// Whether a full page goes back beyond the earliest moment our ticket can be from: the newest stand
/// first (else the order was ignored and the newest may be missing), and the last is surely older.
fn reaches_back(page: &[Seen<'_>], what: &LookUp) -> bool {
    let Some(ours_since) = what.sent_at.max(what.not_before) else { return false };
    let (Some(newest), Some(oldest)) = (page.first().and_then(Age::of), page.last().and_then(Age::of)) else {
        return false;
    };
    oldest.earliest < newest.earliest && oldest.is_surely_before(ours_since)
}

/// When a ticket was opened, as exactly as HubSoft tells: to the second, or to the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Age {
    earliest: Timestamp,
    latest: Timestamp,
}

impl Age {
    /// Only to sort by: of all tickets of unknown age the lowest id is the oldest.
    const UNKNOWN: Self = Self { earliest: Timestamp::MAX, latest: Timestamp::MAX };

    /// By the timestamp in front of its protocolo, else by `data_cadastro`.
    fn of(ticket: &Seen<'_>) -> Option<Self> {
        let by_protocolo = ticket.protocolo().and_then(|it| Self::by_protocolo(&it));
        by_protocolo.or_else(|| ticket.data_cadastro().and_then(|it| Self::by_data_cadastro(&it)))
    }

    /// `YYYYMMDDHHMMSS` and one digit or more.
    fn by_protocolo(protocolo: &str) -> Option<Self> {
        let prefix = protocolo.get(..14).filter(|_| protocolo.bytes().all(|it| it.is_ascii_digit()))?;
        let at = DateTime::strptime("%Y%m%d%H%M%S", prefix).ok()?;
        // A number that merely looks like a date is not one.
        (2000..2100).contains(&at.year()).then_some(())?;
        Self::between(at, at)
    }

    fn by_data_cadastro(text: &str) -> Option<Self> {
        let text = text.trim();
        for format in ["%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"] {
            if let Ok(at) = DateTime::strptime(format, text) {
                return Self::between(at, at);
            }
        }
        ["%d/%m/%Y", "%Y-%m-%d"].iter().find_map(|format| {
            let day = Date::strptime(format, text).ok()?;
            Self::between(day.at(0, 0, 0, 0), day.at(23, 59, 59, 999_999_999))
        })
    }

    /// HubSoft's clocks show UTC-3.
    fn between(earliest: DateTime, latest: DateTime) -> Option<Self> {
        let utc = |local| tz::offset(-3).to_timestamp(local).ok();
        Some(Self { earliest: utc(earliest)?, latest: utc(latest)? })
    }

    /// A day that begins before `at`, and ends after it.
    fn may_be_before(self, at: Timestamp) -> bool {
        self.earliest != self.latest && self.earliest < at
    }

    /// Whatever its clock and ours show.
    fn is_surely_before(self, at: Timestamp) -> bool {
        self.latest.checked_add(CLOCK_SLACK).is_ok_and(|it| it < at)
    }
}

/// Why a search for a pending ticket cannot even be asked.
pub(super) fn unknown_type(id: i64) -> Fault {
    words::fault("unknown_type", format!("id_tipo_atendimento {id} is not in HubSoft's catalogue"))
}
