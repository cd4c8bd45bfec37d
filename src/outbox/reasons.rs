//! Why rows were not opened: those that have the same reason together, so that a person reads each once.
//!
//! A reason is a state, a code, and the words beside it. HubSoft puts ids and names of services into its
//! words (`Serviço 123 não encontrado`): so digits do not tell two reasons apart, and where they differ they
//! are shown as `…`. Other words do: nobody can tell a name in them from what is said of it.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::names::{state_name, state_of};
use super::stored::{count, stored, unreadable};
use crate::delivery::{OutboxError, State};

/// Reasons that are told one by one; the others are counted together.
pub const REASONS_MAX: usize = 20;

/// Rows that are named of each reason.
pub const EXAMPLES_MAX: usize = 3;

/// Longest words of a reason. Characters.
pub(super) const WORDS_CHARS_MAX: usize = 300;

/// Reasons that a [`Tally`] tells apart at a time.
///
/// A few KiB each at most. Where more rows than that have words of their own, no reason among them is common.
const KEPT_MAX: usize = 4096;

/// The states that have one: of what is opened, or was just sent, there is none. Of `pending` rows those that
/// come again have.
pub(super) const WITH_REASON: [State; 9] = [
    State::Pending,
    State::InDoubt,
    State::Invalid,
    State::Rejected,
    State::Failed,
    State::Unconfirmed,
    State::Conflict,
    State::Skipped,
    State::Cancelled,
];

/// Why rows were not opened, the commonest reason first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// [`REASONS_MAX`] at most.
    pub told: Vec<RowReason>,
    /// How often another one stands, that is not told.
    pub n_others: u64,
}

/// One reason. A row that is invalid for several reasons counts for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowReason {
    pub state: State,
    /// `error_code`, or the problem's. `None`: a person's word has no code.
    pub code: Option<String>,
    /// Of a problem: the field that it is in.
    pub field: Option<String>,
    /// HubSoft's words, or ours; `…` for digits that differ. `None`: there are none, or they were purged.
    pub message: Option<String>,
    pub n_rows: u64,
    /// The first of them in input order, [`EXAMPLES_MAX`] at most.
    pub examples: Vec<ExampleRow>,
}

/// A row by what a person finds it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleRow {
    /// 0: it came from a program.
    pub line: u64,
    /// Empty: it has none, or none yet.
    pub referencia: String,
}

/// Why one row was not opened.
#[derive(Clone, Copy, Debug)]
pub struct Why<'a> {
    pub state: State,
    /// Blank: it has none.
    pub code: &'a str,
    /// Of a problem: the field that it is in; blank otherwise.
    pub field: &'a str,
    /// Blank: there are none, or they were purged.
    pub words: &'a str,
}

/// Counts reasons, row by row, in bounded memory: where there are too many, the rarest are forgotten, and
/// counted with the others.
#[derive(Default)]
pub struct Tally {
    /// By state, code, field and words with `…` for digits, with a NUL between two.
    kept: HashMap<String, Kept, RandomState>,
    /// The key of the reason that is counted just now: one buffer for all.
    key: String,
    n_all: u64,
}

struct Kept {
    /// As they stood first.
    words: String,
    /// They stood otherwise since.
    differ: bool,
    n_rows: u64,
    examples: Vec<ExampleRow>,
    /// How many were counted before its first.
    place: u64,
}

/// State, code, field, the first and the last of its words in the order of the alphabet, the words with `…`
/// for digits, how many rows, the examples as JSON; then how often reasons stand altogether.
pub(super) type ReasonColumns = (String, String, String, String, String, String, i64, String, i64);

impl Reasons {
    pub(super) fn of(found: Vec<ReasonColumns>) -> Result<Self, OutboxError> {
        let n_all = found.first().map_or(0, |reason| count(reason.8));
        let told = found.into_iter().map(RowReason::stored).collect::<Result<Vec<_>, _>>()?;
        let n_told = told.iter().map(|reason| reason.n_rows).sum();
        Ok(Self { told, n_others: n_all.saturating_sub(n_told) })
    }

    /// The commonest of `all`.
    pub fn most(mut all: Vec<RowReason>) -> Self {
        let line = |reason: &RowReason| reason.examples.first().map(|row| row.line);
        all.sort_by(|a, b| b.n_rows.cmp(&a.n_rows).then_with(|| line(a).cmp(&line(b))));
        let n_others = all.iter().skip(REASONS_MAX).map(|reason| reason.n_rows).sum();
        all.truncate(REASONS_MAX);
        Self { told: all, n_others }
    }
}

impl RowReason {
    fn stored(columns: ReasonColumns) -> Result<Self, OutboxError> {
        let (state, code, field, first, last, alike, n_rows, examples, _) = columns;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let examples: Vec<(u64, String)> = stored("outbox", &examples)?;
        Ok(Self {
            state: state_of(&state).ok_or_else(|| unreadable("outbox.state"))?,
            code: some(code),
            field: some(field),
            message: some(if first == last { first } else { alike }),
            n_rows: count(n_rows),
            examples: examples
                .into_iter()
                .map(|(line, referencia)| ExampleRow { line, referencia })
                .collect(),
        })
    }
}

impl Tally {
    /// Counts a row, which is told as `example` says if it is one of the first of its reason.
    pub fn add(&mut self, why: Why<'_>, example: impl FnOnce() -> ExampleRow) {
        let words = beginning(why.words);
        self.key.clear();
        for part in [state_name(why.state), why.code, why.field] {
            self.key.push_str(part);
            self.key.push('\0');
        }
        fold(words, &mut self.key);
        let place = self.n_all;
        self.n_all += 1;
        if let Some(kept) = self.kept.get_mut(&self.key) {
            kept.n_rows += 1;
            kept.differ |= kept.words != words;
            if kept.examples.len() < EXAMPLES_MAX {
                kept.examples.push(example());
            }
            return;
        }
        if self.kept.len() == KEPT_MAX {
            self.forget_rare();
        }
        let new =
            Kept { words: words.to_owned(), differ: false, n_rows: 1, examples: vec![example()], place };
        self.kept.insert(self.key.clone(), new);
    }

    /// The commonest reasons.
    pub fn reasons(&self) -> Reasons {
        let mut kept: Vec<_> = self.kept.iter().collect();
        kept.sort_unstable_by_key(|(_, kept)| (std::cmp::Reverse(kept.n_rows), kept.place));
        let told: Vec<_> =
            kept.into_iter().take(REASONS_MAX).filter_map(|(key, kept)| kept.told(key)).collect();
        let n_told: u64 = told.iter().map(|reason| reason.n_rows).sum();
        Reasons { told, n_others: self.n_all.saturating_sub(n_told) }
    }

    /// The commonest reason of rows in one of `states`.
    pub fn commonest(&self, states: &[State]) -> Option<RowReason> {
        let names: Vec<_> = states.iter().map(|state| state_name(*state)).collect();
        let is_asked = |key: &str| key.split('\0').next().is_some_and(|state| names.contains(&state));
        let found = self.kept.iter().filter(|(key, _)| is_asked(key));
        let (key, kept) = found.max_by_key(|(_, kept)| (kept.n_rows, std::cmp::Reverse(kept.place)))?;
        kept.told(key)
    }

    /// Keeps the commoner half.
    fn forget_rare(&mut self) {
        let mut all: Vec<_> = self.kept.drain().collect();
        let half = all.len() / 2;
        all.select_nth_unstable_by_key(half, |(_, kept)| std::cmp::Reverse(kept.n_rows));
        all.truncate(half);
        self.kept.extend(all);
    }
}

impl Kept {
    fn told(&self, key: &str) -> Option<RowReason> {
        let mut parts = key.splitn(4, '\0');
        let (state, code, field, alike) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Some(RowReason {
            state: state_of(state)?,
            code: some(code),
            field: some(field),
            message: some(if self.differ { alike } else { &self.words }),
            n_rows: self.n_rows,
            examples: self.examples.clone(),
        })
    }
}

/// As much of words as tells reasons apart.
fn beginning(words: &str) -> &str {
    words.char_indices().nth(WORDS_CHARS_MAX).map_or(words, |(end, _)| &words[..end])
}

/// Stands where words differ by digits alone: whoever reads them sees that something is left out.
const FOLDED: char = '…';

/// Writes `words` with `…` for each run of digits.
fn fold(words: &str, into: &mut String) {
    let mut rest = words;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        into.push_str(&rest[..at]);
        into.push(FOLDED);
        rest = rest[at..].trim_start_matches(|c: char| c.is_ascii_digit());
    }
    into.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(tally: &mut Tally, line: u64, words: &str) {
        let why = Why { state: State::Rejected, code: "refused", field: "", words };
        tally.add(why, || ExampleRow { line, referencia: String::new() });
    }

    #[test]
    fn reasons_that_differ_by_numbers_are_one_and_the_commonest_comes_first() {
        let mut tally = Tally::default();
        for (line, words) in [
            (2, "plano 10 suspenso"),
            (3, "serviço 11 de 2"),
            (4, "serviço 7 de 30"),
            (5, "serviço x de 30"),
            (6, "plano 10 suspenso"),
            (7, "serviço 123 de 4"),
        ] {
            refused(&mut tally, line, words);
        }
        let invalid = Why { state: State::Invalid, code: "not_an_id", field: "telefone", words: "" };
        tally.add(invalid, || ExampleRow { line: 8, referencia: "a".to_owned() });
        let reasons = tally.reasons();
        let seen = reasons.told.iter().map(|reason| {
            let lines: Vec<_> = reason.examples.iter().map(|row| row.line).collect();
            format!("{} {:?} {:?} {lines:?}", reason.n_rows, reason.field, reason.message)
        });
        insta::assert_snapshot!(seen.collect::<Vec<_>>().join("\n"), @r#"
        3 None Some("serviço … de …") [3, 4, 7]
        2 None Some("plano 10 suspenso") [2, 6]
        1 None Some("serviço x de 30") [5]
        1 Some("telefone") None [8]
        "#);
        assert_eq!(reasons.n_others, 0);
        let commonest = tally.commonest(&[State::Invalid, State::Failed]).unwrap();
        assert_eq!(commonest.code.as_deref(), Some("not_an_id"));
        assert_eq!(tally.commonest(&[State::Failed]), None);
    }

    #[test]
    fn what_is_common_is_counted_among_ever_so_many_that_are_not() {
        let mut tally = Tally::default();
        let n = 20 * KEPT_MAX as u64;
        for line in 0..n {
            let letters: String =
                line.to_string().bytes().map(|digit| char::from(digit + b'a' - b'0')).collect();
            refused(&mut tally, line, &format!("{letters} não existe"));
            refused(&mut tally, line, &format!("{line} não existe"));
        }
        assert!(tally.kept.len() <= KEPT_MAX, "{}", tally.kept.len());
        let reasons = tally.reasons();
        assert_eq!((reasons.told.len(), reasons.told[0].n_rows), (REASONS_MAX, n));
        assert_eq!(reasons.told[0].message.as_deref(), Some("… não existe"));
        let n_told: u64 = reasons.told.iter().map(|reason| reason.n_rows).sum();
        assert_eq!(n_told + reasons.n_others, 2 * n);
    }

    #[test]
    fn long_words_are_told_from_their_beginning() {
        let mut tally = Tally::default();
        let long = "ç".repeat(WORDS_CHARS_MAX);
        refused(&mut tally, 2, &long);
        refused(&mut tally, 3, &format!("{long} 7"));
        let reasons = tally.reasons();
        assert_eq!((reasons.told[0].n_rows, reasons.told[0].message.as_deref()), (2, Some(&*long)));
    }
}
