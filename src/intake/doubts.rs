//! Columns of which it is not sure that they are what they are taken for: told, and asked about before
//! anything is sent.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::words;
use crate::ticket::{Id, Ticket};

/// Why a column may not be the service's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnDoubt {
    /// A person maps a column of this name, which is a customer's number as a rule.
    CustomersNumber { column: String },
    /// Its name says `service`, and so may the other one's.
    TwoFit { column: String, other: String },
    /// Its name says `service`, and it has one number for several customers, as a product's or plan's has.
    Repeats { column: String, n_rows: u64 },
}

impl fmt::Display for ColumnDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::CustomersNumber { column } => words::doubt::customers_number(column),
            Self::TwoFit { column, other } => words::doubt::two_fit(column, other),
            Self::Repeats { column, n_rows } => words::doubt::repeats(column, *n_rows),
        })
    }
}

/// Services that are kept to be compared. Source: 2 MB; a plan's number comes again long before.
const KEPT_MAX: usize = 100_000;

/// One row in so many may share its service with another customer: two people of one house.
const ALIKE_IN: u64 = 20;

/// Looks whether a guessed column has one number for several customers.
pub struct GuessedService {
    column: String,
    hasher: RandomState,
    names: HashMap<Id, u64>,
    n_rows: u64,
    n_alike: u64,
}

impl GuessedService {
    pub(super) fn new(column: String) -> Self {
        Self { column, hasher: RandomState::default(), names: HashMap::new(), n_rows: 0, n_alike: 0 }
    }

    pub fn add(&mut self, ticket: &Ticket) {
        self.n_rows += 1;
        let name = self.hasher.hash_one(ticket.nome.as_str());
        match self.names.get(&ticket.id_cliente_servico) {
            Some(first) => self.n_alike += u64::from(*first != name),
            None if self.names.len() < KEPT_MAX => {
                self.names.insert(ticket.id_cliente_servico, name);
            }
            None => {}
        }
    }

    pub fn finish(self) -> Option<ColumnDoubt> {
        let is_plan = self.n_rows < self.n_alike.saturating_mul(ALIKE_IN);
        is_plan.then_some(ColumnDoubt::Repeats { column: self.column, n_rows: self.n_alike })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Field, RawTicket};

    fn check(rows: &[(&'static str, &'static str)], expected: Option<u64>) {
        let mut guess = GuessedService::new("Serviço".to_owned());
        for (service, nome) in rows {
            let raw = RawTicket::from([
                (Field::IdClienteServico, *service),
                (Field::Descricao, "Sem sinal"),
                (Field::Nome, *nome),
                (Field::Telefone, "37999112233"),
            ]);
            guess.add(&Ticket::parse(&raw).unwrap().ticket);
        }
        let column = "Serviço".to_owned();
        assert_eq!(guess.finish(), expected.map(|n_rows| ColumnDoubt::Repeats { column, n_rows }));
    }

    #[test]
    fn a_plans_number_stands_beside_many_customers() {
        check(&[("1", "Ana"), ("2", "Bia"), ("1", "Ana")], None);
        check(&[("1", "Ana"), ("2", "Bia"), ("1", "Caio")], Some(1));
        let ids = [
            "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17",
            "18", "19",
        ];
        let one_house: Vec<_> = ids.into_iter().map(|id| (id, "Ana")).chain([("1", "Bia")]).collect();
        check(&one_house, None);
    }
}
