//! What may be claimed now, and when there will be more: the questions, and a row as it answers.

use jiff::Timestamp;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{AssertSqlSafe, Decode, PgConnection, Row, Type};

use super::error::Trouble;
use super::piecewise::{Refusals, piecewise};
use super::values::Time;
use crate::delivery::identity::Marker;
use crate::delivery::{Backlog, Claim, Doubt, End, OutboxError, RowId, Token};
use crate::outbox::filter::Filter;
use crate::outbox::names::IN_FLIGHT;
use crate::outbox::queue::{self, Spot};
use crate::outbox::which;
use crate::ticket::{Field, Kind, Problem, RawTicket, Ticket};

/// Longest cell that is taken. Bytes. Programs may insert what they like; several hundred rows are in memory
/// at once. A longer one is not even read.
const CELL_MAX: usize = 64 << 10;

/// Postgres knows the index by what its condition means, but compares no boolean with 0.
pub(super) fn live(row: &str) -> String {
    which::live(row, &format!("NOT {row}.doubt_precaution"))
}

/// Of `o`: in the batch `$1` (see [`super::read`] for what a negative number is); NULL is no limit.
pub(super) const IN_BATCH: &str = "($1::bigint IS NULL OR o.batch = $1 OR o.batch IS NULL
    AND o.lote = coalesce((SELECT name FROM mutirao.batch WHERE id = $1), (SELECT lote FROM mutirao.outbox WHERE id = -$1)))";

/// Of `o`: neither its lote nor the batch in whose results it stands was halted, or its import passes that. A
/// row of another outbox has two names.
pub(super) const NOT_HALTED: &str =
    "((o.lote <> ALL (ARRAY(SELECT name FROM mutirao.batch WHERE halted_at IS NOT NULL))
      OR ((o.lote, o.import) IN (SELECT name, unnest(passed_by) FROM mutirao.batch WHERE halted_at IS NOT NULL)) IS TRUE)
    AND (o.batch IS NULL OR o.batch <> ALL (ARRAY(SELECT id FROM mutirao.batch WHERE halted_at IS NOT NULL))
      OR ((o.batch, o.import) IN (SELECT id, unnest(passed_by) FROM mutirao.batch WHERE halted_at IS NOT NULL)) IS TRUE))";

impl Filter {
    /// Of `o`: no halt is in the way of posting it.
    pub(super) fn passed(self) -> String {
        match self.import.filter(|_| self.is_past_halts) {
            Some(import) => format!("(o.import = {import} OR {NOT_HALTED})"),
            None => NOT_HALTED.to_owned(),
        }
    }
}

/// Where a row to post is.
enum Place {
    Queue,
    /// Behind a row of its service, and parked.
    Blocked,
}

/// Of `o`: to be posted, in scope. `$2` import, `$3` last place; NULL is no limit.
fn to_post(place: Place, filter: Filter) -> String {
    let passed = filter.passed();
    let place = match place {
        Place::Queue => "o.parked IS NULL",
        Place::Blocked => "o.parked = 'blocked'",
    };
    format!(
        "{} AND NOT o.gone AND {place}
         AND ($2::bigint IS NULL OR o.import = $2) AND ($3::bigint IS NULL OR o.record <= $3)
         AND ($2 IS NOT NULL OR {IN_BATCH})
         AND {passed}",
        which::to_post("o")
    )
}

/// Of `o`: to be looked up, in scope. Doubts are settled for the whole batch, precautions only
/// before a post.
fn to_look_up() -> String {
    format!(
        "{} AND {IN_BATCH}
         AND (NOT o.doubt_precaution OR NOT o.gone AND ($2::bigint IS NULL OR o.import = $2)
                                                   AND ($3::bigint IS NULL OR o.record <= $3))",
        which::to_look_up("o")
    )
}

/// A row that is due and free.
pub(super) struct Candidate<'r> {
    pub(super) id: i64,
    pub(super) service: Option<i64>,
    pub(super) available_at: Timestamp,
    pub(super) doubt: Option<Doubt>,
    pub(super) line: u64,
    /// The place of a field in [`Field::ALL`] that is longer than [`CELL_MAX`].
    long: Option<i32>,
    fields: RawTicket<'r>,
    token: i64,
    pub(super) lote: &'r str,
    pub(super) referencia: &'r str,
    attempts: u32,
    sent_at: Option<Timestamp>,
    is_outdated: bool,
}

impl<'r> Candidate<'r> {
    /// In the order of [`columns`].
    pub(super) fn read(row: &'r PgRow) -> Result<Self, OutboxError> {
        let mut cells = Cells { row, at: 0 };
        let time = |cell: Option<Time>| cell.map(|at| at.0);
        let count = |n: i32| u32::try_from(n).unwrap_or(0);
        Ok(Self {
            id: cells.next()?,
            service: cells.next()?,
            available_at: cells.next::<Time>()?.0,
            line: u64::try_from(cells.next::<i64>()?).unwrap_or(0),
            token: cells.next()?,
            lote: cells.next()?,
            referencia: cells.next()?,
            attempts: count(cells.next()?),
            sent_at: time(cells.next()?),
            is_outdated: cells.next()?,
            doubt: match cells.next::<Option<Time>>()? {
                None => {
                    cells.at += 5;
                    None
                }
                Some(since) => Some(Doubt {
                    since: since.0,
                    hubsoft_at: time(cells.next()?),
                    precaution: cells.next()?,
                    absences: count(cells.next()?),
                    last_absence: time(cells.next()?),
                    answered: count(cells.next()?),
                }),
            },
            long: cells.next()?,
            fields: {
                let mut fields = RawTicket::default();
                for field in Field::ALL {
                    *fields.get_mut(field) = cells.next::<Option<&str>>()?.map(Into::into);
                }
                fields
            },
        })
    }

    /// The ticket, or what is wrong with the row.
    pub(super) fn parse(&self) -> Result<Ticket, Vec<Problem>> {
        let is_long = |field: &Field| self.fields.get(*field).is_some_and(|cell| CELL_MAX < cell.len());
        let unread = self.long.and_then(|at| Field::ALL.get(usize::try_from(at).ok()?).copied());
        match unread.or_else(|| Field::ALL.into_iter().find(is_long)) {
            Some(field) => Err(vec![Problem {
                field: field.name().into(),
                code: "too_long".into(),
                found: String::new(),
                message: "longer than 64 KiB".into(),
                hint: "shorten it".into(),
            }]),
            None => Ticket::parse(&self.fields).map(|parsed| parsed.ticket),
        }
    }

    pub(super) fn into_claim(self, ticket: Ticket, marker: Marker, now: Timestamp) -> Claim {
        Claim {
            row: RowId(self.id),
            token: Token(self.token.saturating_add(1)),
            line: self.line,
            ticket,
            lote: self.lote.into(),
            referencia: self.referencia.into(),
            marker,
            attempts: self.attempts,
            sent_at: self.sent_at.unwrap_or(Time(now).stored()),
            doubt: self.doubt,
            is_outdated: self.is_outdated,
        }
    }
}

/// The cells of a row, one after another: finding each by its name would cost more than reading it.
struct Cells<'r> {
    row: &'r PgRow,
    at: usize,
}

impl<'r> Cells<'r> {
    fn next<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, OutboxError> {
        let cell = self.row.try_get(self.at).trouble();
        self.at += 1;
        cell
    }
}

fn columns() -> String {
    let is_json = |field: Field| field.kind() == Kind::Object;
    // What is stored outside of the row stays there until its length is known: of a text without reading it,
    // of JSON first as it is stored, which may be compressed, then as it is in an array, which is not. There
    // it takes up to four times the bytes of its text, which is the dearest to make.
    let is_long = |field: Field| match is_json(field) {
        true => format!(
            "(o.{field} IS NOT NULL AND ({CELL_MAX} < pg_column_size(o.{field})
              OR 4 * {CELL_MAX} < pg_column_size(ARRAY[o.{field}])))"
        ),
        false => format!("{CELL_MAX} < octet_length(o.{field})"),
    };
    let long: String =
        (0..).zip(Field::ALL).map(|(at, field)| format!(" WHEN {} THEN {at}", is_long(field))).collect();
    let fields = Field::ALL.map(|field| {
        let cell = match is_json(field) {
            // A text that is no JSON is stored as a JSON string.
            true => format!("left(o.{field} #>> '{{}}', {CELL_MAX} + 1)"),
            false => format!("o.{field}"),
        };
        format!("CASE WHEN NOT {} THEN {cell} END", is_long(field))
    });
    format!(
        "o.id, o.service, o.available_at, o.line, o.token, o.lote, o.referencia,
         o.attempts, o.sent_at, o.outdated,
         o.doubt_since, o.doubt_hubsoft_at, o.doubt_precaution, o.absences, o.last_absence, o.answered,
         CASE{long} END, {}",
        fields.join(", ")
    )
}

/// Which rows are looked for.
pub(super) struct Look<'a> {
    pub(super) filter: Filter,
    pub(super) now: Timestamp,
    pub(super) n_posts: usize,
    pub(super) n_look_ups: usize,
    /// Of rows to post.
    pub(super) end: End,
    /// Rows that are passed over, as a condition.
    pub(super) but: &'a str,
}

/// The rows that may be claimed now: those to look up, then those to post, both in the order of
/// claims, up to so many of each.
///
/// They are locked, all of them, so that nobody changes them before they are written; a row that
/// another transaction holds is passed over.
pub(super) async fn candidates(conn: &mut PgConnection, look: &Look<'_>) -> Result<Vec<PgRow>, OutboxError> {
    found(conn, look, &columns(), LOCKING).await
}

/// Those of the candidates that the database cannot read, damaged or too much for it, and why.
pub(super) async fn unreadable(
    conn: &mut PgConnection,
    look: &Look<'_>,
) -> Result<Refusals<i64>, OutboxError> {
    let ids = ids(&found(conn, look, "o.id", LOCKING).await?)?;
    let sql = format!("SELECT {} FROM mutirao.outbox o WHERE o.id = ANY($1)", columns());
    piecewise(conn, &ids, async |conn, ids| {
        sqlx::query(AssertSqlSafe(sql.clone())).bind(ids).fetch_all(conn).await.trouble().map(drop)
    })
    .await
}

/// Those that another session holds, once all that it does not are claimed.
pub(super) async fn held(conn: &mut PgConnection, look: &Look<'_>) -> Result<Vec<i64>, OutboxError> {
    ids(&found(conn, look, "o.id", "").await?)
}

fn ids(rows: &[PgRow]) -> Result<Vec<i64>, OutboxError> {
    rows.iter().map(|row| row.try_get(0).trouble()).collect()
}

async fn found(
    conn: &mut PgConnection,
    look: &Look<'_>,
    columns: &str,
    locking: &str,
) -> Result<Vec<PgRow>, OutboxError> {
    let Look { filter, now, n_posts, n_look_ups, end, but } = *look;
    let limit = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let start = match end {
        End::Between(thousandths) => match &ends(conn, filter, now).await?[..] {
            [first, last] => Some(queue::between(*first, *last, thousandths)),
            _ => None, // Nothing is due.
        },
        End::Front | End::Back => None,
    };
    let asked = sqlx::query(AssertSqlSafe(candidates_sql(filter, columns, end, start, but, locking)))
        .bind(filter.batch)
        .bind(filter.import)
        .bind(filter.last_record)
        .bind(Time(now))
        .bind(limit(n_posts))
        .bind(limit(n_look_ups));
    let asked = match start {
        None => asked,
        Some(spot) => {
            let due = Timestamp::from_microsecond(spot.due).unwrap_or(now);
            asked.bind(spot.priority).bind(Time(due)).bind(spot.id)
        }
    };
    asked.fetch_all(conn).await.trouble()
}

/// The first and the last row that is due to be posted.
async fn ends(conn: &mut PgConnection, filter: Filter, now: Timestamp) -> Result<Vec<Spot>, OutboxError> {
    let to_post = to_post(Place::Queue, filter);
    // A program may write `-infinity`, which is no number.
    let end = |order: &str| {
        format!(
            "(SELECT o.prioridade::bigint AS priority, (extract(epoch FROM greatest(o.available_at, 'epoch')) * 1000000)::bigint AS due, o.id
                FROM mutirao.outbox o WHERE {to_post} AND o.available_at <= $4 ORDER BY {order} LIMIT 1)"
        )
    };
    let ends: Vec<(i64, i64, i64)> =
        sqlx::query_as(AssertSqlSafe(format!("{} UNION ALL {}", end(FORWARD), end(BACKWARD))))
            .bind(filter.batch)
            .bind(filter.import)
            .bind(filter.last_record)
            .bind(Time(now))
            .fetch_all(conn)
            .await
            .trouble()?;
    Ok(ends.into_iter().map(Spot::from).collect())
}

/// The order of claims, and its reverse: those of the index.
const FORWARD: &str = "o.prioridade, o.available_at, o.id";
const BACKWARD: &str = "o.prioridade DESC, o.available_at DESC, o.id DESC";

/// Behind a question for rows.
const LOCKING: &str = "FOR UPDATE OF o SKIP LOCKED";

fn candidates_sql(
    filter: Filter,
    columns: &str,
    end: End,
    start: Option<Spot>,
    but: &str,
    locking: &str,
) -> String {
    format!(
        include_str!("candidates.sql"),
        columns = columns,
        to_look_up = to_look_up(),
        to_post = to_post(Place::Queue, filter),
        live = live("l"),
        in_flight = IN_FLIGHT,
        but = but,
        from = start.map_or("", |_| "AND (o.prioridade, o.available_at, o.id) >= ($7, $8, $9)"),
        order = if end == End::Back { BACKWARD } else { FORWARD },
        locking = locking,
    )
}

/// Asked only when the candidates did not tell. What is passed over is pending, but not due. The second:
/// whether any row is parked, which may be able to go.
pub(super) async fn backlog(
    conn: &mut PgConnection,
    filter: Filter,
    now: Timestamp,
    worker: i64,
    but: &str,
) -> Result<(Backlog, bool), OutboxError> {
    let (pending, next_due, elsewhere, is_parked): (bool, Option<Time>, bool, bool) =
        sqlx::query_as(AssertSqlSafe(backlog_sql(filter, but)))
            .bind(filter.batch)
            .bind(filter.import)
            .bind(filter.last_record)
            .bind(Time(now))
            .bind(worker)
            .fetch_one(conn)
            .await
            .trouble()?;
    Ok((Backlog { pending, next_due: next_due.map(|due| due.0), elsewhere }, is_parked))
}

fn backlog_sql(filter: Filter, but: &str) -> String {
    format!(
        include_str!("backlog.sql"),
        to_post = to_post(Place::Queue, filter),
        blocked = to_post(Place::Blocked, filter),
        to_look_up = to_look_up(),
        waits = which::to_post("o"),
        live = live("l"),
        in_flight = IN_FLIGHT,
        in_batch = IN_BATCH,
        but = but,
    )
}

/// As the port has it. What is passed over is not waited for.
pub(super) async fn posts_are_left(
    conn: &mut PgConnection,
    filter: Filter,
    but: &str,
) -> Result<bool, OutboxError> {
    let (queued, blocked, to_look_up) =
        (to_post(Place::Queue, filter), to_post(Place::Blocked, filter), to_look_up());
    let free = format!(
        "NOT EXISTS (SELECT FROM mutirao.outbox l WHERE l.service = o.service AND {} OFFSET 0)",
        live("l")
    );
    let sql = format!(
        "SELECT EXISTS (SELECT FROM mutirao.outbox o
                         WHERE o.state = {IN_FLIGHT} AND (o.posting OR o.doubt_precaution)
                           AND {IN_BATCH} AND ($2::bigint IS NULL OR o.import = $2))
             OR EXISTS (SELECT FROM mutirao.outbox o WHERE {to_look_up} AND o.doubt_precaution {but})
             OR EXISTS (SELECT FROM mutirao.outbox o WHERE {queued} AND {free} {but})
             OR EXISTS (SELECT FROM mutirao.outbox o WHERE {blocked} AND {free} {but})"
    );
    sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(filter.batch)
        .bind(filter.import)
        .bind(filter.last_record)
        .persistent(false)
        .fetch_one(conn)
        .await
        .trouble()
}
