//! Which rows are to be opened: those that start over, and new ones, but no second one of a ticket.

use super::super::columns::each_field;
use super::{Merge, NOW};
use crate::delivery::OutboxError;
use crate::outbox::FirstPost;
use crate::outbox::doubts::{OF_NEW, Patience, made, made_where, of_new};
use crate::outbox::names::{INVALID, PENDING, SKIPPED};
use crate::outbox::which::{may_be_opened, to_post, unsent, was_sent};

impl Merge {
    /// Free rows that changed are as new, but for what they were: one that was sent is looked up
    /// first, although its predecessors are known to have left nothing.
    pub(super) async fn start_over(&mut self) -> Result<(), OutboxError> {
        let was_sent = was_sent("o");
        let sql = format!(
            "UPDATE mutirao.outbox AS o
                SET state = CASE WHEN s.valid THEN {PENDING} ELSE {INVALID} END, {},
                    repeat_key = s.repeat_key, attempts = 0, available_at = {NOW}, warning = s.warning,
                    protocolo = NULL, outdated = false,
                    {}, error_code = i.error_code, error_message = i.error_message,
                    finished_at = CASE WHEN NOT s.valid THEN {NOW} END, purged_at = NULL
               FROM staged s JOIN incoming i ON i.record = s.record
              WHERE o.id = s.row_id AND s.redo AND o.token = s.token AND o.state = s.old_state",
            each_field(|field| format!("{field} = i.{field}")),
            // A free row's older doubt is a precaution.
            made_where(
                "o.doubt_since IS NULL",
                "o",
                &format!("CASE WHEN {was_sent} THEN {NOW} END"),
                &was_sent,
                Patience::Kept
            ),
        );
        self.run_sql(&sql, &[self.now]).await.map(drop)
    }

    pub(super) async fn add(&mut self, first_post: FirstPost) -> Result<(), OutboxError> {
        let verified = match first_post {
            FirstPost::AtOnce => "false",
            FirstPost::VerifyFirst => "true",
        };
        let [columns, fields] = ["", "i."].map(|of| each_field(|field| format!("{of}{field}")));
        let sql = format!(
            "WITH added AS (
                 INSERT INTO mutirao.outbox ({columns}, lote, referencia, batch, record, line, import, repeat_key,
                                             available_at, state, {OF_NEW},
                                             error_code, error_message, warning, finished_at)
                 SELECT {fields}, s.lote, s.referencia, $2, s.record, s.line, $3, s.repeat_key, {NOW},
                        CASE WHEN s.valid THEN {PENDING} ELSE {INVALID} END,
                        {}, i.error_code, i.error_message, s.warning, CASE WHEN NOT s.valid THEN {NOW} END
                   FROM staged s JOIN incoming i ON i.record = s.record
                  WHERE s.row_id IS NULL ORDER BY s.record
                 RETURNING id, record)
             UPDATE staged SET row_id = added.id FROM added WHERE staged.record = added.record",
            of_new(&format!("({verified} OR s.is_ours)"), NOW)
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
            "UPDATE mutirao.outbox AS o
                SET state = {SKIPPED}, error_code = 'repeat', finished_at = {NOW},
                    error_message = coalesce('opened as `' || lost.protocolo || '`', 'possibly opened')
                        || ' from a row of this service that is no longer in the file (was its description edited?)'
               FROM (SELECT x.service, max(x.protocolo) AS protocolo FROM mutirao.outbox x
                      WHERE x.batch = $2 AND x.record IS NOT NULL AND x.gone AND x.service IS NOT NULL AND {}
                      GROUP BY x.service) AS lost, staged s
              WHERE o.id = s.row_id AND o.service = lost.service AND o.state = {PENDING}
                AND (s.old_state IS NULL OR s.old_state IN ({SKIPPED}, {INVALID}))",
            may_be_opened("x")
        );
        self.run_sql(&sql, &[self.now, self.batch]).await.map(drop)
    }

    /// Of rows with the same content, one is opened: the one that may be already, else the first.
    pub(super) async fn skip_repeats(&mut self) -> Result<(), OutboxError> {
        // An invalid row has no key. What was skipped for another reason than a repeat counts as opened.
        let may_be_opened = may_be_opened("x");
        let rivals = format!(
            "x.batch = $2 AND x.record IS NOT NULL AND (NOT x.gone OR {may_be_opened}) AND x.repeat_key IS NOT NULL
             AND x.state <> {INVALID}"
        );
        let sql = format!(
            "WITH repeated AS MATERIALIZED (
                 SELECT x.repeat_key FROM mutirao.outbox x WHERE {rivals}
                  GROUP BY x.repeat_key HAVING 1 < count(*))
             UPDATE mutirao.outbox AS o
                SET state = {SKIPPED}, error_code = 'repeat', finished_at = {NOW},
                    error_message = 'the same service, type and description as '
                        || CASE WHEN rival.gone THEN 'a row that is no longer in the file'
                                ELSE 'line ' || rival.line END
                        || coalesce(', opened as `' || rival.protocolo || '`', '')
               FROM (SELECT x.id, first_value(x.id) OVER same AS first
                       FROM mutirao.outbox x
                      WHERE {rivals} AND x.repeat_key IN (SELECT repeat_key FROM repeated)
                     WINDOW same AS (PARTITION BY x.repeat_key
                                     ORDER BY ({may_be_opened} OR coalesce(x.error_code = 'already_open', false)) DESC,
                                              x.record)
                    ) AS one, mutirao.outbox AS rival
              WHERE o.id = one.id AND rival.id = one.first AND one.id <> one.first
                AND o.import = $3 AND {}",
            unsent("o")
        );
        self.run_sql(&sql, &[self.now, self.batch, self.source]).await.map(drop)
    }
}
