//! What a run came to, for people.

use crate::outbox::Counts;

/// The same while somebody may work on the rows: what is in flight is just that.
pub fn in_words_now(counts: &Counts) -> String {
    let text = in_words(&Counts { in_flight: 0, pending: counts.pending + counts.in_flight, ..*counts });
    if counts.in_flight == 0 { text } else { format!("{text} ({} of them in flight)", counts.in_flight) }
}

/// `22 of 24 opened, 1 invalid, 1 skipped`.
pub fn in_words(counts: &Counts) -> String {
    let mut text = format!("{} of {} opened", counts.opened, counts.total());
    for (n, what) in [
        (counts.opened_without_os, "of them without the service order asked for"),
        (counts.invalid, "invalid"),
        (counts.rejected, "rejected"),
        (counts.failed, "failed"),
        (counts.in_doubt + counts.in_flight, "in doubt"),
        (counts.unconfirmed, "unconfirmed"),
        (counts.conflict, "in conflict"),
        (counts.skipped, "skipped"),
        (counts.cancelled, "cancelled"),
        (counts.pending, "pending"),
    ] {
        if 0 < n {
            text += &format!(", {n} {what}");
        }
    }
    text
}
