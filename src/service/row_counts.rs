//! Counts the rows of an outbox now and then, for its metrics.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout};

use super::metrics::Metrics;
use crate::outbox::{Address, Scope, Status};

/// Between two counts of the rows: at least this, and [`COUNT_SHARE`] times as long as the last one
/// took, so that a large outbox is not kept busy by being looked at.
const COUNT_EVERY: Duration = Duration::from_secs(30);
const COUNT_SHARE: u32 = 50;

/// A count that takes so long does not come any more: the connection is dead.
const COUNT_MAX: Duration = Duration::from_secs(120);

/// Counts as long as it is polled.
pub async fn count(address: &Address, metrics: &Metrics) -> Infallible {
    let mut read_only = None;
    loop {
        let began = Instant::now();
        if read_only.is_none() {
            read_only = address.look().await.ok();
        }
        if let Some(looking) = &read_only {
            match timeout(COUNT_MAX, looking.reader().status(Scope::All, Timestamp::now())).await {
                Ok(Ok(status)) => counted(&status, metrics),
                _ => read_only = None,
            }
        }
        sleep_until(Instant::now() + COUNT_EVERY.max(began.elapsed() * COUNT_SHARE)).await;
    }
}

fn counted(status: &Status, metrics: &Metrics) {
    metrics.set_rows(&status.counts);
    let now = Timestamp::now();
    let age_s = |since: Option<Timestamp>| {
        since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
    };
    metrics.oldest_pending_age.set(age_s(status.oldest_pending));
    metrics.oldest_unconfirmed_age.set(age_s(status.oldest_unconfirmed));
}
