//! `peers graphile_worker|apalis enqueue|drain`: see ../README.md.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::{BoxDynError, Data, ParallelizeExt, TaskSink, WorkerBuilder, WorkerBuilderExt};
use apalis_postgres::{Config, PostgresStorage};
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext,
    WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::{Notify, OnceCell, mpsc, oneshot};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Body {
    id_cliente_servico: i64,
    id_tipo_atendimento: i64,
    descricao: String,
    nome: String,
    telefone: String,
    email: String,
    abrir_os: bool,
}

#[derive(Deserialize)]
struct Answer {
    atendimento: Ticket,
}

#[derive(Deserialize)]
struct Ticket {
    protocolo: String,
}

type Waiting = (i64, String, oneshot::Sender<()>);

/// What a job needs.
#[derive(Clone, Debug)]
struct Shop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    url: String,
    authorization: String,
    pool: PgPool,
    /// To whoever inserts many results at once.
    together: Option<mpsc::UnboundedSender<Waiting>>,
    n_jobs: usize,
    n_opened: AtomicUsize,
    start: OnceCell<Instant>,
    done: Notify,
}

impl Shop {
    fn new(pool: PgPool) -> Self {
        let together = (env("RESULTS") == "together").then(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(insert_together(pool.clone(), receiver));
            sender
        });
        Self(Arc::new(Inner {
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            url: format!("{}/api/v1/integracao/atendimento", env("HUBSOFT_URL")),
            authorization: format!("Bearer {}", env("HUBSOFT_TOKEN")),
            pool,
            together,
            n_jobs: number("JOBS"),
            n_opened: AtomicUsize::new(0),
            start: OnceCell::new(),
            done: Notify::new(),
        }))
    }

    async fn open(&self, body: &Body) -> Result<String, BoxDynError> {
        self.0.start.get_or_init(async || Instant::now()).await;
        let request = self.0.http.post(&self.0.url).header("authorization", &self.0.authorization).json(body);
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice::<Answer>(&answer)?.atendimento.protocolo)
    }

    async fn store(&self, job: i64, protocolo: String) -> Result<(), BoxDynError> {
        if let Some(together) = &self.0.together {
            let (sender, receiver) = oneshot::channel();
            together.send((job, protocolo, sender))?;
            receiver.await?;
        } else {
            let insert = sqlx::query("INSERT INTO result VALUES ($1, $2)").bind(job).bind(protocolo);
            insert.execute(&self.0.pool).await?;
        }
        self.count();
        Ok(())
    }

    fn count(&self) {
        if self.0.n_opened.fetch_add(1, Ordering::Relaxed) + 1 == self.0.n_jobs {
            self.0.done.notify_one();
        }
    }
}

/// One INSERT for all that came while the last ran.
async fn insert_together(pool: PgPool, mut receiver: mpsc::UnboundedReceiver<Waiting>) {
    let mut waiting = Vec::new();
    while receiver.recv_many(&mut waiting, 1000).await > 0 {
        let (mut jobs, mut protocolos, mut senders) = (Vec::new(), Vec::new(), Vec::new());
        for (job, protocolo, sender) in waiting.drain(..) {
            jobs.push(job);
            protocolos.push(protocolo);
            senders.push(sender);
        }
        sqlx::query("INSERT INTO result SELECT * FROM unnest($1::bigint[], $2::text[])")
            .bind(jobs)
            .bind(protocolos)
            .execute(&pool)
            .await
            .expect("the results are stored");
        senders.into_iter().for_each(|it| _ = it.send(()));
    }
}

/// A job of graphile_worker.
#[derive(Deserialize, Serialize)]
struct Open(Body);

impl TaskHandler for Open {
    const IDENTIFIER: &'static str = "open";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let shop = context.get_ext::<Shop>().expect("the shop is at hand").clone();
        let protocolo = shop.open(&self.0).await.map_err(|it| it.to_string())?;
        shop.store(self.0.id_cliente_servico, protocolo).await.map_err(|it| it.to_string())
    }
}

async fn graphile_enqueue(pool: PgPool, bodies: Vec<Body>) {
    let utils = WorkerUtils::new(pool, "graphile_worker");
    utils.migrate().await.expect("a schema");
    let payload = |body: &Body| serde_json::to_value(body).expect("JSON");
    let jobs: Vec<_> = bodies
        .iter()
        .map(|it| RawJobSpec { identifier: "open".into(), payload: payload(it), spec: JobSpec::default() })
        .collect();
    utils.add_raw_jobs(&jobs).await.expect("the jobs are added");
}

async fn graphile_drain(pool: PgPool, shop: Shop) -> Duration {
    let concurrency = number("CONCURRENCY");
    let worker = WorkerOptions::default()
        .concurrency(concurrency)
        .local_queue(LocalQueueConfig::default().with_size(10 * concurrency))
        .complete_job_batch_delay(Duration::from_millis(5))
        .fail_job_batch_delay(Duration::from_millis(5))
        .add_extension(shop.clone())
        .define_job::<Open>()
        .pg_pool(pool)
        .init()
        .await
        .expect("a worker");
    let worker = Arc::new(worker);
    let running = tokio::spawn({
        let worker = worker.clone();
        async move { worker.run().await }
    });
    shop.0.done.notified().await;
    let took = shop.0.start.get().expect("a first job").elapsed();
    worker.request_shutdown();
    running.await.expect("no panic").expect("the worker ran");
    took
}

fn apalis_storage(pool: &PgPool) -> PostgresStorage<Body> {
    // Fetched jobs are this worker's already: no second lock of each.
    let config = Config::default().queue("open").batch_size(4 * number("CONCURRENCY")).lock_tasks(false);
    PostgresStorage::new(pool).with_config(config)
}

async fn apalis_enqueue(pool: PgPool, bodies: Vec<Body>) {
    sqlx::query("CREATE EXTENSION IF NOT EXISTS hstore").execute(&pool).await.expect("hstore");
    PostgresStorage::setup(&pool).await.expect("a schema");
    let mut storage = apalis_storage(&pool);
    for some in bodies.chunks(5000) {
        storage.push_bulk(some.to_vec()).await.expect("the jobs are added");
    }
}

/// The protocolo is the job's result, which apalis stores together with its end, many at once.
async fn apalis_open(body: Body, shop: Data<Shop>) -> Result<String, BoxDynError> {
    let protocolo = shop.open(&body).await?;
    shop.count();
    Ok(protocolo)
}

async fn apalis_drain(pool: PgPool, shop: Shop) -> Duration {
    const N_WORKERS: usize = 4;
    let mut stops = Vec::new();
    let mut workers = Vec::new();
    for n in 0..N_WORKERS {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = WorkerBuilder::new(format!("peer-{n}"))
            .backend(apalis_storage(&pool))
            .concurrency(number("CONCURRENCY") / N_WORKERS)
            .data(shop.clone())
            .parallelize(tokio::spawn)
            .build(apalis_open);
        stops.push(stop);
        workers.push(tokio::spawn(worker.run_until(async move {
            let _ = stopped.await;
            Ok::<(), std::io::Error>(())
        })));
    }
    shop.0.done.notified().await;
    drop(stops);
    for worker in workers {
        worker.await.expect("no panic").expect("the worker ran");
    }
    // Only now is the last result stored.
    shop.0.start.get().expect("a first job").elapsed()
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let url = env("DATABASE_URL");
    let pool = PgPoolOptions::new().max_connections(20).connect(&url).await.expect("Postgres");
    let bodies = || {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).expect("the jobs come by stdin");
        serde_json::from_str(&text).expect("JSON")
    };
    let took = match args[..] {
        ["graphile_worker", "enqueue"] => return graphile_enqueue(pool, bodies()).await,
        ["apalis", "enqueue"] => return apalis_enqueue(pool, bodies()).await,
        ["graphile_worker", "drain"] => graphile_drain(pool.clone(), Shop::new(pool)).await,
        ["apalis", "drain"] => apalis_drain(pool.clone(), Shop::new(pool)).await,
        _ => panic!("peers graphile_worker|apalis enqueue|drain"),
    };
    let rate = number("JOBS") as f64 / took.as_secs_f64();
    println!("{rate:.1} tickets/s, {:.2} s CPU", cpu_s());
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn number(name: &str) -> usize {
    env(name).parse().expect("a number")
}

/// User and system time of this process; Linux counts them in hundredths of a second.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let rest = stat.rsplit_once(") ").expect("a name in brackets").1;
    rest.split(' ').skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}
