//! What a person types. One file a command; prints, asks, and calls the rooms below.

mod args;
mod asking;
mod cancel;
mod check;
mod clock;
mod database;
mod delivering;
mod doctor;
mod enqueue;
mod exit;
mod export;
mod failure;
mod faults;
mod findings;
mod forecast;
mod halts;
mod import;
mod imported;
mod merged;
mod migrate;
mod pause;
mod progress;
mod purge;
mod reconcile;
mod resolve;
mod results;
mod resume;
mod retry;
mod sandbox;
mod screen;
mod shell;
mod show;
mod signals;
mod status;
mod summary;
mod template;
mod typed;
mod watching;
mod worker;
#[cfg(test)]
mod written;

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::app::place::Outboxes;
use crate::printable;
use crate::report;
use crate::settings::{Environment, Sources};
use crate::telemetry;
use args::{Cli, Command, Global};
use exit::Exit;
use failure::Failure;
use screen::Screen;

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    report_panics();
    refuse_dumps();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help has its colours; an error repeats what was typed, a file's name perhaps.
            match error.use_stderr() {
                true => eprint!("{}", printable::lines(&error.render().to_string())),
                false => drop(error.print()),
            }
            return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { Exit::Done as u8 });
        }
    };
    let environment = Environment::read();
    let screen = Screen::new(&cli.global, &environment);
    telemetry::log_to_stderr(cli.global.verbose, cli.global.quiet, cli.global.log_format);
    let command = AssertUnwindSafe(|| run(cli.command, &cli.global, environment, &screen));
    let exit = match panic::catch_unwind(command) {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            screen.fail(&failure);
            if screen.json {
                screen.result_json(failure.json());
            }
            failure.exit
        }
        Err(_) => Exit::Internal,
    };
    let exit = match screen.lost() {
        Some(failure) if exit == Exit::Done => {
            screen.fail(&failure);
            failure.exit
        }
        _ => exit,
    };
    ExitCode::from(exit as u8)
}

/// No core of it is written, and no other program of the user's attaches to it: its memory holds tokens,
/// passwords and customers. Where the kernel does not know how, it goes without.
fn refuse_dumps() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// A panic is a defect of ours; it says so, without the values that it met.
fn report_panics() {
    panic::set_hook(Box::new(|info| {
        if report::is_shielded() {
            return;
        }
        let place = info.location().map(|it| format!(" at {}:{}", it.file(), it.line())).unwrap_or_default();
        eprintln!("error: an internal error{place}");
        eprintln!("hint: nothing that was opened is lost; run the same command again, and report this line");
    }));
}

fn run(
    command: Command,
    global: &Global,
    environment: Environment,
    screen: &Screen,
) -> Result<Exit, Failure> {
    if global.database.has_password() {
        return Err(Failure::new(
            Exit::Usage,
            "--database-url carries a password, which everybody on this machine can see in a list of processes",
            "set DATABASE_URL in the environment, or name the password's file with PGPASSFILE; change that password",
        ));
    }
    // One thread: the engine is one task, and a second core would cost more than it brings.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::of(Exit::Internal, &error, "this machine is out of threads or file handles")
    })?;
    let done = runtime.block_on(async {
        let sources = || Ok::<_, Failure>(Sources::load(environment, global.config.as_deref())?);
        let outboxes = |sources: &Sources| {
            let url = sources.resolve(&global.database)?.url;
            Ok::<_, Failure>(Outboxes { url, here: PathBuf::new() })
        };
        match command {
            Command::Import(args) => import::import(args, &sources()?, global, screen).await,
            Command::Check(args) => check::check(args, &sources()?, screen).await,
            Command::Enqueue(args) => enqueue::enqueue(args, &sources()?, global, screen).await,
            Command::Template { file } => template::template(file.as_deref(), screen),
            Command::Status { batch } => {
                status::status(&outboxes(&sources()?)?.all(batch.as_deref())?, screen).await
            }
            Command::Show { row } => show::show(&outboxes(&sources()?)?.find_row(&row)?, screen).await,
            Command::Export { batch, output, excel_safe } => {
                let place = outboxes(&sources()?)?.find(batch.as_deref())?;
                export::export(&place, &output, excel_safe, screen).await
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
                purge::purge(&outboxes(&sources()?)?.find(batch.as_deref())?, older_than, screen).await
            }
            Command::Migrate(args) => migrate::migrate(&args, sources, global, screen).await,
            Command::Worker(args) => worker::worker(&args, &sources()?, global, screen).await,
            Command::Pause { reason } => {
                pause::pause(&database::named(global, &sources()?)?, &reason, screen).await
            }
            Command::Resume { lote: Some(lote) } => {
                resume::resume_lote(&outboxes(&sources()?)?.find(Some(&lote))?, screen).await
            }
            Command::Resume { lote: None } => {
                pause::resume(&database::named(global, &sources()?)?, screen).await
            }
            Command::Doctor { settings } => doctor::doctor(&settings, &sources()?, global, screen).await,
            Command::Sandbox(args) => sandbox::sandbox(args, screen).await,
            Command::Completions { shell } => Ok(shell::completions(shell, screen)),
            Command::Man => Ok(shell::man(screen)),
        }
    });
    // The name of a host that is still being looked up must not hold up an end.
    runtime.shutdown_background();
    done
}
