//! What the file is, and which row each of its lines is already.

use sqlx::AssertSqlSafe;

use super::super::columns::each_field;
use super::super::error::Trouble;
use super::super::staging::lock;
use super::places::cells_under;
use super::{File, Merge, fields_of};
use crate::delivery::OutboxError;
use crate::outbox::merges::{doubled, free, reused};
use crate::outbox::stored::count;
use crate::outbox::{MergeError, MergeKind, Withdrawn};

impl Merge {
    /// Makes `staged`, with the references that need no other line to be known.
    pub(super) async fn stage(&mut self) -> Result<(), OutboxError> {
        self.run_sql("ALTER TABLE incoming ADD PRIMARY KEY (record)", &[]).await?;
        self.run_sql("ANALYZE incoming (record)", &[]).await?;
        let sql = "CREATE TEMP TABLE staged (
                       record bigint PRIMARY KEY, line bigint, referencia text, explicit boolean, lote text,
                       is_ours boolean, is_here boolean, repeat_key bytea, valid boolean, warning text, row_id bigint, token bigint, moved boolean,
                       old_record bigint, old_state text, was_gone boolean, busy boolean, free boolean,
                       changed boolean, redo boolean, outdated text) ON COMMIT DROP";
        self.run_sql(sql, &[]).await?;
        self.run_sql("CREATE TEMP TABLE held (id bigint PRIMARY KEY) ON COMMIT DROP", &[]).await?;
        // A row of an outbox that is not this one keeps its code within its reference: so it is the same when
        // it comes again, and no row of the batch that it comes into.
        let sql = "INSERT INTO staged (record, line, referencia, explicit, lote, is_ours, is_here, repeat_key, valid,
                                       warning)
                   SELECT i.record, i.line,
                          coalesce(CASE WHEN b.id IS NULL THEN i.code || '.' ELSE '' END || i.referencia,
                                   i.referencia, i.content_key),
                          i.referencia IS NOT NULL, coalesce(b.name, $1), i.code IS NOT NULL, b.id IS NOT NULL,
                          CASE WHEN i.problems IS NULL THEN i.repeat_key END, i.problems IS NULL, i.warning
                     FROM incoming i LEFT JOIN mutirao.batch b ON b.code = i.code ORDER BY i.record";
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

    /// Decides what the file is by the lines that we wrote. Where they are of one batch of this outbox, it
    /// is a correction, whose other lines are additions to that batch.
    pub(super) async fn identify(&mut self) -> Result<(), MergeError> {
        if !self.file.has_codes {
            return Ok(());
        }
        let sql = "SELECT count(DISTINCT lote), max(lote) FROM staged WHERE is_here";
        let (n_batches, batch): (i64, Option<String>) =
            sqlx::query_as(sql).persistent(false).fetch_one(&mut *self.tx).await.trouble()?;
        let Some(batch) = batch else { return Ok(()) };
        if n_batches != 1 {
            return Err(MergeError::SeveralBatches { n_batches: count(n_batches) });
        }
        if batch != self.name {
            lock(&mut self.tx, &batch).await?;
        }
        let sql = "UPDATE staged SET lote = $1 WHERE NOT is_here";
        sqlx::query(sql).bind(&batch).persistent(false).execute(&mut *self.tx).await.trouble()?;
        (self.name, self.kind, self.code) = (batch, MergeKind::Correction, None);
        Ok(())
    }

    /// Two lines may not be one row: the later one is invalid.
    pub(super) async fn refuse_doubled(&mut self) -> Result<(), OutboxError> {
        if !self.file.names_rows {
            return Ok(());
        }
        let sql = format!("CREATE TEMP TABLE refused ON COMMIT DROP AS {}", doubled());
        self.run_sql(&sql, &[]).await?;
        self.refuse().await.map(drop)
    }

    /// A row is of the customer that its line names, not of the service that was found for him: one that
    /// cannot take another on any more keeps the one that it has, whatever is found now.
    pub(super) async fn keep_found(&mut self) -> Result<(), OutboxError> {
        if !self.file.names_customers {
            return Ok(());
        }
        // No worker takes one from now on that is free.
        self.hold("s.moved").await?;
        let sql = format!(
            "UPDATE incoming AS i SET id_cliente_servico = x.id_cliente_servico
               FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id
                    JOIN mutirao.record o ON o.id = s.old_record LEFT JOIN held h ON h.id = x.id
              WHERE i.record = s.record AND s.moved AND i.customer = o.customer
                AND NOT (h.id IS NOT NULL AND {})",
            free(&(self.withdrawn == Withdrawn::Reopen).to_string())
        );
        if self.run_sql(&sql, &[]).await? == 0 {
            return Ok(());
        }
        let sql = "UPDATE staged AS s SET moved = false FROM mutirao.outbox x, incoming i
                    WHERE s.moved AND x.id = s.row_id AND i.record = s.record
                      AND i.id_cliente_servico = x.id_cliente_servico";
        self.run_sql(sql, &[]).await.map(drop)
    }

    /// A reference that comes again with another service is another customer's: its line is invalid, unless
    /// the row can still take that service on. Not in a file of ours: there a person mends the service.
    pub(super) async fn refuse_reused(&mut self) -> Result<(), OutboxError> {
        if !self.file.names_rows {
            return Ok(());
        }
        // No worker takes one from now on that is free.
        self.hold("s.moved").await?;
        let sql = format!(
            "CREATE TEMP TABLE refused ON COMMIT DROP AS
             {} FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id LEFT JOIN held h ON h.id = x.id
              WHERE s.moved AND s.valid AND s.explicit AND NOT s.is_ours AND NOT (h.id IS NOT NULL AND {})",
            reused(),
            // A statement that makes a table takes no parameters.
            free(if self.withdrawn == Withdrawn::Reopen { "true" } else { "false" })
        );
        self.run_sql(&sql, &[]).await?;
        if self.refuse().await? == 0 {
            return Ok(());
        }
        self.find_known().await
    }

    /// Makes the lines in `refused` invalid; how many there are.
    async fn refuse(&mut self) -> Result<u64, OutboxError> {
        let sql = "UPDATE incoming AS i
                      SET problems = (coalesce(i.problems, '[]')::jsonb || jsonb_build_array(jsonb_build_object(
                              'field', 'referencia', 'code', f.code, 'found', s.referencia,
                              'message', f.message, 'hint', f.hint)))::text,
                          error_code = coalesce(i.error_code, f.code),
                          error_message = concat_ws('; ', i.error_message, 'referencia: ' || f.message)
                     FROM refused f JOIN staged s ON s.record = f.record WHERE i.record = f.record";
        self.run_sql(sql, &[]).await?;
        // It needs a reference of its own to be kept at all.
        let sql = "UPDATE staged
                      SET valid = false, repeat_key = NULL, row_id = NULL, old_record = NULL, moved = NULL,
                          referencia = referencia || '#' || line
                    WHERE record IN (SELECT record FROM refused)";
        let n_refused = self.run_sql(sql, &[]).await?;
        self.run_sql("DROP TABLE refused", &[]).await?;
        Ok(n_refused)
    }

    /// Finds the row that each line is already.
    pub(super) async fn find_known(&mut self) -> Result<(), OutboxError> {
        let sql = "UPDATE staged AS s SET row_id = x.id, old_record = x.record,
                   moved = x.service IS NOT NULL AND i.id_cliente_servico <> x.service::text
              FROM mutirao.outbox x, incoming i
              WHERE i.record = s.record AND x.lote = s.lote AND x.referencia = s.referencia";
        self.run_sql(sql, &[]).await.map(drop)
    }

    /// A line that is as it was in the last whole file says nothing new: what a correction made of its row
    /// since stands.
    pub(super) async fn keep_corrections(&mut self) -> Result<(), OutboxError> {
        let headers = self.headers_of_batch().await?;
        let of_invalid = |column: &str| format!("CASE WHEN o.problems IS NOT NULL THEN x.{column} END");
        let sql = format!(
            "UPDATE incoming AS i
                SET {}, cells = {}, problems = o.problems, error_code = {}, error_message = {}, whole = o.whole,
                    customer = coalesce(o.customer, i.customer)
               FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id JOIN mutirao.record o ON o.id = s.old_record
              WHERE i.record = s.record AND o.whole = {}",
            each_field(|field| format!("{field} = x.{field}")),
            cells_under(&self.file.headers, &headers, "o.cells", "i.cells"),
            of_invalid("error_code"),
            of_invalid("error_message"),
            fields_of("i")
        );
        if self.run_sql(&sql, &[]).await? == 0 {
            return Ok(());
        }
        let sql = "UPDATE staged AS s
                      SET valid = i.problems IS NULL, repeat_key = x.repeat_key, warning = x.warning, moved = false
                     FROM incoming i, mutirao.outbox x
                    WHERE i.record = s.record AND i.whole IS NOT NULL AND x.id = s.row_id";
        self.run_sql(sql, &[]).await.map(drop)
    }

    /// A correction changes only the cells that it has, and of objects only the keys.
    pub(super) async fn fill_up(&mut self) -> Result<(), OutboxError> {
        let File { lacks, keys, .. } = &self.file;
        let whole = lacks.iter().map(|field| format!("{field} = x.{field}"));
        let in_part = (1..).zip(keys).map(|(at, (field, _))| {
            format!(
                "{field} = CASE WHEN jsonb_typeof(x.{field}) = 'object' AND jsonb_typeof(coalesce(i.{field}, '{{}}')) = 'object'
                             THEN nullif(x.{field} - ${at}::text[] || coalesce(i.{field}, '{{}}'),
                                         CASE WHEN x.{field} <> '{{}}' THEN '{{}}'::jsonb END)
                             ELSE i.{field} END"
            )
        });
        let cells: Vec<_> = whole.chain(in_part).collect();
        if cells.is_empty() {
            return Ok(());
        }
        let lacks_identity = lacks.iter().any(|field| field.is_identity());
        let sql = format!(
            "UPDATE incoming AS i SET {} FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id
              WHERE i.record = s.record",
            cells.join(", ")
        );
        let filled = keys.iter().fold(sqlx::query(AssertSqlSafe(sql)), |sql, (_, keys)| sql.bind(keys));
        filled.persistent(false).execute(&mut *self.tx).await.trouble()?;
        if !lacks_identity {
            return Ok(());
        }
        let sql = "UPDATE staged AS s SET repeat_key = coalesce(x.repeat_key, s.repeat_key)
                     FROM mutirao.outbox x, incoming i
                    WHERE x.id = s.row_id AND i.record = s.record AND s.valid
                      AND (x.id_cliente_servico, x.descricao) = (i.id_cliente_servico, i.descricao)";
        self.run_sql(sql, &[]).await.map(drop)
    }
}
