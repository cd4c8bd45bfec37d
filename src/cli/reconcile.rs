//! `reconcile`: looks up every row that may have a ticket; posts nothing.

use std::borrow::Cow;
use std::time::Duration;

use super::exit::{self, Exit};
use super::failure::Failure;
use super::halts::why_ended;
use super::outcome::{self, Next};
use super::progress::Progress;
use super::results;
use super::screen::Screen;
use super::signals::Signals;
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::counted;
use crate::app::place::Place;
use crate::app::progress::Extent;
use crate::app::reconcile::{BesideWorkers, Unsure};
use crate::app::sheet::ColumnNames;
use crate::app::target::Target;
use crate::delivery::{Control, Halt, Reason};
use crate::language::said;
use crate::report::ERRORS;
use crate::service::RowLog;
use crate::settings::{Sending, Sources};

/// `batch`: as it was typed.
pub async fn reconcile(
    place: &Place,
    batch: Option<&str>,
    sending: &Sending,
    sources: &Sources,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let target = Target::new(sources, sending)?;
    let unsure = Unsure::find(place, &target, sending).await?;
    if let Some(BesideWorkers { n_workers, at_most }) = unsure.beside {
        screen.note(tr!(
            "%{n} %{n|worker is|workers are} at work, and look up rows in doubt by themselves: this ends after %{time} at the latest",
            n = n_workers,
            time = Duration::from_secs(at_most.as_secs())
        ));
    }
    if unsure.is_settled {
        let done = unsure.end().await?;
        results::tell_if_any(done.results.as_ref(), screen);
        screen.note(tr!("no row may have a ticket that is not known"));
        return Ok(results::exit(done.results.as_ref(), exit::of_counts(&done.counts)));
    }
    let (n_rows, is_beside_workers) = (unsure.n_rows, unsure.beside.is_some());
    let worker = unsure.worker().await?;
    let signals = Signals::listen()?;
    let control = Control { stop: signals.stop.clone(), ..Control::default() };
    screen.note(tr!(
        "looking up %{n} %{n|row|rows} that may have a ticket at %{host}",
        n = n_rows,
        host = target.named
    ));
    let progress = Progress::new(screen, Some(Extent::of_rows(n_rows)), unsure.policy());
    let watch = (&progress, &RowLog);
    let ending = progress.follow(unsure.outbox(), unsure.look_up(worker, control, &watch)).await?;
    let signal = signals.asked();
    let done = unsure.end().await?;
    results::tell_if_any(done.results.as_ref(), screen);
    if let Some(failure) = why_ended(&ending.reason) {
        screen.fail(&match &ending.reason {
            Reason::Halted(Halt::Until) if is_beside_workers => failure.with_hint(tr!(
                "the workers go on looking up what is in doubt; `%{status}` says how far they are",
                status = Typed::now().at(Led::Setting, "status", batch, &[])
            )),
            _ => failure,
        });
    }
    screen.note(counted::in_words(&done.counts));
    let errors = done.results.as_ref().map(|written| written.folder.join(ERRORS));
    let next = Next {
        corrected: errors.map(|errors| Typed::now().import_of(&errors)),
        again: None,
        led: place.led(true),
        batch: done.batch.as_deref(),
    };
    outcome::tell(&done.counts, &done.reasons, &ColumnNames::new(), Some(&next), screen);
    if 0 < done.counts.unconfirmed {
        screen.note(how_to_resolve(place, batch));
    }
    let exit = exit::of_run(&ending.reason, signal, &done.counts);
    Ok(results::exit(done.results.as_ref(), exit))
}

fn how_to_resolve(place: &Place, batch: Option<&str>) -> Cow<'static, str> {
    let typed = Typed::now();
    let rest = ["--state", "unconfirmed", "--not-opened"];
    let whole = match batch {
        // It is found again as it was.
        Some(batch) => typed.at(Led::Setting, "resolve", Some(batch), &rest),
        None => typed.at(place.led(true), "resolve", Some(&*said("BATCH")), &rest),
    };
    tr!(
        "hint: look the rest up in HubSoft, then `%{one}`, or `%{whole}` for all that have no ticket",
        one = typed.other(&["resolve", &said("ROW"), "--opened", &said("PROTOCOLO")]),
        whole = whole
    )
}
