//! How a command fails: what happened, why, and what to do next.

use std::error::Error;
use std::fmt::Write;

use super::exit::Exit;
use crate::language::os_error;
use crate::printable::{LINE_CHARS_MAX, line};

/// Printed as `error:`, `caused by:` and `hint:`; ends the process with `exit`.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: String,
    /// The message as it stands in a log, if it is another there.
    logged: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: hint.into(), logged: None }
    }

    /// From an error with its causes.
    pub fn of(exit: Exit, error: &dyn Error, hint: impl Into<String>) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = os_error(&cause.to_string()).into_owned();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            source = cause.source();
        }
        Self { exit, message: error.to_string(), causes, hint: hint.into(), logged: None }
    }

    /// Keeps others' words out of logs: there it says `text`.
    pub fn in_log(self, text: String) -> Self {
        Self { logged: Some(text), ..self }
    }

    /// [`Self::render`], for a log.
    pub fn render_logged(&self) -> String {
        let hint = line(&self.hint, LINE_CHARS_MAX);
        match &self.logged {
            Some(text) => format!("error: {}\nhint: {hint}", line(text, LINE_CHARS_MAX)),
            None => self.render(str::to_owned),
        }
    }

    /// With another hint, of one who knows more.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// The lines for stderr; `mark` wraps the words that they begin with. Whatever they tell of, each is one
    /// line.
    pub fn render(&self, mark: impl Fn(&str) -> String) -> String {
        let mut text = format!("{} {}\n", mark(&tr!("error:")), line(&self.message, LINE_CHARS_MAX));
        for cause in &self.causes {
            let _ = writeln!(text, "  {} {}", tr!("caused by:"), line(cause.trim_end(), LINE_CHARS_MAX));
        }
        let _ = writeln!(text, "{} {}", mark(&tr!("hint:")), line(&self.hint, LINE_CHARS_MAX));
        text
    }

    /// For a list of what was tried.
    pub fn in_a_line(&self) -> String {
        let causes = self.causes.iter().map(|cause| format!(" ({cause})")).collect::<String>();
        format!("{}{causes}; {}", self.message, self.hint)
    }

    /// For `--json`: one line.
    pub fn json(&self) -> String {
        serde_json::json!({
            "version": 1, "error": self.message, "causes": self.causes, "hint": self.hint,
            "exit_code": self.exit as u8,
        })
        .to_string()
    }
}
