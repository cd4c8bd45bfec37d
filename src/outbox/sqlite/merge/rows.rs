//! What becomes of rows: those that start over, new ones, and those that are skipped.

use super::Merge;
use crate::delivery::OutboxError;
use crate::outbox::FirstPost;
use crate::outbox::doubts::{OF_NEW, made, of_new};
use crate::outbox::merges::{
    IS_AS_IT_WAS, first_of_rivals, is_edited, is_rival, skipped_as_edited, skipped_as_repeat, started_over,
    state_of_line,
};
use crate::outbox::warnings::Dialect;
use crate::outbox::which::{may_be_opened, to_post, unsent};

/// A row is known by its reference. Made after the first load: references are random, and keeping them sorted
/// row by row would rewrite the index all over.
pub(in crate::outbox::sqlite) const IDENTITY_INDEX: &str =
    "CREATE UNIQUE INDEX IF NOT EXISTS outbox_identity ON outbox (lote, referencia)";

/// The row that `s` is, or becomes.
const ROW_OF_S: &str = "coalesce(s.row, ?2 + s.record)";

impl Merge<'_> {
    /// What was sent can no longer be changed. A row of which it shows that nothing was left waits for a
    /// person.
    pub(super) async fn warn_of_outdated(&mut self) -> Result<(), OutboxError> {
        if !self.was_filled {
            return Ok(());
        }
        let sql = format!(
            "UPDATE outbox AS o SET outdated = true, {}
               FROM staged s WHERE o.id = s.row AND s.outdated IS NOT NULL",
            Dialect::Sqlite.outdated()
        );
        self.run(sql, &[]).await.map(drop)
    }

    /// Free rows that changed are as new, but for what they were: one that was sent is looked up
    /// first, although its predecessors are known to have left nothing.
    pub(super) async fn start_over(&mut self) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE outbox AS o
                SET {}, service = s.service, error_code = {}, error_message = {}
               FROM staged s WHERE o.id = s.row AND {IS_AS_IT_WAS}",
            started_over("?1", Dialect::Sqlite),
            problem("code", "o.record"),
            problem("message", "o.record"),
        );
        self.run(sql, &[self.now]).await.map(drop)
    }

    /// New rows. Their unique index comes after the first load, in one sort.
    pub(super) async fn add(&mut self, first_post: FirstPost) -> Result<(), OutboxError> {
        let verified = match first_post {
            FirstPost::AtOnce => 0,
            FirstPost::VerifyFirst => 1,
        };
        let sql = format!(
            "INSERT INTO outbox (id, batch, lote, referencia, record, line, import, service, repeat_key,
                                 available_at, state, {OF_NEW},
                                 error_code, error_message, warning, warnings, finished_at)
             SELECT ?2 + s.record, ?3, s.lote, s.referencia, s.record, s.line, ?4, s.service, s.repeat_key, ?1,
                    {}, {}, {}, {}, s.warning, {}, iif(s.valid, NULL, ?1)
               FROM staged s WHERE s.row IS NULL ORDER BY s.record",
            state_of_line(),
            of_new("(?5 OR s.is_ours)", "?1"),
            problem("code", "s.record"),
            problem("message", "s.record"),
            Dialect::Sqlite.noticed("s.warning"),
        );
        self.run(sql, &[self.now, self.base, self.batch, self.source, verified]).await?;
        self.run(IDENTITY_INDEX, &[]).await.map(drop)
    }

    /// `--verify-first` is of known rows too: an outbox from an old backup takes for new what was
    /// opened since.
    pub(super) async fn doubt_known(&mut self) -> Result<(), OutboxError> {
        let sql = format!(
            "UPDATE outbox SET {} FROM staged s
              WHERE outbox.id = s.row AND {}",
            made("?1", "true"),
            to_post("outbox")
        );
        self.run(sql, &[self.now]).await.map(drop)
    }

    /// A new reference of a service for which a row that is gone from the file was opened.
    pub(super) async fn skip_edited(&mut self) -> Result<(), OutboxError> {
        if !self.was_filled {
            return Ok(());
        }
        self.run("CREATE TEMP TABLE lost (service INTEGER PRIMARY KEY, protocolo TEXT)", &[]).await?;
        let sql = format!(
            "INSERT INTO lost SELECT x.service, max(x.protocolo) FROM outbox x
              WHERE x.batch = ?1 AND x.gone = 1 AND x.service IS NOT NULL AND {} GROUP BY x.service",
            may_be_opened("x")
        );
        if self.run(sql, &[self.batch]).await? != 0 {
            let sql = format!(
                "UPDATE outbox AS o SET {} FROM lost, staged s WHERE o.id = {ROW_OF_S} AND {}",
                skipped_as_edited("?1"),
                is_edited("s.row IS NULL")
            );
            self.run(sql, &[self.now, self.base]).await?;
        }
        self.run("DROP TABLE lost", &[]).await.map(drop)
    }

    /// Of rows with the same content, one is opened: the one that may be already, else the first.
    pub(super) async fn skip_repeats(&mut self) -> Result<(), OutboxError> {
        if !self.was_filled && !self.repeats_tickets {
            return Ok(());
        }
        let rivals = is_rival("x.batch = ?1");
        self.run("CREATE TEMP TABLE repeated (repeat_key BLOB PRIMARY KEY) WITHOUT ROWID", &[]).await?;
        let sql = format!(
            "INSERT INTO repeated SELECT x.repeat_key FROM outbox x WHERE {rivals}
              GROUP BY x.repeat_key HAVING 1 < count(*)"
        );
        if self.run(sql, &[self.batch]).await? != 0 {
            let sql = format!(
                "UPDATE outbox AS o SET {}
                   FROM (SELECT x.id, {} AS first FROM outbox x
                          WHERE {rivals} AND x.repeat_key IN (SELECT repeat_key FROM repeated)) AS one,
                        outbox AS rival
                  WHERE o.id = one.id AND rival.id = one.first AND one.id <> one.first AND o.import = ?3 AND {}",
                skipped_as_repeat("?2"),
                first_of_rivals(),
                unsent("o")
            );
            self.run(sql, &[self.batch, self.now, self.source]).await?;
        }
        self.run("DROP TABLE repeated", &[]).await.map(drop)
    }
}

/// The first problem's code, or all messages, of the line of `s` if it is invalid.
fn problem(key: &'static str, record: &'static str) -> String {
    let of_all = match key {
        "code" => "min(p.value ->> 'code') FILTER (WHERE p.key = 0)",
        _ => "group_concat((p.value ->> 'field') || ': ' || (p.value ->> 'message'), '; ')",
    };
    format!(
        "iif(s.valid, NULL, (SELECT {of_all} FROM record r, json_each(r.problems) p WHERE r.id = {record}))"
    )
}
