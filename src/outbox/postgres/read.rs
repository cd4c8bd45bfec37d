//! What can be seen of an outbox, by anybody who may read it.
//!
//! A lote that only programs wrote to, and that nobody has said anything of, has no row in `batch`:
//! its number is then its first row's, negated. So looking writes nothing, also on a standby.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::PgOutbox;
use super::columns::{cell, each_field};
use super::error::Trouble;
use super::values::Time;
use crate::delivery::code::BatchCode;
use crate::delivery::{OutboxError, RowId, State, Warning};
use crate::outbox::causes;
use crate::outbox::doubts::is_shown;
use crate::outbox::names::{IN_DOUBT, INVALID, UNCONFIRMED, any_of, state_of};
use crate::outbox::stored::{self, DetailsColumns, Page, count, stored, time, unreadable};
use crate::outbox::warnings::Dialect;
use crate::outbox::which::{to_post, told_of};
use crate::outbox::{
    BatchId, BatchInfo, Counts, Crew, Cursor, FileBatch, Halted, ImportId, ResultsInfo, RowDetails, RowName,
    RowProblems, Scope, SourceInfo, Status,
};
use crate::ticket::{Field, RawTicket};

/// Of `o`: the rows that are told of. `$1` batch, `$2` its name, `$3` import; NULL is no limit.
fn in_scope() -> String {
    format!(
        "{} AND ($3::bigint IS NULL OR o.import = $3)
         AND ($2::text IS NULL OR o.batch = $1::bigint AND o.record IS NOT NULL OR o.batch IS NULL AND o.lote = $2)",
        told_of("o", "mutirao.batch")
    )
}

/// Of `o`: those of [`in_scope`] that came in files, and those that programs inserted.
fn of_files() -> String {
    format!(
        "{} AND o.record IS NOT NULL AND ($3::bigint IS NULL OR o.import = $3)
         AND ($1::bigint IS NULL OR o.batch = $1)",
        told_of("o", "mutirao.batch")
    )
}

const OF_PROGRAMS: &str = "NOT o.gone AND o.record IS NULL AND ($3::bigint IS NULL OR o.import = $3)
    AND ($2::text IS NULL OR o.batch IS NULL AND o.lote = $2)";

/// Rows of files come in their order; those that programs inserted follow, in theirs, behind this
/// place.
const PROGRAMS: i64 = 1 << 62;
const PLACE: &str = "coalesce(o.record, o.id + (1::bigint << 62))";

/// Of pending rows: since when the first of them waits. A row that was never tried waits since it was due,
/// one that comes again since it was first tried. NULL if none waits.
const DUE_LONGEST: &str = "min(coalesce(o.sent_at, greatest(o.created_at, o.available_at)))
    FILTER (WHERE o.sent_at IS NOT NULL OR o.available_at <= timestamptz 'epoch' + $4::bigint * interval '1 millisecond')";

/// The head of an entry of a [`Page`].
const ROW_HEAD: &str = "json_build_array(o.id, o.line, o.lote,
    (SELECT l.code FROM mutirao.batch l WHERE l.name = o.lote), o.referencia, o.state, o.protocolo, o.id_atendimento,
    array_remove(o.ids_ordem_servico, NULL), array_remove(o.numeros_ordem_servico, NULL), greatest(o.attempts, 0),
    o.error_code, o.error_message, o.warning, o.gone::int, (r.whole IS NOT NULL)::int, o.place)";

/// Of `o`: what a producer says, as JSON of a [`RawTicket`].
fn raw_ticket() -> String {
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

/// A time in milliseconds, or NULL. What no clock shows becomes the end of times.
fn ms(column: &str) -> String {
    format!(
        "CASE WHEN isfinite({column}) THEN floor(extract(epoch FROM {column}) * 1000)::bigint
              WHEN {column} > now() THEN {} WHEN {column} < now() THEN {} END",
        i64::MAX,
        i64::MIN + 1,
    )
}

/// The columns of results of rows that came from programs.
pub(super) fn field_names() -> Vec<String> {
    Field::ALL.map(|field| field.name().to_owned()).to_vec()
}

/// A scope as reads and commands take it: with its name, and the columns of its results.
#[derive(Debug, Default)]
pub(super) struct ReadFilter {
    pub(super) batch: Option<i64>,
    /// Its name.
    pub(super) lote: Option<String>,
    pub(super) import: Option<i64>,
    /// The columns of its results.
    headers: Vec<String>,
}

impl ReadFilter {
    pub(super) fn of_import(import: ImportId) -> Self {
        Self { import: Some(import.0), ..Self::default() }
    }

    pub(super) async fn of(scope: Scope, conn: &mut PgConnection) -> Result<Self, OutboxError> {
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

    /// The invalid rows of `scope` with all their problems, in input order.
    pub async fn problems_page(
        &self,
        scope: Scope,
        after: Cursor,
        n: usize,
    ) -> Result<(Vec<RowProblems>, Option<Cursor>), OutboxError> {
        type Columns = (i64, i64, i64, String, Option<String>, String);
        let sql = |page: &str| {
            format!(
                "SELECT o.id, o.line, o.place, o.state, r.problems, {}::text
                   FROM {page} AS o LEFT JOIN mutirao.record r ON r.id = o.record ORDER BY o.place",
                raw_ticket()
            )
        };
        let which = &format!("o.state = {INVALID} AND o.purged_at IS NULL");
        let found: Vec<Columns> = self.page(scope, after, n, which, sql).await?;
        let next = found.last().map(|(_, _, place, ..)| Cursor(*place));
        let rows = found.iter().map(|(id, line, _, state, of_line, fields)| {
            let state = state_of(state).ok_or_else(|| unreadable("outbox.state"))?;
            let fields: RawTicket<'_> = stored("outbox fields", fields)?;
            let problems = stored::problems(state, of_line.as_deref(), &fields)?;
            Ok(RowProblems { row: RowId(*id), line: count(*line), problems })
        });
        Ok((rows.collect::<Result<_, OutboxError>>()?, next))
    }

    /// The rows of `scope` by state.
    pub async fn counts(&self, scope: Scope) -> Result<Counts, OutboxError> {
        let mut conn = self.conn().await?;
        let filter = ReadFilter::of(scope, &mut conn).await?;
        counts(&mut conn, &filter).await
    }

    /// Counts, and what waits.
    pub async fn status(&self, scope: Scope, now: Timestamp) -> Result<Status, OutboxError> {
        let mut conn = self.conn().await?;
        let filter = ReadFilter::of(scope, &mut conn).await?;
        let (in_scope, waiting) = (in_scope(), any_of(&State::WAITING));
        let sql = format!(
            "SELECT count(*) FILTER (WHERE o.available_at <= timestamptz 'epoch' + $4::bigint * interval '1 millisecond'),
                    {}, {},
                    (SELECT {} FROM mutirao.outbox o WHERE {in_scope} AND o.state = {UNCONFIRMED})
               FROM mutirao.outbox o WHERE {in_scope} AND o.state IN {waiting}",
            ms(DUE_LONGEST),
            ms(&format!("min(o.available_at) FILTER (WHERE o.state = {IN_DOUBT})")),
            ms("min(o.doubt_since)")
        );
        type Columns = (i64, Option<i64>, Option<i64>, Option<i64>);
        let (due_now, oldest, look_up, unsure): Columns = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(&filter.lote)
            .bind(filter.import)
            .bind(now.as_millisecond())
            .persistent(false)
            .fetch_one(&mut *conn)
            .await
            .trouble()?;
        Ok(Status {
            counts: counts(&mut conn, &filter).await?,
            due_now: count(due_now),
            oldest_pending: oldest.map(time),
            next_look_up: look_up.map(time),
            oldest_unconfirmed: unsure.map(time),
        })
    }

    /// What the batch of this code is called.
    pub async fn batch_name(&self, code: BatchCode) -> Result<Option<String>, OutboxError> {
        let sql = "SELECT name FROM mutirao.batch WHERE code = $1";
        sqlx::query_scalar(sql)
            .bind(code.number())
            .persistent(false)
            .fetch_optional(&mut *self.conn().await?)
            .await
            .trouble()
    }

    /// What is known of a batch; `None` if it has no rows and no file.
    pub async fn batch_info(&self, name: &str) -> Result<Option<BatchInfo>, OutboxError> {
        type Columns = (i64, Option<i32>, i64, Option<i64>, Option<String>, Option<i64>, bool);
        let mut conn = self.conn().await?;
        let sql = format!(
            "SELECT b.id, b.code, {}, {}, b.summary, b.source, true FROM mutirao.batch b WHERE b.name = $1
             UNION ALL
             SELECT -min(o.id), NULL, {}, NULL, NULL, NULL, false FROM mutirao.outbox o
              WHERE o.lote = $1 AND o.batch IS NULL HAVING count(*) <> 0
              ORDER BY 7 DESC",
            ms("b.created_at"),
            ms("b.finished_at"),
            ms("min(o.created_at)"),
        );
        let found: Vec<Columns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(name)
            .persistent(false)
            .fetch_all(&mut *conn)
            .await
            .trouble()?;
        let is_produced = found.iter().any(|(.., has_name)| !has_name);
        let Some((id, code, created_at, finished_at, summary, source, _)) = found.into_iter().next() else {
            return Ok(None);
        };
        let filter = ReadFilter::of(Scope::Batch(BatchId(id)), &mut conn).await?;
        let counts = counts(&mut conn, &filter).await?;
        let source = match source {
            Some(source) => source_info(&mut conn, source).await?,
            None if is_produced => produced(name, counts.total(), time(created_at)),
            None => return Ok(None),
        };
        let sql = format!(
            "SELECT {} FROM mutirao.outbox o WHERE o.batch = $1 OR o.batch IS NULL AND o.lote = $2",
            ms("greatest(max(o.sent_at), max(o.created_at))"),
        );
        let active_at: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(id)
            .bind(name)
            .persistent(false)
            .fetch_one(&mut *conn)
            .await
            .trouble()?;
        let sql = "SELECT folder, excel_safe FROM mutirao.source WHERE batch = $1 AND folder IS NOT NULL
                    ORDER BY id DESC LIMIT 1";
        let results =
            sqlx::query_as(sql).bind(id).persistent(false).fetch_optional(&mut *conn).await.trouble()?;
        let active_at = active_at.into_iter().chain(finished_at).max().unwrap_or(created_at);
        Ok(Some(BatchInfo {
            active_at: time(active_at).max(source.imported_at),
            id: BatchId(id),
            name: name.to_owned(),
            code: code.and_then(|number| BatchCode::of_number(number.into())),
            created_at: time(created_at),
            finished_at: finished_at.map(time),
            summary,
            counts,
            source,
            results: results.map(ResultsInfo::stored),
        }))
    }

    /// Whole files with these rows that were imported since: name and code of their batch, and when.
    pub async fn imports_of(
        &self,
        content: &str,
        since: Timestamp,
    ) -> Result<Vec<(String, Option<BatchCode>, Timestamp)>, OutboxError> {
        let sql = format!(
            "SELECT b.name, b.code::bigint, {} FROM mutirao.source s JOIN mutirao.batch b ON b.id = s.batch
              WHERE s.content = $1 AND s.kind = 'whole'",
            ms("s.imported_at"),
        );
        let found: Vec<(String, i64, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(content)
            .persistent(false)
            .fetch_all(&mut *self.conn().await?)
            .await
            .trouble()?;
        let found = found.into_iter().map(|(name, code, at)| (name, BatchCode::of_number(code), time(at)));
        Ok(found.filter(|(_, _, at)| since <= *at).collect())
    }

    /// The batches of files whose names begin with `prefix`.
    pub async fn batches_of_files(&self, prefix: &str) -> Result<Vec<FileBatch>, OutboxError> {
        let sql = format!(
            "SELECT b.name, s.content, {} FROM mutirao.batch b JOIN mutirao.source s ON s.id = b.source
              WHERE starts_with(b.name, $1) ORDER BY b.name",
            ms("s.imported_at")
        );
        let found: Vec<(String, String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(prefix)
            .persistent(false)
            .fetch_all(&mut *self.conn().await?)
            .await
            .trouble()?;
        Ok(found.into_iter().map(FileBatch::stored).collect())
    }

    /// Where imports wrote results of batches of which rows were purged at `at`; of at most `n` folders.
    pub async fn folders_of_purged(&self, at: Timestamp, n: usize) -> Result<Vec<String>, OutboxError> {
        let sql = "SELECT DISTINCT s.folder FROM mutirao.source s
                    WHERE s.folder IS NOT NULL
                      AND EXISTS (SELECT FROM mutirao.outbox o WHERE o.batch = s.batch AND o.purged_at = $1)
                    ORDER BY 1 LIMIT $2";
        sqlx::query_scalar(sql)
            .bind(Time(at))
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .persistent(false)
            .fetch_all(&mut *self.conn().await?)
            .await
            .trouble()
    }

    /// The names of at most `n` batches that have rows.
    pub async fn batch_names(&self, n: usize) -> Result<Vec<String>, OutboxError> {
        sqlx::query_scalar(include_str!("batch_names.sql"))
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .persistent(false)
            .fetch_all(&mut *self.conn().await?)
            .await
            .trouble()
    }

    /// One row, whole; `None` if there is none of that name.
    pub async fn row(&self, name: RowName<'_>) -> Result<Option<RowDetails>, OutboxError> {
        let mut conn = self.conn().await?;
        let id = match name {
            RowName::Id(id) => Some(id.0),
            RowName::Line { batch, line } => {
                // Lines of other files may have the number too: rows that are gone, rows that came
                // with a correction. The batch's own file comes first.
                let sql = "SELECT o.id
                             FROM mutirao.batch b JOIN mutirao.outbox o ON o.batch = b.id
                                  JOIN mutirao.record r ON r.id = o.record
                            WHERE b.name = $1 AND o.line = $2 AND o.record IS NOT NULL
                            ORDER BY o.gone, r.source IS DISTINCT FROM b.source, o.id LIMIT 1";
                sqlx::query_scalar(sql)
                    .bind(batch)
                    .bind(i64::try_from(line).unwrap_or(i64::MAX))
                    .persistent(false)
                    .fetch_optional(&mut *conn)
                    .await
                    .trouble()?
            }
            RowName::Reference { lote, referencia } => {
                let sql = "SELECT id FROM mutirao.outbox WHERE lote = $1 AND referencia = $2 ORDER BY gone, id LIMIT 1";
                sqlx::query_scalar(sql)
                    .bind(lote)
                    .bind(referencia)
                    .persistent(false)
                    .fetch_optional(&mut *conn)
                    .await
                    .trouble()?
            }
        };
        match id {
            Some(id) => details(&mut conn, id).await,
            None => Ok(None),
        }
    }

    /// The host that the outbox is bound to, once something was sent.
    pub async fn host(&self) -> Result<Option<String>, OutboxError> {
        let sql = "SELECT value FROM mutirao.meta WHERE key = 'host'";
        sqlx::query_scalar(sql).persistent(false).fetch_optional(&mut *self.conn().await?).await.trouble()
    }

    /// Who works on it, and what holds them back.
    pub async fn crew(&self) -> Result<Crew, OutboxError> {
        type Columns = (
            i64,
            Option<f64>,
            bool,
            Option<String>,
            Option<String>,
            Option<i64>,
            Option<String>,
            Option<String>,
            String,
        );
        let mut conn = self.conn().await?;
        let sql = format!(
            "SELECT w.n, w.rate, p.stopped_at IS NOT NULL, p.stop_reason, p.stop_cause::text,
                    CASE WHEN clock_timestamp() < p.paused_until THEN {} END, p.pause_reason, p.pause_cause::text,
                    p.breaker
               FROM mutirao.pace p,
                    (SELECT count(*) AS n, min(rate) AS rate FROM mutirao.worker
                      WHERE clock_timestamp() < lease_until) AS w",
            ms("p.paused_until")
        );
        let found: Option<Columns> = sqlx::query_as(AssertSqlSafe(sql))
            .persistent(false)
            .fetch_optional(&mut *conn)
            .await
            .trouble()?;
        let (n_workers, rate_per_s, is_stopped, stop, stop_cause, paused_until, pause, pause_cause, breaker) =
            found.ok_or_else(|| unreadable("pace"))?;
        Ok(Crew {
            n_workers: count(n_workers),
            rate_per_s,
            paused: is_stopped.then(|| causes::pause(stop_cause.as_deref(), stop.unwrap_or_default())),
            throttled: paused_until.map(|until| {
                (time(until), causes::throttle(pause_cause.as_deref(), pause.unwrap_or_default()))
            }),
            is_breaker_closed: breaker == "closed",
        })
    }

    /// The batches of which nothing is posted, by name.
    pub async fn halted(&self) -> Result<Vec<Halted>, OutboxError> {
        let sql = format!(
            "SELECT b.name, coalesce(b.halt_reason, ''), b.halt_cause::text,
                    (SELECT count(*) FROM mutirao.outbox o
                      WHERE {} AND NOT o.gone AND (o.batch = b.id OR o.batch IS NULL AND o.lote = b.name))
               FROM mutirao.batch b WHERE b.halted_at IS NOT NULL ORDER BY 1",
            to_post("o")
        );
        let asked = sqlx::query_as(AssertSqlSafe(sql)).persistent(false);
        let halted: Vec<(String, String, Option<String>, i64)> =
            asked.fetch_all(&mut *self.conn().await?).await.trouble()?;
        Ok(halted.into_iter().map(Halted::stored).collect())
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
    let of = |rows: &str, order: &str, from: &str| {
        format!(
            "(SELECT o.*, {PLACE} AS place FROM mutirao.outbox o
               WHERE {rows} AND {which} AND {from} < {order} ORDER BY {order} LIMIT $6::bigint)"
        )
    };
    let of_files = of(&of_files(), "o.record", "$5::bigint");
    let of_programs = of(OF_PROGRAMS, "o.id", "$5::bigint - (1::bigint << 62)");
    if after.0 < PROGRAMS { vec![of_files, of_programs] } else { vec![of_programs] }
}

pub(super) async fn counts(conn: &mut PgConnection, filter: &ReadFilter) -> Result<Counts, OutboxError> {
    let in_scope = in_scope();
    let sql = format!(
        "SELECT o.state, count(*), count(*) FILTER (WHERE {})
           FROM mutirao.outbox o WHERE {in_scope} GROUP BY o.state",
        Dialect::Postgres.has("o", &Warning::WithoutOs)
    );
    let states = sqlx::query_as(AssertSqlSafe(sql))
        .bind(filter.batch)
        .bind(&filter.lote)
        .bind(filter.import)
        .persistent(false)
        .fetch_all(conn)
        .await
        .trouble()?;
    Counts::of(states)
}

async fn source_info(conn: &mut PgConnection, source: i64) -> Result<SourceInfo, OutboxError> {
    type Columns = (String, String, String, String, String, String, i64, i64);
    let sql = format!(
        "SELECT file_name, sha256, content, encoding, delimiter, headers, n_rows, {} FROM mutirao.source WHERE id = $1",
        ms("imported_at")
    );
    let found: Columns =
        sqlx::query_as(AssertSqlSafe(sql)).bind(source).persistent(false).fetch_one(conn).await.trouble()?;
    let (file_name, sha256, content, encoding, delimiter, headers, n_rows, imported_at) = found;
    Ok(SourceInfo {
        import: ImportId(source),
        file_name,
        sha256,
        content,
        encoding,
        delimiter,
        headers: stored("source.headers", &headers)?,
        n_rows: count(n_rows),
        imported_at: time(imported_at),
    })
}

/// Of a lote without a file: results are written as Excel reads them right.
fn produced(lote: &str, n_rows: u64, since: Timestamp) -> SourceInfo {
    SourceInfo {
        import: ImportId(0),
        file_name: lote.to_owned(),
        sha256: String::new(),
        content: String::new(),
        encoding: String::new(),
        delimiter: ";".to_owned(),
        headers: field_names(),
        n_rows,
        imported_at: since,
    }
}

async fn details(conn: &mut PgConnection, id: i64) -> Result<Option<RowDetails>, OutboxError> {
    let sql = format!(
        "SELECT '[' || {ROW_HEAD} || ',' || coalesce(r.cells, '[]') || ']', {}::text,
                CASE WHEN o.purged_at IS NOT NULL THEN '[]' ELSE r.problems END,
                json_build_array(coalesce(b.name, o.lote),
                                 (SELECT l.key FROM mutirao.batch l WHERE l.name = o.lote), {}, {}, {}, {}, o.doubt_precaution::int, o.absences, {},
                                 o.answered, {}, {})::text
           FROM (SELECT *, {PLACE} AS place FROM mutirao.outbox o WHERE id = $1) AS o
                LEFT JOIN mutirao.record r ON r.id = o.record LEFT JOIN mutirao.batch b ON b.id = o.batch",
        raw_ticket(),
        ms("o.sent_at"),
        ms("o.available_at"),
        ms(&format!("(CASE WHEN {} THEN o.doubt_since END)", is_shown("o"))),
        ms("o.doubt_hubsoft_at"),
        ms("o.last_absence"),
        ms("o.finished_at"),
        ms("o.purged_at"),
    );
    let found: Option<DetailsColumns> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .persistent(false)
        .fetch_optional(&mut *conn)
        .await
        .trouble()?;
    let Some(found) = found else { return Ok(None) };
    let sql = format!(
        "SELECT {}, kind, verdict, http_status::bigint, latency_ms, note
           FROM mutirao.attempt WHERE row_id = $1 ORDER BY id",
        ms("at")
    );
    let history =
        sqlx::query_as(AssertSqlSafe(sql)).bind(id).persistent(false).fetch_all(conn).await.trouble()?;
    stored::details(found, history).map(Some)
}
