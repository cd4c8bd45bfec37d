//! Rows in the order of results, page by page.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow};

use super::super::PgOutbox;
use super::super::columns::{cell, each_field};
use super::super::error::Trouble;
use super::filter::{OF_PROGRAMS, ReadFilter, of_files};
use crate::delivery::{OutboxError, State};
use crate::outbox::names::{INVALID, any_of};
use crate::outbox::stored::{self, Page, ProblemColumns};
use crate::outbox::{Cursor, RowProblems, Scope};
use crate::ticket::Field;

/// Rows of files come in their order; those that programs inserted follow, in theirs, behind this
/// place.
const PROGRAMS: i64 = 1 << 62;

/// Of `o`.
pub(super) fn place() -> String {
    format!("coalesce(o.record, o.id + {PROGRAMS})")
}

/// The head of an entry of a [`Page`].
pub(super) const ROW_HEAD: &str = "json_build_array(o.id, o.line, o.lote,
    (SELECT l.code FROM mutirao.batch l WHERE l.name = o.lote), o.referencia, o.state, o.protocolo, o.id_atendimento,
    array_remove(o.ids_ordem_servico, NULL), array_remove(o.numeros_ordem_servico, NULL), greatest(o.attempts, 0),
    o.error_code, o.error_message, o.warning, o.gone::int, (r.whole IS NOT NULL)::int, o.place)";

/// Of `o`: what a producer says, as JSON of a [`RawTicket`](crate::ticket::RawTicket).
pub(super) fn raw_ticket() -> String {
    format!("json_build_array({})", Field::STORED.map(cell).join(", "))
}

/// `r.cells`, or for a row that came from a program its fields under the columns `$4`.
fn cells() -> String {
    format!(
        "coalesce(r.cells, (SELECT coalesce(json_agg(coalesce(f.fields ->> c.name, '') ORDER BY c.n), '[]')::text
                              FROM (SELECT json_build_object({}) AS fields) AS f,
                                   unnest($4::text[]) WITH ORDINALITY AS c(name, n)))",
        each_field(|field| format!("'{field}', {}", cell(field)))
    )
}

impl PgOutbox {
    /// The rows of `scope` in input order, at most `n` of them, after the one where `after` stands.
    pub async fn rows_page(&self, scope: Scope, after: Cursor, n: usize) -> Result<Page, OutboxError> {
        let sql = |page: &str| {
            format!(
                "SELECT '[' || string_agg('[' || {ROW_HEAD} || ',' || {} || ']', ',' ORDER BY o.place) || ']'
                   FROM {page} AS o LEFT JOIN mutirao.record r ON r.id = o.record HAVING count(*) <> 0",
                cells(),
            )
        };
        let found: Vec<(String,)> = self.page(scope, after, n, "true", sql).await?;
        Ok(Page::new(found.into_iter().next().map(|(rows,)| rows)))
    }

    /// The rows of `scope` that need a person, with what is wrong with them, in input order.
    pub async fn problems_page(
        &self,
        scope: Scope,
        after: Cursor,
        n: usize,
    ) -> Result<(Vec<RowProblems>, Option<Cursor>), OutboxError> {
        let sql = |page: &str| {
            format!(
                "SELECT o.line, o.place, o.state, r.problems, {}::text, o.error_code, o.error_message
                   FROM {page} AS o LEFT JOIN mutirao.record r ON r.id = o.record AND o.state = {INVALID}
                  ORDER BY o.place",
                raw_ticket()
            )
        };
        let which = format!("o.state IN {} AND o.purged_at IS NULL", any_of(&State::NEEDS_A_PERSON));
        let found: Vec<ProblemColumns> = self.page(scope, after, n, &which, sql).await?;
        stored::problems_of_rows(found)
    }

    /// What `sql` says of the next page of rows that are as `which` says.
    async fn page<T>(
        &self,
        scope: Scope,
        after: Cursor,
        n: usize,
        which: &str,
        sql: impl Fn(&str) -> String,
    ) -> Result<Vec<T>, OutboxError>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut conn = self.conn().await?;
        let filter = ReadFilter::of(scope, &mut conn).await?;
        for page in placed(after, which) {
            let found: Vec<T> = sqlx::query_as(AssertSqlSafe(sql(&page)))
                .bind(filter.batch)
                .bind(&filter.lote)
                .bind(filter.import)
                .bind(&filter.headers)
                .bind(after.0)
                .bind(i64::try_from(n).unwrap_or(i64::MAX))
                .persistent(false)
                .fetch_all(&mut *conn)
                .await
                .trouble()?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

/// The rows of the next page with their places, as SQL: `$5` after, `$6` how many (and `$4`, the
/// columns). Where the first has none, those of the second. Each goes by its own index.
fn placed(after: Cursor, which: &str) -> Vec<String> {
    let place = place();
    let of = |rows: &str, order: &str, from: &str| {
        format!(
            "(SELECT o.*, {place} AS place FROM mutirao.outbox o
               WHERE {rows} AND {which} AND {from} < {order} ORDER BY {order} LIMIT $6::bigint)"
        )
    };
    let of_files = of(&of_files(), "o.record", "$5::bigint");
    let of_programs = of(OF_PROGRAMS, "o.id", &format!("$5::bigint - {PROGRAMS}"));
    if after.0 < PROGRAMS { vec![of_files, of_programs] } else { vec![of_programs] }
}
