//! The lines of a file on their way in, in one transaction with the merge that makes rows of them.

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, SqliteConnection};

use super::SqliteOutbox;
use super::alike::Alike;
use super::error::{Trouble, json};
use super::session::Tx;
use crate::delivery::OutboxError;
use crate::outbox::{MergeError, NewRow, NewSource, ResultsInfo};
use crate::ticket::Field;
use crate::ticket::code::BatchCode;

/// Rows of one `INSERT`: larger ones gain nothing (measured), and hold more in memory.
const CHUNK_ROWS: usize = 64;

const COLUMNS: usize = 12;

/// A file that is being read in. Dropped without [`Staging::merge`]: nothing happened.
pub struct Staging<'a> {
    pub(super) tx: Tx<'a>,
    pub(super) headers: Vec<String>,
    pub(super) lacks: Vec<Field>,
    pub(super) keys: Vec<(Field, Vec<String>)>,
    /// Of the `source` table; also the number of the import.
    pub(super) source: i64,
    /// Records from this one on are of this file.
    pub(super) first_record: i64,
    pub(super) n_rows: u64,
    /// Whether any line is one of ours, or names itself: most files have neither.
    pub(super) has_codes: bool,
    pub(super) names_rows: bool,
    pub(super) names_customers: bool,
    /// Of lines that do not name themselves, what their references are made of; and of all what they would
    /// open.
    pub(super) contents: Alike,
    pub(super) tickets: Alike,
    chunk: Values,
}

impl SqliteOutbox {
    /// Starts to read a file in.
    pub async fn begin(&mut self, source: &NewSource<'_>) -> Result<Staging<'_>, MergeError> {
        let mut tx = self.reader.session.get_mut().begin().await?;
        // A correction turns out to be of another batch only at the end: 0 until then.
        let sql = "INSERT INTO batch (name, code, created_at)
             VALUES (?1, coalesce(?2, random() & ?3), CAST(unixepoch('subsec') * 1000 AS INTEGER))
                 ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING code";
        let code: i64 = sqlx::query_scalar(sql)
            .bind(source.batch.to_owned())
            .bind(source.code.map(BatchCode::number))
            .bind(BatchCode::MAX.number())
            .fetch_one(&mut *tx)
            .await
            .trouble()?;
        if source.code.is_some_and(|wanted| wanted.number() != code) {
            return Err(MergeError::Taken { batch: source.batch.to_owned() });
        }
        let sql = "INSERT INTO source (batch, kind, file_name, sha256, content, encoding, delimiter, headers,
                                       n_rows, imported_at, folder, excel_safe)
                   SELECT id, 'whole', ?2, '', '', ?3, ?4, ?5, 0, 0, ?6, ?7 FROM batch WHERE name = ?1
                   RETURNING id, (SELECT coalesce(max(id), 0) + 1 FROM record)";
        let (source_id, first_record) = sqlx::query_as(sql)
            .bind(source.batch.to_owned())
            .bind(source.file_name.to_owned())
            .bind(source.encoding.to_owned())
            .bind(source.delimiter.to_owned())
            .bind(json(source.headers))
            .bind(source.results.map(ResultsInfo::folder_text))
            .bind(source.results.is_some_and(|results| results.excel_safe))
            .fetch_one(&mut *tx)
            .await
            .trouble()?;
        Ok(Staging {
            tx,
            headers: source.headers.to_vec(),
            lacks: source.lacks.to_vec(),
            keys: source.keys.to_vec(),
            source: source_id,
            first_record,
            n_rows: 0,
            has_codes: false,
            names_rows: false,
            names_customers: false,
            contents: Alike::default(),
            tickets: Alike::default(),
            chunk: Values::default(),
        })
    }
}

impl Staging<'_> {
    /// Takes in lines, in the order of the file.
    pub async fn push(&mut self, rows: &[NewRow<'_>]) -> Result<(), OutboxError> {
        for row in rows {
            self.has_codes |= row.code.is_some();
            self.names_rows |= row.referencia.is_some();
            self.names_customers |= row.customer.is_some();
            if row.referencia.is_none() {
                self.contents.add(row.content_key.as_str().as_bytes());
            }
            if let Some(key) = &row.repeat_key {
                self.tickets.add(key);
            }
            self.chunk.push(self.source, row).trouble()?;
            if self.chunk.n_rows == CHUNK_ROWS {
                self.chunk.flush(&mut self.tx).await?;
            }
        }
        self.n_rows += rows.len() as u64;
        Ok(())
    }

    /// Writes what was pushed.
    pub(super) async fn flush(&mut self) -> Result<(), OutboxError> {
        self.chunk.flush(&mut self.tx).await
    }
}

/// The values of a multi-row `INSERT INTO record`.
#[derive(Default)]
struct Values {
    arguments: SqliteArguments,
    n_rows: usize,
}

impl Values {
    fn push(&mut self, source: i64, row: &NewRow<'_>) -> Result<(), sqlx::Error> {
        let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let to = &mut self.arguments;
        to.reserve(COLUMNS, 0);
        to.add(source)
            .and_then(|()| to.add(i64::try_from(row.line).unwrap_or(i64::MAX)))
            .and_then(|()| to.add(row.content_key.as_str().to_owned()))
            .and_then(|()| to.add(row.code.map(BatchCode::number)))
            .and_then(|()| to.add(owned(&row.referencia)))
            .and_then(|()| to.add(row.service.map(|id| id.get())))
            .and_then(|()| to.add(row.customer.map(|key| key.as_str().to_owned())))
            .and_then(|()| to.add(row.repeat_key.map(|key| key.to_vec())))
            .and_then(|()| to.add(json(&row.fields)))
            .and_then(|()| to.add(json(&row.cells)))
            .and_then(|()| to.add((!row.problems.is_empty()).then(|| json(&row.problems))))
            .and_then(|()| to.add(row.warning.clone()))
            .map_err(sqlx::Error::Encode)?;
        self.n_rows += 1;
        Ok(())
    }

    async fn flush(&mut self, conn: &mut SqliteConnection) -> Result<(), OutboxError> {
        if self.n_rows == 0 {
            return Ok(());
        }
        let this = std::mem::take(self);
        let persistent = this.n_rows == CHUNK_ROWS;
        let sql = insert(this.n_rows);
        sqlx::query_with(sqlx::AssertSqlSafe(sql), this.arguments)
            .persistent(persistent)
            .execute(conn)
            .await
            .trouble()?;
        Ok(())
    }
}

fn insert(n_rows: usize) -> String {
    let values = format!("({})", ["?"; COLUMNS].join(","));
    format!(
        "INSERT INTO record (source, line, content_key, code, referencia, service, customer, repeat_key, fields,
                             cells, problems, warning) VALUES {}",
        vec![values; n_rows].join(",")
    )
}
