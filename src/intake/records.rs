//! Delimited text becomes records.
//!
//! Our own splitter and not the csv crate's, for four things that crate does not tell: the physical
//! line of a record whatever the line ends are, quotation marks that do not fit, a bound on a record
//! that is exact, and cells that are borrowed from the decoded text. On all other points the two
//! agree; a property test compares them.
//!
//! A quotation mark that somebody forgot to close would swallow rows, up to the next one, and make one
//! ticket of two customers. So a quotation that does not end where a cell ends, or that runs over lines
//! which look like rows, is *stray*: its line is a record of its own, which says so, and the next line
//! begins another.

use memchr::memchr;

/// Cells of a record that are kept; a spreadsheet has no more columns. A record of 15 MB of delimiters must
/// not become as many spans.
pub(super) const CELLS_MAX: usize = 16_384;

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
    /// The line at which a stray quotation begins. What stands behind it may be in wrong cells.
    pub stray: Option<u64>,
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
    Record { next: usize, n_before: u64, n_within: u64, stray: Option<Stray> },
    /// No record is complete: more text is needed.
    Incomplete,
    /// Only blank lines are left.
    End,
}

/// A quotation that does not end where a cell ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stray {
    /// Line breaks between the record's start and the quotation mark.
    pub n_breaks: u64,
    /// How far it was followed. Bytes.
    pub n_followed: usize,
}

/// By what a line is taken for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowShape {
    /// How many cells it has at least.
    pub n_cells: usize,
    /// The cell that holds a number.
    pub number: Option<usize>,
}

/// A quotation, and what was known before it.
#[derive(Clone, Copy)]
struct Quotation {
    open: usize,
    n_spans: usize,
    unescaped_len: usize,
    n_breaks: u64,
}

/// How a quotation ends.
enum Quoted {
    /// Where its cell ends.
    Closed(usize),
    /// Not in this text.
    Open,
    /// Amid a cell; the quotation mark that ended it stands there.
    Stray(usize),
}

/// Splits at one delimiter.
pub(super) struct Splitter {
    delimiter: u8,
    shape: Option<RowShape>,
}

impl Splitter {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, shape: None }
    }

    /// From now on a quotation that runs over rows is stray.
    pub(super) fn expect(&mut self, shape: RowShape) {
        self.shape = Some(shape);
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

        let (mut at, n_before) = behind_blank_lines(bytes, from, rest);
        if let Some(b'\r' | b'\n') = bytes.get(at) {
            return Found::Incomplete;
        }
        if at == bytes.len() {
            return if rest == Rest::More { Found::Incomplete } else { Found::End };
        }

        let start = at;
        let mut n_within = 0;
        // The first one with a line break in it.
        let mut long: Option<Quotation> = None;
        loop {
            if bytes.get(at) == Some(&b'"') {
                let quotation = Quotation {
                    open: at,
                    n_spans: spans.len(),
                    unescaped_len: unescaped.len(),
                    n_breaks: n_within,
                };
                match self.quoted(text, at, rest, spans, unescaped) {
                    Quoted::Closed(behind) => at = behind,
                    Quoted::Open if rest == Rest::More => return Found::Incomplete,
                    Quoted::Open => {
                        return self.stray(bytes, quotation, bytes.len(), n_before, rest, spans, unescaped);
                    }
                    Quoted::Stray(close) => {
                        return self.stray(bytes, quotation, close, n_before, rest, spans, unescaped);
                    }
                }
                let n_breaks = n_breaks(&bytes[quotation.open..at]);
                if 0 < n_breaks {
                    n_within += n_breaks;
                    long.get_or_insert(quotation);
                }
            } else {
                let from = at;
                at = self.end_of_cell(bytes, at);
                push(spans, span(from, at, Place::Text));
            }
            let next = match bytes.get(at) {
                Some(byte) if *byte == self.delimiter => {
                    at += 1;
                    continue;
                }
                Some(_) => {
                    let Some(next) = behind_break(bytes, at, rest) else { return Found::Incomplete };
                    next
                }
                None if rest == Rest::More => return Found::Incomplete,
                None => at,
            };
            if let Some(quotation) = long.filter(|_| self.runs_over_rows(&text[start..at])) {
                return self.stray(bytes, quotation, at, n_before, rest, spans, unescaped);
            }
            n_within += u64::from(at < next);
            return Found::Record { next, n_before, n_within, stray: None };
        }
    }

    /// Reads a cell that opens with a quote.
    fn quoted(
        &self,
        text: &str,
        open: usize,
        rest: Rest,
        spans: &mut Vec<Span>,
        unescaped: &mut String,
    ) -> Quoted {
        let bytes = text.as_bytes();
        let unescaped_from = unescaped.len();
        let mut from = open + 1;
        let mut is_escaped = false;
        let close = loop {
            let Some(quote) = memchr(b'"', &bytes[from..]).map(|at| from + at) else { return Quoted::Open };
            match bytes.get(quote + 1) {
                Some(b'"') => {
                    unescaped.push_str(&text[from..=quote]);
                    is_escaped = true;
                    from = quote + 2;
                }
                None if rest == Rest::More => return Quoted::Open, // The quote may be doubled.
                _ => break quote,
            }
        };
        let end = self.end_of_cell(bytes, close + 1);
        // Blanks belong to the cell, as in the csv crate.
        let is_last = end == close + 1;
        if !is_last && bytes[close + 1..end].iter().any(|byte| *byte != b' ' && *byte != b'\t') {
            return Quoted::Stray(close);
        }
        if !is_escaped && is_last {
            push(spans, span(from, close, Place::Text));
            return Quoted::Closed(end);
        }
        unescaped.push_str(&text[from..close]);
        unescaped.push_str(&text[close + 1..end]);
        push(spans, span(unescaped_from, unescaped.len(), Place::Unescaped));
        Quoted::Closed(end)
    }

    /// The record up to the end of the line at which `quotation` begins, its quotation marks as they stand.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a split knows; a struct of it would be used here alone"
    )]
    fn stray(
        &self,
        bytes: &[u8],
        quotation: Quotation,
        followed_to: usize,
        n_before: u64,
        rest: Rest,
        spans: &mut Vec<Span>,
        unescaped: &mut String,
    ) -> Found {
        spans.truncate(quotation.n_spans);
        unescaped.truncate(quotation.unescaped_len);
        let mut at = quotation.open;
        loop {
            let from = at;
            at = self.end_of_cell(bytes, at);
            push(spans, span(from, at, Place::Text));
            if bytes.get(at) != Some(&self.delimiter) {
                break;
            }
            at += 1;
        }
        let next = match bytes.get(at) {
            Some(_) => behind_break(bytes, at, rest),
            None => Some(at).filter(|_| rest == Rest::Nothing),
        };
        let Some(next) = next else { return Found::Incomplete };
        let stray = Stray { n_breaks: quotation.n_breaks, n_followed: followed_to - quotation.open };
        let n_within = quotation.n_breaks + u64::from(at < next);
        Found::Record { next, n_before, n_within, stray: Some(stray) }
    }

    /// Whether a record of several lines is rather several rows: one that lies within looks like a row, or
    /// both the first and the last do.
    fn runs_over_rows(&self, record: &str) -> bool {
        let Some(shape) = self.shape else { return false };
        let is_row = |line: &str| {
            let mut cells = line.split(char::from(self.delimiter));
            let has_number = shape.number.is_none_or(|at| cells.clone().nth(at).is_some_and(is_number));
            has_number && cells.nth(shape.n_cells - 1).is_some()
        };
        let mut lines = record.split(['\r', '\n']).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let last = lines.next_back().unwrap_or_default();
        lines.any(is_row) || is_row(first) && is_row(last)
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
        let is_end = |byte: &u8| *byte == self.delimiter || matches!(byte, b'\r' | b'\n');
        bytes[at..].iter().position(is_end).map_or(bytes.len(), |n| at + n)
    }
}

/// Behind the blank lines that begin at `from`, and how many they are.
pub(super) fn behind_blank_lines(bytes: &[u8], from: usize, rest: Rest) -> (usize, u64) {
    let (mut at, mut n_lines) = (from, 0);
    while let Some(b'\r' | b'\n') = bytes.get(at)
        && let Some(next) = behind_break(bytes, at, rest)
    {
        at = next;
        n_lines += 1;
    }
    (at, n_lines)
}

/// Whether a cell holds a number, however a spreadsheet writes it.
fn is_number(cell: &str) -> bool {
    let cell = cell.trim_matches([' ', '\t', '"', '=']);
    cell.bytes().any(|byte| byte.is_ascii_digit())
        && cell.bytes().all(|byte| byte.is_ascii_digit() || b".,+-Ee ".contains(&byte))
}

/// Keeps a cell, up to [`CELLS_MAX`] and one more, which tells that there are too many.
#[inline]
fn push(spans: &mut Vec<Span>, span: Span) {
    if spans.len() <= CELLS_MAX {
        spans.push(span);
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

/// Counts CRLF, LF and lone CR, also in text that comes in pieces.
#[derive(Default)]
pub(super) struct LineBreaks {
    pub n: u64,
    last: u8,
}

impl LineBreaks {
    pub(super) fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.n += u64::from(*byte == b'\r' || *byte == b'\n' && self.last != b'\r');
            self.last = *byte;
        }
    }
}

fn n_breaks(bytes: &[u8]) -> u64 {
    let mut breaks = LineBreaks::default();
    breaks.count(bytes);
    breaks.n
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Split {
        line: u64,
        cells: Vec<String>,
        stray: Option<u64>,
    }

    fn split_all(text: &str, delimiter: u8) -> Vec<Split> {
        split_by(&Splitter::new(delimiter), text)
    }

    fn split_by(splitter: &Splitter, text: &str) -> Vec<Split> {
        let (mut spans, mut unescaped) = (Vec::new(), String::new());
        let (mut at, mut line, mut records) = (0, 1, Vec::new());
        loop {
            match splitter.split(text, at, Rest::Nothing, &mut spans, &mut unescaped) {
                Found::Record { next, n_before, n_within, stray } => {
                    let line_here = line + n_before;
                    let stray = stray.map(|stray| line_here + stray.n_breaks);
                    let record =
                        Record { line: line_here, text, unescaped: &unescaped, spans: &spans, stray };
                    let cells = record.cells().map(str::to_owned).collect();
                    records.push(Split { line: line_here, cells, stray });
                    (at, line) = (next, line_here + n_within);
                }
                end => {
                    assert_eq!(end, Found::End);
                    return records;
                }
            }
        }
    }

    #[test]
    fn a_record_knows_its_physical_line() {
        let text = "a;b\r\n1;\"x\r\ny\"\r\n\r\n2;z\r3;w\n4;\"p\rq\nr\"\n5;e";
        let records = split_all(text, b';');
        let lines: Vec<_> = records.iter().map(|record| (record.line, record.cells[1].as_str())).collect();
        assert_eq!(lines, [(1, "b"), (2, "x\r\ny"), (5, "z"), (6, "w"), (7, "p\rq\nr"), (10, "e")]);
    }

    #[test]
    fn quotes_are_undone_only_where_they_open_a_cell() {
        let cells = |text| split_all(text, b',').remove(0).cells;
        assert_eq!(cells("=\"12\",a\"b"), ["=\"12\"", "a\"b"]);
        assert_eq!(cells("\"a \"\"b\"\" c\",\"\""), ["a \"b\" c", ""]);
        assert_eq!(cells("\"a\" ,d"), ["a ", "d"]);
        assert_eq!(cells(",,"), ["", "", ""]);
    }

    /// The lines, their number of cells, and where a stray quotation begins.
    #[track_caller]
    fn check_strays(text: &str, expected: &[(u64, usize, Option<u64>)]) {
        let mut splitter = Splitter::new(b';');
        splitter.expect(RowShape { n_cells: 4, number: Some(0) });
        let found: Vec<_> = split_by(&splitter, text)
            .iter()
            .map(|record| (record.line, record.cells.len(), record.stray))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_stray_quotation_swallows_no_row() {
        // Twice never closed, so that the counts fit.
        check_strays(
            "1;\"a;Ana;3\n2;b;Bia;3\n3;\"c;Caio;3\n4;d;Dora;3\n",
            &[(1, 4, Some(1)), (2, 4, None), (3, 4, Some(3)), (4, 4, None)],
        );
        // Word's mark closes nothing.
        check_strays("1;\"a”;Ana;3\n2;\"b\";Bia;3\n", &[(1, 4, Some(1)), (2, 4, None)]);
        // Every cell ends as it should, and yet one is the end of another row.
        check_strays("1;\"a;Ana;3\n2;b\";Bia;3\n3;c;D;3", &[(1, 4, Some(1)), (2, 4, None), (3, 4, None)]);
        check_strays("1;\"a;A\n2;b;Bia;3\nc\";C;3\n", &[(1, 3, Some(1)), (2, 4, None), (3, 3, None)]);
        // It begins behind a cell of two lines.
        check_strays("1;\"a\nb\";\"c\"d;3\n2;b;Bia;3\n", &[(1, 4, Some(2)), (3, 4, None)]);
        check_strays("1;\"a\"b;Ana;3", &[(1, 4, Some(1))]);
        // What a person writes into one cell.
        check_strays("1;\"a\nb; c\r\nd\";Ana;3\n", &[(1, 4, None)]);
        check_strays("1;\"ligar; urgente; hoje\nobrigado\";Ana;3\n", &[(1, 4, None)]);
        check_strays("1;\"a\n2; 3\n4\";Ana;3\n", &[(1, 4, None)]);
    }

    #[test]
    fn a_record_of_nothing_but_delimiters_keeps_few_cells() {
        let records = split_all(&";".repeat(100_000), b';');
        assert_eq!((records.len(), records[0].cells.len()), (1, CELLS_MAX + 1));
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
                csv.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            let found = split_all(&text, b';');
            // Where we find a stray quotation, that crate takes what is behind it for the cell's.
            let n_sound = found.iter().take_while(|record| record.stray.is_none()).count();
            let sound = if n_sound < found.len() { &expected[..n_sound] } else { &expected[..] };
            let found: Vec<_> = found.into_iter().take(n_sound).map(|record| record.cells).collect();
            prop_assert_eq!(&found[..], sound);
        }

        #[test]
        fn text_that_comes_in_pieces_gives_the_same_records(text in text()) {
            let splitter = Splitter::new(b';');
            let (mut spans, mut unescaped) = (Vec::new(), String::new());
            let whole = splitter.split(&text, 0, Rest::Nothing, &mut spans, &mut unescaped);
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                let part = splitter.split(&text[..end], 0, Rest::More, &mut spans, &mut unescaped);
                prop_assert!(part == Found::Incomplete || part == whole, "{:?} {:?}", part, whole);
            }
        }
    }
}
