//! A worker's household, beside its run: the lease is renewed, the dead are buried, and whoever
//! listens is woken.

use std::convert::Infallible;
use std::time::Duration;

use super::lease::Worker;
use super::listen::{Listener, Woken};

/// So often within a lease it is renewed.
const RENEWALS: u32 = 6;

/// Between tries of a database that did not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// While inserts wake the worker, it polls so many times as seldom.
const AWAKE: u32 = 5;

impl Worker {
    /// Renews the lease and takes in what dead workers left in flight, for ever. `rescued` hears of how
    /// many rows that were. Runs beside the run: a lease that is not renewed claims nothing.
    pub async fn keep(&self, rescued: impl Fn(u64)) -> Infallible {
        let mut wait = self.lease() / RENEWALS;
        loop {
            tokio::time::sleep(wait).await;
            let kept = match self.renew().await {
                Ok(()) => self.rescue().await,
                Err(error) => Err(error),
            };
            // An error: the run meets it as well, and says so.
            wait = match kept {
                Ok(n_rows) => {
                    if 0 < n_rows {
                        rescued(n_rows);
                    }
                    self.lease() / RENEWALS
                }
                Err(_) => AGAIN,
            };
        }
    }
}

/// Listens for inserts as long as it can, and polls besides.
pub(super) struct Ear {
    listener: Listener,
    is_listening: bool,
}

impl Ear {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener, is_listening: false }
    }

    /// Waits until rows may have come. Dropping the future loses nothing.
    pub(super) async fn woken(&mut self, poll: Duration) {
        let wait = if self.is_listening { poll * AWAKE } else { poll };
        tokio::select! {
            biased;
            // Also when it begins to listen, or can no longer: rows may have come meanwhile.
            woken = self.listener.woken() => self.is_listening = woken != Woken::Deaf,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
