//! A file as records, whatever it is: text, or the sheet of a workbook that has the table.

use std::cmp::Reverse;
use std::fs::File;
use std::io::Seek;

use super::beginning::{Beginning, KNOWN_MIN, Names, Search};
use super::bytes::{self, Damage, Decoding, Hashing, Kind};
use super::chosen::Chosen;
use super::delimiter::{self, Delimiter};
use super::encoding::Encoding;
use super::options::IntakeOptions;
use super::reader::Reader;
use super::records::Record;
use super::summary::{Format, OtherSheet, Wrapping};
use super::template;
use super::web_page;
use super::words::{IntakeError, formats};
use super::workbook::{self, Book, Sheet, SheetName};
use crate::ticket::is_blank;

/// Records of a file, one after the other.
pub(super) enum Input {
    Text(Box<Reader>),
    Workbook { sheet: Box<Sheet>, sha256: Option<[u8; 32]> },
}

/// A file at its header.
pub(super) struct Opened {
    pub input: Input,
    pub format: Format,
    pub header: Beginning,
    /// What it was taken out of, the outermost first.
    pub wrapping: Vec<Wrapping>,
}

impl Opened {
    fn out_of(mut self, wrapping: Wrapping) -> Self {
        self.wrapping.insert(0, wrapping);
        self
    }
}

/// How deep a spreadsheet may be wrapped: a page in an archive.
const WRAPPED_MAX: usize = 2;

impl Input {
    /// Opens the file such that the last record of its header is the current one.
    pub(super) fn open(file: &mut File, options: &IntakeOptions) -> Result<Opened, IntakeError> {
        Self::open_within(file, options, 0)
    }

    fn open_within(
        file: &mut File,
        options: &IntakeOptions,
        n_wrapped: usize,
    ) -> Result<Opened, IntakeError> {
        let names = Names::new(options.maps_that_may_be());
        let again = |file: &mut File| {
            file.rewind().map_err(IntakeError::Read)?;
            file.try_clone().map_err(IntakeError::Read)
        };
        match bytes::sniff(file, options.encoding)? {
            Kind::Archive => {
                if n_wrapped == 0
                    && let Some((name, mut inner)) = workbook::packed(again(file)?)?
                {
                    return Ok(
                        Self::open_within(&mut inner, options, n_wrapped + 1)?.out_of(Wrapping::Zip { name })
                    );
                }
                file.rewind().map_err(IntakeError::Read)?;
                open_workbook(file, options, &names)
            }
            Kind::Compound => open_workbook(file, options, &names),
            Kind::Page { .. } if n_wrapped == WRAPPED_MAX => {
                Err(IntakeError::NotASpreadsheet { what: formats::HTML })
            }
            Kind::Page { encoding, bom_len, damage } => {
                let mut csv = web_page::csv_of(again(file)?, encoding, bom_len, damage)?;
                let options = IntakeOptions {
                    encoding: Some(Encoding::Utf8),
                    delimiter: Some(Delimiter::SEMICOLON),
                    ..options.clone()
                };
                Ok(Self::open_within(&mut csv, &options, n_wrapped + 1)?.out_of(Wrapping::Page))
            }
            Kind::Text { encoding, bom_len, damage } => {
                let open = |file| open_text(file, encoding, bom_len, damage, options, &names);
                let (mut input, format) = open(again(file)?)?;
                let (header, n_read) = match options.header_row {
                    Some(line) => input.beginning_at(line, &names)?.ok_or(IntakeError::NoSuchRow { line })?,
                    None => input.beginning(&names)?.ok_or(IntakeError::Empty)?,
                };
                if n_read != header.n_above + header.n_lines {
                    (input, _) = open(again(file)?)?;
                    input.skip_to(&header)?;
                }
                Ok(Opened { input, format, header, wrapping: Vec::new() })
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

    /// The header, and how many records were read to find it: no more than needed where the first is one that
    /// has all names. `None`: all are blank.
    fn beginning(&mut self, names: &Names) -> Result<Option<(Beginning, u64)>, IntakeError> {
        let mut search = Search::new(names);
        while self.advance_to_text()? && search.take(self.record()) {}
        let n_read = search.n_read;
        Ok(search.best().map(|header| (header, n_read)))
    }

    /// The header that a person says stands in `line`, and how many records were read up to there. `None`:
    /// nothing stands there.
    fn beginning_at(&mut self, line: u64, names: &Names) -> Result<Option<(Beginning, u64)>, IntakeError> {
        let mut n_above = 0;
        while self.advance_to_text()? && self.record().line <= line {
            if self.record().line == line {
                return Ok(Some((Beginning::at(self.record(), n_above, names), n_above + 1)));
            }
            n_above += 1;
        }
        Ok(None)
    }

    fn skip_to(&mut self, header: &Beginning) -> Result<(), IntakeError> {
        for _ in 0..header.n_above + header.n_lines {
            if !self.advance_to_text()? {
                return Err(IntakeError::Empty); // Somebody has shortened the file meanwhile.
            }
        }
        Ok(())
    }
}

fn open_text(
    file: File,
    encoding: Encoding,
    bom_len: usize,
    damage: Damage,
    options: &IntakeOptions,
    names: &Names,
) -> Result<(Input, Format), IntakeError> {
    let mut reader = Reader::new(Decoding::new(file, encoding, bom_len, damage, options.hashing)?)?;
    let (text, rest) = reader.text();
    let sniffed = delimiter::sniff(text, rest, options.delimiter, names);
    let sep_line_len = sniffed.sep_line_len;
    reader.start(sniffed.delimiter, sep_line_len.unwrap_or(0), u64::from(sep_line_len.is_some()));
    let format = Format::Text { encoding, delimiter: sniffed.delimiter, sep_line: sep_line_len.is_some() };
    Ok((Input::Text(Box::new(reader)), format))
}

/// What a look at a sheet shows.
struct Look<'a> {
    at: usize,
    sheet: &'a SheetName,
    /// `None`: nothing stands where the header should.
    header: Option<Beginning>,
    /// Below the header.
    n_rows: u64,
    n_hidden: u64,
}

impl Look<'_> {
    /// Known names, if they are enough for a header.
    fn n_known(&self) -> usize {
        let n_known = self.header.as_ref().map_or(0, |header| header.likeness.n_known);
        if KNOWN_MIN <= n_known { n_known } else { 0 }
    }
}

/// Takes the sheet that a person names; else that with the best header, of equal ones one that has rows, then
/// that which was in front when the workbook was saved, then the first.
fn open_workbook(file: &mut File, options: &IntakeOptions, names: &Names) -> Result<Opened, IntakeError> {
    let sha256 = match options.hashing {
        Hashing::Off => None,
        Hashing::Sha256 => Some(bytes::hash(file)?),
    };
    let book = Book::open(file.try_clone().map_err(IntakeError::Read)?)?;
    let sheets = book.sheets();
    let wanted = options.sheet.as_ref().map(|wanted| wanted.find(sheets, book.hidden())).transpose()?;
    let hidden: Vec<String> =
        book.hidden().iter().filter(|name| !template::is_lists(name, sheets)).cloned().collect();
    let input = |at: usize| Ok(Input::Workbook { sheet: Box::new(book.read(at)?), sha256 });
    let mut looks = Vec::new();
    for (at, sheet) in sheets.iter().enumerate() {
        looks.push(look_at(at, sheet, || input(at), options.header_row, names)?);
    }
    let is_wanted = |look: &&Look<'_>| wanted.is_none_or(|at| look.at == at);
    let with_header = looks.iter().filter(|look| look.header.is_some()).filter(is_wanted);
    let best = with_header
        .max_by_key(|look| (look.n_known(), 0 < look.n_rows, look.sheet.is_active, Reverse(look.at)));
    let Some((best, header)) = best.and_then(|look| Some((look, look.header.clone()?))) else {
        return Err(match (options.header_row, wanted) {
            (Some(line), _) => IntakeError::NoSuchRow { line },
            (None, Some(at)) => IntakeError::BlankSheet { sheet: sheets[at].name.clone() },
            (None, None) => IntakeError::Empty.beside_hidden(&hidden),
        });
    };
    let others: Vec<&Look<'_>> = looks.iter().filter(|other| other.at != best.at).collect();
    let is_alike =
        |other: &&&Look<'_>| (other.n_known(), 0 < other.n_rows) == (best.n_known(), 0 < best.n_rows);
    let n_alike = others.iter().filter(is_alike).count();
    let chosen = match wanted {
        Some(_) => Chosen::Asked,
        None if others.is_empty() => Chosen::Only,
        None if n_alike == 0 => Chosen::BestHeader,
        None if best.sheet.is_active => Chosen::InFront,
        None => Chosen::First,
    };
    let of_other = |look: &&Look<'_>| OtherSheet {
        name: look.sheet.name.clone(),
        n_rows: look.n_rows,
        is_as_good: is_alike(&look) && 0 < look.n_rows && 0 < look.n_known(),
    };
    let format = Format::Workbook {
        sheet: best.sheet.name.clone(),
        n_rows: best.n_rows,
        chosen,
        others: others.iter().map(of_other).collect(),
        hidden_sheets: hidden,
        n_hidden: best.n_hidden,
    };
    let mut input = input(best.at)?;
    input.skip_to(&header)?;
    Ok(Opened { input, format, header, wrapping: Vec::new() })
}

fn look_at<'a>(
    at: usize,
    sheet: &'a SheetName,
    open: impl Fn() -> Result<Input, IntakeError>,
    header_row: Option<u64>,
    names: &Names,
) -> Result<Look<'a>, IntakeError> {
    let mut input = open()?;
    let found = match header_row {
        Some(line) => input.beginning_at(line, names)?,
        None => input.beginning(names)?,
    };
    let (mut n_rows, mut n_hidden) = (0, 0);
    match &found {
        Some((header, n_read)) if *n_read == header.n_above + header.n_lines => {}
        Some((header, _)) => {
            input = open()?;
            input.skip_to(header)?;
        }
        // All that stands there.
        None => input = open()?,
    }
    while input.advance_to_text()? {
        n_rows += 1;
        n_hidden += u64::from(input.is_hidden());
    }
    Ok(Look { at, sheet, header: found.map(|(header, _)| header), n_rows, n_hidden })
}
