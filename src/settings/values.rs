//! Values as a person writes them.

use std::time::Duration;

use jiff::civil;

/// A duration as a person writes it: `500ms`, `2s`, `5m`, `1h 30m`, `90d` of 24 hours each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = || format!("`{text}` is not a duration; write it like 500ms, 2s, 5m, 90d");
        let span: jiff::Span = text.parse().map_err(|_| allowed())?;
        let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| allowed())?;
        Duration::try_from(signed).map(Self).map_err(|_| allowed())
    }
}

/// A time of day, local: `22:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTime(pub civil::Time);

impl std::str::FromStr for ClockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        civil::Time::strptime("%H:%M", text)
            .map(Self)
            .map_err(|_| format!("`{text}` is not a time of day; write it like 22:30"))
    }
}

/// Rows that may go wrong before a run stops: `50`, or `2%` of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxErrors {
    Rows(u64),
    /// 0 to 100.
    Percent(u8),
}

impl std::str::FromStr for MaxErrors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().filter(|it| *it <= 100).map(Self::Percent),
            None => text.trim().parse().ok().map(Self::Rows),
        };
        read.ok_or_else(|| format!("`{text}` is neither a number of rows nor a percentage; write 50 or 2%"))
    }
}
