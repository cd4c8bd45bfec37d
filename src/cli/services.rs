//! Services found by their customers' numbers, before anything is taken in.

use super::failure::Failure;
use super::screen::Screen;
use crate::app::batches::Work;
use crate::app::progress::at_most;
use crate::app::services::{Kept, Progress, Tally, find};
use crate::app::sheet::Sheet;
use crate::app::target::Target;
use crate::intake::{Hashing, Intake};
use crate::outbox::Address;
use crate::settings::{Sending, Sources};

/// Between two lines about how far it is. Customers.
const TOLD_EVERY: u64 = 500;

/// Opens `sheet` for its import, with the services of its customers if they are to be found, and tells what
/// came of that.
///
/// Without `target`, in a dry run, HubSoft is asked and nothing left behind.
pub async fn of_import(
    sheet: &mut Sheet,
    intake: Intake,
    work: &Work,
    target: Option<&Target>,
    sources: &Sources,
    sending: &Sending,
    screen: &Screen,
) -> Result<(Intake, Option<Tally>), Failure> {
    if !sheet.reading.find_service {
        return Ok((sheet.unread(intake, Hashing::Sha256)?, None));
    }
    drop(intake);
    let tally = match target {
        Some(target) => {
            let kept = Kept::of(work, &target.binding)?;
            look_up(sheet, target, sending, Some(&work.outbox), Some(kept), screen).await?
        }
        None => {
            let target = Target::new(sources, sending)?;
            let kept = Kept::only_read(work, &target.binding);
            look_up(sheet, &target, sending, Some(&work.outbox), Some(kept), screen).await?
        }
    };
    Ok((sheet.open(Hashing::Sha256)?, Some(tally)))
}

/// Looks the customers of `sheet` up beside the workers of `outbox`, says what came of it, and holds it for
/// the sheet.
pub async fn look_up(
    sheet: &mut Sheet,
    target: &Target,
    sending: &Sending,
    outbox: Option<&Address>,
    kept: Option<Kept>,
    screen: &Screen,
) -> Result<Tally, Failure> {
    let told = |progress| {
        match progress {
        Progress::Begins { n, rate } => screen.note(tr!(
            "looking up the services of %{n} %{n|customer|customers} at %{host}, %{most}; nothing is opened by that",
            n = n,
            host = target.named,
            most = at_most(rate)
        )),
        Progress::Done { n_done, n } if n_done.is_multiple_of(TOLD_EVERY) => {
            screen.note(tr!("%{done} of %{n} looked up", done = n_done, n = n));
        }
        Progress::Done { .. } => {}
    }
    };
    let tally = find(sheet, target, sending, outbox, kept, told).await?;
    screen.notes(tally.lines());
    Ok(tally)
}
