//! Settles that do not come from a row's living owner, or speak of another row's ticket: one by one, as
//! [`Found::meet`] decides.

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{Trouble, all_of, unreadable};
use super::opened::{count, lists};
use super::values::{Time, owned_text, text};
use super::write::{write, write_attempts};
use super::written::{WrittenRow, n_written, returning};
use crate::delivery::settle::{Found, Write};
use crate::delivery::{Fault, OutboxError, RowId, Settle, Settled, Token};
use crate::outbox::doubts::{is_of_lost_claim, kept, of_lost_claim};
use crate::outbox::names::{OPENED, state_name, state_of};
use crate::outbox::warnings::{Dialect, list, of_list};

/// As [`found`] asks for them.
type Columns = (
    String,
    i64,
    bool,
    bool,
    bool,
    Time,
    i32,
    Option<Time>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<i64>,
);

/// Settles one row by itself.
pub(super) async fn settle_odd(
    conn: &mut PgConnection,
    worker: i64,
    settle: &Settle,
) -> Result<Settled, OutboxError> {
    let Some(found) = found(conn, worker, settle).await? else { return Ok(Settled::Deleted) };
    let (to_write, settled) = found.meet(settle, text);
    if to_write != Write::Nothing {
        write_odd(conn, worker, settle, to_write).await?;
        write_attempts(conn, std::iter::once(settle)).await?;
    }
    Ok(settled)
}

/// The row, which nobody else changes from here on.
async fn found(conn: &mut PgConnection, worker: i64, settle: &Settle) -> Result<Option<Found>, OutboxError> {
    let sql = format!(
        "SELECT o.state, o.token, (o.worker = $2) IS TRUE, o.claimed_at IS NOT NULL, o.gone, o.available_at,
                o.attempts, o.doubt_since, o.protocolo, o.id_atendimento, o.warnings::text,
                (SELECT t.id FROM mutirao.outbox t
                  WHERE t.id_atendimento = $3 AND t.state = {OPENED} AND t.id <> o.id)
           FROM mutirao.outbox o WHERE o.id = $1 FOR UPDATE OF o"
    );
    let found: Option<Columns> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(settle.row.0)
        .bind(worker)
        .bind(settle.ticket())
        .fetch_optional(conn)
        .await
        .trouble()?;
    let Some(found) = found else { return Ok(None) };
    let (
        state,
        token,
        is_own,
        is_claimed,
        is_gone,
        Time(available_at),
        attempts,
        doubt_since,
        protocolo,
        id_atendimento,
        warnings,
        owner,
    ) = found;
    Ok(Some(Found {
        state: state_of(&state).ok_or_else(|| unreadable("outbox.state"))?,
        token: Token(token),
        is_own,
        is_claimed,
        is_gone,
        available_at,
        attempts: u32::try_from(attempts).unwrap_or(0),
        doubt_since: doubt_since.map(|since| since.0),
        protocolo,
        id_atendimento,
        warnings: of_list(warnings.as_deref()),
        owner: owner.map(RowId),
    }))
}

async fn write_odd(
    conn: &mut PgConnection,
    worker: i64,
    settle: &Settle,
    to_write: Write<'_>,
) -> Result<(), OutboxError> {
    let row = settle.row.0;
    let done: Result<Vec<WrittenRow>, _> = match to_write {
        Write::Nothing => return Ok(()),
        Write::Change => return write(conn, worker, std::iter::once(settle)).await,
        Write::Ticket { state, opening, attempts, warnings, fault } => {
            let (ids_os, numeros_os) = lists(opening);
            let sql = format!(
                "UPDATE mutirao.outbox o
                    SET state = $2, protocolo = $3, id_atendimento = $4, ids_ordem_servico = $5::text::bigint[],
                        numeros_ordem_servico = $6::text::text[], attempts = coalesce($7, attempts),
                        {}, {},
                        error_code = $9, error_message = $10, finished_at = clock_timestamp()
                  WHERE id = $1
              {}",
                Dialect::Postgres.append("o", "$8::text"),
                kept("o", "clock_timestamp()"),
                returning("state = $2 AND protocolo = $3 AND id_atendimento = $4 AND doubt_since IS NOT NULL")
            );
            sqlx::query_as(AssertSqlSafe(sql))
                .bind(row)
                .bind(state_name(state))
                .bind(text(&opening.protocolo))
                .bind(opening.id_atendimento)
                .bind(ids_os)
                .bind(numeros_os)
                .bind(attempts.map(count))
                .bind(list(warnings, text))
                .bind(fault.as_ref().map(Fault::code))
                .bind(fault.as_ref().map(|fault| owned_text(crate::text::fault(fault))))
                .fetch_all(&mut *conn)
                .await
        }
        Write::Beside { id_atendimento, warning } => {
            let sql = format!(
                "UPDATE mutirao.outbox o
                    SET id_atendimento = coalesce($2, id_atendimento), {}
                  WHERE id = $1
              {}",
                Dialect::Postgres.append("o", "$3::text"),
                returning(
                    "($2 IS NULL OR id_atendimento = $2) AND ($3::text IS NULL OR warnings @> $3::text::jsonb)"
                )
            );
            let warnings = list(warning.as_slice(), text);
            let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(row).bind(id_atendimento).bind(warnings);
            asked.fetch_all(&mut *conn).await
        }
        Write::Doubt => {
            let sql = format!(
                "UPDATE mutirao.outbox o
                    SET {}, token = $3, worker = $4, sent_at = coalesce(o.sent_at, $2, clock_timestamp())
                  WHERE o.id = $1
              {}",
                of_lost_claim("clock_timestamp()"),
                returning(&format!("{} AND token = $3 AND worker = $4", is_of_lost_claim("o")))
            );
            sqlx::query_as(AssertSqlSafe(sql))
                .bind(row)
                .bind(settle.attempt.as_ref().map(|attempt| Time(attempt.at)))
                .bind(settle.token.0)
                .bind(worker)
                .fetch_all(&mut *conn)
                .await
        }
    };
    all_of(1, n_written(conn, &done.trouble()?).await?)
}
