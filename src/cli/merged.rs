//! What is told of rows that were read in.

use super::screen::Screen;
use crate::app::work_folder::Lack;
use crate::outbox::{MergeKind, Merged};
use crate::registry::RegistryError;
use crate::report::{XLSX_COLUMNS_MAX, XLSX_ROWS_MAX};

pub fn tell(merged: &Merged, screen: &Screen) {
    let counts = &merged.counts;
    let mut parts = vec![tr!("%{n} rows", n = counts.n_rows).into_owned()];
    for (n, what) in [
        (counts.new, tr!("new")),
        (counts.updated, tr!("corrected")),
        (
            counts.outdated,
            tr!("known already, which the file says something else of now (`warning` names the columns)"),
        ),
        (counts.revived, tr!("to be opened again")),
        (counts.unchanged - counts.outdated, tr!("known already")),
        (counts.invalid, tr!("invalid")),
        (counts.repeats, tr!("repeats, skipped")),
        (counts.gone - counts.withdrawn, tr!("no longer in the file")),
        (counts.withdrawn, tr!("no longer in the file and withdrawn")),
    ] {
        if 0 < n {
            parts.push(format!("{n} {what}"));
        }
    }
    screen.note(tr!("batch %{name}: %{counts}", name = merged.batch_name, counts = parts.join(", ")));
    if merged.kind == MergeKind::Correction {
        screen.note(tr!("these rows correct an earlier import: the others of its batch stay as they are"));
    }
    if 0 < counts.foreign {
        screen.note(tr!(
            "%{n} rows come from another outbox: each is looked up before it is opened",
            n = counts.foreign
        ));
    }
}

/// Tells what `results.xlsx` will lack.
pub fn warn_of_lack(lack: Lack, screen: &Screen) {
    screen.warn(match lack {
        Lack::Workbook { n_columns } => tr!(
            "there will be no results.xlsx: a sheet has %{max} columns, and the results %{n}; results.csv has them all",
            max = XLSX_COLUMNS_MAX,
            n = n_columns
        ),
        Lack::Rows { n_rows } => tr!(
            "results.xlsx will have the first %{max} rows of %{n}; results.csv has them all",
            max = XLSX_ROWS_MAX,
            n = n_rows
        ),
    });
}

/// Tells that it does not stand in the registry.
pub fn warn_unremembered(error: &RegistryError, screen: &Screen) {
    screen
        .warn(tr!("%{error}: the same rows, imported from elsewhere, will not be recognised", error = error));
}
