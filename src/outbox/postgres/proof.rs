//! Settles that do not come from a row's living owner, or speak of another row's ticket.
//!
//! The fence keeps everything out but proof: that a ticket was opened is true whoever says it, and
//! however late.

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{Trouble, all_of, unreadable};
use super::opened::{count, lists};
use super::settle::write;
use super::values::{Time, text};
use crate::delivery::{Change, OpenedTicket, OutboxError, Settle, Settled, State, Token};
use crate::outbox::doubts::{kept, made};
use crate::outbox::names::state_of;

/// The row as a settle finds it.
struct Found {
    token: i64,
    worker: Option<i64>,
    state: String,
    protocolo: Option<String>,
    available_at: Time,
    claimed_at: Option<Time>,
    attempts: i32,
    doubt_since: Option<Time>,
}

type Cells = (i64, Option<i64>, String, Option<String>, Time, Option<Time>, i32, Option<Time>);

/// As it is read.
impl From<Cells> for Found {
    fn from(cells: Cells) -> Self {
        let (token, worker, state, protocolo, available_at, claimed_at, attempts, doubt_since) = cells;
        Self { token, worker, state, protocolo, available_at, claimed_at, attempts, doubt_since }
    }
}

/// Settles one row by itself.
pub(super) async fn settle_odd(
    conn: &mut PgConnection,
    worker: i64,
    settle: &Settle,
) -> Result<Settled, OutboxError> {
    let sql = "SELECT token, worker, state, protocolo, available_at, claimed_at, attempts, doubt_since
                 FROM mutirao.outbox WHERE id = $1 FOR UPDATE";
    let found: Option<Cells> =
        sqlx::query_as(sql).bind(settle.row.0).fetch_optional(&mut *conn).await.trouble()?;
    let Some(found) = found.map(Found::from) else { return Ok(Settled::Stale) };
    let state = state_of(&found.state).ok_or_else(|| unreadable("outbox.state"))?;
    // The claim that was settled was this row's last.
    let is_last = Token(found.token) == settle.token && found.worker == Some(worker);
    let is_owner = is_last && state == State::InFlight;
    match &settle.change {
        Change::Opened { opening, attempts, warning } => {
            if state == State::Opened {
                return adopt_second(conn, settle, &found, opening).await;
            }
            if let Some(owner) = owner_of(conn, opening.id_atendimento).await? {
                refuse_taken(conn, settle.row.0, owner, opening).await?;
                return Ok(Settled::Taken);
            }
            // The count is of the living owner's making; a late proof adds nothing to it.
            let attempts = is_owner.then_some(*attempts);
            adopt(conn, settle.row.0, opening, attempts, warning.as_deref()).await?;
            Ok(Settled::Written)
        }
        _ if is_owner => {
            write(conn, worker, std::iter::once(settle)).await?;
            Ok(Settled::Written)
        }
        change if is_last && found.is_after(state, change) => Ok(Settled::Written),
        Change::Release => Ok(Settled::Stale),
        change if found.lacks_claim(settle.token, worker, state) && !found.is_after(state, change) => {
            doubt_forgotten(conn, worker, settle).await?;
            Ok(Settled::Stale)
        }
        _ => Ok(Settled::Stale),
    }
}

impl Found {
    /// Whether the database knows neither of the worker's claim under that token nor of a later one.
    fn lacks_claim(&self, token: Token, worker: i64, state: State) -> bool {
        match state {
            State::Opened => false,
            // What it knows of may be an earlier claim, of a worker that has not said yet how that ended.
            State::InFlight | State::InDoubt | State::Unconfirmed => Token(self.token) < token,
            // Whatever it was: it may have been pending again, by a word that is forgotten, too.
            _ => Token(self.token) < token || Token(self.token) == token && self.worker != Some(worker),
        }
    }

    /// Whether the row is as `change` leaves it: the same settle came before, its answer was lost.
    fn is_after(&self, state: State, change: &Change) -> bool {
        match change {
            Change::Release => matches!(state, State::Pending | State::InDoubt) && self.claimed_at.is_none(),
            Change::Later { at, attempts, doubt, .. } => {
                state == change.state(None)
                    && self.available_at.0 == Time(*at).stored()
                    && self.attempts == count(*attempts)
                    && self.doubt_since.map(|it| it.0) == doubt.as_ref().map(|it| Time(it.since).stored())
            }
            Change::Skipped { opening } => {
                state == State::Skipped && self.protocolo.as_deref() == Some(&*text(&opening.protocolo))
            }
            Change::Rejected { .. } => state == State::Rejected,
            Change::Failed { .. } => state == State::Failed,
            Change::Unconfirmed { .. } => state == State::Unconfirmed,
            Change::Conflict { .. } => state == State::Conflict,
            Change::Opened { .. } => false,
        }
    }
}

/// Assignments that leave a row in doubt `since` (SQL), whatever it was.
pub(super) fn in_doubt(since: &str) -> String {
    let made = made(since, "false");
    format!("state = 'in_doubt', {made}, finished_at = NULL, error_code = NULL, error_message = NULL")
}

/// A claim that the database does not know: a standby without the last commits took over. Something
/// was sent under it, so the row is not posted before a look-up, whatever is said yet of claims before it.
async fn doubt_forgotten(conn: &mut PgConnection, worker: i64, settle: &Settle) -> Result<(), OutboxError> {
    let sql = format!(
        "UPDATE mutirao.outbox o
            SET {}, token = $3, worker = $4, sent_at = coalesce(o.sent_at, $2, clock_timestamp())
          WHERE o.id = $1",
        in_doubt("clock_timestamp()")
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(settle.row.0)
        .bind(settle.attempt.as_ref().map(|it| Time(it.at)))
        .bind(settle.token.0)
        .bind(worker)
        .execute(conn)
        .await
        .trouble()
        .and_then(|done| all_of(1, done.rows_affected()))
}

/// A proof for a row that is not opened yet, whatever else it is.
async fn adopt(
    conn: &mut PgConnection,
    row: i64,
    opening: &OpenedTicket,
    attempts: Option<u32>,
    warning: Option<&str>,
) -> Result<(), OutboxError> {
    let (ids_os, numeros_os) = lists(opening);
    let sql = format!(
        "UPDATE mutirao.outbox o
                  SET state = 'opened', protocolo = $2, id_atendimento = $3, ids_ordem_servico = $4::text::bigint[],
                      numeros_ordem_servico = $5::text::text[], attempts = coalesce($6, attempts),
                      warning = coalesce($7, warning), {},
                      error_code = NULL, error_message = NULL, finished_at = clock_timestamp()
                WHERE id = $1",
        kept("o", "clock_timestamp()")
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(row)
        .bind(text(&opening.protocolo))
        .bind(opening.id_atendimento)
        .bind(ids_os)
        .bind(numeros_os)
        .bind(attempts.map(count))
        .bind(warning.map(text))
        .execute(conn)
        .await
        .trouble()
        .and_then(|done| all_of(1, done.rows_affected()))
}

/// Another proof for a row that is opened: the same, or of a second ticket.
async fn adopt_second(
    conn: &mut PgConnection,
    settle: &Settle,
    found: &Found,
    opening: &OpenedTicket,
) -> Result<Settled, OutboxError> {
    let protocolo = text(&opening.protocolo);
    if found.protocolo.as_deref() == Some(&*protocolo) {
        // A person's word (`resolve`) may have come without the ticket's number.
        let sql = "UPDATE mutirao.outbox SET id_atendimento = $2
                    WHERE id = $1 AND id_atendimento IS NULL
                      AND NOT EXISTS (SELECT FROM mutirao.outbox WHERE id_atendimento = $2 AND state = 'opened')";
        sqlx::query(sql).bind(settle.row.0).bind(opening.id_atendimento).execute(conn).await.trouble()?;
        return Ok(Settled::Written);
    }
    let said = format!("duplicate: `{protocolo}` was opened for this row too");
    let sql = "UPDATE mutirao.outbox SET warning = coalesce(warning || '; ', '') || $2
                WHERE id = $1 AND position($2 IN coalesce(warning, '')) = 0";
    sqlx::query(sql).bind(settle.row.0).bind(said).execute(conn).await.trouble()?;
    Ok(Settled::Duplicate)
}

/// The row that a ticket belongs to.
async fn owner_of(conn: &mut PgConnection, id_atendimento: i64) -> Result<Option<i64>, OutboxError> {
    let sql = "SELECT id FROM mutirao.outbox WHERE id_atendimento = $1 AND state = 'opened'";
    sqlx::query_scalar(sql).bind(id_atendimento).fetch_optional(conn).await.trouble()
}

async fn refuse_taken(
    conn: &mut PgConnection,
    row: i64,
    owner: i64,
    opening: &OpenedTicket,
) -> Result<(), OutboxError> {
    let said = format!("ticket `{}` belongs to row {owner} already", text(&opening.protocolo));
    let sql = format!(
        "UPDATE mutirao.outbox o
                  SET state = 'conflict', {}, protocolo = $3, id_atendimento = $4,
                      error_code = 'taken', error_message = $2,
                      finished_at = clock_timestamp()
                WHERE id = $1",
        kept("o", "clock_timestamp()")
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(row)
        .bind(said)
        .bind(text(&opening.protocolo))
        .bind(opening.id_atendimento)
        .execute(conn)
        .await
        .trouble()
        .and_then(|done| all_of(1, done.rows_affected()))
}
