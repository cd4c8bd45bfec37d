//! What a person types. One file a command; prints, asks, and calls the rooms below.

mod after;
mod args;
mod batches;
mod check;
mod delivering;
mod doctor;
mod enqueue;
mod exit;
mod failure;
mod findings;
mod forecast;
mod import;
mod migrate;
mod place;
mod progress;
mod reading;
mod resolve;
mod results;
mod room;
mod sandbox;
mod screen;
mod shell;
mod signals;
mod status;
mod summary;
mod template;
mod typed;
mod watching;
mod worker;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;

use crate::outbox::{OpenError, OpenFault, has_password};
use crate::printable;
use crate::report::{self, Guard};
use crate::settings::{Config, ConfigError};
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
    let screen = Screen::new(&cli.global);
    telemetry::log_to_stderr(cli.global.verbose, cli.global.quiet, cli.global.log_format);
    let command = AssertUnwindSafe(|| run(cli.command, &cli.global, &screen));
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

/// No core of it is written, and no other program of the user's attaches to it: its memory holds tokens, passwords and
/// customers. Where the kernel does not know how, it goes without.
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

fn run(command: Command, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    if global.database_url.as_deref().is_some_and(has_password) {
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
        let after =
            || Ok::<_, Failure>(after::Desk::new(global, &Config::load(global.config.as_deref())?, screen));
        match command {
            Command::Import(args) => import::import(args, global, screen).await,
            Command::Check(args) => check::check(args, global, screen).await,
            Command::Enqueue(args) => enqueue::enqueue(args, global, screen).await,
            Command::Template { file } => template::template(file.as_deref(), screen),
            Command::Status { batch } => after()?.status(batch.as_deref()).await,
            Command::Show { row } => after()?.show(&row).await,
            Command::Export { batch, output, excel_safe } => {
                let guard = if excel_safe { Guard::ExcelSafe } else { Guard::Faithful };
                after()?.export(batch.as_deref(), &output, guard).await
            }
            Command::Reconcile { batch, mut delivery } => {
                let mut config = Config::load(global.config.as_deref())?;
                config.complete_delivery(&mut delivery);
                after::Desk::new(global, &config, screen)
                    .reconcile(batch.as_deref(), &delivery, &config)
                    .await
            }
            Command::Resolve(mut args) => {
                let mut config = Config::load(global.config.as_deref())?;
                config.complete_delivery(&mut args.delivery);
                after::Desk::new(global, &config, screen).resolve(&args, &config).await
            }
            Command::Retry { batch, state } => after()?.retry(batch.as_deref(), &state).await,
            Command::Cancel { batch } => after()?.cancel(&batch).await,
            Command::Purge { batch, older_than } => after()?.purge(batch.as_deref(), older_than).await,
            Command::Migrate(args) => migrate::migrate(&args, global, screen).await,
            Command::Worker(args) => worker::worker(args, global, screen).await,
            Command::Pause { reason } => worker::pause(&reason, global, screen).await,
            Command::Resume { lote: Some(lote) } => after()?.resume(&lote).await,
            Command::Resume { lote: None } => worker::resume(global, screen).await,
            Command::Doctor { delivery } => doctor::doctor(delivery, global, screen).await,
            Command::Sandbox(args) => sandbox::sandbox(args, screen).await,
            Command::Completions { shell } => Ok(shell::completions(shell, screen)),
            Command::Man => Ok(shell::man(screen)),
        }
    });
    // The name of a host that is still being looked up must not hold up an end.
    runtime.shutdown_background();
    done
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of(Exit::Usage, &error, error.hint())
    }
}

/// Whether there was no room left: a guard, and the command can go on once there is.
fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

impl From<OpenFault> for Failure {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::File(error) => error.into(),
            OpenFault::Postgres(error) => error.into(),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Locked { .. } => Exit::Busy,
            OpenError::Outbox { source: crate::delivery::OutboxError::Full(_), .. } => Exit::Guard,
            OpenError::Io { source, .. } if is_full(source) => Exit::Guard,
            _ => Exit::Usage,
        };
        Self::of(exit, &error, error.hint())
    }
}

impl From<crate::delivery::OutboxError> for Failure {
    fn from(error: crate::delivery::OutboxError) -> Self {
        use crate::delivery::OutboxError::{Broken, Full, Unavailable};
        let (exit, hint) = match error {
            Full(_) => {
                (Exit::Guard, "free some space and run the same command again: it goes on where it stopped")
            }
            Unavailable(_) => (Exit::Unreachable, "run the same command again: it goes on where it stopped"),
            Broken(_) => (Exit::Internal, "keep the outbox as it is, and look at the disk or the database"),
        };
        Self::of(exit, &error, hint)
    }
}
