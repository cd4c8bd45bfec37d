//! Rows made due before their time.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::error::Trouble;
use super::lease::Worker;
use super::piecewise::piecewise;
use super::session::{Access, in_time};
use super::values::Time;
use crate::delivery::decide::after;
use crate::delivery::{OutboxError, State, WAIT_MAX};
use crate::outbox::names::any_of;
use crate::outbox::which::{to_look_up, to_post};

/// So many rows are changed in one commit.
const STEP: usize = 4000;

impl Worker {
    /// [`Outbox::pull_in`](crate::delivery::Outbox::pull_in), by the time that the database has.
    pub(super) async fn pull_in_now(&self) -> Result<(), OutboxError> {
        let Time(now) = in_time(async {
            sqlx::query_scalar("SELECT clock_timestamp()")
                .fetch_one(&mut *self.outbox().conn().await?)
                .await
                .trouble()
        })
        .await?;
        self.pull_in(now).await
    }

    pub(super) async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError> {
        // A program may want its row to wait for days; it says so before the first claim.
        let put_off = "$1 < available_at AND (0 < token OR record IS NOT NULL)";
        // One kind after the other, because each has its index.
        let to_post = format!("SELECT id FROM mutirao.outbox o WHERE {} AND NOT gone", to_post("o"));
        let sql = format!(
            "{to_post} AND parked IS NULL AND {put_off}
             UNION ALL {to_post} AND parked = 'halted' AND {put_off}
             UNION ALL {to_post} AND parked = 'blocked' AND {put_off}
             UNION ALL SELECT id FROM mutirao.outbox o WHERE {} AND {put_off}",
            to_look_up("o")
        );
        let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(Time(after(now, WAIT_MAX)));
        let rows: Vec<i64> = self.found(async |conn| asked.fetch_all(conn).await.trouble()).await?;
        let sql = format!(
            "UPDATE mutirao.outbox SET available_at = $2
              WHERE id IN (SELECT id FROM mutirao.outbox
                            WHERE id = ANY($1) AND (state IN {}) IS TRUE FOR UPDATE SKIP LOCKED)",
            any_of(&State::WAITING)
        );
        self.change(&rows, async |conn, rows| {
            sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(rows)
                .bind(Time(now))
                .execute(conn)
                .await
                .trouble()
                .map(drop)
        })
        .await
    }

    /// Rows to be changed, all that there are.
    pub(super) async fn found(
        &self,
        ask: impl AsyncFnOnce(&mut PgConnection) -> Result<Vec<i64>, OutboxError>,
    ) -> Result<Vec<i64>, OutboxError> {
        in_time(async {
            let mut tx = self.outbox().tx(Access::Shared).await?;
            let rows = ask(&mut tx).await?;
            tx.commit().await?;
            Ok(rows)
        })
        .await
    }

    /// Changes `rows`, so many in a commit, but those that the database refuses.
    pub(super) async fn change(
        &self,
        rows: &[i64],
        change: impl AsyncFn(&mut PgConnection, &[i64]) -> Result<(), OutboxError>,
    ) -> Result<(), OutboxError> {
        for step in rows.chunks(STEP) {
            in_time(async {
                let mut tx = self.outbox().tx(Access::Shared).await?;
                let refused = piecewise(&mut tx, step, &change).await?;
                tx.commit().await?;
                self.passed_over().add(refused);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}
