//! Why rows were not opened: those that have the same reason together, so that a person reads each once.
//!
//! A reason is a state, a code, and the words beside it. HubSoft puts ids and names of services into its
//! words (`Serviço 123 não encontrado`): so digits do not tell two reasons apart, and where they differ they
//! are shown as `#`. Other words do: nobody can tell a name in them from what is said of it.

use super::names::state_of;
use super::stored::{count, stored, unreadable};
use crate::delivery::{OutboxError, State};

/// Reasons that are told one by one; the others are counted together.
pub const REASONS_MAX: usize = 20;

/// Rows that are named of each reason.
pub const EXAMPLES_MAX: usize = 3;

/// Longest words of a reason. Characters.
pub(super) const WORDS_CHARS_MAX: usize = 300;

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
    /// HubSoft's words, or ours; `#` for digits that differ. `None`: there are none, or they were purged.
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

/// State, code, field, the first and the last of its words in the order of the alphabet, the words with `#`
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
