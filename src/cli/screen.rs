//! What a person sees. Results of a command go to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

use super::args::{Color, Global};
use crate::telemetry::{LogFormat, STORY};

/// Where and how loudly to speak.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub quiet: bool,
    pub json: bool,
    color: bool,
    terminal: bool,
    format: LogFormat,
}

impl Screen {
    pub fn new(global: &Global) -> Self {
        // A bar and colours are for eyes.
        let terminal = io::stderr().is_terminal() && global.log_format == LogFormat::Text;
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
        };
        Self { quiet: global.quiet, json: global.json, color, terminal, format: global.log_format }
    }

    /// Whether stderr shows a bar that moves.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line of the story, unless `--quiet`.
    pub fn note(&self, text: impl AsRef<str>) {
        match (self.quiet, self.format) {
            (true, _) => {}
            (false, LogFormat::Text) => self.err(text.as_ref()),
            (false, LogFormat::Json) => tracing::info!(target: STORY, "{}", text.as_ref()),
        }
    }

    /// Something that a person should know, also with `--quiet`.
    pub fn warn(&self, text: impl AsRef<str>) {
        match self.format {
            LogFormat::Text => self.err(&format!("{} {}", self.mark("warning:"), text.as_ref())),
            LogFormat::Json => tracing::warn!(target: STORY, "{}", text.as_ref()),
        }
    }

    /// The result of a command.
    pub fn result(&self, text: impl AsRef<str>) {
        // A reader that went away (`| head`) is not our failure.
        let _ = writeln!(io::stdout(), "{}", text.as_ref());
    }

    pub fn mark(&self, text: &str) -> String {
        if self.color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// On stderr, as it is.
    pub fn err(&self, text: &str) {
        match self.format {
            LogFormat::Text => {
                let _ = writeln!(io::stderr(), "{text}");
            }
            LogFormat::Json => tracing::error!(target: STORY, "{text}"),
        }
    }
}
