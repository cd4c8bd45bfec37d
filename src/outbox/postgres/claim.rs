//! Claims: rows that are due are validated, marked as possibly sent, and handed out, in one commit.
//!
//! Claims stand in line behind a lock, so what this one reads of a service is the truth. Candidates
//! are locked as they are read: producers and commands that want to change one wait for the commit.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use super::candidate::{Candidate, backlog, candidates};
use super::error::Trouble;
use super::keys::ClaimKeys;
use super::lease::Worker;
use super::parking::put_back;
use super::session::Access;
use super::values::{Time, text};
use crate::delivery::{
    Backlog, CLAIM_AGE_MAX, Claim, ClaimRequest, Claimed, End, OutboxError, Refused, RowId,
};
use crate::outbox::doubts::begun;
use crate::outbox::range::Range;
use crate::outbox::refusal::Refusal;
use crate::outbox::state_name;
use crate::outbox::stored::json;

/// Of invalid rows in a row, so many are read at once and refused.
const REFUSALS: usize = 512;

/// So many are refused in one commit, about: what was decided of a flood of them counts at once, and the others claim
/// in between.
const REFUSALS_MAX: usize = 4 * REFUSALS;

/// A claim that has looked for so long looks no further.
const LOOKING_MAX: Duration = Duration::from_millis(400);

/// What one look at the candidates led to.
#[derive(Default)]
struct Round {
    claims: Vec<Claim>,
    refusals: Vec<Refusal>,
    /// Rows whose service is written in an unusual way, and how it is to be written. They are looked
    /// at again.
    services: Vec<(i64, i64)>,
    /// Lotes that have no key yet. Their rows are looked at again.
    lotes: BTreeSet<String>,
    /// When a row falls due that was free to be claimed, but not wanted.
    spare: Option<Timestamp>,
    /// Rows were passed over, and there may be more behind those that were seen.
    is_short: bool,
}

pub(super) async fn claim(worker: &Worker, range: Range, want: ClaimRequest) -> Result<Claimed, OutboxError> {
    let mut claimed = Claimed::default();
    let mut services = HashSet::new();
    let mut keys = ClaimKeys::new(worker.keys());
    let mut left = (want.posts, want.look_ups);
    let mut tx = worker.outbox().tx(Access::Claiming).await?;
    let began = Instant::now();
    let (mut n_refused, mut ahead) = (0, 1);
    let (mut end, mut is_last) = (want.end, false);
    claimed.backlog = loop {
        // One more of each than wanted, to know whether more is due. Of a kind that is not wanted none is locked,
        // which would be a write.
        let ask = |n: usize| if n == 0 { 0 } else { n.saturating_add(ahead) };
        let asked = (ask(left.0), ask(left.1));
        let rows = candidates(&mut tx, range, want.now, asked, end).await?;
        let candidates = rows.iter().map(Candidate::read).collect::<Result<Vec<_>, _>>()?;
        keys.read(&mut tx, candidates.iter().map(|it| it.lote)).await?;
        let (look_ups, posts): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|it| it.doubt.is_some());
        let mut round = Round::default();
        // Doubts first: they are older, and what they leave behind may be posted.
        round.take(look_ups, asked.1, &mut left.1, want.now, &mut services, &keys);
        round.take(posts, asked.0, &mut left.0, want.now, &mut services, &keys);
        let (spare, is_short) = (round.spare, round.is_short);
        n_refused += round.refusals.len();
        if !round.refusals.is_empty() {
            ahead = REFUSALS;
        }
        let n_written = round.write(&mut tx, worker, want.now, &mut keys, &mut claimed).await?;
        if is_last {
            break more_from(want.now);
        }
        // Without any progress the next look would be the same.
        if !is_short || n_written == 0 {
            if let Some(due) = spare {
                break more_from(due);
            }
            // Much that cannot go lies in front: it is not read once more only to tell when there will be more.
            if LOOKING_MAX <= began.elapsed() {
                break more_from(want.now);
            }
            let (backlog, is_parked) = backlog(&mut tx, range, want.now, worker.id()).await?;
            if !is_parked || put_back(&mut tx, Some(range)).await? == 0 {
                break backlog;
            }
        }
        if REFUSALS_MAX <= n_refused || LOOKING_MAX <= began.elapsed() {
            if n_refused == 0 || left.0 == 0 {
                break more_from(want.now);
            }
            // A flood of invalid rows leaves slots free: what came behind it has them.
            (end, is_last, ahead) = (End::Back, true, 1);
        }
    };
    tx.commit().await?;
    keys.committed();
    Ok(claimed)
}

/// More rows fall due then.
fn more_from(due: Timestamp) -> Backlog {
    Backlog { pending: true, next_due: Some(due), elsewhere: false }
}

impl Round {
    /// Takes up to `left` of `candidates`, in their order; so many were asked for.
    fn take(
        &mut self,
        candidates: Vec<Candidate<'_>>,
        n_asked: usize,
        left: &mut usize,
        now: Timestamp,
        services: &mut HashSet<i64>,
        keys: &ClaimKeys<'_>,
    ) {
        let was_full = 0 < n_asked && n_asked <= candidates.len();
        for candidate in candidates {
            if candidate.service.is_some_and(|it| services.contains(&it)) {
                continue;
            }
            if *left == 0 {
                let due = candidate.available_at;
                self.spare = Some(self.spare.map_or(due, |it| it.min(due)));
                return;
            }
            let marker = keys.marker(candidate.lote, candidate.referencia);
            let ticket = match candidate.parse() {
                Ok(it) => it,
                Err(problems) => {
                    let told = Refused {
                        row: RowId(candidate.id),
                        line: candidate.line,
                        lote: candidate.lote.into(),
                        referencia: candidate.referencia.into(),
                        problems,
                    };
                    // Its results name the batch, too.
                    if marker.is_none() {
                        self.lotes.insert(candidate.lote.to_owned());
                    }
                    self.refusals.push(Refusal::new(told, candidate.doubt.as_ref()));
                    continue;
                }
            };
            let service = ticket.id_cliente_servico.get();
            if candidate.service != Some(service) {
                self.services.push((candidate.id, service));
                continue;
            }
            let Some(marker) = marker else {
                self.lotes.insert(candidate.lote.to_owned());
                continue;
            };
            services.insert(service);
            *left -= 1;
            self.claims.push(candidate.into_claim(ticket, marker, now));
        }
        self.is_short |= was_full || !self.services.is_empty() || !self.lotes.is_empty();
    }

    /// Hands out what is written; returns how many rows that were.
    async fn write(
        self,
        conn: &mut PgConnection,
        worker: &Worker,
        now: Timestamp,
        keys: &mut ClaimKeys<'_>,
        to: &mut Claimed,
    ) -> Result<usize, OutboxError> {
        let Self { claims, refusals, services, lotes, .. } = self;
        let n_written = claims.len() + refusals.len() + services.len() + lotes.len();
        if !claims.is_empty() {
            mark(conn, worker, &claims, now).await?;
            to.claims.extend(claims);
        }
        if !refusals.is_empty() {
            refuse(conn, &refusals).await?;
            to.refused.extend(refusals.into_iter().filter_map(Refusal::into_told));
        }
        if !services.is_empty() {
            rewrite(conn, services).await?;
        }
        if !lotes.is_empty() {
            keys.make(conn, lotes).await?;
        }
        Ok(n_written)
    }
}

/// Marks what is claimed as possibly sent, if the worker's lease lasts long enough.
async fn mark(
    conn: &mut PgConnection,
    worker: &Worker,
    claims: &[Claim],
    now: Timestamp,
) -> Result<(), OutboxError> {
    let sql = format!(
        "UPDATE mutirao.outbox o
                  SET state = 'in_flight', token = o.token + 1, worker = $2, claimed_at = $3,
                      first_claim = o.sent_at IS NULL, sent_at = coalesce(o.sent_at, $3),
                      {}
                 FROM unnest($1::bigint[]) v(id)
                WHERE o.id = v.id
                  AND EXISTS (SELECT FROM mutirao.worker w
                               WHERE w.id = $2 AND clock_timestamp() + $4 < w.lease_until)
                  AND NOT EXISTS (SELECT FROM mutirao.worker w
                                   WHERE w.server_started <> pg_postmaster_start_time() AND clock_timestamp() < w.lease_until)",
        begun("o", "$3 + $5")
    );
    let marked = sqlx::query(AssertSqlSafe(sql))
        .bind(claims.iter().map(|it| it.row.0).collect::<Vec<_>>())
        .bind(worker.id())
        .bind(Time(now))
        .bind(CLAIM_AGE_MAX)
        .bind(CLAIM_AGE_MAX + worker.timeout())
        .execute(&mut *conn)
        .await
        .trouble()?;
    // The rows are locked: it is all of them, or the worker may not.
    if marked.rows_affected() == 0 { Err(worker.why_unmarked(conn).await?) } else { Ok(()) }
}

async fn refuse(conn: &mut PgConnection, refusals: &[Refusal]) -> Result<(), OutboxError> {
    let sql = "WITH v AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
                                        v(id, state, code, said, problems)),
                    told AS (UPDATE mutirao.record r SET problems = v.problems
                               FROM v JOIN mutirao.outbox o ON o.id = v.id WHERE r.id = o.record)
               UPDATE mutirao.outbox o
                  SET state = v.state, error_code = v.code, error_message = v.said, finished_at = clock_timestamp()
                 FROM v WHERE o.id = v.id";
    sqlx::query(sql)
        .bind(refusals.iter().map(|it| it.told.row.0).collect::<Vec<_>>())
        .bind(refusals.iter().map(|it| state_name(it.state)).collect::<Vec<_>>())
        .bind(refusals.iter().map(|it| text(&it.code)).collect::<Vec<_>>())
        .bind(refusals.iter().map(|it| text(&it.said)).collect::<Vec<_>>())
        .bind(refusals.iter().map(|it| json(&it.told.problems)).collect::<Vec<_>>())
        .execute(conn)
        .await
        .trouble()
        .map(drop)
}

/// Writes services as plain digits, by which rows of one service are known.
async fn rewrite(conn: &mut PgConnection, services: Vec<(i64, i64)>) -> Result<(), OutboxError> {
    let (ids, services): (Vec<i64>, Vec<i64>) = services.into_iter().unzip();
    let sql = "UPDATE mutirao.outbox o SET id_cliente_servico = v.service::text
                 FROM unnest($1::bigint[], $2::bigint[]) v(id, service) WHERE o.id = v.id";
    sqlx::query(sql).bind(ids).bind(services).execute(conn).await.trouble().map(drop)
}
