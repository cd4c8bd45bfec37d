//! The schema: making it, bringing it up to date, and knowing which one is there.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::connect::LOCK_WAIT;
use super::connect::{OpenError, connection, options};
use super::error::{Trouble, is_made};
use super::session::in_time;
use crate::delivery::OutboxError;

/// In order. Never edited once released.
const MIGRATIONS: [&str; 1] = [include_str!("../../../migrations/postgres/0001_outbox.sql")];

/// The version that this program knows.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Which versions were applied. Not sqlx's own migrator: its lock is bound to a session, which a
/// pooler may share out, and it commits each step by itself.
const HISTORY: &str = include_str!("../../../migrations/postgres/history.sql");

/// An insert wakes the workers. The payload is constant, so that a transaction says it once.
const WAKE_UP: &str = include_str!("../../../migrations/postgres/wake_up.sql");

const NO_WAKE_UP: &str = "DROP FUNCTION mutirao.wake_up() CASCADE;\n";

/// What makes the roles that need the least each; to be run by who may make roles.
pub const ROLES: &str = include_str!("../../../migrations/postgres/roles.sql");

/// Nothing is in the way of what the schema is made with. A turn is waited for longer than a lock.
const BEGIN: &str = "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL lock_timeout = '15s'";

/// Those who bring an outbox up to date take turns: by a table that only they may lock, since an advisory
/// lock is anybody's who can log in.
const TURN: &str = "LOCK TABLE mutirao.migration IN SHARE ROW EXCLUSIVE MODE";

/// How often it is begun anew because somebody else has made what was to be made: the schema, the table of
/// the turns.
const TRIES_MAX: u32 = 5;

/// Whether an insert wakes the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeUp {
    /// By `NOTIFY`; polling is the net below it.
    Notify,
    /// Workers only poll: a transaction that notified cannot be prepared (two-phase commit).
    Poll,
}

/// What `migrate` found and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; 0: there was no outbox.
    pub from: i64,
    pub to: i64,
}

/// Makes the outbox at `url`, or brings it up to date, in one transaction. Others who do the same
/// wait; whoever inserts meanwhile waits too, if there is something to be changed.
pub async fn migrate(url: &str, wake_up: WakeUp) -> Result<Migrated, OpenError> {
    let mut conn = connection(&options(url)?).await?;
    for _ in 1..TRIES_MAX {
        if let Some(done) = attempt(&mut conn, wake_up).await? {
            return Ok(done);
        }
    }
    attempt(&mut conn, wake_up).await?.ok_or(OpenError::Contended)
}

/// `None`: somebody else has made meanwhile what was not there.
async fn attempt(conn: &mut PgConnection, wake_up: WakeUp) -> Result<Option<Migrated>, OpenError> {
    let mut tx = conn.begin().await.trouble()?;
    sqlx::raw_sql(BEGIN).execute(&mut *tx).await.trouble()?;
    refuse_encoding(&mut tx).await?;
    if is_there(&mut tx).await? {
        sqlx::raw_sql(TURN).execute(&mut *tx).await.trouble()?;
    } else {
        let exists = "SELECT to_regnamespace('mutirao') IS NOT NULL";
        // Asked first: `IF NOT EXISTS` wants the right to make schemas even where there is one.
        let exists: bool =
            sqlx::query_scalar(exists).persistent(false).fetch_one(&mut *tx).await.trouble()?;
        for sql in ["CREATE SCHEMA mutirao", HISTORY].into_iter().skip(usize::from(exists)) {
            match sqlx::raw_sql(sql).execute(&mut *tx).await {
                Err(error) if is_made(&error) => return Ok(None),
                done => done.trouble().map(drop)?,
            }
        }
    }
    sqlx::raw_sql(AssertSqlSafe(format!("SET LOCAL lock_timeout = '{LOCK_WAIT}'")))
        .execute(&mut *tx)
        .await
        .trouble()?;
    let from = find(&mut tx).await?;
    if VERSION < from {
        return Err(OpenError::Newer { found: from, known: VERSION });
    }
    for (version, sql) in (1..).zip(MIGRATIONS).skip(usize::try_from(from).unwrap_or(0)) {
        sqlx::raw_sql(AssertSqlSafe(step(version, sql))).execute(&mut *tx).await.trouble()?;
    }
    let sql = "SELECT to_regprocedure('mutirao.wake_up()') IS NOT NULL";
    let notifies: bool = sqlx::query_scalar(sql).persistent(false).fetch_one(&mut *tx).await.trouble()?;
    match (notifies, wake_up) {
        (false, WakeUp::Notify) => sqlx::raw_sql(WAKE_UP).execute(&mut *tx).await.trouble().map(drop)?,
        (true, WakeUp::Poll) => sqlx::raw_sql(NO_WAKE_UP).execute(&mut *tx).await.trouble().map(drop)?,
        (true, WakeUp::Notify) | (false, WakeUp::Poll) => {}
    }
    tx.commit().await.trouble()?;
    Ok(Some(Migrated { from, to: VERSION }))
}

/// What makes an outbox where there is none, for whoever keeps the database's changes elsewhere.
pub fn script(wake_up: WakeUp) -> String {
    let steps: String = (1..).zip(MIGRATIONS).map(|(version, sql)| step(version, sql)).collect();
    let wake_up = match wake_up {
        WakeUp::Notify => WAKE_UP,
        WakeUp::Poll => "",
    };
    format!(
        "BEGIN;\nSET LOCAL search_path = pg_catalog, pg_temp;\n\nCREATE SCHEMA mutirao;\n\n{HISTORY}\n{steps}\n{wake_up}\nCOMMIT;\n"
    )
}

fn step(version: i64, sql: &str) -> String {
    format!("{sql}\nINSERT INTO mutirao.migration (version) VALUES ({version});\n")
}

/// Whether the outbox at `url` is of the version that this program knows.
pub async fn check(url: &str) -> Result<(), OpenError> {
    let mut conn = connection(&options(url)?).await?;
    checked(&mut *conn.begin().await.trouble()?).await
}

pub(super) async fn checked(conn: &mut PgConnection) -> Result<(), OpenError> {
    refuse_encoding(conn).await?;
    match in_time(find(conn)).await? {
        0 => Err(OpenError::NoSchema),
        found if found < VERSION => Err(OpenError::Older { found, needed: VERSION }),
        found if VERSION < found => Err(OpenError::Newer { found, known: VERSION }),
        _ => Ok(()),
    }
}

/// An answer that the database cannot hold could never be stored, and would stop a worker for ever.
async fn refuse_encoding(conn: &mut PgConnection) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_encoding')";
    let asked = async { sqlx::query_scalar(sql).persistent(false).fetch_one(conn).await.trouble() };
    let found: String = in_time(asked).await?;
    if found == "UTF8" { Ok(()) } else { Err(OpenError::Encoding { found }) }
}

/// The version that is there; 0: none.
async fn find(conn: &mut PgConnection) -> Result<i64, OutboxError> {
    if !is_there(conn).await? {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(version), 0) FROM mutirao.migration";
    sqlx::query_scalar(sql).persistent(false).fetch_one(conn).await.trouble()
}

async fn is_there(conn: &mut PgConnection) -> Result<bool, OutboxError> {
    let sql = "SELECT to_regclass('mutirao.migration') IS NOT NULL";
    sqlx::query_scalar(sql).persistent(false).fetch_one(conn).await.trouble()
}
