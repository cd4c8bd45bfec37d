//! Taking personal data from rows that are done with.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::PgOutbox;
use super::columns::each_field;
use super::commands::OF_BATCH;
use super::error::Trouble;
use super::read::ReadFilter;
use super::session::{Access, in_time};
use super::values::Time;
use crate::delivery::{OutboxError, State};
use crate::outbox::commands::PURGE_STEP;
use crate::outbox::names::{INVALID, any_of};
use crate::outbox::stored::count;
use crate::outbox::{BatchId, Scope};
use crate::ticket::Field;

impl PgOutbox {
    /// Takes what finished rows say of people, if they finished before `before`; returns how many.
    ///
    /// What tells a row, its ticket and its content apart stays: a reference that comes again is still known,
    /// and counts hold. How old a row is, is also asked of the database's clock: a machine that is a day
    /// ahead takes nothing that is minutes old. A row that somebody else holds is left for the next time.
    pub async fn purge(
        &self,
        batch: Option<BatchId>,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, OutboxError> {
        let filter = ReadFilter::of(batch.map_or(Scope::All, Scope::Batch), &mut *self.conn().await?).await?;
        let sql = format!(
            include_str!("purge.sql"),
            done_with = any_of(&State::DONE_WITH),
            of_batch = OF_BATCH,
            fields = each_field(purged),
        );
        let (mut n_purged, mut last) = (0, i64::MIN);
        loop {
            let (n, seen): (i64, Option<i64>) = in_time(async {
                let mut tx = self.tx(Access::Shared).await?;
                let purged = sqlx::query_as(AssertSqlSafe(sql.clone()))
                    .bind(filter.batch)
                    .bind(&filter.lote)
                    .bind(Time(before))
                    .bind(Time(now))
                    .bind(last)
                    .bind(PURGE_STEP)
                    .persistent(false)
                    .fetch_one(&mut *tx)
                    .await
                    .trouble()?;
                tx.commit().await?;
                Ok(purged)
            })
            .await?;
            n_purged += count(n);
            let Some(seen) = seen else { break };
            last = seen;
        }
        // Who had things done is somebody, too.
        let sql = "DELETE FROM mutirao.act WHERE at < least($2, now() - ($3::timestamptz - $2))
                      AND ($1::text IS NULL OR batch = $1)";
        in_time(async {
            let mut tx = self.tx(Access::Shared).await?;
            let gone =
                sqlx::query(sql).bind(&filter.lote).bind(Time(before)).bind(Time(now)).persistent(false);
            gone.execute(&mut *tx).await.trouble()?;
            tx.commit().await
        })
        .await?;
        Ok(n_purged)
    }
}

/// Of `o`: the field without what it says of people. In an invalid row anything may have been put anywhere by
/// mistake.
fn purged(field: Field) -> String {
    let nothing = if field.is_required() { "''" } else { "NULL" };
    match field.is_personal() {
        true => format!("{field} = {nothing}"),
        false => format!("{field} = CASE WHEN o.state <> {INVALID} THEN o.{field} ELSE {nothing} END"),
    }
}
