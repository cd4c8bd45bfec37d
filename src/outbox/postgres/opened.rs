//! The settle that matters most: the ticket exists.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::Trouble;
use super::fence::fenced;
use super::values::{list, text};
use super::written::{WrittenRow, n_written, returning};
use crate::delivery::{OpenedTicket, OutboxError, Settle, Warning};
use crate::outbox::doubts::kept;
use crate::outbox::names::OPENED;
use crate::outbox::warnings::{self, Dialect};

/// Openings column by column, as one statement takes them.
#[derive(Default)]
pub(super) struct OpenedRows<'a> {
    ids: Vec<i64>,
    tokens: Vec<i64>,
    protocolos: Vec<Cow<'a, str>>,
    tickets: Vec<i64>,
    ids_os: Vec<Option<String>>,
    numeros_os: Vec<Option<String>>,
    attempts: Vec<i32>,
    warnings: Vec<Option<String>>,
}

impl<'a> OpenedRows<'a> {
    pub(super) fn push(
        &mut self,
        settle: &Settle,
        opening: &'a OpenedTicket,
        attempts: u32,
        warnings: &[Warning],
    ) {
        let (ids_os, numeros_os) = lists(opening);
        self.ids.push(settle.row.0);
        self.tokens.push(settle.token.0);
        self.protocolos.push(text(&opening.protocolo));
        self.tickets.push(opening.id_atendimento);
        self.ids_os.push(ids_os);
        self.numeros_os.push(numeros_os);
        self.attempts.push(count(attempts));
        self.warnings.push(warnings::list(warnings, text));
    }
}

/// Writes openings of rows that are in flight under their token; returns how many stand as they were written.
///
/// # Errors
///
/// If a ticket belongs to another row: the index of tickets refuses it.
pub(super) async fn write_opened(
    conn: &mut PgConnection,
    worker: i64,
    rows: OpenedRows<'_>,
) -> Result<u64, OutboxError> {
    if rows.ids.is_empty() {
        return Ok(0);
    }
    let is_written = format!(
        "o.state = {OPENED} AND o.token = v.token AND o.protocolo = v.protocolo
         AND o.id_atendimento = v.id_atendimento AND o.doubt_since IS NOT NULL"
    );
    let sql = format!(
        include_str!("write_opened.sql"),
        opened = OPENED,
        warnings = Dialect::Postgres.append("o", "v.warnings"),
        doubt = kept("o", "clock_timestamp()"),
        fenced = fenced(9),
        returning = returning(&is_written),
    );
    let done: Vec<WrittenRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(rows.ids)
        .bind(rows.tokens)
        .bind(rows.protocolos)
        .bind(rows.tickets)
        .bind(rows.ids_os)
        .bind(rows.numeros_os)
        .bind(rows.attempts)
        .bind(rows.warnings)
        .bind(worker)
        .fetch_all(&mut *conn)
        .await
        .trouble()?;
    n_written(conn, &done).await
}

/// Ids and numbers of service orders, as texts of arrays.
pub(super) fn lists(opening: &OpenedTicket) -> (Option<String>, Option<String>) {
    let ids: Vec<String> = opening.ids_ordem_servico.iter().map(i64::to_string).collect();
    (list(&ids), list(&opening.numeros_ordem_servico))
}

/// A count as it is stored; no policy comes near the limit.
pub(super) fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
