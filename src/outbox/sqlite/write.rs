//! The set-wise writes of a settle.

use std::borrow::Cow;

use serde::Serialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::doubt::DoubtColumns;
use super::error::{Trouble, json};
use super::opened::{OpenedRow, lists, write_opened};
use super::withdraw::withdraw;
use crate::delivery::settle::{After, verbatim};
use crate::delivery::{Attempt, Change, Fault, OutboxError, Settle};
use crate::outbox::doubts::{decided, still_in_doubt, taken_back};
use crate::outbox::names::{IN_FLIGHT, kind_name, state_name};
use crate::outbox::warnings::{Dialect, list};

/// Writes settles of rows that are in flight under their token; returns how many that were. `first`
/// stands in front of the first statement.
pub(super) async fn write<'a>(
    conn: &mut SqliteConnection,
    first: &'static str,
    settles: impl Iterator<Item = &'a Settle>,
    now: i64,
) -> Result<u64, OutboxError> {
    let (mut opened, mut released, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut may_be_pending = Vec::new();
    for settle in settles {
        let (row, token) = (settle.row.0, settle.token.0);
        if settle.change.may_leave_pending() {
            may_be_pending.push(row);
        }
        match &settle.change {
            Change::Opened { opening, attempts, warnings } => {
                opened.push(OpenedRow { row, token, opening, attempts: *attempts, warnings });
            }
            Change::Release => released.push((row, token)),
            _ => others.push(OtherRow::new(settle, now)),
        }
    }
    if opened.is_empty() && !first.is_empty() {
        sqlx::query(first).execute(&mut *conn).await.trouble()?;
    }
    let n_opened = write_opened(conn, first, &opened, now).await?;
    let mut n_released = 0;
    if !released.is_empty() {
        // `claimed_at` goes too: by that a repeated release is known from a row that was recovered.
        let sql = format!(
            "UPDATE outbox
                      SET {}, claimed_at = NULL, sent_at = iif(first_claim, NULL, sent_at)
                     FROM json_each(?1) v
                    WHERE outbox.id = v.value ->> 0 AND token = v.value ->> 1 AND state = {IN_FLIGHT}",
            taken_back("outbox")
        );
        let done =
            sqlx::query(AssertSqlSafe(sql)).bind(json(&released)).execute(&mut *conn).await.trouble()?;
        n_released = done.rows_affected();
    }
    let n_others = write_others(conn, &others).await?;
    withdraw(conn, &may_be_pending, now).await?;
    Ok(n_opened + n_released + n_others)
}

/// Everything but an opening or a release.
#[derive(Serialize)]
struct OtherRow<'a> {
    id: i64,
    token: i64,
    state: &'static str,
    available_at: Option<i64>,
    attempts: Option<u32>,
    doubt: Option<DoubtColumns>,
    code: Option<Cow<'static, str>>,
    message: Option<String>,
    protocolo: Option<&'a str>,
    id_atendimento: Option<i64>,
    ids_os: Option<String>,
    numeros_os: Option<String>,
    warnings: Option<String>,
    finished_at: Option<i64>,
}

impl<'a> OtherRow<'a> {
    fn new(settle: &'a Settle, now: i64) -> Self {
        let state = settle.change.state(None);
        let After { available_at, attempts, doubt, fault, opening, warnings } = After::of(&settle.change);
        let (ids_os, numeros_os) = opening.map(lists).unwrap_or_default();
        Self {
            id: settle.row.0,
            token: settle.token.0,
            state: state_name(state),
            available_at: available_at.map(|at| at.as_millisecond()),
            attempts,
            doubt: doubt.map(DoubtColumns::from),
            code: fault.map(Fault::code),
            message: fault.map(crate::text::fault),
            protocolo: opening.map(|opening| &*opening.protocolo),
            id_atendimento: opening.map(|opening| opening.id_atendimento),
            ids_os,
            numeros_os,
            warnings: list(warnings, verbatim),
            finished_at: (!state.waits()).then_some(now),
        }
    }
}

async fn write_others(conn: &mut SqliteConnection, rows: &[OtherRow<'_>]) -> Result<u64, OutboxError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        include_str!("write_others.sql"),
        doubt = decided("outbox", "v.value ->> 'state'", |field| format!("v.value ->> '$.doubt.{field}'")),
        still_in_doubt = still_in_doubt("outbox", "v.value ->> 'state'"),
        warnings = Dialect::Sqlite.append("outbox", "(v.value ->> 'warnings')"),
        in_flight = IN_FLIGHT
    );
    let done = sqlx::query(AssertSqlSafe(sql)).bind(json(rows)).execute(conn).await.trouble()?;
    Ok(done.rows_affected())
}

#[derive(Serialize)]
struct AttemptRow {
    row: i64,
    at: i64,
    kind: &'static str,
    verdict: &'static str,
    http_status: Option<u16>,
    latency_ms: u64,
    note: String,
}

impl AttemptRow {
    fn new(row: i64, attempt: &Attempt) -> Self {
        Self {
            row,
            at: attempt.at.as_millisecond(),
            kind: kind_name(attempt.kind),
            verdict: attempt.verdict,
            http_status: attempt.http_status,
            latency_ms: u64::try_from(attempt.latency.as_millis()).unwrap_or(u64::MAX).min(i64::MAX as u64),
            note: crate::text::noted(&attempt.note),
        }
    }
}

pub(super) async fn write_attempts<'a>(
    conn: &mut SqliteConnection,
    settles: impl Iterator<Item = &'a Settle>,
) -> Result<(), OutboxError> {
    let attempts = settles.filter_map(|settle| Some(AttemptRow::new(settle.row.0, settle.attempt.as_ref()?)));
    let attempts: Vec<AttemptRow> = attempts.collect();
    if attempts.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO attempt (row, at, kind, verdict, http_status, latency_ms, note)
               SELECT v.value ->> 'row', v.value ->> 'at', v.value ->> 'kind', v.value ->> 'verdict',
                      v.value ->> 'http_status', v.value ->> 'latency_ms', v.value ->> 'note'
                 FROM json_each(?1) v";
    sqlx::query(sql).bind(json(&attempts)).execute(conn).await.trouble().map(drop)
}
