//! The commands after an import: `status`, `show`, `export`, `reconcile`, `resolve`, `retry`, `cancel`.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{Global, Resolve, RetryState};
use super::delivering::{self, Target};
use super::exit::{self, Exit};
use super::failure::Failure;
use super::place::{Place, RowName};
use super::reading::ColumnNames;
use super::screen::Screen;
use super::{results, summary};
use crate::config::{Config, DeliveryLayer};
use crate::delivery::{RowId, State};
use crate::outbox::{
    self, BatchInfo, Reader, Resolution, ResolveError, RowDetails, Scope, SqliteOutbox, state_name,
};
use crate::report::Guard;
use crate::ticket;

/// The settings that these commands share.
pub struct Desk<'a> {
    database_url: Option<String>,
    screen: &'a Screen,
}

impl<'a> Desk<'a> {
    pub fn new(global: &Global, config: &Config, screen: &'a Screen) -> Self {
        let database_url = global.database_url.as_deref().or(config.database_url()).map(str::to_owned);
        Self { database_url, screen }
    }

    fn place(&self, batch: Option<&str>) -> Result<Place, Failure> {
        Place::find(batch, self.database_url.as_deref(), Path::new(""))
    }

    /// Counts by state, what is due, the oldest pending row.
    pub async fn status(&self, batch: Option<&str>) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let reader = Reader::open(&place.outbox).await?;
        let infos = match &place.batch {
            Some(_) => vec![batch_of(&reader, &place).await?],
            None => reader.batches().await?,
        };
        let mut all = Vec::new();
        for info in &infos {
            let status = reader.status(Scope::Batch(info.id), Timestamp::now()).await?;
            if self.screen.json {
                all.push(json!({
                    "batch": info.name, "counts": summary::counts(&status.counts), "due_now": status.due_now,
                    "in_doubt": status.in_doubt, "oldest_pending": status.oldest_pending,
                    "finished_at": info.finished_at,
                }));
                continue;
            }
            self.screen.result(format!("{}: {}", info.name, summary::in_words(&status.counts)));
            if 0 < status.counts.in_flight {
                self.screen
                    .result(format!("  {} in flight: they may have been sent", status.counts.in_flight));
            }
            if 0 < status.in_doubt {
                self.screen.result(format!("  {} in doubt: looked up before anything else", status.in_doubt));
            }
            if let Some(oldest) = status.oldest_pending {
                self.screen
                    .result(format!("  {} due now, the oldest pending since {oldest:.0}", status.due_now));
            }
        }
        if self.screen.json {
            self.screen.result(json!({"version": 1, "batches": all}).to_string());
        }
        reader.close().await?;
        Ok(Exit::Done)
    }

    /// One row: its fields, its state, every attempt.
    pub async fn show(&self, row: &str) -> Result<Exit, Failure> {
        let (place, name) = Place::find_row(row, self.database_url.as_deref(), Path::new(""))?;
        let reader = Reader::open(&place.outbox).await?;
        let details = details_of(&reader, &place, name, row).await?;
        if self.screen.json {
            self.screen.result(as_json(&details).to_string());
        } else {
            self.screen.result(in_lines(&details).trim_end());
        }
        reader.close().await?;
        Ok(Exit::Done)
    }

    /// Results and errors of a batch, again.
    pub async fn export(&self, batch: Option<&str>, folder: &Path, guard: Guard) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let reader = Reader::open(&place.outbox).await?;
        let info = batch_of(&reader, &place).await?;
        super::import::make_private(folder)?;
        let form = results::Form { source: &info.source, columns: &ColumnNames::new(), guard };
        results::write(&reader, Scope::Batch(info.id), &form, folder).await?;
        reader.close().await?;
        self.screen.note(format!("results: {}", folder.join("results.csv").display()));
        Ok(Exit::Done)
    }

    /// Looks up every `unconfirmed` row again; posts nothing.
    pub async fn reconcile(
        &self,
        batch: Option<&str>,
        layer: &DeliveryLayer,
        config: &Config,
    ) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let target = Target::new(config, layer)?;
        let outbox = SqliteOutbox::open(&place.outbox).await?;
        let info = batch_of(outbox.reader(), &place).await?;
        let scope = Scope::Batch(info.id);
        outbox.bind_host(&target.binding).await.map_err(super::import::other_host)?;
        let n_unsure = outbox.reader().counts(scope).await?.unconfirmed;
        let policy = delivering::policy(layer, n_unsure)?;
        let headline = format!("looking up {n_unsure} unconfirmed rows at {}", target.host);
        let desk = outbox.reconciling(scope);
        let run = delivering::deliver(&desk, &target, &policy, n_unsure, &headline, self.screen).await?;
        let counts = outbox.reader().counts(scope).await?;
        let form =
            results::Form { source: &info.source, columns: &ColumnNames::new(), guard: Guard::Faithful };
        results::write(outbox.reader(), scope, &form, &place.folder).await?;
        outbox.close().await?;
        if let Some(failure) = delivering::why_ended(&run.ending.reason) {
            self.screen.err(failure.render(|it| self.screen.mark(it)).trim_end());
        }
        self.screen.note(summary::in_words(&counts));
        if 0 < counts.unconfirmed {
            self.screen.note("hint: look the rest up in HubSoft, then `mutirao resolve ROW --opened PROTOCOLO` or `--not-opened`");
        }
        Ok(exit::of_run(&run.ending.reason, run.signal, &counts))
    }

    /// Takes a person's word.
    pub async fn resolve(&self, args: &Resolve) -> Result<Exit, Failure> {
        let (place, name) = Place::find_row(&args.row, self.database_url.as_deref(), Path::new(""))?;
        let outbox = SqliteOutbox::open(&place.outbox).await?;
        let details = details_of(outbox.reader(), &place, name, &args.row).await?;
        let word = match args.opened.as_deref().map(str::trim) {
            Some("") => {
                return Err(Failure::new(
                    Exit::Usage,
                    "the protocolo is blank",
                    "copy it from the ticket in HubSoft",
                ));
            }
            Some(protocolo) => Resolution::Opened { protocolo, id_atendimento: None },
            None => Resolution::NotOpened,
        };
        outbox.resolve(details.report.row, word, Timestamp::now()).await.map_err(|error| match error {
            ResolveError::Outbox(error) => error.into(),
            other => Failure::of(
                Exit::Usage,
                &other,
                format!(
                    "`mutirao show {}` tells the row's state; only an unconfirmed row takes a person's word",
                    args.row
                ),
            ),
        })?;
        outbox.close().await?;
        let became = if args.not_opened { State::Failed } else { State::Opened };
        self.screen.note(format!("{} is now `{}`", args.row, state_name(became)));
        self.screen
            .note(format!("hint: `mutirao export -o {}` writes the results again", place.folder.display()));
        Ok(Exit::Done)
    }

    /// Makes finished rows pending again.
    pub async fn retry(&self, batch: Option<&str>, states: &[RetryState]) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let outbox = SqliteOutbox::open(&place.outbox).await?;
        let info = batch_of(outbox.reader(), &place).await?;
        let states: Vec<State> = states
            .iter()
            .map(|it| match it {
                RetryState::Failed => State::Failed,
                RetryState::Rejected => State::Rejected,
                RetryState::Cancelled => State::Cancelled,
                RetryState::Unconfirmed => State::Unconfirmed,
            })
            .collect();
        let n_rows = outbox.retry(Some(info.id), &states, Timestamp::now()).await?;
        outbox.close().await?;
        self.tell(
            n_rows,
            &format!("{n_rows} rows are pending again; each that was ever sent is looked up first"),
        );
        if 0 < n_rows {
            self.screen.note(format!("hint: `mutirao import {}` opens them", info.source.file_name));
        }
        Ok(Exit::Done)
    }

    /// Withdraws what was not sent.
    pub async fn cancel(&self, batch: &str) -> Result<Exit, Failure> {
        let place = self.place(Some(batch))?;
        let outbox = SqliteOutbox::open(&place.outbox).await?;
        let info = batch_of(outbox.reader(), &place).await?;
        let cancelled = outbox.cancel(info.id, Timestamp::now()).await?;
        outbox.close().await?;
        self.tell(cancelled.n_cancelled, &format!("{} rows are cancelled", cancelled.n_cancelled));
        if 0 < cancelled.n_left {
            self.screen.note(format!(
                "{} rows may have been sent already and are left; `mutirao reconcile` looks for their tickets",
                cancelled.n_left
            ));
        }
        Ok(Exit::Done)
    }

    fn tell(&self, n_rows: u64, text: &str) {
        if self.screen.json {
            self.screen.result(json!({"version": 1, "rows": n_rows}).to_string());
        } else {
            self.screen.note(text);
        }
    }
}

/// The batch that was named, the only one, or the one imported last.
async fn batch_of(reader: &Reader, place: &Place) -> Result<BatchInfo, Failure> {
    let mut infos = reader.batches().await?;
    if let Some(name) = &place.batch {
        let known = infos.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
        return infos.into_iter().find(|it| it.name == *name).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("there is no batch `{name}` in {}", place.outbox.display()),
                format!("it has: {known}"),
            )
        });
    }
    infos.sort_by_key(|it| it.source.imported_at);
    infos.pop().ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("{} is empty", place.outbox.display()),
            "`mutirao import FILE` fills it",
        )
    })
}

async fn details_of(
    reader: &Reader,
    place: &Place,
    name: RowName,
    typed: &str,
) -> Result<RowDetails, Failure> {
    let info;
    let name = match name {
        RowName::Id(id) => outbox::RowName::Id(RowId(id)),
        RowName::Line(line) => {
            info = batch_of(reader, place).await?;
            outbox::RowName::Line { batch: &info.name, line }
        }
    };
    reader.row(name).await?.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("there is no row `{typed}` in {}", place.outbox.display()),
            "results.csv has the lines of all rows, in the column `line`",
        )
    })
}

fn as_json(details: &RowDetails) -> Value {
    let report = &details.report;
    json!({
        "version": 1, "id": report.row.0, "batch": details.batch, "line": report.line, "lote": report.lote,
        "referencia": report.referencia, "state": state_name(report.state), "protocolo": report.protocolo,
        "id_atendimento": report.id_atendimento, "ids_ordem_servico": report.ids_ordem_servico,
        "numeros_ordem_servico": report.numeros_ordem_servico, "attempts": report.attempts,
        "error_code": report.error_code, "error_message": report.error_message, "warning": report.warning,
        "fields": details.fields, "problems": details.problems, "sent_at": details.sent_at,
        "available_at": details.available_at, "finished_at": details.finished_at,
        "in_doubt_since": details.doubt.as_ref().map(|it| it.since),
        "history": details.history.iter().map(|it| json!({
            "at": it.at, "kind": outbox::kind_name(it.kind), "verdict": it.verdict, "http_status": it.http_status,
            "latency_ms": it.latency.as_secs_f64() * 1e3, "note": it.note,
        })).collect::<Vec<_>>(),
    })
}

/// Fields as they are: a person asked for this one row.
fn in_lines(details: &RowDetails) -> String {
    use std::fmt::Write;
    let report = &details.report;
    let mut text = format!(
        "row {} ({}:{}), reference {}\nstate: {}\n",
        report.row.0,
        details.batch,
        report.line,
        report.referencia,
        state_name(report.state)
    );
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|it| !it.is_empty()) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {value}");
        }
    };
    let owned = |it: &Option<std::borrow::Cow<'_, str>>| it.as_ref().map(|it| it.to_string());
    line("protocolo", owned(&report.protocolo));
    line("id_atendimento", report.id_atendimento.map(|it| it.to_string()));
    line("numeros_ordem_servico", Some(report.numeros_ordem_servico.join(" ")));
    line("attempts", Some(report.attempts.to_string()));
    line("error", owned(&report.error_code));
    line("message", owned(&report.error_message));
    line("warning", owned(&report.warning));
    line("first sent", details.sent_at.map(|it| format!("{it:.0}")));
    line("in doubt since", details.doubt.as_ref().map(|it| format!("{:.0}", it.since)));
    if report.state == State::Pending {
        line("next", Some(format!("{:.0}", details.available_at)));
    }
    line("finished", details.finished_at.map(|it| format!("{it:.0}")));
    for problem in &details.problems {
        line("problem", Some(format!("{}: {} ({})", problem.field, problem.message, problem.code)));
    }
    if let Ok(Value::Object(fields)) = serde_json::to_value(&details.fields) {
        for (name, value) in fields {
            line(&format!("  {name}"), value.as_str().map(ticket::cut));
        }
    }
    for it in &details.history {
        let status = it.http_status.map_or_else(String::new, |status| format!(" {status}"));
        line(
            &format!("{:.0} {}", it.at, outbox::kind_name(it.kind)),
            Some(format!("{}{status} after {} ms; {}", it.verdict, it.latency.as_millis(), it.note)),
        );
    }
    text
}
