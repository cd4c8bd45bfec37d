//! What is printed for programs; docs/json.md says what it means.

use serde_json::{Value, json};

use crate::app::OutboxStatus;
use crate::app::place::Place;
use crate::app::summary;
use crate::outbox::{Crew, RowDetails, Status, kind_name, state_name};
use crate::ticket::{Field, RawTicket};

/// Of no outbox yet.
pub fn no_status() -> Value {
    json!({"version": 1, "batches": [], "halted": []})
}

/// Adds one outbox to the document.
pub fn add_status(outbox: &OutboxStatus, place: &Place, document: &mut Value) {
    for (info, status) in &outbox.batches {
        let mut it = status_of(status);
        it["batch"] = json!(info.name);
        it["finished_at"] = json!(info.finished_at);
        it["outbox"] = json!(place.outbox.to_string());
        it["pid"] = json!(outbox.holder.as_ref().map(|it| it.pid));
        it["doing"] = json!(outbox.holder.as_ref().map(|it| &it.doing));
        push(&mut document["batches"], it);
    }
    if let Some(whole) = &outbox.whole {
        document["outbox"] = status_of(whole);
    }
    if let Some(crew) = &outbox.crew {
        document["workers"] = crew_of(crew);
    }
    for it in &outbox.halted {
        let it = json!({"batch": it.lote, "reason": it.reason, "waiting": it.n_waiting});
        push(&mut document["halted"], it);
    }
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
        "alive": crew.n_workers, "rate_per_s": crew.rate_per_s, "stopped": crew.stopped,
        "paused_until": crew.paused.as_ref().map(|it| it.0), "pause_reason": crew.paused.as_ref().map(|it| &it.1),
        "is_breaker_closed": crew.is_breaker_closed,
    })
}

fn push(list: &mut Value, it: Value) {
    if let Value::Array(list) = list {
        list.push(it);
    }
}

pub fn row(details: &RowDetails) -> Value {
    let report = &details.report;
    json!({
        "version": 1, "id": report.row.0, "batch": details.batch, "line": report.line, "lote": report.lote,
        "referencia": report.referencia, "marker": marker(details), "state": state_name(report.state), "protocolo": report.protocolo,
        "id_atendimento": report.id_atendimento, "ids_ordem_servico": report.ids_ordem_servico,
        "numeros_ordem_servico": report.numeros_ordem_servico, "attempts": report.attempts,
        "error_code": report.error_code, "error_message": report.error_message, "warning": report.warning,
        "fields": fields(&details.fields), "problems": details.problems, "sent_at": details.sent_at,
        "available_at": details.available_at, "finished_at": details.finished_at,
        "purged_at": details.purged_at,
        "in_doubt_since": details.doubt.as_ref().map(|it| it.since),
        "history": details.history.iter().map(|it| json!({
            "at": it.at, "kind": kind_name(it.kind), "verdict": it.verdict, "http_status": it.http_status,
            "latency_ms": it.latency.as_secs_f64() * 1e3, "note": it.note,
        })).collect::<Vec<_>>(),
    })
}

/// As it stands at the end of the description in HubSoft.
pub fn marker(details: &RowDetails) -> Option<String> {
    Some(details.marker?.to_string().trim_start().to_owned())
}

/// By name: in the outbox they stand as a list.
fn fields(fields: &RawTicket<'_>) -> Value {
    Field::ALL.iter().filter_map(|it| Some((it.name().to_owned(), Value::from(fields.get(*it)?)))).collect()
}
