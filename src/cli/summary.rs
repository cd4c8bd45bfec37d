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
    for (n, what) in [
        (counts.opened_without_os, tr!("of them without the service order asked for")),
        (counts.invalid, tr!("invalid")),
        (counts.rejected, tr!("rejected")),
        (counts.failed, tr!("failed")),
        (counts.in_doubt + counts.in_flight, tr!("in doubt")),
        (counts.unconfirmed, tr!("unconfirmed")),
        (counts.conflict, tr!("in conflict")),
        (counts.skipped, tr!("skipped")),
        (counts.cancelled, tr!("cancelled")),
        (counts.pending, tr!("pending")),
    ] {
        if 0 < n {
            text += &format!(", {n} {what}");
        }
    }
    text
}
