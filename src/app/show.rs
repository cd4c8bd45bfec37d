//! One row: its fields, its state, every attempt.

use std::borrow::Cow;

use super::fault::Fault;
use super::place::NamedRow;
use super::resolve::Of;
use super::selection::row_of;
use crate::delivery::{AttemptKind, State};
use crate::language::times::local;
use crate::outbox::{RowDetails, StoredAttempt};
use crate::text::{again, field};
use crate::ticket::{self, Field};

/// The row of this name, and what tells it from others ([`Of`]).
pub async fn show(name: &NamedRow) -> Result<(RowDetails, String), Fault> {
    let outbox = name.place().outbox.look().await?;
    let details = row_of(outbox.reader(), name).await?;
    let mut of = Of::new(outbox.reader()).await?;
    of.add(&details.report);
    outbox.close().await?;
    Ok((details, of.finish()))
}

/// A thing that is known, and what it is called. Texts from outside are as they are stored.
pub type Told = (Cow<'static, str>, String);

/// What is known of a row, as a person is told it. What is blank is left out.
pub struct Story {
    /// What became of it, and what is wrong with it.
    pub known: Vec<Told>,
    pub fields: Vec<(Field, String)>,
    /// Each attempt, the oldest first: when and what, and what came of it.
    pub history: Vec<Told>,
}

impl Story {
    /// Fields as they are: a person asked for this one row.
    pub fn of(details: &RowDetails) -> Self {
        let fields = Field::ALL.into_iter().filter_map(|field| Some((field, details.fields.get(field)?)));
        let fields = fields.map(|(field, text)| (field, ticket::cut(text)));
        Self {
            known: known(details),
            fields: fields.filter(|(_, text)| !text.is_empty()).collect(),
            history: details.history.iter().map(attempt).collect(),
        }
    }
}

/// How its ticket is marked, as it stands at the end of the description in HubSoft.
pub fn marker(details: &RowDetails) -> Option<String> {
    Some(details.marker?.to_string().trim_start().to_owned())
}

fn known(details: &RowDetails) -> Vec<Told> {
    let report = &details.report;
    let owned = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| text.to_string());
    let in_words = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| again(text).into_owned());
    let next = match report.state {
        State::Pending => Some((tr!("next"), local(details.available_at))),
        State::InDoubt => {
            let next = tr!("%{at}, if somebody works", at = local(details.available_at));
            Some((tr!("next look-up"), next.into_owned()))
        }
        _ => None,
    };
    let problems = details.problems.iter().map(|problem| {
        let told = format!("{}: {} ({})", field(&problem.field), again(&problem.message), problem.code);
        (tr!("problem"), told)
    });
    let known = [
        (tr!("marker"), marker(details)),
        ("protocolo".into(), owned(&report.protocolo)),
        ("id_atendimento".into(), report.id_atendimento.map(|id| id.to_string())),
        ("numeros_ordem_servico".into(), Some(report.numeros_ordem_servico.join(" "))),
        (tr!("attempts"), Some(report.attempts.to_string())),
        (tr!("error"), owned(&report.error_code)),
        (tr!("message"), in_words(&report.error_message)),
        (tr!("warning"), in_words(&report.warning)),
        (tr!("first sent"), details.sent_at.map(local)),
        (tr!("in doubt since"), details.doubt.as_ref().map(|doubt| local(doubt.since))),
    ];
    let ends =
        [(tr!("finished"), details.finished_at.map(local)), (tr!("purged"), details.purged_at.map(local))];
    let said = |(name, told): (Cow<'static, str>, Option<String>)| Some((name, told?));
    let all = known.into_iter().filter_map(said).chain(next);
    let all = all.chain(ends.into_iter().filter_map(said)).chain(problems);
    all.filter(|(_, told)| !told.is_empty()).collect()
}

fn attempt(attempt: &StoredAttempt) -> Told {
    let status = attempt.http_status.map_or_else(String::new, |status| format!(" {status}"));
    let came_of = match attempt.kind {
        AttemptKind::Word => format!("{}; {}", attempt.verdict, again(&attempt.note)),
        AttemptKind::Post | AttemptKind::LookUp => tr!(
            "%{verdict} after %{ms} ms; %{note}",
            verdict = format!("{}{status}", attempt.verdict),
            ms = attempt.latency.as_millis(),
            note = again(&attempt.note)
        )
        .into_owned(),
    };
    (format!("{} {}", local(attempt.at), kind(attempt.kind)).into(), came_of)
}

/// What was tried.
fn kind(kind: AttemptKind) -> Cow<'static, str> {
    match kind {
        AttemptKind::Post => tr!("post"),
        AttemptKind::LookUp => tr!("look_up"),
        AttemptKind::Word => tr!("word"),
    }
}
