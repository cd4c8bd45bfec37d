//! `migrate`: makes the outbox in a database, or brings it up to date.

use super::args::{Global, Migrate};
use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app;
use crate::outbox::postgres::{self, Migrated, WakeUp};
use crate::settings::Sources;

pub async fn migrate(
    args: &Migrate,
    sources: impl FnOnce() -> Result<Sources, Failure>,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let wake_up = if args.no_notify { WakeUp::Poll } else { WakeUp::Notify };
    if args.print_roles {
        screen.result_lines(postgres::ROLES.trim_end());
        return Ok(Exit::Done);
    }
    if args.print {
        screen.result_lines(postgres::script(wake_up).trim_end());
        return Ok(Exit::Done);
    }
    let url = sources()?.resolve(&global.database)?.url.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            tr!("no database is named"),
            tr!("set DATABASE_URL, like postgres://user@host/database"),
        )
    })?;
    if args.check {
        app::is_migrated(&url).await?;
        screen.note(tr!("the outbox is up to date"));
        return Ok(Exit::Done);
    }
    let Migrated { from, to } = app::migrate(&url, wake_up).await?;
    screen.note(match from {
        0 => tr!("made the outbox (version %{to})", to = to),
        _ if from == to => tr!("the outbox is up to date (version %{to})", to = to),
        _ => tr!("brought the outbox from version %{from} to %{to}", from = from, to = to),
    });
    Ok(Exit::Done)
}
