//! What is told of rows that were read in.

use super::screen::Screen;
use crate::app::work_folder::Lack;
use crate::outbox::{MergeKind, Merged};
use crate::registry::RegistryError;
use crate::report::{XLSX_COLUMNS_MAX, XLSX_ROWS_MAX};

pub fn tell(merged: &Merged, screen: &Screen) {
    let counts = &merged.counts;
    let mut parts = vec![format!("{} rows", counts.n_rows)];
    for (n, what) in [
        (counts.new, "new"),
        (counts.updated, "corrected"),
        (
            counts.outdated,
            "known already, which the file says something else of now (`warning` names the columns)",
        ),
        (counts.revived, "to be opened again"),
        (counts.unchanged - counts.outdated, "known already"),
        (counts.invalid, "invalid"),
        (counts.repeats, "repeats, skipped"),
        (counts.gone - counts.withdrawn, "no longer in the file"),
        (counts.withdrawn, "no longer in the file and withdrawn"),
    ] {
        if 0 < n {
            parts.push(format!("{n} {what}"));
        }
    }
    screen.note(format!("batch {}: {}", merged.batch_name, parts.join(", ")));
    if merged.kind == MergeKind::Correction {
        screen.note("these rows correct an earlier import: the others of its batch stay as they are");
    }
    if 0 < counts.foreign {
        screen.note(format!(
            "{} rows come from another outbox: each is looked up before it is opened",
            counts.foreign
        ));
    }
}

/// Tells what `results.xlsx` will lack.
pub fn warn_of_lack(lack: Lack, screen: &Screen) {
    screen.warn(match lack {
        Lack::Workbook { n_columns } => format!(
            "there will be no results.xlsx: a sheet has {XLSX_COLUMNS_MAX} columns, and the results {n_columns}; results.csv has them all"
        ),
        Lack::Rows { n_rows } => format!(
            "results.xlsx will have the first {XLSX_ROWS_MAX} rows of {n_rows}; results.csv has them all"
        ),
    });
}

/// Tells that it does not stand in the registry.
pub fn warn_unremembered(error: &RegistryError, screen: &Screen) {
    screen.warn(format!("{error}: the same rows, imported from elsewhere, will not be recognised"));
}
