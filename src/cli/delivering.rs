//! A run as a person sees it: the question before it, how far it is, and who ended it.

use std::time::Duration;

use super::exit::Signal;
pub use super::halts::why_ended;
use super::progress::Progress;
use super::screen::Screen;
use crate::app::deliver;
pub use crate::app::deliver::{leave, policy};
use crate::app::fault::Fault;
pub use crate::app::target::Target;
use crate::delivery::{Control, Ending, Outbox, Policy, Watch};
use crate::outbox::{AnyOutbox, AnyWorker};

/// Between two words to those who look at the outbox from outside.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// How a run ended, and who asked for it.
pub struct Run {
    pub ending: Ending,
    pub signal: Option<Signal>,
}

/// What a person sees of a run.
pub struct Sight<'a> {
    /// Rows to deliver, where that is known.
    pub n_rows: Option<u64>,
    /// Tells others how far it is.
    pub outbox: &'a AnyOutbox,
    /// Said once a signal would stop the run cleanly.
    pub headline: &'a str,
    pub screen: &'a Screen,
}

/// [`deliver::deliver`] under the eyes of a person. `watch` looks on besides.
pub async fn deliver(
    worker: &AnyWorker<'_>,
    queue: &impl Outbox,
    target: &Target,
    policy: &Policy,
    control: Control,
    sight: Sight<'_>,
    watch: &impl Watch,
) -> Result<Ending, Fault> {
    sight.screen.note(sight.headline);
    let progress = Progress::new(sight.screen, sight.n_rows, policy.rate);
    let watch = (&progress, watch);
    let run = deliver::deliver(worker, queue, target, policy, control, &watch);
    look_on(&progress, sight.outbox, run).await
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
