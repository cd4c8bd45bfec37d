//! Times, as the clocks here show them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::language::Language;

pub fn local(at: Timestamp) -> String {
    let format = match Language::now() {
        Language::English => "%Y-%m-%d %H:%M:%S",
        Language::Portuguese => "%d/%m/%Y %H:%M:%S",
    };
    TimeZone::system().to_datetime(at).strftime(format).to_string()
}

/// The same without seconds.
pub fn local_minute(at: Timestamp) -> String {
    let format = match Language::now() {
        Language::English => "%Y-%m-%d %H:%M",
        Language::Portuguese => "%d/%m/%Y %H:%M",
    };
    TimeZone::system().to_datetime(at).strftime(format).to_string()
}
