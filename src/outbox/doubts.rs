//! How SQL makes doubts: by these columns, as [`Doubt::since`] and [`Doubt::precaution`] have it. Otherwise only settles
//! write them, as they were decided.
//!
//! [`Doubt::since`]: crate::delivery::Doubt::since
//! [`Doubt::precaution`]: crate::delivery::Doubt::precaution

/// Assignments that leave a row with a new doubt. `since` and `precaution` are SQL; NULL for `since` is no doubt.
pub(super) fn made(since: &str, precaution: &str) -> String {
    format!(
        "doubt_since = {since}, doubt_hubsoft_at = NULL, doubt_precaution = {precaution}, absences = 0,
         last_absence = NULL, answered = 0"
    )
}

/// The same of a claim to post: of a row without a doubt, whose other columns stand as [`made`] and settles leave them.
/// A claim is too frequent to write them once more.
pub(super) fn begun(row: &str, since: &str) -> String {
    format!("posting = {row}.doubt_since IS NULL, doubt_since = coalesce({row}.doubt_since, {since})")
}

/// Of a row that has a ticket, or is said to have one: the doubt of its claim stays (`since` if it has none), so that
/// it is looked up before it is posted, whatever somebody writes into `state`.
pub(super) fn kept(row: &str, since: &str) -> String {
    format!("doubt_since = coalesce({row}.doubt_since, {since}), doubt_precaution = false")
}

/// Of a row of which it is certain that it left nothing.
pub(super) fn ended() -> String {
    "doubt_since = NULL".to_owned()
}

/// What an older doubt, which stays as it is, has left of its patience.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Kept,
    New,
}

/// The same where `is_due` holds (SQL); else the doubt stays as it was. `row` is what the row is called there.
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

/// Whether the doubt of a row says something of it: not what was made of a claim, before or after it is settled.
pub(super) fn is_shown(row: &str) -> String {
    format!("{row}.state NOT IN ('opened', 'conflict') AND NOT ({row}.posting AND {row}.state = 'in_flight')")
}
