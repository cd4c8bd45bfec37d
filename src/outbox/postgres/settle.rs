//! Settles: what became of claimed rows, in one durable commit.
//!
//! Nearly all settles are of the row's living owner, and go in set-wise, each matched on row, token
//! and state. If fewer rows changed than were to, the transaction starts again with a search for the
//! odd ones (stale, late, repeated, or of a ticket that belongs elsewhere), which [`super::proof`]
//! takes one by one. A row that another session holds, or that the database refuses to change (a trigger of
//! somebody's), keeps none of the others waiting.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{Objection, Trouble};
use super::lease::Worker;
use super::piecewise::{piecewise, within};
use super::proof;
use super::session::{Access, Tx};
use super::write::{write, write_attempts};
use crate::delivery::{OutboxError, RowId, Settle, Settled};
use crate::outbox::names::{IN_FLIGHT, OPENED};
use crate::outbox::settles::{Seen, are_distinct};

pub(super) async fn settle(worker: &Worker, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
    if settles.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = worker.outbox().tx(Access::Settling).await?;
    // It fails if a ticket belongs to another row.
    if are_distinct(settles) && write(&mut tx, worker.id(), settles.iter()).await.is_ok() {
        write_attempts(&mut tx, settles.iter()).await?;
        tx.commit().await?;
        return Ok(vec![Settled::Written; settles.len()]);
    }
    tx.restart().await?;
    settle_each(worker, tx, settles).await
}

/// Of which some are odd.
pub(super) async fn settle_each(
    worker: &Worker,
    mut tx: Tx,
    settles: &[Settle],
) -> Result<Vec<Settled>, OutboxError> {
    let id = worker.id();
    let mut settled = vec![Settled::Written; settles.len()];
    let Sorted { plain, odd, locked } = sort(&mut tx, id, settles).await?;
    for at in locked {
        settled[at] = held_back(worker, settles[at].row, &Objection::Held);
    }
    let part = async |conn: &mut PgConnection, part: &[usize]| {
        write(conn, id, part.iter().map(|at| &settles[*at])).await
    };
    for (at, why) in piecewise(&mut tx, &plain, part).await? {
        settled[at] = held_back(worker, settles[at].row, &why);
    }
    let written = plain.iter().filter(|at| settled[**at] == Settled::Written);
    write_attempts(&mut tx, written.map(|at| &settles[*at])).await?;
    for &at in &odd {
        let settle = &settles[at];
        match within(&mut tx, async |conn| proof::settle_odd(conn, id, settle).await).await? {
            Ok(became) => settled[at] = became,
            Err(why) => settled[at] = held_back(worker, settle.row, &why),
        }
    }
    tx.commit().await?;
    Ok(settled)
}

/// Says so, the first time.
pub(super) fn held_back(worker: &Worker, row: RowId, why: &Objection) -> Settled {
    let id = row.0;
    if !worker.lately().is_newly_held(row) {
        return Settled::Locked;
    }
    tracing::warn!(
        row.id = id,
        "what became of row {id} cannot be written ({why}): it is kept, and tried again"
    );
    Settled::Locked
}

/// The places of settles, each in order.
struct Sorted {
    /// Simply of a row in flight under the same token.
    plain: Vec<usize>,
    odd: Vec<usize>,
    /// Another session holds their row at this moment.
    locked: Vec<usize>,
}

/// From here on nobody else changes any of the rows, but those that are held.
async fn sort(conn: &mut PgConnection, worker: i64, settles: &[Settle]) -> Result<Sorted, OutboxError> {
    let ids: Vec<i64> = settles.iter().map(|settle| settle.row.0).collect();
    let sql = format!(
        "SELECT id, token, (state = {IN_FLIGHT} AND worker = $2) IS TRUE FROM mutirao.outbox
          WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED"
    );
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(&ids).bind(worker);
    let ours: Vec<(i64, i64, bool)> = asked.fetch_all(&mut *conn).await.trouble()?;
    let ours: HashMap<i64, Option<i64>> =
        ours.into_iter().map(|(id, token, is_live)| (id, is_live.then_some(token))).collect();
    let sql = "SELECT id FROM mutirao.outbox WHERE id = ANY($1)";
    let there: Vec<i64> = sqlx::query_scalar(sql).bind(ids).fetch_all(&mut *conn).await.trouble()?;
    let there: HashSet<i64> = there.into_iter().collect();
    let tickets: Vec<i64> = settles.iter().filter_map(Settle::ticket).collect();
    let sql = format!(
        "SELECT id_atendimento FROM mutirao.outbox WHERE id_atendimento = ANY($1) AND state = {OPENED}"
    );
    let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(tickets);
    let taken: Vec<i64> = asked.fetch_all(conn).await.trouble()?;
    let taken: HashSet<i64> = taken.into_iter().collect();
    let mut seen = Seen::default();
    let mut sorted = Sorted { plain: Vec::new(), odd: Vec::new(), locked: Vec::new() };
    for (at, settle) in settles.iter().enumerate() {
        let is_free = seen.is_new(settle) && settle.ticket().is_none_or(|ticket| !taken.contains(&ticket));
        let place = match ours.get(&settle.row.0) {
            None if there.contains(&settle.row.0) => &mut sorted.locked,
            Some(Some(token)) if *token == settle.token.0 && is_free => &mut sorted.plain,
            _ => &mut sorted.odd,
        };
        place.push(at);
    }
    Ok(sorted)
}
