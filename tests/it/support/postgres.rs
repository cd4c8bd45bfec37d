//! Databases in the server that `tests/run` provides: every test has its own.

use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicU32, Ordering};

use mutirao::outbox::postgres::{WakeUp, migrate};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::proxy::{Proxy, Server};

/// Where the server is, for a role that may make databases.
const SERVER: &str = "TEST_DATABASE_URL";

/// A database of one test; it goes with this value.
pub struct Database {
    options: PgConnectOptions,
    name: String,
}

impl Database {
    /// With nothing in it.
    pub async fn empty() -> Self {
        Self::made("").await
    }

    /// With nothing in it, and `options` of `CREATE DATABASE`.
    pub async fn made(options: &str) -> Self {
        static N_MADE: AtomicU32 = AtomicU32::new(0);
        let nth = N_MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("mutirao_test_{}_{nth}_{:06x}", std::process::id(), fastrand::u32(..1 << 24));
        on_server(&format!("CREATE DATABASE {name} TEMPLATE template0 {options}")).await;
        Self { options: server().database(&name), name }
    }

    /// With an outbox in it.
    pub async fn fresh() -> Self {
        let database = Self::empty().await;
        migrate(&database.url(), WakeUp::Notify).await.expect("the schema is made");
        database
    }

    /// For `--database-url`.
    pub fn url(&self) -> String {
        self.options.to_url_lossy().to_string()
    }

    /// A way to it that makes the weather, and its URL for `--database-url`.
    pub fn behind_a_proxy(&self) -> (Proxy, String) {
        let (options, port) = (&self.options, self.options.get_port());
        let server = match options.get_socket() {
            Some(folder) => Server::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            None => {
                let mut found =
                    (options.get_host(), port).to_socket_addrs().expect("the server has an address");
                Server::Tcp(found.next().expect("the server has an address"))
            }
        };
        let proxy = Proxy::before(server);
        let login = self.options.to_url_lossy();
        let (user, password) = (login.username(), login.password());
        let password = password.map(|it| format!(":{it}")).unwrap_or_default();
        let url = format!("postgres://{user}{password}@{}/{}?sslmode=disable", proxy.address, self.name);
        (proxy, url)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// An entry of PgBouncer's `[databases]`.
    pub fn as_pgbouncer_has_it(&self) -> String {
        let host = match self.options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => self.options.get_host().to_owned(),
        };
        let login = self.options.to_url_lossy();
        let password = login.password().map(|it| format!(" password={it}")).unwrap_or_default();
        let (port, user, name) = (self.options.get_port(), self.options.get_username(), &self.name);
        format!("{name} = host={host} port={port} dbname={name} user={user}{password}")
    }

    /// A connection as any program would have one.
    pub async fn connect(&self) -> PgConnection {
        self.options.connect().await.expect("the database answers")
    }
}

impl Drop for Database {
    /// The server may outlive the tests. With a runtime of its own: a test has left its own here.
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("there are threads").block_on(on_server(&sql));
        });
        let _ = dropped.join(); // A database that stays is no failure of the test.
    }
}

fn server() -> PgConnectOptions {
    let url = std::env::var(SERVER).unwrap_or_default();
    assert!(!url.is_empty(), "these tests need a PostgreSQL server: run `tests/run`, or set {SERVER} to one");
    url.parse().unwrap_or_else(|_| panic!("{SERVER} is no postgres:// URL"))
}

async fn on_server(sql: &str) {
    let mut conn = server().connect().await.unwrap_or_else(|error| panic!("{SERVER}: {error}"));
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut conn)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let _ = conn.close().await;
}
