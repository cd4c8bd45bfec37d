//! Services are found by their customers' numbers: each customer is looked up once, before a row of the file
//! is taken in. Nothing is opened.

mod asker;
mod choose;
mod kept;

use std::collections::HashSet;
use std::rc::Rc;

use futures_util::StreamExt;
use futures_util::stream;

use self::asker::Asker;
pub use self::kept::{Kept, forget_before};
use super::fault::Fault;
use super::sheet::Sheet;
use super::target::Target;
use crate::intake::{Found, Hashing, Services};
use crate::settings::Sending;
use crate::ticket::Customer;

/// Customers whose services were to be found, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub customers: u64,
    /// Of these were known from an earlier call.
    pub known: u64,
    pub found: u64,
    pub several: u64,
    pub without: u64,
    pub unknown: u64,
}

/// How far the search is, for whoever looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many customers are about to be looked up.
    Begins { n: u64 },
    /// So many were.
    Done { n_done: u64, n: u64 },
}

/// Between two words about how far it is. Customers.
const TOLD_EVERY: u64 = 500;

/// Finds the services of the rows of `sheet` that name a customer instead, and holds them for it: whoever
/// opens the sheet from now on meets them. `kept`: what is known of an earlier call, and what a later one
/// will know.
///
/// # Errors
///
/// If HubSoft does not answer, or not to this user: that nothing was found is believed of an answer only.
pub async fn find(
    sheet: &mut Sheet,
    target: &Target,
    sending: &Sending,
    mut kept: Option<Kept>,
    told: impl Fn(Progress),
) -> Result<Tally, Fault> {
    let wanted = wanted(sheet)?;
    let mut services = Services::default();
    if let Some(kept) = &kept {
        kept.read(&wanted, &mut services)?;
    }
    let known = services.iter().count() as u64;
    let to_ask: Vec<Customer> =
        wanted.into_iter().filter(|customer| services.get(customer).is_none()).collect();
    let n = to_ask.len() as u64;
    if 0 < n {
        told(Progress::Begins { n });
        let asker = &Asker::new(target, sending);
        let mut n_done = 0_u64;
        let mut answers = stream::iter(to_ask)
            .map(|customer| async move { (customer, asker.ask(customer).await) })
            .buffer_unordered(sending.concurrency.max(1));
        while let Some((customer, answer)) = answers.next().await {
            let found = choose::choose(&answer.map_err(Fault::Halted)?);
            if let Some(kept) = &mut kept {
                kept.keep(customer, &found)?;
            }
            services.insert(customer, found);
            n_done += 1;
            if n_done.is_multiple_of(TOLD_EVERY) {
                told(Progress::Done { n_done, n });
            }
        }
    }
    if let Some(kept) = &kept {
        kept.sync()?;
    }
    let mut tally = Tally { known, ..Tally::default() };
    for (_, found) in services.iter() {
        tally.customers += 1;
        *match found {
            Found::One { .. } => &mut tally.found,
            Found::Several { .. } => &mut tally.several,
            Found::Without { .. } => &mut tally.without,
            Found::Unknown => &mut tally.unknown,
        } += 1;
    }
    sheet.services = Some(Rc::new(services));
    Ok(tally)
}

/// The customers of rows that lack nothing but a service, each once, in the order of the file.
fn wanted(sheet: &Sheet) -> Result<Vec<Customer>, Fault> {
    let mut intake = sheet.open(Hashing::Off)?;
    let (mut seen, mut wanted) = (HashSet::new(), Vec::new());
    while let Some(row) = intake.next_row()? {
        if let Some(customer) = row.customer_to_find()
            && seen.insert(customer)
        {
            wanted.push(customer);
        }
    }
    Ok(wanted)
}
