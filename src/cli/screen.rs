//! What a person sees. Results of a command go to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

use super::args::{Color, Global};

/// Where and how loudly to speak.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub quiet: bool,
    pub json: bool,
    color: bool,
    terminal: bool,
}

impl Screen {
    pub fn new(global: &Global) -> Self {
        let terminal = io::stderr().is_terminal();
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
        };
        Self { quiet: global.quiet, json: global.json, color, terminal }
    }

    /// Whether stderr shows a bar that moves.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line of the story, unless `--quiet`.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.err(text.as_ref());
        }
    }

    /// Something that a person should know, also with `--quiet`.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.err(&format!("{} {}", self.mark("warning:"), text.as_ref()));
    }

    /// The result of a command.
    pub fn result(&self, text: impl AsRef<str>) {
        // A reader that went away (`| head`) is not our failure.
        let _ = writeln!(io::stdout(), "{}", text.as_ref());
    }

    pub fn mark(&self, text: &str) -> String {
        if self.color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A line on stderr, as it is.
    pub fn err(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }
}
