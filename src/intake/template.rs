//! An empty spreadsheet to start from.

use std::borrow::Cow;

use rust_xlsxwriter::{DataValidation, Format, Formula, Workbook, XlsxError, utility};

use super::records::Record;
use super::words::{EXAMPLE, REFERENCIA, column};
use super::workbook::SheetName;
use crate::language::Language;
use crate::ticket::{ByField, Field, Kind, is_blank, trim};

/// Paper of the format A4, as Excel numbers them.
const A4: u8 = 9;

/// Where the example stands in a workbook, and the last row of a sheet.
const EXAMPLE_ROW: u32 = 1;
const LAST_ROW: u32 = 1_048_575;

/// Of what a cell of Excel says when somebody goes there. Characters.
const MESSAGE_CHARS_MAX: usize = 255;

/// The fields that are one cell.
fn fields() -> impl Iterator<Item = Field> {
    Field::ALL.into_iter().filter(|field| field.kind() != Kind::Object)
}

/// The columns of a template: every field that is one cell, and the producer's own key.
fn columns() -> Vec<&'static str> {
    fields().map(Field::name).chain(["referencia"]).collect()
}

/// A column, or columns of a form, and what stands in it.
fn explanations(language: Language) -> impl Iterator<Item = (Cow<'static, str>, Cow<'static, str>)> {
    let fields = Field::ALL.into_iter().map(move |field| (column(field, language), field.explanation()));
    let all = fields.chain([("referencia".into(), REFERENCIA)]);
    all.map(move |(column, explanation)| (column, language.says(explanation)))
}

/// The cells of the line that shows how a row looks. Its first one says that it is none.
fn example(language: Language) -> impl Iterator<Item = Cow<'static, str>> {
    let mut first = Some(language.says(EXAMPLE));
    fields()
        .map(move |field| first.take().unwrap_or(Cow::Borrowed(field.example())))
        .chain([Cow::Borrowed("")])
}

/// A `.csv` as Excel pt-BR opens it: `;`, CRLF, UTF-8 with a byte order mark. The explanations stand in
/// lines of their own that [`Intake`](super::Intake) passes over, as it does with the example.
pub fn csv() -> Vec<u8> {
    let (columns, language) = (columns(), Language::now());
    let mut text = format!("\u{FEFF}{}\r\n", columns.join(";"));
    for (column, explanation) in explanations(language) {
        text.push_str(&format!("\"{}\"{}\r\n", line(&column, &explanation), ";".repeat(columns.len() - 1)));
    }
    text.push_str(&example(language).collect::<Vec<_>>().join(";"));
    text.push_str("\r\n");
    text.into_bytes()
}

/// An `.xlsx`: text columns, so that no digit is lost, which explain themselves where somebody types; an
/// example; and a second sheet with all explanations. What is `offered` for a field may be chosen in its
/// cells; it stands in a third sheet, which is hidden: in the cell itself there is room for 255 characters.
///
/// # Errors
///
/// If the writer cannot put the workbook together.
pub fn xlsx(offered: &ByField<Vec<String>>) -> Result<Vec<u8>, XlsxError> {
    let language = Language::now();
    let text = Format::new().set_num_format("@");
    let heading = text.clone().set_bold().set_background_color(0x1F4E79).set_font_color(0xFFFFFF);
    let grey = text.clone().set_italic().set_font_color(0x7F7F7F);
    let mut workbook = Workbook::new();
    let rows = workbook.add_worksheet().set_name(tr!("Rows"))?.set_freeze_panes(1, 0)?;
    rows.set_landscape().set_paper_size(A4).set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    let explained: Vec<_> = explanations(language).collect();
    let lists: Vec<_> =
        fields().filter(|field| !offered[*field].is_empty()).map(|field| (field, &*offered[field])).collect();
    for ((at, column), example) in (0..).zip(columns()).zip(example(language)) {
        rows.set_column_format(at, &text)?.set_column_width(at, if at == 0 { 32 } else { 24 })?;
        rows.write_string_with_format(0, at, column, &heading)?;
        rows.write_string_with_format(EXAMPLE_ROW, at, example, &grey)?;
        let explanation =
            explained.iter().find(|(name, _)| name == column).map(|(_, explanation)| explanation);
        let offer = offer(column, &lists, language, explanation.map_or("", |explanation| explanation))?;
        rows.add_data_validation(EXAMPLE_ROW, at, LAST_ROW, at, &offer)?;
    }
    let sheet = workbook.add_worksheet().set_name(tr!("Explanations"))?;
    sheet.set_column_width(0, 32)?.set_column_width(1, 110)?;
    sheet.set_landscape().set_paper_size(A4).set_print_fit_to_pages(1, 0);
    for (at, (column, explanation)) in (0..).zip(&explained) {
        let cell = sheet.write_string_with_format(at, 0, column.as_ref(), &text.clone().set_bold())?;
        cell.write_string(at, 1, explanation.as_ref())?;
    }
    if !lists.is_empty() {
        let sheet = workbook.add_worksheet().set_name(tr!("Lists"))?.set_hidden(true);
        for (at, (field, cells)) in (0..).zip(&lists) {
            sheet.write_string(0, at, field.name())?;
            for (row, cell) in (1..).zip(*cells) {
                sheet.write_string(row, at, cell)?;
            }
        }
    }
    workbook.save_to_buffer()
}

/// What a column's cells offer: its explanation, and what there is to choose from. Whoever types another
/// word of the many that are understood, or an id, is not held up.
fn offer(
    column: &str,
    lists: &[(Field, &[String])],
    language: Language,
    explanation: &str,
) -> Result<DataValidation, XlsxError> {
    let is_flag = fields().any(|field| field.name() == column && field.kind() == Kind::Flag);
    let list = (0..).zip(lists).find(|(_, (field, _))| field.name() == column);
    let any = DataValidation::new();
    let offer = if let Some((at, (_, cells))) = list {
        let (sheet, at) = (tr!("Lists"), utility::column_number_to_name(at));
        let from = format!("='{sheet}'!${at}$2:${at}${}", cells.len() + 1);
        any.allow_list_formula(Formula::new(from)).show_error_message(false)
    } else if is_flag {
        let words = match language {
            Language::Portuguese => ["sim", "não"],
            Language::English => ["yes", "no"],
        };
        any.allow_list_strings(&words)?.show_error_message(false)
    } else {
        any.allow_any_value()
    };
    let shown: String = explanation.chars().take(MESSAGE_CHARS_MAX).collect();
    offer.set_input_title(column)?.set_input_message(shown)
}

/// Whether a hidden sheet is that from which a template's cells offer: it hides no rows of anybody. It stands
/// beside the explanations.
pub(super) fn is_lists(hidden: &str, sheets: &[SheetName]) -> bool {
    Language::ALL.into_iter().any(|language| {
        let explanations = language.says("Explanations");
        hidden == language.says("Lists") && sheets.iter().any(|sheet| sheet.name == explanations)
    })
}

/// Whether the record is one of the lines that a template has, in whatever language. Only their very texts
/// are: a row that happens to begin with `#` is a row.
pub(super) fn explains(record: Record<'_>) -> bool {
    let first = trim(record.cell(0));
    first.starts_with("# ")
        && Language::ALL
            .into_iter()
            .any(|language| is_explanation(record, language) || is_example(record, language))
}

fn is_explanation(record: Record<'_>, language: Language) -> bool {
    let first = trim(record.cell(0));
    explanations(language).any(|(column, explanation)| first == line(&column, &explanation))
        && record.cells().skip(1).all(is_blank)
}

/// Columns may be gone since, or others beside them; a value of one's own makes it a row.
fn is_example(record: Record<'_>, language: Language) -> bool {
    let is_of_example = |cell: &str| example(language).any(|shown| shown == trim(cell));
    trim(record.cell(0)) == language.says(EXAMPLE)
        && record.cells().skip(1).all(|cell| is_blank(cell) || is_of_example(cell))
}

fn line(column: &str, explanation: &str) -> String {
    format!("# {column}: {explanation}")
}
