//! What was found out about a file while its rows were read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::sheet::ColumnNames;
use crate::delivery::State;
use crate::intake::{Asides, ColumnDoubt, Row};
use crate::language::said;
use crate::outbox::{EXAMPLES_MAX, ExampleRow, Reasons, RowReason};
use crate::printable;
use crate::ticket::{Parsed, Problem};

/// Kinds that are told one by one.
const KINDS_TOLD: usize = 30;

pub struct Findings {
    pub asides: Asides,
    pub kinds: Kinds,
    pub columns: ColumnNames,
    /// What is not sure of the columns.
    pub doubts: Vec<ColumnDoubt>,
}

impl Findings {
    /// What was found, also why rows cannot be opened: a line for each kind.
    pub fn lines(&self) -> Vec<String> {
        let problem = |line: String| tr!("not to be opened: %{line}", line = line).into_owned();
        let problems = lines(&self.kinds.problems, &self.columns).into_iter().map(problem);
        self.asides.lines().into_iter().chain(problems).chain(self.oddities()).collect()
    }

    /// The same where the problems of each row are told.
    pub fn lines_beside_problems(&self) -> Vec<String> {
        self.asides.lines().into_iter().chain(self.oddities()).collect()
    }

    /// What is sent though it looks odd.
    fn oddities(&self) -> impl Iterator<Item = String> {
        // Those of the header are told with the columns.
        let doubts = self.doubts.iter().filter(|doubt| matches!(doubt, ColumnDoubt::Repeats { .. }));
        lines(&self.kinds.notices, &self.columns).into_iter().chain(doubts.map(ToString::to_string))
    }
}

/// What is wrong or odd in the rows of a file, by kind: by field and code.
#[derive(Default)]
pub struct Kinds {
    /// Why rows cannot be opened.
    pub problems: ByKind,
    /// What is sent though it looks odd.
    pub notices: ByKind,
}

/// Their names are not copied for each row.
pub type ByKind = BTreeMap<(Cow<'static, str>, Cow<'static, str>), Kind>;

pub struct Kind {
    pub n_rows: u64,
    /// The first rows.
    pub examples: Vec<ExampleRow>,
    /// Of the first.
    pub message: Cow<'static, str>,
}

impl Kinds {
    #[inline]
    pub fn take(&mut self, row: &Row<'_>, parsed: &Result<Parsed, Vec<Problem>>) {
        match parsed {
            Ok(parsed) if parsed.notices.is_empty() => {}
            Ok(parsed) => count(&mut self.notices, row, &parsed.notices),
            Err(problems) => count(&mut self.problems, row, problems),
        }
    }

    /// Why rows cannot be opened, the commonest reason first.
    pub fn reasons(&self) -> Reasons {
        let reason = |((field, code), kind): (&(Cow<'static, str>, Cow<'static, str>), &Kind)| RowReason {
            state: State::Invalid,
            code: Some(code.to_string()),
            field: Some(field.to_string()),
            message: Some(kind.message.to_string()),
            n_rows: kind.n_rows,
            examples: kind.examples.clone(),
        };
        Reasons::most(self.problems.iter().map(reason).collect())
    }
}

impl Kind {
    /// 0: nothing was counted.
    pub fn first_line(&self) -> u64 {
        self.examples.first().map_or(0, |row| row.line)
    }
}

fn count(kinds: &mut ByKind, row: &Row<'_>, found: &[Problem]) {
    for problem in found {
        let key = (problem.field.clone(), problem.code.clone());
        let new = || Kind { n_rows: 0, examples: Vec::new(), message: problem.message.clone() };
        let kind = kinds.entry(key).or_insert_with(new);
        kind.n_rows += 1;
        if kind.examples.len() < EXAMPLES_MAX {
            let referencia = row.identity().map(|(_, referencia)| referencia.into_owned());
            kind.examples.push(ExampleRow { line: row.line, referencia: referencia.unwrap_or_default() });
        }
    }
}

fn lines(kinds: &ByKind, columns: &ColumnNames) -> Vec<String> {
    let told = |((field, code), kind): (&(Cow<'static, str>, Cow<'static, str>), &Kind)| {
        let (first_line, message) = (kind.first_line(), said(&kind.message));
        let column = printable::name(columns.get(&**field).map_or(field, String::as_str));
        match kind.n_rows {
            1 => tr!(
                "line %{line}, %{column}: %{message} (%{code})",
                line = first_line,
                column = column,
                message = message,
                code = code
            ),
            _ => tr!(
                "%{n} rows, the first line %{line}: %{column}: %{message} (%{code})",
                n = kind.n_rows,
                line = first_line,
                column = column,
                message = message,
                code = code
            ),
        }
    };
    let mut lines: Vec<_> = kinds.iter().take(KINDS_TOLD).map(told).map(Cow::into_owned).collect();
    if KINDS_TOLD < kinds.len() {
        lines.push(tr!("and %{n} %{n|kind|kinds} more", n = kinds.len() - KINDS_TOLD).into_owned());
    }
    lines
}
