//! `.xlsb`: sheets of Excel's binary workbooks ([MS-XLSB]), row by row.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::limits::SHEETS_MAX;
use super::archive::Archive;
use super::binary::{self, Fields};
use super::numbers::{Epoch, Formats, STYLES_MAX, Styles};
use super::relations::{Relation, relations};
use super::row::Row;
use super::sheet_name::SheetName;
use super::texts::{Texts, append_units, failed};
use super::words::Fault;
use super::xlsb_records::Records;

/// Kinds of records. Source: [MS-XLSB] 2.3.
mod kind {
    pub(super) const ROW: u16 = 0;
    pub(super) const RK: u16 = 2;
    pub(super) const ERROR: u16 = 3;
    pub(super) const BOOL: u16 = 4;
    pub(super) const REAL: u16 = 5;
    pub(super) const TEXT: u16 = 6;
    pub(super) const SHARED: u16 = 7;
    pub(super) const FORMULA_TEXT: u16 = 8;
    pub(super) const FORMULA_REAL: u16 = 9;
    pub(super) const FORMULA_BOOL: u16 = 10;
    pub(super) const FORMULA_ERROR: u16 = 11;
    /// From here on cells that do not say their column: they follow the one before.
    pub(super) const NEXT_BLANK: u16 = 12;
    pub(super) const NEXT_RK: u16 = 13;
    pub(super) const NEXT_ERROR: u16 = 14;
    pub(super) const NEXT_BOOL: u16 = 15;
    pub(super) const NEXT_REAL: u16 = 16;
    pub(super) const NEXT_TEXT: u16 = 17;
    pub(super) const NEXT_SHARED: u16 = 18;
    pub(super) const SHARED_TEXT: u16 = 19;
    pub(super) const FORMAT: u16 = 44;
    pub(super) const XF: u16 = 47;
    pub(super) const NEXT_RICH_TEXT: u16 = 61;
    pub(super) const RICH_TEXT: u16 = 62;
    pub(super) const BEGIN_ROWS: u16 = 145;
    pub(super) const END_ROWS: u16 = 146;
    pub(super) const BOOK_PROPERTIES: u16 = 153;
    pub(super) const SHEET: u16 = 156;
    pub(super) const BOOK_VIEW: u16 = 158;
    pub(super) const BEGIN_CELL_XFS: u16 = 617;
    pub(super) const END_CELL_XFS: u16 = 618;
}

/// The part that has the workbook.
pub(super) const PART: &str = "xl/workbook.bin";

/// What all sheets of a workbook share.
pub(super) struct Xlsb {
    pub sheets: Vec<SheetName>,
    pub hidden: Vec<String>,
    /// The part of each sheet.
    parts: Vec<String>,
    texts: Rc<Texts>,
    styles: Rc<Styles>,
}

impl Xlsb {
    pub(super) fn open(archive: &Archive) -> Result<Self, Fault> {
        let relations = relations(archive, PART)?;
        let part = |kind: &str| {
            let found = relations.iter().find(|relation| relation.kind.ends_with(kind));
            found.map(|relation| relation.target.as_str()).filter(|part| archive.has(part))
        };
        let parts: HashMap<&str, &Relation> =
            relations.iter().map(|relation| (relation.id.as_str(), relation)).collect();
        let mut texts = Texts::default();
        if let Some(part) = part("/sharedStrings") {
            let mut units = Vec::new();
            let mut records = Records::new(archive.part(part)?);
            while let Some(kind) = records.next(|kind| kind == kind::SHARED_TEXT)? {
                if kind == kind::SHARED_TEXT {
                    let mut fields = records.fields();
                    let read = fields.u8().and_then(|_| text(&mut fields, &mut units));
                    read.ok_or_else(|| records.damaged())?;
                    texts.push(&units)?;
                }
            }
        }
        let mut styles = match part("/styles") {
            Some(part) => looks(Records::new(archive.part(part)?))?,
            None => Styles::default(),
        };
        let (mut sheets, mut hidden, mut sheet_parts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut active, mut n_sheets) = (0, 0);
        let mut records = Records::new(archive.part(PART)?);
        while let Some(kind) =
            records.next(|kind| matches!(kind, kind::BOOK_PROPERTIES | kind::SHEET | kind::BOOK_VIEW))?
        {
            let mut fields = records.fields();
            match kind {
                kind::BOOK_PROPERTIES => {
                    let flags = fields.u32().ok_or_else(|| records.damaged())?;
                    if flags & 1 == 1 {
                        styles.epoch = Epoch::Year1904;
                    }
                }
                kind::BOOK_VIEW => {
                    let at = fields.take(24).and_then(|_| fields.u32()).ok_or_else(|| records.damaged())?;
                    active = at as usize;
                }
                kind::SHEET => {
                    n_sheets += 1;
                    if SHEETS_MAX < n_sheets {
                        return Err(Fault::TooManySheets(SHEETS_MAX));
                    }
                    let sheet = bundled(&mut fields).ok_or_else(|| records.damaged())?;
                    let part = parts.get(sheet.relation.as_str());
                    if part.is_some_and(|part| !part.kind.ends_with("/worksheet")) {
                        continue;
                    }
                    if sheet.is_hidden {
                        hidden.push(sheet.name);
                    } else {
                        sheets.push(SheetName { name: sheet.name, is_active: n_sheets - 1 == active });
                        sheet_parts.push(part.map_or_else(String::new, |part| part.target.clone()));
                    }
                }
                _ => {}
            }
        }
        let (texts, styles) = (Rc::new(texts), Rc::new(styles));
        Ok(Self { sheets, hidden, parts: sheet_parts, texts, styles })
    }

    /// The rows of a sheet, from the first.
    pub(super) fn rows(&self, archive: &Archive, at: usize) -> Result<Rows, Fault> {
        let mut records = Records::new(archive.part(&self.parts[at])?);
        loop {
            match records.next(|_| false)? {
                Some(kind::BEGIN_ROWS) => break,
                Some(_) => {}
                None => return Err(Fault::Ends),
            }
        }
        let (texts, styles) = (Rc::clone(&self.texts), Rc::clone(&self.styles));
        let mut rows = Rows { records, texts, styles, line: 0, begun: None };
        while rows.begun.is_none() && rows.next_cell()?.is_some() {}
        Ok(rows)
    }
}

struct Bundled {
    name: String,
    relation: String,
    is_hidden: bool,
}

fn bundled(fields: &mut Fields<'_>) -> Option<Bundled> {
    let is_hidden = fields.u32()? != 0;
    fields.u32()?;
    let mut units = Vec::new();
    // Without a relation its length is that of no text.
    let relation = match fields.0.get(..4) {
        Some([0xFF, 0xFF, 0xFF, 0xFF]) => {
            fields.take(4)?;
            String::new()
        }
        _ => {
            text(fields, &mut units)?;
            String::from_utf16_lossy(&units)
        }
    };
    text(fields, &mut units)?;
    Some(Bundled { name: String::from_utf16_lossy(&units), relation, is_hidden })
}

/// A text behind its length. `None`: the record is too short for it. Of one that is too long for a cell only
/// so much is there as tells that.
fn text(fields: &mut Fields<'_>, units: &mut Vec<u16>) -> Option<()> {
    let n_bytes = usize::try_from(fields.u32()?).ok()?.checked_mul(2)?;
    let bytes = fields.take(n_bytes)?;
    units.clear();
    units.extend(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
    Some(())
}

fn looks(mut records: Records) -> Result<Styles, Fault> {
    let mut formats = Formats::default();
    let mut styles = Styles::default();
    let mut is_in_cells = false;
    let mut units = Vec::new();
    while let Some(kind) = records.next(|kind| matches!(kind, kind::FORMAT | kind::XF))? {
        let mut fields = records.fields();
        match kind {
            kind::BEGIN_CELL_XFS => is_in_cells = true,
            kind::END_CELL_XFS => is_in_cells = false,
            kind::FORMAT => {
                let id = fields.u16().ok_or_else(|| records.damaged())?;
                text(&mut fields, &mut units).ok_or_else(|| records.damaged())?;
                formats.add(u32::from(id), &String::from_utf16_lossy(&units));
            }
            kind::XF if is_in_cells && styles.looks.len() < STYLES_MAX => {
                let id = fields.u16().and_then(|_| fields.u16()).ok_or_else(|| records.damaged())?;
                styles.looks.push(formats.look(u32::from(id)));
            }
            _ => {}
        }
    }
    Ok(styles)
}

/// The rows of one sheet.
pub(super) struct Rows {
    records: Records,
    texts: Rc<Texts>,
    styles: Rc<Styles>,
    /// Of the row before.
    line: u64,
    /// The line of the row that was begun, and whether it is hidden.
    begun: Option<(u64, bool)>,
}

impl Rows {
    /// Reads the next row that is not blank into `row`. `false`: there is none.
    pub(super) fn advance(&mut self, row: &mut Row) -> Result<bool, Fault> {
        while let Some((line, is_hidden)) = self.begun.take() {
            row.begin(line, is_hidden);
            if line <= self.line {
                return Err(Fault::Unordered);
            }
            self.line = line;
            let mut next_column = 0;
            while let Some(kind) = self.next_cell()? {
                next_column = self.put(kind, next_column, row)?;
            }
            if !row.is_blank() {
                row.give()?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes to the next cell of the row. `None`: another row begins, or there is none.
    fn next_cell(&mut self) -> Result<Option<u16>, Fault> {
        let is_cell =
            |kind| matches!(kind, kind::RK..=kind::NEXT_SHARED | kind::RICH_TEXT | kind::NEXT_RICH_TEXT);
        loop {
            match self.records.next(|kind| is_cell(kind) || kind == kind::ROW)?.ok_or(Fault::Ends)? {
                kind::END_ROWS => return Ok(None),
                kind::ROW => {
                    let mut fields = self.records.fields();
                    let begun = fields.u32().and_then(|row| {
                        fields.take(7)?;
                        Some((u64::from(row) + 1, fields.u8()? & 0x10 == 0x10))
                    });
                    self.begun = Some(begun.ok_or_else(|| self.records.damaged())?);
                    return Ok(None);
                }
                kind if is_cell(kind) => return Ok(Some(kind)),
                _ => {}
            }
        }
    }

    /// Puts the current cell into the row, and gives the column behind it.
    fn put(&mut self, kind: u16, next_column: usize, row: &mut Row) -> Result<usize, Fault> {
        let mut fields = self.records.fields();
        let column = match kind {
            kind::NEXT_BLANK..=kind::NEXT_SHARED | kind::NEXT_RICH_TEXT => Some(next_column),
            _ => fields.u32().and_then(|column| usize::try_from(column).ok()),
        };
        let style = fields.u32().map(|style| (style & 0x00FF_FFFF) as usize);
        let place =
            column.zip(style).and_then(|(column, style)| Some((column, style, column.checked_add(1)?)));
        let (column, style, behind) = place.ok_or_else(|| self.records.damaged())?;
        let text = self.text(kind, fields, style).ok_or_else(|| self.records.damaged())?;
        row.put(column, 1, &text?)?;
        Ok(behind)
    }

    /// What the cell shows. `None`: the record is too short.
    fn text(&self, kind: u16, mut fields: Fields<'_>, style: usize) -> Option<Result<Cow<'_, str>, Fault>> {
        let text = match kind {
            kind::NEXT_BLANK => "".into(),
            kind::RK | kind::NEXT_RK => self.styles.shown(binary::short_number(fields.u32()?), style).into(),
            kind::REAL | kind::NEXT_REAL | kind::FORMULA_REAL => {
                self.styles.shown(fields.f64()?, style).into()
            }
            kind::ERROR | kind::NEXT_ERROR | kind::FORMULA_ERROR => {
                failed(binary::error(fields.u8()?)).into()
            }
            kind::BOOL | kind::NEXT_BOOL | kind::FORMULA_BOOL => binary::truth(fields.u8()?).into(),
            kind::SHARED | kind::NEXT_SHARED => {
                let at = usize::try_from(fields.u32()?).ok()?;
                match self.texts.get(at) {
                    Some(text) => text.into(),
                    None => return Some(Err(Fault::NoText)),
                }
            }
            _ => {
                if matches!(kind, kind::RICH_TEXT | kind::NEXT_RICH_TEXT) {
                    fields.u8()?;
                }
                debug_assert!(matches!(
                    kind,
                    kind::TEXT
                        | kind::NEXT_TEXT
                        | kind::FORMULA_TEXT
                        | kind::RICH_TEXT
                        | kind::NEXT_RICH_TEXT
                ));
                let (mut units, mut shown) = (Vec::new(), String::new());
                text(&mut fields, &mut units)?;
                append_units(&mut shown, &units);
                shown.into()
            }
        };
        Some(Ok(text))
    }
}
