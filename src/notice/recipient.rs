//! Who is told: an address that takes JSON, or a program.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;

#[derive(Clone, PartialEq, Eq)]
pub enum Recipient {
    /// `https`, or plain `http` to loopback. Its path and query may be a secret.
    Url(Url),
    /// Run as it is, without a shell and without arguments.
    Program(PathBuf),
}

// By hand: a path or a password in a URL is a secret.
impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "Url({})", url.host_str().unwrap_or_default()),
            Self::Program(path) => write!(f, "Program({})", path.display()),
        }
    }
}

/// Why a text is nobody who can be told. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientFault(Cow<'static, str>);

impl fmt::Display for RecipientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Recipient {
    type Err = RecipientFault;

    fn from_str(text: &str) -> Result<Self, RecipientFault> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RecipientFault(tr!("write the address of a web hook, or the path of a program")));
        }
        if !text.contains("://") {
            return Ok(Self::Program(PathBuf::from(text)));
        }
        let url =
            Url::parse(text).map_err(|_| RecipientFault(tr!("not a URL; write `https://host/path`")))?;
        match url.scheme() {
            "https" => Ok(Self::Url(url)),
            "http" if is_loopback(&url) => Ok(Self::Url(url)),
            "http" => Err(RecipientFault(tr!("plain `http` goes only to this machine; write `https://`"))),
            _ => Err(RecipientFault(tr!("a web hook begins with `https://`"))),
        }
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    ip.map_or(host == "localhost", |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_secure_address_or_a_program() {
        let read = |text: &str| match text.parse::<Recipient>() {
            Ok(recipient) => format!("{recipient:?}"),
            Err(fault) => fault.to_string(),
        };
        insta::assert_snapshot!(
            [
                "https://user:secret@hc-ping.com/0b3f-secret?x=secret",
                "http://127.0.0.1:8080/x",
                "http://[::1]/x",
                "http://hooks.example.com/secret",
                "ftp://hooks.example.com/secret",
                "https://",
                "/usr/local/bin/tell",
                "tell me.sh",
                " ",
            ]
            .map(read)
            .join("\n"),
            @r"
        Url(hc-ping.com)
        Url(127.0.0.1)
        Url([::1])
        plain `http` goes only to this machine; write `https://`
        a web hook begins with `https://`
        not a URL; write `https://host/path`
        Program(/usr/local/bin/tell)
        Program(tell me.sh)
        write the address of a web hook, or the path of a program
        "
        );
    }
}
