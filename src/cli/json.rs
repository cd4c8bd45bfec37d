//! What is printed for programs; docs/json.md says what it means.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::app::OutboxStatus;
use crate::app::place::Place;
use crate::app::show::marker;
use crate::app::summary;
use crate::outbox::{Act, Crew, RowDetails, Status, kind_name, state_name};
use crate::text;
use crate::ticket::{Field, RawTicket};

/// Of no outbox yet.
pub fn no_status() -> Value {
    json!({"version": 1, "batches": [], "halted": []})
}

/// Adds one outbox to the document.
pub fn add_status(outbox: &OutboxStatus, place: &Place, document: &mut Value) {
    for (info, status, reasons) in &outbox.batches {
        let mut batch = status_of(status);
        batch["reasons"] = json!(summary::reasons(reasons));
        batch["reasons_others"] = json!(reasons.n_others);
        batch["batch"] = json!(info.name);
        batch["finished_at"] = json!(info.finished_at);
        batch["outbox"] = json!(place.outbox.to_string());
        batch["pid"] = json!(outbox.holder.as_ref().map(|holder| holder.pid));
        batch["doing"] = json!(outbox.holder.as_ref().map(|holder| &holder.doing));
        let going = outbox.holder.as_ref().map(|holder| holder.going.clone()).unwrap_or_default();
        batch["rows_per_s"] = json!(going.rows_per_s);
        batch["at_once"] = json!(going.at_once);
        batch["held_back_by"] = json!(going.held_back_by);
        batch["ends_at"] = json!(going.ends_at);
        if let Some(acts) = outbox.acts.get(&info.name) {
            batch["acts"] = acts.iter().map(act).collect();
        }
        push(&mut document["batches"], batch);
    }
    if let Some(whole) = &outbox.whole {
        document["outbox"] = status_of(whole);
    }
    if let Some(crew) = &outbox.crew {
        document["workers"] = crew_of(crew);
    }
    for halted in &outbox.halted {
        let halted = json!({
            "batch": halted.lote, "code": halted.reason.code(), "reason": text::halt_reason(&halted.reason),
            "waiting": halted.n_waiting,
        });
        push(&mut document["halted"], halted);
    }
}

fn act(Act { at, who, way, deed, n_rows }: &Act) -> Value {
    json!({"at": at, "who": who, "way": way.name(), "deed": deed.name(), "n_rows": n_rows})
}

fn status_of(status: &Status) -> Value {
    let mut counts = json!(summary::counts(&status.counts));
    // A run may live: what is in flight is not in doubt yet.
    counts["in_doubt"] = json!(status.counts.in_doubt);
    counts["in_flight"] = json!(status.counts.in_flight);
    json!({
        "counts": counts, "due_now": status.due_now, "oldest_pending": status.oldest_pending,
        "next_look_up": status.next_look_up,
    })
}

fn crew_of(crew: &Crew) -> Value {
    json!({
        "alive": crew.n_workers, "rate_per_s": crew.rate_per_s, "lowered_per_s": crew.lowered_per_s,
        "at_once": crew.at_once,
        "stopped": crew.paused.as_ref().map(text::pause),
        "paused_until": crew.throttled.as_ref().map(|(until, _)| until),
        "pause_reason": crew.throttled.as_ref().map(|(_, reason)| text::throttle(reason)),
        "is_breaker_closed": crew.is_breaker_closed,
    })
}

fn push(list: &mut Value, element: Value) {
    if let Value::Array(list) = list {
        list.push(element);
    }
}

pub fn row(details: &RowDetails) -> Value {
    let report = &details.report;
    let again = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| text::again(text).into_owned());
    json!({
        "version": 1, "id": report.row.0, "batch": details.batch, "line": report.line, "lote": report.lote,
        "referencia": report.referencia, "marker": marker(details), "state": state_name(report.state), "protocolo": report.protocolo,
        "id_atendimento": report.id_atendimento, "ids_ordem_servico": report.ids_ordem_servico,
        "numeros_ordem_servico": report.numeros_ordem_servico, "attempts": report.attempts,
        "error_code": report.error_code, "error_message": again(&report.error_message), "warning": again(&report.warning),
        "fields": fields(&details.fields), "problems": details.problems, "sent_at": details.sent_at,
        "available_at": details.available_at, "finished_at": details.finished_at,
        "purged_at": details.purged_at,
        "in_doubt_since": details.doubt.as_ref().map(|doubt| doubt.since),
        "history": details.history.iter().map(|attempt| json!({
            "at": attempt.at, "kind": kind_name(attempt.kind), "verdict": attempt.verdict,
            "http_status": attempt.http_status, "latency_ms": attempt.latency.as_secs_f64() * 1e3,
            "note": text::again(&attempt.note),
        })).collect::<Vec<_>>(),
    })
}

/// By name: in the outbox they stand as a list.
fn fields(fields: &RawTicket<'_>) -> Value {
    Field::ALL
        .iter()
        .filter_map(|field| Some((field.name().to_owned(), Value::from(fields.get(*field)?))))
        .collect()
}
