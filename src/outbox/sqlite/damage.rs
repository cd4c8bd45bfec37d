//! Damaged files: an outbox is looked through before anything in it is relied on.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use super::error::{in_words, is_damage, is_interrupted};

/// How long an outbox is looked through that was closed as it should be (measured: a million rows take 5 s).
/// What was not seen by then is noticed when it is read, if SQLite can know it.
pub const LOOK_MAX: Duration = Duration::from_secs(2);

/// The same of one whose last owner was killed, or lost its power.
pub const LONG_LOOK_MAX: Duration = Duration::from_secs(60);

/// So many steps of SQLite's are a fraction of a millisecond.
const STEPS: i32 = 10_000;

/// What is wrong with the pages of a database, in SQLite's words. `None`: nothing, as far as was seen within
/// `patience`.
pub(super) async fn damage(
    conn: &mut SqliteConnection,
    patience: Duration,
) -> Result<Option<String>, sqlx::Error> {
    let until = Instant::now() + patience;
    conn.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < until);
    let looked = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut *conn).await;
    conn.lock_handle().await?.remove_progress_handler();
    match looked {
        Ok(said) if said == "ok" => Ok(None),
        Ok(said) => Ok(Some(said)),
        Err(error) if is_interrupted(&error) => Ok(None),
        Err(error) if is_damage(&error) => Ok(Some(in_words(&error))),
        Err(error) => Err(error),
    }
}
