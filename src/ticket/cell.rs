//! What a spreadsheet wraps around a value: invisible characters, `="…"`, exponents.

use std::borrow::Cow;

/// Without the blanks and invisible characters at both ends.
#[inline]
pub fn trim(text: &str) -> &str {
    match text.as_bytes() {
        // Most cells begin and end with a visible ASCII character: nothing to look at.
        [] | [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim_matches(is_invisible),
    }
}

/// Whether the ends of a cell show that nothing surrounds its value, that it says something, and that no
/// formula failed in it: so it is with most.
#[inline]
pub(super) fn is_simple(cell: &str) -> bool {
    // And not as `Err:502`.
    begins_a_value(cell)
        && !matches!(cell.as_bytes(), [b'E', ..])
        && matches!(cell.as_bytes(), [.., b'!'..=b'~'])
}

/// Whether nothing visible stands in the cell.
#[inline]
pub fn is_blank(cell: &str) -> bool {
    !matches!(cell.as_bytes(), [b'!'..=b'~', ..]) && trim(cell).is_empty()
}

/// Whether a cell says nothing: it is blank, or has one of the words that databases and people write into
/// cells that they leave empty.
#[inline]
pub fn is_vacant(cell: &str) -> bool {
    !begins_a_value(cell) && is_word_for_nothing(cell)
}

/// Whether a cell begins as most do, and none of the words for nothing does.
#[inline]
fn begins_a_value(cell: &str) -> bool {
    match cell.as_bytes() {
        [b'0'..=b'9' | b'A'..=b'M' | b'O'..=b'Z' | b'a'..=b'm' | b'o'..=b'z', ..] => true,
        [b'(', next, ..] => next.is_ascii_digit(),
        // As `não` does.
        [b'N' | b'n', next, ..] => !matches!(next.to_ascii_lowercase(), b'u' | b'a' | b'o' | b'/'),
        _ => false,
    }
}

fn is_word_for_nothing(cell: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "(null)", "[null]", "<null>", "\\n", "n/a", "n/d", "nan", "none"];
    const LEN_MAX: usize = "(null)".len();

    let cell = trim(cell);
    cell.len() <= LEN_MAX
        && (matches!(cell, "" | "-" | "--" | "–" | "—")
            || WORDS.iter().any(|word| cell.eq_ignore_ascii_case(word)))
}

/// Whether a cell is what a formula shows that could not be computed: `#N/D`, `#REF!`, `#VALOR!`, in whatever
/// language the spreadsheet spoke.
#[inline]
pub fn is_formula_error(cell: &str) -> bool {
    matches!(cell.as_bytes(), [b'#', ..] | [b'E', b'r', b'r', ..]) && is_error_name(cell)
}

fn is_error_name(cell: &str) -> bool {
    const LEN_MAX: usize = 24; // `#GETTING_DATA` and the like.

    if LEN_MAX < cell.len() {
        return false;
    }
    if let Some(code) = cell.strip_prefix("Err:").or(cell.strip_prefix("Erro:")) {
        return code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()); // LibreOffice
    }
    let Some(name) = cell.strip_prefix('#') else { return false };
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_uppercase() || matches!(c, '0'..='9' | '/' | '_'))
    };
    matches!(name, "N/D" | "N/A" | "N/DISP" | "GETTING_DATA" | "OBTENDO_DADOS")
        || name.strip_suffix(['!', '?']).is_some_and(is_name)
}

/// Whether a character was lost on the way to this cell: U+FFFD stands for it, or what Windows-1252 leaves
/// undefined.
pub(super) fn has_lost_character(cell: &str) -> bool {
    cell.contains(['\u{FFFD}', '\u{81}', '\u{8D}', '\u{8F}', '\u{90}', '\u{9D}'])
}

/// Blanks of all widths, and the marks that copying from pages and chats leaves behind.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{AD}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Trimmed and freed from `="…"`, however often it is wrapped, so that reading the result again
/// changes nothing.
#[inline]
pub(super) fn unwrap(text: &str) -> Cow<'_, str> {
    let text = trim(text);
    match inside(text) {
        None => Cow::Borrowed(text),
        Some(inner) => Cow::Owned(unwrap_all(inner)),
    }
}

fn unwrap_all(inner: &str) -> String {
    let mut value = inner.replace("\"\"", "\"");
    loop {
        let trimmed = trim(&value);
        value = match inside(trimmed) {
            Some(inner) => inner.replace("\"\"", "\""),
            None if trimmed.len() == value.len() => return value,
            None => trimmed.to_owned(),
        };
    }
}

fn inside(text: &str) -> Option<&str> {
    text.strip_prefix("=\"")?.strip_suffix('"')
}

/// A number in scientific notation, as a spreadsheet shows a long one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scientific {
    /// All digits are there.
    Whole(String),
    /// Digits are missing: `3,7999E+10`, or more than a spreadsheet's number can hold.
    Lost,
    /// Not an integer.
    Fraction,
}

/// Digits that a spreadsheet's number (a double) holds for sure.
const EXACT_DIGITS: usize = 15;

/// `None` if `cell` is not in scientific notation.
pub(super) fn scientific(cell: &str) -> Option<Scientific> {
    let at = cell.bytes().position(|b| b | 0x20 == b'e')?;
    let (mantissa, exponent) = (&cell[..at], &cell[at + 1..]);
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let (negative, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || exponent.is_empty() || exponent.len() > 3 {
        return None;
    }
    if !all_digits(whole) || !all_digits(fraction) || !all_digits(exponent) {
        return None;
    }
    let exponent: usize = exponent.parse().ok()?;
    if negative && exponent != 0 {
        return Some(Scientific::Fraction);
    }
    if fraction.len() < exponent {
        return Some(Scientific::Lost);
    }
    let (integer, rest) = fraction.split_at(exponent);
    if rest.bytes().any(|b| b != b'0') {
        return Some(Scientific::Fraction);
    }
    let digits = format!("{whole}{integer}");
    let digits = digits.trim_start_matches('0');
    if digits.len() > EXACT_DIGITS {
        return Some(Scientific::Lost);
    }
    Some(Scientific::Whole(if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surrounds_a_value_is_taken_off() {
        check(" 11000 ", "11000");
        check("\u{A0}\u{200B}11000\u{FEFF}\u{200E}", "11000");
        check("=\"12345\"", "12345");
        check(" =\" 12345 \" ", "12345");
        check("=\"=\"\"7\"\"\"", "7");
        check("=\"a \"\"b\"\"\"", "a \"b\"");
        check("=\"", "=\"");
        check("=\"\"", "");
        check("", "");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(unwrap(text), expected);
        assert_eq!(unwrap(expected), expected);
    }

    #[test]
    fn a_cell_without_a_value_has_many_words() {
        for cell in ["", " ", "NULL", "null", "(null)", "[NULL]", "\\N", " N/A ", "nan", "None", "-", "—"] {
            assert!(is_vacant(cell), "{cell:?}");
        }
        for cell in ["0", "não", "Nuno", "Nadir", "-28 dBm", "(nullo)", "#N/D", "\\Na", "ñ"] {
            assert!(!is_vacant(cell), "{cell:?}");
        }
    }

    #[test]
    fn only_what_nobody_sees_is_blank() {
        for (cell, expected) in
            [("", true), (" ", true), ("\u{A0}\u{200B}", true), ("é", false), (" a", false)]
        {
            assert_eq!(is_blank(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn what_is_simple_is_as_it_stands() {
        let odd = ["Err:502", "N/D", "nan", "none", "#N/D", "=\"7\"", "7 ", " 7", "", "-", "(nan)"];
        assert!(!odd.into_iter().any(is_simple));
        for cell in ["0", "a", "A b", "(37) 9"] {
            assert!(is_simple(cell), "{cell}");
            assert!(unwrap(cell) == cell && !is_vacant(cell) && !is_formula_error(cell), "{cell}");
        }
    }

    #[test]
    fn a_formula_that_failed_is_no_value() {
        for cell in [
            "#N/D",
            "#N/A",
            "#REF!",
            "#VALOR!",
            "#VALUE!",
            "#NOME?",
            "#DIV/0!",
            "#NÚM!",
            "#NULO!",
            "#SPILL!",
            "Err:502",
            "Erro:508",
            "#ABCDEFGHIJKLMNOPQRSTUV!",
        ] {
            assert!(is_formula_error(cell), "{cell:?}");
        }
        for cell in [
            "#",
            "#!",
            "#1",
            "#REF",
            "# REF!",
            "#Ref!",
            "#REF! não liga",
            "Err:",
            "Err:5020",
            "Erro",
            "#ABCDEFGHIJKLMNOPQRSTUVW!",
            "#SEMSINALDESDEONTEMPORFAVORLIGAR!",
        ] {
            assert!(!is_formula_error(cell), "{cell:?}");
        }
    }

    #[test]
    fn an_exponent_is_believed_only_with_all_digits() {
        use Scientific::{Fraction, Lost, Whole};
        let whole = |digits: &str| Some(Whole(digits.to_owned()));
        for (cell, expected) in [
            ("3,7999E+10", Some(Lost)),
            ("3,7999112233E+10", whole("37999112233")),
            ("3.7999112233e10", whole("37999112233")),
            ("1,1000E+4", whole("11000")),
            ("1,1E+4", Some(Lost)),
            ("1E+5", Some(Lost)),
            ("1,15E+1", Some(Fraction)),
            ("1,10E+1", whole("11")),
            ("1,5E-3", Some(Fraction)),
            ("2.0241126103000123456E+19", Some(Lost)), // All 20 digits, yet no number holds them.
            ("1.23456789012345E+14", whole("123456789012345")),
            ("1.234567890123456E+15", Some(Lost)), // One digit more than a double holds for sure.
            ("1E100", Some(Lost)),
            ("1E1000", None),
            ("0E+0", whole("0")),
            ("E+5", None),
            ("1E", None),
            ("12A5", None),
            ("11000", None),
        ] {
            assert_eq!(scientific(cell), expected, "{cell}");
        }
    }
}
