//! Settles: what became of claimed rows, in one durable commit.
//!
//! Nearly all settles are of the row's living owner, and go in set-wise, each matched on row, token
//! and state. If fewer rows changed than were to, the transaction starts again with a search for the
//! odd ones (stale, late, repeated, or of a ticket that belongs elsewhere), which [`super::proof`]
//! takes one by one.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::claim::{claim, claim_in};
use super::error::{Trouble, json, stored};
use super::proof;
use super::session::{BEGIN, Session, Tx};
use super::write::{write, write_attempts};
use crate::delivery::{ClaimRequest, Claimed, OutboxError, Settle, Settled};
use crate::outbox::filter::Filter;
use crate::outbox::names::{IN_FLIGHT, OPENED};
use crate::outbox::settles::{Seen, are_distinct};

pub(super) async fn settle(session: &mut Session, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
    if settles.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = session.begin_with_first().await;
    let mut settled = vec![Settled::Written; settles.len()];
    if settle_all(&mut tx, settles).await? {
        tx.commit().await?;
        return Ok(settled);
    }
    tx.restart().await?;
    let now = Timestamp::now().as_millisecond();
    let odd = odd(&mut tx, settles).await?;
    let plain = settles.iter().enumerate().filter(|(at, _)| !odd.contains(at)).map(|(_, settle)| settle);
    write(&mut tx, "", plain.clone(), now).await?;
    write_attempts(&mut tx, plain).await?;
    for &at in &odd {
        settled[at] = proof::settle_odd(&mut tx, &settles[at], now).await?;
    }
    tx.commit().await?;
    Ok(settled)
}

/// Both in one commit, if all settles are plain: a claim looks at the rows as they have become.
pub(super) async fn settle_and_claim(
    session: &mut Session,
    settles: &[Settle],
    filter: Filter,
    want: ClaimRequest,
) -> Result<(Vec<Settled>, Claimed), OutboxError> {
    let mut tx = session.begin_with_first().await;
    if settle_all(&mut tx, settles).await? {
        let claimed = claim_in(tx, "", filter, want).await?;
        return Ok((vec![Settled::Written; settles.len()], claimed));
    }
    let settled = settle(session, settles).await?;
    Ok((settled, claim(session, filter, want).await?))
}

/// Begins the transaction and writes them, if all of them are plain; else it is to be undone.
async fn settle_all(tx: &mut Tx<'_>, settles: &[Settle]) -> Result<bool, OutboxError> {
    let now = Timestamp::now().as_millisecond();
    // It fails if a ticket belongs to another row.
    if are_distinct(settles)
        && let Ok(n_written) = write(tx, BEGIN, settles.iter(), now).await
        && n_written == settles.len() as u64
    {
        write_attempts(tx, settles.iter()).await?;
        return Ok(true);
    }
    Ok(false)
}

/// The places of those settles that are not simply of a row in flight under the same token, in order.
async fn odd(conn: &mut SqliteConnection, settles: &[Settle]) -> Result<Vec<usize>, OutboxError> {
    #[derive(Serialize)]
    struct Key(i64, i64, Option<i64>);
    let keys: Vec<Key> =
        settles.iter().map(|settle| Key(settle.row.0, settle.token.0, settle.ticket())).collect();
    let sql = format!(
        "SELECT json_group_array(k.key)
           FROM json_each(?1) k LEFT JOIN outbox o ON o.id = k.value ->> 0
          WHERE o.id IS NULL OR o.token <> k.value ->> 1 OR o.state <> {IN_FLIGHT}
             OR EXISTS (SELECT 1 FROM outbox t WHERE t.id_atendimento = k.value ->> 2 AND t.state = {OPENED})"
    );
    let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(json(&keys));
    let found: String = asked.fetch_one(conn).await.trouble()?;
    let found: HashSet<usize> = stored("json_each", &found)?;
    let mut seen = Seen::default();
    Ok((0..settles.len()).filter(|&at| !seen.is_new(&settles[at]) || found.contains(&at)).collect())
}
