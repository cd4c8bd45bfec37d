//! What is wrong or odd in the rows of a file, by kind: what `check` says row by row, said before a question.

use std::collections::BTreeMap;

use super::batches::{Asking, Offer};
use super::failure::Failure;
use super::screen::Screen;
use crate::app::results::ColumnNames;
use crate::intake::{Asides, ColumnDoubt};
use crate::printable;
use crate::ticket::{Parsed, Problem};

/// Kinds that are told one by one.
const KINDS_TOLD: usize = 30;

/// What was found out about a file while its rows were read.
pub struct Said {
    pub asides: Asides,
    pub findings: Findings,
    pub columns: ColumnNames,
    /// What is not sure of the columns.
    pub doubts: Vec<ColumnDoubt>,
}

impl Said {
    pub fn tell(&self, screen: &Screen) {
        tell_asides(self.asides, screen);
        self.findings.tell(&self.columns, screen);
        // Those of the header were told with the columns.
        for doubt in self.doubts.iter().filter(|it| matches!(it, ColumnDoubt::Repeats { .. })) {
            screen.note(doubt.to_string());
        }
    }

    pub fn ask(&self, asking: &Asking<'_>, screen: &Screen) -> Result<(), Failure> {
        ask(&self.doubts, asking, screen)
    }
}

/// Asks whether doubtful columns are what they are taken for.
pub fn ask(doubts: &[ColumnDoubt], asking: &Asking<'_>, screen: &Screen) -> Result<(), Failure> {
    if doubts.is_empty() {
        return Ok(());
    }
    let doubts: Vec<_> = doubts.iter().map(ToString::to_string).collect();
    let offers = [Offer { word: "yes", flag: "--yes", meaning: "it is right; open these tickets" }];
    asking.choose(&format!("{}: is that right?", doubts.join("; ")), &offers, screen).map(drop)
}

/// Says what was passed over.
pub fn tell_asides(asides: Asides, screen: &Screen) {
    for line in asides.lines() {
        screen.note(line);
    }
}

#[derive(Default)]
pub struct Findings {
    problems: BTreeMap<(String, String), Kind>,
    notices: BTreeMap<(String, String), Kind>,
}

struct Kind {
    n_rows: u64,
    first_line: u64,
    message: String,
}

impl Findings {
    #[inline]
    pub fn take(&mut self, line: u64, parsed: &Result<Parsed, Vec<Problem>>) {
        match parsed {
            Ok(parsed) if parsed.notices.is_empty() => {}
            Ok(parsed) => count(&mut self.notices, line, &parsed.notices),
            Err(problems) => count(&mut self.problems, line, problems),
        }
    }

    /// Says also why rows cannot be opened.
    pub fn tell(&self, columns: &ColumnNames, screen: &Screen) {
        for line in lines(&self.problems, columns) {
            screen.note(format!("not to be opened: {line}"));
        }
        self.tell_notices(columns, screen);
    }

    /// What is sent though it looks odd.
    pub fn tell_notices(&self, columns: &ColumnNames, screen: &Screen) {
        for line in lines(&self.notices, columns) {
            screen.note(line);
        }
    }
}

fn count(kinds: &mut BTreeMap<(String, String), Kind>, line: u64, found: &[Problem]) {
    for it in found {
        let key = (it.field.to_string(), it.code.to_string());
        let new = || Kind { n_rows: 0, first_line: line, message: it.message.to_string() };
        kinds.entry(key).or_insert_with(new).n_rows += 1;
    }
}

fn lines(kinds: &BTreeMap<(String, String), Kind>, columns: &ColumnNames) -> Vec<String> {
    let told = |((field, code), it): (&(String, String), &Kind)| {
        let column = printable::name(columns.get(field).unwrap_or(field));
        let Kind { n_rows, first_line, message } = it;
        match n_rows {
            1 => format!("line {first_line}, {column}: {message} ({code})"),
            _ => format!("{n_rows} rows, the first line {first_line}: {column}: {message} ({code})"),
        }
    };
    let mut lines: Vec<_> = kinds.iter().take(KINDS_TOLD).map(told).collect();
    if KINDS_TOLD < kinds.len() {
        lines.push(format!("and {} kinds more", kinds.len() - KINDS_TOLD));
    }
    lines
}
