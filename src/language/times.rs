//! Times, as the clocks here show them and as people here write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Language;

/// What clocks here show.
pub fn here(at: Timestamp) -> DateTime {
    TimeZone::system().to_datetime(at)
}

pub fn local(at: Timestamp) -> String {
    let format = match Language::now() {
        Language::English => "%Y-%m-%d %H:%M:%S",
        Language::Portuguese => "%d/%m/%Y %H:%M:%S",
    };
    here(at).strftime(format).to_string()
}

/// The same without seconds.
pub fn local_minute(at: Timestamp) -> String {
    minute(here(at))
}

/// Day, hour and minute.
pub fn minute(at: DateTime) -> String {
    let format = match Language::now() {
        Language::English => "%Y-%m-%d %H:%M",
        Language::Portuguese => "%d/%m/%Y %H:%M",
    };
    at.strftime(format).to_string()
}

/// Of a time today.
pub fn hour_and_minute(at: DateTime) -> String {
    at.strftime("%H:%M").to_string()
}

/// The same with seconds.
pub fn time_of_day(at: DateTime) -> String {
    at.strftime("%H:%M:%S").to_string()
}
