//! What a page of tickets shows of one row: found, not found, or could not tell.

use std::borrow::Cow;

use super::age::Age;
use super::verdict::{folded, same_label};
use super::wire::{Envelope, Seen};
use crate::delivery::identity::MARKER_LEN;
use crate::delivery::{BESIDE_MAX, Beside, Fault, LookUp, OpenedTicket, Sighting, Verification};
use crate::printable;

/// How many tickets a look-up asks for: the most that HubSoft gives.
pub(super) const PAGE_LEN: usize = 50;

/// How many it gives by itself, at least. A page of so many may have been cut here if `limit` is ignored.
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

/// Looks for the marker.
pub(super) fn sight(answer: &Envelope<'_>, what: &LookUp, limit: Limit) -> Sighting {
    let Some(page) = answer.tickets() else {
        return Sighting::CouldNotTell(Fault::NoList);
    };
    let Some(page) = page.into_iter().collect::<Option<Vec<_>>>() else {
        return Sighting::CouldNotTell(Fault::UnreadableTicket);
    };
    let other_service =
        |ticket: &Seen<'_>| ticket.id_cliente_servico().filter(|found| *found != what.service.get());
    let mut found: Vec<(Age, OpenedTicket)> = Vec::new();
    let mut others: Vec<&Seen<'_>> = Vec::new();
    let mut label = None;
    let (mut doubtful, mut conflict) = (None, None);
    for ticket in &page {
        let age = Age::of(ticket);
        match ticket.descricao_abertura() {
            Some(text) if !what.marker.is_in(&text) => others.push(ticket),
            Some(_) => match ticket.opening() {
                None => return Sighting::CouldNotTell(Fault::NoProof),
                Some(opening) => {
                    let other = other_service(ticket)
                        .map(|found| Fault::WrongService { asked: what.service.get(), found });
                    conflict = conflict.or(other);
                    label = label.or_else(|| ticket.tipo_atendimento());
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
        // Of a page that is longer than it was asked to be, a row keeps no more.
        others.retain(|ticket| !ticket.is_closed() && other_service(ticket).is_none());
        let beside = label.map_or(Vec::new(), |label| beside(others.into_iter(), &label));
        return Sighting::Found { opening, others: found.take(PAGE_LEN).collect(), beside, conflict };
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
pub(super) fn sight_same(
    answer: &Envelope<'_>,
    what: &Verification<'_>,
    label: &str,
    limit: Limit,
) -> Sighting {
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
pub(super) fn sight_open(answer: &Envelope<'_>, service: i64, label: &str, limit: Limit) -> Sighting {
    let Some(page) = answer.tickets() else {
        return Sighting::CouldNotTell(Fault::NoList);
    };
    let Some(page) = page.into_iter().collect::<Option<Vec<_>>>() else {
        return Sighting::CouldNotTell(Fault::UnreadableTicket);
    };
    let mut found: Vec<OpenedTicket> = Vec::new();
    let mut doubtful = is_full(&page, limit);
    let is_open = |ticket: &&Seen<'_>| {
        ticket.id_cliente_servico().is_none_or(|id| id == service) && !ticket.is_closed()
    };
    for ticket in page.iter().filter(is_open) {
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
        None => match beside(page.iter().filter(is_open), label) {
            beside if beside.is_empty() => Sighting::NotFound,
            beside => Sighting::Beside(beside),
        },
    }
}

/// Those of `open` that are of another type, the oldest first.
fn beside<'p, 'a: 'p>(open: impl Iterator<Item = &'p Seen<'a>>, label: &str) -> Vec<Beside> {
    let of_other_type = |ticket: &'p Seen<'a>| {
        let other = ticket.tipo_atendimento().filter(|found| !same_label(found, label))?;
        let protocolo = ticket.protocolo().map(Cow::into_owned);
        Some((ticket.id(), Beside { protocolo, label: printable::name(&other).into_owned() }))
    };
    let mut found: Vec<_> = open.filter_map(of_other_type).collect();
    found.sort_by_key(|(id, _)| id.unwrap_or(i64::MAX));
    found.into_iter().map(|(_, beside)| beside).take(BESIDE_MAX).collect()
}

/// Whether there may be tickets that are not on the page.
fn is_full(page: &[Seen<'_>], limit: Limit) -> bool {
    PAGE_LEN <= page.len() || PAGE_LEN_DEFAULT <= page.len() && limit != Limit::Heeded
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
