//! The lines of a file on their way in: by `COPY` into a temporary table, in one transaction with the
//! merge that makes rows of them. So a file is in wholly or not at all, and costs no memory.

use serde_json::Value;
use sqlx::postgres::Postgres;
use sqlx::{AssertSqlSafe, Transaction};

use super::PgOutbox;
use super::columns::{definition, each_field};
use super::error::{Trouble, is_held};
use super::rights;
use crate::delivery::OutboxError;
use crate::delivery::identity::ContentKey;
use crate::outbox::stored::json;
use crate::outbox::{MergeError, NewRow, NewSource, ResultsInfo};
use crate::ticket::code::BatchCode;
use crate::ticket::{Field, Kind, in_words};

/// Lines are sent on when there are so many bytes of them.
const CHUNK_BYTES: usize = 1 << 20;

/// A file that is being read in. Dropped without [`Staging::merge`]: nothing happened.
pub struct Staging {
    pub(super) tx: Transaction<'static, Postgres>,
    pub(super) batch: String,
    pub(super) code: Option<BatchCode>,
    pub(super) file_name: String,
    pub(super) encoding: String,
    pub(super) delimiter: String,
    pub(super) headers: Vec<String>,
    pub(super) lacks: Vec<Field>,
    pub(super) keys: Vec<(Field, Vec<String>)>,
    pub(super) results: Option<ResultsInfo>,
    pub(super) n_rows: u64,
    /// Whether any line is one of ours, or names itself: most files have neither.
    pub(super) has_codes: bool,
    pub(super) names_rows: bool,
    pub(super) names_customers: bool,
    pub(super) is_held: bool,
    /// In the text form of `COPY`.
    lines: String,
}

impl PgOutbox {
    /// Starts to read a file in. One process at a time does so for a batch.
    pub async fn begin(&self, source: &NewSource<'_>) -> Result<Staging, MergeError> {
        let mut tx = self.conn().await?;
        let sql = "SELECT pg_catalog.set_config('synchronous_commit', 'on', true)";
        sqlx::query(sql).persistent(false).execute(&mut *tx).await.trouble()?;
        rights::check_import(&mut tx).await?;
        lock(&mut tx, source.batch).await?;
        let sql = format!(
            "CREATE TEMP TABLE incoming (
                 record bigint NOT NULL DEFAULT nextval('mutirao.record_id_seq'), line bigint NOT NULL,
                 content_key text NOT NULL, code integer, referencia text, repeat_key bytea, cells text NOT NULL,
                 customer text, problems text, warning text, error_code text, error_message text, whole text, {}
             ) ON COMMIT DROP",
            each_field(definition)
        );
        sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(&mut *tx).await.trouble()?;
        Ok(Staging {
            tx,
            batch: source.batch.to_owned(),
            code: source.code,
            file_name: source.file_name.to_owned(),
            encoding: source.encoding.to_owned(),
            delimiter: source.delimiter.to_owned(),
            headers: source.headers.to_vec(),
            lacks: source.lacks.to_vec(),
            keys: source.keys.to_vec(),
            results: source.results.cloned(),
            n_rows: 0,
            has_codes: false,
            names_rows: false,
            names_customers: false,
            is_held: false,
            lines: String::new(),
        })
    }
}

/// Keeps every other import away from a batch until the transaction ends; one that goes on for longer than a
/// lock is waited for is busy. By a row, which only who may write to the table can hold: an advisory lock is
/// anybody's who can log in. Not by the batch's own row, which workers write meanwhile.
pub(super) async fn lock(tx: &mut Transaction<'static, Postgres>, batch: &str) -> Result<(), MergeError> {
    let sql = "INSERT INTO mutirao.importing AS i (batch) VALUES ($1)
                   ON CONFLICT (batch) DO UPDATE SET batch = i.batch";
    match sqlx::query(sql).bind(batch).persistent(false).execute(&mut **tx).await {
        Err(error) if is_held(&error) => Err(MergeError::Busy { batch: batch.to_owned() }),
        done => Ok(done.trouble().map(drop)?),
    }
}

impl Staging {
    /// Lets nobody else post the rows before [`PgOutbox::release`], if no halt does so already.
    pub fn hold(&mut self) {
        self.is_held = true;
    }

    /// Takes in lines, in the order of the file.
    pub async fn push(&mut self, rows: &[NewRow<'_>]) -> Result<(), OutboxError> {
        for row in rows {
            self.has_codes |= row.code.is_some();
            self.names_rows |= row.referencia.is_some();
            self.names_customers |= row.customer.is_some();
            write_line(&mut self.lines, row);
            if CHUNK_BYTES <= self.lines.len() {
                self.flush().await?;
            }
        }
        self.n_rows += rows.len() as u64;
        Ok(())
    }

    /// Writes what was pushed.
    pub(super) async fn flush(&mut self) -> Result<(), OutboxError> {
        let sql = format!(
            "COPY pg_temp.incoming (line, content_key, code, referencia, repeat_key, cells, customer, problems, warning,
                                    error_code, error_message, {}) FROM STDIN",
            each_field(|field| field.to_string())
        );
        let mut copy = self.tx.copy_in_raw(&sql).await.trouble()?;
        copy.send(self.lines.as_bytes()).await.trouble()?;
        copy.finish().await.trouble()?;
        self.lines.clear();
        Ok(())
    }
}

fn write_line(to: &mut String, row: &NewRow<'_>) {
    let is_valid = row.problems.is_empty();
    to.push_str(&row.line.to_string());
    value(to, Some(row.content_key.as_str()));
    value(to, row.code.map(|code| code.number().to_string()).as_deref());
    value(to, row.referencia.as_deref());
    let key = row.repeat_key.map(|key| {
        key.iter().fold("\\x".to_owned(), |mut text, byte| {
            text.push_str(&format!("{byte:02x}"));
            text
        })
    });
    value(to, key.as_deref());
    value(to, Some(&json(&row.cells)));
    value(to, row.customer.as_ref().map(ContentKey::as_str));
    value(to, (!is_valid).then(|| json(&row.problems)).as_deref());
    value(to, row.warning.as_deref());
    value(to, row.problems.first().map(|problem| &*problem.code));
    value(to, (!is_valid).then(|| in_words(&row.problems)).as_deref());
    for field in Field::ALL {
        let cell = row.fields.get(field);
        match field {
            // As the claims compare it. The cell stays as it is in `cells`.
            Field::IdClienteServico if is_valid && row.service.is_some() => {
                value(to, row.service.map(|service| service.get().to_string()).as_deref());
            }
            _ if field.kind() == Kind::Object => value(to, cell.map(object).as_deref()),
            _ if field.is_required() => value(to, Some(cell.unwrap_or_default())),
            _ => value(to, cell),
        }
    }
    to.push('\n');
}

/// The text of an object as one, also of an invalid row: a correction may keep some of its keys. A text that
/// is none, or that no `jsonb` holds, as a JSON string.
fn object(cell: &str) -> String {
    let of_object = match serde_json::from_str(cell) {
        Ok(value @ Value::Object(_)) => Some(value.to_string()).filter(|object| !object.contains("\\u0000")),
        _ => None,
    };
    of_object.unwrap_or_else(|| json(&cell.replace('\0', REPLACEMENT)))
}

/// Stands for a NUL, which no text of Postgres holds. A row that has one is invalid.
const REPLACEMENT: &str = "\u{FFFD}";

/// Appends a value of the text form of `COPY`.
fn value(to: &mut String, text: Option<&str>) {
    to.push('\t');
    let Some(text) = text else { return to.push_str("\\N") };
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\t', '\n', '\r', '\0']) {
        to.push_str(&rest[..at]);
        to.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'\t' => "\\t",
            b'\n' => "\\n",
            b'\r' => "\\r",
            _ => REPLACEMENT,
        });
        rest = &rest[at + 1..];
    }
    to.push_str(rest);
}
