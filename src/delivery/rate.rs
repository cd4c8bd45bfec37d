//! How many requests a second an operator allows, as it is typed: `5/s`, `300/min`, `unlimited`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most that can be asked for. A second.
///
/// Source: a slot of a microsecond; no HTTP client on one core comes near.
const RATE_MAX: f64 = 1e6;

/// The least that can be asked for: one request an hour.
const SLOT_MAX: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Requests a second; from one an hour to a million a second.
    PerSecond(f64),
    Unlimited,
}

impl Rate {
    /// The time between two slots; `None` when unlimited.
    pub fn slot(self) -> Option<Duration> {
        match self {
            Self::PerSecond(rate) => Some(Duration::from_secs_f64(1.0 / rate)),
            Self::Unlimited => None,
        }
    }

    pub fn is_above(self, other: Self) -> bool {
        // No slot is shorter than any.
        self.slot() < other.slot()
    }
}

/// What is wrong with a rate. It does not repeat the text: a password may stand there instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateFault {
    #[error("{}", tr!("not a rate; write `5/s`, `300/min`, `100/h` or `unlimited`"))]
    Form,
    #[error("{}", tr!("out of range; from `1/h` to `1000000/s`, or `unlimited`"))]
    Range,
}

impl FromStr for Rate {
    type Err = RateFault;

    fn from_str(typed: &str) -> Result<Self, RateFault> {
        if typed.trim() == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let (count, unit) = typed.split_once('/').ok_or(RateFault::Form)?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "min" | "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(RateFault::Form),
        };
        let count: f64 = count.trim().parse().map_err(|_| RateFault::Form)?;
        let rate = count / seconds;
        // The comparison is also false for what is no number.
        if (1.0 / SLOT_MAX.as_secs_f64()..=RATE_MAX).contains(&rate) {
            Ok(Self::PerSecond(rate))
        } else {
            Err(RateFault::Range)
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::PerSecond(rate) = *self else { return f.write_str("unlimited") };
        // In the largest unit that keeps it a whole number, as a person would have typed it.
        for (seconds, unit) in [(1.0, "s"), (60.0, "min"), (3600.0, "h")] {
            let count = rate * seconds;
            if 0.5 <= count && (count - count.round()).abs() < 1e-9 * count {
                return write!(f, "{}/{unit}", count.round());
            }
        }
        write!(f, "{rate}/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_typed() {
        check("5/s", Ok((Duration::from_millis(200), "5/s")));
        check("300/min", Ok((Duration::from_millis(200), "5/s")));
        check("1/h", Ok((Duration::from_secs(3600), "1/h")));
        check("7/min", Ok((Duration::from_nanos(8_571_428_571), "7/min")));
        check("0.5/s", Ok((Duration::from_secs(2), "30/min")));
        check("0/s", Err("out of range; from `1/h` to `1000000/s`, or `unlimited`"));
        check("-1/s", Err("out of range; from `1/h` to `1000000/s`, or `unlimited`"));
        check("NaN/s", Err("out of range; from `1/h` to `1000000/s`, or `unlimited`"));
        check("5", Err("not a rate; write `5/s`, `300/min`, `100/h` or `unlimited`"));
        check("5/y", Err("not a rate; write `5/s`, `300/min`, `100/h` or `unlimited`"));
        check("/s", Err("not a rate; write `5/s`, `300/min`, `100/h` or `unlimited`"));
        assert_eq!("unlimited".parse(), Ok(Rate::Unlimited));
        assert_eq!(Rate::Unlimited.slot(), None);
    }

    #[test]
    fn unlimited_is_above_all_others() {
        let per_s = Rate::PerSecond;
        for (rate, other, expected) in [
            (per_s(20.0), per_s(20.0), false),
            (per_s(20.5), per_s(20.0), true),
            (per_s(10.0), per_s(20.0), false),
            (Rate::Unlimited, per_s(20.0), true),
            (per_s(20.0), Rate::Unlimited, false),
            (Rate::Unlimited, Rate::Unlimited, false),
        ] {
            assert_eq!(rate.is_above(other), expected, "{rate} and {other}");
        }
    }

    #[track_caller]
    fn check(typed: &str, expected: Result<(Duration, &str), &str>) {
        match (typed.parse::<Rate>(), expected) {
            (Ok(rate), Ok((slot, shown))) => {
                assert_eq!(rate.slot().map(|slot| slot.as_micros()), Some(slot.as_micros()));
                assert_eq!(rate.to_string(), shown);
            }
            (Err(fault), Err(message)) => assert_eq!(fault.to_string(), message),
            (found, expected) => panic!("`{typed}` gave {found:?}, not {expected:?}"),
        }
    }
}
