//! What must hold of a spreadsheet, whatever stands in it.

use std::fs::File;
use std::io::{Cursor, Seek, Write};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::header::{Map, Set, Target};
use super::{Format, Hashing, Intake, IntakeError, IntakeOptions, Row, SheetChoice, Source};
use crate::printable::LINE_CHARS_MAX;
use crate::ticket::fuzz::is_told;
use crate::ticket::{RawTicket, Ticket};

/// Rows of a file that are looked at.
const ROWS_MAX: usize = 2_000;

/// Rows that a sheet has at most.
const LINES_MAX: u64 = 1 << 20;

/// A byte of an encoding of one byte becomes so many of UTF-8 at most.
const GROWTH_MAX: usize = 3;

/// As a file that a person named.
pub(crate) fn sheet(bytes: &[u8]) {
    let all = read(bytes, &IntakeOptions::default());
    // With a hash, and once more, it is the same.
    let hashed = IntakeOptions { hashing: Hashing::Sha256, ..IntakeOptions::default() };
    assert_eq!(read(bytes, &hashed), all);
}

/// Stands before the name of a part, which ends with its line.
const PART: &[u8] = b"\n--part ";

/// As the parts of an archive, so that what is packed can be changed byte by byte.
pub(crate) fn workbook(bytes: &[u8]) {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut rest = bytes.strip_prefix(&PART[1..]).unwrap_or_default();
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, PART);
        let (part, behind) = end.map_or((rest, &[][..]), |at| (&rest[..at], &rest[at + PART.len()..]));
        rest = behind;
        let at = memchr::memchr(b'\n', part).unwrap_or(part.len());
        let name = String::from_utf8_lossy(&part[..at]);
        if writer.start_file(name, options).is_ok() {
            writer.write_all(part.get(at + 1..).unwrap_or_default()).expect("memory can be written");
        }
    }
    let archive = writer.finish().expect("memory can be written").into_inner();
    let _ = read(&archive, &IntakeOptions::default());
}

/// What a person says of a file, a line each, and behind a blank line the file.
pub(crate) fn header(bytes: &[u8]) {
    let at = memchr::memmem::find(bytes, b"\n\n");
    let (said, file) = at.map_or((&[][..], bytes), |at| (&bytes[..at], &bytes[at + 2..]));
    let said = String::from_utf8_lossy(said);
    let mut options = IntakeOptions::default();
    for line in said.lines() {
        options.map.extend(line.parse::<Map>().ok());
        options.set.extend(line.parse::<Set>().ok());
        options.sheet = line.strip_prefix("sheet ").and_then(|name| name.parse::<SheetChoice>().ok());
        options.header_row = line.strip_prefix("header ").and_then(|line| line.parse().ok());
        if let Ok(target) = line.parse::<Target>() {
            assert_eq!(target.to_string().parse::<Target>().ok(), Some(target), "{line:?}");
        }
    }
    let _ = read(file, &options);
}

/// The cells of the rows, or why there are none.
type Table = Result<Vec<Vec<String>>, String>;

/// Reads `bytes` as a file.
fn read(bytes: &[u8], options: &IntakeOptions) -> Table {
    let file = in_a_file(bytes);
    let mut intake = match Intake::open(&Source::Copied(Arc::new(file)), options) {
        Ok(intake) => intake,
        Err(error) => return Err(told(&error)),
    };
    let is_text = matches!(intake.summary().format, Format::Text { .. });
    let is_plain = is_text && intake.summary().wrapping.is_empty();
    let n_columns = intake.headers().len();
    let (mut rows, mut last_line, mut len) = (Vec::new(), 0, 0);
    let is_whole = loop {
        if rows.len() == ROWS_MAX {
            break false;
        }
        let row = match intake.next_row() {
            Ok(Some(row)) => row,
            Ok(None) => break true,
            Err(error) => return Err(told(&error)),
        };
        assert!(last_line < row.line, "line {} behind line {last_line}", row.line);
        last_line = row.line;
        is_read(&row);
        let cells: Vec<String> = row.own_cells().map(|cell| cell.into_owned()).collect();
        assert_eq!(cells.len(), n_columns);
        len += cells.iter().map(String::len).sum::<usize>();
        rows.push(cells);
    };
    let n_rows = rows.len() as u64;
    // Work and memory are of what was given, not of what it says.
    if is_plain {
        assert!(len <= GROWTH_MAX * bytes.len(), "{len} bytes of {}", bytes.len());
        assert!(last_line <= bytes.len() as u64 + 1);
    } else {
        assert!(last_line <= LINES_MAX.max(bytes.len() as u64 + 1), "line {last_line}");
    }
    let finish = intake.finish();
    assert_eq!(finish.n_rows, n_rows);
    if is_whole && is_plain && options.hashing == Hashing::Sha256 {
        assert_eq!(finish.sha256, Some(Sha256::digest(bytes).into()));
    }
    Ok(rows)
}

/// A row is the same ticket, or the same problems, also once it was stored.
fn is_read(row: &Row<'_>) {
    let raw = row.raw();
    let stored = serde_json::to_string(&raw).expect("texts become JSON");
    let again: RawTicket<'_> = serde_json::from_str(&stored).expect("it was written so");
    assert!(again == raw, "{stored}");
    match row.parse(&raw) {
        Ok(parsed) => {
            parsed.notices.iter().for_each(is_told);
            let again = Ticket::parse(&again).map(|parsed| parsed.ticket);
            assert!(again.is_ok_and(|ticket| ticket == parsed.ticket), "{stored}");
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "{stored}");
            problems.iter().for_each(is_told);
        }
    }
    let _ = (row.identity(), row.state(), row.has_protocolo(), row.content_key());
}

/// An error says something, in a line.
fn told(error: &IntakeError) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        told.push_str(&format!(": {source}"));
        cause = source.source();
    }
    assert!(!told.is_empty() && told.chars().count() <= LINE_CHARS_MAX, "{told}");
    told
}

fn in_a_file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("there is room for a file");
    file.write_all(bytes).and_then(|()| file.rewind()).expect("it can be written");
    file
}
