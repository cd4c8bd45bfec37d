//! Settles that do not come from a row's living owner, or speak of another row's ticket: one by one, as
//! [`Found::meet`] decides.

use serde::Deserialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::{Trouble, stored, unreadable};
use super::opened::lists;
use super::time;
use super::write::{write, write_attempts};
use crate::delivery::settle::{Found, Write, verbatim};
use crate::delivery::{OutboxError, RowId, Settle, Settled, Token};
use crate::outbox::doubts::{kept, of_lost_claim};
use crate::outbox::names::{OPENED, state_name, state_of};
use crate::outbox::warnings::{Dialect, list, of_list};

/// In the order of the columns.
#[derive(Deserialize)]
struct Columns {
    token: i64,
    state: String,
    protocolo: Option<String>,
    id_atendimento: Option<i64>,
    warnings: Option<String>,
    available_at: i64,
    claimed_at: Option<i64>,
    attempts: u32,
    doubt_since: Option<i64>,
    owner: Option<i64>,
    gone: u8,
}

/// Settles one row by itself.
pub(super) async fn settle_odd(
    conn: &mut SqliteConnection,
    settle: &Settle,
    now: i64,
) -> Result<Settled, OutboxError> {
    let sql = format!(
        "SELECT json_array(o.token, o.state, o.protocolo, o.id_atendimento, o.warnings, o.available_at, o.claimed_at,
                           o.attempts, o.doubt_since,
                           (SELECT t.id FROM outbox t
                             WHERE t.id_atendimento = ?2 AND t.state = {OPENED} AND t.id <> o.id), o.gone)
           FROM outbox o WHERE o.id = ?1"
    );
    let found: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(settle.row.0)
        .bind(settle.ticket())
        .fetch_optional(&mut *conn)
        .await
        .trouble()?;
    let Some(found) = found else { return Ok(Settled::Deleted) };
    let row: Columns = stored("outbox", &found)?;
    let found = Found {
        state: state_of(&row.state).ok_or_else(|| unreadable("outbox.state"))?,
        token: Token(row.token),
        // Nobody else claims rows of this outbox.
        is_own: true,
        is_claimed: row.claimed_at.is_some(),
        is_gone: row.gone != 0,
        available_at: time(row.available_at),
        attempts: row.attempts,
        doubt_since: row.doubt_since.map(time),
        protocolo: row.protocolo,
        id_atendimento: row.id_atendimento,
        warnings: of_list(row.warnings.as_deref()),
        owner: row.owner.map(RowId),
    };
    let (to_write, settled) = found.meet(settle, verbatim);
    if to_write != Write::Nothing {
        write_odd(conn, settle, to_write, now).await?;
        write_attempts(conn, std::iter::once(settle)).await?;
    }
    Ok(settled)
}

async fn write_odd(
    conn: &mut SqliteConnection,
    settle: &Settle,
    to_write: Write<'_>,
    now: i64,
) -> Result<(), OutboxError> {
    let row = settle.row.0;
    let done = match to_write {
        Write::Nothing => return Ok(()),
        Write::Change => return write(conn, "", std::iter::once(settle), now).await.map(drop),
        Write::Ticket { state, opening, attempts, warnings, fault } => {
            let (ids_os, numeros_os) = lists(opening);
            let sql = format!(
                "UPDATE outbox
                    SET state = ?2, protocolo = ?3, id_atendimento = ?4, ids_os = ?5, numeros_os = ?6,
                        attempts = coalesce(?7, attempts), {}, {},
                        error_code = ?9, error_message = ?10, finished_at = ?11
                  WHERE id = ?1",
                Dialect::Sqlite.append("outbox", "?8"),
                kept("outbox", "?11")
            );
            let (code, message) =
                fault.as_ref().map(|fault| (fault.code(), crate::text::fault(fault))).unzip();
            sqlx::query(AssertSqlSafe(sql))
                .bind(row)
                .bind(state_name(state))
                .bind(opening.protocolo.clone())
                .bind(opening.id_atendimento)
                .bind(ids_os)
                .bind(numeros_os)
                .bind(attempts.map(i64::from))
                .bind(list(warnings, verbatim))
                .bind(code)
                .bind(message)
                .bind(now)
                .execute(conn)
                .await
        }
        Write::Beside { id_atendimento, warning } => {
            let sql = format!(
                "UPDATE outbox SET id_atendimento = coalesce(?2, id_atendimento), {} WHERE id = ?1",
                Dialect::Sqlite.append("outbox", "?3")
            );
            let warnings = list(warning.as_slice(), verbatim);
            sqlx::query(AssertSqlSafe(sql)).bind(row).bind(id_atendimento).bind(warnings).execute(conn).await
        }
        Write::Doubt => {
            let sql = format!(
                "UPDATE outbox SET {}, token = ?2, sent_at = coalesce(sent_at, ?3, ?4)
                  WHERE id = ?1",
                of_lost_claim("?4")
            );
            sqlx::query(AssertSqlSafe(sql))
                .bind(row)
                .bind(settle.token.0)
                .bind(settle.attempt.as_ref().map(|attempt| attempt.at.as_millisecond()))
                .bind(now)
                .execute(conn)
                .await
        }
    };
    done.trouble().map(drop)
}
