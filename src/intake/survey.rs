//! What the bytes of a text show about its encoding, where it has no mark.
//!
//! UTF-8 shows itself. Of others, Windows-1252 is what Excel in Brazil saves; read as that, the letters of a
//! file from a Mac or from DOS are signs that no Portuguese word has in it. Where the letters do not tell, a
//! person must: a wrong guess is posted to HubSoft as `Sem conex‹o`.

use super::code_page::CodePage;
use super::encoding::Encoding;

/// Bytes above 127, counted, and where the first stands that is not UTF-8.
pub(super) struct Survey {
    /// Characters of several bytes, whole.
    n_sequences: u64,
    /// Places that are not UTF-8.
    n_odd: u64,
    high: [u64; 128],
    first_odd: Place,
    last: u8,
}

/// A byte of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub line: u64,
    /// Within the line, from 1.
    pub byte: u64,
}

/// What the bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Is(Encoding),
    /// UTF-8, some characters of which are damaged.
    DamagedUtf8,
    Unclear,
}

impl Survey {
    pub(super) fn new() -> Self {
        let first_odd = Place { line: 1, byte: 1 };
        Self { n_sequences: 0, n_odd: 0, high: [0; 128], first_odd, last: 0 }
    }

    /// Takes the next bytes, and returns how many of them: the last ones may be the beginning of a character,
    /// unless nothing comes behind them.
    pub(super) fn take(&mut self, bytes: &[u8], is_last: bool) -> usize {
        let mut at = 0;
        loop {
            let (n_valid, n_odd) = match std::str::from_utf8(&bytes[at..]) {
                Ok(rest) => (rest.len(), 0),
                Err(error) => {
                    let n_left = bytes.len() - at - error.valid_up_to();
                    let n_odd = error.error_len().or(is_last.then_some(n_left));
                    (error.valid_up_to(), n_odd.unwrap_or(0))
                }
            };
            self.add(&bytes[at..at + n_valid]);
            at += n_valid;
            if n_odd == 0 {
                return at;
            }
            self.n_odd += 1;
            self.count(&bytes[at..at + n_odd]);
            at += n_odd;
        }
    }

    fn add(&mut self, valid: &[u8]) {
        self.count(valid);
        self.n_sequences += valid.iter().filter(|byte| 0xC0 <= **byte).count() as u64;
        if 0 < self.n_odd {
            return;
        }
        for byte in valid {
            match (self.last, *byte) {
                (b'\r', b'\n') => self.first_odd.byte = 1,
                (_, b'\r' | b'\n') => {
                    self.first_odd.line += 1;
                    self.first_odd.byte = 1;
                }
                _ => self.first_odd.byte += 1,
            }
            self.last = *byte;
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(at) = byte.checked_sub(128) {
                self.high[usize::from(at)] += 1;
            }
        }
    }

    /// Where the first byte stands that is not UTF-8.
    pub(super) fn first_odd(&self) -> Place {
        self.first_odd
    }

    pub(super) fn finding(&self) -> Finding {
        if self.n_odd == 0 {
            return Finding::Is(Encoding::Utf8);
        }
        // By chance two letters of another encoding are one of UTF-8 (`Ã§`), but not four times as often as
        // not.
        if 4 * self.n_odd <= self.n_sequences {
            return Finding::DamagedUtf8;
        }
        if self.n_odd <= 4 * self.n_sequences {
            return Finding::Unclear;
        }
        let windows = self.letters(Encoding::WINDOWS_1252);
        let others = [Encoding::MACINTOSH, Encoding::Dos(CodePage::Cp850)]
            .map(|encoding| (encoding, self.letters(encoding)));
        let best = others
            .into_iter()
            .max_by_key(|(_, letters)| letters.n_letters)
            .filter(|(_, letters)| letters.is_sure());
        match best {
            _ if windows.n_letters == 0 && windows.n_odd == 0 && best.is_none() => {
                Finding::Is(Encoding::WINDOWS_1252)
            }
            _ if 0 < windows.n_letters && 3 * windows.n_odd <= windows.n_letters => {
                Finding::Is(Encoding::WINDOWS_1252)
            }
            Some((encoding, letters)) if 3 <= letters.n_letters && windows.n_letters < windows.n_odd => {
                Finding::Is(encoding)
            }
            _ => Finding::Unclear,
        }
    }

    fn letters(&self, encoding: Encoding) -> Letters {
        let mut letters = Letters::default();
        for (byte, n) in (128..=255).zip(self.high) {
            let char = match encoding.rules() {
                Ok(rules) => rules.decode_without_bom_handling(&[byte]).0.chars().next(),
                Err(page) => Some(page.char_of(byte)),
            };
            match char {
                Some(c) if PORTUGUESE.contains(c) => letters.n_letters += n,
                Some(c) if FOREIGN.contains(c) && encoding == Encoding::WINDOWS_1252 => {
                    letters.n_letters += n
                }
                Some(c) if MARKS.contains(c) => {}
                _ => letters.n_odd += n,
            }
        }
        letters
    }
}

/// Letters of Portuguese and of names in Brazil. Without `ì` and `î`: what a Mac writes for capitals would be
/// these.
const PORTUGUESE: &str = "àáâãçéêíóôõúüÀÁÂÃÇÉÊÍÓÔÕÚÜªº";

/// Of names that came from elsewhere. On a Mac, dashes and dots of Windows-1252 would be these.
const FOREIGN: &str = "ñäöÑÄÖ";

/// Signs that stand in any text, and prove nothing.
const MARKS: &str = "\u{A0}°–—‘’“”…•·€®©™´`¨§«»¹²³½¼×";

/// What the bytes are in an encoding.
#[derive(Clone, Copy, Default)]
struct Letters {
    n_letters: u64,
    /// Neither letters of Portuguese nor usual signs.
    n_odd: u64,
}

impl Letters {
    /// All but one in twenty are letters.
    fn is_sure(self) -> bool {
        0 < self.n_letters && 20 * self.n_odd <= self.n_letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(bytes: &[u8]) -> Survey {
        let mut survey = Survey::new();
        assert_eq!(survey.take(bytes, true), bytes.len());
        survey
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Finding) {
        assert_eq!(survey(bytes).finding(), expected);
    }

    fn dos(text: &str) -> Vec<u8> {
        text.chars().map(|c| CodePage::Cp850.byte_of(c).unwrap()).collect()
    }

    #[test]
    fn the_letters_tell_or_a_person_must() {
        let text = "Não há conexão, lentidão à noite; João Conceição, Mônica Araújo";
        let windows = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
        let mac = |text: &str| encoding_rs::MACINTOSH.encode(text).0.into_owned();
        check(text.as_bytes(), Finding::Is(Encoding::Utf8));
        check(&windows(text), Finding::Is(Encoding::WINDOWS_1252));
        check(&windows("Peña, Müller – nº 5"), Finding::Is(Encoding::WINDOWS_1252));
        check(&windows("5 – 7 …"), Finding::Is(Encoding::WINDOWS_1252));
        check(&mac(text), Finding::Is(Encoding::MACINTOSH));
        check(&mac(&text.to_uppercase()), Finding::Is(Encoding::MACINTOSH));
        check(&dos(text), Finding::Is(Encoding::Dos(CodePage::Cp850)));
        // One letter proves nothing, and neither does another alphabet.
        check(&mac("Sem conexão"), Finding::Unclear);
        check(&mac("Sem luz, óbvio"), Finding::Unclear);
        check(&encoding_rs::WINDOWS_1251.encode("Нет связи").0, Finding::Unclear);
        // A byte lost, and two files put together.
        check(&[text.as_bytes(), b"\xC3"].concat(), Finding::DamagedUtf8);
        check(&[text.as_bytes(), &windows(text)].concat(), Finding::Unclear);
    }

    #[test]
    fn the_first_odd_byte_has_a_place() {
        let place = |bytes: &[u8]| survey(bytes).first_odd();
        assert_eq!(place(b"\xE3"), Place { line: 1, byte: 1 });
        assert_eq!(place(b"a\r\nb\rc\nde\xE3;\n\xE3"), Place { line: 4, byte: 3 });
    }

    #[test]
    fn bytes_may_come_in_pieces() {
        let text = "çã\n".repeat(3);
        let mut survey = Survey::new();
        assert_eq!(survey.take(&text.as_bytes()[..1], false), 0);
        assert_eq!(survey.take(text.as_bytes(), true), text.len());
        assert_eq!((survey.n_sequences, survey.n_odd), (6, 0));
    }
}
