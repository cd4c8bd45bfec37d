//! Claims: rows that are due are validated, marked as possibly sent, and handed out, in one commit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::candidate::{backlog, candidates};
use super::doubt::DoubtColumns;
use super::error::{Trouble, json, stored};
use super::session::{BEGIN, Batch, COMMIT, Session, Tx};
use super::time;
use crate::delivery::identity::Marker;
use crate::delivery::{
    ANSWER_AGE_MAX, Backlog, Claim, ClaimRequest, Claimed, Doubt, OutboxError, Refused, RowId, Token,
};
use crate::outbox::doubts::begun;
use crate::outbox::filter::Filter;
use crate::outbox::names::{IN_FLIGHT, state_name};
use crate::outbox::refusal::unread;
use crate::ticket::{RawTicket, Ticket, in_words};

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
    let tx = session.begin_with_first().await;
    claim_in(tx, BEGIN, filter, want).await
}

/// Ends the transaction. `begin` stands in front of the first statement.
pub(super) async fn claim_in(
    mut tx: Tx<'_>,
    mut begin: &'static str,
    filter: Filter,
    want: ClaimRequest,
) -> Result<Claimed, OutboxError> {
    let mut claimed = Claimed::default();
    let mut services = HashSet::new();
    let mut left = (want.posts, want.look_ups);
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
