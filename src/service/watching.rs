//! What others see of a worker: systemd, Prometheus, and who reads its log.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::metrics::Metrics;
use super::server::{self, Answer};
use super::systemd::Systemd;
use crate::delivery::{
    ALREADY_OPEN, Change, Claim, Fault, Note, Pulse, Rate, Refused, RequestKind, RowId, Settle, Settled,
    State, Watch,
};
use crate::outbox::{Address, Counts, Ping, Scope, Status, state_name};
use crate::printable;

/// The loop comes by so often at least, also when idle: readiness follows it.
const PULSE: Duration = Duration::from_secs(1);

/// A loop that has not come by for so long is stuck. Longer than its longest wait for a database
/// (30 s) before the first row.
const STUCK: Duration = Duration::from_secs(40);

/// Between two looks at whether the database and HubSoft can be reached, and between two while they cannot;
/// and the longest wait for either. Readiness has to follow within 5 s: a look that just missed a change, and
/// the next one, must fit in, and after a return a probe besides.
const LOOK_EVERY: Duration = Duration::from_millis(2500);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(2);

/// So many looks in a row find the database ill before the log says so: one may have come at a bad moment.
const LOOKS_BEFORE_WORDS: u64 = 2;

// Whoever reads its log hears within 10 s that a worker cannot work, also if a look that took its time just
// missed it.
const _: () = assert!(
    LOOK_EVERY.as_millis()
        + LOOK_MAX.as_millis() * (LOOKS_BEFORE_WORDS as u128 + 1)
        + LOOK_AGAIN.as_millis() * (LOOKS_BEFORE_WORDS as u128 - 1)
        < 10_000
);

/// Between two counts of the rows: at least this, and [`COUNT_SHARE`] times as long as the last one
/// took, so that a large outbox is not kept busy by being looked at.
const COUNT_EVERY: Duration = Duration::from_secs(15);
const COUNT_SHARE: u32 = 50;

/// A count that takes so long does not come any more: the connection is dead.
const COUNT_MAX: Duration = Duration::from_secs(120);

/// Until it has answered once, and when it says nothing of what is wrong.
const SILENT: &str = "the database does not answer";

/// What a worker's person should hear, and its run did not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed<'a> {
    /// The database cannot be worked with, for this reason.
    DatabaseIll(&'a str),
    DatabaseWell,
}

/// Looks on while a worker works, and tells.
pub struct Watching {
    systemd: Systemd,
    metrics: Metrics,
    /// When the loop last came by.
    turned: Cell<Instant>,
    /// How it stood then. `None`: it has not begun.
    pulse: Cell<Option<Pulse>>,
    /// Why the database cannot be worked with: as whoever looks sees it, and as the run does. Empty: it can.
    looks_ill: RefCell<String>,
    works_ill: RefCell<String>,
    /// Why all workers are stopped, once they are.
    stopped: RefCell<String>,
    is_api_near: Cell<bool>,
    api_returned: Arc<Notify>,
    /// The command that lets all workers go on.
    resume: String,
    n_opened: Cell<u64>,
    n_not_opened: Cell<u64>,
    n_unconfirmed: Cell<u64>,
    rows: RowLog,
}

impl Watching {
    pub fn new(ceiling: Rate, resume: String) -> Self {
        let metrics = Metrics::default();
        metrics.rate_ceiling.set(per_second(ceiling.slot()));
        set_rows(&metrics, &Counts::default());
        for verdict in ["answered", "rejected", "unknown"] {
            metrics.attempts.with_label_values(&["post", verdict]).reset();
        }
        metrics.request_duration.with_label_values(&["post"]);
        Self {
            systemd: Systemd::from_env(),
            metrics,
            turned: Cell::new(Instant::now()),
            pulse: Cell::default(),
            looks_ill: RefCell::new(SILENT.to_owned()),
            works_ill: RefCell::default(),
            stopped: RefCell::default(),
            is_api_near: Cell::default(),
            api_returned: Arc::default(),
            resume,
            n_opened: Cell::default(),
            n_not_opened: Cell::default(),
            n_unconfirmed: Cell::default(),
            rows: RowLog::default(),
        }
    }

    /// The settings are read. A worker that waits for its database is ready to systemd: it does what
    /// it is for, starting it anew would not help, and units that are ordered after it must not fail.
    /// Whether it can open tickets is what `/readyz` says.
    pub fn begin(&self) {
        self.systemd.ready();
        self.systemd.status("waiting for the database".to_owned());
    }

    /// Tells that HubSoft takes connections again. See
    /// [`Control::returned`](crate::delivery::Control::returned).
    pub fn returned(&self) -> Arc<Notify> {
        Arc::clone(&self.api_returned)
    }

    /// One more try to reach the database before the work begins.
    pub fn tried(&self) {
        self.turned.set(Instant::now());
        self.systemd.feed();
    }

    /// Answers whoever asks, as long as it is polled.
    pub async fn serve(&self, listener: TcpListener) -> Infallible {
        server::serve(listener, |path| match path {
            "/metrics" => self.tell_metrics(),
            "/livez" if self.turned.get().elapsed() < STUCK => Answer::text(200, "alive\n"),
            "/livez" => Answer::text(503, "the loop is stuck\n"),
            "/readyz" => match self.why_not_ready() {
                None => Answer::text(200, "ready\n"),
                Some(why) => Answer::text(503, format!("{why}\n")),
            },
            _ => Answer::text(404, "there are /metrics, /livez and /readyz\n"),
        })
        .await
    }

    fn tell_metrics(&self) -> Answer {
        self.metrics.ready.set(i64::from(self.why_not_ready().is_none()));
        let content_type = "text/plain; version=0.0.4; charset=utf-8";
        Answer { content_type, ..Answer::text(200, self.metrics.text()) }
    }

    fn why_not_ready(&self) -> Option<Cow<'static, str>> {
        let Some(pulse) = self.pulse.get() else {
            return Some("it has not begun: the database is away".into());
        };
        let looks_ill = self.looks_ill.borrow();
        if !looks_ill.is_empty() {
            return Some(looks_ill.clone().into());
        }
        if pulse.is_outbox_down {
            return self.why_idle(&pulse);
        }
        if !self.is_api_near.get() {
            return Some("HubSoft cannot be reached".into());
        }
        if STUCK <= self.turned.get().elapsed() {
            return Some("the loop is stuck".into());
        }
        self.why_idle(&pulse)
    }

    fn why_idle(&self, pulse: &Pulse) -> Option<Cow<'static, str>> {
        if pulse.is_outbox_down && !pulse.is_ending {
            let works_ill = self.works_ill.borrow();
            return Some(if works_ill.is_empty() { SILENT.into() } else { works_ill.clone().into() });
        }
        if pulse.is_paused && !pulse.is_ending {
            let (stopped, resume) = (self.stopped.borrow(), &self.resume);
            let text = format!("all workers are stopped ({stopped}): `{resume}` lets them go on");
            return Some(printable::line(&text, printable::LINE_CHARS_MAX).into_owned().into());
        }
        [
            (pulse.is_ending, "it is stopping"),
            (pulse.is_halted, "it is halted; its log says why"),
            (pulse.is_breaker_open, "HubSoft is unavailable"),
        ]
        .into_iter()
        .find_map(|(holds, why)| holds.then_some(why.into()))
    }

    /// Sees every few seconds whether HubSoft (`host:port`) can be reached. An idle worker would not notice,
    /// and one that waits for its next probe would notice late.
    pub async fn look_at_api(&self, address: &str) -> Infallible {
        let mut was_near = true;
        loop {
            let is_near = matches!(timeout(LOOK_MAX, TcpStream::connect(address)).await, Ok(Ok(_)));
            self.is_api_near.set(is_near);
            if is_near && !was_near {
                self.api_returned.notify_one();
            }
            was_near = is_near;
            sleep(if is_near { LOOK_EVERY } else { LOOK_AGAIN }).await;
        }
    }

    /// Sees every few seconds whether the outbox answers and lets a worker work. An idle worker would notice
    /// late, or (what it may not write) only when there is work; `tell` hears of what the run has not said by
    /// itself.
    pub async fn look_at_outbox(&self, address: &Address, tell: impl Fn(Noticed<'_>)) -> Infallible {
        let (mut ping, mut n_ill, mut is_told) = (None, 0_u64, false);
        loop {
            let asked = timeout(LOOK_MAX, self.ask(ping, address)).await;
            let (answered, why) = match asked {
                Ok(Ok(it)) => (Some(it), String::new()),
                Ok(Err(why)) => (None, why),
                Err(_) => (None, SILENT.to_owned()),
            };
            ping = answered;
            n_ill = if ping.is_some() { 0 } else { n_ill.saturating_add(1) };
            let has_begun = self.pulse.get().is_some() && self.works_ill.borrow().is_empty();
            if is_told && n_ill == 0 {
                is_told = false;
                tell(Noticed::DatabaseWell);
            } else if !is_told && LOOKS_BEFORE_WORDS <= n_ill && has_begun {
                is_told = true;
                tell(Noticed::DatabaseIll(&why));
            }
            self.looks_ill.replace(why);
            sleep(if ping.is_some() { LOOK_EVERY } else { LOOK_AGAIN }).await;
        }
    }

    /// Asks with `ping`, or a new one if it is broken. Returns the one that was answered, or what is wrong.
    async fn ask(&self, ping: Option<Ping>, address: &Address) -> Result<Ping, String> {
        if let Some(mut ping) = ping {
            let began = Instant::now();
            if ping.ask().await.is_ok() {
                self.metrics.database_round_trip.observe(began.elapsed().as_secs_f64());
                return Ok(ping);
            }
        }
        let mut ping = address.ping().await.map_err(|error| in_words(&error))?;
        ping.ask().await.map_err(|error| in_words(&error))?;
        Ok(ping)
    }

    /// Counts the rows now and then.
    pub async fn count(&self, address: &Address) -> Infallible {
        let mut read_only = None;
        loop {
            let began = Instant::now();
            if read_only.is_none() {
                read_only = address.look().await.ok();
            }
            if let Some(looking) = &read_only {
                match timeout(COUNT_MAX, looking.reader().status(Scope::All, Timestamp::now())).await {
                    Ok(Ok(status)) => self.counted(&status),
                    _ => read_only = None,
                }
            }
            sleep_until(Instant::now() + COUNT_EVERY.max(began.elapsed() * COUNT_SHARE)).await;
        }
    }

    fn counted(&self, status: &Status) {
        set_rows(&self.metrics, &status.counts);
        let age = |since: Option<Timestamp>| {
            since.map_or(0.0, |it| Timestamp::now().duration_since(it).as_secs_f64().max(0.0))
        };
        self.metrics.oldest_pending_age.set(age(status.oldest_pending));
        self.metrics.oldest_unconfirmed_age.set(age(status.oldest_unconfirmed));
    }

    fn tell_status(&self, pulse: &Pulse) {
        let mut text = format!("{} opened", self.n_opened.get());
        for (n, what) in
            [(&self.n_not_opened, "not opened"), (&self.n_unconfirmed, "unconfirmed or in conflict")]
        {
            if 0 < n.get() {
                text += &format!(", {} {what}", n.get());
            }
        }
        if 0 < pulse.n_passed_over {
            text += &format!(", {} passed over", pulse.n_passed_over);
        }
        let looks_ill = self.looks_ill.borrow();
        match self.why_idle(pulse) {
            Some(why) => text += &format!("; {why}"),
            None if !looks_ill.is_empty() => text += &format!("; {looks_ill}"),
            None => {}
        }
        self.systemd.status(text);
    }
}

fn set_rows(metrics: &Metrics, counts: &Counts) {
    for (state, n_rows) in [
        ("pending", counts.pending),
        ("in_flight", counts.in_flight),
        ("in_doubt", counts.in_doubt),
        ("opened", counts.opened),
        ("invalid", counts.invalid),
        ("rejected", counts.rejected),
        ("failed", counts.failed),
        ("unconfirmed", counts.unconfirmed),
        ("conflict", counts.conflict),
        ("skipped", counts.skipped),
        ("cancelled", counts.cancelled),
    ] {
        metrics.rows.with_label_values(&[state]).set(n_rows as f64);
    }
}

/// What is wrong with the database, and why, in a line.
fn in_words(error: &dyn Error) -> String {
    let mut text = format!("the database: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    printable::line(&text, printable::LINE_CHARS_MAX).into_owned()
}

fn per_second(slot: Option<Duration>) -> f64 {
    slot.map_or(f64::INFINITY, |it| 1.0 / it.as_secs_f64())
}

fn kind_name(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Post => "post",
        RequestKind::LookUp => "look_up",
        RequestKind::Login => "login",
        RequestKind::Probe => "probe",
    }
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

/// One line for what became of a row, once that is stored: what was only learnt may come otherwise. All lines
/// of a row have its `row.id`.
fn log(settle: &Settle, became: Settled, name: &Name) {
    let id = settle.row.0;
    let (lote, referencia) = (&*name.lote, &*name.referencia);
    let (state, code) = match (became, &settle.change) {
        (Settled::Locked, _) | (_, Change::Release) => return,
        (Settled::Stale, _) => {
            tracing::info!(
                row.id = id,
                lote,
                referencia,
                "row {id} was settled by another, and stays as it is"
            );
            return;
        }
        (Settled::Deleted, Change::Opened { opening, .. } | Change::Conflict { opening, .. }) => {
            tracing::error!(
                row.id = id,
                lote,
                referencia,
                protocolo = &*opening.protocolo,
                id_atendimento = opening.id_atendimento,
                "row {id} was deleted while it was sent: its ticket exists, and no row has it"
            );
            return;
        }
        (Settled::Deleted, _) => {
            tracing::warn!(row.id = id, lote, referencia, "row {id} was deleted while it was sent");
            return;
        }
        (Settled::Duplicate, _) => {
            tracing::error!(
                row.id = id,
                lote,
                referencia,
                state = "opened",
                code = "duplicate",
                "row {id} has a second ticket"
            );
            return;
        }
        (Settled::Taken, _) => ("conflict", "taken".into()),
        (Settled::Written, Change::Opened { .. }) => ("opened", "".into()),
        (Settled::Written, Change::Later { fault, .. }) => {
            (state_name(settle.change.state(None)), fault.as_ref().map_or("".into(), Fault::code))
        }
        (Settled::Written, Change::Skipped { .. }) => ("skipped", ALREADY_OPEN.into()),
        (Settled::Written, Change::Rejected { fault, .. }) => ("rejected", fault.code()),
        (Settled::Written, Change::Failed { fault, .. }) => ("failed", fault.code()),
        (Settled::Written, Change::Unconfirmed { fault, .. }) => ("unconfirmed", fault.code()),
        (Settled::Written, Change::Conflict { fault, .. }) => ("conflict", fault.code()),
    };
    tracing::info!(row.id = id, lote, referencia, state, code = &*code, "row {id} is {state}");
}

/// Tells in the log what becomes of rows (`-v`), by the names that a producer knows them by.
#[derive(Default)]
pub struct RowLog {
    /// Of the rows that are claimed.
    names: RefCell<HashMap<RowId, Name, foldhash::fast::RandomState>>,
}

/// By what a producer knows its row.
#[derive(Clone, Debug, Default)]
struct Name {
    lote: Arc<str>,
    referencia: Arc<str>,
}

impl Watch for RowLog {
    fn claimed(&self, claim: &Claim) {
        if !tracing::enabled!(tracing::Level::ERROR) {
            return;
        }
        let name = Name { lote: Arc::clone(&claim.lote), referencia: Arc::clone(&claim.referencia) };
        self.names.borrow_mut().insert(claim.row, name);
    }

    fn settled(&self, settle: &Settle, became: Settled) {
        if !tracing::enabled!(tracing::Level::ERROR) {
            return;
        }
        let mut names = self.names.borrow_mut();
        // What somebody has a lock on is settled once more.
        let name = match became {
            Settled::Locked => None,
            _ => names.remove(&settle.row),
        };
        log(settle, became, &name.unwrap_or_default());
    }

    fn refused(&self, refused: &Refused) {
        let (id, lote, referencia) = (refused.row.0, &*refused.lote, &*refused.referencia);
        let (state, code) = (state_name(refused.state), &*refused.code);
        tracing::info!(row.id = id, lote, referencia, state, code, "row {id} is {state}");
    }
}

impl Watch for Watching {
    fn settled(&self, settle: &Settle, became: Settled) {
        if became == Settled::Duplicate {
            self.metrics.duplicates.inc();
        }
        match (became, &settle.change) {
            (Settled::Written, Change::Opened { .. }) => count(&self.n_opened),
            (Settled::Written, Change::Unconfirmed { .. } | Change::Conflict { .. })
            | (Settled::Taken, _) => {
                count(&self.n_unconfirmed);
            }
            (Settled::Written, Change::Rejected { .. } | Change::Failed { .. } | Change::Skipped { .. }) => {
                count(&self.n_not_opened);
            }
            _ => {}
        }
        self.rows.settled(settle, became);
    }

    fn refused(&self, refused: &Refused) {
        match refused.state {
            State::Unconfirmed => count(&self.n_unconfirmed),
            _ => count(&self.n_not_opened),
        }
        self.rows.refused(refused);
    }

    fn claimed(&self, claim: &Claim) {
        self.rows.claimed(claim);
    }

    fn answered(&self, kind: RequestKind, verdict: &'static str, latency: Duration) {
        self.metrics.answered(kind_name(kind), verdict, latency);
    }

    fn pulse_every(&self) -> Option<Duration> {
        Some(self.systemd.feed_every().map_or(PULSE, |it| it.min(PULSE)))
    }

    fn turned(&self, pulse: &Pulse) {
        self.turned.set(Instant::now());
        self.pulse.set(Some(*pulse));
        self.systemd.feed();
        self.tell_status(pulse);
        let stands = pulse.is_throttled || self.why_idle(pulse).is_some();
        self.metrics.rate.set(if stands { 0.0 } else { per_second(pulse.slot) });
        self.metrics.breaker_open.set(i64::from(pulse.is_breaker_open));
        self.metrics.rows_passed_over.set(i64::try_from(pulse.n_passed_over).unwrap_or(i64::MAX));
    }

    fn note(&self, note: Note<'_>) {
        match note {
            Note::Stopping => self.systemd.stopping(),
            Note::OutboxDown(why) => drop(self.works_ill.replace(format!("the database: {why}"))),
            Note::OutboxUp => self.works_ill.borrow_mut().clear(),
            Note::Paused(why) => drop(self.stopped.replace(crate::text::pause(why))),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Token;

    /// Seen: the line that told of it at last named neither lote nor referencia.
    #[test]
    fn a_row_that_was_locked_keeps_its_name_until_it_is_settled() {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).finish();
        tracing::subscriber::with_default(subscriber, || {
            let log = RowLog::default();
            let name = Name { lote: "queda".into(), referencia: "7".into() };
            log.names.borrow_mut().insert(RowId(1), name);
            let change = Change::Release;
            let settle = Settle { row: RowId(1), token: Token(1), change, attempt: None };
            log.settled(&settle, Settled::Locked);
            assert!(log.names.borrow().contains_key(&RowId(1)));
            log.settled(&settle, Settled::Written);
            assert!(log.names.borrow().is_empty());
        });
    }
}
