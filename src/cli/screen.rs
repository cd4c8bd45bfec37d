//! What a person sees. Results of a command go to stdout, everything else to stderr.
//!
//! All of it passes [`printable`]: whatever stands in a file name, a cell, an answer or a database, one call
//! is one line, and only [`Screen::mark`] colours anything.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use console::Term;
use serde_json::json;

use super::args::{Color, Global};
use super::exit::Exit;
use super::failure::Failure;
use super::typed::Typed;
use crate::language::os_error;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::service::log::{LogFormat, STORY};
use crate::settings::Environment;

/// Where and how loudly to speak.
#[derive(Debug)]
pub struct Screen {
    pub quiet: bool,
    pub json: bool,
    color: bool,
    terminal: bool,
    format: LogFormat,
    /// Why a result did not reach standard output.
    lost: RefCell<Option<io::Error>>,
}

impl Screen {
    pub fn new(global: &Global, environment: &Environment) -> Self {
        // A bar and colours are for eyes.
        let terminal = io::stderr().is_terminal() && global.log_format == LogFormat::Text;
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !environment.has_no_color(),
        };
        let (quiet, json, format) = (global.quiet, global.json, global.log_format);
        Self { quiet, json, color, terminal, format, lost: RefCell::default() }
    }

    /// Whether stderr shows a bar that moves.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line of the story, unless `--quiet`.
    pub fn note(&self, text: impl AsRef<str>) {
        let text = printable::line(text.as_ref(), LINE_CHARS_MAX);
        match (self.quiet, self.format) {
            (true, _) => {}
            (false, LogFormat::Text) => say(&text),
            (false, LogFormat::Json) => tracing::info!(target: STORY, "{text}"),
        }
    }

    pub fn notes(&self, lines: Vec<String>) {
        lines.iter().for_each(|line| self.note(line));
    }

    /// Something that a person should know, also with `--quiet`.
    pub fn warn(&self, text: impl AsRef<str>) {
        let text = printable::line(text.as_ref(), LINE_CHARS_MAX);
        match self.format {
            LogFormat::Text => say(&format!("{} {text}", self.mark(&tr!("warning:")))),
            LogFormat::Json => tracing::warn!(target: STORY, "{text}"),
        }
    }

    /// Something that went wrong, or that a person is asked.
    pub fn err(&self, text: impl AsRef<str>) {
        let text = printable::line(text.as_ref(), LINE_CHARS_MAX);
        match self.format {
            LogFormat::Text => say(&text),
            LogFormat::Json => tracing::error!(target: STORY, "{text}"),
        }
    }

    /// [`Self::note`], where a person is told others' words and a log is not.
    pub fn note_or_log(&self, text: impl AsRef<str>, logged: impl AsRef<str>) {
        match self.format {
            LogFormat::Text => self.note(text),
            LogFormat::Json => self.note(logged),
        }
    }

    /// [`Self::err`], where a person is told others' words and a log is not.
    pub fn err_or_log(&self, text: impl AsRef<str>, logged: impl AsRef<str>) {
        match self.format {
            LogFormat::Text => self.err(text),
            LogFormat::Json => self.err(logged),
        }
    }

    /// Why the command failed: `error:`, `caused by:` and `hint:`, a line each.
    pub fn fail(&self, failure: &Failure) {
        match self.format {
            LogFormat::Text => say(failure.render(|word| self.mark(word)).trim_end()),
            LogFormat::Json => tracing::error!(target: STORY, "{}", failure.render_logged().trim_end()),
        }
    }

    /// A line of a command's result, for people.
    pub fn result(&self, text: impl AsRef<str>) {
        self.put(&printable::line(text.as_ref(), LINE_CHARS_MAX));
    }

    /// A result of several lines, each of which is known to be one.
    pub fn result_lines(&self, text: impl AsRef<str>) {
        self.put(&printable::lines(text.as_ref()));
    }

    /// The result of a command, for programs: a line of JSON.
    pub fn result_json(&self, text: impl AsRef<str>) {
        self.put(&printable::json(text.as_ref()));
    }

    /// How many rows a command changed; for people in words.
    pub fn rows(&self, n_rows: u64, text: impl AsRef<str>) {
        if self.json {
            self.result_json(json!({"version": 1, "rows": n_rows}).to_string());
        } else {
            self.note(text);
        }
    }

    fn put(&self, text: &str) {
        self.wrote(writeln!(io::stdout(), "{text}"));
    }

    /// What came of writing to standard output; [`Self::lost`] tells of it at the end.
    pub fn wrote(&self, done: io::Result<()>) {
        match done {
            // A reader that went away (`| head`) is not our failure.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.lost.borrow_mut().get_or_insert(error);
            }
            _ => {}
        }
    }

    /// Why results were lost, if they were: a script that reads them must not take an empty file for them.
    pub fn lost(&self) -> Option<Failure> {
        let error = self.lost.take()?;
        let exit = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::Guard,
            _ => Exit::Internal,
        };
        Some(Failure::new(
            exit,
            tr!(
                "the result could not be written to standard output: %{error}",
                error = os_error(&error.to_string())
            ),
            tr!("see where it goes; then `%{command}` says it again", command = Typed::now().again()),
        ))
    }

    pub fn mark(&self, text: &str) -> String {
        if self.color && self.format == LogFormat::Text {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Columns and lines of the terminal at `at`; 80 and 24 where it does not say.
pub fn terminal(at: &Term) -> (usize, usize) {
    let size = at.size_checked();
    let or = |found: Option<u16>, other: usize| found.map(usize::from).filter(|n| 0 < *n).unwrap_or(other);
    (or(size.map(|(_, n_columns)| n_columns), 80), or(size.map(|(n_lines, _)| n_lines), 24))
}

/// Nobody is left to be told if stderr is gone.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
