//! The rows of a sheet, in a workbook's XML as they come. The crate that makes the rest of the workbook
//! keeps, looks up and formats each cell by itself: an eighth of all instructions of an import.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::ReportError;
use super::csv_out::temporary;

/// Formats are numbered as a workbook meets them; 0 is that of cells without one.
const FIRST_FORMAT: &str = r#" s="1""#;

/// Level 6 took an eighth of the CPU time of a whole import.
const COMPRESSION_LEVEL: i64 = 1;

/// Longest part whose length stands in 32 bits.
const ZIP32_MAX: u64 = u32::MAX as u64;

/// Rows of text below the header of a sheet, all in the first format that its workbook met: in a temporary
/// file beside the workbook, so that their size costs no memory.
pub(super) struct SheetRows {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    /// How a cell of each column begins.
    starts: Vec<String>,
    /// A row as it is written, and its number.
    xml: String,
    number: String,
    n_rows: u32,
}

impl SheetRows {
    /// For the workbook at `path`.
    pub(super) fn create(path: &Path, n_columns: usize) -> Result<Self, ReportError> {
        let file = temporary(path).map_err(ReportError::io(path))?;
        let starts = (0..n_columns).map(|column| format!(r#"<c r="{}"#, letters(column)));
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(64 * 1024, file),
            starts: starts.collect(),
            xml: String::new(),
            number: String::new(),
            n_rows: 0,
        })
    }

    pub(super) fn n_rows(&self) -> u32 {
        self.n_rows
    }

    /// Writes a row of these cells, by their columns from left to right.
    pub(super) fn push<'a>(
        &mut self,
        cells: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<(), ReportError> {
        self.n_rows += 1;
        let Self { file, starts, xml, number, n_rows, .. } = self;
        xml.clear();
        number.clear();
        // Writing to a string does not fail.
        let _ = write!(number, "{}", *n_rows + 1);
        let _ = write!(xml, r#"<row r="{number}">"#);
        for (column, text) in cells {
            xml.push_str(&starts[column]);
            xml.push_str(number);
            xml.push('"');
            xml.push_str(FIRST_FORMAT);
            xml.push_str(r#" t="inlineStr"><is><t"#);
            if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
                xml.push_str(r#" xml:space="preserve""#);
            }
            xml.push('>');
            escape(text, xml);
            xml.push_str("</t></is></c>");
        }
        xml.push_str("</row>");
        file.write_all(xml.as_bytes()).map_err(ReportError::io(&self.path))
    }

    /// Writes `workbook` to `out` with these rows in its sheet `sheet`, of which only the header and an empty
    /// cell in the last row are there.
    pub(super) fn put_into(
        self,
        workbook: Vec<u8>,
        sheet: &str,
        out: impl Write + Seek,
    ) -> Result<(), ReportError> {
        let path = self.path;
        let put = || {
            let mut rows = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            rows.rewind()?;
            let mut parts = ZipArchive::new(Cursor::new(workbook))?;
            let mut out = ZipWriter::new(BufWriter::new(out));
            for at in 0..parts.len() {
                let mut part = parts.by_index(at)?;
                if self.n_rows == 0 || part.name()? != sheet {
                    drop(part);
                    out.raw_copy_file(parts.by_index_raw(at)?)?;
                    continue;
                }
                let mut xml = String::new();
                part.read_to_string(&mut xml)?;
                let (head, tail) =
                    around_rows(&xml).ok_or_else(|| io::Error::other("the sheet has no rows"))?;
                let level = SimpleFileOptions::default().compression_level(Some(COMPRESSION_LEVEL));
                // Without, the rest of a part that reaches 4 GiB is refused.
                let is_large = ZIP32_MAX <= rows.as_file().metadata()?.len() + xml.len() as u64;
                out.start_file(sheet, level.large_file(is_large))?;
                out.write_all(head.as_bytes())?;
                io::copy(&mut rows, &mut out)?;
                out.write_all(tail.as_bytes())?;
            }
            out.finish()?.flush()
        };
        put().map_err(ReportError::io(&path))
    }
}

/// What stands before and behind the rows below the header. `None`: it is not the sheet that was asked for.
fn around_rows(xml: &str) -> Option<(&str, &str)> {
    let (header, rest) = xml.split_once("</row>")?;
    let (row, _) = rest.split_once("</sheetData>")?;
    // The empty cell, in the format that all others have.
    row.contains(&format!("{FIRST_FORMAT}/>")).then_some(())?;
    Some((&xml[..header.len() + "</row>".len()], &rest[row.len()..]))
}

/// Text as a cell has it: what XML cannot have stands as `_x001B_`, and what looks like that has its first
/// `_` as `_x005F_`.
fn escape(text: &str, to: &mut String) {
    let mut rest = text;
    // U+FFFE and U+FFFF, and others that may stand, begin with 0xEF.
    let is_special = |byte| matches!(byte, b'&' | b'<' | b'>' | b'_' | 0..=0x1F | 0xEF);
    while let Some(at) = rest.bytes().position(is_special) {
        let (plain, special) = rest.split_at(at);
        to.push_str(plain);
        let c = special.chars().next().unwrap_or_default();
        rest = &special[c.len_utf8()..];
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '_' if is_escape(rest) => to.push_str("_x005F_"),
            '\0'..='\x08' | '\x0B'..='\x1F' | '\u{FFFE}' | '\u{FFFF}' => {
                // Writing to a string does not fail.
                let _ = write!(to, "_x{:04X}_", u32::from(c));
            }
            c => to.push(c),
        }
    }
    to.push_str(rest);
}

/// Whether what follows a `_` makes an escape of it.
fn is_escape(rest: &str) -> bool {
    match rest.as_bytes().get(..6).unwrap_or_default() {
        [b'x', digits @ .., b'_'] => digits.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    }
}

/// What a spreadsheet program calls its `n`th column, from 0.
pub fn letters(n: usize) -> String {
    let (before, last) = (n / 26, char::from(b'A' + (n % 26) as u8));
    if before == 0 { last.to_string() } else { format!("{}{last}", letters(before - 1)) }
}

#[cfg(test)]
mod tests {
    use rust_xlsxwriter::{Format, Workbook, Worksheet};

    use super::*;

    /// The sheet of a workbook in which `rows` are written.
    fn sheet(rows: impl FnOnce(&mut Worksheet), put: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
        let text = Format::new().set_num_format("@");
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet_with_constant_memory().unwrap();
        for column in 0..N_COLUMNS {
            sheet.set_column_format(column, &text).unwrap();
            sheet.write_string_with_format(0, column, "a heading", &Format::new().set_bold()).unwrap();
        }
        rows(sheet);
        let whole = put(workbook.save_to_buffer().unwrap());
        let mut parts = ZipArchive::new(Cursor::new(whole)).unwrap();
        let mut xml = String::new();
        parts.by_name("xl/worksheets/sheet1.xml").unwrap().read_to_string(&mut xml).unwrap();
        xml
    }

    const N_COLUMNS: u16 = 30;

    #[test]
    fn rows_stand_there_as_the_crate_itself_would_have_written_them() {
        let texts = [
            "Ana & Bia",
            " em branco ",
            "=1+1",
            "00012",
            "a\u{1b}_x000D_\r\n<b>",
            "ação \u{FEFF}\u{FFFF} 📡",
        ];
        let cell = |row: u32, column: u16| texts[(row as usize + usize::from(column)) % texts.len()];
        let n_rows = 12;
        let theirs = |sheet: &mut Worksheet| {
            for row in 1..=n_rows {
                for column in (0..N_COLUMNS).filter(|column| column % 7 != 3) {
                    sheet.write_string(row, column, cell(row, column)).unwrap();
                }
            }
        };
        let put = |workbook: Vec<u8>| {
            let folder = tempfile::tempdir().unwrap();
            let mut rows = SheetRows::create(&folder.path().join("results.xlsx"), N_COLUMNS.into()).unwrap();
            for row in 1..=n_rows {
                let cells = (0..N_COLUMNS).filter(|column| column % 7 != 3);
                rows.push(cells.map(|column| (column.into(), cell(row, column)))).unwrap();
            }
            let mut whole = Cursor::new(Vec::new());
            rows.put_into(workbook, "xl/worksheets/sheet1.xml", &mut whole).unwrap();
            whole.into_inner()
        };
        let empty = |sheet: &mut Worksheet| {
            sheet.write_blank(n_rows, N_COLUMNS - 1, &Format::new().set_num_format("@")).unwrap();
        };
        assert_eq!(sheet(empty, put), sheet(theirs, |workbook| workbook));
    }

    #[test]
    fn what_xml_cannot_have_is_escaped_as_excel_does() {
        for (text, escaped) in [
            ("", ""),
            ("rua 7, CTO_12", "rua 7, CTO_12"),
            ("a & b <c> \"d\"", "a &amp; b &lt;c&gt; \"d\""),
            ("a\tb\nc", "a\tb\nc"),
            ("a\r\u{1b}[2J", "a_x000D__x001B_[2J"),
            ("_x001B_", "_x005F_x001B_"),
            ("_x001b_ __x000D_ _x00_ _xyzzy_ _", "_x005F_x001b_ __x005F_x000D_ _x00_ _xyzzy_ _"),
            ("ação _", "ação _"),
            ("\u{FEFF}\u{FFFF}", "\u{FEFF}_xFFFF_"),
        ] {
            let mut found = String::new();
            escape(text, &mut found);
            assert_eq!(found, escaped, "{text:?}");
        }
    }

    #[test]
    fn columns_are_called_as_spreadsheet_programs_do() {
        for (n, called) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")] {
            assert_eq!(letters(n), called);
        }
    }
}
