//! What a run came to, for programs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::services::Tally;
use crate::delivery::{Rate, Stats};
use crate::outbox::{Counts, ExampleRow, Reasons, RowReason, SourceInfo, state_name};
use crate::report::{
    self, ApiSummary, CustomersSummary, ExampleSummary, Latency, PaceSummary, Pause, ReasonSummary,
    SourceSummary, Summary,
};
use crate::settings::{MaxErrors, Sending, Stopping};
use crate::text;

/// What a summary is made of.
pub struct Facts<'a> {
    pub batch: &'a str,
    pub file: &'a str,
    pub sha256: &'a str,
    pub source: &'a SourceInfo,
    pub n_rows: u64,
    pub counts: &'a Counts,
    pub reasons: &'a Reasons,
    /// Opened before this run.
    pub opened_before: u64,
    /// Whose services were to be found; `None`: nobody's.
    pub customers: Option<Tally>,
    pub started_at: Timestamp,
    pub rate: Rate,
    /// `None`: nothing had to be sent.
    pub stats: Option<&'a Stats>,
    pub settings: BTreeMap<&'static str, String>,
    /// What the process that ran it ends with.
    pub exit_code: u8,
    /// What the outbox belongs to, once something was sent.
    pub host: Option<String>,
}

pub fn of_run(facts: Facts<'_>) -> Summary {
    let finished_at = Timestamp::now();
    Summary {
        version: 1,
        batch: facts.batch.to_owned(),
        host: facts.host,
        source: SourceSummary {
            file: facts.file.to_owned(),
            sha256: facts.sha256.to_owned(),
            encoding: facts.source.encoding.clone(),
            delimiter: facts.source.delimiter.clone(),
            rows: facts.n_rows,
        },
        counts: report::Counts { opened_before: Some(facts.opened_before), ..counts(facts.counts) },
        reasons: reasons(facts.reasons),
        reasons_others: facts.reasons.n_others,
        customers: facts.customers.map(customers),
        started_at: facts.started_at,
        finished_at,
        elapsed_s: finished_at.duration_since(facts.started_at).as_secs_f64(),
        api: facts.stats.map(api).unwrap_or_default(),
        pace: PaceSummary {
            target_per_s: facts.rate.slot().map(|slot| 1.0 / slot.as_secs_f64()),
            ..facts.stats.map(pace).unwrap_or_default()
        },
        settings: facts.settings,
        exit_code: facts.exit_code,
    }
}

/// How a run goes, by the keys of a settings file, as they are written there.
pub fn settings(sending: &Sending, stopping: &Stopping) -> BTreeMap<&'static str, String> {
    let s = |length: std::time::Duration| format!("{}s", length.as_secs_f64());
    let rate = sending.rate.slot().map(|slot| format!("{}/s", (100.0 / slot.as_secs_f64()).round() / 100.0));
    let mut all = BTreeMap::from([
        ("rate", rate.unwrap_or_else(|| "unlimited".to_owned())),
        ("concurrency", sending.concurrency.to_string()),
        ("max_attempts", sending.max_attempts.to_string()),
        ("timeout", s(sending.timeout)),
        ("connect_timeout", s(sending.connect_timeout)),
        ("settle_delay", s(sending.settle_delay)),
        ("skip_if_open", sending.skip_if_open.to_string()),
        ("verify_first", sending.verify_first.to_string()),
    ]);
    let errors_max = stopping.max_errors.map(|max| match max {
        MaxErrors::Rows(n) => n.to_string(),
        MaxErrors::Percent(percent) => format!("{percent}%"),
    });
    all.extend(errors_max.map(|max| ("max_errors", max)));
    all.extend(stopping.until.map(|until| ("until", until.0.strftime("%H:%M").to_string())));
    all
}

/// What is in flight may have been sent: once nobody works on it, it is in doubt.
pub fn counts(counts: &Counts) -> report::Counts {
    report::Counts {
        total: counts.total(),
        opened: counts.opened,
        opened_without_os: counts.opened_without_os,
        opened_beside: counts.opened_beside,
        invalid: counts.invalid,
        rejected: counts.rejected,
        failed: counts.failed,
        in_doubt: counts.in_doubt + counts.in_flight,
        unconfirmed: counts.unconfirmed,
        conflict: counts.conflict,
        skipped: counts.skipped,
        cancelled: counts.cancelled,
        pending: counts.pending,
        opened_before: None,
    }
}

/// What look-ups of customers came to.
pub fn customers(tally: Tally) -> CustomersSummary {
    CustomersSummary {
        total: tally.customers,
        asked: tally.customers - tally.known,
        from_earlier: tally.known,
        found: tally.found,
        several: tally.several,
        none: tally.without,
        unknown: tally.unknown,
        refused: tally.refused,
    }
}

/// Those that are told.
pub fn reasons(reasons: &Reasons) -> Vec<ReasonSummary> {
    reasons.told.iter().map(reason).collect()
}

fn reason(reason: &RowReason) -> ReasonSummary {
    let example = |ExampleRow { line, referencia }: &ExampleRow| ExampleSummary {
        line: *line,
        referencia: referencia.clone(),
    };
    ReasonSummary {
        state: state_name(reason.state),
        code: reason.code.clone(),
        field: reason.field.clone(),
        message: reason.message.as_deref().map(|message| text::again(message).into_owned()),
        n_rows: reason.n_rows,
        examples: reason.examples.iter().map(example).collect(),
    }
}

fn api(stats: &Stats) -> ApiSummary {
    let n_answered: u64 = stats.by_status.values().sum();
    // A login is on the way to another request, whose answer counts for both.
    let n_sent = stats.posts + stats.look_ups + stats.probes;
    let mut by_status: BTreeMap<String, u64> =
        stats.by_status.iter().map(|(status, n)| (status.to_string(), *n)).collect();
    if n_answered < n_sent {
        by_status.insert("none".to_owned(), n_sent - n_answered);
    }
    let milliseconds = |micros: u64| micros as f64 / 1e3;
    let quantile = |q: f64| milliseconds(stats.latency_us.value_at_quantile(q));
    ApiSummary {
        posts: stats.posts,
        lookups: stats.look_ups,
        logins: stats.logins,
        by_status,
        latency_ms: Latency {
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: milliseconds(stats.latency_us.max()),
        },
    }
}

fn pace(stats: &Stats) -> PaceSummary {
    let pauses = stats.throttles.iter().map(|throttle| Pause {
        at: throttle.at,
        seconds: throttle.length.as_secs_f64(),
        reason: crate::text::throttle(&throttle.reason),
    });
    PaceSummary {
        target_per_s: None,
        mean_per_s: stats.mean_per_s(),
        peak_in_1s: stats.peak_in_1s,
        pauses: pauses.collect(),
    }
}
