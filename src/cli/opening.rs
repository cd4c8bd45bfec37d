//! The run of an import: opens what was taken in, and tells how far it is.

use jiff::Timestamp;

use super::exit::Run;
use super::failure::Failure;
use super::progress::Progress;
use super::screen::Screen;
use super::signals::Signals;
use super::telling::Telling;
use crate::app::import::{Plan, TakenIn};
use crate::app::progress::{Extent, at_most};
use crate::app::target::Target;
use crate::delivery::{Control, HUBSOFT_RATE, Policy, Rate, Reason};
use crate::language::times;
use crate::service::RowLog;

/// Warns of a rate that HubSoft does not bear, before a run whose target is a real one.
pub fn warn_of_rate(rate: Rate, target: &Target, screen: &Screen) {
    if target.is_remote() && rate.is_above(HUBSOFT_RATE) {
        screen.warn(tr!(
            "`--rate %{rate}` is more than the %{most} that HubSoft documents as its limit for all programs \
             together: what is beyond it may be refused (429), and holds up everybody; `--rate %{most}` stays below",
            rate = rate,
            most = HUBSOFT_RATE
        ));
    }
}

/// Opens the rows, or the first `sample` of them.
pub async fn open(
    taken_in: &TakenIn<'_>,
    target: &Target,
    policy: &Policy,
    plan: &Plan,
    sample: Option<u64>,
    screen: &Screen,
    telling: &Telling<'_>,
) -> Result<Run, Failure> {
    let worker = taken_in.worker(policy).await?;
    let signals = Signals::listen()?;
    let control = Control { stop: signals.stop.clone(), ..Control::default() };
    warn_of_rate(policy.rate, target, screen);
    screen.note(tr!(
        "opening %{n} %{n|ticket|tickets} at %{host}, %{most}%{estimate}",
        n = plan.n_rows,
        host = target.named,
        most = at_most(policy.rate),
        estimate =
            plan.told(times::here(Timestamp::now())).map(|told| format!("; {told}")).unwrap_or_default()
    ));
    let extent = match sample {
        Some(_) => Extent::of_rows(plan.n_rows),
        None => Extent::of_batch(&taken_in.before),
    };
    let progress = Progress::new(screen, Some(extent), policy);
    let looking = telling.looking(Some(&taken_in.read.merged.batch_name), &target.binding);
    let watch = (&progress, &(&RowLog, &looking));
    let run = taken_in.deliver(worker, sample, policy, control, &watch);
    // A run is large, and what looks on would carry it about on the stack.
    let run = telling.beside(&looking, Box::pin(run));
    let ending = progress.follow(taken_in.outbox(), run).await?;
    if ending.reason == Reason::Stopped {
        taken_in.note_stop(None).await;
    }
    telling.ran(&looking, &ending.reason);
    Ok(Run { ending, signal: signals.asked() })
}
