//! Claims: rows that are due are validated, marked as possibly sent, and handed out, in one commit.
//!
//! Claims stand in line behind a lock, so what this one reads of a service is the truth. Only
//! producers and commands may touch a candidate between the look and the write: such a row is passed
//! over, and a row that another transaction holds is not waited for.

use std::collections::HashSet;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::candidate::{Candidate, candidates, outlook};
use super::desk::Range;
use super::error::{Trouble, unreadable};
use super::lease::{LEASE_LEFT_MIN_S, Worker};
use super::session::Access;
use super::values::{Time, text};
use crate::delivery::{Claim, Claimed, OutboxError, Outlook, Refused, RowId, State, Want};
use crate::outbox::state_name;
use crate::ticket::Problem;

/// The rows among `$1` that are as they were read (`$2`) and that nobody else holds.
const HELD: &str = "WITH held AS MATERIALIZED (
    SELECT o.id FROM unnest($1::bigint[], $2::text[]) v(id, version)
                JOIN mutirao.outbox o ON o.id = v.id AND o.xmin = v.version::xid
                 FOR UPDATE OF o SKIP LOCKED)";

/// What one look at the candidates led to. Each list stands beside the versions of its rows.
#[derive(Default)]
struct Round {
    claims: Vec<Claim>,
    claim_versions: Vec<String>,
    refusals: Vec<Refusal>,
    refusal_versions: Vec<String>,
    /// Rows whose service is written in an unusual way, and how it is to be written. They are looked
    /// at again.
    services: Vec<(i64, i64)>,
    service_versions: Vec<String>,
    /// When a row falls due that was free to be claimed, but not wanted.
    spare: Option<Timestamp>,
    /// Rows were passed over, and there may be more behind those that were seen.
    is_short: bool,
}

/// A row that is not to be sent.
struct Refusal {
    told: Refused,
    state: State,
    code: String,
    said: String,
}

pub(super) async fn claim(worker: &Worker, range: Range, want: Want) -> Result<Claimed, OutboxError> {
    let mut claimed = Claimed::default();
    let mut services = HashSet::new();
    let mut left = (want.posts, want.look_ups);
    let mut tx = worker.outbox().tx(Access::Claiming).await?;
    let outbox_id = &worker.outbox().outbox_id;
    let spare = loop {
        let rows = candidates(&mut tx, range, want.now, left).await?;
        let candidates = rows.iter().map(Candidate::read).collect::<Result<Vec<_>, _>>()?;
        let (look_ups, posts): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|it| it.doubt.is_some());
        let mut round = Round::default();
        // Doubts first: they are older, and what they leave behind may be posted.
        round.take(look_ups, &mut left.1, want.now, outbox_id, &mut services)?;
        round.take(posts, &mut left.0, want.now, outbox_id, &mut services)?;
        let (spare, is_short) = (round.spare, round.is_short);
        let n_written = round.write(&mut tx, worker, want.now, &mut claimed).await?;
        // Without any progress the next look would be the same.
        if !is_short || n_written == 0 {
            break spare;
        }
    };
    claimed.outlook = match spare {
        Some(due) => Outlook { pending: true, next_due: Some(due), elsewhere: false },
        None => outlook(&mut tx, range, want.now, worker.id()).await?,
    };
    tx.commit().await?;
    Ok(claimed)
}

impl Round {
    /// Takes up to `left` of `candidates`, in their order.
    fn take(
        &mut self,
        candidates: Vec<Candidate<'_>>,
        left: &mut usize,
        now: Timestamp,
        outbox_id: &str,
        services: &mut HashSet<i64>,
    ) -> Result<(), OutboxError> {
        let was_full = *left < candidates.len();
        for candidate in candidates {
            if candidate.service.is_some_and(|it| services.contains(&it)) {
                continue;
            }
            if *left == 0 {
                let due = candidate.available_at;
                self.spare = Some(self.spare.map_or(due, |it| it.min(due)));
                return Ok(());
            }
            let ticket = match candidate.parse() {
                Ok(it) => it,
                Err(problems) => {
                    self.refusal_versions.push(candidate.version.to_owned());
                    self.refusals.push(Refusal::new(&candidate, problems));
                    continue;
                }
            };
            let service = ticket.id_cliente_servico.get();
            if candidate.service != Some(service) {
                self.service_versions.push(candidate.version.to_owned());
                self.services.push((candidate.id, service));
                continue;
            }
            services.insert(service);
            *left -= 1;
            self.claim_versions.push(candidate.version.to_owned());
            self.claims.push(candidate.into_claim(ticket, outbox_id, now));
        }
        self.is_short |= was_full || !self.services.is_empty();
        Ok(())
    }

    /// Hands out what could be written; returns how many rows that were.
    async fn write(
        self,
        conn: &mut PgConnection,
        worker: &Worker,
        now: Timestamp,
        to: &mut Claimed,
    ) -> Result<usize, OutboxError> {
        let Self { claims, refusals, .. } = self;
        let mut n_written = 0;
        if !claims.is_empty() {
            let ids: Vec<i64> = claims.iter().map(|it| it.row.0).collect();
            let sql = format!(
                "{HELD}
                 UPDATE mutirao.outbox o
                    SET state = 'in_flight', token = o.token + 1, worker = $3, claimed_at = $4,
                        first_claim = o.sent_at IS NULL, sent_at = coalesce(o.sent_at, $4)
                   FROM held
                  WHERE o.id = held.id
                    AND EXISTS (SELECT FROM mutirao.worker w
                                 WHERE w.id = $3 AND clock_timestamp() + make_interval(secs => $5) < w.lease_until)
                  RETURNING o.id"
            );
            let held: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(ids)
                .bind(self.claim_versions)
                .bind(worker.id())
                .bind(Time(now))
                .bind(LEASE_LEFT_MIN_S)
                .fetch_all(&mut *conn)
                .await
                .trouble()?;
            let held: HashSet<i64> = held.into_iter().collect();
            if held.is_empty() {
                worker.check_lease(conn).await?;
            }
            n_written += held.len();
            to.claims.extend(claims.into_iter().filter(|it| held.contains(&it.row.0)));
        }
        if !refusals.is_empty() {
            let held = refuse(conn, &refusals, self.refusal_versions).await?;
            n_written += held.len();
            let told =
                refusals.into_iter().filter(|it| it.state == State::Invalid && held.contains(&it.told.row.0));
            to.refused.extend(told.map(|it| it.told));
        }
        if !self.services.is_empty() {
            n_written += rewrite(conn, self.services, self.service_versions).await?;
        }
        Ok(n_written)
    }
}

impl Refusal {
    fn new(candidate: &Candidate<'_>, problems: Vec<Problem>) -> Self {
        let (state, code) = match problems.first() {
            // It may have been sent under rules that have changed: only a person can tell.
            _ if candidate.doubt.as_ref().is_some_and(|it| !it.precaution) => {
                (State::Unconfirmed, "unreadable")
            }
            Some(first) => (State::Invalid, &*first.code),
            None => (State::Invalid, "invalid"),
        };
        let said: Vec<String> = problems.iter().map(|it| format!("{}: {}", it.field, it.message)).collect();
        Self {
            state,
            code: code.to_owned(),
            said: said.join("; "),
            told: Refused { row: RowId(candidate.id), line: candidate.line, problems },
        }
    }
}

/// Returns the rows that were.
async fn refuse(
    conn: &mut PgConnection,
    refusals: &[Refusal],
    versions: Vec<String>,
) -> Result<HashSet<i64>, OutboxError> {
    let ids: Vec<i64> = refusals.iter().map(|it| it.told.row.0).collect();
    let problems: Vec<String> = refusals
        .iter()
        .map(|it| serde_json::to_string(&it.told.problems).map_err(|_| unreadable("a problem")))
        .collect::<Result<_, _>>()?;
    let sql = format!(
        "{HELD},
         v AS (SELECT v.* FROM unnest($1, $3::text[], $4::text[], $5::text[], $6::text[])
                               v(id, state, code, said, problems) JOIN held ON held.id = v.id),
         told AS (UPDATE mutirao.record r SET problems = v.problems
                    FROM v JOIN mutirao.outbox o ON o.id = v.id WHERE r.id = o.record)
         UPDATE mutirao.outbox o
            SET state = v.state, error_code = v.code, error_message = v.said, finished_at = clock_timestamp()
           FROM v WHERE o.id = v.id RETURNING o.id"
    );
    let held: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(ids)
        .bind(versions)
        .bind(refusals.iter().map(|it| state_name(it.state)).collect::<Vec<_>>())
        .bind(refusals.iter().map(|it| text(&it.code)).collect::<Vec<_>>())
        .bind(refusals.iter().map(|it| text(&it.said)).collect::<Vec<_>>())
        .bind(problems)
        .fetch_all(conn)
        .await
        .trouble()?;
    Ok(held.into_iter().collect())
}

/// Writes services as plain digits, by which rows of one service are known. Returns how many were.
async fn rewrite(
    conn: &mut PgConnection,
    services: Vec<(i64, i64)>,
    versions: Vec<String>,
) -> Result<usize, OutboxError> {
    let (ids, services): (Vec<i64>, Vec<i64>) = services.into_iter().unzip();
    let sql = format!(
        "{HELD}
         UPDATE mutirao.outbox o SET id_cliente_servico = v.service::text
           FROM held JOIN unnest($1, $3::bigint[]) v(id, service) ON v.id = held.id WHERE o.id = held.id"
    );
    let rewritten =
        sqlx::query(AssertSqlSafe(sql)).bind(ids).bind(versions).bind(services).execute(conn).await;
    Ok(usize::try_from(rewritten.trouble()?.rows_affected()).unwrap_or(usize::MAX))
}
