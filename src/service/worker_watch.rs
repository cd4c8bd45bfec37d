//! What others see of a worker: systemd, Prometheus, whoever asks for its health, and who reads its log.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::looks::{self, Noticed};
use super::metrics::{Metrics, per_second};
use super::readiness::Readiness;
use super::row_counts;
use super::row_log::RowLog;
use super::server::{self, Bounds};
use super::systemd::Systemd;
use super::tally::Tally;
use crate::delivery::{Note, Pulse, Rate, Refused, RequestKind, Settle, Settled, Watch};
use crate::outbox::Address;

/// The loop comes by so often at least, also when idle: readiness follows it.
const PULSE: Duration = Duration::from_secs(1);

/// Of those who ask for its health, at a time.
const CONNECTIONS_MAX: usize = 16;

/// Nobody who asks for its health holds up others for long.
const METRICS: Bounds =
    Bounds { n_connections_max: CONNECTIONS_MAX, one_answer_within: Some(Duration::from_secs(5)) };

/// Looks on while a worker works, and tells.
pub struct WorkerWatch {
    systemd: Systemd,
    metrics: Metrics,
    readiness: Readiness,
    api_returned: Arc<Notify>,
    tally: Tally,
}

impl WorkerWatch {
    /// `resume` is the command that lets all workers go on.
    pub fn new(ceiling: Rate, resume: String) -> Self {
        Self {
            systemd: Systemd::from_env(),
            metrics: Metrics::new(ceiling),
            readiness: Readiness::new(resume),
            api_returned: Arc::default(),
            tally: Tally::default(),
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

    /// Why it goes no faster now, of all `reasons` that there are.
    pub fn held_back(&self, reasons: &[&str], now: Option<&str>) {
        self.metrics.set_held_back(reasons, now);
    }

    /// One more try to reach the database before the work begins.
    pub fn tried(&self) {
        self.readiness.tried();
        self.systemd.feed();
    }

    /// Looks at the outbox as long as it is polled, and tells what a person should hear of it. With a
    /// `listener` it answers whoever asks there, and looks at what only they want to know, besides: HubSoft
    /// (`api` is its `host:port`), and counts of rows.
    pub async fn look_on(
        &self,
        outbox: &Address,
        api: &str,
        listener: Option<TcpListener>,
        tell: impl Fn(Noticed<'_>),
    ) -> Infallible {
        let asked = async {
            let Some(listener) = listener else { return pending().await };
            let answers =
                service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(self.answer(&request)));
            let never_stopped = CancellationToken::new();
            tokio::select! {
                () = server::serve(listener, METRICS, answers, &never_stopped) => pending().await,
                never = looks::at_api(api, &self.readiness, &self.api_returned) => never,
                never = row_counts::count(outbox, &self.metrics) => never,
            }
        };
        tokio::select! {
            never = looks::at_outbox(outbox, &self.readiness, &self.metrics, tell) => never,
            never = asked => never,
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let plain = |status, body: String| server::text(status, "text/plain; charset=utf-8", body);
        let well = |said: &str| plain(StatusCode::OK, said.to_owned());
        let ill = |why: &str| plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        match request.uri().path() {
            "/metrics" => {
                self.metrics.ready.set(i64::from(self.readiness.why_not().is_none()));
                let content_type = "text/plain; version=0.0.4; charset=utf-8";
                server::text(StatusCode::OK, content_type, self.metrics.text())
            }
            "/livez" if self.readiness.is_stuck() => ill("the loop is stuck"),
            "/livez" => well("alive\n"),
            "/readyz" => self.readiness.why_not().map_or_else(|| well("ready\n"), |why| ill(&why)),
            _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz\n".to_owned()),
        }
    }

    fn tell_status(&self, pulse: &Pulse) {
        let mut text = self.tally.in_words();
        if 0 < pulse.n_passed_over {
            text += &format!(", {} passed over", pulse.n_passed_over);
        }
        if let Some(why) = self.readiness.what_is_wrong(pulse) {
            text += &format!("; {why}");
        }
        self.systemd.status(text);
    }
}

impl Watch for WorkerWatch {
    fn settled(&self, settle: &Settle, became: Settled) {
        if became == Settled::Duplicate {
            self.metrics.duplicates.inc();
        }
        self.tally.settled(settle, became);
        RowLog.settled(settle, became);
    }

    fn refused(&self, refused: &Refused) {
        self.tally.refused(refused);
        RowLog.refused(refused);
    }

    fn answered(&self, kind: RequestKind, verdict: &'static str, latency: Duration) {
        self.metrics.answered(kind, verdict, latency);
    }

    fn pulse_every(&self) -> Option<Duration> {
        Some(self.systemd.feed_every().map_or(PULSE, |feed_every| feed_every.min(PULSE)))
    }

    fn turned(&self, pulse: &Pulse) {
        self.readiness.turned(pulse);
        self.systemd.feed();
        self.tell_status(pulse);
        let stands = pulse.is_throttled || self.readiness.why_idle(pulse).is_some();
        self.metrics.rate.set(if stands { 0.0 } else { per_second(pulse.slot) });
        self.metrics.in_flight_limit.set(i64::try_from(pulse.n_at_once).unwrap_or(i64::MAX));
        self.metrics.breaker_open.set(i64::from(pulse.is_breaker_open));
        self.metrics.rows_passed_over.set(i64::try_from(pulse.n_passed_over).unwrap_or(i64::MAX));
    }

    fn note(&self, note: Note<'_>) {
        if matches!(note, Note::Stopping) {
            self.systemd.stopping();
        }
        self.readiness.noted(&note);
    }
}
