//! What a fault of Postgres, or of the way to it, means to the engine.

use std::error::Error;

use crate::delivery::OutboxError;

pub(super) use crate::outbox::stored::unreadable;

type BoxError = Box<dyn Error + Send + Sync>;

/// What the server said: its message and code alone, because its details quote the row.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
struct Said {
    code: String,
    message: String,
}

/// Another program's statements stand under our names in a session that was ours before.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}",
    tr!(
        "a pooler gives each transaction another session: add `statement-cache-capacity=0` to the database URL"
    )
)]
struct Pooled(#[source] Said);

/// A table, or a row, is somebody's.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}",
    tr!(
        "another session holds a lock on it: pg_locks and pg_stat_activity say which (%{why})",
        why = _0
    )
)]
struct Locked(Said);

/// A standby, or a primary that was told to take no writes.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}",
    tr!(
        "it takes no writes: name the primary in the database URL, or set default_transaction_read_only off (%{why})",
        why = _0
    )
)]
struct ReadOnly(Said);

/// What is said to another machine would be read on the way, or the machine is another.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}",
    tr!(
        "no safe connection (%{why}); where that is meant, the database URL says `sslmode=disable`",
        why = _0
    )
)]
struct Unsafe(BoxError);

/// The database took too long. The connection is given up: what it was doing may still happen.
#[derive(Debug, thiserror::Error)]
#[error("{}", tr!("no answer within %{time}", time = _0))]
pub(super) struct Late(pub(super) std::time::Duration);

/// Where the database was looked for.
#[derive(Debug, thiserror::Error)]
#[error("{}", tr!("no connection to %{at}", at = at))]
pub(super) struct Unconnected {
    pub(super) at: String,
    #[source]
    pub(super) cause: BoxError,
}

/// The lease ended, or would end before a claim could be sent.
#[derive(Debug, thiserror::Error)]
#[error("{}", tr!("this worker's lease has run out"))]
pub(super) struct LeaseOver;

/// Whether the lease is to be renewed before anything is claimed.
pub(super) fn is_lease_over(error: &OutboxError) -> bool {
    matches!(error, OutboxError::Unavailable(why) if why.is::<LeaseOver>())
}

/// Turns a library's fault into ours.
pub(super) trait Trouble<T> {
    fn trouble(self) -> Result<T, OutboxError>;
}

impl<T> Trouble<T> for Result<T, sqlx::Error> {
    fn trouble(self) -> Result<T, OutboxError> {
        self.map_err(classify)
    }
}

pub(super) fn unavailable(cause: impl Into<BoxError>) -> OutboxError {
    OutboxError::Unavailable(cause.into())
}

/// By SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn classify(error: sqlx::Error) -> OutboxError {
    let error = match error {
        sqlx::Error::Database(said) => said,
        // Every try has a connection of its own, so that a muddled one is no reason to give up.
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => return OutboxError::Unavailable(error.into()),
        sqlx::Error::Tls(why) => return OutboxError::Broken(Unsafe(why).into()),
        _ => return OutboxError::Broken(error.into()),
    };
    let code = error.code().unwrap_or_default().into_owned();
    let said = Said { code: code.clone(), message: error.message().to_owned() };
    let said: BoxError = match &*code {
        "55P03" => return OutboxError::Unavailable(Locked(said).into()),
        "25006" => return OutboxError::Unavailable(ReadOnly(said).into()),
        "26000" | "42P05" => Pooled(said).into(),
        // PgBouncer's: it knows nothing of what we say at the start.
        "08P01" if said.message.starts_with("unsupported startup parameter") => {
            return OutboxError::Broken(Pooled(said).into());
        }
        _ => said.into(),
    };
    match &*code {
        "53100" => OutboxError::Full(said),
        "42501" => OutboxError::Denied(said),
        // What a restart, a failover to a server that is read-only yet, a pooler or another session
        // does. `0A000` and `26000`: a prepared statement that a migration outdated, or a pooler lost.
        // `23505`: another settle names the same ticket at this moment; the next try sees whose it is.
        "25P03" | "0A000" | "26000" | "23505" => OutboxError::Unavailable(said),
        _ => match &code[..code.len().min(2)] {
            // Connection, serialization and deadlock, resources, operator intervention, system.
            "08" | "40" | "53" | "57" | "58" => OutboxError::Unavailable(said),
            _ => OutboxError::Broken(said),
        },
    }
}

/// Whether the role lacks a right.
pub(super) fn is_forbidden(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(|said: &Said| said.code == "42501")
        || error.source().is_some_and(is_forbidden)
}

/// What the database says against a row, for the log.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Objection {
    #[error("another session holds it")]
    Held,
    #[error("it is kept as it was, without an error: is there a trigger?")]
    LeftAsItWas,
    /// Without its words: a trigger's may quote the row.
    #[error("SQLSTATE {0}")]
    Said(String),
}

/// What the database says against a row, if it may say nothing against another: somebody's trigger or
/// constraint, a value, a lock, a damaged page. What is wrong with the connection or the server is of no row.
pub(super) fn objection(error: &OutboxError) -> Option<Objection> {
    let (OutboxError::Full(why)
    | OutboxError::Unavailable(why)
    | OutboxError::Denied(why)
    | OutboxError::Broken(why)) = error;
    if why.is::<Locked>() {
        return Some(Objection::Held);
    }
    if why.is::<LeftAsItWas>() {
        return Some(Objection::LeftAsItWas);
    }
    let said: &Said = why.downcast_ref()?;
    let is_of_all = match &*said.code {
        // A statement that has to be prepared again.
        "0A000" | "26000" => true,
        code => matches!(code.get(..2), None | Some("08" | "25" | "40" | "53" | "57" | "58")),
    };
    (!is_of_all).then(|| Objection::Said(said.code.clone()))
}

/// Somebody's trigger, or policy, kept a change from a row without a word. Or the row is not as it was
/// expected to be.
#[derive(Debug, thiserror::Error)]
#[error("{}", tr!("the database keeps it as it was, without an error: is there a trigger?"))]
struct LeftAsItWas;

/// How many rows stand as they were to be written, of what a statement says by `RETURNING`: a trigger may
/// have put another row in the place of one, and that counts as changed.
pub(super) fn n_true(written: &[bool]) -> u64 {
    written.iter().filter(|is_written| **is_written).count() as u64
}

/// Fails unless all rows were changed that were to be.
pub(super) fn all_of(n_rows: usize, n_changed: u64) -> Result<(), OutboxError> {
    if n_changed == n_rows as u64 { Ok(()) } else { Err(left_as_it_was()) }
}

pub(super) fn left_as_it_was() -> OutboxError {
    OutboxError::Broken(LeftAsItWas.into())
}

/// Whether two transactions waited for each other, and this one gave way.
pub(super) fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("40P01")
}

/// Whether another transaction holds what was waited for.
pub(super) fn is_held(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some("55P03") || is_deadlock(error)
}

/// Whether somebody else has just made what was to be made.
pub(super) fn is_made(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["42P06", "42P07", "23505"].contains(&&*code))
}
