//! A file as records, whatever it is: text, or the sheet of a workbook that has the table. Where in it the
//! table begins.

use std::fs::File;
use std::io::Seek;

use super::bytes::{self, Damage, Decoding, Hashing, Kind};
use super::delimiter;
use super::header::{self, Map};
use super::options::IntakeOptions;
use super::reader::Reader;
use super::records::Record;
use super::summary::{Format, OtherSheet};
use super::words::IntakeError;
use super::workbook::{Book, Sheet};
use crate::ticket::is_blank;

/// Records among which the one that names the columns is looked for: titles and notes stand above it.
const LOOKED_AT_MAX: u64 = 30;

/// So many known names make a header; one may be the title `Cliente`.
const KNOWN_MIN: usize = 2;

/// Records of a file, one after the other.
pub(super) enum Input {
    Text(Box<Reader>),
    Workbook { sheet: Box<Sheet>, sha256: Option<[u8; 32]> },
}

/// Where a table begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Beginning {
    /// Records above the header that are not blank.
    n_above: u64,
    /// How many of the header's names are known.
    n_known: usize,
}

impl Input {
    /// Opens the file such that its header is the current record, and tells how many lines with something in
    /// them stand above it.
    pub(super) fn open(file: &mut File, options: &IntakeOptions) -> Result<(Self, Format, u64), IntakeError> {
        let again = |file: &mut File| {
            file.rewind().map_err(IntakeError::Read)?;
            file.try_clone().map_err(IntakeError::Read)
        };
        match bytes::sniff(file, options.encoding)? {
            Kind::Archive => open_workbook(file, options),
            Kind::Text { encoding, bom_len, damage } => {
                let (mut input, format) = open_text(again(file)?, encoding, bom_len, damage, options)?;
                let (beginning, n_read) = input.beginning(&options.map)?.ok_or(IntakeError::Empty)?;
                if n_read != beginning.n_above + 1 {
                    (input, _) = open_text(again(file)?, encoding, bom_len, damage, options)?;
                    input.skip_to(beginning)?;
                }
                Ok((input, format, beginning.n_above))
            }
        }
    }

    pub(super) fn advance(&mut self) -> Result<bool, IntakeError> {
        match self {
            Self::Text(reader) => reader.advance(),
            Self::Workbook { sheet, .. } => sheet.advance(),
        }
    }

    pub(super) fn record(&self) -> Record<'_> {
        match self {
            Self::Text(reader) => reader.record(),
            Self::Workbook { sheet, .. } => sheet.record(),
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Workbook { sheet, .. } => sheet.is_hidden(),
        }
    }

    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        match self {
            Self::Text(reader) => reader.sha256(),
            Self::Workbook { sha256, .. } => *sha256,
        }
    }

    /// Goes to the next record that is not blank.
    fn advance_to_text(&mut self) -> Result<bool, IntakeError> {
        while self.advance()? {
            if !self.record().cells().all(is_blank) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The record among the first ones that has most names which are known; the first one, if none has
    /// enough. And how many were read: no more than needed where the first is a header. `None`: all are
    /// blank.
    fn beginning(&mut self, maps: &[Map]) -> Result<Option<(Beginning, u64)>, IntakeError> {
        let mut best: Option<Beginning> = None;
        let mut n_read = 0;
        while n_read < LOOKED_AT_MAX && self.advance_to_text()? {
            let n_known = n_known(self.record(), maps);
            let is_better = |best: Beginning| KNOWN_MIN <= n_known && best.n_known < n_known;
            if best.is_none_or(is_better) {
                best = Some(Beginning { n_above: n_read, n_known });
            }
            n_read += 1;
            if n_read == 1 && KNOWN_MIN <= n_known {
                break;
            }
        }
        Ok(best.map(|beginning| (beginning, n_read)))
    }

    fn skip_to(&mut self, beginning: Beginning) -> Result<(), IntakeError> {
        for _ in 0..=beginning.n_above {
            if !self.advance_to_text()? {
                return Err(IntakeError::Empty); // Somebody has shortened the file meanwhile.
            }
        }
        Ok(())
    }
}

/// How many cells are names of columns: known ones, or those that a person maps.
fn n_known(record: Record<'_>, maps: &[Map]) -> usize {
    let is_mapped = |name: &str| {
        !maps.is_empty() && {
            let name = header::normal(name);
            !name.is_empty() && maps.iter().any(|map| header::normal(&map.column) == name)
        }
    };
    record.cells().filter(|name| !is_blank(name) && (header::is_known(name) || is_mapped(name))).count()
}

fn open_text(
    file: File,
    encoding: super::Encoding,
    bom_len: usize,
    damage: Damage,
    options: &IntakeOptions,
) -> Result<(Input, Format), IntakeError> {
    let mut reader = Reader::new(Decoding::new(file, encoding, bom_len, damage, options.hashing)?)?;
    let (text, rest) = reader.text();
    let sniffed = delimiter::sniff(text, rest, options.delimiter);
    let sep_line_len = sniffed.sep_line_len;
    reader.start(sniffed.delimiter, sep_line_len.unwrap_or(0), u64::from(sep_line_len.is_some()));
    let format = Format::Text { encoding, delimiter: sniffed.delimiter, sep_line: sep_line_len.is_some() };
    Ok((Input::Text(Box::new(reader)), format))
}

/// What a look at a sheet shows.
struct Look {
    beginning: Beginning,
    /// Below the header.
    n_rows: u64,
    n_hidden: u64,
}

/// Takes the sheet with the best header; of equal ones that which was in front when the workbook was saved,
/// then the first.
fn open_workbook(file: &mut File, options: &IntakeOptions) -> Result<(Input, Format, u64), IntakeError> {
    let sha256 = match options.hashing {
        Hashing::Off => None,
        Hashing::Sha256 => Some(bytes::hash(file)?),
    };
    let book = Book::open(file.try_clone().map_err(IntakeError::Read)?)?;
    let input = |at: usize| Ok(Input::Workbook { sheet: Box::new(book.read(at)?), sha256 });
    let mut looks = Vec::new();
    for (at, sheet) in book.sheets().iter().enumerate() {
        if let Some(look) = look_at(input(at)?, || input(at), options)? {
            looks.push((at, sheet, look));
        }
    }
    let best = looks.iter().max_by_key(|(at, sheet, look)| {
        let is_header = KNOWN_MIN <= look.beginning.n_known;
        (
            look.beginning.n_known * usize::from(is_header),
            is_header && sheet.is_active,
            std::cmp::Reverse(*at),
        )
    });
    let hidden = book.hidden();
    let Some((at, sheet, look)) = best else { return Err(IntakeError::Empty.beside_hidden(hidden)) };
    let others = looks.iter().filter(|(other, ..)| other != at);
    let format = Format::Workbook {
        sheet: sheet.name.clone(),
        others: others
            .map(|(_, sheet, look)| OtherSheet { name: sheet.name.clone(), n_rows: look.n_rows })
            .collect(),
        hidden_sheets: hidden.to_vec(),
        n_hidden: look.n_hidden,
    };
    let mut input = input(*at)?;
    input.skip_to(look.beginning)?;
    Ok((input, format, look.beginning.n_above))
}

/// `None` if the sheet is blank.
fn look_at(
    mut input: Input,
    again: impl FnOnce() -> Result<Input, IntakeError>,
    options: &IntakeOptions,
) -> Result<Option<Look>, IntakeError> {
    let Some((beginning, n_read)) = input.beginning(&options.map)? else { return Ok(None) };
    if n_read != beginning.n_above + 1 {
        input = again()?;
        input.skip_to(beginning)?;
    }
    let (mut n_rows, mut n_hidden) = (0, 0);
    while input.advance_to_text()? {
        n_rows += 1;
        n_hidden += u64::from(input.is_hidden());
    }
    Ok(Some(Look { beginning, n_rows, n_hidden }))
}
