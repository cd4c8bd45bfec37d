//! What known rows are by now, and which of them are to start over.

use super::super::columns::each_field;
use super::{Merge, Places};
use crate::delivery::OutboxError;
use crate::outbox::Withdrawn;

/// Of `x`: certainly without a ticket of ours, and not withdrawn by a person (but where `$1` says so).
pub(super) const FREE: &str = "((x.doubt_since IS NULL OR x.doubt_precaution)
    AND (x.state IN ('invalid', 'rejected', 'failed', 'pending')
         OR x.state = 'cancelled' AND (x.error_code IS NOT DISTINCT FROM 'gone' OR $1 <> 0)
         OR x.state = 'skipped' AND x.error_code = 'repeat'))";

/// Of `x`: a ticket exists, or may.
pub(super) const MAY_EXIST: &str =
    "(x.state IN ('opened', 'in_flight', 'in_doubt', 'unconfirmed', 'conflict')
    OR x.state = 'pending' AND x.doubt_since IS NOT NULL AND NOT x.doubt_precaution)";

impl Merge {
    /// What known rows are, and which of them are to start over.
    pub(super) async fn judge(&mut self) -> Result<(), OutboxError> {
        if self.places == Places::Taken {
            // Only those that start over need to be ours.
            self.judge_those("s.row_id IS NOT NULL", "false").await?;
            self.hold("s.redo").await?;
            return self.judge_those("s.redo", "h.id IS NULL").await;
        }
        self.hold("s.row_id IS NOT NULL").await?;
        self.judge_those("s.row_id IS NOT NULL", "h.id IS NULL").await
    }

    /// Locks known rows, but those that a worker holds at this moment. In a statement of its own: the
    /// next one sees what the last owner of each row left.
    pub(super) async fn hold(&mut self, which: &'static str) -> Result<(), OutboxError> {
        let sql = format!(
            "INSERT INTO held SELECT x.id FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id
              WHERE {which} AND x.state <> 'in_flight' FOR UPDATE OF x SKIP LOCKED
                 ON CONFLICT DO NOTHING"
        );
        self.run_sql(&sql, &[]).await.map(drop)
    }

    async fn judge_those(&mut self, which: &'static str, busy: &'static str) -> Result<(), OutboxError> {
        let columns = |of: &str| each_field(|field| format!("{of}.{field}"));
        let changed = format!("(({}) IS DISTINCT FROM ({}))", columns("x"), columns("i"));
        let free = format!("(NOT ({busy}) AND {FREE})");
        let differing = each_field(|field| {
            format!("CASE WHEN x.{field} IS DISTINCT FROM i.{field} THEN '`{field}`' END")
        });
        let outdated = format!(
            "CASE WHEN {changed} AND NOT {free} AND {MAY_EXIST} AND x.purged_at IS NULL
                  THEN concat_ws(', ', {differing}) END"
        );
        let sql = format!(
            "UPDATE staged AS s
                SET outdated = {outdated}, old_state = x.state, token = x.token, was_gone = x.gone, busy = {busy}, free = {free}, changed = {changed},
                    redo = {free} AND (NOT s.valid OR x.state NOT IN ('pending', 'rejected', 'failed') OR {changed})
               FROM mutirao.outbox x LEFT JOIN held h ON h.id = x.id, incoming i
              WHERE {which} AND x.id = s.row_id AND i.record = s.record"
        );
        self.run_sql(&sql, &[i64::from(self.withdrawn == Withdrawn::Reopen)]).await.map(drop)
    }
}
