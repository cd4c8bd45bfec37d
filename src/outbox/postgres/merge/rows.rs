//! Which rows are to be opened: those that start over, and new ones, but no second one of a ticket.

use super::super::columns::each_field;
use super::{Merge, NOW};
use crate::delivery::OutboxError;
use crate::outbox::FirstPost;
use crate::outbox::doubts::{OF_NEW, made, of_new};
use crate::outbox::merges::{
    IS_AS_IT_WAS, first_of_rivals, is_edited, is_rival, skipped_as_edited, skipped_as_repeat, started_over,
    state_of_line,
};
use crate::outbox::warnings::Dialect;
use crate::outbox::which::{may_be_opened, to_post, unsent};

impl Merge {
    /// Free rows that changed are as new, but for what they were: one that was sent is looked up
    /// first, although its predecessors are known to have left nothing.
    pub(super) async fn start_over(&mut self) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE mutirao.outbox AS o
                SET {}, {}, error_code = i.error_code, error_message = i.error_message
               FROM staged s JOIN incoming i ON i.record = s.record
              WHERE o.id = s.row_id AND {IS_AS_IT_WAS}",
            started_over(NOW, Dialect::Postgres),
            each_field(|field| format!("{field} = i.{field}"))
        );
        self.run_sql(&sql, &[self.now]).await.map(drop)
    }

    pub(super) async fn add(&mut self, first_post: FirstPost) -> Result<(), OutboxError> {
        let verified = match first_post {
            FirstPost::AtOnce => "false",
            FirstPost::VerifyFirst => "true",
        };
        let sql = format!(
            include_str!("add.sql"),
            columns = each_field(|field| field.to_string()),
            fields = each_field(|field| format!("i.{field}")),
            doubt_columns = OF_NEW,
            doubt = of_new(&format!("({verified} OR s.is_ours)"), NOW),
            now = NOW,
            state = state_of_line(),
            warnings = Dialect::Postgres.noticed("s.warning"),
        );
        self.run_sql(&sql, &[self.now, self.batch, self.source]).await.map(drop)
    }

    /// `--verify-first` is of known rows too: an outbox from an old backup takes for new what was
    /// opened since. A row that a worker is claiming at this moment is on its way.
    pub(super) async fn doubt_known(&mut self) -> Result<(), OutboxError> {
        let to_post = to_post("x");
        self.hold(&to_post).await?;
        let sql = format!(
            "UPDATE mutirao.outbox AS x SET {} FROM staged s JOIN held h ON h.id = s.row_id
              WHERE x.id = s.row_id AND {to_post}",
            made(NOW, "true")
        );
        self.run_sql(&sql, &[self.now]).await.map(drop)
    }

    /// A new reference of a service for which a row that is gone from the file was opened.
    pub(super) async fn skip_edited(&mut self) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE mutirao.outbox AS o SET {}
               FROM (SELECT x.service, max(x.protocolo) AS protocolo FROM mutirao.outbox x
                      WHERE x.batch = $2 AND x.record IS NOT NULL AND x.gone AND x.service IS NOT NULL AND {}
                      GROUP BY x.service) AS lost, staged s
              WHERE o.id = s.row_id AND {}",
            skipped_as_edited(NOW),
            may_be_opened("x"),
            is_edited("s.old_state IS NULL")
        );
        self.run_sql(&sql, &[self.now, self.batch]).await.map(drop)
    }

    /// Of rows with the same content, one is opened: the one that may be already, else the first.
    pub(super) async fn skip_repeats(&mut self) -> Result<(), OutboxError> {
        let rivals = is_rival("x.batch = $2 AND x.record IS NOT NULL");
        let sql = format!(
            "WITH repeated AS MATERIALIZED (
                 SELECT x.repeat_key FROM mutirao.outbox x WHERE {rivals}
                  GROUP BY x.repeat_key HAVING 1 < count(*))
             UPDATE mutirao.outbox AS o SET {}
               FROM (SELECT x.id, {} AS first FROM mutirao.outbox x
                      WHERE {rivals} AND x.repeat_key IN (SELECT repeat_key FROM repeated)) AS one,
                    mutirao.outbox AS rival
              WHERE o.id = one.id AND rival.id = one.first AND one.id <> one.first AND o.import = $3 AND {}",
            skipped_as_repeat(NOW),
            first_of_rivals(),
            unsent("o")
        );
        self.run_sql(&sql, &[self.now, self.batch, self.source]).await.map(drop)
    }
}
