//! `show`: one row, its fields, its state, every attempt.

use super::clock::local;
use super::exit::Exit;
use super::failure::Failure;
use super::json;
use super::screen::Screen;
use crate::app;
use crate::app::place::NamedRow;
use crate::delivery::{AttemptKind, State};
use crate::outbox::{RowDetails, kind_name, state_name};
use crate::printable::{self, LINE_CHARS_MAX};
use crate::ticket::{self, Field};

pub async fn show(name: &NamedRow, screen: &Screen) -> Result<Exit, Failure> {
    let details = app::show(name).await?;
    if screen.json {
        screen.result_json(json::row(&details).to_string());
    } else {
        screen.result_lines(in_lines(&details).trim_end());
    }
    Ok(Exit::Done)
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
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {}", printable::line(&value, LINE_CHARS_MAX));
        }
    };
    let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(|text| text.to_string());
    line("marker", json::marker(details));
    line("protocolo", owned(&report.protocolo));
    line("id_atendimento", report.id_atendimento.map(|id| id.to_string()));
    line("numeros_ordem_servico", Some(report.numeros_ordem_servico.join(" ")));
    line("attempts", Some(report.attempts.to_string()));
    line("error", owned(&report.error_code));
    line("message", owned(&report.error_message));
    line("warning", owned(&report.warning));
    line("first sent", details.sent_at.map(local));
    line("in doubt since", details.doubt.as_ref().map(|doubt| local(doubt.since)));
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
    for attempt in &details.history {
        let status = attempt.http_status.map_or_else(String::new, |status| format!(" {status}"));
        line(
            &format!("{} {}", local(attempt.at), kind_name(attempt.kind)),
            Some(match attempt.kind {
                AttemptKind::Word => format!("{}; {}", attempt.verdict, attempt.note),
                AttemptKind::Post | AttemptKind::LookUp => {
                    format!(
                        "{}{status} after {} ms; {}",
                        attempt.verdict,
                        attempt.latency.as_millis(),
                        attempt.note
                    )
                }
            }),
        );
    }
    text
}
