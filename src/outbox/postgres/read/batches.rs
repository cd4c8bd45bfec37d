//! Batches, and the files that they came from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::super::PgOutbox;
use super::super::error::Trouble;
use super::super::values::Time;
use super::{ReadFilter, counts, field_names, ms};
use crate::delivery::OutboxError;
use crate::outbox::stored::{count, stored, time};
use crate::outbox::{BatchId, BatchInfo, FileBatch, ImportId, ListedBatch, ResultsInfo, Scope, SourceInfo};
use crate::ticket::code::BatchCode;

impl PgOutbox {
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

    /// The latest file that was imported into a batch.
    pub async fn last_import(&self, batch: &str) -> Result<Option<(ImportId, Timestamp)>, OutboxError> {
        let sql = format!(
            "SELECT s.id, {} FROM mutirao.source s JOIN mutirao.batch b ON b.id = s.batch
              WHERE b.name = $1 ORDER BY s.id DESC LIMIT 1",
            ms("s.imported_at")
        );
        let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(batch).persistent(false);
        let last: Option<(i64, i64)> = asked.fetch_optional(&mut *self.conn().await?).await.trouble()?;
        Ok(last.map(|(import, at)| (ImportId(import), time(at))))
    }

    /// Whole files with these rows that were imported since: name and code of their batch, and when.
    pub async fn imports_of(
        &self,
        content: &str,
        since: Timestamp,
    ) -> Result<Vec<(String, Option<BatchCode>, Timestamp)>, OutboxError> {
        imports_of(&mut *self.conn().await?, content, since).await
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

    /// What is known of these batches, by their names; however many rows they have.
    pub async fn listed(&self, names: &[String]) -> Result<BTreeMap<String, ListedBatch>, OutboxError> {
        type Columns = (String, Option<i64>, Option<i64>, Option<String>);
        let sql = format!(
            "SELECT b.name, s.n_rows, {}, b.summary
               FROM mutirao.batch b LEFT JOIN mutirao.source s ON s.id = b.source WHERE b.name = ANY($1)",
            ms("b.finished_at")
        );
        let found: Vec<Columns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(names)
            .persistent(false)
            .fetch_all(&mut *self.conn().await?)
            .await
            .trouble()?;
        let listed = |(name, n_rows, finished_at, summary): Columns| {
            let (n_rows, finished_at) = (n_rows.map(count), finished_at.map(time));
            (name, ListedBatch { n_rows, finished_at, summary })
        };
        Ok(found.into_iter().map(listed).collect())
    }

    /// The names of at most `n` batches, of what came in last first.
    pub async fn latest_batches(&self, n: usize) -> Result<Vec<String>, OutboxError> {
        sqlx::query_scalar(include_str!("latest_batches.sql"))
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .persistent(false)
            .fetch_all(&mut *self.conn().await?)
            .await
            .trouble()
    }
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

pub(in crate::outbox::postgres) async fn imports_of(
    conn: &mut PgConnection,
    content: &str,
    since: Timestamp,
) -> Result<Vec<(String, Option<BatchCode>, Timestamp)>, OutboxError> {
    let sql = format!(
        "SELECT b.name, b.code::bigint, {} FROM mutirao.source s JOIN mutirao.batch b ON b.id = s.batch
          WHERE s.content = $1 AND s.kind = 'whole'",
        ms("s.imported_at"),
    );
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(content).persistent(false);
    let found: Vec<(String, i64, i64)> = asked.fetch_all(conn).await.trouble()?;
    let found = found.into_iter().map(|(name, code, at)| (name, BatchCode::of_number(code), time(at)));
    Ok(found.filter(|(_, _, at)| since <= *at).collect())
}
