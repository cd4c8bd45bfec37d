//! Every settle of a row's owner but an opening or a release.

use std::borrow::Cow;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::error::Trouble;
use super::fence::fenced;
use super::opened::{count, lists};
use super::values::{Time, owned_text, text};
use super::written::{WrittenRow, n_written, returning};
use crate::delivery::settle::After;
use crate::delivery::{Fault, OutboxError, Settle, State};
use crate::outbox::doubts::{decided, still_in_doubt};
use crate::outbox::names::{any_of, state_name};
use crate::outbox::warnings::{Dialect, list};

/// Column by column, as one statement takes them.
#[derive(Default)]
pub(super) struct OtherRows<'a> {
    ids: Vec<i64>,
    tokens: Vec<i64>,
    states: Vec<&'static str>,
    available_at: Vec<Option<Time>>,
    attempts: Vec<Option<i32>>,
    codes: Vec<Option<Cow<'static, str>>>,
    messages: Vec<Option<String>>,
    protocolos: Vec<Option<Cow<'a, str>>>,
    tickets: Vec<Option<i64>>,
    ids_os: Vec<Option<String>>,
    numeros_os: Vec<Option<String>>,
    since: Vec<Option<Time>>,
    hubsoft_at: Vec<Option<Time>>,
    precautions: Vec<bool>,
    absences: Vec<i32>,
    last_absence: Vec<Option<Time>>,
    answered: Vec<i32>,
    warnings: Vec<Option<String>>,
}

impl<'a> OtherRows<'a> {
    pub(super) fn push(&mut self, settle: &'a Settle) {
        let after = After::of(&settle.change);
        let (ids_os, numeros_os) = after.opening.map(lists).unwrap_or_default();
        let time = |at: Option<Timestamp>| at.map(Time);
        self.ids.push(settle.row.0);
        self.tokens.push(settle.token.0);
        self.states.push(state_name(settle.change.state(None)));
        self.available_at.push(time(after.available_at));
        self.attempts.push(after.attempts.map(count));
        self.codes.push(after.fault.map(Fault::code));
        self.messages.push(after.fault.map(|fault| owned_text(crate::text::fault(fault))));
        self.protocolos.push(after.opening.map(|opening| text(&opening.protocolo)));
        self.tickets.push(after.opening.map(|opening| opening.id_atendimento));
        self.ids_os.push(ids_os);
        self.numeros_os.push(numeros_os);
        self.since.push(time(after.doubt.map(|doubt| doubt.since)));
        self.hubsoft_at.push(time(after.doubt.and_then(|doubt| doubt.hubsoft_at)));
        self.precautions.push(after.doubt.is_some_and(|doubt| doubt.precaution));
        self.absences.push(after.doubt.map_or(0, |doubt| count(doubt.absences)));
        self.last_absence.push(time(after.doubt.and_then(|doubt| doubt.last_absence)));
        self.answered.push(after.doubt.map_or(0, |doubt| count(doubt.answered)));
        self.warnings.push(list(after.warnings, text));
    }
}

/// Writes settles of rows that are in flight under their token; returns how many stand as they were written.
pub(super) async fn write_others(
    conn: &mut PgConnection,
    worker: i64,
    rows: OtherRows<'_>,
) -> Result<u64, OutboxError> {
    if rows.ids.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        include_str!("write_others.sql"),
        doubt = decided("o", "v.state", |field| format!("v.{field}")),
        still_in_doubt = still_in_doubt("o", "v.state"),
        warnings = Dialect::Postgres.append("o", "v.warnings"),
        waiting = any_of(&State::WAITING),
        fenced = fenced(19),
        returning = returning(
            "o.state = v.state AND o.token = v.token
             AND o.available_at = coalesce(v.available_at, o.available_at)
             AND o.attempts = coalesce(v.attempts, o.attempts)
             AND o.protocolo IS NOT DISTINCT FROM v.protocolo
             AND o.id_atendimento IS NOT DISTINCT FROM v.id_atendimento
             AND (v.since IS NULL OR o.doubt_since IS NOT NULL)"
        ),
    );
    let done: Vec<WrittenRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(rows.ids)
        .bind(rows.tokens)
        .bind(rows.states)
        .bind(rows.available_at)
        .bind(rows.attempts)
        .bind(rows.codes)
        .bind(rows.messages)
        .bind(rows.protocolos)
        .bind(rows.tickets)
        .bind(rows.ids_os)
        .bind(rows.numeros_os)
        .bind(rows.since)
        .bind(rows.hubsoft_at)
        .bind(rows.precautions)
        .bind(rows.absences)
        .bind(rows.last_absence)
        .bind(rows.answered)
        .bind(rows.warnings)
        .bind(worker)
        .fetch_all(&mut *conn)
        .await
        .trouble()?;
    n_written(conn, &done).await
}
