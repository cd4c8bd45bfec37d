//! Why rows were not opened.

use sqlx::AssertSqlSafe;

use super::Reader;
use super::error::Trouble;
use super::read::in_scope;
use crate::delivery::OutboxError;
use crate::outbox::filter::Filter;
use crate::outbox::names::{INVALID, PENDING, any_of};
use crate::outbox::reasons::{EXAMPLES_MAX, REASONS_MAX, WITH_REASON, WORDS_CHARS_MAX};
use crate::outbox::{Reasons, Scope};

impl Reader {
    /// Why rows of `scope` were not opened.
    pub async fn reasons(&self, scope: Scope) -> Result<Reasons, OutboxError> {
        let filter = Filter::of(scope);
        let sql = format!(
            include_str!("reasons.sql"),
            chars_max = WORDS_CHARS_MAX,
            invalid = INVALID,
            pending = PENDING,
            in_scope = in_scope(),
            states = any_of(&WITH_REASON),
            folded = folded("message"),
            examples = EXAMPLES_MAX,
            reasons = REASONS_MAX,
        );
        let found = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(filter.import)
            .fetch_all(&mut *self.conn().await)
            .await
            .trouble()?;
        Reasons::of(found)
    }
}

/// `text` with `#` for each run of digits. Nothing else is a `U+0001` or `U+0002` there: words are printable.
fn folded(text: &str) -> String {
    let digits =
        (0..=9).fold(text.to_owned(), |text, digit| format!("replace({text}, '{digit}', char(1, 2))"));
    format!("replace(replace({digits}, char(2, 1), ''), char(1, 2), '#')")
}
