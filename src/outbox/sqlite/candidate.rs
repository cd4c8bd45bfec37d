//! Which rows may be claimed, and in which order.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::Trouble;
use super::time;
use crate::delivery::{Backlog, End, OutboxError};
use crate::outbox::filter::Filter;
use crate::outbox::names::IN_FLIGHT;
use crate::outbox::queue::{self, Spot};
use crate::outbox::which;

/// SQLite knows the index by its very words.
pub(super) fn live(row: &str) -> String {
    which::live(row, &format!("{row}.doubt_precaution = 0"))
}

/// Of `o`: to be posted, in scope. `?1` batch, `?2` import, `?3` last place; NULL is no limit. A halted
/// batch waits, unless the run is for it alone: then somebody has asked for it.
fn to_post() -> String {
    format!(
        "{} AND o.gone = 0
         AND (?2 IS NULL OR o.import = ?2) AND (?3 IS NULL OR o.record <= ?3)
         AND (?1 IS NULL OR ?2 IS NOT NULL OR o.batch = ?1)
         AND (?1 IS NOT NULL OR NOT EXISTS (SELECT 1 FROM batch h WHERE h.id = o.lote AND h.halted_at IS NOT NULL))",
        which::to_post("o")
    )
}

/// Of `o`: to be looked up, in scope. Doubts are settled for the whole batch, precautions only
/// before a post.
fn to_look_up() -> String {
    format!(
        "{} AND (?1 IS NULL OR o.batch = ?1)
         AND (o.doubt_precaution = 0 OR o.gone = 0 AND (?2 IS NULL OR o.import = ?2)
                                                   AND (?3 IS NULL OR o.record <= ?3))",
        which::to_look_up("o")
    )
}

/// The rows that may be claimed now, as JSON: to post, to look up. One more of each than wanted, to
/// know whether more is due. `first` stands in front of the statement.
pub(super) async fn candidates(
    conn: &mut SqliteConnection,
    first: &'static str,
    filter: Filter,
    now: Timestamp,
    (n_posts, n_look_ups): (usize, usize),
    end: End,
) -> Result<(Option<String>, Option<String>), OutboxError> {
    let limit = |n: usize| i64::try_from(n).unwrap_or(i64::MAX).saturating_add(1);
    let (first, start) = match end {
        End::Between(thousandths) => match &ends(conn, first, filter, now).await?[..] {
            [front, back] => ("", Some(queue::between(*front, *back, thousandths))),
            _ => ("", None), // Nothing is due.
        },
        End::Front | End::Back => (first, None),
    };
    let asked = sqlx::query_as(AssertSqlSafe(candidates_sql(first, end, start)))
        .bind(filter.batch)
        .bind(filter.import)
        .bind(filter.last_record)
        .bind(now.as_millisecond())
        .bind(limit(n_posts))
        .bind(limit(n_look_ups));
    let asked = match start {
        None => asked,
        Some(start) => asked.bind(start.priority).bind(start.due).bind(start.id),
    };
    asked.fetch_one(conn).await.trouble()
}

/// The first and the last row that is due to be posted. `first` stands in front of the statement.
async fn ends(
    conn: &mut SqliteConnection,
    first: &'static str,
    filter: Filter,
    now: Timestamp,
) -> Result<Vec<Spot>, OutboxError> {
    let to_post = to_post();
    let end = |order: &str| {
        format!(
            "SELECT * FROM (SELECT o.priority, o.available_at AS due, o.id FROM outbox o
                             WHERE {to_post} AND o.available_at <= ?4 ORDER BY {order} LIMIT 1)"
        )
    };
    let ends: Vec<(i64, i64, i64)> =
        sqlx::query_as(AssertSqlSafe(format!("{first}{} UNION ALL {}", end(FORWARD), end(BACKWARD))))
            .bind(filter.batch)
            .bind(filter.import)
            .bind(filter.last_record)
            .bind(now.as_millisecond())
            .fetch_all(conn)
            .await
            .trouble()?;
    Ok(ends.into_iter().map(Spot::from).collect())
}

/// The order of claims, and its reverse: those of the index.
const FORWARD: &str = "o.priority, o.available_at, o.id";
const BACKWARD: &str = "o.priority DESC, o.available_at DESC, o.id DESC";

/// In the order in which `Head` in `claim.rs` has them.
const HEAD: &str = "o.id, o.token, o.line, o.lote, o.referencia, o.service, o.attempts, o.sent_at,
    o.available_at, o.outdated";

/// `LIMIT +?`: of a bare parameter SQLite reads the value, and plans anew for every claim (measured: a fifth
/// of it). The ids come first, from the index alone. `fields` is JSON already: it is put in as it stands
/// instead of being read and written again.
fn candidates_sql(first: &'static str, end: End, start: Option<Spot>) -> String {
    format!(
        include_str!("candidates.sql"),
        first = first,
        head = HEAD,
        to_post = to_post(),
        to_look_up = to_look_up(),
        live = live("l"),
        in_flight = IN_FLIGHT,
        from = start.map_or("", |_| "AND (o.priority, o.available_at, o.id) >= (?7, ?8, ?9)"),
        order = if end == End::Back { BACKWARD } else { FORWARD },
    )
}

/// Asked only when the candidates did not tell.
pub(super) async fn backlog(
    conn: &mut SqliteConnection,
    filter: Filter,
    now: Timestamp,
) -> Result<Backlog, OutboxError> {
    let (pending, next_due): (bool, Option<i64>) = sqlx::query_as(AssertSqlSafe(backlog_sql()))
        .bind(filter.batch)
        .bind(filter.import)
        .bind(filter.last_record)
        .bind(now.as_millisecond())
        .fetch_one(conn)
        .await
        .trouble()?;
    Ok(Backlog { pending, next_due: next_due.map(time), elsewhere: false })
}

/// The first that is due answers at once; only if none is, all that wait are seen.
fn backlog_sql() -> String {
    format!(
        include_str!("backlog.sql"),
        to_post = to_post(),
        to_look_up = to_look_up(),
        live = live("l"),
        in_flight = IN_FLIGHT
    )
}

/// As the port has it.
pub(super) async fn posts_are_left(conn: &mut SqliteConnection, filter: Filter) -> Result<bool, OutboxError> {
    sqlx::query_scalar(AssertSqlSafe(posts_left_sql()))
        .bind(filter.batch)
        .bind(filter.import)
        .bind(filter.last_record)
        .fetch_one(conn)
        .await
        .trouble()
}

fn posts_left_sql() -> String {
    let (to_post, to_look_up, live) = (to_post(), to_look_up(), live("l"));
    format!(
        "SELECT EXISTS (SELECT 1 FROM outbox l
                         WHERE l.state = {IN_FLIGHT} AND {live} AND (l.posting OR l.doubt_precaution))
             OR EXISTS (SELECT 1 FROM outbox o WHERE {to_look_up} AND o.doubt_precaution)
             OR EXISTS (SELECT 1 FROM outbox o
                         WHERE {to_post}
                           AND NOT EXISTS (SELECT 1 FROM outbox l WHERE l.service = o.service AND {live}))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::SqliteOutbox;

    /// A claim at a million rows must not look at a million rows.
    #[tokio::test]
    async fn claims_go_by_their_indices() {
        let dir = tempfile::tempdir().expect("there is room for a folder");
        let outbox = SqliteOutbox::open(&dir.path().join("outbox.db")).await.expect("it opens");
        insta::assert_snapshot!(plan(&outbox, candidates_sql("", End::Front, None)).await, @r"
        SCAN o USING INDEX outbox_due
        SEARCH h USING INTEGER PRIMARY KEY (rowid=?)
        SEARCH l USING INDEX outbox_live (service=?)
        SCAN due
        SEARCH o USING INTEGER PRIMARY KEY (rowid=?)
        SEARCH r USING INTEGER PRIMARY KEY (rowid=?)
        SCAN o USING INDEX outbox_doubt
        SEARCH l USING INDEX outbox_live (service=? AND state=?)
        SCAN due
        SEARCH o USING INTEGER PRIMARY KEY (rowid=?)
        SEARCH r USING INTEGER PRIMARY KEY (rowid=?)
        ");
        insta::assert_snapshot!(plan(&outbox, backlog_sql()).await, @r"
        SCAN o USING INDEX outbox_due
        SEARCH h USING INTEGER PRIMARY KEY (rowid=?)
        SEARCH l USING INDEX outbox_live (service=?)
        SEARCH o USING INDEX outbox_due
        SEARCH h USING INTEGER PRIMARY KEY (rowid=?)
        SEARCH l USING INDEX outbox_live (service=?)
        SCAN o USING INDEX outbox_doubt
        SEARCH l USING INDEX outbox_live (service=? AND state=?)
        SEARCH o USING INDEX outbox_doubt
        SEARCH l USING INDEX outbox_live (service=? AND state=?)
        SCAN next
        SCAN o USING INDEX outbox_due
        SEARCH h USING INTEGER PRIMARY KEY (rowid=?)
        SCAN o USING INDEX outbox_doubt
        ");
    }

    #[tokio::test]
    async fn what_is_left_to_post_is_found_by_its_indices() {
        let dir = tempfile::tempdir().expect("there is room for a folder");
        let outbox = SqliteOutbox::open(&dir.path().join("outbox.db")).await.expect("it opens");
        insta::assert_snapshot!(plan(&outbox, posts_left_sql()).await, @r"
        SCAN l USING INDEX outbox_live
        SCAN o USING INDEX outbox_doubt
        SCAN o USING INDEX outbox_due
        SEARCH h USING INTEGER PRIMARY KEY (rowid=?)
        SEARCH l USING INDEX outbox_live (service=?)
        ");
    }

    /// How SQLite reaches each table.
    async fn plan(outbox: &SqliteOutbox, sql: String) -> String {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(1)
            .bind(1)
            .bind(1)
            .bind(1)
            .bind(1)
            .bind(1)
            .fetch_all(&mut *outbox.conn().await)
            .await
            .expect("it explains");
        let mut said: Vec<String> = steps.into_iter().map(|step| step.3).collect();
        said.retain(|step| {
            !step.contains("SUBQUERY") && !step.contains("CO-ROUTINE") && !step.contains("CONSTANT")
        });
        said.join("\n")
    }
}
