//! `mutirao worker`, and `pause` and `resume` for all workers of a shared outbox.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;

use super::args::{Global, Worker};
use super::delivering::{self, Run, Target};
use super::exit::{self, Exit, Signal};
use super::failure::Failure;
use super::import::other_host;
use super::place;
use super::screen::Screen;
use super::watching::{Audience, Watching};
use crate::config::{Config, WorkerLayer};
use crate::delivery::{Blame, GuardLimits, Lasting, Policy, Reason, Stats, Verify};
use crate::outbox::{Address, AnyOutbox, Counts, LEASE, PgOutbox, Scope, Terms};

const POLL: Duration = Duration::from_secs(1);

/// Between tries of a database that is not there yet.
const AGAIN: Duration = Duration::from_secs(2);

/// Opens what is in the outbox, and what comes.
pub async fn worker(mut args: Worker, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let mut config = Config::load(global.config.as_deref())?;
    config.complete_delivery(&mut args.delivery);
    config.complete_worker(&mut args.working);
    let address = address(global, &config)?;
    let (policy, lease) = (policy(&args), lease(&args.working)?);
    let target = Target::new(&config, &args.delivery)?;
    let listener = match args.working.metrics_listen {
        Some(at) => Some(listen(at).await?),
        None => None,
    };
    let database = Database { address: &address, listen_url: config.listen_url()? };
    let audience = if listener.is_some() { Audience::Asks } else { Audience::Nobody };
    let watching = Watching::new(audience, policy.rate);
    watching.begin();
    let work = work(&args, &policy, lease, &target, &database, &watching, screen);
    let Some(listener) = listener else { return work.await };
    // Dropping the others loses nothing: they only look.
    tokio::select! {
        exit = work => exit,
        never = watching.serve(listener) => match never {},
        never = watching.look_at_api(&target.address) => match never {},
        never = watching.look_at_outbox(&address) => match never {},
        never = watching.count(&address) => match never {},
    }
}

async fn listen(at: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(at).await.map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("cannot listen at {at}: {error}"),
            "give --metrics-listen a free address",
        )
    })
}

async fn work(
    args: &Worker,
    policy: &Policy,
    lease: Duration,
    target: &Target,
    database: &Database<'_>,
    watching: &Watching,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let lasting = policy.lasting;
    let outbox = patiently(lasting, watching, screen, async || database.open(&target.binding).await).await?;
    let terms = Terms { rate: policy.rate, lease, timeout: target.timeout };
    let worker =
        patiently(lasting, watching, screen, async || Ok(outbox.register("worker", terms).await?)).await?;
    let desk = worker.desk(Scope::All);
    let until = if args.until_empty { "until it is empty" } else { "until told to stop" };
    let headline = format!("working for {}, {} at most, {until}", target.host, policy.rate);
    let run = tokio::select! {
        run = delivering::deliver(&desk, target, policy, None, &headline, screen, watching) => run?,
        never = worker.keep(delivering::tell_rescued(screen)) => match never {},
    };
    drop(desk);
    // When the database is away, its lease ends by itself.
    let _ = worker.retire().await;
    outbox.close().await?;
    if let Some(failure) = delivering::why_ended(&run.ending.reason) {
        screen.err(failure.render(|it| screen.mark(it)).trim_end());
    }
    screen.note(in_words(&run.ending.stats));
    Ok(exit_of(&run))
}

/// Does what needs the outbox. A worker that is to last waits for a database that does not answer yet.
async fn patiently<T>(
    lasting: Lasting,
    watching: &Watching,
    screen: &Screen,
    mut work: impl AsyncFnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut said = false;
    loop {
        watching.tried();
        match work().await {
            Err(failure) if failure.exit == Exit::Unreachable && lasting == Lasting::Forever => {
                if !std::mem::replace(&mut said, true) {
                    screen.err(failure.render(|it| screen.mark(it)).trim_end());
                    screen.note("trying again until it can be reached");
                }
                tokio::time::sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}

/// Where the outbox is, and where inserts are heard of if not there.
struct Database<'a> {
    address: &'a Address,
    listen_url: Option<SecretString>,
}

impl Database<'_> {
    async fn open(&self, binding: &str) -> Result<AnyOutbox, Failure> {
        let mut outbox = self.address.open().await?;
        outbox.bind_host(binding).await.map_err(other_host)?;
        if let (AnyOutbox::Postgres(outbox), Some(url)) = (&mut outbox, &self.listen_url) {
            outbox.listen_at(url.expose_secret())?;
        }
        Ok(outbox)
    }
}

/// All workers stop.
pub async fn pause(reason: &str, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let outbox = shared(global).await?;
    outbox.pause(reason).await?;
    outbox.close().await;
    screen.note("all workers stop within two seconds; `mutirao resume` lets them go on");
    Ok(Exit::Done)
}

/// All workers go on, or one lote does.
pub async fn resume(lote: Option<&str>, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let outbox = shared(global).await?;
    match lote {
        Some(lote) => {
            let said = if outbox.resume_lote(lote).await? { "goes on" } else { "was not halted" };
            screen.note(format!("`{lote}` {said}"));
        }
        None => {
            outbox.resume().await?;
            screen.note("all workers go on");
            for halted in outbox.crew().await?.halted {
                let (lote, reason) = (halted.lote, halted.reason);
                screen.note(format!(
                    "`{lote}` is still halted: {reason}; `mutirao resume {lote}` lets it go on"
                ));
            }
        }
    }
    outbox.close().await;
    Ok(Exit::Done)
}

/// The outbox that workers share.
async fn shared(global: &Global) -> Result<PgOutbox, Failure> {
    match address(global, &Config::load(global.config.as_deref())?)?.open().await? {
        AnyOutbox::Postgres(outbox) => Ok(outbox),
        AnyOutbox::Sqlite(_) => Err(Failure::new(
            Exit::Usage,
            "an outbox in a file has one worker at most",
            "end that worker to stop it, and start it to go on",
        )),
    }
}

fn address(global: &Global, config: &Config) -> Result<Address, Failure> {
    let url = global.database_url.as_deref().or(config.database_url()).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "no outbox is named",
            "give --database-url, or set DATABASE_URL: postgres://…, or sqlite:PATH",
        )
    })?;
    place::address(url)
}

/// A worker waits where an import would halt, unless it is to end.
fn policy(args: &Worker) -> Policy {
    let defaults = GuardLimits { n_alone: 0, blame: Blame::Lote, ..GuardLimits::default() };
    let (lasting, guards) = match args.until_empty {
        true => (Lasting::UntilDrained, defaults),
        false => {
            let patient = GuardLimits { reach_within: None, unavailable_max: None, ..defaults };
            (Lasting::Forever, patient)
        }
    };
    let policy = delivering::policy(&args.delivery);
    let verify = if args.delivery.verify_first.unwrap_or(false) { Verify::First } else { Verify::Never };
    let poll = Some(args.working.poll.map_or(POLL, |it| it.0));
    let grace = args.working.grace.map_or(policy.grace, |it| it.0);
    Policy { lasting, guards, verify, poll, grace, ..policy }
}

fn lease(layer: &WorkerLayer) -> Result<Duration, Failure> {
    match layer.lease {
        Some(lease) if lease.0 < LEASE => Err(Failure::new(
            Exit::Usage,
            "the lease is too short to claim anything",
            "give --lease of 60s or more, or leave it out",
        )),
        lease => Ok(lease.map_or(LEASE, |it| it.0)),
    }
}

fn in_words(stats: &Stats) -> String {
    let not_opened = stats.invalid + stats.rejected + stats.failed + stats.skipped;
    let mut text = format!("{} opened", stats.opened);
    for (n, what) in
        [(not_opened, "not opened"), (stats.unconfirmed, "unconfirmed"), (stats.lotes_halted, "lotes halted")]
    {
        if 0 < n {
            text += &format!(", {n} {what}");
        }
    }
    text
}

/// Of what this run did: the rest of the outbox is not its affair.
fn exit_of(run: &Run) -> Exit {
    let stats = &run.ending.stats;
    let counts = Counts {
        opened: stats.opened,
        invalid: stats.invalid,
        rejected: stats.rejected,
        failed: stats.failed,
        unconfirmed: stats.unconfirmed,
        skipped: stats.skipped,
        ..Counts::default()
    };
    match (&run.ending.reason, run.signal) {
        (Reason::Stopped, Some(Signal::Terminate)) => Exit::Done,
        (Reason::Drained, _) if 0 < stats.lotes_halted && stats.unconfirmed == 0 => Exit::Guard,
        (reason, signal) => exit::of_run(reason, signal, &counts),
    }
}
