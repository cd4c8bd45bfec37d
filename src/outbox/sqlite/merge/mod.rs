//! Lines of a file become rows of the outbox: new, changed, or known.
//!
//! Everything is set-wise and in one transaction with the staging. A narrow temporary table
//! (`staged`, one entry a line, no personal data) carries what the steps find out:
//!
//! 1. *who*: each line's reference; lines that say who they are decide whether it is a correction;
//! 2. *known*: the row that a line is already, whether it is free to change, and whether it did;
//! 3. *write*: known rows move to their new place, changed ones start over, new ones are added;
//! 4. *repeats*: what would open a second ticket of the same content is skipped.
//!
//! A row is *free* if it certainly has no ticket of ours. Every other row keeps its fields, because
//! they are what was sent.

mod places;
mod rows;
mod who;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, SqliteConnection};

pub(super) use rows::IDENTITY_INDEX;

use super::error::{Trouble, unreadable};
use super::read::counts;
use super::session::Tx;
use super::staging::Staging;
use crate::delivery::OutboxError;
use crate::outbox::filter::Filter;
use crate::outbox::merges::counted;
use crate::outbox::names::merge_name;
use crate::outbox::stored::{count, time};
use crate::outbox::which::unsent;
use crate::outbox::{
    BatchId, FirstPost, ImportId, MergeCounts, MergeError, MergeKind, MergeOptions, Merged, Rehearsal,
    Repeats,
};
use crate::ticket::Field;

impl<'a> Staging<'a> {
    /// Makes rows of the lines, which nobody sees before they are committed.
    pub async fn merge(
        mut self,
        options: &MergeOptions<'_>,
    ) -> Result<(Uncommitted<'a>, Rehearsal), MergeError> {
        self.flush().await?;
        let (Merge { mut tx, .. }, merged) = merged(self, options).await?;
        let counts = counts(&mut tx, Filter::of(merged.scope())).await?;
        Ok((Uncommitted(tx), Rehearsal { merged, counts }))
    }

    /// Tells what [`Self::merge`] would do.
    pub async fn rehearse(self, options: &MergeOptions<'_>) -> Result<Rehearsal, MergeError> {
        self.merge(options).await.map(|(_, rehearsal)| rehearsal)
    }
}

/// A merge that nobody sees yet. Dropped: nothing happened.
pub struct Uncommitted<'a>(Tx<'a>);

impl Uncommitted<'_> {
    pub async fn commit(self) -> Result<(), OutboxError> {
        self.0.commit().await
    }
}

async fn merged<'a>(
    staging: Staging<'a>,
    options: &MergeOptions<'_>,
) -> Result<(Merge<'a>, Merged), MergeError> {
    let n_rows = staging.n_rows;
    let mut merge = Merge::begin(staging, options).await?;
    merge.stage().await?;
    let (batch, kind) = merge.identify().await?;
    (merge.batch, merge.kind) = (batch, kind);
    merge.refuse_doubled().await?;
    if kind == MergeKind::Whole {
        merge.keep_corrections().await?;
    }
    merge.keep_found(options.withdrawn).await?;
    merge.refuse_reused(options.withdrawn).await?;
    if kind == MergeKind::Correction {
        merge.fill_up().await?;
        merge.rearrange().await?;
        merge.stay_invalid().await?;
    }
    merge.find_known(options.withdrawn).await?;
    match kind {
        MergeKind::Whole => merge.replace().await?,
        MergeKind::Correction => merge.correct().await?,
    }
    merge.warn_of_outdated().await?;
    merge.start_over().await?;
    merge.add(options.first_post).await?;
    if options.first_post == FirstPost::VerifyFirst {
        merge.doubt_known().await?;
    }
    if options.repeats == Repeats::Skip {
        merge.skip_edited().await?;
        merge.skip_repeats().await?;
    }
    let merged = merge.finish(options, n_rows).await?;
    Ok((merge, merged))
}

struct Merge<'a> {
    tx: Tx<'a>,
    source: i64,
    first_record: i64,
    /// A new row's id is this and its record's.
    base: i64,
    batch: i64,
    headers: Vec<String>,
    lacks: Vec<Field>,
    keys: Vec<(Field, Vec<String>)>,
    has_codes: bool,
    names_rows: bool,
    names_customers: bool,
    /// Whether lines without a reference may have the same one, and whether lines may open the same ticket.
    repeats_contents: bool,
    repeats_tickets: bool,
    kind: MergeKind,
    now: i64,
    /// Rows that the file no longer has, and how many of them were withdrawn by that.
    gone: (i64, i64),
    /// Whether the outbox had rows before.
    was_filled: bool,
}

impl<'a> Merge<'a> {
    async fn begin(staging: Staging<'a>, options: &MergeOptions<'_>) -> Result<Self, OutboxError> {
        let Staging { mut tx, source, first_record, headers, lacks, keys, .. } = staging;
        let Staging { has_codes, names_rows, names_customers, contents, tickets, .. } = staging;
        let sql = "SELECT coalesce(max(id), 0), (SELECT batch FROM source WHERE id = ?1) FROM outbox";
        let (last_id, batch): (i64, i64) =
            sqlx::query_as(sql).bind(source).fetch_one(&mut *tx).await.trouble()?;
        Ok(Self {
            tx,
            source,
            first_record,
            base: last_id + 1 - first_record,
            batch,
            headers,
            lacks,
            keys,
            has_codes,
            names_rows,
            names_customers,
            repeats_contents: contents.are_any(),
            repeats_tickets: tickets.are_any(),
            kind: MergeKind::Whole,
            now: options.now.as_millisecond(),
            gone: (0, 0),
            was_filled: last_id != 0,
        })
    }

    async fn finish(&mut self, options: &MergeOptions<'_>, n_rows: u64) -> Result<Merged, OutboxError> {
        let counts = self.count().await?;
        let sql = "UPDATE source SET batch = ?2, kind = ?3, sha256 = ?4, n_rows = ?5, imported_at = ?6, content = ?7 WHERE id = ?1";
        sqlx::query(sql)
            .bind(self.source)
            .bind(self.batch)
            .bind(merge_name(self.kind))
            .bind(options.sha256.to_owned())
            .bind(i64::try_from(n_rows).unwrap_or(i64::MAX))
            .bind(self.now)
            .bind(options.content.to_owned())
            .execute(&mut *self.tx)
            .await
            .trouble()?;
        let sql = match self.kind {
            MergeKind::Whole => {
                "UPDATE batch SET finished_at = NULL, source = ?2 WHERE id = ?1 RETURNING name"
            }
            MergeKind::Correction => "UPDATE batch SET finished_at = NULL WHERE id = ?1 RETURNING name",
        };
        let name: Option<String> = sqlx::query_scalar(sql)
            .bind(self.batch)
            .bind(self.source)
            .fetch_optional(&mut *self.tx)
            .await
            .trouble()?;
        self.run("DROP TABLE staged", &[]).await?;
        Ok(Merged {
            kind: self.kind,
            batch: BatchId(self.batch),
            batch_name: name.ok_or_else(|| unreadable("batch"))?,
            import: ImportId(self.source),
            at: time(self.now),
            counts,
            n_beside: self.n_beside().await?,
        })
    }

    async fn n_beside(&mut self) -> Result<u64, OutboxError> {
        let sql = format!(
            "SELECT count(*) FROM outbox o
              WHERE EXISTS (SELECT 1 FROM batch WHERE id = ?1 AND halted_at IS NOT NULL)
                AND o.batch = ?1 AND {} AND NOT o.gone AND o.import <> ?2",
            unsent("o")
        );
        let counting = sqlx::query_scalar(AssertSqlSafe(sql)).bind(self.batch).bind(self.source);
        counting.fetch_one(&mut *self.tx).await.trouble().map(count)
    }

    async fn count(&mut self) -> Result<MergeCounts, OutboxError> {
        let sql = format!(
            "SELECT {} FROM staged s JOIN outbox o ON o.id = coalesce(s.row, ?1 + s.record)",
            counted("s.row IS NULL")
        );
        let counting = sqlx::query_as(AssertSqlSafe(sql)).bind(self.base);
        let counted = counting.fetch_one(&mut *self.tx).await.trouble()?;
        Ok(MergeCounts::of(counted, self.gone))
    }

    /// Runs one statement whose parameters are all integers; returns how many rows it changed.
    async fn run(&mut self, sql: impl Into<String>, integers: &[i64]) -> Result<u64, OutboxError> {
        let mut arguments = SqliteArguments::default();
        for n in integers {
            arguments.add(*n).map_err(sqlx::Error::Encode).trouble()?;
        }
        let conn: &mut SqliteConnection = &mut self.tx;
        let done =
            sqlx::query_with(AssertSqlSafe(sql.into()), arguments).persistent(false).execute(conn).await;
        done.trouble().map(|done| done.rows_affected())
    }
}
