//! What must hold of results: what was written is what is read back.

use std::borrow::Cow;
use std::path::Path;

use super::{CsvStyle, Guard, Line, OutputEncoding, ProblemsCsv, ResultsCsv, is_results};
use crate::delivery::State;
use crate::intake::{Delimiter, Intake, IntakeOptions, Source};
use crate::printable::{self, LINE_CHARS_MAX};
use crate::ticket::code::BatchCode;

/// Stand between two cells and two rows.
const CELL: char = '\u{1F}';
const ROW: char = '\u{1E}';

/// The code of a row with a quotation that does not end where its cell does.
const STRAY: &str = "stray_quotation_mark";

/// A byte for the form, then rows of cells: of the first the cells are names of columns.
pub(crate) fn results(bytes: &[u8]) {
    let Some((form, bytes)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    let style = CsvStyle {
        delimiter: *b";,\t|".get(usize::from(form & 3)).unwrap_or(&b';'),
        encoding: match form >> 2 & 3 {
            0 => OutputEncoding::Utf8,
            1 => OutputEncoding::Utf8WithBom,
            2 => OutputEncoding::Utf16Le,
            _ => OutputEncoding::Utf16Be,
        },
        guard: if form & 16 == 0 { Guard::Faithful } else { Guard::ExcelSafe },
    };
    let mut rows = text.split(ROW).map(|row| row.split(CELL).map(Cow::Borrowed).collect::<Vec<_>>());
    // Names that are needed, and whatever else there is.
    let needed = ["id_cliente_servico", "descricao", "nome", "telefone"].map(str::to_owned);
    let others = rows.next().unwrap_or_default().into_iter().map(Cow::into_owned);
    let headers: Vec<String> = needed.into_iter().chain(others).collect();
    let rows: Vec<_> = rows.collect();
    let folder = tempfile::tempdir().expect("there is room");
    read_back(&folder.path().join("results.csv"), &headers, &rows, &style);
    problems(&folder.path().join("problems.csv"), &rows, &style);
}

fn read_back(path: &Path, headers: &[String], rows: &[Vec<Cow<'_, str>>], style: &CsvStyle) {
    let code = BatchCode::of_bits(7);
    let mut out = ResultsCsv::create(path, headers, style).expect("there is room");
    for (at, cells) in rows.iter().enumerate() {
        let lote = code.cell(cells.first().map_or("", |cell| cell));
        let referencia = code.cell(reference(cells));
        let (line, words) = ((at + 2).to_string(), cells.last().map_or("", |cell| cell));
        let result =
            [&line, &lote, &referencia, "rejected", words, "7", "", words, "1", "refused", words, words];
        out.push(&Line { cells, result, state: State::Rejected }).expect("there is room");
    }
    out.finish().expect("there is room");
    assert!(is_results(path) || headers.iter().any(|name| name.contains("line")), "{headers:?}");

    let delimiter = char::from(style.delimiter).to_string();
    let options = IntakeOptions { delimiter: Some(is_given(&delimiter)), ..IntakeOptions::default() };
    // What cannot be read says why; that is not seldom, since names may be doubled or of ours.
    let Ok(mut intake) = Intake::open(&Source::Path(path.to_owned()), &options) else { return };
    // Which of two of one name it is nobody can tell.
    let column = |name: &String| {
        let mut named = headers.iter().enumerate().filter(|(_, header)| *header == name);
        named.next().filter(|_| named.next().is_none()).map(|(at, _)| at)
    };
    let columns: Vec<Option<usize>> = intake.headers().iter().map(column).collect();
    let mut found = Vec::new();
    while let Ok(Some(row)) = intake.next_row() {
        // A cell with a line in it that looks like a row: what follows may stand in wrong columns.
        let problems = row.parse(&row.raw()).err().unwrap_or_default();
        if problems.iter().any(|problem| problem.code == STRAY) {
            return;
        }
        let identity = row.identity().map(|(code, referencia)| (code, referencia.into_owned()));
        let cells: Vec<String> = row.own_cells().map(Cow::into_owned).collect();
        found.extend(identity.map(|identity| (identity, cells)));
    }
    for ((of, referencia), cells) in found {
        assert_eq!(of, Some(code), "{referencia:?}");
        let mut written = rows.iter().filter(|cells| reference(cells) == referencia);
        let Some(was) = written.next() else { panic!("nobody wrote {referencia:?}") };
        if written.next().is_some() {
            continue;
        }
        for (at, cell) in columns.iter().zip(cells) {
            let was = at.map_or(&*cell, |at| was.get(at).map_or("", |cell| cell));
            assert!(is_alike(&cell, was), "{cell:?} was {was:?}");
        }
    }
}

/// The second cell, to have one.
fn reference<'a>(cells: &'a [Cow<'_, str>]) -> &'a str {
    cells.get(1).map_or("1", |cell| cell)
}

/// But for line breaks, which an encoding of lines may write anew, and the apostrophe of `--excel-safe`.
fn is_alike(cell: &str, was: &str) -> bool {
    cell == was || cell.strip_prefix('\'') == Some(was) || was.strip_prefix('\'') == Some(cell)
}

fn is_given(delimiter: &str) -> Delimiter {
    delimiter.parse().expect("it is a delimiter")
}

/// Each line of problems is as it was shown.
fn problems(path: &Path, rows: &[Vec<Cow<'_, str>>], style: &CsvStyle) {
    let style = CsvStyle { encoding: OutputEncoding::Utf8, ..*style };
    let lines: Vec<[&str; 7]> =
        rows.iter().map(|cells| std::array::from_fn(|at| cells.get(at).map_or("", |cell| cell))).collect();
    let mut out = ProblemsCsv::create(path, &style).expect("there is room");
    for line in &lines {
        out.push(line).expect("there is room");
    }
    out.finish().expect("there is room");
    let reader = csv::ReaderBuilder::new().delimiter(style.delimiter).from_path(path).expect("it is there");
    let read: Vec<csv::StringRecord> = reader.into_records().map(|line| line.expect("it is CSV")).collect();
    assert_eq!(read.len(), lines.len());
    for (found, line) in read.iter().zip(&lines) {
        for (found, was) in found.iter().zip(line) {
            assert_eq!(found, Guard::ExcelSafe.apply(&printable::line(was, LINE_CHARS_MAX)));
        }
    }
}
