//! What known rows are by now, and which of them are to start over.

use super::super::columns::each_field;
use super::{Merge, MergeKind, Places};
use crate::delivery::OutboxError;
use crate::outbox::Withdrawn;
use crate::outbox::merges::{OF_LINE, free, is_outdated, starts_over};
use crate::outbox::names::{IN_FLIGHT, INVALID};
use crate::outbox::which::unsent;

impl Merge {
    /// A row that was invalid stays so in a correction that did not change it: what was wrong with its line,
    /// or its reference, cannot be seen any more in what we wrote out.
    pub(super) async fn stay_invalid(&mut self) -> Result<(), OutboxError> {
        let columns = |of: &str| each_field(|field| format!("{of}.{field}"));
        let sql = format!(
            "UPDATE incoming AS i
                SET {}, problems = o.problems, error_code = x.error_code, error_message = x.error_message
               FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id JOIN mutirao.record o ON o.id = x.record
              WHERE i.record = s.record AND s.is_here AND x.state = {INVALID} AND x.purged_at IS NULL
                AND o.problems IS NOT NULL
                AND CASE WHEN EXISTS (SELECT FROM json_array_elements(o.problems::json) p
                                       WHERE p ->> 'field' {OF_LINE})
                         THEN i.cells = o.cells ELSE ({}) IS NOT DISTINCT FROM ({}) END",
            each_field(|field| format!("{field} = x.{field}")),
            columns("i"),
            columns("x")
        );
        self.run_sql(&sql, &[]).await?;
        let sql = "UPDATE staged AS s SET valid = false, warning = NULL, repeat_key = NULL
                     FROM incoming i WHERE i.record = s.record AND s.valid AND i.problems IS NOT NULL";
        self.run_sql(sql, &[]).await.map(drop)
    }

    /// What known rows are, and which of them are to start over.
    pub(super) async fn judge(&mut self) -> Result<(), OutboxError> {
        if self.places == Places::Taken {
            // Only those that start over need to be ours.
            self.judge_those("s.row_id IS NOT NULL", "false").await?;
            self.hold("s.redo").await?;
            return self.judge_those("s.redo", "h.id IS NULL").await;
        }
        if self.kind == MergeKind::Whole {
            self.hold_lacking().await?;
        }
        self.hold("s.row_id IS NOT NULL").await?;
        self.judge_those("s.row_id IS NOT NULL", "h.id IS NULL").await
    }

    /// Locks what the file no longer has. Once its other rows are locked, workers would find nothing else to
    /// post.
    async fn hold_lacking(&mut self) -> Result<(), OutboxError> {
        // Where statistics are old, the planner takes the batch for a row or two, and reads all of `staged`
        // for each.
        self.run_sql("CREATE INDEX ON staged (row_id)", &[]).await?;
        let sql = format!(
            "INSERT INTO held SELECT o.id FROM mutirao.outbox o
              WHERE o.batch = $1 AND o.record IS NOT NULL AND NOT o.gone AND {}
                AND NOT EXISTS (SELECT FROM staged s WHERE s.row_id = o.id) FOR UPDATE OF o SKIP LOCKED
                 ON CONFLICT DO NOTHING",
            unsent("o")
        );
        self.run_sql(&sql, &[self.batch]).await.map(drop)
    }

    /// Locks known rows, but those that a worker holds at this moment. In a statement of its own: the
    /// next one sees what the last owner of each row left.
    pub(super) async fn hold(&mut self, which: &str) -> Result<(), OutboxError> {
        let sql = format!(
            "INSERT INTO held SELECT x.id FROM staged s JOIN mutirao.outbox x ON x.id = s.row_id
              WHERE {which} AND x.state <> {IN_FLIGHT} FOR UPDATE OF x SKIP LOCKED
                 ON CONFLICT DO NOTHING"
        );
        self.run_sql(&sql, &[]).await.map(drop)
    }

    async fn judge_those(&mut self, which: &'static str, busy: &'static str) -> Result<(), OutboxError> {
        let columns = |of: &str| each_field(|field| format!("{of}.{field}"));
        let changed = format!("(({}) IS DISTINCT FROM ({}))", columns("x"), columns("i"));
        let free = format!("(NOT ({busy}) AND {})", free("$1 <> 0"));
        let differing = each_field(|field| {
            format!("CASE WHEN x.{field} IS DISTINCT FROM i.{field} THEN '`{field}`' END")
        });
        let sql = format!(
            "UPDATE staged AS s
                SET outdated = CASE WHEN {} THEN concat_ws(', ', {differing}) END,
                    old_state = x.state, token = x.token, was_gone = x.gone, busy = {busy}, free = {free},
                    changed = {changed}, redo = {}
               FROM mutirao.outbox x LEFT JOIN held h ON h.id = x.id, incoming i
              WHERE {which} AND x.id = s.row_id AND i.record = s.record",
            is_outdated(&free, &changed),
            starts_over(&free, "x.state", &changed)
        );
        self.run_sql(&sql, &[i64::from(self.withdrawn == Withdrawn::Reopen)]).await.map(drop)
    }
}
