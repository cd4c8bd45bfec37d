//! What a person gets back: results, errors, problems, and a summary.
//!
//! Everything is streamed, in input order, into a temporary name that is renamed at the end, so that
//! a file under its own name is always whole.

mod account;
mod clock;
mod csv_out;
#[cfg(feature = "inside")]
pub(crate) mod fuzz;
mod html;
mod looks;
mod problems;
mod problems_xlsx;
mod run;
mod sheet_rows;
mod summary;
mod summary_sheet;
mod text_out;
mod xlsx_out;

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::delivery::State;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::temporary;

/// What is read back is what was written: one list for both.
pub use crate::intake::RESULT_COLUMNS;
pub use account::{Account, Reason};
pub use csv_out::ResultsCsv;
pub use html::{Course, NEEDY_MAX, Needy, People, Report, Span, write_report};
pub use problems::{ProblemLine, ProblemsCsv};
pub use problems_xlsx::ProblemsXlsx;
pub use run::Run;
pub use sheet_rows::letters;
pub use summary::{
    ApiSummary, Counts, CustomersSummary, ExampleSummary, Latency, PaceSummary, Pause, ReasonSummary,
    SourceSummary, Summary, batch_of_summary, forget_words, write_summary,
};
pub use text_out::{CsvStyle, Guard, OutputEncoding};
pub use xlsx_out::{COLUMNS_MAX as XLSX_COLUMNS_MAX, ROWS_MAX as XLSX_ROWS_MAX, ResultsXlsx, is_shielded};

/// Every row.
pub const RESULTS: &str = "results.csv";

/// The same for people.
pub const RESULTS_XLSX: &str = "results.xlsx";

/// Rows that need a person.
pub const ERRORS: &str = "errors.csv";

/// What is wrong with those.
pub const PROBLEMS: &str = "problems.csv";

/// The same for people.
pub const PROBLEMS_XLSX: &str = "problems.xlsx";

/// What a run came to, for programs.
pub const SUMMARY: &str = "summary.json";

/// What happened, on one page.
pub const REPORT: &str = "report.html";

/// All that is written into a folder.
pub const FILES: [&str; 7] = [RESULTS, RESULTS_XLSX, ERRORS, PROBLEMS, PROBLEMS_XLSX, REPORT, SUMMARY];

/// Whether this is the name of a file that is written into a folder: one of [`FILES`], or what stands beside
/// it since somebody had it open.
pub fn is_file(name: &str) -> bool {
    FILES.into_iter().any(|known| name == known || temporary::is_beside(name, known))
}

/// What was written into `folder` and is there, as people look for it: [`FILES`], each followed by what
/// stands beside it.
pub fn files_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(temporary::named(folder)).into_iter().flatten().flatten();
    let names = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut found: Vec<_> = names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_of = |known| name == known || temporary::is_beside(&name, known);
            Some((FILES.into_iter().position(is_of)?, name.len(), name))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, _, name)| name).collect()
}

/// One row as it is reported.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The input's own cells; a short record is filled up with blanks.
    pub cells: &'a [Cow<'a, str>],
    /// The values of [`RESULT_COLUMNS`], in their order.
    pub result: [&'a str; RESULT_COLUMNS.len()],
    /// For workbooks, which call it as people do.
    pub state: State,
}

impl<'a> Line<'a> {
    /// The values of [`RESULT_COLUMNS`], as they may be shown: one line each.
    fn results(&self) -> [Cow<'a, str>; RESULT_COLUMNS.len()] {
        let [line, lote, referencia, state, protocolo, id, ids, numeros, attempts, code, message, warning] =
            self.result;
        // By lote and reference a row is known again: what is read back is what was written, to the last
        // character.
        let own = Cow::Borrowed;
        let shown = |text| printable::line(text, LINE_CHARS_MAX);
        [
            own(line),
            own(lote),
            own(referencia),
            own(state),
            shown(protocolo),
            own(id),
            own(ids),
            shown(numeros),
            own(attempts),
            shown(code),
            shown(message),
            shown(warning),
        ]
    }
}

/// So much of a file is looked at for its header. Bytes: as much as the 1,024 columns of a CSV file take.
const HEADER_LEN_MAX: u64 = 256 << 10;

/// Whether `path` is results or errors of ours, whatever program has saved it since: our columns stand side
/// by side in it.
pub fn is_results(path: &Path) -> bool {
    let mut head = Vec::new();
    let mut read = || File::open(path)?.take(HEADER_LEN_MAX).read_to_end(&mut head);
    if !path.is_file() || read().is_err() {
        return false;
    }
    // UTF-16 is ASCII but for these.
    head.retain(|byte| *byte != 0);
    let columns = RESULT_COLUMNS.map(str::as_bytes);
    let starts = head.windows(columns[0].len()).enumerate().filter(|(_, window)| *window == columns[0]);
    starts.map(|(at, _)| &head[at..]).any(|rest| {
        rest.get(columns[0].len()).is_some_and(|delimiter| rest.starts_with(&columns.join(delimiter)))
    })
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("{}", tr!("cannot write `%{path}`", path = path.display()))]
    Io { path: PathBuf, source: io::Error },
    #[error("{}", tr!("cannot write `%{path}`", path = path.display()))]
    Workbook { path: PathBuf, source: Box<rust_xlsxwriter::XlsxError> },
    #[error(
        "{}",
        tr!(
            "`%{path}` would have %{n_columns} columns, and a sheet has %{n_max}",
            path = path.display(),
            n_columns = n_columns,
            n_max = XLSX_COLUMNS_MAX
        )
    )]
    TooWide { path: PathBuf, n_columns: usize },
    /// All that was to be written is whole, under another name.
    #[error(
        "{}",
        tr!(
            "`%{path}` cannot be replaced, and may be open in another program; the new one is `%{beside}`",
            path = path.display(),
            beside = beside.display()
        )
    )]
    Held { path: PathBuf, beside: PathBuf },
}

impl ReportError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// The library's own way to an `io::Error` forgets of which kind it was: a full disk is one.
    fn csv(path: &Path, error: csv::Error) -> Self {
        let source = match error.into_kind() {
            csv::ErrorKind::Io(source) => source,
            other => io::Error::other(format!("{other:?}")),
        };
        Self::Io { path: path.to_owned(), source }
    }

    /// No space is left for `path`.
    pub fn disk_full(path: &Path) -> Self {
        Self::Io { path: path.to_owned(), source: io::ErrorKind::StorageFull.into() }
    }

    /// Whether no space was left: the run stops as by a guard, and can go on.
    pub fn is_disk_full(&self) -> bool {
        let source = match self {
            Self::Io { source, .. } => source,
            Self::Workbook { source, .. } => match &**source {
                rust_xlsxwriter::XlsxError::IoError(source) => source,
                _ => return false,
            },
            Self::TooWide { .. } | Self::Held { .. } => return false,
        };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_runs_and_repaints_nothing_in_our_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let style = CsvStyle { delimiter: b';', encoding: OutputEncoding::Utf8, guard: Guard::Faithful };
        let mut out = ResultsCsv::create(&path, &["nome".to_owned()], &style).unwrap();
        let result = RESULT_COLUMNS.map(|column| match column {
            "referencia" => "-a\u{202E}1",
            "protocolo" => "=cmd|' /C calc'!A0",
            "error_message" => "+55\u{1B}[2J\nline 3, opened",
            _ => "",
        });
        out.push(&Line { cells: &["=1+1".into()], result, state: State::Rejected }).unwrap();
        out.finish().unwrap();
        let written = std::fs::read_to_string(path).unwrap();
        let row = written.lines().nth(1).unwrap();
        // The input's own cell is as it was; a row is known again by its reference, to the last character.
        let expected = "=1+1;;;'-a\u{202E}1;;'=cmd|' /C calc'!A0;;;;;;'+55?[2J line 3, opened;";
        assert_eq!(row, expected);
    }

    #[test]
    fn results_are_known_by_their_header_in_every_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        for delimiter in *b";,\t" {
            for encoding in [OutputEncoding::Utf8WithBom, OutputEncoding::Utf16Le, OutputEncoding::Utf16Be] {
                let style = CsvStyle { delimiter, encoding, guard: Guard::Faithful };
                for headers in [vec![], vec!["line".to_owned(), "a\nb".to_owned()]] {
                    ResultsCsv::create(&path, &headers, &style).unwrap().finish().unwrap();
                    assert!(is_results(&path), "{delimiter} {headers:?}");
                }
            }
        }
        for others in ["", "line", "line;lote;state\n1;a;opened\n"] {
            std::fs::write(&path, others).unwrap();
            assert!(!is_results(&path), "{others}");
        }
        assert!(!is_results(folder.path()));
    }

    #[test]
    fn a_sheet_that_is_too_wide_is_no_sheet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.xlsx");
        let widest = XLSX_COLUMNS_MAX - RESULT_COLUMNS.len();
        for (n_own, is_made) in [(widest, true), (widest + 1, false), (70_000, false)] {
            let headers = vec![String::new(); n_own];
            match ResultsXlsx::create(&path, &headers) {
                Ok(_) => assert!(is_made, "{n_own}"),
                Err(error) => assert!(!is_made && error.to_string().contains("16,384"), "{n_own}: {error}"),
            }
        }
    }
}
