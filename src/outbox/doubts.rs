//! All that SQL writes of doubts, for both drivers: into these columns, as [`Doubt::since`] and
//! [`Doubt::precaution`] have it.
//!
//! [`Doubt::since`]: crate::delivery::Doubt::since
//! [`Doubt::precaution`]: crate::delivery::Doubt::precaution

use super::names::{CONFLICT, IN_DOUBT, IN_FLIGHT, OPENED, PENDING, UNCONFIRMED};

/// Assignments that leave a row with a new doubt. `since` and `precaution` are SQL; NULL for `since` is no
/// doubt.
pub(super) fn made(since: &str, precaution: &str) -> String {
    format!(
        "doubt_since = {since}, doubt_hubsoft_at = NULL, doubt_precaution = {precaution}, absences = 0,
         last_absence = NULL, answered = 0"
    )
}

/// What an older doubt, which stays as it is, has left of its patience.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Kept,
    New,
}

/// The same where `is_due` holds (SQL); else the doubt stays as it was. `row` is what the row is called
/// there.
pub(super) fn made_where(
    is_due: &str,
    row: &str,
    since: &str,
    precaution: &str,
    patience: Patience,
) -> String {
    let one_of =
        |column: &str, new: &str| format!("{column} = CASE WHEN {is_due} THEN {new} ELSE {row}.{column} END");
    [
        one_of("doubt_since", since),
        one_of("doubt_hubsoft_at", "NULL"),
        one_of("doubt_precaution", precaution),
        one_of("absences", "0"),
        one_of("last_absence", "NULL"),
        match patience {
            Patience::Kept => one_of("answered", "0"),
            Patience::New => "answered = 0".to_owned(),
        },
    ]
    .join(", ")
}

/// The columns of a new row for which [`of_new`] has values; the others have theirs from the table.
pub(super) const OF_NEW: &str = "doubt_since, doubt_precaution";

/// A precaution where `is_due` holds.
pub(super) fn of_new(is_due: &str, since: &str) -> String {
    format!("CASE WHEN {is_due} THEN {since} END, {is_due}")
}

/// Of a claim to post: of a row without a doubt, whose other columns stand as [`made`] and [`decided`] leave
/// them. A claim is too frequent to write them once more.
pub(super) fn begun(row: &str, since: &str) -> String {
    format!("posting = {row}.doubt_since IS NULL, doubt_since = coalesce({row}.doubt_since, {since})")
}

/// Whether a claim, to post or else to look up (`is_post`, in SQL), stands as [`begun`] has it.
pub(super) fn is_begun(row: &str, is_post: &str) -> String {
    format!("{row}.posting = {is_post} AND {row}.doubt_since IS NOT NULL")
}

/// Of a claim under which nothing was sent, the state included: a look-up's doubt stays.
pub(super) fn taken_back(row: &str) -> String {
    format!(
        "state = CASE WHEN {row}.posting OR {row}.doubt_precaution THEN {PENDING} ELSE {IN_DOUBT} END,
         doubt_since = CASE WHEN NOT {row}.posting THEN {row}.doubt_since END"
    )
}

/// Whether it stands as [`taken_back`] has it.
pub(super) fn is_taken_back(row: &str) -> String {
    format!("{row}.state IN ({PENDING}, {IN_DOUBT}) AND ({row}.posting OR {row}.doubt_since IS NOT NULL)")
}

/// Whether a look-up was of no use: what is known of the row is still what became of its post.
pub(super) fn still_in_doubt(row: &str, new_state: &str) -> String {
    format!("{new_state} = {IN_DOUBT} AND NOT {row}.posting")
}

/// As a settle has decided, but of an opening: `value` is SQL for each field of
/// [`Doubt`](crate::delivery::Doubt).
pub(super) fn decided(row: &str, new_state: &str, value: impl Fn(&str) -> String) -> String {
    let [since, hubsoft_at, precaution, absences, last_absence, answered] =
        ["since", "hubsoft_at", "precaution", "absences", "last_absence", "answered"].map(value);
    format!(
        "doubt_since = CASE WHEN {new_state} = {CONFLICT} THEN {row}.doubt_since ELSE {since} END,
         doubt_hubsoft_at = {hubsoft_at}, doubt_precaution = coalesce({precaution}, false),
         absences = coalesce({absences}, 0), last_absence = {last_absence}, answered = coalesce({answered}, 0)"
    )
}

/// Of a row that has a ticket, or is said to have one: the doubt of its claim stays (`since` if it has none),
/// so that it is looked up before it is posted, whatever somebody writes into `state`.
pub(super) fn kept(row: &str, since: &str) -> String {
    format!("doubt_since = coalesce({row}.doubt_since, {since}), doubt_precaution = false")
}

/// Of a claim that nobody holds any more, the state included: in doubt `since` (SQL). A look-up leaves
/// nothing, and its older doubt stays.
pub(super) fn taken_in(row: &str, since: &str) -> String {
    format!(
        "state = CASE WHEN NOT {row}.posting AND {row}.doubt_precaution THEN {PENDING} ELSE {IN_DOUBT} END, {}",
        made_where(
            &format!("({row}.posting OR {row}.doubt_since IS NULL)"),
            row,
            since,
            "false",
            Patience::Kept
        )
    )
}

/// Whether it stands as [`taken_in`] has it.
pub(super) fn is_taken_in(row: &str) -> String {
    format!("{row}.state IN ({PENDING}, {IN_DOUBT}) AND {row}.doubt_since IS NOT NULL")
}

/// Of a finished row that is to be tried again `now` (SQL), the state included. One that was ever sent is
/// looked up first; one that was in doubt still is, with new patience.
pub(super) fn retried(row: &str, now: &str) -> String {
    let was_sent = format!("{row}.sent_at IS NOT NULL");
    format!(
        "state = CASE WHEN {row}.doubt_since IS NOT NULL AND NOT {row}.doubt_precaution THEN {IN_DOUBT} ELSE {PENDING} END, {}",
        made_where(
            &format!("{row}.doubt_since IS NULL"),
            row,
            &format!("CASE WHEN {was_sent} THEN {now} END"),
            &was_sent,
            Patience::New
        )
    )
}

/// Of a row, whatever it was, that was claimed as nobody knew: it is in doubt `since` (SQL).
pub(super) fn of_lost_claim(since: &str) -> String {
    let made = made(since, "false");
    format!("state = {IN_DOUBT}, {made}, finished_at = NULL, error_code = NULL, error_message = NULL")
}

/// Whether it stands as [`of_lost_claim`] has it.
pub(super) fn is_of_lost_claim(row: &str) -> String {
    format!("{row}.state = {IN_DOUBT} AND {row}.doubt_since IS NOT NULL")
}

/// Of a row of which it is certain that it left nothing.
pub(super) fn ended() -> &'static str {
    "doubt_since = NULL"
}

/// Of a doubt that somebody wants to be looked into once more, the state included: a mere precaution no
/// longer, and with new patience where that had run out.
pub(super) fn reopened(row: &str) -> String {
    format!(
        "state = {IN_DOUBT}, doubt_precaution = false,
         answered = CASE WHEN {row}.state = {UNCONFIRMED} THEN 0 ELSE {row}.answered END"
    )
}

/// Whether the doubt of a row says something of it: not what was made of a claim, before or after it is
/// settled.
pub(super) fn is_shown(row: &str) -> String {
    format!("{row}.state NOT IN ({OPENED}, {CONFLICT}) AND NOT ({row}.posting AND {row}.state = {IN_FLIGHT})")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    const COLUMNS: [&str; 6] =
        ["doubt_since", "doubt_hubsoft_at", "doubt_precaution", "absences", "last_absence", "answered"];

    /// Seen: rows from elsewhere, and those of a database that had lost commits, were in doubt by rules of
    /// their own.
    #[test]
    fn doubts_are_written_here_and_nowhere_else() {
        let mut n_seen = 0;
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/outbox")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("it lists") {
                let path: PathBuf = entry.expect("it lists").path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("outbox/doubts.rs") {
                    let text = fs::read_to_string(&path).expect("it reads");
                    n_seen += text.matches("doubt_since").count();
                    for column in COLUMNS {
                        assert!(!writes(&text, column), "{} writes `{column}`", path.display());
                    }
                }
            }
        }
        assert!(10 < n_seen, "{n_seen}: it looked elsewhere");
    }

    #[test]
    fn a_write_is_known_from_a_look() {
        for text in [
            "SET x = 1,\n answered= 0",
            "UPDATE o SET answered = 0",
            "INSERT INTO mutirao.outbox (id,\n answered, state) SELECT",
            "INSERT INTO outbox (answered) VALUES",
        ] {
            assert!(writes(text, "answered"), "{text}");
        }
        for text in [
            "let answered = 1;",
            "WHERE o.answered = 0",
            "is_answered = 1",
            "answered: u32",
            "SELECT answered, 1",
        ] {
            assert!(!writes(text, "answered"), "{text}");
        }
    }

    /// Whether SQL in `text` assigns or inserts `column`. An assigned column has no row's name before it.
    fn writes(text: &str, column: &str) -> bool {
        let is_in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let assigns = text.match_indices(column).any(|(at, _)| {
            let behind = text[at + column.len()..].trim_start();
            !text[..at].ends_with(is_in_word)
                && !text[..at].ends_with("let ")
                && behind.starts_with('=')
                && !behind.starts_with("==")
        });
        let inserts = ["INSERT INTO mutirao.outbox", "INSERT INTO outbox"].iter().any(|into| {
            let lists = text.split(into).skip(1).filter_map(|list| list.split(')').next());
            lists.flat_map(|list| list.split(['(', ','])).any(|name| name.trim() == column)
        });
        assigns || inserts
    }
}
