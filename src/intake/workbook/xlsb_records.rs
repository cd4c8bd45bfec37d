//! The records of a binary workbook's part ([MS-XLSB] 2.1.4): a kind, a length, and data.

use std::io::BufRead;

use super::archive::Bounded;
use super::binary::Fields;
use super::words::Fault;

/// So much of a record is kept: one whose text is longer is damaged. Bytes. Source: eight times what a cell
/// holds, 32,767 characters of two bytes.
const KEPT_MAX: usize = 512 * 1024;

pub(super) struct Records {
    bytes: Bounded,
    /// Of the next byte.
    at: u64,
    data: Vec<u8>,
}

impl Records {
    pub(super) fn new(bytes: Bounded) -> Self {
        Self { bytes, at: 0, data: Vec::new() }
    }

    /// Goes to the next record, whose data are kept if its kind is wanted. `None`: the part ends.
    pub(super) fn next(&mut self, is_wanted: impl Fn(u16) -> bool) -> Result<Option<u16>, Fault> {
        self.data.clear();
        self.bytes.next_piece();
        let Some(low) = self.byte()? else { return Ok(None) };
        let kind = if low & 0x80 == 0 {
            u16::from(low)
        } else {
            let high = self.byte()?.ok_or_else(|| self.damaged())?;
            u16::from(low & 0x7F) | u16::from(high & 0x7F) << 7
        };
        let mut left = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?.ok_or_else(|| self.damaged())?;
            left |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let is_wanted = is_wanted(kind);
        while 0 < left {
            self.bytes.next_piece();
            let (data, at) = (&mut self.data, self.at);
            let n_read = match self.bytes.fill_buf() {
                Ok(bytes) => {
                    let bytes = &bytes[..bytes.len().min(left)];
                    if is_wanted {
                        data.extend_from_slice(&bytes[..bytes.len().min(KEPT_MAX - data.len())]);
                    }
                    bytes.len()
                }
                Err(error) => return Err(self.bytes.hit().unwrap_or_else(|| Fault::of_reading(error))),
            };
            if n_read == 0 {
                return Err(Fault::Part { part: self.bytes.name().to_owned(), at });
            }
            self.bytes.consume(n_read);
            self.at += n_read as u64;
            left -= n_read;
        }
        Ok(Some(kind))
    }

    /// Of the current record, if it was wanted.
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields(&self.data)
    }

    fn byte(&mut self) -> Result<Option<u8>, Fault> {
        match self.bytes.fill_buf() {
            Ok(bytes) => {
                let byte = bytes.first().copied();
                if byte.is_some() {
                    self.bytes.consume(1);
                    self.at += 1;
                }
                Ok(byte)
            }
            Err(error) => Err(self.bytes.hit().unwrap_or_else(|| Fault::of_reading(error))),
        }
    }

    pub(super) fn damaged(&self) -> Fault {
        Fault::Part { part: self.bytes.name().to_owned(), at: self.at }
    }
}
