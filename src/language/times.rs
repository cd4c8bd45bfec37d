//! Times, as the clocks here show them and as people here write them.

use std::time::Duration;

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

/// A time as it is told at `now`: with its day where that is another.
pub fn told_at(now: DateTime, time: DateTime) -> String {
    match now.date() == time.date() {
        true => hour_and_minute(time),
        false => minute(time),
    }
}

/// `3 min`: no finer than can be known.
pub fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..=90 => format!("{} s", seconds.div_ceil(10).max(1) * 10),
        seconds @ ..=3600 => format!("{} min", seconds.div_ceil(60)),
        seconds @ ..=36_000 => match seconds.div_ceil(300) * 5 {
            minutes if minutes % 60 == 0 => format!("{} h", minutes / 60),
            minutes => format!("{} h {} min", minutes / 60, minutes % 60),
        },
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_no_finer_than_can_be_known() {
        for (seconds, expected) in [
            (0, "10 s"),
            (31, "40 s"),
            (91, "2 min"),
            (3600, "60 min"),
            (3601, "1 h 5 min"),
            (4200, "1 h 10 min"),
            (7200, "2 h"),
            (36_000, "10 h"),
            (36_001, "11 h"),
        ] {
            assert_eq!(rounded(Duration::from_secs(seconds)), expected);
        }
    }
}
