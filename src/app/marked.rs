//! What is wrong with a sheet, as a workbook for who corrects it, before anything is done with the sheet.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::TempDir;

use super::check::{Wanted, check};
use super::fault::Fault;
use super::results::reason;
use super::sheet::{Sheet, column_names, name_of};
use crate::delivery::State;
use crate::intake::Hashing;
use crate::registry::ColumnMemory;
use crate::report::{self, Account, PROBLEMS_XLSX, ProblemsXlsx};
use crate::settings::Reading;
use crate::temporary;
use crate::text;
use crate::ticket::CUSTOMER_NOT_ASKED;

/// A folder with the workbook in it; gone when dropped.
pub struct Marked(TempDir);

impl Marked {
    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}

/// `problems.xlsx` of the sheet that is kept at `kept` and called `file`, for `user`, in a folder beside it;
/// read as far as it `goes_on`.
pub fn marked(
    file: PathBuf,
    kept: &Path,
    reading: Reading,
    memory: &ColumnMemory,
    user: String,
    goes_on: impl Fn() -> bool,
) -> Result<Marked, Fault> {
    let beside = kept.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    let failed = |error| Fault::Folder { folder: beside.to_owned(), error, has_outbox: false };
    let marked = Marked(temporary::folder_in(beside).map_err(failed)?);
    let mut sheet = Sheet::copied(file, kept.to_owned(), reading);
    // What is wrong with the memory is told by who writes to it.
    let _ = sheet.recall(memory);
    let intake = sheet.open(Hashing::Off)?;
    let (headers, columns) = (intake.headers().to_vec(), column_names(&intake));
    let column = |field: &str| columns.get(field).map_or(field, String::as_str).to_owned();
    let letter = |column: &str| {
        headers.iter().position(|name| name == column).map_or_else(String::new, report::letters)
    };
    let mut workbook = ProblemsXlsx::create(&marked.folder().join(PROBLEMS_XLSX))?;
    let mut pushed = Ok(());
    let checked = check(intake, Wanted { repeats: false, ids: false }, goes_on, |line, problem, _| {
        if pushed.is_err() || problem.code == CUSTOMER_NOT_ASKED.code {
            return;
        }
        let (line, column) = (line.to_string(), column(&problem.field));
        let (message, hint) = (text::again(&problem.message), text::again(&problem.hint));
        let told = [&*line, &column, &problem.field, &problem.found, &problem.code, &message, &hint];
        pushed = workbook.push(&told, &letter(&column), State::Invalid);
    })?;
    pushed?;
    let reasons = checked.reasons("");
    let account = Account {
        batch: sheet.file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        file: name_of(&sheet.file),
        host: None,
        is_real: false,
        user,
        written_at: Timestamp::now(),
        sent: None,
        states: vec![(State::Invalid, checked.n_invalid)],
        reasons: reasons.told.iter().map(reason).collect(),
        n_other_reasons: reasons.n_others,
        n_without_os: 0,
        n_beside: 0,
    };
    workbook.finish(&account, column)?;
    Ok(marked)
}
