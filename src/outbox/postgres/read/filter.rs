//! Which rows a read or a command is of.

use sqlx::PgConnection;

use super::super::error::Trouble;
use super::field_names;
use crate::delivery::OutboxError;
use crate::outbox::Scope;
use crate::outbox::stored::{stored, unreadable};
use crate::outbox::which::told_of;

/// A scope as reads and commands take it: with its name, and the columns of its results.
#[derive(Debug, Default)]
pub(in crate::outbox::postgres) struct ReadFilter {
    pub(in crate::outbox::postgres) batch: Option<i64>,
    /// Its name.
    pub(in crate::outbox::postgres) lote: Option<String>,
    pub(in crate::outbox::postgres) import: Option<i64>,
    /// The columns of its results.
    pub(super) headers: Vec<String>,
}

impl ReadFilter {
    pub(in crate::outbox::postgres) async fn of(
        scope: Scope,
        conn: &mut PgConnection,
    ) -> Result<Self, OutboxError> {
        let (batch, import) = match scope {
            Scope::All => return Ok(Self { headers: field_names(), ..Self::default() }),
            Scope::Batch(batch) => (batch, None),
            Scope::Import { batch, import } => (batch, Some(import.0)),
        };
        let sql =
            "SELECT b.name, s.headers FROM mutirao.batch b LEFT JOIN mutirao.source s ON s.id = b.source
                    WHERE b.id = $1
                   UNION ALL SELECT lote, NULL FROM mutirao.outbox WHERE id = -$1";
        let found: Option<(String, Option<String>)> =
            sqlx::query_as(sql).bind(batch.0).persistent(false).fetch_optional(conn).await.trouble()?;
        let (lote, headers) = found.ok_or_else(|| unreadable("batch"))?;
        let headers = match headers {
            Some(headers) => stored("source.headers", &headers)?,
            None => field_names(),
        };
        // An import has rows of one batch, whatever they are called.
        let lote = import.is_none().then_some(lote);
        Ok(Self { batch: Some(batch.0), lote, import, headers })
    }
}

/// Of `o`: the rows that are told of. `$1` batch, `$2` its name, `$3` import; NULL is no limit.
pub(super) fn in_scope() -> String {
    format!(
        "{} AND ($3::bigint IS NULL OR o.import = $3)
         AND ($2::text IS NULL OR o.batch = $1::bigint AND o.record IS NOT NULL OR o.batch IS NULL AND o.lote = $2)",
        told_of("o", "mutirao.batch")
    )
}

/// Of `o`: those of [`in_scope`] that came in files, and those that programs inserted.
pub(super) fn of_files() -> String {
    format!(
        "{} AND o.record IS NOT NULL AND ($3::bigint IS NULL OR o.import = $3)
         AND ($1::bigint IS NULL OR o.batch = $1)",
        told_of("o", "mutirao.batch")
    )
}

pub(super) const OF_PROGRAMS: &str =
    "NOT o.gone AND o.record IS NULL AND ($3::bigint IS NULL OR o.import = $3)
    AND ($2::text IS NULL OR o.batch IS NULL AND o.lote = $2)";
