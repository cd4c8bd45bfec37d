//! Set-wise work on rows of which the database may refuse one: somebody's trigger or constraint, a value, a
//! lock, a damaged page. It keeps none of the others waiting.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{Executor, PgConnection};
use tokio::time::Instant;

use super::error::{Objection, Trouble, objection};
use crate::delivery::OutboxError;

/// What is refused, and why.
pub(super) type Refusals<T> = Vec<(T, Objection)>;

/// Does `work` on all of `rows`, or else on halves, until those that the database refuses stand alone. They
/// are left as they were.
pub(super) async fn piecewise<T: Clone>(
    conn: &mut PgConnection,
    rows: &[T],
    mut work: impl AsyncFnMut(&mut PgConnection, &[T]) -> Result<(), OutboxError>,
) -> Result<Refusals<T>, OutboxError> {
    let mut refused = Vec::new();
    let mut parts = vec![rows];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match (part, within(conn, async |conn| work(conn, part).await).await?) {
            (_, Ok(())) => {}
            ([row], Err(why)) => refused.push((row.clone(), why)),
            (part, Err(_)) => parts.extend(<[_; 2]>::from(part.split_at(part.len() / 2))),
        }
    }
    Ok(refused)
}

/// `work`, of which nothing is kept if the database refuses it for a row; then why.
pub(super) async fn within<T>(
    conn: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, OutboxError>,
) -> Result<Result<T, Objection>, OutboxError> {
    conn.execute("SAVEPOINT part").await.trouble()?;
    match work(&mut *conn).await {
        Ok(done) => {
            conn.execute("RELEASE part").await.trouble()?;
            Ok(Ok(done))
        }
        Err(error) => match objection(&error) {
            Some(why) => {
                conn.execute("ROLLBACK TO part").await.trouble()?;
                // What it says with no row at all, it says of none.
                conn.execute("UPDATE mutirao.outbox SET state = state WHERE false").await.trouble()?;
                Ok(Err(why))
            }
            None => Err(error),
        },
    }
}

/// Rows that are due and cannot be claimed: the database would not let them be read or changed, and claims
/// pass them over for a while; or somebody holds them, and no claim sees them.
#[derive(Default)]
pub(super) struct PassedOver(Mutex<Passed>);

#[derive(Default)]
struct Passed {
    /// When they were refused last.
    refused: HashMap<i64, Instant>,
    refused_warned_at: Option<Instant>,
    /// Since when every claim left rows that were due.
    held_since: Option<Instant>,
    held_warned_at: Option<Instant>,
    n_held: usize,
}

/// So long; then they are tried again.
const PASSED_FOR: Duration = Duration::from_secs(60);

/// So many at most. More cost claims their time, but nothing else.
const PASSED_MAX: usize = 4096;

/// A row that is held for so long is not merely being changed.
const HELD_FOR: Duration = Duration::from_secs(10);

/// It is said so often at most.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// So many rows are named.
const NAMED_MAX: usize = 10;

impl PassedOver {
    fn rows(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says so, now and then.
    pub(super) fn add(&self, refused: Refusals<i64>) {
        let Some((id, why)) = refused.first().cloned() else { return };
        let (mut rows, now) = (self.rows(), Instant::now());
        // Those that were tried again since, and can be claimed, were not refused again.
        rows.refused.retain(|_, last| now - *last < 2 * PASSED_FOR);
        for (row, _) in refused {
            if rows.refused.len() < PASSED_MAX {
                rows.refused.insert(row, now);
            }
        }
        if is_due(rows.refused_warned_at) {
            rows.refused_warned_at = Some(now);
            let n_rows = rows.refused.len();
            let named = named(rows.refused.keys().copied());
            tracing::warn!(
                row.id = id,
                n_rows,
                "the database will not have {n_rows} rows read or changed ({named}; row {id}: {why}): they are passed \
                 over, and tried again each minute"
            );
        }
    }

    /// Whether it is to be seen which rows somebody holds: a claim that wanted more has left some that are
    /// due (`is_left`), and so did those before it for a while.
    pub(super) fn may_be_held(&self, is_left: bool) -> bool {
        let mut rows = self.rows();
        if !is_left {
            (rows.held_since, rows.n_held) = (None, 0);
            return false;
        }
        HELD_FOR <= rows.held_since.get_or_insert_with(Instant::now).elapsed() && is_due(rows.held_warned_at)
    }

    pub(super) fn warn_of_held(&self, held: &[i64]) {
        let mut rows = self.rows();
        rows.n_held = held.len();
        if let Some(id) = held.first() {
            rows.held_warned_at = Some(Instant::now());
            let (n_rows, named) = (held.len(), named(held.iter().copied()));
            tracing::warn!(
                row.id = id,
                n_rows,
                "{n_rows} rows are due, and another session holds a lock on them ({named}): they are passed over until it \
                 lets go; pg_locks and pg_stat_activity say which it is"
            );
        }
    }

    pub(super) fn n_rows(&self) -> u64 {
        let rows = self.rows();
        let refused = rows.refused.values().filter(|last| last.elapsed() < 2 * PASSED_FOR);
        (refused.count() + rows.n_held) as u64
    }

    /// A condition that `o` is none of them, to be put behind others.
    pub(super) fn but_these(&self) -> String {
        let rows = self.rows();
        let passed = rows.refused.iter().filter(|(_, last)| last.elapsed() < PASSED_FOR);
        let ids: Vec<String> = passed.map(|(row, _)| row.to_string()).collect();
        if ids.is_empty() {
            String::new()
        } else {
            format!("AND o.id <> ALL ('{{{}}}'::bigint[])", ids.join(","))
        }
    }
}

fn is_due(warned_at: Option<Instant>) -> bool {
    warned_at.is_none_or(|at| WARN_EVERY <= at.elapsed())
}

/// The first of them.
fn named(rows: impl Iterator<Item = i64>) -> String {
    let mut rows: Vec<i64> = rows.collect();
    rows.sort_unstable();
    let more = if NAMED_MAX < rows.len() { ", …" } else { "" };
    let ids = rows.iter().take(NAMED_MAX).map(i64::to_string).collect::<Vec<_>>().join(", ");
    format!("ids {ids}{more}")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Seen: of the first such row it was said once, and of all that came later, nothing.
    #[tokio::test(start_paused = true)]
    async fn it_is_said_each_minute_how_many_rows_cannot_be_claimed_and_which() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let rows = PassedOver::default();
        let refused =
            |ids: &[i64]| rows.add(ids.iter().map(|id| (*id, Objection::Said("P0001".to_owned()))).collect());
        let said = || String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
        refused(&[7]);
        assert!(said().contains("1 rows read or changed (ids 7; row 7: SQLSTATE P0001)"));
        refused(&[3, 9]);
        assert_eq!((said().as_str(), rows.n_rows()), ("", 3));
        tokio::time::advance(WARN_EVERY).await;
        refused(&[7]);
        assert!(said().contains("3 rows read or changed (ids 3, 7, 9; row 7"));
        // Those two could be claimed when they were tried again.
        tokio::time::advance(PASSED_FOR).await;
        assert_eq!(rows.n_rows(), 1);
        refused(&(1..=12).collect::<Vec<_>>());
        assert!(said().contains("12 rows read or changed (ids 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …;"));
    }
}
