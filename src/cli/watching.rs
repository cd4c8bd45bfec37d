//! What others see of a worker: systemd, Prometheus, and who reads its log.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::delivery::{Change, Claim, Note, Pulse, Rate, Refused, RequestKind, Settle, Settled, Watch};
use crate::outbox::{Address, Counts, Onlooker, Scope, Status};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::server::{self, Answer};
use crate::telemetry::systemd::Systemd;

/// The loop comes by so often at least, also when idle: readiness follows it.
const PULSE: Duration = Duration::from_secs(1);

/// A loop that has not come by for so long is stuck. Longer than its longest wait for a database
/// (30 s) before the first row.
const STUCK: Duration = Duration::from_secs(40);

/// Between two looks at whether the database and HubSoft can be reached, and the longest wait for
/// either. Together shorter than the 5 s within which readiness has to follow.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOK_MAX: Duration = Duration::from_secs(2);

/// Between two counts of the rows: at least this, and [`COUNT_SHARE`] times as long as the last one
/// took, so that a large outbox is not kept busy by being looked at.
const COUNT_EVERY: Duration = Duration::from_secs(15);
const COUNT_SHARE: u32 = 50;

/// Looks on while a worker works, and tells.
pub struct Watching {
    systemd: Systemd,
    metrics: Option<Metrics>,
    /// When the loop last came by.
    turned: Cell<Instant>,
    /// How it stood then. `None`: it has not begun.
    pulse: Cell<Option<Pulse>>,
    is_database_near: Cell<bool>,
    is_api_near: Cell<bool>,
    n_opened: Cell<u64>,
    n_not_opened: Cell<u64>,
    n_unconfirmed: Cell<u64>,
}

/// Whether somebody may ask for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Nobody,
    Asks,
}

impl Watching {
    pub fn new(audience: Audience, ceiling: Rate) -> Self {
        let metrics = (audience == Audience::Asks).then(Metrics::default);
        if let Some(metrics) = &metrics {
            metrics.rate_ceiling.set(per_second(ceiling.slot()));
            set_rows(metrics, &Counts::default());
            for verdict in ["answered", "rejected", "unknown"] {
                metrics.attempts.with_label_values(&["post", verdict]).reset();
            }
            metrics.request_duration.with_label_values(&["post"]);
        }
        Self {
            systemd: Systemd::from_env(),
            metrics,
            turned: Cell::new(Instant::now()),
            pulse: Cell::default(),
            is_database_near: Cell::default(),
            is_api_near: Cell::default(),
            n_opened: Cell::default(),
            n_not_opened: Cell::default(),
            n_unconfirmed: Cell::default(),
        }
    }

    /// The settings are read. A worker that waits for its database is ready to systemd: it does what
    /// it is for, starting it anew would not help, and units that are ordered after it must not fail.
    /// Whether it can open tickets is what `/readyz` says.
    pub fn begin(&self) {
        self.systemd.ready();
        self.systemd.status("waiting for the database".to_owned());
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
        let Some(metrics) = &self.metrics else { return Answer::text(404, "") };
        metrics.ready.set(i64::from(self.why_not_ready().is_none()));
        let content_type = "text/plain; version=0.0.4; charset=utf-8";
        Answer { content_type, ..Answer::text(200, metrics.text()) }
    }

    fn why_not_ready(&self) -> Option<&'static str> {
        let Some(pulse) = self.pulse.get() else { return Some("it has not begun: the database is away") };
        if !self.is_database_near.get() || pulse.is_outbox_down {
            return Some("the database does not answer");
        }
        if !self.is_api_near.get() {
            return Some("HubSoft cannot be reached");
        }
        if STUCK <= self.turned.get().elapsed() {
            return Some("the loop is stuck");
        }
        self.why_idle(&pulse)
    }

    fn why_idle(&self, pulse: &Pulse) -> Option<&'static str> {
        [
            (pulse.is_ending, "it is stopping"),
            (pulse.is_stopped, "a person stopped all workers"),
            (pulse.is_halted, "it is halted; its log says why"),
            (pulse.is_breaker_open, "HubSoft is unavailable"),
            (pulse.is_outbox_down, "the database does not answer"),
        ]
        .into_iter()
        .find_map(|(holds, why)| holds.then_some(why))
    }

    /// Sees every few seconds whether HubSoft (`host:port`) can be reached.
    pub async fn look_at_api(&self, address: &str) -> Infallible {
        loop {
            let connected = timeout(LOOK_MAX, TcpStream::connect(address)).await;
            self.is_api_near.set(matches!(connected, Ok(Ok(_))));
            sleep(LOOK_EVERY).await;
        }
    }

    /// Sees every few seconds whether the outbox can be reached, by a connection of its own.
    pub async fn look_at_outbox(&self, address: &Address) -> Infallible {
        let mut onlooker = None;
        loop {
            let is_near = match &onlooker {
                None => {
                    onlooker = timeout(LOOK_MAX, address.look()).await.ok().and_then(Result::ok);
                    onlooker.is_some()
                }
                Some(onlooker) => self.ask(onlooker).await,
            };
            self.is_database_near.set(is_near);
            sleep(LOOK_EVERY).await;
        }
    }

    async fn ask(&self, onlooker: &Onlooker) -> bool {
        let began = Instant::now();
        let is_near = matches!(timeout(LOOK_MAX, onlooker.reader().host()).await, Ok(Ok(_)));
        if let (true, Some(metrics)) = (is_near, &self.metrics) {
            metrics.database_round_trip.observe(began.elapsed().as_secs_f64());
        }
        is_near
    }

    /// Counts the rows now and then.
    pub async fn count(&self, address: &Address) -> Infallible {
        let mut onlooker = None;
        loop {
            let began = Instant::now();
            if onlooker.is_none() {
                onlooker = address.look().await.ok();
            }
            if let Some(onlooker) = &onlooker
                && let Ok(status) = onlooker.reader().status(Scope::All, Timestamp::now()).await
            {
                self.counted(&status);
            }
            sleep_until(Instant::now() + COUNT_EVERY.max(began.elapsed() * COUNT_SHARE)).await;
        }
    }

    fn counted(&self, status: &Status) {
        let Some(metrics) = &self.metrics else { return };
        set_rows(metrics, &status.counts);
        let age = |since: Option<Timestamp>| {
            since.map_or(0.0, |it| Timestamp::now().duration_since(it).as_secs_f64().max(0.0))
        };
        metrics.oldest_pending_age.set(age(status.oldest_pending));
        metrics.oldest_unconfirmed_age.set(age(status.oldest_unconfirmed));
    }

    fn tell_status(&self, pulse: &Pulse) {
        let mut text = format!("{} opened", self.n_opened.get());
        for (n, what) in [(&self.n_not_opened, "not opened"), (&self.n_unconfirmed, "unconfirmed")] {
            if 0 < n.get() {
                text += &format!(", {} {what}", n.get());
            }
        }
        if let Some(why) = self.why_idle(pulse) {
            text += &format!("; {why}");
        }
        self.systemd.status(text);
    }
}

fn set_rows(metrics: &Metrics, counts: &Counts) {
    for (state, n_rows) in [
        ("pending", counts.pending),
        ("in_flight", counts.in_flight),
        ("opened", counts.opened),
        ("invalid", counts.invalid),
        ("rejected", counts.rejected),
        ("failed", counts.failed),
        ("unconfirmed", counts.unconfirmed),
        ("skipped", counts.skipped),
        ("cancelled", counts.cancelled),
    ] {
        metrics.rows.with_label_values(&[state]).set(n_rows as f64);
    }
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

impl Watch for Watching {
    fn settled(&self, settle: &Settle, became: Settled) {
        if let (Settled::Duplicate, Some(metrics)) = (became, &self.metrics) {
            metrics.duplicates.inc();
        }
        match (became, &settle.change) {
            (Settled::Written, Change::Opened { .. }) => count(&self.n_opened),
            (Settled::Written, Change::Unconfirmed { .. }) | (Settled::Taken, _) => {
                count(&self.n_unconfirmed)
            }
            (Settled::Written, Change::Rejected { .. } | Change::Failed { .. } | Change::Skipped { .. }) => {
                count(&self.n_not_opened);
            }
            _ => {}
        }
    }

    fn invalid(&self, refused: &Refused) {
        count(&self.n_not_opened);
        let code = refused.problems.first().map_or("", |it| &*it.code);
        tracing::info!(row.id = refused.row.0, state = "invalid", code, "the row is invalid");
    }

    fn learnt(&self, claim: &Claim, settle: &Settle) {
        let (id, lote) = (claim.row.0, &*claim.lote);
        match &settle.change {
            Change::Release => {}
            Change::Opened { .. } => {
                tracing::debug!(row.id = id, lote, state = "opened", "the row is opened")
            }
            Change::Later { fault, .. } => {
                let code = fault.as_ref().map_or("", |it| &it.code);
                tracing::info!(row.id = id, lote, state = "pending", code, "the row comes again later");
            }
            Change::Skipped { .. } => {
                tracing::info!(
                    row.id = id,
                    lote,
                    state = "skipped",
                    code = "already_open",
                    "the row is skipped"
                );
            }
            Change::Rejected { fault, .. } => {
                tracing::info!(
                    row.id = id,
                    lote,
                    state = "rejected",
                    code = fault.code,
                    "the row is rejected"
                );
            }
            Change::Failed { fault, .. } => {
                tracing::info!(row.id = id, lote, state = "failed", code = fault.code, "the row has failed");
            }
            Change::Unconfirmed { fault, .. } => {
                tracing::info!(
                    row.id = id,
                    lote,
                    state = "unconfirmed",
                    code = fault.code,
                    "the row is unconfirmed"
                );
            }
        }
    }

    fn answered(&self, kind: RequestKind, verdict: &'static str, latency: Duration) {
        if let Some(metrics) = &self.metrics {
            metrics.answered(kind_name(kind), verdict, latency);
        }
    }

    fn pulse_every(&self) -> Option<Duration> {
        Some(self.systemd.feed_every().map_or(PULSE, |it| it.min(PULSE)))
    }

    fn turned(&self, pulse: &Pulse) {
        self.turned.set(Instant::now());
        self.pulse.set(Some(*pulse));
        self.systemd.feed();
        self.tell_status(pulse);
        if let Some(metrics) = &self.metrics {
            let stands = pulse.is_paused || self.why_idle(pulse).is_some();
            metrics.rate.set(if stands { 0.0 } else { per_second(pulse.slot) });
            metrics.breaker_open.set(i64::from(pulse.is_breaker_open));
        }
    }

    fn note(&self, note: Note<'_>) {
        if note == Note::Stopping {
            self.systemd.stopping();
        }
    }
}
