//! What a run came to, for people.

use crate::outbox::Counts;

/// The same while somebody may work on the rows: what is in flight is just that.
pub fn in_words_now(counts: &Counts) -> String {
    let text = in_words(&Counts { in_flight: 0, pending: counts.pending + counts.in_flight, ..*counts });
    if counts.in_flight == 0 {
        text
    } else {
        tr!("%{text} (%{n} of them in flight)", text = text, n = counts.in_flight).into_owned()
    }
}

/// `22 of 24 opened, 1 invalid, 1 skipped`.
pub fn in_words(counts: &Counts) -> String {
    let mut text = tr!("%{n} of %{total} opened", n = counts.opened, total = counts.total()).into_owned();
    let n_in_doubt = counts.in_doubt + counts.in_flight;
    for (n, told) in [
        (
            counts.opened_without_os,
            tr!("%{n} of them without the service order asked for", n = counts.opened_without_os),
        ),
        (
            counts.opened_beside,
            tr!("%{n} of them beside an open ticket of another type", n = counts.opened_beside),
        ),
        (counts.invalid, tr!("%{n} invalid", n = counts.invalid)),
        (counts.rejected, tr!("%{n} rejected", n = counts.rejected)),
        (counts.failed, tr!("%{n} failed", n = counts.failed)),
        (n_in_doubt, tr!("%{n} in doubt", n = n_in_doubt)),
        (counts.unconfirmed, tr!("%{n} unconfirmed", n = counts.unconfirmed)),
        (counts.conflict, tr!("%{n} in conflict", n = counts.conflict)),
        (counts.skipped, tr!("%{n} skipped", n = counts.skipped)),
        (counts.cancelled, tr!("%{n} cancelled", n = counts.cancelled)),
        (counts.pending, tr!("%{n} pending", n = counts.pending)),
    ] {
        if 0 < n {
            text += &format!(", {told}");
        }
    }
    text
}
