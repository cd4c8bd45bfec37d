//! `worker`: opens what is in the outbox, and what comes.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::args::{Global, Worker};
use super::checkup::not_ours;
use super::database;
use super::exit::{Exit, Run};
use super::failure::Failure;
use super::opening::warn_of_rate;
use super::progress::Progress;
use super::screen::Screen;
use super::signals::Signals;
use super::telling::Telling;
use super::typed::Typed;
use super::worked;
use crate::app;
use crate::app::fault::Fault;
use crate::app::progress::Why;
use crate::app::target::Target;
use crate::app::worker::{Worked, Workplace, patiently};
use crate::delivery::{Control, Lasting, Note, Watch};
use crate::service::{Noticed, WorkerWatch};
use crate::settings::{Flags, Listening, Sources};

/// Opens what is in the outbox, and what comes.
pub async fn worker(
    args: &Worker,
    sources: &Sources,
    global: &Global,
    screen: &Screen,
    telling: &Telling<'_>,
) -> Result<Exit, Failure> {
    let settings = sources.resolve(&args.settings)?;
    let address = database::named(global, sources)?;
    let policy = app::worker::policy(&settings);
    let target = Target::new(sources, &settings.sending)?;
    let listener = match settings.working.metrics_listen {
        Some(at) => Some(listen(at, screen).await?),
        None => None,
    };
    let listen_url = sources.resolve(&Flags::<Listening>::none())?.url;
    let watch = WorkerWatch::new(policy.rate, Typed::now().other(&["resume"]));
    // Before systemd hears that it is ready: from then on it may be told to stop.
    let signals = Signals::listen()?;
    watch.begin();
    let workplace = Workplace {
        outbox: &address,
        listen_url: listen_url.as_ref(),
        target: &target,
        policy: &policy,
        lease: settings.working.lease,
    };
    let start = Start { signals: &signals, watch: &watch, telling, screen };
    let work = work(&workplace, settings.working.until_empty, &start);
    let tell = |noticed: Noticed<'_>| match noticed {
        Noticed::DatabaseIll(why) => screen.warn(format!("not ready: {why}")),
        Noticed::DatabaseWell => screen.note("ready again: the database lets this worker work"),
    };
    // Dropping the other loses nothing: it only looks.
    tokio::select! {
        exit = work => exit,
        never = watch.look_on(&address, &target.address, listener, tell) => match never {},
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

/// `until_empty`: it is to end.
async fn work(workplace: &Workplace<'_>, until_empty: bool, start: &Start<'_>) -> Result<Exit, Failure> {
    let Start { signals, watch, telling, screen } = *start;
    let Workplace { target, policy, .. } = workplace;
    let lasting = policy.lasting;
    let Some(outbox) = start.patiently(lasting, async || workplace.open().await).await? else {
        return Ok(worked::stopped(signals.asked(), lasting));
    };
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
    let worker = start.patiently(lasting, async || workplace.register(&outbox).await).await?;
    let Some(worker) = worker else { return Ok(worked::stopped(signals.asked(), lasting)) };
    warn_of_rate(policy.rate, target, screen);
    let until = if until_empty { "until it is empty" } else { "until told to stop" };
    screen.note(format!("working for {}, {} at most, {until}", target.named, policy.rate));
    let control = Control { stop: signals.stop.clone(), returned: watch.returned() };
    let progress = Progress::new(screen, None, policy);
    let looking = telling.looking(None, &target.binding);
    let watchers = (&progress, &(watch, &looking));
    let work = workplace.work(&outbox, worker, control, &watchers);
    // A run is large, and what looks on would carry it about on the stack.
    let work = telling.beside(&looking, Box::pin(work));
    let held_back = |why: Option<&Why>| watch.held_back(&Why::CODES, why.map(Why::code));
    let Worked { ending, left } = progress.follow_and_tell(&outbox, work, held_back).await?;
    telling.ran(&looking, &ending.reason);
    let run = Run { ending, signal: signals.asked() };
    outbox.close().await?;
    worked::tell(&run, &progress.reasons(), &left, screen);
    Ok(worked::exit(&run, &left, lasting))
}

/// A worker before its first row.
struct Start<'a> {
    signals: &'a Signals,
    watch: &'a WorkerWatch,
    telling: &'a Telling<'a>,
    screen: &'a Screen,
}

impl Start<'_> {
    /// Does what needs the outbox, as soon as it can be done. `None`: it was told to stop.
    async fn patiently<T>(
        &self,
        lasting: Lasting,
        work: impl AsyncFnMut() -> Result<T, Fault>,
    ) -> Result<Option<T>, Failure> {
        let away = |fault: Fault| {
            self.screen.fail(&fault.into());
            self.screen.note("trying again until it can be reached");
        };
        let done = patiently(lasting, || self.watch.tried(), away, work);
        // Dropped in the middle, it leaves at most a worker without rows, whose lease ends by itself.
        let done = self.signals.stop.run_until_cancelled(done).await;
        if done.is_none() {
            self.watch.note(Note::Stopping);
        }
        Ok(done.transpose()?)
    }
}
