//! Lines of a file become rows of the outbox: new, changed, or known.
//!
//! Everything is set-wise and in one transaction with the staging. A narrow temporary table
//! (`staged`, one entry a line, no personal data) carries what the steps find out:
//!
//! 1. *who*: each line's reference; lines that say who they are decide whether it is a correction;
//! 2. *known*: the row that a line is already, whether it is free to change, and whether it did;
//! 3. *write*: known rows move to their new place, changed ones start over, new ones are added;
//! 4. *repeats*: what would open a second ticket of the same content is skipped.
//!
//! A row is *free* if it certainly has no ticket of ours. Every other row keeps its fields, because
//! they are what was sent.

use serde_json::Value;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, SqliteConnection};

use super::error::{Trouble, json, stored, unreadable};
use super::read::counts;
use super::session::Tx;
use super::staging::Staging;
use crate::delivery::OutboxError;
use crate::outbox::doubts::{OF_NEW, made, of_new};
use crate::outbox::filter::Filter;
use crate::outbox::merges::{
    IS_AS_IT_WAS, OF_LINE, counted, doubled, first_of_rivals, free, gone, is_edited, is_outdated, is_rival,
    reused, skipped_as_edited, skipped_as_repeat, started_over, starts_over, state_of_line,
};
use crate::outbox::names::{INVALID, merge_name};
use crate::outbox::stored::count;
use crate::outbox::warnings::Dialect;
use crate::outbox::which::{may_be_opened, to_post, unsent, unsettled};
use crate::outbox::{
    BatchId, FirstPost, ImportId, MergeCounts, MergeError, MergeKind, MergeOptions, Merged, Rehearsal,
    Repeats, Withdrawn,
};
use crate::ticket::Field;

/// A row is known by its reference. Made after the first load: references are random, and keeping them sorted
/// row by row would rewrite the index all over.
pub(super) const IDENTITY_INDEX: &str =
    "CREATE UNIQUE INDEX IF NOT EXISTS outbox_identity ON outbox (lote, referencia)";

/// Records that are deleted at a time.
const FORGET_STEP: i64 = 50_000;

/// The row that `s` is, or becomes.
const ROW_OF_S: &str = "coalesce(s.row, ?2 + s.record)";

impl Staging<'_> {
    /// Makes rows of the lines, and commits.
    pub async fn merge(mut self, options: &MergeOptions<'_>) -> Result<Merged, MergeError> {
        self.flush().await?;
        let (merge, merged) = merged(self, options).await?;
        merge.tx.commit().await?;
        Ok(merged)
    }

    /// Tells what [`Self::merge`] would do.
    pub async fn rehearse(mut self, options: &MergeOptions<'_>) -> Result<Rehearsal, MergeError> {
        self.flush().await?;
        let (mut merge, merged) = merged(self, options).await?;
        let counts = counts(&mut merge.tx, Filter::of(merged.scope())).await?;
        Ok(Rehearsal { merged, counts })
    }
}

async fn merged<'a>(
    staging: Staging<'a>,
    options: &MergeOptions<'_>,
) -> Result<(Merge<'a>, Merged), MergeError> {
    let n_rows = staging.n_rows;
    let mut merge = Merge::begin(staging, options).await?;
    merge.stage().await?;
    let (batch, kind) = merge.identify().await?;
    (merge.batch, merge.kind) = (batch, kind);
    merge.refuse_doubled().await?;
    if kind == MergeKind::Whole {
        merge.keep_corrections().await?;
    }
    merge.refuse_reused(options.withdrawn).await?;
    if kind == MergeKind::Correction {
        merge.fill_up().await?;
        merge.rearrange().await?;
        merge.stay_invalid().await?;
    }
    merge.find_known(options.withdrawn).await?;
    match kind {
        MergeKind::Whole => merge.replace().await?,
        MergeKind::Correction => merge.correct().await?,
    }
    merge.warn_of_outdated().await?;
    merge.start_over().await?;
    merge.add(options.first_post).await?;
    if options.first_post == FirstPost::VerifyFirst {
        merge.doubt_known().await?;
    }
    if options.repeats == Repeats::Skip {
        merge.skip_edited().await?;
        merge.skip_repeats().await?;
    }
    let merged = merge.finish(options, n_rows).await?;
    Ok((merge, merged))
}

struct Merge<'a> {
    tx: Tx<'a>,
    source: i64,
    first_record: i64,
    /// A new row's id is this and its record's.
    base: i64,
    batch: i64,
    headers: Vec<String>,
    lacks: Vec<Field>,
    keys: Vec<(Field, Vec<String>)>,
    has_codes: bool,
    names_rows: bool,
    kind: MergeKind,
    now: i64,
    /// Rows that the file no longer has, and how many of them were withdrawn by that.
    gone: (i64, i64),
    /// Whether the outbox had rows before.
    was_filled: bool,
}

impl<'a> Merge<'a> {
    async fn begin(staging: Staging<'a>, options: &MergeOptions<'_>) -> Result<Self, OutboxError> {
        let Staging { mut tx, source, first_record, headers, lacks, keys, has_codes, names_rows, .. } =
            staging;
        let sql = "SELECT coalesce(max(id), 0), (SELECT batch FROM source WHERE id = ?1) FROM outbox";
        let (last_id, batch): (i64, i64) =
            sqlx::query_as(sql).bind(source).fetch_one(&mut *tx).await.trouble()?;
        Ok(Self {
            tx,
            source,
            first_record,
            base: last_id + 1 - first_record,
            batch,
            headers,
            lacks,
            keys,
            has_codes,
            names_rows,
            kind: MergeKind::Whole,
            now: options.now.as_millisecond(),
            gone: (0, 0),
            was_filled: last_id != 0,
        })
    }

    /// Makes `staged`, with the references that need no other line to be known.
    async fn stage(&mut self) -> Result<(), OutboxError> {
        let sql = "CREATE TEMP TABLE staged (
                       record INTEGER PRIMARY KEY, line INTEGER, referencia TEXT, explicit INTEGER,
                       lote INTEGER, is_ours INTEGER, is_here INTEGER, service INTEGER, repeat_key BLOB, valid INTEGER,
                       warning TEXT, row INTEGER, token INTEGER, old_record INTEGER, old_state TEXT, was_gone INTEGER,
                       free INTEGER, changed INTEGER, redo INTEGER, outdated TEXT)";
        self.run(sql, &[]).await?;
        // A row of an outbox that is not this one keeps its code within its reference: so it is the same when
        // it comes again, and no row of the batch that it comes into.
        let sql =
            "INSERT INTO staged (record, line, referencia, explicit, lote, is_ours, is_here, service, repeat_key,
                                       valid, warning)
                   SELECT r.id, r.line,
                          coalesce(iif(b.id IS NULL, r.code || '.', '') || r.referencia, r.referencia, r.content_key),
                          r.referencia IS NOT NULL, coalesce(b.id, ?2), r.code IS NOT NULL, b.id IS NOT NULL,
                          r.service, iif(r.problems IS NULL, r.repeat_key, NULL), r.problems IS NULL, r.warning
                     FROM record r LEFT JOIN batch b ON b.code = r.code
                    WHERE ?1 <= r.id ORDER BY r.id";
        self.run(sql, &[self.first_record, self.batch]).await?;
        // As `ContentKey::reference` has it; the second sort is of the few that are there again.
        let sql = "UPDATE staged SET referencia = staged.referencia || '-' || again.n
                     FROM (SELECT record, row_number() OVER (PARTITION BY referencia ORDER BY record) AS n
                             FROM staged
                            WHERE explicit = 0
                              AND referencia IN (SELECT referencia FROM staged WHERE explicit = 0
                                                  GROUP BY referencia HAVING 1 < count(*))) AS again
                    WHERE staged.record = again.record AND 1 < again.n";
        self.run(sql, &[]).await.map(drop)
    }

    /// Decides what the file is by the lines that we wrote. Where they are of one batch of this outbox, it
    /// is a correction, whose other lines are additions to that batch.
    async fn identify(&mut self) -> Result<(i64, MergeKind), MergeError> {
        if !self.has_codes {
            return Ok((self.batch, MergeKind::Whole));
        }
        let sql = "SELECT count(DISTINCT lote), coalesce(max(lote), 0) FROM staged WHERE is_here";
        let (n_batches, batch): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut *self.tx).await.trouble()?;
        match n_batches {
            0 => return Ok((self.batch, MergeKind::Whole)),
            1 => {}
            _ => return Err(MergeError::SeveralBatches { n_batches: count(n_batches) }),
        }
        self.run("UPDATE staged SET lote = ?1 WHERE NOT is_here", &[batch]).await?;
        Ok((batch, MergeKind::Correction))
    }

    /// Two lines may not be one row: the later one is invalid.
    async fn refuse_doubled(&mut self) -> Result<(), OutboxError> {
        if !self.names_rows {
            return Ok(());
        }
        let sql = format!("CREATE TEMP TABLE refused AS {}", doubled());
        self.run(sql, &[]).await?;
        self.refuse().await
    }

    /// A line that is as it was in the last whole file says nothing new: what a correction made of its row
    /// since stands.
    async fn keep_corrections(&mut self) -> Result<(), OutboxError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM record WHERE whole IS NOT NULL)";
        if !sqlx::query_scalar(sql).fetch_one(&mut *self.tx).await.trouble()? {
            return Ok(());
        }
        let headers = self.headers_of_batch().await?;
        let sql = format!(
            "UPDATE record
                SET fields = o.fields, cells = {}, problems = o.problems, warning = o.warning, service = o.service,
                    repeat_key = o.repeat_key, whole = o.whole
               FROM staged s JOIN outbox x ON x.lote = s.lote AND x.referencia = s.referencia
                             JOIN record o ON o.id = x.record
              WHERE record.id = s.record AND o.whole = record.fields",
            cells_under(&self.headers, &headers, "o.cells", "record.cells")
        );
        self.run(sql, &[]).await?;
        let sql = "UPDATE staged
                      SET valid = n.problems IS NULL, repeat_key = iif(n.problems IS NULL, n.repeat_key, NULL),
                          service = n.service, warning = n.warning
                     FROM record n WHERE n.id = staged.record AND n.whole IS NOT NULL";
        self.run(sql, &[]).await.map(drop)
    }

    /// A reference that comes again with another service is another customer's: its line is invalid, unless
    /// the row can still take that service on. Not in a file of ours: there a person mends the service.
    async fn refuse_reused(&mut self, withdrawn: Withdrawn) -> Result<(), OutboxError> {
        if !self.was_filled || !self.names_rows {
            return Ok(());
        }
        let sql = format!(
            "CREATE TEMP TABLE refused AS
             {} FROM staged s JOIN outbox x ON x.lote = s.lote AND x.referencia = s.referencia
              WHERE s.explicit AND NOT s.is_ours AND s.valid AND x.service <> s.service AND NOT {}",
            reused(),
            free("?1")
        );
        self.run(sql, &[i64::from(withdrawn == Withdrawn::Reopen)]).await?;
        self.refuse().await
    }

    /// Makes the lines in `refused` invalid.
    async fn refuse(&mut self) -> Result<(), OutboxError> {
        let sql = "UPDATE record
                      SET problems = json_insert(coalesce(problems, '[]'), '$[#]', json_object(
                              'field', 'referencia', 'code', f.code, 'found', s.referencia,
                              'message', f.message, 'hint', f.hint))
                     FROM refused f JOIN staged s ON s.record = f.record WHERE record.id = f.record";
        self.run(sql, &[]).await?;
        // It needs a reference of its own to be kept at all.
        let sql = "UPDATE staged SET valid = 0, repeat_key = NULL, referencia = referencia || '#' || line
                    WHERE record IN (SELECT record FROM refused)";
        self.run(sql, &[]).await?;
        self.run("DROP TABLE refused", &[]).await.map(drop)
    }

    /// A correction changes only the cells that it has, and of objects only the keys.
    async fn fill_up(&mut self) -> Result<(), OutboxError> {
        if self.lacks.is_empty() && self.keys.is_empty() {
            return Ok(());
        }
        // Of each field whether all of it is kept, or the keys that are not, with NULL: that ends a key of
        // the old object, where the new one lacks it.
        let kept =
            json(&Field::STORED.map(|field| match self.keys.iter().find(|(object, _)| *object == field) {
                Some((_, keys)) => keys.iter().map(|key| (key.clone(), Value::Null)).collect(),
                None => Value::Bool(self.lacks.contains(&field)),
            }));
        // Without the blank end, as `RawTicket` is stored.
        let sql = "UPDATE record
                      SET fields = (SELECT json_group_array(cell)
                                      FROM (SELECT at, cell, max(iif(cell IS NULL, -1, at)) OVER () AS last
                                              FROM (SELECT at, CASE
                                                           WHEN type = 'true' THEN old
                                                           WHEN type = 'object' AND iif(json_valid(old), json_type(old), NULL) = 'object'
                                                           THEN nullif(json_patch(old, json_patch(nulls, coalesce(new, '{}'))),
                                                                       iif(old <> '{}', '{}', NULL))
                                                           ELSE new END AS cell
                                                      FROM (SELECT f.key AS at, f.type, f.value AS nulls,
                                                                   json_extract(o.fields, '$[' || f.key || ']') AS old,
                                                                   json_extract(record.fields, '$[' || f.key || ']') AS new
                                                              FROM json_each(?1) f)))
                                     WHERE at <= last)
                     FROM staged s JOIN outbox x ON x.lote = s.lote AND x.referencia = s.referencia
                                   JOIN record o ON o.id = x.record
                    WHERE record.id = s.record";
        sqlx::query(sql).bind(kept).execute(&mut *self.tx).await.trouble()?;
        if !self.lacks.iter().any(|field| field.is_identity()) {
            return Ok(());
        }
        let sql = format!(
            "UPDATE staged SET repeat_key = coalesce(x.repeat_key, staged.repeat_key)
                     FROM outbox x, record o, record n
                    WHERE x.lote = staged.lote AND x.referencia = staged.referencia AND o.id = x.record
                      AND n.id = staged.record AND staged.valid AND x.service = staged.service
                      AND o.fields ->> {text} IS n.fields ->> {text}",
            text = Field::Descricao.place()
        );
        self.run(sql, &[]).await.map(drop)
    }

    /// A row that was invalid stays so in a correction that did not change it: what was wrong with its line,
    /// or its reference, cannot be seen any more in what we wrote out.
    async fn stay_invalid(&mut self) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE record
                SET fields = o.fields, problems = o.problems, warning = NULL, service = NULL, repeat_key = NULL
               FROM staged s JOIN outbox x ON x.lote = s.lote AND x.referencia = s.referencia
                             JOIN record o ON o.id = x.record
              WHERE record.id = s.record AND s.is_here AND x.state = {INVALID} AND x.purged_at IS NULL
                AND iif(EXISTS (SELECT 1 FROM json_each(o.problems) p WHERE p.value ->> 'field' {OF_LINE}),
                        record.cells = o.cells, record.fields = o.fields)"
        );
        self.run(sql, &[]).await?;
        let sql = "UPDATE staged SET valid = 0, warning = NULL, service = NULL, repeat_key = NULL
                     FROM record n WHERE n.id = staged.record AND staged.valid AND n.problems IS NOT NULL";
        self.run(sql, &[]).await.map(drop)
    }

    /// Finds the row that each line is already.
    async fn find_known(&mut self, withdrawn: Withdrawn) -> Result<(), OutboxError> {
        if !self.was_filled {
            return Ok(());
        }
        let sql = format!(
            "UPDATE staged AS s
                SET row = x.id, token = x.token, old_record = x.record, old_state = x.state, was_gone = x.gone,
                    free = {}, changed = o.fields IS NOT n.fields
               FROM outbox x, record o, record n
              WHERE x.lote = s.lote AND x.referencia = s.referencia
                AND o.id = x.record AND n.id = s.record",
            free("?1")
        );
        self.run(sql, &[i64::from(withdrawn == Withdrawn::Reopen)]).await?;
        let sql = format!(
            "UPDATE staged AS s SET redo = {} WHERE s.free",
            starts_over("s.free", "s.old_state", "s.changed")
        );
        self.run(sql, &[]).await?;
        let sql = format!(
            "UPDATE staged AS s
                SET outdated = (SELECT group_concat('`' || (?1 ->> f.key) || '`', ', ')
                                  FROM json_each(?1) f
                                 WHERE json_extract(o.fields, '$[' || f.key || ']')
                                       IS NOT json_extract(n.fields, '$[' || f.key || ']'))
               FROM outbox x, record o, record n
              WHERE x.id = s.row AND o.id = x.record AND n.id = s.record AND {}",
            is_outdated("s.free", "s.changed")
        );
        let names = json(&Field::STORED.map(Field::name));
        sqlx::query(AssertSqlSafe(sql)).bind(names).execute(&mut *self.tx).await.trouble().map(drop)
    }

    /// Known rows move to their line of the new file; what the file no longer has is gone.
    async fn replace(&mut self) -> Result<(), OutboxError> {
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
            "INSERT INTO record (id, source, line, content_key, code, referencia, service, repeat_key, fields,
                                 cells, problems, warning, whole)
             SELECT k.record, ?1, o.line, o.content_key, o.code, o.referencia, o.service, o.repeat_key, o.fields,
                    {cells}, o.problems, o.warning, o.whole
               FROM kept k JOIN record o ON o.id = k.old_record"
        );
        self.run(sql, &[self.source]).await?;
        let sql = "UPDATE outbox SET record = k.record, import = ?1 FROM kept k WHERE outbox.id = k.id";
        self.run(sql, &[self.source]).await?;
        self.run("DELETE FROM record WHERE id IN (SELECT old_record FROM kept)", &[]).await?;
        self.run("DROP TABLE kept", &[]).await.map(drop)
    }

    /// Those of the batch's last whole file.
    async fn headers_of_batch(&mut self) -> Result<Vec<String>, OutboxError> {
        let sql = "SELECT s.headers FROM batch b JOIN source s ON s.id = b.source WHERE b.id = ?1";
        let found: Option<String> =
            sqlx::query_scalar(sql).bind(self.batch).fetch_optional(&mut *self.tx).await.trouble()?;
        stored("source.headers", found.as_deref().unwrap_or("[]"))
    }

    /// Known rows keep their place and take on the new cells; one that was gone comes back at the end.
    async fn correct(&mut self) -> Result<(), OutboxError> {
        let sql = "UPDATE record SET fields = n.fields, cells = n.cells, problems = n.problems,
                                     warning = n.warning, service = n.service, repeat_key = n.repeat_key,
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
    async fn rearrange(&mut self) -> Result<(), OutboxError> {
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

    /// What was sent can no longer be changed. A row of which it shows that nothing was left waits for a
    /// person.
    async fn warn_of_outdated(&mut self) -> Result<(), OutboxError> {
        if !self.was_filled {
            return Ok(());
        }
        let sql = format!(
            "UPDATE outbox AS o SET outdated = true, {}
               FROM staged s WHERE o.id = s.row AND s.outdated IS NOT NULL",
            Dialect::Sqlite.outdated()
        );
        self.run(sql, &[]).await.map(drop)
    }

    /// Free rows that changed are as new, but for what they were: one that was sent is looked up
    /// first, although its predecessors are known to have left nothing.
    async fn start_over(&mut self) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE outbox AS o
                SET {}, service = s.service, error_code = {}, error_message = {}
               FROM staged s WHERE o.id = s.row AND {IS_AS_IT_WAS}",
            started_over("?1", Dialect::Sqlite),
            problem("code", "o.record"),
            problem("message", "o.record"),
        );
        self.run(sql, &[self.now]).await.map(drop)
    }

    /// New rows. Their unique index comes after the first load, in one sort.
    async fn add(&mut self, first_post: FirstPost) -> Result<(), OutboxError> {
        let verified = match first_post {
            FirstPost::AtOnce => 0,
            FirstPost::VerifyFirst => 1,
        };
        let sql = format!(
            "INSERT INTO outbox (id, batch, lote, referencia, record, line, import, service, repeat_key,
                                 available_at, state, {OF_NEW},
                                 error_code, error_message, warning, warnings, finished_at)
             SELECT ?2 + s.record, ?3, s.lote, s.referencia, s.record, s.line, ?4, s.service, s.repeat_key, ?1,
                    {}, {}, {}, {}, s.warning, {}, iif(s.valid, NULL, ?1)
               FROM staged s WHERE s.row IS NULL ORDER BY s.record",
            state_of_line(),
            of_new("(?5 OR s.is_ours)", "?1"),
            problem("code", "s.record"),
            problem("message", "s.record"),
            Dialect::Sqlite.noticed("s.warning"),
        );
        self.run(sql, &[self.now, self.base, self.batch, self.source, verified]).await?;
        self.run(IDENTITY_INDEX, &[]).await.map(drop)
    }

    /// `--verify-first` is of known rows too: an outbox from an old backup takes for new what was
    /// opened since.
    async fn doubt_known(&mut self) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE outbox SET {} FROM staged s
              WHERE outbox.id = s.row AND {}",
            made("?1", "true"),
            to_post("outbox")
        );
        self.run(sql, &[self.now]).await.map(drop)
    }

    /// A new reference of a service for which a row that is gone from the file was opened.
    async fn skip_edited(&mut self) -> Result<(), OutboxError> {
        if !self.was_filled {
            return Ok(());
        }
        self.run("CREATE TEMP TABLE lost (service INTEGER PRIMARY KEY, protocolo TEXT)", &[]).await?;
        let sql = format!(
            "INSERT INTO lost SELECT x.service, max(x.protocolo) FROM outbox x
              WHERE x.batch = ?1 AND x.gone = 1 AND x.service IS NOT NULL AND {} GROUP BY x.service",
            may_be_opened("x")
        );
        if self.run(sql, &[self.batch]).await? != 0 {
            let sql = format!(
                "UPDATE outbox AS o SET {} FROM lost, staged s WHERE o.id = {ROW_OF_S} AND {}",
                skipped_as_edited("?1"),
                is_edited("s.row IS NULL")
            );
            self.run(sql, &[self.now, self.base]).await?;
        }
        self.run("DROP TABLE lost", &[]).await.map(drop)
    }

    /// Of rows with the same content, one is opened: the one that may be already, else the first.
    async fn skip_repeats(&mut self) -> Result<(), OutboxError> {
        let rivals = is_rival("x.batch = ?1");
        self.run("CREATE TEMP TABLE repeated (repeat_key BLOB PRIMARY KEY) WITHOUT ROWID", &[]).await?;
        let sql = format!(
            "INSERT INTO repeated SELECT x.repeat_key FROM outbox x WHERE {rivals}
              GROUP BY x.repeat_key HAVING 1 < count(*)"
        );
        if self.run(sql, &[self.batch]).await? != 0 {
            let sql = format!(
                "UPDATE outbox AS o SET {}
                   FROM (SELECT x.id, {} AS first FROM outbox x
                          WHERE {rivals} AND x.repeat_key IN (SELECT repeat_key FROM repeated)) AS one,
                        outbox AS rival
                  WHERE o.id = one.id AND rival.id = one.first AND one.id <> one.first AND o.import = ?3 AND {}",
                skipped_as_repeat("?2"),
                first_of_rivals(),
                unsent("o")
            );
            self.run(sql, &[self.batch, self.now, self.source]).await?;
        }
        self.run("DROP TABLE repeated", &[]).await.map(drop)
    }

    async fn finish(&mut self, options: &MergeOptions<'_>, n_rows: u64) -> Result<Merged, OutboxError> {
        let counts = self.count().await?;
        let sql = "UPDATE source SET batch = ?2, kind = ?3, sha256 = ?4, n_rows = ?5, imported_at = ?6, content = ?7 WHERE id = ?1";
        sqlx::query(sql)
            .bind(self.source)
            .bind(self.batch)
            .bind(merge_name(self.kind))
            .bind(options.sha256.to_owned())
            .bind(i64::try_from(n_rows).unwrap_or(i64::MAX))
            .bind(self.now)
            .bind(options.content.to_owned())
            .execute(&mut *self.tx)
            .await
            .trouble()?;
        let sql = match self.kind {
            MergeKind::Whole => {
                "UPDATE batch SET finished_at = NULL, source = ?2 WHERE id = ?1 RETURNING name"
            }
            MergeKind::Correction => "UPDATE batch SET finished_at = NULL WHERE id = ?1 RETURNING name",
        };
        let name: Option<String> = sqlx::query_scalar(sql)
            .bind(self.batch)
            .bind(self.source)
            .fetch_optional(&mut *self.tx)
            .await
            .trouble()?;
        self.run("DROP TABLE staged", &[]).await?;
        Ok(Merged {
            kind: self.kind,
            batch: BatchId(self.batch),
            batch_name: name.ok_or_else(|| unreadable("batch"))?,
            import: ImportId(self.source),
            counts,
        })
    }

    async fn count(&mut self) -> Result<MergeCounts, OutboxError> {
        let sql = format!(
            "SELECT {} FROM staged s JOIN outbox o ON o.id = coalesce(s.row, ?1 + s.record)",
            counted("s.row IS NULL")
        );
        let counting = sqlx::query_as(AssertSqlSafe(sql)).bind(self.base);
        let counted = counting.fetch_one(&mut *self.tx).await.trouble()?;
        Ok(MergeCounts::of(counted, self.gone))
    }

    /// Runs one statement whose parameters are all integers; returns how many rows it changed.
    async fn run(&mut self, sql: impl Into<String>, integers: &[i64]) -> Result<u64, OutboxError> {
        let mut arguments = SqliteArguments::default();
        for n in integers {
            arguments.add(*n).map_err(sqlx::Error::Encode).trouble()?;
        }
        let conn: &mut SqliteConnection = &mut self.tx;
        let done =
            sqlx::query_with(AssertSqlSafe(sql.into()), arguments).persistent(false).execute(conn).await;
        done.trouble().map(|done| done.rows_affected())
    }
}

/// The cells `cells`, which stand under `from`, under `to`; those of other columns are of `others`, which
/// stand under `to` already. The cells are SQL.
fn cells_under(to: &[String], from: &[String], cells: &str, others: &str) -> String {
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

/// The first problem's code, or all messages, of the line of `s` if it is invalid.
fn problem(key: &'static str, record: &'static str) -> String {
    let of_all = match key {
        "code" => "min(p.value ->> 'code') FILTER (WHERE p.key = 0)",
        _ => "group_concat((p.value ->> 'field') || ': ' || (p.value ->> 'message'), '; ')",
    };
    format!(
        "iif(s.valid, NULL, (SELECT {of_all} FROM record r, json_each(r.problems) p WHERE r.id = {record}))"
    )
}
