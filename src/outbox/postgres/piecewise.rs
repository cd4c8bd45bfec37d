//! Set-wise work on rows of which the database may refuse one: somebody's trigger or constraint, a value, a
//! lock, a damaged page. It keeps none of the others waiting.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::{Executor, PgConnection};
use tokio::time::Instant;

use super::error::{Trouble, refusal};
use crate::delivery::OutboxError;

/// What is refused, and why.
pub(super) type Refusals<T> = Vec<(T, String)>;

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
) -> Result<Result<T, String>, OutboxError> {
    conn.execute("SAVEPOINT part").await.trouble()?;
    match work(&mut *conn).await {
        Ok(done) => {
            conn.execute("RELEASE part").await.trouble()?;
            Ok(Ok(done))
        }
        Err(error) => match refusal(&error) {
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

/// Rows that the database would not let be read or changed, and since when. Claims pass them over for a
/// while.
#[derive(Default)]
pub(super) struct PassedOver(Mutex<HashMap<i64, Instant>>);

/// So long; then they are tried again.
const PASSED_FOR: Duration = Duration::from_secs(60);

/// So many at most. More cost claims their time, but nothing else.
const PASSED_MAX: usize = 4096;

impl PassedOver {
    /// Says so, of those that are new.
    pub(super) fn add(&self, refused: Refusals<i64>) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if PASSED_MAX < rows.len() + refused.len() {
            rows.retain(|_, since| now - *since < PASSED_FOR);
        }
        let mut news = refused.iter().filter(|(row, _)| !rows.contains_key(row));
        if let Some((id, why)) = news.next() {
            let n_rows = 1 + news.count();
            tracing::warn!(
                row.id = id,
                n_rows,
                "the database will not have row {id} read or changed ({why}), nor {} others: they are passed over, and \
                 tried again",
                n_rows - 1
            );
        }
        for (row, _) in refused {
            if rows.len() < PASSED_MAX {
                rows.insert(row, now);
            }
        }
    }

    /// A condition that `o` is none of them, to be put behind others.
    pub(super) fn but_these(&self) -> String {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = rows.iter().filter(|(_, since)| since.elapsed() < PASSED_FOR);
        let ids: Vec<String> = passed.map(|(row, _)| row.to_string()).collect();
        if ids.is_empty() {
            String::new()
        } else {
            format!("AND o.id <> ALL ('{{{}}}'::bigint[])", ids.join(","))
        }
    }
}
