//! Rows as SQL puts them together: JSON text, that is read in the same way for every driver.
//!
//! A page of rows crosses over as one value, and its texts are borrowed from it where they have no
//! escapes.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::names::{kind_of, state_of};
use super::{Counts, Cursor, ReportRow, RowDetails, RowProblems, StoredAttempt};
use crate::delivery::identity::{BatchKey, Marker};
use crate::delivery::{Doubt, OutboxError, RowId, State};
use crate::ticket::code::BatchCode;
use crate::ticket::{Problem, RawTicket};

/// Something stored is not what this program writes.
#[derive(Debug, thiserror::Error)]
#[error("{}", tr!("`%{what}` is not as this program writes it", what = what))]
struct Unreadable {
    what: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

pub(super) fn unreadable(what: &'static str) -> OutboxError {
    OutboxError::Broken(Box::new(Unreadable { what, source: None }))
}

/// Reads JSON that this program stored or had a database put together.
pub(super) fn stored<'a, T: Deserialize<'a>>(what: &'static str, json: &'a str) -> Result<T, OutboxError> {
    serde_json::from_str(json)
        .map_err(|source| OutboxError::Broken(Box::new(Unreadable { what, source: Some(source.into()) })))
}

/// Writes JSON; our own types cannot fail to become it.
pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("keys are text and nothing here refuses to be written")
}

/// A stored time. Times that no clock shows are clamped, not refused: they come from our own columns.
pub(super) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// A count of SQL, which has no unsigned numbers.
pub(super) fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// More sights than one user can have that outdo each other.
pub(super) const SIGHTS_MAX: i64 = 100;

/// A specimen is one of so many rows that were opened last.
pub(super) const SPECIMENS_AMONG: i64 = 2000;

/// How many characters of a stored text are sent at least: what validation takes from it does not count.
pub(super) fn seen_len(text: &str) -> usize {
    text.trim().chars().filter(|c| !c.is_control()).count()
}

/// Rows in input order, as one text: `[[[head…], [cells…]], …]`.
pub struct Page {
    json: String,
}

impl Page {
    /// `None`: no rows.
    pub(super) fn new(json: Option<String>) -> Self {
        Self { json: json.unwrap_or_else(|| "[]".to_owned()) }
    }

    /// The rows, in input order; where the next page starts, or `None` if there are no more rows.
    pub fn rows(&self) -> Result<(Vec<ReportRow<'_>>, Option<Cursor>), OutboxError> {
        let stored: Vec<StoredRow<'_>> = stored("outbox", &self.json)?;
        let next = stored.last().map(|row| Cursor(row.0.place));
        let rows = stored.into_iter().map(StoredRow::into_report).collect::<Result<_, _>>()?;
        Ok((rows, next))
    }
}

#[derive(Deserialize)]
struct StoredRow<'a>(#[serde(borrow)] RowHead<'a>, #[serde(borrow)] Vec<Text<'a>>);

/// Borrowed where the JSON has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// In the order in which every driver's `ROW_HEAD` has them.
#[derive(Deserialize)]
struct RowHead<'a> {
    id: i64,
    line: u64,
    #[serde(borrow)]
    lote: Text<'a>,
    code: Option<i64>,
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
    gone: u8,
    corrected: u8,
    place: i64,
}

impl<'a> StoredRow<'a> {
    fn into_report(self) -> Result<ReportRow<'a>, OutboxError> {
        let Self(head, cells) = self;
        let text = |text: Option<Text<'a>>| text.map(|text| text.0);
        Ok(ReportRow {
            row: RowId(head.id),
            place: Cursor(head.place),
            line: head.line,
            lote: head.lote.0,
            code: head.code.and_then(BatchCode::of_number),
            referencia: head.referencia.0,
            state: state_of(&head.state.0).ok_or_else(|| unreadable("outbox.state"))?,
            cells: cells.into_iter().map(|cell| cell.0).collect(),
            protocolo: text(head.protocolo),
            id_atendimento: head.id_atendimento,
            ids_ordem_servico: head.ids_os.unwrap_or_default(),
            numeros_ordem_servico: head.numeros_os.into_iter().flatten().map(|text| text.0).collect(),
            attempts: head.attempts,
            error_code: text(head.error_code),
            error_message: text(head.error_message),
            warning: text(head.warning),
            is_gone: head.gone != 0,
            is_corrected: head.corrected != 0,
        })
    }
}

/// One row, whole, as its columns come back: one entry of a [`Page`], its fields, its problems, and
/// the [`Rest`].
pub(super) type DetailsColumns = (String, String, Option<String>, String);

/// Time in milliseconds, kind, verdict, HTTP status, latency in milliseconds, note.
pub(super) type AttemptColumns = (i64, String, String, Option<i64>, i64, String);

/// What a person wants to know of one row besides. Times are milliseconds.
#[derive(Deserialize)]
struct Rest {
    batch: String,
    /// Of its lote.
    key: Option<String>,
    sent_at: Option<i64>,
    available_at: i64,
    doubt_since: Option<i64>,
    doubt_hubsoft_at: Option<i64>,
    doubt_precaution: u8,
    absences: u32,
    last_absence: Option<i64>,
    answered: u32,
    finished_at: Option<i64>,
    purged_at: Option<i64>,
}

pub(super) fn details(
    (row, fields, of_line, rest): DetailsColumns,
    history: Vec<AttemptColumns>,
) -> Result<RowDetails, OutboxError> {
    let rest: Rest = stored("outbox", &rest)?;
    let fields: RawTicket<'_> = stored("outbox fields", &fields)?;
    let report = stored::<StoredRow<'_>>("outbox", &row)?.into_report()?.into_owned();
    Ok(RowDetails {
        batch: rest.batch,
        marker: rest.key.map(|key| Marker::new(&BatchKey(key), &report.referencia)),
        problems: problems(report.state, of_line.as_deref(), &fields)?,
        fields: into_owned(fields),
        sent_at: rest.sent_at.map(time),
        available_at: time(rest.available_at),
        doubt: rest.doubt_since.map(|since| Doubt {
            since: time(since),
            hubsoft_at: rest.doubt_hubsoft_at.map(time),
            precaution: rest.doubt_precaution != 0,
            absences: rest.absences,
            last_absence: rest.last_absence.map(time),
            answered: rest.answered,
        }),
        finished_at: rest.finished_at.map(time),
        purged_at: rest.purged_at.map(time),
        history: history.into_iter().map(attempt).collect::<Result<_, _>>()?,
        report,
    })
}

fn attempt(
    (at, kind, verdict, http_status, latency_ms, note): AttemptColumns,
) -> Result<StoredAttempt, OutboxError> {
    Ok(StoredAttempt {
        at: time(at),
        kind: kind_of(&kind).ok_or_else(|| unreadable("attempt.kind"))?,
        verdict,
        http_status: http_status.and_then(|status| u16::try_from(status).ok()),
        latency: Duration::from_millis(count(latency_ms)),
        note,
    })
}

/// The problems of a row. Those of a row that came from a program are not stored: they are read from
/// its fields again.
pub(super) fn problems(
    state: State,
    of_line: Option<&str>,
    fields: &RawTicket<'_>,
) -> Result<Vec<Problem>, OutboxError> {
    match (state, of_line) {
        (_, Some(json)) => stored("record.problems", json),
        (State::Invalid, None) => Ok(crate::ticket::Ticket::parse(fields).err().unwrap_or_default()),
        (_, None) => Ok(Vec::new()),
    }
}

/// Line, place, state, problems of its line, fields, code and message of a row that needs a person.
pub(super) type ProblemColumns = (i64, i64, String, Option<String>, String, Option<String>, Option<String>);

/// What is wrong with each of `found`, and where they end.
pub(super) fn problems_of_rows(
    found: Vec<ProblemColumns>,
) -> Result<(Vec<RowProblems>, Option<Cursor>), OutboxError> {
    let next = found.last().map(|row| Cursor(row.1));
    let rows = found.into_iter().map(|(line, _, state, of_line, fields, error_code, error_message)| {
        let state = state_of(&state).ok_or_else(|| unreadable("outbox.state"))?;
        let fields: RawTicket<'_> = stored("outbox fields", &fields)?;
        let mut problems = problems(state, of_line.as_deref(), &fields)?;
        problems.iter_mut().for_each(|problem| problem.unmask(&fields));
        Ok(RowProblems { line: count(line), state, problems, error_code, error_message })
    });
    Ok((rows.collect::<Result<_, OutboxError>>()?, next))
}

impl Counts {
    /// Of each state its name, how many rows are in it, and as [`Dialect::counts`] has them.
    ///
    /// [`Dialect::counts`]: super::warnings::Dialect::counts
    pub(super) fn of(states: Vec<(String, i64, i64, i64)>) -> Result<Self, OutboxError> {
        let mut counts = Self::default();
        for (state, n, n_without_os, n_beside) in states {
            let n = count(n);
            match state_of(&state).ok_or_else(|| unreadable("outbox.state"))? {
                State::Pending => counts.pending = n,
                State::InFlight => counts.in_flight = n,
                State::InDoubt => counts.in_doubt = n,
                State::Opened => {
                    counts.opened = n;
                    counts.opened_without_os = count(n_without_os);
                    counts.opened_beside = count(n_beside);
                }
                State::Invalid => counts.invalid = n,
                State::Rejected => counts.rejected = n,
                State::Failed => counts.failed = n,
                State::Unconfirmed => counts.unconfirmed = n,
                State::Conflict => counts.conflict = n,
                State::Skipped => counts.skipped = n,
                State::Cancelled => counts.cancelled = n,
            }
        }
        Ok(counts)
    }
}

impl ReportRow<'_> {
    /// The same row, on its own.
    pub fn into_owned(self) -> ReportRow<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        ReportRow {
            row: self.row,
            place: self.place,
            line: self.line,
            lote: own(self.lote),
            code: self.code,
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
            is_gone: self.is_gone,
            is_corrected: self.is_corrected,
        }
    }
}

fn into_owned(mut fields: RawTicket<'_>) -> RawTicket<'static> {
    RawTicket::of(|field| Some(Cow::Owned(fields.get_mut(field).take()?.into_owned())))
}
