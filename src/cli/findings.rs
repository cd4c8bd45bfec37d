//! What is wrong or odd in the rows of a file: what `check` says row by row, said before a question.

use std::borrow::Cow;

use super::asking::Asking;
use super::failure::Failure;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::fault::Fault;
use crate::app::findings::{ByKind, Findings, Kind};
use crate::app::sheet::{ColumnNames, Sheet, name_of};
use crate::intake::{ColumnDoubt, Hashing, Intake, IntakeError};
use crate::language::said;
use crate::printable;
use crate::registry::ColumnMemory;
use crate::ticket::Field;

/// Kinds that are told one by one.
const KINDS_TOLD: usize = 30;

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
    tell_lines(findings.asides.lines(), screen);
    for line in lines(&findings.kinds.problems, &findings.columns) {
        screen.note(tr!("not to be opened: %{line}", line = line));
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
