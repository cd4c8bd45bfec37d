//! From a file to the outbox: opened, described, staged.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use super::batches::{Asking, Offer, Work};
use super::exit::Exit;
use super::failure::Failure;
use super::findings::{Findings, Said};
use super::screen::Screen;
use super::typed::Typed;
use crate::app::results::ColumnNames;
use crate::delivery::identity::Content;
use crate::intake::{
    Blame, ColumnDoubt, Format, GuessedService, Hashing, Hidden, Intake, IntakeError, IntakeOptions, Row,
    Source,
};
use crate::outbox::{
    AnyOutbox, AnyStaging, Counts, MergeError, MergeOptions, Merged, NewRow, NewSource, ResultsInfo,
};
use crate::settings::Reading;
use crate::ticket::{Field, Id, Parsed, Problem, RawTicket, in_words};

/// Ticket types that are told apart; no tenant has so many.
const TYPES_MAX: usize = 1_000;

/// Whether FILE is standard input, `-` or by its names: it has no folder for results beside it, and is read
/// once.
pub fn is_stdin(file: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|it| file.as_os_str() == *it)
}

/// FILE, for people.
pub fn name_of(file: &Path) -> String {
    if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() }
}

/// The command that opens the rows of FILE, for a hint.
pub fn import_of(file: &Path) -> String {
    let typed = Typed::now();
    match is_stdin(file) {
        true => typed.other(&["import", "-", "--batch", "NAME", "-o", "DIR"]),
        false => typed.other(&["import", &file.to_string_lossy()]),
    }
}

/// The command that shows what is wrong with FILE.
pub fn check_of(file: &Path) -> String {
    Typed::now().other(&["check", &file.to_string_lossy()])
}

/// FILE, such that it can be read twice.
pub fn source(file: &Path) -> Result<Source, Failure> {
    Ok(source_of(file).kept()?)
}

fn source_of(file: &Path) -> Source {
    if is_stdin(file) { Source::Stdin } else { Source::Path(file.to_owned()) }
}

/// Opens FILE and reads its header.
pub fn open(file: &Path, reading: &Reading, hashing: Hashing) -> Result<Intake, Failure> {
    open_source(&source_of(file), reading, hashing)
}

/// The same of what [`source`] gave.
pub fn open_source(source: &Source, reading: &Reading, hashing: Hashing) -> Result<Intake, Failure> {
    let options = IntakeOptions {
        encoding: reading.encoding,
        delimiter: reading.delimiter,
        map: reading.map.clone(),
        set: reading.set.clone(),
        default_ddd: reading.default_ddd,
        hashing,
        hidden: reading.hidden.unwrap_or_default(),
    };
    Ok(Intake::open(source, &options)?)
}

/// Asks what becomes of rows that nobody sees in the sheet, unless that was said. `intake` was opened with
/// `reading`, and must be opened again if this gives `true`.
pub fn ask_about_hidden(
    intake: &Intake,
    reading: &mut Reading,
    asking: &Asking<'_>,
    screen: &Screen,
) -> Result<bool, Failure> {
    let n_hidden = match intake.summary().format {
        Format::Workbook { n_hidden, .. } if reading.hidden.is_none() => n_hidden,
        _ => 0,
    };
    if n_hidden == 0 {
        return Ok(false);
    }
    let offers = [
        Offer { word: "skip", flag: "--hidden skip", meaning: "leave the hidden rows out" },
        Offer { word: "open", flag: "--hidden open", meaning: "open them like the others" },
    ];
    let question = format!("{n_hidden} rows are hidden in the sheet: are they meant?");
    let hidden = if asking.choose(&question, &offers, screen)? == 0 { Hidden::Skip } else { Hidden::Open };
    reading.hidden = Some(hidden);
    Ok(true)
}

/// What is not sure of the columns. The rows are read only if their header leaves it open.
pub fn doubts(source: &Source, reading: &Reading) -> Result<Vec<ColumnDoubt>, Failure> {
    let mut intake = open_source(source, reading, Hashing::Off)?;
    let mut doubts = intake.summary().doubts.clone();
    if let Some(mut guess) = intake.guessed_service() {
        while let Some(row) = intake.next_row()? {
            if let Ok(parsed) = row.parse(&row.raw()) {
                guess.add(&parsed.ticket);
            }
        }
        doubts.extend(guess.finish());
    }
    Ok(doubts)
}

/// Says what was recognised, before anything is sent.
pub fn describe(intake: &Intake, screen: &Screen) {
    for line in intake.summary().lines() {
        screen.note(format!("  {line}"));
    }
}

/// What was read of a file, and what became of it.
pub struct Staged {
    pub merged: Merged,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// The types that valid rows ask for, `None` for the tenant's default.
    pub types: Vec<Option<i64>>,
    /// Valid rows that ask for a service order.
    pub n_service_orders: u64,
    pub columns: ColumnNames,
    pub content: Content,
    pub said: Said,
}

/// What is to become of the rows that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking<'a> {
    /// They are rows of the outbox.
    ForGood,
    /// So they are, unless any of them is invalid (`--strict`).
    IfAllAreValid,
    /// So they are, if the file is still the one that a person was asked about; but no worker posts them
    /// before [`AnyOutbox::release`].
    AsAsked { sha256: &'a str },
}

/// Reads all rows of `intake` into `outbox`: all of them, or (on a failure) none. `results`: those that will
/// be written.
pub async fn stage(
    intake: Intake,
    outbox: &mut AnyOutbox,
    work: &Work,
    file: &Path,
    options: &MergeOptions<'_>,
    taking: Taking<'_>,
    results: Option<&ResultsInfo>,
) -> Result<Staged, Failure> {
    let (mut staging, read) = read_in(intake, outbox, work, file, results).await?;
    match taking {
        Taking::ForGood => {}
        Taking::IfAllAreValid if read.facts.n_invalid == 0 => {}
        Taking::IfAllAreValid => {
            return Err(Failure::new(
                Exit::File,
                format!("{} rows are invalid, and --strict: none was taken in", read.facts.n_invalid),
                format!("`{}` shows what is wrong with them", check_of(file)),
            ));
        }
        Taking::AsAsked { sha256 } if sha256 == read.sha256 => staging.hold(),
        Taking::AsAsked { .. } => {
            return Err(Failure::new(
                Exit::Usage,
                format!("`{}` was changed meanwhile; nothing was sent", name_of(file)),
                "run the same command again",
            ));
        }
    }
    let merged = staging
        .merge(&MergeOptions { sha256: &read.sha256, content: &read.facts.content.to_string(), ..*options })
        .await?;
    Ok(read.staged(merged))
}

/// Tells what [`stage`] would do, and what the rows of the file would be by then.
pub async fn rehearse(
    intake: Intake,
    outbox: &mut AnyOutbox,
    work: &Work,
    file: &Path,
    options: &MergeOptions<'_>,
) -> Result<(Staged, Counts), Failure> {
    let (staging, read) = read_in(intake, outbox, work, file, None).await?;
    let content = read.facts.content.to_string();
    let rehearsal =
        staging.rehearse(&MergeOptions { sha256: &read.sha256, content: &content, ..*options }).await?;
    Ok((read.staged(rehearsal.merged), rehearsal.counts))
}

/// What was found out while reading.
struct Read {
    facts: Facts,
    columns: ColumnNames,
    sha256: String,
    said: Said,
}

impl Read {
    fn staged(self, merged: Merged) -> Staged {
        Staged {
            merged,
            sha256: self.sha256,
            types: self.facts.types.into_iter().collect(),
            n_service_orders: self.facts.n_service_orders,
            columns: self.columns,
            content: self.facts.content,
            said: self.said,
        }
    }
}

async fn read_in<'a>(
    mut intake: Intake,
    outbox: &'a mut AnyOutbox,
    work: &Work,
    file: &Path,
    results: Option<&ResultsInfo>,
) -> Result<(AnyStaging<'a>, Read), Failure> {
    let (encoding, delimiter) = match &intake.summary().format {
        Format::Text { encoding, delimiter, .. } => (encoding.name(), char::from(*delimiter).to_string()),
        // A workbook's results are written as Excel pt-BR likes them.
        Format::Workbook { .. } => (crate::intake::Encoding::Utf8Bom.name(), ";".to_owned()),
    };
    let headers = intake.headers().to_vec();
    let name = file.file_name().map_or_else(|| name_of(file), |it| it.to_string_lossy().into_owned());
    let source = NewSource {
        batch: &work.batch,
        code: work.code,
        file_name: &name,
        encoding,
        delimiter: &delimiter,
        headers: &headers,
        lacks: &intake.lacks(),
        keys: &intake.keys(),
        results,
    };
    let mut staging = outbox.begin(&source).await?;
    let mut facts = Facts::default();
    let mut findings = Findings::default();
    let mut guess = intake.guessed_service();
    while let Some(row) = intake.next_row()? {
        let fields = row.raw();
        let parsed = row.parse(&fields);
        facts.take(&parsed);
        findings.take(row.line, &parsed);
        if let (Some(guess), Ok(parsed)) = (&mut guess, &parsed) {
            guess.add(&parsed.ticket);
        }
        facts.content.add(row.content_key());
        push(&mut staging, &row, fields, parsed).await?;
    }
    let columns = column_names(&intake);
    let mut doubts = intake.summary().doubts.clone();
    doubts.extend(guess.and_then(GuessedService::finish));
    let said = Said { asides: intake.asides(), findings, columns: columns.clone(), doubts };
    let sha256 = intake.finish().sha256.map(hexadecimal).unwrap_or_default();
    Ok((staging, Read { facts, columns, sha256, said }))
}

async fn push(
    staging: &mut AnyStaging<'_>,
    row: &Row<'_>,
    fields: RawTicket<'_>,
    parsed: Result<Parsed, Vec<Problem>>,
) -> Result<(), Failure> {
    let cells = row.own_cells().collect();
    let content_key = row.content_key();
    let (code, referencia) = row.identity().map_or((None, None), |(code, it)| (code, Some(it)));
    let (service, repeat_key, problems, warning) = match parsed {
        Ok(parsed) => {
            let warning = in_words(&parsed.notices);
            let ticket = parsed.ticket;
            (
                Some(ticket.id_cliente_servico),
                Some(ticket.repeat_key()),
                Vec::new(),
                Some(warning).filter(|it| !it.is_empty()),
            )
        }
        Err(problems) => (None, None, problems, None),
    };
    let row = NewRow {
        line: row.line,
        cells,
        fields,
        content_key,
        code,
        referencia,
        service,
        repeat_key,
        problems,
        warning,
    };
    Ok(staging.push(&[row]).await?)
}

/// What the question before a run is about.
#[derive(Default)]
struct Facts {
    types: BTreeSet<Option<i64>>,
    n_service_orders: u64,
    n_invalid: u64,
    content: Content,
}

impl Facts {
    fn take(&mut self, parsed: &Result<Parsed, Vec<Problem>>) {
        let Ok(parsed) = parsed else {
            self.n_invalid += 1;
            return;
        };
        self.n_service_orders += u64::from(parsed.ticket.abrir_os);
        if self.types.len() < TYPES_MAX {
            self.types.insert(parsed.ticket.id_tipo_atendimento.map(Id::get));
        }
    }
}

/// The columns that fields are read from, as the file calls them.
pub fn column_names(intake: &Intake) -> ColumnNames {
    let named = |field: Field| {
        let name = field.name();
        Some((name.to_owned(), intake.column_of(name)?.to_owned()))
    };
    Field::ALL.into_iter().filter_map(named).collect()
}

pub fn hexadecimal(bytes: [u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Busy { .. } => Self::of(
                Exit::Busy,
                &error,
                format!(
                    "wait for it to end, or stop it; `{}` shows how far it is",
                    Typed::now().other(&["status"])
                ),
            ),
            MergeError::Taken { .. } => Self::of(
                Exit::Usage,
                &error,
                "give the batch another name with --batch NAME; nothing was sent",
            ),
            MergeError::SeveralBatches { .. } => Self::of(
                Exit::Usage,
                &error,
                "make a file of each batch's rows (the column `lote` names it) and import one by one; nothing was sent",
            ),
            MergeError::Outbox(error) => error.into(),
        }
    }
}

impl From<IntakeError> for Failure {
    fn from(error: IntakeError) -> Self {
        let exit = match error.blame() {
            Blame::File => Exit::File,
            Blame::Usage => Exit::Usage,
        };
        Self::of(exit, &error, error.hint())
    }
}
