//! The bytes of a source, their encoding, and their text, piece by piece.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use encoding_rs::{Decoder, DecoderResult};
use sha2::{Digest, Sha256};

use super::code_page::CodePage;
use super::encoding::Encoding;
use super::page_signs;
use super::records::LineBreaks;
use super::survey::{Finding, Survey};
use super::words::{self, IntakeError, formats};
use crate::language::said;

/// Where a spreadsheet comes from.
#[derive(Clone, Debug)]
pub enum Source {
    Path(PathBuf),
    /// Copied to an anonymous temporary file first: its encoding shows only at its end.
    Stdin,
    /// Standard input, copied already: it can be read several times, one after the other.
    Copied(Arc<File>),
}

impl Source {
    /// The same, such that it can be opened several times.
    pub fn kept(self) -> Result<Self, IntakeError> {
        match self {
            Self::Stdin => Ok(Self::Copied(Arc::new(spool(io::stdin().lock())?))),
            other => Ok(other),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Stdin | Self::Copied(_) => f.write_str(&said(words::STDIN)),
        }
    }
}

/// Whether the bytes are hashed while they are read; `check` need not pay for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    #[default]
    Off,
    Sha256,
}

/// What the first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text {
        encoding: Encoding,
        bom_len: usize,
        damage: Damage,
    },
    /// A web page, whatever its name says.
    Page {
        encoding: Encoding,
        bom_len: usize,
        damage: Damage,
    },
    /// A zip archive: `.xlsx`, `.xlsb`, `.ods`, or one around a spreadsheet.
    Archive,
    /// What Office wrote before 2007, or locks an encrypted workbook away in.
    Compound,
}

/// What becomes of bytes that the encoding does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// The whole file is refused: a person said what it is.
    RefusedAsAsked,
    /// The whole file is refused: it says itself what it is.
    Refused,
    /// U+FFFD stands for them, which is a problem of its row.
    Shown,
}

/// How many bytes are looked at to tell text from something else.
const PREFIX_LEN: usize = 8 * 1024;

/// How many bytes are read at a time, unless a record needs more.
const CHUNK_LEN: usize = 64 * 1024;

/// Opens the source as a file that can be read twice.
pub(super) fn open(source: &Source) -> Result<File, IntakeError> {
    let failed = |error| IntakeError::Open { source_name: source.to_string(), error };
    match source {
        Source::Stdin => spool(io::stdin().lock()),
        Source::Copied(copy) => {
            let mut file = copy.try_clone().map_err(IntakeError::Spool)?;
            file.rewind().map_err(IntakeError::Spool)?;
            Ok(file)
        }
        Source::Path(path) => {
            let file = File::open(path).map_err(failed)?;
            let kind = file.metadata().map_err(failed)?.file_type();
            if kind.is_dir() {
                return Err(IntakeError::Directory { source_name: source.to_string() });
            }
            // A pipe with a name, such as the shell's `<(…)`.
            if kind.is_file() { Ok(file) } else { spool(file) }
        }
    }
}

pub(super) fn spool(mut from: impl Read) -> Result<File, IntakeError> {
    let mut file = tempfile::tempfile().map_err(IntakeError::Spool)?;
    io::copy(&mut from, &mut file).map_err(IntakeError::Spool)?;
    file.rewind().map_err(IntakeError::Spool)?;
    Ok(file)
}

/// Finds out what the file is, reading as much of it as that takes: all of it, where only the last
/// byte could show that it is not UTF-8. Leaves it at its start.
pub(super) fn sniff(file: &mut File, wanted: Option<Encoding>) -> Result<Kind, IntakeError> {
    let mut prefix = Vec::with_capacity(PREFIX_LEN);
    file.by_ref().take(PREFIX_LEN as u64).read_to_end(&mut prefix).map_err(IntakeError::Read)?;
    let kind = if prefix.is_empty() {
        return Err(IntakeError::Empty);
    } else if prefix.starts_with(b"PK\x03\x04") {
        Kind::Archive
    } else if prefix.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        Kind::Compound
    } else {
        let (marked, bom_len) = match prefix.as_slice() {
            [0xEF, 0xBB, 0xBF, ..] => (Some(Encoding::Utf8Bom), 3),
            [0xFF, 0xFE, ..] => (Some(Encoding::Utf16Le), 2),
            [0xFE, 0xFF, ..] => (Some(Encoding::Utf16Be), 2),
            _ => (None, 0),
        };
        let is_page = page_signs::is_one(prefix.get(bom_len..).unwrap_or_default());
        let (encoding, damage) = match (wanted, marked) {
            (Some(encoding), _) => (encoding, Damage::RefusedAsAsked),
            (None, Some(encoding)) => (encoding, Damage::Refused),
            (None, None) if is_page => match (is_utf8(file)?, page_signs::said_encoding(&prefix)) {
                (false, Some(said)) if said.is_of_bytes() => (said, Damage::Refused),
                _ => recognise(file)?,
            },
            (None, None) => {
                refuse_binary(&prefix)?;
                recognise(file)?
            }
        };
        // A mark of another encoding than the wanted one is text, and garbage; not ours to judge.
        let is_own = marked.is_some_and(|mark| mark.rules() == encoding.rules());
        let encoding = if is_own && encoding == Encoding::Utf8 { Encoding::Utf8Bom } else { encoding };
        let bom_len = if is_own { bom_len } else { 0 };
        if is_page {
            Kind::Page { encoding, bom_len, damage }
        } else {
            Kind::Text { encoding, bom_len, damage }
        }
    };
    file.rewind().map_err(IntakeError::Read)?;
    Ok(kind)
}

fn refuse_binary(prefix: &[u8]) -> Result<(), IntakeError> {
    if let Some(what) = known_format(prefix) {
        return Err(IntakeError::NotASpreadsheet { what });
    }
    let is_odd = |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\t' | b'\n' | b'\r');
    let n_odd = prefix.iter().filter(is_odd).count();
    let n_nul = prefix.iter().filter(|byte| **byte == 0).count();
    if prefix.len() / 4 < n_nul {
        return Err(IntakeError::NotASpreadsheet { what: formats::UTF16_WITHOUT_BOM });
    }
    // A stray control character is a problem of its row; one in twenty is no text at all.
    if 4 < n_odd && prefix.len() / 20 < n_odd {
        return Err(IntakeError::NotASpreadsheet { what: formats::BINARY });
    }
    Ok(())
}

/// What it is instead, by its first 8 KiB.
fn known_format(prefix: &[u8]) -> Option<&'static str> {
    /// Excel's mark of an open workbook: the user's name in 54 bytes, then in UTF-16, each behind its length.
    const LOCK_LEN: std::ops::RangeInclusive<usize> = 160..=180;

    if LOCK_LEN.contains(&prefix.len())
        && (1..=54).contains(&prefix[0])
        && prefix[0] == prefix[55]
        && prefix[56] == 0
    {
        return Some(formats::LOCK);
    }
    if prefix.starts_with(b"<?xml")
        && memchr::memmem::find(prefix, b"urn:schemas-microsoft-com:office:spreadsheet").is_some()
    {
        return Some(formats::XML_2003);
    }
    formats::MAGIC.iter().find(|(magic, _)| prefix.starts_with(magic)).map(|(_, what)| *what)
}

/// The encoding of text without a mark.
fn recognise(file: &mut File) -> Result<(Encoding, Damage), IntakeError> {
    if is_utf8(file)? {
        return Ok((Encoding::Utf8, Damage::Refused));
    }
    file.rewind().map_err(IntakeError::Read)?;
    let mut survey = Survey::new();
    let mut buffer = vec![0; CHUNK_LEN];
    let mut n_kept = 0;
    loop {
        let n_read = read(file, &mut buffer[n_kept..])?;
        let len = n_kept + n_read;
        let n_taken = survey.take(&buffer[..len], n_read == 0);
        if n_read == 0 {
            break;
        }
        buffer.copy_within(n_taken..len, 0); // A character cut in two: at most 3 bytes.
        n_kept = len - n_taken;
    }
    match survey.finding() {
        Finding::Is(encoding) => Ok((encoding, Damage::Refused)),
        Finding::DamagedUtf8 => Ok((Encoding::Utf8, Damage::Shown)),
        Finding::Unclear => {
            let place = survey.first_odd();
            Err(IntakeError::UnclearEncoding { line: place.line, byte: place.byte })
        }
    }
}

fn is_utf8(file: &mut File) -> Result<bool, IntakeError> {
    file.rewind().map_err(IntakeError::Read)?;
    let mut buffer = vec![0; CHUNK_LEN];
    let mut n_kept = 0;
    loop {
        let n_read = read(file, &mut buffer[n_kept..])?;
        let bytes = &buffer[..n_kept + n_read];
        if n_read == 0 {
            return Ok(n_kept == 0);
        }
        let n_valid = encoding_rs::Encoding::utf8_valid_up_to(bytes);
        // What is left may be the beginning of a character, and nothing else.
        if std::str::from_utf8(&bytes[n_valid..]).is_err_and(|error| error.error_len().is_some()) {
            return Ok(false);
        }
        let len = bytes.len();
        buffer.copy_within(n_valid..len, 0); // A character cut in two: at most 3 bytes.
        n_kept = len - n_valid;
    }
}

fn read(file: &mut File, buffer: &mut [u8]) -> Result<usize, IntakeError> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(IntakeError::Read),
        }
    }
}

/// Hashes a whole file and leaves it at its start.
pub(super) fn hash(file: &mut File) -> Result<[u8; 32], IntakeError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK_LEN];
    loop {
        match read(file, &mut buffer)? {
            0 => break,
            n_read => hash.update(&buffer[..n_read]),
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(IntakeError::Read)?;
    Ok(hash.finalize().into())
}

/// The line, from 1, in which byte `at` stands; `None` where bytes are not enough to know.
fn line_at(file: &mut File, encoding: Encoding, at: u64) -> Option<u64> {
    if matches!(encoding, Encoding::Utf16Le | Encoding::Utf16Be) {
        return None;
    }
    file.rewind().ok()?;
    let mut n_breaks = LineBreaks::default();
    let mut buffer = vec![0; CHUNK_LEN];
    let mut before = file.take(at);
    loop {
        match before.read(&mut buffer).ok()? {
            0 => return Some(1 + n_breaks.n),
            n_read => n_breaks.count(&buffer[..n_read]),
        }
    }
}

/// Decodes a file piece by piece.
pub(super) struct Decoding {
    file: File,
    encoding: Encoding,
    form: Form,
    hash: Option<Sha256>,
    buffer: Vec<u8>,
    n_read: u64,
}

enum Form {
    Web { decoder: Decoder, damage: Damage },
    Dos(CodePage),
}

impl Decoding {
    pub(super) fn new(
        mut file: File,
        encoding: Encoding,
        bom_len: usize,
        damage: Damage,
        hashing: Hashing,
    ) -> Result<Self, IntakeError> {
        let mut hash = (hashing == Hashing::Sha256).then(Sha256::new);
        let mut bom = vec![0; bom_len];
        file.read_exact(&mut bom).map_err(IntakeError::Read)?;
        if let Some(hash) = &mut hash {
            hash.update(&bom);
        }
        let form = match encoding.rules() {
            Ok(rules) => Form::Web { decoder: rules.new_decoder_without_bom_handling(), damage },
            Err(page) => Form::Dos(page),
        };
        Ok(Self { file, encoding, form, hash, buffer: vec![0; CHUNK_LEN], n_read: bom_len as u64 })
    }

    /// Appends the text of the next 64 KiB to `text`. `false`: the file has ended.
    pub(super) fn append_to(&mut self, text: &mut String) -> Result<bool, IntakeError> {
        let n_read = read(&mut self.file, &mut self.buffer)?;
        let bytes = &self.buffer[..n_read];
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        let is_last = n_read == 0;
        match &mut self.form {
            Form::Dos(page) => text.extend(bytes.iter().map(|byte| page.char_of(*byte))),
            Form::Web { decoder, damage } => {
                // `None` would be an overflow: no chunk is that long.
                text.reserve(decoder.max_utf8_buffer_length(n_read).unwrap_or(4 * CHUNK_LEN));
                if *damage == Damage::Shown {
                    let _ = decoder.decode_to_string(bytes, text, is_last);
                } else {
                    let (result, n_decoded) =
                        decoder.decode_to_string_without_replacement(bytes, text, is_last);
                    if let DecoderResult::Malformed(..) | DecoderResult::OutputFull = result {
                        let at = self.n_read + n_decoded as u64;
                        let line = line_at(&mut self.file, self.encoding, at);
                        let is_asked = *damage == Damage::RefusedAsAsked;
                        return Err(IntakeError::NotEncoded {
                            encoding: self.encoding.name(),
                            is_asked,
                            at,
                            line,
                        });
                    }
                }
            }
        }
        self.n_read += n_read as u64;
        Ok(!is_last)
    }

    /// The hash of all that was read; of the whole file, once [`Self::append_to`] gave `false`.
    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        self.hash.clone().map(|hash| hash.finalize().into())
    }
}
