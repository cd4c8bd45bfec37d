//! Why rows were not opened.
//!
//! Rows are counted here and not by SQL: a million of them with numbers of their own in their words took
//! SQLite most of a minute, to fold and to sort.

use std::borrow::Cow;

use serde::Deserialize;
use sqlx::AssertSqlSafe;

use super::Reader;
use super::error::Trouble;
use super::read::in_scope;
use crate::delivery::OutboxError;
use crate::outbox::filter::Filter;
use crate::outbox::names::{INVALID, PENDING, any_of, state_of};
use crate::outbox::reasons::{WITH_REASON, WORDS_CHARS_MAX};
use crate::outbox::stored::{Text, stored, unreadable};
use crate::outbox::{ExampleRow, Reasons, Scope, Tally, Why};

/// Rows that are read at a time.
const PAGE_ROWS: i64 = 1000;

impl Reader {
    /// Why rows of `scope` were not opened.
    pub async fn reasons(&self, scope: Scope) -> Result<Reasons, OutboxError> {
        let filter = Filter::of(scope);
        let sql = format!(
            "SELECT max(o.record),
                    json_group_array(json_array(o.state, o.error_code, substr(o.error_message, 1, {WORDS_CHARS_MAX}),
                        iif(o.state = {INVALID}, (SELECT r.problems FROM record r WHERE r.id = o.record), NULL),
                        o.line, o.referencia))
               FROM (SELECT * FROM outbox o
                      WHERE ?3 < o.record AND {} AND o.state IN {}
                        AND (o.state <> {PENDING} OR o.error_code IS NOT NULL)
                      ORDER BY o.record LIMIT +?4) AS o",
            in_scope(),
            any_of(&WITH_REASON),
        );
        let (mut tally, mut after) = (Tally::default(), i64::MIN);
        loop {
            let (last, rows): (Option<i64>, String) = sqlx::query_as(AssertSqlSafe(sql.clone()))
                .bind(filter.batch)
                .bind(filter.import)
                .bind(after)
                .bind(PAGE_ROWS)
                .fetch_one(&mut *self.conn().await)
                .await
                .trouble()?;
            let Some(last) = last else { break };
            after = last;
            for row in stored::<Vec<StoredRow<'_>>>("outbox", &rows)? {
                row.count(&mut tally)?;
            }
        }
        Ok(tally.reasons())
    }
}

/// State, code, words, problems as JSON, line, reference.
#[derive(Deserialize)]
struct StoredRow<'a>(
    #[serde(borrow)] Text<'a>,
    #[serde(borrow)] Option<Text<'a>>,
    #[serde(borrow)] Option<Text<'a>>,
    #[serde(borrow)] Option<Text<'a>>,
    u64,
    #[serde(borrow)] Text<'a>,
);

#[derive(Deserialize)]
struct StoredProblem<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow)]
    field: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl StoredRow<'_> {
    fn count(&self, tally: &mut Tally) -> Result<(), OutboxError> {
        let Self(state, code, words, problems, line, referencia) = self;
        let state = state_of(&state.0).ok_or_else(|| unreadable("outbox.state"))?;
        let example = || ExampleRow { line: *line, referencia: referencia.0.clone().into_owned() };
        let problems: Vec<StoredProblem<'_>> = match problems {
            Some(problems) => stored("record.problems", &problems.0)?,
            None => Vec::new(),
        };
        for StoredProblem { code, field, message } in &problems {
            tally.add(Why { state, code, field, words: message }, example);
        }
        if problems.is_empty() {
            let code = code.as_ref().map_or("", |code| &code.0);
            let words = words.as_ref().map_or("", |words| &words.0);
            tally.add(Why { state, code, field: "", words }, example);
        }
        Ok(())
    }
}
