//! Lines of a file become rows of the outbox: new, changed, or known. Step for step as
//! [`super::super::sqlite`] does it, beside workers that go on meanwhile.
//!
//! The lines stand in `incoming`; a narrow table (`staged`, one entry a line, no personal data)
//! carries what the steps find out. Known rows that can be had at once are locked first, so that what
//! is found out of them stays true (of the very same file, only those that start over); a row that a worker holds (in flight, or just being claimed or
//! settled) is `busy`: only its place in the results changes, and that last, because a settle may
//! then have to wait for the end of the merge.
//!
//! A row that came from a program keeps its own place and never gets a record: its marker is that of
//! a producer, and must stay so.

use std::time::Duration;

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::{Acquire, Arguments, AssertSqlSafe, Transaction};

use super::error::{Trouble, is_deadlock};
use super::read::{Reach, counts, field_names};
use super::staging::{FIELDS, Staging, lock};
use crate::delivery::OutboxError;
use crate::outbox::stored::{count, json, stored};
use crate::outbox::{
    BatchId, FirstPost, ImportId, MergeCounts, MergeError, MergeKind, MergeOptions, Merged, Rehearsal,
    Repeats,
};

/// How old an adopted ticket may be under `--verify-first`; from the design.
const ADOPTABLE: &str = "interval '48 hours'";

/// How often rows that workers hold are waited for, when two waits cross.
const CROSSINGS_MAX: u32 = 5;

/// Of `x`: certainly without a ticket of ours.
const FREE: &str = "(x.state IN ('invalid', 'rejected', 'failed', 'cancelled')
    OR x.state = 'skipped' AND x.error_code = 'repeat'
    OR x.state = 'pending' AND (x.doubt_since IS NULL OR x.doubt_precaution))";

/// Of `x`: a ticket exists, or may.
const MAY_EXIST: &str = "(x.state IN ('opened', 'in_flight', 'unconfirmed')
    OR x.state = 'pending' AND x.doubt_since IS NOT NULL AND NOT x.doubt_precaution)";

/// `$1` as a time, but not later than the database's: by that workers see what is due.
const NOW: &str = "least(timestamptz 'epoch' + $1::bigint * interval '1 millisecond', now())";

pub(super) async fn merge(staging: Staging, options: &MergeOptions<'_>) -> Result<Merged, MergeError> {
    let (merge, merged) = Merge::run(staging, options, Purpose::Merge).await?;
    merge.tx.commit().await.trouble()?;
    Ok(merged)
}

pub(super) async fn rehearse(staging: Staging, options: &MergeOptions<'_>) -> Result<Rehearsal, MergeError> {
    let (mut merge, merged) = Merge::run(staging, options, Purpose::Rehearse).await?;
    let range = Reach::of_import(merged.import);
    let counts = counts(&mut merge.tx, &range).await?;
    merge.tx.rollback().await.trouble()?;
    Ok(Rehearsal { merged, counts })
}

struct Merge {
    tx: Transaction<'static, Postgres>,
    file: File,
    kind: MergeKind,
    places: Places,
    purpose: Purpose,
    /// The batch's name, and its number once it is certain which it is.
    name: String,
    batch: i64,
    source: i64,
    now: i64,
}

/// Where known rows stand in the results.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    /// Somewhere else than before, perhaps.
    New,
    /// All at the place that they have: the very same file comes again, to go on.
    Taken,
}

/// What a merge is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Merge,
    /// To be told of, and undone. The settles of living workers need not wait for it: rows that they
    /// hold are left where they are.
    Rehearse,
}

/// What is known of the file besides its lines.
struct File {
    file_name: String,
    encoding: String,
    delimiter: String,
    headers: Vec<String>,
    n_rows: u64,
    names_lotes: bool,
    names_rows: bool,
    is_held: bool,
}

impl Merge {
    async fn run(
        staging: Staging,
        options: &MergeOptions<'_>,
        purpose: Purpose,
    ) -> Result<(Self, Merged), MergeError> {
        let Staging { tx, batch, file_name, encoding, delimiter, headers, .. } = staging;
        let Staging { n_rows, names_lotes, names_rows, is_held, .. } = staging;
        let file = File { file_name, encoding, delimiter, headers, n_rows, names_lotes, names_rows, is_held };
        let now = options.now.as_millisecond();
        let (kind, places) = (MergeKind::Whole, Places::New);
        let mut it = Self { tx, file, kind, places, purpose, name: batch, batch: 0, source: 0, now };
        it.stage().await?;
        it.identify().await?;
        it.refuse_doubled().await?;
        it.find_known("s.row_id IS NULL").await?;
        it.note_source(options).await?;
        it.judge().await?;
        if it.kind == MergeKind::Correction {
            it.rearrange().await?;
        }
        it.write_records().await?;
        if it.places == Places::New {
            it.take_places().await?;
        }
        it.start_over().await?;
        it.add(options.first_post).await?;
        if options.first_post == FirstPost::VerifyFirst {
            it.doubt_known().await?;
        }
        if it.places == Places::New {
            it.take_busy_places().await?;
        }
        if options.repeats == Repeats::Skip {
            it.skip_edited().await?;
            it.skip_repeats().await?;
        }
        let merged = it.finish().await?;
        Ok((it, merged))
    }

    /// Makes `staged`, with the references that need no other line to be known.
    async fn stage(&mut self) -> Result<(), OutboxError> {
        self.run_sql("ALTER TABLE incoming ADD PRIMARY KEY (record)", &[]).await?;
        self.run_sql("ANALYZE incoming (record)", &[]).await?;
        let sql = "CREATE TEMP TABLE staged (
                       record bigint PRIMARY KEY, line bigint, referencia text, explicit boolean, lote text,
                       own_lote boolean, repeat_key bytea, valid boolean, warning text, row_id bigint,
                       old_record bigint, old_state text, was_gone boolean, busy boolean, free boolean,
                       changed boolean, redo boolean) ON COMMIT DROP";
        self.run_sql(sql, &[]).await?;
        self.run_sql("CREATE TEMP TABLE held (id bigint PRIMARY KEY) ON COMMIT DROP", &[]).await?;
        let sql = "INSERT INTO staged (record, line, referencia, explicit, lote, own_lote, repeat_key, valid, warning)
                   SELECT i.record, i.line, coalesce(i.referencia, i.content_key), i.referencia IS NOT NULL,
                          coalesce(i.lote, $1), i.lote IS NOT NULL,
                          CASE WHEN i.problems IS NULL THEN i.repeat_key END, i.problems IS NULL, i.warning
                     FROM incoming i ORDER BY i.record";
        let done = sqlx::query(sql).bind(&self.name).persistent(false).execute(&mut *self.tx).await;
        done.trouble()?;
        // As `ContentKey::reference` has it; the second sort is of the few that are there again.
        let sql = "UPDATE staged SET referencia = staged.referencia || '-' || again.n
                     FROM (SELECT record, row_number() OVER (PARTITION BY referencia ORDER BY record) AS n
                             FROM staged
                            WHERE NOT explicit
                              AND referencia IN (SELECT referencia FROM staged WHERE NOT explicit
                                                  GROUP BY referencia HAVING 1 < count(*))) AS again
                    WHERE staged.record = again.record AND 1 < again.n";
        self.run_sql(sql, &[]).await?;
        self.run_sql("ANALYZE staged", &[]).await.map(drop)
    }

    /// Decides what the file is by the lines that carry `lote` and `referencia`.
    ///
    /// All of them known here, as rows of one batch: a correction, whose other lines are additions
    /// to that batch. But a file whose own columns they are comes again as a whole.
    async fn identify(&mut self) -> Result<(), MergeError> {
        if !(self.file.names_lotes && self.file.names_rows) {
            return Ok(());
        }
        self.find_known("s.own_lote AND s.explicit").await?;
        let sql = "SELECT count(*), count(x.id), count(DISTINCT coalesce(b.name, x.lote)),
                          max(coalesce(b.name, x.lote)), coalesce(bool_or(r.named), false)
                     FROM staged s LEFT JOIN mutirao.outbox x ON x.id = s.row_id
                          LEFT JOIN mutirao.batch b ON b.id = x.batch
                          LEFT JOIN mutirao.record r ON r.id = x.record
                    WHERE s.own_lote AND s.explicit";
        let (n_named, n_known, n_batches, batch, came_named): (i64, i64, i64, Option<String>, bool) =
            sqlx::query_as(sql).persistent(false).fetch_one(&mut *self.tx).await.trouble()?;
        let Some(batch) = batch else { return Ok(()) };
        if n_known < n_named || n_batches != 1 || came_named && batch == self.name {
            return Ok(());
        }
        if batch != self.name {
            lock(&mut self.tx, &batch).await?;
        }
        let sql = "UPDATE staged SET lote = $1 WHERE NOT own_lote";
        sqlx::query(sql).bind(&batch).persistent(false).execute(&mut *self.tx).await.trouble()?;
        (self.name, self.kind) = (batch, MergeKind::Correction);
        Ok(())
    }

    /// Two lines may not be one row: the later one is invalid.
    async fn refuse_doubled(&mut self) -> Result<(), OutboxError> {
        if !self.file.names_rows {
            return Ok(());
        }
        let sql = "CREATE TEMP TABLE doubled ON COMMIT DROP AS
                   SELECT record, first_line
                     FROM (SELECT record, row_number() OVER of_one AS n, first_value(line) OVER of_one AS first_line
                             FROM staged WINDOW of_one AS (PARTITION BY lote, referencia ORDER BY record)) AS it
                    WHERE 1 < n";
        self.run_sql(sql, &[]).await?;
        let sql = "UPDATE incoming AS i
                      SET problems = (coalesce(i.problems, '[]')::jsonb || jsonb_build_array(jsonb_build_object(
                              'field', 'referencia', 'code', 'repeated_reference', 'found', s.referencia,
                              'message', 'the same reference stands in line ' || d.first_line,
                              'hint', 'give each row of a batch its own reference')))::text,
                          error_code = coalesce(i.error_code, 'repeated_reference'),
                          error_message = concat_ws('; ', i.error_message,
                              'referencia: the same reference stands in line ' || d.first_line)
                     FROM doubled d JOIN staged s ON s.record = d.record WHERE i.record = d.record";
        self.run_sql(sql, &[]).await?;
        // It needs a reference of its own to be kept at all; no marker is ever made of it.
        let sql = "UPDATE staged
                      SET valid = false, repeat_key = NULL, row_id = NULL, old_record = NULL, old_state = NULL,
                          was_gone = NULL, busy = NULL, free = NULL, changed = NULL, redo = NULL,
                          referencia = referencia || '#' || line
                    WHERE record IN (SELECT record FROM doubled)";
        self.run_sql(sql, &[]).await.map(drop)
    }

    /// Finds the row that each line is already, among the lines that `which` names.
    async fn find_known(&mut self, which: &'static str) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE staged AS s SET row_id = x.id, old_record = x.record FROM mutirao.outbox x
              WHERE {which} AND x.lote = s.lote AND x.referencia = s.referencia"
        );
        self.run_sql(&sql, &[]).await.map(drop)
    }

    /// What known rows are, and which of them are to start over.
    async fn judge(&mut self) -> Result<(), OutboxError> {
        if self.places == Places::Taken {
            // Only those that start over need to be ours.
            self.judge_those("s.row_id IS NOT NULL", "false").await?;
            self.hold("s.redo").await?;
            return self.judge_those("s.redo", "h.id IS NULL").await;
        }
        self.hold("s.row_id IS NOT NULL").await?;
        self.judge_those("s.row_id IS NOT NULL", "h.id IS NULL").await
    }

    /// Locks known rows, but those that a worker holds at this moment. In a statement of its own: the
    /// next one sees what the last owner of each row left.
    async fn hold(&mut self, which: &'static str) -> Result<(), OutboxError> {
        let sql = format!(
            "INSERT INTO held SELECT x.id FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id
              WHERE {which} AND x.state <> 'in_flight' FOR UPDATE OF x SKIP LOCKED
                 ON CONFLICT DO NOTHING"
        );
        self.run_sql(&sql, &[]).await.map(drop)
    }

    async fn judge_those(&mut self, which: &'static str, busy: &'static str) -> Result<(), OutboxError> {
        let columns = |of: &str| {
            let names = FIELDS.split(',').map(|it| format!("{of}.{}", it.trim()));
            names.collect::<Vec<_>>().join(", ")
        };
        let changed = format!("(({}) IS DISTINCT FROM ({}))", columns("x"), columns("i"));
        let free = format!("(NOT ({busy}) AND {FREE})");
        let sql = format!(
            "UPDATE staged AS s
                SET old_state = x.state, was_gone = x.gone, busy = {busy}, free = {free}, changed = {changed},
                    redo = {free} AND (NOT s.valid OR x.state NOT IN ('pending', 'rejected', 'failed') OR {changed})
               FROM mutirao.outbox x LEFT JOIN held h ON h.id = x.id, incoming i
              WHERE {which} AND x.id = s.row_id AND i.record = s.record"
        );
        self.run_sql(&sql, &[]).await.map(drop)
    }

    async fn note_source(&mut self, options: &MergeOptions<'_>) -> Result<(), OutboxError> {
        // As late as possible: whoever else speaks of the batch waits from here on.
        let sql = "INSERT INTO mutirao.batch (name) VALUES ($1)
                       ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id";
        let batch = sqlx::query_scalar(sql).bind(&self.name).persistent(false).fetch_one(&mut *self.tx);
        self.batch = batch.await.trouble()?;
        if self.kind == MergeKind::Whole && self.finds_its_places(options.sha256).await? {
            self.places = Places::Taken;
            let sql = format!("UPDATE mutirao.source SET imported_at = {NOW} WHERE id = $2");
            return self.run_sql(&sql, &[self.now, self.source]).await.map(drop);
        }
        let sql = format!(
            "INSERT INTO mutirao.source (imported_at, batch, kind, file_name, sha256, encoding, delimiter, headers,
                                         n_rows)
             VALUES ({NOW}, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id"
        );
        let source = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(self.now)
            .bind(self.batch)
            .bind(match self.kind {
                MergeKind::Whole => "whole",
                MergeKind::Correction => "correction",
            })
            .bind(&self.file.file_name)
            .bind(options.sha256)
            .bind(&self.file.encoding)
            .bind(&self.file.delimiter)
            .bind(json(&self.file.headers))
            .bind(i64::try_from(self.file.n_rows).unwrap_or(i64::MAX))
            .persistent(false)
            .fetch_one(&mut *self.tx);
        self.source = source.await.trouble()?;
        Ok(())
    }

    /// Whether the batch's file comes again as it was, so that every row stands at its place. Not if
    /// a line was purged, which is filled anew.
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
                            WHERE x.batch = $2 AND x.record IS NOT NULL AND NOT x.gone)";
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
    async fn rearrange(&mut self) -> Result<(), OutboxError> {
        let sql =
            "SELECT s.headers FROM mutirao.batch b JOIN mutirao.source s ON s.id = b.source WHERE b.id = $1";
        let found = sqlx::query_scalar(sql).bind(self.batch).persistent(false).fetch_optional(&mut *self.tx);
        let found: Option<String> = found.await.trouble()?;
        let headers: Vec<String> = match found {
            Some(found) => stored("source.headers", &found)?,
            None => field_names(),
        };
        if headers == self.file.headers {
            return Ok(());
        }
        let position = |header: &String| self.file.headers.iter().position(|it| it == header);
        let at = headers.iter().map(|it| position(it).and_then(|at| i32::try_from(at).ok()));
        // `json`, not `jsonb`: the cells stay as they are, NUL included.
        let sql = "UPDATE incoming AS i
                      SET cells = (SELECT '[' || coalesce(string_agg(coalesce(
                                             (i.cells::json -> h.at)::text,
                                             CASE WHEN h.at IS NULL THEN (o.cells::json -> (h.n - 1)::int)::text END,
                                             '\"\"'), ',' ORDER BY h.n), '') || ']'
                                     FROM unnest($1::int[]) WITH ORDINALITY AS h(at, n))
                     FROM staged s LEFT JOIN mutirao.record o ON o.id = s.old_record WHERE s.record = i.record";
        sqlx::query(sql)
            .bind(at.collect::<Vec<Option<i32>>>())
            .persistent(false)
            .execute(&mut *self.tx)
            .await
            .trouble()
            .map(drop)
    }

    /// The lines that rows will stand for. A row that stays where it is takes on the new cells.
    async fn write_records(&mut self) -> Result<(), OutboxError> {
        if self.kind == MergeKind::Correction || self.places == Places::Taken {
            let sql = "UPDATE mutirao.record AS r SET cells = i.cells, problems = i.problems
                         FROM staged s JOIN incoming i ON i.record = s.record
                        WHERE r.id = s.old_record AND s.free AND NOT s.was_gone
                          AND (r.cells, r.problems) IS DISTINCT FROM (i.cells, i.problems)";
            self.run_sql(sql, &[]).await?;
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
            MergeKind::Whole => ("i.cells", "i.problems"),
            MergeKind::Correction => (
                "CASE WHEN s.was_gone AND NOT s.free THEN o.cells ELSE i.cells END",
                "CASE WHEN s.was_gone AND NOT s.free THEN o.problems ELSE i.problems END",
            ),
        };
        let sql = format!(
            "INSERT INTO mutirao.record (id, source, line, cells, problems, named)
             SELECT i.record, $1, i.line, {cells}, {problems}, i.lote IS NOT NULL AND i.referencia IS NOT NULL
               FROM staged s JOIN incoming i ON i.record = s.record
                    LEFT JOIN mutirao.record o ON o.id = s.old_record AND s.was_gone
              WHERE {which} ORDER BY i.record"
        );
        self.run_sql(&sql, &[self.source]).await.map(drop)
    }

    /// Known rows move to their line of the new file. Of a correction they keep their place, but one
    /// that was gone comes back at the end.
    async fn take_places(&mut self) -> Result<(), OutboxError> {
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
    async fn take_busy_places(&mut self) -> Result<(), OutboxError> {
        let mut n_crossings = 0;
        loop {
            let Err(error) = self.try_busy_places().await else { break };
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

    async fn try_busy_places(&mut self) -> Result<(), sqlx::Error> {
        let mut part = self.tx.begin().await?;
        let mut steps = Vec::new();
        if self.purpose == Purpose::Merge {
            steps.push(place(self.kind, "s.busy"));
        }
        if self.kind == MergeKind::Whole {
            let reach = match self.purpose {
                Purpose::Merge => "",
                Purpose::Rehearse => {
                    "AND state <> 'in_flight' AND id NOT IN (SELECT row_id FROM staged WHERE busy)"
                }
            };
            steps.push(format!(
                "UPDATE mutirao.outbox SET gone = true
                  WHERE batch = $1 AND import <> $2 AND record IS NOT NULL AND NOT gone {reach}"
            ));
        }
        for sql in steps {
            let step = sqlx::query(AssertSqlSafe(sql)).bind(self.batch).bind(self.source);
            step.persistent(false).execute(&mut *part).await?;
        }
        part.commit().await
    }

    /// Free rows that changed are as new, but for what they were: one that was sent is looked up
    /// first, although its predecessors are known to have left nothing.
    async fn start_over(&mut self) -> Result<(), OutboxError> {
        let fields = FIELDS.split(',').map(|it| format!("{0} = i.{0}", it.trim()));
        let sql = format!(
            "UPDATE mutirao.outbox AS o
                SET state = CASE WHEN s.valid THEN 'pending' ELSE 'invalid' END, {},
                    repeat_key = s.repeat_key, attempts = 0, available_at = {NOW}, warning = s.warning,
                    protocolo = NULL,
                    doubt_since = coalesce(o.doubt_since,
                        CASE WHEN o.sent_at IS NOT NULL AND o.state <> 'pending' THEN {NOW} END),
                    doubt_precaution = o.doubt_since IS NOT NULL OR o.sent_at IS NOT NULL AND o.state <> 'pending',
                    error_code = i.error_code, error_message = i.error_message,
                    finished_at = CASE WHEN NOT s.valid THEN {NOW} END, purged_at = NULL
               FROM staged s JOIN incoming i ON i.record = s.record
              WHERE o.id = s.row_id AND s.redo",
            fields.collect::<Vec<_>>().join(", "),
        );
        self.run_sql(&sql, &[self.now]).await.map(drop)
    }

    async fn add(&mut self, first_post: FirstPost) -> Result<(), OutboxError> {
        let verified = match first_post {
            FirstPost::AtOnce => "false",
            FirstPost::VerifyFirst => "true",
        };
        let fields = FIELDS.split(',').map(|it| format!("i.{}", it.trim())).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "WITH added AS (
                 INSERT INTO mutirao.outbox ({FIELDS}, lote, referencia, batch, record, line, import, repeat_key,
                                             available_at, state, doubt_since, doubt_not_before, doubt_precaution,
                                             error_code, error_message, warning, finished_at)
                 SELECT {fields}, s.lote, s.referencia, $2, s.record, s.line, $3, s.repeat_key, {NOW},
                        CASE WHEN s.valid THEN 'pending' ELSE 'invalid' END,
                        CASE WHEN {verified} OR s.own_lote AND s.explicit THEN {NOW} END,
                        CASE WHEN {verified} AND NOT (s.own_lote AND s.explicit) THEN {NOW} - {ADOPTABLE} END,
                        {verified} OR s.own_lote AND s.explicit,
                        i.error_code, i.error_message, s.warning, CASE WHEN NOT s.valid THEN {NOW} END
                   FROM staged s JOIN incoming i ON i.record = s.record
                  WHERE s.row_id IS NULL ORDER BY s.record
                 RETURNING id, record)
             UPDATE staged SET row_id = added.id FROM added WHERE staged.record = added.record"
        );
        self.run_sql(&sql, &[self.now, self.batch, self.source]).await.map(drop)
    }

    /// `--verify-first` is of known rows too: an outbox from an old backup takes for new what was
    /// opened since. A row that a worker is claiming at this moment is on its way.
    async fn doubt_known(&mut self) -> Result<(), OutboxError> {
        let to_post = "x.state = 'pending' AND x.doubt_since IS NULL";
        self.hold(to_post).await?;
        let sql = format!(
            "UPDATE mutirao.outbox AS x
                SET doubt_since = {NOW}, doubt_not_before = {NOW} - {ADOPTABLE}, doubt_precaution = true,
                    absences = 0, last_absence = NULL, answered = 0
               FROM staged s JOIN held h ON h.id = s.row_id
              WHERE x.id = s.row_id AND {to_post}"
        );
        self.run_sql(&sql, &[self.now]).await.map(drop)
    }

    /// A new reference of a service for which a row that is gone from the file was opened.
    async fn skip_edited(&mut self) -> Result<(), OutboxError> {
        if self.kind == MergeKind::Correction {
            return Ok(());
        }
        let sql = format!(
            "UPDATE mutirao.outbox AS o
                SET state = 'skipped', error_code = 'repeat', finished_at = {NOW},
                    error_message = coalesce('opened as `' || lost.protocolo || '`', 'possibly opened')
                        || ' from a row of this service that is no longer in the file (was its description edited?)'
               FROM (SELECT x.service, max(x.protocolo) AS protocolo FROM mutirao.outbox x
                      WHERE x.batch = $2 AND x.record IS NOT NULL AND x.gone AND x.service IS NOT NULL AND {MAY_EXIST}
                      GROUP BY x.service) AS lost, staged s
              WHERE o.id = s.row_id AND o.service = lost.service AND o.state = 'pending'
                AND (s.old_state IS NULL OR s.old_state = 'skipped')"
        );
        self.run_sql(&sql, &[self.now, self.batch]).await.map(drop)
    }

    /// Of rows with the same content, one is opened: the one that may be already, else the first.
    async fn skip_repeats(&mut self) -> Result<(), OutboxError> {
        // An invalid row has no key. What was skipped for another reason than a repeat counts as opened.
        let rivals = format!(
            "x.batch = $2 AND x.record IS NOT NULL AND (NOT x.gone OR {MAY_EXIST}) AND x.repeat_key IS NOT NULL AND x.state <> 'invalid'"
        );
        let sql = format!(
            "WITH repeated AS MATERIALIZED (
                 SELECT x.repeat_key FROM mutirao.outbox x WHERE {rivals}
                  GROUP BY x.repeat_key HAVING 1 < count(*))
             UPDATE mutirao.outbox AS o
                SET state = 'skipped', error_code = 'repeat', finished_at = {NOW},
                    error_message = 'the same service, type and description as '
                        || CASE WHEN rival.gone THEN 'a row that is no longer in the file'
                                ELSE 'line ' || rival.line END
                        || coalesce(', opened as `' || rival.protocolo || '`', '')
               FROM (SELECT x.id, first_value(x.id) OVER same AS first
                       FROM mutirao.outbox x
                      WHERE {rivals} AND x.repeat_key IN (SELECT repeat_key FROM repeated)
                     WINDOW same AS (PARTITION BY x.repeat_key
                                     ORDER BY ({MAY_EXIST} OR coalesce(x.error_code = 'already_open', false)) DESC,
                                              x.record)
                    ) AS one, mutirao.outbox AS rival
              WHERE o.id = one.id AND rival.id = one.first AND one.id <> one.first
                AND o.import = $3 AND o.state = 'pending' AND (o.doubt_since IS NULL OR o.doubt_precaution)"
        );
        self.run_sql(&sql, &[self.now, self.batch, self.source]).await.map(drop)
    }

    async fn finish(&mut self) -> Result<Merged, OutboxError> {
        let sql = "UPDATE mutirao.batch
                      SET finished_at = NULL, source = CASE WHEN $3 THEN $2 ELSE source END,
                          halted_at = CASE WHEN $4 THEN now() ELSE halted_at END,
                          halt_reason = CASE WHEN $4 THEN 'its import waits for a word of the person who started it'
                                             ELSE halt_reason END
                    WHERE id = $1";
        sqlx::query(sql)
            .bind(self.batch)
            .bind(self.source)
            .bind(self.kind == MergeKind::Whole)
            .bind(self.file.is_held)
            .persistent(false)
            .execute(&mut *self.tx)
            .await
            .trouble()?;
        Ok(Merged {
            kind: self.kind,
            batch: BatchId(self.batch),
            batch_name: self.name.clone(),
            import: ImportId(self.source),
            counts: self.count().await?,
        })
    }

    async fn count(&mut self) -> Result<MergeCounts, OutboxError> {
        let sql = "SELECT count(*),
                    count(*) FILTER (WHERE x.state = 'pending' AND s.old_state IS NULL),
                    count(*) FILTER (WHERE x.state = 'pending' AND s.redo AND s.changed),
                    count(*) FILTER (WHERE x.state = 'pending' AND s.redo AND NOT s.changed),
                    count(*) FILTER (WHERE x.state = 'invalid'),
                    count(*) FILTER (WHERE x.state = 'skipped' AND x.error_code = 'repeat'),
                    count(*) FILTER (WHERE x.state = 'pending' AND s.old_state IS NULL AND s.own_lote AND s.explicit)
               FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id";
        let (n_rows, new, updated, revived, invalid, repeats, foreign): (i64, i64, i64, i64, i64, i64, i64) =
            sqlx::query_as(sql).persistent(false).fetch_one(&mut *self.tx).await.trouble()?;
        Ok(MergeCounts {
            n_rows: count(n_rows),
            new: count(new),
            updated: count(updated),
            revived: count(revived),
            unchanged: count(n_rows - new - updated - revived - invalid - repeats),
            invalid: count(invalid),
            repeats: count(repeats),
            foreign: count(foreign),
        })
    }

    /// Runs one statement whose parameters are all integers; returns how many rows it changed.
    async fn run_sql(&mut self, sql: &str, integers: &[i64]) -> Result<u64, OutboxError> {
        let mut arguments = PgArguments::default();
        for it in integers {
            arguments.add(*it).map_err(sqlx::Error::Encode).trouble()?;
        }
        let done = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments)
            .persistent(false)
            .execute(&mut *self.tx)
            .await;
        done.trouble().map(|it| it.rows_affected())
    }
}

/// Gives known rows their place: `$1` batch, `$2` import. A producer's row keeps its own.
fn place(kind: MergeKind, which: &str) -> String {
    let moves = match kind {
        MergeKind::Whole => "o.record IS NOT NULL",
        MergeKind::Correction => "o.record IS NOT NULL AND s.was_gone AND NOT s.busy",
    };
    format!(
        "UPDATE mutirao.outbox AS o
            SET batch = CASE WHEN o.record IS NOT NULL THEN $1 END, import = $2, gone = false,
                record = CASE WHEN {moves} THEN s.record ELSE o.record END,
                line = CASE WHEN {moves} THEN s.line ELSE o.line END,
                purged_at = CASE WHEN NOT ({moves}) THEN o.purged_at END
           FROM staged s WHERE o.id = s.row_id AND {which}"
    )
}
