//! Looks, every few seconds, at what a worker needs: the database, and HubSoft. A worker without work would
//! not notice that either is away.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::metrics::Metrics;
use super::readiness::{Readiness, SILENT};
use crate::outbox::{Address, Ping};
use crate::printable;

/// Between two looks at whether the database and HubSoft can be reached, and between two while they cannot;
/// and the longest wait for either. Readiness has to follow within 5 s: a look that just missed a change, and
/// the next one, must fit in, and after a return a probe besides.
const LOOK_EVERY: Duration = Duration::from_millis(2900);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(2);

/// So many looks in a row find the database ill before a person hears so: one may have come at a bad moment.
const LOOKS_BEFORE_WORDS: u64 = 2;

// Whoever reads its log hears within 10 s that a worker cannot work, also if a look that took its time just
// missed it.
const _: () = assert!(
    LOOK_EVERY.as_millis()
        + LOOK_MAX.as_millis() * (LOOKS_BEFORE_WORDS as u128 + 1)
        + LOOK_AGAIN.as_millis() * (LOOKS_BEFORE_WORDS as u128 - 1)
        < 10_000
);

/// What a person should hear of a worker, and its run has not said by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed<'a> {
    /// The database cannot be worked with, for this reason.
    DatabaseIll(&'a str),
    DatabaseWell,
}

/// Sees whether HubSoft (`host:port`) takes connections; `returned` hears that it does so again. A worker
/// that waits for its next probe would notice late.
pub async fn at_api(address: &str, readiness: &Readiness, returned: &Notify) -> Infallible {
    let mut was_near = true;
    loop {
        let is_near = matches!(timeout(LOOK_MAX, TcpStream::connect(address)).await, Ok(Ok(_)));
        readiness.saw_api(is_near);
        if is_near && !was_near {
            returned.notify_one();
        }
        was_near = is_near;
        sleep(if is_near { LOOK_EVERY } else { LOOK_AGAIN }).await;
    }
}

/// Sees whether the outbox answers and lets a worker work. An idle one would notice late, or (what it may not
/// write) only when there is work.
pub async fn at_outbox(
    address: &Address,
    readiness: &Readiness,
    metrics: &Metrics,
    tell: impl Fn(Noticed<'_>),
) -> Infallible {
    let (mut ping, mut n_ill, mut is_told) = (None, 0_u64, false);
    loop {
        let asked = timeout(LOOK_MAX, ask(ping, address, metrics)).await;
        let (answered, why) = match asked {
            Ok(Ok(ping)) => (Some(ping), String::new()),
            Ok(Err(why)) => (None, why),
            Err(_) => (None, SILENT.to_owned()),
        };
        ping = answered;
        n_ill = if ping.is_some() { 0 } else { n_ill.saturating_add(1) };
        if is_told && n_ill == 0 {
            is_told = false;
            tell(Noticed::DatabaseWell);
        } else if !is_told && LOOKS_BEFORE_WORDS <= n_ill && readiness.works() {
            is_told = true;
            tell(Noticed::DatabaseIll(&why));
        }
        readiness.saw_database(why);
        sleep(if ping.is_some() { LOOK_EVERY } else { LOOK_AGAIN }).await;
    }
}

/// Asks with `ping`, or a new one if it is broken. Returns the one that was answered, or what is wrong.
async fn ask(ping: Option<Ping>, address: &Address, metrics: &Metrics) -> Result<Ping, String> {
    if let Some(mut ping) = ping {
        let began = Instant::now();
        if ping.ask().await.is_ok() {
            metrics.database_round_trip.observe(began.elapsed().as_secs_f64());
            return Ok(ping);
        }
    }
    let mut ping = address.ping().await.map_err(|error| in_words(&error))?;
    ping.ask().await.map_err(|error| in_words(&error))?;
    Ok(ping)
}

/// What is wrong with the database, and why, in a line.
fn in_words(error: &dyn Error) -> String {
    let mut text = format!("the database: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    printable::line(&text, printable::LINE_CHARS_MAX).into_owned()
}
