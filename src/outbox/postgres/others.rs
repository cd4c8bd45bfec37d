//! Every settle of a row's owner but an opening or a release.

use std::borrow::Cow;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::error::Trouble;
use super::opened::{count, lists};
use super::settle::fenced;
use super::values::{Time, text};
use crate::delivery::{Change, Doubt, Fault, OpenedTicket, OutboxError, Settle, State};
use crate::outbox::doubts::decided;
use crate::outbox::state_name;

/// Column by column, as one statement takes them.
#[derive(Default)]
pub(super) struct OtherRows<'a> {
    ids: Vec<i64>,
    tokens: Vec<i64>,
    states: Vec<&'static str>,
    available_at: Vec<Option<Time>>,
    attempts: Vec<Option<i32>>,
    codes: Vec<Option<Cow<'a, str>>>,
    messages: Vec<Option<Cow<'a, str>>>,
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
}

/// What a change makes of a row.
#[derive(Default)]
struct After<'a> {
    available_at: Option<Timestamp>,
    attempts: Option<u32>,
    doubt: Option<&'a Doubt>,
    code: Option<&'a str>,
    message: Option<&'a str>,
    opening: Option<&'a OpenedTicket>,
}

impl<'a> After<'a> {
    fn fault(fault: &'a Fault) -> Self {
        Self { code: Some(&fault.code), message: Some(&fault.message), ..Self::default() }
    }
}

impl<'a> OtherRows<'a> {
    pub(super) fn push(&mut self, settle: &'a Settle) {
        let (state, after) = match &settle.change {
            Change::Later { at, attempts, doubt, fault } => {
                let after = fault.as_ref().map(After::fault).unwrap_or_default();
                let (available_at, attempts, doubt) = (Some(*at), Some(*attempts), doubt.as_ref());
                (settle.change.state(None), After { available_at, attempts, doubt, ..after })
            }
            Change::Skipped { opening } => {
                let message = Some("a ticket of this service and type is open already");
                let code = Some("already_open");
                (State::Skipped, After { opening: Some(opening), code, message, ..After::default() })
            }
            Change::Rejected { attempts, fault } => {
                (State::Rejected, After { attempts: Some(*attempts), ..After::fault(fault) })
            }
            Change::Failed { attempts, fault } => {
                (State::Failed, After { attempts: Some(*attempts), ..After::fault(fault) })
            }
            Change::Unconfirmed { doubt, fault } => {
                (State::Unconfirmed, After { doubt: Some(doubt), ..After::fault(fault) })
            }
            Change::Conflict { opening, attempts, fault } => {
                let (opening, attempts) = (Some(opening), Some(*attempts));
                (State::Conflict, After { opening, attempts, ..After::fault(fault) })
            }
            Change::Opened { .. } | Change::Release => unreachable!("`write` has sorted them out"),
        };
        let (ids_os, numeros_os) = after.opening.map(lists).unwrap_or_default();
        let time = |it: Option<Timestamp>| it.map(Time);
        self.ids.push(settle.row.0);
        self.tokens.push(settle.token.0);
        self.states.push(state_name(state));
        self.available_at.push(time(after.available_at));
        self.attempts.push(after.attempts.map(count));
        self.codes.push(after.code.map(text));
        self.messages.push(after.message.map(text));
        self.protocolos.push(after.opening.map(|it| text(&it.protocolo)));
        self.tickets.push(after.opening.map(|it| it.id_atendimento));
        self.ids_os.push(ids_os);
        self.numeros_os.push(numeros_os);
        self.since.push(time(after.doubt.map(|it| it.since)));
        self.hubsoft_at.push(time(after.doubt.and_then(|it| it.hubsoft_at)));
        self.precautions.push(after.doubt.is_some_and(|it| it.precaution));
        self.absences.push(after.doubt.map_or(0, |it| count(it.absences)));
        self.last_absence.push(time(after.doubt.and_then(|it| it.last_absence)));
        self.answered.push(after.doubt.map_or(0, |it| count(it.answered)));
    }
}

/// A look-up was of no use: what is known of the row is still what became of its post.
const STILL_IN_DOUBT: &str = "v.state = 'in_doubt' AND NOT o.posting";

/// Writes settles of rows that are in flight under their token; returns how many that were.
pub(super) async fn write_others(
    conn: &mut PgConnection,
    worker: i64,
    rows: OtherRows<'_>,
) -> Result<u64, OutboxError> {
    if rows.ids.is_empty() {
        return Ok(0);
    }
    let sql = format!("UPDATE mutirao.outbox o
                  SET state = v.state, available_at = coalesce(v.available_at, o.available_at),
                      attempts = coalesce(v.attempts, o.attempts),
                      {},
                      error_code = CASE WHEN {STILL_IN_DOUBT} THEN o.error_code ELSE v.code END,
                      error_message = CASE WHEN {STILL_IN_DOUBT} THEN o.error_message ELSE v.message END, protocolo = v.protocolo,
                      id_atendimento = v.id_atendimento, ids_ordem_servico = v.ids_os::bigint[],
                      numeros_ordem_servico = v.numeros_os::text[],
                      finished_at = CASE WHEN v.state NOT IN ('pending', 'in_doubt') THEN clock_timestamp() END
                 FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::int[], $6::text[],
                             $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::timestamptz[],
                             $13::timestamptz[], $14::bool[], $15::int[], $16::timestamptz[], $17::int[])
                      v(id, token, state, available_at, attempts, code, message, protocolo, id_atendimento,
                        ids_os, numeros_os, since, hubsoft_at, precaution, absences, last_absence, answered)
                WHERE {}", decided("o", "v.state", |it| format!("v.{it}")), fenced(18));
    let done = sqlx::query(AssertSqlSafe(sql))
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
        .bind(worker)
        .execute(conn)
        .await
        .trouble()?;
    Ok(done.rows_affected())
}
