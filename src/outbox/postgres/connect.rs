//! Getting to the database, and whether it is one that this program can use.

use std::borrow::Cow;
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection, PgPool};

use super::error::{Late, Trouble, Unconnected, unavailable};
use crate::delivery::OutboxError;

/// Longest wait for a connection: to the server, or for one of ours to come back. It takes the way there and
/// back six times, with TLS and a password.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A claim, a settle and a report may go on at once; one more for what comes between.
const N_CONNECTIONS: u32 = 4;

/// Why an outbox was not opened. Never shows the URL.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{}", tr!("the database URL cannot be used"))]
    BadUrl(#[source] Box<dyn Error + Send + Sync>),
    #[error("{}", tr!("the database cannot be reached"))]
    Unreachable(#[source] OutboxError),
    #[error("{}", tr!("the database refuses"))]
    Refused(#[source] OutboxError),
    #[error(
        "{}",
        tr!(
            "the database's encoding is %{found}, which lacks characters that HubSoft may answer with",
            found = found
        )
    )]
    Encoding { found: String },
    #[error("{}", tr!("somebody else makes and drops the outbox again and again"))]
    Contended,
    #[error("{}", tr!("the database has no outbox"))]
    NoSchema,
    #[error(
        "{}",
        tr!(
            "the outbox is of an older version (%{found}; this program needs %{needed})",
            found = found, needed = needed
        )
    )]
    Older { found: i64, needed: i64 },
    #[error(
        "{}",
        tr!(
            "the outbox is of a newer version (%{found}; this program knows %{known})",
            found = found, known = known
        )
    )]
    Newer { found: i64, known: i64 },
}

impl OpenError {
    /// What a person can do next.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::BadUrl(_) => tr!("write it like postgres://user@host/database?sslmode=verify-full"),
            Self::Unreachable(_) => tr!("see that the server runs and is reached from here, then try again"),
            Self::Refused(_) => {
                tr!("see which role, password and database the URL names, and what the role may do")
            }
            Self::Encoding { .. } => tr!("make a database with ENCODING 'UTF8' and move the outbox there"),
            Self::Contended => tr!("see who works on the schema `mutirao`"),
            Self::NoSchema | Self::Older { .. } => {
                tr!("it is made, and brought up to date, by the command `migrate`")
            }
            Self::Newer { .. } => tr!("update this program"),
        }
    }
}

impl From<OutboxError> for OpenError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Unavailable(_) => Self::Unreachable(error),
            OutboxError::Full(_) | OutboxError::Denied(_) | OutboxError::Broken(_) => Self::Refused(error),
        }
    }
}

/// What holds on every connection of ours, whatever was set for the server, the database or the role: what
/// runs is what this program wrote and not what somebody put into `public`, it is planned by its indices and
/// not compiled, and what hangs ends.
///
/// In the startup packet. A pooler refuses that, or leaves it out: then every transaction says it again
/// ([`super::session`]). Said in a session, it would be another program's next.
const PINNED: [(&str, &str); 18] = [
    ("search_path", SEARCH_PATH),
    ("jit", "off"),
    ("plan_cache_mode", "auto"),
    ("enable_nestloop", "on"),
    ("enable_indexscan", "on"),
    ("enable_indexonlyscan", "on"),
    ("enable_bitmapscan", "on"),
    ("enable_seqscan", "on"),
    ("enable_hashjoin", "on"),
    ("enable_mergejoin", "on"),
    ("enable_hashagg", "on"),
    ("enable_sort", "on"),
    ("enable_material", "on"),
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "0"),
    ("lock_timeout", LOCK_WAIT),
    ("idle_in_transaction_session_timeout", "10min"),
    ("client_min_messages", "warning"),
];

/// Longest wait for another's lock, as the server's settings have it.
pub(super) const LOCK_WAIT: &str = "4s";

/// Tables of ours are named with their schema; temporary ones are seen last.
pub(super) const SEARCH_PATH: &str = "pg_catalog, pg_temp";

/// What `url` says, under our name. Statements are not logged: their values are people's.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options: PgConnectOptions =
        url.parse().map_err(|error: sqlx::Error| OpenError::BadUrl(error.into()))?;
    let options = match (is_far(&options), options.get_ssl_mode()) {
        // Both would fall back to plain text without a word, `allow` always. Whoever wants that says
        // `disable`.
        (true, PgSslMode::Prefer | PgSslMode::Allow) => options.ssl_mode(PgSslMode::Require),
        _ => options,
    };
    let options = if is_pooled(url) { options } else { options.options(PINNED) };
    Ok(options.application_name("mutirao").disable_statement_logging())
}

/// Whether what is said to the server leaves this machine.
fn is_far(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_near = host.starts_with('/') || ip.map_or(host == "localhost", |ip| ip.is_loopback());
    options.get_socket().is_none() && !is_near
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
    let parameters = url.split_once('?').map_or("", |(_, query)| query);
    let names = parameters
        .split('&')
        .filter_map(|parameter| parameter.split('=').next())
        .filter(|name| !name.is_empty());
    names.filter(|name| !PARAMETERS.contains(name) && !name.starts_with("options["))
}

/// Whether `url` carries a password.
pub fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    // As far as the last `@`: a password that was not escaped may have a slash.
    let user = rest.split('?').next().and_then(|before| before.rsplit_once('@')).map_or("", |(user, _)| user);
    let in_user = user.split_once(':').is_some_and(|(_, password)| !password.is_empty());
    in_user || url.split(['?', '&']).skip(1).any(|parameter| parameter.starts_with("password="))
}

/// Whether `url` says that a pooler stands before the server: sessions keep no prepared statements.
pub(super) fn is_pooled(url: &str) -> bool {
    url.split(['?', '&']).any(|parameter| parameter == "statement-cache-capacity=0")
}

/// A connection of its own, outside of the pool.
pub(super) async fn connection(options: &PgConnectOptions) -> Result<PgConnection, OutboxError> {
    let connected = match tokio::time::timeout(CONNECT_MAX, options.connect()).await {
        Ok(connected) => connected.trouble(),
        Err(_) => Err(unavailable(Late(CONNECT_MAX))),
    };
    connected.map_err(|error| match error {
        OutboxError::Unavailable(cause) => {
            let at = match options.get_socket() {
                Some(folder) => folder.display().to_string(),
                None => format!("{}:{}", options.get_host(), options.get_port()),
            };
            unavailable(Unconnected { at, cause })
        }
        refused => refused,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_server_without_tls_needs_a_word() {
        for (url, mode) in [
            ("postgres://u@db.example.com.br/x", PgSslMode::Require),
            ("postgres://u@10.0.0.5/x", PgSslMode::Require),
            ("postgres://u@db/x?sslmode=prefer", PgSslMode::Require),
            ("postgres://u@db/x?sslmode=allow", PgSslMode::Require),
            ("postgres://u@db/x?sslmode=disable", PgSslMode::Disable),
            ("postgres://u@db/x?sslmode=verify-full", PgSslMode::VerifyFull),
            ("postgres://u@localhost/x?host=db.example.com.br", PgSslMode::Require),
            ("postgres://u@localhost/x", PgSslMode::Prefer),
            ("postgres://u@127.0.0.2/x", PgSslMode::Prefer),
            ("postgres://u@[::1]/x", PgSslMode::Prefer),
            ("postgres://u@%2Frun%2Fpostgresql/x", PgSslMode::Prefer),
            ("postgres:///x?host=/run/postgresql", PgSslMode::Prefer),
        ] {
            let found = options(url).unwrap().get_ssl_mode();
            assert_eq!(format!("{found:?}"), format!("{mode:?}"), "{url}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_seen() {
        for (url, has) in [
            ("postgres://u:p@db/x", true),
            ("postgres://u:p%40@db/x?sslmode=require", true),
            ("postgres://u:p/#@db/x", true),
            ("postgres://u@db/x?password=p", true),
            ("postgres://u@db/x?sslmode=require&password=p", true),
            ("postgres://u@db:5432/x", false),
            ("postgres://u:@db/x", false),
            ("postgres://u@db/x?options=-c%20a:b@c", false),
            ("sqlite:a:b@c.db", false),
        ] {
            assert_eq!(has_password(url), has, "{url}");
        }
    }
}
