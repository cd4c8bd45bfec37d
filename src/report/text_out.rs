//! How a text file is written: delimiter, encoding, and whether dangerous cells are guarded.

use std::borrow::Cow;
use std::io::{self, Write};

use encoding_rs::{Encoder, EncoderResult, Encoding};

use crate::intake::CodePage;

/// The form of the input, given back.
#[derive(Clone, Copy, Debug)]
pub struct CsvStyle {
    pub delimiter: u8,
    pub encoding: OutputEncoding,
    pub guard: Guard,
}

/// An encoding that text can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputEncoding {
    Utf8,
    Utf8WithBom,
    Utf16Le,
    Utf16Be,
    /// A character that it lacks becomes `?`; so with the next.
    Web(&'static Encoding),
    Dos(CodePage),
}

/// What becomes of a cell of the input that a spreadsheet would run as a formula. The columns that are ours
/// are always [`Guard::ExcelSafe`]: HubSoft's words and others' names stand in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// It stays as it is: what was read is what is written.
    Faithful,
    /// It gets an apostrophe in front (`--excel-safe`).
    ExcelSafe,
}

impl Guard {
    /// `= + - @`, tab and CR start a formula, or break out of a cell into one (OWASP, CSV injection).
    pub fn apply(self, cell: &str) -> Cow<'_, str> {
        match (self, cell.as_bytes().first()) {
            (Self::ExcelSafe, Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')) => {
                Cow::Owned(format!("'{cell}"))
            }
            _ => Cow::Borrowed(cell),
        }
    }
}

impl CsvStyle {
    /// Files that Excel saved end their lines as Excel does; others as Unix does.
    pub(super) fn terminator(&self) -> csv::Terminator {
        match self.encoding {
            OutputEncoding::Utf8 => csv::Terminator::Any(b'\n'),
            _ => csv::Terminator::CRLF,
        }
    }

    pub(super) fn writer<W: Write>(&self, out: W) -> io::Result<csv::Writer<Transcoder<W>>> {
        Ok(csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .terminator(self.terminator())
            .buffer_capacity(64 * 1024)
            .from_writer(Transcoder::new(out, self.encoding)?))
    }
}

/// Takes UTF-8, in pieces of any length, and writes the file's encoding.
pub(super) struct Transcoder<W> {
    out: W,
    form: Form,
    /// The start of a character whose end has not come yet: at most 3 bytes.
    cut: Vec<u8>,
    buffer: Vec<u8>,
}

enum Form {
    Utf8,
    Utf16(fn(u16) -> [u8; 2]),
    Web(Encoder),
    Dos(CodePage),
}

impl<W: Write> Transcoder<W> {
    fn new(mut out: W, encoding: OutputEncoding) -> io::Result<Self> {
        let form = match encoding {
            OutputEncoding::Utf8 => Form::Utf8,
            OutputEncoding::Utf8WithBom => {
                out.write_all(b"\xEF\xBB\xBF")?;
                Form::Utf8
            }
            OutputEncoding::Utf16Le => {
                out.write_all(b"\xFF\xFE")?;
                Form::Utf16(u16::to_le_bytes)
            }
            OutputEncoding::Utf16Be => {
                out.write_all(b"\xFE\xFF")?;
                Form::Utf16(u16::to_be_bytes)
            }
            OutputEncoding::Web(encoding) => Form::Web(encoding.new_encoder()),
            OutputEncoding::Dos(page) => Form::Dos(page),
        };
        Ok(Self { out, form, cut: Vec::new(), buffer: Vec::new() })
    }

    pub(super) fn into_inner(self) -> W {
        self.out
    }

    fn write_text(&mut self, text: &str) -> io::Result<()> {
        self.buffer.clear();
        match &mut self.form {
            Form::Utf8 => return self.out.write_all(text.as_bytes()),
            Form::Utf16(bytes) => self.buffer.extend(text.encode_utf16().flat_map(*bytes)),
            Form::Dos(page) => self.buffer.extend(text.chars().map(|c| page.byte_of(c).unwrap_or(b'?'))),
            Form::Web(encoder) => {
                let mut rest = text;
                while !rest.is_empty() {
                    self.buffer.reserve(rest.len() + 16);
                    let (result, n_read) =
                        encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut self.buffer, false);
                    rest = &rest[n_read..];
                    if let EncoderResult::Unmappable(_) = result {
                        self.buffer.push(b'?');
                    }
                }
            }
        }
        self.out.write_all(&self.buffer)
    }
}

impl<W: Write> Write for Transcoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if matches!(self.form, Form::Utf8) {
            return self.out.write(bytes);
        }
        let mut all = std::mem::take(&mut self.cut);
        all.extend_from_slice(bytes);
        let n_whole = match std::str::from_utf8(&all) {
            Ok(_) => all.len(),
            Err(error) => error.valid_up_to(),
        };
        let whole = std::str::from_utf8(&all[..n_whole]).map_err(io::Error::other)?;
        self.write_text(whole)?;
        all.drain(..n_whole);
        self.cut = all;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(encoding: OutputEncoding, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Transcoder::new(Vec::new(), encoding).unwrap();
        for piece in pieces {
            out.write_all(piece).unwrap();
        }
        out.into_inner()
    }

    #[test]
    fn a_character_the_encoding_lacks_becomes_a_question_mark() {
        let bytes = written(OutputEncoding::Web(encoding_rs::WINDOWS_1252), &["ação 📡 €".as_bytes()]);
        assert_eq!(bytes, b"a\xE7\xE3o ? \x80");
    }

    #[test]
    fn a_character_cut_between_two_writes_stays_whole() {
        let text = "é😀".as_bytes();
        for cut in 0..=text.len() {
            let bytes = written(OutputEncoding::Utf16Le, &[&text[..cut], &text[cut..]]);
            assert_eq!(bytes, b"\xFF\xFE\xE9\x00\x3D\xD8\x00\xDE", "cut at {cut}");
        }
    }

    #[test]
    fn only_cells_that_start_a_formula_are_guarded() {
        for (cell, guarded) in
            [("=1+1", "'=1+1"), ("+55", "'+55"), ("-", "'-"), ("@x", "'@x"), ("a=1", "a=1"), ("", "")]
        {
            assert_eq!(Guard::ExcelSafe.apply(cell), guarded);
            assert_eq!(Guard::Faithful.apply(cell), cell);
        }
    }
}
