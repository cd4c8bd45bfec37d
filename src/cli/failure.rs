//! How a command fails: what happened, why, and what to do next.

use std::error::Error;
use std::fmt::Write;

use super::exit::Exit;

/// Printed as `error:`, `caused by:` and `hint:`; ends the process with `exit`.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: hint.into() }
    }

    /// From an error with its causes.
    pub fn of(exit: Exit, error: &dyn Error, hint: impl Into<String>) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            source = cause.source();
        }
        Self { exit, message: error.to_string(), causes, hint: hint.into() }
    }

    /// The lines for stderr; `red` wraps the word that marks an error.
    pub fn render(&self, mark: impl Fn(&str) -> String) -> String {
        let mut text = format!("{} {}\n", mark("error:"), self.message);
        for cause in &self.causes {
            // A cause may have lines of its own, such as a settings file's with the place marked.
            let cause = cause.trim_end().replace('\n', "\n    ");
            let _ = writeln!(text, "  caused by: {cause}");
        }
        let _ = writeln!(text, "{} {}", mark("hint:"), self.hint);
        text
    }

    /// For a list of what was tried.
    pub fn in_a_line(&self) -> String {
        let causes = self.causes.iter().map(|it| format!(" ({it})")).collect::<String>();
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
