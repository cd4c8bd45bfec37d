//! The settle that matters most: the ticket exists.

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Either, Executor, SqliteConnection};

use super::error::{Trouble, json};
use crate::delivery::settle::verbatim;
use crate::delivery::{OpenedTicket, OutboxError, Warning};
use crate::outbox::doubts::kept;
use crate::outbox::names::{IN_FLIGHT, OPENED};
use crate::outbox::warnings::{Dialect, list};

/// Rows of one statement. Shorter lists are filled up with rows that match nothing, so that few
/// statements are ever prepared.
const CHUNKS: [usize; 4] = [4, 16, 64, 256];

pub(super) struct OpenedRow<'a> {
    pub(super) row: i64,
    pub(super) token: i64,
    pub(super) opening: &'a OpenedTicket,
    pub(super) attempts: u32,
    pub(super) warnings: &'a [Warning],
}

/// Writes openings of rows that are in flight under their token; returns how many that were. `first`
/// stands in front of the first statement.
///
/// As `VALUES`, not as one JSON text: taking that apart would cost more than the rest of the update
/// (measured: 50,000 instructions a row instead of 15,000). `OR FAIL`: the transaction is undone as a
/// whole, and SQLite need not be able to undo the statement alone (measured: a fortieth of an import).
///
/// # Errors
///
/// If a ticket belongs to another row: the index of tickets refuses it.
pub(super) async fn write_opened(
    conn: &mut SqliteConnection,
    mut first: &'static str,
    rows: &[OpenedRow<'_>],
    now: i64,
) -> Result<u64, OutboxError> {
    let warned: Vec<_> =
        rows.iter().filter_map(|row| Some((row.row, row.token, list(row.warnings, verbatim)?))).collect();
    if !warned.is_empty() {
        write_warnings(conn, std::mem::take(&mut first), &warned).await?;
    }
    let largest = CHUNKS[CHUNKS.len() - 1];
    let mut n_written = 0;
    for rows in rows.chunks(largest) {
        let n_values = CHUNKS.into_iter().find(|n| rows.len() <= *n).unwrap_or(largest);
        let arguments = arguments(rows, n_values, now).map_err(sqlx::Error::Encode).trouble()?;
        let sql = AssertSqlSafe(update(std::mem::take(&mut first), n_values));
        // Of the last statement: to a `BEGIN`, SQLite gives the count of the statement before it.
        let mut results = conn.fetch_many(sqlx::query_with(sql, arguments));
        let mut n_last = 0;
        while let Some(result) = results.try_next().await.trouble()? {
            if let Either::Left(done) = result {
                n_last = done.rows_affected();
            }
        }
        n_written += n_last;
    }
    Ok(n_written)
}

/// What is new to warn of, by row and token. A statement of its own: nearly all rows have nothing.
async fn write_warnings(
    conn: &mut SqliteConnection,
    first: &'static str,
    warned: &[(i64, i64, String)],
) -> Result<(), OutboxError> {
    let sql = format!(
        "{first}UPDATE outbox SET {} FROM json_each(?1) v
          WHERE outbox.id = v.value ->> 0 AND outbox.token = v.value ->> 1 AND outbox.state = {IN_FLIGHT}",
        Dialect::Sqlite.append("outbox", "v.value ->> 2")
    );
    sqlx::query(AssertSqlSafe(sql)).bind(json(warned)).execute(conn).await.trouble().map(drop)
}

fn arguments(
    rows: &[OpenedRow<'_>],
    n_values: usize,
    now: i64,
) -> Result<SqliteArguments, sqlx::error::BoxDynError> {
    let mut to = SqliteArguments::default();
    to.reserve(n_values * 7 + 1, 0);
    to.add(now)?;
    for row in rows {
        let (ids_os, numeros_os) = lists(row.opening);
        to.add(row.row)?;
        to.add(row.token)?;
        to.add(row.opening.protocolo.clone())?;
        to.add(row.opening.id_atendimento)?;
        to.add(ids_os)?;
        to.add(numeros_os)?;
        to.add(i64::from(row.attempts))?;
    }
    Ok(to) // What is not bound is NULL.
}

fn update(first: &'static str, n_values: usize) -> String {
    let rows: Vec<&str> = vec!["(?,?,?,?,?,?,?)"; n_values];
    format!(
        "{first}WITH at(now) AS (VALUES (?)),
              v(id, token, protocolo, id_atendimento, ids_os, numeros_os, attempts) AS (VALUES {})
         UPDATE OR FAIL outbox
            SET state = {OPENED}, protocolo = v.protocolo, id_atendimento = v.id_atendimento, ids_os = v.ids_os,
                numeros_os = v.numeros_os, attempts = v.attempts,
                {}, error_code = NULL, error_message = NULL, finished_at = at.now
           FROM v, at
          WHERE outbox.id = v.id AND outbox.token = v.token AND outbox.state = {IN_FLIGHT}",
        rows.join(","),
        kept("outbox", "at.now")
    )
}

/// As JSON; `None` for the many that have none.
pub(super) fn lists(opening: &OpenedTicket) -> (Option<String>, Option<String>) {
    let OpenedTicket { ids_ordem_servico: ids, numeros_ordem_servico: numbers, .. } = opening;
    ((!ids.is_empty()).then(|| json(ids)), (!numbers.is_empty()).then(|| json(numbers)))
}
