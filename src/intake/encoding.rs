//! The encodings of text that we read and write.

use std::str::FromStr;

use super::code_page::CodePage;
use super::words::BadOption;

/// An encoding that we read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    /// UTF-8 with a byte order mark, as Excel writes and wants it.
    Utf8Bom,
    Utf16Le,
    Utf16Be,
    /// One that browsers know.
    Web(&'static encoding_rs::Encoding),
    Dos(CodePage),
}

impl Encoding {
    pub const WINDOWS_1252: Self = Self::Web(encoding_rs::WINDOWS_1252);
    pub const MACINTOSH: Self = Self::Web(encoding_rs::MACINTOSH);

    /// As `summary.json` and `--encoding` name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf8Bom => "utf-8-bom",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Web(encoding) => encoding.name(),
            Self::Dos(page) => page.name(),
        }
    }

    /// Whether each character is a byte, so that any bytes may be text in it.
    pub(super) fn is_of_bytes(self) -> bool {
        match self {
            Self::Utf8 | Self::Utf8Bom | Self::Utf16Le | Self::Utf16Be => false,
            Self::Web(encoding) => encoding.is_single_byte(),
            Self::Dos(_) => true,
        }
    }

    /// How `encoding_rs` reads it.
    pub(super) fn rules(self) -> Result<&'static encoding_rs::Encoding, CodePage> {
        match self {
            Self::Utf8 | Self::Utf8Bom => Ok(encoding_rs::UTF_8),
            Self::Utf16Le => Ok(encoding_rs::UTF_16LE),
            Self::Utf16Be => Ok(encoding_rs::UTF_16BE),
            Self::Web(encoding) => Ok(encoding),
            Self::Dos(page) => Err(page),
        }
    }
}

impl FromStr for Encoding {
    type Err = BadOption;

    fn from_str(name: &str) -> Result<Self, BadOption> {
        let lower = name.to_ascii_lowercase();
        let short = lower.strip_prefix("ibm").or(lower.strip_prefix("cp")).unwrap_or(&lower);
        match lower.as_str() {
            "utf-8-bom" | "utf8-bom" | "utf-8-sig" => return Ok(Self::Utf8Bom),
            "utf-16-le" => return Ok(Self::Utf16Le),
            "utf-16-be" => return Ok(Self::Utf16Be),
            "macroman" | "mac-roman" => return Ok(Self::MACINTOSH),
            _ => {}
        }
        match short.trim_start_matches('-') {
            "437" => return Ok(Self::Dos(CodePage::Cp437)),
            "850" => return Ok(Self::Dos(CodePage::Cp850)),
            _ => {}
        }
        match encoding_rs::Encoding::for_label(lower.as_bytes()) {
            Some(found) if found == encoding_rs::UTF_8 => Ok(Self::Utf8),
            Some(found) if found == encoding_rs::UTF_16LE => Ok(Self::Utf16Le),
            Some(found) if found == encoding_rs::UTF_16BE => Ok(Self::Utf16Be),
            // It is the web's way to say that text is not to be read.
            Some(found) if found != encoding_rs::REPLACEMENT => Ok(Self::Web(found)),
            _ => Err(BadOption::Encoding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_has_many_names_and_one_that_is_read_again() {
        for (names, expected) in [
            (["utf-8", "UTF8", "unicode-1-1-utf-8"], Encoding::Utf8),
            (["utf-8-bom", "utf-8-sig", "UTF8-BOM"], Encoding::Utf8Bom),
            (["utf-16", "utf-16le", "UTF-16-LE"], Encoding::Utf16Le),
            (["windows-1252", "latin1", "ISO-8859-1"], Encoding::WINDOWS_1252),
            (["macintosh", "mac", "x-mac-roman"], Encoding::MACINTOSH),
            (["cp850", "CP-850", "ibm850"], Encoding::Dos(CodePage::Cp850)),
            (["iso-8859-15", "iso885915", "csISOLatin9"], Encoding::Web(encoding_rs::ISO_8859_15)),
        ] {
            for name in names.into_iter().chain([expected.name()]) {
                assert_eq!(name.parse(), Ok(expected), "{name}");
            }
        }
        for name in ["", "latin", "replacement", "iso-2022-kr", "cp1", "cp"] {
            assert!(name.parse::<Encoding>().is_err(), "{name:?}");
        }
    }
}
