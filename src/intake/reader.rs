//! A text file as a stream of records, in constant memory.

use super::bytes::Decoding;
use super::limits::RECORD_LEN_MAX;
use super::records::{Found, Record, Rest, RowShape, Span, Splitter, behind_blank_lines};
use super::words::IntakeError;

/// How far stray quotations are followed in all. Bytes: each is read again from its second line on, and a
/// file of nothing else would be read once for each line.
const FOLLOWED_MAX: usize = 256 * 1024 * 1024;

/// How much text is shown to whoever has to recognise the delimiter. Bytes of UTF-8.
const PREFIX_LEN: usize = 64 * 1024;

/// Reads records one after the other; the current one stays until the next `advance`.
pub(super) struct Reader {
    bytes: Decoding,
    text: String,
    rest: Rest,
    splitter: Splitter,
    /// Where in `text` the next record starts, and its line.
    next: usize,
    next_line: u64,
    /// The current record's line, and that of a stray quotation in it.
    line: u64,
    stray: Option<u64>,
    n_followed: usize,
    spans: Vec<Span>,
    unescaped: String,
}

impl Reader {
    /// Decodes the first 64 KiB: what [`Self::text`] shows until the first `advance`.
    pub(super) fn new(bytes: Decoding) -> Result<Self, IntakeError> {
        let mut reader = Self {
            bytes,
            text: String::new(),
            rest: Rest::More,
            splitter: Splitter::new(b';'),
            next: 0,
            next_line: 1,
            line: 0,
            stray: None,
            n_followed: 0,
            spans: Vec::new(),
            unescaped: String::new(),
        };
        reader.decode(PREFIX_LEN)?;
        Ok(reader)
    }

    pub(super) fn text(&self) -> (&str, Rest) {
        (&self.text, self.rest)
    }

    /// Begins `skipped` bytes and `n_lines` lines into the text, with this delimiter.
    pub(super) fn start(&mut self, delimiter: u8, skipped: usize, n_lines: u64) {
        self.splitter = Splitter::new(delimiter);
        self.next = skipped;
        self.next_line = 1 + n_lines;
    }

    /// From now on a quotation that runs over rows is stray.
    pub(super) fn expect(&mut self, shape: RowShape) {
        self.splitter.expect(shape);
    }

    /// Goes to the next record. `false`: there is none.
    pub(super) fn advance(&mut self) -> Result<bool, IntakeError> {
        let mut rest = self.rest;
        loop {
            let at = self.next;
            let found = self.splitter.split(&self.text, at, rest, &mut self.spans, &mut self.unescaped);
            match found {
                Found::Record { next, .. } if RECORD_LEN_MAX < next - at => {
                    return Err(IntakeError::RecordTooLong { line: self.next_line });
                }
                Found::Record { next, n_before, n_within, stray } => {
                    self.line = self.next_line + n_before;
                    self.next = next;
                    self.next_line = self.line + n_within;
                    self.stray = stray.map(|stray| self.line + stray.n_breaks);
                    self.n_followed += stray.map_or(0, |stray| stray.n_followed);
                    return match self.stray {
                        Some(line) if FOLLOWED_MAX < self.n_followed => {
                            Err(IntakeError::StrayQuotes { line })
                        }
                        _ => Ok(true),
                    };
                }
                Found::End => return Ok(false),
                Found::Incomplete => {
                    // They are no part of the record below them, however many there are.
                    let (at, n_blank) = behind_blank_lines(self.text.as_bytes(), at, rest);
                    self.next = at;
                    self.next_line += n_blank;
                    let n_kept = self.text.len() - at;
                    if RECORD_LEN_MAX < n_kept {
                        // No quotation is followed further: the text is taken as if it ended here.
                        rest = Rest::Nothing;
                        continue;
                    }
                    self.text.drain(..at);
                    self.next = 0;
                    // Twice as much each time: a long record is not split over and over.
                    self.decode(n_kept.min(RECORD_LEN_MAX + 1 - n_kept))?;
                    rest = self.rest;
                }
            }
        }
    }

    pub(super) fn record(&self) -> Record<'_> {
        Record {
            line: self.line,
            text: &self.text,
            unescaped: &self.unescaped,
            spans: &self.spans,
            stray: self.stray,
        }
    }

    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        self.bytes.sha256()
    }

    /// Appends at least `n_wanted` bytes of text, if there are so many.
    fn decode(&mut self, n_wanted: usize) -> Result<(), IntakeError> {
        let wanted = self.text.len() + n_wanted.max(1);
        while self.rest == Rest::More && self.text.len() < wanted {
            if !self.bytes.append_to(&mut self.text)? {
                self.rest = Rest::Nothing;
            }
        }
        Ok(())
    }
}
