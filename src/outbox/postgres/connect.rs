//! Getting to the database, and whether it is one that this program can use.

use std::error::Error;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool};

use super::error::{Late, Trouble, unavailable};
use crate::delivery::OutboxError;

/// Longest wait for a connection: to the server, or for one of ours to come back.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A claim, a settle and a report may go on at once; one more for what comes between.
const N_CONNECTIONS: u32 = 4;

/// Why an outbox was not opened. Never shows the URL.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database URL cannot be used")]
    BadUrl(#[source] Box<dyn Error + Send + Sync>),
    #[error("the database cannot be reached")]
    Unreachable(#[source] OutboxError),
    #[error("the database refuses")]
    Refused(#[source] OutboxError),
    #[error("the database's encoding is {found}, which lacks characters that HubSoft may answer with")]
    Encoding { found: String },
    #[error("the database has no outbox")]
    NoSchema,
    #[error("the outbox is of an older version ({found}; this program needs {needed})")]
    Older { found: i64, needed: i64 },
    #[error("the outbox is of a newer version ({found}; this program knows {known})")]
    Newer { found: i64, known: i64 },
}

impl OpenError {
    /// What a person can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "write it like postgres://user@host/database?sslmode=verify-full",
            Self::Unreachable(_) => "see that the server runs and is reached from here, then try again",
            Self::Refused(_) => {
                "see which role, password and database the URL names, and what the role may do"
            }
            Self::Encoding { .. } => "make a database with ENCODING 'UTF8' and move the outbox there",
            Self::NoSchema | Self::Older { .. } => "run `mutirao migrate` with the same URL",
            Self::Newer { .. } => "update this program",
        }
    }
}

impl From<OutboxError> for OpenError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Unavailable(_) => Self::Unreachable(error),
            OutboxError::Full(_) | OutboxError::Broken(_) => Self::Refused(error),
        }
    }
}

/// What `url` says, under our name. Statements are not logged: their values are people's.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options: PgConnectOptions =
        url.parse().map_err(|error: sqlx::Error| OpenError::BadUrl(error.into()))?;
    Ok(options.application_name("mutirao").disable_statement_logging())
}

/// Those that sqlx 0.9 reads.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The names of parameters that mean nothing; values may be secrets.
pub fn unknown_parameters(url: &str) -> impl Iterator<Item = &str> {
    let parameters = url.split_once('?').map_or("", |it| it.1);
    let names = parameters.split('&').filter_map(|it| it.split('=').next()).filter(|it| !it.is_empty());
    names.filter(|it| !PARAMETERS.contains(it) && !it.starts_with("options["))
}

/// Whether `url` says that a pooler stands before the server: sessions keep no prepared statements.
pub(super) fn is_pooled(url: &str) -> bool {
    url.split(['?', '&']).any(|it| it == "statement-cache-capacity=0")
}

/// A connection of its own, outside of the pool.
pub(super) async fn connection(options: &PgConnectOptions) -> Result<PgConnection, OutboxError> {
    match tokio::time::timeout(CONNECT_MAX, options.connect()).await {
        Ok(connected) => connected.trouble(),
        Err(_) => Err(unavailable(Late(CONNECT_MAX))),
    }
}

/// Connections that are made when they are needed.
pub(super) fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(N_CONNECTIONS)
        .acquire_timeout(CONNECT_MAX)
        // A broken one shows at its next use, and is not used again.
        .test_before_acquire(false)
        .connect_lazy_with(options)
}
