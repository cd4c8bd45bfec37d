//! The outbox as the engine sees it: one that knows which rows are its own.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::error::Trouble;
use super::withdraw::withdraw;
use super::{SqliteOutbox, candidate, claim, settle, sight};
use crate::delivery::decide::after;
use crate::delivery::eyes::{Sight, Specimen};
use crate::delivery::settle::verbatim;
use crate::delivery::{ClaimRequest, Claimed, Halt, Outbox, OutboxError, Settle, Settled, State, WAIT_MAX};
use crate::outbox::doubts::{reopened, taken_in};
use crate::outbox::filter::Filter;
use crate::outbox::names::{IN_DOUBT, IN_FLIGHT, PENDING, UNCONFIRMED, any_of};
use crate::outbox::{Scope, causes};

/// The rows of a scope, to be delivered. Rows that their file no longer has are never posted, only
/// looked up if something of theirs is in doubt.
pub struct WorkQueue<'a> {
    outbox: &'a SqliteOutbox,
    filter: Filter,
}

impl SqliteOutbox {
    /// The rows of `scope`, to be delivered.
    pub fn queue(&self, scope: Scope) -> WorkQueue<'_> {
        WorkQueue { outbox: self, filter: Filter::of(scope) }
    }

    /// The rows of `scope`, only to be looked up (`reconcile`).
    pub fn reconciling(&self, scope: Scope) -> WorkQueue<'_> {
        WorkQueue { outbox: self, filter: Filter::only_to_look(scope) }
    }

    /// The first `n` pending rows of `scope` in the order of their file (`--sample`).
    pub async fn sample(&self, scope: Scope, n: u64) -> Result<WorkQueue<'_>, OutboxError> {
        let mut filter = Filter::of(scope);
        let sql = format!(
            "SELECT max(record)
               FROM (SELECT record FROM outbox
                      WHERE state = {PENDING} AND gone = 0 AND (?1 IS NULL OR batch = ?1)
                        AND (?2 IS NULL OR import = ?2)
                      ORDER BY record LIMIT ?3)"
        );
        let last: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(filter.batch)
            .bind(filter.import)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .fetch_one(&mut *self.conn().await)
            .await
            .trouble()?;
        filter.last_record = Some(last.unwrap_or(0));
        Ok(WorkQueue { outbox: self, filter })
    }
}

impl Outbox for WorkQueue<'_> {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        let mut session = self.outbox.session().await;
        let done = claim::claim(&mut session, self.filter, want).await;
        session.idle().await; // What failed is undone now, not when somebody comes next.
        done
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        let mut session = self.outbox.session().await;
        let done = settle::settle(&mut session, settles).await;
        session.idle().await;
        done
    }

    async fn settle_and_claim(
        &self,
        settles: &[Settle],
        want: ClaimRequest,
    ) -> Result<(Vec<Settled>, Claimed), OutboxError> {
        let mut session = self.outbox.session().await;
        let done = settle::settle_and_claim(&mut session, settles, self.filter, want).await;
        session.idle().await;
        done
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        // Of whatever scope: this process owns the outbox, and its one run holds no row.
        let sql = format!(
            "UPDATE outbox SET {}, available_at = ?1 WHERE state = {IN_FLIGHT} RETURNING id",
            taken_in("outbox", "?1")
        );
        let now = now.as_millisecond();
        let mut session = self.outbox.session().await;
        let mut tx = session.begin().await?;
        let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(now);
        let left: Vec<i64> = asked.fetch_all(&mut *tx).await.trouble()?;
        withdraw(&mut tx, &left, now).await?;
        tx.commit().await?;
        Ok(left.len() as u64)
    }

    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError> {
        // Who comes only to look (`reconcile`) waits for no row's turn.
        let sql = format!(
            "UPDATE outbox SET {}, available_at = ?1
              WHERE (state = {UNCONFIRMED} OR ?3 AND state = {IN_DOUBT}) AND (?2 IS NULL OR batch = ?2)",
            reopened("outbox")
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millisecond())
            .bind(self.filter.batch)
            .bind(self.filter.is_only_to_look())
            .execute(&mut *self.outbox.conn().await)
            .await
            .trouble()
            .map(drop)
    }

    async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError> {
        // Nobody but this program stamps a row.
        let waiting = any_of(&State::WAITING);
        let sql =
            format!("UPDATE outbox SET available_at = ?1 WHERE state IN {waiting} AND ?2 < available_at");
        sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millisecond())
            .bind(after(now, WAIT_MAX).as_millisecond())
            .execute(&mut *self.outbox.conn().await)
            .await
            .trouble()
            .map(drop)
    }

    async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError> {
        sight::sights(&mut *self.outbox.conn().await, who).await
    }

    async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError> {
        sight::saw(&mut *self.outbox.conn().await, who, sight).await
    }

    async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError> {
        sight::specimen(&mut *self.outbox.conn().await, text_len, nth).await
    }

    async fn posts_are_left(&self) -> Result<bool, OutboxError> {
        candidate::posts_are_left(&mut *self.outbox.conn().await, self.filter).await
    }

    async fn halt(&self, lote: &str, reason: &Halt) -> Result<(), OutboxError> {
        let sql = "UPDATE batch SET halted_at = ?2, halt_reason = ?3, halt_cause = ?4 WHERE name = ?1 AND halted_at IS NULL";
        sqlx::query(sql)
            .bind(lote.to_owned())
            .bind(Timestamp::now().as_millisecond())
            .bind(crate::text::halt(reason))
            .bind(causes::of_halt(reason, verbatim))
            .execute(&mut *self.outbox.conn().await)
            .await
            .trouble()
            .map(drop)
    }
}
