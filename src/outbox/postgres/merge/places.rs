//! Where rows stand in the results, and the lines of the file that they stand for.

use std::time::Duration;

use sqlx::{Acquire, AssertSqlSafe};

use super::super::error::{Trouble, is_deadlock};
use super::super::read::{field_names, ms};
use super::{Merge, NOW, Places, Purpose, fields_of};
use crate::delivery::OutboxError;
use crate::outbox::merges::gone;
use crate::outbox::names::{IN_FLIGHT, merge_name};
use crate::outbox::stored::{count, json, stored};
use crate::outbox::warnings::Dialect;
use crate::outbox::which::{unsent, unsettled};
use crate::outbox::{MergeError, MergeKind, MergeOptions, ResultsInfo};
use crate::ticket::code::BatchCode;

/// How often rows that workers hold are waited for, when two waits cross.
const CROSSINGS_MAX: u32 = 5;

impl Merge {
    pub(super) async fn note_source(&mut self, options: &MergeOptions<'_>) -> Result<(), MergeError> {
        // As late as possible: whoever else speaks of the batch waits from here on.
        let sql = "INSERT INTO mutirao.batch (name, code)
                   VALUES ($1, coalesce($2, floor(random() * ($3::bigint + 1))::integer))
                       ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id, code::bigint";
        let wanted = self.code.map(BatchCode::number);
        let (batch, code): (i64, i64) = sqlx::query_as(sql)
            .bind(&self.name)
            .bind(wanted.and_then(|number| i32::try_from(number).ok()))
            .bind(BatchCode::MAX.number())
            .persistent(false)
            .fetch_one(&mut *self.tx)
            .await
            .trouble()?;
        if wanted.is_some_and(|number| number != code) {
            return Err(MergeError::Taken { batch: self.name.clone() });
        }
        self.batch = batch;
        let results = self.file.results.as_ref();
        let (folder, excel_safe) =
            (results.map(ResultsInfo::folder_text), results.map(|results| results.excel_safe));
        if self.kind == MergeKind::Whole && self.finds_its_places(options.sha256).await? {
            self.places = Places::Taken;
            let sql = format!(
                "UPDATE mutirao.source SET imported_at = {NOW}, folder = coalesce($3, folder),
                        excel_safe = coalesce($4, excel_safe) WHERE id = $2 RETURNING {}",
                ms("imported_at")
            );
            let again = sqlx::query_scalar(AssertSqlSafe(sql)).bind(self.now).bind(self.source);
            let again = again.bind(folder).bind(excel_safe).persistent(false);
            self.at = again.fetch_one(&mut *self.tx).await.trouble()?;
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO mutirao.source (imported_at, batch, kind, file_name, sha256, encoding, delimiter, headers,
                                         n_rows, content, folder, excel_safe)
             VALUES ({NOW}, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id, {}",
            ms("imported_at")
        );
        let source = sqlx::query_as(AssertSqlSafe(sql))
            .bind(self.now)
            .bind(self.batch)
            .bind(merge_name(self.kind))
            .bind(&self.file.file_name)
            .bind(options.sha256)
            .bind(&self.file.encoding)
            .bind(&self.file.delimiter)
            .bind(json(&self.file.headers))
            .bind(i64::try_from(self.file.n_rows).unwrap_or(i64::MAX))
            .bind(options.content)
            .bind(folder)
            .bind(excel_safe.unwrap_or_default())
            .persistent(false)
            .fetch_one(&mut *self.tx);
        (self.source, self.at) = source.await.trouble()?;
        Ok(())
    }

    /// Whether the batch's file comes again as it was, so that every row stands at its place. Not if
    /// a line was purged, which is filled anew, or if rows stand behind those of the file.
    async fn finds_its_places(&mut self, sha256: &str) -> Result<bool, OutboxError> {
        let sql = "SELECT s.id, s.headers FROM mutirao.batch b JOIN mutirao.source s ON s.id = b.source
                    WHERE b.id = $1 AND s.sha256 = $2 AND s.n_rows = $3";
        let found: Option<(i64, String)> = sqlx::query_as(sql)
            .bind(self.batch)
            .bind(sha256)
            .bind(i64::try_from(self.file.n_rows).unwrap_or(i64::MAX))
            .persistent(false)
            .fetch_optional(&mut *self.tx)
            .await
            .trouble()?;
        let Some((source, headers)) = found else { return Ok(false) };
        if sha256.is_empty() || headers != json(&self.file.headers) {
            return Ok(false);
        }
        let sql = "SELECT (SELECT count(*) FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id
                            WHERE x.import = $1 AND x.line = s.line AND x.batch = $2 AND NOT x.gone
                              AND x.purged_at IS NULL),
                          (SELECT count(*) FROM mutirao.outbox x
                            WHERE x.batch = $2 AND x.record IS NOT NULL AND (NOT x.gone OR x.import = $1))";
        let (n_placed, n_there): (i64, i64) = sqlx::query_as(sql)
            .bind(source)
            .bind(self.batch)
            .persistent(false)
            .fetch_one(&mut *self.tx)
            .await
            .trouble()?;
        self.source = source;
        Ok(count(n_placed) == self.file.n_rows && n_there == n_placed)
    }

    /// Puts the cells of a correction under the columns of the batch's file. A column that it lacks
    /// keeps its old cells.
    pub(super) async fn rearrange(&mut self) -> Result<(), OutboxError> {
        let headers = self.headers_of_batch().await?;
        if headers == self.file.headers {
            return Ok(());
        }
        let sql = format!(
            "UPDATE incoming AS i SET cells = {}
               FROM staged s LEFT JOIN mutirao.record o ON o.id = s.old_record WHERE s.record = i.record",
            cells_under(&headers, &self.file.headers, "i.cells", "o.cells")
        );
        self.run_sql(&sql, &[]).await.map(drop)
    }

    /// Those of the batch's last whole file.
    pub(super) async fn headers_of_batch(&mut self) -> Result<Vec<String>, OutboxError> {
        let sql = "SELECT s.headers FROM mutirao.batch b JOIN mutirao.source s ON s.id = b.source WHERE b.name = $1";
        let found = sqlx::query_scalar(sql).bind(&self.name).persistent(false).fetch_optional(&mut *self.tx);
        let found: Option<String> = found.await.trouble()?;
        found.map_or_else(|| Ok(field_names()), |found| stored("source.headers", &found))
    }

    /// The lines that rows will stand for. A row that stays where it is takes on the new cells.
    pub(super) async fn write_records(&mut self) -> Result<(), OutboxError> {
        if self.kind == MergeKind::Correction || self.places == Places::Taken {
            let sql = "UPDATE mutirao.record AS r
                          SET cells = i.cells, problems = i.problems, customer = coalesce(i.customer, r.customer)
                         FROM staged s JOIN incoming i ON i.record = s.record
                        WHERE r.id = s.old_record AND s.free AND NOT s.was_gone
                          AND (r.cells, r.problems, r.customer)
                              IS DISTINCT FROM (i.cells, i.problems, coalesce(i.customer, r.customer))";
            self.run_sql(sql, &[]).await?;
        }
        if self.kind == MergeKind::Correction {
            let sql = format!(
                "UPDATE mutirao.record AS r SET whole = {}
                   FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id
                  WHERE r.id = s.old_record AND s.free AND s.changed AND NOT s.was_gone AND r.whole IS NULL
                    AND EXISTS (SELECT FROM mutirao.source f WHERE f.id = r.source AND f.kind = 'whole')",
                fields_of("x")
            );
            self.run_sql(&sql, &[]).await?;
        }
        if self.places == Places::Taken {
            return Ok(());
        }
        let which = match self.kind {
            // A producer's row needs none.
            MergeKind::Whole => "s.row_id IS NULL OR s.old_record IS NOT NULL",
            MergeKind::Correction => {
                "s.row_id IS NULL OR s.old_record IS NOT NULL AND s.was_gone AND NOT s.busy"
            }
        };
        let (cells, problems) = match self.kind {
            // Results say what was sent, where its columns are the same.
            MergeKind::Whole => (
                "CASE WHEN s.outdated IS NOT NULL AND f.headers = (SELECT headers FROM mutirao.source WHERE id = $1)
                      THEN o.cells ELSE i.cells END",
                "i.problems",
            ),
            MergeKind::Correction => (
                "CASE WHEN s.was_gone AND NOT s.free THEN o.cells ELSE i.cells END",
                "CASE WHEN s.was_gone AND NOT s.free THEN o.problems ELSE i.problems END",
            ),
        };
        let sql = format!(
            "INSERT INTO mutirao.record (id, source, line, cells, problems, whole, customer)
             SELECT i.record, $1, i.line, {cells}, {problems}, i.whole, i.customer
               FROM staged s JOIN incoming i ON i.record = s.record
                    LEFT JOIN mutirao.record o ON o.id = s.old_record AND (s.was_gone OR s.outdated IS NOT NULL)
                    LEFT JOIN mutirao.source f ON f.id = o.source
              WHERE {which} ORDER BY i.record"
        );
        self.run_sql(&sql, &[self.source]).await.map(drop)
    }

    /// Known rows move to their line of the new file. Of a correction they keep their place, but one
    /// that was gone comes back at the end.
    pub(super) async fn take_places(&mut self) -> Result<(), OutboxError> {
        self.run_sql(&place(self.kind, "NOT s.busy"), &[self.batch, self.source]).await?;
        let moved = match self.kind {
            MergeKind::Whole => "",
            MergeKind::Correction => "AND was_gone",
        };
        let sql = format!(
            "DELETE FROM mutirao.record
              WHERE id IN (SELECT old_record FROM staged WHERE old_record IS NOT NULL AND NOT busy {moved})"
        );
        self.run_sql(&sql, &[]).await.map(drop)
    }

    /// The same for rows that workers hold; and what the file no longer has is gone.
    pub(super) async fn take_busy_places(&mut self) -> Result<(), OutboxError> {
        let headers = self.headers_of_batch().await?;
        let mut n_crossings = 0;
        loop {
            let Err(error) = self.try_busy_places(&headers).await else { break };
            n_crossings += 1;
            if !is_deadlock(&error) || CROSSINGS_MAX <= n_crossings {
                return Err(error).trouble();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if self.kind == MergeKind::Correction {
            return Ok(());
        }
        let sql = "DELETE FROM mutirao.record WHERE id IN (SELECT old_record FROM staged WHERE busy)";
        self.run_sql(sql, &[]).await.map(drop)
    }

    /// `headers` are those of the batch's file until now.
    async fn try_busy_places(&mut self, headers: &[String]) -> Result<(), sqlx::Error> {
        let mut part = self.tx.begin().await?;
        let mut steps = Vec::new();
        if self.purpose == Purpose::Merge {
            steps.push(place(self.kind, "s.busy"));
        }
        if self.kind == MergeKind::Whole {
            let reach = match self.purpose {
                Purpose::Merge => String::new(),
                Purpose::Rehearse => format!(
                    "AND o.state <> {IN_FLIGHT} AND o.id NOT IN (SELECT row_id FROM staged WHERE busy)"
                ),
            };
            let which =
                format!("o.batch = $1 AND o.import <> $2 AND o.record IS NOT NULL AND NOT o.gone {reach}");
            let sql = format!(
                "SELECT count(*), count(*) FILTER (WHERE {}) FROM mutirao.outbox o WHERE {which}",
                unsent("o")
            );
            let counting = sqlx::query_as(AssertSqlSafe(sql)).bind(self.batch).bind(self.source);
            self.gone = counting.persistent(false).fetch_one(&mut *part).await?;
            steps.push(format!("UPDATE mutirao.outbox AS o SET {} WHERE {which}", gone("now()")));
            // What may have a ticket is told of until it is settled: behind the rows that the file has.
            let cells = cells_under(&self.file.headers, headers, "r.cells", "'[]'");
            steps.push(format!(
                include_str!("keep_unsettled.sql"),
                cells = cells,
                unsettled = unsettled("o"),
                reach = reach,
            ));
        }
        for sql in steps {
            let step = sqlx::query(AssertSqlSafe(sql)).bind(self.batch).bind(self.source);
            step.persistent(false).execute(&mut *part).await?;
        }
        part.commit().await
    }
}

/// The cells `cells`, which stand under `from`, under `to`; those of other columns are of `others`, which
/// stand under `to` already. The cells are SQL.
pub(super) fn cells_under(to: &[String], from: &[String], cells: &str, others: &str) -> String {
    let at = to.iter().map(|header| match from.iter().position(|old| old == header) {
        Some(at) => at.to_string(),
        None => "NULL".to_owned(),
    });
    // `json`, not `jsonb`: the cells stay as they are, NUL included.
    format!(
        "(SELECT '[' || coalesce(string_agg(coalesce(
                     CASE WHEN h.at IS NULL THEN (({others})::json -> (h.n - 1)::int)::text
                          ELSE (({cells})::json -> h.at)::text END, '\"\"'), ',' ORDER BY h.n), '') || ']'
            FROM unnest(ARRAY[{}]::int[]) WITH ORDINALITY AS h(at, n))",
        at.collect::<Vec<_>>().join(", ")
    )
}

/// Gives known rows their place: `$1` batch, `$2` import. A producer's row keeps its own.
fn place(kind: MergeKind, which: &str) -> String {
    let moves = match kind {
        MergeKind::Whole => "o.record IS NOT NULL",
        MergeKind::Correction => "o.record IS NOT NULL AND s.was_gone AND NOT s.busy",
    };
    format!(
        "UPDATE mutirao.outbox AS o
            SET outdated = o.outdated OR s.outdated IS NOT NULL,
                {},
                batch = CASE WHEN o.record IS NOT NULL THEN $1 END, import = $2, gone = false,
                record = CASE WHEN {moves} THEN s.record ELSE o.record END,
                line = CASE WHEN {moves} THEN s.line ELSE o.line END,
                purged_at = CASE WHEN NOT ({moves}) THEN o.purged_at END
           FROM staged s WHERE o.id = s.row_id AND {which}",
        Dialect::Postgres.outdated()
    )
}
