//! From the outbox to the files of an import.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::address::Led;
use super::fault::Fault;
use super::form::{Form, PAGE_ROWS};
use super::place::Place;
use super::problems;
use super::selection::latest;
use super::sheet::ColumnNames;
use super::target::SANDBOX;
use crate::delivery::{RowId, State};
use crate::language::said;
use crate::outbox::{
    self, AnyReader, BatchInfo, Counts, Course, Cursor, ReportRow, RowReason, Scope, Span, state_name,
};
use crate::report::{
    self, Account, ERRORS, Guard, Line, NEEDY_MAX, Needy, People, REPORT, RESULTS, Reason, Report,
    ReportError, ResultsCsv, ResultsXlsx, Run,
};
use crate::text;
use crate::ticket::Field;

/// As `--excel-safe` says.
pub fn guard(excel_safe: bool) -> Guard {
    if excel_safe { Guard::ExcelSafe } else { Guard::Faithful }
}

/// As `--with-people` says.
pub fn people(with_people: bool) -> People {
    if with_people { People::Shown } else { People::Hidden }
}

/// Results that were written.
#[must_use = "a workbook that is missing is told of"]
pub struct Written {
    pub folder: PathBuf,
    /// Why there is no `results.xlsx`, or no `problems.xlsx`.
    pub no_workbook: Option<ReportError>,
    /// Why there is no `report.html`.
    pub no_report: Option<ReportError>,
    account: Account,
    course: Option<report::Course>,
    needy: Vec<Needy>,
    people: People,
}

impl Written {
    /// Writes `report.html` beside the results, with what is known of the last run.
    pub fn report(&self, run: Option<&Run>) -> Result<(), ReportError> {
        let path = self.folder.join(REPORT);
        let needing = self.account.states.iter().filter(|(state, _)| State::NEEDS_A_PERSON.contains(state));
        let report = Report {
            account: &self.account,
            course: self.course.as_ref(),
            needy: &self.needy,
            n_needy: needing.map(|(_, n)| n).sum(),
            run,
            people: self.people,
        };
        // One of an earlier run would be taken for it.
        report::write_report(&path, &report).inspect_err(|_| drop(fs::remove_file(&path)))
    }
}

/// Writes `results.csv`, `results.xlsx`, `errors.csv`, `problems.csv` and `problems.xlsx` of `scope` into
/// `folder`.
///
/// Workbooks are for comfort: where one fails, the others are whole all the same.
pub async fn write(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    folder: &Path,
) -> Result<Written, Fault> {
    let path = folder.join("results.xlsx");
    let mut workbook = ResultsXlsx::create(&path, &form.source().headers);
    let mut written = write_rows(reader, scope, form, folder, &mut workbook).await;
    if written.as_ref().is_err_and(Fault::is_full) && workbook.is_ok() {
        // It takes about as much room as the others.
        workbook = Err(ReportError::disk_full(&path));
        written = write_rows(reader, scope, form, folder, &mut workbook).await;
    }
    let mut needy = written?;
    if form.people == People::Shown {
        name(reader, &mut needy).await?;
    }
    let course = reader.course(scope).await?;
    let account = account(reader, scope, form, course.as_ref()).await?;
    let mut no_problems = problems::write(reader, scope, form, folder, &account, None).await;
    if no_problems.as_ref().is_err_and(Fault::is_full) {
        let full = ReportError::disk_full(&folder.join("problems.xlsx"));
        no_problems = problems::write(reader, scope, form, folder, &account, Some(full)).await;
    }
    let no_problems = no_problems?;
    let no_workbook = workbook.and_then(|workbook| workbook.finish(&account)).err();
    if no_workbook.is_some() {
        // One of an earlier run would be taken for it.
        let _ = fs::remove_file(&path);
    }
    Ok(Written {
        folder: folder.to_owned(),
        no_workbook: no_workbook.or(no_problems),
        no_report: None,
        account,
        course: course.map(drawn),
        needy: needy.into_iter().map(|(_, needy)| needy).collect(),
        people: form.people,
    })
}

/// The same, with `report.html`, for which the last run is looked for in the outbox and in `folder`.
pub async fn write_all(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    folder: &Path,
) -> Result<Written, Fault> {
    let mut written = write(reader, scope, form, folder).await?;
    let BatchInfo { name, summary, results, .. } = form.batch;
    let folders = [Some(folder), results.as_ref().map(|results| results.folder.as_path())];
    let run = folders.into_iter().flatten().find_map(|folder| Run::in_folder(folder, name));
    let run = run.or_else(|| Run::of_json(summary.as_deref()?, name));
    written.no_report = written.report(run.as_ref()).err();
    Ok(written)
}

/// A course as it is drawn.
fn drawn(course: Course) -> report::Course {
    let drawn =
        |span: &Span| report::Span { at: span.at, n_opened: span.n_opened, n_refused: span.n_refused };
    let spans = course.spans.iter().map(drawn).collect();
    report::Course { from: course.from, to: course.to, length: course.length, spans }
}

/// Says whose tickets they are.
async fn name(reader: AnyReader<'_>, needy: &mut [(RowId, Needy)]) -> Result<(), Fault> {
    for (row, needy) in needy {
        let details = reader.row(outbox::RowName::Id(*row)).await?;
        needy.nome = details.and_then(|mut row| Some(row.fields.get_mut(Field::Nome).take()?.into_owned()));
    }
    Ok(())
}

/// What became of the batch as a whole.
async fn account(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    course: Option<&Course>,
) -> Result<Account, Fault> {
    let counts = reader.counts(scope).await?;
    let counts = Counts { in_flight: 0, in_doubt: counts.in_doubt + counts.in_flight, ..counts };
    let others = State::ALL.into_iter().filter(|state| *state != State::Opened);
    let states = [State::Opened].into_iter().chain(others).map(|state| (state, counts.count(state)));
    let (host, reasons) = (reader.host().await?, reader.reasons(scope).await?);
    Ok(Account {
        batch: form.batch.name.clone(),
        file: form.source().file_name.clone(),
        is_real: is_real(host.as_deref()),
        host,
        user: form.user.to_owned(),
        written_at: Timestamp::now(),
        sent: course.map(|course| (course.from, course.to)),
        states: states.filter(|(_, n)| 0 < *n).collect(),
        n_other_reasons: reasons.n_others,
        reasons: reasons.told.into_iter().map(reason).collect(),
        n_without_os: counts.opened_without_os,
    })
}

fn reason(reason: RowReason) -> Reason {
    Reason {
        state: reason.state,
        code: reason.code.unwrap_or_default(),
        field: reason.field,
        message: reason.message.map(|message| said(&message).into_owned()),
        n_rows: reason.n_rows,
        examples: reason.examples.into_iter().map(|row| (row.line, row.referencia)).collect(),
    }
}

/// Whether what was opened there is in HubSoft.
fn is_real(host: Option<&str>) -> bool {
    host.is_none_or(|host| host != SANDBOX)
}

async fn write_rows(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    folder: &Path,
    workbook: &mut Result<ResultsXlsx, ReportError>,
) -> Result<Vec<(RowId, Needy)>, Fault> {
    let mut needy = Vec::new();
    let (style, source) = (form.style(), form.source());
    let is_real = is_real(reader.host().await?.as_deref());
    let mut results = ResultsCsv::create(&folder.join(RESULTS), &source.headers, &style)?;
    let mut errors = ResultsCsv::create(&folder.join(ERRORS), &source.headers, &style)?;
    let mut after = Cursor::default();
    let mut numbers = Numbers::default();
    let (gone, not_real) = (tr!("no longer in the file"), tr!("sandbox: not a real ticket"));
    loop {
        let page = reader.rows_page(scope, after, PAGE_ROWS).await?;
        let (mut rows, next) = page.rows()?;
        for row in &mut rows {
            if row.is_gone {
                mark(row, &gone);
            }
            if !is_real {
                mark(row, &not_real);
            }
        }
        for row in &rows {
            let line = numbers.line(row);
            results.push(&line)?;
            if let Ok(sheet) = workbook
                && let Err(error) = sheet.push(&line)
            {
                *workbook = Err(error);
            }
            if State::NEEDS_A_PERSON.contains(&row.state) {
                errors.push(&line)?;
                if needy.len() < NEEDY_MAX {
                    needy.push((row.row, needing(row, &line)));
                }
            }
        }
        let Some(next) = next else { break };
        after = next;
    }
    results.finish()?;
    errors.finish()?;
    Ok(needy)
}

/// A row that needs a person, as a report tells it.
fn needing(row: &ReportRow<'_>, line: &Line<'_>) -> Needy {
    let [_, _, referencia, .., code, message, _] = line.result;
    Needy {
        line: row.line,
        referencia: referencia.to_owned(),
        state: line.state,
        code: code.to_owned(),
        message: message.to_owned(),
        nome: None,
    }
}

/// Puts `what` in front of the warning.
fn mark(row: &mut ReportRow<'_>, what: &str) {
    let warning = match row.warning.take() {
        Some(warning) => format!("{what}; {warning}").into(),
        None => what.to_owned().into(),
    };
    row.warning = Some(warning);
}

/// Numbers as text, in buffers that are used again for each row.
#[derive(Default)]
struct Numbers {
    line: String,
    lote: String,
    referencia: String,
    id_atendimento: String,
    ids: String,
    numeros: String,
    attempts: String,
    said: String,
    warning: String,
}

impl Numbers {
    fn line<'a>(&'a mut self, row: &'a ReportRow<'_>) -> Line<'a> {
        use std::fmt::Write;
        for text in [
            &mut self.line,
            &mut self.id_atendimento,
            &mut self.ids,
            &mut self.numeros,
            &mut self.attempts,
            &mut self.said,
            &mut self.warning,
        ] {
            text.clear();
        }
        // A lote that nobody has spoken of yet has no code: its rows are named as their program named them.
        let named = |text: &str| row.code.map_or_else(|| text.to_owned(), |code| code.cell(text));
        (self.lote, self.referencia) = (named(&row.lote), named(&row.referencia));
        // Writing to a string does not fail.
        let _ = write!(self.line, "{}", row.line);
        let _ = write!(self.attempts, "{}", row.attempts);
        if let Some(id) = row.id_atendimento {
            let _ = write!(self.id_atendimento, "{id}");
        }
        for (n, id) in row.ids_ordem_servico.iter().enumerate() {
            let _ = write!(self.ids, "{}{id}", if n == 0 { "" } else { " " });
        }
        for (n, numero) in row.numeros_ordem_servico.iter().enumerate() {
            let _ = write!(self.numeros, "{}{numero}", if n == 0 { "" } else { " " });
        }
        fn of<'t>(cell: &'t Option<Cow<'_, str>>) -> &'t str {
            cell.as_deref().unwrap_or_default()
        }
        self.warning.push_str(&text::again(row.warning.as_deref().unwrap_or_default()));
        // Files are of a moment: what was in flight then is in doubt.
        let is_in_doubt = matches!(row.state, State::InFlight | State::InDoubt);
        let state = if is_in_doubt { State::InDoubt } else { row.state };
        let message = if is_in_doubt {
            let known = match row.error_message.as_deref() {
                Some(known) => text::again(known),
                None => tr!("HubSoft's answer is not known"),
            };
            let doubt =
                tr!("it may have been opened: do not open it by hand, the next run looks it up first");
            let _ = write!(self.said, "{known}; {doubt}");
            self.said.as_str()
        } else {
            match row.error_message.as_deref().map(text::again) {
                None => "",
                Some(Cow::Borrowed(message)) => message,
                Some(Cow::Owned(message)) => {
                    self.said = message;
                    &self.said
                }
            }
        };
        Line {
            cells: &row.cells,
            result: [
                &self.line,
                &self.lote,
                &self.referencia,
                state_name(state),
                of(&row.protocolo),
                &self.id_atendimento,
                &self.ids,
                &self.numeros,
                &self.attempts,
                of(&row.error_code),
                message,
                &self.warning,
            ],
            state,
        }
    }
}

/// Writes the results of `batch` again where an import has written them, if they lie there still: what they
/// said is not true any more.
pub async fn write_again(
    reader: AnyReader<'_>,
    place: &Place,
    batch: Option<&BatchInfo>,
) -> Result<Option<Written>, Fault> {
    let Some((batch, results)) = batch.and_then(|batch| Some((batch, batch.results.as_ref()?))) else {
        return Ok(None);
    };
    let (folder, is_theirs) = match place.led(true) {
        // It may have been moved since, with all that is in it.
        Led::Folder(folder) => {
            (folder, latest(reader, place).await?.is_some_and(|latest| latest.id == batch.id))
        }
        Led::Setting | Led::File(_) => {
            let folder = results.folder.as_path();
            (folder, report::batch_of_summary(folder).is_some_and(|name| name == batch.name))
        }
    };
    if !is_theirs {
        return Ok(None);
    }
    let columns = ColumnNames::new();
    let form = Form {
        batch,
        columns: &columns,
        guard: guard(results.excel_safe),
        user: &place.user,
        people: People::Hidden,
    };
    write_all(reader, Scope::Batch(batch.id), &form, folder).await.map(Some)
}
