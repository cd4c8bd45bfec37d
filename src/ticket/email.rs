//! E-mail addresses.

use std::fmt;

use super::parse::Read;
use super::problem::mask_email;
use super::words;

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
    let Some((local, domain)) = cell.split_once('@') else { return Err(&words::EMAIL_WITHOUT_AT) };
    let of_local = |it: u8| it.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&it);
    if local.is_empty() || !local.bytes().all(of_local) {
        return Err(&words::EMAIL_LOCAL_PART);
    }
    if !domain.split('.').all(is_label) {
        return Err(&words::EMAIL_DOMAIN);
    }
    Ok((Email(cell.to_owned()), None))
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_LEN_MAX).contains(&label.len())
        && label.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
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
