//! `.ods`: sheets of OpenDocument (ISO/IEC 26300), row by row. All of them stand in one part, one after the
//! other.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::limits::{CELL_LEN_MAX, SHEETS_MAX};
use super::archive::Archive;
use super::numbers;
use super::row::Row;
use super::sheet_name::SheetName;
use super::texts::{append, failed};
use super::words::Fault;
use super::xml::{Node, Tag, Xml};
use crate::ticket::{is_formula_error, trim};

/// Rows of a sheet that are not written out, but said to stand there once more. Source: a person who fills a
/// column down makes some; a file of a kilobyte must not make a million.
const REPEATED_MAX: u64 = 10_000;

pub(super) struct Ods {
    pub sheets: Vec<SheetName>,
    pub hidden: Vec<String>,
    /// Which table of the document each sheet is.
    tables: Vec<usize>,
}

impl Ods {
    pub(super) fn open(archive: &Archive) -> Result<Self, Fault> {
        const MANIFEST: &str = "META-INF/manifest.xml";

        if archive.has(MANIFEST) {
            Xml::new(archive.part(MANIFEST)?).each(|tag| match tag.name() {
                "encryption-data" => Err(Fault::Password),
                _ => Ok(()),
            })?;
        }
        // Damaged or not, it says nothing of the rows.
        let active = active_table(archive).unwrap_or_default();
        let mut this = Self { sheets: Vec::new(), hidden: Vec::new(), tables: Vec::new() };
        let (mut style, mut hidden) = (String::new(), HashSet::new());
        let mut n_tables = 0;
        Xml::new(archive.part("content.xml")?).each(|tag| {
            match tag.name() {
                "style" => style = tag.get("style:name").unwrap_or_default().into_owned(),
                "table-properties" if tag.get("table:display").as_deref() == Some("false") => {
                    hidden.insert(style.clone());
                }
                "table" => {
                    n_tables += 1;
                    if SHEETS_MAX < n_tables {
                        return Err(Fault::TooManySheets(SHEETS_MAX));
                    }
                    let name = tag.get("table:name").unwrap_or_default().into_owned();
                    if tag.get("table:style-name").is_some_and(|style| hidden.contains(&*style)) {
                        this.hidden.push(name);
                    } else {
                        let is_active = active.as_ref() == Some(&name);
                        this.sheets.push(SheetName { name, is_active });
                        this.tables.push(n_tables - 1);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// The rows of a sheet, from the first.
    pub(super) fn rows(&self, archive: &Archive, at: usize) -> Result<Rows, Fault> {
        let mut xml = Xml::new(archive.part("content.xml")?);
        let mut n_tables = 0;
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "table" => {
                    if n_tables == self.tables[at] {
                        break;
                    }
                    n_tables += 1;
                }
                Node::End => return Err(Fault::NoSheet),
                _ => {}
            }
        }
        Ok(Rows { xml, line: 0, n_left: 0, n_repeated: 0, value: String::new() })
    }
}

/// The sheet that was in front when the document was saved.
fn active_table(archive: &Archive) -> Result<Option<String>, Fault> {
    const SETTINGS: &str = "settings.xml";

    if !archive.has(SETTINGS) {
        return Ok(None);
    }
    let mut xml = Xml::new(archive.part(SETTINGS)?);
    let (mut is_name, mut name) = (false, String::new());
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "config-item" => {
                is_name = tag.get("config:name").as_deref() == Some("ActiveTable");
            }
            Node::Text(text) if is_name => append(&mut name, 0, &text),
            Node::Close(_) => is_name = false,
            Node::End => return Ok(Some(name).filter(|name| !name.is_empty())),
            _ => {}
        }
    }
}

/// The rows of one sheet.
pub(super) struct Rows {
    xml: Xml,
    /// Of the row before, with its repetitions.
    line: u64,
    /// How often the current row still stands there.
    n_left: u64,
    n_repeated: u64,
    value: String,
}

impl Rows {
    /// Reads the next row that is not blank into `row`. `false`: there is none.
    pub(super) fn advance(&mut self, row: &mut Row) -> Result<bool, Fault> {
        if 0 < self.n_left {
            self.n_left -= 1;
            row.line += 1;
            row.give()?;
            return Ok(true);
        }
        loop {
            match self.xml.next()? {
                Node::Open(tag) if tag.name() == "table-row" => {
                    let n = repeated(&tag, "table:number-rows-repeated");
                    let visibility = tag.get("table:visibility");
                    row.begin(self.line + 1, matches!(visibility.as_deref(), Some("collapse" | "filter")));
                    drop(visibility);
                    self.line = self.line.saturating_add(n);
                    self.cells(row)?;
                    if row.is_blank() {
                        continue;
                    }
                    self.n_left = n - 1;
                    self.n_repeated = self.n_repeated.saturating_add(n - 1);
                    if REPEATED_MAX < self.n_repeated {
                        return Err(Fault::Repeated { n, n_max: REPEATED_MAX });
                    }
                    row.give()?;
                    return Ok(true);
                }
                Node::Close(tag) if tag.name() == "table" => return Ok(false),
                Node::End => return Ok(false),
                _ => {}
            }
        }
    }

    fn cells(&mut self, row: &mut Row) -> Result<(), Fault> {
        let mut cell: Option<Cell> = None;
        let mut column = 0_usize;
        // How deep we are in paragraphs, and in the remarks and shapes that people hang on cells.
        let (mut n_paragraphs, mut in_paragraph, mut in_remark) = (0, 0_usize, 0_usize);
        let is_remark = |prefix: Option<&str>, name: &str| prefix == Some("draw") || name == "annotation";
        loop {
            match self.xml.next()? {
                Node::Open(tag) => match tag.name() {
                    // A shape may have a table of its own.
                    "table-cell" | "covered-table-cell" if cell.is_none() && in_remark == 0 => {
                        cell = Some(Cell::of(&tag));
                        self.value.clear();
                        n_paragraphs = 0;
                    }
                    name if is_remark(tag.prefix(), name) => in_remark += 1,
                    _ if 0 < in_remark || cell.is_none() => {}
                    "p" | "h" => {
                        in_paragraph += 1;
                        n_paragraphs += 1;
                        if 1 < n_paragraphs {
                            append(&mut self.value, 0, "\n");
                        }
                    }
                    "s" => {
                        let n = tag.get("text:c").and_then(|n| n.parse().ok()).unwrap_or(1_usize);
                        append(&mut self.value, 0, &" ".repeat(n.min(CELL_LEN_MAX + 1)));
                    }
                    "tab" => append(&mut self.value, 0, "\t"),
                    "line-break" => append(&mut self.value, 0, "\n"),
                    _ => {}
                },
                Node::Text(text) if 0 < in_paragraph && in_remark == 0 => {
                    // A line break of the file is none of the text.
                    let text = if text.contains('\n') { Cow::Owned(text.replace('\n', " ")) } else { text };
                    append(&mut self.value, 0, &text);
                }
                Node::Close(tag) => match tag.name() {
                    name if is_remark(tag.prefix(), name) => in_remark = in_remark.saturating_sub(1),
                    "p" | "h" if in_remark == 0 => in_paragraph = in_paragraph.saturating_sub(1),
                    "table-cell" | "covered-table-cell" if in_remark == 0 => {
                        if let Some(cell) = cell.take() {
                            let text = cell.text(&self.value);
                            if !cell.is_covered {
                                row.put(column, cell.n_columns, &text)?;
                            }
                            column = column.saturating_add(cell.n_columns);
                            in_paragraph = 0;
                        }
                    }
                    "table-row" if cell.is_none() => return Ok(()),
                    _ => {}
                },
                Node::End => return Err(Fault::Ends),
                Node::Text(_) | Node::Other => {}
            }
        }
    }
}

struct Cell {
    n_columns: usize,
    /// Under another one that was widened over it; nobody sees it.
    is_covered: bool,
    /// It is marked as one whose formula failed.
    is_error: bool,
    /// What it is, where that is more than the text which is shown.
    value: Option<String>,
    /// The value is a whole number.
    is_whole: bool,
}

impl Cell {
    fn of(tag: &Tag<'_>) -> Self {
        let is_error = tag.get("calcext:value-type").as_deref() == Some("error");
        let kind = tag.get("office:value-type");
        let number = || tag.get("office:value").and_then(|value| value.trim().parse::<f64>().ok());
        let is_whole = matches!(kind.as_deref(), Some("float" | "currency"))
            && number().is_some_and(|number| number.fract() == 0.0);
        let value = match kind.as_deref() {
            Some("float" | "currency") => number().map(numbers::number),
            Some("percentage") => number().map(numbers::percentage),
            Some("boolean") => tag.get("office:boolean-value").map(Cow::into_owned),
            Some("date") => tag.get("office:date-value").map(|date| {
                let parsed: Result<jiff::civil::DateTime, _> = date.parse();
                parsed.map_or_else(|_| date.to_string(), numbers::text_of)
            }),
            _ => None,
        };
        let n_columns = repeated(tag, "table:number-columns-repeated");
        Self {
            n_columns: usize::try_from(n_columns).unwrap_or(usize::MAX),
            is_covered: tag.name() == "covered-table-cell",
            is_error,
            value,
            is_whole,
        }
    }

    /// Of a formula that failed, the value is 0 or what it was before: what is shown wins.
    fn text<'a>(&'a self, shown: &'a str) -> Cow<'a, str> {
        match &self.value {
            _ if self.is_error => failed(shown).into(),
            Some(value) if !is_formula_error(trim(shown)) => {
                let is_other = self.is_whole && numbers::is_other(value, shown);
                if is_other { format!("{shown} = {value}").into() } else { value.into() }
            }
            _ => shown.into(),
        }
    }
}

/// How often it stands there: at least once.
fn repeated(tag: &Tag<'_>, name: &str) -> u64 {
    tag.get(name).and_then(|n| n.parse().ok()).unwrap_or(1).max(1)
}
