//! Rows of a batch that a person looks for: by state, and by what they know of a row.

use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::place::Place;
use super::result_rows::is_real;
use super::results::folder_of;
use super::selection::batch_of;
use super::{BROWSER_WAITS, acts};
use crate::delivery::State;
use crate::outbox::{self, Act, AnyReader, BatchInfo, Cursor, ReportRow, RowDetails, Scope};
use crate::report;
use crate::ticket::folded_name;

/// Rows that are found at a time.
pub const FOUND_MAX: usize = 50;

/// Rows that one statement reads.
const PAGE_ROWS: usize = 1000;

/// Rows that are looked at before it is told how far it came: a second or two.
const LOOKED_MAX: usize = 100_000;

/// Protocolos that are given at a time.
pub const PROTOCOLOS_MAX: usize = 20_000;

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
    /// Whether others may stand before or behind them.
    pub is_part: bool,
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

    /// The states that are meant of this batch; none of them: all.
    fn states_of(&self, batch: &BatchInfo) -> Vec<State> {
        let n_needy: u64 = State::NEEDS_A_PERSON.into_iter().map(|state| batch.counts.count(state)).sum();
        match &self.states {
            Some(states) => states.clone(),
            None if 0 < n_needy && self.text.is_empty() => State::NEEDS_A_PERSON.to_vec(),
            None => Vec::new(),
        }
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
    let outbox = place.outbox.look_for(BROWSER_WAITS).await?;
    let batch = batch_of(outbox.reader(), place).await?;
    outbox.close().await?;
    Ok(batch)
}

/// The first rows of `batch` behind `after` that are sought, in input order.
pub async fn find(place: &Place, batch: &BatchInfo, sought: Sought, after: Cursor) -> Result<Found, Fault> {
    let outbox = place.outbox.look_for(BROWSER_WAITS).await?;
    let reader = outbox.reader();
    let states = sought.states_of(batch);
    let (met, next) = met(reader, batch, &sought, after, FOUND_MAX, |row| Some(row.row)).await?;
    let mut rows = Vec::with_capacity(met.len());
    for row in met {
        rows.extend(reader.row(outbox::RowName::Id(row)).await?);
    }
    let folder = folder_of(reader, place, batch).await?;
    let files = folder.map(report::files_in).unwrap_or_default();
    let acts = reader.acts(&batch.name, acts::TOLD_MAX).await?;
    let is_part = next.is_some() || after != Cursor::default();
    let import = reader.latest_imports(std::slice::from_ref(&batch.name)).await?.remove(&batch.name);
    let host = reader.host().await?;
    outbox.close().await?;
    Ok(Found { is_real: is_real(host.as_deref()), states, rows, next, is_part, files, acts, host, import })
}

/// The protocolos of the rows of `batch` behind `after` that are sought, in input order; and where others may
/// stand.
pub async fn protocolos(
    place: &Place,
    batch: &BatchInfo,
    sought: &Sought,
    after: Cursor,
) -> Result<(Vec<String>, Option<Cursor>), Fault> {
    let outbox = place.outbox.look_for(BROWSER_WAITS).await?;
    let of = |row: &ReportRow<'_>| row.protocolo.as_deref().map(str::to_owned);
    let met = met(outbox.reader(), batch, sought, after, PROTOCOLOS_MAX, of).await?;
    outbox.close().await?;
    Ok(met)
}

/// What `of` makes of the first rows behind `after` that are sought, and of at most `n_max`; and where others
/// may stand.
async fn met<T>(
    reader: AnyReader<'_>,
    batch: &BatchInfo,
    sought: &Sought,
    after: Cursor,
    n_max: usize,
    of: impl Fn(&ReportRow<'_>) -> Option<T>,
) -> Result<(Vec<T>, Option<Cursor>), Fault> {
    let states = sought.states_of(batch);
    let is_met = |row: &&ReportRow<'_>| {
        (states.is_empty() || states.contains(&row.state))
            && (sought.text.is_empty() || sought.is_said_by(row))
    };
    let (mut met, mut next, mut n_looked) = (Vec::new(), Some(after), 0);
    // One more, so that a page that is full and the last one is known as that.
    while let Some(from) = next.filter(|_| met.len() <= n_max && n_looked < LOOKED_MAX) {
        let page = reader.rows_page(Scope::Batch(batch.id), from, PAGE_ROWS).await?;
        let (rows, end) = page.rows()?;
        n_looked += rows.len();
        met.extend(rows.iter().filter(is_met).filter_map(|row| Some((of(row)?, row.place))));
        next = end;
    }
    if n_max < met.len() {
        met.truncate(n_max);
        next = met.last().map(|(_, place)| *place);
    }
    Ok((met.into_iter().map(|(made, _)| made).collect(), next))
}

/// Where the results of `batch` lie; `None`: not any more, or not here.
pub async fn folder(place: &Place, batch: &BatchInfo) -> Result<Option<PathBuf>, Fault> {
    let outbox = place.outbox.look_for(BROWSER_WAITS).await?;
    let folder = folder_of(outbox.reader(), place, batch).await?.map(Path::to_owned);
    outbox.close().await?;
    Ok(folder)
}
