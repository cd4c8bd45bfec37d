//! Delimited text becomes records.
//!
//! Our own splitter and not the csv crate's, for four things that crate does not tell: the physical
//! line of a record whatever the line ends are, a quote that is never closed, a bound on a record
//! that is exact, and cells that are borrowed from the decoded text. On all other points the two
//! agree; a property test compares them.

use memchr::memchr;

/// Where a cell stands. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the decoded text, as it stands.
    Text,
    /// In the buffer of cells whose doubled quotes were undone.
    Unescaped,
}

/// One record, borrowed.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    /// The physical line at which it starts, from 1.
    pub line: u64,
    pub text: &'a str,
    pub unescaped: &'a str,
    pub spans: &'a [Span],
}

impl<'a> Record<'a> {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Blank behind the last cell.
    #[inline]
    pub(super) fn cell(&self, at: usize) -> &'a str {
        let Some(span) = self.spans.get(at) else { return "" };
        let text = match span.place {
            Place::Text => self.text,
            Place::Unescaped => self.unescaped,
        };
        // Spans end at delimiters and quotes, which are ASCII: always at a character's boundary.
        text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map(|at| self.cell(at))
    }
}

/// What stands behind the text that is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    More,
    Nothing,
}

/// What splitting found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record. The next one starts at `next`. `n_before` line breaks stand before the record (blank
    /// lines), `n_within` in and behind it.
    Record { next: usize, n_before: u64, n_within: u64 },
    /// No record is complete: more text is needed.
    Incomplete,
    /// Only blank lines are left.
    End,
    /// The text ends within quotes that open after so many line breaks.
    Unterminated { n_before: u64 },
}

/// Splits at one delimiter.
pub(super) struct Splitter {
    delimiter: u8,
}

impl Splitter {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter }
    }

    /// Splits the record that begins at `from`, or behind the blank lines there.
    ///
    /// `text` is at most 4 GiB long: the caller bounds a record far below.
    pub(super) fn split(
        &self,
        text: &str,
        from: usize,
        rest: Rest,
        spans: &mut Vec<Span>,
        unescaped: &mut String,
    ) -> Found {
        let bytes = text.as_bytes();
        spans.clear();
        unescaped.clear();

        let mut at = from;
        let mut n_before = 0;
        while let Some(b'\r' | b'\n') = bytes.get(at) {
            let Some(next) = behind_break(bytes, at, rest) else { return Found::Incomplete };
            at = next;
            n_before += 1;
        }
        if at == bytes.len() {
            return if rest == Rest::More { Found::Incomplete } else { Found::End };
        }

        let mut n_within = 0;
        loop {
            if bytes.get(at) == Some(&b'"') {
                let open = at;
                match self.quoted(text, open, rest, spans, unescaped) {
                    Some(behind) => at = behind,
                    None if rest == Rest::More => return Found::Incomplete,
                    None => return Found::Unterminated { n_before: n_before + n_within },
                }
                n_within += n_breaks(&bytes[open..at]);
            } else {
                let start = at;
                at = self.end_of_cell(bytes, at);
                spans.push(span(start, at, Place::Text));
            }
            match bytes.get(at) {
                Some(it) if *it == self.delimiter => at += 1,
                Some(_) => {
                    let Some(next) = behind_break(bytes, at, rest) else { return Found::Incomplete };
                    return Found::Record { next, n_before, n_within: n_within + 1 };
                }
                None if rest == Rest::More => return Found::Incomplete,
                None => return Found::Record { next: at, n_before, n_within },
            }
        }
    }

    /// Reads a cell that opens with a quote; `None` if it does not close. Returns where it ends.
    fn quoted(
        &self,
        text: &str,
        open: usize,
        rest: Rest,
        spans: &mut Vec<Span>,
        unescaped: &mut String,
    ) -> Option<usize> {
        let bytes = text.as_bytes();
        let unescaped_from = unescaped.len();
        let mut from = open + 1;
        let mut is_escaped = false;
        let close = loop {
            let quote = from + memchr(b'"', &bytes[from..])?;
            match bytes.get(quote + 1) {
                Some(b'"') => {
                    unescaped.push_str(&text[from..=quote]);
                    is_escaped = true;
                    from = quote + 2;
                }
                None if rest == Rest::More => return None, // The quote may be doubled.
                _ => break quote,
            }
        };
        let end = self.end_of_cell(bytes, close + 1);
        if !is_escaped && end == close + 1 {
            spans.push(span(from, close, Place::Text));
            return Some(end);
        }
        unescaped.push_str(&text[from..close]);
        // Text behind the closing quote belongs to the cell, quotes included, as in the csv crate.
        unescaped.push_str(&text[close + 1..end]);
        spans.push(span(unescaped_from, unescaped.len(), Place::Unescaped));
        Some(end)
    }

    /// The delimiter or line break that comes first. Eight bytes at a time: most cells are so short
    /// that a call of memchr costs more than the search.
    #[inline]
    fn end_of_cell(&self, bytes: &[u8], from: usize) -> usize {
        let mut at = from;
        while let Some(chunk) = bytes[at..].first_chunk() {
            let word = u64::from_le_bytes(*chunk);
            let found = places(word, self.delimiter) | places(word, b'\r') | places(word, b'\n');
            if found != 0 {
                return at + found.trailing_zeros() as usize / 8;
            }
            at += chunk.len();
        }
        let is_end = |it: &u8| *it == self.delimiter || matches!(it, b'\r' | b'\n');
        bytes[at..].iter().position(is_end).map_or(bytes.len(), |n| at + n)
    }
}

/// The high bit of the first byte of `word` that is `byte`, and of nothing before it.
fn places(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let zero_where_equal = word ^ (ONES * u64::from(byte));
    zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & (ONES << 7)
}

fn span(start: usize, end: usize, place: Place) -> Span {
    // A record is bounded by `RECORD_LEN_MAX`, and the text by little more.
    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { start: narrow(start), end: narrow(end), place }
}

/// Where the line break at `at` ends; `None` if the text at hand does not tell.
fn behind_break(bytes: &[u8], at: usize, rest: Rest) -> Option<usize> {
    if bytes[at] == b'\n' {
        return Some(at + 1);
    }
    match bytes.get(at + 1) {
        Some(b'\n') => Some(at + 2),
        None if rest == Rest::More => None,
        _ => Some(at + 1),
    }
}

/// Counts CRLF, LF and lone CR.
fn n_breaks(bytes: &[u8]) -> u64 {
    let mut n = 0;
    let mut previous = 0;
    for it in bytes {
        n += u64::from(*it == b'\r' || *it == b'\n' && previous != b'\r');
        previous = *it;
    }
    n
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split_all(text: &str, delimiter: u8) -> (Vec<(u64, Vec<String>)>, Found) {
        let splitter = Splitter::new(delimiter);
        let (mut spans, mut unescaped) = (Vec::new(), String::new());
        let (mut at, mut line, mut records) = (0, 1, Vec::new());
        loop {
            match splitter.split(text, at, Rest::Nothing, &mut spans, &mut unescaped) {
                Found::Record { next, n_before, n_within } => {
                    let line_here = line + n_before;
                    let record = Record { line: line_here, text, unescaped: &unescaped, spans: &spans };
                    records.push((line_here, record.cells().map(str::to_owned).collect()));
                    (at, line) = (next, line_here + n_within);
                }
                end => return (records, end),
            }
        }
    }

    #[test]
    fn a_record_knows_its_physical_line() {
        let text = "a;b\r\n1;\"x\r\ny\"\r\n\r\n2;z\r3;w\n4;\"p\rq\nr\"\n5;e";
        let (records, end) = split_all(text, b';');
        let lines: Vec<_> = records.iter().map(|(line, cells)| (*line, cells[1].as_str())).collect();
        assert_eq!(lines, [(1, "b"), (2, "x\r\ny"), (5, "z"), (6, "w"), (7, "p\rq\nr"), (10, "e")]);
        assert_eq!(end, Found::End);
    }

    #[test]
    fn quotes_are_undone_only_where_they_open_a_cell() {
        let cells = |text| split_all(text, b',').0.remove(0).1;
        assert_eq!(cells("=\"12\",a\"b"), ["=\"12\"", "a\"b"]);
        assert_eq!(cells("\"a \"\"b\"\" c\",\"\""), ["a \"b\" c", ""]);
        assert_eq!(cells("\"a\"b\"c\",d"), ["ab\"c\"", "d"]);
        assert_eq!(cells(",,"), ["", "", ""]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told() {
        assert_eq!(split_all("a;b\n1;2\n3;\"x\ny;z\n", b';').1, Found::Unterminated { n_before: 0 });
        assert_eq!(split_all("a\n\"x\n\";\"y", b';').1, Found::Unterminated { n_before: 1 });
    }

    /// Letters that matter, and few others.
    fn text() -> impl Strategy<Value = String> {
        "[a;,\"\r\né]{0,40}"
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_csv_crate(text in text()) {
            let mut csv = csv::ReaderBuilder::new();
            let mut csv = csv.has_headers(false).flexible(true).delimiter(b';').from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> =
                csv.records().map(|it| it.unwrap().iter().map(str::to_owned).collect()).collect();
            let (found, end) = split_all(&text, b';');
            let found: Vec<_> = found.into_iter().map(|it| it.1).collect();
            if matches!(end, Found::Unterminated { .. }) {
                // Where we refuse, that crate ends the cell at the end of the file.
                prop_assert_eq!(&found[..], &expected[..found.len()]);
            } else {
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn text_that_comes_in_pieces_gives_the_same_records(text in text()) {
            let splitter = Splitter::new(b';');
            let (mut spans, mut unescaped) = (Vec::new(), String::new());
            let whole = splitter.split(&text, 0, Rest::Nothing, &mut spans, &mut unescaped);
            for end in (0..text.len()).filter(|it| text.is_char_boundary(*it)) {
                let part = splitter.split(&text[..end], 0, Rest::More, &mut spans, &mut unescaped);
                prop_assert!(part == Found::Incomplete || part == whole, "{:?} {:?}", part, whole);
            }
        }
    }
}
