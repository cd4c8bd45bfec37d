//! By what a web page is known.

use super::encoding::Encoding;

/// What a page begins with, behind comments and blanks.
const BEGINNINGS: [&str; 10] =
    ["<html", "<!doctype html", "<table", "<meta", "<head", "<style", "<body", "<div", "<center", "<title"];

/// Whether these are the first bytes of a page.
pub(super) fn is_one(prefix: &[u8]) -> bool {
    let mut text = prefix.trim_ascii_start();
    while text.starts_with(b"<!--") || begins(text, "<?xml") {
        let Some(end) = memchr::memchr(b'>', text) else { return false };
        text = text[end + 1..].trim_ascii_start();
    }
    BEGINNINGS.into_iter().any(|tag| begins(text, tag))
}

/// Whether the text begins with this tag, in whatever case.
pub(super) fn begins(text: &[u8], tag: &str) -> bool {
    text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
}

/// The encoding that a page says it has.
pub(super) fn said_encoding(prefix: &[u8]) -> Option<Encoding> {
    let text = prefix.to_ascii_lowercase();
    let at = memchr::memmem::find(&text, b"charset=")? + b"charset=".len();
    let is_of_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let name: Vec<u8> = text[at..]
        .iter()
        .skip_while(|byte| matches!(byte, b'"' | b'\''))
        .take_while(is_of_name)
        .copied()
        .collect();
    std::str::from_utf8(&name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_by_its_beginning() {
        for page in [
            "<html>",
            " \r\n<!DOCTYPE HTML PUBLIC>",
            "<?xml version='1.0'?>\n<html xmlns='x'>",
            "<!-- x --><TABLE>",
        ] {
            assert!(is_one(page.as_bytes()), "{page}");
        }
        for other in ["", "<", "nome;<html>", "<?xml version='1.0'?><Workbook>", "<!-- "] {
            assert!(!is_one(other.as_bytes()), "{other}");
        }
        let said = |text: &str| said_encoding(text.as_bytes());
        assert_eq!(said("<meta content=\"text/html; charset=ISO-8859-1\">"), Some(Encoding::WINDOWS_1252));
        assert_eq!(said("<meta charset='utf-8'>"), Some(Encoding::Utf8));
        assert_eq!(said("<meta charset=>"), None);
    }
}
