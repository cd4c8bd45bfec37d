//! `.xlsx`: sheets of Office Open XML (ECMA-376), row by row. Of their looks only hidden rows and the formats
//! of numbers matter.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::limits::SHEETS_MAX;
use super::archive::Archive;
use super::numbers::{self, Epoch, Formats, Look, STYLES_MAX, Styles};
use super::relations::{Relation, book, relations};
use super::row::Row;
use super::sheet_name::SheetName;
use super::texts::{Texts, append, failed, unescaped};
use super::words::Fault;
use super::xml::{Node, Tag, Xml};

/// What all sheets of a workbook share.
pub(super) struct Xlsx {
    pub sheets: Vec<SheetName>,
    pub hidden: Vec<String>,
    /// The part of each sheet.
    parts: Vec<String>,
    texts: Rc<Texts>,
    styles: Rc<Styles>,
}

impl Xlsx {
    pub(super) fn open(archive: &Archive) -> Result<Self, Fault> {
        let book = book(archive, "xl/workbook.xml")?;
        let relations = relations(archive, &book)?;
        // Some programs name parts that are not there, and need none of them.
        let part = |kind: &str| {
            let found = relations.iter().find(|relation| relation.kind.ends_with(kind));
            found.map(|relation| relation.target.as_str()).filter(|part| archive.has(part))
        };

        let parts: HashMap<&str, &Relation> =
            relations.iter().map(|relation| (relation.id.as_str(), relation)).collect();
        let mut this = Self {
            sheets: Vec::new(),
            hidden: Vec::new(),
            parts: Vec::new(),
            texts: Rc::new(match part("/sharedStrings") {
                Some(part) => Texts::read(Xml::new(archive.part(part)?))?,
                None => Texts::default(),
            }),
            styles: Rc::new(Styles::default()),
        };
        let looks = match part("/styles") {
            Some(part) => looks_of(Xml::new(archive.part(part)?))?,
            None => Vec::new(),
        };
        let (mut epoch, mut active, mut n_sheets) = (Epoch::default(), 0, 0_usize);
        Xml::new(archive.part(&book)?).each(|tag| {
            match tag.name() {
                "workbookPr" if tag.get("date1904").is_some_and(|value| is_true(&value)) => {
                    epoch = Epoch::Year1904
                }
                "workbookView" => {
                    active = tag.get("activeTab").and_then(|tab| tab.parse().ok()).unwrap_or(0);
                }
                "sheet" => {
                    n_sheets += 1;
                    if SHEETS_MAX < n_sheets {
                        return Err(Fault::TooManySheets(SHEETS_MAX));
                    }
                    let name = tag.get("name").unwrap_or_default().into_owned();
                    let is_hidden = matches!(tag.get("state").as_deref(), Some("hidden" | "veryHidden"));
                    let part = tag.get_local("id").and_then(|id| parts.get(&*id).copied());
                    let is_table = part.is_none_or(|part| part.kind.ends_with("/worksheet"));
                    if is_hidden && is_table {
                        this.hidden.push(name);
                    } else if is_table {
                        this.sheets.push(SheetName { name, is_active: n_sheets - 1 == active });
                        this.parts.push(part.map_or_else(String::new, |part| part.target.clone()));
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        this.styles = Rc::new(Styles { looks, epoch });
        Ok(this)
    }

    /// The rows of a sheet, from the first.
    pub(super) fn rows(&self, archive: &Archive, at: usize) -> Result<Rows, Fault> {
        let xml = Xml::new(archive.part(&self.parts[at])?);
        let (texts, styles) = (Rc::clone(&self.texts), Rc::clone(&self.styles));
        Ok(Rows { xml, texts, styles, line: 0, value: String::new() })
    }
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true")
}

/// For each look of a cell, what becomes of its number.
fn looks_of(xml: Xml) -> Result<Vec<Look>, Fault> {
    let mut formats = Formats::default();
    let mut looks = Vec::new();
    let mut is_in_cells = false;
    xml.each(|tag| {
        let id = |name| tag.get(name).and_then(|id| id.parse::<u32>().ok());
        match tag.name() {
            "numFmt" => {
                if let (Some(id), Some(code)) = (id("numFmtId"), tag.get("formatCode")) {
                    formats.add(id, &code);
                }
            }
            "cellXfs" => is_in_cells = true,
            "cellStyleXfs" | "cellStyles" | "dxfs" => is_in_cells = false,
            "xf" if is_in_cells && looks.len() < STYLES_MAX => {
                looks.push(formats.look(id("numFmtId").unwrap_or(0)));
            }
            _ => {}
        }
        Ok(())
    })?;
    looks.shrink_to_fit();
    Ok(looks)
}

/// The rows of one sheet.
pub(super) struct Rows {
    xml: Xml,
    texts: Rc<Texts>,
    styles: Rc<Styles>,
    /// Of the row before.
    line: u64,
    value: String,
}

/// What a cell's text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    /// The number of a shared text.
    Shared,
    Inline,
    Bool,
    Date,
    /// The name of a formula's error.
    Error,
    /// A formula's text.
    Plain,
}

#[derive(Clone, Copy)]
struct Cell {
    column: usize,
    kind: Kind,
    style: usize,
}

impl Rows {
    /// Reads the next row that is not blank into `row`. `false`: there is none.
    pub(super) fn advance(&mut self, row: &mut Row) -> Result<bool, Fault> {
        loop {
            match self.xml.next()? {
                Node::Open(tag) if tag.name() == "row" => {
                    let line = match tag.get("r") {
                        Some(place) => place.parse().map_err(|_| Fault::Place)?,
                        None => self.line + 1,
                    };
                    row.begin(line, tag.get("hidden").is_some_and(|value| is_true(&value)));
                    if line <= self.line {
                        return Err(Fault::Unordered);
                    }
                    self.line = line;
                    self.cells(row)?;
                    if !row.is_blank() {
                        row.give()?;
                        return Ok(true);
                    }
                }
                Node::End => return Ok(false),
                _ => {}
            }
        }
    }

    fn cells(&mut self, row: &mut Row) -> Result<(), Fault> {
        let mut cell: Option<Cell> = None;
        let mut next_column = 0;
        let (mut is_value, mut is_reading_aid) = (false, false);
        loop {
            match self.xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "c" => {
                        let opened = Cell::of(&tag, next_column)?;
                        next_column = opened.column + 1;
                        self.value.clear();
                        cell = Some(opened);
                    }
                    "v" => is_value = cell.is_some_and(|cell| cell.kind != Kind::Inline),
                    "t" => is_value = cell.is_some_and(|cell| cell.kind == Kind::Inline) && !is_reading_aid,
                    "rPh" => is_reading_aid = true,
                    _ => {}
                },
                Node::Text(text) if is_value => append(&mut self.value, 0, &text),
                Node::Close(tag) => match tag.name() {
                    "v" | "t" => is_value = false,
                    "rPh" => is_reading_aid = false,
                    "c" => {
                        if let Some(cell) = cell.take() {
                            self.put(cell, row)?;
                        }
                    }
                    "row" => return Ok(()),
                    _ => {}
                },
                Node::End => return Err(Fault::Ends),
                Node::Text(_) | Node::Other => {}
            }
        }
    }

    fn put(&self, cell: Cell, row: &mut Row) -> Result<(), Fault> {
        let value = self.value.as_str();
        let text = match cell.kind {
            Kind::Error => Cow::Borrowed(failed(value)),
            _ if value.is_empty() => return Ok(()),
            Kind::Plain | Kind::Inline => unescaped(value),
            Kind::Shared => {
                let text = value.trim().parse().ok().and_then(|at| self.texts.get(at));
                Cow::Borrowed(text.ok_or(Fault::NoText)?)
            }
            Kind::Bool => Cow::Borrowed(match value.trim() {
                "1" => "true",
                "0" => "false",
                other => other,
            }),
            Kind::Date => {
                let parsed: Result<jiff::civil::DateTime, _> = value.trim_end_matches('Z').parse();
                parsed.map_or(Cow::Borrowed(value), |moment| Cow::Owned(numbers::text_of(moment)))
            }
            Kind::Number => match value.trim().parse() {
                Ok(value) => Cow::Owned(self.styles.shown(value, cell.style)),
                Err(_) => Cow::Borrowed(value),
            },
        };
        row.put(cell.column, 1, &text)
    }
}

impl Cell {
    fn of(tag: &Tag<'_>, next_column: usize) -> Result<Self, Fault> {
        let column = match tag.get("r") {
            Some(place) => column_of(&place)?,
            None => next_column,
        };
        let kind = match tag.get("t").as_deref() {
            None | Some("n") => Kind::Number,
            Some("s") => Kind::Shared,
            Some("inlineStr") => Kind::Inline,
            Some("b") => Kind::Bool,
            Some("d") => Kind::Date,
            Some("e") => Kind::Error,
            Some(_) => Kind::Plain,
        };
        let style = tag.get("s").and_then(|style| style.parse().ok()).unwrap_or(0);
        Ok(Self { column, kind, style })
    }
}

/// The column of `B12`, from 0.
fn column_of(place: &str) -> Result<usize, Fault> {
    let letters = place.trim_end_matches(|c: char| c.is_ascii_digit());
    if letters.is_empty() || 3 < letters.len() || !letters.bytes().all(|c| c.is_ascii_alphabetic()) {
        return Err(Fault::Place);
    }
    let column = letters.bytes().fold(0, |n, c| n * 26 + usize::from(c.to_ascii_uppercase() - b'A') + 1);
    Ok(column - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_letters_and_a_number() {
        for (place, column) in [("A1", 0), ("Z9", 25), ("AA10", 26), ("XFD1048576", 16_383), ("ZZZ1", 18_277)]
        {
            assert_eq!(column_of(place).ok(), Some(column), "{place}");
        }
        for place in ["", "1", "ZZZZ1", "A-1", "é1"] {
            assert!(column_of(place).is_err(), "{place}");
        }
    }
}
