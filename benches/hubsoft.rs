//! What the program makes of a HubSoft that is as the real one: `cargo bench --bench hubsoft -- [capacity]
//! [brownout] [quota] [losses] [exactness] [bulk] [slow] [full]`.
//!
//! HubSoft is a sandbox in the bench's process, which sees each request and else does nothing; the program
//! is the binary, in processes of its own. Prints figures beside their bars and asserts nothing: machines
//! differ. At these paces a machine is idle, so what belongs together runs beside each other; all of it takes
//! 23 minutes. `full` gives `capacity` ten minutes rather than three, and `bulk` 20,000 rows rather than
//! 4,000: 17 minutes, in which the list is read again once or twice.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use mutirao::sandbox::Audit;
use support::cluster::{Cluster, insert};
use support::{Account, MUTIRAO, Server, Spacing, account, import_command, off_schedule_s, oha, spreadsheet};

mod support;

/// What a request takes of a worker: log-normal, with this mean and this 95th percentile.
///
/// Source: 0.45 s times the exponentials of 0.6² / 2 and of 1.645 × 0.6.
const SERVICE: &str = "latency=450ms,sigma=0.6";
const SERVICE_MEAN_S: f64 = 0.539;
const SERVICE_P95_S: f64 = 1.207;

/// Between two looks at a run.
const LOOK_EVERY: Duration = Duration::from_millis(250);

fn main() {
    // `cargo bench` adds `--bench`.
    let mut asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let is_full = asked.iter().any(|it| it == "full");
    asked.retain(|it| it != "full");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the input");
    let bench = Bench { folder: folder.path().to_owned(), is_full };
    for (name, run) in [
        ("capacity", Bench::capacity as fn(&Bench)),
        ("brownout", Bench::brownout),
        ("quota", Bench::quota),
        ("losses", Bench::losses),
        ("exactness", Bench::exactness),
        ("bulk", Bench::bulk),
        ("slow", Bench::slow),
    ] {
        if asked.is_empty() || asked.iter().any(|it| it == name) {
            println!("== {name}");
            run(&bench);
        }
    }
}

struct Bench {
    folder: PathBuf,
    is_full: bool,
}

/// An import against a sandbox of its own.
struct Job {
    n_rows: u64,
    /// Tickets of other services that are open there.
    n_open: u64,
    with: String,
    args: Vec<String>,
}

impl Job {
    fn new(n_rows: u64, with: impl Into<String>, args: &[&str]) -> Self {
        let args = args.iter().map(|it| (*it).to_owned()).collect();
        Self { n_rows, n_open: 0, with: with.into(), args }
    }
}

/// What was seen of it.
struct Run {
    /// When its first request came, since the sandbox began.
    began_s: f64,
    arrivals: Vec<Instant>,
    looks: Vec<Look>,
    audit: Audit,
    summary: Value,
}

/// How it stood.
#[derive(Clone, Copy)]
struct Look {
    /// As `began_s`.
    at_s: f64,
    n_tickets: u64,
    n_requests: u64,
    n_answers: u64,
}

impl Look {
    fn n_under_way(&self) -> f64 {
        self.n_requests.saturating_sub(self.n_answers) as f64
    }
}

impl Run {
    fn between(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(move |look| (from_s..to_s).contains(&look.at_s))
    }

    /// Tickets a second.
    fn per_s(&self, from_s: f64, to_s: f64) -> f64 {
        let (first, last) = (self.between(from_s, to_s).next(), self.between(from_s, to_s).last());
        let (Some(first), Some(last)) = (first, last) else { return f64::NAN };
        (last.n_tickets - first.n_tickets) as f64 / (last.at_s - first.at_s)
    }

    /// As a mean.
    fn n_under_way(&self, from_s: f64, to_s: f64) -> f64 {
        let all: Vec<f64> = self.between(from_s, to_s).map(Look::n_under_way).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    /// When so many tickets were open.
    fn open_at_s(&self, n_tickets: u64) -> f64 {
        self.looks.iter().find(|look| n_tickets <= look.n_tickets).map_or(f64::NAN, |look| look.at_s)
    }

    /// How long it took until so many were.
    fn took_s(&self, n_tickets: u64) -> f64 {
        self.open_at_s(n_tickets) - self.began_s
    }

    fn n_refused(&self) -> u64 {
        self.audit.answers.get(&429).copied().unwrap_or_default()
    }

    fn count(&self, state: &str) -> u64 {
        self.summary["counts"][state].as_u64().unwrap_or_default()
    }

    /// What became of its rows.
    fn outcome(&self) -> String {
        let n_lost = self.count("total") - self.count("opened");
        format!("not opened: {n_lost} (bar: 0), opened twice: {} (bar: 0)", self.audit.duplicates.len())
    }
}

impl Bench {
    /// Servers that work on 3, 8 and 20 requests at once. A number that suits one fails another.
    fn capacity(&self) {
        let minutes = if self.is_full { 10.0 } else { 3.0 };
        let workers = [3.0, 8.0, 20.0];
        let jobs = workers.map(|n| {
            let n_rows = (n / SERVICE_MEAN_S * 60.0 * minutes) as u64;
            Job::new(n_rows, format!("{SERVICE},workers={n},seed={n}"), &["--rate", "unlimited"])
        });
        let runs = self.beside(&jobs);
        for ((workers, job), run) in workers.into_iter().zip(&jobs).zip(runs) {
            // While there was something left to send.
            let until = run.open_at_s(job.n_rows - 40);
            let (per_s, ideal) = (run.per_s(60.0, until), workers / SERVICE_MEAN_S);
            let p95_s = run.summary["api"]["latency_ms"]["p95"].as_f64().unwrap_or(f64::NAN) / 1e3;
            println!(
                "{workers} workers: after the first minute {per_s:.2} of {ideal:.2}/s, {:.0} % (bar: 90), with {:.1} \
                 under way; p95 of the whole run {p95_s:.2} s, {:.2} times the unloaded (bar: 2)",
                per_s / ideal * 100.0,
                run.n_under_way(60.0, until),
                p95_s / SERVICE_P95_S
            );
        }
    }

    /// Eight workers, six times slower for two minutes.
    fn brownout(&self) {
        let (from, to) = (90.0, 210.0);
        let with = format!("{SERVICE},workers=8,slow_from=90s,slow_for=120s,slow_by=6");
        let [run] = self.beside(&[Job::new(3_000, with, &["--rate", "unlimited"])]);
        let (per_s, under_way) = (run.per_s(60.0, from), run.n_under_way(60.0, from));
        // Seconds after `since`, of the first from which on it is so.
        let first = |since: f64, is_so: &dyn Fn(f64) -> bool| {
            let found = (0..120).map(f64::from).find(|s| is_so(since + s));
            found.map_or("never".to_owned(), |s| format!("{s} s"))
        };
        println!(
            "before: {per_s:.1}/s with {under_way:.1} under way; a quarter fewer after {} (bar: 20 s), {:.1} in its \
             second minute",
            first(from, &|s| run.n_under_way(s, s + 2.0) <= under_way * 0.75),
            run.n_under_way(from + 60.0, to),
        );
        println!(
            "after it: 90 % of the speed before from {} on, as a mean of 15 s (bar: 60 s)",
            first(to, &|s| per_s * 0.9 <= run.per_s(s, s + 15.0)),
        );
        println!("{}, failed: {}", run.outcome(), run.count("failed"));
    }

    /// 20/s and a burst of 200, of a run that is allowed 40/s.
    fn quota(&self) {
        let refusals = ["body", "header", "delay"];
        let jobs = refusals.map(|refusal| {
            let with = format!("{SERVICE},rate=20,burst=200,retry_after=1,refusal={refusal}");
            Job::new(4_000, with, &["--rate", "40/s"])
        });
        for (refusal, run) in refusals.into_iter().zip(self.beside(&jobs)) {
            let (took, ideal) = (run.took_s(4_000), (4_000.0 - 200.0) / 20.0);
            println!(
                "by {refusal}: refused {} (bar: 10), {took:.1} s, {:+.1} % of the ideal (bar: 5); {}",
                run.n_refused(),
                (took / ideal - 1.0) * 100.0,
                run.outcome()
            );
        }
    }

    /// One answer in two hundred is lost, and its row has to be looked up.
    fn losses(&self) {
        let jobs = ["", ",reset_after=0.005"]
            .map(|faults| Job::new(4_000, format!("latency=100ms{faults}"), &["--rate", "20/s"]));
        let [without, with] = self.beside(&jobs);
        let took_s = with.took_s(4_000);
        println!(
            "{} answers lost: all rows sent after {took_s:.1} s, {:+.1} % of what it takes without (bar: 3); {} look-ups; {}",
            with.audit.faults.get("reset_after").copied().unwrap_or_default(),
            (took_s / without.took_s(4_000) - 1.0) * 100.0,
            with.audit.requests_of("look_up"),
            with.outcome()
        );
    }

    /// When requests come, for a minute of each rate.
    fn exactness(&self) {
        let rates = [2.0, 10.0, 20.0, 200.0];
        let jobs = rates.map(|rate| Job::new((rate * 62.0) as u64, "", &["--rate", &format!("{rate}/s")]));
        for (rate, run) in rates.into_iter().zip(self.beside(&jobs)) {
            // Behind the first rows, which wait for each other.
            let arrivals = &run.arrivals[10..];
            let spacing = Spacing::of(arrivals);
            let [p50, p99] = off_schedule_s(arrivals, rate);
            println!(
                "{rate}/s: off its schedule by {:.1} ms, p99 {:.1} ms (bar: 10), mean {:+.2} % (bar: 0.5), most in \
                 a second {} (bar: {}), {} requests",
                p50 * 1e3,
                p99 * 1e3,
                (spacing.mean_per_s / rate - 1.0) * 100.0,
                spacing.peak_in_1s,
                rate + 1.0,
                arrivals.len()
            );
        }
    }

    /// `--skip-if-open`, where 3,000 tickets of others are open.
    fn bulk(&self) {
        let n_rows = if self.is_full { 20_000 } else { 4_000 };
        let with = "latency=100ms";
        let rate = ["--rate", "20/s"];
        let plain = Job { n_open: 3_000, ..Job::new(n_rows, with, &rate) };
        let skipping =
            Job { n_open: 3_000, ..Job::new(n_rows, with, &[&rate[..], &["--skip-if-open"]].concat()) };
        let [plain, skipping] = self.beside(&[plain, skipping]);
        let took_s = skipping.took_s(3_000 + n_rows);
        let n_of = |kind: &str| skipping.audit.requests_of(kind);
        println!(
            "{n_rows} rows: {} pages and {} look-ups beside posts (bar: 200), {took_s:.1} s, {:.3} of the time without \
             (bar: 1.03); {}",
            n_of("list"),
            n_of("look_up"),
            took_s / plain.took_s(3_000 + n_rows),
            skipping.outcome()
        );
    }

    /// What a ticket costs at 20/s, of a run of two minutes, its start and its results included.
    fn slow(&self) {
        const N: u64 = 2_400;
        let pace = ["--rate", "20/s"];
        let file = spreadsheet(&self.folder, 100_000..100_000 + N);
        let (server, traced_server) = (Server::here(""), Server::here(""));
        let start = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        };

        let cluster = Cluster::start();
        let migrated =
            Command::new(MUTIRAO).args(["migrate", "-q"]).env("DATABASE_URL", cluster.url()).status();
        assert!(migrated.expect("mutirao starts").success());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let database = async || PgConnection::connect(&cluster.url()).await.expect("the database answers");
        runtime.block_on(async {
            let filled = sqlx::query(AssertSqlSafe(insert(1, N as i64)));
            filled.execute(&mut database().await).await.expect("it is filled");
        });
        // Syncs, and bytes.
        let wal = || -> (f64, f64) {
            let sql = "SELECT wal_sync::float8, wal_bytes::float8 FROM pg_stat_wal";
            runtime.block_on(async {
                sqlx::query_as(sql).fetch_one(&mut database().await).await.expect("two numbers")
            })
        };

        let mut import = import_command(&server, &file, &self.folder.join("slow.mutirao"));
        let traced = import_command(&traced_server, &file, &self.folder.join("traced.mutirao"));
        let trace = self.folder.join("trace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", "trace=fsync,fdatasync", "-o"]).arg(&trace);
        strace.arg(traced.get_program()).args(traced.get_args()).args(pace);
        strace.envs(traced.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut worker = Command::new(MUTIRAO);
        worker.args(["worker", "-q", "--until-empty"]).args(pace).env("DATABASE_URL", cluster.url());
        worker.env("HUBSOFT_URL", &server.url).env("HUBSOFT_TOKEN", &server.token);
        let mut oha = oha(&server, &self.folder, N);

        let before = wal();
        let import = start(import.args(pace)).expect("mutirao starts");
        let worker = start(&mut worker).expect("mutirao starts");
        let oha = start(oha.args(["-q", "20", "-c", "1"]));
        let strace = start(&mut strace);
        let [import, worker] = [import, worker].map(account);
        let request_ms = match oha.map(account) {
            Ok(used) => used.cpu_s * 1e3 / N as f64,
            Err(_) => {
                println!("oha is not installed: `cargo install oha`, and run this again");
                f64::NAN
            }
        };
        println!("oha: {request_ms:.3} ms CPU a request");
        let cpu = |name: &str, used: &Account| {
            let ticket_ms = used.cpu_s * 1e3 / N as f64;
            println!(
                "{name}: {ticket_ms:.3} ms CPU a ticket, {:.2} of oha's (bar: 1.25)",
                ticket_ms / request_ms
            );
        };
        cpu("import", &import);
        println!(
            "import: {:.1} KiB written a ticket (bar: 10)",
            import.written_bytes as f64 / 1024.0 / N as f64
        );
        match strace.map(account) {
            Ok(_) => {
                let told = fs::read_to_string(trace).expect("strace wrote it");
                let n_syncs = told.lines().filter(|line| line.contains("sync(")).count();
                println!("import: {:.3} syncs a ticket (bar: 0.2), by strace", n_syncs as f64 / N as f64);
            }
            Err(_) => println!("strace is not installed: syncs are not counted"),
        }
        cpu("worker", &worker);
        // The server counts a little later.
        std::thread::sleep(Duration::from_secs(2));
        let after = wal();
        println!(
            "worker: {:.3} syncs of the WAL a ticket (bar: 0.2), {:.1} KiB of it, by the server",
            (after.0 - before.0) / N as f64,
            (after.1 - before.1) / 1024.0 / N as f64
        );
    }

    /// Runs them all at once.
    fn beside<const N: usize>(&self, jobs: &[Job; N]) -> [Run; N] {
        // They share files, which must be there.
        for job in jobs {
            self.files(job);
        }
        let mut runs: [Option<Run>; N] = std::array::from_fn(|_| None);
        std::thread::scope(|scope| {
            for (number, (job, run)) in jobs.iter().zip(&mut runs).enumerate() {
                scope.spawn(move || *run = Some(self.import(number, job)));
            }
        });
        runs.map(|run| run.expect("it ended"))
    }

    fn files(&self, job: &Job) -> [PathBuf; 2] {
        [100_000..100_000 + job.n_rows, 900_000..900_000 + job.n_open]
            .map(|services| spreadsheet(&self.folder, services))
    }

    fn import(&self, number: usize, job: &Job) -> Run {
        let [file, of_others] = self.files(job);
        let (server, start) = (Server::here(&job.with), Instant::now());
        let output = self.folder.join(format!("{number}.mutirao"));
        let others = self.folder.join(format!("others-{number}.mutirao"));
        if job.n_open != 0 {
            let filled = import_command(&server, &of_others, &others)
                .args(["--rate", "unlimited", "--concurrency", "256"])
                .status();
            assert!(filled.expect("mutirao starts").success());
        }
        let n_before = server.arrivals().len();
        let mut import = import_command(&server, &file, &output);
        import.args(&job.args).arg("--json").stdout(Stdio::piped());
        let mut child = import.spawn().expect("mutirao starts");
        let mut looks = Vec::new();
        loop {
            // The last look is one after its end.
            let has_ended = child.try_wait().expect("it can be waited for").is_some();
            let audit = server.sandbox().sandbox().audit();
            let (n_requests, n_answers) = (audit.requests.values().sum(), audit.answers.values().sum());
            let look =
                Look { at_s: start.elapsed().as_secs_f64(), n_tickets: audit.tickets, n_requests, n_answers };
            if n_before < look.n_requests as usize {
                looks.push(look);
            }
            if has_ended {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let printed = child.wait_with_output().expect("it ended").stdout;
        let summary = serde_json::from_slice(&printed).expect("one line of JSON");
        let mut arrivals = server.arrivals();
        arrivals.drain(..n_before);
        for folder in [output, others] {
            let _ = fs::remove_dir_all(folder.with_extension("state"));
            let _ = fs::remove_dir_all(folder);
        }
        let began_s = arrivals[0].saturating_duration_since(start).as_secs_f64();
        Run { began_s, arrivals, looks, audit: server.sandbox().audit(), summary }
    }
}
