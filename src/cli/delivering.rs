//! A run as a command makes it: HubSoft or a sandbox, the question, the signals, the engine.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::timeout;

use super::exit::{self, Exit, Signal};
use super::failure::Failure;
use super::progress::Progress;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::target::SANDBOX;
use crate::delivery::evidence::{Evidence, Guard};
use crate::delivery::{
    Control, Ending, Gate, GuardLimits, Halt, OpenTickets, Outbox, Policy, Rate, Reason, RequestKind,
    SystemClock, Verdict, Watch, Withheld, run,
};
use crate::hubsoft::{BaseUrl, BaseUrlFault, Credentials, Entry, HubSoft, HubSoftSettings};
use crate::outbox::{AnyOutbox, AnyWorker};
use crate::sandbox::{BookFault, RunningSandbox, Sandbox, SandboxOptions};
use crate::settings::{MaxErrors, Sending, Sources, Stopping, Tenant};
use crate::ticket::Catalogue;

/// Real tickets up to this number are opened without a question.
const UNASKED_MAX: u64 = 20;

/// Ticket types that the question names; of the others it says how many they are.
const TYPES_NAMED_MAX: usize = 10;

/// HubSoft, ready to be asked, and what it is for people.
pub struct Target {
    pub api: HubSoft,
    /// For people: `erp.example.com.br`.
    pub host: String,
    /// For people, at the start of a run: the host, and where it was said:
    /// `erp.example.com.br (HUBSOFT_URL)`.
    pub named: String,
    /// What the outbox is bound to: [`SANDBOX`], or the host; on loopback with its port, since tunnels to
    /// several HubSofts differ in nothing else.
    pub binding: String,
    /// `host:port`, as a name to resolve.
    pub address: String,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// Stops with the target.
    sandbox: Option<RunningSandbox>,
}

impl Target {
    /// Starts a sandbox if asked to, else reads where HubSoft is. Sends nothing.
    pub fn new(sources: &Sources, sending: &Sending) -> Result<Self, Failure> {
        let (settings, sandbox, host, named, binding) = if sending.sandbox {
            let (settings, sandbox) = sandbox(sending)?;
            let host = "the sandbox".to_owned();
            (settings, Some(sandbox), host.clone(), host, SANDBOX.to_owned())
        } else {
            let Tenant { settings, said_in } = sources.tenant(sending)?;
            let (host, binding) = (settings.base_url.host(), binding(&settings.base_url));
            let named = format!("{host} ({said_in})");
            (settings, None, host, named, binding)
        };
        let address = settings.base_url.address();
        let timeout = settings.timeout;
        let api = HubSoft::new(settings).map_err(|error| Failure::of(Exit::Usage, &error, error.hint()))?;
        Ok(Self { api, host, named, binding, address, timeout, sandbox })
    }

    pub fn is_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }

    /// A sandbox keeps its tickets in `folder` from now on, and knows those that stand there: what it opened
    /// is still there when the command is repeated. Whoever calls it holds the outbox of the folder.
    pub fn keep_books(&self, folder: &Path) -> Result<(), Failure> {
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        sandbox.sandbox().keep_in(folder).map_err(Failure::from)
    }
}

/// What an outbox would be bound to, where the settings say so: a dry run goes without them.
pub fn known_binding(sources: &Sources, sending: &Sending) -> Option<String> {
    if sending.sandbox {
        return Some(SANDBOX.to_owned());
    }
    sources.tenant(sending).ok().map(|tenant| binding(&tenant.settings.base_url))
}

/// What an outbox that belongs to the HubSoft at `url` is bound to.
fn binding(url: &BaseUrl) -> String {
    if url.is_loopback() { url.address() } else { url.host() }
}

/// A sandbox in this process, and how to reach it.
fn sandbox(sending: &Sending) -> Result<(HubSoftSettings, RunningSandbox), Failure> {
    let start = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Sandbox::start(SandboxOptions::default(), listener)
    };
    let sandbox = start()
        .map_err(|error| Failure::of(Exit::Internal, &error, "the sandbox needs a free port on 127.0.0.1"))?;
    let base_url: BaseUrl = sandbox.url().parse().map_err(|error| {
        Failure::of(Exit::Internal, &error as &BaseUrlFault, "this is a defect; report it")
    })?;
    let login = sandbox.credentials();
    let credentials = Credentials::Password {
        client_id: login.client_id,
        client_secret: login.client_secret.into(),
        username: login.username,
        password: login.password.into(),
    };
    let Sending { timeout, connect_timeout, .. } = *sending;
    let settings = HubSoftSettings { base_url, credentials, ca_file: None, timeout, connect_timeout };
    Ok((settings, sandbox))
}

impl From<BookFault> for Failure {
    fn from(fault: BookFault) -> Self {
        let (exit, hint) = match &fault {
            BookFault::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                (Exit::Guard, "free some space and run the same command again")
            }
            BookFault::Io { .. } => (Exit::Usage, "give a folder that you may write to with -o DIR"),
            BookFault::Line { .. } => {
                (Exit::Usage, "it was changed by hand; move the folder away to begin a new sandbox")
            }
            BookFault::Busy { .. } => (Exit::Busy, "wait until it has ended"),
        };
        Self::of(exit, &fault, hint)
    }
}

/// When an import stops by itself before its end.
pub fn limits(stopping: &Stopping, n_rows: u64) -> GuardLimits {
    let errors_max = stopping.max_errors.map(|max| match max {
        MaxErrors::Rows(n) => n,
        MaxErrors::Percent(percent) => n_rows * u64::from(percent) / 100,
    });
    GuardLimits { errors_max, until: stopping.until.map(|time| next(time.0)), ..GuardLimits::default() }
}

/// The policy of a run from its settings.
pub fn policy(sending: &Sending) -> Policy {
    Policy {
        rate: sending.rate,
        concurrency: sending.concurrency,
        max_attempts: sending.max_attempts,
        settle_delay: sending.settle_delay,
        grace: sending.grace(),
        open_tickets: if sending.skip_if_open { OpenTickets::Skip } else { OpenTickets::Ignore },
        seed: Timestamp::now().as_nanosecond() as u64,
        ..Policy::default()
    }
}

/// The next time that a clock on the wall shows `time`.
fn next(time: jiff::civil::Time) -> Timestamp {
    let (zone, now) = (TimeZone::system(), Timestamp::now());
    let today = zone.to_datetime(now).date();
    [Ok(today), today.tomorrow()]
        .into_iter()
        .filter_map(|day| zone.to_timestamp(day.ok()?.to_datetime(time)).ok())
        .find(|it| now < *it)
        // Only at the end of time is there no tomorrow.
        .unwrap_or(now)
}

/// The gate of the few requests outside a run: they keep the operator's distance.
pub struct Calm {
    rate: Rate,
    n_logins: Cell<u64>,
}

impl Calm {
    pub fn new(rate: Rate) -> Self {
        Self { rate, n_logins: Cell::new(0) }
    }

    /// Logins that have passed.
    pub fn n_logins(&self) -> u64 {
        self.n_logins.get()
    }
}

impl Gate for Calm {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        self.n_logins.set(self.n_logins.get() + u64::from(kind == RequestKind::Login));
        tokio::time::sleep(self.rate.slot().unwrap_or_default()).await;
        Ok(())
    }
}

/// The ticket types of the tenant; `None` if they cannot be read, which proves nothing. Refused
/// logins and permissions end the command here, before anything is sent.
pub async fn ticket_types(target: &Target, gate: &Calm) -> Result<Option<Vec<Entry>>, Failure> {
    let reply = target.api.catalogue(Catalogue::TICKET_TYPES, gate).await;
    if let Guard::Unauthorized(fault) = Evidence::of(&reply).guard {
        return Err(halted(&Halt::Unauthorized(fault.clone())));
    }
    Ok(match reply.verdict {
        Verdict::Answered(entries) => Some(entries),
        _ => None,
    })
}

/// What the question is about.
pub struct Question<'a> {
    pub n_tickets: u64,
    /// At most so many of them with a visit.
    pub n_service_orders: u64,
    /// Ids of the types asked for, `None` for the tenant's default.
    pub types: &'a [Option<i64>],
    pub known_types: Option<&'a [Entry]>,
}

/// Asks a person to type the count before many real tickets are opened.
pub fn confirm(
    target: &Target,
    question: &Question<'_>,
    is_stdin_free: bool,
    screen: &Screen,
) -> Result<(), Failure> {
    if question.n_tickets <= UNASKED_MAX || target.is_sandbox() {
        return Ok(());
    }
    let n = question.n_tickets;
    let about = format!(
        "{n} real tickets at {}, type {}, with {} service orders (visits)",
        target.named,
        labels(question),
        match question.n_service_orders {
            0 => "no".to_owned(),
            some => format!("up to {some}"),
        }
    );
    if !(is_stdin_free && io::stdin().is_terminal()) {
        return Err(Failure::new(
            Exit::Usage,
            format!("this would open {about}, and nobody is here to be asked"),
            "give --yes if that is right; nothing was sent",
        ));
    }
    screen.err(format!("This opens {about}."));
    screen.err("They cannot be deleted. To go on, type the number of tickets:");
    let _ = io::stderr().flush();
    let mut typed = String::new();
    let _ = io::stdin().read_line(&mut typed);
    if typed.trim() == n.to_string() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        "declined; nothing was sent",
        "run the same command again and type the number",
    ))
}

fn labels(question: &Question<'_>) -> String {
    let label = |id: &Option<i64>| match (id, question.known_types) {
        (None, _) => "of the tenant's default".to_owned(),
        (Some(id), None) => format!("{id} (not verified)"),
        (Some(id), Some(known)) => match known.iter().find(|it| it.id == *id) {
            Some(entry) => format!("`{}`", entry.label),
            None => format!("{id} (unknown to this tenant!)"),
        },
    };
    let named = question.types.iter().take(TYPES_NAMED_MAX).map(label).collect::<Vec<_>>().join(", ");
    match question.types.len().saturating_sub(TYPES_NAMED_MAX) {
        0 => named,
        n_others => format!("{named} and {n_others} others"),
    }
}

/// Tells of rows that were taken over from workers that died.
pub fn tell_rescued(screen: &Screen) -> impl Fn(u64) {
    |n_rows| {
        screen.note(format!("{n_rows} rows of a worker that died may have been sent: looking them up first"));
    }
}

/// The worker leaves. Where it cannot, the others hear of it at the end of its lease.
pub async fn leave(worker: AnyWorker<'_>) {
    let _ = timeout(LEAVE_MAX, worker.retire()).await;
}

/// Longest wait for the database to hear that a worker leaves.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// How a run ended, and who asked for it.
pub struct Run {
    pub ending: Ending,
    pub signal: Option<Signal>,
}

/// Between two words to those who look at the outbox from outside.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// What a person sees of a run.
pub struct Sight<'a> {
    /// Rows to deliver, where that is known.
    pub n_rows: Option<u64>,
    /// Tells others how far it is.
    pub outbox: &'a AnyOutbox,
    /// Said once a signal would stop the run cleanly.
    pub headline: &'a str,
    pub screen: &'a Screen,
}

/// Delivers what `outbox` holds until it is drained, stopped or halted, under the eyes of a person.
///
/// `watch` looks on besides that person.
pub async fn deliver(
    outbox: &impl Outbox,
    target: &Target,
    policy: &Policy,
    control: Control,
    sight: Sight<'_>,
    watch: &impl Watch,
) -> Result<Ending, Failure> {
    sight.screen.note(sight.headline);
    let progress = Progress::new(sight.screen, sight.n_rows, policy.rate);
    let told = async {
        let mut ticks = tokio::time::interval(SAY_EVERY);
        loop {
            ticks.tick().await;
            sight.outbox.say(&progress.now());
        }
    };
    let watch = (&progress, watch);
    let running = run(outbox, &target.api, &SystemClock, policy, control, &watch);
    let ending = tokio::select! {
        ending = running => ending,
        () = progress.tell() => unreachable!("it tells for ever"),
        () = told => unreachable!("it says for ever"),
    };
    progress.finish();
    // Whoever asked for the run would read the outbox next, and fail for the same reason.
    if let Reason::Halted(halt @ Halt::OutboxUnavailable { .. }) = &ending.reason {
        return Err(halted(halt));
    }
    Ok(ending)
}

/// Why a run stopped itself, as a failure with the next command.
pub fn halted(halt: &Halt) -> Failure {
    let command = |args: &[&str]| Typed::now().other(args);
    let with_doctor = |what: &str| format!("{what}; `{}` tries it", command(&["doctor"]));
    let with_retry = |what: &str| {
        let retry = command(&["retry", "BATCH"]);
        format!("{what}; `{retry}` is for rows that HubSoft would take now as they are")
    };
    let hint = match halt {
        Halt::Unauthorized(_) => with_doctor("check HUBSOFT_TOKEN, or user and password"),
        Halt::Forbidden { .. } => with_doctor("ask for the permission to open tickets through the API"),
        Halt::Misconfigured(_) => with_doctor("check HUBSOFT_URL"),
        Halt::SameRefusal { .. } => with_retry(
            "correct the file or the setting that the message names, and run the same command again",
        ),
        Halt::TooManyErrors { .. } => with_retry("errors.csv tells what is wrong with them"),
        Halt::NeverReached { .. } => with_doctor("check HUBSOFT_URL and the network"),
        Halt::Paused { .. } => {
            format!("`{}` lets them go on; then run the same command again", command(&["resume"]))
        }
        Halt::Unavailable { .. } | Halt::Until => "run the same command again: it goes on where it stopped".into(),
        Halt::DiskFull => {
            "free some space, then run the same command again: it goes on where it stopped".into()
        }
        Halt::OutboxUnavailable { .. } => {
            "see that the database runs and is reached from here, then run the same command again: what may have been sent is looked up first".into()
        }
        Halt::OutboxBroken { .. } => {
            "keep the outbox as it is, and look at the disk or the database; nothing more was sent".into()
        }
        Halt::EchoLost { .. } => {
            "do not run it again before it is clear why HubSoft changed the description".into()
        }
    };
    Failure::of(exit::of_halt(halt), halt, hint).in_log(in_log(halt))
}

/// Why a run stopped itself, for a log: HubSoft's words may tell of a customer, its code does not.
pub fn in_log(halt: &Halt) -> String {
    match halt {
        Halt::Unauthorized(fault) => format!("HubSoft refused the login ({})", fault.code),
        Halt::Forbidden { n_rows, fault } => {
            format!("HubSoft denied {n_rows} different rows in a row ({})", fault.code)
        }
        Halt::Misconfigured(fault) => {
            format!("HubSoft does not know the route that opens tickets ({})", fault.code)
        }
        Halt::SameRefusal { n_rows, .. } => {
            format!("HubSoft refused {n_rows} rows in a row with the same message (same_refusal)")
        }
        Halt::NeverReached { within, last } => {
            let code = last.as_ref().map_or("unknown", |it| &it.code);
            format!("HubSoft could not be reached within {} s ({code})", within.as_secs())
        }
        Halt::Unavailable { lasted, last } => {
            let code = last.as_ref().map_or("unknown", |it| &it.code);
            format!("HubSoft has been unavailable for {} min ({code})", lasted.as_secs() / 60)
        }
        told => told.to_string(),
    }
}

/// The failure to print, if the run did not end by itself.
pub fn why_ended(reason: &Reason) -> Option<Failure> {
    match reason {
        Reason::Drained => None,
        Reason::Stopped => None,
        Reason::Halted(halt) => Some(halted(halt)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen: the eleventh type of a file dropped out of the question without a word.
    #[test]
    fn the_question_says_how_many_types_it_does_not_name() {
        let known = [Entry { id: 1, label: "Sem sinal".to_owned() }];
        let asked = |n: i64| {
            let types: Vec<_> = std::iter::once(None).chain((1..n).map(Some)).collect();
            let known_types = Some(&known[..]);
            labels(&Question { n_tickets: 30, n_service_orders: 0, types: &types, known_types })
        };
        assert_eq!(asked(2), "of the tenant's default, `Sem sinal`");
        assert!(asked(10).ends_with("9 (unknown to this tenant!)"), "{}", asked(10));
        assert!(asked(13).ends_with("9 (unknown to this tenant!) and 3 others"), "{}", asked(13));
    }
}
