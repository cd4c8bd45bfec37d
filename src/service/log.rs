//! Log lines of a process, on stderr. One reads alone; it carries row ids, never names, phones or secrets.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use crate::printable::{self, LINE_CHARS_MAX};

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Who tells a person the story of a command. Where log lines are JSON, that is told in such lines too, so
/// that every line is one.
pub const STORY: &str = "story";

/// Sends log lines to stderr: warnings, with `-v` what becomes of each row, with `-vv` every request.
/// With `--quiet`, errors.
pub fn log_to_stderr(verbose: u8, is_quiet: bool, format: LogFormat) {
    // sqlx warns of URL parameters that it does not know, with their values: a password, if its name is
    // misspelt.
    let level = match (is_quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn,sqlx=error",
        (false, 1) => "mutirao=info,warn,sqlx=error",
        (false, _) => "mutirao=debug,info,sqlx=error",
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{level},{STORY}=info")))
        .with_ansi(false)
        .with_writer(move || Lines(format));
    match format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// Stderr, for log lines: whatever an event tells of, it is one line that only says something.
struct Lines(LogFormat);

impl Write for Lines {
    /// Takes one event, which comes in one piece.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.trim_end_matches('\n');
        let text = match self.0 {
            LogFormat::Text => printable::line(text, LINE_CHARS_MAX),
            LogFormat::Json => printable::json(text),
        };
        io::stderr().write_all(format!("{text}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
