//! Numbers as flags take them that are no settings. What is wrong with one is said in the language of the
//! person, which clap's own parsers do not speak.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::str::FromStr;

type Read<T> = Result<T, Cow<'static, str>>;

/// Between two looks of `status --watch`. Seconds.
pub fn seconds(typed: &str) -> Read<u16> {
    within(typed, 1..=3600).ok_or_else(|| tr!("write whole seconds from 1 to 3600, such as 5"))
}

/// Tickets to open at most.
pub fn tickets(typed: &str) -> Read<u64> {
    within(typed, 1..=u64::MAX).ok_or_else(|| tr!("write how many tickets, at least 1, such as 5"))
}

/// 0 takes a free one.
pub fn port(typed: &str) -> Read<u16> {
    within(typed, 0..=u16::MAX).ok_or_else(|| tr!("write a port from 0 to 65535, such as 8080"))
}

fn within<T: FromStr + PartialOrd>(typed: &str, range: RangeInclusive<T>) -> Option<T> {
    typed.trim().parse().ok().filter(|n| range.contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_within_its_range() {
        for (typed, expected) in [
            ("1", Some(1)),
            (" 3600 ", Some(3600)),
            ("0", None),
            ("3601", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(seconds(typed).ok(), expected, "{typed}");
        }
        assert_eq!(tickets("0"), Err("write how many tickets, at least 1, such as 5".into()));
        assert_eq!((tickets("1"), port("0"), port("65535")), (Ok(1), Ok(0), Ok(65535)));
        assert_eq!(port("65536"), Err("write a port from 0 to 65535, such as 8080".into()));
    }
}
