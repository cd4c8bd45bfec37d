//! The commands after an import: `show`, `export`, `reconcile`, `retry`,
//! `resume LOTE`, `cancel`, `purge`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::args::{Global, RetryState};
use super::delivering::{self, Run, Sight, Target};
use super::exit::{self, Exit};
use super::failure::Failure;
use super::screen::Screen;
use super::signals::Signals;
use super::summary;
use super::typed::Typed;
use super::watching::RowLog;
use crate::app::address::Led;
use crate::app::place::{Place, RowName};
use crate::app::results::ColumnNames;
use crate::app::target::SANDBOX;
use crate::app::{names, results, work_folder};
use crate::delivery::{AttemptKind, Control, Halt, Reason, RowId, State, decide};
use crate::outbox::{self, Address, AnyReader, BatchInfo, LEASE, RowDetails, Scope, Terms, state_name};
use crate::printable::{self, LINE_CHARS_MAX};
use crate::report::{self, Guard};
use crate::sandbox;
use crate::settings::{Sending, Sources, Span};
use crate::ticket::{self, Field, RawTicket};

/// `reconcile` is not to wait until a person lets all workers go on.
const PAUSED_MAX: Duration = Duration::ZERO;

/// Beside workers, `reconcile` goes on for so long after the settle delay: time for two look-ups that are far
/// enough apart.
const BESIDE_WORKERS_MAX: Duration = Duration::from_secs(30);
const _: () = assert!(2 * decide::ABSENCES_APART.as_nanos() < BESIDE_WORKERS_MAX.as_nanos());

/// Batches that an error names at most.
const NAMES_MAX: usize = 10;

/// The settings that these commands share.
pub struct Desk<'a> {
    database_url: Option<String>,
    pub(super) screen: &'a Screen,
}

impl<'a> Desk<'a> {
    pub fn new(global: &Global, sources: &Sources, screen: &'a Screen) -> Result<Self, Failure> {
        Ok(Self { database_url: sources.resolve(&global.database)?.url, screen })
    }

    pub(super) fn place(&self, batch: Option<&str>) -> Result<Place, Failure> {
        Ok(Place::find(batch, self.database_url.as_deref(), Path::new(""))?)
    }

    pub(super) fn places(&self, batch: Option<&str>) -> Result<Vec<Place>, Failure> {
        Ok(Place::all(batch, self.database_url.as_deref(), Path::new(""))?)
    }

    pub(super) fn places_of_row(&self, row: &str) -> Result<Vec<(Place, RowName)>, Failure> {
        Ok(Place::find_row(row, self.database_url.as_deref(), Path::new(""))?)
    }

    /// One row: its fields, its state, every attempt.
    pub async fn show(&self, row: &str) -> Result<Exit, Failure> {
        let names = self.places_of_row(row)?;
        let outbox = names[0].0.outbox.look().await?;
        let details = details_of(outbox.reader(), &names, row).await?;
        if self.screen.json {
            self.screen.result_json(as_json(&details).to_string());
        } else {
            self.screen.result_lines(in_lines(&details).trim_end());
        }
        outbox.close().await?;
        Ok(Exit::Done)
    }

    /// Results and errors of a batch, again.
    pub async fn export(&self, batch: Option<&str>, folder: &Path, guard: Guard) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let outbox = place.outbox.look().await?;
        let info = batch_of(outbox.reader(), &place).await?;
        work_folder::make_private(folder)?;
        let form = results::Form { source: &info.source, columns: &ColumnNames::new(), guard };
        let written = results::write(outbox.reader(), Scope::Batch(info.id), &form, folder).await?;
        outbox.close().await?;
        super::results::tell(&written, self.screen);
        Ok(Exit::Done)
    }

    /// Looks up every row that may have a ticket; posts nothing.
    pub async fn reconcile(
        &self,
        batch: Option<&str>,
        sending: &Sending,
        sources: &Sources,
    ) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let target = Target::new(sources, sending)?;
        let outbox = place.outbox.open().await?;
        if let Some(folder) = &place.folder {
            target.keep_books(folder)?;
        }
        let info = batch_or_all(outbox.reader(), &place).await?;
        let scope = info.as_ref().map_or(Scope::All, |it| Scope::Batch(it.id));
        outbox.bind_host(&target.binding).await?;
        let counts = outbox.reader().counts(scope).await?;
        let mut policy = delivering::policy(sending);
        policy.guards.paused_max = Some(PAUSED_MAX);
        // While they work there may always be another row in doubt.
        let crew = outbox.reader().crew().await?.filter(|it| 0 < it.n_workers);
        if let Some(crew) = &crew {
            let at_most = policy.settle_delay + BESIDE_WORKERS_MAX;
            policy.guards.until = Some(decide::after(Timestamp::now(), at_most));
            self.screen.note(format!(
                "{} workers are at work, and look up rows in doubt by themselves: this ends after {} s at the latest",
                crew.n_workers,
                at_most.as_secs()
            ));
        }
        // What workers have in flight is theirs.
        let n_in_flight = if crew.is_some() { 0 } else { counts.in_flight };
        let n_unsure = n_in_flight + counts.in_doubt + counts.unconfirmed;
        if counts.in_flight + n_unsure + counts.pending == 0 {
            // Then it does not matter whether HubSoft can be reached.
            self.write_again(outbox.reader(), &place, info.as_ref()).await?;
            outbox.close().await?;
            self.screen.note("no row may have a ticket that is not known");
            return Ok(exit::of_counts(&counts));
        }
        let headline = format!("looking up {n_unsure} rows that may have a ticket at {}", target.named);
        let terms = Terms { rate: policy.rate, lease: LEASE, timeout: target.timeout };
        let worker = outbox.register("reconcile", terms).await?;
        let desk = worker.reconciling(scope);
        let signals = Signals::listen()?;
        let control = Control { stop: signals.stop.clone(), ..Control::default() };
        let sight =
            Sight { n_rows: Some(n_unsure), outbox: &outbox, headline: &headline, screen: self.screen };
        let log = RowLog::default();
        let ending = tokio::select! {
            ending = delivering::deliver(&desk, &target, &policy, control, sight, &log) => ending?,
            never = worker.heartbeat(delivering::tell_rescued(self.screen)) => match never {},
        };
        let run = Run { ending, signal: signals.asked() };
        delivering::leave(worker).await;
        let counts = outbox.reader().counts(scope).await?;
        let info = batch_or_all(outbox.reader(), &place).await?;
        self.write_again(outbox.reader(), &place, info.as_ref()).await?;
        outbox.close().await?;
        if let Some(failure) = delivering::why_ended(&run.ending.reason) {
            self.screen.fail(&match (&run.ending.reason, &crew) {
                (Reason::Halted(Halt::Until), Some(_)) => failure.with_hint(format!(
                    "the workers go on looking up what is in doubt; `{}` says how far they are",
                    Typed::now().other(&[&["status"], batch.as_slice()].concat())
                )),
                _ => failure,
            });
        }
        self.screen.note(summary::in_words(&counts));
        if 0 < counts.unconfirmed {
            let typed = Typed::now();
            let rest = ["--state", "unconfirmed", "--not-opened"];
            let whole = match batch {
                // It is found again as it was.
                Some(batch) => typed.other(&[&["resolve", batch], &rest[..]].concat()),
                None => typed.at(place.led(true), "resolve", Some("BATCH"), &rest),
            };
            self.screen.note(format!(
                "hint: look the rest up in HubSoft, then `{}`, or `{whole}` for all that have no ticket",
                typed.other(&["resolve", "ROW", "--opened", "PROTOCOLO"])
            ));
        }
        Ok(exit::of_run(&run.ending.reason, run.signal, &counts))
    }

    /// Makes finished rows pending again.
    pub async fn retry(&self, batch: Option<&str>, states: &[RetryState]) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let outbox = place.outbox.open().await?;
        let info = batch_or_all(outbox.reader(), &place).await?;
        let states: Vec<State> = states
            .iter()
            .map(|it| match it {
                RetryState::Failed => State::Failed,
                RetryState::Rejected => State::Rejected,
                RetryState::Cancelled => State::Cancelled,
                RetryState::Unconfirmed => State::Unconfirmed,
                RetryState::Skipped => State::Skipped,
            })
            .collect();
        let n_rows = outbox.retry(info.as_ref().map(|it| it.id), &states, Timestamp::now()).await?;
        self.write_again(outbox.reader(), &place, info.as_ref()).await?;
        let is_sandbox = outbox.reader().host().await?.is_some_and(|it| it == SANDBOX);
        outbox.close().await?;
        self.tell(
            n_rows,
            &format!("{n_rows} rows are pending again; each that was ever sent is looked up first"),
        );
        if 0 < n_rows {
            self.screen.note(match (&place.outbox, &info) {
                (Address::File(_), Some(info)) => format!(
                    "hint: `{}`, with the flags that it was imported with, opens them",
                    import_again(&place, info, is_sandbox)
                ),
                _ => format!("hint: `{}` opens them", Typed::now().other(&["worker"])),
            });
        }
        Ok(Exit::Done)
    }

    /// Lets a lote go on that was halted.
    pub async fn resume(&self, lote: &str) -> Result<Exit, Failure> {
        let place = self.place(Some(lote))?;
        let outbox = place.outbox.open().await?;
        let name = batch_of(outbox.reader(), &place).await?.name;
        let said = if outbox.resume_lote(&name).await? { "goes on" } else { "was not halted" };
        outbox.close().await?;
        self.screen.note(format!("`{name}` {said}"));
        Ok(Exit::Done)
    }

    /// Takes what rows say of people that finished so long ago; of a file, from its results too.
    pub async fn purge(&self, batch: Option<&str>, older_than: Span) -> Result<Exit, Failure> {
        let now = Timestamp::now();
        let age = SignedDuration::try_from(older_than.get()).unwrap_or(SignedDuration::MAX);
        let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let place = self.place(batch)?;
        let outbox = place.outbox.open().await?;
        let info = match &place.batch {
            Some(_) => Some(batch_of(outbox.reader(), &place).await?),
            None => None,
        };
        let n_rows = outbox.purge(info.as_ref().map(|it| it.id), before, now).await?;
        if let Some(folder) = &place.folder {
            sandbox::forget(folder, before)?;
            work_folder::sweep(folder);
        }
        let whose = match (info, &place.outbox) {
            (None, Address::File(_)) => latest(outbox.reader(), &place).await?,
            (info, _) => info,
        };
        let written = self.write_again(outbox.reader(), &place, whose.as_ref()).await?;
        let left = match place.led(true) {
            Led::Folder(_) => Vec::new(),
            Led::Setting | Led::File(_) => {
                let mut folders = outbox.reader().folders_of_purged(now, NAMES_MAX + 1).await?;
                folders.retain(|it| written.as_deref() != Some(Path::new(it)));
                folders
            }
        };
        outbox.close().await?;
        self.tell(n_rows, &format!("{n_rows} rows are purged; what became of them stays known"));
        if !left.is_empty() {
            self.screen.warn(format!(
                "results that imports have written say all of these rows still, on the machines of those imports: delete them in {}",
                listed(&left)
            ));
        }
        if 0 < n_rows {
            self.screen.note("hint: the spreadsheet itself, and copies of its results, are yours to delete");
        }
        Ok(Exit::Done)
    }

    /// Withdraws what was not sent.
    pub async fn cancel(&self, batch: &str) -> Result<Exit, Failure> {
        let place = self.place(Some(batch))?;
        let outbox = place.outbox.open().await?;
        let info = batch_of(outbox.reader(), &place).await?;
        let cancelled = outbox.cancel(info.id, Timestamp::now()).await?;
        self.write_again(outbox.reader(), &place, Some(&info)).await?;
        outbox.close().await?;
        self.tell(cancelled.n_cancelled, &format!("{} rows are cancelled", cancelled.n_cancelled));
        if 0 < cancelled.n_left {
            self.screen.note(format!(
                "{} rows may have been sent already and are left; `{}` looks for their tickets",
                cancelled.n_left,
                Typed::now().other(&["reconcile", batch])
            ));
        }
        Ok(Exit::Done)
    }

    /// Writes the results of `batch` again where an import has written them, if they lie there still: what
    /// they said is not true any more. Returns where.
    pub(super) async fn write_again(
        &self,
        reader: AnyReader<'_>,
        place: &Place,
        batch: Option<&BatchInfo>,
    ) -> Result<Option<PathBuf>, Failure> {
        let Some((batch, results)) = batch.and_then(|it| Some((it, it.results.as_ref()?))) else {
            return Ok(None);
        };
        let (folder, is_theirs) = match place.led(true) {
            // It may have been moved since, with all that is in it.
            Led::Folder(folder) => (folder, latest(reader, place).await?.is_some_and(|it| it.id == batch.id)),
            Led::Setting | Led::File(_) => {
                let folder = results.folder.as_path();
                (folder, report::batch_of_summary(folder).is_some_and(|it| it == batch.name))
            }
        };
        if !is_theirs {
            return Ok(None);
        }
        let columns = ColumnNames::new();
        let guard = results::guard(results.excel_safe);
        let form = results::Form { source: &batch.source, columns: &columns, guard };
        let written = results::write(reader, Scope::Batch(batch.id), &form, folder).await?;
        super::results::tell(&written, self.screen);
        Ok(Some(folder.to_owned()))
    }

    pub(super) fn tell(&self, n_rows: u64, text: &str) {
        if self.screen.json {
            self.screen.result_json(json!({"version": 1, "rows": n_rows}).to_string());
        } else {
            self.screen.note(text);
        }
    }
}

/// A moment as the clocks here show it.
pub(super) fn local(at: Timestamp) -> String {
    TimeZone::system().to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The import that goes on with `batch`, as far as the outbox knows: how the file was read stands nowhere.
fn import_again(place: &Place, batch: &BatchInfo, is_sandbox: bool) -> String {
    let file_name = &batch.source.file_name;
    let beside = place.folder.as_ref().map(|it| it.with_file_name(file_name)).filter(|it| it.is_file());
    let file = beside.unwrap_or_else(|| file_name.into());
    let (path, stem) = (file.to_string_lossy(), file.file_stem().unwrap_or_default().to_string_lossy());
    let mut args = vec!["import".to_owned(), path.into_owned()];
    if let Led::Folder(folder) = place.led(true)
        && ![work_folder::folder_of(&file), work_folder::sandbox_folder_of(&file)]
            .iter()
            .any(|it| it == folder)
    {
        args.extend(["-o".to_owned(), folder.to_string_lossy().into_owned()]);
    }
    if !names::is_of(&batch.name, &stem) {
        args.extend(["--batch".to_owned(), batch.name.clone()]);
    }
    args.extend(is_sandbox.then(|| "--sandbox".to_owned()));
    Typed::now().other(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The batch that was named; else of a file the one imported last, of a database all (`None`).
async fn batch_or_all(reader: AnyReader<'_>, place: &Place) -> Result<Option<BatchInfo>, Failure> {
    match (&place.batch, &place.outbox) {
        (None, Address::Postgres(_)) => Ok(None),
        _ => batch_of(reader, place).await.map(Some),
    }
}

/// The batch that was named, the only one, or (of a file) the one imported last.
pub(super) async fn batch_of(reader: AnyReader<'_>, place: &Place) -> Result<BatchInfo, Failure> {
    let outbox = &place.outbox;
    let n_names = if outbox.file().is_some() { usize::MAX } else { NAMES_MAX + 1 };
    let names = reader.batch_names(n_names).await?;
    if let Some(typed) = &place.batch {
        if let Some(info) = reader.batch_info(typed).await? {
            return Ok(info);
        }
        // Or its spreadsheet, or its folder: the names of a file's batches begin with its own.
        let stem = Path::new(typed).file_stem().map(|it| it.to_string_lossy().into_owned());
        let base = stem.as_deref().unwrap_or(typed);
        let all = reader.batch_names(usize::MAX).await?;
        let of_file: Vec<_> = all.iter().filter(|it| names::is_of(it, base)).cloned().collect();
        match &of_file[..] {
            [] => {}
            [only] => {
                if let Some(info) = reader.batch_info(only).await? {
                    return Ok(info);
                }
            }
            several => {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("{outbox} has several batches of `{base}`"),
                    format!("name one: {}", listed(several)),
                ));
            }
        }
        return Err(Failure::new(
            Exit::Usage,
            format!("there is no batch `{typed}` in {outbox}"),
            format!("it has: {}", listed(&names)),
        ));
    }
    if outbox.file().is_none() && 1 < names.len() {
        return Err(Failure::new(
            Exit::Usage,
            format!("{outbox} has several batches"),
            format!("name one: {}", listed(&names)),
        ));
    }
    latest(reader, place).await?.ok_or_else(|| {
        let import = Typed::now().other(&["import", "FILE"]);
        Failure::new(Exit::Usage, format!("{outbox} is empty"), format!("`{import}` fills it"))
    })
}

/// The batch imported last, whose results lie in the work folder. `None`: nothing was imported.
pub(super) async fn latest(reader: AnyReader<'_>, place: &Place) -> Result<Option<BatchInfo>, Failure> {
    let mut latest: Option<BatchInfo> = None;
    for name in reader.batch_names(if place.outbox.file().is_some() { usize::MAX } else { NAMES_MAX }).await?
    {
        let info = reader.batch_info(&name).await?;
        latest = latest.into_iter().chain(info).max_by_key(|it| it.source.imported_at);
    }
    Ok(latest)
}

fn listed(names: &[String]) -> String {
    let more = if NAMES_MAX < names.len() { ", …" } else { "" };
    format!("{}{more}", names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// The one row that `names` lead to: all that `typed` may mean.
pub(super) async fn details_of(
    reader: AnyReader<'_>,
    names: &[(Place, RowName)],
    typed: &str,
) -> Result<RowDetails, Failure> {
    let (mut found, mut missed) = (Vec::<RowDetails>::new(), Vec::new());
    for (place, name) in names {
        match rows_of(reader, place, name).await {
            Ok(rows) => found.extend(rows),
            // Another of the names may be that of a batch.
            Err(failure) if failure.exit == Exit::Usage => missed.push(failure),
            Err(failure) => return Err(failure),
        }
    }
    found.sort_by_key(|it| it.report.row.0);
    found.dedup_by_key(|it| it.report.row);
    match &found[..] {
        [] if missed.len() == names.len() => Err(missed.swap_remove(0)),
        [] => Err(Failure::new(
            Exit::Usage,
            format!("there is no row `{typed}` in {}", names[0].0.outbox),
            "results.csv has the lines and references of all rows, in the columns `line` and `referencia`",
        )),
        [_] => Ok(found.swap_remove(0)),
        [one, other] if names.len() == 1 => Err(two_rows(typed, one, other)),
        several => Err(several_rows(typed, several)),
    }
}

/// The row of this name; two, if a number is one row's line and another's reference.
async fn rows_of(
    reader: AnyReader<'_>,
    place: &Place,
    name: &RowName,
) -> Result<impl Iterator<Item = RowDetails>, Failure> {
    let (one, other) = match name {
        RowName::Id(id) => (reader.row(outbox::RowName::Id(RowId(*id))).await?, None),
        RowName::Line(line) => {
            let batch = &batch_of(reader, place).await?.name;
            let of_line = reader.row(outbox::RowName::Line { batch, line: *line }).await?;
            let referencia = &line.to_string();
            (of_line, reader.row(outbox::RowName::Reference { lote: batch, referencia }).await?)
        }
        RowName::Reference(referencia) => {
            let lote = &batch_of(reader, place).await?.name;
            (reader.row(outbox::RowName::Reference { lote, referencia }).await?, None)
        }
    };
    Ok(one.into_iter().chain(other))
}

/// A name with colons that is one row's before one of them, and another's before another.
fn several_rows(typed: &str, rows: &[RowDetails]) -> Failure {
    let listed = |of: fn(&RowDetails) -> String| rows.iter().map(of).collect::<Vec<_>>().join(", ");
    let named = listed(|it| {
        let (lote, referencia) = (printable::name(&it.report.lote), printable::name(&it.report.referencia));
        format!("`{referencia}` of `{lote}`")
    });
    Failure::new(
        Exit::Usage,
        format!("`{typed}` names several rows: {named}"),
        format!("write the id of the one that is meant: {}", listed(|it| format!("`{}`", it.report.row.0))),
    )
}

/// A number that is one row's line and another's reference: by the cell `referencia` each can be named alone.
fn two_rows(typed: &str, of_line: &RowDetails, of_reference: &RowDetails) -> Failure {
    let batch = typed.rsplit_once(':').map_or(typed, |it| it.0);
    let named = |it: &RowDetails| match it.report.code {
        Some(code) => format!("{batch}:{}", code.cell(&it.report.referencia)),
        None => it.report.row.0.to_string(),
    };
    Failure::new(
        Exit::Usage,
        format!(
            "`{typed}` names two rows: line {} has the reference `{}`, and that of line {} is `{}`",
            of_line.report.line,
            of_line.report.referencia,
            of_reference.report.line,
            of_reference.report.referencia
        ),
        format!("write `{}` for the first, `{}` for the second", named(of_line), named(of_reference)),
    )
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
            "at": it.at, "kind": outbox::kind_name(it.kind), "verdict": it.verdict, "http_status": it.http_status,
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
            &format!("{} {}", local(it.at), outbox::kind_name(it.kind)),
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
