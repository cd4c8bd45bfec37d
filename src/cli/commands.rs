//! Each command, with what it needs of settings and outboxes.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{self, AboutWeb, Command, Global};
use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use super::telling::Telling;
use super::{
    batches, cancel, catalogue, check, completions, database, doctor, enqueue, export, help, import, init,
    man, migrate, pause, purge, reconcile, resolve, resume, retry, sandbox, show, status, template, users,
    watch, web, worker,
};
use crate::app::Asked;
use crate::app::place::Outboxes;
use crate::outbox::Way;
use crate::settings::{Environment, Sources};

pub fn run(
    command: Command,
    global: &Global,
    environment: Environment,
    screen: &Screen,
) -> Result<Exit, Failure> {
    if global.database.has_password() {
        return Err(Failure::new(
            Exit::Usage,
            tr!(
                "--database-url carries a password, which everybody on this machine can see in a list of processes"
            ),
            tr!(
                "set DATABASE_URL in the environment, or name the password's file with PGPASSFILE; change that password"
            ),
        ));
    }
    let settings_file = global.config.clone().or_else(|| environment.settings_to_write());
    // One thread: the engine is one task, and a second core would cost more than it brings.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::of(Exit::Internal, &error, tr!("this machine is out of threads or file handles"))
    })?;
    let done = runtime.block_on(async {
        let sources = || Ok::<_, Failure>(Sources::load(environment, global.config.as_deref())?);
        let outboxes = |sources: &Sources| {
            let url = sources.resolve(&global.database)?.url;
            let user = sources.environment().user();
            Ok::<_, Failure>(Outboxes { url, here: PathBuf::new(), user, way: Way::Terminal })
        };
        match command {
            Command::Import(args) => {
                let (sources, is_told) = (sources()?, !args.dry_run);
                let telling = Telling::new(&args.notify, &sources, screen)?;
                let done = import::import(args, &sources, global, screen, &telling).await;
                if is_told {
                    telling.end(&done).await;
                }
                done
            }
            Command::Check(args) => check::check(args, &sources()?, screen).await,
            Command::Enqueue(args) => enqueue::enqueue(args, &sources()?, global, screen).await,
            Command::Template(args) => template::template(&args, sources, screen).await,
            Command::Status { batch, watch: every } => {
                let places = outboxes(&sources()?)?.all(batch.as_deref())?;
                let asked = if batch.is_some() { Asked::Named } else { Asked::All };
                match every.map(|seconds| Duration::from_secs(seconds.into())) {
                    None => status::status(&places, asked, screen).await,
                    Some(every) => watch::watch(&places, asked, every, screen).await,
                }
            }
            Command::Show { row } => show::show(&outboxes(&sources()?)?.find_row(&row)?, screen).await,
            Command::Export { batch, output, excel_safe, with_people } => {
                let place = outboxes(&sources()?)?.find(batch.as_deref())?;
                export::export(&place, &output, excel_safe, with_people, screen).await
            }
            Command::Reconcile { batch, settings } => {
                let sources = sources()?;
                let sending = sources.resolve(&settings)?;
                let place = outboxes(&sources)?.find(batch.as_deref())?;
                reconcile::reconcile(&place, batch.as_deref(), &sending, &sources, screen).await
            }
            Command::Resolve(args) => {
                let sources = sources()?;
                let sending = sources.resolve(&args.settings)?;
                resolve::resolve(&args, &outboxes(&sources)?, &sending, &sources, screen).await
            }
            Command::Retry { batch, state } => {
                retry::retry(&outboxes(&sources()?)?.find(batch.as_deref())?, &state, screen).await
            }
            Command::Cancel { batch } => {
                cancel::cancel(&outboxes(&sources()?)?.find(Some(&batch))?, &batch, screen).await
            }
            Command::Purge { batch, older_than } => {
                let sources = sources()?;
                let place = outboxes(&sources)?.find(batch.as_deref())?;
                purge::purge(&place, older_than, &sources, screen).await
            }
            Command::Migrate(args) => migrate::migrate(&args, sources, global, screen).await,
            Command::Worker(args) => {
                let sources = sources()?;
                let telling = Telling::new(&args.notify, &sources, screen)?;
                let done = worker::worker(&args, &sources, global, screen, &telling).await;
                telling.end(&done).await;
                done
            }
            Command::Web(args::Web { about: Some(AboutWeb::User(about)), .. }) => {
                users::users(about, &sources()?, screen)
            }
            Command::Web(args) => {
                let sources = sources()?;
                web::web(&args, outboxes(&sources)?, sources, screen).await
            }
            Command::Pause { reason } => {
                let sources = sources()?;
                let user = sources.environment().user();
                pause::pause(&database::named(global, &sources)?, &user, &reason, screen).await
            }
            Command::Resume { lote: Some(lote) } => {
                resume::resume_lote(&outboxes(&sources()?)?.find(Some(&lote))?, screen).await
            }
            Command::Resume { lote: None } => {
                let sources = sources()?;
                let user = sources.environment().user();
                pause::resume(&database::named(global, &sources)?, &user, screen).await
            }
            Command::Doctor { settings } => doctor::doctor(&settings, &sources()?, global, screen).await,
            Command::Catalogue { settings } => catalogue::catalogue(&settings, &sources()?, screen).await,
            Command::Init => init::init(settings_file.as_deref(), screen).await,
            Command::Sandbox(args) => sandbox::sandbox(args, screen).await,
            Command::Completions { shell } => Ok(completions::completions(shell, screen)),
            Command::Help { command } => help::print(command.as_deref()),
            Command::Man { output: Some(folder), .. } => man::man_to(&folder, screen),
            Command::Man { command, output: None } => man::man(command.as_deref(), screen),
            // Who completes a line is not told what is wrong with settings.
            Command::Batches => Ok(match sources().and_then(|sources| outboxes(&sources)) {
                Ok(outboxes) => batches::batches(&outboxes, screen).await,
                Err(_) => Exit::Done,
            }),
        }
    });
    // The name of a host that is still being looked up must not hold up an end.
    runtime.shutdown_background();
    done
}
