//! A sentence with its parameters put in: numbers as people write them, and the words beside them.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::ops::Deref;
use std::time::Duration;

use super::Language;

/// Numbers by which something is called, and those that a person writes into settings: never cut into
/// thousands.
const CALLED: [&str; 20] = [
    "asked",
    "at",
    "byte",
    "code",
    "first",
    "found",
    "id",
    "id_atendimento",
    "known",
    "line",
    "max",
    "min",
    "needed",
    "other_line",
    "owner",
    "pid",
    "port",
    "row",
    "second",
    "status",
];

/// What a parameter is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    Number(u64),
    Decimal(f64),
    Text(String),
}

/// A value on its way into a sentence. What is a number has its own `given`; all else has that of [`Shown`].
pub struct Value<'a, T>(Shown<'a, T>);

/// See [`Value`].
pub struct Shown<'a, T>(&'a T);

impl<'a, T> Value<'a, T> {
    pub fn of(value: &'a T) -> Self {
        Self(Shown(value))
    }
}

impl<T: Number> Value<'_, T> {
    pub fn given(&self) -> Given {
        self.0.0.number()
    }
}

impl<'a, T> Deref for Value<'a, T> {
    type Target = Shown<'a, T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: fmt::Display> Shown<'_, T> {
    pub fn given(&self) -> Given {
        Given::Text(self.0.to_string())
    }
}

/// What is written with points and commas.
pub trait Number {
    fn number(&self) -> Given;
}

macro_rules! numbers {
    ($($type:ty),+) => {
        $( impl Number for $type {
            fn number(&self) -> Given {
                u64::try_from(*self).map_or_else(|_| Given::Text(self.to_string()), Given::Number)
            }
        } )+
    };
}

numbers!(u8, u16, u32, u64, u128, usize, i32, i64);

impl Number for f64 {
    fn number(&self) -> Given {
        Given::Decimal(*self)
    }
}

impl Number for Duration {
    fn number(&self) -> Given {
        Given::Text(duration(*self))
    }
}

impl<T: Number> Number for &T {
    fn number(&self) -> Given {
        (**self).number()
    }
}

/// Puts `given` into `sentence`: `%{n}` is a parameter, `%{n|row|rows}` the first word where `n` is 1, else
/// the second. What has no such form, or names nothing that was given, stays as it is.
pub fn filled(sentence: &str, given: &[(&str, Given)]) -> String {
    let mut text = String::with_capacity(sentence.len() + 16 * given.len());
    let mut rest = sentence;
    while let Some(at) = rest.find("%{") {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let Some(end) = from.find('}') else {
            rest = from;
            break;
        };
        if !put(&mut text, &from[2..end], given) {
            text.push_str(&from[..=end]);
        }
        rest = &from[end + 1..];
    }
    text + rest
}

/// Whether it was known what stands there.
fn put(text: &mut String, inner: &str, given: &[(&str, Given)]) -> bool {
    let (name, words) = inner.split_once('|').map_or((inner, None), |(name, words)| (name, Some(words)));
    let Some((_, value)) = given.iter().find(|(of, _)| *of == name) else { return false };
    if let Some(words) = words {
        let (one, many) = words.split_once('|').unwrap_or((words, words));
        text.push_str(if *value == Given::Number(1) { one } else { many });
        return true;
    }
    match value {
        Given::Text(value) => text.push_str(value),
        // Writing to a string does not fail.
        Given::Number(n) if CALLED.contains(&name) => drop(write!(text, "{n}")),
        Given::Number(n) => text.push_str(&whole(*n)),
        Given::Decimal(n) => text.push_str(&decimal(&n.to_string())),
    }
    true
}

/// `1,234`, in Portuguese `1.234`.
pub fn whole(n: u64) -> String {
    let (digits, point) = (n.to_string(), Language::now().points().0);
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            text.push(point);
        }
        text.push(digit);
    }
    text
}

/// `1.5`, in Portuguese `1,5`, of a number as Rust writes it.
pub fn decimal(written: &str) -> Cow<'_, str> {
    match Language::now().points().1 {
        '.' => Cow::Borrowed(written),
        _ => Cow::Owned(written.replace('.', ",")),
    }
}

/// `250 ms`, `45 s`, `3 min 20 s`, `2 h 5 min`, `90 d`: the two largest units.
pub fn duration(time: Duration) -> String {
    if time.as_secs() == 0 && !time.is_zero() {
        return format!("{} ms", time.as_millis());
    }
    let seconds = time.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let from = parts.iter().position(|(n, _)| 0 < *n).unwrap_or(3);
    let told = parts[from..].iter().take(2).enumerate().filter(|(at, (n, _))| *at == 0 || 0 < *n);
    told.map(|(_, (n, unit))| format!("{} {unit}", whole(*n))).collect::<Vec<_>>().join(" ")
}

/// The whole number that a person types, with points, commas or blanks between its thousands or without.
pub fn typed_number(typed: &str) -> Option<u64> {
    let typed = typed.trim();
    let mut groups = typed.split(['.', ',', ' ', '\u{A0}']);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let is_grouped = rest.is_empty() || first.len() <= 3 && rest.iter().all(|group| group.len() == 3);
    let digits = first.to_owned() + &rest.concat();
    (is_grouped && !first.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_follows_its_number_and_a_number_has_thousands() {
        let told = |n: u64| {
            let given = [("n", Value::of(&n).given()), ("line", Value::of(&1234_u64).given())];
            filled("%{n} %{n|row|rows} of line %{line}", &given)
        };
        assert_eq!(told(0), "0 rows of line 1234");
        assert_eq!(told(1), "1 row of line 1234");
        assert_eq!(told(1_234_567), "1,234,567 rows of line 1234");
    }

    #[test]
    fn what_is_given_is_put_in_as_it_is() {
        let given = [("a", Given::Text("%{b}".to_owned())), ("b", Given::Decimal(1.5))];
        for (sentence, expected) in [
            ("%{a}, %{b}", "%{b}, 1.5"),
            ("%{c} 100%{", "%{c} 100%{"),
            ("{\"key\": %{b}}", "{\"key\": 1.5}"),
            ("%{b|one|many}", "many"),
            ("", ""),
        ] {
            assert_eq!(filled(sentence, &given), expected, "{sentence}");
        }
    }

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (ms, expected) in [
            (0, "0 s"),
            (250, "250 ms"),
            (45_900, "45 s"),
            (200_000, "3 min 20 s"),
            (180_000, "3 min"),
            (3_600_000, "1 h"),
            (7_505_000, "2 h 5 min"),
            (3_605_000, "1 h"),
            (90 * 86_400_000, "90 d"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), expected, "{ms}");
        }
    }

    #[test]
    fn a_number_is_typed_with_its_thousands_or_without() {
        for typed in ["1234567", " 1.234.567\n", "1,234,567", "1 234 567"] {
            assert_eq!(typed_number(typed), Some(1_234_567), "{typed}");
        }
        for typed in ["", "-1", "1.23", "12345.678", "1..234", ".123", "yes", "1.234.56"] {
            assert_eq!(typed_number(typed), None, "{typed}");
        }
    }
}
