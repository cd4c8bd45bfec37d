//! From the outbox to the files of an import.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::address::Led;
use super::fault::Fault;
use super::form::Form;
use super::place::Place;
use super::problems::{self, WithWorkbook};
use super::result_rows::{self, Rows, is_real};
use super::selection::latest_name;
use super::sheet::ColumnNames;
use super::work_folder;
use crate::delivery::{OutboxError, RowId, State};
use crate::language::said;
use crate::outbox::{self, AnyReader, BatchInfo, Counts, Course, Reasons, RowReason, Scope, Span};
use crate::report::{
    self, Account, ERRORS, Guard, Needy, PROBLEMS, PROBLEMS_XLSX, People, REPORT, RESULTS_XLSX, Reason,
    Report, ReportError, Run,
};
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
#[must_use = "what is missing is told of"]
pub struct Written {
    pub folder: PathBuf,
    /// What is not there although it should be.
    pub missing: Vec<Missing>,
    /// Of the rows that were written.
    pub counts: Counts,
    /// Why those of them that were not opened were not.
    pub reasons: Reasons,
    account: Account,
    course: Option<report::Course>,
    needy: Vec<Needy>,
    people: People,
}

/// What could not be written, or not be told.
pub struct Missing {
    pub what: What,
    pub why: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A file, by its name. `is_stale`: there is one of an earlier run, which could not be removed either.
    File { name: &'static str, is_stale: bool },
    /// Why rows were not opened, in what is for people.
    Reasons,
    /// How rows were settled over time, in `report.html`.
    Course,
    /// Whose tickets need a person, in `report.html`.
    Names,
}

impl Missing {
    /// What is lacking, to a person; `why` as it is told of elsewhere.
    pub fn in_words(&self, why: &str) -> Cow<'static, str> {
        match self.what {
            What::File { name, is_stale: false } => {
                tr!("there is no %{file}: %{why}", file = name, why = why)
            }
            What::File { name, is_stale: true } => tr!(
                "what is called %{file} is of an earlier run, and can be neither renewed nor removed: %{why}",
                file = name,
                why = why
            ),
            What::Reasons => {
                tr!("no file tells why rows were not opened, but line by line: %{why}", why = why)
            }
            What::Course => tr!("report.html does not tell how the run went over time: %{why}", why = why),
            What::Names => tr!("report.html does not tell whose tickets need somebody: %{why}", why = why),
        }
    }

    fn is_file(&self, of: &str) -> bool {
        matches!(self.what, What::File { name, .. } if name == of)
    }

    /// Whether nobody but a person reads it.
    pub fn is_for_people(&self) -> bool {
        match self.what {
            What::File { name, .. } => name.ends_with(".xlsx") || name == REPORT,
            What::Reasons | What::Course | What::Names => true,
        }
    }
}

impl Written {
    /// Writes `report.html` beside the results, with what is known of the last run.
    pub fn report(&mut self, run: Option<&Run>) {
        let needing = self.account.states.iter().filter(|(state, _)| State::NEEDS_A_PERSON.contains(state));
        let report = Report {
            account: &self.account,
            course: self.course.as_ref(),
            needy: &self.needy,
            n_needy: needing.map(|(_, n)| n).sum(),
            run,
            people: self.people,
        };
        if let Err(why) = report::write_report(&self.folder.join(REPORT), &report) {
            self.lacks(REPORT, why);
        }
    }

    /// What was asked of the outbox; nothing where it does not answer, which is noted.
    pub fn told<T: Default>(&mut self, asked: Result<T, OutboxError>, what: What) -> T {
        told(asked, what, &mut self.missing)
    }

    /// What the new `results.csv` is called: where the old one could not be replaced, otherwise.
    pub fn results_name(&self) -> Cow<'_, str> {
        let held = self.missing.iter().filter(|missing| missing.is_file(report::RESULTS));
        let beside = held.filter_map(|missing| missing.why.beside()?.file_name()).next();
        beside.map_or(report::RESULTS.into(), |name| name.to_string_lossy())
    }

    /// Notes that the file `name` could not be written.
    pub fn lacks(&mut self, name: &'static str, why: impl Into<Fault>) {
        self.missing.push(lacking(&self.folder, name, why));
    }
}

/// That the file `name` could not be written. One of an earlier run is removed, lest it be taken for it.
fn lacking(folder: &Path, name: &'static str, why: impl Into<Fault>) -> Missing {
    let path = folder.join(name);
    let _ = fs::remove_file(&path);
    Missing { what: What::File { name, is_stale: path.exists() }, why: why.into() }
}

fn told<T: Default>(asked: Result<T, OutboxError>, what: What, missing: &mut Vec<Missing>) -> T {
    asked.unwrap_or_else(|why| {
        missing.push(Missing { what, why: why.into() });
        T::default()
    })
}

/// Writes `results.csv`, `results.xlsx`, `errors.csv`, `problems.csv` and `problems.xlsx` of `scope` into
/// `folder`.
///
/// It fails where `results.csv` does, or counts are not to be had. Each other file is by itself: what it
/// lacks is told, and the rest is written all the same. Where all have no room, those give way that are for
/// comfort.
pub async fn write(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    folder: &Path,
) -> Result<Written, Fault> {
    // What somebody has open stays.
    let _ = work_folder::clear_beside(folder);
    let written = write_files(reader, scope, form, folder).await;
    if written.is_err() {
        // Those of an earlier run would be taken for these.
        for name in [RESULTS_XLSX, PROBLEMS, PROBLEMS_XLSX, REPORT] {
            let _ = fs::remove_file(folder.join(name));
        }
    }
    written
}

async fn write_files(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    folder: &Path,
) -> Result<Written, Fault> {
    let Rows { mut needy, held, no_errors, mut workbook } =
        result_rows::write(reader, scope, form, folder).await?;
    let mut missing = Vec::new();
    missing.extend(held.map(|why| lacking(folder, report::RESULTS, why)));
    missing.extend(no_errors.map(|why| lacking(folder, ERRORS, why)));
    if form.people == People::Shown {
        told(name(reader, &mut needy).await, What::Names, &mut missing);
    }
    let (counts, host) = (reader.counts(scope).await?, reader.host().await?);
    let course = told(reader.course(scope).await, What::Course, &mut missing);
    let reasons = told(reader.reasons(scope).await, What::Reasons, &mut missing);
    let account = account(form, &counts, host, &reasons, course.as_ref());
    let mut with = WithWorkbook::Yes;
    let no_problems = loop {
        match problems::write(reader, scope, form, folder, &account, with).await {
            Err(fault) if fault.is_full() && with == WithWorkbook::Yes => with = WithWorkbook::No,
            Err(fault) if fault.is_full() && workbook.is_ok() => {
                workbook = Err(ReportError::disk_full(&folder.join(RESULTS_XLSX)));
            }
            done => break done,
        }
    };
    match no_problems {
        Ok(no_workbook) => missing.extend(no_workbook.map(|why| lacking(folder, PROBLEMS_XLSX, why))),
        Err(why) => {
            let _ = fs::remove_file(folder.join(PROBLEMS_XLSX));
            missing.push(lacking(folder, PROBLEMS, why));
        }
    }
    let no_workbook = workbook.and_then(|workbook| workbook.finish(&account)).err();
    missing.extend(no_workbook.map(|why| lacking(folder, RESULTS_XLSX, why)));
    Ok(Written {
        folder: folder.to_owned(),
        missing,
        counts,
        reasons,
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
    written.report(run.as_ref());
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
async fn name(reader: AnyReader<'_>, needy: &mut [(RowId, Needy)]) -> Result<(), OutboxError> {
    for (row, needy) in needy {
        let details = reader.row(outbox::RowName::Id(*row)).await?;
        needy.nome = details.and_then(|mut row| Some(row.fields.get_mut(Field::Nome).take()?.into_owned()));
    }
    Ok(())
}

/// What became of the batch as a whole.
fn account(
    form: &Form<'_>,
    counts: &Counts,
    host: Option<String>,
    reasons: &Reasons,
    course: Option<&Course>,
) -> Account {
    let counts = Counts { in_flight: 0, in_doubt: counts.in_doubt + counts.in_flight, ..*counts };
    let others = State::ALL.into_iter().filter(|state| *state != State::Opened);
    let states = [State::Opened].into_iter().chain(others).map(|state| (state, counts.count(state)));
    Account {
        batch: form.batch.name.clone(),
        file: form.source().file_name.clone(),
        is_real: is_real(host.as_deref()),
        host,
        user: form.user.to_owned(),
        written_at: Timestamp::now(),
        sent: course.map(|course| (course.from, course.to)),
        states: states.filter(|(_, n)| 0 < *n).collect(),
        n_other_reasons: reasons.n_others,
        reasons: reasons.told.iter().map(reason).collect(),
        n_without_os: counts.opened_without_os,
        n_beside: counts.opened_beside,
    }
}

pub(super) fn reason(reason: &RowReason) -> Reason {
    Reason {
        state: reason.state,
        code: reason.code.clone().unwrap_or_default(),
        field: reason.field.clone(),
        message: reason.message.as_deref().map(|message| said(message).into_owned()),
        n_rows: reason.n_rows,
        examples: reason.examples.iter().map(|row| (row.line, row.referencia.clone())).collect(),
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
    let Some(folder) = folder_of(reader, place, batch).await? else { return Ok(None) };
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

/// Where the results of `batch` lie, as an import has written them; `None`: not any more, or not here.
pub async fn folder_of<'a>(
    reader: AnyReader<'_>,
    place: &'a Place,
    batch: &'a BatchInfo,
) -> Result<Option<&'a Path>, Fault> {
    let Some(results) = &batch.results else { return Ok(None) };
    let (folder, is_theirs) = match place.led(true) {
        // It may have been moved since, with all that is in it.
        Led::Folder(folder) => (folder, latest_name(reader).await?.as_ref() == Some(&batch.name)),
        Led::Setting | Led::File(_) => {
            let folder = results.folder.as_path();
            (folder, report::batch_of_summary(folder).is_some_and(|name| name == batch.name))
        }
    };
    Ok(is_theirs.then_some(folder))
}
