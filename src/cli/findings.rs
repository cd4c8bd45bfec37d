//! What is wrong or odd in the rows of a file: what `check` says row by row, said before a question.

use std::collections::BTreeMap;

use super::screen::Screen;
use crate::app::findings::{Findings, Kind};
use crate::app::sheet::ColumnNames;
use crate::intake::{ColumnDoubt, Intake};
use crate::printable;

/// Kinds that are told one by one.
const KINDS_TOLD: usize = 30;

/// Says what was recognised, before anything is sent.
pub fn describe(intake: &Intake, screen: &Screen) {
    for line in intake.summary().lines() {
        screen.note(format!("  {line}"));
    }
}

/// Says what was found, also why rows cannot be opened.
pub fn tell(findings: &Findings, screen: &Screen) {
    tell_lines(findings.asides.lines(), screen);
    for line in lines(&findings.kinds.problems, &findings.columns) {
        screen.note(format!("not to be opened: {line}"));
    }
    tell_oddities(findings, screen);
}

/// The same where the problems of each row were told.
pub fn tell_beside_problems(findings: &Findings, screen: &Screen) {
    tell_lines(findings.asides.lines(), screen);
    tell_oddities(findings, screen);
}

/// Says what is sent though it looks odd.
fn tell_oddities(findings: &Findings, screen: &Screen) {
    tell_lines(lines(&findings.kinds.notices, &findings.columns), screen);
    // Those of the header were told with the columns.
    let doubts = findings.doubts.iter().filter(|doubt| matches!(doubt, ColumnDoubt::Repeats { .. }));
    tell_lines(doubts.map(ToString::to_string).collect(), screen);
}

fn tell_lines(lines: Vec<String>, screen: &Screen) {
    for line in lines {
        screen.note(line);
    }
}

fn lines(kinds: &BTreeMap<(String, String), Kind>, columns: &ColumnNames) -> Vec<String> {
    let told = |((field, code), kind): (&(String, String), &Kind)| {
        let Kind { n_rows, first_line, message } = kind;
        let column = printable::name(columns.get(field).unwrap_or(field));
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
