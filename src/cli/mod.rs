//! What a person types. One file a command; prints, asks, and calls the rooms below.

mod args;
mod asking;
mod batches;
mod cancel;
mod catalogue;
mod check;
mod checkup;
mod commands;
mod completions;
mod database;
mod doctor;
mod enqueue;
mod examples;
mod exit;
mod export;
mod failure;
mod faults;
mod findings;
mod halts;
mod help;
mod hidden;
mod import;
mod imported;
mod init;
mod json;
mod login;
mod man;
mod migrate;
mod numbers;
mod open_hints;
mod opening;
mod outcome;
mod pause;
mod problems;
mod progress;
mod purge;
mod questions;
mod reasons;
mod reconcile;
mod resolve;
mod results;
mod resume;
mod retry;
mod sandbox;
mod screen;
mod services;
mod show;
mod signals;
mod status;
mod telling;
mod template;
#[cfg(test)]
mod translated;
mod typed;
mod users;
mod watch;
mod web;
mod worked;
mod worker;
#[cfg(test)]
mod written;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::FromArgMatches;

use crate::language::Language;
use crate::platform;
use crate::printable;
use crate::report;
use crate::service::log::log_to_stderr;
use crate::settings::{Environment, Flags, Sources};
use args::Cli;
use exit::Exit;
use screen::Screen;

/// Runs the command that was typed; after a double click the page, in a window that stays as long as there is
/// something to read.
pub fn main() -> ExitCode {
    let is_clicked = std::env::args_os().len() == 1 && platform::has_own_window();
    let typed = std::env::args_os().chain(is_clicked.then(|| "web".into())).collect();
    let exit = platform::on_a_deep_stack(|| run(typed));
    if is_clicked && exit != Exit::Done {
        eprintln!("{}", tr!("press Enter to close this window"));
        let _ = std::io::stdin().read_line(&mut String::new());
    }
    ExitCode::from(exit as u8)
}

fn run(typed: Vec<OsString>) -> Exit {
    report_panics();
    // Its memory holds tokens, passwords and customers.
    platform::refuse_dumps();
    speak();
    let parsed = help::command().try_get_matches_from(typed);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // Help has its colours; an error repeats what was typed, a file's name perhaps.
            match error.use_stderr() {
                true => eprint!("{}", printable::lines(&help::refusal(error))),
                false => help::print_asked(&error),
            }
            return exit;
        }
    };
    if cli.is_read_by_programs() {
        Language::English.choose();
    }
    let environment = Environment::read();
    let screen = Screen::new(&cli.global, &environment);
    log_to_stderr(cli.global.verbose, cli.global.quiet, cli.global.log_format);
    let command = AssertUnwindSafe(|| {
        typed::refuse_unreadable(std::env::args_os())?;
        commands::run(cli.command, &cli.global, environment, &screen)
    });
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
    match screen.lost() {
        Some(failure) if exit == Exit::Done => {
            screen.fail(&failure);
            failure.exit
        }
        _ => exit,
    }
}

/// Chooses the language before the command line is understood: help and errors are spoken, too.
fn speak() {
    let flag = |name: &str| {
        let mut typed = std::env::args_os().skip(1).take_while(|text| text != "--");
        let found = typed.find_map(|text| Some(text.to_str()?.strip_prefix(name)?.to_owned()))?;
        match found.strip_prefix('=') {
            Some(value) => Some(value.to_owned()),
            None if found.is_empty() => typed.next()?.into_string().ok(),
            None => None,
        }
    };
    let config = flag("--config").map(PathBuf::from);
    Sources::language(Flags::typed(flag("--lang")), config.as_deref()).choose();
}

/// A panic is a defect of ours; it says so, without the values that it met.
fn report_panics() {
    panic::set_hook(Box::new(|info| {
        if report::is_shielded() {
            return;
        }
        let what = match info.location() {
            Some(at) => {
                tr!("error: an internal error at %{file}:%{line}", file = at.file(), line = at.line())
            }
            None => tr!("error: an internal error"),
        };
        eprintln!("{what}");
        eprintln!(
            "{}",
            tr!("hint: nothing that was opened is lost; run the same command again, and report this line")
        );
    }));
}
