//! Ids: positive numbers that spreadsheets like to reformat.

use std::num::NonZeroI64;

use super::cell::{Scientific, scientific};
use super::words::{self, Read, Words};
use crate::printable;

/// Of a name of a catalogue. Characters; what is offered stays a line that a drop-down shows.
const LABEL_CHARS_MAX: usize = 120;

/// A positive id of the API that fits 63 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroI64); // Invariant: 1..=i64::MAX.

impl Id {
    /// `None` unless `value` is positive.
    pub fn new(value: i64) -> Option<Self> {
        NonZeroI64::new(value).filter(|id| id.is_positive()).map(Self)
    }

    pub fn get(self) -> i64 {
        self.0.get()
    }
}

/// Reads an unwrapped cell.
pub(super) fn read(cell: &str) -> Read<Id> {
    // 18 digits always fit: the usual case needs no checked arithmetic.
    if cell.len() <= 18 {
        let mut value = 0;
        for b in cell.bytes() {
            let digit = b.wrapping_sub(b'0');
            if 9 < digit {
                return unusual(cell);
            }
            value = value * 10 + i64::from(digit);
        }
        return Id::new(value).map(|id| (id, None)).ok_or(&words::ID_NOT_POSITIVE);
    }
    unusual(cell)
}

/// How a cell says an entry of a catalogue, for who chooses by name: `Sem sinal (id 7)`.
pub fn listed(id: Id, label: &str) -> String {
    let label: String = printable::name(label).trim().chars().take(LABEL_CHARS_MAX).collect();
    format!("{label} (id {})", id.get())
}

/// Reads an id that may be [`listed`]. The name says nothing: ids are what HubSoft takes.
pub(super) fn read_listed(cell: &str) -> Read<Id> {
    let id = cell.strip_suffix(')').and_then(|text| text.rsplit_once("(id "));
    match id {
        Some((_, id)) if !id.is_empty() => read(super::trim(id)),
        _ => read(cell),
    }
}

/// Reads a list: ids separated by commas.
pub(super) fn read_list(cell: &str) -> Read<Vec<Id>> {
    if let Ok((id, notice)) = read(cell) {
        return Ok((vec![id], notice)); // `11000,00` is one id, not a list with a zero in it.
    }
    let ids = cell.split(',').map(|part| read(super::trim(part)).map(|(id, _)| id));
    match ids.collect::<Result<Vec<Id>, &Words>>() {
        Ok(ids) => Ok((ids, None)),
        Err(problem) if !cell.contains(',') && problem != &words::ID_SEVERAL => Err(problem),
        Err(_) => Err(&words::ID_LIST),
    }
}

fn unusual(cell: &str) -> Read<Id> {
    repaired(cell).map_err(|problem| match problem.code {
        "not_an_id" if is_several(cell) => &words::ID_SEVERAL,
        _ => problem,
    })
}

/// Whether the cell is ids with something between them that no number has.
fn is_several(cell: &str) -> bool {
    let parts =
        cell.split(['/', ';', ',', '|', '+', '\n']).flat_map(|part| part.split(" e ")).map(super::trim);
    let is_id = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    let is_date = matches!(cell.split('/').map(str::len).collect::<Vec<_>>()[..], [1..=2, 1..=2, 2 | 4]);
    1 < parts.len() && parts.iter().all(|part| is_id(part)) && !is_date
}

fn repaired(cell: &str) -> Read<Id> {
    if let Some(rest) = cell.strip_prefix('-')
        && rest.bytes().any(|b| b.is_ascii_digit())
        && rest.bytes().all(|b| b.is_ascii_digit() || b".,".contains(&b))
    {
        return Err(&words::ID_NOT_POSITIVE);
    }
    match scientific(cell) {
        Some(Scientific::Whole(digits)) => return Ok((integer(&digits)?, Some(&words::ID_REPAIRED))),
        Some(Scientific::Lost) => return Err(&words::ID_LOST_DIGITS),
        Some(Scientific::Fraction) => return Err(&words::ID_FRACTION),
        None => {}
    }
    let n_separators = cell.bytes().filter(|b| b".,".contains(b)).count();
    let Some((whole, fraction)) = cell.split_once(['.', ',']) else { return Ok((integer(cell)?, None)) };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b".,".contains(&b));
    if whole.is_empty() || fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(&words::NOT_AN_ID);
    }
    if n_separators > 1 || fraction.len() == 3 {
        return Err(&words::ID_AMBIGUOUS); // A separator of thousands, or a decimal one?
    }
    if fraction.bytes().any(|b| b != b'0') {
        return Err(&words::ID_FRACTION);
    }
    integer(whole).map(|id| (id, None))
}

fn integer(digits: &str) -> Result<Id, &'static Words> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(&words::NOT_AN_ID);
    }
    let value = digits.parse().map_err(|_| &words::ID_TOO_LARGE)?;
    Id::new(value).ok_or(&words::ID_NOT_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_ways_a_spreadsheet_writes_it() {
        for cell in ["11000", "11000.0", "11000,00", "11000.0000", "0011000"] {
            check(cell, Ok(11000), None);
        }
        check("9223372036854775807", Ok(i64::MAX), None);
        check("1,1000E+4", Ok(11000), Some("id_repaired"));
        check("11.00", Ok(11), None);
        check("11.000", Err("id_ambiguous"), None);
        check("11,000", Err("id_ambiguous"), None);
        check("1.234.567", Err("id_ambiguous"), None);
        check("1.234,00", Err("id_ambiguous"), None);
        check("1,1E+4", Err("id_lost_digits"), None);
        check("11000,5", Err("id_not_an_integer"), None);
        check("9223372036854775808", Err("id_too_large"), None);
        check("20241126103000123456", Err("id_too_large"), None);
        check("0", Err("id_not_positive"), None);
        check("000", Err("id_not_positive"), None);
        check("-5", Err("id_not_positive"), None);
        check("-5,0", Err("id_not_positive"), None);
        for cell in ["11000 / 11001", "11000;11001", "11000, 11001", "11000 e 11001", "11000\n11001"] {
            check(cell, Err("id_several"), None);
        }
        for cell in [
            "abc",
            "28/11/2026",
            "8/1/26",
            "11000%",
            "11 000",
            "+11000",
            "11000,",
            ".0",
            "-",
            "1\u{200B}1",
            "1\u{FF11}",
        ] {
            check(cell, Err("not_an_id"), None);
        }
    }

    #[track_caller]
    fn check(cell: &str, expected: Result<i64, &str>, notice: Option<&str>) {
        let found = read(cell);
        assert_eq!(found.map(|(id, _)| id.get()).map_err(|problem| problem.code), expected, "{cell}");
        assert_eq!(found.ok().and_then(|(_, notice)| notice).map(|notice| notice.code), notice, "{cell}");
    }

    #[test]
    fn an_id_that_was_chosen_by_name_is_read_as_it_was_written() {
        let id = Id::new(7).unwrap();
        for label in ["Sem sinal", "Plano (id 8)", "", "a\nb", &"x".repeat(500)] {
            let cell = listed(id, label);
            assert_eq!(read_listed(&cell).unwrap(), (id, None), "{cell}");
            assert!(cell.chars().count() < 255 && !cell.contains('\n'), "{cell}");
        }
        assert_eq!(read_listed("7").unwrap().0, id);
        for cell in ["Sem sinal", "Sem sinal (7)", "Sem sinal (id x)", "Sem sinal (id )", "(id 7) a"] {
            assert_eq!(read_listed(cell).unwrap_err().code, "not_an_id", "{cell}");
        }
        assert_eq!(read_listed("a (id -7)").unwrap_err().code, "id_not_positive");
    }

    #[test]
    fn a_list_is_separated_by_commas() {
        let list = |cell| read_list(cell).map(|(ids, _)| ids.iter().map(|id| id.get()).collect::<Vec<_>>());
        assert_eq!(list("1").unwrap(), [1]);
        assert_eq!(list("1,2").unwrap(), [1, 2]);
        assert_eq!(list("1, 2 ,300").unwrap(), [1, 2, 300]);
        assert_eq!(list("11000,00").unwrap(), [11000]);
        assert_eq!(list("1,,2").unwrap_err().code, "not_an_id_list");
        assert_eq!(list("1,x").unwrap_err().code, "not_an_id_list");
        assert_eq!(list("x").unwrap_err().code, "not_an_id");
    }
}
