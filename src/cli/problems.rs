//! What is wrong with rows, on stdout: in words, or a line of JSON each.

use std::io::{BufWriter, Stdout, Write, stdout};

use serde_json::json;

use super::screen::Screen;
use crate::app::check::IdFinding;
use crate::app::sheet::{ColumnNames, column_names};
use crate::intake::{Intake, Repeat};
use crate::language::said;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::ticket::Problem;

/// Tells of problems as they are found, and counts them.
pub struct Problems<'a> {
    columns: ColumnNames,
    out: BufWriter<Stdout>,
    screen: &'a Screen,
    pub n_problems: u64,
    pub n_repeats: u64,
    pub n_unknown: u64,
}

impl<'a> Problems<'a> {
    pub fn of(intake: &Intake, screen: &'a Screen) -> Self {
        Self {
            columns: column_names(intake),
            out: BufWriter::new(stdout()),
            screen,
            n_problems: 0,
            n_repeats: 0,
            n_unknown: 0,
        }
    }

    pub fn problem(&mut self, line: u64, problem: &Problem) {
        self.n_problems += 1;
        let column = self.columns.get(problem.field.as_ref()).map_or(problem.field.as_ref(), String::as_str);
        if self.screen.json {
            let text = json!({
                "line": line, "column": column, "field": problem.field, "value": problem.found,
                "code": problem.code, "message": problem.message, "hint": problem.hint,
            });
            return self.line(&text.to_string());
        }
        let column = printable::name(column);
        let found = if problem.found.is_empty() {
            "".into()
        } else {
            tr!(", found `%{found}`", found = problem.found)
        };
        let text = tr!(
            "line %{line}, %{column}%{found}: %{message} (%{code})",
            line = line,
            column = column,
            found = found,
            message = said(&problem.message),
            code = problem.code
        );
        self.line(&text);
        self.line(&tr!("    hint: %{hint}", hint = said(&problem.hint)));
    }

    pub fn repeat(&mut self, Repeat { line, first_line }: Repeat) {
        self.n_repeats += 1;
        let text = if self.screen.json {
            json!({"line": line, "code": "repeat", "first_line": first_line}).to_string()
        } else {
            tr!(
                "line %{line}: repeats line %{first}; it would be skipped, unless --allow-repeats (repeat)",
                line = line,
                first = first_line
            )
            .into_owned()
        };
        self.line(&text);
    }

    pub fn id(&mut self, found: IdFinding, host: &str) {
        match found {
            IdFinding::Unread { field } => {
                self.screen.warn(tr!("%{field}: not verified, the catalogue cannot be read", field = field));
            }
            IdFinding::Unknown { field, id, line } => {
                self.n_unknown += 1;
                let problem = Problem {
                    field: field.name().into(),
                    code: "unknown_id".into(),
                    found: id.to_string(),
                    message: tr!("%{host} does not know this id (first used here)", host = host),
                    hint: tr!("ids are each tenant's own: look it up in HubSoft"),
                };
                self.problem(line, &problem);
            }
        }
    }

    pub fn line(&mut self, text: &str) {
        let text =
            if self.screen.json { printable::json(text) } else { printable::line(text, LINE_CHARS_MAX) };
        self.screen.wrote(writeln!(self.out, "{text}"));
    }

    pub fn flush(&mut self) {
        self.screen.wrote(self.out.flush());
    }
}
