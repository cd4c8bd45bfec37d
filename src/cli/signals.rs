//! How a person, a terminal or systemd ends a run.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Signal};
use super::failure::Failure;

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
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::of(Exit::Internal, &error, tr!("this machine refuses signal handlers"))
            })
        };
        let (mut interrupt, mut terminate) =
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        // A terminal that was closed stops a run as `kill` does; under `nohup` nobody is to be stopped.
        let mut hang_up = if ignores_hang_ups() { None } else { Some(listen(SignalKind::hangup())?) };
        let signals = Self { stop: CancellationToken::new(), asked: Arc::default() };
        let (stop, asked) = (signals.stop.clone(), Arc::clone(&signals.asked));
        // Not waited for: it listens as long as the process lives.
        tokio::spawn(async move {
            let mut first: Option<Instant> = None;
            loop {
                let signal = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                    () = received(hang_up.as_mut()) => Signal::Terminate,
                };
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

async fn received(signal: Option<&mut tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the process was started with hang-ups ignored, as `nohup` does. Where the kernel does not say: no.
fn ignores_hang_ups() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignored(&status, SignalKind::hangup()))
}

/// Reads `SigIgn` of proc(5): a bit a signal, in hexadecimal, the first signal's being the lowest.
fn ignored(status: &str, kind: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hang_ups_that_nohup_had_ignored_stay_ignored() {
        for (status, expected) in [
            ("Name:\tmutirao\nSigIgn:\t0000000000000001\n", true),
            ("SigIgn:\t0000000000001001\n", true),
            ("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", false), // SIGPIPE, as Rust has it.
            ("SigIgn:\twhat\n", false),
            ("", false),
        ] {
            assert_eq!(ignored(status, SignalKind::hangup()), expected, "{status}");
        }
    }
}
