//! The tickets that were open when HubSoft was asked for all of them at once, and what that says of a row.
//! Whatever it does not say plainly is to be looked up.

use std::collections::BTreeMap;

use super::{BESIDE_MAX, Beside, OpenedTicket, Sighting};
use crate::ticket::{Id, Ticket};

/// Kept for minutes, so no more than is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenList {
    /// By service, the oldest first.
    tickets: Vec<Listed>,
    types: TypeTable,
}

/// One ticket of the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listed {
    pub service: i64,
    /// `None`: it does not tell.
    pub type_id: Option<i64>,
    pub id_atendimento: i64,
    /// `None`: it does not tell.
    pub protocolo: Option<Box<str>>,
}

/// Which types are one: those of one label, since look-ups tell no more than that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TypeTable {
    /// Each type of the catalogue, the first of those of its label, and that label.
    pub first_of: BTreeMap<i64, (i64, Box<str>)>,
    /// Of a ticket for which none is asked.
    pub default: Option<i64>,
}

impl OpenList {
    pub fn new(mut tickets: Vec<Listed>, types: TypeTable) -> Self {
        tickets.sort_unstable_by_key(|ticket| (ticket.service, ticket.id_atendimento));
        tickets.dedup_by_key(|ticket| (ticket.service, ticket.id_atendimento));
        tickets.shrink_to_fit();
        Self { tickets, types }
    }

    /// What a look for an open ticket of the same service and type would have seen; `None`: look.
    pub fn sight(&self, ticket: &Ticket) -> Option<Sighting> {
        let asked = match ticket.id_tipo_atendimento.map(Id::get) {
            Some(id) => self.types.first_of.get(&id)?.0,
            None => self.types.default?,
        };
        let service = ticket.id_cliente_servico.get();
        let from = self.tickets.partition_point(|listed| listed.service < service);
        let mut is_plain = true;
        let mut beside = Vec::new();
        for listed in self.tickets[from..].iter().take_while(|listed| listed.service == service) {
            let of_type = listed.type_id.and_then(|id| self.types.first_of.get(&id));
            match (of_type, &listed.protocolo) {
                (Some((other, label)), protocolo) if *other != asked => {
                    if beside.len() < BESIDE_MAX {
                        let protocolo = protocolo.as_deref().map(str::to_owned);
                        beside.push(Beside { protocolo, label: label.to_string() });
                    }
                }
                (Some(_), Some(protocolo)) => {
                    let opening = OpenedTicket {
                        protocolo: protocolo.to_string(),
                        id_atendimento: listed.id_atendimento,
                        ids_ordem_servico: Vec::new(),
                        numeros_ordem_servico: Vec::new(),
                    };
                    return Some(Sighting::AlreadyOpen { opening });
                }
                (None, _) | (Some(_), None) => is_plain = false,
            }
        }
        let seen = if beside.is_empty() { Sighting::NotFound } else { Sighting::Beside(beside) };
        is_plain.then_some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Field, RawTicket};

    /// Types 1 and 7 are called SAC, 5 has a name of its own.
    fn list() -> OpenList {
        let listed = |service, type_id, id, protocolo: Option<&str>| Listed {
            service,
            type_id,
            id_atendimento: id,
            protocolo: protocolo.map(Into::into),
        };
        let tickets = vec![
            listed(30, Some(5), 9, Some("p9")),
            listed(30, Some(5), 4, Some("p4")),
            listed(30, Some(5), 9, Some("p9")),
            listed(40, Some(99), 5, Some("p5")),
            listed(50, None, 6, Some("p6")),
            listed(60, Some(7), 7, None),
            listed(70, Some(7), 8, Some("p8")),
            listed(70, Some(5), 3, Some("p3")),
        ];
        let first_of = [(1, 1, "SAC"), (5, 5, "Queda"), (7, 1, "Sac")]
            .map(|(id, first, label)| (id, (first, label.into())))
            .into();
        OpenList::new(tickets, TypeTable { first_of, default: Some(1) })
    }

    fn check(service: &'static str, type_id: Option<&'static str>, expected: &str) {
        let mut raw = RawTicket::from([
            (Field::IdClienteServico, service),
            (Field::Descricao, "Sem sinal"),
            (Field::Nome, "Ana"),
            (Field::Telefone, "37999112233"),
        ]);
        *raw.get_mut(Field::IdTipoAtendimento) = type_id.map(Into::into);
        let ticket = Ticket::parse(&raw).expect("it is a ticket").ticket;
        let seen = match list().sight(&ticket) {
            Some(Sighting::AlreadyOpen { opening }) => opening.protocolo,
            Some(Sighting::NotFound) => "none".to_owned(),
            Some(Sighting::Beside(beside)) => {
                let each =
                    |open: &Beside| format!("{} {}", open.protocolo.as_deref().unwrap_or("?"), open.label);
                format!("beside {}", beside.iter().map(each).collect::<Vec<_>>().join(", "))
            }
            Some(other) => format!("{other:?}"),
            None => "look".to_owned(),
        };
        assert_eq!(seen, expected, "service {service}, type {type_id:?}");
    }

    #[test]
    fn a_list_says_of_a_row_what_a_look_would_see_or_nothing() {
        check("20", Some("5"), "none");
        check("30", Some("5"), "p4"); // The oldest
        check("30", Some("1"), "beside p4 Queda, p9 Queda");
        check("30", None, "beside p4 Queda, p9 Queda");
        check("30", Some("6"), "look"); // The catalogue lacks what is asked for
        check("40", Some("5"), "look"); // The catalogue lacks what is open
        check("50", Some("5"), "look"); // It does not tell its type
        check("60", None, "look"); // It does not tell its protocolo
        check("60", Some("5"), "beside ? Sac");
        check("70", None, "p8"); // Another type of the same label
        check("70", Some("1"), "p8");
    }

    #[test]
    fn a_row_is_told_of_so_many_beside_it_and_no_more() {
        let of_other_type = |id| Listed {
            service: 80,
            type_id: Some(5),
            id_atendimento: id,
            protocolo: Some(format!("p{id}").into()),
        };
        let types = || TypeTable {
            first_of: [(1, (1, "SAC".into())), (5, (5, "Queda".into()))].into(),
            default: Some(1),
        };
        let raw = RawTicket::from([
            (Field::IdClienteServico, "80"),
            (Field::Descricao, "Sem sinal"),
            (Field::Nome, "Ana"),
            (Field::Telefone, "37999112233"),
        ]);
        let ticket = Ticket::parse(&raw).expect("it is a ticket").ticket;
        for more in 0..3 {
            let n_open = BESIDE_MAX - 1 + more;
            let list = OpenList::new((1..=n_open as i64).map(of_other_type).collect(), types());
            let Some(Sighting::Beside(beside)) = list.sight(&ticket) else { panic!("there are {n_open}") };
            assert_eq!(beside.len(), n_open.min(BESIDE_MAX));
        }
    }
}
