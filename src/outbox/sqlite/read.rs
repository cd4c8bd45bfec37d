//! What can be seen of an outbox, by its owner and by anybody else.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::desk::Range;
use super::error::{Trouble, stored, unreadable};
use super::{Reader, time};
use crate::delivery::{Attempt, Doubt, OutboxError, RowId, State};
use crate::outbox::names::{kind_of, state_of};
use crate::outbox::{
    BatchId, BatchInfo, Counts, Cursor, ImportId, ReportRow, RowDetails, RowName, RowProblems, Scope,
    SourceInfo, Status,
};
use crate::ticket::{Problem, RawTicket};

/// Of `o`: the rows that a file still has. `?1` batch, `?2` import; NULL is no limit.
const IN_SCOPE: &str = "o.gone = 0 AND (?1 IS NULL OR o.batch = ?1) AND (?2 IS NULL OR o.import = ?2)";

/// The head of a [`StoredRow`]; its cells are put in as they stand.
const ROW_HEAD: &str =
    "json_array(o.id, o.line, b.name, o.referencia, o.state, o.protocolo, o.id_atendimento,
    json(o.ids_os), json(o.numeros_os), o.attempts, o.error_code, o.error_message, o.warning, o.record)";

#[derive(Deserialize)]
struct StoredRow<'a>(#[serde(borrow)] RowHead<'a>, #[serde(borrow)] Vec<Text<'a>>);

/// Borrowed where the JSON has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// In the order of [`ROW_HEAD`].
#[derive(Deserialize)]
struct RowHead<'a> {
    id: i64,
    line: u64,
    #[serde(borrow)]
    lote: Text<'a>,
    #[serde(borrow)]
    referencia: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    protocolo: Option<Text<'a>>,
    id_atendimento: Option<i64>,
    ids_os: Option<Vec<i64>>,
    #[serde(borrow)]
    numeros_os: Option<Vec<Text<'a>>>,
    attempts: u32,
    #[serde(borrow)]
    error_code: Option<Text<'a>>,
    #[serde(borrow)]
    error_message: Option<Text<'a>>,
    #[serde(borrow)]
    warning: Option<Text<'a>>,
    record: i64,
}

/// Rows as SQLite put them together: one text, that [`Page::rows`] reads.
pub struct Page {
    json: String,
}

impl Page {
    /// The rows, in input order; where the next page starts, or `None` if there are no more rows.
    pub fn rows(&self) -> Result<(Vec<ReportRow<'_>>, Option<Cursor>), OutboxError> {
        let stored: Vec<StoredRow<'_>> = stored("outbox", &self.json)?;
        let next = stored.last().map(|it| Cursor(it.0.record));
        let rows = stored.into_iter().map(StoredRow::into_report).collect::<Result<_, _>>()?;
        Ok((rows, next))
    }
}

impl Reader {
    /// The rows of `scope` in input order, at most `n` of them, after the one where `after` stands.
    pub async fn rows_page(&self, scope: Scope, after: Cursor, n: usize) -> Result<Page, OutboxError> {
        let range = Range::of(scope);
        let sql = format!(
            "SELECT '[' || group_concat('[' || {ROW_HEAD} || ',' || r.cells || ']') || ']'
               FROM (SELECT * FROM outbox o WHERE ?3 < o.record AND {IN_SCOPE} ORDER BY o.record LIMIT +?4) AS o
                    CROSS JOIN record r ON r.id = o.record CROSS JOIN batch b ON b.id = o.lote"
        );
        let json: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(range.batch)
            .bind(range.import)
            .bind(after.0)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_one(&mut *self.conn().await)
            .await
            .trouble()?;
        Ok(Page { json: json.unwrap_or_else(|| "[]".to_owned()) })
    }

    /// The invalid rows of `scope` with all their problems, in input order.
    pub async fn problems_page(
        &self,
        scope: Scope,
        after: Cursor,
        n: usize,
    ) -> Result<(Vec<RowProblems>, Option<Cursor>), OutboxError> {
        let range = Range::of(scope);
        let sql = format!(
            "SELECT '[' || group_concat('[' || json_array(o.id, o.line, o.record) || ',' || r.problems || ']') || ']'
               FROM (SELECT * FROM outbox o
                      WHERE ?3 < o.record AND {IN_SCOPE} AND o.state = 'invalid' ORDER BY o.record LIMIT +?4) AS o
                    CROSS JOIN record r ON r.id = o.record"
        );
        let json: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(range.batch)
            .bind(range.import)
            .bind(after.0)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_one(&mut *self.conn().await)
            .await
            .trouble()?;
        let found: Vec<((i64, u64, i64), Vec<Problem>)> =
            stored("record.problems", json.as_deref().unwrap_or("[]"))?;
        let next = found.last().map(|it| Cursor(it.0.2));
        let rows =
            found.into_iter().map(|((id, line, _), problems)| RowProblems { row: RowId(id), line, problems });
        Ok((rows.collect(), next))
    }

    /// The rows of `scope` by state.
    pub async fn counts(&self, scope: Scope) -> Result<Counts, OutboxError> {
        counts(&mut *self.conn().await, Range::of(scope)).await
    }

    /// Counts, and what waits.
    pub async fn status(&self, scope: Scope, now: Timestamp) -> Result<Status, OutboxError> {
        let mut conn = self.conn().await;
        let range = Range::of(scope);
        let sql = format!(
            "SELECT count(*) FILTER (WHERE o.available_at <= ?3), count(o.doubt_since), min(o.record)
               FROM outbox o WHERE {IN_SCOPE} AND o.state = 'pending'"
        );
        let (due_now, in_doubt, oldest): (i64, i64, Option<i64>) = sqlx::query_as(AssertSqlSafe(sql))
            .bind(range.batch)
            .bind(range.import)
            .bind(now.as_millisecond())
            .fetch_one(&mut *conn)
            .await
            .trouble()?;
        let sql = "SELECT s.imported_at FROM record r JOIN source s ON s.id = r.source WHERE r.id = ?1";
        let oldest: Option<i64> =
            sqlx::query_scalar(sql).bind(oldest).fetch_optional(&mut *conn).await.trouble()?;
        Ok(Status {
            counts: counts(&mut conn, range).await?,
            due_now: count(due_now),
            in_doubt: count(in_doubt),
            oldest_pending: oldest.map(time),
        })
    }

    /// What is known of a batch; `None` if nothing was ever imported under that name.
    pub async fn batch_info(&self, name: &str) -> Result<Option<BatchInfo>, OutboxError> {
        Ok(self.infos(Some(name)).await?.pop())
    }

    /// Every batch that has rows, the oldest first.
    pub async fn batches(&self) -> Result<Vec<BatchInfo>, OutboxError> {
        self.infos(None).await
    }

    async fn infos(&self, name: Option<&str>) -> Result<Vec<BatchInfo>, OutboxError> {
        type Row = (
            i64,
            String,
            i64,
            Option<i64>,
            Option<String>,
            i64,
            String,
            String,
            String,
            String,
            String,
            i64,
            i64,
        );
        let mut conn = self.conn().await;
        let sql = "SELECT b.id, b.name, b.created_at, b.finished_at, b.summary, s.id, s.file_name, s.sha256,
                          s.encoding, s.delimiter, s.headers, s.n_rows, s.imported_at
                     FROM batch b JOIN source s ON s.id = b.source WHERE ?1 IS NULL OR b.name = ?1 ORDER BY b.id";
        let rows: Vec<Row> =
            sqlx::query_as(sql).bind(name.map(str::to_owned)).fetch_all(&mut *conn).await.trouble()?;
        let mut infos = Vec::with_capacity(rows.len());
        for (
            id,
            name,
            created_at,
            finished_at,
            summary,
            import,
            file_name,
            sha256,
            encoding,
            delimiter,
            headers,
            n_rows,
            imported_at,
        ) in rows
        {
            let range = Range::of(Scope::Batch(BatchId(id)));
            infos.push(BatchInfo {
                id: BatchId(id),
                name,
                created_at: time(created_at),
                finished_at: finished_at.map(time),
                summary,
                counts: counts(&mut conn, range).await?,
                source: SourceInfo {
                    import: ImportId(import),
                    file_name,
                    sha256,
                    encoding,
                    delimiter,
                    headers: stored("source.headers", &headers)?,
                    n_rows: count(n_rows),
                    imported_at: time(imported_at),
                },
            });
        }
        Ok(infos)
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
}

async fn counts(conn: &mut SqliteConnection, range: Range) -> Result<Counts, OutboxError> {
    let sql = format!(
        "SELECT o.state, count(*), count(*) FILTER (WHERE instr(o.warning, 'without_os'))
           FROM outbox o WHERE {IN_SCOPE} GROUP BY o.state"
    );
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(range.batch)
        .bind(range.import)
        .fetch_all(conn)
        .await
        .trouble()?;
    let mut counts = Counts::default();
    for (state, n, n_without_os) in rows {
        let n = count(n);
        match state_of(&state).ok_or_else(|| unreadable("outbox.state"))? {
            State::Pending => counts.pending = n,
            State::InFlight => counts.in_flight = n,
            State::Opened => (counts.opened, counts.opened_without_os) = (n, count(n_without_os)),
            State::Invalid => counts.invalid = n,
            State::Rejected => counts.rejected = n,
            State::Failed => counts.failed = n,
            State::Unconfirmed => counts.unconfirmed = n,
            State::Skipped => counts.skipped = n,
            State::Cancelled => counts.cancelled = n,
        }
    }
    Ok(counts)
}

async fn details(conn: &mut SqliteConnection, id: i64) -> Result<Option<RowDetails>, OutboxError> {
    /// In the order of the columns.
    #[derive(Deserialize)]
    struct Rest {
        batch: String,
        sent_at: Option<i64>,
        available_at: i64,
        doubt_since: Option<i64>,
        doubt_not_before: Option<i64>,
        doubt_precaution: u8,
        absences: u32,
        last_absence: Option<i64>,
        answered: u32,
        finished_at: Option<i64>,
    }
    let sql = format!(
        "SELECT '[' || {ROW_HEAD} || ',' || r.cells || ']', r.fields, coalesce(r.problems, '[]'),
                json_array(home.name, o.sent_at, o.available_at, o.doubt_since, o.doubt_not_before,
                           o.doubt_precaution, o.absences, o.last_absence, o.answered, o.finished_at)
           FROM outbox o JOIN record r ON r.id = o.record JOIN batch b ON b.id = o.lote
                JOIN batch home ON home.id = o.batch
          WHERE o.id = ?1"
    );
    let found: Option<(String, String, String, String)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *conn).await.trouble()?;
    let Some((row, fields, problems, rest)) = found else { return Ok(None) };
    let rest: Rest = stored("outbox", &rest)?;
    let fields: RawTicket<'_> = stored("record.fields", &fields)?;
    Ok(Some(RowDetails {
        report: stored::<StoredRow<'_>>("outbox", &row)?.into_report()?.into_owned(),
        batch: rest.batch,
        fields: into_owned(fields),
        problems: stored("record.problems", &problems)?,
        sent_at: rest.sent_at.map(time),
        available_at: time(rest.available_at),
        doubt: rest.doubt_since.map(|since| Doubt {
            since: time(since),
            not_before: rest.doubt_not_before.map(time),
            precaution: rest.doubt_precaution != 0,
            absences: rest.absences,
            last_absence: rest.last_absence.map(time),
            answered: rest.answered,
        }),
        finished_at: rest.finished_at.map(time),
        history: history(conn, id).await?,
    }))
}

async fn history(conn: &mut SqliteConnection, id: i64) -> Result<Vec<Attempt>, OutboxError> {
    let sql =
        "SELECT at, kind, verdict, http_status, latency_ms, note FROM attempt WHERE row = ?1 ORDER BY id";
    let rows: Vec<(i64, String, String, Option<i64>, i64, String)> =
        sqlx::query_as(sql).bind(id).fetch_all(conn).await.trouble()?;
    rows.into_iter()
        .map(|(at, kind, verdict, http_status, latency_ms, note)| {
            Ok(Attempt {
                at: time(at),
                kind: kind_of(&kind).ok_or_else(|| unreadable("attempt.kind"))?,
                verdict,
                http_status: http_status.and_then(|it| u16::try_from(it).ok()),
                latency: Duration::from_millis(count(latency_ms)),
                note,
            })
        })
        .collect()
}

impl<'a> StoredRow<'a> {
    fn into_report(self) -> Result<ReportRow<'a>, OutboxError> {
        let Self(head, cells) = self;
        let text = |it: Option<Text<'a>>| it.map(|it| it.0);
        Ok(ReportRow {
            row: RowId(head.id),
            line: head.line,
            lote: head.lote.0,
            referencia: head.referencia.0,
            state: state_of(&head.state.0).ok_or_else(|| unreadable("outbox.state"))?,
            cells: cells.into_iter().map(|it| it.0).collect(),
            protocolo: text(head.protocolo),
            id_atendimento: head.id_atendimento,
            ids_ordem_servico: head.ids_os.unwrap_or_default(),
            numeros_ordem_servico: head.numeros_os.into_iter().flatten().map(|it| it.0).collect(),
            attempts: head.attempts,
            error_code: text(head.error_code),
            error_message: text(head.error_message),
            warning: text(head.warning),
        })
    }
}

impl ReportRow<'_> {
    /// The same row, on its own.
    pub fn into_owned(self) -> ReportRow<'static> {
        let own = |it: Cow<'_, str>| Cow::Owned(it.into_owned());
        ReportRow {
            row: self.row,
            line: self.line,
            lote: own(self.lote),
            referencia: own(self.referencia),
            state: self.state,
            cells: self.cells.into_iter().map(own).collect(),
            protocolo: self.protocolo.map(own),
            id_atendimento: self.id_atendimento,
            ids_ordem_servico: self.ids_ordem_servico,
            numeros_ordem_servico: self.numeros_ordem_servico.into_iter().map(own).collect(),
            attempts: self.attempts,
            error_code: self.error_code.map(own),
            error_message: self.error_message.map(own),
            warning: self.warning.map(own),
        }
    }
}

fn into_owned(fields: RawTicket<'_>) -> RawTicket<'static> {
    let own = |it: Option<Cow<'_, str>>| it.map(|it| Cow::Owned(it.into_owned()));
    RawTicket {
        id_cliente_servico: own(fields.id_cliente_servico),
        id_tipo_atendimento: own(fields.id_tipo_atendimento),
        descricao: own(fields.descricao),
        nome: own(fields.nome),
        telefone: own(fields.telefone),
        email: own(fields.email),
        abrir_os: own(fields.abrir_os),
        id_atendimento_status: own(fields.id_atendimento_status),
        id_usuario_responsavel: own(fields.id_usuario_responsavel),
        parametros: own(fields.parametros),
        parametros_ordem_servico: own(fields.parametros_ordem_servico),
    }
}

/// A count of SQL, which has no unsigned numbers.
fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
