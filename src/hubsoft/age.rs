//! When a ticket was opened, by what HubSoft shows of it.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp, tz};

use super::wire::Seen;

/// How far HubSoft's clock may be from ours: 2 h, and its time zone besides. It stores local time without an
/// offset, and Brazil's other zones are up to 2 h away from the UTC-3 by which we read it.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_hours(2 + 2);

/// When a ticket was opened, as exactly as HubSoft tells: to the second, or to the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Age {
    pub(super) earliest: Timestamp,
    latest: Timestamp,
}

impl Age {
    /// Only to sort by: of all tickets of unknown age the lowest id is the oldest.
    pub(super) const UNKNOWN: Self = Self { earliest: Timestamp::MAX, latest: Timestamp::MAX };

    /// By the timestamp in front of its protocolo, else by `data_cadastro`.
    pub(super) fn of(ticket: &Seen<'_>) -> Option<Self> {
        let by_protocolo = ticket.protocolo().and_then(|text| Self::by_protocolo(&text));
        by_protocolo.or_else(|| ticket.data_cadastro().and_then(|text| Self::by_data_cadastro(&text)))
    }

    /// `YYYYMMDDHHMMSS` and one digit or more.
    fn by_protocolo(protocolo: &str) -> Option<Self> {
        let prefix = protocolo.get(..14).filter(|_| protocolo.bytes().all(|b| b.is_ascii_digit()))?;
        let at = DateTime::strptime("%Y%m%d%H%M%S", prefix).ok()?;
        // A number that merely looks like a date is not one.
        (2000..2100).contains(&at.year()).then_some(())?;
        Self::within_second(at)
    }

    fn by_data_cadastro(text: &str) -> Option<Self> {
        let text = text.trim();
        for format in ["%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"] {
            if let Ok(at) = DateTime::strptime(format, text) {
                return Self::within_second(at);
            }
        }
        ["%d/%m/%Y", "%Y-%m-%d"].iter().find_map(|format| {
            let day = Date::strptime(format, text).ok()?;
            Self::between(day.at(0, 0, 0, 0), day.at(23, 59, 59, 999_999_999))
        })
    }

    fn within_second(at: DateTime) -> Option<Self> {
        Self::between(at, at.with().subsec_nanosecond(999_999_999).build().ok()?)
    }

    /// HubSoft's clocks show UTC-3.
    fn between(earliest: DateTime, latest: DateTime) -> Option<Self> {
        let utc = |local| tz::offset(-3).to_timestamp(local).ok();
        Some(Self { earliest: utc(earliest)?, latest: utc(latest)? })
    }

    /// Whatever its clock and ours show.
    pub(super) fn is_surely_before(self, at: Timestamp) -> bool {
        self.latest.checked_add(CLOCK_SLACK).is_ok_and(|latest| latest < at)
    }
}
