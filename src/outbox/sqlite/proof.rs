//! Settles that do not come from a row's living owner, or speak of another row's ticket.
//!
//! The fence keeps everything out but proof: that a ticket was opened is true whoever says it, and
//! however late.

use serde::Deserialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::{Trouble, stored, unreadable};
use super::opened::lists;
use super::settle::write;
use crate::delivery::{Change, OpenedTicket, OutboxError, Settle, Settled, State, Token};
use crate::outbox::doubts::kept;
use crate::outbox::names::state_of;

/// The row as a settle finds it, in the order of the columns.
#[derive(Deserialize)]
struct Found {
    token: i64,
    state: String,
    protocolo: Option<String>,
    available_at: i64,
    claimed_at: Option<i64>,
    attempts: u32,
    doubt_since: Option<i64>,
}

/// Settles one row by itself.
pub(super) async fn settle_odd(
    conn: &mut SqliteConnection,
    settle: &Settle,
    now: i64,
) -> Result<Settled, OutboxError> {
    let sql = "SELECT json_array(token, state, protocolo, available_at, claimed_at, attempts, doubt_since)
                 FROM outbox WHERE id = ?1";
    let found: Option<String> =
        sqlx::query_scalar(sql).bind(settle.row.0).fetch_optional(&mut *conn).await.trouble()?;
    let Some(found) = found else { return Ok(Settled::Stale) };
    let found: Found = stored("outbox", &found)?;
    let state = state_of(&found.state).ok_or_else(|| unreadable("outbox.state"))?;
    let is_owner = state == State::InFlight && Token(found.token) == settle.token;
    match &settle.change {
        Change::Opened { opening, attempts, warning } => {
            if state == State::Opened {
                return adopt_second(conn, settle, &found, opening).await;
            }
            if let Some(owner) = owner_of(conn, opening.id_atendimento).await? {
                refuse_taken(conn, settle.row.0, owner, opening, now).await?;
                return Ok(Settled::Taken);
            }
            // The count is of the living owner's making; a late proof adds nothing to it.
            let attempts = is_owner.then_some(*attempts);
            adopt(conn, settle.row.0, opening, attempts, warning.as_deref(), now).await?;
            Ok(Settled::Written)
        }
        _ if is_owner => {
            write(conn, "", std::iter::once(settle), now).await?;
            Ok(Settled::Written)
        }
        change if Token(found.token) == settle.token && found.is_after(state, change) => Ok(Settled::Written),
        _ => Ok(Settled::Stale),
    }
}

impl Found {
    /// Whether the row is as `change` leaves it: the same settle came before, its answer was lost.
    fn is_after(&self, state: State, change: &Change) -> bool {
        match change {
            Change::Release => matches!(state, State::Pending | State::InDoubt) && self.claimed_at.is_none(),
            Change::Later { at, attempts, doubt, .. } => {
                state == change.state(None)
                    && self.available_at == at.as_millisecond()
                    && self.attempts == *attempts
                    && self.doubt_since == doubt.as_ref().map(|it| it.since.as_millisecond())
            }
            Change::Skipped { opening } => {
                state == State::Skipped && self.protocolo.as_deref() == Some(&opening.protocolo)
            }
            Change::Rejected { .. } => state == State::Rejected,
            Change::Failed { .. } => state == State::Failed,
            Change::Unconfirmed { .. } => state == State::Unconfirmed,
            Change::Conflict { .. } => state == State::Conflict,
            Change::Opened { .. } => false,
        }
    }
}

/// A proof for a row that is not opened yet, whatever else it is.
async fn adopt(
    conn: &mut SqliteConnection,
    row: i64,
    opening: &OpenedTicket,
    attempts: Option<u32>,
    warning: Option<&str>,
    now: i64,
) -> Result<(), OutboxError> {
    let (ids_os, numeros_os) = lists(opening);
    let sql = format!(
        "UPDATE outbox
                  SET state = 'opened', protocolo = ?2, id_atendimento = ?3, ids_os = ?4, numeros_os = ?5,
                      attempts = coalesce(?6, attempts), warning = coalesce(?7, warning), {},
                      error_code = NULL, error_message = NULL, finished_at = ?8
                WHERE id = ?1",
        kept("outbox", "?8")
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(row)
        .bind(opening.protocolo.clone())
        .bind(opening.id_atendimento)
        .bind(ids_os)
        .bind(numeros_os)
        .bind(attempts.map(i64::from))
        .bind(warning.map(str::to_owned))
        .bind(now)
        .execute(conn)
        .await
        .trouble()
        .map(drop)
}

/// Another proof for a row that is opened: the same, or of a second ticket.
async fn adopt_second(
    conn: &mut SqliteConnection,
    settle: &Settle,
    found: &Found,
    opening: &OpenedTicket,
) -> Result<Settled, OutboxError> {
    if found.protocolo.as_deref() == Some(&opening.protocolo) {
        // A person's word (`resolve`) may have come without the ticket's number.
        let sql = "UPDATE outbox SET id_atendimento = ?2
                    WHERE id = ?1 AND id_atendimento IS NULL
                      AND NOT EXISTS (SELECT 1 FROM outbox WHERE id_atendimento = ?2 AND state = 'opened')";
        sqlx::query(sql).bind(settle.row.0).bind(opening.id_atendimento).execute(conn).await.trouble()?;
        return Ok(Settled::Written);
    }
    let said = format!("duplicate: `{}` was opened for this row too", opening.protocolo);
    let sql = "UPDATE outbox SET warning = iif(warning IS NULL, ?2, warning || '; ' || ?2)
                WHERE id = ?1 AND instr(coalesce(warning, ''), ?2) = 0";
    sqlx::query(sql).bind(settle.row.0).bind(said).execute(conn).await.trouble()?;
    Ok(Settled::Duplicate)
}

/// The row that a ticket belongs to.
pub(super) async fn owner_of(
    conn: &mut SqliteConnection,
    id_atendimento: i64,
) -> Result<Option<i64>, OutboxError> {
    let sql = "SELECT id FROM outbox WHERE id_atendimento = ?1 AND state = 'opened'";
    sqlx::query_scalar(sql).bind(id_atendimento).fetch_optional(conn).await.trouble()
}

async fn refuse_taken(
    conn: &mut SqliteConnection,
    row: i64,
    owner: i64,
    opening: &OpenedTicket,
    now: i64,
) -> Result<(), OutboxError> {
    let said = format!("ticket `{}` belongs to row {owner} already", opening.protocolo);
    let sql = format!(
        "UPDATE outbox
                  SET state = 'conflict', {}, protocolo = ?4, id_atendimento = ?5,
                      error_code = 'taken', error_message = ?3, finished_at = ?2
                WHERE id = ?1",
        kept("outbox", "?2")
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(row)
        .bind(now)
        .bind(said)
        .bind(opening.protocolo.clone())
        .bind(opening.id_atendimento)
        .execute(conn)
        .await
        .trouble()
        .map(drop)
}
