//! What the answer to a look-up proves about one row. Pure.

use super::page::{Limit, sight, sight_open, sight_same};
use super::verdict::{Exchange, by_status, envelope, folded, of_refusal, unanswered};
use super::wire::{Envelope, Status};
use crate::delivery::{Fault, LookUp, Sighting, Verdict, Verification};

/// A ticket as a look-up shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub id_atendimento: i64,
    /// `id_cliente_servico`; `None` if it does not tell.
    pub service: Option<i64>,
}

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
        Sighting::Found { opening, others: Vec::new(), beside: Vec::new(), conflict: None }
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

/// How many tickets a page has; `None` if it is none, or if not all of it are tickets: such a page is as long
/// as it likes.
pub(super) fn page_len(exchange: &Exchange) -> Option<usize> {
    let (_, body) = by_status::<()>(exchange).ok()?;
    let page = envelope(body).ok()?.tickets()?;
    page.iter().all(Option::is_some).then_some(page.len())
}

#[cfg(test)]
mod tests;
