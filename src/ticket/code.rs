//! A batch's short id, and the cell by which a row of ours is known again in any spreadsheet.
//!
//! `HKTRWMBD.pedido 7`: the code of the batch, then the row's own reference. A cell that begins with these
//! letters is no number, date, formula or truth value to any spreadsheet, whatever follows; and what a
//! spreadsheet or an old encoding would change in what follows is written as `%` and two hexadecimal digits.

use std::borrow::Cow;
use std::fmt;

/// No vowels, so that no word, month or exponent (`1E5`) comes of it, and no letters that look like others.
const LETTERS: &[u8; 17] = b"BCDFGHJKMNPQRSTVW";

/// Letters without the last, which proves the others.
const N_RANDOM: u32 = 7;

/// Stands behind the code.
const SEPARATOR: char = '.';

/// A batch's id within its outbox: random, made with the batch. Two outboxes have the same one by chance
/// only (one in 268 million).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchCode(u32);

impl BatchCode {
    /// As many bits as an outbox stores: its numbers are from 0 to 2^28 - 1.
    pub const MAX: Self = Self((1 << (4 * N_RANDOM)) - 1);

    /// The code that `bits` make: all but the lowest 28 are left out.
    pub fn of_bits(bits: u32) -> Self {
        Self(bits & Self::MAX.0)
    }

    /// `None`: no outbox has stored this.
    pub fn of_number(number: i64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| *number <= Self::MAX.0).map(Self)
    }

    /// As it is stored.
    pub fn number(self) -> i64 {
        self.0.into()
    }

    /// The code that `text` is, to the last letter.
    pub fn read(text: &str) -> Option<Self> {
        let bytes: &[u8; N_RANDOM as usize + 1] = text.as_bytes().try_into().ok()?;
        let digit = |letter: u8| {
            LETTERS.iter().position(|known| *known == letter).and_then(|at| u32::try_from(at).ok())
        };
        let (random, check) = bytes.split_at(N_RANDOM as usize);
        let mut number = 0;
        for letter in random {
            number = number << 4 | digit(*letter).filter(|value| *value < 16)?;
        }
        (digit(check[0])? == Self(number).check()).then_some(Self(number))
    }

    /// 16 is -1 modulo 17: so any one letter that is wrong, and any two neighbours that changed places,
    /// make another remainder.
    fn check(self) -> u32 {
        self.0 % 17
    }

    fn letters(self) -> [u8; N_RANDOM as usize + 1] {
        std::array::from_fn(|at| {
            let digit = match N_RANDOM.checked_sub(1 + at as u32) {
                Some(place) => self.0 >> (4 * place) & 15,
                None => self.check(),
            };
            LETTERS[digit as usize]
        })
    }

    /// The cell that says `text`, and that it is of this batch.
    pub fn cell(self, text: &str) -> String {
        let letters = self.letters();
        let mut cell = String::with_capacity(letters.len() + 1 + text.len());
        cell.push_str(as_str(&letters));
        cell.push(SEPARATOR);
        if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            cell.push_str(text); // As our own references are.
            return cell;
        }
        let mut before = ' ';
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            // A blank between two words stays.
            let stays = match c {
                ' ' => before != ' ' && chars.peek().is_some(),
                '%' | '"' | '\'' | ',' | ';' | '|' => false,
                _ => c.is_ascii_graphic(),
            };
            if stays {
                cell.push(c);
            } else {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    cell.push_str(&format!("%{byte:02X}"));
                }
            }
            before = c;
        }
        cell
    }

    /// What a cell of ours says. `None`: we did not write it.
    pub fn of_cell(cell: &str) -> Option<(Self, Cow<'_, str>)> {
        let (code, text) = cell.split_once(SEPARATOR)?;
        let code = Self::read(code)?;
        if !text.contains('%') {
            return Some((code, Cow::Borrowed(text)));
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let [first, behind @ ..] = rest {
            rest = behind;
            if *first != b'%' {
                bytes.push(*first);
                continue;
            }
            let (digits, behind) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        }
        Some((code, Cow::Owned(String::from_utf8(bytes).ok()?)))
    }
}

fn as_str(letters: &[u8]) -> &str {
    std::str::from_utf8(letters).expect("the alphabet is ASCII")
}

impl fmt::Display for BatchCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(as_str(&self.letters()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_letters_and_proves_itself() {
        let code = BatchCode::of_bits(0x0123_4567);
        assert_eq!(code.to_string().len(), 8);
        assert_eq!(BatchCode::read(&code.to_string()), Some(code));
        assert_eq!(BatchCode::of_bits(0).to_string(), "BBBBBBBB");
        for not_ours in
            ["", "24-11", "24/nov", "Lote 7", "LOTE", "BBBBBBBC", "bbbbbbbb", "BBBBBBB", "BBBBBBBBB"]
        {
            assert_eq!(BatchCode::read(not_ours), None, "{not_ours}");
        }
        assert_eq!(code.number(), 0x0123_4567);
        assert_eq!(BatchCode::of_number(code.number()), Some(code));
        assert_eq!(BatchCode::of_number(-1), None);
        assert_eq!(BatchCode::of_number(1 << 28), None);
    }

    /// A sheet's own references and lots are not taken for ours.
    #[test]
    fn what_a_sheet_says_itself_is_not_ours() {
        for cell in [
            "",
            "1",
            "24-11",
            "Lote 7",
            "BR.101",
            "QUADRA.7",
            "BBBBBBBB",
            "BBBBBBBC.1",
            "BBBBBBBB.%4",
            "BBBBBBBB.%FF",
        ] {
            assert_eq!(BatchCode::of_cell(cell), None, "{cell}");
        }
        assert_eq!(BatchCode::of_cell("BBBBBBBB."), Some((BatchCode(0), "".into())));
    }

    #[test]
    fn a_cell_is_readable_where_it_can_be() {
        let code = BatchCode(0);
        let cases = [
            ("pedido 7", "BBBBBBBB.pedido 7"),
            ("00012", "BBBBBBBB.00012"),
            ("24-11", "BBBBBBBB.24-11"),
            ("=1+1", "BBBBBBBB.=1+1"),
            (" a  b ", "BBBBBBBB.%20a %20b%20"),
            ("São\r\nPaulo", "BBBBBBBB.S%C3%A3o%0D%0APaulo"),
            ("100%", "BBBBBBBB.100%25"),
        ];
        for (text, cell) in cases {
            assert_eq!(code.cell(text), cell);
        }
    }

    proptest! {
        #[test]
        fn one_wrong_letter_is_noticed(bits in any::<u32>(), at in 0_usize..8, letter in 0_usize..17) {
            let code = BatchCode::of_bits(bits).to_string();
            let mut bytes = code.clone().into_bytes();
            bytes[at] = LETTERS[letter];
            let other = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(BatchCode::read(&other).is_some(), other == code);
        }

        #[test]
        fn two_letters_that_changed_places_are_noticed(bits in any::<u32>(), at in 0_usize..7) {
            let code = BatchCode::of_bits(bits).to_string();
            let mut bytes = code.clone().into_bytes();
            bytes.swap(at, at + 1);
            let other = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(BatchCode::read(&other).is_some(), other == code);
        }

        /// Whatever a producer's reference is, and whatever a spreadsheet does to blanks, accents and lines.
        #[test]
        fn any_reference_comes_back(bits in any::<u32>(), text in "\\PC{0,12}|[ \\r\\n\t%;\"=a-zà-ü\u{0}\u{301}]{0,12}") {
            let code = BatchCode::of_bits(bits);
            let cell = code.cell(&text);
            prop_assert_eq!(cell.trim(), &cell);
            prop_assert!(cell.is_ascii() && !cell.contains("  ") && !cell.contains(char::is_control));
            prop_assert_eq!(BatchCode::of_cell(&cell), Some((code, text.into())));
        }
    }
}
