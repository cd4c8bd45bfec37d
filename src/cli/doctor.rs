//! `doctor`: tries everything that a run needs, one line each.

use super::args::Global;
use super::exit::Exit;
use super::failure::Failure;
use super::found::Told;
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
    let told = Told::new(screen);
    let tried = async {
        let sending = sources.resolve(flags)?;
        let target = Target::new(sources, &sending)?;
        told.ok("settings", &format!("ok, HubSoft at {}", target.named));
        let url = sources.resolve(&global.database)?.url;
        Ok(app::doctor(&target, sending.rate, url.as_deref(), |it| told.tell(it)).await?)
    };
    let exit = match tried.await {
        Ok(()) => told.exit(),
        Err(failure) if !screen.json => return Err(failure),
        Err(failure) => {
            screen.fail(&failure);
            told.wrong("run", &failure.in_a_line());
            failure.exit
        }
    };
    if screen.json {
        screen.result_json(told.json(exit));
    }
    Ok(exit)
}
