//! Area codes.

use std::fmt;
use std::str::FromStr;

use super::words;
use crate::language::said;

/// One of Brazil's 67 area codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ddd(u8); // Invariant: `IN_USE`.

impl Ddd {
    /// `None` unless the code is in use.
    pub fn new(code: u8) -> Option<Self> {
        IN_USE.get(usize::from(code)).copied().unwrap_or(false).then_some(Self(code))
    }
}

impl fmt::Display for Ddd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

/// Not an area code.
#[derive(Debug, thiserror::Error)]
#[error("{}", said(words::NOT_A_DDD))]
pub struct NotADdd;

impl FromStr for Ddd {
    type Err = NotADdd;

    fn from_str(text: &str) -> Result<Self, NotADdd> {
        text.parse().ok().and_then(Self::new).ok_or(NotADdd)
    }
}

/// Source: Anatel's numbering plan.
const IN_USE: [bool; 100] = {
    let codes: [&[u8]; 9] = [
        &[11, 12, 13, 14, 15, 16, 17, 18, 19],
        &[21, 22, 24, 27, 28],
        &[31, 32, 33, 34, 35, 37, 38],
        &[41, 42, 43, 44, 45, 46, 47, 48, 49],
        &[51, 53, 54, 55],
        &[61, 62, 63, 64, 65, 66, 67, 68, 69],
        &[71, 73, 74, 75, 77, 79],
        &[81, 82, 83, 84, 85, 86, 87, 88, 89],
        &[91, 92, 93, 94, 95, 96, 97, 98, 99],
    ];
    let mut table = [false; 100];
    let mut region = 0;
    while region < codes.len() {
        let mut at = 0;
        while at < codes[region].len() {
            table[codes[region][at] as usize] = true;
            at += 1;
        }
        region += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_67_codes_are_in_use() {
        let found: Vec<u8> = (0..=255).filter(|code| Ddd::new(*code).is_some()).collect();
        let ranges =
            [11..=19, 21..=22, 24..=24, 27..=28, 31..=35, 37..=38, 41..=49, 51..=51, 53..=55, 61..=69];
        let more = [71..=71, 73..=75, 77..=77, 79..=79, 81..=89, 91..=99];
        let expected: Vec<u8> = ranges.into_iter().chain(more).flatten().collect();
        assert_eq!(found, expected);
        assert_eq!(found.len(), 67);
    }

    #[test]
    fn a_code_is_read_from_text() {
        assert_eq!("37".parse::<Ddd>().unwrap().to_string(), "37");
        assert!("20".parse::<Ddd>().is_err());
        assert!("x".parse::<Ddd>().is_err());
    }
}
