//! The first sheet of `results.xlsx`: what became of the batch as a whole, on one page.

use rust_xlsxwriter::{Format, Worksheet, XlsxError};

use super::account::Account;
use super::looks::{self, A4, colours, number, text_format, wrapped};
use crate::language::said;
use crate::printable;
use crate::text;

/// The width of the column with words. Characters.
const WORDS_WIDTH: f64 = 64.0;

/// Of a reason's words with its examples. Characters: far below what a cell of Excel takes.
const CELL_CHARS_MAX: usize = 2000;

/// Writes `account` into an empty sheet.
pub(super) fn write(sheet: &mut Worksheet, account: &Account) -> Result<(), XlsxError> {
    let mut page = Page { sheet, row: 0 };
    page.sheet.set_portrait().set_paper_size(A4).set_print_fit_to_pages(1, 0);
    for (column, width) in [(0, 20.0), (1, 10.0), (2, WORDS_WIDTH)] {
        page.sheet.set_column_width(column, width)?;
    }
    page.title(&account.sentence(), None)?;
    if !account.is_real {
        page.title(&tr!("sandbox: nothing of this is real"), Some(0xC00000))?;
    }
    page.row += 1;
    states(&mut page, account)?;
    reasons(&mut page, account)?;
    page.row += 1;
    facts(&mut page, account)
}

struct Page<'a> {
    sheet: &'a mut Worksheet,
    row: u32,
}

impl Page<'_> {
    fn title(&mut self, text: &str, colour: Option<u32>) -> Result<(), XlsxError> {
        let mut format = Format::new().set_bold().set_font_size(14);
        if let Some(colour) = colour {
            format = format.set_font_color(colour);
        }
        self.sheet.write_string_with_format(self.row, 0, text, &format)?;
        self.row += 1;
        Ok(())
    }

    /// Ends a row with words, in as many lines as they take.
    fn words(&mut self, words: &str) -> Result<(), XlsxError> {
        self.sheet.set_row_height(self.row, looks::height(words, WORDS_WIDTH))?;
        self.sheet.write_string_with_format(self.row, 2, words, &wrapped())?;
        self.row += 1;
        Ok(())
    }

    fn headings(&mut self, names: &[&str]) -> Result<(), XlsxError> {
        for (column, name) in (0..).zip(names) {
            self.sheet.write_string_with_format(self.row, column, *name, &looks::heading())?;
        }
        self.row += 1;
        Ok(())
    }
}

/// How many rows are in each state, and what to do about them.
fn states(page: &mut Page<'_>, account: &Account) -> Result<(), XlsxError> {
    page.headings(&[&tr!("Result"), &tr!("Rows"), &tr!("What to do")])?;
    for (state, n) in &account.states {
        let mut format = wrapped();
        if let Some((background, letters)) = colours(*state) {
            format = format.set_background_color(background).set_font_color(letters);
        }
        let row = page.row;
        page.sheet.write_string_with_format(row, 0, said(text::state(*state)), &format)?;
        page.sheet.write_number_with_format(row, 1, *n as f64, &number())?;
        page.words(&text::to_do(*state))?;
    }
    page.sheet.write_string_with_format(page.row, 0, tr!("All"), &Format::new().set_bold())?;
    page.sheet.write_number_with_format(page.row, 1, account.n_rows() as f64, &number().set_bold())?;
    page.row += 1;
    for caution in account.cautions() {
        page.words(&caution)?;
    }
    Ok(())
}

/// Why rows were not opened, the commonest reason first.
fn reasons(page: &mut Page<'_>, account: &Account) -> Result<(), XlsxError> {
    if account.reasons.is_empty() {
        return Ok(());
    }
    page.row += 1;
    page.headings(&[&tr!("Why not opened"), &tr!("Rows"), &tr!("Reason")])?;
    for reason in &account.reasons {
        let row = page.row;
        let words = reason.in_words(reason.message.as_deref());
        let told = tr!(
            "%{words} (%{n|line|lines} %{lines})",
            words = words,
            n = reason.n_rows,
            lines = reason.where_it_stands()
        );
        page.sheet.write_string_with_format(row, 0, said(text::state(reason.state)), &wrapped())?;
        page.sheet.write_number_with_format(row, 1, reason.n_rows as f64, &number())?;
        page.words(&printable::line(&told, CELL_CHARS_MAX))?;
    }
    if 0 < account.n_other_reasons {
        page.sheet.write_string_with_format(page.row, 0, tr!("other reasons"), &wrapped())?;
        page.sheet.write_number_with_format(page.row, 1, account.n_other_reasons as f64, &number())?;
        page.row += 1;
    }
    Ok(())
}

/// Which batch it is, where and when it went, and who wrote this.
fn facts(page: &mut Page<'_>, account: &Account) -> Result<(), XlsxError> {
    for (name, value) in account.facts() {
        page.sheet.write_string_with_format(page.row, 0, name, &Format::new().set_bold())?;
        page.sheet.write_string_with_format(page.row, 1, value, &text_format())?;
        page.row += 1;
    }
    Ok(())
}
