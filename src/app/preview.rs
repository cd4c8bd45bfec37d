//! A sheet before anything is done with it: what is recognised, what its columns say, and what is wrong.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::check::{Checked, Wanted, check};
use super::fault::Fault;
use super::sheet::Sheet;
use crate::intake::{Hashing, Summary};
use crate::registry::ColumnMemory;
use crate::settings::Reading;
use crate::ticket::{CUSTOMER_NOT_ASKED, Problem};

/// Rows of which the cells are shown.
const EXAMPLES_MAX: usize = 3;

/// Problems that are told one by one.
const PROBLEMS_MAX: usize = 200;

pub struct Preview {
    pub summary: Summary,
    pub columns: Vec<Column>,
    pub checked: Checked,
    /// Rows in which nothing is wrong, and whose customer's service is looked up before they are opened.
    pub n_to_find: u64,
    /// The first ones, each with its line. What was found is shown as it stands: for whose sheet it is.
    pub problems: Vec<(u64, Problem)>,
    pub n_problems: u64,
    /// What to do about each kind, by field and code.
    pub hints: HashMap<(Cow<'static, str>, Cow<'static, str>), Cow<'static, str>>,
}

/// A column of the file's own.
pub struct Column {
    pub name: String,
    /// Cells of the first rows.
    pub examples: Vec<String>,
}

/// Of the sheet that is kept at `kept` and called `file`, read as far as it `goes_on`.
pub fn preview(
    file: PathBuf,
    kept: &Path,
    reading: Reading,
    memory: &ColumnMemory,
    goes_on: impl Fn() -> bool,
) -> Result<Preview, Fault> {
    let wanted = Wanted { repeats: !reading.allow_repeats, ids: false };
    let mut sheet = Sheet::copied(file, kept.to_owned(), reading);
    // What is wrong with the memory is told by who writes to it.
    let _ = sheet.recall(memory);
    let columns = columns(&sheet)?;
    let intake = sheet.open(Hashing::Off)?;
    let summary = intake.summary().clone();
    let (mut problems, mut n_problems, mut hints) = (Vec::new(), 0, HashMap::new());
    let mut n_to_find = 0;
    let checked = check(intake, wanted, goes_on, |line, problem, row| {
        if problem.code == CUSTOMER_NOT_ASKED.code {
            n_to_find += 1;
            return;
        }
        n_problems += 1;
        let kind = (problem.field.clone(), problem.code.clone());
        hints.entry(kind).or_insert_with(|| problem.hint.clone());
        if problems.len() < PROBLEMS_MAX {
            let mut problem = problem.clone();
            problem.unmask(row);
            problems.push((line, problem));
        }
    })?;
    Ok(Preview { summary, columns, checked, n_to_find, problems, n_problems, hints })
}

fn columns(sheet: &Sheet) -> Result<Vec<Column>, Fault> {
    let mut intake = sheet.open(Hashing::Off)?;
    let named = |name: &String| Column { name: name.clone(), examples: Vec::new() };
    let mut columns: Vec<_> = intake.headers().iter().map(named).collect();
    for _ in 0..EXAMPLES_MAX {
        let Some(row) = intake.next_row()? else { break };
        for (column, cell) in columns.iter_mut().zip(row.own_cells()) {
            column.examples.push(cell.into_owned());
        }
    }
    Ok(columns)
}
