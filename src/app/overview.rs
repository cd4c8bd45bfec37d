//! How a shared outbox stands, for whoever is on call; and rows that are looked for among all of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::BROWSER_WAITS;
use super::fault::Fault;
use super::found::{FOUND_MAX, PART_LEN_MIN};
use crate::delivery::RowId;
use crate::language::times::local_minute;
use crate::outbox::{
    self, Address, Crew, Halted, Imports, ListedBatch, PgOutbox, ReadOnlyOutbox, RowDetails, RowName,
    Searched,
};
use crate::ticket::folded_name;

/// Batches that are named: of what came in last.
const BATCHES_MAX: usize = 50;

pub struct Overview {
    pub now: outbox::Overview,
    pub crew: Crew,
    pub halted: Vec<Halted>,
    /// What the latest are called.
    pub batches: Vec<String>,
    /// How far they were, by what they are called.
    pub listed: BTreeMap<String, ListedBatch>,
    /// Who had them imported last.
    pub imports: Imports,
    /// The HubSoft that it belongs to, once something was sent.
    pub host: Option<String>,
}

/// How far a batch was when its last complete run ended; else how long its file is.
pub fn how_far(listed: &ListedBatch) -> Option<Cow<'static, str>> {
    let summary = listed.summary.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let counted =
        summary.and_then(|of| Some((of["counts"]["opened"].as_u64()?, of["counts"]["total"].as_u64()?)));
    match (counted, listed.finished_at, listed.n_rows) {
        (Some((n, total)), Some(at), _) => Some(tr!(
            "%{n} of %{total} opened when its last run ended, %{at}",
            n = n,
            total = total,
            at = local_minute(at)
        )),
        (_, _, n_rows) => n_rows.map(|n| tr!("%{n} %{n|row|rows} in its file", n = n)),
    }
}

pub async fn overview(address: &Address) -> Result<Overview, Fault> {
    let outbox = shared(address).await?;
    let batches = outbox.latest_batches(BATCHES_MAX).await?;
    let overview = Overview {
        now: outbox.overview().await?,
        crew: outbox.crew().await?,
        halted: outbox.halted().await?,
        imports: outbox.latest_imports(&batches).await?,
        listed: outbox.listed(&batches).await?,
        host: outbox.host().await?,
        batches,
    };
    outbox.close().await;
    Ok(overview)
}

/// Rows, the newest first, and where others may stand.
pub type Met = (Vec<RowDetails>, Option<RowId>);

/// The rows before `before` that `text` may mean: by a service, a protocolo (or a part of it), a reference,
/// an id, or words of a name.
pub async fn search(address: &Address, text: &str, before: Option<RowId>) -> Result<Met, Fault> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = if is_number { String::new() } else { folded_name(text) };
    let searched = Searched {
        text: text.to_owned(),
        is_part: is_number && PART_LEN_MIN <= text.len(),
        words: name.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    };
    let outbox = shared(address).await?;
    let (found, next) = outbox.search(&searched, before, FOUND_MAX).await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        rows.extend(outbox.row(RowName::Id(row)).await?);
    }
    outbox.close().await;
    Ok((rows, next))
}

async fn shared(address: &Address) -> Result<PgOutbox, Fault> {
    match address.look_for(BROWSER_WAITS).await? {
        ReadOnlyOutbox::Postgres(outbox) => Ok(outbox),
        ReadOnlyOutbox::Sqlite(_) => Err(Fault::OneWorker),
    }
}
