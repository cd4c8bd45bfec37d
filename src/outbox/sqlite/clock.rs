//! Whether the wall clock was set ahead since rows were stamped by it: their age would be made up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::error::{Trouble, json};
use crate::delivery::OutboxError;
use crate::platform;

/// Steps smaller than this are drift. Milliseconds.
const STEP_MIN_MS: i64 = 60_000;

/// The clocks when the outbox was last opened to be written, in `meta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Of this start of the machine. `None`: nothing tells it from others.
    boot: Option<String>,
    /// Since that start, sleep included.
    since_boot_ms: i64,
    wall_ms: i64,
    /// By how much the wall clock was set ahead meanwhile, in all.
    ahead_ms: i64,
}

impl Seen {
    fn now() -> Self {
        Self {
            boot: platform::boot(),
            since_boot_ms: i64::try_from(platform::awake().as_millis()).unwrap_or(i64::MAX),
            wall_ms: Timestamp::now().as_millisecond(),
            ahead_ms: 0,
        }
    }

    /// As it stands now, if it stood so `then`. Across a start of the machine nobody can tell.
    fn after(self, then: Option<&Self>) -> Self {
        let Some(then) = then.filter(|then| then.boot.is_some() && then.boot == self.boot) else {
            return self;
        };
        let step = (self.wall_ms - then.wall_ms) - (self.since_boot_ms - then.since_boot_ms);
        let ahead_ms = if step.abs() < STEP_MIN_MS { then.ahead_ms } else { then.ahead_ms + step };
        // Set back to where it was, or beyond: what was stamped meanwhile is younger than it looks, never
        // older.
        Self { ahead_ms: ahead_ms.max(0), ..self }
    }
}

/// Compares the clocks with how they stood last, and keeps how they stand.
pub(super) async fn note(conn: &mut SqliteConnection) -> Result<(), OutboxError> {
    let now = Seen::now().after(seen(conn).await?.as_ref());
    let sql = "INSERT INTO meta (key, value) VALUES ('clock', ?1) ON CONFLICT DO UPDATE SET value = ?1";
    sqlx::query(sql).bind(json(&now)).execute(conn).await.trouble().map(drop)
}

/// By how much the wall clock was set ahead. Milliseconds.
pub(super) async fn ahead_ms(conn: &mut SqliteConnection) -> Result<i64, OutboxError> {
    Ok(Seen::now().after(seen(conn).await?.as_ref()).ahead_ms)
}

async fn seen(conn: &mut SqliteConnection) -> Result<Option<Seen>, OutboxError> {
    let sql = "SELECT value FROM meta WHERE key = 'clock'";
    let value: Option<String> = sqlx::query_scalar(sql).fetch_optional(conn).await.trouble()?;
    Ok(value.and_then(|json| serde_json::from_str(&json).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(boot: &str, since_boot_min: i64, wall_min: i64, ahead_min: i64) -> Seen {
        Seen {
            boot: Some(boot.to_owned()).filter(|boot| !boot.is_empty()),
            since_boot_ms: since_boot_min * 60_000,
            wall_ms: wall_min * 60_000,
            ahead_ms: ahead_min * 60_000,
        }
    }

    #[test]
    fn only_steps_of_the_wall_clock_count() {
        const DAY: i64 = 24 * 60;
        let then = seen("a", 10, 1_000, 0);
        for (now, ahead_min, why) in [
            (seen("a", 70, 1_060, 0), 0, "an hour later"),
            (seen("a", 70, 1_060 + DAY, 0), DAY, "set ahead by a day"),
            (seen("a", 70, 1_060 - DAY, 0), 0, "set back"),
            (seen("b", 1, 1_000 + DAY, 0), 0, "after a start nobody can tell"),
        ] {
            assert_eq!(now.after(Some(&then)).ahead_ms, ahead_min * 60_000, "{why}");
        }
        let unknown = seen("", 10, 1_000, 0);
        assert_eq!(
            seen("", 5, 1_000 + DAY, 0).after(Some(&unknown)).ahead_ms,
            0,
            "nor where starts are alike"
        );
        let ahead = seen("a", 70, 1_060 + DAY, DAY);
        assert_eq!(seen("a", 80, 1_070, 0).after(Some(&ahead)).ahead_ms, 0, "set right again");
        assert_eq!(seen("a", 80, 1_070 + DAY, 0).after(Some(&ahead)).ahead_ms, DAY * 60_000, "it stays so");
    }
}
