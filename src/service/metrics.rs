//! What a worker counts, for Prometheus. Nothing here names a row, a person or a secret.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

use crate::delivery::{Rate, RequestKind, State};
use crate::outbox::{Counts, state_name};

/// From a quick answer to the longest time-out that is usual. Seconds.
const REQUEST_S: [f64; 11] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// From a database in the same rack to one that is in trouble. Seconds.
const ROUND_TRIP_S: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0];

pub struct Metrics {
    registry: Registry,
    pub rows: GaugeVec,
    pub rows_passed_over: IntGauge,
    pub oldest_pending_age: Gauge,
    pub oldest_unconfirmed_age: Gauge,
    pub attempts: IntCounterVec,
    pub request_duration: HistogramVec,
    pub rate: Gauge,
    pub rate_ceiling: Gauge,
    pub in_flight_limit: IntGauge,
    pub held_back: GaugeVec,
    pub breaker_open: IntGauge,
    pub duplicates: IntCounter,
    pub database_round_trip: Histogram,
    pub ready: IntGauge,
}

impl Default for Metrics {
    /// All of them, at nothing.
    fn default() -> Self {
        let registry = Registry::new();
        Self {
            rows: keep(&registry, GaugeVec::new(opts("rows", "Rows in the outbox, by state"), &["state"])),
            rows_passed_over: keep(
                &registry,
                IntGauge::with_opts(opts(
                    "rows_passed_over",
                    "Rows that are due and that this worker cannot claim: held by another session, or refused by the database",
                )),
            ),
            oldest_pending_age: keep(
                &registry,
                Gauge::with_opts(opts(
                    "oldest_pending_age_seconds",
                    "For how long the pending row that waits longest has been due; 0 if none is",
                )),
            ),
            oldest_unconfirmed_age: keep(
                &registry,
                Gauge::with_opts(opts(
                    "oldest_unconfirmed_age_seconds",
                    "For how long the row that is unconfirmed longest is in doubt; 0 if there is none",
                )),
            ),
            attempts: keep(
                &registry,
                IntCounterVec::new(
                    opts("attempts_total", "Requests to HubSoft, by kind and by what the answer proved"),
                    &["kind", "verdict"],
                ),
            ),
            request_duration: keep(
                &registry,
                HistogramVec::new(
                    HistogramOpts::from(opts(
                        "request_duration_seconds",
                        "From the slot of a request to the end of its answer, by kind",
                    ))
                    .buckets(REQUEST_S.to_vec()),
                    &["kind"],
                ),
            ),
            rate: keep(
                &registry,
                Gauge::with_opts(opts(
                    "rate_per_second",
                    "Requests a second that this worker may make now; +Inf without a limit",
                )),
            ),
            rate_ceiling: keep(
                &registry,
                Gauge::with_opts(opts(
                    "rate_ceiling_per_second",
                    "Requests a second that were asked for; +Inf without a limit",
                )),
            ),
            in_flight_limit: keep(
                &registry,
                IntGauge::with_opts(opts(
                    "in_flight_limit",
                    "Requests that may wait for an answer at once, as --concurrency says or has found out",
                )),
            ),
            held_back: keep(
                &registry,
                GaugeVec::new(
                    opts(
                        "held_back",
                        "1 for the reason why this worker goes no faster now, 0 for all others",
                    ),
                    &["reason"],
                ),
            ),
            breaker_open: keep(
                &registry,
                IntGauge::with_opts(opts(
                    "breaker_open",
                    "1 while nothing is sent because HubSoft is unavailable",
                )),
            ),
            duplicates: keep(
                &registry,
                IntCounter::with_opts(opts("duplicates_total", "Rows for which a second ticket was seen")),
            ),
            database_round_trip: keep(
                &registry,
                Histogram::with_opts(
                    HistogramOpts::from(opts(
                        "database_round_trip_seconds",
                        "Time that the database took for a small question",
                    ))
                    .buckets(ROUND_TRIP_S.to_vec()),
                ),
            ),
            ready: keep(&registry, IntGauge::with_opts(opts("ready", "1 while /readyz says yes"))),
            registry,
        }
    }
}

impl Metrics {
    /// Of a worker that may send so many requests: what will be counted is there, at nothing.
    pub fn new(ceiling: Rate) -> Self {
        let metrics = Self::default();
        metrics.rate_ceiling.set(per_second(ceiling.slot()));
        metrics.set_rows(&Counts::default());
        for verdict in ["answered", "rejected", "unknown"] {
            metrics.attempts.with_label_values(&["post", verdict]).reset();
        }
        metrics.request_duration.with_label_values(&["post"]);
        metrics
    }

    pub fn set_rows(&self, counts: &Counts) {
        for state in State::ALL {
            self.rows.with_label_values(&[state_name(state)]).set(counts.count(state) as f64);
        }
    }

    pub fn answered(&self, kind: RequestKind, verdict: &str, latency: Duration) {
        let kind = kind_name(kind);
        self.attempts.with_label_values(&[kind, verdict]).inc();
        self.request_duration.with_label_values(&[kind]).observe(latency.as_secs_f64());
    }

    /// Why it goes no faster now, of all `reasons` that there are.
    pub fn set_held_back(&self, reasons: &[&str], now: Option<&str>) {
        for reason in reasons {
            let holds = now == Some(*reason);
            self.held_back.with_label_values(&[*reason]).set(f64::from(u8::from(holds)));
        }
    }

    /// In the text format of Prometheus.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => {
                tracing::error!(%error, "the metrics could not be written");
                String::new()
            }
        }
    }
}

pub fn per_second(slot: Option<Duration>) -> f64 {
    slot.map_or(f64::INFINITY, |slot| 1.0 / slot.as_secs_f64())
}

fn kind_name(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Post => "post",
        RequestKind::LookUp => "look_up",
        RequestKind::Login => "login",
        RequestKind::Probe => "probe",
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("mutirao")
}

fn keep<T: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<T>) -> T {
    let collector = made.expect("the name and the labels are well-formed");
    registry.register(Box::new(collector.clone())).expect("each name is used once");
    collector
}
