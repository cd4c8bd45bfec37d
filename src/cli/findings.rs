//! What is wrong or odd in the rows of a file: what `check` says row by row, said before a question.

use super::asking::Asking;
use super::failure::Failure;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::fault::Fault;
use crate::app::findings::Findings;
use crate::app::sheet::{Sheet, name_of};
use crate::intake::{Hashing, Intake, IntakeError};
use crate::registry::ColumnMemory;
use crate::ticket::Field;

/// Opens a spreadsheet by what is remembered of its columns too, and says what was recognised, before
/// anything is sent. Whoever is there is asked for what no column says and all rows may have in common, and
/// which of several sheets is meant. `None`: a file of ours that has no rows; that was said.
pub fn open(
    sheet: &mut Sheet,
    hashing: Hashing,
    memory: &ColumnMemory,
    asking: Option<&Asking<'_>>,
    screen: &Screen,
) -> Result<Option<Intake>, Failure> {
    if let Some(error) = sheet.recall(memory) {
        screen.warn(tr!("%{error}: what was said of columns before is not known", error = error));
    }
    let asked = asking.filter(|asking| asking.is_anybody_here());
    let mut intake = match (sheet.open(hashing), asked) {
        (Err(Fault::Intake(IntakeError::NothingToCorrect)), _) => {
            screen.note(tr!(
                "%{file} has no rows: there is nothing to correct, and nothing was sent",
                file = name_of(&sheet.file)
            ));
            return Ok(None);
        }
        (Err(Fault::Intake(error)), Some(asking)) if error.lacks_only(Field::Descricao) => {
            sheet.reading.set.push(asking.description()?);
            sheet.open(hashing)?
        }
        (Err(Fault::Intake(error)), None) if asking.is_none() && error.lacks_only(Field::Descricao) => {
            return Err(Failure::from(error).with_hint(tr!(
                "all tickets can say the same: `%{import}` asks for it on a terminal; here say it with `--set descricao=TEXT`",
                import = Typed::now().import_of(&sheet.file)
            )));
        }
        (opened, _) => opened?,
    };
    if let Some(asking) = asking
        && let Some(meant) = asking.sheet(&intake.summary().rivals())?
    {
        sheet.reading.sheet = Some(meant);
        drop(intake);
        intake = sheet.open(hashing)?;
    }
    for line in intake.summary().lines() {
        screen.note(format!("  {line}"));
    }
    if !intake.summary().remembered.is_empty()
        && let Some(path) = memory.path()
    {
        screen.note(tr!(
            "  what was said of columns is remembered in `%{path}`; `--map` says otherwise, and to forget it, delete that file",
            path = path.display()
        ));
    }
    let n_without_ddd = if asked.is_some() { sheet.n_without_ddd()? } else { 0 };
    if let Some(asking) = asked.filter(|_| 0 < n_without_ddd)
        && let Some(ddd) = asking.area_code(n_without_ddd)
    {
        sheet.reading.default_ddd = Some(ddd);
        drop(intake);
        intake = sheet.open(hashing)?;
    }
    Ok(Some(intake))
}

/// Remembers what `--map` says, for the next file with the same names of columns.
pub fn remember(sheet: &Sheet, intake: &Intake, memory: &ColumnMemory, screen: &Screen) {
    if let Err(error) = sheet.remember(intake, memory) {
        screen.warn(tr!("%{error}: what `--map` says will not be remembered", error = error));
    }
}

/// Says what was found, also why rows cannot be opened.
pub fn tell(findings: &Findings, screen: &Screen) {
    screen.notes(findings.lines());
}

/// The same where the problems of each row were told.
pub fn tell_beside_problems(findings: &Findings, screen: &Screen) {
    screen.notes(findings.lines_beside_problems());
}
