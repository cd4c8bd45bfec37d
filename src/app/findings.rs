//! What was found out about a file while its rows were read.

use std::collections::BTreeMap;

use super::sheet::ColumnNames;
use crate::intake::{Asides, ColumnDoubt};
use crate::language::said;
use crate::ticket::{Parsed, Problem};

pub struct Findings {
    pub asides: Asides,
    pub kinds: Kinds,
    pub columns: ColumnNames,
    /// What is not sure of the columns.
    pub doubts: Vec<ColumnDoubt>,
}

/// What is wrong or odd in the rows of a file, by kind: by field and code.
#[derive(Default)]
pub struct Kinds {
    /// Why rows cannot be opened.
    pub problems: BTreeMap<(String, String), Kind>,
    /// What is sent though it looks odd.
    pub notices: BTreeMap<(String, String), Kind>,
}

pub struct Kind {
    pub n_rows: u64,
    pub first_line: u64,
    /// Of the first.
    pub message: String,
}

impl Kinds {
    #[inline]
    pub fn take(&mut self, line: u64, parsed: &Result<Parsed, Vec<Problem>>) {
        match parsed {
            Ok(parsed) if parsed.notices.is_empty() => {}
            Ok(parsed) => count(&mut self.notices, line, &parsed.notices),
            Err(problems) => count(&mut self.problems, line, problems),
        }
    }
}

fn count(kinds: &mut BTreeMap<(String, String), Kind>, line: u64, found: &[Problem]) {
    for problem in found {
        let key = (problem.field.to_string(), problem.code.to_string());
        let new = || Kind { n_rows: 0, first_line: line, message: said(&problem.message).into_owned() };
        kinds.entry(key).or_insert_with(new).n_rows += 1;
    }
}
