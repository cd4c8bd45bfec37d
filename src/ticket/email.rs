//! E-mail addresses.

use std::fmt;

use memchr::memchr;

use super::problem::mask_email;
use super::words::{self, Read};

/// An address by the rule of HTML's `<input type=email>`. `Debug` masks it.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", mask_email(&self.0))
    }
}

/// Longest label of a domain name. Bytes. Source: RFC 1034, section 3.1.
const LABEL_LEN_MAX: usize = 63;

/// Reads an unwrapped cell that is not blank.
///
/// The rule: <https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address>.
pub(super) fn read(cell: &str) -> Read<Email> {
    let bytes = cell.as_bytes();
    let Some(at) = memchr(b'@', bytes) else { return Err(&words::EMAIL_WITHOUT_AT) };
    let (local, domain) = (&bytes[..at], &bytes[at + 1..]);
    if local.is_empty() || !are_all(&IN_LOCAL_PART, local) {
        return Err(&words::EMAIL_LOCAL_PART);
    }
    if !domain.split(|b| *b == b'.').all(is_label) {
        return Err(&words::EMAIL_DOMAIN);
    }
    Ok((Email(cell.to_owned()), None))
}

static IN_LOCAL_PART: [bool; 256] = letters_digits_and(b".!#$%&'*+/=?^_`{|}~-");
static IN_LABEL: [bool; 256] = letters_digits_and(b"-");

const fn letters_digits_and(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

/// To the end, without a branch a byte.
fn are_all(among: &[bool; 256], bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, b| all & among[usize::from(*b)])
}

fn is_label(label: &[u8]) -> bool {
    (1..=LABEL_LEN_MAX).contains(&label.len())
        && are_all(&IN_LABEL, label)
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_a_browser_accepts() {
        let label = "a".repeat(63);
        for cell in ["teste@teste.com.br", "a@b", "a.b+c@x-y.z", "!#$%&'*+/=?^_`{|}~-@a", "..@a.b"] {
            assert!(read(cell).is_ok(), "{cell}");
        }
        assert!(read(&format!("a@{label}.br")).is_ok());
        assert!(read(&format!("a@{label}a.br")).is_err());
        for (cell, code) in [
            ("teste", "email_without_at"),
            ("@b.c", "email_local_part"),
            ("a b@c.d", "email_local_part"),
            ("joão@c.d", "email_local_part"),
            ("a@b@c.d", "email_domain"),
            ("a@b..c", "email_domain"),
            ("a@-b.c", "email_domain"),
            ("a@b-.c", "email_domain"),
            ("a@b.c.", "email_domain"),
            ("a@", "email_domain"),
            ("a@b.com; c@d.com", "email_domain"),
        ] {
            assert_eq!(read(cell).unwrap_err().code, code, "{cell}");
        }
    }
}
