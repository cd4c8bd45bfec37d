//! Phones, as people write them in Brazil.

use std::fmt;

use super::cell::{Scientific, is_invisible, scientific, unwrap};
use super::words::{self, Read, Words};
use super::{Ddd, Problem};

/// A requester's phone: area code, then number. `Debug` masks it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Phone {
    // Invariant: 10 or 11 ASCII digits, the first two a `Ddd`; then zeros.
    digits: [u8; DIGITS_MAX],
    n_digits: u8,
}

/// A DDD and a mobile number.
const DIGITS_MAX: usize = 11;

impl Phone {
    /// 10 or 11 digits, nothing else.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.digits()).expect("a phone is ASCII digits")
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.n_digits)]
    }
}

/// `37 9****-**33`.
impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ddd, number) = self.as_str().split_at(2);
        let stars = "*".repeat(number.len() - 5);
        write!(f, "{ddd} {}{stars}-**{}", &number[..1], &number[number.len() - 2..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({self})")
    }
}

/// Whether what is wrong is a number that lacks its area code.
pub fn is_without_ddd(problem: &Problem) -> bool {
    problem.code == words::PHONE_WITHOUT_DDD.code
}

/// Puts the area code in front of a number that lacks one. `None` if it does not lack one, or is no
/// number that would be valid with it.
///
/// Done before a row is stored, so that a stored row needs no settings to be read.
pub fn fill_ddd(cell: &str, ddd: Ddd) -> Option<String> {
    if matches!(cell.len(), 10 | 11) && is_digits(cell) {
        return None; // The usual case, without a copy.
    }
    let cell = unwrap(cell);
    let (digits, _) = digits_of(&cell).ok()?;
    let number = national(&digits, &cell).ok()?;
    if judge(number.as_bytes()) != Err(&words::PHONE_WITHOUT_DDD) {
        return None;
    }
    let filled = format!("{ddd}{number}");
    judge(filled.as_bytes()).is_ok().then_some(filled)
}

/// Reads an unwrapped cell that is not blank.
pub(super) fn read(cell: &str) -> Read<Phone> {
    if let Some(phone) = usual(cell) {
        return judge(phone.digits()).map(|notice| (phone, notice));
    }
    plain(cell).or_else(|problem| beside_others(cell).unwrap_or(Err(problem)))
}

/// Reads a cell that has one number and nothing else.
fn plain(cell: &str) -> Read<Phone> {
    let (digits, repaired) = digits_of(cell)?;
    let number = national(&digits, cell)?.as_bytes();
    let notice = judge(number)?.or(repaired);
    let mut phone = Phone { digits: [0; DIGITS_MAX], n_digits: number.len() as u8 };
    phone.digits[..number.len()].copy_from_slice(number); // `judge` saw that they fit.
    Ok((phone, notice))
}

/// Reads a cell that has more in it than a number: takes the one that is sure, and says what is left out.
/// `None` if none is.
fn beside_others(cell: &str) -> Option<Read<Phone>> {
    const NONE: [&str; 8] = [
        "nao tem",
        "nao possui",
        "nao informado",
        "sem telefone",
        "sem fone",
        "sem contato",
        "sem numero",
        "nenhum",
    ];

    let n_digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    if n_digits(cell) == 0 {
        let plain: String = cell.chars().map(without_tilde).collect();
        return NONE.iter().any(|word| plain.contains(word)).then_some(Err(&words::PHONE_NONE));
    }
    // As numbers were written where the carrier is still to be chosen: `0 xx 37 …`.
    let behind_zero = cell.strip_prefix('0').map(str::trim_start);
    if let Some(rest) = behind_zero.and_then(|rest| rest.strip_prefix("xx").or(rest.strip_prefix("XX"))) {
        return Some(plain(rest));
    }
    let found =
        |cell: &str, notice| plain(super::trim(cell)).ok().map(|(phone, _)| Ok((phone, Some(notice))));
    // A part with few digits is an extension, or another end of the same number.
    let parts: Vec<&str> =
        cell.split(['/', ';', ',', '|', '\n']).flat_map(|part| part.split(" ou ")).collect();
    if 1 < parts.len() && parts.iter().all(|part| !(1..4).contains(&n_digits(part))) {
        return parts.iter().find_map(|part| found(part, &words::PHONE_SEVERAL));
    }
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '(' | '+');
    let number = &cell[cell.find(is_of_number)?..];
    let end = number.find(char::is_alphabetic).unwrap_or(number.len());
    let (number, remark) = number.split_at(end);
    if n_digits(remark) == 0 { found(number, &words::PHONE_REMARK) } else { None }
}

/// Lower case, as people write `não` and `número` without accents.
fn without_tilde(char: char) -> char {
    match char {
        'ã' | 'Ã' => 'a',
        'ú' | 'Ú' => 'u',
        c => c.to_ascii_lowercase(),
    }
}

/// Reads what most cells are, a DDD and a number without a prefix, at no allocation. Still to be judged.
fn usual(cell: &str) -> Option<Phone> {
    let mut digits = [0; DIGITS_MAX];
    let mut n_digits = 0;
    for b in cell.bytes() {
        match b {
            b'0'..=b'9' => {
                *digits.get_mut(n_digits)? = b;
                n_digits += 1;
            }
            b'(' | b')' | b'-' | b' ' => {}
            _ => return None,
        }
    }
    (n_digits >= 10 && digits[0] != b'0').then_some(Phone { digits, n_digits: n_digits as u8 })
}

/// Strips punctuation.
fn digits_of(cell: &str) -> Result<(String, Option<&'static Words>), &'static Words> {
    match scientific(cell) {
        Some(Scientific::Whole(digits)) => return Ok((digits, Some(&words::PHONE_REPAIRED))),
        Some(Scientific::Lost) => return Err(&words::PHONE_LOST_DIGITS),
        Some(Scientific::Fraction) => return Err(&words::PHONE_NOT_DIGITS),
        None => {}
    }
    // A number cell comes with decimals: `37999112233.0`.
    let whole = match cell.rsplit_once(['.', ',']) {
        Some((whole, "0" | "00")) if 8 <= whole.len() && is_digits(whole) => whole,
        _ => cell,
    };
    let is_punctuation = |c: char| {
        "-().+/".contains(c) || is_invisible(c) || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}')
    };
    let digits: String = whole.chars().filter(|c| !is_punctuation(*c)).collect();
    if digits.is_empty() || !is_digits(&digits) {
        return Err(&words::PHONE_NOT_DIGITS);
    }
    Ok((digits, None))
}

/// Takes off the country code, the trunk `0` and a carrier's code. `cell` is what was written. No carrier's
/// code is `00`: that leads abroad, as `+` does.
fn national<'a>(digits: &'a str, cell: &str) -> Result<&'a str, &'static Words> {
    if is_repeated(digits.as_bytes()) {
        return Ok(digits);
    }
    let has_plus = cell.chars().take_while(|c| !c.is_ascii_digit()).any(|c| c == '+');
    let digits = match digits.strip_prefix("00") {
        Some(rest) => rest.strip_prefix("55").ok_or(&words::PHONE_FOREIGN)?,
        None if has_plus => digits.strip_prefix("55").ok_or(&words::PHONE_FOREIGN)?,
        // Only then: 55 is an area code too.
        None if 11 < digits.len() => digits.strip_prefix("55").unwrap_or(digits),
        None => digits,
    };
    if ["0800", "0300", "0500", "0900"].iter().any(|prefix| digits.starts_with(prefix)) {
        return Err(&words::PHONE_SERVICE);
    }
    Ok(match (digits.as_bytes(), digits.len()) {
        ([b'0', b'1'..=b'9', ..], 13 | 14) => &digits[3..], // `0XX`, then an area code.
        ([b'0', ..], 9..=12) if !is_repeated(digits.as_bytes()) => &digits[1..],
        _ => digits,
    })
}

/// Judges a number without prefixes: ASCII digits.
fn judge(digits: &[u8]) -> Result<Option<&'static Words>, &'static Words> {
    if 8 <= digits.len() && is_repeated(digits) {
        return Err(&words::PHONE_REPEATED);
    }
    let (ddd, number) = match digits {
        [b'4', b'0', b'0', rest @ ..] if rest.len() == 5 => return Err(&words::PHONE_SERVICE),
        [tens, units, number @ ..] if matches!(number.len(), 8 | 9) => {
            ((tens - b'0') * 10 + (units - b'0'), number)
        }
        _ if matches!(digits.len(), 8 | 9) => return Err(&words::PHONE_WITHOUT_DDD),
        _ => return Err(&words::PHONE_LENGTH),
    };
    if Ddd::new(ddd).is_none() {
        return Err(&words::PHONE_UNKNOWN_DDD);
    }
    match number {
        [b'4', b'0', b'0', rest @ ..] if rest.len() == 5 => return Err(&words::PHONE_SERVICE),
        [first, rest @ ..] if rest.len() == 8 && *first != b'9' => return Err(&words::PHONE_MOBILE),
        _ => {}
    }
    Ok(match number[0] {
        _ if is_repeated(number) => Some(&words::PHONE_UNLIKELY),
        b'0' | b'1' => Some(&words::PHONE_UNLIKELY), // No subscriber's number starts so.
        b'6'..=b'9' if number.len() == 8 => Some(&words::PHONE_OLD_MOBILE),
        _ => None,
    })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn is_repeated(digits: &[u8]) -> bool {
    digits.iter().all(|digit| *digit == digits[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_read_however_it_is_written() {
        for cell in [
            "37999112233",
            "(37) 99911-2233",
            "37 99911 2233",
            "37.99911.2233",
            "37-99911/2233",
            "+55 37 99911-2233",
            "5537999112233",
            "+55 (037) 99911-2233",
            "0055 37 99911-2233",
            "037 99911-2233",
            "0 15 37 99911-2233",
            "01537999112233",
            "37999112233.0",
            "37999112233,00",
            "37\u{A0}99911\u{2011}2233",
            "37\u{200B}999112233",
        ] {
            check(cell, Ok("37999112233"), None);
        }
        check("3732211234", Ok("3732211234"), None);
        check("03732211234", Ok("3732211234"), None);
        check("0153732211234", Ok("3732211234"), None);
        check("553732211234", Ok("3732211234"), None);
        check("3,7999112233E+10", Ok("37999112233"), Some("phone_repaired"));
        // Area code 55: stripped only when more than 11 digits are left.
        check("55999112233", Ok("55999112233"), None);
        check("5532211234", Ok("5532211234"), None);
        check("5555999112233", Ok("55999112233"), None);
        check("055999112233", Ok("55999112233"), None);
        check("+55 55 99911-2233", Ok("55999112233"), None);
        check("(+55) 37 99911-2233", Ok("37999112233"), None);
        check("00 55 (55) 3221-1234", Ok("5532211234"), None);
        // Ten digits, the third of them 6 to 9.
        for third in ["6", "7", "8", "9"] {
            let cell = format!("37{third}9112233");
            check(&cell, Ok(&cell), Some("phone_old_mobile"));
        }
        check("3709112233", Ok("3709112233"), Some("phone_unlikely"));
        check("37999999999", Ok("37999999999"), Some("phone_unlikely"));
    }

    #[test]
    fn what_is_no_phone_is_refused_with_the_reason() {
        check("99911-2233", Err("phone_without_ddd"), None);
        check("3221-1234", Err("phone_without_ddd"), None);
        check("0 3221-1234", Err("phone_without_ddd"), None);
        check("20999112233", Err("phone_unknown_ddd"), None);
        check("2032211234", Err("phone_unknown_ddd"), None);
        check("37899112233", Err("phone_not_mobile"), None);
        check("0800 123 4567", Err("phone_service_number"), None);
        check("0800123456", Err("phone_service_number"), None);
        check("0300 123 4567", Err("phone_service_number"), None);
        check("4004-1234", Err("phone_service_number"), None);
        check("11 4004-1234", Err("phone_service_number"), None);
        check("99999999999", Err("phone_repeated_digit"), None);
        check("9999999999", Err("phone_repeated_digit"), None);
        check("99999999", Err("phone_repeated_digit"), None);
        check("00000000000", Err("phone_repeated_digit"), None);
        check("0000000000000", Err("phone_repeated_digit"), None);
        check("3,7999E+10", Err("phone_lost_digits"), None);
        check("+1 415 555 2671", Err("phone_foreign"), None);
        // Each but for its prefix is a Brazilian number, of somebody else.
        for cell in [
            "+34 912 345 678",
            "(+34) 912 345 678",
            "00351 912 345 678",
            "(0034) 912 345 678",
            "00 37 99911-2233",
            "0021 99911-2233",
            "00 15 37 99911-2233",
            "0 0037 99911-2233",
            "00 99911-2233",
        ] {
            check(cell, Err("phone_foreign"), None);
        }
        check("Maria (+34) 912345678", Err("phone_not_digits"), None);
        check("55 00 37 99911-2233", Err("phone_length"), None);
        check("+55 99911-2233", Err("phone_without_ddd"), None);
        check("0055 3221-1234", Err("phone_without_ddd"), None);
        check("123", Err("phone_length"), None);
        check("0", Err("phone_length"), None);
        check("379991122334", Err("phone_length"), None);
        check("37 99911-2233 ramal 2", Err("phone_not_digits"), None);
        check("99911-2233 / 3221-1234", Err("phone_length"), None);
        check("NÃO TEM", Err("phone_none"), None);
        check("sem telefone", Err("phone_none"), None);
        check("Maria", Err("phone_not_digits"), None);
        check("-", Err("phone_not_digits"), None);
    }

    #[test]
    fn of_what_people_write_beside_a_number_the_number_is_taken() {
        for (cell, notice) in [
            ("37999112233/37999112244", "phone_several"),
            ("(37) 99911-2233 / (37) 3222-1111", "phone_several"),
            ("99922-3344; 37 99911-2233", "phone_several"),
            ("(37) 99911-2233/2244", "phone_several"),
            ("37 99911-2233 recado com Maria", "phone_remark"),
            ("Maria: (37) 99911-2233", "phone_remark"),
        ] {
            check(cell, Ok("37999112233"), Some(notice));
        }
        check("0 xx 37 99911-2233", Ok("37999112233"), None);
        check("0XX 37 99911-2233", Ok("37999112233"), None);
    }

    #[track_caller]
    fn check(cell: &str, expected: Result<&str, &str>, notice: Option<&str>) {
        let found = read(cell);
        assert_eq!(
            found.as_ref().map(|(phone, _)| phone.as_str().to_owned()).map_err(|problem| problem.code),
            expected.map(str::to_owned),
            "{cell}"
        );
        assert_eq!(found.ok().and_then(|(_, notice)| notice).map(|notice| notice.code), notice, "{cell}");
    }

    #[test]
    fn every_area_code_in_use_and_no_other_makes_a_phone() {
        let n_read = (10..100).filter(|ddd| read(&format!("{ddd}999112233")).is_ok()).count();
        assert_eq!(n_read, 67);
    }

    #[test]
    fn a_default_area_code_fills_only_what_lacks_one() {
        let ddd = Ddd::new(37).unwrap();
        assert_eq!(fill_ddd("99911-2233", ddd).as_deref(), Some("37999112233"));
        assert_eq!(fill_ddd("=\"3221-1234\"", ddd).as_deref(), Some("3732211234"));
        assert_eq!(fill_ddd("+55 99911-2233", ddd).as_deref(), Some("37999112233"));
        for cell in [
            "",
            "00 99911-2233",
            "+1 99911-2233",
            "11999112233",
            "899112233",
            "0322112345",
            "99999999",
            "4004-1234",
            "0800123456",
            "123",
            "x",
        ] {
            assert_eq!(fill_ddd(cell, ddd), None, "{cell}");
        }
    }

    #[test]
    fn a_phone_is_never_shown_whole() {
        let shown = |cell| format!("{:?}", read(cell).unwrap().0);
        assert_eq!(shown("37999112233"), "Phone(37 9****-**33)");
        assert_eq!(shown("3732211234"), "Phone(37 3***-**34)");
    }
}
