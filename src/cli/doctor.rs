//! `doctor`: tries everything that a run needs, one line each.

use super::args::Global;
use super::checkup::Checkup;
use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app;
use crate::app::target::Target;
use crate::settings::{Flags, Sending, Sources};

pub async fn doctor(
    flags: &Flags<Sending>,
    sources: &Sources,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let checkup = Checkup::new(screen);
    let tried = async {
        let sending = sources.resolve(flags)?;
        let target = Target::new(sources, &sending)?;
        checkup.ok(&tr!("settings"), &tr!("ok, HubSoft at %{host}", host = target.named));
        let url = sources.resolve(&global.database)?.url;
        Ok(app::doctor(&target, sending.rate, url.as_deref(), |step| checkup.tell(step)).await?)
    };
    let exit = match tried.await {
        Ok(()) => checkup.exit(),
        Err(failure) if !screen.json => return Err(failure),
        Err(failure) => {
            screen.fail(&failure);
            checkup.wrong(&tr!("run"), &failure.in_a_line());
            failure.exit
        }
    };
    if screen.json {
        screen.result_json(checkup.json(exit));
    }
    Ok(exit)
}
