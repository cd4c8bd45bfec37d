//! Free text: `descricao` and `nome`.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::cell::{has_lost_character, is_invisible, is_simple, is_vacant, unwrap};
use super::words::{self, Read};

/// Text that is not blank: NFC, without control characters but for `\n` and tabs. `Debug` tells its
/// length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} characters)", self.0.chars().count())
    }
}

/// A text that is as it stands, as most are.
#[inline]
pub(super) fn read_simple(cell: &str) -> Option<Text> {
    (is_simple(cell) && is_clean(cell)).then(|| Text(cell.to_owned()))
}

/// Reads a cell as it stands; `None` if it says nothing.
pub(super) fn read(cell: &str) -> Read<Option<Text>> {
    if is_clean(cell) {
        return Ok((text(unwrap(cell)), None));
    }
    if cell.contains('\0') {
        return Err(&words::NUL);
    }
    if has_lost_character(cell) {
        return Err(&words::LOST_CHARACTER);
    }
    let notice = is_doubly_encoded(cell).then_some(&words::DOUBLY_ENCODED);
    // Control characters first: dropping one later could uncover what the other steps look for.
    let composed = composed(without_control(cell));
    Ok((text(unwrap(&composed)), notice))
}

/// The form in which texts are compared, without what a spreadsheet changes when it saves a file again and
/// what nobody sees: accents are composed (NFC), blanks and line breaks of any kind and number are one blank,
/// none stands outside, and no invisible mark anywhere.
pub fn normal(cell: &str) -> Cow<'_, str> {
    // Most cells are as they should be.
    if is_normal(cell) { Cow::Borrowed(cell) } else { Cow::Owned(normalised(cell)) }
}

/// Whether the bytes alone show that a text is its own normal form: visible ASCII and U+00C0 to U+02FF,
/// which are composed and visible, with single blanks inside.
fn is_normal(cell: &str) -> bool {
    let is_odd = |b: u8| (b < 0x20) | (b == 0x7F) | (0xC0..=0xC2).contains(&b) | (0xCB < b);
    !any_byte(cell, is_odd) && !cell.contains("  ") && !cell.starts_with(' ') && !cell.ends_with(' ')
}

fn normalised(cell: &str) -> String {
    let mut kept = String::with_capacity(cell.len());
    let mut is_apart = false;
    for c in cell.chars() {
        if c.is_whitespace() {
            is_apart = true;
        } else if !is_invisible(c) {
            if is_apart && !kept.is_empty() {
                kept.push(' ');
            }
            kept.push(c);
            is_apart = false;
        }
    }
    // At last: a mark that nobody sees may have stood between a letter and its accent.
    composed(Cow::Owned(kept)).into_owned()
}

fn composed(text: Cow<'_, str>) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

fn text(value: Cow<'_, str>) -> Option<Text> {
    (!is_vacant(&value)).then(|| Text(value.into_owned()))
}

/// Whether the bytes alone show that nothing has to be repaired: printable ASCII, `\n`, tab, and
/// U+00C0 to U+02FF, which are composed. U+0080 to U+00BF (behind 0xC2) have control characters and
/// the signs of double encoding among them.
fn is_clean(cell: &str) -> bool {
    let is_odd = |b: u8| {
        (b < 0x20) & (b != b'\n') & (b != b'\t') | (b == 0x7F) | (0xC0..=0xC2).contains(&b) | (0xCB < b)
    };
    !any_byte(cell, is_odd)
}

/// Whether any byte is such. Without a branch within sixteen bytes, so that the compiler looks at them
/// together (measured: half as many instructions as one after another).
#[inline]
fn any_byte(text: &str, is_odd: impl Fn(u8) -> bool) -> bool {
    const AT_ONCE: usize = 16;
    let any = |bytes: &[u8; AT_ONCE]| {
        let mut odd = [0; AT_ONCE];
        for (odd, b) in odd.iter_mut().zip(bytes) {
            *odd = u8::from(is_odd(*b));
        }
        u128::from_ne_bytes(odd) != 0
    };
    let bytes = text.as_bytes();
    match bytes.last_chunk() {
        Some(last) => bytes.as_chunks().0.iter().any(any) || any(last),
        None => {
            let mut filled = [b'0'; AT_ONCE];
            filled[..bytes.len()].copy_from_slice(bytes);
            any(&filled)
        }
    }
}

/// Line breaks become `\n`, those that Word puts within a paragraph too; tabs stay; every other control
/// character goes.
fn without_control(cell: &str) -> Cow<'_, str> {
    if !cell.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(cell);
    }
    let mut kept = String::with_capacity(cell.len());
    let mut chars = cell.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{B}' | '\u{C}' | '\u{85}' => kept.push('\n'),
            '\n' | '\t' => kept.push(c),
            c if c.is_control() => {}
            c => kept.push(c),
        }
    }
    Cow::Owned(kept)
}

/// Whether UTF-8 was read as Windows-1252 somewhere on the way: `Ã§` for `ç`.
fn is_doubly_encoded(cell: &str) -> bool {
    // What the second byte of a UTF-8 pair becomes: U+0080 to U+00BF, or what Windows-1252 has
    // there instead. `Ã` before a letter or a blank is Portuguese.
    let is_second = |c: char| matches!(c, '\u{80}'..='\u{BF}') || "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(c);
    let mut chars = cell.chars().peekable();
    while let Some(c) = chars.next() {
        let second = chars.peek().copied().unwrap_or(' ');
        // `Â` is a letter that may stand before a quotation mark or a dash: fewer signs count.
        let found = match c {
            'Ã' => is_second(second) && !"”’…–—".contains(second),
            'Â' => matches!(second, '\u{A0}'..='\u{BF}'),
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// References and repeats are made of it: the quick way must not know better than the long one.
        #[test]
        fn what_looks_normal_is_normal(cell in "[ \\t\\n\u{80}-\u{FF}\u{2C0}-\u{310}a-z~\u{7F}\u{200B}]{0,12}|.{0,12}") {
            prop_assert_eq!(&*normal(&cell), normalised(&cell));
            let once = normal(&cell).into_owned();
            prop_assert_eq!(&*normal(&once), &once);
        }
    }

    /// Sixteen bytes at once are looked at: what is odd may stand in any of them.
    #[test]
    fn what_is_odd_is_seen_wherever_it_stands() {
        assert_eq!(normal("a  b"), "a b");
        for cell in ["\t", "\n", "\u{7F}", "\u{1}\r", " ", "  "] {
            assert_eq!(normal(cell), normalised(cell), "{cell:?}");
        }
        for len in [1, 15, 16, 17, 31, 32, 40] {
            for at in 0..len {
                let cell: String = (0..len).map(|other| if other == at { '\u{7}' } else { 'a' }).collect();
                let bare = "a".repeat(len - 1);
                assert_eq!(normal(&cell.replace('\u{7}', "\u{AD}")), bare, "{at} of {len}");
                let found = read(&cell).unwrap().0;
                assert_eq!(found.as_ref().map_or("", Text::as_str), bare, "{at} of {len}");
            }
        }
    }

    #[test]
    fn free_text_keeps_what_a_person_wrote() {
        check("Sem sinal", "Sem sinal", None);
        check("  São João  ", "São João", None);
        check("linha 1\r\nlinha 2\rlinha 3\n", "linha 1\nlinha 2\nlinha 3", None);
        check("linha 1\u{B}linha 2\u{C}linha 3", "linha 1\nlinha 2\nlinha 3", None);
        check("a\tb\u{7}c\u{9b}d\u{7f}", "a\tbcd", None);
        check("Joa\u{303}o", "João", None);
        check("🙂 nº 5 — “x”", "🙂 nº 5 — “x”", None);
        check("=\"texto\"", "texto", None);
        check("=\u{1}\"texto\"", "texto", None);
        check("NÃO, MAÇÃ, Â“x”", "NÃO, MAÇÃ, Â“x”", None);
        check("Manutenção", "Manutenção", None);
        check("ManutenÃ§Ã£o", "ManutenÃ§Ã£o", Some("doubly_encoded"));
        check("nÂº 5", "nÂº 5", Some("doubly_encoded"));
        check("MANUTENÃ‡ÃƒO", "MANUTENÃ‡ÃƒO", Some("doubly_encoded"));
    }

    #[track_caller]
    fn check(cell: &str, expected: &str, notice: Option<&str>) {
        let (found, noticed) = read(cell).unwrap();
        assert_eq!(found.as_ref().map(Text::as_str), Some(expected));
        assert_eq!(noticed.map(|notice| notice.code), notice, "{cell}");
        assert_eq!(read(expected).unwrap().0, found, "reading again changes nothing");
    }

    #[test]
    fn invisible_text_is_blank_and_nul_is_refused() {
        for cell in ["", " ", "\n\t", "\u{200B}\u{A0}", "\u{1}\u{2}", "=\"\"", "NULL", "\u{1}-"] {
            assert_eq!(read(cell).unwrap().0, None, "{cell:?}");
        }
        assert_eq!(read("a\0b").unwrap_err().code, "nul_character");
        for cell in ["Sem conex\u{FFFD}o", "Concei\u{8D}\u{8B}o"] {
            assert_eq!(read(cell).unwrap_err().code, "lost_character");
        }
    }
}
