//! What is wrong or odd in the rows of a file: what `check` says row by row, said before a question.

use std::borrow::Cow;

use super::asking::Asking;
use super::failure::Failure;
use super::screen::Screen;
use crate::app::fault::Fault;
use crate::app::findings::{ByKind, Findings, Kind};
use crate::app::sheet::{ColumnNames, Sheet};
use crate::intake::{ColumnDoubt, Hashing, Intake};
use crate::language::said;
use crate::printable;
use crate::registry::ColumnMemory;
use crate::ticket::Field;

/// Kinds that are told one by one.
const KINDS_TOLD: usize = 30;

/// Opens a spreadsheet by what is remembered of its columns too, and says what was recognised, before
/// anything is sent. Whoever is there is asked for what no column says and all rows may have in common.
pub fn open(
    sheet: &mut Sheet,
    hashing: Hashing,
    memory: &ColumnMemory,
    asking: Option<&Asking<'_>>,
    screen: &Screen,
) -> Result<Intake, Failure> {
    if let Some(error) = sheet.recall(memory) {
        screen.warn(tr!("%{error}: what was said of columns before is not known", error = error));
    }
    let asked = asking.filter(|asking| asking.is_anybody_here());
    let intake = match (sheet.open(hashing), asked) {
        (Err(Fault::Intake(error)), Some(asking)) if error.lacks_only(Field::Descricao) => {
            sheet.reading.set.push(asking.description()?);
            sheet.open(hashing)?
        }
        (opened, _) => opened?,
    };
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
    Ok(intake)
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
