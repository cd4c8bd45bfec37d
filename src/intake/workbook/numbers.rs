//! Numbers and dates of a sheet become the text that a person sees, or one that cannot pass for it.

use std::collections::HashMap;

use jiff::civil::{DateTime, date};
use jiff::{SignedDuration, Unit};

/// The largest integer up to which a spreadsheet's number is exact in all its digits.
const EXACT_MAX: f64 = 1e15;

/// Days of the last date of a spreadsheet, 9999-12-31.
const DAYS_MAX: f64 = 2_958_466.0;

/// An integer as its digits. One that is too long for a spreadsheet's number has lost some of them,
/// and stays in scientific notation, which validation refuses.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < EXACT_MAX {
        format!("{value:.0}")
    } else if EXACT_MAX <= value.abs() {
        format!("{value:E}").replacen('E', "E+", 1)
    } else {
        value.to_string()
    }
}

/// From which day dates are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Epoch {
    /// 1 is 1900-01-01, and 60 a 29th of February that there never was.
    #[default]
    Year1900,
    /// 0 is 1904-01-01.
    Year1904,
}

/// Looks of cells, as many as Excel has.
pub(super) const STYLES_MAX: usize = 65_536;

/// A part of a whole, as it is shown.
pub(super) fn percentage(value: f64) -> String {
    // Without what a double adds behind the digits that are meant.
    format!("{}%", number((value * 1e8).round() / 1e6))
}

/// Whether what is shown has other digits than the whole number that is kept: behind them only zeros are
/// expected, in front of them too, and nothing of what is shown shortened (`1,1E+04`, `###`).
pub(super) fn is_other(kept: &str, shown: &str) -> bool {
    if kept.contains('E') || !shown.bytes().any(|b| b.is_ascii_digit()) || shown.contains(['E', 'e', '#']) {
        return false;
    }
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (kept, shown) = (digits(kept), digits(shown));
    let behind = shown.trim_start_matches('0').strip_prefix(kept.trim_start_matches('0'));
    behind.is_none_or(|behind| behind.bytes().any(|b| b != b'0'))
}

/// What becomes of a number where it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    #[default]
    Number,
    Date,
    Percentage,
    /// A thousandth is shown, so many times.
    Thousandth(u8),
    /// Digits are shown that are none of it.
    MoreDigits,
}

/// What becomes of the numbers of each of a workbook's looks of cells.
#[derive(Default)]
pub(super) struct Styles {
    pub looks: Vec<Look>,
    pub epoch: Epoch,
}

impl Styles {
    /// A number as a cell of this look shows it.
    pub(super) fn shown(&self, value: f64, style: usize) -> String {
        match self.looks.get(style).copied().unwrap_or_default() {
            Look::Number => number(value),
            Look::Date => date_of(value, self.epoch),
            Look::Percentage => percentage(value),
            Look::Thousandth(times) => {
                let factor = 1000_f64.powi(i32::from(times));
                format!("{} × {}", number(value / factor), number(factor))
            }
            Look::MoreDigits => format!("… {}", number(value)),
        }
    }
}

/// A workbook's own formats of numbers, by their ids.
#[derive(Default)]
pub(super) struct Formats(HashMap<u32, Look>);

impl Formats {
    pub(super) fn add(&mut self, id: u32, code: &str) {
        if self.0.len() < STYLES_MAX {
            self.0.insert(id, look(id, Some(code)));
        }
    }

    pub(super) fn look(&self, id: u32) -> Look {
        self.0.get(&id).copied().unwrap_or_else(|| look(id, None))
    }
}

/// Days since the epoch as a date, and its time of day unless that is midnight. No date: as a number.
pub(super) fn date_of(days: f64, epoch: Epoch) -> String {
    moment(days, epoch).map_or_else(|| number(days), text_of)
}

pub(super) fn text_of(moment: DateTime) -> String {
    let (date, time) = (moment.date(), moment.time());
    if time == jiff::civil::Time::midnight() { date.to_string() } else { format!("{date} {time}") }
}

fn moment(days: f64, epoch: Epoch) -> Option<DateTime> {
    if !(0.0..DAYS_MAX).contains(&days) {
        return None;
    }
    let from = match epoch {
        Epoch::Year1904 => date(1904, 1, 1),
        Epoch::Year1900 if days < 60.0 => date(1899, 12, 31),
        Epoch::Year1900 => date(1899, 12, 30),
    };
    let seconds = SignedDuration::try_from_secs_f64(days * 86_400.0).ok()?;
    from.at(0, 0, 0, 0).checked_add(seconds).ok()?.round(Unit::Second).ok()
}

/// A date is a time of day, too; a span of hours (`[h]:mm`) is a number.
fn look(id: u32, code: Option<&str>) -> Look {
    match code {
        Some(code) if is_date_code(code) => Look::Date,
        Some(code) => look_of_code(code),
        // Source: ECMA-376, 18.8.30; 46 is `[h]:mm:ss`.
        None if matches!(id, 14..=22 | 27..=36 | 45 | 47 | 50..=58) => Look::Date,
        None if matches!(id, 9 | 10) => Look::Percentage,
        None => Look::Number,
    }
}

/// Of all sections of a format: which of them a number is shown by depends on it.
fn look_of_code(code: &str) -> Look {
    const TIMES_MAX: u8 = 5;

    let mut chars = code.chars();
    let (mut times, mut n_commas, mut has_place, mut has_digits) = (0, 0_u8, false, false);
    while let Some(c) = chars.next() {
        match c {
            '"' => has_digits |= chars.by_ref().take_while(|c| *c != '"').any(|c| c.is_ascii_digit()),
            '\\' => has_digits |= chars.next().is_some_and(|c| c.is_ascii_digit()),
            '_' | '*' => drop(chars.next()),
            '[' => chars.by_ref().take_while(|c| *c != ']').for_each(drop),
            '%' => return Look::Percentage,
            '0' | '#' | '?' => (n_commas, has_place) = (0, true),
            ',' if has_place => n_commas = n_commas.saturating_add(1),
            '.' | ';' => {
                times = n_commas.max(times);
                (n_commas, has_place) = (0, c == '.');
            }
            '1'..='9' => has_digits = true,
            _ => {}
        }
    }
    match n_commas.max(times) {
        0 if has_digits => Look::MoreDigits,
        0 => Look::Number,
        times => Look::Thousandth(times.min(TIMES_MAX)),
    }
}

/// Whether the first section of a format has a letter of a date outside quotation marks, escapes and
/// brackets.
fn is_date_code(code: &str) -> bool {
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            ';' => return false,
            '"' => chars.by_ref().take_while(|c| *c != '"').for_each(drop),
            '\\' | '_' | '*' => drop(chars.next()),
            '[' => {
                let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                // `[h]`, `[mm]`: a span. `[Red]`, `[$-416]`: how it looks.
                if !inside.is_empty()
                    && inside.chars().all(|c| matches!(c, 'h' | 'm' | 's' | 'H' | 'M' | 'S'))
                {
                    return false;
                }
            }
            'd' | 'm' | 'y' | 'h' | 's' | 'D' | 'M' | 'Y' | 'H' | 'S' => return true,
            // `General`, `Geral`: no letter of a date stands before these.
            'G' | 'g' | 'E' | 'e' => return false,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_becomes_the_text_that_a_person_sees_or_none_that_could_pass_for_it() {
        for (value, expected) in [
            (11000.0, "11000"),
            (37_999_112_233.0, "37999112233"),
            (-1.0, "-1"),
            (0.0, "0"),
            (1.5, "1.5"),
            (999_999_999_999_999.0, "999999999999999"),
            (20_241_126_103_000_123_456.0, "2.0241126103000125E+19"),
            (1e15, "1E+15"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn a_number_that_is_shown_as_another_cannot_pass_for_it() {
        for (code, value, expected) in [
            ("0%", 110.0, "11000%"),
            ("0.00%;[Red]-0.00%", 0.5, "50%"),
            ("0%", 0.07, "7%"),
            ("0%", 0.125, "12.5%"),
            ("0,", 11_000_000.0, "11000 × 1000"),
            ("#,##0.0,,\"M\"", 1_500_000.0, "1.5 × 1000000"),
            ("[<1000]0;0,\"k\"", 11_000.0, "11 × 1000"),
            ("\"(37) \"00000-0000", 999_112_233.0, "… 999112233"),
            ("0\\0", 1100.0, "… 1100"),
            ("#,##0.00", 11000.0, "11000"),
            ("\"n. \"00000", 11000.0, "11000"),
            ("_-* #,##0_-;\\-* #,##0_-;_-* \"-\"_-;_-@_-", 11000.0, "11000"),
            ("(00) 00000-0000", 37_999_112_233.0, "37999112233"),
        ] {
            let mut formats = Formats::default();
            formats.add(200, code);
            let styles = Styles { looks: vec![formats.look(200)], epoch: Epoch::default() };
            assert_eq!(styles.shown(value, 0), expected, "{code}");
        }
        assert_eq!(look(9, None), Look::Percentage);
        for shown in ["11000", "11.000,00", "R$ 11.000", "011000", "1,1E+04", "###", ""] {
            assert!(!is_other("11000", shown), "{shown}");
        }
        for shown in ["11", "110000001", "21000", "(37) 11000"] {
            assert!(is_other("11000", shown), "{shown}");
        }
    }

    #[test]
    fn a_date_is_written_in_iso_8601() {
        for (days, epoch, expected) in [
            (45943.0, Epoch::Year1900, "2025-10-13"),
            (45943.5, Epoch::Year1900, "2025-10-13 12:00:00"),
            (45_943.999_999_99, Epoch::Year1900, "2025-10-14"),
            (1.0, Epoch::Year1900, "1900-01-01"),
            (61.0, Epoch::Year1900, "1900-03-01"),
            (0.0, Epoch::Year1904, "1904-01-01"),
            (44481.0, Epoch::Year1904, "2025-10-13"),
            (-1.0, Epoch::Year1900, "-1"),
            (1e9, Epoch::Year1900, "1000000000"),
        ] {
            assert_eq!(date_of(days, epoch), expected, "{days}");
        }
        assert_eq!(date_of(f64::NAN, Epoch::Year1900), "NaN");
    }

    #[test]
    fn a_format_tells_dates_from_numbers() {
        let is_date = |id, code| look(id, code) == Look::Date;
        for code in ["dd/mm/yyyy", "[$-416]d mmm yyyy", "hh:mm", "yyyy\\-mm", "\"dia\" dd", "[Red]dd"] {
            assert!(is_date(200, Some(code)), "{code}");
        }
        for code in ["0", "General", "Geral", "#,##0.00", "[h]:mm:ss", "@", "0.00E+00", "\"d\"0", "0;dd", ""]
        {
            assert!(!is_date(200, Some(code)), "{code}");
        }
        assert!(is_date(14, None) && !is_date(46, None) && !is_date(0, None));
    }
}
