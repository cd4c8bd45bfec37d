//! Times, as the clocks here show them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub fn local(at: Timestamp) -> String {
    TimeZone::system().to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
