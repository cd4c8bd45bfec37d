//! The batch and the row that a name means, in the outbox that was found.

use std::path::Path;

use super::fault::{Fault, RowCalled};
use super::names;
use super::place::{NamedRow, Outboxes, Place, RowName};
use crate::delivery::RowId;
use crate::outbox::{self, AnyReader, BatchInfo, RowDetails};

/// Names that are told at most where one is wrong; one more says that there are others.
pub const NAMES_TOLD_MAX: usize = 10;

/// Names that are offered at most to who types one.
pub const NAMES_TYPED_MAX: usize = 200;

/// The batch that was named; else of a file the one imported last, of a database all (`None`).
pub async fn batch_or_all(reader: AnyReader<'_>, place: &Place) -> Result<Option<BatchInfo>, Fault> {
    match &place.batch {
        None if place.outbox.file().is_none() => Ok(None),
        _ => batch_of(reader, place).await.map(Some),
    }
}

/// The batch that was named, the only one, or (of a file) the one imported last.
pub async fn batch_of(reader: AnyReader<'_>, place: &Place) -> Result<BatchInfo, Fault> {
    let outbox = || place.outbox.to_string();
    if let Some(typed) = &place.batch
        && let Some(info) = reader.batch_info(typed).await?
    {
        return Ok(info);
    }
    let n_names = if place.outbox.file().is_some() { usize::MAX } else { NAMES_TOLD_MAX + 1 };
    let names = reader.batch_names(n_names).await?;
    if let Some(typed) = &place.batch {
        // Or its spreadsheet, or its folder: the names of a file's batches begin with its own.
        let stem = Path::new(typed).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let base = stem.as_deref().unwrap_or(typed);
        let mut of_file = reader.batch_names(usize::MAX).await?;
        of_file.retain(|name| names::is_of(name, base));
        match &of_file[..] {
            [] => {}
            [only] => {
                if let Some(info) = reader.batch_info(only).await? {
                    return Ok(info);
                }
            }
            _ => {
                let base = base.to_owned();
                return Err(Fault::SeveralBatchesOf { outbox: outbox(), base, names: of_file });
            }
        }
        return Err(Fault::NoBatch { outbox: outbox(), typed: typed.clone(), names });
    }
    if place.outbox.file().is_none() && 1 < names.len() {
        return Err(Fault::SeveralBatches { outbox: outbox(), names });
    }
    latest(reader).await?.ok_or_else(|| Fault::EmptyOutbox { outbox: outbox() })
}

/// What the batch is called that was imported last. `None`: nothing was imported.
pub async fn latest_name(reader: AnyReader<'_>) -> Result<Option<String>, Fault> {
    Ok(reader.latest_batches(1).await?.pop())
}

/// The batch imported last, whose results lie in the work folder. `None`: nothing was imported.
pub async fn latest(reader: AnyReader<'_>) -> Result<Option<BatchInfo>, Fault> {
    // Of the first there may be nothing to tell.
    for name in reader.latest_batches(NAMES_TOLD_MAX).await? {
        if let Some(info) = reader.batch_info(&name).await? {
            return Ok(Some(info));
        }
    }
    Ok(None)
}

/// What a person may type for a batch: of a shared outbox the names of the first batches, of work folders
/// what they are called. Where an outbox does not answer, nothing.
pub async fn names_to_type(outboxes: &Outboxes) -> Vec<String> {
    let Ok(places) = outboxes.all(None) else { return Vec::new() };
    let mut names = Vec::new();
    for place in places {
        match (&outboxes.url, &place.folder) {
            (None, Some(folder)) => names.extend(folder.file_name().map(|name| {
                let name = name.to_string_lossy();
                // A name with a dot would be taken for a spreadsheet's.
                let stem = name.strip_suffix(".mutirao").filter(|stem| !stem.contains('.'));
                stem.unwrap_or(&name).to_owned()
            })),
            _ => {
                let Ok(outbox) = place.outbox.look().await else { continue };
                names.extend(outbox.reader().batch_names(NAMES_TYPED_MAX).await.unwrap_or_default());
                let _ = outbox.close().await;
            }
        }
    }
    names
}

/// The one row that was named.
pub async fn row_of(reader: AnyReader<'_>, named: &NamedRow) -> Result<RowDetails, Fault> {
    let NamedRow { typed, meanings } = named;
    let (mut found, mut missed) = (Vec::<RowDetails>::new(), Vec::new());
    for (place, name) in meanings {
        match rows_of(reader, place, name).await {
            Ok(rows) => found.extend(rows),
            // Another of the names may be that of a batch.
            Err(fault) if fault.is_of_a_batch_name() => missed.push(fault),
            Err(fault) => return Err(fault),
        }
    }
    found.sort_by_key(|row| row.report.row.0);
    found.dedup_by_key(|row| row.report.row);
    let typed = typed.clone();
    match &found[..] {
        [] if missed.len() == meanings.len() => Err(missed.swap_remove(0)),
        [] => Err(Fault::NoRow { outbox: named.place().outbox.to_string(), typed }),
        [_] => Ok(found.swap_remove(0)),
        [one, other] if meanings.len() == 1 => {
            // By the cell `referencia` each can be named alone.
            let batch = typed.rsplit_once(':').map_or(&*typed, |(batch, _)| batch);
            let rows = Box::new([one, other].map(|row| {
                let alone =
                    row.report.code.map(|code| format!("{batch}:{}", code.cell(&row.report.referencia)));
                let called = RowCalled::of(row);
                RowCalled { name: alone.unwrap_or(called.name), ..called }
            }));
            Err(Fault::TwoRows { typed, rows })
        }
        several => Err(Fault::SeveralRows { typed, rows: several.iter().map(RowCalled::of).collect() }),
    }
}

/// The row of this name; two, if a number is one row's line and another's reference.
async fn rows_of(
    reader: AnyReader<'_>,
    place: &Place,
    name: &RowName,
) -> Result<impl Iterator<Item = RowDetails>, Fault> {
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
