//! An empty spreadsheet to start from.

use std::borrow::Cow;

use rust_xlsxwriter::{Format, Workbook, XlsxError};

use super::records::Record;
use super::words::REFERENCIA;
use crate::language::Language;
use crate::ticket::{Field, Kind, is_blank, trim};

/// The columns of a template: every field that is one cell, and the producer's own key.
fn columns() -> Vec<&'static str> {
    let fields = Field::ALL.into_iter().filter(|field| field.kind() != Kind::Object);
    fields.map(Field::name).chain(["referencia"]).collect()
}

/// A column, or columns of a form, and what stands in it.
fn explanations(language: Language) -> impl Iterator<Item = (Cow<'static, str>, Cow<'static, str>)> {
    let fields = Field::ALL.into_iter().map(|field| (field.column(), field.explanation()));
    let all = fields.chain([("referencia".into(), REFERENCIA)]);
    all.map(move |(column, explanation)| (column, language.says(explanation)))
}

/// A `.csv` as Excel pt-BR opens it: `;`, CRLF, UTF-8 with a byte order mark. The explanations stand in
/// lines of their own that [`Intake`](super::Intake) passes over.
pub fn csv() -> Vec<u8> {
    let columns = columns();
    let mut text = format!("\u{FEFF}{}\r\n", columns.join(";"));
    for (column, explanation) in explanations(Language::now()) {
        text.push_str(&format!("\"{}\"{}\r\n", line(&column, &explanation), ";".repeat(columns.len() - 1)));
    }
    text.into_bytes()
}

/// An `.xlsx`: text columns, so that no digit is lost, and a second sheet that explains them.
///
/// # Errors
///
/// If the writer cannot put the workbook together.
pub fn xlsx() -> Result<Vec<u8>, XlsxError> {
    let (text, bold) = (Format::new().set_num_format("@"), Format::new().set_bold().set_num_format("@"));
    let mut workbook = Workbook::new();
    let rows = workbook.add_worksheet().set_name("rows")?.set_freeze_panes(1, 0)?;
    for (at, column) in (0..).zip(columns()) {
        rows.set_column_format(at, &text)?.set_column_width(at, 22)?;
        rows.write_string_with_format(0, at, column, &bold)?;
    }
    let explained = workbook.add_worksheet().set_name("explanation")?;
    explained.set_column_width(0, 32)?.set_column_width(1, 110)?;
    for (at, (column, explanation)) in (0..).zip(explanations(Language::now())) {
        explained.write_string_with_format(at, 0, column.as_ref(), &bold)?.write_string(
            at,
            1,
            explanation.as_ref(),
        )?;
    }
    workbook.save_to_buffer()
}

/// Whether the record is one of the lines that [`csv()`] writes, in whatever language. Only their very texts
/// are: a row that happens to begin with `#` is a row.
pub(super) fn explains(record: Record<'_>) -> bool {
    let first = trim(record.cell(0));
    first.starts_with("# ")
        && Language::ALL
            .into_iter()
            .flat_map(explanations)
            .any(|(column, explanation)| first == line(&column, &explanation))
        && record.cells().skip(1).all(is_blank)
}

fn line(column: &str, explanation: &str) -> String {
    format!("# {column}: {explanation}")
}
