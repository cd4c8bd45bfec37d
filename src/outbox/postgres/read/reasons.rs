//! Why rows were not opened.

use sqlx::AssertSqlSafe;

use super::super::PgOutbox;
use super::super::error::Trouble;
use super::filter::{ReadFilter, in_scope};
use super::pages::place;
use crate::delivery::OutboxError;
use crate::outbox::names::{INVALID, PENDING, any_of};
use crate::outbox::reasons::{EXAMPLES_MAX, REASONS_MAX, WITH_REASON, WORDS_CHARS_MAX};
use crate::outbox::{Reasons, Scope};

impl PgOutbox {
    /// Why rows of `scope` were not opened.
    pub async fn reasons(&self, scope: Scope) -> Result<Reasons, OutboxError> {
        let mut conn = self.conn().await?;
        let filter = ReadFilter::of(scope, &mut conn).await?;
        let sql = format!(
            include_str!("reasons.sql"),
            chars_max = WORDS_CHARS_MAX,
            place = place(),
            invalid = INVALID,
            pending = PENDING,
            in_scope = in_scope(),
            states = any_of(&WITH_REASON),
            examples = EXAMPLES_MAX,
            reasons = REASONS_MAX,
        );
        let found = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(&filter.lote)
            .bind(filter.import)
            .persistent(false)
            .fetch_all(&mut *conn)
            .await
            .trouble()?;
        Reasons::of(found)
    }
}
