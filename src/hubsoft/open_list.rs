//! Reads the list of all open tickets of a tenant, page by page. Pure: it says which page is asked for next,
//! and what an answer adds.
//!
//! Tickets are opened and closed meanwhile. One that is opened moves none out of sight; one that is closed
//! may move the others a place to the front, and so one of them across a seam between two pages, unseen. So
//! each page begins a little before the end of the one before, and is believed only if it begins with a
//! ticket that was seen there.

use std::collections::{BTreeMap, HashMap};

use super::verdict::{Exchange, folded, of_read, unanswered};
use super::wire::{Envelope, SeenListed};
use crate::delivery::{Fault, Listed, OpenList, TypeTable, Verdict};

/// The longest page. Source: HubSoft's documentation of `itens_por_pagina`.
pub(super) const PAGE_LEN_MAX: usize = 500;

/// A page that takes too long, or is too large, is asked for again at half its length, down to this.
const PAGE_LEN_MIN: usize = 100;

/// So many places of a page are those of the page before.
const OVERLAP: usize = 10;

/// A list that is longer is not read to its end: a look-up a row costs less.
const PAGES_MAX: usize = 100;

/// A protocolo is kept up to this length. Bytes. Source: the longest seen has 20 digits.
const PROTOCOLO_LEN_MAX: usize = 40;

/// A list that is being read.
pub(super) struct Reading {
    /// Tickets a page has, as the first was asked for.
    page_len: usize,
    /// The number of the first page, as HubSoft counts.
    first: i64,
    /// Pages read.
    n_pages: usize,
    /// Places read.
    n_covered: usize,
    found: Vec<Listed>,
    /// Those of the last page.
    last_page: Vec<i64>,
    /// Whether any ticket told its service.
    is_of_services: bool,
}

/// Whether that was the last page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    Done,
}

impl Reading {
    pub(super) fn new(page_len: usize) -> Self {
        Self {
            page_len,
            first: 0,
            n_pages: 0,
            n_covered: 0,
            found: Vec::new(),
            last_page: Vec::new(),
            is_of_services: false,
        }
    }

    /// The page that is asked for next: its number, and how many tickets it has. Pages are counted in their
    /// own length, so that one of this length begins before the end of what was read.
    pub(super) fn next_page(&self) -> (i64, usize) {
        let page_len = match self.n_pages {
            0 => self.page_len,
            n_pages => self.n_covered.saturating_sub(OVERLAP).max(n_pages) / n_pages,
        };
        let nth = i64::try_from(self.n_pages).unwrap_or(i64::MAX);
        (self.first.saturating_add(nth), page_len)
    }

    pub(super) fn page_len(&self) -> usize {
        self.page_len
    }

    /// What comes back for the next page; `Err`: there is no list.
    pub(super) fn take(&mut self, exchange: &Exchange) -> Result<Step, Verdict<OpenList>> {
        let body = of_read(exchange).map_err(unanswered)?;
        let envelope = Envelope::read(body);
        let page = envelope.as_ref().and_then(|answer| Some((answer.paging()?, answer.listed()?)));
        let Some((paging, tickets)) = page else { return Err(unclear()) };
        let (asked, page_len) = self.next_page();
        if self.n_pages == 0 {
            self.first = paging.first;
        }
        let nth = asked - if self.n_pages == 0 { asked } else { self.first };
        let is_it = paging.current.checked_sub(self.first) == Some(nth) && tickets.len() <= page_len;
        let begins_at = self.n_pages * page_len;
        let is_last = paging.total <= begins_at + tickets.len();
        // One that is shorter for no reason has been cut.
        if !is_it || !is_last && tickets.len() < page_len {
            return Err(unclear());
        }
        let Some(tickets) = tickets.into_iter().collect::<Option<Vec<_>>>() else { return Err(unclear()) };
        let Some(ids) = tickets.iter().map(SeenListed::id).collect::<Option<Vec<i64>>>() else {
            return Err(unclear());
        };
        let is_joined = self.n_pages == 0 || ids.first().is_some_and(|id| self.last_page.contains(id));
        if !is_joined {
            return Err(unclear());
        }
        for (ticket, id) in tickets.iter().zip(&ids) {
            let Some(service) = ticket.service() else { continue };
            self.is_of_services = true;
            if !ticket.is_closed() {
                let protocolo = ticket.protocolo().filter(|text| text.len() <= PROTOCOLO_LEN_MAX);
                self.found.push(Listed {
                    service,
                    type_id: ticket.type_id(),
                    id_atendimento: *id,
                    protocolo: protocolo.map(Into::into),
                });
            }
        }
        self.last_page = ids;
        self.n_pages += 1;
        self.n_covered = begins_at + self.last_page.len();
        match is_last {
            // Of a list that names no service nobody knows whose tickets it shows.
            true if 0 < self.n_covered && !self.is_of_services => Err(unclear()),
            true => Ok(Step::Done),
            false if self.n_pages == PAGES_MAX => Err(unclear()),
            false => Ok(Step::More),
        }
    }

    pub(super) fn list(self, labels: &HashMap<i64, String>, type_default: &str) -> OpenList {
        OpenList::new(self.found, types(labels, type_default))
    }
}

/// Whether a shorter page might have come: this one took too long, or was too large.
pub(super) fn shorter(page_len: usize, exchange: &Exchange) -> Option<usize> {
    let is_too_long = match exchange {
        Exchange::Lost(fault) => matches!(fault, Fault::Timeout),
        Exchange::Answered { status: 502..=504, retry_after: None, .. } => true,
        Exchange::Answered { body, .. } => matches!(body, Err(Fault::TooLarge | Fault::Timeout)),
        Exchange::NotSent(_) => false,
    };
    (is_too_long && PAGE_LEN_MIN < page_len).then(|| (page_len / 2).max(PAGE_LEN_MIN))
}

fn types(labels: &HashMap<i64, String>, type_default: &str) -> TypeTable {
    let folded = |label: &str| folded(label).collect::<String>();
    let mut first_of_label: BTreeMap<String, i64> = BTreeMap::new();
    for (id, label) in labels {
        let first = first_of_label.entry(folded(label)).or_insert(*id);
        *first = (*first).min(*id);
    }
    let first_of = labels
        .iter()
        .map(|(id, label)| (*id, (first_of_label[&folded(label)], label.as_str().into())))
        .collect();
    TypeTable { first_of, default: first_of_label.get(&folded(type_default)).copied() }
}

fn unclear() -> Verdict<OpenList> {
    Verdict::Unknown(Fault::UnclearList)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(status: u16, body: String) -> Exchange {
        Exchange::Answered { status, retry_after: None, date: None, body: Ok(Bytes::from(body)) }
    }

    fn item(id: usize) -> String {
        format!(
            r#"{{"id_atendimento":{id},"id_tipo_atendimento":"5","id_cliente_servico":{},"protocolo":"2024{id}","data_fechamento":null}}"#,
            1_000 + id
        )
    }

    /// A server with these tickets, which counts pages from `first`.
    fn page(tickets: &[usize], first: usize, (number, page_len): (i64, usize)) -> Exchange {
        let number = usize::try_from(number).unwrap().max(first);
        let shown: Vec<String> =
            tickets.iter().skip((number - first) * page_len).take(page_len).map(|id| item(*id)).collect();
        answer(
            200,
            format!(
                r#"{{"status":"success","paginacao":{{"primeira_pagina":{first},"ultima_pagina":9,"pagina_atual":{number},"total_registros":{}}},"atendimentos":[{}]}}"#,
                tickets.len(),
                shown.join(",")
            ),
        )
    }

    /// Reads the tickets of a server, at which something happens after each page. Returns which were found.
    fn read(mut tickets: Vec<usize>, first: usize, happens: impl Fn(&mut Vec<usize>)) -> Option<Vec<i64>> {
        let mut reading = Reading::new(100);
        loop {
            match reading.take(&page(&tickets, first, reading.next_page())) {
                Ok(Step::More) => happens(&mut tickets),
                Ok(Step::Done) => break,
                Err(verdict) => {
                    assert_eq!(verdict, unclear());
                    return None;
                }
            }
        }
        let mut ids: Vec<i64> = reading.found.iter().map(|listed| listed.id_atendimento).collect();
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    #[test]
    fn all_pages_are_put_together_wherever_they_begin() {
        for first in [0, 1] {
            for n_tickets in [0, 1, 99, 100, 101, 190, 191, 1_234] {
                let all: Vec<i64> = (1..=n_tickets).collect();
                let tickets = (1..=n_tickets).map(|id| id as usize).collect();
                assert_eq!(read(tickets, first, |_| {}), Some(all), "{n_tickets} tickets from page {first}");
            }
        }
    }

    #[test]
    fn no_ticket_slips_through_a_seam_when_others_are_closed_or_opened_meanwhile() {
        let tickets = || (1..=1_000).collect::<Vec<usize>>();
        // Those that are open all the time.
        let stay = |ids: &[i64], closed: std::ops::Range<i64>| {
            (1..=1_000).filter(|id| !closed.contains(id)).all(|id| ids.contains(&id))
        };
        let closed = read(tickets(), 0, |all| drop(all.drain(..8))).expect("few are closed at once");
        assert!(stay(&closed, 1..200));
        assert_eq!(read(tickets(), 0, |all| drop(all.drain(..30))), None, "one may have been missed");
        let opened_last = read(tickets(), 0, |all| all.push(5_000 + all.len())).expect("a list");
        assert!(stay(&opened_last, 0..0));
        let opened_first = read(tickets(), 0, |all| all.insert(0, 5_000 + all.len())).expect("a list");
        assert!(stay(&opened_first, 0..0));
        assert_eq!(read((1..=20_000).collect(), 0, |_| {}), None, "it is too long");
    }

    #[test]
    fn what_is_no_page_of_tickets_is_no_list() {
        let paging = |current, total| {
            format!(r#"{{"primeira_pagina":0,"pagina_atual":{current},"total_registros":{total}}}"#)
        };
        let list = |paging: &str, tickets: &str| {
            let body = format!(r#"{{"status":"success","paginacao":{paging},"atendimentos":[{tickets}]}}"#);
            Reading::new(100).take(&answer(200, body)).map_err(|verdict| verdict.name())
        };
        assert_eq!(list(&paging(0, 1), &item(1)), Ok(Step::Done));
        assert_eq!(list(&paging(0, 2), &item(1)), Err("unknown"), "it was cut");
        assert_eq!(list(&paging(3, 1), &item(1)), Err("unknown"), "another page");
        assert_eq!(list(&paging(0, 1), "null"), Err("unknown"));
        assert_eq!(list(&paging(0, 1), r#"{"id_atendimento":0}"#), Err("unknown"));
        assert_eq!(list(&paging(0, 1), r#"{"id_atendimento":1}"#), Err("unknown"), "of no service");
        assert_eq!(list("null", &item(1)), Err("unknown"));
        for (status, body, expected) in [
            (403, r#"{"message":"This action is unauthorized."}"#, "forbidden"),
            (404, "{}", "misconfigured"),
            (200, "<html>Login</html>", "unknown"),
            (429, "{}", "throttled"),
            (200, r#"{"status":"error","msg":"Período inválido"}"#, "rejected"),
        ] {
            let taken = Reading::new(100).take(&answer(status, body.to_owned()));
            assert_eq!(taken.map_err(|verdict| verdict.name()), Err(expected));
        }
    }

    #[test]
    fn a_page_that_takes_too_long_is_asked_for_at_half_its_length() {
        let late = Exchange::Lost(Fault::Timeout);
        assert_eq!(shorter(500, &late), Some(250));
        assert_eq!(shorter(125, &answer(504, String::new())), Some(100));
        assert_eq!(shorter(100, &late), None);
        assert_eq!(shorter(500, &answer(403, String::new())), None);
        assert_eq!(shorter(500, &Exchange::Lost(Fault::Reset)), None);
    }

    #[test]
    fn types_of_one_label_are_one() {
        let labels = [(9, "sac "), (4, "SAC"), (5, "Queda")].map(|(id, label)| (id, label.to_owned()));
        let table = types(&labels.into(), "SAC");
        let expected = [(4, (4, "SAC".into())), (5, (5, "Queda".into())), (9, (4, "sac ".into()))];
        assert_eq!(table.first_of, BTreeMap::from(expected));
        assert_eq!(table.default, Some(4));
    }
}
