//! What can be seen of an outbox, by its owner and by anybody else.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::{Trouble, stored};
use super::{Reader, time};
use crate::delivery::{OutboxError, State};
use crate::outbox::doubts::is_shown;
use crate::outbox::filter::Filter;
use crate::outbox::names::{IN_DOUBT, INVALID, UNCONFIRMED, any_of};
use crate::outbox::status::StoredHalt;
use crate::outbox::stored::{self, DetailsColumns, Page, ProblemColumns, count};
use crate::outbox::warnings::Dialect;
use crate::outbox::which::{to_post, told_of};
use crate::outbox::{
    BatchId, BatchInfo, Counts, Cursor, FileBatch, Halted, ImportId, ResultsInfo, RowDetails, RowName,
    RowProblems, Scope, SourceInfo, Status,
};
use crate::ticket::code::BatchCode;

/// Of `o`: the rows that are told of. `?1` batch, `?2` import; NULL is no limit.
pub(super) fn in_scope() -> String {
    format!("{} AND (?1 IS NULL OR o.batch = ?1) AND (?2 IS NULL OR o.import = ?2)", told_of("o", "batch"))
}

/// The head of an entry of a [`Page`]; its cells are put in as they stand.
const ROW_HEAD: &str =
    "json_array(o.id, o.line, b.name, b.code, o.referencia, o.state, o.protocolo, o.id_atendimento,
    json(o.ids_os), json(o.numeros_os), o.attempts, o.error_code, o.error_message, o.warning, o.gone, r.whole IS NOT NULL, o.record)";

impl Reader {
    /// The rows of `scope` in input order, at most `n` of them, after the one where `after` stands.
    pub async fn rows_page(&self, scope: Scope, after: Cursor, n: usize) -> Result<Page, OutboxError> {
        let (filter, in_scope) = (Filter::of(scope), in_scope());
        let sql = format!(
            "SELECT '[' || group_concat('[' || {ROW_HEAD} || ',' || r.cells || ']') || ']'
               FROM (SELECT * FROM outbox o WHERE ?3 < o.record AND {in_scope} ORDER BY o.record LIMIT +?4) AS o
                    CROSS JOIN record r ON r.id = o.record CROSS JOIN batch b ON b.id = o.lote"
        );
        let json: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(filter.import)
            .bind(after.0)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_one(&mut *self.conn().await)
            .await
            .trouble()?;
        Ok(Page::new(json))
    }

    /// The rows of `scope` that need a person, with what is wrong with them, in input order.
    pub async fn problems_page(
        &self,
        scope: Scope,
        after: Cursor,
        n: usize,
    ) -> Result<(Vec<RowProblems>, Option<Cursor>), OutboxError> {
        let (filter, in_scope, states) = (Filter::of(scope), in_scope(), any_of(&State::NEEDS_A_PERSON));
        let sql = format!(
            "SELECT o.line, o.record, o.state, iif(o.state = {INVALID}, r.problems, NULL), r.fields,
                    o.error_code, o.error_message
               FROM (SELECT * FROM outbox o
                      WHERE ?3 < o.record AND {in_scope} AND o.state IN {states} AND o.purged_at IS NULL
                      ORDER BY o.record LIMIT +?4) AS o
                    CROSS JOIN record r ON r.id = o.record"
        );
        let found: Vec<ProblemColumns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(filter.import)
            .bind(after.0)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.conn().await)
            .await
            .trouble()?;
        stored::problems_of_rows(found)
    }

    /// The rows of `scope` by state.
    pub async fn counts(&self, scope: Scope) -> Result<Counts, OutboxError> {
        counts(&mut *self.conn().await, Filter::of(scope)).await
    }

    /// Counts, and what waits.
    pub async fn status(&self, scope: Scope, now: Timestamp) -> Result<Status, OutboxError> {
        let mut conn = self.conn().await;
        let filter = Filter::of(scope);
        let (in_scope, waiting) = (in_scope(), any_of(&State::WAITING));
        let sql = format!(
            "SELECT count(*) FILTER (WHERE o.available_at <= ?3), min(o.record),
                    min(o.available_at) FILTER (WHERE o.state = {IN_DOUBT}),
                    (SELECT min(o.doubt_since) FROM outbox o WHERE {in_scope} AND o.state = {UNCONFIRMED})
               FROM outbox o WHERE {in_scope} AND o.state IN {waiting}"
        );
        type Columns = (i64, Option<i64>, Option<i64>, Option<i64>);
        let (due_now, oldest, look_up, unsure): Columns = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(filter.import)
            .bind(now.as_millisecond())
            .fetch_one(&mut *conn)
            .await
            .trouble()?;
        let sql = "SELECT s.imported_at FROM record r JOIN source s ON s.id = r.source WHERE r.id = ?1";
        let oldest: Option<i64> =
            sqlx::query_scalar(sql).bind(oldest).fetch_optional(&mut *conn).await.trouble()?;
        Ok(Status {
            counts: counts(&mut conn, filter).await?,
            due_now: count(due_now),
            oldest_pending: oldest.map(time),
            next_look_up: look_up.map(time),
            oldest_unconfirmed: unsure.map(time),
        })
    }

    /// What the batch of this code is called.
    pub async fn batch_name(&self, code: BatchCode) -> Result<Option<String>, OutboxError> {
        let sql = "SELECT name FROM batch WHERE code = ?1";
        sqlx::query_scalar(sql).bind(code.number()).fetch_optional(&mut *self.conn().await).await.trouble()
    }

    /// What is known of a batch; `None` if nothing was ever imported under that name.
    pub async fn batch_info(&self, name: &str) -> Result<Option<BatchInfo>, OutboxError> {
        type Row = (
            i64,
            i64,
            i64,
            Option<i64>,
            Option<String>,
            i64,
            String,
            String,
            String,
            String,
            String,
            String,
            i64,
            i64,
        );
        let mut conn = self.conn().await;
        let sql = "SELECT b.id, b.code, b.created_at, b.finished_at, b.summary, s.id, s.file_name, s.sha256, s.content,
                          s.encoding, s.delimiter, s.headers, s.n_rows, s.imported_at
                     FROM batch b JOIN source s ON s.id = b.source WHERE b.name = ?1";
        let found: Option<Row> =
            sqlx::query_as(sql).bind(name.to_owned()).fetch_optional(&mut *conn).await.trouble()?;
        let Some((
            id,
            code,
            created_at,
            finished_at,
            summary,
            import,
            file_name,
            sha256,
            content,
            encoding,
            delimiter,
            headers,
            n_rows,
            imported_at,
        )) = found
        else {
            return Ok(None);
        };
        let sql = "SELECT max(coalesce(max(o.sent_at), 0), (SELECT max(s.imported_at) FROM source s WHERE s.batch = ?1))
                     FROM outbox o WHERE o.batch = ?1";
        let active_at: Option<i64> =
            sqlx::query_scalar(sql).bind(id).fetch_one(&mut *conn).await.trouble()?;
        let sql = "SELECT folder, excel_safe FROM source WHERE batch = ?1 AND folder IS NOT NULL
                    ORDER BY id DESC LIMIT 1";
        let results = sqlx::query_as(sql).bind(id).fetch_optional(&mut *conn).await.trouble()?;
        let filter = Filter::of(Scope::Batch(BatchId(id)));
        Ok(Some(BatchInfo {
            results: results.map(ResultsInfo::stored),
            active_at: time(active_at.into_iter().chain(finished_at).max().unwrap_or(created_at)),
            id: BatchId(id),
            name: name.to_owned(),
            code: BatchCode::of_number(code),
            created_at: time(created_at),
            finished_at: finished_at.map(time),
            summary,
            counts: counts(&mut conn, filter).await?,
            source: SourceInfo {
                import: ImportId(import),
                file_name,
                sha256,
                content,
                encoding,
                delimiter,
                headers: stored("source.headers", &headers)?,
                n_rows: count(n_rows),
                imported_at: time(imported_at),
            },
        }))
    }

    /// The latest file that was imported into a batch.
    pub async fn last_import(&self, batch: &str) -> Result<Option<(ImportId, Timestamp)>, OutboxError> {
        let sql = "SELECT s.id, s.imported_at FROM source s JOIN batch b ON b.id = s.batch
                    WHERE b.name = ?1 ORDER BY s.id DESC LIMIT 1";
        let asked = sqlx::query_as(sql).bind(batch.to_owned());
        let last: Option<(i64, i64)> = asked.fetch_optional(&mut *self.conn().await).await.trouble()?;
        Ok(last.map(|(import, at)| (ImportId(import), time(at))))
    }

    /// Whole files with these rows that were imported since: name and code of their batch, and when.
    pub async fn imports_of(
        &self,
        content: &str,
        since: Timestamp,
    ) -> Result<Vec<(String, Option<BatchCode>, Timestamp)>, OutboxError> {
        let sql = "SELECT b.name, b.code, s.imported_at FROM source s JOIN batch b ON b.id = s.batch
                    WHERE s.content = ?1 AND s.kind = 'whole' AND ?2 <= s.imported_at";
        let found: Vec<(String, i64, i64)> = sqlx::query_as(sql)
            .bind(content.to_owned())
            .bind(since.as_millisecond())
            .fetch_all(&mut *self.conn().await)
            .await
            .trouble()?;
        let found = found.into_iter();
        Ok(found.map(|(name, code, at)| (name, BatchCode::of_number(code), time(at))).collect())
    }

    /// The batches of files whose names begin with `prefix`.
    pub async fn batches_of_files(&self, prefix: &str) -> Result<Vec<FileBatch>, OutboxError> {
        let sql = "SELECT b.name, s.content, s.imported_at FROM batch b JOIN source s ON s.id = b.source
                    WHERE substr(b.name, 1, length(?1)) = ?1 ORDER BY b.name";
        let found: Vec<(String, String, i64)> =
            sqlx::query_as(sql).bind(prefix.to_owned()).fetch_all(&mut *self.conn().await).await.trouble()?;
        Ok(found.into_iter().map(FileBatch::stored).collect())
    }

    /// Where imports wrote results of batches of which rows were purged at `at`; of at most `n` folders.
    pub async fn folders_of_purged(&self, at: Timestamp, n: usize) -> Result<Vec<String>, OutboxError> {
        let sql = "SELECT DISTINCT s.folder FROM source s
                    WHERE s.folder IS NOT NULL
                      AND EXISTS (SELECT 1 FROM outbox o WHERE o.batch = s.batch AND o.purged_at = ?1)
                    ORDER BY 1 LIMIT ?2";
        sqlx::query_scalar(sql)
            .bind(at.as_millisecond())
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.conn().await)
            .await
            .trouble()
    }

    /// The names of at most `n` batches that have rows.
    pub async fn batch_names(&self, n: usize) -> Result<Vec<String>, OutboxError> {
        let sql = "SELECT name FROM batch WHERE source IS NOT NULL ORDER BY name LIMIT ?1";
        sqlx::query_scalar(sql)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.conn().await)
            .await
            .trouble()
    }

    /// The names of at most `n` batches, of what came in last first.
    pub async fn latest_batches(&self, n: usize) -> Result<Vec<String>, OutboxError> {
        let sql = "SELECT b.name FROM batch b JOIN source s ON s.id = b.source
                    ORDER BY s.imported_at DESC, b.id DESC LIMIT ?1";
        sqlx::query_scalar(sql)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.conn().await)
            .await
            .trouble()
    }

    /// One row, whole; `None` if there is none of that name.
    pub async fn row(&self, name: RowName<'_>) -> Result<Option<RowDetails>, OutboxError> {
        let mut conn = self.conn().await;
        let id = match name {
            RowName::Id(id) => Some(id.0),
            RowName::Line { batch, line } => {
                // Lines of other files may have the number too: rows that are gone, rows that came
                // with a correction. The batch's own file comes first.
                let sql = "SELECT o.id
                             FROM batch b JOIN outbox o ON o.batch = b.id JOIN record r ON r.id = o.record
                            WHERE b.name = ?1 AND o.line = ?2
                            ORDER BY o.gone, r.source IS NOT b.source, o.id LIMIT 1";
                sqlx::query_scalar(sql)
                    .bind(batch.to_owned())
                    .bind(i64::try_from(line).unwrap_or(i64::MAX))
                    .fetch_optional(&mut *conn)
                    .await
                    .trouble()?
            }
            RowName::Reference { lote, referencia } => {
                let sql = "SELECT o.id FROM batch b JOIN outbox o ON o.lote = b.id
                            WHERE b.name = ?1 AND o.referencia = ?2 ORDER BY o.gone, o.id LIMIT 1";
                sqlx::query_scalar(sql)
                    .bind(lote.to_owned())
                    .bind(referencia.to_owned())
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
        let sql = "SELECT value FROM meta WHERE key = 'host'";
        sqlx::query_scalar(sql).fetch_optional(&mut *self.conn().await).await.trouble()
    }

    /// The batches of which a worker posts nothing, by name.
    pub async fn halted(&self) -> Result<Vec<Halted>, OutboxError> {
        let sql = format!(
            "SELECT b.name, b.id, CAST(b.halted_at AS TEXT), coalesce(b.halt_reason, ''), b.halt_cause,
                    (SELECT count(*) FROM outbox o WHERE o.lote = b.id AND {} AND NOT o.gone)
               FROM batch b WHERE b.halted_at IS NOT NULL ORDER BY 1",
            to_post("o")
        );
        let halted: Vec<StoredHalt> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut *self.conn().await).await.trouble()?;
        Ok(halted.into_iter().map(Halted::stored).collect())
    }

    /// What keeps back rows of that batch.
    pub async fn halts_of(&self, batch: &str) -> Result<Vec<Halted>, OutboxError> {
        let mut halted = self.halted().await?;
        halted.retain(|halt| halt.lote == batch);
        Ok(halted)
    }
}

pub(super) async fn counts(conn: &mut SqliteConnection, filter: Filter) -> Result<Counts, OutboxError> {
    let in_scope = in_scope();
    let sql = format!(
        "SELECT o.state, count(*), {}
           FROM outbox o WHERE {in_scope} GROUP BY o.state",
        Dialect::Sqlite.counts("o")
    );
    let states = sqlx::query_as(AssertSqlSafe(sql))
        .bind(filter.batch)
        .bind(filter.import)
        .fetch_all(conn)
        .await
        .trouble()?;
    Counts::of(states)
}

async fn details(conn: &mut SqliteConnection, id: i64) -> Result<Option<RowDetails>, OutboxError> {
    let sql = format!(
        "SELECT '[' || {ROW_HEAD} || ',' || r.cells || ']', r.fields, r.problems,
                json_array(home.name, b.key, o.sent_at, o.available_at,
                           iif({}, o.doubt_since, NULL), o.doubt_hubsoft_at,
                           o.doubt_precaution, o.absences, o.last_absence, o.answered, o.finished_at,
                           o.purged_at)
           FROM outbox o JOIN record r ON r.id = o.record JOIN batch b ON b.id = o.lote
                JOIN batch home ON home.id = o.batch
          WHERE o.id = ?1",
        is_shown("o")
    );
    let found: Option<DetailsColumns> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *conn).await.trouble()?;
    let Some(found) = found else { return Ok(None) };
    let sql =
        "SELECT at, kind, verdict, http_status, latency_ms, note FROM attempt WHERE row = ?1 ORDER BY id";
    let history = sqlx::query_as(sql).bind(id).fetch_all(conn).await.trouble()?;
    stored::details(found, history).map(Some)
}
