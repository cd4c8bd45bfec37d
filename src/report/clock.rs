//! Times as people here read them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::language::Language;
use crate::language::filled::duration;

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

/// From one time to another, in words; none if the other is the earlier one.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    duration(Duration::try_from(to.duration_since(from)).unwrap_or_default())
}
