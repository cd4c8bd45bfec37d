//! How our values travel: times, and text that a database cannot hold.

use std::borrow::Cow;

use jiff::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// `timestamptz` and its array, in `pg_type`: numbers that never change.
const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

/// Postgres counts microseconds from 2000-01-01.
const YEAR_2000_US: i64 = 946_684_800_000_000;

/// The first day that a `timestamptz` has, in 4714 BC; what is earlier is stored as `-infinity`.
const FIRST_US: i64 = -211_813_488_000_000_000;

/// A `timestamptz`: to the microsecond. What no clock of ours shows (`infinity`) is clamped.
#[derive(Clone, Copy)]
pub(super) struct Time(pub(super) Timestamp);

/// The statement was sent in another way than all of ours.
#[derive(Debug, thiserror::Error)]
#[error("a time came as text")]
struct TimeAsText;

impl Time {
    /// As it comes back after it was stored.
    pub(super) fn stored(self) -> Timestamp {
        from_wire(to_wire(self.0))
    }
}

fn to_wire(at: Timestamp) -> i64 {
    let us = at.as_microsecond() - YEAR_2000_US;
    if us < FIRST_US { i64::MIN } else { us }
}

fn from_wire(us: i64) -> Timestamp {
    let limit = if us < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(us.saturating_add(YEAR_2000_US)).unwrap_or(limit)
}

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }

    fn compatible(found: &PgTypeInfo) -> bool {
        found.oid() == Some(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, to: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        to.extend(&to_wire(self.0).to_be_bytes());
        Ok(IsNull::No)
    }

    fn size_hint(&self) -> usize {
        size_of::<i64>()
    }
}

impl Decode<'_, Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self(from_wire(i64::from_be_bytes(value.as_bytes()?.try_into()?)))),
            PgValueFormat::Text => Err(TimeAsText.into()),
        }
    }
}

/// `text` as a database can hold it: an answer of HubSoft may carry U+0000, Postgres has no room for
/// it, and nothing that was received may be lost for that.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// The same of a text that was made here.
pub(super) fn owned_text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text }
}

/// A list as the text of a Postgres array, because an array of lists must not be ragged. `None` for
/// the many that are empty.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> Option<String> {
    if items.is_empty() {
        return None;
    }
    let items = items.iter().map(|item| text(item.as_ref()).replace('\\', r"\\").replace('"', "\\\""));
    Some(format!("{{\"{}\"}}", items.collect::<Vec<_>>().join("\",\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_travel_to_the_microsecond_and_no_time_is_refused() {
        let time: Timestamp = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        assert_eq!(from_wire(to_wire(time)), time);
        assert_eq!(to_wire("2000-01-01T00:00:00.000001Z".parse().unwrap()), 1);
        assert_eq!(from_wire(i64::MAX), Timestamp::MAX, "infinity");
        assert_eq!(from_wire(i64::MIN), Timestamp::MIN, "-infinity");
        assert_eq!(to_wire(Timestamp::MIN), i64::MIN, "there is no such date");
    }

    #[test]
    fn what_postgres_cannot_hold_is_replaced() {
        assert_eq!(text("plain"), "plain");
        assert_eq!(text("a\0b"), "a\u{FFFD}b");
        assert_eq!(list(&["a\"b", "c\\d", "e,f"]).unwrap(), r#"{"a\"b","c\\d","e,f"}"#);
        assert_eq!(list::<&str>(&[]), None);
    }
}
