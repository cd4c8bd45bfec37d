//! Why rows were not opened: a line for each reason, the commonest first.

use crate::app::sheet::ColumnNames;
use crate::language::filled::whole;
use crate::outbox::{ExampleRow, Reasons, RowReason};
use crate::printable::{self, NAME_CHARS_MAX};
use crate::text;

/// Reasons that are told on a screen: together with all else they stay on one.
const REASONS_TOLD: usize = 10;

/// Characters of the words of one.
const WORDS_CHARS_MAX: usize = 160;

/// A line for a person, and the same for a log, which has none of HubSoft's words.
pub struct Told {
    pub shown: String,
    pub logged: String,
}

/// Those of `reasons` that are as `which` says, of the first [`REASONS_TOLD`]. `columns`: what the file calls
/// its fields.
pub fn lines(reasons: &Reasons, columns: &ColumnNames, which: impl Fn(&RowReason) -> bool) -> Vec<Told> {
    let told = reasons.told.iter().take(REASONS_TOLD);
    // Of what a person did without a word there is nothing to tell.
    let is_said = |reason: &&RowReason| reason.code.is_some() || reason.message.is_some();
    told.filter(is_said).filter(|reason| which(reason)).map(|reason| line(reason, columns)).collect()
}

/// How often reasons stand that are not told.
pub fn others(reasons: &Reasons) -> Option<Told> {
    let rest: u64 = reasons.told.iter().skip(REASONS_TOLD).map(|reason| reason.n_rows).sum();
    let n = rest + reasons.n_others;
    let text = || counted(n, &tr!("for other reasons"));
    (0 < n).then(|| Told { shown: text(), logged: text() })
}

/// A count in a column of its own.
pub fn counted(n: u64, what: &str) -> String {
    format!("{:>9}  {what}", whole(n))
}

fn line(reason: &RowReason, columns: &ColumnNames) -> Told {
    let code = reason.code.as_deref().unwrap_or_default();
    let called = |field: &str| columns.get(field).cloned().unwrap_or_else(|| text::field(field).into_owned());
    let column = reason.field.as_deref().map(called);
    let column =
        column.map_or_else(String::new, |column| format!("{}: ", printable::line(&column, NAME_CHARS_MAX)));
    let words = reason.message.as_deref().map(text::again).unwrap_or_default();
    let words = printable::line(&words, WORDS_CHARS_MAX);
    let said = match (&*words, code) {
        ("", code) => code.to_owned(),
        (words, "") => words.to_owned(),
        (words, code) => format!("{words} ({code})"),
    };
    let rows = rows(reason);
    Told {
        shown: counted(reason.n_rows, &format!("{column}{said}: {rows}")),
        logged: counted(reason.n_rows, &format!("{column}{code}: {rows}")),
    }
}

/// The rows that are named: `line 3`, `lines 3, 7, 9 and more`.
fn rows(reason: &RowReason) -> String {
    let is_of_file = reason.examples.iter().all(|example| example.line != 0);
    let name = |example: &ExampleRow| match is_of_file {
        true => example.line.to_string(),
        false => printable::name(&example.referencia).into_owned(),
    };
    let names = reason.examples.iter().map(name).collect::<Vec<_>>().join(", ");
    let has_more = (reason.examples.len() as u64) < reason.n_rows;
    match (is_of_file, has_more, reason.examples.len()) {
        (true, false, 1) => tr!("line %{line}", line = names),
        (true, false, _) => tr!("lines %{lines}", lines = names),
        (true, true, _) => tr!("lines %{lines} and more", lines = names),
        (false, false, _) => tr!("rows %{rows}", rows = names),
        (false, true, _) => tr!("rows %{rows} and more", rows = names),
    }
    .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::State;

    fn reason(n_rows: u64, lines: &[u64], message: &str) -> RowReason {
        let example = |line: &u64| ExampleRow { line: *line, referencia: format!("r{line}") };
        RowReason {
            state: State::Rejected,
            code: Some("refused".to_owned()),
            field: None,
            message: Some(message.to_owned()),
            n_rows,
            examples: lines.iter().map(example).collect(),
        }
    }

    #[test]
    fn a_reason_is_told_with_its_count_and_its_first_rows() {
        let check = |reason: RowReason, shown: &str, logged: &str| {
            let told = line(&reason, &ColumnNames::from([("telefone".to_owned(), "Fone".to_owned())]));
            assert_eq!((told.shown.trim_start(), told.logged.trim_start()), (shown, logged));
        };
        check(reason(1, &[3], "não"), "1  não (refused): line 3", "1  refused: line 3");
        check(reason(2, &[3, 5], "não"), "2  não (refused): lines 3, 5", "2  refused: lines 3, 5");
        let many = reason(7, &[3, 5, 6], "Serviço … não existe");
        check(
            many,
            "7  Serviço … não existe (refused): lines 3, 5, 6 and more",
            "7  refused: lines 3, 5, 6 and more",
        );
        let of_program = reason(1, &[0], "não");
        check(of_program, "1  não (refused): rows r0", "1  refused: rows r0");
        let of_column = RowReason {
            field: Some("telefone".to_owned()),
            ..reason(1, &[3], "the area code (DDD) is missing")
        };
        check(
            of_column,
            "1  Fone: the area code (DDD) is missing (refused): line 3",
            "1  Fone: refused: line 3",
        );
        let purged = RowReason { message: None, ..reason(1, &[3], "") };
        check(purged, "1  refused: line 3", "1  refused: line 3");
    }

    #[test]
    fn what_is_not_told_is_counted() {
        let told = (0..12).map(|n| reason(2, &[n + 2, n + 3], "não")).collect();
        let reasons = Reasons { told, n_others: 5 };
        assert_eq!(lines(&reasons, &ColumnNames::new(), |_| true).len(), REASONS_TOLD);
        assert_eq!(others(&reasons).unwrap().shown.trim_start(), "9  for other reasons");
        assert!(others(&Reasons { told: vec![reason(1, &[3], "")], n_others: 0 }).is_none());
    }
}
