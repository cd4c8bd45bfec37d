//! The zip archive around a workbook: its parts by name, unpacked piece by piece, never beyond a bound.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::rc::Rc;

use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::super::words::{IntakeError, formats};
use super::words::Fault;
use crate::platform;

/// All that is unpacked of one workbook. Bytes. Source: a sheet of 1,000,000 rows and 10 columns is half of
/// it; a kilobyte of zip holds a megabyte, so that a mail's attachment can hold more than this.
const UNPACKED_MAX: u64 = 1024 * 1024 * 1024;

/// A spreadsheet that is packed into an archive. Bytes: it is written to a temporary file.
const PACKED_MAX: u64 = 256 * 1024 * 1024;

/// The parts of a workbook.
pub(super) struct Archive {
    file: Rc<File>,
    /// By name, in lower case: some programs write `xl/SharedStrings.xml`.
    parts: HashMap<String, Part>,
    /// What may still be unpacked.
    left: Rc<Cell<u64>>,
}

#[derive(Clone, Copy)]
struct Part {
    start: u64,
    len: u64,
    method: CompressionMethod,
    is_encrypted: bool,
    crc: u32,
}

impl Archive {
    /// Reads the directory of the archive.
    pub(super) fn open(file: File) -> Result<Self, Fault> {
        let damaged = |error: zip::result::ZipError| match error {
            zip::result::ZipError::Io(error) => Fault::of_reading(error),
            zip::result::ZipError::UnsupportedArchive(_) => Fault::Method,
            _ => Fault::Packing,
        };
        let mut archive = ZipArchive::new(BufReader::new(&file)).map_err(damaged)?;
        let mut parts = HashMap::new();
        for at in 0..archive.len() {
            let entry = archive.by_index_raw(at).map_err(damaged)?;
            let Some(start) = entry.data_start() else { continue };
            let Ok(name) = entry.name() else { continue };
            let name = name.replace('\\', "/").to_lowercase();
            let part = Part {
                start,
                len: entry.compressed_size(),
                method: entry.compression(),
                is_encrypted: entry.encrypted(),
                crc: entry.crc32(),
            };
            parts.insert(name, part);
        }
        drop(archive);
        Ok(Self { file: Rc::new(file), parts, left: Rc::new(Cell::new(UNPACKED_MAX)) })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.parts.contains_key(&name.to_lowercase())
    }

    /// The names of parts that are spreadsheets, but for what a Mac or an open Excel leaves beside one.
    pub(super) fn spreadsheets(&self) -> impl Iterator<Item = &str> {
        let is_left_over = |name: &str| {
            let file = name.rsplit('/').next().unwrap_or_default();
            name.starts_with("__macosx/") || file.starts_with('.') || file.starts_with("~$")
        };
        let names = self.parts.keys().map(String::as_str);
        let is_one = |name: &&str| formats::SPREADSHEETS.iter().any(|end| name.ends_with(end));
        names.filter(is_one).filter(move |name| !is_left_over(name))
    }

    /// Writes a part to a file.
    pub(super) fn unpack(&self, name: &str, out: &mut File) -> Result<(), IntakeError> {
        let fault = |fault| IntakeError::Workbook { sheet: None, row: None, fault };
        let mut part = self.part(name).map_err(fault)?;
        let mut n_left = PACKED_MAX;
        loop {
            part.next_piece();
            let n_read = match part.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(bytes) => {
                    out.write_all(bytes).map_err(IntakeError::Spool)?;
                    bytes.len()
                }
                Err(error) => {
                    return Err(fault(part.hit().unwrap_or_else(|| Fault::of_reading(error))));
                }
            };
            part.consume(n_read);
            n_left = n_left.checked_sub(n_read as u64).ok_or_else(|| fault(Fault::TooLarge(PACKED_MAX)))?;
        }
    }

    /// A part, from its beginning.
    pub(super) fn part(&self, name: &str) -> Result<Bounded, Fault> {
        let part = *self.parts.get(&name.to_lowercase()).ok_or_else(|| Fault::NoPart(name.to_owned()))?;
        if part.is_encrypted {
            return Err(Fault::Password);
        }
        let packed = Slice { file: Rc::clone(&self.file), at: part.start, left: part.len };
        let unpacked: Box<dyn Read> = match part.method {
            CompressionMethod::Stored => Box::new(packed),
            CompressionMethod::Deflated => Box::new(DeflateDecoder::new(packed)),
            _ => return Err(Fault::Method),
        };
        let checked = Checked { inner: CrcReader::new(unpacked), crc: part.crc };
        let left = Rc::clone(&self.left);
        let (inner, name) = (BufReader::with_capacity(64 * 1024, checked), name.to_owned());
        Ok(Bounded { inner, name, left, piece_left: PIECE_MAX, hit: None })
    }
}

/// A piece of a file. Several are read side by side: none moves the file's own place.
struct Slice {
    file: Rc<File>,
    at: u64,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n_read = platform::read_at(&self.file, &mut buffer[..n_wanted], self.at)?;
        self.at += n_read as u64;
        self.left -= n_read as u64;
        Ok(n_read)
    }
}

/// Compares the check sum at the end.
struct Checked {
    inner: CrcReader<Box<dyn Read>>,
    crc: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.inner.read(buffer)?;
        if n_read == 0 && !buffer.is_empty() && self.inner.crc().sum() != self.crc {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its check sum is wrong"));
        }
        Ok(n_read)
    }
}

/// Longest piece of XML: a tag, or a text without a tag in it. Bytes.
const PIECE_MAX: u64 = 16 * 1024 * 1024;

/// The bytes of a part, of which no more come than may be unpacked, and no more at a time than a piece may
/// have.
pub(super) struct Bounded {
    inner: BufReader<Checked>,
    name: String,
    left: Rc<Cell<u64>>,
    piece_left: u64,
    hit: Option<Fault>,
}

impl Bounded {
    /// The part's.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// From here on another piece is read.
    pub(super) fn next_piece(&mut self) {
        self.piece_left = PIECE_MAX;
    }

    /// Why the last reading failed, if a bound was hit.
    pub(super) fn hit(&mut self) -> Option<Fault> {
        self.hit.take()
    }

    fn stop(&mut self, fault: Fault) -> io::Error {
        self.hit = Some(fault);
        io::ErrorKind::FileTooLarge.into()
    }
}

impl BufRead for Bounded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.get() == 0 {
            return Err(self.stop(Fault::TooLarge(UNPACKED_MAX)));
        }
        if self.piece_left == 0 {
            return Err(self.stop(Fault::PieceTooLong(PIECE_MAX)));
        }
        let n_max = usize::try_from(self.left.get().min(self.piece_left)).unwrap_or(usize::MAX);
        let bytes = self.inner.fill_buf()?;
        Ok(&bytes[..bytes.len().min(n_max)])
    }

    fn consume(&mut self, n_bytes: usize) {
        self.inner.consume(n_bytes);
        self.left.set(self.left.get().saturating_sub(n_bytes as u64));
        self.piece_left = self.piece_left.saturating_sub(n_bytes as u64);
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.fill_buf()?.read(buffer)?;
        self.consume(n_read);
        Ok(n_read)
    }
}

#[cfg(test)]
mod tests {
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn no_more_is_unpacked_than_may_be_of_all_parts_together() {
        let mut writer = ZipWriter::new(tempfile::tempfile().unwrap());
        for name in ["a", "b"] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(&[b' '; 100_000]).unwrap();
        }
        let archive = Archive::open(writer.finish().unwrap()).unwrap();
        archive.left.set(150_000);
        let read = |name: &str| {
            let mut part = archive.part(name).unwrap();
            let n_read = io::copy(&mut part, &mut io::sink());
            (n_read.ok(), part.hit())
        };
        assert!(matches!(read("a"), (Some(100_000), None)));
        assert!(matches!(read("b"), (None, Some(Fault::TooLarge(_)))));
        assert!(matches!(read("a"), (None, Some(Fault::TooLarge(_)))), "nothing is left");
    }
}
