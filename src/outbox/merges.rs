//! What a merge makes of rows, as the SQL of both drivers has it: conditions, assignments, and the words that
//! people read. `s` is a line of the file, `o` the row that it is or becomes, `x` any row.

use super::doubts::{Patience, made_where};
use super::names::{CANCELLED, FAILED, INVALID, PENDING, REJECTED, SKIPPED};
use super::warnings::Dialect;
use super::which::{may_be_opened, unsent};
use crate::delivery::{ALREADY_OPEN, Fault, GONE, REPEAT};

/// Of `s`: two lines may not be one row.
pub(super) fn doubled() -> String {
    let problem = crate::text::repeated_reference("", LINE);
    format!(
        "SELECT record, {} AS code, {} AS message, {} AS hint
           FROM (SELECT record, row_number() OVER of_one AS n, first_value(line) OVER of_one AS first_line
                   FROM staged WINDOW of_one AS (PARTITION BY lote, referencia ORDER BY record)) AS lines
          WHERE 1 < n",
        quoted(&problem.code),
        filled(&quoted(&problem.message), LINE, "CAST(first_line AS text)"),
        quoted(&problem.hint)
    )
}

/// Of a line `s` that has the reference of a row `x` beside another service; without its `FROM`.
pub(super) fn reused() -> String {
    let of = |protocolo| crate::text::reused_reference("", STATE, protocolo);
    let message = |protocolo| filled(&quoted(&of(protocolo).message), STATE, "x.state");
    format!(
        "SELECT s.record, {} AS code, coalesce({}, {}) AS message, {} AS hint",
        quoted(&of(None).code),
        filled(&message(Some(PROTOCOLO)), PROTOCOLO, "x.protocolo"),
        message(None),
        quoted(&of(None).hint)
    )
}

/// Of a problem that a row's fields do not show: of its line as a whole, or of its reference.
pub(super) const OF_LINE: &str = "IN ('row', 'referencia')";

/// Of `x`: it certainly has no ticket of ours, and no person withdrew it (but where `reopens`, in SQL, says
/// that this counts).
pub(super) fn free(reopens: &str) -> String {
    format!(
        "((x.doubt_since IS NULL OR x.doubt_precaution)
          AND (x.state IN ({INVALID}, {REJECTED}, {FAILED}, {PENDING})
               OR x.state = {CANCELLED} AND (x.error_code IS NOT DISTINCT FROM '{GONE}' OR {reopens})
               OR x.state = {SKIPPED} AND x.error_code = '{REPEAT}'))"
    )
}

/// Whether a free row in `state` is to start over. All are SQL.
pub(super) fn starts_over(free: &str, state: &str, changed: &str) -> String {
    format!("{free} AND (NOT s.valid OR {state} NOT IN ({PENDING}, {REJECTED}, {FAILED}) OR {changed})")
}

/// Whether it is worth a warning that a row `x` was sent as its file no longer has it.
pub(super) fn is_outdated(free: &str, changed: &str) -> String {
    format!("{changed} AND NOT {free} AND x.purged_at IS NULL AND {}", may_be_opened("x"))
}

/// Of a line of the file: the state of its row that is new, or starts over.
pub(super) fn state_of_line() -> String {
    format!("CASE WHEN s.valid THEN {PENDING} ELSE {INVALID} END")
}

/// Assignments by which a free row is as new, but for what it was: one that was sent, and is known to have
/// left nothing, is looked up first. A row that is not pending was sent. A free row's older doubt is a
/// precaution.
pub(super) fn started_over(now: &str, dialect: Dialect) -> String {
    let was_sent = format!("o.sent_at IS NOT NULL AND o.state <> {PENDING}");
    let since = format!("CASE WHEN {was_sent} THEN {now} END");
    format!(
        "state = {}, repeat_key = s.repeat_key, attempts = 0, available_at = {now}, warning = s.warning, warnings = {},
         protocolo = NULL, outdated = false, finished_at = CASE WHEN NOT s.valid THEN {now} END, purged_at = NULL, {}",
        state_of_line(),
        dialect.noticed("s.warning"),
        made_where("o.doubt_since IS NULL", "o", &since, &was_sent, Patience::Kept)
    )
}

/// Whether the row is still as it was when that was decided.
pub(super) const IS_AS_IT_WAS: &str = "s.redo AND o.token = s.token AND o.state = s.old_state";

/// Assignments to a row that its file no longer has: what is unsent is withdrawn by that.
pub(super) fn gone(now: &str) -> String {
    let unsent = unsent("o");
    let assigned =
        as_withdrawn(now).map(|(to, new)| format!("{to} = CASE WHEN {unsent} THEN {new} ELSE o.{to} END"));
    format!("gone = true, {}", assigned.join(", "))
}

/// Of `o`: its file no longer has it, and it would wait to be posted again.
pub(super) fn is_to_withdraw() -> String {
    format!("o.gone AND {}", unsent("o"))
}

/// Assignments to such a row.
pub(super) fn withdrawn(now: &str) -> String {
    as_withdrawn(now).map(|(to, new)| format!("{to} = {new}")).join(", ")
}

/// Whether `o` stands so.
pub(super) fn is_withdrawn() -> String {
    format!("o.state = {CANCELLED} AND o.error_code = {}", quoted(GONE))
}

/// What the columns of a row become that nobody is to open any more.
fn as_withdrawn(now: &str) -> [(&'static str, String); 4] {
    [
        ("state", CANCELLED.to_owned()),
        ("error_code", quoted(GONE)),
        ("error_message", message(&Fault::Gone)),
        ("finished_at", now.to_owned()),
    ]
}

/// Whether a row `o` is the new reference of a service for which a row that is gone from the file was opened
/// (`lost`). `is_new` is of a line that was no row before.
pub(super) fn is_edited(is_new: &str) -> String {
    format!(
        "o.service = lost.service AND o.state = {PENDING} AND ({is_new} OR s.old_state IN ({SKIPPED}, {INVALID}))"
    )
}

/// Assignments to it.
pub(super) fn skipped_as_edited(now: &str) -> String {
    let edited = |protocolo| message(&Fault::Edited { protocolo });
    let opened = filled(&edited(Some(PROTOCOLO.to_owned())), PROTOCOLO, "lost.protocolo");
    skipped(now, &format!("coalesce({opened}, {})", edited(None)))
}

/// Of `x`: it opens a ticket, or has, that another one might open once more. An invalid row has no key.
pub(super) fn is_rival(of_batch: &str) -> String {
    let may_be_opened = may_be_opened("x");
    format!(
        "{of_batch} AND (NOT x.gone OR {may_be_opened}) AND x.repeat_key IS NOT NULL AND x.state <> {INVALID}"
    )
}

/// Of rivals with the same content, the one that is opened: the one that may be already, else the first. What
/// was skipped for another reason than a repeat counts as opened.
pub(super) fn first_of_rivals() -> String {
    format!(
        "first_value(x.id) OVER (PARTITION BY x.repeat_key
                                 ORDER BY ({} OR x.error_code IS NOT DISTINCT FROM '{ALREADY_OPEN}') DESC, x.record)",
        may_be_opened("x")
    )
}

/// Assignments to another one than `rival`, that one.
pub(super) fn skipped_as_repeat(now: &str) -> String {
    let of = |line: Option<&str>| {
        let repeat = |protocolo| message(&Fault::Repeat { line: line.map(str::to_owned), protocolo });
        let opened = filled(&repeat(Some(PROTOCOLO.to_owned())), PROTOCOLO, "rival.protocolo");
        format!("coalesce({opened}, {})", repeat(None))
    };
    let of_line = filled(&of(Some(LINE)), LINE, "CAST(rival.line AS text)");
    skipped(now, &format!("CASE WHEN rival.gone THEN {} ELSE {of_line} END", of(None)))
}

fn skipped(now: &str, message: &str) -> String {
    format!("state = {SKIPPED}, error_code = '{REPEAT}', finished_at = {now}, error_message = {message}")
}

/// Stand in words where only SQL knows what is to be there.
const LINE: &str = "{line}";
const PROTOCOLO: &str = "{protocolo}";
const STATE: &str = "{state}";

/// The message of `fault`, as SQL.
fn message(fault: &Fault) -> String {
    quoted(&crate::text::fault(fault))
}

/// The `text` (SQL) with the `value` (SQL) in its place; NULL without one.
fn filled(text: &str, place: &str, value: &str) -> String {
    format!("replace({text}, '{place}', {value})")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a merge has done, in the order of [`Counted`]; `is_new` is of a line that was no row before.
///
/// [`Counted`]: super::importing::Counted
pub(super) fn counted(is_new: &str) -> String {
    let opens = format!("o.state = {PENDING}");
    let counts = [
        format!("{opens} AND {is_new}"),
        format!("{opens} AND s.redo AND s.changed"),
        format!("{opens} AND s.redo AND NOT s.changed"),
        format!("o.state = {INVALID}"),
        format!("o.state = {SKIPPED} AND o.error_code = '{REPEAT}'"),
        format!("{opens} AND {is_new} AND s.is_ours"),
    ];
    let counts = counts.map(|which| format!("count(*) FILTER (WHERE {which})"));
    format!("count(*), {}, count(s.outdated)", counts.join(", "))
}
