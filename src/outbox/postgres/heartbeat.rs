//! What a worker does beside its run: it renews its lease, and takes in what dead workers left.

use std::convert::Infallible;
use std::time::Duration;

use super::lease::{Peers, RENEWALS, RENEWALS_BEFORE_RESCUE, Worker};
use super::session::ANSWER_MAX;
use crate::delivery::CLAIM_AGE_MAX;
use crate::outbox::LEASE;

const _: () = assert!(
    CLAIM_AGE_MAX.as_secs() * RENEWALS as u64 + LEASE.as_secs() < LEASE.as_secs() * RENEWALS as u64,
    "a lease that was renewed one time ago must still be good for a claim"
);

/// While no lease has run out, the rows in flight are looked through every so many renewals only: for
/// those of a worker whose lease is no longer there at all.
const RENEWALS_PER_ROUND: u32 = 6;

/// Between tries of a database that did not answer.
const AGAIN: Duration = Duration::from_secs(1);
const _: () = assert!(
    (2 * ANSWER_MAX.as_secs() + AGAIN.as_secs()) * (RENEWALS as u64)
        < LEASE.as_secs() * (RENEWALS_BEFORE_RESCUE as u64),
    "whose call hangs when the database comes back, and whose next takes as long, is not taken for dead"
);

impl Worker {
    /// Renews the lease, takes in what dead workers left in flight, and parks what cannot go, for ever.
    /// `rescued` hears of how many rows that were. Runs beside the run: a lease that is not renewed claims
    /// nothing.
    pub async fn heartbeat(&self, rescued: impl Fn(u64)) -> Infallible {
        // Dropping either loses nothing.
        tokio::select! {
            never = self.keep_lease(rescued) => never,
            never = self.keep_order() => never,
        }
    }

    async fn keep_lease(&self, rescued: impl Fn(u64)) -> Infallible {
        let mut wait = self.renewed_every();
        let mut n_renewals = 0_u32;
        loop {
            tokio::time::sleep(wait).await;
            let kept = match self.renew().await {
                Ok(peers) => {
                    n_renewals = n_renewals.wrapping_add(1);
                    match peers {
                        Peers::Alive if !n_renewals.is_multiple_of(RENEWALS_PER_ROUND) => Ok(0),
                        _ => self.rescue().await,
                    }
                }
                Err(error) => Err(error),
            };
            // An error: the run meets it as well, and says so. One row that cannot be rescued is none.
            wait = match kept {
                Ok(n_rows) => {
                    if 0 < n_rows {
                        rescued(n_rows);
                    }
                    self.renewed_every()
                }
                Err(_) => AGAIN,
            };
        }
    }
}
