//! Lines of a file become rows of the outbox: new, changed, or known. Step for step as
//! [`super::super::sqlite`] does it, by the rules of [`super::super::merges`], beside workers that go on
//! meanwhile.
//!
//! The lines stand in `incoming`; a narrow table (`staged`, one entry a line, no personal data)
//! carries what the steps find out. Known rows that can be had at once are locked first, so that what
//! is found out of them stays true (of the very same file, only those that start over); a row that a
//! worker holds (in flight, or just being claimed or settled) is `busy`: only its place in the results
//! changes, and that last, because a settle may then have to wait for the end of the merge.
//!
//! A row that came from a program keeps its own place and never gets a record: its marker is that of
//! a producer, and must stay so.

mod judge;
mod places;
mod rows;
mod who;

use jiff::Timestamp;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::{Arguments, AssertSqlSafe, Transaction};

use super::columns::each_field;
use super::commands::is_only_held;
use super::error::Trouble;
use super::read::{Waiting, counts_staged, halts, imports_of};
use super::staging::{Staging, lock};
use crate::delivery::{HaltReason, OutboxError};
use crate::outbox::causes::{self, AND_HELD};
use crate::outbox::merges::counted;
use crate::outbox::stored::{count, time};
use crate::outbox::which::unsent;
use crate::outbox::{
    BatchId, FirstPost, Halted, ImportId, MergeCounts, MergeError, MergeKind, MergeOptions, Merged,
    Rehearsal, Repeats, ResultsInfo, Withdrawn,
};
use crate::ticket::Field;
use crate::ticket::code::BatchCode;

/// `$1` as a time, but not later than the database's: by that workers see what is due.
const NOW: &str = "least(timestamptz 'epoch' + $1::bigint * interval '1 millisecond', now())";

impl Staging {
    /// Makes rows of the lines, which nobody sees before they are committed.
    pub async fn merge(self, options: &MergeOptions<'_>) -> Result<(Uncommitted, Rehearsal), MergeError> {
        self.run(options, Purpose::Merge).await
    }

    /// Tells what [`Self::merge`] would do.
    pub async fn rehearse(self, options: &MergeOptions<'_>) -> Result<Rehearsal, MergeError> {
        let (uncommitted, rehearsal) = self.run(options, Purpose::Rehearse).await?;
        uncommitted.undo().await?;
        Ok(rehearsal)
    }

    async fn run(
        mut self,
        options: &MergeOptions<'_>,
        purpose: Purpose,
    ) -> Result<(Uncommitted, Rehearsal), MergeError> {
        self.flush().await?;
        let (Merge { mut tx, .. }, merged) = Merge::run(self, options, purpose).await?;
        let counts = counts_staged(&mut tx).await?;
        let uncommitted = Uncommitted { tx, batch: merged.batch_name.clone() };
        Ok((uncommitted, Rehearsal { merged, counts }))
    }
}

/// A merge that nobody sees yet. Dropped: nothing happened.
pub struct Uncommitted {
    tx: Transaction<'static, Postgres>,
    batch: String,
}

impl Uncommitted {
    /// What others have imported of the same rows by now. From here on no other import is committed that
    /// asks the same: of two at once, one is told of the other.
    pub async fn imports_of(
        &mut self,
        content: &str,
        since: Timestamp,
    ) -> Result<Vec<(String, Option<BatchCode>, Timestamp)>, MergeError> {
        lock(&mut self.tx, LAST_LOOK).await.map_err(|error| match error {
            MergeError::Busy { .. } => MergeError::Busy { batch: self.batch.clone() },
            error => error,
        })?;
        Ok(imports_of(&mut self.tx, content, since).await?)
    }

    /// What keeps back rows of that batch by now.
    pub async fn halts_of(&mut self, batch: &str) -> Result<Vec<Halted>, OutboxError> {
        halts(&mut self.tx, Some(batch), Waiting::Uncounted).await
    }

    pub async fn commit(self) -> Result<(), OutboxError> {
        self.tx.commit().await.trouble()
    }

    /// Now, not when the connection is used next: until then nobody else can import the batch.
    pub async fn undo(self) -> Result<(), OutboxError> {
        self.tx.rollback().await.trouble()
    }
}

/// Stands among the names of batches for all imports, and is none.
const LAST_LOOK: &str = "";

/// What `of` says, as `mutirao.record.whole` has it.
fn fields_of(of: &str) -> String {
    format!("json_build_array({})::text", each_field(|field| format!("{of}.{field}")))
}

struct Merge {
    tx: Transaction<'static, Postgres>,
    file: File,
    kind: MergeKind,
    places: Places,
    purpose: Purpose,
    /// The batch's name, and its number once it is certain which it is.
    name: String,
    /// That of the batch that the file is meant for.
    code: Option<BatchCode>,
    batch: i64,
    source: i64,
    /// When it was imported. Milliseconds.
    at: i64,
    now: i64,
    withdrawn: Withdrawn,
    /// Rows that the file no longer has, and how many of them were withdrawn by that.
    gone: (i64, i64),
}

/// Where known rows stand in the results.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    /// Somewhere else than before, perhaps.
    New,
    /// All at the place that they have: the very same file comes again, to go on.
    Taken,
}

/// What a merge is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Merge,
    /// To be told of, and undone. The settles of living workers need not wait for it: rows that they
    /// hold are left where they are.
    Rehearse,
}

/// What is known of the file besides its lines.
struct File {
    file_name: String,
    encoding: String,
    delimiter: String,
    headers: Vec<String>,
    lacks: Vec<Field>,
    keys: Vec<(Field, Vec<String>)>,
    results: Option<ResultsInfo>,
    n_rows: u64,
    has_codes: bool,
    names_rows: bool,
    names_customers: bool,
    is_held: bool,
}

impl Merge {
    async fn run(
        staging: Staging,
        options: &MergeOptions<'_>,
        purpose: Purpose,
    ) -> Result<(Self, Merged), MergeError> {
        let Staging { tx, batch, code, file_name, encoding, delimiter, headers, lacks, keys, .. } = staging;
        let Staging { results, n_rows, has_codes, names_rows, names_customers, is_held, .. } = staging;
        let file = File {
            file_name,
            encoding,
            delimiter,
            headers,
            lacks,
            keys,
            results,
            n_rows,
            has_codes,
            names_rows,
            names_customers,
            is_held,
        };
        let now = options.now.as_millisecond();
        let (kind, places) = (MergeKind::Whole, Places::New);
        let mut merge = Self {
            tx,
            file,
            kind,
            places,
            purpose,
            name: batch,
            code,
            batch: 0,
            source: 0,
            at: 0,
            now,
            withdrawn: options.withdrawn,
            gone: (0, 0),
        };
        match merge.steps(options).await {
            Ok(merged) => Ok((merge, merged)),
            Err(error) => {
                // As of what is undone.
                let _ = merge.tx.rollback().await;
                Err(error)
            }
        }
    }

    async fn steps(&mut self, options: &MergeOptions<'_>) -> Result<Merged, MergeError> {
        self.stage().await?;
        self.identify().await?;
        self.refuse_doubled().await?;
        self.find_known().await?;
        if self.kind == MergeKind::Whole {
            self.keep_corrections().await?;
        }
        self.keep_found().await?;
        self.refuse_reused().await?;
        if self.kind == MergeKind::Correction {
            self.fill_up().await?;
        }
        self.note_source(options).await?;
        if self.kind == MergeKind::Correction {
            self.rearrange().await?;
            self.stay_invalid().await?;
        }
        self.judge().await?;
        self.write_records().await?;
        if self.places == Places::New {
            self.take_places().await?;
        }
        self.start_over().await?;
        self.add(options.first_post).await?;
        if options.first_post == FirstPost::VerifyFirst {
            self.doubt_known().await?;
        }
        if self.places == Places::New {
            self.take_busy_places().await?;
        }
        if options.repeats == Repeats::Skip {
            self.skip_edited().await?;
            self.skip_repeats().await?;
        }
        Ok(self.finish().await?)
    }

    async fn finish(&mut self) -> Result<Merged, OutboxError> {
        // A halt keeps workers away too, and its reason is not to be lost; once it is over, the batch is
        // held.
        let sql = format!(
            "UPDATE mutirao.batch b
                SET finished_at = NULL, source = CASE WHEN $3 THEN $2 ELSE source END,
                    halted_at = CASE WHEN $4 THEN coalesce(halted_at, now()) ELSE halted_at END,
                    passed_by = CASE WHEN $4 AND halted_at IS NULL THEN '{{}}' ELSE passed_by END,
                    halt_reason = CASE WHEN $4 AND halted_at IS NULL THEN $5 ELSE halt_reason END,
                    halt_cause = CASE WHEN NOT $4 OR {} THEN halt_cause WHEN halted_at IS NULL THEN $6::jsonb
                                      ELSE coalesce(halt_cause, '{{}}') || '{AND_HELD}' END
              WHERE id = $1",
            is_only_held("b")
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(self.batch)
            .bind(self.source)
            .bind(self.kind == MergeKind::Whole)
            .bind(self.file.is_held)
            .bind(crate::text::halt_reason(&HaltReason::Held))
            .bind(causes::HELD)
            .persistent(false)
            .execute(&mut *self.tx)
            .await
            .trouble()?;
        Ok(Merged {
            kind: self.kind,
            batch: BatchId(self.batch),
            batch_name: self.name.clone(),
            import: ImportId(self.source),
            at: time(self.at),
            counts: self.count().await?,
            n_beside: self.n_beside().await?,
        })
    }

    async fn n_beside(&mut self) -> Result<u64, OutboxError> {
        let sql = format!(
            "SELECT count(*) FROM mutirao.outbox o
              WHERE EXISTS (SELECT FROM mutirao.batch WHERE id = $1 AND halted_at IS NOT NULL)
                AND (o.batch = $1 AND o.record IS NOT NULL OR o.lote = $2) AND {} AND NOT o.gone
                AND NOT EXISTS (SELECT FROM staged s WHERE s.row_id = o.id)",
            unsent("o")
        );
        let counting = sqlx::query_scalar(AssertSqlSafe(sql)).bind(self.batch).bind(&self.name);
        counting.persistent(false).fetch_one(&mut *self.tx).await.trouble().map(count)
    }

    async fn count(&mut self) -> Result<MergeCounts, OutboxError> {
        let sql = format!(
            "SELECT {} FROM staged s JOIN mutirao.outbox o ON o.id = s.row_id",
            counted("s.old_state IS NULL")
        );
        let counting = sqlx::query_as(AssertSqlSafe(sql)).persistent(false);
        let counted = counting.fetch_one(&mut *self.tx).await.trouble()?;
        Ok(MergeCounts::of(counted, self.gone))
    }

    /// Runs one statement whose parameters are all integers; returns how many rows it changed.
    async fn run_sql(&mut self, sql: &str, integers: &[i64]) -> Result<u64, OutboxError> {
        let mut arguments = PgArguments::default();
        for integer in integers {
            arguments.add(*integer).map_err(sqlx::Error::Encode).trouble()?;
        }
        let done = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments)
            .persistent(false)
            .execute(&mut *self.tx)
            .await;
        done.trouble().map(|done| done.rows_affected())
    }
}
