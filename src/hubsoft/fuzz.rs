//! What must hold of HubSoft's answers, whatever stands in them; and of what is sent to it.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;

use super::customers::of_customers;
use super::look_up::{of_find_open, of_look_up, of_protocolo, of_verification, page_len};
use super::open_list::{Reading, Step};
use super::page::{Limit, PAGE_LEN};
use super::token::bearer;
use super::verdict::{
    Asked, Exchange, Login, http_date, of_login, of_open, of_read, retry_after, retry_after_of_body,
};
use super::wire::ORDERS_MAX;
use super::{CUSTOMERS_MAX, wire};
use crate::delivery::identity::{BatchKey, Marker};
use crate::delivery::{
    BESIDE_MAX, Beside, Fault, LookUp, OpenedTicket, RETRY_AFTER_MAX, Sighting, Verdict, Verification,
    Warning,
};
use crate::printable::{NAME_CHARS_MAX, WORDS_CHARS_MAX, assert_shown};
use crate::ticket::{Catalogue, CustomerKey, Field, Id, RawTicket, Ticket};

/// The service that is asked for.
const SERVICE: i64 = 11_000;

fn marker() -> Marker {
    Marker::new(&BatchKey("queda".to_owned()), "1")
}

/// A status, a line's end, and a body: as the answer to everything that is asked.
pub(crate) fn answer(bytes: &[u8]) {
    let (status, body) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (std::str::from_utf8(&bytes[..at]).unwrap_or_default(), &bytes[at + 1..]),
        None => ("200", bytes),
    };
    let status = status.trim().parse().unwrap_or(200);
    let exchange =
        Exchange::Answered { status, retry_after: None, date: None, body: Ok(Bytes::copy_from_slice(body)) };
    let read = serde_json::from_slice::<Value>(body).ok();
    opened(&exchange, status, read.as_ref());
    looked_up(&exchange, status, read.as_ref());
    other_reads(&exchange, body);
}

/// The answer to a post: it proves a ticket, or that there is none, only where it says so.
fn opened(exchange: &Exchange, status: u16, read: Option<&Value>) {
    for abrir_os in [false, true] {
        let type_label = Some("Sem conexão");
        let verdict = of_open(exchange, &Asked { service: SERVICE, type_label, abrir_os, marker: marker() });
        if let Some(fault) = verdict.fault() {
            is_told(fault);
        }
        match verdict {
            Verdict::Answered(proof) => {
                assert!(matches!(status, 200 | 201), "{status} proves a ticket");
                is_ticket(&proof.opening);
                proof.conflict.iter().for_each(is_told);
                proof.warnings.iter().for_each(is_warning);
                // Texts of others may be damaged, so that the whole is no JSON to serde.
                let said = read.map(|read| read["status"].as_str().unwrap_or_default().trim());
                let is_success =
                    |said: &str| ["success", "suscess"].iter().any(|word| said.eq_ignore_ascii_case(word));
                assert!(said.is_none_or(is_success), "{said:?} proves a ticket");
                let service =
                    read.and_then(|read| read["atendimento"]["servico"]["id_cliente_servico"].as_i64());
                let is_other = service.is_some_and(|found| found != SERVICE);
                assert!(!is_other || proof.conflict.is_some(), "the ticket of another service");
            }
            Verdict::Rejected(_) if status != 413 => {
                assert!(!read.is_some_and(names), "a refusal that names a ticket");
            }
            _ => {}
        }
    }
}

/// Whether a number of a ticket stands there, or in what it says of one, or of several.
fn names(of: &Value) -> bool {
    let is_number = |key: &&str| match &of[key] {
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.trim(), "" | "0"),
        Value::Null | Value::Bool(_) => false,
        Value::Array(values) => !values.is_empty(),
        Value::Object(keys) => !keys.is_empty(),
    };
    ["id_atendimento", "protocolo"].iter().any(is_number)
        || match &of["atendimento"] {
            Value::Array(all) => all.iter().any(names),
            one @ Value::Object(_) => names(one),
            _ => false,
        }
}

/// The answer to a look-up: a ticket that carries the marker is never overlooked.
fn looked_up(exchange: &Exchange, status: u16, read: Option<&Value>) {
    let service = Id::new(SERVICE).expect("it is positive");
    let ours = read.and_then(|read| read["atendimentos"].as_array()).into_iter().flatten();
    let carries =
        |ticket: &Value| ticket["descricao_abertura"].as_str().is_some_and(|text| marker().is_in(text));
    let is_there = ours.clone().any(carries);
    let ticket = ticket();
    for limit in [Limit::Unproven, Limit::Heeded, Limit::Ignored] {
        for sent_at in [None, Some(Timestamp::UNIX_EPOCH), Some(Timestamp::MAX)] {
            let look_up = LookUp { service, marker: marker(), sent_at };
            let verdict = of_look_up(exchange, &look_up, limit);
            let is_none = matches!(verdict, Verdict::Answered(Sighting::NotFound));
            assert!(!(is_none && is_there), "a ticket of ours was overlooked");
            is_seen(&verdict, status);
        }
        let what = Verification { ticket: &ticket, marker: marker(), opened_since: Timestamp::UNIX_EPOCH };
        let verdict = of_verification(exchange, &what, "SAC", limit);
        let is_none = matches!(verdict, Verdict::Answered(Sighting::NotFound | Sighting::AlreadyOpen { .. }));
        assert!(!(is_none && is_there), "a ticket of ours was overlooked");
        is_seen(&verdict, status);
        is_seen(&of_find_open(exchange, SERVICE, "SAC", limit), status);
    }
    if let Verdict::Answered(Some(shown)) = of_protocolo(exchange, "20240817000123") {
        assert!(0 < shown.id_atendimento && status == 200);
    }
}

/// Of that service.
fn ticket() -> Ticket {
    let raw = RawTicket::from([
        (Field::IdClienteServico, "11000"),
        (Field::Descricao, "Sem sinal"),
        (Field::Nome, "Ana"),
        (Field::Telefone, "37999112233"),
    ]);
    Ticket::parse(&raw).expect("it is a ticket").ticket
}

/// The list of all open tickets: each line is what comes back for the page that is asked for next, of thirty
/// tickets at first.
pub(crate) fn open_list(bytes: &[u8]) {
    let mut reading = Reading::new(30);
    let labels = HashMap::from([(5, "SAC".to_owned()), (7, "Sem conexão".to_owned())]);
    for page in bytes.split(|byte| *byte == b'\n') {
        let (number, page_len) = reading.next_page();
        assert!((1..=30).contains(&page_len), "page {number} of {page_len}");
        let body = Ok(Bytes::copy_from_slice(page));
        let exchange = Exchange::Answered { status: 200, retry_after: None, date: None, body };
        match reading.take(&exchange) {
            Ok(Step::More) => {}
            Ok(Step::Done) => {
                let seen = reading.list(&labels, "SAC").sight(&ticket());
                return seen.into_iter().for_each(|seen| is_seen(&Verdict::Answered(seen), 200));
            }
            Err(verdict) => return verdict.fault().into_iter().for_each(is_told),
        }
    }
}

fn is_seen(verdict: &Verdict<Sighting>, status: u16) {
    verdict.fault().into_iter().for_each(is_told);
    match verdict {
        Verdict::Answered(Sighting::Found { opening, others, beside, conflict }) => {
            assert_eq!(status, 200);
            is_ticket(opening);
            assert!(others.len() <= PAGE_LEN);
            others.iter().for_each(is_ticket);
            is_beside(beside);
            conflict.iter().for_each(is_told);
        }
        Verdict::Answered(Sighting::AlreadyOpen { opening }) => {
            assert_eq!(status, 200);
            is_ticket(opening);
        }
        Verdict::Answered(Sighting::Beside(beside)) => {
            assert!(status == 200 && !beside.is_empty());
            is_beside(beside);
        }
        Verdict::Answered(Sighting::CouldNotTell(fault)) => is_told(fault),
        _ => {}
    }
}

/// Logins, catalogues, searches for customers.
fn other_reads(exchange: &Exchange, body: &[u8]) {
    match of_login(exchange) {
        Login::Token { token, .. } => {
            // What cannot stand in a header is none.
            let header = bearer(&token);
            assert!(header.is_none_or(|header| !format!("{header:?}").contains("Bearer")));
        }
        Login::Refused(fault) | Login::Unavailable(fault) | Login::Elsewhere(fault) => is_told(&fault),
    }
    match of_read(exchange) {
        Ok(read) => {
            let which = Catalogue::TICKET_TYPES;
            let entries = wire::catalogue(read, which.list, which.id).unwrap_or_default();
            assert!(entries.len() <= body.len());
            for (_, label) in entries.iter().filter(|(_, label)| !label.is_empty()) {
                assert_shown(label, NAME_CHARS_MAX + 1);
            }
        }
        Err(verdict) => verdict.fault().into_iter().for_each(is_told),
    }
    for (key, number) in [(CustomerKey::Codigo, "421"), (CustomerKey::Document, "52998224725")] {
        let asked = key.read(number).expect("it is a customer's number");
        match of_customers(exchange, asked, CUSTOMERS_MAX) {
            Verdict::Answered(found) => {
                let services = found.iter().flat_map(|customer| &customer.services);
                for name in services.flat_map(|service| [&service.plan, &service.status]) {
                    assert!(name.is_empty() || name.chars().count() <= NAME_CHARS_MAX + 1, "{name:?}");
                }
            }
            other => other.fault().into_iter().for_each(is_told),
        }
    }
    assert!(page_len(exchange).is_none_or(|n_tickets| n_tickets <= body.len()));
}

fn is_ticket(opening: &OpenedTicket) {
    assert!(0 < opening.id_atendimento);
    assert_shown(&opening.protocolo, NAME_CHARS_MAX + 1);
    assert!(opening.ids_ordem_servico.len().max(opening.numeros_ordem_servico.len()) <= ORDERS_MAX);
    for number in opening.numeros_ordem_servico.iter().filter(|number| !number.is_empty()) {
        assert_shown(number, NAME_CHARS_MAX + 1);
    }
}

fn is_beside(beside: &[Beside]) {
    assert!(beside.len() <= BESIDE_MAX);
    let texts = beside.iter().flat_map(|open| open.protocolo.iter().chain([&open.label]));
    texts.filter(|text| !text.is_empty()).for_each(|text| assert_shown(text, NAME_CHARS_MAX + 1));
}

fn is_warning(warning: &Warning) {
    if let Warning::WrongType { opened, .. } = warning {
        assert!(opened.is_empty() || opened.chars().count() <= NAME_CHARS_MAX + 1);
    }
}

/// Each text of a fault may be shown, and is short.
fn is_told(fault: &Fault) {
    fn each(value: &Value) {
        match value {
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => assert_shown(text, WORDS_CHARS_MAX + 1),
            Value::Array(values) => values.iter().for_each(each),
            Value::Object(keys) => keys.values().for_each(each),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    each(&serde_json::to_value(fault).expect("a fault is stored as JSON"));
}

/// Lines: `Retry-After`, `Date`, and a body that may ask for patience too.
pub(crate) fn answer_header(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (asked, date, body) = (line(), line(), line());
    let is_short =
        |wait: Option<Duration>| assert!(wait.is_none_or(|wait| wait <= RETRY_AFTER_MAX), "{wait:?}");
    let date = http_date(date);
    for now in [Timestamp::UNIX_EPOCH, Timestamp::MIN, Timestamp::MAX] {
        for date in [None, date] {
            is_short(retry_after(asked, date, now));
            is_short(retry_after_of_body(429, body.as_bytes(), date, now));
        }
        // As the clocks are compared.
        let _ = date.map(|date| now.duration_since(date));
    }
    // The same moment, as HTTP writes it. Years of five digits have no such form.
    if let Some(date) = date
        && let Ok(written) = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date)
    {
        assert_eq!(http_date(&written).map(Timestamp::as_second), Some(date.as_second()), "{written}");
    }
}

/// What is sent for a ticket: JSON that says each of its fields once, and the marker behind its text.
pub(crate) fn request(ticket: &Ticket) {
    let body = wire::new_ticket(ticket, marker());
    let read: Value = serde_json::from_slice(&body).expect("it is JSON");
    let read = read.as_object().expect("it is an object");
    let n_said = Field::ALL.into_iter().filter(|field| ticket.value(*field).is_some()).count();
    assert_eq!(read.len(), n_said);
    let said = read[Field::Descricao.name()].as_str().expect("it is a text");
    assert_eq!(said.strip_suffix(&marker().to_string()), Some(ticket.descricao.as_str()));
    assert!(marker().is_in(said));
}
