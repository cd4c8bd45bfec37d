//! What a page of tickets proves about one row: found, not found, or could not tell. Pure.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp, tz};

use super::verdict::{Exchange, by_status, envelope, folded, of_refusal, same_label, unanswered};
use super::wire::{Envelope, Seen, Status};
use crate::delivery::identity::MARKER_LEN;
use crate::delivery::{Fault, LookUp, OpenedTicket, Sighting, Verdict, Verification};

/// A ticket as a look-up shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub id_atendimento: i64,
    /// `id_cliente_servico`; `None` if it does not tell.
    pub service: Option<i64>,
}

/// How many tickets a look-up asks for: the most that HubSoft gives.
pub(super) const PAGE_LEN: usize = 50;

/// How many it gives by itself. A page of just so many was cut here if `limit` is ignored.
pub(super) const PAGE_LEN_DEFAULT: usize = 20;

/// Whether the server gives as many tickets as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Nobody knows yet.
    Unproven,
    Heeded,
    Ignored,
}

/// What HubSoft puts behind every text that comes in by its API, as [`folded`].
const SUFFIX: &str = "|atendimentoabertoviaapi";

/// How far HubSoft's clock may be from ours, its time zone included: it stores local time without an
/// offset, and Brazil's other zones are up to 2 h away from the UTC-3 by which we read it.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_hours(2);

/// Judges the answer to a look-up.
pub(super) fn of_look_up(exchange: &Exchange, what: &LookUp, limit: Limit) -> Verdict<Sighting> {
    judge(exchange, |answer| sight(answer, what, limit))
}

/// Judges the answer to a search for a ticket that makes a post needless, of the type `label`.
pub(super) fn of_verification(
    exchange: &Exchange,
    what: &Verification<'_>,
    label: &str,
    limit: Limit,
) -> Verdict<Sighting> {
    judge(exchange, |answer| sight_same(answer, what, label, limit))
}

/// Judges the answer to a search for a pending ticket of the type `label`.
pub(super) fn of_find_open(
    exchange: &Exchange,
    service: i64,
    label: &str,
    limit: Limit,
) -> Verdict<Sighting> {
    judge(exchange, |answer| sight_open(answer, service, label, limit))
}

/// Judges the answer to a look-up by protocolo.
pub(super) fn of_protocolo(exchange: &Exchange, protocolo: &str) -> Verdict<Option<Shown>> {
    let mut shown = None;
    let verdict = judge(exchange, |answer| {
        let Some(page) = answer.tickets() else {
            return Sighting::CouldNotTell(Fault::NoList);
        };
        let found =
            page.iter().flatten().find(|ticket| ticket.protocolo().is_some_and(|found| found == protocolo));
        let Some(ticket) = found else { return Sighting::NotFound };
        let Some(opening) = ticket.opening() else { return Sighting::CouldNotTell(Fault::NoProof) };
        shown = Some(Shown { id_atendimento: opening.id_atendimento, service: ticket.id_cliente_servico() });
        Sighting::Found { opening, others: Vec::new(), conflict: None }
    });
    match verdict {
        Verdict::Answered(Sighting::Found { .. } | Sighting::AlreadyOpen { .. } | Sighting::NotFound) => {
            Verdict::Answered(shown)
        }
        Verdict::Answered(Sighting::CouldNotTell(fault)) => Verdict::Unknown(fault),
        other => unanswered(other),
    }
}

/// Whatever HubSoft answered in its own JSON is an answer, if only that it could not tell; what stood
/// between us and it is an outage.
fn judge(exchange: &Exchange, sight: impl FnOnce(&Envelope<'_>) -> Sighting) -> Verdict<Sighting> {
    if let Exchange::Answered { status: 404, body, .. } = exchange
        && envelope(body).is_ok_and(|answer| says_none(&answer))
    {
        return Verdict::Answered(Sighting::NotFound);
    }
    let (status, body) = match by_status(exchange) {
        Ok(answered) => answered,
        Err(verdict) => return verdict,
    };
    let answer = match envelope(body) {
        Ok(answer) => answer,
        Err(fault) => return Verdict::Unknown(fault),
    };
    Verdict::Answered(match answer.status() {
        _ if answer.is_exception() => Sighting::CouldNotTell(Fault::Exception),
        Status::Success if status == 200 => sight(&answer),
        Status::Error if says_none(&answer) => Sighting::NotFound,
        Status::Error => match of_refusal(&answer) {
            Ok(of_all) => return of_all,
            Err(refusal) => Sighting::CouldNotTell(refusal),
        },
        Status::Success | Status::Other => Sighting::CouldNotTell(Fault::http(status)),
    })
}

/// HubSoft's other way of saying "an empty list": an error with the message "nenhum … encontrado", if what
/// there is none of is tickets. That no *customer* or *service* was found says nothing about them.
fn says_none(answer: &Envelope<'_>) -> bool {
    if answer.status() != Status::Error || answer.is_exception() || !answer.errors().is_empty() {
        return false;
    }
    let said = folded(&answer.msg().unwrap_or_default()).collect::<String>();
    let of_tickets = ["atendimento", "registro", "resultado", "chamado"].iter().any(|noun| {
        [format!("nenhum{noun}encontrado"), format!("nenhum{noun}foiencontrado")]
            .iter()
            .any(|none| said.starts_with(none))
    });
    of_tickets && said.matches("nenhum").count() == 1
}

/// Looks for the marker.
fn sight(answer: &Envelope<'_>, what: &LookUp, limit: Limit) -> Sighting {
    let Some(page) = answer.tickets() else {
        return Sighting::CouldNotTell(Fault::NoList);
    };
    let Some(page) = page.into_iter().collect::<Option<Vec<_>>>() else {
        return Sighting::CouldNotTell(Fault::UnreadableTicket);
    };
    let other_service =
        |ticket: &Seen<'_>| ticket.id_cliente_servico().filter(|found| *found != what.service.get());
    let mut found: Vec<(Age, OpenedTicket)> = Vec::new();
    let (mut doubtful, mut conflict) = (None, None);
    for ticket in &page {
        let age = Age::of(ticket);
        match ticket.descricao_abertura() {
            Some(text) if !what.marker.is_in(&text) => {}
            Some(_) => match ticket.opening() {
                None => return Sighting::CouldNotTell(Fault::NoProof),
                Some(opening) => {
                    let other = other_service(ticket)
                        .map(|found| Fault::WrongService { asked: what.service.get(), found });
                    conflict = conflict.or(other);
                    found.push((age.unwrap_or(Age::UNKNOWN), opening));
                }
            },
            // Without its text it may be ours, unless it was there before we sent anything.
            None if what.sent_at.is_some_and(|sent| age.is_some_and(|age| age.is_surely_before(sent))) => {}
            None => doubtful = Some(Fault::NoText),
        }
    }
    found.sort_by_key(|(age, opening)| (age.earliest, opening.id_atendimento));
    let mut found = found.into_iter().map(|(_, opening)| opening);
    if let Some(opening) = found.next() {
        return Sighting::Found { opening, others: found.collect(), conflict };
    }
    if let Some(fault) = doubtful {
        return Sighting::CouldNotTell(fault);
    }
    if is_full(&page, limit) && !reaches_back(&page, what) {
        return Sighting::CouldNotTell(Fault::FullPage { n_tickets: page.len() });
    }
    if page.iter().any(|ticket| other_service(ticket).is_some()) {
        return Sighting::CouldNotTell(Fault::OtherService);
    }
    Sighting::NotFound
}

/// Looks for the marker, then for a young ticket of the same service, type and text.
fn sight_same(answer: &Envelope<'_>, what: &Verification<'_>, label: &str, limit: Limit) -> Sighting {
    let service = what.ticket.id_cliente_servico;
    let look_up = LookUp { service, marker: what.marker, sent_at: Some(what.opened_since) };
    let own = sight(answer, &look_up, limit);
    if own != Sighting::NotFound {
        return own;
    }
    let asked = bare(what.ticket.descricao.as_str());
    let page = answer.tickets().unwrap_or_default();
    let mut same: Vec<OpenedTicket> = Vec::new();
    for ticket in page.iter().flatten() {
        let is_old = Age::of(ticket).is_some_and(|age| age.is_surely_before(what.opened_since));
        let is_of_type = ticket.tipo_atendimento().is_none_or(|found| same_label(&found, label));
        if is_old || !is_of_type || ticket.descricao_abertura().is_none_or(|text| bare(&text) != asked) {
            continue;
        }
        let Some(opening) = ticket.opening() else { return Sighting::CouldNotTell(Fault::NoProof) };
        same.push(opening);
    }
    same.sort_by_key(|opening| opening.id_atendimento);
    match same.into_iter().next() {
        Some(opening) => Sighting::AlreadyOpen { opening },
        None => Sighting::NotFound,
    }
}

/// A text as it compares: without what a server changes in it (case, accents, blanks, escapes for HTML), what
/// HubSoft puts behind it, and whatever marker it carries.
fn bare(text: &str) -> String {
    let once = html_escape::decode_html_entities(text);
    let twice = html_escape::decode_html_entities(&once);
    let all: String = folded(&twice).collect();
    let own = all.strip_suffix(SUFFIX).unwrap_or(&all);
    let is_code = |rest: &str| rest.len() == MARKER_LEN && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    let marked = own.rsplit_once("[ref").filter(|(_, rest)| rest.strip_suffix(']').is_some_and(is_code));
    marked.map_or(own, |(before, _)| before).to_owned()
}

/// Looks for a pending ticket of the service with the type's label.
fn sight_open(answer: &Envelope<'_>, service: i64, label: &str, limit: Limit) -> Sighting {
    let Some(page) = answer.tickets() else {
        return Sighting::CouldNotTell(Fault::NoList);
    };
    let Some(page) = page.into_iter().collect::<Option<Vec<_>>>() else {
        return Sighting::CouldNotTell(Fault::UnreadableTicket);
    };
    let mut found: Vec<OpenedTicket> = Vec::new();
    let mut doubtful = is_full(&page, limit);
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
    found.sort_by_key(|opening| opening.id_atendimento);
    let mut found = found.into_iter();
    match found.next() {
        Some(opening) => Sighting::AlreadyOpen { opening },
        None if doubtful => Sighting::CouldNotTell(Fault::UnclearList),
        None => Sighting::NotFound,
    }
}

/// Whether there may be tickets that are not on the page.
fn is_full(page: &[Seen<'_>], limit: Limit) -> bool {
    PAGE_LEN <= page.len() || page.len() == PAGE_LEN_DEFAULT && limit != Limit::Heeded
}

/// How many tickets a page has; `None` if it is none.
pub(super) fn page_len(exchange: &Exchange) -> Option<usize> {
    let (_, body) = by_status::<()>(exchange).ok()?;
    Some(envelope(body).ok()?.tickets()?.len())
}

/// Whether a full page goes back beyond the earliest moment our ticket can be from: the newest stand
/// first (else the order was ignored and the newest may be missing), and the last is surely older.
fn reaches_back(page: &[Seen<'_>], what: &LookUp) -> bool {
    let Some(ours_since) = what.sent_at else { return false };
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
        let by_protocolo = ticket.protocolo().and_then(|text| Self::by_protocolo(&text));
        by_protocolo.or_else(|| ticket.data_cadastro().and_then(|text| Self::by_data_cadastro(&text)))
    }

    /// `YYYYMMDDHHMMSS` and one digit or more.
    fn by_protocolo(protocolo: &str) -> Option<Self> {
        let prefix = protocolo.get(..14).filter(|_| protocolo.bytes().all(|b| b.is_ascii_digit()))?;
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

    /// Whatever its clock and ours show.
    fn is_surely_before(self, at: Timestamp) -> bool {
        self.latest.checked_add(CLOCK_SLACK).is_ok_and(|latest| latest < at)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::delivery::identity::{BatchKey, Marker};
    use crate::ticket::{Field, Id, RawTicket, Ticket};

    /// Noon in UTC; nine in the morning where HubSoft is.
    const SENT_AT: &str = "2026-11-24T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn marker() -> Marker {
        Marker::new(&BatchKey("queda".to_owned()), "1")
    }

    fn sent() -> LookUp {
        let service = Id::new(11_000).expect("positive");
        LookUp { service, marker: marker(), sent_at: Some(at(SENT_AT)) }
    }

    fn ticket(id: i64, protocolo: &str, descricao: &str) -> String {
        format!(
            r#"{{"id_atendimento":{id},"protocolo":"{protocolo}","descricao_abertura":"{descricao} | ATENDIMENTO ABERTO VIA API"}}"#
        )
    }

    fn ours(id: i64, protocolo: &str) -> String {
        ticket(id, protocolo, &format!("Sem luz{}", marker()))
    }

    fn page(tickets: &[String]) -> String {
        format!(r#"{{"status":"suscess","atendimentos":[{}]}}"#, tickets.join(","))
    }

    fn answer(status: u16, body: &str) -> Exchange {
        Exchange::Answered {
            status,
            retry_after: None,
            date: None,
            body: Ok(Bytes::copy_from_slice(body.as_bytes())),
        }
    }

    fn short(verdict: &Verdict<Sighting>) -> String {
        match verdict {
            Verdict::Answered(Sighting::Found { opening, others, conflict }) => {
                let ids =
                    std::iter::once(opening).chain(others).map(|opening| opening.id_atendimento.to_string());
                let conflict =
                    conflict.as_ref().map(|fault| format!(" {}", fault.code())).unwrap_or_default();
                format!("found {}{conflict}", ids.collect::<Vec<_>>().join(" "))
            }
            Verdict::Answered(Sighting::AlreadyOpen { opening }) => {
                format!("already_open {}", opening.id_atendimento)
            }
            Verdict::Answered(Sighting::NotFound) => "not_found".to_owned(),
            Verdict::Answered(Sighting::CouldNotTell(fault)) => format!("could_not_tell {}", fault.code()),
            Verdict::Unknown(fault) => format!("unknown {}", fault.code()),
            Verdict::Stumbled(fault) => format!("stumbled {}", fault.code()),
            Verdict::Throttled => "throttled".to_owned(),
            Verdict::Unauthorized(_) => "unauthorized".to_owned(),
            Verdict::Forbidden(_) => "forbidden".to_owned(),
            Verdict::Misconfigured(_) => "misconfigured".to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[track_caller]
    fn check(status: u16, body: &str, what: &LookUp, expected: &str) {
        assert_eq!(
            short(&of_look_up(&answer(status, body), what, Limit::Unproven)),
            expected,
            "{status} {body}"
        );
    }

    #[test]
    fn the_look_up_table() {
        let other = || ticket(1, "20261124090500000001", "Sem luz [ref 000000000000]");
        let table: &[(u16, String, &str)] = &[
            (200, page(&[ours(7, "20261124090001000007")]), "found 7"),
            (200, page(&[other(), ours(7, "20261124090001000007")]), "found 7"),
            (200, page(&[ours(9, "20261124090900000009"), ours(7, "20261124090001000007")]), "found 7 9"),
            (200, page(&[ours(9, "no date"), ours(7, "no date")]), "found 7 9"),
            (200, page(&[ours(9, "")]), "could_not_tell no_proof"),
            (200, page(&[]), "not_found"),
            (200, page(&[other()]), "not_found"),
            (200, r#"{"status":"success","atendimentos":[]}"#.into(), "not_found"),
            (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado"}"#.into(), "not_found"),
            (404, r#"{"status":"error","msg":"Nenhum registro encontrado."}"#.into(), "not_found"),
            (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado para o cliente","errors":[]}"#.into(), "not_found"),
            (200, r#"{"status":"error","msg":"Nenhum atendimento foi encontrado."}"#.into(), "not_found"),
            (200, r#"{"status":"error","msg":"Nenhum cliente encontrado"}"#.into(), "could_not_tell refused"),
            (200, r#"{"status":"error","msg":"Nenhum servico encontrado. Nao e possivel listar os atendimentos"}"#.into(), "could_not_tell refused"),
            (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado: nenhum servico com este id"}"#.into(), "could_not_tell refused"),
            (200, r#"{"status":"error","msg":"Método index não disponível"}"#.into(), "misconfigured"),
            (200, r#"{"status":"error","msg":"O Usuário não possui a permissão desejada!"}"#.into(), "forbidden"),
            (403, "<html>Attention Required!</html>".into(), "unknown http_403_page"),
            // Found, but where it should not be.
            (200, page(&[ours(7, "20261124090001000007").replace('{', r#"{"servico":{"id_cliente_servico":5},"#)]), "found 7 wrong_service"),
            // The filter was ignored: what is missing may stand elsewhere.
            (200, page(&[other().replace('{', r#"{"servico":{"id_cliente_servico":5},"#), other()]), "could_not_tell other_service"),
            (200, r#"{"status":"error","msg":"Serviço não encontrado"}"#.into(), "could_not_tell refused"),
            (200, r#"{"status":"error","msg":"x","errors":["O campo limit não contém um valor válido."]}"#.into(), "could_not_tell validation"),
            (422, r#"{"status":"error","msg":"x"}"#.into(), "could_not_tell refused"),
            (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado","trace":[]}"#.into(), "could_not_tell exception"),
            (200, r#"{"status":"success"}"#.into(), "could_not_tell no_list"),
            (200, r#"{"status":"success","atendimentos":null}"#.into(), "could_not_tell no_list"),
            (200, r#"{"status":"success","atendimentos":{}}"#.into(), "could_not_tell no_list"),
            (200, r#"{"status":"success","atendimentos":[null]}"#.into(), "could_not_tell unreadable_ticket"),
            (200, r#"{"status":"success","atendimentos":[{}]}"#.into(), "could_not_tell no_text"),
            (200, r#"{"atendimentos":[]}"#.into(), "could_not_tell http_200"),
            // An old ticket without its text was there before ours; it does not stand in the way.
            (200, r#"{"status":"success","atendimentos":[{"protocolo":"20261101000000000001"}]}"#.into(), "not_found"),
            (200, r#"{"status":"success","atendimentos":[{"descricao_abertura":"x","servico":{"id_cliente_servico":"5"}}]}"#.into(),
             "could_not_tell other_service"),
            // An outage is not an answer.
            (200, "<html>".into(), "unknown not_json"),
            (200, String::new(), "unknown empty"),
            (302, String::new(), "unknown http_302"),
            (500, page(&[]), "stumbled http_500"),
            (503, String::new(), "unknown http_503"),
            (401, String::new(), "unauthorized"),
            (403, String::new(), "forbidden"),
            (404, "<html>".into(), "misconfigured"),
            (429, String::new(), "throttled"),
        ];
        for (status, body, expected) in table {
            check(*status, body, &sent(), expected);
        }
        let broken = Exchange::Answered { status: 200, retry_after: None, date: None, body: Err(Fault::Cut) };
        assert_eq!(short(&of_look_up(&broken, &sent(), Limit::Unproven)), "unknown cut");
    }

    /// `n` foreign tickets, the newest first, `step_min` minutes apart, the first at 09:59 local.
    fn foreign(n: usize, step_min: usize) -> Vec<String> {
        let newest = jiff::civil::date(2026, 11, 24).at(9, 59, 0, 0);
        let time = |at: usize| {
            let back = jiff::Span::new().minutes(i64::try_from(at * step_min).expect("small"));
            newest.checked_sub(back).expect("a time").strftime("%Y%m%d%H%M%S").to_string()
        };
        (0..n).map(|nth| ticket(1_000 - nth as i64, &format!("{}000001", time(nth)), "x")).collect()
    }

    #[test]
    fn a_full_page_proves_absence_only_if_it_reaches_back_beyond_the_send() {
        check(200, &page(&foreign(50, 1)), &sent(), "could_not_tell full_page");
        check(200, &page(&foreign(51, 1)), &sent(), "could_not_tell full_page");
        check(200, &page(&foreign(49, 1)), &sent(), "not_found");
        check(200, &page(&foreign(50, 10)), &sent(), "not_found");
        // Were `limit` ignored, a page would end at 20.
        check(200, &page(&foreign(20, 1)), &sent(), "could_not_tell full_page");
        check(200, &page(&foreign(20, 60)), &sent(), "not_found");
        for (n, limit, expected) in [
            (20, Limit::Heeded, "not_found"),
            (20, Limit::Ignored, "could_not_tell full_page"),
            (50, Limit::Heeded, "could_not_tell full_page"),
        ] {
            let found = of_look_up(&answer(200, &page(&foreign(n, 1))), &sent(), limit);
            assert_eq!(short(&found), expected, "{n} {limit:?}");
        }
        // Just older than the send is not enough: clocks differ.
        check(200, &page(&foreign(50, 2)), &sent(), "could_not_tell full_page");
        // The order was ignored: the newest may be missing.
        let mut ascending = foreign(50, 10);
        ascending.reverse();
        check(200, &page(&ascending), &sent(), "could_not_tell full_page");
        // Ours stands among them.
        let mut with_ours = foreign(49, 1);
        with_ours.push(ours(7, "20261124090001000007"));
        check(200, &page(&with_ours), &sent(), "found 7");
        // Never sent from here: it may be as old as it will.
        let never_sent = LookUp { sent_at: None, ..sent() };
        check(200, &page(&foreign(50, 10)), &never_sent, "could_not_tell full_page");
    }

    #[test]
    fn a_full_page_of_dates_only_is_read_to_the_end_of_the_day() {
        let dated = |day: &str| {
            format!(
                r#"{{"id_atendimento":1,"protocolo":"1","descricao_abertura":"x","data_cadastro":"{day}"}}"#
            )
        };
        let full = |oldest: &str| {
            let mut tickets = vec![dated("24/11/2026"); 49];
            tickets.push(dated(oldest));
            page(&tickets)
        };
        check(200, &full("22/11/2026"), &sent(), "not_found");
        check(200, &full("2026-11-22 23:59:59"), &sent(), "not_found");
        check(200, &full("24/11/2026"), &sent(), "could_not_tell full_page");
        check(200, &full("2026-11-24 08:00:00"), &sent(), "could_not_tell full_page");
        check(200, &full("?"), &sent(), "could_not_tell full_page");
    }

    /// Markers never come twice, and a machine's clock may be days ahead.
    #[test]
    fn a_ticket_that_looks_older_than_its_row_is_ours() {
        check(200, &page(&[ours(7, "20261024090000000007")]), &sent(), "found 7");
        check(200, &page(&[ours(7, "77")]), &sent(), "found 7");
    }

    #[test]
    fn before_a_first_post_a_ticket_of_the_same_text_makes_it_needless() {
        let raw = RawTicket::from([
            (Field::IdClienteServico, "11000"),
            (Field::Descricao, "Sem conexão\ndesde  <ontem>"),
            (Field::Nome, "Ana"),
            (Field::Telefone, "37999112233"),
        ]);
        let Ok(parsed) = Ticket::parse(&raw) else { panic!("it is valid") };
        let what = Verification { ticket: &parsed.ticket, marker: marker(), opened_since: at(SENT_AT) };
        let seen = |protocolo: &str, kind: &str, text: &str| {
            page(&[ticket(7, protocolo, text).replacen(
                '{',
                &format!(r#"{{"tipo_atendimento":"{kind}","#),
                1,
            )])
        };
        let (young, old) = ("20261124090001000007", "20261120090000000007");
        let with = |marker: &str| format!("Sem conexão\\ndesde <ontem> [ref {marker}]");
        let table = [
            (page(&[ours(7, old)]), "found 7"),
            (seen(young, "SAC", &with("0123456789AB")), "already_open 7"),
            (seen(young, "sac", "SEM CONEXAO DESDE &lt;ONTEM&gt;"), "already_open 7"),
            (
                seen(young, "SAC", "Sem conexao desde &amp;lt;ontem&amp;gt; [REF 0123456789AB]"),
                "already_open 7",
            ),
            (seen("77", "SAC", &with("0123456789AB")), "already_open 7"),
            (seen(old, "SAC", &with("0123456789AB")), "not_found"),
            (seen(young, "QUEDA", &with("0123456789AB")), "not_found"),
            (seen(young, "SAC", "Sem conexão desde anteontem"), "not_found"),
            (seen("", "SAC", &with("0123456789AB")), "could_not_tell no_proof"),
            (page(&foreign(50, 1)), "could_not_tell full_page"),
            (page(&[]), "not_found"),
            (r#"{"status":"success"}"#.to_owned(), "could_not_tell no_list"),
        ];
        for (body, expected) in table {
            assert_eq!(
                short(&of_verification(&answer(200, &body), &what, "SAC", Limit::Unproven)),
                expected,
                "{body}"
            );
        }
        assert_eq!(short(&of_verification(&answer(429, ""), &what, "SAC", Limit::Unproven)), "throttled");
    }

    #[test]
    fn only_a_pending_ticket_of_the_type_counts_as_open() {
        let seen = |id: i64, label: &str, closed: &str, service: &str| {
            format!(
                r#"{{"id_atendimento":{id},"protocolo":"{id}","tipo_atendimento":{label},"data_fechamento":{closed},"servico":{{"id_cliente_servico":{service}}}}}"#
            )
        };
        let label = r#""QUEDA DE ENÉRGIA""#;
        let table = [
            (page(&[seen(5, label, "null", "\"11000\"")]), "already_open 5"),
            (page(&[seen(5, label, "null", "11000"), seen(3, label, "null", "11000")]), "already_open 3"),
            (page(&[seen(5, r#""SAC""#, "null", "11000")]), "not_found"),
            (page(&[seen(5, label, "\"24/11/2026\"", "11000")]), "not_found"),
            (page(&[seen(5, label, "null", "11001")]), "not_found"),
            (page(&[seen(5, "null", "null", "11000")]), "could_not_tell unclear_list"),
            (page(&vec![seen(5, r#""SAC""#, "null", "11000"); 50]), "could_not_tell unclear_list"),
            (page(&[]), "not_found"),
        ];
        for (body, expected) in table {
            let verdict = of_find_open(&answer(200, &body), 11_000, "Queda de Energia", Limit::Unproven);
            assert_eq!(short(&verdict), expected, "{body}");
        }
    }
}
