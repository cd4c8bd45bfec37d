//! Claims: rows that are due are validated, marked as possibly sent, and handed out, in one commit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::doubt::DoubtColumns;
use super::error::{Trouble, json, stored};
use super::session::{BEGIN, Batch, COMMIT, Session};
use super::time;
use crate::delivery::identity::Marker;
use crate::delivery::{
    ANSWER_AGE_MAX, Backlog, Claim, ClaimRequest, Claimed, Doubt, End, OutboxError, Refused, RowId, Token,
};
use crate::outbox::doubts::begun;
use crate::outbox::filter::Filter;
use crate::outbox::names::{IN_FLIGHT, state_name};
use crate::outbox::queue::{self, Spot};
use crate::outbox::refusal::unread;
use crate::outbox::which;
use crate::ticket::{RawTicket, Ticket, in_words};

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

/// One row as it comes out of [`candidates`], and its fields.
#[derive(Deserialize)]
struct Candidate<'a>(Head, #[serde(borrow)] RawTicket<'a>);

/// In the order of the columns.
#[derive(Deserialize)]
struct Head {
    id: i64,
    token: i64,
    line: u64,
    lote: i64,
    referencia: String,
    service: Option<i64>,
    attempts: u32,
    sent_at: Option<i64>,
    available_at: i64,
    outdated: u8,
    /// Rows to post come without it.
    #[serde(default)]
    doubt: Option<DoubtColumns>,
}

/// What one look at the candidates led to.
#[derive(Default)]
struct Round {
    claimed: Vec<i64>,
    refusals: Vec<Refused>,
    /// Rows whose stored service is not the one in their fields; they are looked at again.
    services: Vec<(i64, i64)>,
    /// When a row falls due that was free to be claimed, but not wanted.
    spare: Option<Timestamp>,
    /// Rows were passed over, and there may be more behind those that were seen.
    is_short: bool,
}

pub(super) async fn claim(
    session: &mut Session,
    filter: Filter,
    want: ClaimRequest,
) -> Result<Claimed, OutboxError> {
    let mut claimed = Claimed::default();
    let mut services = HashSet::new();
    let mut left = (want.posts, want.look_ups);
    let mut tx = session.begin_with_first().await;
    let mut begin = BEGIN;
    let spare = loop {
        let (posts, look_ups) = candidates(&mut tx, begin, filter, want.now, left, want.end).await?;
        begin = "";
        let mut round = Round::default();
        let posts: Vec<Candidate<'_>> = stored("outbox", posts.as_deref().unwrap_or("[]"))?;
        let look_ups: Vec<Candidate<'_>> = stored("outbox", look_ups.as_deref().unwrap_or("[]"))?;
        let lotes = look_ups.iter().chain(&posts).map(|row| row.0.lote);
        let batches = tx.batches(lotes).await?;
        // Doubts first: they are older, and what they leave behind may be posted.
        round.take(look_ups, batches, &mut left.1, want.now, &mut services, &mut claimed);
        round.take(posts, batches, &mut left.0, want.now, &mut services, &mut claimed);
        // Most claims get all that they want, and know that there is more.
        if let Some(due) = round.spare
            && round.is_plain()
        {
            round.mark(&mut tx, COMMIT, want.now).await?;
            tx.committed();
            claimed.backlog = Backlog { pending: true, next_due: Some(due), ..Backlog::default() };
            return Ok(claimed);
        }
        round.write(&mut tx, want.now).await?;
        claimed.refused.extend(round.refusals);
        if !round.is_short {
            break round.spare;
        }
    };
    claimed.backlog = match spare {
        Some(due) => Backlog { pending: true, next_due: Some(due), elsewhere: false },
        None => backlog(&mut tx, filter, want.now).await?,
    };
    tx.commit().await?;
    Ok(claimed)
}

impl Round {
    /// Takes up to `left` of `candidates`, in their order.
    fn take(
        &mut self,
        candidates: Vec<Candidate<'_>>,
        batches: &HashMap<i64, Batch>,
        left: &mut usize,
        now: Timestamp,
        services: &mut HashSet<i64>,
        to: &mut Claimed,
    ) {
        let n_seen_max = left.saturating_add(1);
        let was_full = n_seen_max <= candidates.len();
        for Candidate(head, fields) in candidates {
            if head.service.is_some_and(|service| services.contains(&service)) {
                continue;
            }
            if *left == 0 {
                self.spare =
                    Some(self.spare.map_or(time(head.available_at), |due| due.min(time(head.available_at))));
                return;
            }
            let batch = &batches[&head.lote];
            let parsed = match Ticket::parse(&fields) {
                Ok(parsed) => parsed,
                Err(problems) => {
                    let (state, code) = unread(&problems, head.doubt.map(Doubt::from).as_ref());
                    self.refusals.push(Refused {
                        row: RowId(head.id),
                        line: head.line,
                        lote: Arc::clone(&batch.name),
                        referencia: head.referencia.as_str().into(),
                        state,
                        code,
                        problems,
                    });
                    continue;
                }
            };
            let service = parsed.ticket.id_cliente_servico.get();
            if head.service != Some(service) {
                self.services.push((head.id, service));
                continue;
            }
            services.insert(service);
            *left -= 1;
            self.claimed.push(head.id);
            to.claims.push(head.into_claim(batch, parsed.ticket, now));
        }
        self.is_short |= was_full || !self.services.is_empty();
    }

    /// Whether there is nothing to write but claims, and no other round to come.
    fn is_plain(&self) -> bool {
        !self.is_short && self.refusals.is_empty() && self.services.is_empty() && !self.claimed.is_empty()
    }

    /// Marks what is claimed as possibly sent; `then` is what follows in the same breath.
    async fn mark(
        &self,
        conn: &mut SqliteConnection,
        then: &'static str,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE OR FAIL outbox
                SET state = {IN_FLIGHT}, token = token + 1, claimed_at = ?2,
                    first_claim = sent_at IS NULL, sent_at = coalesce(sent_at, ?2),
                    {}
              WHERE id IN (SELECT value FROM json_each(?1)){then}",
            // Only a row whose state somebody changed by hand is looked up by this: a run that was cut off
            // has its own rule ([`super::work_queue`]).
            begun("outbox", "?2 + ?3")
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(json(&self.claimed))
            .bind(now.as_millisecond())
            .bind(ANSWER_AGE_MAX.as_millis() as i64)
            .execute(conn)
            .await
            .trouble()
            .map(drop)
    }

    async fn write(&self, conn: &mut SqliteConnection, now: Timestamp) -> Result<(), OutboxError> {
        if !self.claimed.is_empty() {
            self.mark(conn, "", now).await?;
        }
        let now = now.as_millisecond();
        if !self.refusals.is_empty() {
            let refused = self.refusals.iter().map(|refused| {
                let Refused { row, state, code, problems, .. } = refused;
                (row.0, state_name(*state), code, in_words(problems), json(problems))
            });
            let refused = json(&refused.collect::<Vec<_>>());
            let sql = "UPDATE record SET problems = v.value ->> 4
                         FROM json_each(?1) v JOIN outbox o ON o.id = v.value ->> 0 WHERE record.id = o.record";
            sqlx::query(sql).bind(refused.clone()).execute(&mut *conn).await.trouble()?;
            let sql = "UPDATE outbox
                          SET state = v.value ->> 1, error_code = v.value ->> 2, error_message = v.value ->> 3,
                              finished_at = ?2
                         FROM json_each(?1) v WHERE outbox.id = v.value ->> 0";
            sqlx::query(sql).bind(refused).bind(now).execute(&mut *conn).await.trouble()?;
        }
        if !self.services.is_empty() {
            let sql =
                "UPDATE outbox SET service = v.value ->> 1 FROM json_each(?1) v WHERE id = v.value ->> 0";
            sqlx::query(sql).bind(json(&self.services)).execute(&mut *conn).await.trouble()?;
        }
        Ok(())
    }
}

impl Head {
    fn into_claim(self, batch: &Batch, ticket: Ticket, now: Timestamp) -> Claim {
        let marker = Marker::new(&batch.key, &self.referencia);
        Claim {
            row: RowId(self.id),
            token: Token(self.token + 1),
            line: self.line,
            ticket,
            lote: Arc::clone(&batch.name),
            referencia: self.referencia.into(),
            marker,
            attempts: self.attempts,
            // As it was stored: to the millisecond.
            sent_at: time(self.sent_at.unwrap_or(now.as_millisecond())),
            doubt: self.doubt.map(Doubt::from),
            is_outdated: self.outdated != 0,
        }
    }
}

/// The rows that may be claimed now, as JSON: to post, to look up. One more of each than wanted, to
/// know whether more is due. `first` stands in front of the statement.
async fn candidates(
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

fn candidates_sql(first: &'static str, end: End, start: Option<Spot>) -> String {
    let order = if end == End::Back { BACKWARD } else { FORWARD };
    let from = start.map_or("", |_| "AND (o.priority, o.available_at, o.id) >= (?7, ?8, ?9)");
    // `LIMIT +?`: of a bare parameter SQLite reads the value, and plans anew for every claim (measured: a
    // fifth of it). The ids come first, from the index alone. `fields` is JSON already: it is put in as it
    // stands instead of being read and written again.
    let of = |ids: String, doubt: &str| {
        format!(
            "(SELECT '[' || group_concat('[' || json_array(o.id, o.token, o.line, o.lote, o.referencia, o.service,
                         o.attempts, o.sent_at, o.available_at, o.outdated{doubt}) || ',' || r.fields || ']') || ']'
                FROM ({ids}) AS due CROSS JOIN outbox o ON o.id = due.id
                     CROSS JOIN record r ON r.id = o.record)"
        )
    };
    let (to_post, to_look_up, live) = (to_post(), to_look_up(), live("l"));
    let posts = of(
        format!(
            "SELECT o.id FROM outbox o
              WHERE {to_post} AND o.available_at <= ?4
                AND NOT EXISTS (SELECT 1 FROM outbox l WHERE l.service = o.service AND {live}) {from}
              ORDER BY {order} LIMIT +?5"
        ),
        "",
    );
    let look_ups = of(
        format!(
            "SELECT o.id FROM outbox o
              WHERE {to_look_up} AND o.available_at <= ?4
                AND NOT EXISTS (SELECT 1 FROM outbox l
                                 WHERE l.service = o.service AND l.state = {IN_FLIGHT} AND {live})
              ORDER BY o.priority, o.available_at, o.id LIMIT +?6"
        ),
        ", json_array(o.doubt_since, o.doubt_hubsoft_at, o.doubt_precaution, o.absences, o.last_absence, o.answered)",
    );
    format!("{first}SELECT {posts}, {look_ups}")
}

/// Asked only when the candidates did not tell.
async fn backlog(
    conn: &mut SqliteConnection,
    filter: Filter,
    now: Timestamp,
) -> Result<Backlog, OutboxError> {
    let (pending, next_due): (bool, Option<i64>) = sqlx::query_as(AssertSqlSafe(outlook_sql()))
        .bind(filter.batch)
        .bind(filter.import)
        .bind(filter.last_record)
        .bind(now.as_millisecond())
        .fetch_one(conn)
        .await
        .trouble()?;
    Ok(Backlog { pending, next_due: next_due.map(time), elsewhere: false })
}

fn outlook_sql() -> String {
    // The first that is due answers at once; only if none is, all that wait are seen.
    let (to_post, to_look_up, live) = (to_post(), to_look_up(), live("l"));
    let next = |rows: &str, blockers: &str| {
        let free = format!(
            "FROM outbox o
              WHERE {rows} AND NOT EXISTS (SELECT 1 FROM outbox l WHERE l.service = o.service {blockers} AND {live})"
        );
        format!(
            "coalesce((SELECT o.available_at {free} AND o.available_at <= ?4
                        ORDER BY o.priority, o.available_at, o.id LIMIT 1),
                      (SELECT min(o.available_at) {free} AND ?4 < o.available_at))"
        )
    };
    let post = next(&to_post, "");
    let look_up = next(&to_look_up, &format!("AND l.state = {IN_FLIGHT}"));
    format!(
        "WITH next(post, look_up) AS (SELECT {post}, {look_up})
         SELECT EXISTS (SELECT 1 FROM outbox o WHERE {to_post})
                    OR EXISTS (SELECT 1 FROM outbox o WHERE {to_look_up}),
                coalesce(min(post, look_up), post, look_up)
           FROM next"
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
        insta::assert_snapshot!(plan(&outbox, outlook_sql()).await, @r"
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
