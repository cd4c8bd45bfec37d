//! Rows of a batch that a person looks for: by state, and by what they know of a row.

use std::path::{Path, PathBuf};

use super::acts;
use super::fault::Fault;
use super::place::Place;
use super::result_rows::is_real;
use super::results::folder_of;
use super::selection::batch_of;
use crate::delivery::State;
use crate::outbox::{self, Act, BatchInfo, Cursor, ReportRow, RowDetails, Scope};
use crate::report;
use crate::ticket::folded_name;

/// Rows that are found at a time.
pub const FOUND_MAX: usize = 50;

/// Rows that one statement reads.
const PAGE_ROWS: usize = 1000;

/// Rows that are looked at before it is told how far it came: a second or two.
const LOOKED_MAX: usize = 100_000;

/// Digits of a part of a protocolo. Fewer stand in most: each begins with the day.
pub const PART_LEN_MIN: usize = 6;

/// What a person looks for.
#[derive(Debug, Default)]
pub struct Sought {
    /// `None`: those that need a person, where there are any. None of them: in any state.
    states: Option<Vec<State>>,
    /// As it was typed, without blanks around it.
    text: String,
    folded: String,
}

pub struct Found {
    /// Whether what was opened is in HubSoft.
    pub is_real: bool,
    /// That were looked for; none: all.
    pub states: Vec<State>,
    pub rows: Vec<RowDetails>,
    /// Where others may stand. `None`: there are no more.
    pub next: Option<Cursor>,
    /// Files of the results that lie there.
    pub files: Vec<String>,
    /// What persons had done with the batch, the latest first.
    pub acts: Vec<Act>,
    /// The HubSoft that its outbox belongs to, once something was sent.
    pub host: Option<String>,
    /// Who had it imported last.
    pub import: Option<Act>,
}

impl Sought {
    /// `text`: a service, a line, a protocolo, an id, a reference, or a part of a name.
    pub fn new(states: Option<Vec<State>>, text: &str) -> Self {
        let text = text.trim();
        Self { states, text: text.to_owned(), folded: folded_name(text) }
    }

    fn is_said_by(&self, row: &ReportRow<'_>) -> bool {
        let text = self.text.as_str();
        let is_it = |said: &str| said.trim() == text;
        if is_it(&row.referencia) || row.cells.iter().any(|cell| is_it(cell)) {
            return true;
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let numbers = [Some(row.line.to_string()), row.id_atendimento.map(|id| id.to_string())];
            let is_part = |protocolo: &str| PART_LEN_MIN <= text.len() && protocolo.contains(text);
            return row.protocolo.as_deref().is_some_and(is_part)
                || numbers.into_iter().flatten().any(|number| number == text);
        }
        !self.folded.is_empty() && row.cells.iter().any(|cell| folded_name(cell).contains(&self.folded))
    }
}

/// What is known of the batch that `place` names.
pub async fn batch(place: &Place) -> Result<BatchInfo, Fault> {
    let outbox = place.outbox.look().await?;
    let batch = batch_of(outbox.reader(), place).await?;
    outbox.close().await?;
    Ok(batch)
}

/// The first rows of `batch` behind `after` that are sought, in input order.
pub async fn find(place: &Place, batch: &BatchInfo, sought: Sought, after: Cursor) -> Result<Found, Fault> {
    let outbox = place.outbox.look().await?;
    let reader = outbox.reader();
    let n_needy: u64 = State::NEEDS_A_PERSON.into_iter().map(|state| batch.counts.count(state)).sum();
    let states = match sought.states {
        Some(ref states) => states.clone(),
        None if 0 < n_needy && sought.text.is_empty() => State::NEEDS_A_PERSON.to_vec(),
        None => Vec::new(),
    };
    let is_met = |row: &&ReportRow<'_>| {
        (states.is_empty() || states.contains(&row.state))
            && (sought.text.is_empty() || sought.is_said_by(row))
    };
    let (mut met, mut next, mut n_looked) = (Vec::new(), Some(after), 0);
    // One more, so that a page that is full and the last one is known as that.
    while let Some(from) = next.filter(|_| met.len() <= FOUND_MAX && n_looked < LOOKED_MAX) {
        let page = reader.rows_page(Scope::Batch(batch.id), from, PAGE_ROWS).await?;
        let (rows, end) = page.rows()?;
        n_looked += rows.len();
        met.extend(rows.iter().filter(is_met).map(|row| (row.row, row.place)));
        next = end;
    }
    if FOUND_MAX < met.len() {
        met.truncate(FOUND_MAX);
        next = met.last().map(|(_, place)| *place);
    }
    let mut rows = Vec::with_capacity(met.len());
    for (row, _) in met {
        rows.extend(reader.row(outbox::RowName::Id(row)).await?);
    }
    let folder = folder_of(reader, place, batch).await?;
    let files = folder.map(report::files_in).unwrap_or_default();
    let acts = reader.acts(&batch.name, acts::TOLD_MAX).await?;
    let import = reader.latest_imports(std::slice::from_ref(&batch.name)).await?.remove(&batch.name);
    let host = reader.host().await?;
    outbox.close().await?;
    Ok(Found { is_real: is_real(host.as_deref()), states, rows, next, files, acts, host, import })
}

/// Where the results of `batch` lie; `None`: not any more, or not here.
pub async fn folder(place: &Place, batch: &BatchInfo) -> Result<Option<PathBuf>, Fault> {
    let outbox = place.outbox.look().await?;
    let folder = folder_of(outbox.reader(), place, batch).await?.map(Path::to_owned);
    outbox.close().await?;
    Ok(folder)
}
