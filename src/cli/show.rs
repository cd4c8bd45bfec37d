//! `show`: one row, its fields, its state, every attempt.

use std::borrow::Cow;

use super::exit::Exit;
use super::failure::Failure;
use super::json;
use super::screen::Screen;
use crate::app;
use crate::app::place::NamedRow;
use crate::delivery::{AttemptKind, State};
use crate::language::times::local;
use crate::outbox::RowDetails;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::text::{again, field};
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
    let row = tr!(
        "row %{row} (%{batch}:%{line}), reference %{referencia}",
        row = report.row.0,
        batch = printable::name(&details.batch),
        line = report.line,
        referencia = printable::name(&report.referencia)
    );
    let mut text = format!("{row}\n{}\n", state(report.state));
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {}", printable::line(&value, LINE_CHARS_MAX));
        }
    };
    let owned = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| text.to_string());
    let in_words = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| again(text).into_owned());
    line(&tr!("marker"), json::marker(details));
    line("protocolo", owned(&report.protocolo));
    line("id_atendimento", report.id_atendimento.map(|id| id.to_string()));
    line("numeros_ordem_servico", Some(report.numeros_ordem_servico.join(" ")));
    line(&tr!("attempts"), Some(report.attempts.to_string()));
    line(&tr!("error"), owned(&report.error_code));
    line(&tr!("message"), in_words(&report.error_message));
    line(&tr!("warning"), in_words(&report.warning));
    line(&tr!("first sent"), details.sent_at.map(local));
    line(&tr!("in doubt since"), details.doubt.as_ref().map(|doubt| local(doubt.since)));
    match report.state {
        State::Pending => line(&tr!("next"), Some(local(details.available_at))),
        State::InDoubt => {
            let next = tr!("%{at}, if somebody works", at = local(details.available_at));
            line(&tr!("next look-up"), Some(next.into_owned()));
        }
        _ => {}
    }
    line(&tr!("finished"), details.finished_at.map(local));
    line(&tr!("purged"), details.purged_at.map(local));
    for problem in &details.problems {
        line(
            &tr!("problem"),
            Some(format!("{}: {} ({})", field(&problem.field), again(&problem.message), problem.code)),
        );
    }
    for field in Field::ALL {
        line(&format!("  {field}"), details.fields.get(field).map(ticket::cut));
    }
    for attempt in &details.history {
        let status = attempt.http_status.map_or_else(String::new, |status| format!(" {status}"));
        line(
            &format!("{} {}", local(attempt.at), kind(attempt.kind)),
            Some(match attempt.kind {
                AttemptKind::Word => format!("{}; {}", attempt.verdict, again(&attempt.note)),
                AttemptKind::Post | AttemptKind::LookUp => tr!(
                    "%{verdict} after %{ms} ms; %{note}",
                    verdict = format!("{}{status}", attempt.verdict),
                    ms = attempt.latency.as_millis(),
                    note = again(&attempt.note)
                )
                .into_owned(),
            }),
        );
    }
    text
}

/// With the state's name as programs know it.
fn state(state: State) -> Cow<'static, str> {
    match state {
        State::Pending => tr!("state: pending"),
        State::InFlight => tr!("state: in_flight"),
        State::InDoubt => tr!("state: in_doubt"),
        State::Opened => tr!("state: opened"),
        State::Invalid => tr!("state: invalid"),
        State::Rejected => tr!("state: rejected"),
        State::Failed => tr!("state: failed"),
        State::Unconfirmed => tr!("state: unconfirmed"),
        State::Conflict => tr!("state: conflict"),
        State::Skipped => tr!("state: skipped"),
        State::Cancelled => tr!("state: cancelled"),
    }
}

/// What was tried.
fn kind(kind: AttemptKind) -> Cow<'static, str> {
    match kind {
        AttemptKind::Post => tr!("post"),
        AttemptKind::LookUp => tr!("look_up"),
        AttemptKind::Word => tr!("word"),
    }
}
