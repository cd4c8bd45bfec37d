//! How our workbooks look: what their sheets have in common.

use rust_xlsxwriter::{
    ConditionalFormatCell, ConditionalFormatCellRule, Format, FormatAlign, FormatBorder, Worksheet, XlsxError,
};

use crate::delivery::State;
use crate::language::said;
use crate::text;

/// Rows by whose cells the widths of columns are chosen.
const ROWS_SEEN: u32 = 1000;

/// Narrowest and widest column. Characters.
const WIDTHS: (usize, usize) = (7, 50);

/// The height of a line, in points.
const LINE_HEIGHT: f64 = 15.0;

/// Widths are in digits, and most letters are narrower.
const LETTERS_A_DIGIT: f64 = 1.15;

/// Paper of the format A4, as Excel numbers them.
pub(super) const A4: u8 = 9;

/// Of text: no digit is lost, also of what somebody types into it.
pub(super) fn text_format() -> Format {
    Format::new().set_num_format("@")
}

/// Of text that is long.
pub(super) fn wrapped() -> Format {
    text_format().set_text_wrap().set_align(FormatAlign::Top)
}

/// How high a row is in which `words` are wrapped in a column so wide, in characters: not every program finds
/// that out itself. Points.
pub(super) fn height(words: &str, width: f64) -> f64 {
    let n_lines = words.chars().count() as f64 / (width * LETTERS_A_DIGIT);
    LINE_HEIGHT * n_lines.ceil().max(1.0)
}

/// Of counts, with room to what stands beside them.
pub(super) fn number() -> Format {
    Format::new()
        .set_num_format("#,##0")
        .set_align(FormatAlign::Top)
        .set_align(FormatAlign::Right)
        .set_indent(1)
}

/// Of the names of columns.
pub(super) fn heading() -> Format {
    text_format()
        .set_bold()
        .set_text_wrap()
        .set_background_color(0x1F4E79)
        .set_font_color(0xFFFFFF)
        .set_align(FormatAlign::Top)
        .set_border_bottom(FormatBorder::Thin)
}

/// Background and letters of a state. Nobody needs them to tell states apart: the word stands there.
pub(super) fn colours(state: State) -> Option<(u32, u32)> {
    match state {
        State::Opened => Some((0xC6EFCE, 0x0B5A1D)),
        State::Invalid | State::Rejected | State::Failed | State::Conflict => Some((0xFFC7CE, 0x9C0006)),
        State::InDoubt | State::Unconfirmed => Some((0xFFEB9C, 0x7F4F00)),
        State::Skipped | State::Cancelled => Some((0xE7E6E6, 0x404040)),
        State::Pending | State::InFlight => None,
    }
}

/// The states in a column, in colour, from row 1 to `last_row`.
pub(super) fn paint_states(sheet: &mut Worksheet, column: u16, last_row: u32) -> Result<(), XlsxError> {
    for state in State::ALL {
        let Some((background, letters)) = colours(state) else { continue };
        let word = said(text::state(state)).into_owned();
        let format = Format::new().set_background_color(background).set_font_color(letters);
        let rule = ConditionalFormatCell::new()
            .set_rule(ConditionalFormatCellRule::EqualTo(word))
            .set_format(format);
        sheet.add_conditional_format(1, column, last_row.max(1), column, &rule)?;
    }
    Ok(())
}

/// A sheet that is read on paper, too: one page wide, with its header on each page, under `title`.
pub(super) fn for_print(sheet: &mut Worksheet, title: &str) -> Result<(), XlsxError> {
    let title = title.replace('&', "&&");
    sheet.set_landscape().set_paper_size(A4).set_print_fit_to_pages(1, 0);
    sheet.set_margins(0.4, 0.4, 0.5, 0.6, 0.3, 0.3);
    sheet.set_footer(format!("&L{title}&R&P / &N"));
    sheet.set_repeat_rows(0, 0)?;
    Ok(())
}

/// How wide columns have to be, by what stands in their first rows.
pub(super) struct Widths {
    /// Of each column, the longest text. Characters.
    chars: Vec<usize>,
    n_rows: u32,
}

impl Widths {
    pub(super) fn new(n_columns: usize) -> Self {
        Self { chars: vec![0; n_columns], n_rows: 0 }
    }

    /// Begins a row. `false`: enough were seen.
    pub(super) fn sees_row(&mut self) -> bool {
        self.n_rows = self.n_rows.saturating_add(1);
        self.n_rows <= ROWS_SEEN
    }

    /// The column is called so, in as many lines as there are words.
    pub(super) fn see_heading(&mut self, column: usize, name: &str) {
        for word in name.split(' ') {
            self.see(column, word);
        }
    }

    /// A text stands in the column; of several lines the longest counts.
    pub(super) fn see(&mut self, column: usize, text: &str) {
        let n_chars = text.lines().map(|line| line.chars().take(WIDTHS.1).count()).max().unwrap_or(0);
        if let Some(widest) = self.chars.get_mut(column) {
            *widest = n_chars.max(*widest);
        }
    }

    pub(super) fn set(&self, sheet: &mut Worksheet) -> Result<(), XlsxError> {
        for (column, n_chars) in (0..).zip(&self.chars) {
            // Room for the arrow of a filter, and for letters wider than a digit.
            let width = (n_chars + 3).clamp(WIDTHS.0, WIDTHS.1);
            sheet.set_column_width(column, width as f64)?;
        }
        Ok(())
    }
}
