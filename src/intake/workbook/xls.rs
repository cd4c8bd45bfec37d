//! `.xls`: sheets of Excel 97 to 2003 ([MS-XLS]). Rows and cells may stand in any order, so that a sheet's
//! cells are kept, 16 bytes each.

use std::rc::Rc;

use super::super::limits::SHEETS_MAX;
use super::binary::{self, Fields};
use super::compound::Compound;
use super::numbers::{self, Epoch, STYLES_MAX, Styles};
use super::row::Row;
use super::sheet_name::SheetName;
use super::texts::{Texts, failed};
use super::words::Fault;
use super::xls_records::Records;

/// Cells of a sheet that say something. Source: 65,536 rows, all that it can have, of 64 columns.
const CELLS_MAX: usize = 4_194_304;

/// Rows of a sheet.
const ROWS: usize = 65_536;

/// The stream that has the workbook.
pub(super) const STREAM: &str = "workbook";

/// Kinds of records. Source: [MS-XLS] 2.3.
mod kind {
    pub(super) const FORMULA: u16 = 0x0006;
    pub(super) const EOF: u16 = 0x000A;
    pub(super) const DATE_1904: u16 = 0x0022;
    pub(super) const FILE_PASS: u16 = 0x002F;
    pub(super) const WINDOW_1: u16 = 0x003D;
    pub(super) const BOUND_SHEET: u16 = 0x0085;
    pub(super) const MUL_RK: u16 = 0x00BD;
    pub(super) const RICH_STRING: u16 = 0x00D6;
    pub(super) const XF: u16 = 0x00E0;
    pub(super) const SST: u16 = 0x00FC;
    pub(super) const LABEL_SST: u16 = 0x00FD;
    pub(super) const NUMBER: u16 = 0x0203;
    pub(super) const LABEL: u16 = 0x0204;
    pub(super) const BOOL_ERR: u16 = 0x0205;
    pub(super) const STRING: u16 = 0x0207;
    pub(super) const ROW: u16 = 0x0208;
    pub(super) const RK: u16 = 0x027E;
    pub(super) const FORMAT: u16 = 0x041E;
    pub(super) const BOF: u16 = 0x0809;
}

/// What all sheets of a workbook share.
pub(super) struct Xls {
    pub sheets: Vec<SheetName>,
    pub hidden: Vec<String>,
    /// Where in the stream each sheet begins.
    places: Vec<u64>,
    texts: Rc<Texts>,
    styles: Rc<Styles>,
    container: Compound,
}

impl Xls {
    /// `None`: it is of before 1997.
    pub(super) fn open(container: Compound) -> Result<Option<Self>, Fault> {
        const VERSION: u16 = 0x0600;

        let mut records = Records::new(container.stream(STREAM)?, 0);
        if records.next()? != Some(kind::BOF) {
            return Err(records.damaged());
        }
        if records.u16()? != VERSION {
            return Ok(None);
        }
        let mut texts = Texts::default();
        let mut formats = numbers::Formats::default();
        let mut styles = Styles::default();
        let mut found: Vec<(SheetName, bool, u64)> = Vec::new();
        let (mut active, mut n_sheets) = (0, 0);
        let mut units = Vec::new();
        loop {
            match records.next()?.ok_or(Fault::Ends)? {
                kind::EOF => break,
                kind::FILE_PASS => return Err(Fault::Password),
                kind::DATE_1904 if records.u16()? == 1 => styles.epoch = Epoch::Year1904,
                kind::WINDOW_1 => {
                    records.skip(10)?;
                    active = usize::from(records.u16()?);
                }
                kind::BOUND_SHEET => {
                    n_sheets += 1;
                    if SHEETS_MAX < n_sheets {
                        return Err(Fault::TooManySheets(SHEETS_MAX));
                    }
                    let place = u64::from(records.u32()?);
                    let (is_hidden, kind, n_units) = (records.u8()? & 3 != 0, records.u8()?, records.u8()?);
                    records.plain_text(usize::from(n_units), &mut units)?;
                    let name = SheetName { name: String::from_utf16_lossy(&units), is_active: false };
                    // Others are charts and macros.
                    if kind == 0 {
                        let is_active = n_sheets - 1 == active;
                        found.push((SheetName { is_active, ..name }, is_hidden, place));
                    }
                }
                kind::FORMAT => {
                    let (id, n_units) = (records.u16()?, records.u16()?);
                    records.text(usize::from(n_units), &mut units)?;
                    formats.add(u32::from(id), &String::from_utf16_lossy(&units));
                }
                kind::XF if styles.looks.len() < STYLES_MAX => {
                    records.skip(2)?;
                    styles.looks.push(formats.look(u32::from(records.u16()?)));
                }
                kind::SST => {
                    records.skip(8)?;
                    while records.has_more()? {
                        let n_units = records.u16()?;
                        records.text(usize::from(n_units), &mut units)?;
                        texts.push(&units)?;
                    }
                }
                _ => {}
            }
        }
        let (mut sheets, mut hidden, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (sheet, is_hidden, place) in found {
            if is_hidden {
                hidden.push(sheet.name);
            } else {
                sheets.push(sheet);
                places.push(place);
            }
        }
        let (texts, styles) = (Rc::new(texts), Rc::new(styles));
        Ok(Some(Self { sheets, hidden, places, texts, styles, container }))
    }

    /// The rows of a sheet, from the first.
    pub(super) fn rows(&self, at: usize) -> Result<Rows, Fault> {
        let records = Records::new(self.container.stream(STREAM)?, self.places[at]);
        let mut rows = Rows {
            cells: Vec::new(),
            hidden: vec![false; ROWS],
            shared: Rc::clone(&self.texts),
            own: Texts::default(),
            styles: Rc::clone(&self.styles),
            at: 0,
        };
        rows.read(records)?;
        Ok(rows)
    }
}

/// The rows of one sheet.
pub(super) struct Rows {
    cells: Vec<Cell>,
    hidden: Vec<bool>,
    shared: Rc<Texts>,
    /// Of formulas.
    own: Texts,
    styles: Rc<Styles>,
    /// The next cell.
    at: usize,
}

#[derive(Clone, Copy)]
struct Cell {
    row: u16,
    column: u8,
    kind: Kind,
    style: u16,
    /// The bits of a number, the place of a text, a code.
    value: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    Number,
    Shared,
    Own,
    Bool,
    Error,
}

impl Rows {
    /// Reads the next row that is not blank into `row`. `false`: there is none.
    pub(super) fn advance(&mut self, row: &mut Row) -> Result<bool, Fault> {
        loop {
            let Some(Cell { row: number, .. }) = self.cells.get(self.at).copied() else { return Ok(false) };
            row.begin(u64::from(number) + 1, self.hidden[usize::from(number)]);
            while let Some(cell) = self.cells.get(self.at).filter(|cell| cell.row == number) {
                let code = u8::try_from(cell.value).unwrap_or(u8::MAX);
                let place = usize::try_from(cell.value).unwrap_or(usize::MAX);
                let number;
                let text = match cell.kind {
                    Kind::Number => {
                        number = self.styles.shown(f64::from_bits(cell.value), usize::from(cell.style));
                        &number
                    }
                    Kind::Shared => self.shared.get(place).ok_or(Fault::NoText)?,
                    Kind::Own => self.own.get(place).ok_or(Fault::NoText)?,
                    Kind::Bool => binary::truth(code),
                    Kind::Error => failed(binary::error(code)),
                };
                row.put(usize::from(cell.column), 1, text)?;
                self.at += 1;
            }
            if !row.is_blank() {
                row.give()?;
                return Ok(true);
            }
        }
    }

    fn read(&mut self, mut records: Records) -> Result<(), Fault> {
        if records.next()? != Some(kind::BOF) {
            return Err(records.damaged());
        }
        let (mut units, mut buffer) = (Vec::new(), Vec::new());
        // Charts in the sheet have records of their own.
        let mut depth = 1_u64;
        // The cell of a formula whose text follows.
        let mut awaited = None;
        while 0 < depth {
            let kind = records.next()?.ok_or(Fault::Ends)?;
            match kind {
                kind::BOF => depth += 1,
                kind::EOF => depth -= 1,
                _ if 1 < depth => {}
                kind::LABEL | kind::RICH_STRING => {
                    let (row, column, style) = (records.u16()?, records.u16()?, records.u16()?);
                    let n_units = records.u16()?;
                    records.text(usize::from(n_units), &mut units)?;
                    self.put_own((row, column, style), &units).ok_or_else(|| records.damaged())??;
                }
                kind::STRING => {
                    let n_units = records.u16()?;
                    records.text(usize::from(n_units), &mut units)?;
                    if let Some(place) = awaited.take() {
                        self.put_own(place, &units).ok_or_else(|| records.damaged())??;
                    }
                }
                kind::ROW
                | kind::FORMULA
                | kind::MUL_RK
                | kind::LABEL_SST
                | kind::NUMBER
                | kind::BOOL_ERR
                | kind::RK => {
                    let fields = records.data(&mut buffer)?;
                    let put = self.cell(kind, fields, &mut awaited);
                    put.ok_or_else(|| records.damaged())?;
                }
                _ => {}
            }
            if CELLS_MAX < self.cells.len() {
                return Err(Fault::TooManyCells(CELLS_MAX));
            }
        }
        let place = |cell: &Cell| (cell.row, cell.column);
        if !self.cells.is_sorted_by_key(place) {
            self.cells.sort_by_key(place);
        }
        Ok(())
    }

    /// Takes a record of a fixed form. `None`: it is too short.
    fn cell(&mut self, kind: u16, mut fields: Fields<'_>, awaited: &mut Option<Place>) -> Option<()> {
        let row = fields.u16()?;
        if kind == kind::ROW {
            fields.take(10)?;
            self.hidden[usize::from(row)] = fields.u16()? & 0x20 == 0x20;
            return Some(());
        }
        let mut column = fields.u16()?;
        if kind == kind::MUL_RK {
            while let (Some(style), Some(bits)) = (fields.u16(), fields.u32()) {
                self.put_number((row, column, style), binary::short_number(bits))?;
                column = column.checked_add(1)?;
            }
            return Some(());
        }
        let place = (row, column, fields.u16()?);
        match kind {
            kind::RK => self.put_number(place, binary::short_number(fields.u32()?)),
            kind::NUMBER => self.put_number(place, fields.f64()?),
            kind::LABEL_SST => self.put(place, Kind::Shared, u64::from(fields.u32()?)),
            kind::BOOL_ERR => {
                let value = u64::from(fields.u8()?);
                self.put(place, if fields.u8()? == 0 { Kind::Bool } else { Kind::Error }, value)
            }
            _ => {
                // What a formula came to: a number, or what else is told by its first byte.
                let value = fields.take(8)?;
                if value[6..] != [0xFF, 0xFF] {
                    return self.put_number(place, Fields(value).f64()?);
                }
                match value[0] {
                    0 => *awaited = Some(place),
                    1 => self.put(place, Kind::Bool, u64::from(value[2]))?,
                    2 => self.put(place, Kind::Error, u64::from(value[2]))?,
                    _ => {}
                }
                Some(())
            }
        }
    }

    fn put(&mut self, (row, column, style): Place, kind: Kind, value: u64) -> Option<()> {
        let column = u8::try_from(column).ok()?;
        self.cells.push(Cell { row, column, kind, style, value });
        Some(())
    }

    fn put_number(&mut self, place: Place, value: f64) -> Option<()> {
        self.put(place, Kind::Number, value.to_bits())
    }

    fn put_own(&mut self, place: Place, units: &[u16]) -> Option<Result<(), Fault>> {
        self.put(place, Kind::Own, self.own.len() as u64)?;
        Some(self.own.push(units))
    }
}

/// Row, column and style of a cell.
type Place = (u16, u16, u16);
