//! How a person, a terminal or systemd ends a run.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::failure::Failure;
use crate::platform::{Signal, Stops};

/// A first signal stops the run cleanly; one that comes a second later or more leaves at once, which is as
/// safe as a power cut. Listens on after the run, so that writing the results can be left too.
pub struct Signals {
    pub stop: CancellationToken,
    asked: Arc<OnceLock<Signal>>,
}

/// Signals that come within this are one: a terminal sends Ctrl-C to a script and to what it runs, and the
/// script passes it on.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

impl Signals {
    /// The first that came.
    pub fn asked(&self) -> Option<Signal> {
        self.asked.get().copied()
    }

    pub fn listen() -> Result<Self, Failure> {
        let mut stops = Stops::listen().map_err(|error| {
            Failure::of(Exit::Internal, &error, tr!("this machine refuses signal handlers"))
        })?;
        let signals = Self { stop: CancellationToken::new(), asked: Arc::default() };
        let (stop, asked) = (signals.stop.clone(), Arc::clone(&signals.asked));
        // Not waited for: it listens as long as the process lives.
        tokio::spawn(async move {
            let mut first: Option<Instant> = None;
            loop {
                let signal = stops.next().await;
                match first {
                    None => {
                        first = Some(Instant::now());
                        let _ = asked.set(signal);
                        stop.cancel();
                    }
                    Some(at) if at.elapsed() < ONE_SIGNAL => {}
                    Some(_) => std::process::exit(signal.exit() as i32),
                }
            }
        });
        Ok(signals)
    }
}
