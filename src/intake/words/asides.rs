//! What stands in a sheet and is no row.

use crate::intake::asides::Asides;

/// What was passed over while reading, one line a fact.
pub(in crate::intake) fn lines(asides: Asides) -> Vec<String> {
    let Asides { n_totals, n_feet, n_blank, first, n_notes, first_note } = asides;
    let mut lines = Vec::new();
    let n_out = n_totals + n_feet + n_blank;
    if 0 < n_out {
        let mut kinds = Vec::new();
        for (n, told) in [
            (n_totals, tr!("%{n} %{n|total|totals}", n = n_totals)),
            (n_feet, tr!("%{n} feet or repeated heads of a report", n = n_feet)),
            (n_blank, tr!("%{n} blank", n = n_blank)),
        ] {
            if 0 < n {
                kinds.push(told.into_owned());
            }
        }
        let kinds = kinds.join(", ");
        let told = match n_out == n_blank {
            true => tr!(
                "%{n} %{n|row below or within the table is no customer, and was|rows below or within the table are no customers, and were} left out: %{kinds}",
                n = n_out,
                kinds = kinds
            ),
            false => tr!(
                "%{n} %{n|row below or within the table is no customer, and was|rows below or within the table are no customers, and were} left out: %{kinds} (the first that is not blank: line %{line})",
                n = n_out,
                kinds = kinds,
                line = first
            ),
        };
        lines.push(told.into_owned());
    }
    if 0 < n_notes {
        let told = tr!(
            "%{n} %{n|row has|rows have} something beside the table, in a column without a name; it is neither sent nor kept (the first: line %{line})",
            n = n_notes,
            line = first_note
        );
        lines.push(told.into_owned());
    }
    lines
}
