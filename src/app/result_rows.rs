//! The rows of the results: `results.csv`, and what is written beside it from the same rows.

use std::borrow::Cow;
use std::path::Path;

use super::fault::Fault;
use super::form::{Form, PAGE_ROWS};
use super::target::SANDBOX;
use crate::delivery::{RowId, State};
use crate::outbox::{AnyReader, Cursor, ReportRow, Scope, state_name};
use crate::report::{
    ERRORS, Line, NEEDY_MAX, Needy, RESULTS, RESULTS_XLSX, ReportError, ResultsCsv, ResultsXlsx,
};
use crate::text;

/// What was written of the rows; `results.csv` is whole, be it under another name.
pub struct Rows {
    /// The first that need a person.
    pub needy: Vec<(RowId, Needy)>,
    /// Where `results.csv` is, if it could not be replaced.
    pub held: Option<ReportError>,
    /// Why there is no `errors.csv`.
    pub no_errors: Option<ReportError>,
    /// All rows are in it; or why it is not to be had.
    pub workbook: Result<ResultsXlsx, ReportError>,
}

/// What is written at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    BothTables,
    ResultsAlone,
    /// `results.csv` is whole already.
    ErrorsAlone,
}

/// Writes `results.csv`, and beside it what has room: the workbook takes about as much as the others.
pub async fn write(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    folder: &Path,
) -> Result<Rows, Fault> {
    let (mut which, mut held) = (Which::All, None);
    loop {
        let mut done = write_once(reader, scope, form, folder, which).await;
        if let Ok(rows) = &mut done {
            held = rows.held.take().or(held);
        }
        which = match (which, &done) {
            (Which::All, Err(fault)) if fault.is_full() => Which::BothTables,
            (Which::BothTables, Err(fault)) if fault.is_full() => Which::ResultsAlone,
            (Which::All, Ok(Rows { no_errors: Some(why), .. })) if why.is_disk_full() => Which::ErrorsAlone,
            _ => return done.map(|rows| Rows { held, ..rows }),
        };
    }
}

async fn write_once(
    reader: AnyReader<'_>,
    scope: Scope,
    form: &Form<'_>,
    folder: &Path,
    which: Which,
) -> Result<Rows, Fault> {
    let mut needy = Vec::new();
    let (style, source) = (form.style(), form.source());
    let is_real = is_real(reader.host().await?.as_deref());
    let table = |name: &str| ResultsCsv::create(&folder.join(name), &source.headers, &style);
    let full = |name: &str| ReportError::disk_full(&folder.join(name));
    let mut results = match which {
        Which::All | Which::BothTables | Which::ResultsAlone => Some(table(RESULTS)?),
        Which::ErrorsAlone => None,
    };
    let mut errors = match which {
        Which::All | Which::BothTables | Which::ErrorsAlone => table(ERRORS),
        Which::ResultsAlone => Err(full(ERRORS)),
    };
    let mut workbook = match which {
        Which::All => ResultsXlsx::create(&folder.join(RESULTS_XLSX), &source.headers),
        Which::BothTables | Which::ResultsAlone | Which::ErrorsAlone => Err(full(RESULTS_XLSX)),
    };
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
            if let Some(file) = &mut results {
                file.push(&line)?;
            }
            if let Ok(sheet) = &mut workbook
                && let Err(error) = sheet.push(&line)
            {
                workbook = Err(error);
            }
            if State::NEEDS_A_PERSON.contains(&row.state) {
                if let Ok(file) = &mut errors
                    && let Err(error) = file.push(&line)
                {
                    errors = Err(error);
                }
                if needy.len() < NEEDY_MAX {
                    needy.push((row.row, needing(row, &line)));
                }
            }
        }
        let Some(next) = next else { break };
        after = next;
    }
    let held = match results.map(ResultsCsv::finish) {
        Some(Err(why @ ReportError::Held { .. })) => Some(why),
        done => done.transpose().map(|_| None)?,
    };
    Ok(Rows { needy, held, no_errors: errors.and_then(ResultsCsv::finish).err(), workbook })
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
    /// What `warning` was made of: most rows of a batch warn of nothing, or of the same.
    stored_warning: String,
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
        let stored_warning = row.warning.as_deref().unwrap_or_default();
        if self.stored_warning != stored_warning {
            stored_warning.clone_into(&mut self.stored_warning);
            self.warning = text::again(stored_warning).into_owned();
        }
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

/// Whether what was opened there is in HubSoft.
pub(super) fn is_real(host: Option<&str>) -> bool {
    host.is_none_or(|host| host != SANDBOX)
}
