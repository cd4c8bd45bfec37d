//! The rows of a file, read into an outbox.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;

use super::batches::{Answers, Work};
use super::fault::Fault;
use super::findings::{Findings, Kinds};
use super::sheet::{Sheet, column_names, name_of};
use crate::delivery::identity::{Content, ContentKey};
use crate::intake::{Encoding, Format, GuessedService, Intake, Row};
use crate::outbox::{
    AnyOutbox, AnyStaging, AnyUncommitted, Counts, FirstPost, MergeOptions, Merged, NewRow, NewSource,
    Rehearsal, Repeats, ResultsInfo, Withdrawn,
};
use crate::settings::Reading;
use crate::ticket::{Id, Parsed, Problem, RawTicket, in_words};

/// Ticket types that are told apart; no tenant has so many.
const TYPES_MAX: usize = 1_000;

/// How rows are merged, as was asked for.
pub fn merge_options(reading: &Reading, verify_first: bool, answers: Answers) -> MergeOptions<'static> {
    MergeOptions {
        now: Timestamp::now(),
        sha256: "",
        content: "",
        withdrawn: if answers.again { Withdrawn::Reopen } else { Withdrawn::Stay },
        repeats: if reading.allow_repeats { Repeats::Allow } else { Repeats::Skip },
        first_post: if verify_first { FirstPost::VerifyFirst } else { FirstPost::AtOnce },
    }
}

/// What was read of a file, and what became of it.
pub struct ReadIn {
    pub merged: Merged,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// The types that valid rows ask for, `None` for the tenant's default.
    pub types: Vec<Option<i64>>,
    /// Valid rows that ask for a service order.
    pub n_service_orders: u64,
    pub content: Content,
    /// What the tickets of valid rows say, in all fields and whatever their order: a sum of
    /// [`Ticket::whole_key`](crate::ticket::Ticket::whole_key).
    pub tickets: u128,
    pub findings: Findings,
}

/// What is to become of the rows that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking<'a> {
    /// They are rows of the outbox.
    ForGood,
    /// So they are, unless any of them is invalid.
    IfAllAreValid,
    /// So they are, if the file is still the one that a person was asked about. `holds`: no worker posts them
    /// before [`AnyOutbox::release`].
    AsAsked { sha256: &'a str, holds: bool },
}

/// Reads all rows of `intake`, which is `sheet` opened, into `outbox`: all of them, or (on a fault) none.
/// `results`: those that will be written. Returns what became of them, and what they are by then.
pub async fn take_in(
    sheet: &Sheet,
    intake: Intake,
    outbox: &mut AnyOutbox,
    work: &Work,
    options: &MergeOptions<'_>,
    taking: Taking<'_>,
    results: Option<&ResultsInfo>,
) -> Result<(ReadIn, Counts), Fault> {
    let (merge, read, counts) = merge(sheet, intake, outbox, work, options, taking, results).await?;
    merge.commit().await?;
    Ok((read, counts))
}

/// The same, but nobody sees it before it is committed.
pub async fn merge<'a>(
    sheet: &Sheet,
    intake: Intake,
    outbox: &'a mut AnyOutbox,
    work: &Work,
    options: &MergeOptions<'_>,
    taking: Taking<'_>,
    results: Option<&ResultsInfo>,
) -> Result<(AnyUncommitted<'a>, ReadIn, Counts), Fault> {
    let (mut staging, read) = read_in(sheet, intake, outbox, work, results).await?;
    match taking {
        Taking::ForGood => {}
        Taking::IfAllAreValid if read.facts.n_invalid == 0 => {}
        Taking::IfAllAreValid => {
            let file = sheet.file.clone();
            return Err(Fault::NotAllValid { n_invalid: read.facts.n_invalid, file });
        }
        Taking::AsAsked { sha256, .. } if sha256 != read.sha256 => {
            return Err(Fault::Changed { file: name_of(&sheet.file) });
        }
        Taking::AsAsked { holds: true, .. } => staging.hold(),
        Taking::AsAsked { holds: false, .. } => {}
    }
    let content = read.facts.content.to_string();
    let (merge, Rehearsal { merged, counts }) =
        staging.merge(&MergeOptions { sha256: &read.sha256, content: &content, ..*options }).await?;
    Ok((merge, read.merged(merged), counts))
}

/// Tells what [`take_in`] would do, and what the rows of the file would be by then.
pub async fn rehearse(
    sheet: &Sheet,
    intake: Intake,
    outbox: &mut AnyOutbox,
    work: &Work,
    options: &MergeOptions<'_>,
) -> Result<(ReadIn, Counts), Fault> {
    let (staging, read) = read_in(sheet, intake, outbox, work, None).await?;
    let content = read.facts.content.to_string();
    let rehearsal =
        staging.rehearse(&MergeOptions { sha256: &read.sha256, content: &content, ..*options }).await?;
    Ok((read.merged(rehearsal.merged), rehearsal.counts))
}

/// What was found out while reading.
struct Read {
    facts: Facts,
    sha256: String,
    findings: Findings,
}

impl Read {
    fn merged(self, merged: Merged) -> ReadIn {
        ReadIn {
            merged,
            sha256: self.sha256,
            types: self.facts.types.into_iter().collect(),
            n_service_orders: self.facts.n_service_orders,
            content: self.facts.content,
            tickets: self.facts.tickets,
            findings: self.findings,
        }
    }
}

async fn read_in<'a>(
    sheet: &Sheet,
    mut intake: Intake,
    outbox: &'a mut AnyOutbox,
    work: &Work,
    results: Option<&ResultsInfo>,
) -> Result<(AnyStaging<'a>, Read), Fault> {
    let (encoding, delimiter) = match &intake.summary().format {
        Format::Text { encoding, delimiter, .. } => (encoding.name(), char::from(*delimiter).to_string()),
        // A workbook's results are written as Excel pt-BR likes them.
        Format::Workbook { .. } => (Encoding::Utf8Bom.name(), ";".to_owned()),
    };
    let headers = intake.headers().to_vec();
    let file = &sheet.file;
    let name = file.file_name().map_or_else(|| name_of(file), |name| name.to_string_lossy().into_owned());
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
    let mut kinds = Kinds::default();
    let mut guess = intake.guessed_service();
    while let Some(row) = intake.next_row()? {
        let fields = row.raw();
        let parsed = row.parse(&fields);
        facts.take(&parsed);
        kinds.take(&row, &parsed);
        if let (Some(guess), Ok(parsed)) = (&mut guess, &parsed) {
            guess.add(&parsed.ticket);
        }
        let content_key = row.content_key();
        facts.content.add(content_key);
        push(&mut staging, &row, content_key, fields, parsed).await?;
    }
    let columns = column_names(&intake);
    let mut doubts = intake.summary().doubts.clone();
    doubts.extend(guess.and_then(GuessedService::finish));
    let findings = Findings { asides: intake.asides(), kinds, columns, doubts };
    let sha256 = intake.finish().sha256.map(hexadecimal).unwrap_or_default();
    Ok((staging, Read { facts, sha256, findings }))
}

async fn push(
    staging: &mut AnyStaging<'_>,
    row: &Row<'_>,
    content_key: ContentKey,
    fields: RawTicket<'_>,
    parsed: Result<Parsed, Vec<Problem>>,
) -> Result<(), Fault> {
    let cells = row.own_cells().collect();
    let (code, referencia) =
        row.identity().map_or((None, None), |(code, referencia)| (code, Some(referencia)));
    let (service, repeat_key, problems, warning) = match parsed {
        Ok(parsed) => {
            let warning = in_words(&parsed.notices);
            let ticket = parsed.ticket;
            (
                Some(ticket.id_cliente_servico),
                Some(ticket.repeat_key()),
                Vec::new(),
                Some(warning).filter(|warning| !warning.is_empty()),
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
        customer: row.customer_key(),
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
    tickets: u128,
}

impl Facts {
    fn take(&mut self, parsed: &Result<Parsed, Vec<Problem>>) {
        let Ok(parsed) = parsed else {
            self.n_invalid += 1;
            return;
        };
        self.n_service_orders += u64::from(parsed.ticket.abrir_os);
        self.tickets = self.tickets.wrapping_add(u128::from_be_bytes(parsed.ticket.whole_key()));
        if self.types.len() < TYPES_MAX {
            self.types.insert(parsed.ticket.id_tipo_atendimento.map(Id::get));
        }
    }
}

pub fn hexadecimal(bytes: [u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
