//! Which services customers have, as far as it was looked up.

use std::collections::HashMap;

use crate::ticket::{Customer, Id, may_be_named};

/// What becomes of columns that have a customer's number, where a row does not name the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Customers {
    /// They are kept like all that is not sent.
    #[default]
    Ignored,
    /// The service is found by them.
    Asked,
}

/// What a look-up of a customer came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// His only active service, and his names, folded.
    One { service: Id, names: Vec<Box<str>> },
    /// Several active services; as a problem tells them.
    Several { candidates: Box<str> },
    /// No active service; those that he has, as a problem tells them.
    Without { candidates: Box<str> },
    /// HubSoft shows no such customer.
    Unknown,
    /// HubSoft refuses to show this one, or fails over it; what it said.
    Refused { said: Box<str> },
    /// What it showed could not be read.
    Unreadable,
}

/// What look-ups of customers came to. Some 100 bytes a customer.
#[derive(Debug, Default)]
pub struct Services(HashMap<Customer, Found>);

impl Services {
    pub fn insert(&mut self, customer: Customer, found: Found) {
        self.0.insert(customer, found);
    }

    pub fn get(&self, customer: &Customer) -> Option<&Found> {
        self.0.get(customer)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Customer, &Found)> {
        self.0.iter()
    }
}

/// What is known of the service of one row.
pub(super) enum Known<'a> {
    Service(Id),
    /// The number is another customer's, by his name.
    Other,
    /// It could not be told.
    Not(&'a Found),
    NotAsked,
}

impl Services {
    /// Of a row that names its customer so; folded.
    pub(super) fn of(&self, customer: &Customer, name: Option<&str>) -> Known<'_> {
        match self.get(customer) {
            None => Known::NotAsked,
            Some(Found::One { names, .. }) if name.is_some_and(|name| !may_be_named(name, names)) => {
                Known::Other
            }
            Some(Found::One { service, .. }) => Known::Service(*service),
            Some(found) => Known::Not(found),
        }
    }
}
