//! An import, or a fleet of workers, and the world around it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::time::sleep;

use super::cluster::Cluster;
use super::ledger::{Asked, Ledger, Told, results, tickets};
use super::machine::Machine;
use super::process::{Process, mortal};
use super::trouble::{Link, Trouble};
use super::{Figures, Scale};
use crate::support::proxy::{Proxy, Server, Weather};
use crate::support::site::Site;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(600);
/// Longer than it takes until a post, if there is any to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at what another process does.
const LOOK: Duration = Duration::from_millis(20);
/// Longer than a lease, and than the others wait besides.
const PAST_THE_LEASE: Duration = Duration::from_secs(75);
/// A clock is set by so many seconds at most.
const STEP_MAX: i64 = 3 * 3_600;

/// The outbox of an import.
const EMBEDDED: &str = "queda.mutirao/outbox.db";

const WORD: &str = "caso";
const SERVICES_MAX: i64 = 500_000;
const N_WORKERS: usize = 3;

const FAULTS: &str = "latency=20ms,jitter=40ms,look_up_delay=200ms,late_commit_after=1s,retry_after=1,rate=100/s,\
    workers=6,queue=20,refuse=0.01,reset_before=0.01,reset_after=0.02,hang=0.01,late_commit=0.01,error_before=0.01,\
    error_after=0.01,html=0.005,cut_body=0.01,exception=0.01,forbid=0.003,look_up_failure=0.03,\
    login_failure=0.1";

/// What the settings of a run are here: waits are short, so that a row can be in doubt several times.
const PACE: [&str; 6] = ["--timeout", "2s", "--connect-timeout", "1s", "--settle-delay", "4s"];

/// Line, state, protocolo, id_atendimento.
type Columns = (i64, String, Option<String>, Option<i64>);

pub struct Crew {
    processes: Vec<Process>,
    /// Since when the first worker is frozen.
    frozen: Option<Instant>,
    site: Site,
    machine: Machine,
    to_hubsoft: Proxy,
    /// Its outbox, if it is shared, and each worker's way there.
    shared: Option<(Cluster, Vec<(Proxy, String)>)>,
    scale: Scale,
    asked: Asked,
    n_kills: usize,
    troubles: BTreeMap<String, usize>,
}

impl Crew {
    pub async fn new(scale: Scale, cluster: Option<Cluster>, seed: u32) -> Self {
        let token_revoked = scale.token_revoked;
        let options = format!("services_max={SERVICES_MAX},token_revoked={token_revoked},{FAULTS}");
        let site = Site::new(&format!("seed={seed},{options}"));
        site.keep_book();
        let asked = sheet(&site, scale.n_rows);
        let to_hubsoft = Proxy::before(Server::Tcp(site.host().parse().unwrap()));
        let shared = match cluster {
            Some(cluster) => {
                use mutirao::outbox::postgres::{WakeUp, migrate};
                migrate(&cluster.url(), WakeUp::Notify).await.expect("the schema is made");
                let links = (0..N_WORKERS).map(|_| cluster.behind_a_proxy()).collect();
                Some((cluster, links))
            }
            None => None,
        };
        let mut crew = Self {
            processes: Vec::new(),
            frozen: None,
            site,
            machine: Machine::new(),
            to_hubsoft,
            shared,
            scale,
            asked,
            n_kills: 0,
            troubles: BTreeMap::new(),
        };
        if crew.shared.is_some() {
            crew.at_the_outbox(&["enqueue", "queda.csv", "--batch", "queda", "--yes"]);
        }
        crew.revive();
        crew
    }

    fn n_processes(&self) -> usize {
        if self.shared.is_some() { N_WORKERS } else { 1 }
    }

    fn log(&self) -> PathBuf {
        self.site.path("log")
    }

    fn start(&self, n: usize) -> Process {
        let rate = format!("{}/s", self.scale.rate);
        let args = match &self.shared {
            Some(_) => &["worker", "--poll", "200ms", "--grace", "4s", "--rate", &rate][..],
            // Where the clock was set back, it asks whether it is the same outage.
            None if self.site.path(EMBEDDED).exists() => {
                &["import", "queda.csv", "--yes", "--continue", "--rate", &rate]
            }
            None => &["import", "queda.csv", "--yes", "--rate", &rate],
        };
        let plain = self.site.command(&[args, &PACE].concat());
        let mut command = mortal("KILL", Path::new(plain.get_program()));
        command.args(plain.get_args()).env_clear().current_dir(self.site.path(""));
        let login = self.site.login();
        command.env("HOME", self.site.path("")).env("PATH", "/usr/bin:/bin");
        command.env("HUBSOFT_URL", format!("http://{}", self.to_hubsoft.address));
        command.env("HUBSOFT_CLIENT_ID", login.client_id).env("HUBSOFT_CLIENT_SECRET", login.client_secret);
        command.env("HUBSOFT_USERNAME", login.username).env("HUBSOFT_PASSWORD", login.password);
        if let Some((_, links)) = &self.shared {
            command.env("DATABASE_URL", &links[n].1);
        }
        self.machine.takes(&mut command);
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Process::start(command)
    }

    /// Starts again who has ended, for whatever reason.
    fn revive(&mut self) {
        for n in 0..self.n_processes() {
            match self.processes.get_mut(n).map(Process::ended) {
                Some(None) => {}
                Some(Some(_)) => self.processes[n] = self.start(n),
                None => self.processes.push(self.start(n)),
            }
        }
    }

    fn n_posts(&self) -> u64 {
        self.site.audit().requests_of("post")
    }

    /// Waits until so many more posts have come. None may: all rows can be done, in doubt, or held back.
    pub async fn until_it_posts(&mut self, n_more: u64) {
        let (began, at) = (Instant::now(), self.n_posts());
        while self.n_posts() < at + n_more && began.elapsed() < PATIENCE {
            self.revive();
            sleep(LOOK).await;
        }
        self.thaw();
    }

    fn kill(&mut self, n: usize) {
        if self.processes[n].ended().is_none() {
            self.processes[n].send(Signal::KILL);
            self.processes[n].until_it_ended(LONG);
            self.n_kills += 1;
        }
    }

    pub async fn strike(&mut self, trouble: Trouble, rng: &mut Rng) {
        *self.troubles.entry(format!("{trouble:?}")).or_default() += 1;
        // A frozen one stays so.
        let n = rng.usize(usize::from(self.frozen.is_some())..self.n_processes());
        let a_while = Duration::from_millis(rng.u64(100..2_500));
        match trouble {
            Trouble::Kill => self.kill(n),
            Trouble::Stop => {
                self.processes[n].send(Signal::TERM);
                self.processes[n].until_it_ended(LONG);
            }
            Trouble::FreezePastTheLease => {
                self.processes[0].send(Signal::STOP);
                self.frozen = Some(Instant::now());
            }
            Trouble::Freeze => {
                self.processes[n].send(Signal::STOP);
                sleep(a_while).await;
                self.processes[n].send(Signal::CONT);
            }
            Trouble::Stall(link) | Trouble::Cut(link) => {
                let weather = if trouble == Trouble::Cut(link) { Weather::Cuts } else { Weather::Hangs };
                self.way(link, n).set(weather);
                sleep(a_while).await;
                if rng.bool() {
                    self.kill(n);
                }
                self.way(link, n).set(Weather::Fair);
            }
            Trouble::DatabaseFalls => {
                if let Some((cluster, _)) = &mut self.shared {
                    cluster.falls_and_comes_back().await;
                }
            }
            Trouble::DatabaseFailsOver => self.fail_over(a_while).await,
            Trouble::ClockIsSet => self.machine.set_clock(rng.i64(-STEP_MAX..=STEP_MAX)),
            Trouble::DiskIsFull => {
                self.machine.set_disk(true);
                sleep(a_while).await;
                if rng.bool() {
                    self.kill(n);
                    self.revive();
                    sleep(a_while).await;
                }
                self.machine.set_disk(false);
            }
        }
        self.revive();
    }

    /// Nobody comes, dies or leaves until all have told the standby what they did.
    async fn fail_over(&mut self, unheard: Duration) {
        let began = Instant::now();
        while self.frozen.is_some() && began.elapsed() < LONG {
            self.thaw();
            sleep(10 * LOOK).await;
        }
        let Some((cluster, _)) = &mut self.shared else { return };
        cluster.fails_over(unheard).await;
        let silent = "mutirao.worker WHERE server_started IS DISTINCT FROM pg_postmaster_start_time()
            AND clock_timestamp() < lease_until";
        while 0 < self.count(silent).await && began.elapsed() < LONG {
            sleep(10 * LOOK).await;
        }
    }

    fn way(&self, link: Link, n: usize) -> &Proxy {
        match (link, &self.shared) {
            (Link::Database, Some((_, links))) => &links[n].0,
            _ => &self.to_hubsoft,
        }
    }

    /// It wakes up past its lease, and finds its rows taken over.
    fn thaw(&mut self) {
        if self.frozen.is_some_and(|since| PAST_THE_LEASE <= since.elapsed()) {
            self.frozen = None;
            self.processes[0].send(Signal::CONT);
        }
    }

    /// No more trouble but HubSoft's own: all rows come to an end, of whatever kind.
    pub async fn calm(&mut self) {
        let began = Instant::now();
        if self.shared.is_none() {
            let mut n_in_doubt = 0;
            while began.elapsed() < LONG {
                match self.processes[0].until_it_ended(LONG) {
                    Some(0 | 3) => return,
                    Some(7) if 2 < n_in_doubt => return,
                    Some(7) => n_in_doubt += 1,
                    _ => {}
                }
                self.revive();
            }
            return;
        }
        if !self.scale.waits_for_leases {
            // As if all leases had run out, and so that nobody need wait for renewals.
            (0..self.n_processes()).for_each(|n| self.kill(n));
            self.sql("UPDATE mutirao.worker SET lease_until = clock_timestamp()").await;
            self.revive();
        }
        while began.elapsed() < LONG && 0 < self.n_live().await + i64::from(self.frozen.is_some()) {
            if !self.scale.waits_for_leases {
                self.sql("UPDATE mutirao.worker SET n_renewals = 100 WHERE n_renewals < 100").await;
            }
            // A person would.
            if 0 < self.count("mutirao.batch WHERE halted_at IS NOT NULL").await {
                self.at_the_outbox(&["resume", "queda"]);
            }
            self.revive();
            self.thaw();
            sleep(10 * LOOK).await;
        }
        for process in &mut self.processes {
            process.send(Signal::TERM);
            process.until_it_ended(LONG);
        }
    }

    /// Rows that go on by themselves.
    async fn n_live(&self) -> i64 {
        self.count("mutirao.outbox WHERE state IN ('pending', 'in_flight', 'in_doubt')").await
    }

    async fn connect(&self) -> PgConnection {
        self.shared.as_ref().expect("it is shared").0.connect().await
    }

    async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.connect().await).await.unwrap();
    }

    async fn count(&self, what: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// A command of a person.
    fn at_the_outbox(&self, args: &[&str]) {
        let (cluster, _) = self.shared.as_ref().expect("it is shared");
        let mut command = self.site.command(args);
        command.env("HUBSOFT_URL", format!("http://{}", self.to_hubsoft.address));
        let ended = command.env("DATABASE_URL", cluster.url()).output().unwrap();
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }

    /// The ledger, drawn up.
    pub async fn reckon(self) -> Figures {
        let began = Instant::now();
        while 0 < self.site.audit().late_commits_pending && began.elapsed() < LONG {
            sleep(LOOK).await;
        }
        let columns = "line, state, protocolo, id_atendimento FROM";
        let (outbox, table): (Vec<Columns>, _) = match &self.shared {
            Some(_) => {
                self.at_the_outbox(&["export", "queda", "-o", "out"]);
                let sql = sqlx::AssertSqlSafe(format!("SELECT {columns} mutirao.outbox"));
                (sqlx::query_as(sql).fetch_all(&mut self.connect().await).await.unwrap(), "out/results.csv")
            }
            None => {
                let path = self.site.path(EMBEDDED);
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
                let sql = sqlx::AssertSqlSafe(format!("SELECT {columns} outbox"));
                (sqlx::query_as(sql).fetch_all(&mut conn).await.unwrap(), "queda.mutirao/results.csv")
            }
        };
        let stored = |(line, state, protocolo, id): Columns| Told {
            line: line.cast_unsigned(),
            state,
            protocolo: protocolo.unwrap_or_default(),
            id_atendimento: id.map(|id| id.to_string()).unwrap_or_default(),
            reason: String::new(),
        };
        let ledger = Ledger {
            asked: self.asked.clone(),
            tickets: tickets(&self.site.read("sandbox.jsonl"), WORD),
            outbox: outbox.into_iter().map(stored).collect(),
            results: results(&self.site.read(table)),
        };
        let (mut broken, audit) = (ledger.broken(), self.site.audit());
        broken.extend(ledger.lack());
        if !audit.duplicates.is_empty() || audit.tickets != ledger.tickets.len() as u64 {
            broken.push(format!("the audit has another tale than the book: {audit:?}"));
        }
        if !broken.is_empty() {
            let log = self.site.read("log");
            let last: Vec<&str> = log.lines().rev().take(60).collect();
            broken.push(format!("the last that was said: {last:#?}"));
        }
        Figures {
            n_rows: ledger.results.len(),
            n_tickets: ledger.tickets.len(),
            n_kills: self.n_kills,
            troubles: self.troubles.clone(),
            faults: audit.faults,
            states: ledger.states(),
            broken,
        }
    }
}

/// Two rows a service, and one in 23 for a service that HubSoft does not have.
fn sheet(site: &Site, n_rows: u64) -> Asked {
    let mut text = "id_cliente_servico;descricao;nome;telefone\n".to_owned();
    let mut services = BTreeMap::new();
    for line in 2..n_rows + 2 {
        let known = 11_000 + line.cast_signed() / 2;
        let service = if line % 23 == 0 { SERVICES_MAX + known } else { known };
        writeln!(text, "{service};Sem sinal, {WORD} {line};Cliente {line};(37) 99911-{:04}", line % 10_000)
            .unwrap();
        services.insert(line, service);
    }
    site.write("queda.csv", text);
    Asked { services, services_max: SERVICES_MAX }
}
