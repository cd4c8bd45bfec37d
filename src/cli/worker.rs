//! `worker`: opens what is in the outbox, and what comes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;

use super::args::{Global, Worker};
use super::database;
use super::delivering::{self, Run, Sight, Target};
use super::doctor::not_ours;
use super::exit::{self, Exit, Signal};
use super::failure::Failure;
use super::screen::Screen;
use super::signals::Signals;
use super::status;
use super::watching::Watching;
use crate::app::address::Led;
use crate::delivery::{Blame, Control, GuardLimits, Lasting, Note, Policy, Reason, Stats, Verify, Watch};
use crate::outbox::{Address, AnyOutbox, AnyReader, Counts, Halted, Scope, Terms};
use crate::settings::{self, Flags, Listening, Sources, Working};

/// Between tries of a database that is not there yet.
const AGAIN: Duration = Duration::from_secs(2);

/// Opens what is in the outbox, and what comes.
pub async fn worker(
    args: &Worker,
    sources: &Sources,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let settings = sources.resolve(&args.settings)?;
    let address = database::named(global, sources)?;
    let policy = policy(&settings);
    let target = Target::new(sources, &settings.sending)?;
    let listener = match settings.working.metrics_listen {
        Some(at) => Some(listen(at, screen).await?),
        None => None,
    };
    let database =
        Database { address: &address, listen_url: sources.resolve(&Flags::<Listening>::none())?.url };
    let watching = Watching::new(policy.rate);
    // Before systemd hears that it is ready: from then on it may be told to stop.
    let signals = Signals::listen()?;
    watching.begin();
    let start = Start { lasting: policy.lasting, signals: &signals, watching: &watching, screen };
    let work = work(&settings.working, &policy, &target, &database, &start);
    let asked = async {
        let Some(listener) = listener else { return std::future::pending().await };
        tokio::select! {
            never = watching.serve(listener) => never,
            never = watching.look_at_api(&target.address) => never,
            never = watching.count(&address) => never,
        }
    };
    // Dropping the others loses nothing: they only look.
    tokio::select! {
        exit = work => exit,
        never = watching.look_at_outbox(&address, screen) => match never {},
        never = asked => match never {},
    }
}

async fn listen(at: SocketAddr, screen: &Screen) -> Result<TcpListener, Failure> {
    let bind = async {
        let listener = TcpListener::bind(at).await?;
        // Of port 0 nobody else knows what became of it.
        screen.note(format!("answering /metrics, /livez and /readyz at {}", listener.local_addr()?));
        Ok(listener)
    };
    bind.await.map_err(|error: std::io::Error| {
        // Who is there may go, and then it is right to have tried again; what is wrong otherwise stays wrong.
        let exit = match error.kind() {
            ErrorKind::AddrInUse => Exit::Busy,
            _ => Exit::Usage,
        };
        Failure::new(
            exit,
            format!("cannot listen at {at}: {error}"),
            "give --metrics-listen a free address of this machine",
        )
    })
}

async fn work(
    working: &Working,
    policy: &Policy,
    target: &Target,
    database: &Database<'_>,
    start: &Start<'_>,
) -> Result<Exit, Failure> {
    let Start { signals, watching, screen, .. } = *start;
    let Some(outbox) = start.patiently(async || database.open(&target.binding).await).await? else {
        return Ok(stopped(signals.asked(), policy.lasting));
    };
    if let Some(folder) = database.address.folder() {
        target.keep_books(folder)?;
    }
    if let Ok(Some(health)) = outbox.reader().health().await {
        if !health.is_durable {
            screen.note(
                "a power cut may make the database forget what was sent: set fsync and full_page_writes on",
            );
        }
        if let Some(what) = health.not_ours {
            screen.note(not_ours(&what));
        }
    }
    let terms = Terms { rate: policy.rate, lease: working.lease, timeout: target.timeout };
    let worker = start.patiently(async || Ok(outbox.register("worker", terms).await?)).await?;
    let Some(worker) = worker else { return Ok(stopped(signals.asked(), policy.lasting)) };
    let queue = worker.queue(Scope::All);
    let until = if working.until_empty { "until it is empty" } else { "until told to stop" };
    let headline = format!("working for {}, {} at most, {until}", target.named, policy.rate);
    let control = Control { stop: signals.stop.clone(), returned: watching.returned() };
    let sight = Sight { n_rows: None, outbox: &outbox, headline: &headline, screen };
    let ending = delivering::deliver(&worker, &queue, target, policy, control, sight, watching).await?;
    let run = Run { ending, signal: signals.asked() };
    drop(queue);
    delivering::leave(worker).await;
    let left = left(&run, outbox.reader()).await?;
    outbox.close().await?;
    if let Some(failure) = delivering::why_ended(&run.ending.reason) {
        screen.fail(&failure);
    }
    for halted in &left {
        let led = Led::Setting;
        screen.err_or_log(status::halted(halted, led), status::halted_in_log(halted, led));
    }
    screen.note(in_words(&run.ending.stats));
    Ok(exit_of(&run, &left, policy.lasting))
}

/// A worker before its first row.
struct Start<'a> {
    lasting: Lasting,
    signals: &'a Signals,
    watching: &'a Watching,
    screen: &'a Screen,
}

impl Start<'_> {
    /// Does what needs the outbox. A worker that is to last waits for a database that does not answer yet.
    /// `None`: it was told to stop.
    async fn patiently<T>(
        &self,
        work: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        // Dropped in the middle, it leaves at most a worker without rows, whose lease ends by itself.
        let done = self.signals.stop.run_until_cancelled(self.try_on(work)).await;
        if done.is_none() {
            self.watching.note(Note::Stopping);
        }
        done.transpose()
    }

    async fn try_on<T>(&self, mut work: impl AsyncFnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut said = false;
        loop {
            self.watching.tried();
            match work().await {
                Err(failure) if failure.exit == Exit::Unreachable && self.lasting == Lasting::Forever => {
                    if !std::mem::replace(&mut said, true) {
                        self.screen.fail(&failure);
                        self.screen.note("trying again until it can be reached");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
                done => return done,
            }
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
        outbox.bind_host(binding).await?;
        if let Some(url) = &self.listen_url {
            outbox.listen_at(url.expose_secret())?;
        }
        Ok(outbox)
    }
}

/// A worker waits where an import would halt, unless it is to end.
fn policy(settings: &settings::Worker) -> Policy {
    let defaults = GuardLimits { n_alone: 0, blame: Blame::Lote, ..GuardLimits::default() };
    let (lasting, guards) = match settings.working.until_empty {
        true => (Lasting::UntilDrained, defaults),
        false => {
            let patient = GuardLimits { reach_within: None, unavailable_max: None, ..defaults };
            (Lasting::Forever, patient)
        }
    };
    let policy = delivering::policy(&settings.sending);
    let verify = if settings.sending.verify_first { Verify::First } else { Verify::Never };
    let (poll, grace) = (Some(settings.working.poll), settings.working.grace);
    Policy { lasting, guards, verify, poll, grace, ..policy }
}

fn in_words(stats: &Stats) -> String {
    let not_opened = stats.invalid + stats.rejected + stats.failed + stats.skipped;
    let mut text = format!("{} opened", stats.opened);
    for (n, what) in [
        (not_opened, "not opened"),
        (stats.unconfirmed, "unconfirmed"),
        (stats.conflicts, "in conflict"),
        (stats.lotes_halted, "lotes halted"),
        (stats.unsettled, "left that may have been sent, and are looked up first next time"),
    ] {
        if 0 < n {
            text += &format!(", {n} {what}");
        }
    }
    text
}

/// A worker that is to last has done what it is for when it is told to end, unless a person broke it off.
fn stopped(signal: Option<Signal>, lasting: Lasting) -> Exit {
    match (signal, lasting) {
        (Some(Signal::Terminate), Lasting::Forever) | (None, _) => Exit::Done,
        (Some(signal), _) => signal.exit(),
    }
}

/// Lotes with rows that a run until it is empty has left, because a person must say when they go on.
async fn left(run: &Run, reader: AnyReader<'_>) -> Result<Vec<Halted>, Failure> {
    if run.ending.reason != Reason::Drained {
        return Ok(Vec::new());
    }
    Ok(reader.halted().await?.into_iter().filter(|it| 0 < it.n_waiting).collect())
}

/// Of what this run did, and what it had to leave.
fn exit_of(run: &Run, left: &[Halted], lasting: Lasting) -> Exit {
    let stats = &run.ending.stats;
    let counts = Counts {
        opened: stats.opened,
        invalid: stats.invalid,
        rejected: stats.rejected,
        failed: stats.failed,
        unconfirmed: stats.unconfirmed,
        conflict: stats.conflicts,
        skipped: stats.skipped,
        ..Counts::default()
    };
    match (&run.ending.reason, run.signal) {
        (Reason::Stopped, signal) => stopped(signal, lasting),
        (Reason::Drained, _) if (0 < stats.lotes_halted || !left.is_empty()) && stats.unconfirmed == 0 => {
            Exit::Guard
        }
        (reason, signal) => exit::of_run(reason, signal, &counts),
    }
}
