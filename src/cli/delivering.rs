//! A run as a person sees it: how far it is, and who ended it.

use std::time::Duration;

use super::exit::Signal;
use super::progress::Progress;
use crate::delivery::Ending;
use crate::outbox::AnyOutbox;

/// Between two words to those who look at the outbox from outside.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// How a run ended, and who asked for it.
pub struct Run {
    pub ending: Ending,
    pub signal: Option<Signal>,
}

/// Tells how far a run is, as long as it goes: a person, and those who look at the outbox from outside.
pub async fn look_on<T>(progress: &Progress<'_>, outbox: &AnyOutbox, run: impl Future<Output = T>) -> T {
    let told = async {
        let mut ticks = tokio::time::interval(SAY_EVERY);
        loop {
            ticks.tick().await;
            outbox.say(&progress.now());
        }
    };
    let done = tokio::select! {
        done = run => done,
        () = progress.tell() => unreachable!("it tells for ever"),
        () = told => unreachable!("it says for ever"),
    };
    progress.finish();
    done
}
