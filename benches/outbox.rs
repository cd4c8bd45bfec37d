//! What a worker does on Postgres: `cargo bench --bench outbox -- [wake] [drain] [history] [sharing]
//! [far] [idle] [outages] [flood]`.
//!
//! The server is a cluster of the bench's own, durable, with the settings that Debian ships; HubSoft is
//! a sandbox without latency in the bench's process, the worker a process of its own. Prints figures
//! beside their bars and asserts nothing: machines differ.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use support::cluster::{Cluster, insert};
use support::{MUTIRAO, Server, Spacing, ended};

/// The way to a database that is far.
#[path = "../tests/it/support/proxy.rs"]
#[expect(dead_code, reason = "here no weather is bad but the distance")]
mod far;
mod support;

const N_ROWS: i64 = 20_000;

fn main() {
    // `cargo bench` adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        for name in ["wake", "drain", "history", "sharing", "far", "idle", "outages", "flood"] {
            if !wanted(name) {
                continue;
            }
            println!("== {name}");
            let bench = Bench::new().await;
            match name {
                "wake" => bench.wake().await,
                "drain" => bench.drain().await,
                "history" => bench.history().await,
                "sharing" => bench.sharing().await,
                "far" => bench.far().await,
                "idle" => bench.idle().await,
                "outages" => bench.outages().await,
                _ => bench.flood().await,
            }
        }
    });
}

/// A cluster with an outbox in it.
struct Bench {
    cluster: Cluster,
}

impl Bench {
    async fn new() -> Self {
        let bench = Self { cluster: Cluster::start() };
        bench.execute("CREATE EXTENSION pg_stat_statements").await;
        let migrated =
            Command::new(MUTIRAO).args(["migrate", "-q"]).env("DATABASE_URL", bench.url()).status();
        assert!(migrated.expect("mutirao starts").success());
        bench
    }

    /// From `COMMIT` to the arrival of the post.
    async fn wake(&self) {
        let server = Server::here("");
        let worker = Worker::start(&self.url(), &server.url, &server.token, &["--rate", "unlimited"]);
        let mut conn = self.connect().await;
        let mut waits = Vec::new();
        for n in 1..=500 {
            self.until_opened(n - 1).await;
            // Whatever the worker does after a row, it is done with it.
            sleep(Duration::from_millis(50)).await;
            let mut tx = conn.begin().await.expect("it begins");
            sqlx::query(AssertSqlSafe(insert(n, n))).execute(&mut *tx).await.expect("it is inserted");
            let committed = Instant::now();
            tx.commit().await.expect("it is committed");
            self.until_opened(n).await;
            let arrived = server.arrivals().pop().expect("the post came");
            waits.push(arrived.saturating_duration_since(committed).as_secs_f64() * 1e3);
        }
        waits.sort_by(f64::total_cmp);
        println!(
            "from COMMIT to the post: median {:.1} ms (bar: 10), p99 {:.1} ms (bar: 50), of {} inserts, the \
             commit itself included",
            waits[waits.len() / 2],
            waits[waits.len() * 99 / 100],
            waits.len()
        );
        worker.end();
    }

    /// What a ticket costs the database.
    async fn drain(&self) {
        let server = Server::here("");
        self.fill(1, N_ROWS).await;
        self.execute("CHECKPOINT").await;
        let before = self.costs().await;
        let rate = self.drained(&server).await;
        let after = self.costs().await;
        let per_ticket = |n: f64| n / N_ROWS as f64;
        println!("{rate:.0} tickets/s");
        println!(
            "a ticket: {:.3} statements (bar: 0.2), {:.3} commits (bar: 0.1), {:.0} bytes of WAL",
            per_ticket(after.n_statements - before.n_statements),
            per_ticket(after.n_commits - before.n_commits),
            per_ticket(after.wal_bytes - before.wal_bytes),
        );
    }

    /// With two million finished rows, and with a transaction left open.
    async fn history(&self) {
        let server = Server::here("");
        let mut next = 1;
        let mut round = async || {
            self.fill(next, next + N_ROWS - 1).await;
            next += N_ROWS;
            let rate = self.drained(&server).await;
            self.execute("VACUUM ANALYZE mutirao.outbox").await;
            rate
        };
        round().await;
        let mut empty = Vec::new();
        for _ in 0..3 {
            self.execute("TRUNCATE mutirao.outbox CASCADE").await;
            empty.push(round().await);
        }
        let mut conn = self.connect().await;
        let mut open = Vec::new();
        for _ in 0..3 {
            self.execute("TRUNCATE mutirao.outbox CASCADE").await;
            let mut tx = conn.begin().await.expect("it begins");
            let _: i64 =
                sqlx::query_scalar("SELECT txid_current()").fetch_one(&mut *tx).await.expect("a number");
            open.push(round().await);
            tx.rollback().await.expect("it ends");
        }
        self.execute("TRUNCATE mutirao.outbox CASCADE").await;
        self.execute(
            "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, state, protocolo,
                                         id_atendimento, attempts, sent_at, finished_at)
             SELECT n::text, 'Sem sinal', 'Maria', '37999998888', 'opened', n::text, n, 1, now(), now()
               FROM generate_series(1000000001, 1002000000) n",
        )
        .await;
        self.execute("VACUUM ANALYZE mutirao.outbox").await;
        let mut full = Vec::new();
        for _ in 0..3 {
            full.push(round().await);
        }
        let (empty, open, full) = (median(empty), median(open), median(full));
        println!("empty table: {empty:.0} tickets/s");
        println!("a transaction left open: {open:.0} tickets/s, {:.0} % (bar: 80)", open / empty * 100.0);
        println!("2,000,000 finished rows: {full:.0} tickets/s, {:.0} % (bar: 80)", full / empty * 100.0);
    }

    /// Four workers at 40/s together, one killed half-way.
    async fn sharing(&self) {
        let server = Server::here("");
        self.fill(1, 40 * 62).await;
        let args = ["--rate", "40/s"];
        let mut workers: Vec<_> =
            (0..4).map(|_| Worker::start(&self.url(), &server.url, &server.token, &args)).collect();
        self.until_opened(1).await;
        let began = Instant::now();
        sleep(Duration::from_secs(30)).await;
        let killed = Instant::now();
        workers.pop().expect("four").kill();
        sleep((began + Duration::from_secs(60)).saturating_duration_since(Instant::now())).await;
        let ended = Instant::now();
        for worker in workers {
            worker.end();
        }
        let all = server.arrivals();
        let arrivals: Vec<_> = all.iter().copied().filter(|at| began <= *at && *at < ended).collect();
        let spacing = Spacing::of(&arrivals);
        let second = Duration::from_secs(1);
        let outside = arrivals.iter().filter(|at| **at < killed || killed + second <= **at).count();
        let seconds = (ended - began - second).as_secs_f64();
        println!(
            "at most {} requests in a second (bar: 42), {:.1} % of the ceiling outside the second of the kill \
             (bar: 97 %)",
            spacing.peak_in_1s,
            outside as f64 / seconds / 40.0 * 100.0
        );
        println!("tickets: {}, opened twice: {}", server.sandbox().audit().tickets, twice(&server));
    }

    /// One worker whose database is far.
    async fn far(&self) {
        let server = Server::here("");
        for (round_trip, rate, bar) in [(200, 20, 90), (1000, 5, 50)] {
            let n_gone = server.arrivals().len();
            self.execute("TRUNCATE mutirao.outbox CASCADE").await;
            self.fill(1, rate * 300).await;
            let way = far::Server::Unix(self.cluster.socket());
            let way = far::Proxy::far_from(way, Duration::from_millis(round_trip));
            let database = format!("postgres://postgres@{}/postgres?sslmode=disable", way.address);
            let args = ["--rate", &format!("{rate}/s")];
            let worker = Worker::start(&database, &server.url, &server.token, &args);
            let started = Instant::now();
            while server.arrivals().len() == n_gone {
                sleep(Duration::from_millis(10)).await;
            }
            let began = Instant::now();
            sleep(Duration::from_secs(10)).await;
            let (n_first, before, from) =
                (server.arrivals().len() - n_gone, self.costs().await, Instant::now());
            let n_before = server.arrivals().len();
            sleep(Duration::from_secs(60)).await;
            let (all, seconds) = (server.arrivals(), from.elapsed().as_secs_f64());
            let after = self.costs().await;
            let n_steady = (all.len() - n_before) as f64;
            println!(
                "{round_trip} ms there and back: {:.2} of {rate}/s, {:.0} % (bar: {bar}), at most {} requests in \
                 a second; {n_first} in the first 10 s, from {:.1} s after its start",
                n_steady / seconds,
                n_steady / seconds / rate as f64 * 100.0,
                Spacing::of(&all[n_before..]).peak_in_1s,
                (began - started).as_secs_f64(),
            );
            println!(
                "a ticket: {:.3} statements, {:.3} commits",
                (after.n_statements - before.n_statements) / n_steady,
                (after.n_commits - before.n_commits) / n_steady,
            );
            worker.kill();
        }
    }

    /// A worker with nothing to do.
    async fn idle(&self) {
        let server = Server::here("");
        let worker = Worker::start(&self.url(), &server.url, &server.token, &[]);
        sleep(Duration::from_secs(5)).await;
        let (before, cpu) = (self.costs().await, worker.cpu_s());
        sleep(Duration::from_secs(60)).await;
        let (after, used) = (self.costs().await, worker.cpu_s() - cpu);
        println!(
            "{:.2} % of a core (bar: 0.5), {:.1} MiB (bar: 32), {:.2} statements a second (bar: 1)",
            used / 60.0 * 100.0,
            worker.rss_mib(),
            // Those of the bench itself are one.
            (after.n_statements - before.n_statements - 1.0) / 60.0
        );
        worker.end();
    }

    /// The database dies three times, HubSoft refuses, is overloaded and hangs for 30 s each.
    async fn outages(&self) {
        const N: i64 = 10_000;
        let server = Server::here("");
        let proxy = Proxy::before(&server.url).await;
        self.fill(1, N).await;
        let args = ["--rate", "50/s", "--timeout", "10s", "--settle-delay", "5s"];
        let worker = Worker::start(&self.url(), &proxy.url, &server.token, &args);
        let outages = [Weather::Refuses, Weather::Overloaded, Weather::Hangs];
        for outage in outages {
            sleep(Duration::from_secs(10)).await;
            self.cluster.restart();
            sleep(Duration::from_secs(10)).await;
            proxy.weather.send_replace(outage);
            sleep(Duration::from_secs(30)).await;
            proxy.weather.send_replace(Weather::Fair);
        }
        self.until_opened(N).await;
        let audit = server.sandbox().audit();
        let spent: i64 = self
            .number("SELECT coalesce(sum(attempts - 1), 0)::bigint FROM mutirao.outbox WHERE 1 < attempts")
            .await;
        println!(
            "opened: {}, opened twice: {}, attempts spent on outages: {spent}",
            audit.tickets,
            twice(&server)
        );
        println!("the worker is not restarted: {}", worker.end_code() == Some(0));
    }

    /// What one producer may put in front of everybody else's rows.
    async fn flood(&self) {
        const INVALID: &str = "SELECT n::text, 'Sem sinal', 'Maria', 'none', NULL::jsonb, 'x' FROM generate_series(1, 300000) n";
        const LONG: &str =
            "SELECT n::text, 'Sem sinal', 'Maria', '37999110001', jsonb_build_object('a', long), 'x'
            FROM generate_series(1, 40) n,
                 (SELECT string_agg(md5(m::text), '') AS long FROM generate_series(1, 1900000) m) it";
        const HALTED: &str = "SELECT n::text, 'Sem sinal', 'Maria', '37999110001', NULL::jsonb, 'x' FROM generate_series(1, 1000000) n";
        const BLOCKED: &str = "SELECT '7', 'Sem sinal', 'Maria', '37999110001', NULL::jsonb, 'x' FROM generate_series(1, 1000000) n";
        for (what, rows, then) in [
            ("300,000 invalid rows", INVALID, "SELECT 1"),
            ("40 rows of 60 MB", LONG, "SELECT 1"),
            (
                "1,000,000 rows of a halted lote",
                HALTED,
                "INSERT INTO mutirao.batch (name, halted_at) VALUES ('x', now())",
            ),
            (
                "1,000,000 rows behind one in doubt",
                BLOCKED,
                "UPDATE mutirao.outbox SET state = 'unconfirmed', doubt_since = now()
                  WHERE id = (SELECT min(id) FROM mutirao.outbox)",
            ),
        ] {
            let server = Server::here("");
            self.execute(
                "TRUNCATE mutirao.outbox CASCADE; DELETE FROM mutirao.meta; DELETE FROM mutirao.batch",
            )
            .await;
            let sql = format!(
                "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, parametros, lote) {rows}"
            );
            let mut conn = self.connect().await;
            sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.expect("it is filled");
            self.execute(then).await;
            let worker = Worker::start(&self.url(), &server.url, &server.token, &["--rate", "20/s"]);
            let mut waits = Vec::new();
            for n in 1..=5 {
                let began = Instant::now();
                let good = insert(2_000_000 + n, 2_000_000 + n);
                sqlx::query(AssertSqlSafe(good)).execute(&mut conn).await.expect("it is inserted");
                self.until_opened(n).await;
                waits.push(began.elapsed().as_secs_f64());
            }
            println!(
                "{what}: a good row behind them is opened within {waits:.1?} s, one after another (bar: 10)"
            );
            worker.end();
        }
    }

    fn url(&self) -> String {
        self.cluster.url()
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("the database answers")
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut self.connect().await)
            .await
            .unwrap_or_else(|it| panic!("{sql}: {it}"));
    }

    /// Asks until it is answered: the database may be coming back.
    async fn number(&self, sql: &'static str) -> i64 {
        loop {
            if let Ok(mut conn) = PgConnection::connect(&self.url()).await
                && let Ok(number) = sqlx::query_scalar(sql).fetch_one(&mut conn).await
            {
                return number;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn until_opened(&self, n: i64) {
        const SQL: &str = "SELECT count(*) FROM mutirao.outbox WHERE state = 'opened'";
        while self.number(SQL).await < n {
            sleep(Duration::from_millis(if n < 1000 { 2 } else { 200 })).await;
        }
    }

    async fn fill(&self, first: i64, last: i64) {
        let sql = insert(first, last);
        sqlx::query(AssertSqlSafe(sql)).execute(&mut self.connect().await).await.expect("it is filled");
        self.execute("VACUUM ANALYZE mutirao.outbox").await;
    }

    /// Opens what is pending; tickets per second, by the arrivals.
    async fn drained(&self, server: &Server) -> f64 {
        let n_before = server.arrivals().len();
        let args = ["--until-empty", "--rate", "unlimited", "--concurrency", "64"];
        let worker = Worker::start(&self.url(), &server.url, &server.token, &args);
        assert_eq!(worker.wait(), Some(0));
        let arrivals = &server.arrivals()[n_before..];
        let span = *arrivals.last().expect("posts") - arrivals[0];
        arrivals.len() as f64 / span.as_secs_f64()
    }

    async fn costs(&self) -> Costs {
        let sql = "SELECT (SELECT sum(calls)::float8 FROM pg_stat_statements
                            WHERE query NOT IN ('BEGIN', 'COMMIT', 'ROLLBACK')),
                          (SELECT sum(xact_commit)::float8 FROM pg_stat_database),
                          pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8";
        // What a connection did is counted when it ends, or a second later.
        sleep(Duration::from_secs(2)).await;
        let (n_statements, n_commits, wal_bytes) =
            sqlx::query_as(sql).fetch_one(&mut self.connect().await).await.expect("counts");
        Costs { n_statements, n_commits, wal_bytes }
    }
}

struct Costs {
    n_statements: f64,
    n_commits: f64,
    wal_bytes: f64,
}

fn twice(server: &Server) -> usize {
    server.sandbox().audit().duplicates.len()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// `mutirao worker` in a process of its own.
struct Worker(Child);

impl Worker {
    fn start(database: &str, url: &str, token: &str, args: &[&str]) -> Self {
        let mut command = Command::new(MUTIRAO);
        command.args(["worker", "-q"]).args(args).env("DATABASE_URL", database);
        command.env("HUBSOFT_URL", url).env("HUBSOFT_TOKEN", token).stdin(Stdio::null());
        Self(command.spawn().expect("the worker starts"))
    }

    fn cpu_s(&self) -> f64 {
        support::cpu_s_of(&self.0.id().to_string(), 13)
    }

    fn rss_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it lives");
        let kib =
            status.lines().find_map(|it| it.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    }

    fn wait(mut self) -> Option<i32> {
        self.0.wait().expect("it ends").code()
    }

    fn end(self) {
        assert_eq!(self.end_code(), Some(0), "a clean stop");
    }

    fn end_code(mut self) -> Option<i32> {
        ended(&mut self.0)
    }

    fn kill(mut self) {
        self.0.kill().expect("it lives");
        self.0.wait().expect("it ends");
    }
}

/// What HubSoft does to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    Refuses,
    Overloaded,
    Hangs,
}

/// Stands before a server and makes the weather. It cuts the connections there are when it changes.
struct Proxy {
    url: String,
    weather: watch::Sender<Weather>,
}

impl Proxy {
    async fn before(url: &str) -> Self {
        let target = url.strip_prefix("http://").expect("a sandbox").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (weather, mut seen) = watch::channel(Weather::Fair);
        tokio::spawn(async move {
            let mut listener = Some(listener);
            loop {
                let now = *seen.borrow_and_update();
                match (now, &listener) {
                    (Weather::Refuses, _) => listener = None,
                    (_, None) => listener = TcpListener::bind(address).await.ok(),
                    _ => {}
                }
                let accepted = async {
                    match &listener {
                        Some(listener) => listener.accept().await.ok(),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    changed = seen.changed() => if changed.is_err() { return },
                    Some((stream, _)) = accepted => {
                        tokio::spawn(serve(stream, target.clone(), now, seen.clone()));
                    }
                }
            }
        });
        Self { url: format!("http://{address}"), weather }
    }
}

async fn serve(
    mut stream: TcpStream,
    target: String,
    weather: Weather,
    mut changes: watch::Receiver<Weather>,
) {
    let talk = async {
        match weather {
            Weather::Fair => {
                let mut server = TcpStream::connect(target).await?;
                copy_bidirectional(&mut stream, &mut server).await.map(drop)
            }
            Weather::Refuses => Ok(()),
            Weather::Overloaded => {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await?;
                stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await
            }
            Weather::Hangs => std::future::pending().await,
        }
    };
    // Cut in the middle: that is the weather.
    tokio::select! {
        _ = talk => {}
        _ = changes.changed() => {}
    }
}
