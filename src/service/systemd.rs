//! What systemd hears of a worker (`sd_notify(3)`). Where nobody listens, nothing is said.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::Instant;

use crate::platform::{Told, tell_service_manager, watchdog};

/// Between two texts for `systemctl status`, at least: a worker may change many times a second.
const STATUS_EVERY: Duration = Duration::from_secs(3);

pub struct Systemd {
    /// `WATCHDOG_USEC`: silent for so long, the worker is taken for stuck and started anew.
    watchdog: Option<Duration>,
    fed: Cell<Option<Instant>>,
    /// The last text that was sent, and when.
    status: RefCell<Option<(Instant, String)>>,
}

impl Systemd {
    pub fn from_env() -> Self {
        Self { watchdog: watchdog(), fed: Cell::default(), status: RefCell::default() }
    }

    pub fn ready(&self) {
        self.send(Told::Ready);
    }

    pub fn stopping(&self) {
        self.send(Told::Stopping);
    }

    /// How often [`Self::feed`] must be called: a quarter of the watchdog, so that with
    /// what [`Self::feed`] leaves out, two always fall within half of it.
    pub fn feed_every(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 4)
    }

    /// The loop turns.
    pub fn feed(&self) {
        let Some(least) = self.watchdog.map(|watchdog| watchdog / 8) else { return };
        if self.fed.get().is_none_or(|at| least <= at.elapsed()) {
            self.fed.set(Some(Instant::now()));
            self.send(Told::Alive);
        }
    }

    /// For `systemctl status`; said if it is new, and not too soon after the last.
    pub fn status(&self, text: String) {
        let mut status = self.status.borrow_mut();
        let is_due = status.as_ref().is_none_or(|(at, last)| *last != text && STATUS_EVERY <= at.elapsed());
        if is_due {
            self.send(Told::Status(&text));
            *status = Some((Instant::now(), text));
        }
    }

    fn send(&self, state: Told<'_>) {
        // A worker must not stop working because nobody hears it; the watchdog notices.
        if let Err(error) = tell_service_manager(state) {
            tracing::debug!(%error, "systemd could not be told");
        }
    }
}
