//! Web pages that call themselves `.xls`: what many programs write when they "export to Excel". The rows of
//! their tables become the text of a CSV file, a line each, and are read as that.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};

use super::bytes::{Damage, Decoding, Hashing};
use super::encoding::Encoding;
use super::limits::CELL_LEN_MAX;
use super::page_signs::begins;
use super::words::{IntakeError, formats};

/// Longest page, which is held in memory. Bytes. Source: some 50,000 rows of an export.
const LEN_MAX: usize = 32 * 1024 * 1024;

/// Cells of a row, and how far one may reach over others.
const CELLS_MAX: usize = 1024;

/// Cells of all rows, and how often one of another row is reached over. Source: twice what the longest page
/// has that says something in each; one of eight bytes a row could ask for a thousand cells in each.
const ALL_CELLS_MAX: usize = 16 * 1024 * 1024;

/// The rows of a page as a CSV file in UTF-8, with `;`.
pub(super) fn csv_of(
    file: File,
    encoding: Encoding,
    bom_len: usize,
    damage: Damage,
) -> Result<File, IntakeError> {
    let mut decoding = Decoding::new(file, encoding, bom_len, damage, Hashing::Off)?;
    let mut page = String::new();
    while decoding.append_to(&mut page)? {
        if LEN_MAX < page.len() {
            return Err(IntakeError::NotASpreadsheet { what: formats::HTML_TOO_LONG });
        }
    }
    let mut out = BufWriter::new(tempfile::tempfile().map_err(IntakeError::Spool)?);
    let mut table = Table::new(&mut out);
    table.read(&page).map_err(IntakeError::Spool)?;
    if ALL_CELLS_MAX < table.n_cells {
        return Err(IntakeError::NotASpreadsheet { what: formats::HTML_TOO_LONG });
    }
    let (n_rows, has_hidden) = (table.n_rows, table.has_hidden);
    if has_hidden {
        return Err(IntakeError::NotASpreadsheet { what: formats::HTML_WITH_HIDDEN });
    }
    if n_rows == 0 {
        return Err(IntakeError::NotASpreadsheet { what: formats::HTML });
    }
    let mut file = out.into_inner().map_err(|error| IntakeError::Spool(error.into_error()))?;
    file.rewind().map_err(IntakeError::Spool)?;
    Ok(file)
}

/// The tables of a page, all in one.
struct Table<W> {
    out: W,
    row: Vec<String>,
    cell: Option<Cell>,
    /// How many more rows a cell reaches over, in each column.
    reach: Vec<usize>,
    /// Which columns such a cell has in this row.
    is_covered: Vec<bool>,
    is_in_row: bool,
    n_rows: u64,
    n_cells: usize,
    /// A row or a column is hidden, or it is not sure what is.
    has_hidden: bool,
    /// Classes of which the page says that they are hidden.
    hidden_classes: HashSet<String>,
    /// The hidden tag that we are in, and how many of its kind are open.
    hiding: Option<(String, usize)>,
}

struct Cell {
    text: String,
    n_columns: usize,
    n_rows: usize,
}

impl<W: Write> Table<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            row: Vec::new(),
            cell: None,
            reach: Vec::new(),
            is_covered: Vec::new(),
            is_in_row: false,
            n_rows: 0,
            n_cells: 0,
            has_hidden: false,
            hidden_classes: HashSet::new(),
            hiding: None,
        }
    }

    /// Nothing of a page is an error: browsers show all of them. Ends early once there are too many cells.
    fn read(&mut self, page: &str) -> std::io::Result<()> {
        let mut rest = page;
        while let Some(at) = rest.find('<') {
            if ALL_CELLS_MAX < self.n_cells {
                return Ok(());
            }
            let (text, tag) = rest.split_at(at);
            self.text(text);
            rest = if let Some(comment) = tag.strip_prefix("<!--") {
                behind(comment, "-->")
            } else if tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
                let end = end_of(tag);
                self.tag(&tag[1..end])?;
                let rest = tag.get(end + 1..).unwrap_or_default();
                // What stands in these is no text.
                if begins(tag.as_bytes(), "<script") {
                    behind(rest, "</script")
                } else if begins(tag.as_bytes(), "<style") {
                    let behind = behind(rest, "</style");
                    hidden_classes(&rest[..rest.len() - behind.len()], &mut self.hidden_classes);
                    behind
                } else {
                    rest
                }
            } else {
                self.text("<");
                &tag[1..]
            };
        }
        self.text(rest);
        self.end_row()
    }

    fn text(&mut self, text: &str) {
        let Some(cell) = self.cell.as_mut().filter(|_| self.hiding.is_none()) else { return };
        for piece in text.split_inclusive(|c: char| c.is_ascii_whitespace()) {
            if CELL_LEN_MAX < cell.text.len() {
                return; // A little more tells that it was too long.
            }
            let word = piece.trim_ascii();
            cell.text.push_str(&resolved(word));
            if word.len() < piece.len() {
                cell.text.push(' ');
            }
        }
    }

    /// A tag, without its brackets.
    fn tag(&mut self, tag: &str) -> std::io::Result<()> {
        let (name, attributes) =
            tag.split_at(tag.find(|c: char| !c.is_alphanumeric() && c != '/').unwrap_or(tag.len()));
        let name = name.to_ascii_lowercase();
        match (&mut self.hiding, name.strip_prefix('/')) {
            (Some((hidden, n_open)), Some(closed)) if hidden == closed => {
                *n_open -= 1;
                if *n_open == 0 {
                    self.hiding = None;
                }
            }
            (Some((hidden, n_open)), None) if *hidden == name => *n_open += 1,
            _ => {}
        }
        if !name.starts_with('/') && is_hidden(attributes, &self.hidden_classes) {
            match name.as_str() {
                "table" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" | "col" | "colgroup" => {
                    self.has_hidden = true;
                }
                // They hold no text.
                "input" | "img" | "br" | "hr" | "wbr" | "link" | "meta" => {}
                _ if attributes.ends_with('/') => {}
                _ if self.hiding.is_none() => self.hiding = Some((name.clone(), 1)),
                _ => {}
            }
        }
        match name.as_str() {
            "tr" => {
                self.end_row()?;
                self.begin_row();
                self.has_hidden |= self.hiding.is_some();
            }
            "td" | "th" => {
                if !self.is_in_row {
                    self.begin_row();
                }
                self.end_cell();
                let span = |name| number_of(attributes, name).clamp(1, CELLS_MAX);
                self.cell =
                    Some(Cell { text: String::new(), n_columns: span("colspan"), n_rows: span("rowspan") });
            }
            "/td" | "/th" => self.end_cell(),
            "/tr" | "table" | "/table" => self.end_row()?,
            "br" | "br/" | "p" | "/p" | "div" | "/div" | "li" => self.text(" "),
            _ => {}
        }
        Ok(())
    }

    fn begin_row(&mut self) {
        self.is_in_row = true;
        self.is_covered = self.reach.iter().map(|n_rows| 0 < *n_rows).collect();
        for n_rows in &mut self.reach {
            *n_rows = n_rows.saturating_sub(1);
        }
    }

    fn end_cell(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        // It was not closed within the cell.
        self.has_hidden |= self.hiding.is_some();
        while self.is_covered.get(self.row.len()) == Some(&true) {
            self.row.push(String::new());
        }
        let at = self.row.len();
        if CELLS_MAX < at {
            return; // So many columns are refused.
        }
        self.row.push(cell.text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "));
        self.row.resize(at + cell.n_columns, String::new());
        if 1 < cell.n_rows {
            self.reach.resize(self.reach.len().max(self.row.len()), 0);
            self.reach[at..self.row.len()].fill(cell.n_rows - 1);
        }
    }

    fn end_row(&mut self) -> std::io::Result<()> {
        self.end_cell();
        if !std::mem::take(&mut self.is_in_row) {
            return Ok(());
        }
        self.n_rows += 1;
        self.n_cells += self.row.len() + self.reach.len();
        for (at, cell) in self.row.drain(..).enumerate() {
            let delimiter = if at == 0 { "" } else { ";" };
            if cell.contains([';', '"']) {
                write!(self.out, "{delimiter}\"{}\"", cell.replace('"', "\"\""))?;
            } else {
                write!(self.out, "{delimiter}{cell}")?;
            }
        }
        writeln!(self.out)
    }
}

fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    let lower = |at: usize| begins(&text.as_bytes()[at..], end);
    let first = end.as_bytes()[0];
    let found = memchr::memchr_iter(first, text.as_bytes()).find(|at| lower(*at));
    found.map_or("", |at| &text[at + end.len()..])
}

/// Where the tag ends: at its bracket, outside of quotation marks.
fn end_of(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    // A quotation mark that is never closed: at the first bracket.
    tag.find('>').unwrap_or(tag.len())
}

/// Whether a tag hides itself and what stands in it.
fn is_hidden(attributes: &str, hidden_classes: &HashSet<String>) -> bool {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/' || c == '=');
        if rest.is_empty() {
            return false;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let mut value = "";
        rest = behind.trim_start();
        if let Some(behind) = rest.strip_prefix('=') {
            let behind = behind.trim_start();
            (value, rest) = match behind.chars().next() {
                Some(quote @ ('"' | '\'')) => behind[1..].split_once(quote).unwrap_or((&behind[1..], "")),
                _ => behind.split_at(behind.find(char::is_whitespace).unwrap_or(behind.len())),
            };
        }
        let hides = match name.to_ascii_lowercase().as_str() {
            "hidden" => true,
            "style" => is_hiding(value),
            "class" => value.split_whitespace().any(|class| hidden_classes.contains(class)),
            _ => false,
        };
        if hides {
            return true;
        }
    }
}

/// Whether declarations of a style make what they are for invisible.
fn is_hiding(style: &str) -> bool {
    let plain: String = style.chars().filter(|c| !c.is_whitespace()).collect();
    let plain = plain.to_ascii_lowercase();
    ["display:none", "visibility:collapse", "visibility:hidden"].iter().any(|words| plain.contains(words))
}

/// Adds the classes that a page's style hides; on a screen, not on paper.
fn hidden_classes(style: &str, classes: &mut HashSet<String>) {
    let mut bare = String::with_capacity(style.len());
    let mut rest = style;
    while let Some((kept, comment)) = rest.split_once("/*") {
        bare.push_str(kept);
        rest = comment.split_once("*/").map_or("", |(_, behind)| behind);
    }
    bare.push_str(rest);
    let mut rest = bare.as_str();
    while let Some((selector, behind)) = rest.split_once('{') {
        // `@import` and the like end without a brace.
        let selector = selector.rsplit(';').next().unwrap_or_default();
        if selector.trim_start().starts_with('@') {
            // Of a medium: as many braces close as open.
            let mut n_open = 1;
            let is_end = |c: char| {
                n_open += i64::from(c == '{') - i64::from(c == '}');
                n_open == 0
            };
            rest = behind.split_once(is_end).map_or("", |(_, behind)| behind);
            continue;
        }
        let (body, behind) = behind.split_once('}').unwrap_or((behind, ""));
        if is_hiding(body) {
            let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
            let names = selector.split('.').skip(1).map(|name| name.split(|c| !is_of_name(c)).next());
            classes.extend(names.flatten().map(str::to_owned));
        }
        rest = behind;
    }
}

/// The number that an attribute has, or 0.
fn number_of(attributes: &str, name: &str) -> usize {
    let lower = attributes.to_ascii_lowercase();
    let Some(at) = lower.find(name) else { return 0 };
    let value = lower[at + name.len()..].trim_start().strip_prefix('=').unwrap_or_default();
    let digits: String = value
        .trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'')
        .chars()
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    digits.parse().unwrap_or(0)
}

/// The text without `&nbsp;` and the like.
fn resolved(text: &str) -> Cow<'_, str> {
    const NAME_LEN_MAX: usize = 32;

    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // No further: a text of nothing but `&` would be searched to its end for each.
        let len = rest.bytes().take(NAME_LEN_MAX + 1).position(|byte| byte == b';');
        let name = len.map(|len| &rest[..len]);
        let found = name.and_then(|name| match name.strip_prefix('#') {
            Some(number) => {
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(number) => u32::from_str_radix(number, 16),
                    None => number.parse(),
                };
                code.ok().and_then(char::from_u32).map(|c| Cow::Owned(c.to_string()))
            }
            None => quick_xml::escape::resolve_html5_entity(name).map(Cow::Borrowed),
        });
        match (found, name) {
            (Some(found), Some(name)) => {
                // A line break within a cell would be a line of the file.
                plain.extend(found.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
                rest = &rest[name.len() + 1..];
            }
            _ => plain.push('&'),
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn csv(page: &str) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out);
        table.read(page).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_is_read_as_a_browser_shows_it() {
        for (page, expected) in [
            (
                "<html><h1>Relatório</h1><table><tr><th>ID<br>Serviço<th>Nome</tr><tr><td>11000</td><td> Ana\n &amp; Cia </td></tr></table>",
                "ID Serviço;Nome\n11000;Ana & Cia\n",
            ),
            ("<TABLE><TR><TD COLSPAN=2>a<TD>b<TR><TD>1<TD>2<TD>3</TABLE>", "a;;b\n1;2;3\n"),
            (
                "<table><tr><td rowspan='2'>a</td><td colspan=\"2\">g</td></tr><tr><td>b</td><td>c</td></tr><tr><td>1</td><td>2</td><td>3</td></tr></table>",
                "a;g;\n;b;c\n1;2;3\n",
            ),
            (
                "<table><tr><td>a;b</td><td>\"c\"</td><td title='x>y'>1&lt;2&#33;&nbsp;&x;&</td></table>",
                "\"a;b\";\"\"\"c\"\"\";\"1<2!\u{A0}&x;&\"\n",
            ),
            (
                "<style><td>x</style><script>'<td>'</script><!-- <td>y --><table><tr><td>1 < 2</table>",
                "1 < 2\n",
            ),
            ("<table><tr></tr><tr><td>a</td></tr></table><table><tr><td>b</td></tr></table>", "\na\nb\n"),
            ("<tr><td>a<table><tr><td>b</table>", "a\nb\n"),
            ("<p>nothing", ""),
        ] {
            assert_eq!(csv(page), expected, "{page}");
        }
    }

    #[test]
    fn what_a_page_hides_within_a_cell_is_no_text_of_it() {
        for page in [
            "<tr><td><span style=\"display:none\">99</span>11000",
            "<tr><td><span STYLE='color: red; Display : None'>9<span>9</span>9</span>11000",
            "<tr><td><div hidden>99</div>11000",
            "<tr><td><i style=visibility:hidden>99</i>11000",
            "<style>b { color: red } p.h, .k{display:none}</style><tr><td><b class='x k'>99</b><b>11000</b>",
            "<div style='display:none'>99</div><tr><td><input type=hidden hidden value=9>11000",
            "<style>@media print { .k { display:none } }</style><tr class=k><td>11000",
            "<tr><td title='hidden' data-x=\"display:none\">11000",
        ] {
            assert_eq!(csv(page).trim(), "11000", "{page}");
            assert!(!has_hidden(page), "{page}");
        }
    }

    #[test]
    fn rows_and_columns_that_a_page_hides_are_known() {
        for page in [
            "<tr hidden><td>1",
            "<tr style='display:none'><td>1",
            "<tr style=\"visibility: collapse\"><td>1",
            "<table><tbody style=\"display: none\"><tr><td>1",
            "<table style='display:none'><tr><td>1",
            "<div hidden><table><tr><td>1</table></div>",
            "<style>.h{display:none}</style><tr class=h><td>1",
            "<tr><td hidden>1",
            "<table><col style='visibility:collapse'><tr><td>1",
            "<tr><td><span hidden>1<td>2",
        ] {
            assert!(has_hidden(page), "{page}");
        }
    }

    fn has_hidden(page: &str) -> bool {
        let mut table = Table::new(Vec::new());
        table.read(page).unwrap();
        table.has_hidden
    }

    proptest! {
        #[test]
        fn whatever_a_page_holds_it_is_read(pieces in prop::collection::vec(prop::sample::select(vec![
            "<", ">", "<tr", "<td", " rowspan=9999999", " colspan='1024", "'", "\"", "</", "é", "&", "&#", ";", "&#xD800;", "<!--", "-->", "<script>", "</table>", "<tr>", "<td>", "<style>", "</style>", "@", "{", "}", ".", "display:none", " hidden", "<b", "</b>", "=", "/",
        ]), 0..40)) {
            csv(&pieces.concat());
        }
    }
}
