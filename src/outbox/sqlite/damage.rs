//! Damaged files: an outbox is looked through before anything in it is relied on.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use super::error::{in_words, is_damage, is_interrupted};

/// How long an outbox is looked through that was closed as it should be (measured: 30,000 rows take 0.15 s).
/// What was not seen by then is noticed when it is read, if SQLite can know it.
pub const LOOK_MAX: Duration = Duration::from_secs(2);

/// The same of one whose last owner was killed, or lost its power.
pub const LONG_LOOK_MAX: Duration = Duration::from_secs(60);

/// Pages looked at, or instructions of SQLite's, from one look at the clock to the next.
const STEPS: i32 = 100;

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    const ROWS: &str = "CREATE TABLE t (x);
        WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000)
        INSERT INTO t SELECT x FROM n; CREATE INDEX i ON t (x)";

    /// A look at a large file has an end.
    #[tokio::test]
    async fn what_was_not_looked_at_in_time_is_not_told_as_damaged() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = SqliteConnectOptions::new().filename(file.path());
        let mut conn = options.connect().await.unwrap();
        sqlx::raw_sql(ROWS).execute(&mut conn).await.unwrap();
        assert_eq!(damage(&mut conn, LONG_LOOK_MAX).await.unwrap(), None);
        let len = file.as_file().metadata().unwrap().len();
        file.as_file().write_all_at(&[0; 4096], len - 4096).unwrap();
        let mut conn = options.connect().await.unwrap();
        assert!(damage(&mut conn, LONG_LOOK_MAX).await.unwrap().is_some());
        assert_eq!(damage(&mut conn, Duration::ZERO).await.unwrap(), None);
    }
}
