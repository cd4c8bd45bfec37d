//! Known rows take the place of their line; what the file no longer has is gone.

use sqlx::AssertSqlSafe;

use super::super::error::{Trouble, json, stored};
use super::Merge;
use crate::delivery::OutboxError;
use crate::outbox::merges::gone;
use crate::outbox::which::{unsent, unsettled};

/// Records that are deleted at a time.
const FORGET_STEP: i64 = 50_000;

impl Merge<'_> {
    /// Known rows move to their line of the new file; what the file no longer has is gone.
    pub(super) async fn replace(&mut self) -> Result<(), OutboxError> {
        if !self.was_filled {
            return Ok(());
        }
        let headers = self.headers_of_batch().await?;
        // Results say what was sent, where its columns are the same.
        let sql = "UPDATE record
                      SET fields = o.fields,
                          cells = iif(s.outdated IS NOT NULL
                                      AND (SELECT headers FROM source WHERE id = o.source)
                                          = (SELECT headers FROM source WHERE id = record.source),
                                      o.cells, record.cells)
                     FROM staged s, record o
                    WHERE record.id = s.record AND o.id = s.old_record AND s.changed AND NOT s.free";
        self.run(sql, &[]).await?;
        let sql = "UPDATE outbox SET batch = ?1, record = s.record, line = s.line, import = ?2, gone = 0,
                          purged_at = NULL
                     FROM staged s WHERE outbox.id = s.row";
        self.run(sql, &[self.batch, self.source]).await?;
        self.forget("old_record").await?;
        let which = "o.batch = ?1 AND o.import <> ?2 AND o.gone = 0";
        let sql =
            format!("SELECT count(*), count(*) FILTER (WHERE {}) FROM outbox o WHERE {which}", unsent("o"));
        self.gone = sqlx::query_as(AssertSqlSafe(sql))
            .bind(self.batch)
            .bind(self.source)
            .fetch_one(&mut *self.tx)
            .await
            .trouble()?;
        let sql = format!("UPDATE outbox AS o SET {} WHERE {which}", gone("?3"));
        self.run(sql, &[self.batch, self.source, self.now]).await?;
        self.keep_unsettled(&headers).await
    }

    /// What may have a ticket is told of until it is settled, though the file no longer has it: behind the
    /// rows that it has. `headers` are those of the batch's file until now.
    async fn keep_unsettled(&mut self, headers: &[String]) -> Result<(), OutboxError> {
        let sql = format!(
            "CREATE TEMP TABLE kept AS
             SELECT o.id, o.record AS old_record,
                    (SELECT max(id) FROM record) + row_number() OVER (ORDER BY o.record) AS record
               FROM outbox o WHERE o.batch = ?1 AND o.gone AND {}",
            unsettled("o")
        );
        self.run(sql, &[self.batch]).await?;
        let cells = cells_under(&self.headers, headers, "o.cells", "'[]'");
        let sql = format!(
            "INSERT INTO record (id, source, line, content_key, code, referencia, service, customer, repeat_key,
                                 fields, cells, problems, warning, whole)
             SELECT k.record, ?1, o.line, o.content_key, o.code, o.referencia, o.service, o.customer, o.repeat_key,
                    o.fields, {cells}, o.problems, o.warning, o.whole
               FROM kept k JOIN record o ON o.id = k.old_record"
        );
        self.run(sql, &[self.source]).await?;
        let sql = "UPDATE outbox SET record = k.record, import = ?1 FROM kept k WHERE outbox.id = k.id";
        self.run(sql, &[self.source]).await?;
        self.run("DELETE FROM record WHERE id IN (SELECT old_record FROM kept)", &[]).await?;
        self.run("DROP TABLE kept", &[]).await.map(drop)
    }

    /// Those of the batch's last whole file.
    pub(super) async fn headers_of_batch(&mut self) -> Result<Vec<String>, OutboxError> {
        let sql = "SELECT s.headers FROM batch b JOIN source s ON s.id = b.source WHERE b.id = ?1";
        let found: Option<String> =
            sqlx::query_scalar(sql).bind(self.batch).fetch_optional(&mut *self.tx).await.trouble()?;
        stored("source.headers", found.as_deref().unwrap_or("[]"))
    }

    /// Known rows keep their place and take on the new cells; one that was gone comes back at the end.
    pub(super) async fn correct(&mut self) -> Result<(), OutboxError> {
        let sql = "UPDATE record SET fields = n.fields, cells = n.cells, problems = n.problems,
                                     warning = n.warning, service = n.service, repeat_key = n.repeat_key,
                                     customer = coalesce(n.customer, record.customer),
                                     whole = CASE WHEN record.whole IS NOT NULL OR NOT s.changed THEN record.whole
                                                  WHEN (SELECT kind FROM source WHERE id = record.source) = 'whole'
                                                  THEN record.fields END
                     FROM staged s, record n
                    WHERE record.id = s.old_record AND n.id = s.record AND s.free AND NOT s.was_gone";
        self.run(sql, &[]).await?;
        let sql = "UPDATE record SET fields = o.fields, cells = o.cells FROM staged s, record o
                    WHERE record.id = s.record AND o.id = s.old_record AND s.was_gone AND NOT s.free";
        self.run(sql, &[]).await?;
        let sql =
            "UPDATE outbox SET import = ?1, gone = 0, record = iif(s.was_gone, s.record, outbox.record),
                                     line = iif(s.was_gone, s.line, outbox.line)
                     FROM staged s WHERE outbox.id = s.row";
        self.run(sql, &[self.source]).await?;
        self.forget("iif(was_gone, old_record, iif(row IS NULL, NULL, record))").await
    }

    /// Deletes the records that `which` names for each line; in steps, because SQLite collects what
    /// it is about to delete in memory.
    async fn forget(&mut self, which: &str) -> Result<(), OutboxError> {
        let sql = "SELECT coalesce(max(record), 0) FROM staged";
        let last: i64 = sqlx::query_scalar(sql).fetch_one(&mut *self.tx).await.trouble()?;
        let mut from = self.first_record;
        while from <= last {
            let sql = format!(
                "DELETE FROM record WHERE id IN (SELECT {which} FROM staged WHERE ?1 <= record AND record < ?2)"
            );
            self.run(sql, &[from, from + FORGET_STEP]).await?;
            from += FORGET_STEP;
        }
        Ok(())
    }

    /// Puts the cells of this file under the columns of the batch's file. A column that this file
    /// lacks keeps its old cells.
    pub(super) async fn rearrange(&mut self) -> Result<(), OutboxError> {
        let headers = self.headers_of_batch().await?;
        if headers == self.headers {
            return Ok(());
        }
        let sql = format!(
            "UPDATE record SET cells = {}
               FROM staged s LEFT JOIN outbox x ON x.lote = s.lote AND x.referencia = s.referencia
                             LEFT JOIN record o ON o.id = x.record
              WHERE record.id = s.record",
            cells_under(&headers, &self.headers, "record.cells", "o.cells")
        );
        self.run(sql, &[]).await.map(drop)
    }
}

/// The cells `cells`, which stand under `from`, under `to`; those of other columns are of `others`, which
/// stand under `to` already. The cells are SQL.
pub(super) fn cells_under(to: &[String], from: &[String], cells: &str, others: &str) -> String {
    let at: Vec<Option<usize>> =
        to.iter().map(|header| from.iter().position(|name| name == header)).collect();
    format!(
        "(SELECT json_group_array(coalesce(
                     iif(at.value IS NULL, json_extract({others}, '$[' || at.key || ']'),
                                           json_extract({cells}, '$[' || at.value || ']')), ''))
            FROM json_each('{}') AS at)",
        json(&at)
    )
}
