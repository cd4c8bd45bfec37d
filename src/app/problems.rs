//! `problems.csv` and `problems.xlsx`: what is wrong with rows, whether we found it or HubSoft said it.

use std::fs;
use std::path::Path;

use super::fault::Fault;
use super::form::{Form, PAGE_ROWS};
use crate::outbox::{AnyReader, Cursor, RowProblems, Scope};
use crate::report::{Account, PROBLEMS, PROBLEMS_XLSX, ProblemsCsv, ProblemsXlsx, ReportError};
use crate::text;

/// Whether `problems.xlsx` is written, too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WithWorkbook {
    Yes,
    /// The disk has no room for it.
    No,
}

/// Writes both into `folder`; the workbook only if anything is wrong. Returns why there is none although
/// there should be.
pub async fn write(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    folder: &Path,
    account: &Account,
    with: WithWorkbook,
) -> Result<Option<ReportError>, Fault> {
    let path = folder.join(PROBLEMS_XLSX);
    let mut csv = ProblemsCsv::create(&folder.join(PROBLEMS), &form.style())?;
    let mut workbook = None;
    let mut after = Cursor::default();
    loop {
        let (rows, next) = reader.problems_page(scope, after, PAGE_ROWS).await?;
        if !rows.is_empty() {
            let workbook = workbook.get_or_insert_with(|| match with {
                WithWorkbook::Yes => ProblemsXlsx::create(&path),
                WithWorkbook::No => Err(ReportError::disk_full(&path)),
            });
            for row in &rows {
                push(row, form, &mut csv, workbook)?;
            }
        }
        let Some(next) = next else { break };
        after = next;
    }
    csv.finish()?;
    let is_whole = match workbook {
        Some(workbook) => {
            let column = |field: &str| form.column(field).to_owned();
            workbook.and_then(|workbook| workbook.finish(account, column)).map(|()| true)
        }
        None => Ok(false),
    };
    if !matches!(is_whole, Ok(true)) {
        // One of an earlier run would be taken for it.
        let _ = fs::remove_file(&path);
    }
    Ok(is_whole.err())
}

/// A line for each problem of a row, or one for what HubSoft said of it.
fn push(
    row: &RowProblems,
    form: &Form<'_>,
    csv: &mut ProblemsCsv,
    workbook: &mut Result<ProblemsXlsx, ReportError>,
) -> Result<(), Fault> {
    let line = row.line.to_string();
    let mut push = |letter: &str, problem: [&str; 7]| {
        csv.push(&problem)?;
        if let Ok(sheet) = workbook
            && let Err(error) = sheet.push(&problem, letter, row.state)
        {
            *workbook = Err(error);
        }
        Ok::<(), ReportError>(())
    };
    for problem in &row.problems {
        let column = form.column(&problem.field);
        let letter = form.letter(column);
        let (message, hint) = (text::again(&problem.message), text::again(&problem.hint));
        push(&letter, [&line, column, &problem.field, &problem.found, &problem.code, &message, &hint])?;
    }
    if row.problems.is_empty() {
        let code = row.error_code.as_deref().unwrap_or_default();
        let message = row.error_message.as_deref().map(text::again).unwrap_or_default();
        push("", [&line, "", "", "", code, &message, &text::to_do(row.state)])?;
    }
    Ok(())
}
