//! `/readyz` says whether a worker can open tickets now: it follows the database and HubSoft, there and
//! back, whether or not there is work.
//!
//! How soon is told and not asserted: a busy machine is slow (`tests/run readiness -- --nocapture` shows it).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mutirao::sandbox::{RunningSandbox, Sandbox};
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{LONG, answering, get, until_ready_is};
use crate::support::postgres::Database;
use crate::support::proxy::{Proxy, Server, Weather};
use crate::support::site::{Site, Started};

/// A worker, and what it needs, all behind proxies.
struct Scene {
    worker: Started,
    /// Where it answers.
    at: SocketAddr,
    database_way: Proxy,
    api_way: Proxy,
    database: Database,
    _hubsoft: RunningSandbox,
    _site: Site,
}

impl Scene {
    async fn new() -> Self {
        let (site, database) = (Site::new(""), Database::fresh().await);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let hubsoft = listener.local_addr().unwrap();
        let sandbox = Sandbox::start("".parse().unwrap(), listener).unwrap();
        let (database_way, url) = database.behind_a_proxy();
        let api_way = Proxy::before(Server::Tcp(hubsoft));
        let mut command = site.command(&["worker", "--database-url", &url, "--rate", "unlimited"]);
        command.env("HUBSOFT_URL", format!("http://{}", api_way.address));
        command.env("HUBSOFT_TOKEN", sandbox.sandbox().issue_token());
        let (worker, at) = answering(command);
        until_ready_is(at, 200);
        assert_eq!(get(at, "/livez").unwrap().0, 200);
        Self { worker, at, database_way, api_way, database, _hubsoft: sandbox, _site: site }
    }

    fn follows(&self, way: &Proxy, weather: Weather) {
        way.set(weather);
        let gone = until_ready_is(self.at, 503);
        way.set(Weather::Fair);
        println!("{weather:?}: not ready after {gone:.1?}, ready after {:.1?}", until_ready_is(self.at, 200));
    }

    fn end(self) {
        assert_eq!(self.worker.end_by(Signal::TERM), Some(0));
    }
}

#[tokio::test]
async fn it_follows_a_database_that_refuses() {
    let it = Scene::new().await;
    it.follows(&it.database_way, Weather::Refuses);
    it.end();
}

#[tokio::test]
async fn it_follows_a_database_that_hangs() {
    let it = Scene::new().await;
    it.follows(&it.database_way, Weather::Hangs);
    // A second time: nothing of the first is left in the way.
    it.follows(&it.database_way, Weather::Hangs);
    it.end();
}

#[tokio::test]
async fn it_follows_hubsoft_when_idle() {
    let it = Scene::new().await;
    it.follows(&it.api_way, Weather::Refuses);
    it.end();
}

/// Seen: a person was said to have stopped them, where a guard had.
#[tokio::test]
async fn it_says_why_all_are_stopped() {
    let it = Scene::new().await;
    let mut conn = it.database.connect().await;
    let stop = "UPDATE mutirao.pace SET paused_at = clock_timestamp(), pause_reason = 'a marker was lost'";
    sqlx::raw_sql(stop).execute(&mut conn).await.unwrap();
    until_ready_is(it.at, 503);
    let (_, why) = get(it.at, "/readyz").unwrap();
    assert!(why.starts_with("all workers are stopped (a marker was lost): `mutirao resume"), "{why}");
    it.end();
}

/// The breaker is open then, and its next probe may be half a minute away.
#[tokio::test]
async fn it_follows_hubsoft_when_at_work() {
    let it = Scene::new().await;
    let mut conn = it.database.connect().await;
    it.api_way.set(Weather::Refuses);
    let gone = until_ready_is(it.at, 503);
    insert(&mut conn, 20).await;
    until(&mut conn, "mutirao.pace WHERE breaker = 'open'").await;
    // As after an outage of minutes.
    let sql = "UPDATE mutirao.pace SET n_probes = 9, breaker_at = clock_timestamp() + interval '30 s'";
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    it.api_way.set(Weather::Fair);
    println!("at work: not ready after {gone:.1?}, ready after {:.1?}", until_ready_is(it.at, 200));
    until(&mut conn, "mutirao.outbox WHERE state = 'opened'").await;
    it.end();
}

async fn insert(conn: &mut PgConnection, n_rows: i32) {
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
               SELECT n::text, 'Sem sinal', 'Maria', '37999998888' FROM generate_series(1, $1) n";
    sqlx::query(sql).bind(n_rows).execute(conn).await.unwrap();
}

/// Looks until there is such a thing.
async fn until(conn: &mut PgConnection, what: &str) {
    let began = Instant::now();
    loop {
        let sql = format!("SELECT EXISTS (SELECT FROM {what})");
        if sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *conn).await.unwrap() {
            return;
        }
        assert!(began.elapsed() < LONG, "there is no {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
