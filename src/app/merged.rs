//! What is told of rows that were read in, and of what could not be seen to meanwhile.

use std::borrow::Cow;

use super::work_folder::Lack;
use crate::delivery::HaltReason;
use crate::outbox::{Halted, MergeKind, Merged};
use crate::registry::RegistryError;
use crate::report::{XLSX_COLUMNS_MAX, XLSX_ROWS_MAX};
use crate::text;

/// A line for each thing that is told.
pub fn lines(merged: &Merged) -> Vec<String> {
    let counts = &merged.counts;
    let mut parts = vec![tr!("%{n} %{n|row|rows}", n = counts.n_rows).into_owned()];
    let (known, gone) = (counts.unchanged - counts.outdated, counts.gone - counts.withdrawn);
    for (n, told) in [
        (counts.new, tr!("%{n} new", n = counts.new)),
        (counts.updated, tr!("%{n} corrected", n = counts.updated)),
        (
            counts.outdated,
            tr!(
                "%{n} known already, of which the file says something else now (`warning` names the columns)",
                n = counts.outdated
            ),
        ),
        (counts.revived, tr!("%{n} to be opened again", n = counts.revived)),
        (known, tr!("%{n} known already", n = known)),
        (counts.invalid, tr!("%{n} invalid", n = counts.invalid)),
        (counts.repeats, tr!("%{n} %{n|repeat|repeats}, skipped", n = counts.repeats)),
        (gone, tr!("%{n} no longer in the file", n = gone)),
        (counts.withdrawn, tr!("%{n} no longer in the file and withdrawn", n = counts.withdrawn)),
    ] {
        if 0 < n {
            parts.push(told.into_owned());
        }
    }
    let counted = tr!("batch %{name}: %{counts}", name = merged.batch_name, counts = parts.join(", "));
    let mut lines = vec![counted.into_owned()];
    if merged.kind == MergeKind::Correction {
        let told = tr!("these rows correct an earlier import: the others of its batch stay as they are");
        lines.push(told.into_owned());
    }
    if 0 < counts.foreign {
        let told = tr!(
            "%{n} %{n|row comes|rows come} from another outbox: each is looked up before it is opened",
            n = counts.foreign
        );
        lines.push(told.into_owned());
    }
    lines
}

/// What `results.xlsx` will lack.
pub fn lack(lack: Lack) -> Cow<'static, str> {
    match lack {
        Lack::Workbook { n_columns } => tr!(
            "there will be no results.xlsx: a sheet has %{n_max} columns, and the results %{n}; results.csv has them all",
            n_max = XLSX_COLUMNS_MAX,
            n = n_columns
        ),
        Lack::Rows { n_rows } => tr!(
            "results.xlsx will have the first %{n_max} rows of %{n}; results.csv has them all",
            n_max = XLSX_ROWS_MAX,
            n = n_rows
        ),
    }
}

/// That its batch was stopped, why, and what of it goes on now: no more than this import is of, or than its
/// sample.
pub fn halted(halted: &[Halted], merged: &Merged, is_sample: bool) -> Vec<Cow<'static, str>> {
    let n_beside = merged.n_beside;
    let halts = halted.iter().filter(|halted| halted.reason != HaltReason::Held || 0 < n_beside);
    let said = halts.map(|Halted { lote, reason, .. }| {
        let why = text::halt_reason(reason);
        // HubSoft's words may end as a sentence does.
        let why = why.trim_end_matches('.');
        match n_beside {
            _ if is_sample => tr!(
                "batch %{name} was halted: %{why}. This import opens its sample; all other rows of the batch stay halted",
                name = lote,
                why = why
            ),
            0 => tr!(
                "batch %{name} was halted: %{why}. It goes on with this import",
                name = lote,
                why = why
            ),
            n => tr!(
                "batch %{name} was halted: %{why}. This import opens its own rows; %{n} other %{n|row of the batch stays|rows of the batch stay} halted",
                name = lote,
                why = why,
                n = n
            ),
        }
    });
    said.collect()
}

/// That it does not stand in the registry.
pub fn unremembered(error: &RegistryError) -> Cow<'static, str> {
    tr!("%{error}: the same rows, imported from elsewhere, will not be recognised", error = error)
}

/// That the registry cannot be read.
pub fn unrecognised(error: &RegistryError) -> Cow<'static, str> {
    tr!("%{error}: what was imported before from elsewhere may not be recognised", error = error)
}
