//! The container of Excel's old workbooks ([MS-CFB]): a file system in a file. Nothing is believed of what it
//! says of lengths: chains of sectors end with the file at the latest.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

use super::binary::Fields;
use super::words::Fault;
use crate::platform;

const MAGIC: [u8; 8] = *b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

/// Longest file. Bytes. Source: far above 65,536 rows, all that such a sheet has.
const FILE_MAX: u64 = 256 * 1024 * 1024;

/// All that is read of one workbook, however many of its sheets lie in the same place. Bytes.
const READ_MAX: u64 = 1024 * 1024 * 1024;

const HEADER_LEN: usize = 512;
const ENTRY_LEN: usize = 128;
const MINI_SECTOR_LEN: u64 = 64;

/// Sectors of the directory, and of the table of small sectors, that are looked at. Source: a workbook has a
/// dozen entries, some more with each picture and macro.
const DIRECTORY_SECTORS_MAX: usize = 4096;
const MINI_TABLE_SECTORS_MAX: usize = 8192;

const NONE: u32 = u32::MAX;

pub(super) struct Compound {
    file: Rc<File>,
    sector_len: u64,
    /// The sector behind each sector.
    next: Vec<u32>,
    mini_cutoff: u64,
    mini_table: u32,
    /// The stream in which small streams lie.
    minis: Entry,
    /// The streams at the top, by name in lower case.
    streams: HashMap<String, Entry>,
    left: Rc<Cell<u64>>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    len: u64,
}

/// An entry of the directory, and its place in the tree of those beside it.
struct Listed {
    name: String,
    kind: u8,
    beside: [u32; 2],
    below: u32,
    entry: Entry,
}

impl Compound {
    pub(super) fn is_one(file: &File) -> bool {
        let mut magic = [0; MAGIC.len()];
        platform::read_exact_at(file, &mut magic, 0).is_ok() && magic == MAGIC
    }

    pub(super) fn open(file: File) -> Result<Self, Fault> {
        let len = file.metadata().map_err(Fault::Disk)?.len();
        if FILE_MAX < len {
            return Err(Fault::TooLong(FILE_MAX));
        }
        let mut header = [0; HEADER_LEN];
        platform::read_exact_at(&file, &mut header, 0).map_err(Fault::of_reading)?;
        let u16_at = |at: usize| Fields(&header[at..]).u16().unwrap_or(0);
        let u32_at = |at: usize| Fields(&header[at..]).u32().unwrap_or(NONE);
        let sector_len = match u16_at(0x1E) {
            9 => 512,
            12 => 4096,
            _ => return Err(Fault::Packing),
        };
        let mut this = Self {
            file: Rc::new(file),
            sector_len,
            next: Vec::new(),
            mini_cutoff: u64::from(u32_at(0x38)),
            mini_table: u32_at(0x3C),
            minis: Entry { start: NONE, len: 0 },
            streams: HashMap::new(),
            left: Rc::new(Cell::new(READ_MAX)),
        };
        let listed: Vec<u32> = (0..109).map(|at| u32_at(0x4C + 4 * at)).collect();
        this.read_table(&listed, u32_at(0x44), len.div_ceil(sector_len))?;
        this.read_directory(u32_at(0x30))?;
        Ok(this)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.streams.contains_key(name)
    }

    /// A stream at the top, by its name in lower case.
    pub(super) fn stream(&self, name: &str) -> Result<Stream, Fault> {
        let entry = *self.streams.get(name).ok_or_else(|| Fault::NoPart(name.to_owned()))?;
        let is_mini = entry.len < self.mini_cutoff;
        let piece_len = if is_mini { MINI_SECTOR_LEN } else { self.sector_len };
        let n_pieces = usize::try_from(entry.len.div_ceil(piece_len)).unwrap_or(usize::MAX);
        let pieces: Vec<u64> = if is_mini {
            let table = self.numbers(&self.chain(self.mini_table, MINI_TABLE_SECTORS_MAX))?;
            let sectors = self.chain(self.minis.start, usize::MAX);
            let place = |mini: u32| {
                let at = u64::from(mini) * MINI_SECTOR_LEN;
                let sector = sectors.get(usize::try_from(at / self.sector_len).ok()?)?;
                Some(self.place(*sector) + at % self.sector_len)
            };
            chain(&table, entry.start, n_pieces).into_iter().map_while(place).collect()
        } else {
            self.chain(entry.start, n_pieces).into_iter().map(|sector| self.place(sector)).collect()
        };
        let (file, left) = (Rc::clone(&self.file), Rc::clone(&self.left));
        Ok(Stream { file, pieces, piece_len, len: entry.len, at: 0, left })
    }

    fn place(&self, sector: u32) -> u64 {
        (u64::from(sector) + 1) * self.sector_len
    }

    fn chain(&self, start: u32, n_max: usize) -> Vec<u32> {
        chain(&self.next, start, n_max)
    }

    /// The numbers in these sectors; of one that the file has not got whole, none.
    fn numbers(&self, sectors: &[u32]) -> Result<Vec<u32>, Fault> {
        let mut buffer = vec![0; usize::try_from(self.sector_len).unwrap_or(HEADER_LEN)];
        let mut numbers = Vec::new();
        for sector in sectors {
            match platform::read_exact_at(&self.file, &mut buffer, self.place(*sector)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(Fault::Disk(error)),
            }
            numbers.extend(buffer.chunks_exact(4).filter_map(|bytes| Fields(bytes).u32()));
        }
        Ok(numbers)
    }

    /// The table of which sector is behind which: its own sectors are `listed`, and more of them in sectors
    /// from `more` on, each of which ends with the number of the next.
    fn read_table(&mut self, listed: &[u32], mut more: u32, n_sectors: u64) -> Result<(), Fault> {
        let n_sectors = usize::try_from(n_sectors).unwrap_or(usize::MAX);
        let mut listed = listed.to_vec();
        for _ in 0..n_sectors {
            listed.retain(|sector| (*sector as usize) < n_sectors);
            let n_missing = n_sectors.saturating_sub(self.next.len());
            listed.truncate(n_missing.div_ceil(128));
            let found = self.numbers(&listed)?;
            self.next.extend(found.into_iter().take(n_missing));
            if n_sectors <= self.next.len() || n_sectors <= more as usize {
                break;
            }
            listed = self.numbers(&[more])?;
            more = listed.pop().unwrap_or(NONE);
        }
        Ok(())
    }

    fn read_directory(&mut self, start: u32) -> Result<(), Fault> {
        let mut entries = Vec::new();
        let mut buffer = vec![0; usize::try_from(self.sector_len).unwrap_or(HEADER_LEN)];
        for sector in self.chain(start, DIRECTORY_SECTORS_MAX) {
            platform::read_exact_at(&self.file, &mut buffer, self.place(sector))
                .map_err(Fault::of_reading)?;
            let is_long = self.sector_len == 4096;
            entries.extend(buffer.chunks_exact(ENTRY_LEN).filter_map(|bytes| Listed::of(bytes, is_long)));
        }
        let root = entries.first().ok_or(Fault::Packing)?;
        self.minis = root.entry;
        // What lies in folders is of other documents that are embedded in this one.
        let mut seen = vec![false; entries.len()];
        let mut at_top = vec![root.below];
        while let Some(at) = at_top.pop() {
            let at = at as usize;
            let Some(entry) = entries.get(at).filter(|_| !seen[at]) else { continue };
            seen[at] = true;
            at_top.extend(entry.beside);
            if entry.kind == 2 {
                self.streams.insert(entry.name.clone(), entry.entry);
            }
        }
        Ok(())
    }
}

impl Listed {
    fn of(bytes: &[u8], is_long: bool) -> Option<Self> {
        let mut fields = Fields(bytes);
        let name = fields.take(64)?;
        let name_len = usize::from(fields.u16()?).saturating_sub(2).min(62);
        let (kind, _colour) = (fields.u8()?, fields.u8()?);
        let (beside, below) = ([fields.u32()?, fields.u32()?], fields.u32()?);
        fields.take(16 + 4 + 16)?;
        let (start, low, high) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let units = name[..name_len].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let name: String =
            char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        // With short sectors the upper half is whatever was in memory.
        let len = u64::from(low) | if is_long { u64::from(high) << 32 } else { 0 };
        Some(Self { name: name.to_lowercase(), kind, beside, below, entry: Entry { start, len } })
    }
}

/// The sectors from `start` on, `n_max` at most; no more than there are, in a table that leads in a circle.
fn chain(next: &[u32], start: u32, n_max: usize) -> Vec<u32> {
    let mut found = Vec::new();
    let mut at = start;
    while found.len() < n_max.min(next.len())
        && let Some(behind) = next.get(at as usize)
    {
        found.push(at);
        at = *behind;
    }
    found
}

/// A stream, from its beginning.
pub(super) struct Stream {
    file: Rc<File>,
    /// Where in the file its pieces lie.
    pieces: Vec<u64>,
    piece_len: u64,
    len: u64,
    at: u64,
    left: Rc<Cell<u64>>,
}

impl Stream {
    /// Goes on at this byte.
    pub(super) fn from(self, at: u64) -> Self {
        Self { at, ..self }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.len.saturating_sub(self.at));
        let at_piece = usize::try_from(self.at / self.piece_len).unwrap_or(usize::MAX);
        let Some(start) = self.pieces.get(at_piece) else { return Ok(0) };
        let within = self.at % self.piece_len;
        let mut n_bytes = self.piece_len - within;
        // Pieces that lie one behind the other are read at once.
        for pair in self.pieces[at_piece..].windows(2) {
            if wanted <= n_bytes || pair[1] != pair[0] + self.piece_len {
                break;
            }
            n_bytes += self.piece_len;
        }
        let n_bytes = n_bytes.min(wanted);
        if self.left.get() < n_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let n_bytes = usize::try_from(n_bytes).unwrap_or(0); // No more than the buffer has.
        let n_read = platform::read_at(&self.file, &mut buffer[..n_bytes], start + within)?;
        self.at += n_read as u64;
        self.left.set(self.left.get() - n_read as u64);
        Ok(n_read)
    }
}

/// Why reading a stream failed.
pub(super) fn fault_of(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Fault::TooLarge(READ_MAX),
        _ => Fault::of_reading(error),
    }
}
