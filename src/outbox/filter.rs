//! Which rows a run or a question is about, as SQL takes it.

use super::Scope;

/// A scope as SQL takes it: `None` is no limit.
#[derive(Clone, Copy)]
pub(super) struct Filter {
    pub(super) batch: Option<i64>,
    pub(super) import: Option<i64>,
    /// The last place (`outbox.record`) to post from.
    pub(super) last_record: Option<i64>,
    /// Those of its import are posted though they are halted: a person asked for them, and knows.
    pub(super) is_past_halts: bool,
}

impl Filter {
    pub(super) fn of(scope: Scope) -> Self {
        let (batch, import) = match scope {
            Scope::All => (None, None),
            Scope::Batch(batch) => (Some(batch.0), None),
            Scope::Import { batch, import } => (Some(batch.0), Some(import.0)),
        };
        Self { batch, import, last_record: None, is_past_halts: false }
    }

    /// The rows of a scope, only to be looked up.
    pub(super) fn only_to_look(scope: Scope) -> Self {
        Self { last_record: Some(0), ..Self::of(scope) }
    }

    pub(super) fn is_only_to_look(self) -> bool {
        self.last_record == Some(0)
    }
}
