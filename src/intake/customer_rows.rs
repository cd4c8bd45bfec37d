//! Rows that name a customer in place of a service.

use std::borrow::Cow;

use super::row::Row;
use super::services::{Found, Known};
use crate::ticket::{
    CUSTOMER_NOT_ASKED, CUSTOMER_OTHER, CUSTOMER_REFUSED, CUSTOMER_SEVERAL, CUSTOMER_UNKNOWN,
    CUSTOMER_UNREADABLE, CUSTOMER_WITHOUT, Customer, Field, Id, Problem, REQUIRED, RawTicket, Ticket,
    folded_name, is_vacant,
};

impl Row<'_> {
    /// Whose service is to be found for the row, or what is wrong with his number. `None`: the row names the
    /// service itself, or nobody asked for it.
    pub fn customer(&self) -> Option<Result<Customer, Problem>> {
        if self.columns.customers.is_empty() || !is_vacant(self.bare(Field::IdClienteServico)) {
            return None;
        }
        let cells = self.columns.customers.iter().map(|(key, at)| (*key, self.at(*at)));
        let mut said = cells.filter(|(_, cell)| !is_vacant(cell));
        said.next().map(|(key, cell)| key.read(cell))
    }

    /// The customer that has to be looked up before the row can be opened, if nothing else is wrong with it.
    pub fn customer_to_find(&self) -> Option<Customer> {
        let customer = self.customer()?.ok()?;
        let mut raw = self.raw();
        *raw.get_mut(Field::IdClienteServico) = Some(Cow::Borrowed("1"));
        self.parse(&raw).is_ok().then_some(customer)
    }

    /// The service that was found.
    pub(super) fn found_service(&self) -> Option<Id> {
        let customer = self.customer()?.ok()?;
        match self.services?.of(&customer, self.own_name().as_deref()) {
            Known::Service(service) => Some(service),
            Known::Other | Known::Not(_) | Known::NotAsked => None,
        }
    }

    /// What a ticket made of `raw` is, or all that is wrong: of a customer, why he has no service.
    pub(super) fn ticket(&self, raw: &RawTicket<'_>) -> Result<crate::ticket::Parsed, Vec<Problem>> {
        let parsed = Ticket::parse(raw);
        let Err(mut problems) = parsed else { return parsed };
        if let Some(customer) = self.customer() {
            let is_of_service = |problem: &Problem| {
                problem.field == Field::IdClienteServico.name() && problem.code == REQUIRED.code
            };
            problems.retain(|problem| !is_of_service(problem));
            match customer {
                Err(problem) => problems.insert(0, problem),
                // Whose row cannot be opened is not looked up.
                Ok(_) if !problems.is_empty() => {}
                Ok(customer) => problems.push(self.without_service(&customer)),
            }
        }
        Err(problems)
    }

    fn without_service(&self, customer: &Customer) -> Problem {
        let known = self.services.map(|all| all.of(customer, self.own_name().as_deref()));
        let (words, beside) = match &known {
            Some(Known::Other) => (&CUSTOMER_OTHER, None),
            Some(Known::Not(Found::Several { candidates })) => (&CUSTOMER_SEVERAL, Some(candidates)),
            Some(Known::Not(Found::Without { candidates })) => (&CUSTOMER_WITHOUT, Some(candidates)),
            Some(Known::Not(Found::Unknown)) => (&CUSTOMER_UNKNOWN, None),
            Some(Known::Not(Found::Refused { said })) => (&CUSTOMER_REFUSED, Some(said)),
            Some(Known::Not(Found::Unreadable)) => (&CUSTOMER_UNREADABLE, None),
            None | Some(Known::NotAsked | Known::Service(_) | Known::Not(Found::One { .. })) => {
                (&CUSTOMER_NOT_ASKED, None)
            }
        };
        let found = match beside {
            Some(beside) if !beside.is_empty() => format!("{}: {beside}", customer.shown()),
            _ => customer.shown(),
        };
        words.problem(customer.key().name(), found)
    }

    /// The name in the sheet, folded; none where one is set for all rows.
    fn own_name(&self) -> Option<String> {
        Some(self.bare(Field::Nome)).filter(|name| !is_vacant(name)).map(folded_name)
    }

    /// What stands for the service in the row's content: whoever the service is found for, so that the row
    /// stays the same whatever is found.
    pub(super) fn service_in_content(&self) -> Cow<'_, str> {
        match self.customer() {
            None => Cow::Borrowed(self.bare(Field::IdClienteServico)),
            Some(Ok(customer)) => Cow::Owned(format!("{} {}", customer.key().name(), customer.term())),
            Some(Err(_)) => {
                let cells = self.columns.customers.iter().map(|(key, at)| (key.name(), self.at(*at)));
                let said = cells.into_iter().find(|(_, cell)| !is_vacant(cell));
                Cow::Owned(said.map(|(key, cell)| format!("{key} {cell}")).unwrap_or_default())
            }
        }
    }
}
