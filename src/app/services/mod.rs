//! Services are found by their customers' numbers: each customer is looked up once, before a row of the file
//! is taken in. Nothing is opened.

mod asker;
mod beside;
mod choose;
mod kept;
mod stopped;

use std::collections::HashSet;
use std::rc::Rc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use self::asker::{Asked, Asker};
use self::beside::{LOOK_EVERY, Leave};
pub use self::kept::{Kept, forget_before};
pub use self::stopped::{Stopped, Why};
use super::fault::Fault;
use super::sheet::Sheet;
use super::target::Target;
use crate::delivery::{self, Concurrency, Halt, Rate};
use crate::intake::{Found, Hashing, Services};
use crate::outbox::Address;
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
    /// HubSoft did not show them, or not so that it can be read.
    pub refused: u64,
}

impl Tally {
    /// A line for each thing that is told.
    pub fn lines(&self) -> Vec<String> {
        if self.customers == 0 {
            return vec![tr!("no row needs its customer's service looked up").into_owned()];
        }
        let found = tr!(
            "services found: %{found} of %{n} %{n|customer|customers}; with several active services: %{several}, without one: %{without}, not known to HubSoft: %{unknown}",
            found = self.found,
            n = self.customers,
            several = self.several,
            without = self.without,
            unknown = self.unknown
        );
        let refused = tr!(
            "HubSoft did not show %{n} %{n|customer|customers}; the problems of their rows tell why",
            n = self.refused
        );
        let known = tr!(
            "of these, %{n} %{n|was|were} found by an earlier call, and not looked up again",
            n = self.known
        );
        let told = [(self.customers, found), (self.refused, refused), (self.known, known)];
        told.into_iter().filter(|(n, _)| 0 < *n).map(|(_, told)| told.into_owned()).collect()
    }
}

/// How far the search is, for whoever looks on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// So many customers are about to be looked up, at this rate at most.
    Begins { n: u64, rate: Rate },
    /// So many were: told of each one.
    Done { n_done: u64, n: u64 },
}

/// Finds the services of the rows of `sheet` that name a customer instead, and holds them for it: whoever
/// opens the sheet from now on meets them. `kept`: what is known of an earlier call, and what a later one
/// will know. `outbox`: beside whose workers it is done.
///
/// # Errors
///
/// If HubSoft does not answer, or not to this user: that nothing was found is believed of an answer only.
/// What was found until then is kept all the same.
pub async fn find(
    sheet: &mut Sheet,
    target: &Target,
    sending: &Sending,
    outbox: Option<&Address>,
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
    let asker = Asker::new(target, sending, known);
    let looked_up = look_up(to_ask, &asker, sending, outbox, &mut kept, &mut services, told).await;
    if let Some(kept) = &kept {
        kept.sync()?;
    }
    looked_up?;
    let mut tally = Tally { known, ..Tally::default() };
    for (_, found) in services.iter() {
        tally.customers += 1;
        *match found {
            Found::One { .. } => &mut tally.found,
            Found::Several { .. } => &mut tally.several,
            Found::Without { .. } => &mut tally.without,
            Found::Unknown => &mut tally.unknown,
            Found::Refused { .. } | Found::Unreadable => &mut tally.refused,
        } += 1;
    }
    sheet.services = Some(Rc::new(services));
    Ok(tally)
}

/// How many are looked up at once: beside a run, at a part of its pace, more are of no use.
fn at_once(concurrency: Concurrency) -> usize {
    match concurrency {
        Concurrency::Auto => 8,
        Concurrency::Fixed(n) => n,
    }
}

/// Puts what HubSoft shows of the customers `to_ask` into `services`.
async fn look_up(
    to_ask: Vec<Customer>,
    asker: &Asker<'_>,
    sending: &Sending,
    outbox: Option<&Address>,
    kept: &mut Option<Kept>,
    services: &mut Services,
    told: impl Fn(Progress),
) -> Result<(), Fault> {
    let n = to_ask.len() as u64;
    if n == 0 {
        return Ok(());
    }
    let is_kept = kept.as_ref().is_some_and(|kept| !kept.is_read_only());
    let stopped = |why, n_done| Fault::LookUps(Stopped { why, n_done, n, is_kept });
    let mut n_done = 0_u64;
    let mut looked_at: Option<Instant> = None;
    let mut answers = stream::iter(to_ask)
        .map(|customer| async move { (customer, asker.ask(customer).await) })
        .buffer_unordered(at_once(sending.concurrency));
    loop {
        if looked_at.is_none_or(|at| LOOK_EVERY <= at.elapsed()) {
            let leave = Leave::at(outbox, sending.rate).await?;
            asker.heed(&leave);
            if looked_at.replace(Instant::now()).is_none() {
                told(Progress::Begins { n, rate: leave.rate });
            }
            if let Some(reason) = leave.paused {
                return Err(stopped(Halt::Paused { reason }.into(), n_done));
            }
        }
        let Some((customer, answer)) = answers.next().await else { return Ok(()) };
        let found = match answer {
            Ok(Asked::Shown(customers)) => choose::choose(&customers),
            Ok(Asked::Not(delivery::Fault::NoCustomers)) => Found::Unreadable,
            Ok(Asked::Not(fault)) => Found::Refused { said: in_its_words(&fault) },
            Err(why) => return Err(stopped(why, n_done)),
        };
        if let Some(kept) = kept {
            kept.keep(customer, &found)?;
        }
        services.insert(customer, found);
        n_done += 1;
        told(Progress::Done { n_done, n });
    }
}

/// What HubSoft said, or the code of what it answered instead: rows have it as it is, in whatever language.
fn in_its_words(fault: &delivery::Fault) -> Box<str> {
    use delivery::Fault::{Http, Refused, Validation};
    match fault {
        Refused { said: Some(said) } | Validation { said: Some(said) } | Http { said: Some(said), .. } => {
            said.as_str().into()
        }
        other => other.code().into(),
    }
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
