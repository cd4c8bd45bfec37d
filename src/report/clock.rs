//! Times as people here read them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::language::Language;

/// Of the machine's own time zone, to the second.
pub(super) fn local(at: Timestamp) -> String {
    let format = match Language::now() {
        Language::English => "%Y-%m-%d %H:%M:%S",
        Language::Portuguese => "%d/%m/%Y %H:%M:%S",
    };
    TimeZone::system().to_datetime(at).strftime(format).to_string()
}

/// The time of day, with the day where what is told lasts longer than one.
pub(super) fn short(at: Timestamp, lasts: Duration) -> String {
    let format = match Language::now() {
        _ if lasts <= Duration::from_secs(86_400) => "%H:%M:%S",
        Language::English => "%m-%d %H:%M",
        Language::Portuguese => "%d/%m %H:%M",
    };
    TimeZone::system().to_datetime(at).strftime(format).to_string()
}

/// `3 h 20 min`, `20 min 5 s`, `5 s`: the two largest units.
pub(super) fn span(length: SignedDuration) -> String {
    let s = length.as_secs().max(0);
    let (days, h, min) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
    match (days, h, min) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, _) => format!("{min} min {} s", s % 60),
        (0, ..) => format!("{h} h {min} min"),
        (1, ..) => tr!("1 day %{h} h", h = h).into_owned(),
        _ => tr!("%{days} days %{h} h", days = days, h = h).into_owned(),
    }
}
