//! What is wrong with rows, on stdout: a line of JSON each as it is found; or in words, behind the reasons.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{BufWriter, IsTerminal, Stdout, Write, stdout};

use serde_json::json;

use super::reasons::{lines, others};
use super::screen::Screen;
use crate::app::check::IdFinding;
use crate::app::sheet::{ColumnNames, column_names};
use crate::intake::{Intake, Repeat};
use crate::language::said;
use crate::outbox::Reasons;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::text;
use crate::ticket::{Problem, RawTicket};

/// Problems that are told in words one by one. Whoever wants more of them has a program read them.
const ROWS_TOLD: usize = 1000;

/// The same on a terminal, where the reasons above them are to be seen, too.
const ROWS_SHOWN: usize = 20;

/// Tells of problems as they are found, and counts them.
pub struct Problems<'a> {
    columns: ColumnNames,
    out: BufWriter<Stdout>,
    screen: &'a Screen,
    /// In words, until all reasons are known.
    rows: Vec<String>,
    n_untold: u64,
    /// Kinds of which it was said what to do.
    hinted: HashSet<Cow<'static, str>>,
    /// Nobody but the person who runs it reads it: values are shown as they are.
    is_theirs: bool,
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
            rows: Vec::new(),
            n_untold: 0,
            hinted: HashSet::new(),
            is_theirs: stdout().is_terminal(),
            n_problems: 0,
            n_repeats: 0,
            n_unknown: 0,
        }
    }

    /// `row`: what its line says.
    pub fn problem(&mut self, line: u64, problem: &Problem, row: &RawTicket<'_>) {
        self.n_problems += 1;
        let column = self.columns.get(problem.field.as_ref()).map_or(problem.field.as_ref(), String::as_str);
        if self.screen.json {
            let text = json!({
                "line": line, "column": column, "field": problem.field, "value": problem.found,
                "code": problem.code, "message": problem.message, "hint": problem.hint,
            });
            return self.line(&text.to_string());
        }
        if self.rows_max() <= self.rows.len() {
            self.n_untold += 1;
            return;
        }
        let column = printable::name(column);
        let column = text::field(&column);
        let mut problem = problem.clone();
        if self.is_theirs {
            problem.unmask(row);
        }
        let value = printable::name(&problem.found);
        let found = if value.is_empty() { "".into() } else { tr!(", found `%{found}`", found = value) };
        let text = tr!(
            "line %{line}, %{column}%{found}: %{message} (%{code})",
            line = line,
            column = column,
            found = found,
            message = said(&problem.message),
            code = problem.code
        );
        // The same advice twenty times is what a person scrolls past.
        if self.is_theirs && self.hinted.contains(&problem.code) {
            self.rows.push(one_line(&text).into_owned());
            return;
        }
        let hint = tr!("    hint: %{hint}", hint = said(&problem.hint));
        self.rows.push(format!("{}\n{}", one_line(&text), one_line(&hint)));
        self.hinted.insert(problem.code);
    }

    fn rows_max(&self) -> usize {
        if self.is_theirs { ROWS_SHOWN } else { ROWS_TOLD }
    }

    /// Why rows would not be opened, and then each of them.
    pub fn tell(&mut self, reasons: &Reasons) {
        let told = lines(reasons, &self.columns, |_| true);
        for told in told.into_iter().chain(others(reasons)) {
            self.line(&told.shown);
        }
        for row in std::mem::take(&mut self.rows) {
            self.screen.wrote(writeln!(self.out, "{row}"));
        }
        match self.n_untold {
            0 => {}
            n if self.is_theirs => self.line(&tr!(
                "and %{n} more; `import` leaves their rows out, and problems.xlsx lists them all",
                n = n
            )),
            n => self.line(&tr!("and %{n} more: `--json` tells each of them", n = n)),
        }
    }

    pub fn repeat(&mut self, Repeat { line, first_line }: Repeat) {
        self.n_repeats += 1;
        if self.screen.json {
            self.line(&json!({"line": line, "code": "repeat", "first_line": first_line}).to_string());
        } else if self.rows_max() <= self.rows.len() {
            self.n_untold += 1;
        } else {
            let text = tr!(
                "line %{line}: repeats line %{first}; it would be skipped, unless --allow-repeats (repeat)",
                line = line,
                first = first_line
            );
            self.rows.push(one_line(&text).into_owned());
        }
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
                self.problem(line, &problem, &RawTicket::default());
            }
        }
    }

    pub fn line(&mut self, text: &str) {
        let text = if self.screen.json { printable::json(text) } else { one_line(text) };
        self.screen.wrote(writeln!(self.out, "{text}"));
    }

    pub fn flush(&mut self) {
        self.screen.wrote(self.out.flush());
    }
}

fn one_line(text: &str) -> Cow<'_, str> {
    printable::line(text, LINE_CHARS_MAX)
}
