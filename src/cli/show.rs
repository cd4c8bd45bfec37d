//! `show`: one row, its fields, its state, every attempt.

use serde_json::{Value, json};

use super::clock::local;
use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app;
use crate::app::place::NamedRow;
use crate::delivery::{AttemptKind, State};
use crate::outbox::{RowDetails, kind_name, state_name};
use crate::printable::{self, LINE_CHARS_MAX};
use crate::ticket::{self, Field, RawTicket};

pub async fn show(name: &NamedRow, screen: &Screen) -> Result<Exit, Failure> {
    let details = app::show(name).await?;
    if screen.json {
        screen.result_json(as_json(&details).to_string());
    } else {
        screen.result_lines(in_lines(&details).trim_end());
    }
    Ok(Exit::Done)
}

fn as_json(details: &RowDetails) -> Value {
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
fn marker(details: &RowDetails) -> Option<String> {
    Some(details.marker?.to_string().trim_start().to_owned())
}

/// By name: in the outbox they stand as a list.
fn fields(fields: &RawTicket<'_>) -> Value {
    Field::ALL.iter().filter_map(|it| Some((it.name().to_owned(), Value::from(fields.get(*it)?)))).collect()
}

/// Fields as they are: a person asked for this one row.
fn in_lines(details: &RowDetails) -> String {
    use std::fmt::Write;
    let report = &details.report;
    let mut text = format!(
        "row {} ({}:{}), reference {}\nstate: {}\n",
        report.row.0,
        printable::name(&details.batch),
        report.line,
        printable::name(&report.referencia),
        state_name(report.state)
    );
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|it| !it.is_empty()) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {}", printable::line(&value, LINE_CHARS_MAX));
        }
    };
    let owned = |it: &Option<std::borrow::Cow<'_, str>>| it.as_ref().map(|it| it.to_string());
    line("marker", marker(details));
    line("protocolo", owned(&report.protocolo));
    line("id_atendimento", report.id_atendimento.map(|it| it.to_string()));
    line("numeros_ordem_servico", Some(report.numeros_ordem_servico.join(" ")));
    line("attempts", Some(report.attempts.to_string()));
    line("error", owned(&report.error_code));
    line("message", owned(&report.error_message));
    line("warning", owned(&report.warning));
    line("first sent", details.sent_at.map(local));
    line("in doubt since", details.doubt.as_ref().map(|it| local(it.since)));
    match report.state {
        State::Pending => line("next", Some(local(details.available_at))),
        State::InDoubt => {
            line("next look-up", Some(format!("{}, if somebody works", local(details.available_at))))
        }
        _ => {}
    }
    line("finished", details.finished_at.map(local));
    line("purged", details.purged_at.map(local));
    for problem in &details.problems {
        line("problem", Some(format!("{}: {} ({})", problem.field, problem.message, problem.code)));
    }
    for field in Field::ALL {
        line(&format!("  {field}"), details.fields.get(field).map(ticket::cut));
    }
    for it in &details.history {
        let status = it.http_status.map_or_else(String::new, |status| format!(" {status}"));
        line(
            &format!("{} {}", local(it.at), kind_name(it.kind)),
            Some(match it.kind {
                AttemptKind::Word => format!("{}; {}", it.verdict, it.note),
                AttemptKind::Post | AttemptKind::LookUp => {
                    format!("{}{status} after {} ms; {}", it.verdict, it.latency.as_millis(), it.note)
                }
            }),
        );
    }
    text
}
