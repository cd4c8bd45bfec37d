//! Where an outbox stands: rows by state, what waits, who works, and what holds them back.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::super::PgOutbox;
use super::super::error::Trouble;
use super::super::share::lowered;
use super::filter::{ReadFilter, in_scope};
use super::ms;
use crate::delivery::allowance::Allowance;
use crate::delivery::coordination::Lowered;
use crate::delivery::{OutboxError, Rate, State};
use crate::outbox::causes;
use crate::outbox::names::{IN_DOUBT, UNCONFIRMED, any_of};
use crate::outbox::status::StoredHalt;
use crate::outbox::stored::{count, time, unreadable};
use crate::outbox::warnings::Dialect;
use crate::outbox::which::{to_post, told_of};
use crate::outbox::{Counts, Crew, Halted, Scope, Status};

/// Of pending rows: since when the first of them waits. A row that was never tried waits since it was due,
/// one that comes again since it was first tried. NULL if none waits.
const DUE_LONGEST: &str = "min(coalesce(o.sent_at, greatest(o.created_at, o.available_at)))
    FILTER (WHERE o.sent_at IS NOT NULL OR o.available_at <= timestamptz 'epoch' + $4::bigint * interval '1 millisecond')";

impl PgOutbox {
    /// The rows of `scope` by state.
    pub async fn counts(&self, scope: Scope) -> Result<Counts, OutboxError> {
        let mut conn = self.conn().await?;
        let filter = ReadFilter::of(scope, &mut conn).await?;
        counts(&mut conn, &filter).await
    }

    /// Counts, and what waits.
    pub async fn status(&self, scope: Scope, now: Timestamp) -> Result<Status, OutboxError> {
        let mut conn = self.conn().await?;
        let filter = ReadFilter::of(scope, &mut conn).await?;
        let (in_scope, waiting) = (in_scope(), any_of(&State::WAITING));
        let sql = format!(
            "SELECT count(*) FILTER (WHERE o.available_at <= timestamptz 'epoch' + $4::bigint * interval '1 millisecond'),
                    {}, {},
                    (SELECT {} FROM mutirao.outbox o WHERE {in_scope} AND o.state = {UNCONFIRMED})
               FROM mutirao.outbox o WHERE {in_scope} AND o.state IN {waiting}",
            ms(DUE_LONGEST),
            ms(&format!("min(o.available_at) FILTER (WHERE o.state = {IN_DOUBT})")),
            ms("min(o.doubt_since)")
        );
        type Columns = (i64, Option<i64>, Option<i64>, Option<i64>);
        let (due_now, oldest, look_up, unsure): Columns = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(&filter.lote)
            .bind(filter.import)
            .bind(now.as_millisecond())
            .persistent(false)
            .fetch_one(&mut *conn)
            .await
            .trouble()?;
        Ok(Status {
            counts: counts(&mut conn, &filter).await?,
            due_now: count(due_now),
            oldest_pending: oldest.map(time),
            next_look_up: look_up.map(time),
            oldest_unconfirmed: unsure.map(time),
        })
    }

    /// The host that the outbox is bound to, once something was sent.
    pub async fn host(&self) -> Result<Option<String>, OutboxError> {
        let sql = "SELECT value FROM mutirao.meta WHERE key = 'host'";
        sqlx::query_scalar(sql).persistent(false).fetch_optional(&mut *self.conn().await?).await.trouble()
    }

    /// Who works on it, and what holds them back.
    pub async fn crew(&self) -> Result<Crew, OutboxError> {
        type Columns = (
            i64,
            Option<f64>,
            Option<i64>,
            bool,
            Option<String>,
            Option<String>,
            Option<i64>,
            Option<String>,
            Option<String>,
            String,
            Option<Vec<Option<f64>>>,
        );
        let mut conn = self.conn().await?;
        let sql = format!(
            "SELECT w.n, w.rate, w.at_once, p.paused_at IS NOT NULL, p.pause_reason, p.pause_cause::text,
                    CASE WHEN clock_timestamp() < p.throttled_until THEN {} END, p.throttle_reason, p.throttle_cause::text,
                    p.breaker,
                    CASE WHEN p.lowered_at IS NOT NULL
                         THEN ARRAY[p.lowered_by, extract(epoch FROM clock_timestamp() - p.lowered_at),
                                    extract(epoch FROM p.lowered_pause), p.lowered_rate, p.n_taken]::double precision[] END
               FROM mutirao.pace p,
                    (SELECT count(*) AS n, min(rate) AS rate, sum(at_once) AS at_once FROM mutirao.worker
                      WHERE clock_timestamp() < lease_until) AS w",
            ms("p.throttled_until")
        );
        let found: Option<Columns> = sqlx::query_as(AssertSqlSafe(sql))
            .persistent(false)
            .fetch_optional(&mut *conn)
            .await
            .trouble()?;
        let (
            n_workers,
            rate_per_s,
            at_once,
            is_paused,
            pause,
            pause_cause,
            until,
            throttle,
            throttle_cause,
            breaker,
            refusal,
        ) = found.ok_or_else(|| unreadable("pace"))?;
        let refusal = refusal.as_deref().map(lowered).transpose()?;
        Ok(Crew {
            n_workers: count(n_workers),
            rate_per_s,
            lowered_per_s: borne(rate_per_s, refusal).filter(|_| 0 < n_workers),
            at_once: at_once.map(count),
            paused: is_paused.then(|| causes::pause(pause_cause.as_deref(), pause.unwrap_or_default())),
            throttled: until.map(|until| {
                (time(until), causes::throttle(throttle_cause.as_deref(), throttle.unwrap_or_default()))
            }),
            is_breaker_closed: breaker == "closed",
        })
    }

    /// The batches of which nothing is posted, by name.
    pub async fn halted(&self) -> Result<Vec<Halted>, OutboxError> {
        halts(&mut *self.conn().await?, None, Waiting::Counted).await
    }

    /// What keeps back rows of that batch.
    pub async fn halts_of(&self, batch: &str) -> Result<Vec<Halted>, OutboxError> {
        halts(&mut *self.conn().await?, Some(batch), Waiting::Counted).await
    }
}

/// Whether the rows that wait behind a halt are counted, however many.
pub(in crate::outbox::postgres) enum Waiting {
    Counted,
    /// Others wait for the answer.
    Uncounted,
}

/// The halts, by name; of a batch those that its rows meet, which may have come in under another name.
pub(in crate::outbox::postgres) async fn halts(
    conn: &mut PgConnection,
    batch: Option<&str>,
    waiting: Waiting,
) -> Result<Vec<Halted>, OutboxError> {
    let n_waiting = match waiting {
        Waiting::Uncounted => "0::bigint".to_owned(),
        Waiting::Counted => format!(
            "(SELECT count(*) FROM mutirao.outbox o
               WHERE {} AND NOT o.gone AND (o.batch = b.id OR o.batch IS NULL AND o.lote = b.name))",
            to_post("o")
        ),
    };
    let sql = format!(
        "SELECT b.name, b.id, b.halted_at::text, coalesce(b.halt_reason, ''), b.halt_cause::text, {n_waiting}
           FROM mutirao.batch b
          WHERE b.halted_at IS NOT NULL
            AND ($1::text IS NULL OR b.name = $1
                 OR EXISTS (SELECT FROM mutirao.batch m JOIN mutirao.outbox o ON o.batch = m.id
                             WHERE m.name = $1 AND o.record IS NOT NULL AND o.lote = b.name))
          ORDER BY 1"
    );
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(batch).persistent(false);
    let halted: Vec<StoredHalt> = asked.fetch_all(conn).await.trouble()?;
    Ok(halted.into_iter().map(Halted::stored).collect())
}

/// What HubSoft bears after that refusal of the operators' rate, if it is less.
fn borne(rate_per_s: Option<f64>, refusal: Option<Lowered>) -> Option<f64> {
    let now = Duration::ZERO;
    let mut allowance = Allowance::new(rate_per_s.map_or(Rate::Unlimited, Rate::PerSecond));
    allowance.hear(now, refusal);
    let slot = allowance.slot(now).filter(|_| allowance.is_lowered(now))?;
    Some(1.0 / slot.as_secs_f64())
}

pub(in crate::outbox::postgres) async fn counts(
    conn: &mut PgConnection,
    filter: &ReadFilter,
) -> Result<Counts, OutboxError> {
    let sql = counts_sql(&format!("mutirao.outbox o WHERE {}", in_scope()));
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(filter.batch).bind(&filter.lote).bind(filter.import);
    Counts::of(asked.persistent(false).fetch_all(conn).await.trouble()?)
}

/// The rows that a merge has staged.
pub(in crate::outbox::postgres) async fn counts_staged(
    conn: &mut PgConnection,
) -> Result<Counts, OutboxError> {
    let sql = counts_sql(&format!(
        "staged s JOIN mutirao.outbox o ON o.id = s.row_id WHERE {}",
        told_of("o", "mutirao.batch")
    ));
    Counts::of(sqlx::query_as(AssertSqlSafe(sql)).persistent(false).fetch_all(conn).await.trouble()?)
}

fn counts_sql(rows: &str) -> String {
    format!("SELECT o.state, count(*), {} FROM {rows} GROUP BY o.state", Dialect::Postgres.counts("o"))
}
