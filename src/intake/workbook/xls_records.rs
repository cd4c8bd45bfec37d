//! The records of an old workbook's stream ([MS-XLS] 2.1.4): a kind, a length, and data that may go on in the
//! records behind it.

use std::io::{BufReader, Read};

use super::binary::Fields;
use super::compound::{Stream, fault_of};
use super::words::Fault;

/// The record before goes on in it.
const CONTINUE: u16 = 0x003C;

pub(super) struct Records {
    bytes: BufReader<Stream>,
    /// Of the next byte.
    at: u64,
    /// Data of the current record that were not read.
    left: usize,
    /// The kind and length of the next record, if they were read.
    head: Option<(u16, usize)>,
}

impl Records {
    /// From the record at this byte of the stream on.
    pub(super) fn new(stream: Stream, at: u64) -> Self {
        let bytes = BufReader::with_capacity(64 * 1024, stream.from(at));
        Self { bytes, at, left: 0, head: None }
    }

    /// Goes to the next record. `None`: the stream ends.
    pub(super) fn next(&mut self) -> Result<Option<u16>, Fault> {
        self.pass(self.left)?;
        let head = self.peek()?;
        self.head = None;
        self.left = head.map_or(0, |(_, len)| len);
        Ok(head.map(|(kind, _)| kind))
    }

    fn peek(&mut self) -> Result<Option<(u16, usize)>, Fault> {
        if self.head.is_none() {
            let mut bytes = [0; 4];
            let mut n_read = 0;
            while n_read < bytes.len() {
                match self.bytes.read(&mut bytes[n_read..]).map_err(fault_of)? {
                    0 if n_read == 0 => return Ok(None),
                    0 => return Err(self.damaged()),
                    n => n_read += n,
                }
            }
            self.at += 4;
            let [kind, kind_high, len, len_high] = bytes;
            let len = usize::from(u16::from_le_bytes([len, len_high]));
            self.head = Some((u16::from_le_bytes([kind, kind_high]), len));
        }
        Ok(self.head)
    }

    /// Whether the record has more data, there or in those in which it goes on.
    pub(super) fn has_more(&mut self) -> Result<bool, Fault> {
        while self.left == 0 {
            match self.peek()? {
                Some((CONTINUE, len)) => (self.left, self.head) = (len, None),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn pass(&mut self, n_bytes: usize) -> Result<(), Fault> {
        let mut part = self.bytes.by_ref().take(n_bytes as u64);
        let n_read = std::io::copy(&mut part, &mut std::io::sink()).map_err(fault_of)?;
        self.at += n_read;
        self.left -= n_bytes;
        if n_read < n_bytes as u64 { Err(self.damaged()) } else { Ok(()) }
    }

    fn read(&mut self, mut buffer: &mut [u8]) -> Result<(), Fault> {
        while !buffer.is_empty() {
            if !self.has_more()? {
                return Err(self.damaged());
            }
            let n_bytes = buffer.len().min(self.left);
            let (part, rest) = buffer.split_at_mut(n_bytes);
            self.bytes.read_exact(part).map_err(fault_of)?;
            self.at += n_bytes as u64;
            self.left -= n_bytes;
            buffer = rest;
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn skip(&mut self, mut n_bytes: u64) -> Result<(), Fault> {
        while 0 < n_bytes {
            if !self.has_more()? {
                return Err(self.damaged());
            }
            let n_passed = usize::try_from(n_bytes).unwrap_or(usize::MAX).min(self.left);
            self.pass(n_passed)?;
            n_bytes -= n_passed as u64;
        }
        Ok(())
    }

    /// All data of the current record, without those in which it goes on.
    pub(super) fn data<'a>(&mut self, buffer: &'a mut Vec<u8>) -> Result<Fields<'a>, Fault> {
        buffer.resize(self.left, 0);
        self.read(buffer)?;
        Ok(Fields(buffer))
    }

    /// A text of so many units of UTF-16, behind what says how it is written; its looks are passed over.
    /// Source: [MS-XLS] 2.5.293.
    pub(super) fn text(&mut self, n_units: usize, units: &mut Vec<u16>) -> Result<(), Fault> {
        let flags = self.u8()?;
        let n_runs = if flags & 8 == 8 { self.u16()? } else { 0 };
        let aid_len = if flags & 4 == 4 { self.u32()? } else { 0 };
        self.units(n_units, flags, units)?;
        self.skip(u64::from(n_runs) * 4 + u64::from(aid_len))
    }

    /// A text without looks: the name of a sheet.
    pub(super) fn plain_text(&mut self, n_units: usize, units: &mut Vec<u16>) -> Result<(), Fault> {
        let flags = self.u8()?;
        self.units(n_units, flags, units)
    }

    /// Where a text goes on in another record, that says again how it is written.
    fn units(&mut self, n_units: usize, mut flags: u8, units: &mut Vec<u16>) -> Result<(), Fault> {
        units.clear();
        while units.len() < n_units {
            if self.left == 0 {
                flags = self.u8()?;
                continue;
            }
            let unit = if flags & 1 == 1 { self.u16()? } else { u16::from(self.u8()?) };
            units.push(unit);
        }
        Ok(())
    }

    pub(super) fn damaged(&self) -> Fault {
        Fault::Part { part: "Workbook".to_owned(), at: self.at }
    }
}
