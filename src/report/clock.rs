//! Times as people here read them.

use std::time::Duration;

use jiff::Timestamp;

use crate::language::Language;
use crate::language::filled::duration;
use crate::language::times::here;
pub(super) use crate::language::times::local;

/// The time of day, with the day where what is told lasts longer than one.
pub(super) fn short(at: Timestamp, lasts: Duration) -> String {
    let format = match Language::now() {
        _ if lasts <= Duration::from_secs(86_400) => "%H:%M:%S",
        Language::English => "%m-%d %H:%M",
        Language::Portuguese => "%d/%m %H:%M",
    };
    here(at).strftime(format).to_string()
}

/// From one time to another, in words; none if the other is the earlier one.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    duration(Duration::try_from(to.duration_since(from)).unwrap_or_default())
}
