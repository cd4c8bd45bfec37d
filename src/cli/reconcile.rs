//! `reconcile`: looks up every row that may have a ticket; posts nothing.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::args::Global;
use super::delivering::{self, Run, Sight, Target};
use super::exit::{self, Exit};
use super::failure::Failure;
use super::results::tell_if_any;
use super::screen::Screen;
use super::signals::Signals;
use super::summary;
use super::typed::Typed;
use super::watching::RowLog;
use crate::app::named::batch_or_all;
use crate::app::place::{Place, RowName};
use crate::app::results::write_again;
use crate::delivery::{Control, Halt, Reason, decide};
use crate::outbox::{LEASE, Scope, Terms};
use crate::settings::{Sending, Sources};

/// `reconcile` is not to wait until a person lets all workers go on.
const PAUSED_MAX: Duration = Duration::ZERO;

/// Beside workers, `reconcile` goes on for so long after the settle delay: time for two look-ups that are far
/// enough apart.
const BESIDE_WORKERS_MAX: Duration = Duration::from_secs(30);
const _: () = assert!(2 * decide::ABSENCES_APART.as_nanos() < BESIDE_WORKERS_MAX.as_nanos());

/// The settings that these commands share.
pub struct Desk<'a> {
    database_url: Option<String>,
    pub(super) screen: &'a Screen,
}

impl<'a> Desk<'a> {
    pub fn new(global: &Global, sources: &Sources, screen: &'a Screen) -> Result<Self, Failure> {
        Ok(Self { database_url: sources.resolve(&global.database)?.url, screen })
    }

    pub(super) fn place(&self, batch: Option<&str>) -> Result<Place, Failure> {
        Ok(Place::find(batch, self.database_url.as_deref(), Path::new(""))?)
    }

    pub(super) fn places_of_row(&self, row: &str) -> Result<Vec<(Place, RowName)>, Failure> {
        Ok(Place::find_row(row, self.database_url.as_deref(), Path::new(""))?)
    }

    /// Looks up every row that may have a ticket; posts nothing.
    pub async fn reconcile(
        &self,
        batch: Option<&str>,
        sending: &Sending,
        sources: &Sources,
    ) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let target = Target::new(sources, sending)?;
        let outbox = place.outbox.open().await?;
        if let Some(folder) = &place.folder {
            target.keep_books(folder)?;
        }
        let info = batch_or_all(outbox.reader(), &place).await?;
        let scope = info.as_ref().map_or(Scope::All, |it| Scope::Batch(it.id));
        outbox.bind_host(&target.binding).await?;
        let counts = outbox.reader().counts(scope).await?;
        let mut policy = delivering::policy(sending);
        policy.guards.paused_max = Some(PAUSED_MAX);
        // While they work there may always be another row in doubt.
        let crew = outbox.reader().crew().await?.filter(|it| 0 < it.n_workers);
        if let Some(crew) = &crew {
            let at_most = policy.settle_delay + BESIDE_WORKERS_MAX;
            policy.guards.until = Some(decide::after(Timestamp::now(), at_most));
            self.screen.note(format!(
                "{} workers are at work, and look up rows in doubt by themselves: this ends after {} s at the latest",
                crew.n_workers,
                at_most.as_secs()
            ));
        }
        // What workers have in flight is theirs.
        let n_in_flight = if crew.is_some() { 0 } else { counts.in_flight };
        let n_unsure = n_in_flight + counts.in_doubt + counts.unconfirmed;
        if counts.in_flight + n_unsure + counts.pending == 0 {
            // Then it does not matter whether HubSoft can be reached.
            let written = write_again(outbox.reader(), &place, info.as_ref()).await?;
            tell_if_any(written.as_ref(), self.screen);
            outbox.close().await?;
            self.screen.note("no row may have a ticket that is not known");
            return Ok(exit::of_counts(&counts));
        }
        let headline = format!("looking up {n_unsure} rows that may have a ticket at {}", target.named);
        let terms = Terms { rate: policy.rate, lease: LEASE, timeout: target.timeout };
        let worker = outbox.register("reconcile", terms).await?;
        let desk = worker.reconciling(scope);
        let signals = Signals::listen()?;
        let control = Control { stop: signals.stop.clone(), ..Control::default() };
        let sight =
            Sight { n_rows: Some(n_unsure), outbox: &outbox, headline: &headline, screen: self.screen };
        let log = RowLog::default();
        let ending = delivering::deliver(&worker, &desk, &target, &policy, control, sight, &log).await?;
        let run = Run { ending, signal: signals.asked() };
        delivering::leave(worker).await;
        let counts = outbox.reader().counts(scope).await?;
        let info = batch_or_all(outbox.reader(), &place).await?;
        let written = write_again(outbox.reader(), &place, info.as_ref()).await?;
        tell_if_any(written.as_ref(), self.screen);
        outbox.close().await?;
        if let Some(failure) = delivering::why_ended(&run.ending.reason) {
            self.screen.fail(&match (&run.ending.reason, &crew) {
                (Reason::Halted(Halt::Until), Some(_)) => failure.with_hint(format!(
                    "the workers go on looking up what is in doubt; `{}` says how far they are",
                    Typed::now().other(&[&["status"], batch.as_slice()].concat())
                )),
                _ => failure,
            });
        }
        self.screen.note(summary::in_words(&counts));
        if 0 < counts.unconfirmed {
            let typed = Typed::now();
            let rest = ["--state", "unconfirmed", "--not-opened"];
            let whole = match batch {
                // It is found again as it was.
                Some(batch) => typed.other(&[&["resolve", batch], &rest[..]].concat()),
                None => typed.at(place.led(true), "resolve", Some("BATCH"), &rest),
            };
            self.screen.note(format!(
                "hint: look the rest up in HubSoft, then `{}`, or `{whole}` for all that have no ticket",
                typed.other(&["resolve", "ROW", "--opened", "PROTOCOLO"])
            ));
        }
        Ok(exit::of_run(&run.ending.reason, run.signal, &counts))
    }
}
