//! Which character separates the cells.

use std::str::FromStr;

use super::beginning::{LOOKED_AT_MAX, Likeness, Names};
use super::records::{Found, Record, Rest, Splitter};
use super::words::BadOption;

/// The character between two cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(u8); // Invariant: ASCII, no quotation mark, no line break, no letter or digit.

impl Delimiter {
    /// What Excel in Brazil writes.
    pub(super) const SEMICOLON: Self = Self(b';');

    fn new(byte: u8) -> Option<Self> {
        let is_one = byte == b'\t' || byte.is_ascii_punctuation() && byte != b'"' || byte == b' ';
        is_one.then_some(Self(byte))
    }
}

impl FromStr for Delimiter {
    type Err = BadOption;

    fn from_str(text: &str) -> Result<Self, BadOption> {
        let found = match (text, text.as_bytes()) {
            ("tab" | "\\t", _) => Self::new(b'\t'),
            (_, [byte]) => Self::new(*byte),
            _ => None,
        };
        found.ok_or(BadOption::Delimiter)
    }
}

/// What the beginning of a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sniffed {
    pub delimiter: u8,
    /// The length of the `sep=` line with its line break, if there is one. Bytes.
    pub sep_line_len: Option<usize>,
}

/// Excel pt-BR's first: it wins a tie.
const CANDIDATES: [u8; 4] = [b';', b',', b'\t', b'|'];

/// How many records are parsed to see whether their cells are as many as the header's.
const RECORDS_MAX: usize = 50;

/// Decides by parsing: the delimiter under which a record has most names that are known, then under which the
/// records have as many cells as that one, then which gives more cells. Counting characters would
/// not do: free text has commas.
pub(super) fn sniff(text: &str, rest: Rest, wanted: Option<Delimiter>, names: &Names) -> Sniffed {
    let sep_line = sep_line(text);
    let sep_line_len = sep_line.map(|(_, len)| len);
    if let Some(delimiter) = wanted.map(|wanted| wanted.0).or(sep_line.map(|(delimiter, _)| delimiter)) {
        return Sniffed { delimiter, sep_line_len };
    }
    let score = |delimiter: u8| score(text, rest, delimiter, names);
    let mut best = CANDIDATES[0];
    for other in &CANDIDATES[1..] {
        if score(best) < score(*other) {
            best = *other;
        }
    }
    Sniffed { delimiter: best, sep_line_len }
}

/// The likeness to a header, of the record that has most of it: titles stand above it. Per mille of the
/// records below it that have its number of cells, and that number. Where no name is known: of all records,
/// and the number that most of them have.
fn score(text: &str, rest: Rest, delimiter: u8, names: &Names) -> (Likeness, usize, usize) {
    let splitter = Splitter::new(delimiter);
    let (mut spans, mut unescaped) = (Vec::new(), String::new());
    let (mut at, mut lens) = (0, Vec::new());
    let (mut best, mut header) = (Likeness::default(), None);
    while lens.len() <= RECORDS_MAX {
        let found = splitter.split(text, at, rest, &mut spans, &mut unescaped);
        let Found::Record { next, .. } = found else { break };
        let record = Record { line: 0, text, unescaped: &unescaped, spans: &spans, stray: None };
        if (lens.len() as u64) < LOOKED_AT_MAX {
            let likeness = names.likeness(record.cells());
            if best < likeness {
                (best, header) = (likeness, Some(lens.len()));
            }
        }
        lens.push(record.len());
        at = next;
    }
    let n_of = |n_cells: usize, lens: &[usize]| lens.iter().filter(|len| **len == n_cells).count();
    let (n_columns, below) = match header {
        Some(at) => (lens[at], &lens[at + 1..]),
        None => (lens.iter().copied().max_by_key(|len| n_of(*len, &lens)).unwrap_or(0), &lens[..]),
    };
    let even = if n_columns < 2 { 0 } else { 1000 * n_of(n_columns, below) / below.len().max(1) };
    (best, even, n_columns)
}

/// The delimiter that Excel's `sep=` line names, and the line's length.
fn sep_line(text: &str) -> Option<(u8, usize)> {
    let end = text.find(['\r', '\n'])?;
    let line = text[..end].trim_matches('"');
    let (name, value) = line.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case("sep=") {
        return None;
    }
    let [byte] = value.as_bytes() else { return None };
    let delimiter = Delimiter::new(*byte)?;
    let n_break = if text[end..].starts_with("\r\n") { 2 } else { 1 };
    Some((delimiter.0, end + n_break))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_makes_a_table() {
        check("nome;telefone\nA, B, C;1\nD, E, F;2\n", b';');
        check("nome,telefone\nA;B;C,1\nD;E;F,2\n", b',');
        check("nome\ttelefone\nA, B\t1\n", b'\t');
        check("nome|telefone\nA, B; C|1\n", b'|');
        // No name is known: the count of cells decides.
        check("x;y, z\na, b;c\nd;e, f, g\n", b';');
        check("x,y\n\"a;b;c\",2\n\"d;e\",3\n", b',');
        check("nome\nAna\n", b';');
        // What stands above the table has another delimiter in it, or none.
        check("Clientes afetados, CTO 12, 26/11/2026\n\nnome;telefone\nA, B;1\nC, D;2\n", b';');
        check("Clientes; emitido em: 26/11; 14:03\nnome,telefone,servico\nA,1,2\n", b',');
        check("Clientes, emitido em 26/11\nx;y;z\na;b;c\nd;e;f\n", b';');
        check("", b';');
    }

    #[track_caller]
    fn check(text: &str, expected: u8) {
        assert_eq!(
            sniff(text, Rest::Nothing, None, &Names::new([].iter())),
            Sniffed { delimiter: expected, sep_line_len: None }
        );
    }

    #[test]
    fn a_sep_line_and_a_person_are_believed() {
        let sniffed = |text, wanted| sniff(text, Rest::Nothing, wanted, &Names::new([].iter()));
        let found = sniffed("sep=,\r\nnome;telefone\r\n", None);
        assert_eq!(found, Sniffed { delimiter: b',', sep_line_len: Some(7) });
        let found = sniffed("SEP=\t\nnome;telefone\n", None);
        assert_eq!(found, Sniffed { delimiter: b'\t', sep_line_len: Some(6) });
        let found = sniffed("sep=,\nnome;telefone\n", Some(Delimiter(b';')));
        assert_eq!(found, Sniffed { delimiter: b';', sep_line_len: Some(6) });
        assert_eq!(sniffed("sep=\nnome,x\n", None).sep_line_len, None);
    }

    #[test]
    fn a_delimiter_is_one_character() {
        assert_eq!(";".parse(), Ok(Delimiter(b';')));
        assert_eq!("tab".parse(), Ok(Delimiter(b'\t')));
        for text in ["", ";;", "\"", "\n", "a", "0", "§"] {
            assert!(text.parse::<Delimiter>().is_err(), "{text:?}");
        }
    }
}
