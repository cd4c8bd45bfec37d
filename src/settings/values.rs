//! Values as a person writes them, the same in a flag, in the environment and in a file.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil;

use crate::delivery::{Concurrency, Rate};
use crate::hubsoft::BaseUrl;
use crate::intake::{Delimiter, Encoding, Hidden, Map, Set, SheetChoice};
use crate::language::Language;
use crate::notice::Recipient;
use crate::ticket::Ddd;

/// What a setting may be.
///
/// The fault says what is allowed and never repeats the text: a password may stand where something else
/// belongs.
pub trait Value: FromStr<Err: fmt::Display> {
    /// What stands for it in `--help`.
    const NAME: &'static str;

    /// What is allowed, where that is a range.
    fn range() -> Option<String> {
        None
    }
}

/// What is wrong with `text` as a `T`.
pub fn check<T: Value>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|fault| fault.to_string())
}

macro_rules! named {
    ($($type:ty: $name:literal,)+) => {
        $( impl Value for $type { const NAME: &'static str = $name; } )+
    };
}

named! {
    bool: "BOOL",
    String: "TEXT",
    PathBuf: "FILE",
    BaseUrl: "URL",
    DatabaseUrl: "URL",
    Listen: "ADDR",
    Rate: "RATE",
    Concurrency: "N|auto",
    MaxErrors: "N|P%",
    Recipient: "URL|PROGRAM",
    ClockTime: "HH:MM",
    Encoding: "NAME",
    Delimiter: "CHAR",
    Hidden: "WHAT",
    Language: "NAME",
    SheetChoice: "NAME|N",
    Map: "COLUMN=FIELD",
    Set: "FIELD=VALUE",
    Ddd: "NN",
}

/// A whole number in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    /// For constants: what is out of range does not compile.
    pub const fn constant(n: u32) -> Self {
        assert!(MIN <= n && n <= MAX);
        Self(n)
    }

    pub fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Value for Whole<MIN, MAX> {
    const NAME: &'static str = "N";

    fn range() -> Option<String> {
        Some(tr!("%{min} to %{max}", min = MIN, max = MAX).into_owned())
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Whole<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = text.parse().ok().filter(|n| (MIN..=MAX).contains(n));
        read.map(Self).ok_or_else(|| tr!("allowed is %{min} to %{max}", min = MIN, max = MAX).into_owned())
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for Whole<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A duration as a person writes it: `500ms`, `2s`, `5m`, `1h 30m`, `90d` of 24 hours each. At least
/// `MIN_MS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtLeast<const MIN_MS: u64>(Duration);

pub type Span = AtLeast<0>;

impl<const MIN_MS: u64> AtLeast<MIN_MS> {
    /// For constants: what is out of range does not compile.
    pub const fn constant(duration: Duration) -> Self {
        assert!(MIN_MS as u128 <= duration.as_millis());
        Self(duration)
    }

    pub fn get(self) -> Duration {
        self.0
    }

    const MIN: Span = AtLeast(Duration::from_millis(MIN_MS));
}

impl<const MIN_MS: u64> Value for AtLeast<MIN_MS> {
    const NAME: &'static str = "TIME";

    fn range() -> Option<String> {
        (0 < MIN_MS).then(|| tr!("at least %{min}", min = Self::MIN).into_owned())
    }
}

impl<const MIN_MS: u64> FromStr for AtLeast<MIN_MS> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let span: jiff::Span = text.parse().ok()?;
            let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
            Duration::try_from(signed).ok()
        };
        let duration = read().ok_or_else(|| tr!("not a duration; write it like 500ms, 2s, 5m, 90d"))?;
        if duration < Self::MIN.0 {
            return Err(tr!("too short; allowed is %{min} or more", min = Self::MIN).into_owned());
        }
        Ok(Self(duration))
    }
}

impl<const MIN_MS: u64> fmt::Display for AtLeast<MIN_MS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

/// A time of day, local: `22:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTime(pub civil::Time);

impl FromStr for ClockTime {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Cow<'static, str>> {
        civil::Time::strptime("%H:%M", text)
            .map(Self)
            .map_err(|_| tr!("not a time of day; write it like 22:30"))
    }
}

/// Rows that may go wrong before a run stops: `50`, or `2%` of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxErrors {
    Rows(u64),
    /// 0 to 100.
    Percent(u8),
}

impl FromStr for MaxErrors {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Cow<'static, str>> {
        let read = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().filter(|n| *n <= 100).map(Self::Percent),
            None => text.trim().parse().ok().map(Self::Rows),
        };
        read.ok_or_else(|| tr!("neither a number of rows nor a percentage; write 50 or 2%"))
    }
}

/// Where a worker answers those who watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = Cow<'static, str>;

    fn from_str(text: &str) -> Result<Self, Cow<'static, str>> {
        text.parse().map(Self).map_err(|_| tr!("not an address with a port; write it like 127.0.0.1:9464"))
    }
}

/// An outbox, as a URL: what is wrong with one is said where it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl(pub String);

impl FromStr for DatabaseUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_for_what_is_read() {
        for (text, expected) in [
            ("0", Err("allowed is 1 to 1024")),
            ("1", Ok("1")),
            ("1024", Ok("1024")),
            ("1025", Err("allowed is 1 to 1024")),
            ("-1", Err("allowed is 1 to 1024")),
            ("99999999999", Err("allowed is 1 to 1024")),
            ("", Err("allowed is 1 to 1024")),
        ] {
            let read = text.parse::<Whole<1, 1024>>().map(|n| n.to_string());
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{text}");
        }
        for (text, expected) in [
            ("49ms", Err("too short; allowed is 50ms or more")),
            ("50ms", Ok("50ms")),
            ("2m", Ok("120s")),
            ("1h 30m", Ok("5400s")),
            ("-1s", Err("not a duration; write it like 500ms, 2s, 5m, 90d")),
            ("5", Err("not a duration; write it like 500ms, 2s, 5m, 90d")),
        ] {
            let read = text.parse::<AtLeast<50>>().map(|span| span.to_string());
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
