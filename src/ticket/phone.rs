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
    // What ends it stays, to be left out with a warning when the filled cell is read.
    let (number, rest) = match lacking(&cell) {
        Some(number) => (number, ""),
        None => ending(&cell).and_then(|(head, rest)| Some((lacking(head)?, rest)))?,
    };
    let filled = format!("{ddd}{number}");
    judge(filled.as_bytes()).is_ok().then(|| filled + rest)
}

/// The number of a cell that has one without its area code.
fn lacking(cell: &str) -> Option<String> {
    let (written, _) = Written::of(cell).ok()?;
    (written.number().err() == Some(&words::PHONE_WITHOUT_DDD)).then_some(())?;
    let prefix = written.prefix().ok()?;
    Some(written.digits()[prefix.len..].iter().copied().map(char::from).collect())
}

/// Reads an unwrapped cell that is not blank.
pub(super) fn read(cell: &str) -> Read<Phone> {
    if let Some(phone) = usual(cell)
        && let Ok(notice) = judge(phone.digits())
    {
        return Ok((phone, notice));
    }
    plain(cell).or_else(|problem| beside_others(cell).unwrap_or(Err(problem)))
}

/// Reads a cell that has one number and nothing else.
fn plain(cell: &str) -> Read<Phone> {
    let (written, repaired) = Written::of(cell)?;
    let (number, notice) = written.number()?;
    let mut phone = Phone { digits: [0; DIGITS_MAX], n_digits: number.len() as u8 };
    phone.digits[..number.len()].copy_from_slice(number); // `judge` saw that they fit.
    Ok((phone, notice.or(repaired)))
}

/// Parts a number from a short other one behind it: `/35`, ` - 20`, an extension or another end of the same
/// number.
fn ending(cell: &str) -> Option<(&str, &str)> {
    let before = cell.trim_end_matches(|c: char| c.is_ascii_digit());
    let n_digits = cell.len() - before.len();
    let separated = before.trim_end();
    let head = separated.strip_suffix('/').or_else(|| {
        let head = separated.strip_suffix(is_dash)?;
        head.ends_with(char::is_whitespace).then_some(head)
    })?;
    (1..=4).contains(&n_digits).then(|| cell.split_at(head.trim_end().len()))
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
    // As numbers were written where the carrier is still to be chosen: `0 xx 37 …`, `(0**37) …`.
    let behind_zero = cell.trim_start_matches('(').strip_prefix('0').map(str::trim_start);
    let carriers = ["xx", "XX", "**"];
    let behind_carrier =
        |rest: &'_ str| carriers.iter().find_map(|carrier| Some(rest.strip_prefix(carrier)?.len()));
    if let Some(len) = behind_zero.and_then(behind_carrier) {
        return Some(plain(&cell[cell.len() - len..]));
    }
    let found =
        |cell: &str, notice| plain(super::trim(cell)).ok().map(|(phone, _)| Ok((phone, Some(notice))));
    if let Some((head, _)) = ending(cell) {
        match plain(head) {
            Ok((phone, _)) => return Some(Ok((phone, Some(&words::PHONE_SEVERAL)))),
            Err(problem) if problem == &words::PHONE_WITHOUT_DDD => return Some(Err(problem)),
            Err(_) => {}
        }
    }
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

/// Reads what most cells are: `37999112233`, `(37) 99911-2233`. Still to be judged, and read with more care
/// where it is none.
fn usual(cell: &str) -> Option<Phone> {
    let (ddd, number, is_apart) = match cell.as_bytes() {
        [b'(', tens, units, b')', number @ ..] => ([*tens, *units], number, true),
        [tens, units, number @ ..] => ([*tens, *units], number, false),
        _ => return None,
    };
    let number = if is_apart { number.strip_prefix(b" ").unwrap_or(number) } else { number };
    let (head, tail) = match number {
        [head @ .., b'-', _, _, _, _] if is_apart => (head, &number[head.len() + 1..]),
        _ => (number, &number[..0]),
    };
    let mut digits = [0; DIGITS_MAX];
    let n_digits = ddd.len() + head.len() + tail.len();
    if !matches!(n_digits, 10 | DIGITS_MAX) || ddd[0] == b'0' {
        return None;
    }
    for (digit, written) in digits.iter_mut().zip(ddd.iter().chain(head).chain(tail)) {
        *digit = *written;
    }
    let phone = Phone { digits, n_digits: n_digits as u8 };
    phone.digits().iter().all(u8::is_ascii_digit).then_some(phone)
}

/// Digits as they were written. How they are grouped tells which of them are the area code: a cell may hold
/// as many as a phone has, and be none (`3221-1234/35`, a date, a CPF).
struct Written {
    digits: [u8; WRITTEN_MAX],
    n_digits: usize,
    /// Bit `n`: something stands in front of digit `n` that is no digit; a parenthesis that opens; one that
    /// closes.
    breaks: u32,
    opens: u32,
    closes: u32,
    has_plus: bool,
}

/// More digits than any phone has with all its prefixes.
const WRITTEN_MAX: usize = 20;
const _: () = assert!(WRITTEN_MAX < u32::BITS as usize);

/// What stands in front of an area code: `0055`, `0`, `0XX`.
struct Prefix {
    len: usize,
    /// Where it may be divided.
    breaks: u32,
    /// Its last two digits may as well be the area code: `55`, `0XX`.
    may_be_ddd: bool,
}

impl Written {
    fn of(cell: &str) -> Result<(Self, Option<&'static Words>), &'static Words> {
        match scientific(cell) {
            Some(Scientific::Whole(digits)) => {
                return Ok((Self::scan(&digits)?, Some(&words::PHONE_REPAIRED)));
            }
            Some(Scientific::Lost) => return Err(&words::PHONE_LOST_DIGITS),
            Some(Scientific::Fraction) => return Err(&words::PHONE_NOT_DIGITS),
            None => {}
        }
        // A number cell comes with decimals: `37999112233.0`.
        let whole = match cell.rsplit_once(['.', ',']) {
            Some((whole, "0" | "00")) if 8 <= whole.len() && is_digits(whole) => whole,
            _ => cell,
        };
        Ok((Self::scan(whole)?, None))
    }

    fn scan(cell: &str) -> Result<Self, &'static Words> {
        let mut this =
            Self { digits: [0; WRITTEN_MAX], n_digits: 0, breaks: 0, opens: 0, closes: 0, has_plus: false };
        let mut n_digits = 0;
        for c in cell.chars() {
            let here = 1 << this.n_digits;
            match c {
                '0'..='9' => {
                    if let Some(digit) = this.digits.get_mut(n_digits) {
                        *digit = c as u8;
                        this.n_digits += 1;
                    }
                    n_digits += 1;
                    continue;
                }
                '(' => this.opens |= here,
                ')' => this.closes |= here,
                '+' => this.has_plus |= n_digits == 0,
                '.' | '/' => {}
                _ if is_dash(c) || c.is_whitespace() => {}
                _ if is_invisible(c) => continue,
                _ => return Err(&words::PHONE_NOT_DIGITS),
            }
            this.breaks |= here;
        }
        match n_digits {
            0 => Err(&words::PHONE_NOT_DIGITS),
            _ if WRITTEN_MAX < n_digits => Err(&words::PHONE_LENGTH),
            _ => Ok(this),
        }
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.n_digits]
    }

    /// The area code and the number.
    fn number(&self) -> Read<&[u8]> {
        let prefix = self.prefix()?;
        let number = &self.digits()[prefix.len..];
        let judged = judge(number);
        let is_lacking = judged == Err(&words::PHONE_WITHOUT_DDD);
        if (judged.is_ok() || is_lacking) && !self.is_grouped(&prefix, if is_lacking { 0 } else { 2 }) {
            return Err(&words::PHONE_LENGTH);
        }
        judged.map(|notice| (number, notice))
    }

    /// What to take off: the country code, the trunk `0` and a carrier's code. No carrier's code is `00`:
    /// that leads abroad, as `+` does.
    fn prefix(&self) -> Result<Prefix, &'static Words> {
        let digits = self.digits();
        if is_repeated(digits) {
            return Ok(Prefix { len: 0, breaks: 0, may_be_ddd: false });
        }
        let (country, is_marked) = match digits {
            [b'0', b'0', b'5', b'5', ..] => (4, true),
            [b'0', b'0', ..] => return Err(&words::PHONE_FOREIGN),
            [b'5', b'5', ..] if self.has_plus => (2, true),
            _ if self.has_plus => return Err(&words::PHONE_FOREIGN),
            // Only then: 55 is an area code too.
            [b'5', b'5', ..] if 11 < digits.len() => (2, false),
            _ => (0, false),
        };
        let rest = &digits[country..];
        if matches!(rest, [b'0', b'8' | b'3' | b'5' | b'9', b'0', b'0', ..]) {
            return Err(&words::PHONE_SERVICE);
        }
        let trunk = match (rest, rest.len()) {
            ([b'0', b'1'..=b'9', ..], 13 | 14) => 3, // `0XX`, then an area code.
            ([b'0', ..], 9..=12) if !is_repeated(rest) => 1,
            _ => 0,
        };
        let len = country + trunk;
        let within_country = if country == 4 { 1 << 2 } else { 0 };
        let breaks = 1 | within_country | 1 << country | 1 << (country + trunk.min(1)) | 1 << len;
        let may_be_ddd = !is_marked && matches!((country, trunk), (2, 0) | (0, 3));
        Ok(Prefix { len, breaks, may_be_ddd })
    }

    /// Whether nothing speaks against it that so many digits behind the prefix are the area code.
    fn is_grouped(&self, prefix: &Prefix, ddd: usize) -> bool {
        let end = prefix.len + ddd;
        let within = (1 << prefix.len) - 1;
        let number_len = self.n_digits - end;
        let groups = self.breaks >> end & !1 & !(1 << number_len);
        // Without it, it is not seen where the area code ends.
        let has_break = ddd == 0 || self.breaks & 1 << end != 0;
        let is_number = match has_break && 0 < ddd {
            true => PLAINLY.iter().chain(&PERHAPS).any(|of| *of == (number_len, groups)),
            false => PLAINLY.contains(&(number_len, groups)),
        };
        let within_ddd = if ddd == 2 { self.breaks & 1 << (end - 1) } else { 0 };
        // A parenthesis closes behind the area code, or behind a prefix, or behind all.
        let closes = self.closes & !(1 << end) & !(1 << self.n_digits) & !prefix.breaks;
        let opens = self.opens & !prefix.breaks;
        // `(55) 322112-3435`, `037 3221123435`: that was the area code.
        let marks = if prefix.len == 3 { self.breaks } else { self.closes };
        let is_doubtful = prefix.may_be_ddd && !has_break && marks & 1 << prefix.len != 0;
        is_number
            && within_ddd == 0
            && self.breaks & within & !prefix.breaks == 0
            && closes == 0
            && opens == 0
            && !is_doubtful
    }
}

/// How a number may be grouped: its length, and the digits in front of which something stands.
type Groups = (usize, u32);

/// As everybody writes it.
const PLAINLY: [Groups; 5] =
    [groups(&[8]), groups(&[4, 4]), groups(&[9]), groups(&[5, 4]), groups(&[1, 4, 4])];

/// As some do, where the area code stands apart.
const PERHAPS: [Groups; 12] = [
    groups(&[2, 2, 2, 2]),
    groups(&[2, 2, 4]),
    groups(&[4, 2, 2]),
    groups(&[1, 8]),
    groups(&[3, 6]),
    groups(&[3, 3, 3]),
    groups(&[3, 2, 4]),
    groups(&[3, 2, 2, 2]),
    groups(&[5, 2, 2]),
    groups(&[1, 4, 2, 2]),
    groups(&[1, 2, 2, 4]),
    groups(&[1, 2, 2, 2, 2]),
];

const fn groups(lens: &[usize]) -> Groups {
    let (mut at, mut len, mut breaks) = (0, 0, 0);
    while at < lens.len() {
        if 0 < at {
            breaks |= 1 << len;
        }
        len += lens[at];
        at += 1;
    }
    (len, breaks)
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
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

    /// What is quick must say what is thorough.
    #[test]
    fn what_is_usual_is_read_as_everything_else() {
        let numbers = ["37999112233", "3732211234", "0799911223", "5599911223", "11111111111", "4003123456"];
        let mut n_usual = 0;
        for number in numbers {
            let (ddd, rest) = number.split_at(2);
            let (head, tail) = rest.split_at(rest.len() - 4);
            for cell in [
                number.to_owned(),
                format!("({ddd}){rest}"),
                format!("({ddd}) {rest}"),
                format!("({ddd}){head}-{tail}"),
                format!("({ddd}) {head}-{tail}"),
                format!("({ddd})  {head}-{tail}"),
                format!("{ddd}{head}-{tail}"),
                format!("({ddd}) {head}{}-{}", &tail[..1], &tail[1..]),
                format!("({ddd}) {rest}0"),
                format!("({ddd}) {}", &rest[1..]),
            ] {
                n_usual += usize::from(usual(&cell).is_some());
                let thorough = plain(&cell).or_else(|problem| beside_others(&cell).unwrap_or(Err(problem)));
                assert_eq!(read(&cell), thorough, "{cell}");
            }
        }
        assert!(
            5 * 5 <= n_usual,
            "five ways of each number, but of the one whose area code is none: {n_usual}"
        );
    }

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
            "3799911-2233",
            "379 9911-2233",
            "(37) 9 9911-2233",
            "37 999 112 233",
            "37 999-11-22-33",
            "(37)999112233",
            "(37 99911-2233)",
            "(0xx37) 99911-2233",
            "(0xx) 37 99911-2233",
            "0**37 99911-2233",
            "(0 15 37) 99911-2233",
            "55 37999112233",
            "(55) 37 99911-2233",
            "+55 (37) 99911-2233",
            "+5537999112233",
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
        check("40012345678", Err("phone_unknown_ddd"), None);
        check("37400123456", Err("phone_not_mobile"), None);
        check("3221-1234.0", Err("phone_length"), None);
        check("(37 99911)-2233", Err("phone_length"), None);
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

    /// Each has as many digits as a phone; the area code would be taken out of the number.
    #[test]
    fn what_is_grouped_as_no_phone_is_not_read_as_one() {
        for cell in [
            "3221.1234.35",
            "3221-1234 (37)",
            "3221 1234 35",
            "99911-2200 37",
            "9-9911-2233-37",
            "129.456.789-09",
            "01.234.967/0001-90",
            "(55) 322112-3435",
            "(037) 3221123435",
            "037 99911223322",
            "(3221) 123435",
            "3(7)99911-2233",
            "3 7 99911-2233",
            "28/11/2026",
            "2026-11-28",
            "35500-000",
            "(37)221-1234",
        ] {
            check(cell, Err("phone_length"), None);
            assert_eq!(fill_ddd(cell, Ddd::new(37).unwrap()), None, "{cell}");
        }
    }

    #[test]
    fn a_short_number_behind_a_whole_one_is_left_out() {
        for (cell, expected) in [
            ("(55) 3221-1234/35", "5532211234"),
            ("(037) 3221-1234/35", "3732211234"),
            ("(37) 3221-1234/35", "3732211234"),
            ("055 3221-1234/35", "5532211234"),
            ("037 3221-1234 - 20", "3732211234"),
            ("37 3221-1234 \u{2013}5", "3732211234"),
            ("(037) 99911-2233 / 22", "37999112233"),
            ("(55) 99911-2233 / 22", "55999112233"),
            ("37 3221-1234/1235", "3732211234"),
        ] {
            check(cell, Ok(expected), Some("phone_several"));
        }
        for cell in ["3221-1234/35", "3221-1234 / 21", "99911-2233/44", "99911-2233/2244"] {
            check(cell, Err("phone_without_ddd"), None);
        }
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
        let filled = fill_ddd("3221-1234 / 35", ddd).unwrap();
        check(&filled, Ok("3732211234"), Some("phone_several"));
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
