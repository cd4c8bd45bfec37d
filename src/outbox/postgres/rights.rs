//! What a worker's role must be allowed to do, and what it lacks.

use std::error::Error;

use sqlx::PgConnection;

use super::PgOutbox;
use super::error::{Trouble, is_forbidden};
use super::session::in_time;
use crate::delivery::OutboxError;

/// To deliver; as the printed roles have it ([`super::ROLES`]).
const NEEDED: &str = "('outbox', 'SELECT'), ('outbox', 'UPDATE'), ('batch', 'SELECT'), ('batch', 'INSERT'),
    ('batch', 'UPDATE'), ('record', 'SELECT'), ('record', 'UPDATE'), ('attempt', 'INSERT'), ('meta', 'SELECT'),
    ('meta', 'INSERT'), ('meta', 'UPDATE'), ('pace', 'SELECT'), ('pace', 'UPDATE'), ('turn', 'UPDATE'), ('worker', 'SELECT'), ('worker', 'INSERT'),
    ('worker', 'UPDATE'), ('worker', 'DELETE'), ('sight', 'SELECT'), ('sight', 'INSERT'), ('sight', 'UPDATE'),
    ('sight', 'DELETE')";

/// To read a file in.
const NEEDED_TO_IMPORT: &str = "('importing', 'INSERT'), ('importing', 'UPDATE'), ('outbox', 'SELECT'), ('outbox', 'INSERT'),
    ('outbox', 'UPDATE'), ('batch', 'SELECT'), ('batch', 'INSERT'), ('batch', 'UPDATE'), ('source', 'SELECT'),
    ('source', 'INSERT'), ('source', 'UPDATE'), ('record', 'SELECT'), ('record', 'INSERT'), ('record', 'UPDATE'),
    ('record', 'DELETE')";

/// What the role may not do, and the `GRANT` that mends it.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}",
    tr!(
        "the role %{role} may not %{what} (run `%{grants}` as the owner of the schema)",
        role = role, what = what.join(", "), grants = grants.join("; ")
    )
)]
struct Lacking {
    role: String,
    what: Vec<String>,
    grants: Vec<String>,
}

/// Fails if the role lacks a right that a worker needs.
pub(super) async fn check(conn: &mut PgConnection) -> Result<(), OutboxError> {
    has(conn, NEEDED, None).await
}

/// As [`check`], and fails too if `read`, which finds nothing, may not be read or waits too long for a lock.
pub(super) async fn check_and_read(conn: &mut PgConnection, read: Option<&str>) -> Result<(), OutboxError> {
    has(conn, NEEDED, read).await
}

/// Fails if the role lacks a right that reading a file in needs.
pub(super) async fn check_import(conn: &mut PgConnection) -> Result<(), OutboxError> {
    has(conn, NEEDED_TO_IMPORT, None).await
}

async fn has(conn: &mut PgConnection, needed: &str, read: Option<&str>) -> Result<(), OutboxError> {
    let mut sql = format!(include_str!("lacking_rights.sql"), needed = needed);
    if let Some(read) = read {
        sql += &format!(" UNION ALL SELECT '', '', '' FROM ({read}) read");
    }
    let mut found: Vec<(String, String, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).persistent(false).fetch_all(conn).await.trouble()?;
    found.sort();
    let Some((role, ..)) = found.first().cloned() else { return Ok(()) };
    let what = found.iter().map(|(_, on, may)| format!("{may} {on}")).collect();
    let grants = found.iter().map(|(_, on, may)| format!("GRANT {may} ON {on} TO {role}")).collect();
    Err(OutboxError::Denied(Lacking { role, what, grants }.into()))
}

impl PgOutbox {
    /// `done`; where the role was not allowed to do it, with what it lacks.
    pub(in crate::outbox) async fn explained<T, E>(&self, done: Result<T, E>) -> Result<T, E>
    where
        E: Error + From<OutboxError> + 'static,
    {
        match done {
            Err(error) if is_forbidden(&error) => {
                let checked = in_time(async { check(&mut *self.conn().await?).await }).await;
                Err(checked.err().map_or(error, E::from))
            }
            done => done,
        }
    }
}
