//! The texts that cells of a workbook of Excel share: kept end to end in one string, for as long as its rows
//! are read.

use std::borrow::Cow;

use super::super::limits::CELL_LEN_MAX;
use super::words::Fault;
use super::xml::{Node, Xml};
use crate::ticket::{is_formula_error, trim};

/// Shared texts. Source: a million rows, each with its own name, phone, address and description.
const TEXTS_MAX: usize = 4_000_000;

/// All shared texts. Bytes.
const TEXTS_LEN_MAX: usize = 128 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    pub(super) fn read(mut xml: Xml) -> Result<Self, Fault> {
        let mut this = Self::default();
        let mut start = 0;
        let (mut is_text, mut is_reading_aid) = (false, false);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "si" => start = this.text.len(),
                    "t" => is_text = !is_reading_aid,
                    "rPh" => is_reading_aid = true,
                    _ => {}
                },
                Node::Text(text) if is_text => append(&mut this.text, start, &text),
                Node::Close(tag) => match tag.name() {
                    "t" => is_text = false,
                    "rPh" => is_reading_aid = false,
                    "si" => this.end(start)?,
                    _ => {}
                },
                Node::End => return Ok(this),
                Node::Text(_) | Node::Other => {}
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Takes a whole text.
    pub(super) fn push(&mut self, units: &[u16]) -> Result<(), Fault> {
        append_units(&mut self.text, units);
        self.close()
    }

    fn end(&mut self, start: usize) -> Result<(), Fault> {
        if let Cow::Owned(plain) = unescaped(&self.text[start..]) {
            self.text.truncate(start);
            self.text.push_str(&plain);
        }
        self.close()
    }

    fn close(&mut self) -> Result<(), Fault> {
        if TEXTS_LEN_MAX < self.text.len() {
            return Err(Fault::TextsTooLong(TEXTS_LEN_MAX));
        }
        if self.ends.len() == TEXTS_MAX {
            return Err(Fault::TooManyTexts(TEXTS_MAX));
        }
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX)); // Bounded above.
        Ok(())
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }
}

/// Appends to the cell that begins at `start`, as long as that is not longer than a cell may be: a little
/// more tells that it was.
pub(super) fn append(text: &mut String, start: usize, more: &str) {
    if text.len() - start <= CELL_LEN_MAX {
        let n_kept = more.floor_char_boundary(2 * CELL_LEN_MAX);
        text.push_str(&more[..n_kept]);
    }
}

/// Appends a text of UTF-16, as long as a cell may be and a little more; what is half a character is lost.
pub(super) fn append_units(text: &mut String, units: &[u16]) {
    let units = &units[..units.len().min(CELL_LEN_MAX + 1)];
    let chars = char::decode_utf16(units.iter().copied());
    text.extend(chars.map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

/// What a cell shows whose formula failed. A program that marks it as failed and shows something else has
/// kept the value of another day: nobody may take it for this one's.
pub(super) fn failed(shown: &str) -> &str {
    if is_formula_error(trim(shown)) { shown } else { "#ERROR!" }
}

/// Undoes `_x000D_`: how a character is written that XML does not have.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("_x") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let (before, found) = rest.split_at(at);
        plain.push_str(before);
        let code = found
            .get(2..6)
            .filter(|code| found[6..].starts_with('_') && code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32) {
            Some(char) => {
                plain.push(char);
                rest = &found[7..];
            }
            None => {
                plain.push_str("_x");
                rest = &found[2..];
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_xml_does_not_have_is_undone() {
        for (text, expected) in [
            ("a_x000D_\nb", "a\r\nb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_x00", "_x00"),
            ("_xé0D_", "_xé0D_"),
            ("_xD800_", "_xD800_"),
            ("_x_x0041_", "_xA"),
        ] {
            assert_eq!(unescaped(text), expected);
        }
    }
}
