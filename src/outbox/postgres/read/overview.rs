//! How the outbox stands now. Each statement goes by an index: two million rows that are done with are not
//! looked at.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::super::PgOutbox;
use super::super::error::Trouble;
use super::ms;
use crate::delivery::OutboxError;
use crate::outbox::course::counted;
use crate::outbox::names::{IN_DOUBT, IN_FLIGHT, PENDING, UNCONFIRMED};
use crate::outbox::stored::{count, time};
use crate::outbox::which::{to_look_up, to_post};
use crate::outbox::{Counts, Course, Overview, Span, Status, Worker};

/// Workers that are named.
const WORKERS_MAX: i64 = 50;

const HOUR: Duration = Duration::from_secs(3600);

/// The hour of now, counted from 1970.
const THIS_HOUR: &str = "floor(extract(epoch FROM now()) / 3600)::bigint";

impl PgOutbox {
    pub async fn overview(&self) -> Result<Overview, OutboxError> {
        let mut conn = self.conn().await?;
        let waiting = waiting(&mut conn).await?;
        let workers = workers(&mut conn).await?;
        let (day, n_last_minute) = day(&mut conn).await?;
        Ok(Overview { waiting, workers, day, n_last_minute })
    }
}

async fn waiting(conn: &mut PgConnection) -> Result<Status, OutboxError> {
    let to_post = to_post("o");
    // Word for word as the indices have it, each alone.
    let which = [
        format!("{to_post} AND NOT o.gone AND o.parked IS NULL"),
        format!("{to_post} AND NOT o.gone AND o.parked = 'halted'"),
        format!("{to_post} AND NOT o.gone AND o.parked = 'blocked'"),
        to_look_up("o"),
        format!("o.state IN ({IN_FLIGHT}, {UNCONFIRMED})"),
    ];
    let rows = which.map(|which| {
        format!(
            "SELECT o.state, o.available_at, o.sent_at, o.created_at, o.doubt_since FROM mutirao.outbox o WHERE {which}"
        )
    });
    let sql = format!(
        "SELECT count(*) FILTER (WHERE o.state = {PENDING}), count(*) FILTER (WHERE o.state = {IN_FLIGHT}),
                count(*) FILTER (WHERE o.state = {IN_DOUBT}), count(*) FILTER (WHERE o.state = {UNCONFIRMED}),
                count(*) FILTER (WHERE o.state IN ({PENDING}, {IN_DOUBT}) AND o.available_at <= now()),
                {}, {}, {}
           FROM ({}) AS o",
        ms(&format!(
            "min(coalesce(o.sent_at, greatest(o.created_at, o.available_at)))
             FILTER (WHERE o.state = {PENDING} AND (o.sent_at IS NOT NULL OR o.available_at <= now()))"
        )),
        ms(&format!("min(o.available_at) FILTER (WHERE o.state = {IN_DOUBT})")),
        ms(&format!("min(o.doubt_since) FILTER (WHERE o.state = {UNCONFIRMED})")),
        rows.join(" UNION ALL "),
    );
    type Columns = (i64, i64, i64, i64, i64, Option<i64>, Option<i64>, Option<i64>);
    let (pending, in_flight, in_doubt, unconfirmed, due_now, oldest, look_up, unsure): Columns =
        sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_one(conn).await.trouble()?;
    Ok(Status {
        counts: Counts {
            pending: count(pending),
            in_flight: count(in_flight),
            in_doubt: count(in_doubt),
            unconfirmed: count(unconfirmed),
            ..Counts::default()
        },
        due_now: count(due_now),
        oldest_pending: oldest.map(time),
        next_look_up: look_up.map(time),
        oldest_unconfirmed: unsure.map(time),
    })
}

async fn workers(conn: &mut PgConnection) -> Result<Vec<Worker>, OutboxError> {
    let sql = format!(
        "SELECT name, {}, rate FROM mutirao.worker WHERE clock_timestamp() < lease_until
          ORDER BY started_at, id LIMIT {WORKERS_MAX}",
        ms("started_at")
    );
    let found: Vec<(String, Option<i64>, Option<f64>)> =
        sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_all(conn).await.trouble()?;
    let worker = |(name, since, rate_per_s): (String, Option<i64>, _)| Worker {
        name,
        since: time(since.unwrap_or_default()),
        rate_per_s,
    };
    Ok(found.into_iter().map(worker).collect())
}

/// The last 24 hours, the one that goes on among them; and what was settled in the last minute.
async fn day(conn: &mut PgConnection) -> Result<(Course, u64), OutboxError> {
    let sql = format!(
        "SELECT {THIS_HOUR}, floor(extract(epoch FROM o.finished_at) / 3600)::bigint, {},
                count(*) FILTER (WHERE o.sent_at IS NOT NULL AND now() - interval '1 minute' < o.finished_at)
           FROM mutirao.outbox o
          WHERE to_timestamp(3600 * ({THIS_HOUR} - 23)) <= o.finished_at
            AND o.finished_at < to_timestamp(3600 * ({THIS_HOUR} + 1))
          GROUP BY 2 ORDER BY 2",
        counted()
    );
    let found: Vec<(i64, i64, i64, i64, i64)> =
        sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut *conn).await.trouble()?;
    let sql = format!("SELECT {THIS_HOUR}");
    let hour: i64 =
        sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(conn).await.trouble()?;
    // An hour that began meanwhile is told of the next time.
    let hour = found.first().map_or(hour, |(hour, ..)| *hour);
    let span = |(_, at, opened, refused, _): &(i64, i64, i64, i64, i64)| Span {
        at: count(at - (hour - 23)),
        n_opened: count(*opened),
        n_refused: count(*refused),
    };
    let lasts = i64::try_from(HOUR.as_millis()).unwrap_or(i64::MAX);
    let day = Course {
        from: time((hour - 23) * lasts),
        to: time((hour + 1) * lasts - 1),
        length: HOUR,
        spans: found.iter().map(span).collect(),
    };
    Ok((day, count(found.iter().map(|(.., n)| n).sum())))
}
