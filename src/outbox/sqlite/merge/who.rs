//! Who each line is: its reference, the batch that it belongs to, and the row that it is already.

use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::super::error::{Trouble, json};
use super::Merge;
use super::places::cells_under;
use crate::delivery::OutboxError;
use crate::outbox::merges::{OF_LINE, doubled, free, is_outdated, reused, starts_over};
use crate::outbox::names::INVALID;
use crate::outbox::stored::count;
use crate::outbox::{MergeError, MergeKind, Withdrawn};
use crate::ticket::Field;

impl Merge<'_> {
    /// Makes `staged`, with the references that need no other line to be known.
    pub(super) async fn stage(&mut self) -> Result<(), OutboxError> {
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
        if !self.repeats_contents {
            return Ok(());
        }
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
    pub(super) async fn identify(&mut self) -> Result<(i64, MergeKind), MergeError> {
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
    pub(super) async fn refuse_doubled(&mut self) -> Result<(), OutboxError> {
        if !self.names_rows {
            return Ok(());
        }
        let sql = format!("CREATE TEMP TABLE refused AS {}", doubled());
        self.run(sql, &[]).await?;
        self.refuse().await
    }

    /// A line that is as it was in the last whole file says nothing new: what a correction made of its row
    /// since stands.
    pub(super) async fn keep_corrections(&mut self) -> Result<(), OutboxError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM record WHERE whole IS NOT NULL)";
        if !sqlx::query_scalar(sql).fetch_one(&mut *self.tx).await.trouble()? {
            return Ok(());
        }
        let headers = self.headers_of_batch().await?;
        let sql = format!(
            "UPDATE record
                SET fields = o.fields, cells = {}, problems = o.problems, warning = o.warning, service = o.service,
                    repeat_key = o.repeat_key, whole = o.whole, customer = coalesce(o.customer, record.customer)
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

    /// A row is of the customer that its line names, not of the service that was found for him: one that
    /// cannot take another on any more keeps the one that it has, whatever is found now.
    pub(super) async fn keep_found(&mut self, withdrawn: Withdrawn) -> Result<(), OutboxError> {
        if !self.was_filled || !self.names_customers {
            return Ok(());
        }
        let service = format!("'$[{}]'", Field::IdClienteServico.place());
        let sql = format!(
            "UPDATE record SET service = o.service,
                               fields = json_set(record.fields, {service}, json_extract(o.fields, {service}))
               FROM staged s JOIN outbox x ON x.lote = s.lote AND x.referencia = s.referencia
                             JOIN record o ON o.id = x.record
              WHERE record.id = s.record AND record.customer = o.customer AND o.service IS NOT NULL
                AND record.service IS NOT o.service AND NOT {}",
            free("?1")
        );
        if self.run(sql, &[i64::from(withdrawn == Withdrawn::Reopen)]).await? == 0 {
            return Ok(());
        }
        let sql = "UPDATE staged SET service = n.service FROM record n
                    WHERE n.id = staged.record AND n.customer IS NOT NULL";
        self.run(sql, &[]).await.map(drop)
    }

    /// A reference that comes again with another service is another customer's: its line is invalid, unless
    /// the row can still take that service on. Not in a file of ours: there a person mends the service.
    pub(super) async fn refuse_reused(&mut self, withdrawn: Withdrawn) -> Result<(), OutboxError> {
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
    pub(super) async fn fill_up(&mut self) -> Result<(), OutboxError> {
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
        let sql = include_str!("fill_up.sql");
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
    pub(super) async fn stay_invalid(&mut self) -> Result<(), OutboxError> {
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
    pub(super) async fn find_known(&mut self, withdrawn: Withdrawn) -> Result<(), OutboxError> {
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
}
