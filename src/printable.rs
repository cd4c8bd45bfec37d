//! Text from outside, before a person sees it: on a terminal, in a log, or in a file.
//!
//! What others wrote (cells, headers, file names, HubSoft's answers, what producers put into a database) may
//! carry escape sequences that repaint a terminal, line breaks that forge a line of a log, or marks that turn
//! the reading direction around a number. None of that passes: a character that cannot be shown becomes `?`,
//! a line break or tab a blank, and what is too long ends with `…`.
//!
//! It stands at the doors, not at each text: a command's screen, a log's writer, the columns of the results
//! that are ours, and the parse of HubSoft's answers. Whoever puts a name into a sentence caps it with
//! [`name`], so that what stands behind it is still read.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters of a name within a sentence: a header, a sheet, a label, a protocolo.
pub const NAME_CHARS_MAX: usize = 80;

/// Characters of another's words within a sentence: a refusal, a reason.
pub const WORDS_CHARS_MAX: usize = 500;

/// Characters of a line on the screen: longer than any sentence of ours with a path (4,096 at most) in it.
pub const LINE_CHARS_MAX: usize = 6_000;

/// A name within a sentence: one line, [`NAME_CHARS_MAX`] characters at most.
pub fn name(text: &str) -> Cow<'_, str> {
    line(text, NAME_CHARS_MAX)
}

/// One line of `chars_max` characters at most.
pub fn line(text: &str, chars_max: usize) -> Cow<'_, str> {
    // Most texts are plain and short: nothing to do, and nothing allocated.
    let is_plain = || text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if text.len() <= chars_max && is_plain() {
        return Cow::Borrowed(text);
    }
    let is_short = text.len() <= chars_max || text.chars().nth(chars_max).is_none();
    if is_short && text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len().min(4 * chars_max));
    let mut chars = text.chars();
    kept.extend(chars.by_ref().take(chars_max).map(shown));
    if chars.next().is_some() {
        kept.push('…');
    }
    Cow::Owned(kept)
}

/// Lines, of any length: what a command prints as its result.
pub fn lines(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c == '\n' || is_printable(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if c == '\n' { c } else { shown(c) }).collect())
}

/// JSON, for programs: nothing of it is lost. Where such characters stand in JSON they are within a string,
/// and may be written as `\u….`.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| matches!(c, '\n' | '\r' | '\t') || is_printable(c);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 64);
    for char in text.chars() {
        if is_plain(char) {
            kept.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(kept, "\\u{unit:04x}");
        }
    }
    Cow::Owned(kept)
}

fn shown(char: char) -> char {
    match char {
        '\n' | '\r' | '\t' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        _ if is_printable(char) => char,
        _ => '?',
    }
}

/// Whether a terminal only draws it. Not: control characters (C0, DEL, C1, so that no escape sequence is
/// whole), separators of lines, and characters that nobody sees and that change how others are read: marks of
/// direction, zero-width ones, tags. A joiner of emoji and of Persian words (U+200C, U+200D) and selectors of
/// variants only change the look of what is seen, and stay.
///
/// Source: Unicode's general category Cf, and UAX #9, table 4.
pub fn is_printable(char: char) -> bool {
    match char {
        ' '..='~' => true,
        _ if char.is_control() => false,
        '\u{AD}'
        | '\u{600}'..='\u{605}'
        | '\u{61C}'
        | '\u{6DD}'
        | '\u{70F}'
        | '\u{180E}'
        | '\u{200B}'
        | '\u{200E}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}' => false,
        _ => true,
    }
}

/// What [`crate::fuzz`] asks of a text that a person sees as it is: it says something, may be shown, and has
/// `chars_max` characters at most.
#[cfg(feature = "inside")]
#[track_caller]
pub(crate) fn assert_shown(text: &str, chars_max: usize) {
    assert!(!text.is_empty(), "it says nothing");
    assert!(text.chars().count() <= chars_max, "more than {chars_max} characters: {text:?}");
    assert!(text.chars().all(is_printable), "a terminal would obey: {text:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_repaint_a_screen_forge_a_line_or_turn_the_text_around_is_not_shown() {
        for (outside, shown) in [
            ("", ""),
            ("20240817000123", "20240817000123"),
            ("ação 📡 日本語 “x”", "ação 📡 日本語 “x”"),
            ("👩\u{200D}🔧", "👩\u{200D}🔧"),
            ("\u{1B}[2J\u{1B}[31mok", "?[2J?[31mok"),
            ("\u{1B}]0;title\u{7}", "?]0;title?"),
            ("\u{9B}31m\u{90}q\u{9C}", "?31m?q?"),
            ("a\nhint: run this", "a hint: run this"),
            ("a\r\nb\tc\u{85}d\u{2028}e\u{0B}f", "a  b c d e f"),
            ("\u{0}\u{8}\u{7F}", "???"),
            ("type \u{202E}esrever\u{202C}", "type ?esrever?"),
            ("\u{2066}x\u{2069}\u{200F}\u{61C}", "?x???"),
            ("ad\u{200B}min\u{FEFF}\u{AD}\u{E0041}", "ad?min???"),
        ] {
            assert_eq!(line(outside, LINE_CHARS_MAX), shown, "{outside:?}");
            assert_eq!(lines(outside).replace('\n', " "), shown, "{outside:?}");
            let escaped = json(&serde_json::to_string(outside).unwrap()).into_owned();
            assert!(escaped.chars().all(is_printable), "{escaped:?}");
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), outside, "JSON loses nothing");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        for (outside, chars_max, shown) in [
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abcd…"),
            ("éééé", 4, "éééé"),
            ("ééééé", 4, "éééé…"),
            ("\n\n\n", 2, "  …"),
            ("x", 0, "…"),
        ] {
            assert_eq!(line(outside, chars_max), shown);
        }
        assert_eq!(name(&"x".repeat(1 << 20)).chars().count(), NAME_CHARS_MAX + 1);
        assert!(matches!(line("plain", 5), Cow::Borrowed(_)), "nothing is allocated for plain text");
    }
}
